#!/usr/bin/env python3
"""Many facts in one model: the same bits on every number of ranks and after a kill, for every method, and what is refused."""

import signal
import struct
import sys
import unittest

from runs import Results, Run, WorldTest
from tiny_world import MEMIT_HPARAMS, write_corpus


class BatchEdits(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        world = cls.study.parent
        write_corpus(world / "corpus.txt")
        (world / "memit.yaml").write_text(MEMIT_HPARAMS)
        study = cls.study.read_text().replace("hparams: hparams.yaml", "hparams: memit.yaml").replace("0..2", "0..1")
        cls.batch_study = world / "batch.yaml"
        cls.batch_study.write_text(study + "moments: {text: corpus.txt, tokens: 2000}\n")
        cls.edit_study = world / "edits.yaml"  # without masks
        cls.edit_study.write_text(cls.batch_study.read_text().split("mask:")[0] + "mask: none\nmoments: {text: corpus.txt}\n")

    def run_on(self, ranks: int, name: str, *words: object, study: str = "batch_study") -> Results:
        run = Run(getattr(self, study), self.folder / name, *words)
        said = self.expect_ends(run.start(ranks), 0, 120)
        self.assertNotIn("PARTIAL", said)
        return run.results()

    def test_the_same_bits_on_any_number_of_ranks(self):
        words = ["--set", "mask.layers=all"]
        one = self.run_on(1, "one", *words)
        self.assertEqual(one.values["masks/0"][0], (64, 128))  # the matrices of two layers below each other
        self.assertEqual(one.texts("edits/failure"), [""] * 34)
        self.assertEqual(len(set(one.texts("edits/object"))), 3)  # an edited model per split
        for ranks in (2, 3):
            self.expect_same_results(self.run_on(ranks, f"on {ranks}", *words), one)
        self.expect_same_results(self.run_on(3, "pair and one", *words, "--set", "mask.ranks=2"), one)

    def test_baselines_change_the_model_that_facts_share(self):
        words = ["--set", "edit.layers=[1]", "--set", "evaluation.cover=[both, delta, weight]", "--sweep", "mask.seed=0",
                 "--set", "evaluation.baselines=[{score: magnitude, scope: fact, fill: original, zeros: 0.2}, "
                 "{score: random, scope: fact}, {score: bottom_rank, k: 1..2}, {score: shrink, alpha: 0.5}]"]  # fmt: skip
        one = self.run_on(1, "baselines of one", *words)
        self.expect_same_results(self.run_on(2, "baselines of two", *words), one)
        self.assertEqual(set(one.texts("conditions/scope")), {"", "fact"})
        self.assertIn("cover weight (mask.seed=0)", one.texts("conditions/name"))

    def test_attention_is_exchanged_with_the_model_that_facts_share(self):
        words = ["--set", "edit.layers=[0, 1]", "--set", "mask.layers=all", "--sweep", "mask.seed=0", "--set",
                 "evaluation.patch=[edited+attention(original), original+attention(edited), edited+attention(mask) at last]"]  # fmt: skip
        one = self.run_on(1, "patched of one", *words)
        self.expect_same_results(self.run_on(2, "patched of two", *words), one)
        self.assertIn("edited+attention(mask) at last (mask.seed=0)", one.texts("conditions/name"))
        columns = [one.texts(f"summary/{name}") for name in ("condition", "split", "relation", "prompts", "metric")]
        means = struct.iter_unpack("<d", one.values["summary/mean"][2])
        kl = {row[0]: mean for *row, (mean,) in zip(*columns, means) if row[1:] == ["heldout", "all", "rewrite", "kl"]}
        self.assertEqual(len(set(kl.values())), len(kl))  # no two models are alike

    def test_every_method_in_one_study(self):
        words = ["--sweep", "edit.method=memit,emmet,alphaedit,memit-merge"]
        one = self.run_on(1, "methods on 1", *words, study="edit_study")
        self.assertEqual(set(one.texts("conditions/kind")), {"original", "edited", "dropped"})
        self.assertEqual(len(set(one.texts("edits/set"))), 4)
        self.assertEqual(len(set(one.texts("edits/object"))), 12)
        self.expect_same_results(self.run_on(3, "methods on 3", *words, study="edit_study"), one)
        for name, words in [("tuned", ["edit.method=ft-l", "edit.layers=[1]", "edit.num_steps=3"]),
                            ("adjusted", ["edit.hparams=hparams.yaml", "edit.mom2_adjustment=true"])]:  # fmt: skip
            words = [word for setting in words for word in ("--set", setting)]
            one = self.run_on(1, f"{name} on 1", *words, study="edit_study")
            self.expect_same_results(self.run_on(2, f"{name} on 2", *words, study="edit_study"), one)

    def test_batches_one_after_the_other(self):
        words = ["--set", "edit.facts_per_model=8", "--set", "edit.sequential=true"]
        one = self.run_on(1, "sequence on 1", *words)
        self.expect_same_results(self.run_on(3, "sequence on 3", *words), one)
        self.assertEqual(len(set(one.texts("edits/object"))), 5)  # three batches of the training facts, one of each other split

    def test_masks_over_several_edited_models(self):
        words = ["--set", "edit.facts_per_model=8", "--sweep", "mask.train_models=1,0", "--sweep", "mask.seed=0"]
        one = self.run_on(1, "models on 1", *words)
        self.expect_same_results(self.run_on(3, "models on 3", *words), one)
        self.assertEqual(len(set(one.texts("conditions/mask_key")) - {""}), 2)

    def test_masks_on_the_edits_of_other_methods(self):
        words = ["--set", "edit.layers=[1]", "--set", "evaluation.transfer=true", "--sweep", "edit.method=memit,rome", "--sweep", "mask.seed=0"]
        one = self.run_on(1, "transfer on 1", *words)
        self.expect_same_results(self.run_on(3, "transfer on 3", *words), one)
        self.assertIn("mask.seed=0 edit.method=rome on edit.method=memit", one.texts("conditions/name"))
        self.assertIn("trained on edit.method=memit", one.texts("conditions/settings"))

    def test_killed_while_values_are_searched_and_masks_trained(self):
        words = ["--set", "mask.epochs=60"]  # so that a checkpoint is seen
        undisturbed = self.run_on(2, "undisturbed", *words)
        run = Run(self.batch_study, self.folder / "killed", *words)
        start = run.start(2)
        self.wait_until(start, lambda: len(run.done("edit")) >= 2, "two values were found")
        start.signal(signal.SIGKILL)
        start.finish()
        found = set(run.done("edit"))
        start = run.start(3)
        self.wait_until(start, lambda: run.checkpoints(), "a mask had a checkpoint")
        start.signal(signal.SIGKILL)
        start.finish()
        self.expect_ends(run.start(1), 0, 120)
        self.expect_same_results(run.results(), undisturbed)
        self.assertEqual(len(run.done("edit")), len(set(run.done("edit"))))  # nothing was searched for twice
        self.assertLessEqual(found, set(run.done("edit")))
        self.expect_tidied(run)

    def expect_tidied(self, run: Run) -> None:
        """Checkpoints of second moments that a kill left go away, as all do whose objects are there."""
        moments = [key for key, (_, content) in run.objects().items() if b'"second_moment"' in content]
        self.assertEqual(len(moments), 2)
        for key in moments:
            (run.folder / "checkpoints" / f"{key}.safetensors").write_text("left")
        self.expect_ends(run.start(1), 0)
        self.assertEqual(run.checkpoints(), [])

    def expect_refused(self, name: str, sentence: str, *words: object) -> None:
        said = self.expect_ends(Run(self.batch_study, self.folder / name, *words).start(2), 2)
        self.assertRegex(said, sentence)

    def test_what_is_refused(self):
        self.expect_refused("few tokens", "50 tokens.* at least 128", "--set", "moments.tokens=50")
        self.expect_refused("no moments", "no section 'moments'", "--set", "moments={}")
        self.expect_refused("no corpus", "none.txt", "--set", "moments.text=none.txt")
        self.expect_refused("no such models", r"to\s+at\s+most\s+3", "--set", "edit.facts_per_model=8", "--set", "mask.train_models=4")
        self.expect_refused("no such layer", "layer 7", "--set", "edit.layers=[1, 7]")
        self.expect_refused("no null space", "nullspace_threshold", "--set", "edit.method=alphaedit", "--set", "edit.nullspace_threshold=1e-12")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
