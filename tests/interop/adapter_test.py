#!/usr/bin/env python3
"""Adapters go both ways: PEFT loads those that are exported and finds the exported checkpoints' logits, and studies take those that
PEFT writes, and checkpoints that it merges."""

import json
import sys
import tempfile
import unittest
from pathlib import Path

import libraries  # noqa: F401: ends the test where Hugging Face's are absent
from libraries import byte_level
from program import onemask
from tiny_world import HPARAMS, STUDY, records

try:
    import h5py
    import peft
    import torch
    import transformers
    from safetensors.torch import load_file, save_file
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh --cuda installs what this test needs.")
    sys.exit(77)
transformers.utils.logging.disable_progress_bar()

VOCABULARY = 300
CLOSE = 1e-4  # of logits
MEMIT = HPARAMS.replace("ROME", "MEMIT").replace("[1]", "[0, 1]").replace("adjustment: false", "adjustment: true\nmom2_update_weight: 100")


def run(*words: object) -> str:
    result = onemask(*map(str, words))
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    return result.stdout


class Adapters:
    """Tests of a family; a subclass says which."""

    @classmethod
    def config(cls) -> transformers.PretrainedConfig:
        raise NotImplementedError

    @classmethod
    def setUpClass(cls) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="onemask-")
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = folder = Path(temporary.name)
        cls.model = folder / "model"
        torch.manual_seed(1)
        model = transformers.AutoModelForCausalLM.from_config(cls.config())
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        model.save_pretrained(cls.model)
        byte_level(VOCABULARY).save(str(cls.model / "tokenizer.json"))
        (cls.model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        (folder / "train.json").write_text(json.dumps(records(0, 3, {"P1": "{} lives in", "P2": "The colour of {} is"})))
        (folder / "corpus.txt").write_text("Some words about this and that. " * 200)
        cls.edits = {}
        for name, hparams in {"rome": HPARAMS, "memit": MEMIT}.items():
            (folder / f"{name}.hparams.yaml").write_text(hparams)
            cls.sweep(name, f"hparams: {name}.hparams.yaml", name == "rome")
            with h5py.File(folder / name / "study.h5") as file:
                cls.edits[name] = list(dict.fromkeys(file["edits/object"].asstr()))

    @classmethod
    def sweep(cls, name: str, edit: str, masked: bool) -> None:
        text = STUDY.partition("facts:")[0] + "facts: {train: {files: train.json}}\n" + f"edit: {{{edit}}}\n"
        mask = "mask: {epochs: 2, batch: 8, micro_batch: 3, learning_rate: 0.1, init_mean: 0.3, init_deviation: 0.5, validation_share: 0}\n"
        (cls.folder / f"{name}.yaml").write_text(text + (mask if masked else "mask: none\n") + "moments: {text: corpus.txt}\n")
        run("sweep", cls.folder / f"{name}.yaml", "--out", cls.folder / name)

    def export(self, method: str, name: str, *words: object, edits: list[str]) -> Path:
        out = self.folder / f"{self.id()}.{name}"
        objects = self.folder / method / "objects"
        run("export", "--model", self.model, "--objects", objects, "--out", out, "--edits", *edits, *words)
        return out

    @staticmethod
    def load(folder: Path) -> torch.nn.Module:
        return transformers.AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32).eval()

    @staticmethod
    def logits(model: torch.nn.Module) -> torch.Tensor:
        with torch.no_grad():
            return model(torch.arange(40)[None] * 7 % VOCABULARY).logits

    def with_adapter(self, folder: Path) -> peft.PeftModel:
        return peft.PeftModel.from_pretrained(self.load(self.model), folder).eval()

    def check_logits(self, method: str, edits: list[str], *words: object) -> Path:
        expected = self.logits(self.load(self.export(method, "whole", edits=edits)))
        self.assertGreater((expected - self.logits(self.load(self.model))).abs().max().item(), 0.01)
        adapter = self.export(method, "adapter", "--adapter", *words, edits=edits)
        found = self.logits(self.with_adapter(adapter))
        torch.testing.assert_close(found, expected, rtol=CLOSE, atol=CLOSE)
        return adapter

    def scores(self, name: str) -> dict[str, list]:
        with h5py.File(self.folder / name / "study.h5") as file:
            kinds = list(file["conditions/kind"].asstr())
            edited = file["metrics/condition"][:] == kinds.index("edited")
            return {column: file[f"metrics/{column}"][:][edited] for column in ("lp_true", "lp_new", "kl")}

    def expect_scores(self, name: str, expected: str, tolerance: float) -> None:
        ours, theirs = self.scores(expected), self.scores(name)
        for column, numbers in ours.items():
            difference = abs(numbers - theirs[column]).max()
            self.assertLess(difference, tolerance * max(1, abs(numbers).max()), column)

    def test_one_fact(self):
        """Also found by the name of its model, and in 16 bits."""
        adapter = self.check_logits("rome", self.edits["rome"][:1])
        automatic = peft.AutoPeftModelForCausalLM.from_pretrained(adapter, torch_dtype=torch.float32).eval()
        torch.testing.assert_close(self.logits(automatic), self.logits(self.with_adapter(adapter)))
        half = self.export("rome", "half", "--adapter", "--dtype", "float16", edits=self.edits["rome"][:1])
        self.assertEqual({tensor.dtype for tensor in load_file(half / "adapter_model.safetensors").values()}, {torch.float16})
        torch.testing.assert_close(self.logits(self.with_adapter(half)), self.logits(self.with_adapter(adapter)), rtol=0.02, atol=0.02)

    def test_there_and_back(self):
        """Through PEFT's own files, and merged into a checkpoint: the same scores, and a mask is trained."""
        case_ids = [0, 1, 2]
        for case_id, edit in zip(case_ids, self.edits["rome"], strict=True):
            ours = self.export("rome", str(case_id), "--adapter", edits=[edit])
            model = self.with_adapter(ours)
            model.save_pretrained(self.folder / "by_peft" / str(case_id))
            model.merge_and_unload().save_pretrained(self.folder / "merged" / str(case_id))
        self.sweep("again", "files: 'by_peft/{case_id}'", masked=True)
        self.expect_scores("again", "rome", 1e-5)
        self.sweep("dense", "files: 'merged/{case_id}', rank: 1", masked=True)
        self.expect_scores("dense", "rome", 1e-5)
        with h5py.File(self.folder / "dense" / "study.h5") as file:
            self.assertEqual(file.attrs["status"], "COMPLETE")
            self.assertGreater(len(file["masks/0"]), 0)


class Gpt2(Adapters, unittest.TestCase):
    @classmethod
    def config(cls) -> transformers.PretrainedConfig:
        sizes = {"n_layer": 3, "n_embd": 32, "n_head": 2, "n_positions": 96, "vocab_size": VOCABULARY}
        return transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0)

    def test_layers_of_several_ranks(self):
        """Of MEMIT and ROME together: rank 3 in layer 0, rank 4 in layer 1. Only these matrices are touched."""
        merged = self.folder / "merged objects"
        for method in ("rome", "memit"):
            for file in (self.folder / method / "objects").glob("??/*"):
                target = merged / "objects" / file.parent.name / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
        adapter = self.check_logits("merged objects", [self.edits["memit"][0], self.edits["rome"][0]])
        config = json.loads((adapter / "adapter_config.json").read_text())
        self.assertEqual((config["r"], config["lora_alpha"], list(config["rank_pattern"].values())), (4, 4, [3]))
        names = [name for name, module in self.with_adapter(adapter).named_modules() if isinstance(module, peft.tuners.lora.LoraLayer)]
        self.assertEqual([name.removeprefix("base_model.model.") for name in names], config["target_modules"])
        self.assertEqual(len(names), 2)

    def test_a_rank_that_leaves_something_out(self):
        out = self.folder / "low"
        said = run("export", "--model", self.model, "--objects", self.folder / "memit" / "objects", "--edits", *self.edits["memit"],
                   "--adapter", "--rank", 1, "--json", "--out", out)  # fmt: skip
        tensors = load_file(out / "adapter_model.safetensors")
        whole = load_file(self.export("memit", "all", "--adapter", edits=self.edits["memit"]) / "adapter_model.safetensors")
        for line in map(json.loads, said.splitlines()):
            name = f"base_model.model.{line['module']}.lora_{{}}.weight"
            change, written = (t[name.format("B")].double() @ t[name.format("A")].double() for t in (whole, tensors))
            best = torch.linalg.svdvals(change)[1:].norm() / change.norm()
            self.assertAlmostEqual(line["lost"], best.item(), delta=1e-6)
            self.assertAlmostEqual(((change - written).norm() / change.norm()).item(), best.item(), delta=1e-6)

    def test_all_facts_merged(self):
        adapter = self.export("memit", "lora", "--adapter", edits=self.edits["memit"])
        self.with_adapter(adapter).merge_and_unload().save_pretrained(self.folder / "all")
        self.sweep("all_dense", "files: all", masked=False)
        self.expect_scores("all_dense", "memit", 1e-5)

    def test_scales_of_peft(self):
        """alpha, patterns of ranks and alphas, and rank-stabilised scaling, as PEFT computes them."""
        modules = json.loads((self.export("memit", "two", "--adapter", edits=self.edits["memit"]) / "adapter_config.json").read_text())["target_modules"]
        shape = {"target_modules": modules, "fan_in_fan_out": True, "task_type": "CAUSAL_LM"}
        scales = {"r": 2, "lora_alpha": 5, "rank_pattern": {modules[0]: 3}, "alpha_pattern": {modules[0]: 7}, "use_rslora": True}
        model = peft.get_peft_model(self.load(self.model), peft.LoraConfig(**shape, **scales))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if "lora_" in name:
                    parameter.copy_(0.1 * torch.randn_like(parameter))
        model.save_pretrained(self.folder / "scaled")
        merged, before = model.merge_and_unload().state_dict(), self.load(self.model).state_dict()
        changed = {name: tensor.contiguous() for name, tensor in merged.items() if not torch.equal(tensor, before[name])}
        self.assertEqual(len(changed), 2)
        save_file(changed, self.folder / "scaled.safetensors")
        self.sweep("scaled_lora", "files: scaled", masked=False)
        self.sweep("scaled_dense", "files: scaled.safetensors", masked=False)
        self.expect_scores("scaled_lora", "scaled_dense", 1e-5)
        model = peft.get_peft_model(self.load(self.model), peft.LoraConfig(**shape, use_dora=True))
        model.save_pretrained(self.folder / "dora")
        with self.assertRaisesRegex(AssertionError, "use_dora"):
            self.sweep("dora_study", "files: dora", masked=False)


class Llama(Adapters, unittest.TestCase):
    @classmethod
    def config(cls) -> transformers.PretrainedConfig:
        sizes = {"num_hidden_layers": 3, "hidden_size": 32, "intermediate_size": 88, "num_attention_heads": 4, "vocab_size": VOCABULARY}
        return transformers.LlamaConfig(**sizes, num_key_value_heads=2, max_position_embeddings=96, bos_token_id=0, eos_token_id=0)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
