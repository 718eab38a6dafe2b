#!/usr/bin/env python3
"""What `onemask plan` and `onemask status` say before, while and after a study runs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from runs import PROGRAM, Run, WorldTest
from tiny_world import make_world

TASKS = {"edits": 9, "masks": 3, "evaluation": 20}


class PlanAndStatus(WorldTest):
    def ask(self, *words: object, code: int = 0) -> str:
        """What the program prints; of a refusal what it complains about."""
        no_gpus = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
        result = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=60, check=False, env=no_gpus)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout if code == 0 else result.stderr

    def plan(self, folder: Path, *words: object) -> dict:
        return json.loads(self.ask("plan", self.study, "--out", folder, "--json", *words))

    def status(self, folder: Path) -> dict:
        return json.loads(self.ask("status", folder, "--json"))

    def finished(self, name: str, *words: object) -> Run:
        run = Run(self.study, self.folder / name, *words)
        self.expect_ends(run.start(2), 0)
        return run

    def test_before_anything_is_done(self):
        folder = self.folder / "before"
        text = self.ask("plan", self.study, "--out", folder)
        for kind, count in TASKS.items():
            self.assertRegex(text, rf"(?m)^{kind} +{count} +0 +{count} .* guessed$")
        self.assertRegex(text, r"(?m)^all +32 +0 +32 ")
        self.assertRegex(text, r"critical path: edits .* > masks .* > evaluation ")
        self.assertRegex(text, r"on 1 rank: ")

        frozen = json.loads((folder / "plan.json").read_text())
        self.assertEqual({k: n for k, n in frozen["tasks"].items() if n}, TASKS)
        self.assertRegex(self.ask("status", folder), "planned, not started yet")
        self.assertIn("holds a run of another study", self.ask("plan", self.study, "--out", folder, "--set", "mask.epochs=9", code=2))
        # What runs is what was frozen.
        run = Run(self.study, folder)
        self.expect_ends(run.start(1), 0)
        self.assertEqual(run.results().attributes["plan"], frozen["id"])

    def test_what_would_be_refused_at_its_turn_is_refused(self):
        def spoilt(split: str, change) -> Path:
            world = self.folder / f"{self.id().rpartition('.')[2]}{len(list(self.folder.iterdir()))}"
            study = make_world(world)
            records = json.loads((world / f"{split}.json").read_text())
            change(records[-1])
            (world / f"{split}.json").write_text(json.dumps(records))
            return study

        def longer(key: str):
            return lambda record: record.update({key: ["long " * 20]})

        def refusal(study: Path, *words: str) -> str:
            said = self.ask("plan", study, "--out", study.parent / "run", *words, code=2)
            self.assertFalse((study.parent / "run" / "plan.json").exists())
            return said

        for split, key, words in (("heldout", "paraphrase_prompts", []), ("ood", "neighborhood_prompts", []),
                                  ("train", "paraphrase_prompts", ["--set", "evaluation.paraphrases=false"])):  # fmt: skip
            study = spoilt(split, longer(key))
            said = refusal(study, *words)
            for part in ("case_id", "'long long", "96 positions"):
                self.assertIn(part, said)
        # What no task reads may be as long as it likes.
        study = spoilt("heldout", longer("paraphrase_prompts"))
        self.ask("plan", study, "--out", study.parent / "run", "--set", "evaluation.paraphrases=false")
        study = spoilt("heldout", longer("neighborhood_prompts"))
        self.ask("plan", study, "--out", study.parent / "run", "--set", "evaluation.neighborhood=false")
        # A prompt that fits by itself, but not behind a sampled context.
        study = spoilt("heldout", lambda record: record["requested_rewrite"].update(subject="s" * 70))
        self.assertIn("behind the context", refusal(study, "--set", "edit.context_template_length_params=[[30, 1]]"))
        study = self.study
        self.assertIn("v_loss_layer", refusal(study, "--set", "edit.v_loss_layer=3"))
        self.assertIn("below the edited layer", refusal(study, "--set", "edit.v_loss_layer=0"))
        other = self.folder / "other.yaml"
        other.write_text((study.parent / "hparams.yaml").read_text() + "rewrite_module_tmp: model.layers.{}.mlp.down_proj\n")
        said = refusal(study, "--set", f"edit.hparams={other}")
        self.assertIn("'down_proj'", said)
        self.assertIn("'c_proj'", said)
        (self.folder / "text.txt").write_text("Every word of it is read. " * 200)
        moments = ["--set", "edit.mom2_adjustment=true", "--set"]
        self.assertIn("97 positions", refusal(study, *moments, f"moments={{text: {self.folder}/text.txt, segment: 97}}"))
        self.assertRegex(refusal(study, *moments, f"moments={{text: {self.folder}/text.txt, tokens: 50}}"), "50 tokens .* at least 128")
        (self.folder / "moment.npz").write_bytes(b"PK no archive")
        self.assertIn("moment.npz", refusal(study, *moments, f"moments.files={{1: {self.folder}/moment.npz}}"))

    def test_every_setting_of_the_model_and_of_perplexity_decides_the_plan(self):
        model = shutil.copytree(self.study.parent / "model", self.folder / "another model")
        weights = bytearray((model / "model.safetensors").read_bytes())
        weights[-4] ^= 1
        (model / "model.safetensors").write_bytes(weights)
        (self.folder / "text.txt").write_text("Every word of it is read. " * 200)
        (self.folder / "other.txt").write_text("Other words are read there. " * 200)
        (self.folder / "templates.json").write_text('["{}"]')
        others = {"model.checkpoint": model, "model.device": "cuda", "model.dtype": "bfloat16", "model.products": "bfloat16",
                  "model.threads": 2, "perplexity.text": self.folder / "other.txt", "perplexity.tokens": 300,
                  "perplexity.segment": 48, "perplexity.stride": 16, "perplexity.facts": 1,
                  "perplexity.ids": self.folder / "ids.jsonl"}  # fmt: skip
        (self.folder / "ids.jsonl").write_text("[1, 2, 3]\n[4, 5, 6]\n")
        keys = [line.split()[0] for prefix in ("model.", "perplexity.") for line in self.ask("keys", prefix).splitlines() if line[:1].isalpha()]
        self.assertEqual(sorted(others), sorted(key for key in keys if key.startswith(("model.", "perplexity."))))

        def plan_id(name: str, **changed: object) -> str:
            settings = {"edit.templates": self.folder / "templates.json", "perplexity.text": self.folder / "text.txt"} | changed
            if "perplexity.ids" in changed:
                del settings["perplexity.text"]
            self.ask("plan", self.study, "--out", self.folder / name, *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")))
            return json.loads((self.folder / name / "plan.json").read_text())["id"]

        ids = {"": plan_id("unchanged")} | {key: plan_id(f"with another {key}", **{key: value}) for key, value in others.items()}
        self.assertEqual(len(set(ids.values())), len(ids), ids)

    def test_for_gpus_that_are_not_seen_here(self):
        folder, templates = self.folder / "gpu", self.folder / "templates.json"
        templates.write_text('["{}"]')
        given = ["--set", f"edit.templates={templates}"]
        gpu = ["--device", "cuda", *given]
        self.ask("plan", self.study, "--out", folder, "--device", "cuda")  # its templates would have to be sampled there
        self.assertFalse((folder / "plan.json").exists())
        self.assertIn("with --objects", self.ask("gather", self.study, "--out", folder, "--device", "cuda", code=2))
        self.assertFalse((folder / "study.h5").exists())
        self.ask("plan", self.study, "--out", folder, *gpu)
        frozen = json.loads((folder / "plan.json").read_text())
        self.assertRegex(frozen["execution"], "^cuda ")
        self.assertEqual(self.ask("gather", self.study, "--out", folder, *gpu, "--csv", code=3).count("PARTIAL"), 0)
        # Nothing of it was done, so that a run on CPUs may take the folder; after that it is the run's.
        run = Run(self.study, folder, *given)
        self.expect_ends(run.start(1), 0)
        self.assertNotEqual(json.loads((folder / "plan.json").read_text())["id"], frozen["id"])
        said = self.ask("plan", self.study, "--out", folder, *gpu, code=2)
        self.assertRegex(said, "holds a run that computes on 'cpu .*', but this start would compute on 'cuda .*--device cpu")

    def test_after_all_is_done(self):
        run = self.finished("after")
        plan = self.plan(run.folder)
        self.assertEqual({kind["kind"]: (kind["tasks"], kind["done"]) for kind in plan["tasks"]}, {k: (n, n) for k, n in TASKS.items()})
        self.assertEqual(plan["simulation"]["makespan_seconds"], 0)
        self.assertTrue(all(kind["measured_on"] == kind["tasks"] for kind in plan["tasks"]))

        # What is lost afterwards does not make the complete file a partial one.
        lost = next(file for file in run.object_files() if file.name == run.records()[-1]["object"])
        aside, before = lost.rename(self.folder / "lost"), (run.folder / "study.h5").read_bytes()
        self.ask("gather", self.study, "--out", run.folder, "--csv")
        aside.rename(lost)
        self.assertEqual((run.folder / "study.h5").read_bytes(), before)
        self.assertIn("holds no run", self.ask("plan", self.study, "--out", run.folder, "--like", self.folder / "no", code=2))

        text = self.ask("status", run.folder, "--watch")  # comes back at once, as the run has ended
        self.assertRegex(text, r"(?m)^complete, attempt 1 on \S+ \(process \d+\), 2 ranks, since .* UTC, ended .* UTC$")
        for kind, count in TASKS.items():
            self.assertRegex(text, rf"(?m)^{kind} +{count} +{count} +0 +0 +0$")
        self.assertNotIn("failed and not done", text)

        # A second study with the same objects finds the edits, and all that an added seed does not touch.
        other = json.loads(self.ask("plan", self.study, "--out", self.folder / "more", "--objects", run.folder / "objects",
                                    "--sweep", "mask.seed=0..5", "--json"))  # fmt: skip
        self.assertEqual({k["kind"]: (k["tasks"], k["done"]) for k in other["tasks"]}, {"edits": (9, 9), "masks": (6, 3), "evaluation": (35, 20)})

    def test_times_of_a_run_like_it_and_many_ranks(self):
        run = self.finished("like")
        measured = {}
        for record in run.records():
            kind = record["task"].split("/")[0]
            measured[kind] = measured.get(kind, 0) + record["seconds"] * record["ranks"]
        plan = self.plan(self.folder / "unlike", "--like", run.folder, "--ranks", 64, "--ranks-per-node", 4)
        seconds = {kind["kind"]: kind["seconds_left"] for kind in plan["tasks"]}
        self.assertAlmostEqual(seconds["edits"], measured["edit"], delta=0.01 * measured["edit"])
        self.assertAlmostEqual(seconds["masks"], measured["mask"], delta=0.01 * measured["mask"])
        simulation = plan["simulation"]
        self.assertEqual(simulation["ranks"], 64)
        self.assertGreaterEqual(simulation["makespan_seconds"], simulation["bound_seconds"] * (1 - 1e-12))  # sums in another order
        self.assertGreater(simulation["efficiency"], 0.5)
        self.assertAlmostEqual(simulation["work_seconds"], sum(seconds.values()))

    def test_while_it_runs_and_after_it_was_stopped(self):
        run = Run(self.study, self.folder / "running", "--set", "mask.epochs=3000")
        start = run.start(2)
        self.wait_until(start, lambda: len(run.done("edit")) > 4 and len(run.checkpoints()) > 0, "training")
        status = self.status(run.folder)
        (part,) = status["parts"]
        self.assertEqual((part["phase"], part["ranks"], part["lost"]), ("running", 2, []))
        self.assertEqual([kind["tasks"] for kind in part["tasks"]], list(TASKS.values()))
        for kind in part["tasks"]:
            self.assertEqual(kind["done"] + kind["running"] + kind["waiting"] + kind["failed"], kind["tasks"])
            self.assertLessEqual(kind["share"], kind["running"])
        text = self.ask("status", run.folder)
        self.assertRegex(text, r"(?m)^tasks +planned +done +running +waiting +failed$")
        self.assertRegex(text, r"(?m)^evaluation +20 +\d+ +\d+ +\d+ +0$")
        start.signal(signal.SIGTERM)
        self.expect_ends(start, 75)
        self.assertEqual(self.status(run.folder)["parts"][0]["phase"], "interrupted")
        self.assertEqual(self.ask("gather", self.study, "--out", run.folder, "--set", "mask.epochs=3000", "--csv", code=3).count("PARTIAL"), 0)

    def test_folders_without_a_run(self):
        self.assertIn("holds no run", self.ask("status", self.folder, code=2))
        self.assertIn("RUN, the folder of the run, is missing", self.ask("status", code=2))
        self.assertIn("Did you mean '--ranks'", self.ask("plan", self.study, "--out", self.folder / "x", "--rank", 3, code=2))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
