#!/usr/bin/env python3
"""Signals and time limits: whatever is under way, the program ends with 75 in time, and the same command goes on."""

import json
import signal
import sys
import time
import unittest

from subjects import memit, rome
from runs import Run, Start, living, send
from subject_runs import SubjectTest

INTERRUPTED = 75
SECONDS = 10  # from the signal to the end
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


class Stop(SubjectTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.rome, cls.memit = rome(cls.study, cls.folder), memit(cls.study, cls.folder)

    def expect_stops(self, start: Start, number: int, send) -> None:
        begin = time.monotonic()
        send(start, number)
        self.assertEqual(start.finish(60), INTERRUPTED, start.said())
        self.assertLess(time.monotonic() - begin, SECONDS, start.said())

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
        ranks, begin = start.ranks(), time.monotonic()
        self.addCleanup(send, ranks, signal.SIGKILL)
        start.process.kill()
        start.process.wait()
        while left := living(ranks):
            self.assertLess(time.monotonic() - begin, SECONDS, f"{left} of {ranks} still run")
            time.sleep(0.05)
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
        begin = time.monotonic()
        self.assertEqual(start.finish(60), INTERRUPTED, start.said())
        self.assertLess(time.monotonic() - begin, LIMIT + SECONDS, start.said())
        self.assertIn("time limit", start.said())
        state = json.loads((self.folder / "limited" / "state.json").read_text())
        self.assertEqual(state["phase"], "interrupted")
        self.assertLess(state["seconds"], LIMIT)  # by the program's own clock

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
