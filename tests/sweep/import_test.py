#!/usr/bin/env python3
"""Finished edits are scored and masked like edits that the program makes itself: as adapters, edited checkpoints and matrices."""

import json
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import h5py
import numpy

from runs import MPIRUN, PROGRAM, WorldTest
from tiny_world import HIDDEN, safetensors, weights

MODEL_TENSOR = "transformer.h.1.mlp.c_proj.weight"  # stored [in, out]
SHORT = ["--limit", "2", "--set", "mask.epochs=2", "--set", "mask.validation_share=0", "--sweep", "mask.seed=0"]


def read_safetensors(path: Path) -> dict[str, numpy.ndarray]:
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            tensors[name] = numpy.frombuffer(data[begin:end], {"F32": numpy.float32, "F16": numpy.float16}[entry["dtype"]]).reshape(entry["shape"])
    return tensors


class ImportTest(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.world = cls.study.parent
        cls.made = cls.folder / "made"
        cls.expect(cls.sweep(cls.study, cls.made))
        with h5py.File(cls.made / "study.h5") as file:
            cls.case_ids = file["facts/case_id"][:].tolist()
            cls.edits = dict(zip((cls.case_ids[fact] for fact in file["edits/fact"][:]), file["edits/object"].asstr()))
        for case_id in cls.case_ids:
            cls.expect(cls.export(cls.world / "adapters" / str(case_id), cls.edits[case_id], "--adapter"))

    @classmethod
    def sweep(cls, study: Path, out: Path, *words: object, ranks: int = 0) -> subprocess.CompletedProcess:
        launcher = [MPIRUN, "-n", ranks, "--oversubscribe", "--bind-to", "none"] if ranks > 0 else []
        return cls.start(*launcher, PROGRAM, "sweep", study, "--out", out, *SHORT, *words)

    @classmethod
    def export(cls, out: Path, *words: object, objects: Path | None = None) -> subprocess.CompletedProcess:
        objects = objects or cls.made / "objects"
        return cls.start(PROGRAM, "export", "--model", cls.world / "model", "--objects", objects, "--out", out, "--json", "--edits", *words)

    @staticmethod
    def start(*words: object) -> subprocess.CompletedProcess:
        return subprocess.run(list(map(str, words)), capture_output=True, text=True, stdin=subprocess.DEVNULL)

    @staticmethod
    def expect(result: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        return result

    def of(self, files: object, more: str = "", masked: bool = True) -> Path:
        """A study of the same facts whose edits are in these files."""
        text = self.study.read_text().replace("  hparams: hparams.yaml\n  batch: 4\n", f"  files: {json.dumps(files)}\n{more}")
        if not masked:
            text = text.partition("mask:\n")[0] + "mask: none\nevaluation:\n" + text.partition("evaluation:\n")[2].partition("sweep:")[0]
        file = self.world / "imported.yaml"
        file.write_text(text)
        return file

    def refused(self, files: object, *words: object, more: str = "", commands: tuple[str, ...] = ("plan",)) -> str:
        """Before anything is done."""
        study, out = self.of(files, more), self.folder / "refused"
        said = set()
        for command in commands:
            result = self.start(PROGRAM, command, study, "--out", out, *SHORT, *words)
            self.assertEqual(result.returncode, 2, result.stderr)
            said.add(result.stderr.splitlines()[-1])
        self.assertEqual(list(out.glob("objects/??/*")), [])
        shutil.rmtree(out, ignore_errors=True)
        self.assertEqual(len(said), 1)
        return said.pop()

    def scores(self, run: Path) -> dict[tuple, list[float]]:
        """lp_true, lp_new of every prompt, by fact, kind of condition and prompt."""
        with h5py.File(run / "study.h5") as file:
            kinds = file["conditions/kind"].asstr()[:]
            columns = [file[f"metrics/{name}"][:] for name in ("fact", "condition", "prompt", "lp_true", "lp_new", "kl")]
        return {(int(fact), kinds[condition], int(prompt)): numbers for fact, condition, prompt, *numbers in zip(*columns)}

    def expect_scores(self, run: Path, tolerance: float, without: tuple[str, ...] = ()) -> None:
        ours, theirs = self.scores(self.made), self.scores(run)
        self.assertEqual(ours.keys(), theirs.keys())
        for place, numbers in ours.items():
            if place[1] not in without:
                numpy.testing.assert_allclose(theirs[place], numbers, rtol=tolerance, atol=tolerance, err_msg=str(place))

    def test_adapters_are_the_edits(self):
        """The same bits as the study that made them, on any number of ranks."""
        study, digests = self.of("adapters/{case_id}"), set()
        for ranks in (0, 3):
            run = self.folder / f"adapters-{ranks}"
            self.expect(self.sweep(study, run, ranks=ranks))
            self.expect_scores(run, 0)
            with h5py.File(run / "study.h5") as file:
                self.assertEqual(file.attrs["status"], "COMPLETE")
                self.assertEqual(set(file["edits/set"].asstr()), {"imported"})
                self.assertEqual(set(file["edits/layer"][:]), {1})
                digests.add(file.attrs["results_sha256"])
                imported = file["edits/object"].asstr()[0]
        self.assertEqual(len(digests), 1)
        self.assertIn("imported", self.expect(self.start(PROGRAM, "report", run)).stdout)
        refused = self.start(PROGRAM, "report", run, "--held-back")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("the study holds none back (mask.validation_share)", " ".join(refused.stderr.split()))
        self.expect(self.export(self.folder / "again", imported, "--adapter", objects=run / "objects"))
        first, again = (folder / "adapter_model.safetensors" for folder in (self.world / "adapters" / str(self.case_ids[0]), self.folder / "again"))
        self.assertEqual(first.read_bytes(), again.read_bytes())

    def test_matrices_as_factors(self):
        """W' of every fact becomes factors of rank 1 again; masks are trained over them."""
        for case_id in self.case_ids:
            out = self.world / "checkpoints" / str(case_id)
            self.expect(self.export(out, self.edits[case_id]))
        run = self.folder / "checkpoints"
        self.expect(self.sweep(self.of("checkpoints/{case_id}", "  rank: 1\n"), run))
        self.expect_scores(run, 1e-4, without=("mask", "random", "delta_magnitude", "original_masked", "magnitude"))
        with h5py.File(run / "study.h5") as file, h5py.File(self.made / "study.h5") as made:
            self.assertLess(max(file["edits/loss"][:]), 1e-5)  # what the factors leave out
            zeros = [dict(zip(f["conditions/kind"].asstr(), f["conditions/zeros"][:]))["mask"] for f in (file, made)]
            self.assertAlmostEqual(zeros[0], zeros[1], delta=0.01)
            self.assertGreater(zeros[1], 0.01)

    def test_one_model_for_all_facts(self):
        """As a checkpoint, as W' with its W, as the change, and as an adapter: one edited model, and one change."""
        everything = [self.edits[case_id] for case_id in self.case_ids]
        self.expect(self.export(self.world / "all", *everything))
        self.expect(self.export(self.world / "all.lora", *everything, "--adapter"))
        before, after = weights()[MODEL_TENSOR], read_safetensors(self.world / "all" / "model.safetensors")[MODEL_TENSOR]
        pair = {MODEL_TENSOR: after, f"{MODEL_TENSOR}.original": before}
        (self.world / "pair.safetensors").write_bytes(safetensors(pair))
        (self.world / "delta.safetensors").write_bytes(safetensors({f"{MODEL_TENSOR}.delta": after - before}))
        digests, scores = set(), []
        (self.world / "text.txt").write_text("Some words about this and that. " * 20)
        text = ["--set", "perplexity.text=text.txt", "--objects", self.folder / "one-objects"]
        for files in ("all", "pair.safetensors", "delta.safetensors", "all.lora"):
            run = self.folder / f"one-{files}"
            self.expect(self.sweep(self.of(files), run, *text))
            scores.append(self.scores(run))
            if files != "all.lora":
                with h5py.File(run / "study.h5") as file:
                    digests.add(file.attrs["results_sha256"])
        self.assertEqual(len(digests), 1)
        for place, numbers in scores[0].items():
            if place[1] in ("original", "edited"):
                numpy.testing.assert_allclose(scores[3][place], numbers, rtol=1e-4, atol=1e-4)
        self.assertIn("edited", {place[1] for place in scores[0]})
        with h5py.File(run / "study.h5") as file:
            models = set(zip(file["perplexity/condition"].asstr(), file["perplexity/split"].asstr()))
        self.assertLessEqual({("original (imported)", "all"), *(("edited (imported)", s) for s in ("train", "heldout", "ood"))}, models)

    def test_facts_without_an_edit(self):
        """They count as edits that failed; what is named has to be there."""
        some = {case_id: f"adapters/{case_id}" for case_id in self.case_ids[:-2]} | {987654: "adapters/elsewhere"}
        (self.world / "index.json").write_text(json.dumps(some))
        run = self.folder / "some"
        result = self.expect(self.sweep(self.of("index.json"), run))
        self.assertIn("no edit of 2 of the 6 facts", result.stderr)
        examined = self.start(PROGRAM, "doctor", self.of("index.json"), "--json").stdout
        (finding,) = [f for section in json.loads(examined)["sections"] for f in section["findings"] if f["subject"] == "edits"]
        self.assertEqual(finding["verdict"], "warning")
        self.assertIn("have a finished edit", finding["text"])
        with h5py.File(run / "study.h5") as file:
            self.assertEqual([bool(text) for text in file["edits/failure"].asstr()], 4 * [False] + 2 * [True])
            self.assertEqual(file.attrs["status"], "COMPLETE")
        kinds = {place[1] for place in self.scores(run) if place[0] >= 4}
        self.assertEqual(kinds, {"original", "original_masked"})
        some[self.case_ids[0]] = "adapters/nowhere"
        self.assertIn(f"'{self.world}/adapters/nowhere' for the fact with case_id {self.case_ids[0]}", self.refused(some))
        self.assertIn("has no edit of any of its 6 facts", self.refused("nothing/{case_id}"))
        held_out = {case_id: f"adapters/{case_id}" for case_id in self.case_ids[2:]}
        self.assertIn("split 'train', but edit.files has no edit", self.refused(held_out))

    def test_one_model_without_some_facts(self):
        """The first training fact and the held-out ones are not in it: they count neither for masks nor for the text."""
        inside = [self.case_ids[1], *self.case_ids[4:]]
        self.expect(self.export(self.world / "inside", *(self.edits[case_id] for case_id in inside)))
        (self.world / "text.txt").write_text("Some words about this and that. " * 20)
        run = self.folder / "inside"
        self.expect(self.sweep(self.of({case_id: "inside" for case_id in inside}), run, "--set", "perplexity.text=text.txt"))
        with h5py.File(run / "study.h5") as file:
            self.assertEqual(file.attrs["status"], "COMPLETE")
            models = set(zip(file["perplexity/condition"].asstr(), file["perplexity/split"].asstr()))
        self.assertEqual({split for condition, split in models if condition.startswith("edited")}, {"train", "ood"})
        kinds = {fact: {place[1] for place in self.scores(run) if place[0] == fact} for fact in range(6)}
        self.assertEqual(kinds[0], {"original", "original_masked"})
        self.assertLessEqual({"edited", "mask", "delta_magnitude"}, kinds[1])

    def test_models_of_some_facts(self):
        """Changes of several layers, each for one fact: a mask sees all of the models. Facts without an edit have no model."""
        change = numpy.float32(0.01) * numpy.random.default_rng(1).standard_normal((4 * HIDDEN, HIDDEN)).astype(numpy.float32)
        folder = self.world / "layers"
        folder.mkdir()
        for case_id in self.case_ids:
            two = {f"transformer.h.{layer}.mlp.c_proj.weight.delta": change * (1 + case_id) for layer in (0, 2)}
            (folder / f"{case_id}.safetensors").write_bytes(safetensors(two))
        masked = self.folder / "masked layers"
        self.expect(self.start(PROGRAM, "sweep", self.of("layers/{case_id}.safetensors"), "--out", masked, "--limit", 2))
        self.assertIn((0, "mask", 0), self.scores(masked))
        (folder / f"{self.case_ids[0]}.safetensors").unlink()
        run = self.folder / "layers"
        study = self.of("layers/{case_id}.safetensors", masked=False)
        self.expect(self.start(PROGRAM, "sweep", study, "--out", run, "--limit", 2))
        scores = self.scores(run)
        self.assertNotIn((0, "edited", 0), scores)
        self.assertNotEqual(list(scores[1, "edited", 0]), list(scores[1, "original", 0]))

    def test_refusals(self):
        first = self.case_ids[0]
        own = self.world / "adapters" / str(first)

        def changed(name: str, value: object) -> str:
            folder = self.world / f"bad-{name}"
            shutil.copytree(own, folder, dirs_exist_ok=True)
            config = json.loads((own / "adapter_config.json").read_text()) | {name: value}
            (folder / "adapter_config.json").write_text(json.dumps(config))
            return folder.name

        for name, value in [("use_dora", True), ("bias", "all"), ("modules_to_save", ["lm_head"]), ("peft_type", "IA3")]:
            with self.subTest(name):
                self.assertIn(f"'{name}'", self.refused({first: changed(name, value)}))
        tensors = {f"{MODEL_TENSOR}": numpy.full((4 * HIDDEN, HIDDEN), numpy.nan, numpy.float32)}
        (self.world / "nan.safetensors").write_bytes(safetensors(tensors))
        self.assertIn("not finite", self.refused("nan.safetensors", commands=("plan", "sweep")))
        attention = "transformer.h.1.attn.c_proj.weight"
        (self.world / "attention.safetensors").write_bytes(safetensors({attention: weights()[attention] + 1}))
        self.assertIn(attention, self.refused("attention.safetensors"))
        (self.world / "shape.safetensors").write_bytes(safetensors({MODEL_TENSOR: numpy.ones((3, 2), numpy.float32)}))
        self.assertIn("another model", self.refused("shape.safetensors"))
        self.assertIn("edit.v_lr", self.refused("adapters/{case_id}", more="  v_lr: 3\n"))
        self.assertIn("'edit.hparams' is given together with 'files'", self.refused("adapters/{case_id}", more="  hparams: hparams.yaml\n"))
        self.assertIn("mask.layers", self.refused("adapters/{case_id}", "--set", "mask.layers=[0]"))
        self.assertIn("'{caseid}'", self.refused("adapters/{split}/{caseid}"))
        tuned = self.start(PROGRAM, "tune", self.of("adapters/{case_id}"), "--method", "rome", "--out", self.folder / "tuned")
        self.assertEqual(tuned.returncode, 2, tuned.stderr)
        self.assertIn("have no settings to tune", tuned.stderr)

    def test_adapters_that_are_refused(self):
        edit, out = self.edits[self.case_ids[0]], self.folder / "adapter"
        with h5py.File(self.made / "study.h5") as file:
            mask = file["masks/0"].attrs["object"]
        for words, part in [
            ((edit, "--adapter", "--mask", mask, "--threshold", "0.5"), "mask cannot be written as an adapter"),
            ((edit, "--rank", "2"), "add --adapter"),
            ((edit, "--adapter", "--rank", "0"), "--rank"),
            ((edit, "--adapter", "--dtype", "int8"), "'int8'"),
        ]:
            result = self.export(out, *words)
            self.assertEqual(result.returncode, 2, result.stderr)
            self.assertIn(part, result.stderr)
        self.assertFalse(out.exists())
        inside = self.export(self.world / "model" / "adapter", edit, "--adapter")
        self.assertIn("lies inside it", inside.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
