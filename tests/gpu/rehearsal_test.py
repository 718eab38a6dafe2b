#!/usr/bin/env python3
"""tests/bench/gpu.sh on the pretend accelerator: what it packs is enough and not too much, and its table lacks nothing."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SOURCE, BUILD = Path(os.environ["ONEMASK_SOURCE"]), Path(os.environ["ONEMASK_BUILD"])
SHAPES, TYPES, TASKS = ("tiny-gpt2", "tiny-llama"), ("bfloat16", "float32"), ("edit", "mask", "evaluation")


def started(*words: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=280, check=False)


class Rehearsal(unittest.TestCase):
    def test_packs_and_measures_everything(self):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            packed = started(SOURCE / "tests/bench/gpu_pack.py", "--build", BUILD, "--out", folder)
            self.assertEqual(packed.returncode, 0, packed.stderr)
            pack = folder / "pack.tar.xz"
            self.assertGreater(pack.stat().st_size, 5 << 20)
            run = started(SOURCE / "tests/bench/gpu_run.py", "--rehearse", "--pack", pack, "--out", folder / "out", "--minutes", 4)
            self.assertEqual(run.returncode, 0, run.stderr + run.stdout)
            found = json.loads((folder / "out" / "gpu.json").read_text())
            self.expect_all_of(found)
            table = (folder / "out" / "gpu.md").read_text()
        self.assertIn(table.strip(), run.stdout)
        rows = [line.split(" | ") for line in table.splitlines() if line.startswith("| tiny-")]
        self.assertEqual(len(rows), len(SHAPES) * len(TYPES) * len(TASKS))
        for row in rows:
            steps = row[-2:] if " edit " in " | ".join(row) else []
            self.assertNotIn("–", [cell.strip(" |") for cell in [*row[:-2], *steps]])

    def expect_all_of(self, found: dict) -> None:
        self.assertEqual(found["failures"], [])
        self.assertGreater(found["tests"]["counts"]["PASSED"], 8)
        names = [test["name"] for test in found["tests"]["programs"]]
        self.assertTrue({"mask_trainer_golden_test/gpu_float32", "compute_reducer_gpu_test/np1"} <= set(names), names)
        self.assertTrue(found["program"]["halved"])
        self.assertEqual(found["program"]["same"], found["program"]["results"])
        self.assertEqual(set(found["speed"]), {f"{shape} {dtype}" for shape in SHAPES for dtype in TYPES})
        for name, results in found["speed"].items():
            self.assertEqual(set(results["ours"]), set(TASKS))
            self.assertEqual(set(results["peers"]), {f"{variant} {task}" for variant in ("peer", "mended") for task in TASKS})
            for line in [*results["ours"].values(), *results["peers"].values()]:
                self.assertGreater(line["n"] / line["seconds"], 0)
            for line in results["ours"].values():
                self.assertGreater(line["flops"], 1e5, name)
                self.assertGreater(line["peak_bytes"], 10_000, name)
            self.assertEqual(set(results["profiles"]), {"a step of a search", "a step of a mask"})
            for profile in results["profiles"].values():
                self.assertGreater(len(profile["lines"]), 3)
                self.assertGreater(profile["flops"], 0)


if __name__ == "__main__":
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        print("This interpreter has no PyTorch or no transformers; install launch/requirements.txt with CUDA.")
        sys.exit(77)
    unittest.main()
