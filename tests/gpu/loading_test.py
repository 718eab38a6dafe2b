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
MODULE = PROGRAM.with_name("libonemask_cuda.so")
MODEL = Path(os.environ["ONEMASK_SOURCE"], "res/models/world-gpt2")
# A driver that tells of one GPU, which no library can use.
DRIVER = """\
int cuInit(unsigned flags) { return flags != 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDriverGetVersion(int *version) { *version = 11040; return 0; }
"""


class Loading(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def predict(self, program: Path, device: str) -> subprocess.CompletedProcess:
        words = ["predict", "--model", MODEL, "--device", device, "--top", "1", "Paris is"]
        return subprocess.run(
            [program, *words], capture_output=True, text=True, timeout=120, check=False, env=self.environment()
        )

    def environment(self) -> dict[str, str]:
        return os.environ | {"LD_LIBRARY_PATH": str(self.folder)}

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

    def make_driver(self) -> None:
        command = ["cc", "-shared", "-fPIC", "-xc", "-", "-o", self.folder / "libcuda.so.1"]
        subprocess.run(command, input=DRIVER, text=True, timeout=60, check=True)

    @unittest.skipUnless(MODULE.exists(), "this build has no CUDA")
    def test_a_driver_older_than_libtorchs_cuda(self):
        self.make_driver()
        reason = (
            r"the driver is too old: it is of CUDA 11\.4, and this LibTorch was built with CUDA \d+\.\d+\. Choose cpu, update the "
            r"driver, or build with a LibTorch for the driver's CUDA \(-DLIBTORCH_ROOT\)\.\n"
        )
        on_cpu = self.predict(PROGRAM, "auto")
        self.assertEqual(on_cpu.returncode, 0, on_cpu.stderr)
        self.assertRegex(on_cpu.stderr, r"\A[^\n]*The GPUs of this host are not used: " + reason + r"\Z")
        examined = subprocess.run([PROGRAM, "doctor"], capture_output=True, text=True, timeout=120, check=False, env=self.environment())
        self.assertEqual(examined.returncode, 0, examined.stderr)
        self.assertRegex(" ".join(examined.stdout.split()), "warning device The GPUs of this host are not used: " + reason.removesuffix(r"\n"))
        refused = self.predict(PROGRAM, "cuda")
        self.assertEqual((refused.returncode, refused.stdout), (2, ""), refused.stderr)
        self.assertRegex(refused.stderr, "The device 'cuda' was requested, but " + reason + r"\Z")

    def test_a_gpu_that_this_build_cannot_use_is_a_warning(self):
        self.make_driver()
        result = self.predict(self.program_alone(), "auto")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, "The GPUs of this host are not used: this build cannot use CUDA")


if __name__ == "__main__":
    unittest.main()
