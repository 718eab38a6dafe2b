#!/usr/bin/env python3
"""Ids equal those of Hugging Face's tokenizers on generated texts, for every kind of tokenizer."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

from libraries import SENTENCES, Tokenizer, byte_level, gptj_like, llama2_like, qwen2_like
from program import onemask
from tokenizer_texts import texts

SOURCE = Path(os.environ["ONEMASK_SOURCE"])
SHARED = Path(os.environ.get("ONEMASK_SHARED") or SOURCE / ".." / "shared")
CACHE = Path(os.environ.get("ONEMASK_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "onemask"))
TEXTS = 10_000


class Ids(unittest.TestCase):
    maxDiff = None

    def check(self, folder: Path, reference: Tokenizer, seed: int) -> list[dict]:
        given = texts(seed, TEXTS)
        stdin = "".join(json.dumps(text) + "\n" for text in given)
        result = onemask("tokenize", "--model", str(folder), "--json", "--json-input", stdin=stdin)
        self.assertEqual(result.returncode, 0, result.stderr)
        answers = [json.loads(line) for line in result.stdout.split("\n")[:-1]]
        self.assertEqual(len(answers), len(given))
        expected = reference.encode_batch(given, add_special_tokens=False)
        pairs = [(text, ours["ids"], theirs.ids) for text, ours, theirs in zip(given, answers, expected)]
        wrong = [pair for pair in pairs if pair[1] != pair[2]]
        self.assertEqual(wrong[:3], [], f"{len(wrong)} of {len(given)} differ")
        return answers

    def check_made(self, tokenizer: Tokenizer, seed: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(str(Path(folder, "tokenizer.json")))
            self.check(Path(folder), tokenizer, seed)

    def test_gpt2_like(self):
        self.check_made(byte_level(), 1)

    def test_gptj_like(self):
        self.check_made(gptj_like(), 2)

    def test_qwen2_like(self):
        self.check_made(qwen2_like(), 3)

    def test_llama2_like_by_normalizer(self):
        self.check_made(llama2_like(), 4)

    def test_llama2_like_by_metaspace(self):
        for seed, scheme in enumerate(["first", "always", "never"], 5):
            with self.subTest(scheme):
                self.check_made(llama2_like(scheme), seed)

    def test_one_long_text_without_words(self):
        tokenizer = llama2_like()
        text = " ".join(SENTENCES) * 200
        with tempfile.TemporaryDirectory() as folder:
            tokenizer.save(str(Path(folder, "tokenizer.json")))
            result = onemask("tokenize", "--model", folder, "--json", "--json-input", stdin=json.dumps(text) + "\n")
        self.assertEqual(json.loads(result.stdout)["ids"], tokenizer.encode(text, add_special_tokens=False).ids)

    def test_stored_ones(self):
        """The two that ship, SmolLM2's where launch/get_smollm2.sh was called, and, where the folder `shared` is, those of GPT-2 and
        Llama 3."""
        stored = [SOURCE / "res" / "models" / "world-gpt2", SOURCE / "tests" / "golden" / "tiny-llama"]
        stored += CACHE.glob("SmolLM2-*/")
        stored += filter(Path.is_dir, [SHARED / "checkpoints" / "cf-gpt2", SHARED / "tokenizers" / "llama3"])
        for seed, folder in enumerate(stored, 8):
            with self.subTest(folder.name):
                self.check(folder, Tokenizer.from_file(str(folder / "tokenizer.json")), seed)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
