#!/usr/bin/env python3
"""Perplexity of a study's shared models, and methods that are swept together with masks."""

import math
import random
import signal
import struct
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree

from runs import MPIRUN, PROGRAM, Results, Run, WorldTest
from tiny_world import MEMIT_HPARAMS


def numbers(results: Results, name: str) -> list:
    shape, kind, values, _ = results.values[name]
    return list(struct.unpack(f"<{shape[0]}{'q' if kind == 'int64' else 'd'}", values))


class Perplexity(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        world = cls.study.parent
        choice = random.Random(5)
        words = ["".join(choice.choices("abcdefghijklmnopqrstuvwxyz", k=choice.randint(1, 8))) for _ in range(4000)]
        (world / "corpus.txt").write_text("\n\n".join(" ".join(words[first : first + 15]) for first in range(0, 4000, 15)))
        (world / "memit.yaml").write_text(MEMIT_HPARAMS)
        text = cls.study.read_text().replace("  hparams: hparams.yaml\n", "").replace("0..2", "0..1")
        cls.study.write_text(text + "  edit.hparams: [hparams.yaml, memit.yaml]\nmoments: {text: corpus.txt, tokens: 2000}\n"
                             "perplexity: {text: corpus.txt, tokens: 9000, segment: 64, stride: 32}\n"
                             "published: {source: A paper, figures: [{split: train, model: mask, metric: rsr, value: 80}]}\n")  # fmt: skip

    def run_on(self, ranks: int, name: str, *words: object) -> Results:
        run = Run(self.study, self.folder / name, *words)
        said = self.expect_ends(run.start(ranks), 0, 120)
        self.assertNotIn("PARTIAL", said)
        return run.results()

    def test_edited_models_of_one_fact_each(self):
        words = ["--set", "perplexity.facts=2"]
        one = self.run_on(1, "facts on 1", *words)
        self.expect_same_results(self.run_on(3, "facts on 3", *words), one)
        facts = numbers(one, "perplexity/fact")
        drawn = {fact for fact in facts if fact >= 0}
        self.assertEqual(len(drawn), 6)  # two of each split, the same under all conditions
        of_edited = [(name, fact) for name, fact in zip(one.texts("perplexity/condition"), facts) if fact >= 0 and name.startswith("edited")]
        self.assertEqual(of_edited, [("edited (edit.hparams=hparams.yaml)", fact) for fact in sorted(drawn)])
        report = subprocess.run([PROGRAM, "report", self.folder / "facts on 1"], capture_output=True, text=True, check=True).stdout
        self.assertIn("\nPerplexity of single edits, edit.hparams=hparams.yaml\n", report)
        refused = Run(self.study, self.folder / "batches", *words, "--sweep", "edit.hparams=memit.yaml")
        self.assertRegex(self.expect_ends(refused.start(2), 2), "perplexity.facts")

    def test_methods_and_masks_in_one_study(self):
        one = self.run_on(1, "one")
        rome, memit = "edit.hparams=hparams.yaml", "edit.hparams=memit.yaml"
        self.assertEqual(set(one.texts("conditions/set")), {rome, memit})
        self.assertEqual(set(one.texts("conditions/settings")), {""})
        rows = list(zip(one.texts("perplexity/condition"), one.texts("perplexity/split"), numbers(one, "perplexity/perplexity")))
        self.assertEqual([row[:2] for row in rows if row[0] == f"original ({rome})"], [(f"original ({rome})", "all")])
        self.assertEqual({split for name, split, _ in rows if name == f"edited ({memit})"}, {"train", "heldout", "ood"})
        self.assertFalse([name for name, *_ in rows if name == f"edited ({rome})"])
        self.assertEqual(set(numbers(one, "perplexity/n")), {8999})
        self.assertEqual(set(numbers(one, "perplexity/planned")), {8999})
        for value, nll in zip((row[2] for row in rows), numbers(one, "perplexity/nll")):
            self.assertAlmostEqual(value, math.exp(nll), delta=1e-9 * value)
        self.assertEqual(len({value for *_, value in rows}), len(rows) - 1)  # the unedited model is the same for both methods
        self.expect_same_results(self.run_on(3, "on 3"), one)

        plot = self.folder / "plot.svg"
        report = subprocess.run([PROGRAM, "report", self.folder / "one", "--plot", plot], capture_output=True, text=True, check=True).stdout
        self.assertIn(f"Split heldout, {memit}\n", report)
        self.assertIn(f"\nPerplexity, {rome}\n", report)
        self.assertIn("edited + mask (mean of 2), facts of heldout", report)
        self.assertEqual(report.count(f"\nWith {rome}, a mask with "), 1)
        self.assertIn(f"\nedited + mask, train, rsr: published 80.0 %; here ({rome}) ", report)
        bars = ElementTree.parse(plot).getroot().findall("{http://www.w3.org/2000/svg}rect[@height='14.00']")
        self.assertEqual(len(bars), 2 * 4 * 7)

    def test_killed_while_it_is_scored(self):
        words = ["--set", "evaluation.batch=34", "--set", "perplexity.stride=16"]
        undisturbed = self.run_on(2, "undisturbed", *words)
        run = Run(self.study, self.folder / "killed", *words)
        start = run.start(2)
        self.wait_until(start, lambda: len(run.done("perplexity")) >= 2, "a piece was scored")
        start.signal(signal.SIGKILL)
        start.finish()
        scored = set(run.done("perplexity"))
        subprocess.run([MPIRUN, "-n", "1", PROGRAM, "gather", self.study, "--out", run.folder, *words], capture_output=True, check=False)
        partial = run.results()
        self.assertEqual(partial.attributes["status"], "PARTIAL")
        self.assertLess(min(numbers(partial, "perplexity/n")), 8999)
        self.expect_ends(run.start(1), 0, 120)
        self.expect_same_results(run.results(), undisturbed)
        self.assertEqual(len(run.done("perplexity")), len(set(run.done("perplexity"))))
        self.assertLessEqual(scored, set(run.done("perplexity")))

    def test_what_is_refused(self):
        for name, sentence, *settings in [("long windows", "96\\s+positions", "perplexity.segment=97"),
                                          ("long strides", "at most\\s+64", "perplexity.stride=65"),
                                          ("no text", "none.txt", "perplexity.text=none.txt"),
                                          ("few tokens", "perplexity\\s+has only", "perplexity.tokens=1000000")]:  # fmt: skip
            with self.subTest(name):
                words = [word for setting in settings for word in ("--set", setting)]
                said = self.expect_ends(Run(self.study, self.folder / name, *words).start(2), 2)
                self.assertRegex(said, sentence)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
