#!/usr/bin/env python3
"""What happens inside of models: parts that add up, the same bits on any number of ranks, for edits of one fact and of many."""

import re
import struct
import subprocess
import sys
import unittest
from pathlib import Path

from runs import PROGRAM, Results, Run, WorldTest
from tiny_world import MEMIT_HPARAMS, write_corpus

SECTION = """\
analysis:
  heads: true
  sources: true
  inner_units: 3
  dimensions: 2
  maps: facts
"""
LAYERS, HEADS, INNER = 3, 2, 128


def numbers(results: Results, name: str) -> list:
    shape, kind, values, _ = results.values[name]
    return list(struct.unpack(f"<{shape[0]}{'q' if kind == 'int64' else 'd'}", values))


def rows(results: Results, table: str, *columns: str) -> list[tuple]:
    def values(name: str) -> list:
        kind = results.values[f"{table}/{name}"][1]
        return numbers(results, f"{table}/{name}") if kind in ("int64", "float64") else results.texts(f"{table}/{name}")

    return list(zip(*(values(name) for name in columns)))


class Analysis(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        world = cls.study.parent
        text = cls.study.read_text().replace("0..2", "0..1").replace("init_mean: 0.3", "init_mean: 0.2").replace("batch: 8\n  neigh", "batch: 4\n  neigh")
        cls.study.write_text(text + SECTION)
        write_corpus(world / "corpus.txt")
        (world / "memit.yaml").write_text(MEMIT_HPARAMS)
        cls.batch_study = world / "batch.yaml"
        cls.batch_study.write_text(cls.study.read_text().replace("hparams.yaml", "memit.yaml") + "moments: {text: corpus.txt, tokens: 2000}\n")

    def run_on(self, ranks: int, name: str, *words: object, study: str = "study") -> Results:
        run = Run(getattr(self, study), self.folder / name, *words)
        self.assertNotIn("PARTIAL", self.expect_ends(run.start(ranks), 0, 200))
        return run.results()

    def expect_parts_add_up(self, results: Results, models: int, facts: int) -> None:
        sums: dict[tuple, list[float]] = {}
        layers: dict[tuple, list[float]] = {}
        for analysis, fact, place, part, layer, head, true, new in rows(
            results, "contributions", "analysis", "fact", "place", "part", "layer", "head", "true", "new"
        ):
            whole = sums.setdefault((analysis, fact, place), [0.0, 0.0])
            attention = layers.setdefault((analysis, fact, place, layer), [0.0, 0.0])
            for k, value in enumerate((true, new)):
                if head < 0 and part != "attention_bias":
                    whole[k] += -value if part == "logit" else value
                if part == "attention_bias" or part == "attention":
                    attention[k] += -value if part == "attention" and head < 0 else value
        self.assertEqual(len(sums), models * facts * 2)
        for sums_of in (sums, layers):
            for place, pair in sums_of.items():
                self.assertLess(max(map(abs, pair)), 1e-4, place)

    def test_any_number_of_ranks(self):
        one = self.run_on(1, "one")
        kinds = one.texts("analyses/kind")
        self.assertEqual(kinds, ["original", "edited"] + ["mask", "original_masked"] * 2)
        self.assertEqual(set(numbers(one, "analyses/planned")), {6})
        self.expect_parts_add_up(one, 6, 6)
        self.assertEqual(len(numbers(one, "attention/fact")), 6 * 6 * LAYERS * (1 + HEADS))
        self.assertEqual(len(numbers(one, "traces/fact")), 6 * 6 * 2 * (LAYERS + 1))
        self.assertEqual(len(numbers(one, "unit_contributions/unit")), 6 * 2 * 3)
        self.assertEqual(len(numbers(one, "dimensions/dimension")), 2 * 4 * 2 * (LAYERS + 1) * 4)
        self.assertEqual(len(numbers(one, "maps/n")), 6 * 4 * (LAYERS + 1))
        # The logit lens of the last layer is what the evaluation scores.
        condition = one.texts("conditions/name").index("edited")
        ranks = {f: (t, n) for f, c, p, t, n in rows(one, "metrics", "fact", "condition", "prompt", "rank_true", "rank_new") if (c, p) == (condition, 0)}
        last = {f: (t, n) for a, f, place, layer, t, n in rows(one, "traces", "analysis", "fact", "place", "layer", "rank_true", "rank_new")
                if (a, place, layer) == (1, "last", LAYERS - 1)}  # fmt: skip
        self.assertEqual(last, {fact: ranks[fact] for fact in last})
        # The edited layer is 1: attention changes above it alone.
        drifts = {}
        for a, f, layer, head, alpha in rows(one, "attention", "analysis", "fact", "layer", "head", "alpha"):
            drifts.setdefault((f, layer, head), {})[a] = alpha
        for (_, layer, _), by_model in drifts.items():
            self.assertEqual(by_model[0] == by_model[1], layer <= 1)
        # Maps of the unedited model are at no distance from it.
        distances = {a: d for a, d in rows(one, "maps", "analysis", "distance") if d == d}
        self.assertEqual(distances[0], 0)
        self.assertGreater(distances[1], 0)
        for ranks_used in (2, 3):
            with self.subTest(ranks_used):
                self.expect_same_results(self.run_on(ranks_used, f"on {ranks_used}"), one)
        report = subprocess.run([PROGRAM, "report", self.folder / "one", "--analysis"], capture_output=True, text=True, check=True).stdout
        self.assertIn("Contributions to new less true, last token (split heldout, n 6/6)\n", report)
        self.assertIn("Drift of attention to the subject's last token (split heldout, n 6/6)\n", report)
        self.assertIn("edited + mask (mean of 2)", report)
        data = subprocess.run([PROGRAM, "report", self.folder / "one", "--analysis", "--csv"], capture_output=True, text=True, check=True)
        self.assertTrue(data.stdout.startswith("status,split,edits,settings,place,quantity,model,row,mean,low,high,p,n,planned\n"))

    def test_facts_that_share_a_model_with_two_edited_layers(self):
        for layers in ("last", "all"):
            with self.subTest(layers):
                one = self.run_on(1, f"batch {layers}", "--set", f"mask.layers={layers}", study="batch_study")
                self.expect_parts_add_up(one, 6, 6)
                self.assertEqual(set(numbers(one, "unit_contributions/layer")), {0, 1})
                self.expect_same_results(self.run_on(3, f"batch {layers} on 3", "--set", f"mask.layers={layers}", study="batch_study"), one)

    def test_the_published_contributions(self):
        published = self.run_on(1, "published", "--set", "peer_compatible=true", "--sweep", "mask.seed=0")
        parts = {(part, layer) for part, layer, head in rows(published, "contributions", "part", "layer", "head") if head < 0}
        self.assertEqual(parts - {("attention_bias", layer) for layer in range(LAYERS)}, {("attention", 1), ("mlp", 1), ("logit", -1)})

    def test_the_plan_shows_the_tasks_and_refuses_what_a_run_would(self):
        unswept = self.study.parent / "unswept.yaml"
        unswept.write_text(re.sub(r"(?m)^sweep:.*\n(?:  .*\n)*", "", self.study.read_text()))

        def plan(*words: object, study: Path = self.study) -> subprocess.CompletedProcess:
            command = [PROGRAM, "plan", study, "--out", self.folder / "planned", *words]
            return subprocess.run(list(map(str, command)), capture_output=True, text=True)

        said = plan()
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, r"analysis +6 ")  # two units of 6 facts: without a mask, and of two seeds
        for study, words, sentence in [
            (self.study, ["--set", "analysis.split=west"], "no such split"),
            (unswept, ["--set", "mask=none"], "dimensions.*trains none"),
            (self.study, ["--set", "facts.heldout.files=train.json", "--set", "facts.heldout.allow_overlap=[case]"], "no facts that are not"),
        ]:
            with self.subTest(words):
                refused = plan(*words, study=study)
                self.assertEqual(refused.returncode, 2)
                self.assertRegex(" ".join(refused.stderr.split()), sentence)
        without = subprocess.run([PROGRAM, "report", self.folder / "nothing", "--analysis"], capture_output=True, text=True)
        self.assertEqual(without.returncode, 2)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
