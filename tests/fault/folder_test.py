#!/usr/bin/env python3
"""The folder of a run: one run at a time, and it may be carried elsewhere in the middle."""

import re
import shutil
import signal
import socket
import sys
import unittest

from subjects import rome
from runs import Start, WorldTest, freeze, keep_traces_in, send
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

    @staticmethod
    def holder(run: WatchedRun) -> int | None:
        """The process that the lock names."""
        lock = run.folder / "lock"
        found = re.search(r"process (\d+),", lock.read_text() if lock.exists() else "")
        return int(found[1]) if found else None

    def expect_refused_beside(self, second: Start, first: Start, process: int) -> None:
        """The second names a process of the first, which stands still until then."""
        ranks = first.ranks()
        freeze(ranks)
        said = self.expect_ends(second, 2)
        send(ranks, signal.SIGCONT)
        self.assertRegex(said, rf"in\s+use.*host\s+{re.escape(socket.gethostname())},\s+process\s+{process}\b")

    def test_of_two_starts_at_once_one_is_refused(self):
        for attempt in range(3):
            run = WatchedRun(self.subject, self.folder / f"twice {attempt}")
            starts = [run.start(2), run.start(2)]
            self.wait_until(starts[0], lambda: self.holder(run), "a lock")
            holder = self.holder(run)
            winner = next(start for start in starts if holder in start.ranks())
            refused = next(start for start in starts if start is not winner)
            self.expect_refused_beside(refused, winner, holder)
            self.expect_ends(winner, 0)
            self.assertEqual(run.complaints(), [])
            self.expect_same_results(run.results(), self.subject.expected)

    def test_a_second_start_in_the_middle_does_no_harm(self):
        run, first = self.begun("in the middle", "edit", 3)
        ranks = first.ranks()
        freeze(ranks)
        self.expect_refused_beside(run.start(1), first, ranks[0])
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
