#!/usr/bin/env python3
"""Usage, help and exit codes of the program; needs no data."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from program import PROGRAM, onemask

COMMANDS = ["sweep", "plan", "status", "edit", "mask", "eval", "gather", "report", "test", "overlap", "stats", "tokenize", "predict", "export", "world", "doctor", "keys"]


class Help(unittest.TestCase):
    def test_program_lists_its_commands_and_exit_codes(self):
        result = onemask("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for command in COMMANDS:
            self.assertRegex(result.stdout, rf"(?m)^  {command} +\S")
        self.assertIn("75 interrupted", result.stdout)

    def test_every_command_shows_options_and_examples_of_itself(self):
        for command in COMMANDS:
            result = onemask(command, "--help")
            self.assertEqual((result.returncode, result.stderr), (0, ""), command)
            self.assertTrue(result.stdout.startswith(f"usage: onemask {command} "), command)
            self.assertRegex(result.stdout.split("\nexamples:\n")[1], rf"onemask {command} ")
            self.assertLessEqual(max(map(len, result.stdout.splitlines())), 130, command)

    def test_version_and_build(self):
        self.assertRegex(onemask("--version").stdout, r"\Aonemask \d+\.\d+\.\d+ \(.+\)\n\Z")
        for key in ["version", "revision", "compiler", "libtorch", "build_type"]:
            self.assertRegex(onemask("--build-info").stdout, rf"(?m)^{key}: .+$")


class Usage(unittest.TestCase):
    def refused(self, *words: str, ranks: int = 0) -> str:
        """What the program says; it must print no results and end with 2."""
        result = onemask(*words, ranks=ranks)
        self.assertEqual((result.returncode, result.stdout), (2, ""), (words, result.stderr))
        if not ranks:
            self.assertRegex(result.stderr, r"\Aonemask: [A-Z'o].*[.?]\n\Z")
        return result.stderr

    def test_unknown_names_suggest_the_nearest(self):
        self.assertIn("Did you mean 'sweep'?", self.refused("swep"))
        self.assertIn("Did you mean '--limit'?", self.refused("sweep", "study.yaml", "--limt", "3"))
        self.assertIn("Did you mean '--by-relation'?", self.refused("report", "run", "--by-relations"))
        self.assertIn("'--frobnicate'", self.refused("predict", "--frobnicate"))
        self.assertIn("'--lim'", self.refused("sweep", "study.yaml", "--lim", "3"))

    def test_something_is_missing(self):
        self.assertIn("Name a command", self.refused())
        self.assertIn("--out is missing", self.refused("sweep", "study.yaml"))
        self.assertIn("STUDY.yaml", self.refused("mask", "--out", "run"))
        self.assertIn("RUN", self.refused("report"))
        self.assertIn("takes two conditions", self.refused("test", "run", "--compare", "mask"))
        self.assertIn("no file 'run/study.h5'", self.refused("overlap", "run"))
        self.assertIn("choose one of: text, markdown, latex", self.refused("report", "run", "--format", "html").replace(", json, csv", ""))
        self.assertIn("no file 'run/study.h5'", self.refused("test", "run", "--compare", "mask", "edited"))
        self.assertIn("--model is missing", self.refused("tokenize", "text"))
        self.assertIn("PROMPT", self.refused("predict", "--model", "folder"))
        self.assertIn("--objects is missing", self.refused("export", "--model", "folder"))
        self.assertIn("--edits", self.refused("export", "--model", "folder", "--objects", "folder", "--out", "new"))
        self.assertIn("'--out'", self.refused("sweep", "study.yaml", "--out"))

    def test_wrong_values(self):
        for number in ["0", "-1", "many", "3x", "99999999999999999999", ""]:
            self.assertIn("--limit", self.refused("sweep", "study.yaml", "--out", "run", f"--limit={number}"))
        self.assertIn("--top", self.refused("predict", "--model", "folder", "--top", "0", "prompt"))
        self.assertIn("choose one", self.refused("report", "run", "--json", "--csv"))
        self.assertIn("only 1 operand", self.refused("report", "one", "two"))
        self.assertIn("--out", self.refused("sweep", "study.yaml", "--out", "a", "--out", "b"))
        self.assertIn("--out", self.refused("sweep", "study.yaml", "--out="))

    def test_files_that_are_not_there(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertIn("absent.yaml", self.refused("sweep", f"{folder}/absent.yaml", "--out", f"{folder}/run"))
            self.assertFalse(Path(folder, "run").exists())
            self.assertIn("onemask gather", self.refused("report", folder))
            Path(folder, "study.h5").write_bytes(b"no HDF5")
            self.assertIn("study.h5", self.refused("report", folder))
            self.assertIn(folder, self.refused("tokenize", "--model", folder, "text"))
            self.assertIn(folder, self.refused("predict", "--model", folder, "text"))
            words = ["export", "--model", folder, "--out", f"{folder}/new", "--edits", "abcdef"]
            self.assertIn("absent", self.refused(*words, "--objects", f"{folder}/absent"))
            self.assertIn(folder, self.refused(*words, "--objects", folder))

    def test_settings_as_other_programs_take_them(self):
        for words in (["mask.epochs=3"], ["+mask.epochs=3"], ["--mask.epochs=3"], ["--out", "run", "mask.epochs=3"]):
            said = self.refused("plan", "study.yaml", *words)
            self.assertIn("--set mask.epochs=3", said)
            self.assertIn("--sweep mask.epochs=", said)
        for words in (["--set", "mask.epochs", "3"], ["--set", "mask.epochs:", "3"]):
            self.assertIn("--set mask.epochs=3", self.refused("plan", "study.yaml", *words))
        self.assertNotIn("--set a=", self.refused("plan", "study.yaml", "more", "--set", "a=3"))

    def test_one_rank_speaks_for_all(self):
        message = self.refused("sweep", "absent.yaml", "--out", "run", "--limit", "none", ranks=3)
        self.assertEqual(message.count("onemask: The option --limit"), 1)


class Launchers(unittest.TestCase):
    """Variables of launchers that are gone, or that start no MPI."""

    GONE = {"PMIX_RANK": "0", "PMIX_NAMESPACE": "slurm.pmix.7.0", "PMIX_SERVER_URI41": "slurm.pmix.7.0;tcp4://127.0.0.1:1"}

    def test_commands_for_one_process_start_no_mpi(self):
        with tempfile.TemporaryDirectory() as folder:
            for words in (["keys", "mask."], ["tokenize", "--model", folder, "a"], ["status", folder], ["report", folder],
                          ["predict", "--model", folder, "a"], ["plan", f"{folder}/study.yaml", "--out", f"{folder}/run"],
                          ["export", "--model", folder, "--objects", folder, "--out", f"{folder}/new", "--edits", "abcdef"]):  # fmt: skip
                with self.subTest(words[0]):
                    plain, result = onemask(*words), onemask(*words, variables=self.GONE)
                    self.assertEqual((result.returncode, result.stdout, result.stderr), (plain.returncode, plain.stdout, plain.stderr))
                    self.assertEqual(result.returncode, 0 if words[0] == "keys" else 2)

    def test_a_rank_without_a_launcher_is_left_over(self):
        plain = onemask("keys", "mask.")
        for variables in ({"PMI_RANK": "1"}, {"PMIX_RANK": "1", "PMIX_NAMESPACE": "x"}):
            result = onemask("keys", "mask.", variables=variables)
            self.assertEqual((result.returncode, result.stdout), (0, plain.stdout))
            sweep = onemask("sweep", "absent.yaml", "--out", "run", variables=variables)
            self.assertEqual(sweep.returncode, 2)
            self.assertIn("absent.yaml", sweep.stderr)

    def test_other_commands_name_the_variables(self):
        for words in (["sweep", "study.yaml", "--out", "run"], ["stats"], ["pretrain", "study.yaml"], ["doctor"]):
            result = onemask(*words, variables=self.GONE)
            self.assertEqual((result.returncode, result.stdout), (1, ""), result.stderr)
            self.assertIn("PMIX_NAMESPACE, PMIX_RANK, PMIX_SERVER_URI41", result.stderr)
            self.assertIn("env -u PMIX_NAMESPACE", result.stderr)

    def test_under_mpirun_one_process_prints(self):
        result = onemask("keys", "mask.seed", ranks=3)
        self.assertEqual((result.returncode, result.stdout), (0, onemask("keys", "mask.seed").stdout), result.stderr)
        self.assertEqual(onemask("status", "absent", ranks=3).returncode, 2)

    def test_tasks_of_a_step_that_are_alone(self):
        step = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "3", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "3", "SLURM_PROCID": "1"}
        for words in (["sweep", "absent.yaml", "--out", "run"], ["edit", "absent.yaml", "--out", "run"],
                      ["stats", "--model", "m", "--objects", "o", "--layers", "1"],
                      ["pretrain", "absent.yaml", "--out", "model"]):  # fmt: skip
            result = onemask(*words, variables=step)
            self.assertEqual(result.returncode, 2)
            self.assertIn("one of 3 processes that srun started", result.stderr)
            self.assertIn("mpirun -n 3", result.stderr)
        other = onemask("sweep", "absent.yaml", "--out", "run", variables={"PMI_SIZE": "4", "PMI_RANK": "1"})
        self.assertEqual(other.returncode, 2)
        self.assertIn("one of 4 processes that the mpirun of another MPI started", other.stderr)
        # A shard is alone by intent; so is the one rank of an mpirun. In a batch script there is a warning.
        for words, ranks in ((["--shard", "1/3"], 0), ([], 1)):
            result = onemask("sweep", "absent.yaml", "--out", "run", *words, ranks=ranks, variables=step)
            self.assertIn("absent.yaml", result.stderr)
            self.assertNotIn("SLURM", result.stderr)
        script = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "3"}
        said = onemask("sweep", "absent.yaml", "--out", "run", variables=script).stderr
        self.assertIn("mpirun -n 3", said)
        self.assertIn("absent.yaml", said)


class Output(unittest.TestCase):
    def test_a_full_disk_is_a_failure(self):
        full = Path("/dev/full")
        if not full.exists():
            self.skipTest("this system has no /dev/full")
        with full.open("w") as stdout:
            result = subprocess.run([PROGRAM, "--help"], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("stdout", result.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
