#!/usr/bin/env python3
"""Ids equal those of Hugging Face's tokenizers for every combination of steps, on generated texts.

    tokenizer_steps_test.py [--all [TEXTS]]

Some combinations and 300 texts of each or, with --all, all of them and 10 000 unless said otherwise. A text that differs is made as
short as it can be.
"""

import json
import os
import random
import sys
import tempfile
import unittest
from pathlib import Path

from libraries import Tokenizer
from program import onemask
from tokenizer_steps import ADDED, NORMALIZERS, PRE_TOKENIZERS, make
from tokenizer_texts import texts

ALL = "--all" in sys.argv
TEXTS = (int(sys.argv[2]) if len(sys.argv) > 2 else 10_000) if ALL else 300
COMBINATIONS = [(normalizer, pre_tokenizer) for normalizer in NORMALIZERS for pre_tokenizer in PRE_TOKENIZERS]
SOME = 40


def ours(folder: Path, given: list[str]) -> list[list[int]]:
    stdin = "".join(json.dumps(text) + "\n" for text in given)
    result = onemask("tokenize", "--model", str(folder), "--json", "--json-input", stdin=stdin)
    assert result.returncode == 0, result.stderr
    return [json.loads(line)["ids"] for line in result.stdout.split("\n")[:-1]]


def differing(folder: Path, tokenizer: Tokenizer, given: list[str]) -> list[str]:
    expected = [encoded.ids for encoded in tokenizer.encode_batch(given, add_special_tokens=False)]
    return [text for text, mine, theirs in zip(given, ours(folder, given), expected) if mine != theirs]


def shrunk(folder: Path, tokenizer: Tokenizer, text: str) -> str:
    """A text for which the ids differ, too, and that cannot lose a part or be made plainer without their becoming equal."""
    while True:
        candidates = {text[:i] + text[i + size :] for size in range(1, len(text)) for i in range(len(text) - size + 1)}
        candidates |= {text[:i] + "a" + text[i + 1 :] for i in range(len(text)) if text[i] != "a"}
        wrong = differing(folder, tokenizer, sorted(candidates))
        if not wrong:
            return text
        text = min(wrong, key=lambda each: (len(each), -each.count("a"), each))


class Steps(unittest.TestCase):
    def test_combinations(self):
        combinations = COMBINATIONS if ALL else random.Random(1).sample(COMBINATIONS, SOME)
        for normalizer, pre_tokenizer in combinations:
            seed = COMBINATIONS.index((normalizer, pre_tokenizer))
            with self.subTest(normalizer, pre_tokenizer=pre_tokenizer, seed=seed), tempfile.TemporaryDirectory() as folder:
                tokenizer = make(normalizer, pre_tokenizer, seed)
                tokenizer.save(str(Path(folder, "tokenizer.json")))
                wrong = differing(folder, tokenizer, texts(seed, TEXTS, also=ADDED))
                if wrong:
                    text = shrunk(folder, tokenizer, min(wrong, key=len))
                    theirs = tokenizer.encode(text, add_special_tokens=False)
                    content = {key: value for key, value in json.loads(tokenizer.to_str()).items() if key != "model"}
                    self.fail(
                        f"{len(wrong)} texts differ. {text!r} is {ours(folder, [text])[0]}, with tokenizers {theirs.ids} "
                        f"({theirs.tokens}), with {content}"
                    )


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1, argv=[sys.argv[0]]))
