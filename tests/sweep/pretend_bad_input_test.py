#!/usr/bin/env python3
"""Pretend accelerators that a run cannot begin on: full ones, and some beside ranks on CPUs."""

import subprocess
import sys
import unittest

from pretend_runs import PretendTest, on_devices, options_of
from runs import MPIRUN, PROGRAM


class PretendBadInput(PretendTest):
    def test_devices_that_are_too_full_for_the_model(self):
        run, said = self.run_on("pretend", 2, "full", memory=100_000, code=1)
        self.assertRegex(
            said,
            r"error: (rank \d: )?The model does not fit into the memory of pretend:\d \(pretend accelerator\): its weights need \d+ kB, "
            r"and 100 kB of 100 kB are free\. If another program uses the device",
        )
        self.assertEqual(run.objects(), {})

    def expect_refused(self, *words: object) -> None:
        """With a rank that computes on the CPU."""
        launcher = [MPIRUN, *options_of(on_devices()), "--oversubscribe", "--bind-to", "none"]
        command = [*launcher, "-n", 2, PROGRAM, *words, "--device", "pretend", ":", "-n", 1, PROGRAM, *words, "--device", "cpu"]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, 2, result.stderr)
        self.assertRegex(
            result.stderr,
            r"Ranks would compute in different ways \(.*\): 1 rank on 'cpu [^']*' \(\S+\), 2 ranks on 'pretend [^']*' \(\S+\)\. .* choose --device cpu\.",
        )

    def test_ranks_on_cpus_beside_ranks_on_devices(self):
        self.expect_refused("sweep", self.study, "--out", self.folder / "mixed")
        self.assertFalse((self.folder / "mixed" / "plan.json").exists())
        words = ["--text", self.study, "--layers", "1", "--objects", self.folder / "objects"]
        self.expect_refused("stats", "--model", self.study.parent / "model", *words)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
