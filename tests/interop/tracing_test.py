#!/usr/bin/env python3
"""Causal tracing equals its definition, written with transformers: one state at a time, on ten facts of random models.

    tracing_test.py [MODEL FACTS.json]     # the first ten facts of a file under another model instead

The definition (arXiv 2202.05262, section 2): the subject's embeddings get normal noise; where the output of a block, of its MLP or of
its attention is put back at a token, for a window of blocks, is the first token of the true object likelier?"""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from libraries import byte_level
from program import PROGRAM

try:
    import h5py
    import numpy
    import torch
    import transformers
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh installs what this test needs.")
    sys.exit(77)
transformers.utils.logging.disable_progress_bar()

KINDS = ["state", "mlp", "attention"]
PLACES = ["subject_first", "subject_middle", "subject_last", "after_first", "after_middle", "last_token"]
SAMPLES, WINDOW, SEED, NOISE = 3, 2, 11, 3.0
SUBJECTS = ["Danielle Darrieux", "Edwin of Northumbria", "Toko Yasuda", "Madrid", "Heath Brothers", "la plage", "Zürich", "i", "TOTAL", "東京"]
TEMPLATES = ["The mother tongue of {} is", "{} plays the", "What does {}", "{}, which is located in", "The capital of {}"]
OBJECTS = ["French", "guitar", "Spain", "Christianity", "jazz"]
GOLDEN_RATIO = numpy.uint64(0x9E3779B97F4A7C15)
STREAM = 11  # stream::tracing_noise


def mix(z: numpy.ndarray) -> numpy.ndarray:
    with numpy.errstate(over="ignore"):
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    return z ^ (z >> numpy.uint64(31))


def normals(key: list[int], count: int) -> numpy.ndarray:
    """The numbers of RandomStream(key): SplitMix64 by counting, then Box and Muller's method, of which the cosine is taken."""
    with numpy.errstate(over="ignore"):
        state = numpy.uint64(len(key))
        for part in key:
            state = mix(state + GOLDEN_RATIO + numpy.uint64(part))
        bits = mix(state + GOLDEN_RATIO * numpy.arange(1, 2 * count + 1, dtype=numpy.uint64))
    uniform = (bits >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53
    return numpy.sqrt(-2 * numpy.log(1 - uniform[0::2])) * numpy.cos(2 * numpy.pi * uniform[1::2])


def facts() -> list[dict]:
    return [
        {
            "case_id": 100 + i,
            "requested_rewrite": {
                "prompt": TEMPLATES[i % len(TEMPLATES)], "relation_id": "P1", "subject": subject,
                "target_true": {"str": OBJECTS[i % len(OBJECTS)], "id": "Q1"}, "target_new": {"str": "Thai", "id": "Q2"},
            },
            "paraphrase_prompts": [], "neighborhood_prompts": [], "attribute_prompts": [], "generation_prompts": [],
        }
        for i, subject in enumerate(SUBJECTS)
    ]  # fmt: skip


class Definition:
    """A model in which one thing after the other is put back."""

    def __init__(self, model: torch.nn.Module, tokenizer):
        self.model, self.tokenizer = model, tokenizer
        inner = model.transformer if hasattr(model, "transformer") else model.gpt_neox if hasattr(model, "gpt_neox") else model.model
        self.blocks = inner.h if hasattr(inner, "h") else inner.layers
        self.embedding = model.get_input_embeddings()

    def modules(self, kind: str, layer: int, window: int) -> list[torch.nn.Module]:
        if kind == "state":
            return [self.blocks[layer]]
        near = range(max(0, layer - window // 2), min(len(self.blocks), layer + (window + 1) // 2))
        return [self.attention(self.blocks[i]) if kind == "attention" else self.blocks[i].mlp for i in near]

    @staticmethod
    def attention(block: torch.nn.Module) -> torch.nn.Module:
        return next(getattr(block, name) for name in ("attn", "self_attn", "attention") if hasattr(block, name))

    def subject_tokens(self, prompt: str, subject: str) -> tuple[list[int], int, int]:
        encoded = self.tokenizer.encode(prompt, add_special_tokens=False)
        begin, end = prompt.index(subject), prompt.index(subject) + len(subject)
        # Offsets leave out a token's space in front, and are of characters.
        inside = [i for i, (a, b) in enumerate(encoded.offsets) if a < end and b > begin]
        return encoded.ids, inside[0], inside[-1] + 1

    @torch.no_grad()
    def probability(self, ids: list[int], noise: torch.Tensor | None, token: int, restored: list[tuple], answer: list[int]) -> float:
        """P of the answer's first tokens behind `ids`; `noise` [subject's tokens, hidden] is added from `token` on, and every pair of
        `restored` is a module with a pair of the token and its state."""

        def add(_module, _inputs, output):
            output = output.clone()
            output[0, token : token + len(noise)] += noise
            return output

        def put(place: int, value: torch.Tensor):
            def hook(_module, _inputs, output):
                states = (output[0] if isinstance(output, tuple) else output).clone()
                states[0, place] = value
                return (states, *output[1:]) if isinstance(output, tuple) else states

            return hook

        hooks = [module.register_forward_hook(put(place, value)) for module, (place, value) in restored]
        if noise is not None:
            hooks.append(self.embedding.register_forward_hook(add))
        try:
            logits = self.model(torch.tensor([ids + answer[:-1]])).logits[0, len(ids) - 1 :]
        finally:
            for hook in hooks:
                hook.remove()
        return torch.softmax(logits.double(), 1)[range(len(answer)), answer].prod().item()

    @torch.no_grad()
    def clean_states(self, ids: list[int]) -> dict[torch.nn.Module, torch.Tensor]:
        states, hooks = {}, []

        def keep(module, _inputs, output):
            states[module] = (output[0] if isinstance(output, tuple) else output)[0].clone()

        for block in self.blocks:
            hooks += [module.register_forward_hook(keep) for module in (block, block.mlp, self.attention(block))]
        self.model(torch.tensor([ids]))
        for hook in hooks:
            hook.remove()
        return states

    def deviation(self, records: list[dict]) -> float:
        ids = []
        for record in records:
            tokens, begin, end = self.subject_tokens(*texts(record)[:2])
            ids += tokens[begin:end]
        return self.embedding(torch.tensor(ids)).double().std().item()


def texts(record: dict) -> tuple[str, str, str]:
    rewrite = record["requested_rewrite"]
    return rewrite["prompt"].replace("{}", rewrite["subject"]), rewrite["subject"], " " + rewrite["target_true"]["str"]


def place_of(token: int, begin: int, end: int, count: int) -> str:
    if token == end - 1:
        return "subject_last"
    if token < end:
        return "subject_first" if token == begin else "subject_middle"
    if token == count - 1:
        return "last_token"
    return "after_first" if token == end else "after_middle"


class Tracing(unittest.TestCase):
    given: tuple[Path, Path] | None = None

    def check(self, folder: Path, records: list[dict], model: torch.nn.Module, tokenizer) -> None:
        with tempfile.TemporaryDirectory() as run:
            Path(run, "facts.json").write_text(json.dumps(records))
            study = {
                "name": "tracing", "model": {"checkpoint": str(folder), "device": "cpu"}, "facts": {"ten": {"files": "facts.json"}},
                "edit": "none",
                "tracing": {"split": "ten", "samples": SAMPLES, "window": WINDOW, "seed": SEED, "noise": NOISE, "batch": 4, "rows": 23},
            }  # fmt: skip
            Path(run, "study.yaml").write_text(json.dumps(study))
            said = subprocess.run([PROGRAM, "sweep", Path(run, "study.yaml"), "--out", Path(run, "run")], capture_output=True, text=True)
            self.assertEqual(said.returncode, 0, said.stderr)
            with h5py.File(Path(run, "run", "study.h5")) as file:
                ours = {name: file[f"tracing/{name}"][:] for name in ("fact", "kind", "place", "layer", "probability")}
                unrestored = {name: column[:] for name, column in file["tracing_facts"].items()}
                case_ids = list(file["facts/case_id"][:])
        definition = Definition(model, tokenizer)
        deviation = NOISE * definition.deviation(records)
        numpy.testing.assert_allclose(unrestored["noise"], deviation, rtol=1e-5)
        found = {tuple(key): value for *key, value in zip(*ours.values())}
        worst, largest = 0.0, 0.0
        for record in records:
            number = case_ids.index(record["case_id"])
            expected, corrupted = self.trace(definition, record, deviation)
            for name, value in corrupted.items():
                self.assertAlmostEqual(unrestored[name][number], value, delta=1e-4)
            own = {key[1:]: value for key, value in found.items() if key[0] == number}
            self.assertEqual(set(own), set(expected))
            for key, values in expected.items():
                worst = max(worst, abs(own[key] - numpy.mean(values)))
                largest = max(largest, abs(own[key] - corrupted["corrupted"]))
        print(f"{type(model).__name__}: {len(found)} effects, the largest {largest:.3g}, the worst deviation {worst:.3g}")
        self.assertLess(worst, 1e-4)
        self.assertGreater(largest, 1e-3)  # something to tell apart

    def trace(self, definition: Definition, record: dict, deviation: float) -> tuple[dict, dict]:
        prompt, subject, object_ = texts(record)
        ids, begin, end = definition.subject_tokens(prompt, subject)
        answer = definition.tokenizer.encode(object_, add_special_tokens=False).ids
        clean = definition.clean_states(ids)
        hidden = definition.embedding.weight.shape[1]
        expected: dict[tuple, list[float]] = {}
        unrestored = {
            "clean": definition.probability(ids, None, 0, [], answer[:1]),
            "object_clean": definition.probability(ids, None, 0, [], answer), "corrupted": 0.0, "object_corrupted": 0.0,
        }  # fmt: skip
        for sample in range(SAMPLES):
            drawn = deviation * normals([SEED, STREAM, record["case_id"], sample], (end - begin) * hidden)
            noise = torch.from_numpy(drawn).float().view(end - begin, hidden)
            unrestored["corrupted"] += definition.probability(ids, noise, begin, [], answer[:1]) / SAMPLES
            unrestored["object_corrupted"] += definition.probability(ids, noise, begin, [], answer) / SAMPLES
            for token in range(begin, len(ids)):
                place = PLACES.index(place_of(token, begin, end, len(ids)))
                for k, kind in enumerate(KINDS):
                    for layer in range(len(definition.blocks)):
                        restored = [(module, (token, clean[module][token])) for module in definition.modules(kind, layer, WINDOW)]
                        value = definition.probability(ids, noise, begin, restored, answer[:1])
                        expected.setdefault((k, place, layer), []).append(value)
        return expected, unrestored

    def random_model(self, config) -> None:
        tokenizer = byte_level()
        config.vocab_size = tokenizer.get_vocab_size()
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in sorted(model.named_parameters()):
                values = torch.randn(parameter.shape, generator=generator)
                norm = parameter.dim() == 1 and name.endswith("weight")
                parameter.copy_(1 + 0.2 * values if norm else 0.2 * values)
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            tokenizer.save(str(Path(folder, "tokenizer.json")))
            Path(folder, "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
            self.check(Path(folder), facts(), model, tokenizer)

    def test_gpt2(self):
        if self.given:
            self.skipTest("another model is named")
        self.random_model(transformers.GPT2Config(n_embd=32, n_layer=3, n_head=4, n_positions=96, bos_token_id=0, eos_token_id=0))

    def test_blocks_whose_mlp_does_not_see_their_attention(self):
        if self.given:
            self.skipTest("another model is named")
        self.random_model(
            transformers.GPTNeoXConfig(
                hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=4, max_position_embeddings=96,
                bos_token_id=0, eos_token_id=0,
            )
        )  # fmt: skip

    def test_the_named_model(self):
        if not self.given:
            self.skipTest("no model is named")
        folder, file = self.given
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder).backend_tokenizer
        self.check(folder, json.loads(file.read_text())[:10], model, tokenizer)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        Tracing.given = (Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
    sys.exit(unittest.main(argv=sys.argv[:1], verbosity=1))
