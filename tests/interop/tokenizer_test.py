#!/usr/bin/env python3
"""Ids equal those of Hugging Face's tokenizers on generated texts, for every kind of tokenizer."""

import json
import os
import random
import sys
import tempfile
import unittest
from pathlib import Path

from libraries import SENTENCES, Tokenizer, byte_level, gptj_like, llama2_like, qwen2_like
from program import onemask

SOURCE = Path(os.environ["ONEMASK_SOURCE"])
SHARED = Path(os.environ.get("ONEMASK_SHARED") or SOURCE / ".." / "shared")
TEXTS = 10_000

WORDS = " ".join(SENTENCES).split()
LOOK_ALIKES = [
    "<s>", "</s>", "<unk>", "<0x0A>", "<|endoftext|>", "<|begin_of_text|>", "<|im_start|>", "<|extratoken_3|>", "<tool_é>",
    "<tool_e\u0301>", "<|endoftext", "<s", "▁", "▁▁The", "<S>", "'LL", "'ſ", "Ġ", "\u212b", "\ufeff", "\u00ad", "\u200b", "\u3000",
]  # fmt: skip


def piece(draw: random.Random) -> str:
    """A few characters of one kind."""

    def some(first: int, last: int, most: int) -> str:
        return "".join(chr(draw.randint(first, last)) for _ in range(draw.randint(1, most)))

    kinds = [
        lambda: draw.choice(WORDS),
        lambda: draw.choice(WORDS).lower(),
        lambda: some(0x61, 0x7A, 9),
        lambda: some(0x30, 0x39, 7),
        lambda: some(0x21, 0x2F, 4),
        lambda: " " * draw.randint(1, 5),
        lambda: draw.choice(["\n", "\r\n", "\n\n\n", "\t", " \n ", "\x0b", "\x85", "\u2028"]),
        lambda: some(0xC0, 0x17F, 6),
        lambda: some(0x391, 0x3A1, 6),
        lambda: some(0x410, 0x44F, 8),
        lambda: some(0x4E00, 0x9FA5, 5),
        lambda: some(0x3041, 0x3096, 5),
        lambda: some(0xAC00, 0xD7A3, 4),
        lambda: some(0x1100, 0x1112, 1) + some(0x1161, 0x1175, 1) + some(0x11A8, 0x11C2, 1),
        lambda: some(0x1F600, 0x1F64F, 3),
        lambda: "👩\u200d🔬",
        lambda: draw.choice("aeiouAnc") + some(0x300, 0x314, 3),
        lambda: some(0x0, 0x1F, 3),
        lambda: some(0x7F, 0x9F, 2),
        lambda: some(0x10000, 0x1005D, 2),
        lambda: draw.choice(LOOK_ALIKES),
    ]
    return draw.choice(kinds)()


def texts(seed: int) -> list[str]:
    draw = random.Random(seed)
    made = ["", " ", "  ", "a", " a", *SENTENCES]
    while len(made) < TEXTS:
        separator = draw.choice(["", "", " "])
        made.append(separator.join(piece(draw) for _ in range(draw.randint(1, 12))))
    return made


class Ids(unittest.TestCase):
    maxDiff = None

    def check(self, folder: Path, reference: Tokenizer, seed: int) -> list[dict]:
        given = texts(seed)
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
        """The two that ship and, where the folder `shared` is, those of GPT-2 and Llama 3."""
        stored = [SOURCE / "res" / "models" / "world-gpt2", SOURCE / "tests" / "golden" / "tiny-llama"]
        stored += filter(Path.is_dir, [SHARED / "checkpoints" / "cf-gpt2", SHARED / "tokenizers" / "llama3"])
        for seed, folder in enumerate(stored, 8):
            with self.subTest(folder.name):
                self.check(folder, Tokenizer.from_file(str(folder / "tokenizer.json")), seed)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
