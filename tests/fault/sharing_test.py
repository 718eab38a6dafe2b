#!/usr/bin/env python3
"""Studies that share a folder of objects: what one has made the next one finds, counted by the journals."""

import sys
import unittest
from collections import Counter

from subjects import kind_of
from runs import Run, WorldTest, keep_traces_in

POINTS = ["--sweep", "mask.distillation_weight=1,3", "--sweep", "mask.threshold=0.4,0.5,0.6"]


class Sharing(WorldTest):
    def setUp(self) -> None:
        keep_traces_in(self.folder / "mpi")

    def run_study(self, name: str, seeds: str) -> tuple[Run, Counter]:
        """A run that is complete, and how many tasks of each kind it has done."""
        run = Run(self.study, self.folder / name, "--objects", self.folder / "objects", "--sweep", f"mask.seed={seeds}", *POINTS)
        self.expect_ends(run.start(2), 0, 120)
        return run, Counter(kind_of(record["task"]) for record in run.records())

    def test_studies_that_overlap(self):
        first, did = self.run_study("first", "0..3")
        # 34 facts are edited four at a time and scored eight at a time; thresholds are no part of the training.
        edits, blocks, masks, points = 9, 5, 4 * 2, 4 * 2 * 3
        self.assertEqual(did, {"edit": edits, "mask": masks, "evaluation": blocks * (1 + points)})
        self.assertEqual(len(list((self.folder / "objects").glob("??/*"))), 34 + 1 + masks + blocks * (1 + points))

        _, did = self.run_study("second", "2..5")  # of its four seeds two are new
        self.assertEqual(did, {"mask": masks // 2, "evaluation": blocks * points // 2})

        again, did = self.run_study("again", "0..3")
        self.assertEqual(did, {})
        self.expect_same_results(again.results(), first.results())


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
