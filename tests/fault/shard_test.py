#!/usr/bin/env python3
"""Shards: processes without MPI that share a run."""

import signal
import sys
import time
import unittest

from subjects import rome
from runs import Run, Start, freeze
from subject_runs import SECONDS, SubjectTest
from watched_run import WatchedRun

COUNT = 4
PARTIAL, INTERRUPTED = 3, 75
ROUNDS = 4  # of starts after which all are done


class Shards(SubjectTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.rome = rome(cls.study, cls.folder)

    def shard(self, run: WatchedRun, index: int) -> Start:
        start = run.start(0, "--shard", f"{index}/{COUNT}")
        self.addCleanup(self.end, start)
        return start

    def start_all(self, run: WatchedRun) -> list[Start]:
        return [self.shard(run, index) for index in range(COUNT)]

    def finish_all(self, run: WatchedRun, starts: list[Start]) -> None:
        """Starts again what has ended before the others gave it its tasks, as a job array does."""
        for _ in range(ROUNDS):
            codes = [start.finish() for start in starts]
            self.assertLessEqual(set(codes), {0, INTERRUPTED}, [start.said() for start in starts])
            if set(codes) == {0}:
                break
            starts = [start if code == 0 else self.shard(run, index) for index, (start, code) in enumerate(zip(starts, codes))]
        else:
            self.fail(f"not through after {ROUNDS} rounds")
        self.assertEqual(run.complaints(), [])
        self.expect_results(run, starts[0])

    def test_all_at_once(self):
        run = self.new_run(self.rome)
        self.finish_all(run, self.start_all(run))
        self.assertEqual({file.stem.split("-")[1] for file in run.journals()}, {str(index) for index in range(COUNT)})

    def test_one_killed_and_started_again(self):
        for index, stage in [(1, "edits"), (2, "evaluation")]:
            with self.subTest(stage):
                run = self.new_run(self.rome)
                starts = self.start_all(run)
                self.wait_until(starts[index], self.is_in(run, [stage]), stage)
                starts[index].signal(signal.SIGKILL)
                starts[index].finish()
                time.sleep(1)
                starts[index] = self.shard(run, index)
                self.finish_all(run, starts)

    def test_masks_that_fail_in_every_shard(self):
        run = Run(self.study, self.folder / "overflow", "--sweep", "mask.learning_rate=0.1,1e38", "--sweep", "mask.seed=0,1")

        def start(index: int) -> Start:
            begun = run.start(0, "--shard", f"{index}/2")
            self.addCleanup(self.end, begun)
            return begun

        starts = [start(0), start(1)]
        for _ in range(ROUNDS):
            codes = [begun.finish(SECONDS) for begun in starts]
            if INTERRUPTED not in codes:
                break
            starts = [begun if code != INTERRUPTED else start(index) for index, (begun, code) in enumerate(zip(starts, codes))]
        said = "\n".join(begun.said() for begun in starts)
        self.assertEqual(codes, [PARTIAL, PARTIAL], said)
        self.assertRegex(said, r"Run\s+--shard\s+[01]/2\s+again")

    def test_a_single_stage(self):
        for index in (0, 1):  # the first does not wait for the second
            start = Start(0, "edit", self.study, "--out", self.folder / "edits", "--shard", f"{index}/2")
            self.addCleanup(self.end, start)
            self.expect_ends(start, 0, SECONDS)

    def test_what_is_refused(self):
        run = self.new_run(self.rome)
        first = self.shard(run, 0)
        self.wait_until(first, lambda: len(run.done("edit")) > 0, "an edit")
        freeze(first.ranks())
        for other, what in [(self.shard(run, 0), "the same shard"), (run.start(2), "a whole run beside a shard")]:
            self.assertRegex(self.expect_ends(other, 2, SECONDS), r"in\s+use", what)
        first.signal(signal.SIGTERM)
        first.signal(signal.SIGCONT)
        self.expect_ends(first, INTERRUPTED)

        whole = self.begin(run, ["edits", "masks"], 2)
        freeze(whole.ranks())
        self.assertRegex(self.expect_ends(self.shard(run, 1), 2, SECONDS), r"in\s+use")
        whole.signal(signal.SIGCONT)
        self.assertEqual(self.finish(run, whole), 0, whole.said())
        self.expect_results(run, whole)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
