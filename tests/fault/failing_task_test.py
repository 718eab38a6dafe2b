#!/usr/bin/env python3
"""A task that always fails is tried three times, elsewhere where there is a rank, and given up; the rest of the run is done."""

import json
import signal
import subprocess
import sys
import unittest

from subjects import kind_of, rome
from runs import PROGRAM, Run, Start, freeze, send
from subject_runs import SECONDS, SubjectTest
from watched_run import WatchedRun

PARTIAL, ATTEMPTS = 3, 3
ALONE = ["--set", "mask.ranks=1"]  # every failure is that of one rank


def ranks_of_failures(run: Run) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in run.records():
        if record["status"] == "failed":
            found.setdefault(record["task"], []).append(record["rank"])
    return found


def status(run: Run) -> tuple[str, dict]:
    """As people see it, and as programs do."""
    said = [subprocess.run([PROGRAM, "status", run.folder, *words], capture_output=True, text=True, check=True).stdout
            for words in ([], ["--json"])]  # fmt: skip
    return said[0], json.loads(said[1])


class FailingTask(SubjectTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.rome = rome(cls.study, cls.folder)

    def frozen_among_edits(self) -> tuple[WatchedRun, Start, list[int]]:
        """Nothing but edits was begun."""
        while True:
            run = self.new_run(self.rome)
            start = self.begin(run, ["edits"], 2, *ALONE)
            ranks = start.ranks()
            self.wait_until(start, lambda: len(run.done("edit")) > 3, "edits")
            freeze(ranks)
            if run.stages_under_way() == ["edits"]:
                return run, start, ranks
            send(ranks, signal.SIGCONT)
            self.finish(run, start)

    def test_an_edit_that_is_lost_in_the_middle_of_a_run(self):
        run, start, ranks = self.frozen_among_edits()
        lost = self.rome.object_of_task[run.done("edit")[0]]
        run.damage_object(run.folder / "objects" / lost[:2] / lost, b"nothing that can be read")
        send(ranks, signal.SIGCONT)
        self.assertEqual(self.finish(run, start), PARTIAL, start.said())

        # The masks need it, the fact's scores too; scores under the masks are not even tried.
        failures = ranks_of_failures(run)
        self.assertEqual(sorted(map(kind_of, failures)), ["evaluation", *["mask"] * 3])
        for ranks in failures.values():
            self.assertEqual((len(ranks), set(ranks)), (ATTEMPTS, {0, 1}))
        self.assertEqual(len(run.done("edit")), 34)
        self.assertEqual(run.results().attributes["status"], "PARTIAL")
        text, for_programs = status(run)
        for task in failures:
            self.assertRegex(text, rf"{task}, 3 times, .*{lost}")
        self.assertEqual({task["task"] for task in for_programs["failed"]}, set(failures))

        self.expect_goes_on(run)
        text, for_programs = status(run)
        self.assertNotIn("failed and not done", text)
        self.assertEqual(for_programs["failed"], [])

    def test_a_mask_whose_training_overflows(self):
        points = ["--sweep", "mask.learning_rate=0.1,1e38", "--sweep", "mask.seed=0,1"]
        run = Run(self.study, self.folder / "overflow", *points, *ALONE)
        for attempt in (1, 2):
            start = run.start(2)
            self.expect_ends(start, PARTIAL, SECONDS)
            failures = ranks_of_failures(run)
            self.assertEqual(sorted(map(kind_of, failures)), ["mask"] * 2)
            self.assertEqual({len(ranks) for ranks in failures.values()}, {attempt * ATTEMPTS})
            self.assertEqual(len(run.done("mask")), 2)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
