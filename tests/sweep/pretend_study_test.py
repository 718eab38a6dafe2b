#!/usr/bin/env python3
"""One study of every method of editing, on pretend accelerators and on the CPU: the same bits on every number of ranks."""

import json
import random
import struct
import subprocess
import sys
import unittest

from pretend_runs import PretendTest
from runs import PROGRAM

# The names of methods, and of their algorithms in hparams files.
METHODS = {"rome": "ROME", "r-rome": "R-ROME", "memit": "MEMIT", "memit-merge": "MEMIT-merge", "emmet": "EMMET", "alphaedit": "AlphaEdit",
           "ft-l": "FT"}  # fmt: skip

HPARAMS = """\
alg_name: {algorithm}
layers: {layers}
fact_token: subject_last
v_num_grad_steps: 5
v_lr: 0.5
v_loss_layer: 2
v_weight_decay: 0.5
clamp_norm_factor: 2
kl_factor: {kl_factor}
mom2_adjustment: {adjustment}
mom2_update_weight: 0.5
nullspace_threshold: 0.01
num_steps: 3
lr: 0.01
weight_decay: 0.1
norm_constraint: 0.02
context_template_length_params: [[4, 2]]
"""

STUDY = """\
name: every method
model: {{checkpoint: model, device: cpu, threads: 1}}
facts:
  train: {{files: train.json, limit: 8}}
  heldout: {{files: heldout.json, limit: 3}}
  ood: {{files: ood.json, limit: 2}}
moments: {{text: corpus.txt, tokens: 1000}}
perplexity: {{text: corpus.txt, tokens: 300, segment: 48, stride: 24}}
edit:
  batch: 3
  facts_per_model: 4
  sequential: true
mask:
  layers: all
  epochs: 2
  batch: 4
  micro_batch: 2
  learning_rate: 0.2
  init_mean: 0.3
  init_deviation: 0.5
  validation_share: 0.25
evaluation: {{batch: 5, neighborhood: true, drop: true}}
sweep:
  edit.hparams: [{files}]
  mask.seed, mask.restoration, mask.temperature_schedule: [[0, 1], [margin, nll], [linear, cosine]]
  mask.threshold: [0.5, 0.6]
"""


class EveryMethod(PretendTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        world = cls.study.parent
        choice = random.Random(5)
        words = ["".join(choice.choices("abcdefghijklmnopqrstuvwxyz", k=choice.randint(1, 8))) for _ in range(600)]
        (world / "corpus.txt").write_text("\n\n".join(" ".join(words[first : first + 15]) for first in range(0, 600, 15)))
        facts = json.loads((world / "train.json").read_text())
        # They share a value where facts of one subject do.
        facts[1]["requested_rewrite"]["subject"] = facts[0]["requested_rewrite"]["subject"]
        (world / "train.json").write_text(json.dumps(facts))
        for method, algorithm in METHODS.items():
            layers = "[0, 1]" if method in ("memit", "memit-merge", "emmet", "alphaedit") else "[1]"
            adjustment = "false" if method == "rome" else "true"
            kl_factor = 0 if algorithm == "FT" else 0.0625  # fine-tuning has no such term
            (world / f"{method}.yaml").write_text(HPARAMS.format(algorithm=algorithm, layers=layers, adjustment=adjustment, kl_factor=kl_factor))
        cls.study.write_text(STUDY.format(files=", ".join(f"{method}.yaml" for method in METHODS)))

    def test_these_are_all_methods(self):
        keys = json.loads(subprocess.run([PROGRAM, "keys", "--json-schema"], capture_output=True, text=True, check=True).stdout)
        self.assertEqual(keys["properties"]["edit"]["anyOf"][1]["properties"]["method"]["enum"], list(METHODS))

    def test_the_same_bits_on_every_number_of_ranks(self):
        here, _ = self.run_on("cpu", 2, "on two")
        expected = here.results()
        self.expect_something_to_compare(expected)
        first = None
        for ranks, words in [(1, []), (2, ["--set", "mask.ranks=2"]), (3, ["--set", "mask.ranks=3"])]:
            with self.subTest(ranks=ranks):
                there, said = self.run_on("pretend", ranks, f"on {ranks}", *words, count=3)
                self.assertNotIn("too little memory", said)
                results = there.results()
                self.expect_same_numbers(results, expected)
                first = first or results
                self.expect_same_results(results, first)

    def expect_something_to_compare(self, results):
        self.assertEqual(len(set(results.texts("edits/set"))), len(METHODS))
        self.assertEqual(set(results.texts("edits/failure")), {""})
        self.assertEqual(set(results.texts("facts/split")), {"train", "validation", "heldout", "ood"})
        kinds = {"original", "edited", "mask", "original_masked", "random", "magnitude", "delta_magnitude", "dropped"}
        self.assertEqual(set(results.texts("conditions/kind")), kinds)
        masks = [value for name, value in results.values.items() if name.startswith("masks/")]
        self.assertEqual(len({bits for _, _, bits, _ in masks}), len(METHODS) * 2 * 2)
        for shape, _, bits, _ in masks:
            zeros = bits.count(0) / len(bits)
            self.assertTrue(0.02 < zeros < 0.98, (shape, zeros))
        nll = struct.unpack(f"<{results.values['perplexity/nll'][0][0]}d", results.values["perplexity/nll"][2])
        self.assertGreater(len(set(nll)), 10)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
