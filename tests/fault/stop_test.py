#!/usr/bin/env python3
"""Signals and time limits: whatever is under way, the program ends with 75 in time, and the same command goes on."""

import json
import os
import signal
import sys
import time
import unittest
from pathlib import Path

from subjects import memit, rome
from runs import Run, Start, living, send
from subject_runs import SubjectTest

INTERRUPTED = 75
SECONDS = 10  # that a rank may compute from the signal to the end
TOO_LONG = 120  # for anything; only a guard
LIMIT = 12
ENDLESS = ["--set", "edit.v_num_grad_steps=100000000"]


def to_all(start: Start, number: int) -> None:
    start.signal(number)


def to_rank_0(start: Start, number: int) -> None:
    start.signal(number, 0)


def to_last_rank(start: Start, number: int) -> None:
    start.signal(number, start.count - 1)


def to_mpirun(start: Start, number: int) -> None:
    start.process.send_signal(number)


def computed(process: int) -> float:
    """Seconds of CPU time that a process has used, which other processes do not lengthen; 0 when it has ended."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Stop(SubjectTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.rome, cls.memit = rome(cls.study, cls.folder), memit(cls.study, cls.folder)

    def expect_stops(self, start: Start, number: int, send) -> None:
        ranks = start.ranks()
        before = [computed(rank) for rank in ranks]
        send(start, number)
        self.expect_end(ranks, before)
        self.assertEqual(start.finish(TOO_LONG), INTERRUPTED, start.said())

    def expect_end(self, ranks: list[int], before: list[float]) -> None:
        """Of the ranks, without much further work."""
        end = time.monotonic() + TOO_LONG
        while left := living(ranks):
            self.assertLess(max(computed(rank) - used for rank, used in zip(ranks, before)), SECONDS)
            self.assertLess(time.monotonic(), end, f"{left} of {ranks} still run")
            time.sleep(0.05)

    def test_signals_in_every_stage(self):
        signals = [(signal.SIGTERM, to_all), (signal.SIGINT, to_last_rank), (signal.SIGUSR1, to_mpirun), (signal.SIGTERM, to_rank_0),
                   (signal.SIGUSR1, to_last_rank), (signal.SIGINT, to_all)]  # fmt: skip
        for subject in (self.rome, self.memit):
            run = self.new_run(subject)
            stages = [stage for stage in subject.stages if stage in subject.keys]
            for stage, (number, send) in zip(stages, signals):
                with self.subTest(f"{number.name} in {stage} of {subject.name}, {send.__name__}"):
                    start = self.begin(run, [stage], 2)
                    self.expect_stops(start, number, send)
                    self.assertEqual(run.complaints(), [], start.said())
            self.expect_goes_on(run, 3)

    def begin_endless(self, ranks: int, name: str, *words: object) -> Start:
        """A start that has come to tasks that do not end in time."""
        run = Run(self.study, self.folder / name, *ENDLESS, *words)
        journals = len(run.journals())
        start = run.start(ranks)
        self.addCleanup(self.end, start)
        self.wait_until(start, lambda: len(run.journals()) == journals + start.count, "tasks")
        return start

    def test_ranks_end_when_mpirun_is_killed(self):
        start = self.begin_endless(3, "orphans")
        ranks = start.ranks()
        before = [computed(rank) for rank in ranks]
        self.addCleanup(send, ranks, signal.SIGKILL)
        start.process.kill()
        start.process.wait()
        self.expect_end(ranks, before)
        self.expect_stops(self.begin_endless(1, "orphans"), signal.SIGTERM, to_all)  # nobody holds the folder

    def test_signals_in_tasks_that_take_long(self):
        for ranks in (0, 2):
            for number in (signal.SIGTERM, signal.SIGUSR1):
                with self.subTest(f"{number.name}, {ranks} ranks"):
                    start = self.begin_endless(ranks, f"endless {ranks}")
                    time.sleep(0.5)
                    self.expect_stops(start, number, to_all)

    def test_a_time_limit_in_tasks_that_take_long(self):
        start = self.begin_endless(2, "limited", "--time-limit", f"{LIMIT}s")
        ranks = start.ranks()
        self.expect_end(ranks, [LIMIT for _ in ranks])
        self.assertEqual(start.finish(TOO_LONG), INTERRUPTED, start.said())
        self.assertIn("time limit", start.said())
        state = json.loads((self.folder / "limited" / "state.json").read_text())
        self.assertEqual(state["phase"], "interrupted")
        self.assertLess(state["seconds"], LIMIT + SECONDS)  # by the program's own clock

    def test_time_limits_until_done(self):
        run, codes = self.new_run(self.rome), []
        while not codes or codes[-1] == INTERRUPTED:
            start = run.start(1, "--time-limit", f"{LIMIT}s")
            codes.append(self.finish(run, start))
            self.assertLess(len(codes), 12, "it does not come to an end")
        self.assertEqual(codes[-1], 0, start.said())
        self.expect_results(run, start)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
