#!/usr/bin/env python3
"""Further prompts, token accuracy, edits that took, and facts of the training split in other splits."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import h5py
import numpy

from runs import PROGRAM, Run, WorldTest

ASKED = ["--set", "evaluation.prompts=[que, rep, distract]", "--set", "evaluation.token_accuracy=true", "--sweep", "mask.seed=0"]
WRITTEN = ["--set", "evaluation.generate=6", "--set", "evaluation.entropy=12", "--sweep", "mask.seed=0", "--set",
           "evaluation.baselines=[random, {score: magnitude, scope: fact, zeros: 0.1}, {score: bottom_rank, k: 1}]"]
REWRITE, REP, QUE = 0, 5, 6


class Scores:
    """The table metrics with the names of facts and conditions."""

    def __init__(self, folder: Path):
        with h5py.File(folder / "study.h5") as study:
            self.metrics = {name: column[:] for name, column in study["metrics"].items()}
            self.flags = {name: column[:] for name, column in study["flags"].items()}
            names = study["conditions/name"].asstr()[:]
            splits = study["facts/split"].asstr()[:]
            summary = {name: column[:] for name, column in study["summary"].items()}
        self.condition = names[self.metrics["condition"]]
        self.split = splits[self.metrics["fact"]]
        keys = zip(*([text.decode() for text in summary[name]] for name in ("condition", "split", "relation", "prompts", "metric")))
        self.summary = dict(zip(keys, zip(summary["mean"], summary["n"], summary["planned"])))

    def rows(self, condition: str, split: str, kind: int) -> dict[str, numpy.ndarray]:
        chosen = (self.condition == condition) & (self.split == split) & (self.metrics["kind"] == kind)
        return {name: column[chosen] for name, column in self.metrics.items()}


class Evaluation(WorldTest):
    def finished(self, name: str, ranks: int, *words: object) -> Run:
        run = Run(self.study, self.folder / name, *words)
        self.expect_ends(run.start(ranks), 0)
        return run

    def ask(self, *words: object, code: int = 0) -> str:
        result = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=120, check=False, env=os.environ)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout if code == 0 else result.stderr

    def test_further_prompts_and_tokens(self):
        one = self.finished("asked", 1, *ASKED)
        self.expect_same_results(self.finished("asked of two", 2, *ASKED).results(), one.results())
        scores = Scores(one.folder)
        self.assertEqual(set(scores.metrics["kind"]), {0, 1, 2, 4, 5, 6})
        single = scores.metrics["tokens_true"] == 2  # the space and a letter
        self.assertTrue(numpy.isin(scores.metrics["acc_true"][single], [0, 0.5, 1]).all())
        self.assertTrue((scores.metrics["rank_true"][scores.metrics["acc_true"] == 1] == 1).all())
        self.assertGreater(len(set(scores.metrics["acc_new"])), 2)
        for condition in ("original", "edited", "mask.seed=0"):
            for kind, name in ((REWRITE, "rewrite"), (REP, "rep"), (QUE, "que")):
                rows = scores.rows(condition, "heldout", kind)
                expected = {"rsr": rows["lp_true"] > rows["lp_new"], "match": rows["acc_true"] == 1, "acc_new": rows["acc_new"]}
                for metric, values in expected.items():
                    mean, n, planned = scores.summary[condition, "heldout", "all", name, metric]
                    self.assertAlmostEqual(mean, values.mean(), places=12)
                    self.assertEqual((n, planned), (6, 6))
        self.assertIn(("edited", "heldout", "all", "distract", "success"), scores.summary)

        report = self.ask("report", one.folder)
        for words in ("\nfurther prompts ", "distract (DNS)", "\nsuperficial editing ", "\ntoken accuracy ", "OP: share with P(true) > P(new)"):
            self.assertIn(words, report)
        self.assertNotIn("RSR given took", report)
        tested = self.ask("test", one.folder, "--compare", "mask", "edited", "--prompts", "rep", "--metric", "rsr", "match", "--csv")
        self.assertEqual({row["metric"] for row in csv.DictReader(io.StringIO(tested))}, {"rsr", "match"})

    def test_generation(self):
        world = self.folder / "with generation prompts"
        shutil.copytree(self.study.parent, world)
        for split in ("train", "heldout", "ood"):
            records = json.loads((world / f"{split}.json").read_text())
            for record in records:
                record["generation_prompts"] = [f"{record['requested_rewrite']['subject']} was", "The town of"]
            (world / f"{split}.json").write_text(json.dumps(records))
        runs = [Run(world / "study.yaml", self.folder / f"written of {ranks}", *WRITTEN) for ranks in (1, 2)]
        for ranks, run in enumerate(runs, 1):
            self.expect_ends(run.start(ranks), 0)
        self.expect_same_results(runs[1].results(), runs[0].results())
        scores = Scores(runs[0].folder)
        rewrites = scores.metrics["kind"] == REWRITE
        self.assertTrue(numpy.isin(scores.metrics["gen_new"][rewrites], [0, 1]).all())
        self.assertTrue(numpy.isnan(scores.metrics["gen_new"][~rewrites]).all())
        self.assertTrue((scores.metrics["entropy"][rewrites] > 0).all())
        self.assertGreater(len(set(scores.metrics["entropy"][rewrites])), 20)
        for condition in ("original", "edited", "mask.seed=0", "bottom rank, k 1"):
            rows = scores.rows(condition, "heldout", REWRITE)
            for metric in ("gen_true", "gen_new", "entropy"):
                mean, n, planned = scores.summary[condition, "heldout", "all", "rewrite", metric]
                self.assertAlmostEqual(mean, rows[metric].mean(), places=12)
                self.assertEqual((n, planned), (6, 6))
        report = self.ask("report", runs[0].folder)
        self.assertIn("\ngeneration entropy ", report)
        self.assertIn("\ngeneration  ", report)
        for words, complaint in ((["--set", "evaluation.generate=90"], "90 tokens behind it"), (["--set", "evaluation.entropy=90"], "90 tokens behind it")):
            said = self.ask("plan", world / "study.yaml", "--out", self.folder / "long", *words, code=2)
            self.assertIn(complaint, said)
        self.assertIn("generation_prompts", self.ask("plan", self.study, "--out", self.folder / "long", "--set", "evaluation.entropy=9", code=2))

    def test_edits_that_took(self):
        run = self.finished("plain", 2, "--sweep", "mask.seed=0")
        scores = Scores(run.folder)
        self.assertNotIn("acc_true", scores.metrics)
        self.assertIn("without evaluation.token_accuracy", self.ask("test", run.folder, "--compare", "mask", "edited", "--metric", "match", code=2))
        table = csv.DictReader(io.StringIO(self.ask("report", run.folder, "--took", "--csv")))
        said = {(row["condition"], row["metric"]): row for row in table if row["split"] == "train" and row["relation"] == "all"}
        original, edited, masked = (scores.rows(name, "train", REWRITE) for name in ("original", "edited", "mask.seed=0"))
        took = edited["lp_new"] > edited["lp_true"]
        top = took & (edited["rank_new"] == 1)
        known = original["rank_true"] == 1
        self.assertTrue(took.any())
        for key, values in {("original", "known_top1"): known, ("edited", "took"): took, ("edited", "took_top1"): top,
                            ("edited", "rsr_took"): (~took)[took], ("mask.seed=0", "rsr_took"): (masked["lp_true"] > masked["lp_new"])[took],
                            ("mask.seed=0", "rsr_took_top1"): (masked["lp_true"] > masked["lp_new"])[top]}.items():  # fmt: skip
            self.assertEqual(int(said[key]["n"]), len(values), key)
            self.assertEqual(said[key]["n"], said[key]["planned"])
            if len(values) > 0:
                self.assertAlmostEqual(float(said[key]["mean"]), values.mean(), places=12)
        by_fact = dict(zip(scores.flags["fact"], zip(scores.flags["known"], scores.flags["took"], scores.flags["took_top1"])))
        for fact, *flags in zip(edited["fact"], known, took, top):
            self.assertEqual(by_fact[fact], tuple(flags))
        for words in ("--took",), ("--took", "--per-mask", "--by-relation"), ("--took", "--format", "latex"):
            self.assertIn("RSR given took", self.ask("report", run.folder, *words))
        self.assertIn("rsr_took", self.ask("report", run.folder, "--took", "--json"))
        self.assertNotIn("took", self.ask("report", run.folder, "--csv"))

    def test_prompts_that_no_fact_has(self):
        for command in ("plan", "sweep"):
            said = self.ask(command, self.study, "--out", self.folder / "none", "--set", "evaluation.prompts=[attribute]", code=2)
            self.assertIn("no fact has any", said)
        self.assertFalse((self.folder / "none" / "plan.json").exists())

    def test_facts_of_the_training_split(self):
        world = self.folder / "shared"
        shutil.copytree(self.study.parent, world)
        study = world / "study.yaml"
        train, heldout = (json.loads((world / f"{split}.json").read_text()) for split in ("train", "heldout"))
        (world / "heldout.json").write_text(json.dumps([*heldout, train[3], train[4] | {"case_id": 999}]))
        out = self.folder / "overlapping"
        for command in ("plan", "sweep", "doctor"):
            words = [command, study] + ([] if command == "doctor" else ["--out", out])
            result = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
            said = " ".join((result.stdout + result.stderr).split())
            self.assertIn("1 with the same case_id: case_id 3 (", said)
            self.assertIn("1 with the same relation and subject under another case_id: case_id 999 (", said)
            self.assertIn("facts.heldout.allow_overlap: [case, subject]", said)
            self.assertEqual(result.returncode, 1 if command == "doctor" else 2)
        self.assertIn("decides nothing", self.ask("plan", study, "--out", out, "--set", "facts.train.allow_overlap=[case]", code=2))
        allowed = ["--set", "facts.heldout.allow_overlap=[subject, case]"]
        plan = json.loads(self.ask("plan", study, "--out", out, "--json", *allowed))
        self.assertEqual(plan["tasks"], json.loads(self.ask("plan", self.study, "--out", self.folder / "plain plan", "--json"))["tasks"])
        # Without masks nothing is trained that could know the facts.
        self.ask("plan", study, "--out", self.folder / "unmasked", "--set", "mask=none", "--set", "sweep={}")

    def test_masks_of_several_splits(self):
        words = ["--set", "mask.validation_share=0.34", "--sweep", "mask.seed=0", "--sweep", "mask.train_split=train,ood"]
        one = self.finished("splits of one", 1, *words)
        self.expect_same_results(self.finished("splits of two", 2, *words).results(), one.results())
        results = one.results()
        self.assertEqual(results.attributes["train_split"], "train, ood")
        trained = dict(zip(results.texts("conditions/name"), results.texts("conditions/train_split")))
        self.assertEqual(trained["edited"], "")
        self.assertEqual(trained["magnitude (mask.seed=0 mask.train_split=ood)"], "ood")
        planned = {key[:2]: value[2] for key, value in Scores(one.folder).summary.items() if key[2:] == ("all", "rewrite", "rsr")}
        # 7 of the 22 training facts and 2 of 6 others are held back. A mask is scored on its own of them.
        for split, counts in {"train": (15, 15, 15), "ood": (4, 4, 4), "heldout": (6, 6, 6), "validation": (9, 7, 2)}.items():
            names = ("edited", "mask.seed=0 mask.train_split=train", "mask.seed=0 mask.train_split=ood")
            self.assertEqual(tuple(planned[name, split] for name in names), counts, split)
        matrix = self.ask("report", one.folder, "--matrix", "rsr")
        self.assertIn("Mean over 2 cells at home", matrix)
        self.assertIn("training facts", " ".join(self.ask("report", one.folder).split()))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
