#!/usr/bin/env python3
"""Numbers of two kinds of devices are not mixed: the CPU, and the pretend accelerator (tests/support/pretend_device.hpp)."""

import io
import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

import numpy

from provenance_test import maker_of
from runs import MPIRUN, PROGRAM, Run, WorldTest
from tiny_world import MEMIT_HPARAMS as MEMIT

PRETEND = {"LD_PRELOAD": os.environ["ONEMASK_PRETEND"]}
TF32 = {"TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"}  # by which LibTorch multiplies float32 matrices inexactly
CPU_WAY, PRETEND_WAY = (f"{device} float32 float32 threads 1" for device in ("cpu", "pretend"))


def options_of(variables: dict[str, str]) -> list[str]:
    return [word for name, value in variables.items() for word in ("-x", f"{name}={value}")]


def on(device: str, variables: dict[str, str] | None = None) -> list[str]:
    """Options of mpirun for ranks on this device."""
    return options_of((PRETEND if device == "pretend" else {}) | (variables or {}))


class TwoDevices(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        world = cls.study.parent
        cls.model = world / "model"
        cls.corpus = world / "corpus.txt"
        cls.corpus.write_text("".join(f"Paragraph {i * i} of a text.\nIt has {i} lines, or two.\n\n" for i in range(60)))
        (world / "memit.yaml").write_text(MEMIT)
        text = cls.study.read_text().replace("hparams: hparams.yaml", "hparams: memit.yaml").replace("0..2", "0")
        cls.batch_study = world / "batch.yaml"
        cls.batch_study.write_text(text.replace("epochs: 4", "epochs: 1") + "moments: {text: corpus.txt, tokens: 2000}\n")
        cls.small_study = world / "edits.yaml"  # without masks
        cls.small_study.write_text("mask: none\n".join([cls.study.read_text().split("mask:")[0], "evaluation: {batch: 8}\n"]))

    def said_by(self, *words: object, variables: dict[str, str] | None = None, code: int = 0) -> str:
        """Standard output, or the complaint."""
        environment = os.environ | (variables or {})
        result = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=120, check=False, env=environment)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result.stderr if code else result.stdout

    def said_by_two(self, *words: object, first: dict[str, str], second: dict[str, str], code: int) -> str:
        """What two ranks say that are started with variables and words of their own."""
        command: list[object] = [MPIRUN, "--oversubscribe", "--bind-to", "none"]
        for rank, own in enumerate([first, second]):
            device = "pretend" if "LD_PRELOAD" in own else "cpu"
            command += [":"] * rank + ["-n", 1, *options_of(own), PROGRAM, *words, "--device", device]
        result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(result.returncode, code, result.stderr + result.stdout)
        return result.stderr

    def stats(self, objects: Path, device: str, *words: object, variables: dict[str, str] | None = None) -> list[dict]:
        variables = (PRETEND if device == "pretend" else {}) | (variables or {})
        words = ("stats", "--model", self.model, "--device", device, "--objects", objects, "--json", *words)
        return [json.loads(line) for line in self.said_by(*words, variables=variables).splitlines()]

    def test_a_run_stays_on_its_device(self):
        run = Run(self.small_study, self.folder / "run")
        self.expect_ends(run.start(1), 0)
        before, results = run.objects(), run.results().attributes
        there = ["--device", "pretend"]
        for words in [there, [*there, "--shard", "1/2"], ["--dtype", "bfloat16"]]:
            said = self.expect_ends(run.start(1, *words, options=on("pretend")), 2)
            way = PRETEND_WAY if words != ["--dtype", "bfloat16"] else CPU_WAY.replace("float32", "bfloat16", 1)
            self.assertIn(f"computes on '{CPU_WAY}', but this start would compute on '{way}'", said)
            self.assertRegex(said, "'--device cpu' where such a device is visible, or use another folder for --out")
        said = self.said_by("gather", self.small_study, "--out", run.folder, *there, variables=PRETEND, code=2)
        self.assertIn(f"computes on '{CPU_WAY}'", said)
        self.assertLessEqual(before.items(), run.objects().items())  # a refused start may have sampled context templates
        self.assertEqual(run.results().attributes, results)

    def test_ranks_of_two_machines_are_told(self):
        run = Run(self.study, self.folder / "two machines", "--sweep", "mask.seed=0", "--set", "mask.ranks=2", "--set", "mask.epochs=1")
        said = self.said_by_two(*run.words, first={}, second={"ATEN_CPU_CAPABILITY": "default"}, code=0)
        self.assertIn("The ranks run on 2 kinds of machines: LibTorch ", said)
        self.assertIn("come from several kinds of machines", " ".join(self.said_by("report", run.folder).split()))

    def test_shared_objects(self):
        objects = self.folder / "objects"

        def run_on(device: str, name: str) -> tuple[Run, set[Path]]:
            before = set(objects.glob("??/*"))
            run = Run(self.batch_study, self.folder / name, "--objects", objects)
            self.expect_ends(run.start(1, "--device", device, options=on(device)), 0)
            return run, set(objects.glob("??/*")) - before

        first, of_cpu = run_on("cpu", "first")
        before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in of_cpu}
        there, of_pretend = run_on("pretend", "there")
        again, of_none = run_on("cpu", "again")
        self.assertEqual({file: (file.stat().st_mtime_ns, file.read_bytes()) for file in of_cpu}, before)
        self.assertEqual(len(of_pretend), len(of_cpu), "all are made again, moments and values too")
        self.assertEqual(of_none, set())
        self.assertEqual({" on pretend of " in maker_of(file) for file in of_pretend}, {True})
        self.assertEqual({" on pretend of " in maker_of(file) for file in of_cpu}, {False})
        self.expect_same_results(again.results(), first.results())
        (made_by,) = there.results().texts("provenance/objects/made_by")
        self.assertIn(" on pretend of ", made_by)

    def test_moments_from_elsewhere(self):
        words, exported = ["--text", self.corpus, "--layers", "0"], self.folder / "exported"
        (computed,) = self.stats(self.folder / "computed", "pretend", *words, "--export", exported)
        self.assertNotEqual(computed["object"], self.stats(self.folder / "computed", "cpu", *words)[0]["object"])

        def imported_on(device: str, file: Path) -> tuple[str, str, bytes]:
            """Name of the object, what made it, all of its bytes."""
            store = self.folder / f"{file.name} on {device}"
            (row,) = self.stats(store, device, "--layers", "0", "--npz", f"0={file}")
            (object_file,) = store.glob("??/*")
            self.assertEqual(object_file.name, row["object"])
            return row["object"], maker_of(object_file), object_file.read_bytes()

        own = imported_on("cpu", exported / "moment-0.safetensors")
        self.assertEqual(imported_on("pretend", exported / "moment-0.safetensors"), own)
        self.assertIn(" on pretend of ", own[1])
        arrays, numbers = io.BytesIO(), numpy.eye(128, dtype=numpy.float32)
        numpy.savez(arrays, **{"mom2.count": 500, "mom2.mom2": numbers})
        (self.folder / "layer0.npz").write_bytes(arrays.getvalue())
        self.assertEqual(imported_on("pretend", self.folder / "layer0.npz")[1], "", "its maker is not known")

    def test_products_are_exact(self):
        words = ["predict", "--model", self.model, "--json", "Alma Ott is in", "--device"]
        self.assertEqual(self.said_by(*words, "pretend", variables=PRETEND | TF32), self.said_by(*words, "cpu"))
        words = ["--text", self.corpus, "--layers", "0-1"]
        traces = [[row["trace"] for row in self.stats(self.folder / f"exact {device}", device, *words, variables=TF32)] for device in ("cpu", "pretend")]  # fmt: skip
        self.assertEqual(*traces)

        def scores_on(device: str, *words: object) -> bytes:
            run = Run(self.small_study, self.folder / " ".join(["scores on", device, *map(str, words)]), "--device", device, *words)
            self.expect_ends(run.start(1, options=on(device, TF32)), 0)
            return run.results().values["metrics/lp_true"][2]

        exact = scores_on("cpu")
        self.assertEqual(scores_on("pretend"), exact)
        self.assertNotEqual(scores_on("pretend", "--set", "model.products=bfloat16"), exact, "the device has TF32")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
