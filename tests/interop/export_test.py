#!/usr/bin/env python3
"""Exported checkpoints are the models that a study scored: Hugging Face's transformers loads them and finds the same numbers."""

import dataclasses
import hashlib
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from libraries import byte_level
from program import PROGRAM, onemask
from tiny_world import HPARAMS, STUDY, records, with_header

try:
    import h5py
    import torch
    import transformers
    from safetensors import safe_open
    from safetensors.torch import load_file
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh installs what this test needs.")
    sys.exit(77)
transformers.utils.logging.disable_progress_bar()

VOCABULARY = 300
EXACT = 1e-5
# In 16 bits every entry of an edited matrix is rounded once more, by up to 1/2048 of itself; the study kept it in float32.
ROUNDED = 2e-3
MEMIT = HPARAMS.replace("ROME", "MEMIT").replace("[1]", "[0, 1]").replace("adjustment: false", "adjustment: true\nmom2_update_weight: 100")
FACTS = "facts: {train: {files: train.json}, heldout: {files: heldout.json}}\n"


@dataclasses.dataclass
class Study:
    """What the test needs of a finished study."""

    run: Path
    edits: list[str]  # objects of facts, in their order
    mask: str
    threshold: float
    prompts: list[tuple[int, str, str, str]]  # fact, prompt, true object, new object
    scores: dict[str, list[tuple[float, float]]]  # kind of condition -> lp_true and lp_new of every prompt


class World:
    """A random checkpoint written by save_pretrained, and a study of ROME and one of MEMIT on it."""

    def __init__(self, folder: Path, config: transformers.PretrainedConfig, **saving: object):
        self.folder, self.model = folder, folder / "model"
        dtype = saving.pop("dtype", torch.float32)
        memit = MEMIT.replace("[0, 1]", str(saving.pop("layers_of_memit", [0, 1])))
        model = transformers.AutoModelForCausalLM.from_config(config)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for name, parameter in sorted(model.named_parameters()):
                noise = torch.randn(parameter.shape, generator=generator)
                norm = parameter.dim() == 1 and name.endswith("weight")
                parameter.copy_(1 + 0.1 * noise if norm else (0.5 if parameter.shape[0] == config.vocab_size else 0.15) * noise)
        model.to(dtype).save_pretrained(self.model, **saving)
        byte_level(VOCABULARY).save(str(self.model / "tokenizer.json"))
        (self.model / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
        (self.model / "pytorch_model.bin").write_bytes(b"old weights")
        relations = {"P1": "{} lives in", "P2": "The colour of {} is"}
        self.facts = {"train": records(0, 10, relations), "heldout": records(100, 3, relations)}
        for split, facts in self.facts.items():
            (folder / f"{split}.json").write_text(json.dumps(facts))
        words = random.Random(1)
        text = " ".join("".join(words.choices("abcdefghij", k=words.randint(1, 9))) for _ in range(1500))
        (folder / "corpus.txt").write_text(text.capitalize())
        self.studies = {"rome": self.sweep("rome", HPARAMS), "memit": self.sweep("memit", memit)}

    def sweep(self, name: str, hparams: str) -> Study:
        (self.folder / f"{name}.hparams.yaml").write_text(hparams)
        study = STUDY.partition("facts:")[0] + FACTS + "edit:" + STUDY.partition("\nedit:")[2].partition("sweep:")[0]
        study = study.replace("hparams.yaml", f"{name}.hparams.yaml")
        if name == "memit":
            study = study.replace("mask:\n", "mask:\n  layers: all\n") + "moments: {text: corpus.txt}\n"
        study = study.replace("drop: false", "drop: true")
        file = self.folder / f"{name}.yaml"
        file.write_text(study)
        run = self.folder / f"{name}.run"
        result = onemask("sweep", str(file), "--out", str(run))
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        return self.read(run)

    def read(self, run: Path) -> Study:
        facts = [fact for split in self.facts.values() for fact in split]
        with h5py.File(run / "study.h5") as file:
            kinds = list(file["conditions/kind"].asstr())
            edits = dict(zip(file["edits/fact"][:], file["edits/object"].asstr()))
            mask = file["conditions/mask_key"].asstr()[kinds.index("mask")]
            scores: dict[str, list] = {kind: [] for kind in kinds}
            prompts = []
            metrics = {name: file[f"metrics/{name}"][:] for name in ("fact", "condition", "prompt", "lp_true", "lp_new")}
            for fact, condition, prompt, true, new in zip(*metrics.values()):
                scores[kinds[condition]].append((true, new))
                if kinds[condition] == "edited":
                    prompts.append((int(fact), *texts(facts[fact], prompt)))
            threshold = float(file["masks/0"].attrs["threshold"])
        return Study(run, [edits[fact] for fact in range(len(facts))], mask, threshold, prompts, scores)

    def bytes(self) -> dict[str, str]:
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in self.model.iterdir()}


def texts(fact: dict, prompt: int) -> tuple[str, str, str]:
    rewrite = fact["requested_rewrite"]
    prompts = [rewrite["prompt"].format(rewrite["subject"]), *fact["paraphrase_prompts"], *fact["neighborhood_prompts"]]
    return prompts[prompt], rewrite["target_true"]["str"], rewrite["target_new"]["str"]


def put(objects: Path, name: str, payload: bytes) -> str:
    """Writes an object as the program does; returns its key."""
    key = hashlib.sha256(name.encode()).hexdigest()
    digest = hashlib.sha256(struct.pack("<Q", len(key)) + key.encode() + payload).digest()
    (objects / key[:2]).mkdir(exist_ok=True)
    (objects / key[:2] / key).write_bytes(payload + b"1MASKOBJ" + struct.pack("<Q", len(payload)) + digest)
    return key


def edit_object(layer: int, out: int, inner: int, failure: str = "", size: float = 1) -> bytes:
    facts = {"case_id": 7, "steps": 1, "loss": 0, "p_new": 0, "delta_norm": 0, "value_norm": 0, "failure": failure, "layer": layer}
    header = {"__metadata__": {"edit": json.dumps(facts)}}
    if failure:
        return with_header(header, b"")
    left, right = struct.pack(f"<{out}f", *[size] * out), struct.pack(f"<{inner}f", *[size] * inner)
    header["left"] = {"dtype": "F32", "shape": [1, out], "data_offsets": [0, len(left)]}
    header["right"] = {"dtype": "F32", "shape": [1, inner], "data_offsets": [len(left), len(left) + len(right)]}
    return with_header(header, left + right)


class ExportChecks:
    """How exports of a world are checked; a subclass says which world and which tests."""

    family: str
    changed: str  # name of a changed tensor, but for its layer
    tolerance: float
    layers_of_memit = [0, 1]

    @classmethod
    def make_world(cls, folder: Path) -> World:
        raise NotImplementedError

    @classmethod
    def setUpClass(cls) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="onemask-")
        cls.addClassCleanup(temporary.cleanup)
        cls.world = cls.make_world(Path(temporary.name))
        cls.before = cls.world.bytes()

    def setUp(self) -> None:
        self.out = self.world.folder / self.id().rpartition(".")[2]

    def tearDown(self) -> None:
        self.assertEqual(self.world.bytes(), self.before, "the source was touched")

    def words(self, study: Study, *words: object, out: Path | None = None) -> list[str]:
        model, objects, out = self.world.model, study.run / "objects", out or self.out
        return ["export", *map(str, ["--model", model, "--objects", objects, "--out", out, *words])]

    def export(self, study: Study, *words: object) -> list[dict]:
        result = onemask(*self.words(study, *words, "--json"))
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def check(self, method: str, masked: bool, dtype: str = "keep") -> None:
        study = self.world.studies[method]
        edit = study.edits[0]
        mask = ["--mask", study.mask, "--threshold", study.threshold] if masked else []
        changes = self.export(study, "--edits", edit[:12], *mask, "--dtype", dtype)
        layers = [1] if method == "rome" else self.layers_of_memit
        self.assertEqual([change["tensor"] for change in changes], [self.changed.format(layer) for layer in layers])
        self.check_tensors(changes, dtype)
        model = transformers.AutoModelForCausalLM.from_pretrained(self.out, torch_dtype=torch.float32, attn_implementation="eager").eval()
        self.check_scores(study, edit, "mask" if masked else "edited", model, EXACT if dtype == "float32" else self.tolerance)
        self.check_logits(model)
        self.assertFalse((self.out / "pytorch_model.bin").exists())

    def check_tensors(self, changes: list[dict], dtype: str) -> None:
        by_name = {change["tensor"]: change for change in changes}
        written_anew = {change["file"] for change in changes}
        shards = sorted(self.world.model.glob("*.safetensors"))
        for shard in shards:
            copy = self.out / shard.name
            before, after = load_file(shard), load_file(copy)
            self.assertEqual(before.keys(), after.keys())
            if dtype == "keep" and shard.name not in written_anew:
                self.assertEqual(shard.read_bytes(), copy.read_bytes())
            with safe_open(copy, "pt") as file:
                self.assertEqual(file.metadata(), {"format": "pt"})
            for name, old in before.items():
                new = after[name]
                self.assertEqual(new.dtype, old.dtype if dtype == "keep" else getattr(torch, dtype))
                change = by_name.get(name)
                if change is None:
                    self.assertTrue(torch.equal(new, old.to(new.dtype)), name)
                    continue
                difference = new.double() - old.to(new.dtype).double()
                self.assertEqual(change["shape"], list(old.shape))
                self.assertAlmostEqual(change["norm"], difference.norm().item(), delta=1e-9)
                self.assertAlmostEqual(change["largest"], difference.abs().max().item(), delta=1e-9)
                self.assertAlmostEqual(change["relative"] * old.to(new.dtype).double().norm().item(), change["norm"], delta=1e-9)
                for tensor, digest in [(old, "sha256_before"), (new, "sha256_after")]:
                    content = tensor.contiguous().view(torch.uint8).numpy().tobytes()
                    self.assertEqual(hashlib.sha256(content).hexdigest(), change[digest])

    def check_scores(self, study: Study, edit: str, kind: str, model: torch.nn.Module, tolerance: float) -> None:
        """lp_true and lp_new of the edit's facts."""
        tokens = transformers.AutoTokenizer.from_pretrained(self.out)
        checked = 0
        for (fact, prompt, true, new), scores in zip(study.prompts, study.scores[kind], strict=True):
            if study.edits[fact] != edit:
                continue
            start = tokens(prompt)["input_ids"]
            for target, expected in zip((true, new), scores):
                ids = tokens(" " + target)["input_ids"]
                with torch.no_grad():
                    logits = model(torch.tensor([start + ids])).logits[0, len(start) - 1 : -1]
                found = logits.double().log_softmax(-1).gather(1, torch.tensor(ids)[:, None]).sum().item()
                self.assertAlmostEqual(found, expected, delta=tolerance * abs(expected), msg=f"{kind}, fact {fact}: {prompt}{target}")
                checked += 1
        self.assertGreater(checked, 0)
        self.assertGreater(
            sum(abs(a - b) for pair, other in zip(study.scores[kind], study.scores["original"]) for a, b in zip(pair, other)), 0.1
        )

    def test_without_the_matrices(self):
        for method, layers in (("rome", [1]), ("memit", self.layers_of_memit)):
            model = transformers.AutoModelForCausalLM.from_pretrained(self.world.model, torch_dtype=torch.float32).eval()
            with torch.no_grad():
                for layer in layers:
                    model.get_parameter(self.changed.format(layer)).zero_()
            self.out = self.world.model
            study = self.world.studies[method]
            self.check_scores(study, study.edits[0], "dropped", model, self.tolerance)

    def check_logits(self, model: torch.nn.Module) -> None:
        prompt, size = "Alma Ott lives in", model.config.vocab_size
        result = onemask("predict", "--model", str(self.out), "--device", "cpu", "--top", str(size), "--json", prompt)
        self.assertEqual(result.returncode, 0, result.stderr)
        ours = torch.empty(size)
        for prediction in json.loads(result.stdout)["predictions"]:
            ours[prediction["id"]] = prediction["logit"]
        ids = transformers.AutoTokenizer.from_pretrained(self.out)(prompt, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            theirs = model(ids).logits[0, -1]
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


class Exports(ExportChecks):
    """All tests of a world."""

    def test_rome(self):
        self.check("rome", masked=False)

    def test_memit(self):
        self.check("memit", masked=False)

    def test_rome_and_mask(self):
        self.check("rome", masked=True)

    def test_memit_and_mask(self):
        self.check("memit", masked=True)

    def test_another_type(self):
        self.check("memit", masked=True, dtype="float32")
        written = json.loads((self.out / "config.json").read_text())
        self.assertEqual(written["torch_dtype"], "float32")

    def test_edits_add_up(self):
        study = self.world.studies["rome"]
        self.export(study, "--edits", *study.edits[:3], "--dtype", "float32")
        name = self.changed.format(1)
        found = tensor(self.out, name) - tensor(self.world.model, name).float()
        single = []
        for place, edit in enumerate(study.edits[:3]):
            self.out = self.out.with_name(f"{self.out.name}.{place}")
            self.export(study, "--edits", edit, "--dtype", "float32")
            single.append(tensor(self.out, name) - tensor(self.world.model, name).float())
        torch.testing.assert_close(found, sum(single), rtol=1e-4, atol=1e-5)

    def test_mask_without_edits(self):
        study = self.world.studies["memit"]
        changes = self.export(study, "--mask", study.mask, "--threshold", study.threshold)
        with h5py.File(study.run / "study.h5") as file:
            keep = torch.tensor(file["masks/0"][:]).chunk(2)
        for layer, change in enumerate(changes):
            old, new = tensor(self.world.model, change["tensor"]), tensor(self.out, change["tensor"])
            kept = keep[layer] if self.family == "llama" else keep[layer].T
            self.assertLess(kept.sum().item(), kept.numel())
            self.assertTrue(torch.equal(new, old * kept))
        self.out = self.out.with_name(f"{self.out.name}.share")
        changes = self.export(study, "--mask", study.mask, "--zeros", 0.25)
        zeros = sum((tensor(self.out, change["tensor"]) == 0).sum().item() for change in changes)
        self.assertEqual(zeros, sum(part.numel() for part in keep) // 4)

    def refused(self, study: Study, *words: object, code: int = 2, out: Path | None = None) -> str:
        out = out or self.out
        before = sorted(out.rglob("*"))
        result = onemask(*self.words(study, *words, out=out))
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertEqual(sorted(out.rglob("*")), before)
        self.assertEqual(list(out.parent.glob(f".{out.name}.*.tmp")), [])
        return result.stderr.splitlines()[-1]

    def test_refusals(self):
        study = self.world.studies["rome"]
        edit, mask = study.edits[0], study.mask
        full = self.world.folder / "full"
        full.mkdir()
        (full / "file").write_text("mine")
        self.assertIn("the checkpoint that is read", self.refused(study, "--edits", edit, out=self.world.model))
        self.assertIn("the checkpoint that is read", self.refused(study, "--edits", edit, out=self.world.model / "copy"))
        self.assertIn("not empty", self.refused(study, "--edits", edit, out=full))
        self.assertIn("'0123456789'", self.refused(study, "--edits", "0123456789"))
        self.assertIn("6 to 64", self.refused(study, "--edits", edit[:5]))
        self.assertIn("--mask", self.refused(study, "--edits", mask))
        self.assertIn("--edits", self.refused(study, "--mask", edit, "--threshold", 0.5))
        self.assertIn("twice", self.refused(study, "--edits", edit, edit[:8]))
        self.assertIn("threshold", self.refused(study, "--edits", edit, "--mask", mask))
        self.assertIn("--mask", self.refused(study, "--edits", edit, "--threshold", 0.5))
        for threshold in ["0", "1", "nan", "half", "-0.5"]:
            self.assertIn("between 0 and 1", self.refused(study, "--mask", mask, f"--threshold={threshold}"))
        self.assertIn("between 0 and 1", self.refused(study, "--mask", mask, "--zeros=1"))
        self.assertIn("--zeros", self.refused(study, "--mask", mask, "--zeros=0.1", "--threshold=0.5"))
        self.assertIn("--mask", self.refused(study, "--edits", edit, "--zeros", 0.1))
        self.assertIn("nothing to export", self.refused(study))
        self.assertIn("'float8'", self.refused(study, "--edits", edit, "--dtype", "float8"))
        self.assertIn("no entry", self.refused(study, "--mask", mask, "--threshold", "1e-30", code=1))
        result = onemask("export", "--model", str(self.world.model), "--objects", str(full / "absent"), "--edits", edit, "--out", str(self.out))
        self.assertEqual(result.returncode, 2)
        self.assertIn("absent", result.stderr)
        self.assertFalse((full / "absent").exists())

    def test_other_objects(self):
        study = self.world.studies["rome"]
        model = transformers.AutoConfig.from_pretrained(self.world.model)
        inner = getattr(model, "intermediate_size", 4 * model.hidden_size)

        def key(name: str, payload: bytes) -> str:
            return put(study.run / "objects", name, payload)

        no_edit = key("other", with_header({"__metadata__": {"other": "1"}}, b""))
        self.assertIn("'edits'", self.refused(study, "--edits", no_edit))
        self.assertIn("'mask_key'", self.refused(study, "--mask", key("text", b"no tensors"), "--threshold", 0.5))
        self.assertIn("layer 3", self.refused(study, "--edits", key("layer", edit_object(3, 32, inner))))
        self.assertIn("another model", self.refused(study, "--edits", key("shape", edit_object(1, 31, inner))))
        self.assertIn("another model", self.refused(study, "--edits", key("shape 2", edit_object(1, inner, 32)), study.edits[0]))
        self.assertIn("finite", self.refused(study, "--edits", key("huge", edit_object(1, 32, inner, size=1e30))))
        failed = key("failed", edit_object(1, 32, inner, failure="no convergence"))
        result = onemask(*self.words(study, "--edits", failed))
        self.assertEqual(result.returncode, 1)
        self.assertIn("no convergence", result.stderr)
        self.assertIn("Nothing was written", result.stderr)
        tiny = key("tiny", edit_object(1, 32, inner, size=1e-12))
        self.assertIn("rounded", self.refused(study, "--edits", failed, tiny, code=1))
        damaged = study.run / "objects" / no_edit[:2] / no_edit
        damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
        self.assertIn("damaged", self.refused(study, "--edits", no_edit))

    def test_killed(self):
        study = self.world.studies["rome"]
        start = time.monotonic()
        self.export(study, "--edits", study.edits[0])
        duration, whole = time.monotonic() - start, sorted(file.name for file in self.out.iterdir())
        for part in range(1, 9):
            out = self.out.with_name(f"{self.out.name}.{part}")
            process = subprocess.Popen([PROGRAM, *self.words(study, "--edits", study.edits[0], out=out)], stdout=subprocess.DEVNULL)
            time.sleep(duration * part / 8)
            process.kill()
            process.wait()
            if out.exists():
                self.assertEqual(sorted(file.name for file in out.iterdir()), whole)


def tensor(folder: Path, name: str) -> torch.Tensor:
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors:
            if name in tensors.keys():
                return tensors.get_tensor(name)
    raise AssertionError(f"{folder} has no {name}")


class Gpt2(Exports, unittest.TestCase):
    family, changed, tolerance = "gpt2", "transformer.h.{}.mlp.c_proj.weight", EXACT

    @classmethod
    def make_world(cls, folder: Path) -> World:
        sizes = {"n_layer": 3, "n_embd": 32, "n_head": 2, "n_positions": 96, "vocab_size": VOCABULARY}
        return World(folder, transformers.GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))


class Llama(Exports, unittest.TestCase):
    family, changed, tolerance = "llama", "model.layers.{}.mlp.down_proj.weight", ROUNDED

    @classmethod
    def make_world(cls, folder: Path) -> World:
        sizes = {"num_hidden_layers": 3, "hidden_size": 32, "intermediate_size": 88, "num_attention_heads": 4, "vocab_size": VOCABULARY}
        config = transformers.LlamaConfig(
            **sizes, num_key_value_heads=2, max_position_embeddings=96, bos_token_id=0, eos_token_id=0
        )
        return World(folder, config, dtype=torch.float16, max_shard_size="20KB")

    def test_it_is_sharded(self):
        self.assertGreater(len(list(self.world.model.glob("*.safetensors"))), 3)


SIZES = {
    "num_hidden_layers": 3, "hidden_size": 32, "intermediate_size": 88, "num_attention_heads": 4, "vocab_size": VOCABULARY,
    "max_position_embeddings": 96, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None,
}  # fmt: skip
GROUPED = {**SIZES, "num_key_value_heads": 2}
GATED = "model.layers.{}.mlp.down_proj.weight"


class Family(ExportChecks):
    """The methods and masks once on a family: transformers reads what is exported and finds what the study found."""

    changed, tolerance = GATED, EXACT

    @classmethod
    def make_world(cls, folder: Path) -> World:
        kind = getattr(transformers, f"{cls.family}Config", None)
        if kind is None:
            raise unittest.SkipTest(f"transformers {transformers.__version__} does not know {cls.family}")
        return World(folder, kind(**cls.sizes), layers_of_memit=cls.layers_of_memit)

    def test_rome_and_memit_under_their_masks(self):
        for method in ("rome", "memit"):
            with self.subTest(method):
                self.out = self.world.folder / f"{method}.export"
                self.check(method, masked=True)


class GptNeoX(Family, unittest.TestCase):
    family, sizes, changed = "GPTNeoX", SIZES, "gpt_neox.layers.{}.mlp.dense_4h_to_h.weight"
    layers_of_memit = [1, 2]  # the MLP of layer 0 reads single tokens alone, of which the corpus has few


class Phi3(Family, unittest.TestCase):
    family, sizes = "Phi3", {**GROUPED, "sliding_window": 20}


class Qwen3(Family, unittest.TestCase):
    family, sizes = "Qwen3", {**GROUPED, "head_dim": 16}


class Gemma2(Family, unittest.TestCase):
    family, sizes = "Gemma2", {**GROUPED, "head_dim": 16, "sliding_window": 8, "final_logit_softcapping": 5.0}
    layers_of_memit = [1]

    def test_memit_in_several_layers_is_refused_before_anything_is_done(self):
        for command in ("plan", "sweep"):
            study = str(self.world.folder / "memit.yaml")
            result = onemask(command, study, "--out", str(self.out), "--set", "edit.layers=[0, 1]")
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn("memit cannot spread its edits over 2 layers of a model of the family 'gemma2'", result.stderr)


class Gemma3(Family, unittest.TestCase):
    family, sizes = "Gemma3Text", {**GROUPED, "head_dim": 16, "sliding_window": 8}
    layers_of_memit = [1]


class Olmo2(Family, unittest.TestCase):
    family, sizes = "Olmo2", GROUPED
    layers_of_memit = [1]


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
