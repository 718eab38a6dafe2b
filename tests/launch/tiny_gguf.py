"""Writes a small Llama with random weights as a GGUF file, as llama.cpp's converter would: tiny_gguf.py FILE

Its kinds of numbers, its fields and its tokenizer are those of SmolLM2's file.
"""

import sys

import gguf
import numpy

HIDDEN, INNER, LAYERS, HEADS, KV_HEADS = 96, 160, 2, 6, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MERGES = ["t h", "th e", "i n", "Ġ the", "a n", "Ġ i", "Ġi s", "1 2"]


def alphabet() -> list[str]:
    """The characters that stand for the 256 bytes, less one that no UTF-8 text has."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    characters = dict(zip(printed, map(chr, printed))) | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return [characters[byte] for byte in range(256) if byte != 0xF8]


def turned(weight: numpy.ndarray, heads: int) -> numpy.ndarray:
    """llama.cpp's order of the rows of queries and keys (LlamaModel.permute in convert_hf_to_gguf.py)."""
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)


def main() -> None:
    writer = gguf.GGUFWriter(sys.argv[1], "llama")
    tokens = SPECIAL + alphabet() + ["".join(merge.split()) for merge in MERGES]
    kinds = [gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * (len(tokens) - len(SPECIAL))
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(100000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_pad_token_id(2)
    writer.add_chat_template("{{ messages }}")

    generator = numpy.random.default_rng(1)

    def add(name: str, shape: list[int], kind: gguf.GGMLQuantizationType, heads: int = 0) -> None:
        weight = generator.normal(0, 0.2, shape).astype(numpy.float32)
        if len(shape) == 1:
            weight += 1
        if heads:
            weight = turned(weight, heads)
        writer.add_tensor(f"{name}.weight", gguf.quantize(weight, kind), raw_dtype=kind)

    types = gguf.GGMLQuantizationType
    add("token_embd", [len(tokens), HIDDEN], types.Q8_0)
    add("output_norm", [HIDDEN], types.F32)
    for layer in range(LAYERS):
        block, narrow = f"blk.{layer}", HIDDEN // HEADS * KV_HEADS
        add(f"{block}.attn_norm", [HIDDEN], types.F32)
        add(f"{block}.ffn_norm", [HIDDEN], types.F32)
        add(f"{block}.attn_q", [HIDDEN, HIDDEN], types.Q4_1, HEADS)
        add(f"{block}.attn_k", [narrow, HIDDEN], types.Q4_1, KV_HEADS)
        add(f"{block}.attn_v", [narrow, HIDDEN], types.Q4_1)
        add(f"{block}.attn_output", [HIDDEN, HIDDEN], types.Q4_1)
        add(f"{block}.ffn_gate", [INNER, HIDDEN], types.Q4_1)
        add(f"{block}.ffn_up", [INNER, HIDDEN], types.Q4_1)
        add(f"{block}.ffn_down", [HIDDEN, INNER], types.Q4_1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


main()
