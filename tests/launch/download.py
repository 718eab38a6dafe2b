"""Calls a script of launch/ in a folder of its own, with a server that it downloads from."""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from server import Server

LAUNCH = Path(os.environ["ONEMASK_SOURCE"], "launch")


class DownloadTest(unittest.TestCase):
    maxDiff = None
    script = ""

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.server = Server()
        self.addCleanup(self.server.close)
        self.settings: dict[str, str] = {}

    def call(self, *words: str) -> subprocess.CompletedProcess:
        self.server.requests.clear()
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy") and name != "HF_TOKEN"}
        return subprocess.run(
            [LAUNCH / self.script, *words],
            cwd=self.folder, env=kept | self.settings, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def expect_done(self, *words: str) -> str:
        result = self.call(*words)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(list(self.folder.rglob("*.part")), [])
        return result.stderr

    def expect_refusal(self, code: int, parts: list[str], *words: str) -> None:
        result = self.call(*words)
        self.assertEqual(result.returncode, code, result.stderr)
        sentence = result.stderr.splitlines()[-1]
        self.assertRegex(sentence, r"[.?\]]$")
        for part in parts:
            self.assertIn(part, sentence)

    def bytes_of(self, *names: str) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in names}
