#!/usr/bin/env python3
"""A rank that hangs, here stopped for good, is given up; the run ends by itself and leaves no process."""

import os
import signal
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor

from subjects import END, GATHER, rome
from runs import Start, freeze, send
from subject_runs import SECONDS, ULFM, SubjectTest, knows_ulfm
from watched_run import WatchedRun

RANKS, DEADLINE = 4, "8s"
# Ranks, and the stages that they are stopped in: in tasks of their own, in a group that trains a mask, idle.
WORKERS = [(2, ["edits"]), (1, ["masks"]), (2, ["masks"]), (3, ["evaluation"]), (1, [GATHER, END])]
LEADER = [(0, ["edits"]), (0, ["masks"])]
HANGING_ABORT = ["-x", f"LD_PRELOAD={os.environ['ONEMASK_HANGING_ABORT']}"]


class Hang(SubjectTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.rome = rome(cls.study, cls.folder)

    def begin_frozen(self, stages: list[str], options: list[str]) -> tuple[WatchedRun, Start]:
        """A start whose ranks are all stopped in one of the stages. Not at its end: nobody but mpirun waits there, for good."""
        while True:
            run = self.new_run(self.rome)
            start = self.begin(run, stages, RANKS, "--deadline", DEADLINE, "--set", "mask.ranks=2", options=options)
            self.wait_until(start, lambda: run.records(), "a task", SECONDS)  # not to stop it while all start together
            ranks = start.ranks()
            freeze(ranks)
            if len(ranks) == RANKS and run.stages_under_way() != [END]:
                return run, start
            send(ranks, signal.SIGCONT)
            self.finish(run, start)

    def stop(self, rank: int, stages: list[str], options: list[str]) -> None:
        run, start = self.begin_frozen(stages, options)
        ranks = start.ranks()
        send([process for process in ranks if process != ranks[rank]], signal.SIGCONT)
        code = self.finish(run, start)
        if rank != 0:
            self.expect_results(run, start)
            return
        self.assertFalse((run.folder / "study.h5").exists(), start.said())
        if not options:  # else mpirun's exit code says nothing
            self.assertNotEqual(code, 0, start.said())
        self.expect_goes_on(run)

    def stop_all(self, hits: list[tuple[int, list[str]]], options: list[str]) -> None:
        """Side by side, as there is little to do but to wait."""
        with ThreadPoolExecutor(4) as pool:
            ended = [(hit, pool.submit(self.stop, *hit, options)) for hit in hits]
            for (rank, stages), future in ended:
                with self.subTest(f"rank {rank} in {stages[0]}"):
                    future.result()

    def test_a_worker(self):
        self.stop_all(WORKERS, [])

    def test_rank_0(self):
        self.stop_all(LEADER, [])

    @unittest.skipUnless(knows_ulfm(), "this mpirun does not know --with-ft ulfm")
    def test_under_ulfm(self):
        self.stop_all([*WORKERS[:3], *LEADER[1:]], ULFM)

    def test_an_abort_that_hangs(self):
        self.stop_all(WORKERS[:1], HANGING_ABORT)

    @unittest.skipUnless(knows_ulfm(), "this mpirun does not know --with-ft ulfm")
    def test_an_abort_that_hangs_under_ulfm(self):
        self.stop_all(WORKERS[:1], [*ULFM, *HANGING_ABORT])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
