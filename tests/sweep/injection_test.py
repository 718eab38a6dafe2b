#!/usr/bin/env python3
"""Facts that are edited under masks: the same bits on any number of ranks and after a crash."""

import signal
import struct
import subprocess
import sys
import unittest

from runs import MPIRUN, PROGRAM, Results, Run, WorldTest
from tiny_world import MEMIT_HPARAMS, write_corpus


def numbers(results: Results, name: str) -> list:
    shape, kind, values, _ = results.values[name]
    return list(struct.unpack(f"<{shape[0]}{'q' if kind == 'int64' else 'd'}", values))


def models(results: Results) -> list[tuple[str, str, int]]:
    """Mask, variant and sequence of each row of the table."""
    return list(zip(results.texts("injections/mask"), results.texts("injections/variant"), numbers(results, "injections/sequential")))


def scores(results: Results, model: tuple[str, str, int]) -> dict[int, tuple]:
    """By fact: both log-probabilities and the norm of the update, under the first mask."""
    wanted = models(results).index(model)
    columns = ("injection", "fact", "lp_true", "lp_new", "update_norm")
    rows = zip(*(numbers(results, f"injection_scores/{name}") for name in columns))
    return {fact: values for injection, fact, *values in rows if injection == wanted}


class Injection(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # A mask of random numbers, with about a third of zeros.
        text = cls.study.read_text().replace("0..2", "0..1").replace("init_mean: 0.3", "init_mean: 0.2")
        cls.study.write_text(text + "inject: {sequential: true}\n")

    def run_on(self, ranks: int, name: str, *words: object) -> Results:
        run = Run(self.study, self.folder / name, *words)
        self.assertNotIn("PARTIAL", self.expect_ends(run.start(ranks), 0, 200))
        return run.results()

    def test_any_number_of_ranks(self):
        one = self.run_on(1, "one")
        planned = models(one)
        self.assertEqual(planned[:3], [("none", "unedited", 0), ("none", "edit", 0), ("none", "edit", 1)])
        self.assertEqual(len(planned), 3 + 2 * 4 * 5)
        self.assertEqual(set(numbers(one, "injections/planned")), {6})
        self.assertEqual(len(numbers(one, "injection_scores/fact")), 6 * len(planned))
        zeros = dict(zip(one.texts("injections/point"), numbers(one, "injections/zeros")))
        self.assertEqual(zeros[""], 0)
        self.assertTrue(all(0.05 < share < 0.95 for point, share in zeros.items() if point), zeros)
        # The edit that is not under a mask is that of the study.
        condition = one.texts("conditions/name").index("edited")
        rows = zip(*(numbers(one, f"metrics/{name}") for name in ("condition", "prompt", "fact", "lp_true", "lp_new")))
        metrics = {fact: values for c, prompt, fact, *values in rows if (c, prompt) == (condition, 0)}
        for fact, (lp_true, lp_new, norm) in scores(one, ("none", "edit", 0)).items():
            self.assertAlmostEqual(lp_true, metrics[fact][0], delta=1e-4)
            self.assertAlmostEqual(lp_new, metrics[fact][1], delta=1e-4)
            self.assertGreater(norm, 0)
        # Without an edit there is no update; the same edits are scored under the mask and without it; others are adaptive.
        self.assertEqual({norm for *_, norm in scores(one, ("trained", "unedited", 0)).values()}, {0})
        inject, off, adaptive = (scores(one, ("trained", variant, 0)) for variant in ("inject", "off", "adaptive"))
        self.assertEqual([inject[fact][2] for fact in inject], [off[fact][2] for fact in inject])
        for fact in inject:
            self.assertNotEqual(inject[fact][:2], off[fact][:2])
            self.assertNotEqual(inject[fact][2], adaptive[fact][2])
        for ranks in (2, 3):
            with self.subTest(ranks):
                self.expect_same_results(self.run_on(ranks, f"on {ranks}"), one)
        report = subprocess.run([PROGRAM, "report", self.folder / "one"], capture_output=True, text=True, check=True).stdout
        self.assertIn("Editing under a mask, split heldout\n", report)
        self.assertIn("trained, inject, sequential (mean of 2)", report)
        self.assertIn("Editing under a mask: without a mask the edits make the new object likelier", " ".join(report.split()))

    def test_a_sequence_begins_like_single_edits_and_goes_on_from_them(self):
        alone = self.run_on(2, "alone", "--set", "edit.batch=1", "--sweep", "mask.seed=0")
        for mask, variant in (("none", "edit"), ("trained", "inject"), ("random", "inject")):
            single, sequence = (scores(alone, (mask, variant, sequential)) for sequential in (0, 1))
            first, *later = sorted(single)
            for value, other in zip(single[first], sequence[first]):
                self.assertAlmostEqual(value, other, delta=1e-4)
            self.assertTrue(any(abs(single[fact][1] - sequence[fact][1]) > 1e-3 for fact in later))
        # Units are of no importance to a sequence, whose edits are made one by one.
        units = self.run_on(1, "units", "--set", "edit.batch=4", "--sweep", "mask.seed=0")
        self.assertEqual(scores(units, ("none", "edit", 1)), scores(alone, ("none", "edit", 1)))

    def test_models_of_many_facts(self):
        world = self.study.parent
        write_corpus(world / "corpus.txt")
        (world / "memit.yaml").write_text(MEMIT_HPARAMS)
        words = ["--set", "edit.hparams=memit.yaml", "--set", "edit.facts_per_model=4", "--set", "moments={text: corpus.txt, tokens: 2000}",
                 "--set", "inject.sequential=false", "--set", "mask.layers=all", "--sweep", "mask.seed=0"]  # fmt: skip
        one = self.run_on(1, "models on 1", *words)
        for ranks in (2, 3):
            self.expect_same_results(self.run_on(ranks, f"models on {ranks}", *words), one)
        self.assertEqual(len(models(one)), 2 + 4 * 4)
        self.assertEqual(len(numbers(one, "injection_scores/fact")), 6 * (2 + 4 * 4))
        # The edit that is not under a mask is that of the study, of two models: four facts and two.
        condition = one.texts("conditions/name").index("edited")
        rows = zip(*(numbers(one, f"metrics/{name}") for name in ("condition", "prompt", "fact", "lp_true", "lp_new")))
        metrics = {fact: values for c, prompt, fact, *values in rows if (c, prompt) == (condition, 0)}
        plain = scores(one, ("none", "edit", 0))
        self.assertEqual(sorted(len([n for *_, n in plain.values() if n == norm]) for norm in {n for *_, n in plain.values()}), [2, 4])
        for fact, (lp_true, lp_new, _) in plain.items():
            self.assertAlmostEqual(lp_true, metrics[fact][0], delta=1e-4)
            self.assertAlmostEqual(lp_new, metrics[fact][1], delta=1e-4)
        for mask in ("trained", "random", "magnitude", "delta_magnitude"):
            inject, off, adaptive = (scores(one, (mask, variant, 0)) for variant in ("inject", "off", "adaptive"))
            for fact in inject:
                self.assertEqual(inject[fact][2], off[fact][2])
                self.assertNotEqual(inject[fact][:2], off[fact][:2])
                self.assertNotEqual(inject[fact][2], adaptive[fact][2])
                self.assertNotEqual(inject[fact][2], plain[fact][2])
        # Other methods without an update that knows the mask.
        words += ["--set", "inject.variants=[inject, off]", "--set", "inject.masks=[trained]", "--sweep", "edit.method=emmet,alphaedit,memit-merge"]
        one = self.run_on(1, "methods on 1", *words)
        self.assertEqual(len(models(one)), 3 * (2 + 3))
        self.expect_same_results(self.run_on(3, "methods on 3", *words), one)

    def test_killed_while_it_edits_under_masks(self):
        words = ["--set", "edit.batch=1", "--set", "edit.v_num_grad_steps=30", "--sweep", "mask.seed=0"]
        undisturbed = self.run_on(2, "undisturbed", *words)
        run = Run(self.study, self.folder / "killed", *words)
        start = run.start(2)
        self.wait_until(start, lambda: len(run.done("masked edit")) >= 4, "some facts were edited under masks")
        start.signal(signal.SIGKILL)
        start.finish()
        edited = set(run.done("masked edit"))
        subprocess.run([MPIRUN, "-n", "1", PROGRAM, "gather", self.study, "--out", run.folder, *words], capture_output=True, check=False)
        partial = run.results()
        self.assertEqual(partial.attributes["status"], "PARTIAL")
        self.assertLess(len(numbers(partial, "injection_scores/fact")), len(numbers(undisturbed, "injection_scores/fact")))
        self.assertEqual(partial.values["injections/planned"], undisturbed.values["injections/planned"])
        self.expect_ends(run.start(1), 0, 200)
        self.expect_same_results(run.results(), undisturbed)
        self.assertEqual(len(run.done("masked edit")), len(set(run.done("masked edit"))))
        self.assertLessEqual(edited, set(run.done("masked edit")))

    def test_the_plan_shows_the_tasks_and_refuses_what_a_run_would(self):
        def plan(*words: object) -> subprocess.CompletedProcess:
            command = [PROGRAM, "plan", self.study, "--out", self.folder / "planned", *words]
            return subprocess.run(list(map(str, command)), capture_output=True, text=True)

        said = plan()
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertRegex(said.stdout, r"edits under masks +34 ")  # two units of 6 facts: 2 sequential, and of 4 masks and 2 seeds both
        self.assertRegex(said.stdout, r"injection +36 ")
        for setting, sentence in [("inject.split=west", "no such split"), ("edit.method=ft-l", "trains masks for ft-l")]:
            with self.subTest(setting):
                refused = plan("--set", setting)
                self.assertEqual(refused.returncode, 2)
                self.assertRegex(" ".join(refused.stderr.split()), sentence)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
