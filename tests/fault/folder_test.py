#!/usr/bin/env python3
"""The folder of a run: one run at a time, and it may be carried elsewhere in the middle."""

import re
import shutil
import signal
import socket
import sys
import time
import unittest

from subjects import keep_traces_in, rome
from runs import Start, WorldTest
from watched_run import WatchedRun


class Folder(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        keep_traces_in(cls.folder / "mpi")
        cls.subject = rome(cls.study, cls.folder)

    def begun(self, name: str, done: str, count: int) -> tuple[WatchedRun, Start]:
        """A run that has done so many tasks of a kind."""
        run = WatchedRun(self.subject, self.folder / name)
        start = run.start(2)
        self.wait_until(start, lambda: len(run.done(done)) >= count, f"{count} x {done}")
        return run, start

    def killed(self, name: str, done: str, count: int) -> WatchedRun:
        run, start = self.begun(name, done, count)
        start.signal(signal.SIGKILL)
        start.finish()
        self.assertEqual(run.complaints(), [])
        return run

    def expect_ends_well(self, run: WatchedRun) -> None:
        self.expect_ends(run.start(3), 0)
        self.assertEqual(run.complaints(), [])
        self.expect_same_results(run.results(), self.subject.expected)

    def expect_names(self, said: str, process: int) -> None:
        """The run that is in the way."""
        self.assertRegex(said, rf"in\s+use.*host\s+{re.escape(socket.gethostname())},\s+process\s+{process}\b")

    def test_of_two_starts_at_once_one_is_refused(self):
        for attempt in range(3):
            run = WatchedRun(self.subject, self.folder / f"twice {attempt}")
            starts = [run.start(2), run.start(2)]
            codes = [None, None]
            while all(code is None for code in codes):
                time.sleep(0.02)
                codes = [start.process.poll() for start in starts]
            refused = 0 if codes[0] is not None else 1
            winner = starts[1 - refused]
            leader = winner.ranks()[0]
            said = self.expect_ends(starts[refused], 2)
            self.expect_names(said, leader)
            self.expect_ends(winner, 0)
            self.assertEqual(run.complaints(), [])
            self.expect_same_results(run.results(), self.subject.expected)

    def test_a_second_start_in_the_middle_does_no_harm(self):
        run, first = self.begun("in the middle", "edit", 3)
        said = self.expect_ends(run.start(1), 2)
        self.expect_names(said, first.ranks()[0])
        self.expect_ends(first, 0)
        self.assertEqual(run.complaints(), [])
        self.expect_same_results(run.results(), self.subject.expected)

    def test_moved(self):
        run = self.killed("here", "edit", 5)
        run.move(self.folder / "there")
        self.expect_ends_well(run)
        self.assertFalse((self.folder / "here").exists())

    def test_copied_with_its_world(self):
        run = self.killed("original", "mask", 1)
        elsewhere = self.folder / "another place"
        shutil.copytree(self.study.parent, elsewhere / "world")
        shutil.copytree(run.folder, elsewhere / "run", copy_function=shutil.copy2)
        hidden = self.study.parent.with_name("hidden")
        self.study.parent.rename(hidden)  # so that nothing can be read where it was
        run.folder.rename(self.folder / "hidden run")
        try:
            copy = WatchedRun(self.subject, elsewhere / "run", study=elsewhere / "world" / self.study.name)
            self.assertEqual(copy.complaints(), [])
            self.expect_ends_well(copy)
        finally:
            hidden.rename(self.study.parent)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
