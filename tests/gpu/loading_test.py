#!/usr/bin/env python3
"""The programs load LibTorch and CUDA only where they are needed, and a build without CUDA says so."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(os.environ["ONEMASK_PROGRAM"])
COMPUTE = PROGRAM.with_name("onemask-compute")
MODEL = Path(os.environ["ONEMASK_SOURCE"], "res/models/world-gpt2")
# A driver that tells of one GPU, which no library can use.
DRIVER = "int cuInit(unsigned flags) { return flags != 0; }\nint cuDeviceGetCount(int *count) { *count = 1; return 0; }\n"


class Loading(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def predict(self, program: Path, device: str) -> subprocess.CompletedProcess:
        words = ["predict", "--model", MODEL, "--device", device, "--top", "1", "Paris is"]
        return subprocess.run(
            [program, *words], capture_output=True, text=True, timeout=120, check=False, env=os.environ | {"LD_LIBRARY_PATH": str(self.folder)}
        )

    def program_alone(self) -> Path:
        for file in (PROGRAM, COMPUTE):
            shutil.copy2(file, self.folder)
        return self.folder / PROGRAM.name

    def needed(self, program: Path) -> list[str]:
        entries = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, timeout=60, check=True).stdout
        return re.findall(r"\(NEEDED\).*\[(.+)\]", entries)

    def test_no_program_is_linked_to_cuda_and_only_one_to_libtorch(self):
        self.assertIn("libtorch_cpu.so", self.needed(COMPUTE))
        self.assertEqual([name for name in self.needed(COMPUTE) if re.search("cuda|cublas|cudnn|nccl", name)], [])
        self.assertEqual([name for name in self.needed(PROGRAM) if re.search("torch|c10|cuda|cublas|cudnn|nccl", name)], [])

    def test_a_gpu_asked_for_without_the_module_is_a_sentence(self):
        result = self.predict(self.program_alone(), "cuda")
        self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
        self.assertRegex(
            result.stderr,
            r"The device 'cuda' was requested, but this build cannot use CUDA \(libonemask_cuda\.so: .+\); choose cpu, or "
            r"run 'launch/bootstrap\.sh --cuda' and build with what it prints\.\n\Z",
        )

    def test_a_gpu_that_this_build_cannot_use_is_a_warning(self):
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-xc", "-", "-o", self.folder / "libcuda.so.1"], input=DRIVER, text=True, timeout=60, check=True
        )
        result = self.predict(self.program_alone(), "auto")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, "The GPUs of this host are not used: this build cannot use CUDA")


if __name__ == "__main__":
    unittest.main()
