#!/usr/bin/env python3
"""Logits of every family equal those of Hugging Face's transformers, on random checkpoints written by save_pretrained."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

from libraries import byte_level
from program import onemask

try:
    import torch
    import transformers
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh installs what this test needs.")
    sys.exit(77)

PROMPTS = [
    "T",
    "The mother tongue of Danielle Darrieux is",
    "Autonomous University of Madrid, which is located in",
    "東京は日本の首都です。 What does Heath Brothers play? They play",
]
# Of Llama and its kin: four heads that share two heads of keys and values.
LLAMA = {
    "hidden_size": 48, "intermediate_size": 88, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 160, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None,
}  # fmt: skip
GPT = {"n_embd": 48, "n_layer": 3, "n_head": 4, "n_positions": 160, "bos_token_id": 0, "eos_token_id": 0}
LLAMA3_ROPE = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip


class Logits(unittest.TestCase):
    def setUp(self):
        self.tokenizer = byte_level()

    def randomise(self, model: torch.nn.Module) -> None:
        """Also biases and the scales of norms, which are zeros and ones in a fresh model."""
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in sorted(model.named_parameters()):
                noise = torch.randn(parameter.shape, generator=generator)
                norm = parameter.dim() == 1 and name.endswith("weight")
                parameter.copy_(1 + 0.2 * noise if norm else 0.2 * noise)

    def check(self, config: transformers.PretrainedConfig) -> None:
        config.vocab_size = self.tokenizer.get_vocab_size()
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        self.randomise(model)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            self.tokenizer.save(str(Path(folder, "tokenizer.json")))
            # Otherwise the kind of model would say that texts begin with a token.
            Path(folder, "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
            result = onemask(
                "predict", "--model", folder, "--device", "cpu", "--top", str(config.vocab_size), "--json", *PROMPTS
            )
        self.assertEqual(result.returncode, 0, result.stderr)
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(answers), len(PROMPTS))
        for prompt, answer in zip(PROMPTS, answers):
            ids = torch.tensor([self.tokenizer.encode(prompt, add_special_tokens=False).ids])
            with torch.no_grad():
                theirs = model(ids).logits[0, -1]
            ours = torch.empty(config.vocab_size)
            for prediction in answer["predictions"]:
                ours[prediction["id"]] = prediction["logit"]
            self.assertEqual(len(answer["predictions"]), config.vocab_size)
            self.assertGreater(theirs.std().item(), 0.1)  # something to tell apart
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4, msg=lambda text: f"{prompt!r}: {text}")

    def test_gpt2(self):
        self.check(transformers.GPT2Config(**GPT))

    def test_gpt2_with_its_options(self):
        options = {"n_inner": 100, "scale_attn_by_inverse_layer_idx": True, "activation_function": "relu"}
        self.check(transformers.GPT2Config(**GPT, **options, tie_word_embeddings=False))

    def test_gptj(self):
        self.check(transformers.GPTJConfig(**GPT, rotary_dim=8))

    def test_gptj_with_whole_heads_turned(self):
        options = {"rotary_dim": 12, "n_inner": 70, "activation_function": "gelu"}
        self.check(transformers.GPTJConfig(**GPT, **options, tie_word_embeddings=True))

    def test_llama3(self):
        self.check(transformers.LlamaConfig(**LLAMA, rope_theta=5000.0, rope_scaling=LLAMA3_ROPE, tie_word_embeddings=True))

    def test_llama2(self):
        self.check(transformers.LlamaConfig(**{**LLAMA, "num_key_value_heads": 4}))

    def test_llama_with_biases_and_wide_heads(self):
        self.check(transformers.LlamaConfig(**LLAMA, head_dim=20, attention_bias=True, mlp_bias=True))

    def test_mistral_with_a_window_shorter_than_the_prompts(self):
        self.check(transformers.MistralConfig(**LLAMA, head_dim=16, sliding_window=5, rope_theta=20000.0))

    def test_mistral_without_a_window(self):
        self.check(transformers.MistralConfig(**LLAMA, sliding_window=None))

    def test_qwen2(self):
        self.check(transformers.Qwen2Config(**LLAMA, rope_theta=1e6, rms_norm_eps=1e-6))

    def test_qwen2_with_the_head_tied(self):
        self.check(transformers.Qwen2Config(**LLAMA, tie_word_embeddings=True))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
