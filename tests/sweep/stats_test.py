#!/usr/bin/env python3
"""onemask stats: second moments on any number of ranks, after a signal, and from files of numpy."""

import io
import json
import signal
import subprocess
import sys
import unittest
import zipfile
from pathlib import Path

import numpy

from runs import MPIRUN, PROGRAM, Start, WorldTest

INNER = 128  # of the tiny world's MLP


class Stats(WorldTest):
    def setUp(self) -> None:
        self.model = self.study.parent / "model"
        self.place = self.folder / self.id().rpartition(".")[2]
        self.place.mkdir()
        self.objects = self.place / "objects"

    def text(self, paragraphs: int) -> Path:
        file = self.place / "text.txt"
        file.write_text("".join(f"Paragraph {i * i} of a text.\nIt has {i} lines, or two.\n\n" for i in range(paragraphs)))
        return file

    def words(self, *words: object) -> list[str]:
        return ["stats", "--model", str(self.model), "--device", "cpu", "--objects", str(self.objects), *map(str, words)]

    def run_stats(self, *words: object, ranks: int = 0) -> subprocess.CompletedProcess:
        launcher = [MPIRUN, "-n", str(ranks), "--oversubscribe", "--bind-to", "none"] if ranks else []
        return subprocess.run([*launcher, PROGRAM, *self.words(*words)], capture_output=True, text=True, timeout=120, check=False)

    def rows(self, *words: object, ranks: int = 0) -> list[dict]:
        result = self.run_stats(*words, "--json", ranks=ranks)
        self.assertEqual(result.returncode, 0, result.stderr)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def refused(self, *words: object) -> str:
        result = self.run_stats(*words)
        self.assertEqual((result.returncode, result.stdout), (2, ""), result.stderr)
        complaints = [line for line in result.stderr.splitlines() if line.startswith("onemask: ")]
        self.assertEqual(len(complaints), 1, result.stderr)
        self.assertRegex(complaints[0], r"[.?]$")
        return complaints[0]

    def object_bytes(self) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in self.objects.glob("??/*") if len(file.name) == 64}


class Computing(Stats):
    def test_ranks_give_the_same_objects(self):
        text = self.text(2000)
        rows = self.rows("--text", text, "--layers", "0-1", "--tokens", 50000, ranks=2)
        self.assertEqual([(row["layer"], row["tokens"]) for row in rows], [(0, 50000), (1, 50000)])
        self.assertEqual({row["object"] for row in rows}, set(self.object_bytes()))
        self.assertEqual(len(rows[0]["convergence"]), 3)
        first, self.objects = self.object_bytes(), self.place / "again"
        self.rows("--text", text, "--layers", "0,1", "--tokens", 50000)
        self.assertEqual(self.object_bytes(), first)

    def test_table_and_announcement(self):
        text = self.text(300)
        result = self.run_stats("--text", text, "--layers", "1")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertRegex(result.stderr, r"second moments of layer 1: \d+ tokens in one pass, about .*FLOP .*memory a rank")
        header, line = result.stdout.splitlines()
        self.assertEqual((header.split()[0], line.split()[0]), ("layer", "1"))
        again = self.run_stats("--text", text, "--layers", "1")
        self.assertEqual(again.stdout, result.stdout)
        self.assertIn("1 of 1 layers are already in the store", again.stderr)

    def test_a_signal_loses_no_section(self):
        text = self.text(10000)
        words = ["--text", text, "--layers", "0-2", "--segment", "32"]
        start = Start(2, *self.words(*words))
        checkpoints = self.objects / "checkpoints"
        self.wait_until(start, lambda: list(checkpoints.glob("[!.]*.safetensors")), "it wrote a checkpoint", 60)
        start.signal(signal.SIGTERM)
        said = self.expect_ends(start, 75)
        self.assertIn("same command again", said)
        self.assertEqual(self.object_bytes(), {})
        result = self.run_stats(*words, ranks=2)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("continues after section", result.stderr)
        self.assertEqual(list(checkpoints.iterdir()), [])
        resumed, self.objects = self.object_bytes(), self.place / "whole"
        self.rows(*words, ranks=2)
        self.assertEqual(self.object_bytes(), resumed)

    def test_bad_words(self):
        text = self.text(10)
        for words, part in [
            (["--text", text, "--layers", "3"], "layers 0 to 2"),
            (["--text", text, "--layers", "2-1"], "'2-1'"),
            (["--text", text, "--layers", "1-"], "'1-'"),
            (["--text", text, "--layers", "0-999999999"], "--layers"),
            (["--text", text], "--layers is missing"),
            (["--layers", "1"], "none is named"),
            (["--text", text, "--ids", text, "--layers", "1"], "choose one"),
            (["--text", self.place / "absent.txt", "--layers", "1"], "absent.txt"),
            (["--text", text, "--layers", "1", "--tokens", "0"], "--tokens"),
            (["--text", text, "--layers", "1", "--tokens", "1000000"], "1000000"),
            (["--text", text, "--layers", "1", "--segment", "97"], "96 positions"),
            (["--npz", "file.npz", "--layers", "1"], "LAYER=FILE"),
            (["--npz", "2=file.npz", "--layers", "1"], "layer 2"),
            (["--npz", "1=a.npz", "1=b.npz", "--layers", "1"], "two files"),
            (["--npz", "1=absent.npz", "--layers", "1"], "absent.npz"),
        ]:
            with self.subTest(words=words):
                self.assertIn(part, self.refused(*words))


class Importing(Stats):
    """Files as numpy.savez writes them for layer_stats of ROME and MEMIT."""

    def setUp(self) -> None:
        super().setUp()
        keys = numpy.random.default_rng(1).standard_normal((500, INNER)).astype(numpy.float32)
        self.sum = keys.T @ keys
        self.file = self.place / "layer1.npz"

    def save(self, save=numpy.savez, **changes: object) -> Path:
        arrays = {"mom2.constructor": "util.runningstats.SecondMoment()", "mom2.count": 500, "mom2.mom2": self.sum} | changes
        save(self.file, **{name: value for name, value in arrays.items() if value is not None})
        return self.file

    def import_file(self, file: Path) -> dict:
        (row,) = self.rows("--npz", f"1={file}", "--layers", "1")
        return row

    def refused_file(self, file: Path) -> str:
        return self.refused("--npz", f"1={file}", "--layers", "1")

    def test_good_files(self):
        trace = numpy.trace(self.sum) / 500
        for arrays, save in [
            ({}, numpy.savez),
            ({}, numpy.savez_compressed),
            ({"mom2.mom2": self.sum.astype(numpy.float64)}, numpy.savez),
            ({"mom2.mom2": numpy.asfortranarray(self.sum)}, numpy.savez),
            ({"mom2.count": numpy.array([500.0])}, numpy.savez),
            ({"mom2.mom2": None, "mom2.count": None, "mom2": self.sum, "count": 500}, numpy.savez),
        ]:
            row = self.import_file(self.save(save, **arrays))
            self.assertEqual((row["tokens"], row["convergence"]), (500, []))
            self.assertAlmostEqual(row["trace"], trace, delta=1e-4 * trace)

    def test_the_matrix_is_the_mean(self):
        exported = self.place / "export"
        self.rows("--npz", f"1={self.save()}", "--layers", "1", "--export", exported)
        content = (exported / "moment-1.safetensors").read_bytes()
        matrix = numpy.frombuffer(content[-4 * INNER * INNER :], numpy.float32).reshape(INNER, INNER)
        numpy.testing.assert_allclose(matrix, self.sum / 500, rtol=1e-6)
        # An export is what --npz takes, too, for its own layer and model.
        row = self.import_file(exported / "moment-1.safetensors")
        self.assertEqual(row["tokens"], 500)
        self.assertIn("layer 1", self.refused("--npz", f"2={exported / 'moment-1.safetensors'}", "--layers", "2"))

    def test_wrong_contents(self):
        crooked = self.sum.copy()
        crooked[0, 1] += 1e6
        for changes, parts in [
            ({"mom2.mom2": self.sum[:64, :64]}, ["[64, 64]", f"[{INNER}, {INNER}]", "layer 1"]),
            ({"mom2.mom2": self.sum[0]}, [f"[{INNER}]"]),
            ({"mom2.mom2": self.sum.astype(object)}, ["pickled"]),
            ({"mom2.mom2": self.sum.astype(">f4")}, ["'>f4'"]),
            ({"mom2.mom2": self.sum.astype(numpy.float16)}, ["'<f2'"]),
            ({"mom2.mom2": numpy.full_like(self.sum, numpy.nan)}, ["not finite"]),
            ({"mom2.mom2": -self.sum}, ["negative diagonal"]),
            ({"mom2.mom2": crooked}, ["not symmetric"]),
            ({"mom2.mom2": None}, ["'mom2.mom2'", "mom2.count"]),
            ({"mom2.count": None}, ["'mom2.count'"]),
            ({"mom2.count": 0}, ["number of tokens"]),
            ({"mom2.count": numpy.array([1, 2])}, ["one number"]),
            ({"mom2.count": numpy.nan}, ["number of tokens"]),
        ]:
            with self.subTest(parts=parts):
                sentence = self.refused_file(self.save(**changes))
                for part in [*parts, "layer1.npz"]:
                    self.assertIn(part, sentence)

    def test_damaged_files(self):
        whole = self.save().read_bytes()
        damaged = bytearray(whole)
        damaged[len(whole) // 2] ^= 1  # a bit of a number: the archive's checksum tells
        array = io.BytesIO()
        numpy.save(array, self.sum)
        good = array.getvalue()
        contents = {
            "cut": whole[: len(whole) // 2],
            "bit": bytes(damaged),
            "empty": b"",
            "no zip": b"PK and nothing else",
        }
        headers = {
            "short": good[:100],
            "magic": b"?" + good[1:],
            "version": good[:6] + b"\x09" + good[7:],
            "long header": good[:8] + b"\xff\xff" + good[10:],
            "cut array": good[:-1],
            "longer array": good + b"\0",
            "shape": good.replace(b"(128, 128)", b"(128, 12x)"),
            "huge": good.replace(b"(128, 128)", b"(9999999999, 9999999999)"[:10]),
            "negative": good.replace(b"(128, 128)", b"(-128, 128"),
            "no shape": good.replace(b"'shape'", b"'shoop'"),
            "no bytes": b"",
        }
        for name, header in headers.items():
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                count = io.BytesIO()
                numpy.save(count, 500)
                archive.writestr("mom2.count.npy", count.getvalue())
                archive.writestr("mom2.mom2.npy", header)
            contents[name] = buffer.getvalue()
        for name, content in contents.items():
            with self.subTest(name):
                self.file.write_bytes(content)
                self.assertIn("layer1.npz", self.refused_file(self.file))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
