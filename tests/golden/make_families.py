#!/usr/bin/env python3
"""Makes families.json: logits that Hugging Face's transformers computes with small models of every family beside GPT-2, GPT-J,
Llama, Mistral and Qwen2, and of kinds of rotary embeddings.

    tests/golden/make_families.py              # transformers 5 or later

Weights are whole numbers mixed from their place (see `weights`), so the file holds their shapes alone.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

IDS = [3, 17, 5, 5, 31, 8, 0, 22, 39, 14, 2, 27]
SIZES = {
    "vocab_size": 40, "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 36, "max_position_embeddings": 64, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None,
}  # fmt: skip
NEOX = {name: size for name, size in SIZES.items() if name != "num_key_value_heads"}
GEMMA = {"head_dim": 8, "sliding_window": 4, "query_pre_attn_scalar": 7}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "beta_fast": 4.0, "beta_slow": 1.0}
LONG = {"type": "longrope", "short_factor": [1.0, 1.5], "long_factor": [2.0, 8.0]}
PHI = {"partial_rotary_factor": 0.67, "original_max_position_embeddings": 32}
LOCAL_AND_GLOBAL = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 20.0},
    "full_attention": {"rope_type": "linear", "factor": 3.0, "rope_theta": 500.0},
}
LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]


def configurations() -> dict[str, transformers.PretrainedConfig]:
    t = transformers
    upper = {"use_sliding_window": True, "max_window_layers": 1, "sliding_window": 4}
    gemma3 = t.Gemma3TextConfig(**SIZES, **GEMMA, layer_types=LAYERS, rope_parameters=LOCAL_AND_GLOBAL)
    vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8, "patch_size": 4}
    return {
        "qwen3": t.Qwen3Config(**SIZES, head_dim=8, rope_theta=100.0, **upper),
        "qwen2_windows": t.Qwen2Config(**{**SIZES, "num_attention_heads": 2}, **upper),
        "phi3": t.Phi3Config(**SIZES, rope_theta=100.0, rope_scaling=LONG, sliding_window=6, **PHI),
        "olmo2": t.Olmo2Config(**SIZES, head_dim=8, rope_theta=100.0),
        "gemma2": t.Gemma2Config(**SIZES, **GEMMA, attn_logit_softcapping=1.5, final_logit_softcapping=2.0),
        "gemma3_text": gemma3,
        "gemma3": t.Gemma3Config(text_config=gemma3.to_dict(), vision_config=vision, mm_tokens_per_image=4),
        "gpt_neox": t.GPTNeoXConfig(**NEOX, rotary_pct=0.34),
        "gpt_neox_sequential": t.GPTNeoXConfig(**NEOX, rotary_pct=1.0, use_parallel_residual=False, hidden_act="gelu_new"),
        "llama_yarn": t.LlamaConfig(**SIZES, head_dim=8, rope_theta=100.0, rope_scaling=YARN),
        "llama_linear": t.LlamaConfig(**SIZES, head_dim=8, rope_theta=100.0, rope_scaling={"rope_type": "linear", "factor": 3.0}),
    }


def weights(place: int, shape: list[int], scale: float, mean: float) -> torch.Tensor:
    """Entry i of the tensor that is the place-th by name: mean + scale * u, u in [-1, 1) mixed from i and the place."""
    number = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(1_000_003 * (place + 1))
    for _ in range(2):
        number = ((number ^ (number >> np.uint64(16))) * np.uint64(0x45D9F3B)) & np.uint64(0xFFFFFFFF)
    number ^= number >> np.uint64(16)
    return torch.from_numpy((mean + scale * (number.astype(np.float64) / 2**31 - 1)).astype(np.float32)).reshape(shape)


def case_of(config: transformers.PretrainedConfig) -> dict:
    images = hasattr(config, "text_config")
    kind = transformers.Gemma3ForConditionalGeneration if images else transformers.AutoModelForCausalLM
    make = kind._from_config if images else kind.from_config
    gemma = config.model_type.startswith("gemma")
    tensors = {}
    with tempfile.TemporaryDirectory() as folder:
        make(config).save_pretrained(folder)
        file = Path(folder, "model.safetensors")
        stored = load_file(file)
        for place, name in enumerate(sorted(name for name in stored if "vision" not in name and "projector" not in name)):
            shape = list(stored[name].shape)
            norm = len(shape) == 1 and name.endswith("weight")
            scale = 0.2 if len(shape) == 1 else 1.0 if "embed" in name or "lm_head" in name else 0.45
            mean = 1.0 if norm and not gemma else 0.0
            tensors[name] = [shape, scale, mean]
            stored[name] = weights(place, shape, scale, mean)
        save_file(stored, file, {"format": "pt"})
        described = json.loads(Path(folder, "config.json").read_text())
        model = kind.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0]
    if images:
        described = {"model_type": "gemma3", "text_config": described["text_config"]}
    rounded = [[float(f"{logit:.7g}") for logit in logits[place].tolist()] for place in (5, len(IDS) - 1)]
    return {"config": described, "tensors": tensors, "logits": rounded}


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "families.json")
    cases = {name: case_of(config) for name, config in configurations().items()}
    head = {"transformers": transformers.__version__, "torch": torch.__version__.partition("+")[0], "ids": IDS, "places": [5, len(IDS) - 1]}
    lines = [json.dumps(name) + ": " + json.dumps(case) for name, case in cases.items()]
    out.write_text("{" + json.dumps(head)[1:-1] + ',\n"cases": {\n' + ",\n".join(lines) + "\n}}\n")


if __name__ == "__main__":
    main()
