#!/usr/bin/env python3
"""Tokenizers trained here are read alike by Hugging Face's libraries, and are the ones that their trainer learns."""

import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from libraries import SENTENCES, Tokenizer, decoders, models, pre_tokenizers, trainers
from program import onemask
from tokenizer_texts import texts

try:
    from transformers import AutoTokenizer, GPT2Tokenizer
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh installs what this test needs.")
    sys.exit(77)

FILES = ["vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]
STRINGS = 4000


def train(given: list[str], size: int, folder: Path) -> None:
    lines = "".join(json.dumps(text) + "\n" for text in given)
    subprocess.run([os.environ["ONEMASK_TRAIN_TOKENIZER"], str(size), folder], input=lines, text=True, check=True)


def ids_of(folder: Path, given: list[str]) -> list[list[int]]:
    stdin = "".join(json.dumps(text) + "\n" for text in given)
    result = onemask("tokenize", "--model", str(folder), "--json", "--json-input", stdin=stdin)
    assert result.returncode == 0, result.stderr
    return [json.loads(line)["ids"] for line in result.stdout.split("\n")[:-1]]


def merges_of(folder: Path) -> list[str]:
    return Path(folder, "merges.txt").read_text().split("\n")[1:-1]


def merges_before_ties(given: list[str]) -> int:
    """How many merges are learnt from texts of one word each before two pairs are equally frequent."""
    words = [(list(word), count) for word, count in Counter(given).items()]
    for merges in range(10_000):
        pairs = Counter()
        for pieces, count in words:
            for pair in zip(pieces, pieces[1:]):
                pairs[pair] += count
        best = pairs.most_common(2)
        if len(best) < 2 or best[0][1] == best[1][1]:
            return merges
        for pieces, _ in words:
            for i in range(len(pieces) - 1):
                if tuple(pieces[i : i + 2]) == best[0][0]:
                    pieces[i : i + 2] = ["".join(best[0][0])]
    raise AssertionError("there is always a tie in the end")


def trained_by_theirs(given: list[str], size: int) -> list[str]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, special_tokens=[], show_progress=False)
    tokenizer.train_from_iterator(given, trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return [merge if isinstance(merge, str) else " ".join(merge) for merge in merges]


class TrainedTokenizer(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.all = Path(cls.folder, "all")
        train([*SENTENCES * 2, *texts(11, 3000)], 900, cls.all)
        cls.given = texts(12, STRINGS)
        cls.expected = ids_of(cls.all, cls.given)

    def expect_equal(self, theirs: list[list[int]]) -> None:
        wrong = [triple for triple in zip(self.given, self.expected, theirs) if triple[1] != triple[2]]
        self.assertEqual(wrong[:3], [], f"{len(wrong)} of {len(self.given)} differ")

    def test_tokenizers(self):
        tokenizer = Tokenizer.from_file(str(self.all / "tokenizer.json"))
        self.assertEqual(tokenizer.get_vocab_size(), 900)
        self.assertEqual(tokenizer.token_to_id("<|endoftext|>"), 899)
        self.expect_equal([encoded.ids for encoded in tokenizer.encode_batch(self.given)])

    def test_transformers(self):
        tokenizer = AutoTokenizer.from_pretrained(self.all)
        self.assertEqual(type(tokenizer).__name__, "GPT2TokenizerFast")
        self.assertEqual((len(tokenizer), tokenizer.model_max_length), (900, 1024))
        self.assertEqual((tokenizer.bos_token_id, tokenizer.eos_token_id), (899, 899))
        self.expect_equal(tokenizer(self.given)["input_ids"])
        self.assertEqual([tokenizer.decode(ids) for ids in self.expected], self.given)

    def test_vocabulary_and_merges_alone(self):
        folder = Path(self.folder, "pair")
        folder.mkdir()
        for name in FILES[:2]:
            (folder / name).write_bytes((self.all / name).read_bytes())
        self.expect_equal(ids_of(folder, self.given))
        slow = GPT2Tokenizer.from_pretrained(self.all)
        some = [text for text in self.given if text.isascii()][:500]
        self.assertEqual([slow(text)["input_ids"] for text in some], ids_of(folder, some))

    def test_equal_texts_give_equal_bytes(self):
        again = Path(self.folder, "again")
        train([*SENTENCES * 2, *texts(11, 3000)], 900, again)
        for name in FILES:
            self.assertEqual((self.all / name).read_bytes(), (again / name).read_bytes(), name)

    def test_merges_are_those_of_their_trainer(self):
        # Theirs takes of equally frequent pairs the one with the smaller ids, ours the one with the smaller bytes.
        compared = 0
        for seed in range(20):
            draw = random.Random(seed)
            words = ["".join(draw.choices("abcdé", k=draw.randint(2, 7))) for _ in range(120)]
            given = [word for word in words for _ in range(draw.randint(1, 900))]
            as_bytes = [word.encode().decode("latin-1") for word in given]
            merges = merges_before_ties(as_bytes)
            with self.subTest(seed=seed, merges=merges):
                folder = Path(self.folder, f"seed{seed}")
                train(given, 257 + merges, folder)
                self.assertEqual(merges_of(folder), trained_by_theirs(given, 256 + merges))
                compared += merges
        self.assertGreater(compared, 400)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
