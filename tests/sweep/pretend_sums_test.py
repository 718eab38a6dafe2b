#!/usr/bin/env python3
"""What carries the sums of masks and second moments between pretend accelerators, and what becomes of a run where NCCL fails."""

import sys
import unittest

from pretend_runs import PretendTest, on_devices, options_of
from provenance_test import sizes_of
from runs import Results, Run, Start

ONE_MASK = ["--sweep", "mask.seed=0", "--set", "evaluation.neighborhood=false"]


class PretendSums(PretendTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        run = Run(cls.study, cls.folder / "expected", *ONE_MASK)
        start = run.start(1)
        assert start.finish() == 0, start.said()
        cls.expected = run.results()

    def study_on(self, ranks: int, name: str, *words: object, code: int = 0, **devices) -> tuple[Run, str]:
        """A mask that all ranks train together."""
        return self.run_on("pretend", ranks, name, *ONE_MASK, "--set", f"mask.ranks={ranks}", *words, code=code, **devices)

    def sums_of(self, results: Results) -> set[str]:
        """What carried those of masks."""
        tasks, states, sums = (results.texts(f"provenance/tasks/{column}") for column in ("task", "status", "sums"))
        return {by for task, status, by in zip(tasks, states, sums) if task.startswith("mask/") and status == "done"}

    def expect_sums(self, run: Run, transport: str) -> None:
        results = run.results()
        self.assertEqual(self.sums_of(results), {transport})
        self.expect_same_numbers(results, self.expected)

    def test_ranks_with_a_device_each_sum_through_nccl(self):
        for ranks in (2, 3):
            run, said = self.study_on(ranks, f"{ranks} devices", count=ranks)
            self.assertNotIn("NCCL", said)
            self.expect_sums(run, "NCCL")
            self.assertRegex(run.results().attributes["nccl"], r"^\d+\.\d+\.\d+$")

    def test_one_rank_has_nothing_to_sum(self):
        run, _ = self.study_on(1, "one device")
        self.expect_sums(run, "one rank")

    def test_ranks_that_share_a_device_sum_through_the_host(self):
        run, _ = self.study_on(3, "shared", count=2)
        self.expect_sums(run, "messages")

    def test_nccl_that_cannot_start_is_replaced_with_a_warning(self):
        run, said = self.study_on(2, "no start", nccl="oom,rank=last")
        self.assertRegex(
            said, r"NCCL failed to connect the GPUs: rank 1: unhandled cuda error \(Cuda failure 'out of memory'\)\. Gradients are summed"
        )
        self.expect_sums(run, "messages")

    def test_a_failure_is_told_and_the_run_goes_on(self):
        run, said = self.study_on(2, "failure", nccl="fail_after=3,rank=last")
        self.assertRegex(
            said, r"Task mask/\S+ failed on rank [01]: NCCL failed to sum gradients: unhandled system error \(a cable\)\. Run the same"
        )
        self.expect_sums(run, "one rank")  # the other one is no longer trusted

    def test_a_partner_that_is_lost_is_told_and_the_run_goes_on(self):
        run, said = self.study_on(2, "lost", "--deadline", "2s", nccl="lose=last")
        self.assertIn("A task of the kind 'masks' failed: its ranks waited for each other without progress.", said)
        self.expect_sums(run, "one rank")

    def test_a_run_that_is_stopped_in_a_sum_goes_on(self):
        run = Run(self.study, self.folder / "stopped", *ONE_MASK, "--set", "mask.ranks=2", "--device", "pretend")
        said = self.expect_ends(run.start(2, "--time-limit", "4s", options=options_of(on_devices(nccl="lose=last"))), 75)
        self.assertIn("The run's time limit is reached. Finished work is kept; run the same command again to continue.", said)
        self.expect_ends(run.start(2, options=options_of(on_devices())), 0)
        self.expect_sums(run, "NCCL")

    def test_second_moments(self):
        text = self.folder / "text.txt"
        text.write_text("A town by the sea, of which little is known.\n\n" * 40)

        def stats(name: str, device: str, code: int, nccl: str = "") -> str:
            words = ["stats", "--model", self.study.parent / "model", "--text", text, "--layers", "1", "--device", device]
            options = options_of(on_devices(nccl=nccl))
            return self.expect_ends(Start(2, *words, "--objects", self.folder / name, options=options), code)

        said = stats("moments", "pretend", 1, nccl="fail_after=0,rank=last")
        self.assertRegex(said, r"NCCL failed to sum gradients: (unhandled system error|remote process exited) .*\. Run the same command again")
        stats("moments", "pretend", 0)
        stats("moments of cpu", "cpu", 0)
        there, here = ([file.read_bytes() for file in (self.folder / name).glob("??/*")] for name in ("moments", "moments of cpu"))
        self.assertEqual(len(there), 1)
        self.assertEqual(*([content[: sizes_of(content)[0]] for content in contents] for contents in (there, here)))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
