#!/usr/bin/env python3
"""Studies that take only facts which the unedited model knows: which these are, on any ranks and after kills, and `onemask known`."""

import json
import os
import signal
import struct
import subprocess
import sys
import unittest
from pathlib import Path

from pretend_runs import on_devices
from runs import PROGRAM, Results, Run, WorldTest, freeze, keep_traces_in, send
from tiny_world import records

ROOT = Path(__file__).resolve().parents[2]
KNOWN = ["--set", "facts.train.known=two-way"]


def numbers(results: Results, name: str) -> list:
    shape, kind, bits, _ = results.values[name]
    return list(struct.unpack(f"<{shape[0]}{'d' if kind == 'float64' else 'q'}", bits))


class KnownFacts(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        keep_traces_in(cls.folder / "traces")
        cls.whole = cls.study  # with masks
        cls.study = cls.study.with_name("unmasked.yaml")
        templates = cls.study.with_name("templates.json")
        templates.write_text('["{}"]')
        before, after = cls.whole.read_text().split("mask:", 1)
        text = before + "  templates: templates.json\nmask: none\nevaluation:" + after.split("evaluation:")[1].split("sweep:")[0]
        cls.study.write_text(text.replace("v_num_grad_steps: 10", "v_num_grad_steps: 1"))

    def ask(self, *words: object, code: int = 0, variables: dict[str, str] | None = None) -> str:
        """What the program prints; of a refusal what it complains about."""
        no_gpus = os.environ | {"CUDA_VISIBLE_DEVICES": ""} | (variables or {})
        result = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=120, check=False, env=no_gpus)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout if code == 0 else result.stderr

    def plan(self, name: str, *words: object, study: Path | None = None) -> dict:
        return json.loads(self.ask("plan", study or self.study, "--out", self.folder / name, "--json", *words))

    def known_file(self, *words: object) -> list[dict]:
        """The records that `onemask known` writes."""
        file = self.folder / "written.json"
        self.ask("known", self.study, "--split", "train", "--out", file, "--overwrite", *words)
        return json.loads(file.read_text())

    def test_they_are_those_of_the_evaluation_on_any_ranks(self):
        everything = Run(self.study, self.folder / "everything")
        self.expect_ends(everything.start(0), 0)
        scored = everything.results()
        original = scored.texts("conditions/kind").index("original")
        splits, relations, cases = scored.texts("facts/split"), scored.texts("facts/relation"), numbers(scored, "facts/case_id")
        margins: dict[int, list[float]] = {}  # by case, of the rewrite prompt and the paraphrases
        columns = [numbers(scored, f"metrics/{name}") for name in ("fact", "condition", "kind", "lp_true", "lp_new")]
        for fact, condition, kind, lp_true, lp_new in zip(*columns, strict=True):
            if condition == original and kind < 2:
                margins.setdefault(cases[fact], []).append(lp_true - lp_new)
        train = [case for case, split in zip(cases, splits, strict=True) if split == "train"]
        relation_of = dict(zip(cases, relations, strict=True))

        def known(margin: float, paraphrases: bool) -> list[int]:
            return [case for case in train if min(margins[case] if paraphrases else margins[case][:1]) > margin]

        self.assertEqual(len({tuple(known(*test)) for test in ((0, False), (1.5, False), (0, True))}), 3)
        for margin, paraphrases in [(1.5, False), (0, True)]:
            words = [*KNOWN, "--set", f"facts.train.known_margin={margin}", "--set", f"facts.train.known_paraphrases={str(paraphrases).lower()}"]
            written = self.known_file(*words)
            self.assertEqual([record["case_id"] for record in written], known(margin, paraphrases))

        # After the offset, so many known ones of every relation.
        expected = []
        for relation in ("P1", "P2"):
            expected += [case for case in known(0, False) if relation_of[case] == relation][1:4]
        words = [*KNOWN, "--set", "facts.train.per_relation=3", "--set", "facts.train.offset_per_relation=1"]
        runs = [Run(self.study, self.folder / f"on {ranks}", *words) for ranks in (0, 2, 3)]
        for ranks, run in zip((0, 2, 3), runs, strict=True):
            said = self.expect_ends(run.start(ranks), 0)
            if ranks == 0:
                self.assertRegex(said, r"Split 'train': the model knows \d+ of the 16 facts that were scored, of 22; the split has 6 of them")
        results = [run.results() for run in runs]
        self.assertEqual(sorted(case for case, split in zip(numbers(results[0], "facts/case_id"), results[0].texts("facts/split"), strict=True)
                                if split == "train"), sorted(expected))  # fmt: skip
        for other in results[1:]:
            self.expect_same_results(other, results[0])
            self.assertEqual(other.attributes["plan"], results[0].attributes["plan"])
        self.assertEqual({file.name: file.read_bytes() for file in runs[1].object_files()}, {file.name: file.read_bytes() for file in runs[0].object_files()})
        counts = [numbers(results[0], f"known/{name}")[0] for name in ("candidates", "scored", "known", "taken")]
        first_sixteen = [case for r in ("P1", "P2") for case in [c for c in train if relation_of[c] == r][:8]]
        self.assertEqual(counts, [22, 16, len(set(known(0, False)) & set(first_sixteen)), 6])
        self.assertIn(f"Split train; known {counts[2]} of 16 (two-way)\n", self.ask("report", runs[0].folder))
        self.assertEqual(json.loads(self.ask("report", runs[0].folder, "--json"))["known"][0]["taken"], 6)

        # The plan says the same, and neither it nor another start scores again.
        before = runs[0].objects()
        plan = self.plan("on 0", *words)
        self.assertEqual((plan["plan"], plan["facts"], plan["known"][0]["known"]), (results[0].attributes["plan"], 18, counts[2]))
        self.expect_ends(runs[0].start(0), 0)
        self.assertEqual(runs[0].objects(), before)

    def test_other_studies_find_the_scores(self):
        shared = ["--objects", self.folder / "shared"]

        def objects() -> set[str]:
            return {file.name for file in (self.folder / "shared").glob("??/*")}

        table = json.loads(self.ask("known", self.study, *shared, "--json"))
        self.assertEqual([(split["split"], split["relations"][0]["candidates"]) for split in table], [("train", 22), ("heldout", 6), ("ood", 6)])
        made = objects()
        self.assertEqual(len(made), 2 * 2 + 2 + 1)  # eight facts of a relation each
        for number, words in enumerate([["per_relation=2", "known_margin=0.1"], ["relations=[P2]"]]):
            setting = [word for text in words for word in ("--set", f"facts.train.{text}")]
            plan = self.plan(f"other {number}", *shared, *KNOWN, *setting)
            self.assertGreater(plan["facts"], 12)
        self.assertEqual(objects(), made)
        self.plan("paraphrases", *shared, *KNOWN, "--set", "facts.train.known_paraphrases=true", "--set", "facts.train.limit=1")
        self.assertEqual(len(objects() - made), 1)
        self.plan("peer", *shared, *KNOWN, "--peer-compatible", "--limit", 1)
        self.assertEqual(len(objects() - made), 2)

        # What the command writes is a file of facts.
        known = self.known_file(*shared, *KNOWN)
        originals = {record["case_id"]: record for record in json.loads((self.study.parent / "train.json").read_text())}
        self.assertEqual(known, [originals[record["case_id"]] for record in known])
        self.assertEqual(table[0]["known"], len(known))
        plan = self.plan("of the file", "--set", f"facts.train.files={self.folder / 'written.json'}")
        filtered = self.plan("filtered", *shared, *KNOWN)
        self.assertEqual((plan["plan"], plan["facts"]), (filtered["plan"], len(known) + 12))

    def test_top_1_is_what_the_model_would_say(self):
        """On the model that ships, whose greedy continuations are compared."""
        records_of_one = [r for r in json.loads((ROOT / "res/facts/heldout.json").read_text()) if r["requested_rewrite"]["relation_id"] == "W02"][:24]
        world = self.folder / "real"
        world.mkdir()
        (world / "facts.json").write_text(json.dumps(records_of_one))
        study = world / "study.yaml"
        study.write_text(f"name: real\nmodel: {{checkpoint: {ROOT}/res/models/world-gpt2, device: cpu}}\n"
                         f"facts: {{train: {{files: facts.json, known: top-1, known_margin: 0.2}}}}\nedit: {{hparams: {ROOT}/res/hparams/rome/world-gpt2.yaml}}\n")  # fmt: skip
        texts = {r["case_id"]: r["requested_rewrite"]["prompt"].replace("{}", r["requested_rewrite"]["subject"]) for r in records_of_one}
        objects = {r["case_id"]: " " + r["requested_rewrite"]["target_true"]["str"] for r in records_of_one}
        said, leads = dict.fromkeys(texts, ""), dict.fromkeys(texts, 99.0)
        while asked := [case for case in texts if said[case] != objects[case] and objects[case].startswith(said[case])]:
            lines = self.ask("predict", "--model", ROOT / "res/models/world-gpt2", "--device", "cpu", "--top", 2, "--json",
                             *(texts[case] + said[case] for case in asked)).splitlines()  # fmt: skip
            for case, line in zip(asked, lines, strict=True):
                first, second = json.loads(line)["predictions"]
                said[case] += first["text"]
                leads[case] = min(leads[case], first["logit"] - second["logit"])
        expected = [case for case in texts if said[case] == objects[case] and leads[case] > 0.2]
        self.ask("known", study, "--out", world / "known.json")
        self.assertEqual([record["case_id"] for record in json.loads((world / "known.json").read_text())], expected)
        self.assertTrue(0 < len(expected) < 24, expected)

    def test_what_cannot_be_is_refused(self):
        out = ["--out", self.folder / "refused"]
        for words, parts in [
            ([*KNOWN, "--set", "facts.train.per_relation=11"], ["11 facts that the model knows", "2 of 2 relations have fewer: P1 ", " of 11, P2 "]),
            (["--set", "facts.train.known=top-1"], ["'train': the model knows none of its facts", "P1 0 of 11, P2 0 of 11"]),
            (["--set", "facts.train.known_margin=1"], ["'facts.train.known_margin' is a setting of the test 'known'"]),
        ]:
            for command in ("plan", "sweep"):
                said = self.ask(command, self.study, *out, *words, code=2)
                for part in parts:
                    self.assertIn(part, said)
        self.assertFalse((self.folder / "refused" / "plan.json").exists())
        self.assertIn("Did you mean 'heldout'?", self.ask("known", self.study, "--split", "heldou", code=2))
        self.assertIn("Name one with --split", self.ask("known", self.study, "--out", self.folder / "none.json", code=2))
        words = ["--split", "train", "--set", "facts.train.known=top-1", "--out", self.folder / "none.json"]
        result = subprocess.run([PROGRAM, "known", self.study, *words], capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("knows no fact of the split 'train'", result.stderr)
        self.assertIn("Split train: 0 of 22 facts are known", result.stdout)
        # A file that cannot be written is found before anything is scored.
        objects = self.folder / "not made"
        for place, sentence in [(self.folder / "nowhere/known.json", "There is no folder"), (self.folder, "is a folder"), (self.study, "exists already")]:
            said = self.ask("known", self.study, "--split", "train", "--out", place, "--objects", objects, code=2)
            self.assertIn(sentence, said)
        self.assertFalse(objects.exists())
        self.assertFalse((self.folder / "none.json").exists())
        # The doctor loads no weights.
        self.assertIn("train at most 22, heldout 6, ood 6; which of them the model knows is found out", self.ask("doctor", self.study, *KNOWN))

    def test_a_plan_where_the_gpus_are_not(self):
        words = ["--out", self.folder / "gpu", "--device", "cuda", *KNOWN]
        self.assertIn("knows 0 of the 0 facts that were scored, of 22; the split has 22", self.ask("plan", self.study, *words))
        self.assertFalse((self.folder / "gpu" / "plan.json").exists())
        self.assertIn("scores of facts", self.ask("gather", self.study, *words, code=2))

    def test_a_killed_or_stopped_start_continues(self):
        count = 300
        facts = self.study.parent / "many.json"
        facts.write_text(json.dumps(records(1000, count, {"P1": "{} lives in", "P2": "The colour of {} is"})))
        words = ["--set", f"facts.train.files={facts}", *KNOWN, "--set", "facts.train.limit=299", "--set", "evaluation.batch=1",
                 "--set", "edit.batch=64"]  # fmt: skip
        expected = self.plan("whole", *words)
        self.assertEqual(expected["known"][0]["scored"], count)
        for name, ranks, number, code in [("killed", 2, signal.SIGKILL, None), ("stopped", 0, signal.SIGTERM, 75)]:
            run = Run(self.study, self.folder / name, *words)
            run.words[0] = "edit"
            start = run.start(ranks)
            self.wait_until(start, lambda run=run: len(run.object_files()) > 8, "it had scored facts")
            self.assertIn("has begun, but has no plan yet", self.ask("status", run.folder, code=2))
            if code is None:
                processes = start.ranks()
                freeze(processes)
                send([*processes, start.process.pid], number)
                start.finish()
            else:
                start.signal(number)
                self.expect_ends(start, code)
            before = run.objects()
            self.assertLess(len(before), count)
            self.assertFalse((run.folder / "plan.json").exists())
            plan = self.plan(name, *words)
            self.assertEqual((plan["plan"], plan["known"]), (expected["plan"], expected["known"]))
            after = run.objects()
            self.assertEqual(len(after), count)
            self.assertEqual({key: after[key] for key in before}, before)

    def test_shards_plan_the_same(self):
        words = [*KNOWN, "--set", "facts.train.limit=6"]
        run = Run(self.study, self.folder / "shards", *words)
        run.words[0] = "edit"
        starts = [run.start(0, "--shard", f"{part}/2") for part in (0, 1)]
        for start in starts:
            self.expect_ends(start, 0)
        plan = json.loads((run.folder / "plan.json").read_text())
        self.assertEqual(plan["id"], self.plan("not in shards", *words)["plan"])
        self.assertEqual(len(set(run.done("edit"))), plan["tasks"]["edits"])

    def test_on_pretended_devices(self):
        written = []
        for device in ("pretend", "cpu"):
            file = self.folder / f"on {device}.json"
            words = ["known", self.study, "--split", "train", "--device", device, "--out", file]
            self.ask(*words, variables=on_devices() if device == "pretend" else {})
            written.append(file.read_bytes())
        self.assertEqual(written[0], written[1])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
