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
transformers.utils.logging.disable_progress_bar()

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
NEOX = {
    "hidden_size": 48, "intermediate_size": 100, "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": 160,
    "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
# The first layers with a window, the last without.
GEMMA = {**LLAMA, "head_dim": 16, "sliding_window": 5, "query_pre_attn_scalar": 12, "num_hidden_layers": 4}
LLAMA3_ROPE = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip


def family(name: str, **fields: object) -> transformers.PretrainedConfig:
    """A configuration that the installed transformers knows, or a skipped test."""
    if not hasattr(transformers, f"{name}Config"):
        raise unittest.SkipTest(f"transformers {transformers.__version__} does not know {name}")
    return getattr(transformers, f"{name}Config")(**fields)


def newer_than(version: int, what: str) -> None:
    if int(transformers.__version__.partition(".")[0]) < version:
        raise unittest.SkipTest(f"transformers {transformers.__version__} has other rules for {what}")


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

    def check(self, config: transformers.PretrainedConfig, kind: type = transformers.AutoModelForCausalLM) -> None:
        text = getattr(config, "text_config", config)
        text.vocab_size = self.tokenizer.get_vocab_size()
        make = getattr(kind, "from_config", None) or kind._from_config
        model = make(config, attn_implementation="eager").eval()
        config = text
        self.randomise(model)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            self.tokenizer.save(str(Path(folder, "tokenizer.json")))
            # Otherwise the kind of model would say that texts begin with a token.
            Path(folder, "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
            self.compare(folder, model, config)

    def compare(self, folder: str, model: torch.nn.Module, config: transformers.PretrainedConfig) -> None:
        """The model in the folder with the program's own computation of it."""
        result = onemask("predict", "--model", folder, "--device", "cpu", "--top", str(config.vocab_size), "--json", *PROMPTS)
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

    def test_qwen2_with_windows_in_the_upper_layers(self):
        newer_than(5, "windows in some layers")
        windows = {"use_sliding_window": True, "max_window_layers": 1, "sliding_window": 4}
        self.check(transformers.Qwen2Config(**LLAMA, **windows))

    def test_kinds_of_rotary_scaling(self):
        newer_than(5, "the original positions of YaRN")
        yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
        factors = {"short_factor": [1.0, 1.2, 1.5, 2.0, 3.0, 4.0], "long_factor": [2.0] * 6}
        for rope in [
            {"rope_type": "linear", "factor": 3.0},
            {"rope_type": "dynamic", "factor": 3.0},
            yarn,
            {**yarn, "attention_factor": 1.3, "beta_fast": 20.0, "beta_slow": 2.0, "truncate": False},
            {**yarn, "mscale": 0.7, "mscale_all_dim": 1.2},
            {"rope_type": "longrope", "original_max_position_embeddings": 100, **factors},
        ]:
            with self.subTest(rope):
                self.check(transformers.LlamaConfig(**LLAMA, rope_theta=5000.0, rope_scaling=dict(rope)))

    def test_qwen3(self):
        self.check(family("Qwen3", **LLAMA, head_dim=16, rope_theta=1e6))

    def test_qwen3_with_its_options(self):
        options = {"use_sliding_window": True, "max_window_layers": 2, "sliding_window": 4, "attention_bias": True}
        self.check(family("Qwen3", **LLAMA, head_dim=20, tie_word_embeddings=True, **options))

    def test_phi3(self):
        self.check(family("Phi3", **LLAMA))

    def test_phi3_with_a_window_shorter_than_the_prompts(self):
        self.check(family("Phi3", **LLAMA, sliding_window=5, tie_word_embeddings=True))

    def test_phi4_mini(self):
        newer_than(5, "heads of which a part is rotated")
        rope = {"type": "longrope", "short_factor": [1.0, 1.5, 2.0], "long_factor": [2.0, 3.0, 9.0]}
        positions = {"original_max_position_embeddings": 120, "partial_rotary_factor": 0.5}
        self.check(family("Phi3", **LLAMA, rope_scaling=rope, **positions))

    def test_olmo2(self):
        self.check(family("Olmo2", **LLAMA, rope_theta=5e5))

    def test_olmo2_with_biases_and_a_head_for_each_query(self):
        self.check(family("Olmo2", **{**LLAMA, "num_key_value_heads": 4}, attention_bias=True))

    def test_gpt_neox(self):
        self.check(family("GPTNeoX", **NEOX, rotary_pct=0.34))  # 4 of 12 entries

    def test_gpt_neox_with_its_options(self):
        options = {"use_parallel_residual": False, "rotary_pct": 1.0, "attention_bias": False, "hidden_act": "gelu_fast"}
        self.check(family("GPTNeoX", **NEOX, **options, tie_word_embeddings=True))

    def test_gemma2(self):
        self.check(family("Gemma2", **GEMMA, attn_logit_softcapping=2.0, final_logit_softcapping=3.0))

    def test_gemma2_without_caps(self):
        self.check(family("Gemma2", **GEMMA, attn_logit_softcapping=None, final_logit_softcapping=None, attention_bias=True))

    def test_gemma3(self):
        ropes = {
            "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0},
            "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
        }
        layers = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
        self.check(family("Gemma3Text", **GEMMA, rope_parameters=ropes, layer_types=layers))

    def test_gemma3_as_older_files_say_it(self):
        ropes = {"rope_theta": 5000.0, "rope_local_base_freq": 100.0, "sliding_window_pattern": 2}
        self.check(family("Gemma3Text", **GEMMA, **ropes))

    def test_gemma3_with_images(self):
        text = family("Gemma3Text", **GEMMA).to_dict()
        sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28}
        config = family("Gemma3", text_config=text, vision_config={**sizes, "patch_size": 14}, mm_tokens_per_image=4)
        self.check(config, transformers.Gemma3ForConditionalGeneration)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
