#!/usr/bin/env python3
"""Folders of many habits: ids and what stands before a text equal those of transformers' AutoTokenizer."""

import itertools
import json
import sys
import tempfile
import unittest
from pathlib import Path

from libraries import SENTENCES, byte_level, llama2_like
from program import onemask

try:
    from transformers import AutoTokenizer, __version__
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh installs what this test needs.")
    sys.exit(77)
if int(__version__.split(".")[0]) > 4:
    print(f"skipped: transformers {__version__} has other rules than transformers 4, which are followed here.")
    sys.exit(77)

TEXTS = [*SENTENCES[:3], "a <s> b", "</s><s>a", " <unk> a", "<|endoftext|>", " e\u0301 (the)[z] in 1967", "[PAD]x [PAD] y"]


def write(folder: str, **files: dict) -> None:
    for name, content in files.items():
        Path(folder, f"{name}.json").write_text(json.dumps(content))


class Folders(unittest.TestCase):
    def check(self, folder: str) -> None:
        theirs = AutoTokenizer.from_pretrained(folder)
        stdin = "".join(json.dumps(text) + "\n" for text in TEXTS)
        result = onemask("tokenize", "--model", folder, "--json", "--json-input", stdin=stdin)
        self.assertEqual(result.returncode, 0, result.stderr)
        for text, line in zip(TEXTS, result.stdout.split("\n")):
            self.assertEqual(json.loads(line)["ids"], theirs(text, add_special_tokens=False)["input_ids"], text)

    def test_tokenizer_json(self):
        classes = ["LlamaTokenizer", "GemmaTokenizer", "GPTNeoXTokenizer", "GPT2Tokenizer", "Qwen2TokenizerFast"]
        classes += ["PreTrainedTokenizerFast"]
        for name, characters, prefix_space in itertools.product(classes, [False, True], [None, False, True]):
            # transformers would need a SentencePiece model, or a pre-tokenizer.
            if (name == "LlamaTokenizer" and prefix_space is not None) or (name.startswith("GPT") and characters):
                continue
            with self.subTest(name, characters=characters, space=prefix_space), tempfile.TemporaryDirectory() as folder:
                tokenizer = llama2_like() if characters else byte_level()
                tokenizer.add_special_tokens(["<s>", "</s>", "<unk>", "<bos>", "<eos>", "<pad>", "<|endoftext|>"])
                tokenizer.save(str(Path(folder, "tokenizer.json")))
                settings = {"tokenizer_class": name, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
                if prefix_space is not None:
                    settings["add_prefix_space"] = prefix_space
                write(folder, tokenizer_config=settings)
                self.check(folder)

    def test_flags_of_the_settings(self):
        for lstrip, rstrip, single_word, special in itertools.product([False, True], repeat=4):
            flags = {"lstrip": lstrip, "rstrip": rstrip, "single_word": single_word}
            flags |= {"special": special, "normalized": not special}
            with self.subTest(**flags), tempfile.TemporaryDirectory() as folder:
                tokenizer = byte_level()
                tokenizer.add_special_tokens(["<s>"])
                tokenizer.add_tokens(["[PAD]"])
                tokenizer.save(str(Path(folder, "tokenizer.json")))
                added = {str(tokenizer.token_to_id(text)): {"content": text, **flags} for text in ("<s>", "[PAD]")}
                write(folder, tokenizer_config={"tokenizer_class": "PreTrainedTokenizerFast", "added_tokens_decoder": added})
                self.check(folder)

    def test_vocabulary_and_merges(self):
        kinds = [("GPT2Tokenizer", False), ("GPT2Tokenizer", True), ("CodeGenTokenizer", True), ("Qwen2Tokenizer", False)]
        for name, prefix_space in kinds:
            with self.subTest(name=name, prefix_space=prefix_space), tempfile.TemporaryDirectory() as folder:
                byte_level().model.save(folder)
                size = len(json.loads(Path(folder, "vocab.json").read_text()))
                write(folder, added_tokens={"<s>": size, "</s>": size + 1, "[PAD]": size + 2})
                write(folder, tokenizer_config={"tokenizer_class": name, "bos_token": "<s>", "add_prefix_space": prefix_space})
                self.check(folder)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
