#!/usr/bin/env python3
"""Runs that are killed, stopped or damaged end with the bits of an undisturbed run, and repeat no finished work."""

import os
import shutil
import signal
import sys
import time
import unittest

from runs import Results, Run, Start, WorldTest, freeze, living, send
from undisturbed import SLOW, undisturbed

# Scores: of every fact under no mask, and under each.
FACTS, TRAINING_FACTS, MASKS, SCORES = 34, 22, 3, 34 * 4
TRIES = 20  # to catch a stage


class Faults(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.undisturbed = undisturbed("rome", cls.study, cls.folder, *SLOW)
        cls.expected = cls.undisturbed.results()

    def new_run(self, name: str) -> Run:
        return Run(self.study, self.folder / name, *SLOW)

    def copy_of_undisturbed(self, name: str) -> Run:
        shutil.copytree(self.undisturbed.folder, self.folder / name)
        return self.new_run(name)

    def in_the_middle(self, run: Run, stage: str):
        """Whether a stage of a run has done something and has more to do."""
        if stage == "edit":
            return lambda: 3 <= len(run.done("edit")) < FACTS - 5
        if stage == "checkpoint":
            masks = set(self.masks())
            return lambda: run.checkpoints() and masks.isdisjoint(file.name for file in run.object_files())
        if stage == "mask":
            return lambda: 0 < len(run.done("mask")) < MASKS
        return lambda: len(run.done("mask")) == MASKS and 2 < len(run.done("evaluation")) < SCORES

    def kill(self, run: Run, ranks: int, victim: int, stage: str, *words: object) -> None:
        before = self.folder / "before"
        for _ in range(TRIES):
            shutil.rmtree(before, ignore_errors=True)
            if run.folder.exists():
                shutil.copytree(run.folder, before)
            start = run.start(ranks, *words)
            if self.caught(start, self.in_the_middle(run, stage)):
                break
            self.expect_ends(start, 0)  # it has passed the stage unseen
            shutil.rmtree(run.folder)
            if before.exists():
                before.rename(run.folder)
        else:
            self.fail(f"{TRIES} starts went by without {stage}")
        processes = start.ranks()
        start.signal(signal.SIGKILL, victim)  # mpirun ends the others, which stand still
        self.assertNotEqual(start.finish(), 0, f"the program called a run done whose rank was killed: {start.said()}")
        end = time.monotonic() + 60
        while living(processes) and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(living(processes), [])
        self.assertFalse((run.folder / "study.h5").exists())

    def caught(self, start: Start, condition) -> bool:
        """Stops the ranks where the condition holds; whether they were caught there."""
        if not self.comes_to(start, condition):
            return False
        ranks = start.ranks()
        freeze(ranks)
        if condition() and len(start.ranks()) == start.count:
            return True
        send(ranks, signal.SIGCONT)
        return False

    def test_killed_in_every_stage(self):
        run = self.new_run("killed")
        self.kill(run, 2, 1, "edit")
        objects = run.objects()
        self.assertLess(len(objects), FACTS + 1)

        self.kill(run, 3, 0, "checkpoint", "--set", "mask.ranks=2")
        # Masks wait for the edits that they are trained on, not for the others.
        self.assertGreaterEqual(len(run.done("edit")), TRAINING_FACTS - 1)
        self.assertEqual(run.done("mask"), [])
        self.expect_kept(run, objects)
        objects = run.objects()

        self.kill(run, 2, 1, "mask")
        self.assertLess(len(run.done("mask")), MASKS)
        self.expect_kept(run, objects)
        objects = run.objects()

        self.kill(run, 2, 0, "evaluation")
        self.assertLess(len(run.done("evaluation")), SCORES)
        self.expect_kept(run, objects)
        objects = run.objects()

        self.expect_ends(run.start(1), 0)
        self.expect_same_results(run.results(), self.expected)
        self.expect_kept(run, objects)
        for kind, count in [("edit", FACTS), ("mask", MASKS), ("evaluation", SCORES)]:
            # A task whose rank died between the object and the journal is not in the journal, but is not done again either.
            self.assertEqual(len(set(run.done(kind))), len(run.done(kind)))
            self.assertGreaterEqual(len(run.done(kind)), count - 4)
        self.assertEqual(run.checkpoints(), [])

    def expect_kept(self, run: Run, objects: dict) -> None:
        """Objects that were there are the same files still."""
        now = run.objects()
        self.assertEqual({name: now.get(name) for name in objects}, objects)

    def test_stopped_by_sigterm_and_damaged_checkpoints(self):
        run = self.new_run("stopped")
        start = run.start(2)
        self.wait_until(start, self.in_the_middle(run, "edit"), "editing")
        start.signal(signal.SIGTERM)
        self.assertIn("A signal stopped", self.expect_ends(start, 75))
        edits = run.done("edit")
        self.assertLess(len(edits), FACTS)
        objects = run.objects()
        self.assertEqual(len(objects), len(edits) + 1)  # and the context templates

        start = run.start(2, "--set", "mask.ranks=1")
        self.wait_until(start, lambda: len(run.checkpoints()) == 2, "training on both ranks")
        start.signal(signal.SIGTERM)
        self.assertIn("A signal stopped", self.expect_ends(start, 75))
        self.expect_kept(run, objects)
        self.assertEqual(sorted(run.done("edit")), sorted(set(run.done("edit"))))
        self.assertGreaterEqual(len(run.done("edit")), TRAINING_FACTS)
        first, second = run.checkpoints()
        content = bytearray(first.read_bytes())
        content[len(content) // 2] ^= 1
        first.write_bytes(content)
        second.write_bytes(second.read_bytes()[:1000])

        said = self.expect_ends(run.start(3), 0)
        for file in (first, second):
            self.assertRegex(said, rf"{file.name} is damaged")
        self.expect_same_results(run.results(), self.expected)

    def test_training_goes_on_from_its_checkpoint(self):
        run = self.copy_of_undisturbed("checkpoint")
        self.remove(run, "mask")
        start = run.start(2, "--set", "mask.ranks=2")
        self.wait_until(start, self.in_the_middle(run, "checkpoint"), "training")
        start.process.send_signal(signal.SIGUSR1)  # which mpirun passes on
        self.expect_ends(start, 75)
        (kept,) = run.checkpoints()
        key = kept.name.removesuffix(".safetensors")
        self.expect_ends(run.start(1), 0)
        self.expect_same_results(run.results(), self.expected)
        self.assertIn(key, self.masks())
        self.assertEqual(run.checkpoints(), [])

    def test_what_killed_starts_left_is_removed(self):
        run = self.copy_of_undisturbed("untidy")
        self.remove(run, "evaluation")
        checkpoints = run.folder / "checkpoints"
        checkpoints.mkdir(exist_ok=True)
        spent, other = checkpoints / f"{self.masks()[0]}.safetensors", checkpoints / "mine.safetensors"
        old = [run.folder / ".study.h5.12ab.tmp", checkpoints / ".torn.safetensors.34cd.tmp"]
        new = run.folder / ".study.h5.56ef.tmp"  # may be another's that is at work
        for file in [spent, other, *old, new]:
            file.write_text("left")
        for file in old:
            os.utime(file, (time.time() - 4000,) * 2)
        self.expect_ends(run.start(2), 0)
        self.assertEqual([file.exists() for file in [spent, *old, other, new]], [False, False, False, True, True])

    def masks(self) -> list[str]:
        return sorted(set(self.expected.texts("conditions/mask_key")) - {""})

    def evaluations(self) -> list[str]:
        known = set(self.masks()) | set(self.expected.texts("edits/object"))
        return sorted(key for key in self.undisturbed.objects() if key not in known)  # and the context templates

    def remove(self, run: Run, kind: str) -> None:
        for key in self.masks() if kind == "mask" else self.evaluations():
            (run.folder / "objects" / key[:2] / key).unlink()

    def test_damaged_objects_and_journals(self):
        run = self.copy_of_undisturbed("damaged")
        victims = [self.expected.texts("edits/object")[5], self.masks()[1], *self.evaluations()]
        files = [run.folder / "objects" / key[:2] / key for key in victims[:4]]
        for file, keep in zip(files, [lambda b: b[:-1], lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:40] + b"\xff" + b[41:]]):
            file.write_bytes(keep(file.read_bytes()))
        (journal,) = (run.folder / "journal").glob("*.jsonl")
        journal.write_bytes(journal.read_bytes()[:-7])
        intact = {name: kept for name, kept in run.objects().items() if name not in victims[:4]}

        said = self.expect_ends(run.start(2), 0)
        for file in files:
            self.assertRegex(said, rf"{file.name}' is damaged and will be made again")
            self.assertTrue(file.with_name(file.name + ".damaged").exists())
        self.assertRegex(said, rf"Line \d+ of the journal '.*{journal.name}' is incomplete")
        self.expect_same_results(run.results(), self.expected)
        self.expect_kept(run, intact)
        stages = dict(zip(run.results().texts("provenance/stages/name"), self.done_before(run.results())))
        self.assertEqual((stages["edits"], stages["masks"]), (FACTS - 1, MASKS - 1))

    def done_before(self, results: Results) -> list[int]:
        shape, _, bits, _ = results.values["provenance/stages/done_before"]
        return [int.from_bytes(bits[8 * i : 8 * i + 8], "little") for i in range(shape[0])]


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
