#!/usr/bin/env python3
"""Scripts for SLURM and the container's recipe: what bash can tell without running them, and how they refuse wrong calls."""

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
JOB = {
    "SLURM_JOB_ID": "7",
    "SLURM_JOB_NODELIST": "n1",
    "SLURM_TASKS_PER_NODE": "1",
    "SLURM_NTASKS": "1",
    "SLURM_SUBMIT_DIR": str(SOURCE),
}
# Stands in for the program: `status` says what `begin PHASE ATTEMPT` wrote, beside a shard of the same folder.
PROGRAM = """\
#!/bin/sh
[ "$*" = "status run --json" ] && cat status 2>/dev/null
"""
BEGIN = """\
begin() {
  local shard='{"part":"shard-1-of-4","phase":"complete","attempt":9}'
  printf '{"parts":[{"part":"","phase":"%s","attempt":%s,"host":"n1"},%s]}' "$@" "$shard" > status
}
export -f begin
"""
SCONTROL = """\
#!/bin/sh
[ "$1" = requeue ] && echo "REQUEUE $2" || echo "JobId=7 JobState=$STATE Reason=None"
"""


def sections(recipe: str) -> dict[str, str]:
    """Text of the recipe's sections, by the first word of their heads."""
    parts = re.split(r"^%(\w+).*\n", recipe, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


class Scripts(unittest.TestCase):
    def start(self, script: str, *words: str, **variables: str) -> subprocess.CompletedProcess:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")} | JOB | variables
        return subprocess.run(
            ["bash", SOURCE / "launch" / script, *words], env=environment, text=True, capture_output=True, check=False, timeout=30
        )

    def start_job(self, **variables: str) -> str:
        """What launch/slurm.sh says when it is sourced."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")} | JOB | variables
        text = f'set -euo pipefail; source "{SOURCE}/launch/slurm.sh"'
        return subprocess.run(["bash", "-c", text], env=environment, text=True, stderr=subprocess.STDOUT, stdout=subprocess.PIPE,
                              check=True, timeout=30).stdout  # fmt: skip

    def expect_refused(self, ended: subprocess.CompletedProcess, pattern: str) -> None:
        self.assertEqual(ended.returncode, 2, ended.stderr)
        self.assertRegex(ended.stderr, pattern)

    def test_no_error_of_syntax(self):
        for script in [*(SOURCE / "launch").glob("*.sh"), *(SOURCE / "launch").glob("*.sbatch")]:
            with self.subTest(script.name):
                subprocess.run(["bash", "-n", script], check=True)

    def test_recipe(self):
        parts = sections((SOURCE / "launch/onemask.def").read_text())
        for name in ("post", "environment", "runscript", "test"):
            with self.subTest(name):
                subprocess.run(["bash", "-n"], input=parts[name], text=True, check=True)
        copied = [line.split()[0] for line in parts["files"].splitlines() if line.strip()]
        for name in copied:
            self.assertTrue((SOURCE / name).exists(), name)
        # Configuring needs these and nothing else of the source folder.
        folders = re.findall(r"PROJECT_SOURCE_DIR}/(\w+)", (SOURCE / "CMakeLists.txt").read_text())
        needed = {"CMakeLists.txt", "CMakePresets.json", "src", *folders}
        self.assertEqual(needed - {"tests"} - set(copied), set())

    def test_too_few_words(self):
        self.expect_refused(self.start("sweep.sbatch", "study.yaml"), "^usage, .*sbatch launch/sweep.sbatch")
        self.expect_refused(self.start("array.sbatch", "study.yaml", SLURM_ARRAY_TASK_MIN="0"), "^usage")

    def warning_of(self, tasks_per_node: str, **variables: str) -> str:
        """What a job of two nodes says of its GPUs."""
        said = self.start_job(**{"SLURM_TASKS_PER_NODE": tasks_per_node, "SLURM_JOB_NUM_NODES": "2"} | variables)
        lines = [line for line in said.splitlines() if line.startswith("warning: ")]
        self.assertLessEqual(len(lines), 1, said)
        return "".join(lines)

    def test_ranks_and_gpus_that_differ(self):
        for tasks, gpus in [("2(x2)", {"GPUS_ON_NODE": "2", "GPUS_PER_NODE": "2"}), ("4,3", {}), ("4,3", {"GPUS_ON_NODE": "4"}),
                            ("1", {"GPUS_ON_NODE": "1", "GPUS_PER_TASK": "1"})]:  # fmt: skip
            with self.subTest(tasks, gpus=gpus):
                variables = {f"SLURM_{name}": value for name, value in gpus.items()}
                self.assertEqual(self.warning_of(tasks, **variables), "")
        for tasks, ranks in [("4(x2)", 4), ("1", 1), ("2,3", 3), ("2(x3),1", 1)]:
            with self.subTest(tasks):
                warning = self.warning_of(tasks, SLURM_GPUS_ON_NODE="2", SLURM_GPUS_PER_NODE="a100:2")
                self.assertIn(f"has 2 GPU(s) and {ranks} rank(s)", warning)
                self.assertIn("submit with --ntasks-per-node=2 --ntasks=4.", warning)
        self.assertIn("3 rank(s)", self.warning_of("3,1", SLURM_GPUS_ON_NODE="2"))
        several = {"SLURM_GPUS_ON_NODE": "2", "SLURM_GPUS_PER_TASK": "1", "SLURM_NTASKS": "4"}
        self.assertIn("--gpus-per-node", self.warning_of("2(x2)", **several))

    def test_array_with_gaps_or_no_array(self):
        arrays = [{}, {"MIN": "1", "MAX": "3", "COUNT": "3"}, {"MIN": "0", "MAX": "6", "COUNT": "4"}]
        for array in arrays:
            variables = {f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()}
            self.expect_refused(self.start("array.sbatch", "study.yaml", "run", **variables), "--array=0-N")

    def test_cap_that_is_no_number(self):
        for cap in ("-1", "many", "007", "1e3", "99999999999999999999"):
            ended = self.start("sweep.sbatch", "study.yaml", "run", ONEMASK_MAX_RESTARTS=cap)
            self.expect_refused(ended, "ONEMASK_MAX_RESTARTS")


class RunUntilDone(unittest.TestCase):
    """launch/slurm.sh with stand-ins for scontrol and the program."""

    def run_command(
        self, command: str, run: str = "", before: str = ":", state: str = "RUNNING", **variables: str
    ) -> tuple[int, str]:
        with tempfile.TemporaryDirectory() as folder:
            for name, stand_in in [("scontrol", SCONTROL), ("build/release/onemask", PROGRAM)]:
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(stand_in)
                file.chmod(0o755)
            text = f"""{BEGIN}{before}
                set -euo pipefail; source "{SOURCE}/launch/slurm.sh"; run_until_done "{run}" bash -c "$1" """
            ended = subprocess.run(
                ["bash", "-c", text, "job", command],
                env=os.environ | JOB | {"PATH": f"{folder}:{os.environ['PATH']}", "STATE": state} | variables,
                cwd=folder,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=30,
            )
            return ended.returncode, ended.stdout

    def test_exit_codes(self):
        for code, ends_with in [(0, 0), (1, 1), (2, 2), (3, 3), (75, 75), (127, 127), (137, 75)]:
            with self.subTest(code):
                ended, said = self.run_command(f"exit {code}")
                self.assertEqual((ended, "REQUEUE 7" in said), (ends_with, ends_with == 75), said)

    def test_the_run_says_whether_it_is_complete(self):
        cases = [("complete", 0, 0), ("complete", 137, 0), ("partial", 0, 3), ("interrupted", 0, 75), ("failed", 1, 1), ("failed", 0, 1)]
        for phase, code, ends_with in cases:
            with self.subTest(f"{phase}, {code}"):
                ended, said = self.run_command(f"begin {phase} 2; exit {code}", "run", "begin interrupted 1")
                self.assertEqual((ended, "REQUEUE 7" in said), (ends_with, ends_with == 75), said)

    def test_rank_0_says_how_the_program_has_ended(self):
        for code, ends_with in [(1, 75), (2, 2), (3, 3), (75, 75)]:
            with self.subTest(code):
                ended, said = self.run_command(f'echo {code} > "$ONEMASK_EXIT_CODE_FILE"', "run")
                self.assertEqual((ended, "REQUEUE 7" in said), (ends_with, ends_with == 75), said)

    def test_zero_without_a_new_start_of_the_run(self):
        for before in (":", "begin complete 1"):
            ended, said = self.run_command("exit 0", "run", before)
            self.assertEqual((ended, "REQUEUE 7" in said), (75, True), said)

    def test_cap(self):
        ended, said = self.run_command("exit 75", SLURM_RESTART_COUNT="3", ONEMASK_MAX_RESTARTS="3")
        self.assertEqual(ended, 75)
        self.assertIn("after 3 restarts", said)
        self.assertNotIn("REQUEUE", said)
        self.assertIn("REQUEUE", self.run_command("exit 75", SLURM_RESTART_COUNT="2", ONEMASK_MAX_RESTARTS="3")[1])

    def test_job_that_is_ended_already(self):
        ended, said = self.run_command("exit 75", state="CANCELLED")
        self.assertEqual(ended, 75)
        self.assertNotIn("REQUEUE", said)

    def test_signals_reach_the_command_as_usr1(self):
        for warning in ("TERM", "USR1"):
            command = f"trap 'echo warned; exit 75' USR1; kill -{warning} $PPID; while :; do sleep 0.05; done"
            ended, said = self.run_command(command)
            self.assertEqual(ended, 75)
            self.assertIn("warned", said)
            self.assertIn("REQUEUE", said)

    def test_failure_after_a_signal_is_an_interruption(self):
        ended, said = self.run_command("trap 'exit 1' USR1; kill -USR1 $PPID; while :; do sleep 0.05; done")
        self.assertEqual(ended, 75)
        self.assertIn("REQUEUE", said)


if __name__ == "__main__":
    unittest.main(verbosity=1)
