#!/usr/bin/env python3
"""Models that `onemask pretrain` writes are read by Hugging Face's transformers, with the same tokens and logits."""

import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
from program import onemask
from tiny_pretraining import LLAMA, make_pretraining

try:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh installs what this test needs.")
    sys.exit(77)

PROMPTS = ["The", "The colour of Mrs Tiny1 is", "The old man sings under the river.", "naïve über 東京"]


class WrittenModels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.study = make_pretraining(cls.folder / "corpus")

    def check(self, name: str, words: list[str], loader: dict) -> None:
        folder = str(self.folder / name)
        result = onemask("pretrain", str(self.study), "--out", folder, "--set", "training.steps=60", *words)
        self.assertEqual(result.returncode, 0, result.stderr)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **loader)
        self.assertEqual([key for key, value in loading.items() if value], [])  # no weight is missing or left over
        model = model.float().eval()
        self.assertEqual(model.config.vocab_size, len(tokenizer))
        self.assertIs(model.get_input_embeddings().weight, model.get_output_embeddings().weight)

        answers = onemask("predict", "--model", folder, "--device", "cpu", "--top", str(len(tokenizer)), "--json", *PROMPTS)
        self.assertEqual(answers.returncode, 0, answers.stderr)
        for prompt, answer in zip(PROMPTS, map(json.loads, answers.stdout.splitlines()), strict=True):
            with torch.no_grad():
                theirs = model(**tokenizer(prompt, return_tensors="pt")).logits[0, -1]
            ours = torch.empty(len(tokenizer))
            for prediction in answer["predictions"]:
                ours[prediction["id"]] = prediction["logit"]
            self.assertEqual(len(answer["predictions"]), len(tokenizer))
            self.assertGreater(theirs.std().item(), 0.3)  # something to tell apart
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4, msg=lambda text: f"{prompt!r}: {text}")

    def test_gpt2(self):
        self.check("gpt2", ["--set", "training.dtype=float32"], {})

    def test_llama(self):
        self.check("llama", [*LLAMA, "--set", "training.dtype=float32"], {})

    def test_half_precision(self):
        self.check("half", [], {"torch_dtype": "auto"})


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
