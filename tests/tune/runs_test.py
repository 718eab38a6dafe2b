#!/usr/bin/env python3
"""Tunes on a tiny world: the same choice on any ranks and after a kill, and what is refused before any work."""

import json
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from runs import PROGRAM, Start, WorldTest
from tiny_world import records

PRODUCTS = ["hparams.yaml", "trials.csv", "trials.json", "layers.svg"]

# Without a section edit: the model has no hparams file.
MEMIT_STUDY = """\
name: bare
model:
  checkpoint: model
  device: cpu
facts:
  train: {files: train.json}
moments:
  text: text.txt
mask: none
perplexity:
  text: text.txt
  tokens: 200
"""


class Tunes(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        world = cls.study.parent
        (world / "probes.json").write_text(json.dumps(records(1000, 60, {"P1": "{} lives in", "P2": "The colour of {} is"})))
        (world / "text.txt").write_text("Alma Ott lives in a house. " * 40)
        (world / "bare.yaml").write_text(MEMIT_STUDY)
        cls.options = ["--probe", world / "probes.json", "--facts", 10]

    def words(self, folder: str, *words: object) -> list:
        return ["tune", self.study, "--method", "rome", *self.options, "--out", self.folder / folder, *words]

    def products(self, folder: str) -> dict[str, bytes]:
        return {name: (self.folder / folder / name).read_bytes() for name in PRODUCTS}

    def test_ranks_and_kills_change_nothing(self):
        self.expect_ends(Start(0, *self.words("one", "--budget", "54edits")), 0)
        killed = self.folder / "killed"
        start = Start(2, *self.words("killed", "--budget", "54edits"))
        self.wait_until(start, lambda: (killed / "rung-2/journal").exists(), "the second rung began")
        start.signal(signal.SIGKILL)
        start.finish()
        self.assertFalse((killed / "hparams.yaml").exists())
        found = {file: file.stat().st_mtime_ns for file in (killed / "objects").glob("??/*") if len(file.name) == 64}
        self.assertGreaterEqual(len(found), 24)
        self.expect_ends(Start(3, *self.words("killed", "--budget", "54edits", "--hparams", self.folder / "found.yaml")), 0)
        for file, written in found.items():
            self.assertEqual(file.stat().st_mtime_ns, written)
        self.assertEqual(self.products("killed"), self.products("one"))
        self.assertEqual((self.folder / "found.yaml").read_bytes(), self.products("one")["hparams.yaml"])
        self.expect_found(self.products("one"))

    def expect_found(self, products: dict[str, bytes]) -> None:
        trials = json.loads(products["trials.json"])["trials"]
        chosen = [trial for trial in trials if trial["chosen"]]
        last = [trial["score"] for trial in trials if trial["facts"] == 10 and trial["fits"]]
        self.assertEqual([trial["score"] for trial in chosen], [max(last)])
        self.assertEqual([trial["layers"] for trial in trials[:3]], ["[0]", "[1]", "[2]"])
        text = products["hparams.yaml"].decode()
        self.assertIn(f"layers: {chosen[0]['layers']}\n", text)
        self.assertIn("v_loss_layer: 2\n", text)  # of the study's own file
        self.assertIn("context_template_length_params: [[4, 2]]\n", text)

    def bare_words(self, method: str, *words: object) -> list:
        return ["tune", self.study.parent / "bare.yaml", "--method", method, *self.options, "--out", self.folder / method, "--max-drift", 1000,
                "--set", "edit.context_template_length_params=[[4, 1]]", "--set", "edit.v_num_grad_steps=3", *words]  # fmt: skip

    def test_a_model_without_hparams_file(self):
        self.expect_ends(Start(0, *self.bare_words("memit", "--budget", "54edits")), 0)
        folder = self.folder / "memit"
        ladder = json.loads((folder / "ladder.json").read_text())
        self.assertEqual((ladder["drift"], ladder["rungs"][-1]["kind"]), ("perplexity", "solves"))
        self.assertRegex((folder / "hparams.yaml").read_text(), r"mom2_update_weight: \d")
        # What was found is what a study reads.
        said = subprocess.run(
            [PROGRAM, "edit", self.study.parent / "bare.yaml", "--set", f"edit.hparams={folder / 'hparams.yaml'}", "--out",
             self.folder / "again", "--limit", "3"], capture_output=True, text=True)  # fmt: skip
        self.assertEqual(said.returncode, 0, said.stderr)

    def test_a_budget_of_time_becomes_a_ladder_once(self):
        self.expect_ends(Start(0, *self.bare_words("r-rome", "--budget", "10m")), 0)
        folder = self.folder / "r-rome"
        text = (folder / "ladder.json").read_text()
        ladder = json.loads(text)
        self.assertEqual((ladder["drift"], ladder["rate"]["ranks"]), ("kl", 1))
        self.assertIn(f"--budget {ladder['edits']}edits\n", (folder / "hparams.yaml").read_text())
        # More ranks would have another rate, but the ladder stays.
        products = self.products("r-rome")
        self.expect_ends(Start(2, *self.bare_words("r-rome", "--budget", "10m")), 0)
        self.assertEqual((self.products("r-rome"), (folder / "ladder.json").read_text()), (products, text))
        said = self.expect_ends(Start(0, *self.bare_words("r-rome", "--budget", "11m")), 2)
        self.assertRegex(said, "differs in the budget .--budget.: '10m', here '11m'")

    def test_it_begins_where_tracing_finds_facts(self):
        (self.study.parent / "traced.yaml").write_text(
            MEMIT_STUDY[: MEMIT_STUDY.index("moments:")] + "edit: none\ntracing: {split: train, facts: 3, samples: 1, seed: 3, kinds: [mlp], window: 1}\n"
        )  # the model is random and knows nothing: with most seeds no layer brings back anything that is clear
        traced = self.folder / "traced"
        self.expect_ends(Start(0, "sweep", self.study.parent / "traced.yaml", "--out", traced), 0)
        words = self.words("near", "--budget", "54edits")
        self.assertRegex(self.expect_ends(Start(0, *words, "--tracing", self.folder / "nothing"), 2), "--tracing .*nothing: There is no file")
        self.expect_ends(Start(0, *words, "--tracing", traced), 0)
        ladder = json.loads((self.folder / "near" / "ladder.json").read_text())
        rows = json.loads(subprocess.run([PROGRAM, "report", traced, "--tracing", "--json"], capture_output=True, check=True).stdout)
        last = {row["layer"]: row["mean"] for row in rows if row["place"] == "subject_last"}
        self.assertEqual(ladder["peak"], max(last, key=last.get))
        self.assertIn(f"--tracing {traced}", (self.folder / "near" / "hparams.yaml").read_text())
        self.assertRegex(self.expect_ends(Start(0, *words), 2), "differs in the peak of causal tracing .--tracing.: 'layer [0-2]', here 'none'")
        unclear = self.folder / "unclear"
        self.expect_ends(Start(0, "sweep", self.study.parent / "traced.yaml", "--out", unclear, "--set", "tracing.seed=1"), 0)
        self.assertRegex(self.expect_ends(Start(0, *words, "--tracing", unclear), 2), "--tracing .*unclear: .* names no layer to edit")
        study = self.folder / "near" / "rung-1"
        self.assertRegex(self.expect_ends(Start(0, *words, "--tracing", study), 2), f"--tracing {study}: The study traces no facts")

    def test_what_is_refused(self):
        world, run = self.study.parent, self.folder / "refused"
        (world / "no_facts.yaml").write_text("name: none\nmodel: {checkpoint: model}\nmask: none\n")
        (world / "exists.yaml").write_text("mine")

        def refused(sentence: str, *words: object, study: Path = self.study, method: str = "rome", facts: int = 10) -> None:
            start = Start(0, "tune", study, "--method", method, "--probe", world / "probes.json", "--facts", facts, "--out", run, *words)
            self.assertRegex(self.expect_ends(start, 2), sentence)
            self.assertFalse(run.exists())

        refused("A budget of 53 edits is too small: the smallest ladder takes 54", "--budget", "53edits")
        refused("--method is 'rom'; known are rome, .* Did you mean 'rome'", method="rom")
        refused("does not tune ft-l", "--set", "edit.num_steps=3", method="ft-l", study=world / "bare.yaml")
        refused("facts", study=world / "no_facts.yaml")
        refused("900 probe facts are wanted, but of the 60 facts", facts=900)
        refused("exists.yaml' .--hparams. exists already", "--hparams", world / "exists.yaml")
        refused("no section 'moments'", method="memit")
        refused("nowhere.h5: There is no file", "--tracing", world / "nowhere.h5")
        refused("--hparams. is a folder", "--hparams", world, "--overwrite")
        refused("edits in several ways", "--set", "sweep={edit.v_lr: [1, 2]}")
        refused("has no edits by memit .--method.: its sweep sets edit.method to others", "--set", "sweep={edit.method: [rome, r-rome]}",
                study=world / "bare.yaml", method="memit")  # fmt: skip
        # What the study says of masks decides nothing.
        small = "A budget of 1 edits is too small"
        refused(small, "--budget", "1edits", "--set", "mask.methods=[rome]", method="r-rome")
        refused(small, "--budget", "1edits", "--set", "mask={layers: [1]}", study=world / "bare.yaml", method="memit")

    def test_a_folder_has_one_tune(self):
        folder = self.folder / "first"
        folder.mkdir()
        (folder / "plan.json").write_text("{}")
        self.assertRegex(self.expect_ends(Start(0, *self.words("first")), 2), "holds the run of a study")
        (folder / "plan.json").unlink()
        (folder / "ladder.json").write_text("{")
        self.assertRegex(self.expect_ends(Start(0, *self.words("first")), 2), "ladder.json is not the ladder of a tune")
        (folder / "ladder.json").unlink()
        (folder / "hparams.yaml").write_text("mine")
        self.assertRegex(self.expect_ends(Start(0, *self.words("first")), 2), "has a file hparams.yaml that no tune")
        self.assertEqual((folder / "hparams.yaml").read_text(), "mine")
        # Nor does it score facts there.
        known = ["--set", "facts.train.known=two-way", "--budget", "54edits"]
        self.expect_ends(Start(0, *self.words("first", *known)), 2)
        (folder / "hparams.yaml").unlink()
        (folder / "probes.json").write_text("[]")
        self.assertRegex(self.expect_ends(Start(0, *self.words("first", *known)), 2), "has a file probes.json that no tune")
        self.assertFalse((folder / "objects").exists())

    def test_scores_of_facts_are_kept_and_obey_the_limit(self):
        run = self.folder / "scored"

        def refused(code: int, sentence: str, *words: object, ranks: int = 0, facts: int = 4) -> None:
            start = Start(ranks, "tune", self.study, "--method", "rome", "--probe", self.study.parent / "probes.json", "--facts", facts,
                          "--set", "facts.train.known=two-way", "--set", "facts.train.limit=3", "--out", run, *words)  # fmt: skip
            self.assertRegex(self.expect_ends(start, code), sentence)
            self.assertFalse((run / "probes.json").exists() or (run / "ladder.json").exists())

        refused(2, "A budget of 1 edits is too small", "--budget", "1edits")
        self.assertFalse(run.exists())
        refused(75, "are not all found yet", "--time-limit", "0.001s")
        # A time is found to be too short only when facts were edited. Then there may be fewer of them.
        refused(2, "A budget of .* is too small", "--budget", "0.1s", ranks=2)
        made = {file: file.stat().st_mtime_ns for file in (run / "objects").glob("??/*")}
        refused(2, "A budget of .* is too small", "--budget", "0.1s", facts=3)
        self.assertGreater(len(made), 8)
        self.assertEqual({file: file.stat().st_mtime_ns for file in made}, made)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
