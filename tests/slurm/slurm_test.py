#!/usr/bin/env python3
"""Jobs of a real SLURM that are requeued, preempted, out of time or lose a node end with the bytes of an undisturbed run."""

import re
import subprocess
import sys
import unittest
from pathlib import Path

import cluster
from cluster import Cluster, wait_for
from runs import PROGRAM, Run, WorldTest

SKIPPED = 77
SOURCE = Path(__file__).resolve().parents[2]

# Small tasks and many of them, so that a run lasts some ten seconds on two ranks and can be hit in the middle.
SLOW = ["--set", "edit.batch=1", "--set", "edit.v_num_grad_steps=400", "--set", "mask.epochs=60", "--set", "evaluation.batch=1"]
FACTS = 34
LASTING = re.compile("PENDING|RUNNING|COMPLETING|REQUEUED|CONFIGURING")
TWO_NODES = ["--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]


class Job:
    """A job of a script in launch, or an array of jobs, and the folder of its run."""

    def __init__(self, test: "Slurm", name: str, script: str, *options: str):
        self._call = test.cluster.call
        self._log = (test.source, name)
        self.run = Run(test.study, test.folder / name, *SLOW)
        command = ["sbatch", "--parsable", f"--job-name={name}", *options, f"launch/{script}", test.study, self.run.folder, *SLOW]
        self.number = self._call(*command, cwd=test.source)

    def field(self, name: str) -> str:
        """All values that it has in the jobs of an array."""
        words = self._call("scontrol", "show", "job", "--oneliner", self.number).split()
        return ", ".join(sorted({word.removeprefix(name + "=") for word in words if word.startswith(name + "=")}))

    def log(self) -> str:
        folder, name = self._log
        return "".join(file.read_text() for file in sorted(folder.glob(f"{name}-{self.number}*.out")))

    def story(self) -> str:
        """The log without tables."""
        return "\n".join(line for line in self.log().splitlines() if line.startswith("===") or "info:" in line or "error" in line)

    def wait_for_edits(self) -> None:
        wait_for(lambda: 3 <= len(self.run.done("edit")) < FACTS - 5, self.story, 60)

    def wait_for_end(self, seconds: float = 150) -> str:
        """Its last state."""
        return wait_for(lambda: (state := self.field("JobState")) and not LASTING.search(state) and state, self.story, seconds)


class Slurm(WorldTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.cluster = cls.enterClassContext(Cluster())
        cls.source = cls.folder / "source"
        (cls.source / "build").mkdir(parents=True)
        (cls.source / "launch").symlink_to(SOURCE / "launch")
        (cls.source / "build/release").symlink_to(PROGRAM.parent)
        # SLURM looks at time limits every 30 s from its start: this job, which a test waits for, is warned soon after it began.
        limits = ["--time=1", "--signal=B:USR1@25", "--begin=now+17"]
        cls.limited = Job(cls, "limited", "sweep.sbatch", "--ntasks=1", "--nodelist=n1", *limits)
        undisturbed = Run(cls.study, cls.folder / "undisturbed", *SLOW)
        start = undisturbed.start(2)
        if start.finish(120) != 0:
            raise AssertionError(start.said())
        cls.expected = undisturbed.results()

    def submit(self, name: str, *options: str) -> Job:
        return Job(self, name, "sweep.sbatch", "--time=5", *options)

    def expect_completed(self, job: Job, restarts: int) -> None:
        """Ended by itself, with the bytes of the undisturbed run, each task done once, the starts all in one log."""
        self.assertEqual(job.wait_for_end(), "COMPLETED", job.story())
        self.expect_same_results(job.run.results(), self.expected)
        self.expect_done_once(job)
        self.assertEqual(job.field("Restarts"), str(restarts))
        for start in range(restarts + 1):
            self.assertEqual(job.log().count(f"=== job {job.number}, restart {start} of at most "), 1, job.story())

    def expect_done_once(self, job: Job) -> None:
        tasks = [record["task"] for record in job.run.records() if record["status"] == "done"]
        self.assertEqual(sorted(tasks), sorted(set(tasks)))

    def test_undisturbed_on_nodes_that_differ(self):
        job = self.submit("plain", "--nodes=2", "--ntasks=3")
        self.expect_completed(job, 0)
        self.assertIn("on n[1-2] (tasks per node: 2,1)", job.log())
        self.assertEqual(len(list((job.run.folder / "journal").glob("rank-*.jsonl"))), 3)

    def test_requeued_in_the_middle(self):
        job = self.submit("requeued", *TWO_NODES)
        job.wait_for_edits()
        self.cluster.call("scontrol", "requeue", job.number)
        self.expect_completed(job, 1)

    def test_time_limit(self):
        self.assertEqual(self.limited.wait_for_end(240), "COMPLETED", self.limited.story())
        restarts = int(self.limited.field("Restarts"))
        self.assertGreater(restarts, 0)
        self.expect_completed(self.limited, restarts)
        self.assertEqual(self.limited.log().count("; requeued, and goes on where it stopped ==="), restarts)
        self.assertIn("=== interrupted (exit code 75); requeued", self.limited.log())

    def test_lost_node(self):
        job = self.submit("lost", *TWO_NODES)
        job.wait_for_edits()
        self.cluster.kill_node("n2")
        wait_for(lambda: self.cluster.states()["n2"].startswith("down"), job.story, 60)
        self.cluster.start_node("n2")
        self.expect_completed(job, 1)

    def test_preempted(self):
        job = self.submit("preempted", *TWO_NODES)
        job.wait_for_edits()
        where = ["--partition=urgent", "--nodes=1", "--nodelist=n2", "--ntasks=2"]
        self.cluster.call("sbatch", *where, "--output=/dev/null", "--wrap=sleep 2")
        self.expect_completed(job, 1)

    def test_warned_by_signals_up_to_the_cap(self):
        job = self.submit("capped", *TWO_NODES, "--export=ALL,ONEMASK_MAX_RESTARTS=1")
        for restart, warning in enumerate(["TERM", "USR1"]):
            wait_for(lambda: job.log().count("=== job ") == restart + 1, job.story, 60)
            wait_for(lambda: len(job.run.done("edit")) > 5 * restart, job.story, 60)
            self.cluster.call("scancel", "--batch", f"--signal={warning}", job.number)
            wait_for(lambda: job.log().count("=== interrupted") == restart + 1, job.story, 30)
        self.assertEqual(job.wait_for_end(), "FAILED")
        self.assertEqual(job.field("ExitCode"), "75:0")
        self.assertIn("after 1 restarts, as many as ONEMASK_MAX_RESTARTS allows", job.log())

    def test_array_without_mpi(self):
        if b"--shard" not in subprocess.run([PROGRAM, "sweep", "--help"], capture_output=True, check=False).stdout:
            self.skipTest("this program has no --shard")
        job = Job(self, "array", "array.sbatch", "--time=5", "--array=0-2")
        self.assertEqual(job.wait_for_end(), "COMPLETED", job.story())
        self.expect_same_results(job.run.results(), self.expected)
        self.expect_done_once(job)

    def test_cancelled_stays_cancelled(self):
        job = self.submit("cancelled", "--ntasks=1")
        job.wait_for_edits()
        self.cluster.call("scancel", "--full", job.number)
        self.assertEqual(job.wait_for_end(), "CANCELLED")
        self.assertEqual(job.field("Restarts"), "0")


if __name__ == "__main__":
    if reason := cluster.missing():
        print(f"Skipped: no SLURM cluster can be started here: {reason}.")
        sys.exit(SKIPPED)
    sys.exit(unittest.main(verbosity=2))
