#!/usr/bin/env python3
"""Attention probabilities of every family equal those of Hugging Face's transformers, on the checkpoints of family_test.py."""

import json
import os
import subprocess
import sys
import unittest

import family_test
import torch
import transformers


class Attention(family_test.Logits):
    def compare(self, folder: str, model: torch.nn.Module, config: transformers.PretrainedConfig) -> None:
        ids = [self.tokenizer.encode(prompt, add_special_tokens=False).ids for prompt in family_test.PROMPTS]
        said = subprocess.run(
            [os.environ["ONEMASK_ATTENTION"], folder], input="".join(json.dumps(row) + "\n" for row in ids), capture_output=True, text=True
        )
        self.assertEqual(said.returncode, 0, said.stderr)
        lines = said.stdout.splitlines()
        self.assertEqual(len(lines), len(ids))
        for row, line in zip(ids, lines):
            with torch.no_grad():
                theirs = model(torch.tensor([row]), output_attentions=True).attentions
            ours = torch.tensor(json.loads(line))
            self.assertEqual(len(theirs), config.num_hidden_layers)
            torch.testing.assert_close(ours, torch.cat(theirs), rtol=0, atol=1e-4)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
