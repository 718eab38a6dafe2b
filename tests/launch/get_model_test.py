#!/usr/bin/env python3
"""launch/get_model.sh against a hub on this machine: complete or not at all, each file checked, interruptions gone on from."""

import hashlib
import json
import random
import subprocess
import sys
import unittest

from download import DownloadTest

MODEL, NAME = "some-one/tiny", "tiny"
WEIGHTS = random.Random(1).randbytes(300_000)
SMALL = {"config.json": b'{"model_type": "gpt2"}\n', "tokenizer.json": b"{}", "merges.txt": "#version: 0.2\nĠ a\n".encode()}
UNWANTED = {"README.md": b"words", "pytorch_model.bin": b"pickle", "consolidated.safetensors": b"again"}


def entry(name: str, content: bytes, large: bool) -> dict:
    git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    found = {"type": "file", "path": name, "size": len(content), "oid": git}
    if large:
        found["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 135}
    return found


class GetModel(DownloadTest):
    script = "get_model.sh"

    def setUp(self):
        super().setUp()
        self.settings["HF_ENDPOINT"] = self.server.url
        self.serve({**SMALL, "model.safetensors": WEIGHTS, **UNWANTED})

    def serve(self, files: dict[str, bytes], revision: str = "main") -> None:
        """Weights lie elsewhere than the hub says, as those of the real one do."""
        tree = [entry(name, content, name.endswith((".safetensors", ".bin"))) for name, content in files.items()]
        tree.append({"type": "directory", "path": "original", "size": 0, "oid": "0" * 40})
        self.server.files[f"/api/models/{MODEL}/tree/{revision}"] = json.dumps(tree).encode()
        for name, content in files.items():
            path = f"/{MODEL}/resolve/{revision}/{name}"
            if name.endswith(".safetensors"):
                self.server.moved[path] = f"/store/{name}"
                path = f"/store/{name}"
            self.server.files[path] = content

    def expect_files(self, files: dict[str, bytes], folder: str = NAME) -> None:
        found = {file.name: file.read_bytes() for file in (self.folder / folder).iterdir() if file.name != "SHA256SUMS"}
        self.assertEqual(found, files)
        subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=self.folder / folder, check=True)

    def test_downloads_what_is_needed_and_nothing_twice(self):
        self.expect_done(MODEL)
        self.expect_files({**SMALL, "model.safetensors": WEIGHTS})
        self.expect_done(MODEL)
        self.assertEqual(self.server.requests, [])

    def test_goes_on_where_the_connection_ended(self):
        for resumes, asked in ((True, "bytes=123456-"), (False, "")):
            with self.subTest(resumes=resumes):
                self.server.resumes = resumes
                self.server.cut = {"/store/model.safetensors": 123_456}
                folder = f"model{resumes}"
                self.expect_refusal(1, ["model.safetensors", "continues where it stopped"], MODEL, folder)
                self.assertFalse((self.folder / folder / "model.safetensors").exists())
                self.assertFalse((self.folder / folder / "SHA256SUMS").exists())
                self.expect_done(MODEL, folder)
                self.assertEqual(self.server.requests[-1], ("/store/model.safetensors", asked))
                self.assertNotIn((f"/{MODEL}/resolve/main/config.json", ""), self.server.requests)
                self.expect_files({**SMALL, "model.safetensors": WEIGHTS}, folder)

    def test_a_whole_file_without_its_name_is_not_downloaded_again(self):
        (self.folder / NAME).mkdir()
        (self.folder / NAME / ".model.safetensors.part").write_bytes(WEIGHTS)
        self.expect_done(MODEL)
        self.assertNotIn("/store/model.safetensors", [path for path, _ in self.server.requests])

    def test_a_pointer_of_git_lfs_is_replaced(self):
        (self.folder / NAME).mkdir()
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{hashlib.sha256(WEIGHTS).hexdigest()}\nsize {len(WEIGHTS)}\n"
        (self.folder / NAME / "model.safetensors").write_text(pointer)
        (self.folder / NAME / "config.json").write_bytes(SMALL["config.json"])
        self.assertIn("Git LFS pointer", self.expect_done(MODEL))
        self.expect_files({**SMALL, "model.safetensors": WEIGHTS})
        (self.folder / "other").mkdir()
        (self.folder / "other" / "model.safetensors").write_bytes(WEIGHTS[1:])
        self.expect_refusal(2, ["there already", "remove it"], MODEL, "other")

    def test_one_changed_byte_is_refused(self):
        for path, name, whole in (
            ("/store/model.safetensors", "model.safetensors", WEIGHTS),
            (f"/{MODEL}/resolve/main/config.json", "config.json", SMALL["config.json"]),
        ):
            with self.subTest(name):
                self.server.files[path] = whole[:7] + bytes([whole[7] ^ 1]) + whole[8:]
                self.expect_refusal(1, [name, "arrived damaged"], MODEL, name)
                self.assertFalse((self.folder / name / name).exists())
                self.server.files[path] = whole
                self.expect_done(MODEL, name)
                self.expect_files({**SMALL, "model.safetensors": WEIGHTS}, name)

    def test_asks_for_a_token(self):
        self.server.token = "hf_secret"
        self.expect_refusal(2, ["does not give 'some-one/tiny' to everyone", "licence", "HF_TOKEN", "401"], MODEL)
        self.settings["HF_TOKEN"] = "hf_wrong"
        result = self.call(MODEL)
        self.assertIn("to the owner of this HF_TOKEN (HTTP status 401)", result.stderr)
        self.assertNotIn("hf_wrong", result.stderr + result.stdout)
        self.settings["HF_TOKEN"] = "hf_secret"
        self.server.cut = {"/store/model.safetensors": 1000}
        self.server.resumes = False
        self.expect_refusal(1, ["continues where it stopped"], MODEL)
        self.expect_done(MODEL)
        self.server.refused = {"/": 403}
        self.expect_refusal(2, ["HTTP status 403"], MODEL, "other")

    def test_what_is_not_there(self):
        self.expect_refusal(2, ["no-one/nothing", "404"], "no-one/nothing")
        self.expect_refusal(2, ["'v2'", "404"], MODEL, "--revision", "v2")
        self.server.close()
        self.expect_refusal(1, ["could not be downloaded"], MODEL)

    def test_another_revision(self):
        self.serve({**SMALL, "model.safetensors": WEIGHTS[:1000]}, "refs%2Fpr%2F1")
        self.expect_done(MODEL, "--revision", "refs/pr/1")
        self.expect_files({**SMALL, "model.safetensors": WEIGHTS[:1000]})
        self.expect_refusal(2, ["holds something else ('some-one/tiny, revision refs/pr/1')"], MODEL)

    def test_weights_in_pieces(self):
        pieces = {f"model-0000{i}-of-00002.safetensors": WEIGHTS[i * 100 : i * 300] for i in (1, 2)}
        index = {"model.safetensors.index.json": b'{"weight_map": {}}'}
        self.serve({**SMALL, **pieces})
        self.expect_refusal(2, ["2 pieces", "not their index"], MODEL)
        self.serve({**SMALL, **index, **dict(list(pieces.items())[:1])})
        self.expect_refusal(2, ["1 pieces", "not all"], MODEL)
        self.serve({**SMALL, **index, **pieces})
        self.expect_done(MODEL)
        self.expect_files({**SMALL, **index, **pieces})

    def test_lists_that_cannot_be_used(self):
        tree = f"/api/models/{MODEL}/tree/main"
        config, weights = entry("config.json", b"{}", False), entry("model.safetensors", b"", True)
        for content, said in (
            (b"<html>", "cannot be read"),
            (b'{"path": 1}', "cannot be read"),
            (b"[]", "no config.json"),
            (json.dumps([config]).encode(), "no safetensors weights"),
            (json.dumps([config | {"oid": "../x"}, weights]).encode(), "no size and hash"),
            (json.dumps([config | {"size": None}, weights]).encode(), "no size and hash"),
        ):
            self.server.files[tree] = content
            self.expect_refusal(2, [said], MODEL)

    def test_a_file_that_was_damaged_later_is_replaced(self):
        self.expect_done(MODEL)
        (self.folder / NAME / "model.safetensors").write_bytes(WEIGHTS[:-1] + b"?")
        (self.folder / NAME / "merges.txt").unlink()
        self.assertIn("differs", self.expect_done(MODEL))
        self.expect_files({**SMALL, "model.safetensors": WEIGHTS})
        self.assertNotIn(f"/{MODEL}/resolve/main/config.json", [path for path, _ in self.server.requests])

    def test_foreign_files_stay(self):
        (self.folder / NAME).mkdir()
        (self.folder / NAME / "config.json").write_text("mine")
        self.expect_refusal(2, ["config.json' is there already"], MODEL)
        self.assertEqual((self.folder / NAME / "config.json").read_text(), "mine")

    def test_words_that_mean_nothing(self):
        for words in ([], ["../up"], ["a/b/c"], ["-x"], [MODEL, "a", "b"], [MODEL, "--revision"], [MODEL, "--revision", "a b"]):
            with self.subTest(words):
                self.expect_refusal(2, ["usage: launch/get_model.sh"], *words)
                self.assertEqual(self.server.requests, [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
