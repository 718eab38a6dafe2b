#!/usr/bin/env python3
"""The statistics of comparisons are scipy's, and `onemask test` applies them to what a study file holds."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from program import onemask
from tiny_world import make_world

try:
    import h5py
    import numpy
    from safetensors.numpy import load_file, save_file
    from scipy import stats
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh installs what this test needs.")
    sys.exit(77)

STATISTICS = os.environ["ONEMASK_STATISTICS"]
random_numbers = numpy.random.default_rng(7)


def results(cases: Iterable[tuple[str, object]]) -> list:
    text = json.dumps([{"what": what, "of": of} for what, of in cases])
    return json.loads(subprocess.run([STATISTICS], input=text, capture_output=True, text=True, check=True).stdout)


def near(got: float, expected: float, tolerance: float = 1e-9) -> bool:
    return abs(got - expected) <= tolerance * max(abs(expected), 1e-12)


def differences() -> list[list[float]]:
    """Of 1 to 200 pairs: distinct, with ties, with zeros, with both, all of one sign, all of one size."""
    samples = []
    for n in [1, 2, 3, 5, 9, 10, 12, 24, 25, 26, 49, 50, 51, 52, 100, 200]:
        for shift in [0, 0.3, 2]:
            sample = random_numbers.normal(shift, 1, n)
            samples += [sample, sample.round(1), numpy.where(random_numbers.random(n) < 0.3, 0, sample), sample.round(), abs(sample)]
    return [list(map(float, sample)) for sample in [*samples, [1.0] * 20, [0.5, -0.5], [0.0, 1.0]]]


class Statistics(unittest.TestCase):
    def test_wilcoxon(self):
        samples = [sample for sample in differences() if any(sample)]
        exact = 0
        for sample, got in zip(samples, results(("wilcoxon", sample) for sample in samples)):
            rest = numpy.array([value for value in sample if value != 0])
            counted = len(rest) <= 50 and len(set(abs(rest))) == len(rest)
            exact += counted
            if counted:
                expected = stats.wilcoxon(rest, method="exact")
            else:
                expected = stats.wilcoxon(sample, zero_method="wilcox", correction=True, method="approx")
            ranks = stats.rankdata(abs(rest))
            plus, minus = ranks[rest > 0].sum(), ranks[rest < 0].sum()
            self.assertEqual(got["exact"], counted)
            self.assertTrue(near(got["p"], expected.pvalue), (sample, got, expected))
            self.assertEqual((got["plus"], got["minus"]), (plus, minus))
            self.assertTrue(near(got["rank_biserial"], (plus - minus) / (plus + minus)), (sample, got))
        self.assertGreater(exact, 50)
        self.assertGreater(len(samples) - exact, 50)

    def test_cohens_dz(self):
        samples = [sample for sample in differences() if len(set(sample)) > 1]
        for sample, got in zip(samples, results(("dz", sample) for sample in samples)):
            # The t of one sample is d_z times the root of n.
            self.assertTrue(near(got, stats.ttest_1samp(sample, 0).statistic / len(sample) ** 0.5, 1e-8), (sample, got))

    def test_mcnemar(self):
        tables = [[3, a, b, 4] for a in [0, 1, 2, 7, 20, 400] for b in [0, 1, 3, 7, 31, 450] if a + b > 0]
        for table, got in zip(tables, results(("mcnemar", table) for table in tables)):
            self.assertTrue(near(got, stats.binomtest(table[1], table[1] + table[2]).pvalue, 1e-8), (table, got))
        self.assertEqual(results([("mcnemar", [3, 0, 0, 4]), ("mcnemar", [0, 0, 0, 0])]), [1, 1])

    def test_clopper_pearson(self):
        pairs = [[k, n] for n in [1, 2, 10, 99, 5000] for k in sorted({0, 1, n // 3, n - 1, n}) if k <= n]
        for pair, got in zip(pairs, results(("clopper_pearson", pair) for pair in pairs)):
            k, n = pair
            low = stats.beta.ppf(0.025, k, n - k + 1) if k > 0 else 0
            high = stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1
            self.assertTrue(near(got[0], low) and near(got[1], high), (pair, got, low, high))

    def test_holm(self):
        lists = [list(random_numbers.random(n) ** 3) for n in [1, 2, 5, 30]]
        lists += [[float(x) for x in random_numbers.random(n).round(1)] for n in [5, 30]]  # with ties
        lists += [[0.0, 0.0, 1.0], [0.02] * 4, [1.0, 1.0]]
        for p in lists:
            n = len(p)
            order, adjusted, least = sorted(range(n), key=lambda i: p[i]), [0.0] * n, 0.0
            for rank, i in enumerate(order):
                least = adjusted[i] = max(least, min(1, (n - rank) * p[i]))
            self.assertTrue(numpy.allclose(results([("holm", p)])[0], adjusted, rtol=1e-12))
            # Each is at most Bonferroni's, and at least that of Hochberg or Benjamini and Hochberg.
            self.assertTrue(all(stats.false_discovery_control(p) <= numpy.array(adjusted) + 1e-12))

    def test_bootstrap_of_facts(self):
        """scipy's interval, up to the noise of 1000 draws. Means of whole numbers go in steps; ends may differ by one of them."""
        for n in [12, 30, 200]:
            numbers = random_numbers.normal(0, 1, n)
            for sample, step in [(numbers, 0), (numbers.round(), 1 / n), (numbers < -0.5, 1 / n)]:
                values = list(map(float, sample))
                ((low, high),) = results([("bootstrap", {"seeds": 1, "values": values})])
                theirs = stats.bootstrap((values,), numpy.mean, n_resamples=20000, method="percentile", random_state=n)
                theirs = theirs.confidence_interval
                noise = 0.08 * (theirs.high - theirs.low) + step
                self.assertAlmostEqual(low, theirs.low, delta=noise)
                self.assertAlmostEqual(high, theirs.high, delta=noise)

    def test_bootstrap_of_few_facts_and_seeds(self):
        """So few that all resamples can be listed: the ends leave out a fortieth of them, up to the noise of 1000."""
        for facts, seeds in [(2, 1), (4, 1), (3, 2), (4, 3)]:
            for digits in [0, 8]:
                grid = random_numbers.normal(0, 1, (facts, seeds)).round(digits)
                drawn = [numpy.array(list(product(range(n), repeat=n))) for n in (facts, seeds)]
                means = numpy.array([grid[numpy.ix_(rows, columns)].mean() for rows in drawn[0] for columns in drawn[1]])
                ((low, high),) = results([("bootstrap", {"seeds": seeds, "values": list(grid.flatten())})])
                for end, side in [(low, means), (-high, -means)]:
                    self.assertLess(numpy.mean(side < end - 1e-9), 0.045, (grid, low, high))
                    self.assertGreater(numpy.mean(side < end + 1e-9), 0.01, (grid, low, high))

    def test_difference_of_paired_shares_covers_it(self):
        """95 % intervals of samples of 60 facts hold the true difference in about 95 % of them, also where most facts agree."""
        for chances in [[0.6, 0.15, 0.05, 0.2], [0.92, 0.04, 0.01, 0.03], [0.0, 0.02, 0.02, 0.96]]:
            tables = random_numbers.multinomial(60, chances, 2000)
            intervals = numpy.array(results(("difference", list(map(int, table))) for table in tables))
            truth = chances[1] - chances[2]
            covered = numpy.mean((intervals[:, 0] <= truth) & (truth <= intervals[:, 1]))
            self.assertGreater(covered, 0.935, chances)
            self.assertLess(covered, 1.0001 if chances[0] == 0 else 0.999, chances)


class Study(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        temporary = tempfile.TemporaryDirectory(prefix="onemask-")
        cls.addClassCleanup(temporary.cleanup)
        folder = Path(temporary.name)
        cls.run_folder = folder / "run"
        result = onemask("sweep", str(make_world(folder)), "--out", str(cls.run_folder))
        if result.returncode != 0:
            raise AssertionError(result.stderr)
        with h5py.File(cls.run_folder / "study.h5") as file:
            cls.names = list(file["conditions/name"].asstr())
            cls.splits = file["facts/split"].asstr()[:]
            cls.metrics = {name: column[:] for name, column in file["metrics"].items()}
            texts = [name for name, column in file["summary"].items() if column.dtype.kind in "OS"]
            cls.summary = {name: column.asstr()[:] if name in texts else column[:] for name, column in file["summary"].items()}

    def compare(self, *words: str) -> list[dict]:
        result = onemask("test", str(self.run_folder), *words, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""), words)
        return json.loads(result.stdout)

    def scores(self, condition: str, value, prompts: int = 0, split: str = "train") -> numpy.ndarray:
        """By fact, the mean over its prompts."""
        m = self.metrics
        rows = (m["condition"] == self.names.index(condition)) & (m["kind"] == prompts) & (self.splits[m["fact"]] == split)
        values, facts = value(m)[rows].astype(float), m["fact"][rows]
        return numpy.array([values[facts == fact].mean() for fact in sorted(set(facts))])

    def test_yes_no_scores(self):
        a, b = (self.scores(name, lambda m: m["lp_true"] > m["lp_new"]) for name in ["original", "edited"])
        (got,) = self.compare("--compare", "original", "edited", "--metric", "rsr", "--split", "train")
        table = [int(sum((a == x) & (b == y))) for x, y in [(1, 1), (1, 0), (0, 1), (0, 0)]]
        self.assertEqual([got[name] for name in ["both", "only_a", "only_b", "neither"]], table)
        self.assertTrue(near(got["p"], stats.binomtest(table[1], table[1] + table[2]).pvalue if table[1] + table[2] else 1))
        interval = stats.binomtest(int(sum(a)), len(a)).proportion_ci(0.95, "exact")
        self.assertTrue(numpy.allclose([got["mean_a"], got["low_a"], got["high_a"]], [a.mean(), interval.low, interval.high]))
        self.assertEqual((got["n"], got["planned"], got["seeds"], got["test"]), (len(a), len(a), 1, "McNemar, exact"))

    def test_numbers(self):
        values = {
            "rsm": lambda m: m["lp_true"] - m["lp_new"],
            "p_true": lambda m: numpy.exp(m["lp_true"]),
            "kl": lambda m: m["kl"],
        }
        got = self.compare("--compare", "mask, mask.seed=1", "edited", "--metric", *values, "--split", "train", "--prompts", "paraphrase")
        self.assertEqual([record["metric"] for record in got], list(values))
        for record, value in zip(got, values.values()):
            a, b = (self.scores(name, value, 1) for name in ["mask.seed=1", "edited"])
            how = {"method": "exact"} if record["test"] == "Wilcoxon, exact" else {"correction": True, "method": "approx"}
            expected = stats.wilcoxon(a - b, **how)
            self.assertTrue(near(record["p"], expected.pvalue), record)
            numbers = [a.mean(), b.mean(), (a - b).mean(), numpy.median(a), numpy.median(b), numpy.median(a - b)]
            names = ["mean_a", "mean_b", "mean", "median_a", "median_b", "median"]
            self.assertTrue(numpy.allclose([record[name] for name in names], numbers))
            self.assertTrue(near(record["dz"], (a - b).mean() / (a - b).std(ddof=1), 1e-8), record)

    def test_means_and_their_intervals_are_those_of_the_summary(self):
        s = self.summary
        for prompts in ["rewrite", "paraphrase", "neighborhood"]:
            for condition in ["mask, mask.seed=0", "random, mask.seed=0", "original"]:
                name = {"mask": "mask.seed=0", "rand": "random (mask.seed=0)", "orig": "original"}[condition[:4]]
                rows = zip(s["condition"], s["split"], s["relation"], s["prompts"])
                wanted = [i for i, row in enumerate(rows) if row == (name, "heldout", "all", prompts)]
                in_summary = {s["metric"][i]: i for i in wanted}
                self.assertTrue(in_summary)
                words = ["--compare", condition, "edited", "--split", "heldout", "--prompts", prompts, "--metric", *in_summary]
                for got in self.compare(*words):
                    row = in_summary[got["metric"]]
                    self.assertEqual((got["n"], got["planned"]), (s["n"][row], s["planned"][row]))
                    self.assertTrue(near(got["mean_a"], s["mean"][row]), got)
                    if got["test"] != "McNemar, exact":
                        interval = [s["low"][row], s["high"][row]]
                        self.assertTrue(numpy.allclose([got["low_a"], got["high_a"]], interval, rtol=1e-9, atol=1e-12), got)

    def test_several_seeds(self):
        (got,) = self.compare("--compare", "mask", "random", "--metric", "rsm", "--split", "train")
        margins = lambda name: self.scores(name, lambda m: m["lp_true"] - m["lp_new"])
        grid = numpy.array([margins(f"mask.seed={seed}") - margins(f"random (mask.seed={seed})") for seed in range(3)])
        self.assertEqual((got["seeds"], got["seeds_planned"], got["test"]), (3, 3, "two-way bootstrap"))
        self.assertTrue(near(got["mean"], grid.mean(), 1e-8))
        # With draws of another kind: the interval up to their noise, and a p that fits it.
        n = grid.shape[1]
        draws = numpy.array([grid[random_numbers.integers(0, 3, 3)][:, random_numbers.integers(0, n, n)].mean() for _ in range(10000)])
        low, high = numpy.quantile(draws, [0.025, 0.975])
        noise = 0.08 * (high - low)
        self.assertAlmostEqual(got["low"], low, delta=noise)
        self.assertAlmostEqual(got["high"], high, delta=noise)
        self.assertAlmostEqual(got["p"], min(1, 2 * min(numpy.mean(draws <= 0), numpy.mean(draws >= 0))), delta=0.02)
        self.assertTrue(near(got["effective_n"], grid.var(ddof=1) / numpy.var(draws, ddof=1), 0.1), got)

    def test_confidence_asks_an_edited_model_for_the_new_object(self):
        (got,) = self.compare("--compare", "edited", "original", "--metric", "confidence", "--split", "train")
        a = self.scores("edited", lambda m: numpy.exp(m["lp_new"] / m["tokens_new"]))
        b = self.scores("original", lambda m: numpy.exp(m["lp_true"] / m["tokens_true"]))
        self.assertTrue(near(got["mean_a"], a.mean()) and near(got["mean_b"], b.mean()), got)
        known = self.scores("original", lambda m: m["rank_true"]) == 1
        took = self.scores("edited", lambda m: m["lp_true"] > m["lp_new"]) == 0
        for name, chosen in [("known", known), ("took", took)]:
            words = ["--compare", "edited", "original", "--metric", "confidence", "--split", "train", "--facts", name]
            if not any(chosen):
                self.assertEqual(onemask("test", str(self.run_folder), *words).returncode, 2)
                continue
            (got,) = self.compare(*words)
            self.assertEqual((got["n"], got["planned"]), (sum(chosen), len(chosen)))
            self.assertTrue(near(got["mean_a"], a[chosen].mean()), got)

    def test_every_call_prints_the_same(self):
        words = ["test", str(self.run_folder), "--compare", "mask", "delta_magnitude", "--cluster-relations"]
        first, second = onemask(*words), onemask(*words)
        self.assertEqual(first.returncode, 0, first.stderr)
        self.assertEqual(first.stdout, second.stdout)
        self.assertIn("relations resampled", first.stdout)
        self.assertLessEqual(max(map(len, first.stdout.splitlines())), 150)


CONFIDENCE = """\
name: confidence
model: {checkpoint: SHARED/checkpoints/cf-gpt2, device: cpu}
facts: {heldout: {files: SHARED/counterfact/counterfact_testP*.json, per_relation: 10, offset_per_relation: 20}}
edit: {files: "edits/{case_id}.safetensors", rank: 1}
mask: none
evaluation: {paraphrases: false}
"""


class Confidence(unittest.TestCase):
    def test_of_golden_edits_is_that_of_their_golden_probabilities(self):
        """An edited model that knew its facts is less sure of the new objects than it was of the true ones."""
        shared = Path(os.environ["ONEMASK_SOURCE"]).resolve().parent / "shared"
        golden = shared / "golden/mask_edits_heldout.json"
        if not golden.exists():
            self.skipTest(f"{golden} is not there")
        records = json.loads(golden.read_text())["records"]
        factors = load_file(golden.with_suffix(".safetensors"))
        with tempfile.TemporaryDirectory(prefix="onemask-") as temporary:
            folder = Path(temporary)
            (folder / "edits").mkdir()
            for record, u, v in zip(records, factors["u"], factors["v"]):
                delta = {"transformer.h.2.mlp.c_proj.weight.delta": numpy.outer(u, v)}
                save_file(delta, folder / f"edits/{record['case_id']}.safetensors")
            (folder / "study.yaml").write_text(CONFIDENCE.replace("SHARED", str(shared)))
            result = onemask("sweep", str(folder / "study.yaml"), "--out", str(folder / "run"))
            self.assertEqual(result.returncode, 0, result.stderr)
            result = onemask("test", str(folder / "run"), "--compare", "edited", "original", "--metric", "confidence", "--json")
            (got,) = json.loads(result.stdout)
        # All objects are one token.
        before = numpy.exp([record["before"][0]["lp_true_first"] for record in records])
        after = numpy.exp([record["after"][0]["lp_new_first"] for record in records])
        self.assertEqual(got["n"], len(records))
        for name, expected in [("mean_b", before.mean()), ("mean_a", after.mean()), ("median_a", numpy.median(after))]:
            self.assertAlmostEqual(got[name], expected, delta=2e-4)
        self.assertAlmostEqual(got["dz"], (after - before).mean() / (after - before).std(ddof=1), delta=2e-3)
        self.assertAlmostEqual(got["mean_b"], 0.9895, delta=5e-5)
        self.assertAlmostEqual(got["mean_a"], 0.9081, delta=5e-5)
        self.assertAlmostEqual(got["dz"], -0.40, delta=5e-3)
        self.assertLess(got["p"], 1e-5)  # on the other side: that the edited model is surer has a p of 1
        self.assertIn("mostly lower", got["verdict"])


if __name__ == "__main__":
    unittest.main(warnings="ignore")  # that samples are small for the normal approximation, which is what is compared
