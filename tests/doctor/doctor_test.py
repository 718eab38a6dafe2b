#!/usr/bin/env python3
"""`onemask doctor` on one and two ranks, with a tiny study, damaged ones, and folders that cannot be written."""

import json
import os
import re
import sys
import tempfile
import unittest
import unittest.mock
from pathlib import Path

sys.path[:0] = [str(Path(os.environ["ONEMASK_SOURCE"]) / "tests" / room) for room in ("cli", "sweep")]
from program import onemask  # noqa: E402

from tiny_world import make_world  # noqa: E402


class Doctor(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory()
        cls.addClassCleanup(place.cleanup)
        cls.folder = Path(place.name)
        cls.study = make_world(cls.folder / "world")

    def examined(self, *words, ranks: int = 0, code: int = 0) -> dict[tuple[str, str], dict]:
        """The findings of a report, by the first word of the section and subject."""
        result = onemask("doctor", *map(str, words), "--json", ranks=ranks)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        report = json.loads(result.stdout)
        findings = {(s["title"].split()[0], f["subject"]): f for s in report["sections"] for f in s["findings"]}
        worst = max((f["verdict"] for f in findings.values()), key=["ok", "warning", "problem"].index)
        self.assertEqual(report["verdict"], worst)
        self.assertEqual(code, int(worst == "problem"))
        return findings

    def expect_warned(self, finding: dict, warned: bool):
        """Of what was measured, on a machine that may be busy."""
        self.assertEqual(finding["verdict"], "warning" if warned else "ok", finding["text"])

    def expect_problem(self, findings, place: tuple[str, str], text: str):
        problems = {key: f["text"] for key, f in findings.items() if f["verdict"] == "problem"}
        self.assertEqual(list(problems), [place])
        self.assertIn(text, problems[place])

    def test_all_is_well(self):
        for ranks in (0, 2):
            run = self.folder / "results" / "run"
            findings = self.examined(self.study, "--out", run, "--objects", self.folder / "objects", ranks=ranks)
            self.assertEqual(findings["study", "facts"]["text"], "train 22, heldout 6, ood 6")
            self.assertIn("gpt2, 3 layers of width 32", findings["study", "checkpoint"]["text"])
            for place in [("program", "MPI"), ("run", "HDF5"), ("objects", "locks")]:
                self.assertEqual(findings[place]["verdict"], "ok", place)
            rates = re.findall(r"([\d.]+) GFLOP/s", findings["devices", "products"]["text"])
            self.assertEqual(len(rates), ranks or 1)
            self.expect_warned(findings["devices", "products"], float(rates[0]) < 0.5 * float(rates[-1]))
            ((sync, unit),) = re.findall(r"sync ([\d.]+) (µs|ms|s)", findings["run", "writing"]["text"])
            self.expect_warned(findings["run", "writing"], float(sync) * {"µs": 1e-6, "ms": 1e-3, "s": 1}[unit] > 0.1)
            self.assertEqual(("devices", "sums") in findings, ranks == 2)
            self.assertEqual(sorted(p.name for p in self.folder.iterdir()), ["world"])

    def test_it_takes_the_options_of_a_run(self):
        options = ["--sweep", "mask.seed=0..4", "--limit", "3", "--peer-compatible", "--time-limit", "1h", "--deadline", "1h", "--shard", "0/2"]
        findings = self.examined(self.study, *options)
        self.assertIn("5 of them with masks", findings["study", "study"]["text"])
        self.assertEqual(findings["study", "facts"]["text"], "train 3, heldout 3, ood 3")

    def test_the_report_is_aligned_lines(self):
        result = onemask("doctor", ranks=2)
        self.assertEqual(result.returncode, 0, result.stderr)
        *lines, last = result.stdout.splitlines()
        self.assertRegex(last, r"^0 problems, \d+ warnings?$")
        for line in lines:
            self.assertLessEqual(len(line), 128)
            self.assertRegex(line, r"^(\w.*|  (ok     |warning)  \S.*|    +\S.*)$")
        self.assertIn("  ok       onemask ", result.stdout)

    def test_a_study_that_cannot_be_read(self):
        study = self.study.with_name("bad.yaml")
        study.write_text(self.study.read_text().replace("epochs:", "epoch:"))
        for ranks in (0, 2):
            self.expect_problem(self.examined(study, ranks=ranks, code=1), ("study", "study"), "Did you mean 'epochs'?")
        self.expect_problem(self.examined(self.folder / "none.yaml", code=1), ("study", "study"), "none.yaml")

    def test_a_study_that_does_not_fit(self):
        weights = self.study.parent / "model/model.safetensors"
        content = weights.read_bytes()
        self.addCleanup(weights.write_bytes, content)
        weights.write_bytes(content[:-4])
        self.expect_problem(self.examined(self.study, ranks=2, code=1), ("study", "checkpoint"), "model.safetensors")
        weights.write_bytes(content)
        facts = self.examined(self.study, "--set", "facts.train.files=nothing.json", code=1)
        self.expect_problem(facts, ("study", "facts"), "nothing.json")
        device = self.examined(self.study, "--device", "cuda:99", code=1)
        self.assertEqual(device["ranks", "device"]["verdict"], "problem")
        self.assertNotIn(("devices", "sums"), device)

    def test_folders_that_cannot_be_written(self):
        file = self.folder / "world/a-file"
        file.write_text("x")
        for folder in ("/proc/run", file, file / "run"):
            findings = self.examined("--out", folder, ranks=2, code=1)
            self.expect_problem(findings, ("run", "folder"), "Cannot make the folder")
            self.assertEqual(findings["ranks", "same program"]["verdict"], "ok")

    def test_a_slurm_job(self):
        job = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_JOB_END_TIME": "1000"}
        with unittest.mock.patch.dict(os.environ, job):
            findings = self.examined()
        self.assertIn("7 on", findings["SLURM", "job"]["text"])
        self.assertEqual(findings["SLURM", "tasks"]["verdict"], "warning")
        self.assertIn("has passed", findings["SLURM", "time limit"]["text"])

    def test_usage(self):
        result = onemask("doctor", "--out", "", ranks=2)
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("--out is empty", result.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
