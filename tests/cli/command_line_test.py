#!/usr/bin/env python3
"""Usage, help and exit codes of the program; needs no data."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from program import PROGRAM, onemask

COMMANDS = ["sweep", "plan", "status", "edit", "mask", "eval", "gather", "report", "stats", "tokenize", "predict", "export", "world", "doctor", "keys"]


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

    def test_one_rank_speaks_for_all(self):
        message = self.refused("sweep", "absent.yaml", "--out", "run", "--limit", "none", ranks=3)
        self.assertEqual(message.count("onemask: The option --limit"), 1)


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
