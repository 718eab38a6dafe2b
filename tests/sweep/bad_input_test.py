#!/usr/bin/env python3
"""Bad input, and a machine that fails: one sentence, the right exit code, no rank that waits, nothing half-written believed."""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from runs import Run, Start, WorldTest
from tiny_world import make_world, with_header

AT_ONCE = 3  # starts of the program; most of each is waiting for the ranks to find each other


def sentence_of(said: str) -> str:
    """The program's only complaint, without the log's date and rank."""
    complaints = [line for line in said.splitlines() if line.startswith("onemask: ") or " error: " in line]
    if len(complaints) != 1:
        raise AssertionError(f"{len(complaints)} complaints instead of one:\n{said}")
    return complaints[0].removeprefix("onemask: ").rpartition(" error: ")[2]


class BadInput(WorldTest):
    def expect_refusals(self, cases: list[tuple]) -> None:
        """Cases: a name, words for the command line, parts of the sentence, and what spoils a world of the case's own."""

        def end_of(case: tuple) -> tuple[int, str, Path]:
            name, words, _, *spoil = case
            study = self.study
            if spoil:
                study = make_world(self.folder / name)
                spoil[0](study.parent)
            run = self.folder / (name + ".run")
            start = Start(2, "sweep", study, "--out", run, *words)
            return start.finish(120), start.said(), run

        with ThreadPoolExecutor(AT_ONCE) as pool:
            for (name, _, parts, *_), (code, said, run) in zip(cases, pool.map(end_of, cases)):
                with self.subTest(name):
                    self.assertEqual(code, 2, said)
                    sentence = sentence_of(said)
                    self.assertRegex(sentence, r"^[^\n]*[.?]$")
                    for part in parts:
                        self.assertIn(part, sentence)
                    self.assertEqual(list(run.rglob("*.h5")), [])

    def test_studies(self):
        def append(text: str):
            return lambda world: (world / "study.yaml").write_text((world / "study.yaml").read_text() + text)

        def hparams(old: str, new: str):
            return lambda world: (world / "hparams.yaml").write_text((world / "hparams.yaml").read_text().replace(old, new))

        self.expect_refusals([
            ("unknown section", [], ["study.yaml", "'evalution'", "Did you mean 'evaluation'?"], append("evalution: {batch: 3}\n")),
            ("no YAML", [], ["study.yaml", "YAML"], append("mask: [\n")),
            ("unknown hparam", [], ["hparams.yaml", "'v_lrr'", "Did you mean 'v_lr'?"], hparams("v_lr:", "v_lrr:")),
            ("hparam of a wrong type", [], ["hparams.yaml", "'v_lr'"], hparams("v_lr: 1.0", "v_lr: fast")),
            ("unknown key", ["--set", "mask.epoch=3"], ["'mask.epoch'", "Did you mean 'epochs'?"]),
            ("wrong type", ["--set", "mask.epochs=many"], ["'mask.epochs'"]),
            ("no mapping", ["--set", "mask=3"], ["'mask'"]),
            ("layer", ["--set", "edit.layer=3"], ["layer 3", "0 to 2"]),
            ("ranks per mask", ["--set", "mask.ranks=3"], ["3 ranks per mask", "2 ranks"]),
            ("long templates", ["--set", "edit.context_template_length_params=[[500, 1]]"], ["500", "96 positions"]),
            ("sweep of the model", ["--sweep", "model.threads=1,2"], ["'model.threads'"]),
            ("sweep of ranks", ["--sweep", "mask.ranks=1,2"], ["'mask.ranks'"]),
            ("sweep of nothing", ["--set", "sweep=[1, 2]"], ["'sweep'"]),
            ("the same twice", ["--sweep", "mask.seed=1,1"], ["'mask.seed'", "different"]),
            ("no value", ["--set", "mask.epochs"], ["--set", "key=value"]),
            ("unknown option", ["--threads", "2"], ["'--threads'"]),
            ("no threads", ["--set", "model.threads=0"], ["threads", "at least 1"]),
            ("too many threads", ["--set", "model.threads=1000000"], ["threads", "1000000"]),
            ("unknown type", ["--dtype", "float99"], ["'float99'", "bfloat16"]),
        ])  # fmt: skip

    def test_files(self):
        def cut(name: str, keep: float):
            def spoil(world: Path) -> None:
                content = (world / name).read_bytes()
                (world / name).write_bytes(content[: int(len(content) * keep)])

            return spoil

        def overlap(world: Path) -> None:
            file = world / "model" / "model.safetensors"
            content = file.read_bytes()
            (length,) = struct.unpack("<Q", content[:8])
            header = json.loads(content[8 : 8 + length])
            first, second, *_ = (name for name in header if name.endswith("ln_1.weight"))
            header[second]["data_offsets"] = header[first]["data_offsets"]
            file.write_bytes(with_header(header, content[8 + length :]))

        def third_record(change):
            def spoil(world: Path) -> None:
                records = json.loads((world / "train.json").read_text())
                change(records[3]["requested_rewrite"])
                (world / "train.json").write_text(json.dumps(records))

            return spoil

        def many_tokens(world: Path) -> None:
            file = world / "model" / "tokenizer.json"
            content = json.loads(file.read_text())
            content["model"]["vocab"] |= {letter: 1000 + i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}
            file.write_text(json.dumps(content))

        self.expect_refusals([
            ("cut weights", [], ["model.safetensors"], cut("model/model.safetensors", 0.5)),
            ("cut header", [], ["model.safetensors"], cut("model/model.safetensors", 0.001)),
            ("overlapping tensors", [], ["model.safetensors"], overlap),
            ("cut tokenizer", [], ["tokenizer.json"], cut("model/tokenizer.json", 0.5)),
            ("tokens that the model lacks", [], ["tokenizer", "257 tokens"], many_tokens),
            ("cut facts", [], ["heldout.json"], cut("heldout.json", 0.7)),
            ("no subject", [], ["train.json", "record 3", "case_id 3", "{}"], third_record(lambda r: r.update(prompt="He lives in"))),
            ("blank target", [], ["train.json", "record 3", "target_new"], third_record(lambda r: r["target_new"].update(str="  "))),
            ("no target", [], ["train.json", "record 3", "target_true"], third_record(lambda r: r.pop("target_true"))),
            ("long subject", [], ["case_id 3", "96 positions"], third_record(lambda r: r.update(subject="long " * 30))),
            ("unknown relation", ["--set", "facts.train.relations=[P11]"], ["'P11'", "train"]),
            ("no facts", ["--set", "facts.ood.files=absent.json"], ["absent.json"]),
            ("no model", ["--set", "model.checkpoint=absent"], ["absent"]),
            ("no hparams", ["--set", "edit.hparams=absent.yaml"], ["absent.yaml"]),
        ])  # fmt: skip


class OneFolder(WorldTest):
    def test_another_study_in_the_same_folder(self):
        run = Run(self.study, self.folder / "run")
        self.expect_ends(run.start(2), 0)
        before = (run.folder / "study.h5").read_bytes()
        sentence = sentence_of(self.expect_ends(run.start(2, "--set", "mask.epochs=5"), 2))
        self.assertIn("another study", sentence)
        self.assertIn("--out", sentence)
        self.assertEqual((run.folder / "study.h5").read_bytes(), before)

    def test_a_second_run_at_once(self):
        run = Run(self.study, self.folder / "busy", "--set", "mask.epochs=3000")
        first = run.start(2)
        self.wait_until(first, lambda: len(run.done("edit")) > 0, "editing")
        sentence = sentence_of(self.expect_ends(run.start(2), 2))
        self.assertIn("in use by another run", sentence)
        self.assertIn(f"host {socket.gethostname()}", sentence)
        self.assertIn(f"process {first.ranks()[0]}", sentence)
        self.assertIsNone(first.process.poll())
        first.signal(signal.SIGTERM)
        self.expect_ends(first, 75)

    def test_a_full_disk(self):
        folder = self.folder / "small"
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", folder], capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest("a small file system cannot be mounted here: that needs root")
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        run = Run(self.study, folder / "run")
        said = self.expect_ends(run.start(2), 1)
        sentence = sentence_of(said)
        self.assertIn(os.strerror(28), sentence)
        self.assertFalse((run.folder / "study.h5").exists())
        # With space again the same command finishes, to the bits of a run that always had it.
        subprocess.run(["mount", "-o", "remount,size=100m", folder], check=True)
        self.expect_ends(run.start(2), 0)
        roomy = Run(self.study, self.folder / "roomy")
        self.expect_ends(roomy.start(1), 0)
        self.expect_same_results(run.results(), roomy.results())


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
