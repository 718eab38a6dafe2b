#!/usr/bin/env python3
"""CUDA's libraries are loaded only where a GPU is asked for, and a build without them says so."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

PROGRAM = Path(os.environ["ONEMASK_PROGRAM"])
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
        return Path(shutil.copy2(PROGRAM, self.folder))

    def test_the_program_is_linked_to_none_of_them(self):
        entries = subprocess.run(["readelf", "-d", PROGRAM], capture_output=True, text=True, timeout=60, check=True).stdout
        needed = re.findall(r"\(NEEDED\).*\[(.+)\]", entries)
        self.assertIn("libtorch_cpu.so", needed)
        self.assertEqual([name for name in needed if re.search("cuda|cublas|cudnn|nccl", name)], [])

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
