#!/usr/bin/env python3
"""The same bits on every number of ranks, in one folder or another."""

import json
import struct
import subprocess
import sys
import unittest

from runs import PROGRAM, Results, Run, WorldTest


class SameBits(WorldTest):
    def run_on(self, ranks: int, name: str, *words: object) -> Results:
        run = Run(self.study, self.folder / name, *words)
        said = self.expect_ends(run.start(ranks), 0)
        self.assertNotIn("PARTIAL", said)
        return run.results()

    def carriers(self, results: Results) -> set[str]:
        """What carried the sums of masks."""
        tasks = zip(results.texts("provenance/tasks/task"), results.texts("provenance/tasks/sums"))
        return {sums for task, sums in tasks if task.startswith("mask/")}

    def test_any_number_of_ranks(self):
        one = self.run_on(1, "one")
        self.assertEqual(self.carriers(one), {"one rank"})
        # The comparison below must compare something: masks that differ from seed to seed and delete a part of the weights.
        masks = [one.values[f"masks/{i}"][2] for i in range(3)]
        self.assertEqual(len(set(masks)), 3)
        for mask in masks:
            self.assertGreater(mask.count(0), 20)
            self.assertGreater(mask.count(1), 20)
        self.assertEqual(set(one.texts("edits/failure")), {""})
        self.assertEqual(set(one.texts("facts/split")), {"train", "validation", "heldout", "ood"})
        self.assertGreater(len(one.values["metrics/kl"][2]), 8 * 1000)
        kinds = struct.unpack(f"<{one.values['metrics/kind'][0][0]}q", one.values["metrics/kind"][2])
        self.assertEqual(set(kinds), {0, 1, 2})
        self.assertEqual(set(one.texts("summary/prompts")), {"rewrite", "paraphrase", "neighborhood", "all"})

        for name, ranks, words in [("two", 2, []), ("three", 3, []), ("pair", 2, ["--set", "mask.ranks=2"]),
                                   ("pair and one", 3, ["--set", "mask.ranks=2"]), ("all", 3, ["--set", "mask.ranks=3"])]:  # fmt: skip
            with self.subTest(name):
                results = self.run_on(ranks, name, *words)
                self.expect_same_results(results, one)
                if name in ("pair", "all"):
                    self.assertEqual(self.carriers(results), {"messages"})

    def test_baselines_and_covers(self):
        pruned = ", ".join(
            f"{{score: {score}, scope: fact, fill: {fill}, zeros: 0.1}}"
            for score in ("random", "magnitude", "delta_magnitude", "magnitude_rows", "magnitude_columns", "magnitude_per_row",
                          "activation", "activation_signed", "gradient")
            for fill in ("zero", "original")
        )  # fmt: skip
        baselines = (f"evaluation.baselines=[random, {pruned}, {{score: magnitude_columns, fill: original}}, "
                     "{score: delta_magnitude, scope: fact}, {score: bottom_rank, k: 1..3}, {score: shrink, alpha: [0.5, 1]}]")  # fmt: skip
        words = ["--set", baselines, "--set", "evaluation.cover=[both, delta, weight]", "--sweep", "mask.seed=0"]
        one = self.run_on(1, "baselines of one", *words)
        self.expect_same_results(self.run_on(2, "baselines of two", *words), one)
        scopes = dict(zip(one.texts("conditions/name"), one.texts("conditions/scope")))
        self.assertEqual(scopes["edited"], "")
        self.assertEqual(scopes["random, cover delta (mask.seed=0)"], "shared")
        self.assertEqual(scopes["gradient per fact, zeros 0.1"], "fact")
        zeros = struct.unpack(f"<{len(scopes)}d", one.values["conditions/zeros"][2])
        zeros = dict(zip(scopes, zeros))
        self.assertAlmostEqual(zeros["magnitude per fact, zeros 0.1"], 0.1, delta=1e-3)
        self.assertEqual(zeros["bottom rank, k 2"], 0)
        self.assertEqual(zeros["delta magnitude per fact (mask.seed=0)"], zeros["random (mask.seed=0)"])
        # Once the matrix is multiplied by 1 it is the edited one.
        rsr = {}
        for condition, split, relation, prompts, metric, mean in zip(
            *(one.texts(f"summary/{name}") for name in ("condition", "split", "relation", "prompts", "metric")),
            struct.unpack(f"<{len(one.values['summary/mean'][2]) // 8}d", one.values["summary/mean"][2]),
        ):
            if (split, relation, prompts, metric) == ("heldout", "all", "rewrite", "rsr"):
                rsr[condition] = mean
        self.assertEqual(rsr["shrink, alpha 1"], rsr["edited"])
        self.assertEqual(set(rsr), set(scopes))

    def test_models_with_the_attention_of_others(self):
        plain = ["edited+attention(original)", "original+attention(edited)", "edited+attention(original) at last",
                 "edited+attention(original) at subject"]  # fmt: skip
        masked = ["mask+attention(edited)", "mask+attention(original)", "edited+attention(mask)"]
        words = ["--set", f"evaluation.patch=[{', '.join(plain + masked)}]", "--set", "evaluation.baselines=[]", "--sweep",
                 "mask.seed=0", "--set", "edit.layer=0"]  # fmt: skip
        one = self.run_on(1, "patched of one", *words)
        for ranks in (2, 3):
            self.expect_same_results(self.run_on(ranks, f"patched of {ranks}", *words), one)
        kinds = dict(zip(one.texts("conditions/name"), zip(one.texts("conditions/kind"), one.texts("conditions/variant"))))
        columns = [one.texts(f"summary/{name}") for name in ("condition", "split", "relation", "prompts", "metric")]
        rows = dict(zip(zip(*columns), struct.iter_unpack("<d", one.values["summary/mean"][2])))
        counts = dict(zip(zip(*columns), struct.iter_unpack("<q", one.values["summary/n"][2])))
        for name in plain + masked:
            full = name if name in plain else f"{name} (mask.seed=0)"
            self.assertEqual(kinds[full], ("patched", name))
            self.assertEqual(counts[full, "heldout", "all", "rewrite", "rsr"], (6,))
            neighborhood = ("heldout", "all", "neighborhood", "success")
            self.assertEqual(counts[full, *neighborhood], (0,) if name.endswith("subject") else counts["edited", *neighborhood])
        kl = {condition: mean for (condition, *rest), (mean,) in rows.items() if rest == ["heldout", "all", "rewrite", "kl"]}
        self.assertEqual(len(set(kl.values())), len(kl))  # no two models are alike
        # With the edited models' attention alone the unedited model moves less than with the edit.
        self.assertLess(kl["original+attention(edited)"], kl["edited"])
        report = subprocess.run([PROGRAM, "report", self.folder / "patched of one"], capture_output=True, text=True, check=True).stdout
        for words in ("\nmask+attention(original) ", "Attention: With the attention of the unedited model, the edited models prefer",
                      "Attention under the mask: "):  # fmt: skip
            self.assertIn(words, report)
        tested = subprocess.run([PROGRAM, "test", self.folder / "patched of one", "--compare", "edited+attention(original)", "edited"],
                                capture_output=True, text=True, check=True).stdout  # fmt: skip
        self.assertIn("edited+attention(original)", tested)

    def test_masks_of_some_training_facts(self):
        words = ["--sweep", "mask.seed=0", "--sweep", "mask.train_relations=all,P1", "--sweep", "mask.train_per_relation=0,2"]
        one = self.run_on(1, "some facts on one", *words)
        self.expect_same_results(self.run_on(2, "some facts on two", *words), one)
        columns = [one.texts(f"summary/{name}") for name in ("condition", "split", "relation", "prompts", "metric")]
        n, planned = (struct.unpack(f"<{len(columns[0])}q", one.values[f"summary/{name}"][2]) for name in ("n", "planned"))
        counted = {}
        for condition, split, relation, prompts, metric, count, plan in zip(*columns, n, planned):
            if (relation, prompts, metric) == ("all", "rewrite", "rsr"):
                self.assertEqual(count, plan)
                counted[condition, split] = count
        # The facts that a mask has seen, those held back from it, and all of the other splits.
        for relations, number, of_train, of_validation in [("all", 0, 18, 4), ("all", 2, 4, None), ("P1", 0, 8, 3), ("P1", 2, 2, None)]:
            name = f"mask.seed=0 mask.train_relations={relations} mask.train_per_relation={number}"
            for condition in (name, f"delta_magnitude ({name})"):
                self.assertEqual(counted[condition, "train"], of_train)
                self.assertEqual(counted.get((condition, "validation")), of_validation)
                self.assertEqual(counted[condition, "heldout"], 6)
        self.assertEqual(len({tuple(one.values[f"masks/{i}"][2]) for i in range(4)}), 4)

    def test_equal_masks_are_trained_once(self):
        runs = [Run(self.study, self.folder / f"thresholds on {ranks}", "--sweep", "mask.seed=0", "--sweep", "mask.threshold=0.6,0.7")
                for ranks in (1, 2)]  # fmt: skip
        for ranks, run in enumerate(runs, 1):
            self.expect_ends(run.start(ranks), 0)
            self.assertEqual(len(run.done("mask")), 1)
        self.expect_same_results(runs[1].results(), runs[0].results())

    def test_masks_of_chosen_sizes_and_their_consensus(self):
        study = self.study.with_name("sizes.yaml")
        study.write_text(self.study.read_text().replace("  threshold: 0.5\n", "  zeros: [0.1, 0.25]\n"))
        words = ["--set", "evaluation.consensus=true", "--set", "evaluation.baselines=[random]", "--sweep", "mask.seed=0..1"]
        runs = [Run(study, self.folder / f"sizes on {ranks}", *words) for ranks in (1, 2)]
        for ranks, run in enumerate(runs, 1):
            self.expect_ends(run.start(ranks), 0)
            self.assertEqual(len(run.done("mask")), 3)  # two trainings and their consensus
        one = runs[0].results()
        self.expect_same_results(runs[1].results(), one)
        masks = {}
        for i in range(6):
            shape, _, bits, attributes = one.values[f"masks/{i}"]
            attributes = dict(attributes)
            zeros = {place for place, bit in enumerate(bits) if bit == 0}
            self.assertEqual(len(zeros), round(float(attributes["zeros"]) * shape[0] * shape[1]))
            masks[attributes["seed"], attributes["zeros"]] = zeros
        for seed in ("0", "1", "consensus"):
            self.assertLess(masks[seed, "0.1"], masks[seed, "0.25"])
        share = struct.unpack("<%dd" % len(one.texts("conditions/name")), one.values["conditions/zeros"][2])
        variants = dict(zip(one.texts("conditions/name"), zip(one.texts("conditions/variant"), share)))
        self.assertEqual(variants["consensus mask.zeros=0.25"], ("consensus", 0.25))
        self.assertEqual(variants["random (mask.seed=1 mask.zeros=0.1)"][0], "")
        self.assertEqual(variants["random (mask.seed=1 mask.zeros=0.1)"][1], variants["mask.seed=1 mask.zeros=0.1"][1])

        def said(*words: object) -> str:
            return subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, check=True).stdout

        curve = json.loads(said("report", runs[0].folder, "--curve", "--json"))
        points = [(row["kind"], row["zeros"], row["points"]) for row in curve if row["split"] == "heldout"]
        self.assertEqual(len([point for point in points if point[0] == "mask"]), 4)  # of the seeds' mean and of the consensus
        self.assertIn(("random", 0.25, 2), points)
        overlap = said("overlap", runs[0].folder, "--model", study.with_name("model"))
        self.assertRegex(overlap, r"\nmask.seed=0 mask.zeros=0.25, heldout .* 6/6 ")
        self.assertIn("mean size W", overlap)
        bare = self.folder / "bare"
        bare.mkdir()
        (bare / "study.h5").write_bytes((runs[0].folder / "study.h5").read_bytes())
        self.assertIn("There is no folder", said("overlap", bare))

    def test_shared_objects_are_not_made_again(self):
        shared = self.folder / "shared"
        first = Run(self.study, self.folder / "first", "--objects", shared)
        self.expect_ends(first.start(2), 0)
        before = {file: file.stat().st_mtime_ns for file in shared.rglob("*")}
        second = Run(self.study, self.folder / "second", "--objects", shared)
        self.expect_ends(second.start(1), 0)
        self.expect_same_results(second.results(), first.results())
        self.assertEqual({file: file.stat().st_mtime_ns for file in shared.rglob("*")}, before)
        values = second.results().values
        self.assertEqual(values["provenance/stages/done_before"][2], values["provenance/stages/tasks"][2])
        self.assertEqual(struct.unpack("<3q", values["provenance/stages/tasks"][2]), (9, 3, 20))
        self.assertEqual(values["provenance/tasks/task"][2], [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
