"""Runs the built program for the tests in this folder."""

import os
import subprocess

PROGRAM = os.environ["ONEMASK_PROGRAM"]
PRETEND = os.environ.get("ONEMASK_PRETEND")  # the library of the pretend accelerator, where it runs on that
COMMAND = ["env", f"LD_PRELOAD={PRETEND}", PROGRAM] if PRETEND else [PROGRAM]
MPIRUN = os.environ["ONEMASK_MPIRUN"]


def onemask(
    *words: str, ranks: int = 0, stdin: str = "", cwd: str | None = None, variables: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    """Under mpirun where a number of ranks is given. Not a terminal, no input unless given; `variables` are set besides."""
    launcher = [MPIRUN, "-n", str(ranks), "--oversubscribe", "--bind-to", "none"] if ranks else []
    return subprocess.run([*launcher, *COMMAND, *words], input=stdin, capture_output=True, text=True, timeout=120, cwd=cwd, check=False,
                          env=os.environ | (variables or {}))  # fmt: skip
