#!/usr/bin/env python3
"""`onemask doctor` on pretend accelerators: who has which, what carries sums and why, and what is wrong with them."""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(os.environ["ONEMASK_SOURCE"]) / "tests" / "sweep"))
from pretend_runs import PretendTest, on_devices, options_of  # noqa: E402
from runs import MPIRUN, PROGRAM  # noqa: E402

HOST = os.uname().nodename


class PretendDoctor(PretendTest):
    def examined(self, *words: object, ranks: int, code: int = 0, mixed: bool = False, **devices) -> dict[tuple[str, str], dict]:
        """The findings by section and subject; `mixed`: with another rank that computes on the CPU."""
        launcher = [MPIRUN, *options_of(on_devices(**devices)), "--oversubscribe", "--bind-to", "none"]
        program = [PROGRAM, "doctor", *words, "--json"]
        command = [*launcher, "-n", ranks, *program, "--device", "pretend"]
        if mixed:
            command += [":", "-n", 1, *program, "--device", "cpu"]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        report = json.loads(result.stdout[: result.stdout.index("\n")])  # behind it, mpirun says which rank had another code
        return {(s["title"], f["subject"]): f for s in report["sections"] for f in s["findings"]}

    def expect(self, finding: dict, verdict: str, pattern: str) -> None:
        self.assertEqual(finding["verdict"], verdict, finding["text"])
        self.assertRegex(finding["text"], pattern)

    def test_ranks_with_a_device_each(self):
        findings = self.examined(ranks=2, memory=8_000_000_000)
        self.expect(findings["devices", "GPU"], "ok", r"\Apretend accelerator \(ranks 0-1\): at least 8\.0 GB of 8\.0 GB free\Z")
        self.expect(findings["devices", "which GPU"], "ok", rf"\Aranks 0-1 on {HOST}: pretend:0 at ffff:01:00\.0, pretend:1 at ffff:02:00\.0\Z")
        self.expect(findings["devices", "GPU per rank"], "ok", "every rank has a GPU of its own")
        pattern = r": 67 MB through NCCL in [\d.]+ \S+ \([\d.]+ .B/s\), .* NCCL \d+\.\d+\.\d+ is used, as every rank has a GPU of its own\Z"
        self.expect(findings["devices", "sums"], "ok", pattern)

    def test_ranks_that_share_devices(self):
        findings = self.examined(ranks=3)
        self.expect(findings["devices", "GPU per rank"], "warning", r"\Aranks 0, 2: share a GPU and its memory with another rank")
        self.expect(findings["devices", "sums"], "warning", r" through MPI in .* MPI is used, as ranks 0, 2 share a GPU\. NCCL is faster")

    def test_devices_that_nobody_uses(self):
        self.expect(self.examined(ranks=2, count=4)["devices", "idle GPUs"], "warning", "2 of 4 GPUs are used")

    def test_nccl_that_cannot_start(self):
        findings = self.examined(ranks=2, nccl="oom,rank=last")
        pattern = r" MPI is used, as NCCL failed to connect the GPUs: rank 1: unhandled cuda error \(Cuda failure 'out of memory'\)\."
        self.expect(findings["devices", "sums"], "warning", pattern)

    def test_devices_that_are_too_small_for_the_model(self):
        findings = self.examined(self.study, ranks=2, count=1, memory=300_000, code=1)
        self.expect(findings["study", "weights"], "problem", r"\A\d+ kB of the 300 kB free memory of a GPU \(float32, 2 copies\)\. They leave no")

    def test_ranks_on_devices_of_several_kinds(self):
        findings = self.examined(ranks=1, mixed=True, code=1)
        self.expect(findings["devices", "devices"], "problem", r"\ARanks compute on different devices: CPUs \(rank 1\); GPUs \(rank 0\)\. A run has")
        self.assertNotIn(("devices", "sums"), findings)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
