#!/usr/bin/env python3
"""Under an MPI with ULFM a run goes on without ranks that die; with rank 0 it ends, and the next start goes on."""

import signal
import sys
import unittest

from subjects import END, GATHER, memit, rome
from runs import Start, send
from subject_runs import ULFM, SubjectTest, knows_ulfm
from watched_run import WatchedRun

RANKS = 4
GROUPS = ["--set", "mask.ranks=2"]
SOON = 60  # seconds in which ranks that have lost rank 0 end


@unittest.skipUnless(knows_ulfm(), "this mpirun does not know --with-ft ulfm")
class Ulfm(SubjectTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.rome, cls.memit = rome(cls.study, cls.folder), memit(cls.study, cls.folder)

    def begin_under_ulfm(self, run: WatchedRun, *stages: str) -> Start:
        return self.begin(run, stages, RANKS, *GROUPS, options=ULFM)

    def expect_complete(self, run: WatchedRun, start: Start) -> None:
        self.finish(run, start)  # mpirun's exit code says nothing here
        self.expect_results(run, start)
        self.assertEqual(len({file.stem.split("-")[2] for file in run.journals()}), 1, "it took more than one start")

    def test_one_rank_killed_in_each_stage(self):
        hits = [(self.memit, 3, "second moments"), (self.memit, 2, "edits"), (self.memit, 1, "batch edits"),
                (self.memit, 1, "masks"), (self.rome, 2, "masks"), (self.rome, 3, "evaluation"), (self.memit, 2, "perplexity"),
                (self.rome, 1, GATHER)]  # fmt: skip
        for subject, victim, stage in hits:
            with self.subTest(f"rank {victim} in {stage} of {subject.name}"):
                run = self.new_run(subject)
                start = self.begin_under_ulfm(run, *([GATHER, END] if stage == GATHER else [stage]))
                start.signal(signal.SIGKILL, victim)
                self.expect_complete(run, start)
                if stage != GATHER:
                    self.assertIn(f"Rank {victim} is lost", start.said())

    def test_two_ranks_killed_one_after_the_other(self):
        run = self.new_run(self.memit)
        start = self.begin_under_ulfm(run, "edits")
        start.signal(signal.SIGKILL, 3)
        self.wait_until(start, self.is_in(run, ["masks"]), "masks")
        start.signal(signal.SIGKILL, 1)
        self.expect_complete(run, start)

    def test_all_but_rank_0_killed(self):
        for stage in ("edits", "masks"):
            with self.subTest(stage):
                run = self.new_run(self.rome)
                start = self.begin_under_ulfm(run, stage)
                send(start.ranks()[1:], signal.SIGKILL)
                self.expect_complete(run, start)

    def test_rank_0_killed(self):
        for stage in ("edits", "masks", "evaluation"):
            with self.subTest(stage):
                run = self.new_run(self.rome)
                start = self.begin_under_ulfm(run, stage)
                start.signal(signal.SIGKILL, 0)
                self.finish(run, start, SOON)
                self.assertFalse((run.folder / "study.h5").exists())
                self.expect_goes_on(run)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
