#!/usr/bin/env python3
"""Times onemask beside the peers' algorithms on this machine, in alternation, and prints a Markdown table.

A command of ours prints, as its last line that starts with "{", a JSON object with "seconds" (start-up and loading left out)
and "n" (the facts, or facts times modes, they were spent on). {model}, {golden} and {threads} in it are filled in.

  bench.py --threads 1 --ours rome="build/release/onemask ..." --ours eval="..."
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from peer_common import shared_folder

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Task:
    name: str
    item: str  # what one of n is
    ours: str  # command line; empty: only the peers run
    peer: str  # arguments of peer.py
    sweep: str = ""  # command line of ours over eight λ, run beside the one of `ours`
    model: str = "{model}"  # folder of the peers' model


# As many ranks of one thread as the peers have threads.
OURS = "{mpirun} -n {threads} --oversubscribe --bind-to none build/release/bench_ours "
OURS_PRETRAIN = "{python} tests/bench/ours_pretrain.py --mpirun {mpirun} --ranks {threads}"

TASKS = [
    Task("rome", "edit", OURS + "rome {shared}", "rome --limit 3"),
    Task("mask", "fact and epoch", OURS + "mask {shared} 2", "mask --facts 99 --batch 50 --epochs 1"),
    Task("eval", "fact and mode", OURS + "eval {shared}", "eval --limit 20"),
    Task("stats", "token and layer", OURS + "stats {shared}", "stats --layers 4"),
    Task("memit", "fact", OURS + "memit {shared}", "memit --limit 3", sweep=OURS + "memit {shared} 8"),
    Task("tracing", "fact and kind of state", OURS + "tracing {shared} 4", "tracing --limit 4"),
    Task("pretrain", "token", OURS_PRETRAIN, "pretrain --steps 6", model="results/bench_pretrain/model"),
]


@dataclass(frozen=True)
class Run:
    task: str
    variant: str
    seconds_per_item: float
    load: float  # one-minute load of the machine just before
    peak_bytes: int  # of one process; 0 where it does not say
    edit_bytes: int  # of one stored edit; 0 where it does not say


def matmul_peak(threads: int) -> float:
    """GFLOP/s per thread of a float32 product of 1024 x 1024 matrices, best of ten."""
    torch.set_num_threads(threads)
    a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    return 2 * 1024**3 / best / 1e9 / threads


def time_command(task: str, variant: str, command: list[str]) -> Run:
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1])
    except OSError as error:
        sys.exit(f"{task}, {variant}: {command[0]} cannot be started ({error}).")
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"{task}, {variant}: {shlex.join(command)} ended with {done.returncode} and {len(lines)} JSON lines.")
    answer = json.loads(lines[-1])
    print(f"{task:8} {variant:7} {answer['seconds']:9.3f} s for {answer['n']}, load {load:.2f}", file=sys.stderr)
    return Run(task, variant, answer["seconds"] / answer["n"], load, answer.get("peak_bytes", 0), answer.get("edit_bytes", 0))


def commands(task: Task, places: dict, ours: dict[str, str]) -> dict[str, list[str]]:
    model = task.model.format(**places)
    peer = [sys.executable, str(HERE / "peer.py"), *task.peer.split(), "--model", model, "--threads", places["threads"]]
    # A command given in place of ours has no sweep to compare with.
    lines = {"ours": ours[task.name]} if task.name in ours else {"ours": task.ours, "sweep": task.sweep}
    own = {variant: [word.format(**places) for word in shlex.split(line)] for variant, line in lines.items() if line}
    return {**own, "peer": peer, "mended": [*peer, "--mended"]}


def median(task: str, variant: str, runs: list[Run]) -> float | None:
    """Seconds per item; None where nothing was run."""
    values = [run.seconds_per_item for run in runs if (run.task, run.variant) == (task, variant)]
    return statistics.median(values) if values else None


def table(tasks: list[Task], runs: list[Run]) -> str:
    lines = [
        "| task | per | onemask [s] | peer [s] | mended peer [s] | peer / onemask | mended / onemask | load before each run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for task in tasks:
        seconds = {variant: median(task.name, variant, runs) for variant in ("ours", "peer", "mended")}
        ratios = [seconds[v] / seconds["ours"] if seconds["ours"] else None for v in ("peer", "mended")]
        cells = [f"{value:.3g}" if value is not None else "–" for value in (*seconds.values(), *ratios)]
        loads = " ".join(f"{run.load:.1f}" for run in runs if run.task == task.name)
        lines.append(f"| {task.name} | {task.item} | " + " | ".join(cells) + f" | {loads} |")
    return "\n".join(lines)


def set_environment() -> None:
    """What launch/env.sh sets: one thread a rank, and Open MPI's consent to start as root."""
    for name in ("OMP_NUM_THREADS", "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        os.environ.setdefault(name, "1")


def main() -> None:
    set_environment()
    shared = shared_folder()
    names = [task.name for task in TASKS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=shared / "checkpoints" / "cf-gpt2")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=names, default=names)
    parser.add_argument("--ours", action="append", default=[], metavar="TASK=COMMAND", help="a command of ours for one task")
    options = parser.parse_args()
    if options.threads < 1 or options.rounds < 1:
        parser.error("--threads and --rounds must be at least 1.")
    ours = dict(given.split("=", 1) for given in options.ours if "=" in given)
    if len(ours) != len(options.ours) or not ours.keys() <= set(names):
        parser.error(f"--ours takes TASK=COMMAND once per task, with a task of {', '.join(names)}.")

    tasks = [task for task in TASKS if task.name in options.tasks]
    places = {
        "model": str(options.model),
        "golden": str(shared / "golden"),
        "shared": str(shared),
        "threads": str(options.threads),
        "python": sys.executable,
        "mpirun": str(Path(sys.executable).parent / "mpirun"),
    }
    peaks, runs = [matmul_peak(options.threads)], []
    for _ in range(options.rounds):
        for task in tasks:
            runs += [time_command(task.name, variant, command) for variant, command in commands(task, places, ours).items()]
        peaks.append(matmul_peak(options.threads))
    print(table(tasks, runs))
    for task in tasks:
        if sweep := median(task.name, "sweep", runs):
            ratio = sweep / median(task.name, "ours", runs)
            print(f"\nλ sweep: {task.name} with eight λ takes {ratio:.2f} times as long as with one; at most 1.3 is wanted.")
    checkpoint = 2 * (options.model / "model.safetensors").stat().st_size  # stored in float16, run in float32
    for task in tasks:
        if peak := max(run.peak_bytes for run in runs if run.task == task.name):
            print(f"\nPeak memory of a rank, {task.name}: {peak / 1e9:.2f} GB; the checkpoint in float32 takes {checkpoint / 1e9:.2f} GB.")
    if edit_bytes := max(run.edit_bytes for run in runs):
        print(f"\nA stored edit: {edit_bytes} bytes; the peers' float16 matrix: {2 * 320 * 1280} bytes, {2 * 320 * 1280 / edit_bytes:.0f} times as many.")
    print(
        f"\nMedians of {options.rounds} rounds, {options.threads} thread(s). Matrix product, float32, 1024³, before the first "
        f"and after each round: {', '.join(f'{peak:.0f}' for peak in peaks)} GFLOP/s per thread."
    )


if __name__ == "__main__":
    main()
