"""Makes a small world in a folder: a GPT-2 checkpoint with random weights, CounterFact files, settings of ROME, a study."""

import json
import random
import struct
from pathlib import Path

import numpy

LAYERS, HIDDEN, HEADS, POSITIONS = 3, 32, 2, 96
END_OF_TEXT = "<|endoftext|>"

HPARAMS = """\
alg_name: ROME
layers: [1]
fact_token: subject_last
v_num_grad_steps: 10
v_lr: 1.0
v_loss_layer: 2
v_weight_decay: 0.5
clamp_norm_factor: 4
kl_factor: 0.0625
mom2_adjustment: false
context_template_length_params: [[4, 2]]
"""

MEMIT_HPARAMS = """\
alg_name: MEMIT
layers: [0, 1]
fact_token: subject_last
v_num_grad_steps: 8
v_lr: 0.5
v_loss_layer: 2
v_weight_decay: 0.5
clamp_norm_factor: 2
kl_factor: 0.0625
mom2_adjustment: true
mom2_update_weight: 0.5
nullspace_threshold: 0.01
context_template_length_params: [[4, 2]]
"""

STUDY = """\
name: tiny
model:
  checkpoint: model
  device: cpu
  threads: 1
facts:
  train: {files: train.json}
  heldout: {files: heldout.json}
  ood: {files: ood.json}
edit:
  hparams: hparams.yaml
  batch: 4
mask:
  epochs: 4
  batch: 8
  micro_batch: 3
  learning_rate: 0.1
  init_mean: 0.3
  init_deviation: 0.5
  threshold: 0.5
  validation_share: 0.2
  checkpoint_every: 1
evaluation:
  batch: 8
  neighborhood: true
  drop: false
sweep:
  mask.seed: 0..2
"""


def weights() -> dict[str, numpy.ndarray]:
    random_numbers = numpy.random.default_rng(20240601)

    def normal(*shape: int, deviation: float = 0.15) -> numpy.ndarray:
        return (random_numbers.standard_normal(shape) * deviation).astype(numpy.float32)

    def norm(name: str) -> dict[str, numpy.ndarray]:
        return {f"{name}.weight": 1 + normal(HIDDEN), f"{name}.bias": normal(HIDDEN)}

    def linear(name: str, inputs: int, outputs: int) -> dict[str, numpy.ndarray]:
        return {f"{name}.weight": normal(inputs, outputs), f"{name}.bias": normal(outputs)}

    tensors = {"transformer.wte.weight": normal(257, HIDDEN, deviation=0.5), "transformer.wpe.weight": normal(POSITIONS, HIDDEN)}
    for layer in range(LAYERS):
        block = f"transformer.h.{layer}"
        tensors |= norm(f"{block}.ln_1") | norm(f"{block}.ln_2")
        tensors |= linear(f"{block}.attn.c_attn", HIDDEN, 3 * HIDDEN) | linear(f"{block}.attn.c_proj", HIDDEN, HIDDEN)
        tensors |= linear(f"{block}.mlp.c_fc", HIDDEN, 4 * HIDDEN) | linear(f"{block}.mlp.c_proj", 4 * HIDDEN, HIDDEN)
    return tensors | norm("transformer.ln_f")


def safetensors(tensors: dict[str, numpy.ndarray]) -> bytes:
    header, place = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [place, place + tensor.nbytes]}
        place += tensor.nbytes
    return with_header(header, b"".join(tensor.tobytes() for tensor in tensors.values()))


def with_header(header: dict, data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tokenizer() -> dict:
    """Every byte a token, by the characters that GPT-2 writes for bytes."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    characters = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(len(others))]
    return {
        "version": "1.0",
        "added_tokens": [{"id": 256, "content": END_OF_TEXT, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True}],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "post_processor": None,
        "model": {"type": "BPE", "vocab": {c: i for i, c in enumerate([*characters, END_OF_TEXT])}, "merges": []},
    }  # fmt: skip


def records(first: int, count: int, relations: dict[str, str]) -> list[dict]:
    """Facts of the relations in turn, some with objects of one letter."""
    choice = random.Random(first)
    letters = "abcdefghijklmnopqrstuvwxyz"

    def name(least: int, most: int) -> str:
        return "".join(choice.choices(letters, k=choice.randint(least, most))).capitalize()

    facts = []
    for case_id in range(first, first + count):
        relation = list(relations)[case_id % len(relations)]
        subject = f"{name(3, 6)} {name(3, 6)}{case_id}"
        true, new = (name(1, 3), name(1, 3))
        facts.append({
            "case_id": case_id,
            "requested_rewrite": {
                "prompt": relations[relation], "relation_id": relation, "subject": subject,
                "target_true": {"str": true, "id": "Q1"}, "target_new": {"str": new + ("x" if new + "x" != true else "y"), "id": "Q2"},
            },
            "paraphrase_prompts": [f"{name(3, 8)}. {subject} is in", f"{subject}, of"][: case_id % 3],
            "neighborhood_prompts": ["Alma Ott is in", "Otto Alm, of"][: case_id // 2 % 3], "attribute_prompts": [], "generation_prompts": [],
        })  # fmt: skip
    return facts


def write_corpus(file: Path) -> None:
    """Text for second moments."""
    choice = random.Random(5)
    words = ["".join(choice.choices("abcdefghijklmnopqrstuvwxyz", k=choice.randint(1, 8))) for _ in range(900)]
    file.write_text("\n\n".join(" ".join(words[first : first + 15]) for first in range(0, 900, 15)))


def make_world(folder: Path) -> Path:
    """Fills `folder`, the same in every call; returns the study's file."""
    model = folder / "model"
    model.mkdir(parents=True)
    config = {"model_type": "gpt2", "n_layer": LAYERS, "n_embd": HIDDEN, "n_head": HEADS, "n_positions": POSITIONS, "vocab_size": 257,
              "bos_token_id": 256, "eos_token_id": 256}  # fmt: skip
    (model / "config.json").write_text(json.dumps(config))
    (model / "tokenizer.json").write_text(json.dumps(tokenizer()))
    (model / "model.safetensors").write_bytes(safetensors(weights()))
    known = {"P1": "{} lives in", "P2": "The colour of {} is"}
    for split, first, count, relations in [("train", 0, 22, known), ("heldout", 100, 6, known), ("ood", 200, 6, {"P3": "{} plays the"})]:
        (folder / f"{split}.json").write_text(json.dumps(records(first, count, relations)))
    (folder / "hparams.yaml").write_text(HPARAMS)
    study = folder / "study.yaml"
    study.write_text(STUDY)
    return study
