#!/usr/bin/env python3
"""The whole program on pretend accelerators (tests/support/pretend_device.hpp), of which every rank has one."""

import json
import os
import random
import subprocess
import sys
import unittest
from collections.abc import Sequence

from batch_edit_test import HPARAMS as MEMIT
from pretend_runs import PretendTest, on_devices, options_of
from runs import MPIRUN, PROGRAM

ENOUGH_FOR_SOME = 4_000_000  # bytes: some facts at once, but not all


class PretendDevices(PretendTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        world = cls.study.parent
        cls.model = world / "model"
        choice = random.Random(5)
        words = ["".join(choice.choices("abcdefghijklmnopqrstuvwxyz", k=choice.randint(1, 8))) for _ in range(900)]
        cls.corpus = world / "corpus.txt"
        cls.corpus.write_text("\n\n".join(" ".join(words[first : first + 15]) for first in range(0, 900, 15)))
        (world / "memit.yaml").write_text(MEMIT)
        text = cls.study.read_text().replace("hparams: hparams.yaml", "hparams: memit.yaml").replace("0..2", "0")
        cls.edit_study = world / "edits.yaml"  # without masks
        cls.edit_study.write_text("mask: none\n".join([cls.study.read_text().split("mask:")[0], "evaluation: {neighborhood: true}\n"]))
        cls.batch_study = world / "batch.yaml"
        cls.batch_study.write_text(text + "moments: {text: corpus.txt, tokens: 2000}\nperplexity: {text: corpus.txt, tokens: 500}\n")

    def said_by(self, *words: object, ranks: int = 0) -> subprocess.CompletedProcess:
        variables = on_devices()
        launcher: Sequence[object] = [MPIRUN, *options_of(variables), "-n", ranks, "--oversubscribe", "--bind-to", "none"] if ranks else []
        command = list(map(str, [*launcher, PROGRAM, *words]))
        environment = os.environ | ({} if ranks else variables)
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
        self.assertEqual(result.returncode, 0, result.stderr + result.stdout)
        return result

    def test_a_study_on_a_device_for_each_rank(self):
        # Kinds of tasks: edits, masks by a group of two ranks, scores, texts.
        words = ["--set", "mask.ranks=2", "--set", f"perplexity.text={self.corpus}"]
        there, _ = self.run_on("pretend", 2, "study", *words)
        here, _ = self.run_on("cpu", 2, "study", *words)
        self.expect_same_numbers(there.results(), here.results())

    def test_facts_of_one_model(self):
        there, _ = self.run_on("pretend", 2, "batch", study=self.batch_study)
        here, _ = self.run_on("cpu", 1, "batch", study=self.batch_study)
        self.expect_same_numbers(there.results(), here.results())

    def test_predict(self):
        words = ["predict", "--model", self.model, "--top", 5, "--json", "Alma Ott is in"]
        there = self.said_by(*words, "--device", "pretend:1").stdout
        self.assertEqual(there, self.said_by(*words, "--device", "cpu").stdout)
        self.assertEqual(len(json.loads(there)["predictions"]), 5)

    def test_stats(self):
        said = []
        for device, ranks in [("pretend", 2), ("cpu", 0)]:
            words = ["--objects", self.folder / f"moments of {device}", "--text", self.corpus, "--layers", "0-1", "--json"]
            rows = self.said_by("stats", "--model", self.model, "--device", device, *words, ranks=ranks).stdout.splitlines()
            said.append([{key: value for key, value in json.loads(row).items() if key != "object"} for row in rows])
        self.assertEqual([row["layer"] for row in said[0]], [0, 1])
        self.assertEqual(said[0], said[1])

    def test_doctor(self):
        report = json.loads(self.said_by("doctor", self.study, "--set", "model.device=pretend", "--json", ranks=2).stdout)
        findings = {(s["title"].split()[0], f["subject"]): f for s in report["sections"] for f in s["findings"]}
        self.assertEqual(findings["devices", "sums"]["verdict"], "ok")
        self.assertNotIn("problem", {finding["verdict"] for finding in findings.values()})


    def test_edits_are_halved_where_memory_is_short(self):
        words = ["--set", "edit.batch=22", "--set", "evaluation.batch=1"]
        run, said = self.run_on("pretend", 1, "little memory", *words, study=self.edit_study, memory=ENOUGH_FOR_SOME)
        self.assertRegex(said, "too little memory to edit 22 facts at once")
        self.assertEqual(run.results().attributes["status"], "COMPLETE")

    def test_scores_and_masks_say_which_setting_to_lower(self):
        masks = ["--sweep", "mask.seed=0", "--set", "mask.epochs=1", "--set", "mask.batch=34", "--set", "evaluation.batch=1"]
        for setting, study, memory, words in [("evaluation.batch", self.edit_study, ENOUGH_FOR_SOME, []),
                                              ("mask.micro_batch", self.study, 2_700_000, masks)]:  # fmt: skip
            for value, code in [(34, 3), (2, 0)]:
                words = [*words, "--set", "edit.batch=1", "--set", f"{setting}={value}"]
                _, said = self.run_on("pretend", 1, f"{setting} of {value}", *words, study=study, memory=memory, code=code)
                self.assertEqual(f"too little memory for this task. Set {setting} to a smaller number" in said, code == 3, said)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
