#!/usr/bin/env python3
"""Jobs of a real SLURM that are requeued, preempted, out of time or lose a rank or node end in an undisturbed run's bytes."""

import json
import re
import subprocess
import sys
import unittest
from pathlib import Path

import cluster
from cluster import GPUS, Cluster, wait_for
from pretend_runs import PretendTest, on_devices
from runs import MPIRUN, PROGRAM, Run, keep_traces_in, rank_of, runs_program

SKIPPED = 77
SOURCE = Path(__file__).resolve().parents[2]

# Small tasks and many of them, so that a run lasts some ten seconds on two ranks and can be hit in the middle.
SLOW = ["--set", "edit.batch=1", "--set", "edit.v_num_grad_steps=250", "--set", "mask.epochs=40", "--set", "evaluation.batch=1"]
FACTS = 34
LASTING = re.compile("PENDING|RUNNING|COMPLETING|REQUEUED|CONFIGURING")
TWO_NODES = ["--nodes=2", "--ntasks=2", "--ntasks-per-node=1"]
ON_GPUS = ["--nodes=2", f"--ntasks={2 * GPUS}", f"--ntasks-per-node={GPUS}", f"--gpus-per-node={GPUS}"]
# A small study: every kind of task, in seconds on a device.
SMALL = ["--sweep", "mask.seed=0", "--set", "mask.epochs=2"]


class Job:
    """A job of a script in launch, or an array of jobs, and the folder of its run."""

    def __init__(self, test: "Slurm", name: str, script: str, *options: str, words: list[str] = SLOW, source: Path | None = None):
        self._cluster = test.cluster
        self._call = test.cluster.call
        source = source or test.source
        self._log = (source, name)
        self.run = Run(test.study, test.folder / name, *words)
        command = ["sbatch", "--parsable", f"--job-name={name}", *options, f"launch/{script}", test.study, self.run.folder, *words]
        self.number = self._call(*command, cwd=source)

    def field(self, name: str) -> str:
        """All values that it has in the jobs of an array."""
        words = self._call("scontrol", "show", "job", "--oneliner", self.number).split()
        return ", ".join(sorted({word.removeprefix(name + "=") for word in words if word.startswith(name + "=")}))

    def log(self) -> str:
        folder, name = self._log
        return "".join(file.read_text() for file in sorted(folder.glob(f"{name}-{self.number}*.out")))

    def story(self) -> str:
        """The log without tables, and what the cluster did."""
        lines = [line for line in self.log().splitlines() if re.search("===|info:|warning:|error|status", line)]
        return "\n".join([*lines, "slurmctld:", self._cluster.log()])

    def wait_for_edits(self) -> None:
        wait_for(lambda: 3 <= len(self.run.done("edit")) < FACTS - 5, self.story, 120)

    def wait_for_end(self, seconds: float = 300) -> str:
        """Its last state."""
        return wait_for(lambda: (state := self.field("JobState")) and not LASTING.search(state) and state, self.story, seconds)


def source_folder(folder: Path) -> Path:
    """What a job needs of one, but for the build."""
    (folder / "build").mkdir(parents=True)
    (folder / "launch").symlink_to(SOURCE / "launch")
    return folder


def source_folder_with_devices(folder: Path) -> Path:
    """One whose program, but nothing else of a job, has as many pretend devices as SLURM tells of GPUs."""
    release = source_folder(folder) / "build/release"
    release.mkdir()
    for name in ("mpirun", "CMakeCache.txt"):
        (release / name).symlink_to(PROGRAM.parent / name)
    variables = " ".join(f"{name}='{value}'" for name, value in on_devices(GPUS).items())
    program = release / "onemask"
    program.write_text(f"#!/bin/sh\n{variables} exec '{PROGRAM}' \"$@\"\n")
    program.chmod(0o755)
    return folder


def status_of(job: Job) -> dict:
    """What `onemask status` says here, outside the cluster, of a run's last start; its tasks by their kind."""
    said = subprocess.run([PROGRAM, "status", job.run.folder, "--json"], capture_output=True, check=True).stdout
    (part,) = json.loads(said)["parts"]
    return part | {kind["kind"]: kind for kind in part["tasks"]}


class Slurm(PretendTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        keep_traces_in(cls.folder / "mpi")
        cls.cluster = cls.enterClassContext(Cluster())
        cls.source = source_folder(cls.folder / "source")
        (cls.source / "build/release").symlink_to(PROGRAM.parent)
        # SLURM warns when its next look at time limits might be too late: in this job of a minute, for which a test waits, at the
        # first look after two seconds. It is submitted to begin six seconds before one, and has time enough after that.
        limits = ["--time=1", "--signal=B:USR1@28", f"--begin=now+{(cls.cluster.seconds_to_check() - 6) % 30}"]
        cls.limited = Job(cls, "limited", "sweep.sbatch", "--ntasks=1", "--nodelist=n1", *limits)
        undisturbed = Run(cls.study, cls.folder / "undisturbed", *SLOW)
        start = undisturbed.start(2)
        wait_for(lambda: cls.limited.field("Restarts") == "1", cls.limited.story, 120)
        cls.cluster.call("scontrol", "update", f"JobId={cls.limited.number}", "TimeLimit=10")
        if start.finish(300) != 0:
            raise AssertionError(start.said())
        cls.expected = undisturbed.results()

    def submit(self, name: str, *options: str) -> Job:
        return Job(self, name, "sweep.sbatch", "--time=10", *options)

    def expect_completed(self, job: Job, restarts: int) -> None:
        """Ended by itself, with the bytes of the undisturbed run, each task done once, the starts all in one log."""
        self.assertEqual(job.wait_for_end(), "COMPLETED", job.story())
        self.expect_same_results(job.run.results(), self.expected)
        self.expect_done_once(job)
        self.assertEqual(job.field("Restarts"), str(restarts), job.story())
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

    def test_a_device_for_each_rank_of_both_nodes(self):
        source = source_folder_with_devices(self.folder / "source with devices")
        words = [*SMALL, "--set", "mask.ranks=4", "--device", "pretend"]
        job = Job(self, "devices", "sweep.sbatch", "--time=10", *ON_GPUS, words=words, source=source)
        here = Run(self.study, self.folder / "on the CPU", *SMALL)
        self.expect_ends(here.start(2), 0)
        self.assertEqual(job.wait_for_end(), "COMPLETED", job.story())
        self.expect_same_numbers(job.run.results(), here.results())
        self.expect_done_once(job)
        self.assertNotIn("warning: ", job.log())
        nodes = list(self.cluster.hosts.values())
        devices = [f"pretend:{rank % GPUS}.* of {nodes[rank // GPUS]}, " for rank in range(2 * GPUS)]
        for rank, device in enumerate(devices):
            self.assertRegex((job.run.folder / f"logs/rank-{rank}.log").read_text(), f"This rank computes on {device}")
        (trained,) = [record for record in job.run.records() if record["task"].startswith("mask/")]
        self.assertEqual(trained["ranks"], 4)

    def test_doctor_sees_both_nodes(self):
        said = self.folder / "doctor.json"
        doctor = f"'{MPIRUN}' -n 3 --bind-to none '{PROGRAM}' doctor '{self.study}' --out '{self.folder / 'examined'}' --json"
        options = ["--wait", "--time=10", "--nodes=2", "--ntasks=3", f"--output={said}", f"--error={said}.error"]
        self.cluster.call("sbatch", *options, f"--wrap={doctor}")
        sections = {section["title"]: section["findings"] for section in json.loads(said.read_text())["sections"]}
        ranks, job = sections["ranks"], {finding["subject"]: finding["text"] for finding in sections["SLURM job"]}
        self.assertIn("on 2 node(s), n[1-2]", job["job"])
        self.assertEqual(job["tasks"], "3 of the job, 3 ranks")
        hosts = set(self.cluster.hosts.values())
        self.assertEqual({finding["subject"] for finding in ranks if finding["subject"] in hosts}, hosts)
        folder = next(findings for title, findings in sections.items() if title.startswith("run folder"))
        shared = [finding["text"] for finding in folder if finding["subject"] == "all hosts"]
        self.assertRegex(", ".join(shared), "^2 see each other's files")

    def test_requeued_in_the_middle(self):
        job = self.submit("requeued", *TWO_NODES)
        job.wait_for_edits()
        running = wait_for(lambda: (now := status_of(job))["edits"]["done"] > 0 and now, job.story)  # it is told every two seconds
        self.assertEqual((running["phase"], running["attempt"], running["ranks"]), ("running", 1, 2))
        self.assertEqual(running["host"], self.cluster.hosts["n1"])
        self.assertEqual(running["edits"]["tasks"], FACTS)
        self.cluster.call("scontrol", "requeue", job.number)
        self.expect_completed(job, 1)
        ended = status_of(job)
        self.assertEqual((ended["phase"], ended["attempt"], ended["edits"]["done"]), ("complete", 2, FACTS))

    def test_time_limit(self):
        self.expect_completed(self.limited, 1)
        self.assertEqual(self.limited.log().count("=== interrupted (exit code 75), requeued; "), 1)

    def test_lost_rank(self):
        asked = ["bash", "-c", 'source "$0" && survive_lost_ranks', SOURCE / "launch/env.sh"]
        if not subprocess.run(asked, capture_output=True, check=True).stdout:
            self.skipTest("this MPI has no ULFM")
        job = self.submit("rank", *TWO_NODES)
        job.wait_for_edits()
        victims = [process for process in self.cluster.processes("n2") if runs_program(process)]
        self.assertEqual([rank_of(process) for process in victims], [1])
        cluster.kill(victims)
        self.expect_completed(job, 0)
        self.assertIn("Rank 1 is lost", job.log())

    def test_lost_node(self):
        job = self.submit("lost", *TWO_NODES)
        job.wait_for_edits()
        self.cluster.kill_node("n2")
        wait_for(lambda: self.cluster.states().get("n2", "").startswith("down"), job.story, 120)
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
            wait_for(lambda: job.log().count("=== job ") == restart + 1, job.story, 120)
            wait_for(lambda: len(job.run.done("edit")) > 5 * restart, job.story, 120)
            self.cluster.call("scancel", "--batch", f"--signal={warning}", job.number)
            wait_for(lambda: job.log().count("=== interrupted") == restart + 1, job.story, 120)
        self.assertEqual(job.wait_for_end(), "FAILED")
        self.assertEqual(job.field("ExitCode"), "75:0")
        self.assertIn("after 1 restarts, as many as ONEMASK_MAX_RESTARTS allows", job.log())

    def test_array_without_mpi(self):
        if b"--shard" not in subprocess.run([PROGRAM, "sweep", "--help"], capture_output=True, check=False).stdout:
            self.skipTest("this program has no --shard")
        job = Job(self, "array", "array.sbatch", "--time=10", "--array=0-2")
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
