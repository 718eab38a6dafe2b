#!/usr/bin/env python3
"""Devices that are gone when a run starts: a sentence, a run folder as it was, and the same command goes on once they are back."""

import json
import os
import signal
import subprocess
import sys
import unittest
from collections.abc import Sequence

from pretend_runs import PretendTest, on_devices, options_of
from runs import MPIRUN, PROGRAM, Run

SMALL = ["--sweep", "mask.seed=0", "--set", "mask.epochs=1", "--set", "evaluation.neighborhood=false"]
# A program with as many devices as its rank's number says in the first word: "21" gives two to rank 0, one to rank 1.
DEVICES_BY_RANK = 'all=$0; ONEMASK_PRETEND_DEVICES=${all:$OMPI_COMM_WORLD_RANK:1} exec "$@"'


def state_of(run: Run) -> tuple:
    """All but its objects and logs."""
    return run.records(), run.checkpoints(), (run.folder / "plan.json").read_bytes()


class MissingDevices(PretendTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        undisturbed = Run(cls.study, cls.folder / "on the CPU", *SMALL)
        start = undisturbed.start(2)
        if start.finish() != 0:
            raise AssertionError(start.said())
        cls.expected = undisturbed.results()

    def expect_refused(self, run: Run, pattern: str, *words: str, options: Sequence[str] = (), new_objects: int = 0) -> None:
        """With exit code 2, for this reason, and nothing of the run is touched."""
        objects, others = run.objects(), state_of(run)
        said = self.expect_ends(run.start(2, *words, options=options), 2)
        self.assertRegex(said, pattern)
        self.assertEqual(others, state_of(run))
        now = run.objects()
        self.assertEqual([name for name in objects if now.get(name) != objects[name]], [])
        self.assertEqual(len(now), len(objects) + new_objects)

    def start_with(self, run: Run, devices: str) -> subprocess.CompletedProcess:
        """Two ranks with so many devices each."""
        launcher = [MPIRUN, *options_of(on_devices()), "-n", "2", "--oversubscribe", "--bind-to", "none"]
        command = [*launcher, "bash", "-c", DEVICES_BY_RANK, devices, PROGRAM, *run.words]
        return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)

    def test_a_run_goes_on_once_a_device_is_back(self):
        host = os.uname().nodename
        run = Run(self.study, self.folder / "gone", "--set", "model.device=pretend", *SMALL)
        start = run.start(2, options=options_of(on_devices(2)))
        self.wait_until(start, lambda: len(run.done("edit")) >= 3, "three edits were done")
        start.signal(signal.SIGTERM)
        self.assertNotIn("share", self.expect_ends(start, 75))
        for rank in (0, 1):
            log = (run.folder / f"logs/rank-{rank}.log").read_text()
            self.assertRegex(log, f"This rank computes on pretend:{rank} .*of {host}, ")
        made = run.objects()

        self.expect_refused(run, "The device 'pretend' is not known; choose cpu,")
        self.expect_refused(run, "The device 'pretend' was requested, but none is visible; ", options=options_of(on_devices(0)))
        # To know which run it is, this start samples the context templates on the CPU.
        remedy = "such as '--device pretend' where such a device is visible, or use another folder"
        self.expect_refused(run, remedy, "--device", "cpu", new_objects=1)
        ended = self.start_with(run, "10")
        self.assertEqual(ended.returncode, 2, ended.stderr)
        self.assertRegex(ended.stderr, f"On {host}: The device 'pretend' was requested, .* 1 of 2 ranks have their device")
        self.assertIn("Run the same command again", ended.stderr)

        # One of two is enough.
        said = self.expect_ends(run.start(2, options=options_of(on_devices(1))), 0)
        self.assertRegex(said, rf"warning: Ranks share devices \({host}: 2 ranks on 1 device\)")
        self.assertEqual({name: run.objects()[name] for name in made}, made)
        self.expect_same_numbers(run.results(), self.expected)

    def test_a_device_of_that_number_is_gone(self):
        run = Run(self.study, self.folder / "number", "--set", "model.device=pretend:1", *SMALL)
        said = self.expect_ends(run.start(1, options=options_of(on_devices(1))), 2)
        self.assertIn("The device 'pretend:1' does not exist", said)

    def test_planned_for_gpus_and_started_without(self):
        templates = self.folder / "templates.json"
        templates.write_text('["{}"]')
        run = Run(self.study, self.folder / "planned", "--device", "cuda", "--set", f"edit.templates={templates}")
        planned = subprocess.run(list(map(str, [PROGRAM, "plan", *run.words[1:]])), capture_output=True, text=True, check=False)
        self.assertEqual(planned.returncode, 0, planned.stderr)
        self.assertRegex(json.loads((run.folder / "plan.json").read_text())["execution"], "^cuda ")
        if os.path.exists("/dev/nvidiactl"):
            self.skipTest("this machine has a GPU")
        self.expect_refused(run, "The device 'cuda' was requested, but (no GPU is visible|this build cannot use CUDA)")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
