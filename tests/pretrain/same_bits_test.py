#!/usr/bin/env python3
"""A pre-training ends with the same bytes on any number of ranks, and after it was killed, stopped or damaged."""

import hashlib
import json
import shutil
import signal
import sys
import tempfile
import time
import unittest
from pathlib import Path

from runs import Start
from tiny_pretraining import LLAMA, make_pretraining

LONG = ["--set", "training.steps=120"]  # long enough to be hit


class Training:
    """The folder of a model, and starts of its training."""

    def __init__(self, study: Path, folder: Path, *words: str):
        self.folder = folder
        self.words = ["pretrain", study, "--out", folder, *words]

    def start(self, ranks: int, *words: str) -> Start:
        return Start(ranks, *self.words, *words)

    def sha256(self) -> str:
        return hashlib.sha256((self.folder / "model.safetensors").read_bytes()).hexdigest()

    def report(self) -> dict:
        return json.loads((self.folder / "training.json").read_text())

    def checkpoints(self) -> list[Path]:
        """The newest first."""
        return sorted(self.folder.glob("checkpoint-?"), key=lambda file: -file.stat().st_mtime_ns)


class SameBits(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="onemask-")))
        cls.study = make_pretraining(cls.folder / "corpus")
        cls.long = cls.train("long", 1, *LONG)
        cls.expected = cls.long.sha256()

    @classmethod
    def train(cls, name: str, ranks: int, *words: str) -> Training:
        training = Training(cls.study, cls.folder / name, *words)
        start = training.start(ranks)
        if start.finish() != 0:
            raise AssertionError(start.said())
        return training

    def expect_ends(self, start: Start, code: int) -> str:
        self.assertEqual(start.finish(), code, start.said())
        return start.said()

    def in_the_middle(self, training: Training, ranks: int) -> Start:
        """A start that has written both checkpoints and has more to do."""
        start = training.start(ranks)
        end = time.monotonic() + 120
        while len(training.checkpoints()) < 2 or not start.ranks():
            self.assertIsNone(start.process.poll(), start.said())
            self.assertLess(time.monotonic(), end, "the program wrote no checkpoints")
            time.sleep(0.002)
        return start

    def expect_complete(self, training: Training) -> None:
        self.assertEqual(training.sha256(), self.expected)
        same = ("study", "model_sha256", "parameters", "steps", "tokens", "recall", "perplexity")
        ours, undisturbed = training.report(), self.long.report()
        self.assertEqual({key: ours[key] for key in same}, {key: undisturbed[key] for key in same})
        self.assertEqual(training.checkpoints(), [])

    def test_on_one_two_and_three_ranks(self):
        for family, words in [("gpt2", []), ("llama", LLAMA)]:
            trainings = [self.train(f"{family} on {ranks}", ranks, *words) for ranks in (1, 2, 3)]
            reports = [training.report() for training in trainings]
            self.assertEqual([report.pop("ranks") for report in reports], [1, 2, 3])
            for training, report in zip(trainings, reports):
                del report["seconds"], report["tokens_per_second"]
                self.assertEqual(report, reports[0])
                self.assertEqual(report["model_sha256"], training.sha256())

    def test_it_learns(self):
        report = self.long.report()
        recall = {entry["kind"]: entry for entry in report["recall"]}
        counts = {kind: entry["n"] for kind, entry in recall.items()}
        self.assertEqual(counts, {"rewrite": 15, "paraphrase": 15, "held-out wording": 15})
        self.assertGreater(recall["rewrite"]["two_way"], 12)
        self.assertLess(report["perplexity"]["value"], 150)  # a model that knows nothing has 340
        self.assertEqual(report["steps"], 120)

    def test_killed(self):
        training = Training(self.study, self.folder / "killed", *LONG)
        start = self.in_the_middle(training, 2)
        start.signal(signal.SIGKILL, 1)
        self.assertNotEqual(start.finish(120), 0, "the program called a training done whose rank was killed")
        self.assertEqual(start.ranks(), [])
        self.assertFalse((training.folder / "training.json").exists())
        self.assertIn("continues after step", self.expect_ends(training.start(3), 0))
        self.expect_complete(training)

    def test_stopped_by_sigterm_with_the_newest_checkpoint_torn(self):
        training = Training(self.study, self.folder / "stopped", *LONG)
        start = self.in_the_middle(training, 1)
        start.signal(signal.SIGTERM)
        self.assertIn("Stopped by a signal", self.expect_ends(start, 75))
        self.assertFalse((training.folder / "training.json").exists())
        newest, older = training.checkpoints()
        content = newest.read_bytes()
        newest.write_bytes(content[: len(content) // 2])

        said = self.expect_ends(training.start(2), 0)
        self.assertRegex(said, rf"{newest.name} is damaged")
        self.assertNotRegex(said, rf"{older.name} is damaged")
        self.assertIn("continues after step", said)
        self.expect_complete(training)

    def test_no_checkpoint_is_whole(self):
        training = Training(self.study, self.folder / "damaged", *LONG)
        start = self.in_the_middle(training, 2)
        start.signal(signal.SIGTERM)
        self.expect_ends(start, 75)
        first, second = training.checkpoints()
        first.write_bytes(b"")
        content = bytearray(second.read_bytes())
        content[len(content) // 2] ^= 1
        second.write_bytes(content)
        self.assertNotIn("goes on", self.expect_ends(training.start(2), 0))
        self.expect_complete(training)

    def test_a_folder_of_another_study_is_refused(self):
        model = self.long.folder / "model.safetensors"
        before = model.stat().st_mtime_ns
        said = self.expect_ends(self.long.start(2, "--set", "training.adam_lr=0.001"), 2)
        self.assertIn("another study", said)
        tokenizer = (self.long.folder / "tokenizer.json").read_bytes()
        said = self.expect_ends(self.long.start(2, "--set", "tokenizer.vocabulary=300"), 2)
        self.assertIn("another study", said)
        self.assertEqual((self.long.folder / "tokenizer.json").read_bytes(), tokenizer)
        self.assertEqual(self.long.sha256(), self.expected)

        stopped = Training(self.study, self.folder / "other", *LONG)
        start = self.in_the_middle(stopped, 1)
        start.signal(signal.SIGTERM)
        self.expect_ends(start, 75)
        said = self.expect_ends(stopped.start(2, "--set", "seed=4"), 2)
        self.assertIn("it belongs to another study", said)
        self.assertEqual(len(stopped.checkpoints()), 2)

        (self.long.folder / "checkpoint-1").write_bytes(b"left by a kill")
        self.expect_ends(self.long.start(1), 0)  # a complete training only gives its report again
        self.assertEqual(model.stat().st_mtime_ns, before)
        self.assertEqual(self.long.checkpoints(), [])

    def test_a_model_from_elsewhere_is_left_alone(self):
        folder = self.folder / "elsewhere"
        folder.mkdir()
        for name in ("model.safetensors", "tokenizer.json"):
            (folder / name).write_bytes(b"of others")
        said = self.expect_ends(Training(self.study, folder, *LONG).start(2), 2)
        self.assertIn("holds a model that was not trained here", said)
        self.assertEqual({file.name: file.read_bytes() for file in folder.iterdir()},
                         {"model.safetensors": b"of others", "tokenizer.json": b"of others"})  # fmt: skip

    def test_other_questions_are_asked_without_training_again(self):
        training = Training(self.study, self.folder / "asked", *LONG)
        shutil.copytree(self.long.folder, training.folder)
        before = (training.folder / "model.safetensors").stat().st_mtime_ns
        key = next(iter({entry["set"] for entry in training.report()["recall"]}))
        self.expect_ends(training.start(2, "--set", f"recall.{key}.limit=1"), 0)
        fewer = {entry["kind"]: entry["n"] for entry in training.report()["recall"]}
        self.assertLess(fewer["rewrite"], 15)
        self.assertEqual((training.folder / "model.safetensors").stat().st_mtime_ns, before)
        self.expect_ends(training.start(1), 0)
        self.expect_complete(training)

    def test_a_lost_model_is_made_again(self):
        training = Training(self.study, self.folder / "lost", *LONG)
        shutil.copytree(self.long.folder, training.folder)
        content = (training.folder / "model.safetensors").read_bytes()
        (training.folder / "model.safetensors").write_bytes(content[:-1])
        self.expect_ends(training.start(2), 0)
        self.expect_complete(training)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
