#!/usr/bin/env python3
"""Causal tracing: the same bits on any number of ranks, in a study that edits nothing as in one that does."""

import json
import struct
import subprocess
import sys
import unittest
from pathlib import Path

from runs import PROGRAM, Results, Run, WorldTest

SECTION = "tracing: {split: heldout, samples: 2, window: 2, batch: 4, rows: 50}\n"


def numbers(results: Results, name: str) -> list:
    shape, kind, values, _ = results.values[name]
    return list(struct.unpack(f"<{shape[0]}{'q' if kind == 'int64' else 'd'}", values))


class Tracing(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        text = cls.study.read_text()
        beginning = text[: text.index("edit:")]
        cls.alone = cls.study.with_name("alone.yaml")
        cls.alone.write_text(beginning + "edit: none\n" + SECTION)
        cls.study.write_text(text.replace("0..2", "0..1") + SECTION)

    def run_on(self, study: Path, ranks: int, name: str, *words: object) -> Results:
        run = Run(study, self.folder / name, *words)
        self.assertNotIn("PARTIAL", self.expect_ends(run.start(ranks), 0, 200))
        return run.results()

    def report(self, name: str, *words: object) -> str:
        return subprocess.run([PROGRAM, "report", self.folder / name, *map(str, words)], capture_output=True, text=True, check=True).stdout

    def test_any_number_of_ranks(self):
        one = self.run_on(self.alone, 1, "one")
        self.assertEqual(one.attributes["tracing_window"], "2")
        facts = numbers(one, "tracing_facts/fact")
        self.assertEqual(len(facts), 6)
        self.assertEqual(set(numbers(one, "tracing/fact")), set(facts))
        self.assertEqual(set(numbers(one, "tracing/kind")), {0, 1, 2})
        self.assertEqual(set(numbers(one, "tracing/layer")), {0, 1, 2})
        for clean, corrupted in zip(numbers(one, "tracing_facts/clean"), numbers(one, "tracing_facts/corrupted")):
            self.assertTrue(0 < clean < 1 and 0 < corrupted < 1 and clean != corrupted)
        self.assertEqual(len(set(numbers(one, "tracing_facts/noise"))), 1)
        for ranks in (2, 3):
            with self.subTest(ranks):
                self.expect_same_results(self.run_on(self.alone, ranks, f"on {ranks}"), one)
        # A study that edits has the same numbers, and its tracing waits for no edit.
        edited = self.run_on(self.study, 2, "edited")
        for name in ("tracing/probability", "tracing_facts/corrupted"):
            self.assertEqual(edited.values[name], one.values[name])
        text = self.report("edited")
        self.assertIn("Causal tracing of the 6 held-out facts", " ".join(text.split()))
        self.assertIn("Split heldout", text)

    def test_reports(self):
        self.run_on(self.alone, 0, "reported")
        text = self.report("reported")
        self.assertIn("Causal tracing of the 6 held-out facts", " ".join(text.split()))
        self.assertNotIn("Nothing is scored yet", text)
        text = self.report("reported", "--tracing", "--plot", self.folder / "tracing.svg")
        self.assertIn("Restoring the MLPs of 2 layers around each layer [points]", text)
        self.assertTrue(all(len(line) <= 130 for line in text.splitlines()), text)
        self.assertIn("</svg>", (self.folder / "tracing.svg").read_text())
        rows = json.loads(self.report("reported", "--tracing", "--json"))
        self.assertEqual({row["kind"] for row in rows}, {"clean", "corrupted", "state", "mlp", "attention"})
        for words in (["--curve"], ["--by-relation"], ["--took"]):
            refused = subprocess.run([PROGRAM, "report", self.folder / "reported", "--tracing", *words], capture_output=True, text=True)
            self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertEqual(self.report("reported/study.h5", "--tracing", "--json"), self.report("reported", "--tracing", "--json"))
        for words, sentence in [
            (["--analysis"], "Add it and run the study into another folder, with --objects RUN/objects"),
            (["--html", self.folder / "absent" / "page.html"], "--html: there is no folder '.*absent'. Make it first"),
            (["--plot", self.folder / "absent" / "plot.svg"], "--plot: there is no folder '.*absent'. Make it first"),
        ]:
            with self.subTest(words):
                command = [PROGRAM, "report", self.folder / "reported", *words]
                refused = subprocess.run(list(map(str, command)), capture_output=True, text=True)
                self.assertEqual(refused.returncode, 2, refused.stderr)
                self.assertRegex(" ".join(refused.stderr.split()), sentence)

    def test_what_is_done_is_not_done_again(self):
        self.run_on(self.alone, 1, "first", "--set", "tracing.kinds=[mlp]")
        run = Run(self.alone, self.folder / "second", "--objects", self.folder / "first" / "objects")
        self.expect_ends(run.start(1), 0, 200)
        kinds = [task.split("/")[1] for task in run.done("tracing")]
        self.assertEqual(sorted(kinds), ["attention"] * 2 + ["state"] * 2)  # the others are found

    def test_the_plan_shows_the_tasks_and_refuses_what_a_run_would(self):
        def plan(*words: object, study: Path = self.alone) -> subprocess.CompletedProcess:
            command = [PROGRAM, "plan", study, "--out", self.folder / "planned", *words]
            return subprocess.run(list(map(str, command)), capture_output=True, text=True)

        said = plan()
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, r"tracing +6 ")
        for setting, sentence in [
            ("tracing.split=west", "no such split"),
            ("tracing.window=0", "must be at least 1"),
            ("tracing.window=5", "a window of 5 layers .tracing.window. around any layer has all 3 layers"),
        ]:
            with self.subTest(setting):
                refused = plan("--set", setting)
                self.assertEqual(refused.returncode, 2)
                self.assertRegex(" ".join(refused.stderr.split()), sentence)
        # A tokenizer that writes subjects otherwise.
        file = self.study.parent / "model" / "tokenizer.json"
        kept = file.read_text()
        tokenizer = json.loads(kept)
        tokenizer["normalizer"] = {"type": "Lowercase"}
        file.write_text(json.dumps(tokenizer))
        try:
            refused = plan()
        finally:
            file.write_text(kept)
        self.assertEqual(refused.returncode, 2)
        self.assertRegex(" ".join(refused.stderr.split()), "its subject, '.*', is not found in the tokens of its prompt")

    def test_a_tune_begins_with_the_layer_that_tracing_names(self):
        self.run_on(self.alone, 0, "peak")
        tune = [PROGRAM, "tune", self.alone, "--method", "rome", "--out", self.folder / "tuned", "--tracing", self.folder / "peak"]
        refused = subprocess.run(list(map(str, tune)), capture_output=True, text=True)
        self.assertEqual(refused.returncode, 2)
        self.assertIn("makes no edits (edit: none)", " ".join(refused.stderr.split()))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
