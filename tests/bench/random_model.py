#!/usr/bin/env python3
"""Writes a checkpoint of a known shape with random weights, and work for it: what bench_shapes and peer_shapes.py measure.

    random_model.py SHAPE FOLDER [--layers N] [--device cuda]

FOLDER/model gets the checkpoint in bfloat16, the tokenizer of the model that ships (its ids are within the vocabulary of every
shape) and the hparams of ROME; FOLDER/work gets facts that ship, context templates and sizes of batches.
"""

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
GPT2 = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "layer_norm_epsilon": 1e-5, "tie_word_embeddings": True}
LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "tie_word_embeddings": True,
}
SCALING = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
LLAMA_SIZES = (
    "num_hidden_layers hidden_size num_attention_heads num_key_value_heads head_dim intermediate_size vocab_size "
    "max_position_embeddings"
).split()
CONFIGS = {
    "gpt2": {**GPT2, "n_layer": 12, "n_embd": 768, "n_head": 12, "n_positions": 1024, "vocab_size": 50257},
    "gpt2-xl": {**GPT2, "n_layer": 48, "n_embd": 1600, "n_head": 25, "n_positions": 1024, "vocab_size": 50257},
    "llama-3.2-3b": {
        **LLAMA,
        **dict(zip(LLAMA_SIZES, (28, 3072, 24, 8, 128, 8192, 128256, 131072))),
        "rope_scaling": SCALING,
    },
    # For rehearsals.
    "tiny-gpt2": {**GPT2, "n_layer": 3, "n_embd": 32, "n_head": 2, "n_positions": 128, "vocab_size": 4200},
    "tiny-llama": {**LLAMA, **dict(zip(LLAMA_SIZES, (3, 32, 4, 2, 8, 64, 4200, 128)))},
}
# The edited layer and the steps of a search, as in res/hparams/rome.
EDITED = {"gpt2": (5, 20), "gpt2-xl": (17, 20), "llama-3.2-3b": (5, 25), "tiny-gpt2": (1, 5), "tiny-llama": (1, 5)}
WORK = {"facts": 400, "edit_batch": 32, "mask_facts": 50, "evaluated_facts": 64}
TINY_WORK = {"facts": 12, "edit_batch": 4, "mask_facts": 10, "evaluated_facts": 6}


def shapes_of(config: dict, layers: int) -> dict[str, list[int]]:
    """The sizes of all weights by name."""
    if config["model_type"] == "gpt2":
        n, inner = config["n_embd"], 4 * config["n_embd"]
        block = {"ln_1": [n], "ln_2": [n]}
        block |= {"attn.c_attn": [n, 3 * n], "attn.c_proj": [n, n], "mlp.c_fc": [n, inner], "mlp.c_proj": [inner, n]}
        scope, top = "transformer.h.{}.{}", {"transformer.ln_f": [n]}
        tables = {"transformer.wte.weight": [config["vocab_size"], n], "transformer.wpe.weight": [config["n_positions"], n]}
    else:
        n, inner, width = config["hidden_size"], config["intermediate_size"], config["head_dim"]
        queries, keys = config["num_attention_heads"] * width, config["num_key_value_heads"] * width
        block = {"input_layernorm": [n], "post_attention_layernorm": [n]}
        block |= {"self_attn.q_proj": [queries, n], "self_attn.k_proj": [keys, n], "self_attn.v_proj": [keys, n]}
        block |= {"self_attn.o_proj": [n, queries], "mlp.gate_proj": [inner, n], "mlp.up_proj": [inner, n], "mlp.down_proj": [n, inner]}
        scope, top = "model.layers.{}.{}", {"model.norm": [n]}
        tables = {"model.embed_tokens.weight": [config["vocab_size"], n]}
    modules = top | {scope.format(layer, name): shape for layer in range(layers) for name, shape in block.items()}
    weights = {f"{name}.weight": shape for name, shape in modules.items()}
    if config["model_type"] == "gpt2":
        weights |= {f"{name}.bias": shape[-1:] for name, shape in modules.items()}
    return tables | weights


def random_weights(config: dict, layers: int, device: str) -> dict[str, torch.Tensor]:
    random = torch.Generator(device).manual_seed(1)

    def tensor(name: str, shape: list[int]) -> torch.Tensor:
        normal = torch.randn(shape, generator=random, device=device, dtype=torch.bfloat16) * 0.02
        return (normal + 1 if len(shape) == 1 and name.endswith("weight") else normal).cpu()

    return {name: tensor(name, shape) for name, shape in shapes_of(config, layers).items()}


def write_model(shape: str, folder: Path, layers: int, device: str) -> None:
    folder.mkdir(parents=True)
    config = dict(CONFIGS[shape])
    config["n_layer" if config["model_type"] == "gpt2" else "num_hidden_layers"] = layers
    ends = {"bos_token_id": 4095, "eos_token_id": 4095}
    (folder / "config.json").write_text(json.dumps({**config, **ends, "torch_dtype": "bfloat16"}, indent=1))
    save_file(random_weights(config, layers, device), folder / "model.safetensors", metadata={"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(ROOT / "res" / "models" / "world-gpt2" / name, folder)
    layer, steps = min(EDITED[shape][0], layers // 2), EDITED[shape][1]
    settings = {"alg_name": "ROME", "layers": f"[{layer}]", "fact_token": "subject_last", "v_num_grad_steps": steps}
    settings |= {"v_lr": 0.5, "v_loss_layer": layers - 1, "v_weight_decay": 0.5, "clamp_norm_factor": 4, "kl_factor": 0.0625}
    (folder / "hparams.yaml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))


def write_work(folder: Path, sizes: dict) -> None:
    folder.mkdir(parents=True)
    facts = json.loads((ROOT / "res" / "facts" / "train.json").read_text())[: sizes["facts"]]
    (folder / "facts.json").write_text(json.dumps(facts))
    # As ROME's 21: ten short ones, ten of twice the length.
    words = (ROOT / "res" / "facts" / "prose_heldout.txt").read_text().split()
    starts = [" ".join(words[10 * i : 10 * i + (3 if i < 10 else 7)]).rstrip(".") for i in range(20)]
    work = {**sizes, "templates": ["{}", *(start + ". {}" for start in starts)]}
    (folder / "work.json").write_text(json.dumps(work))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=CONFIGS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, help="fewer or more than the shape has")
    parser.add_argument("--device", default="cpu", help="where the random numbers are drawn")
    options = parser.parse_args()
    config = CONFIGS[options.shape]
    layers = options.layers or config.get("n_layer") or config["num_hidden_layers"]
    write_model(options.shape, options.folder / "model", layers, options.device)
    write_work(options.folder / "work", TINY_WORK if options.shape.startswith("tiny") else WORK)


if __name__ == "__main__":
    main()
