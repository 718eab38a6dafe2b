#!/usr/bin/env python3
"""Times how quickly tasks are dealt out, beside mpi4py.futures' MPIPoolExecutor on as many ranks, with tasks that do nothing.

  dispatch.py --mpirun $ONEMASK_WHEELS/bin/mpirun --ours build/release/bench_dispatch

needs an mpi4py that finds the same MPI; --python names the interpreter that has it. The rounds alternate. Of the pool, rank 0
deals out and the others work; of ours, rank 0 works too. What is timed begins when all ranks are there, and ends with the last
result: of ours with the building of the coordinator, of the pool with that of the list of results. Then: how long ranks wait
for a task while others compute. A thread that naps beside busy ones tells how much of that is the machine's own doing, with
whatever else runs on it; with more ranks than cores the ranks wait for each other's time slices.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def nothing(number: int) -> None:
    """The pool's task."""


def peer(count: int, chunk: int) -> None:
    from mpi4py import MPI
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as pool:
        list(pool.map(nothing, range(100)))
        start = time.perf_counter()
        results = list(pool.map(nothing, range(count), chunksize=chunk))
        seconds = time.perf_counter() - start
    print(json.dumps({"ranks": MPI.COMM_WORLD.Get_size(), "tasks": len(results), "seconds": seconds}))


def run(options: argparse.Namespace, ranks: int, *command: object) -> dict:
    launcher = [options.mpirun, "-n", ranks, "--oversubscribe", "--bind-to", "none"]
    words = list(map(str, [*launcher, *command]))
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{")))
    return found | {"load": os.getloadavg()[0]}


def microseconds(result: dict) -> float:
    return result["seconds"] / result["tasks"] * 1e6


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def compare(options: argparse.Namespace) -> None:
    row("ranks", "tasks", "ours µs", "pool µs", "ratio", f"pool, chunks of {options.chunk}, µs", "ratio", "load")
    row(*["---"] * 8)
    for ranks in options.ranks:
        ours, pool, chunks, loads = [], [], [], []
        for _ in range(options.rounds):
            mine = run(options, ranks, options.ours, "tasks", options.tasks)
            script = [options.python, "-m", "mpi4py.futures", __file__, "--peer", options.tasks]
            theirs = run(options, ranks, *script, 1)
            chunked = run(options, ranks, *script, options.chunk)
            ours.append(microseconds(mine))
            pool.append(microseconds(theirs))
            chunks.append(microseconds(chunked))
            loads += [mine["load"], theirs["load"], chunked["load"]]
        middle, other, third = map(statistics.median, (ours, pool, chunks))
        row(
            ranks,
            options.tasks,
            f"{middle:.1f} ({min(ours):.1f}–{max(ours):.1f})",
            f"{other:.0f} ({min(pool):.0f}–{max(pool):.0f})",
            f"{other / middle:.1f} ×",
            f"{third:.1f}",
            f"{third / middle:.2f} ×",
            f"{min(loads):.1f}–{max(loads):.1f}",
        )


def answers(options: argparse.Namespace) -> None:
    row("waits", "ranks", "of them computing", "count", "p50 µs", "p99 µs", "p99.9 µs", "max µs", "load")
    row(*["---"] * 9)

    def measure(what: str, ranks: int, computing: object, *words: object) -> None:
        result = run(options, ranks, options.ours, *words)
        quantiles = [f"{result[name]:.0f}" for name in ("p50", "p99", "p99.9", "max")]
        row(what, ranks, computing, result["count"], *quantiles, f"{result['load']:.1f}")

    for _ in range(options.rounds):
        measure("of a napping thread, too long", 1, "all cores", "naps", options.answers)
        for ranks in options.ranks:
            measure("for a task", ranks, ranks - 1, "answers", options.answers)


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] == "--peer":
        return peer(int(sys.argv[2]), int(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mpirun", required=True)
    parser.add_argument("--ours", required=True, help="the program bench_dispatch")
    parser.add_argument("--python", default=sys.executable, help="an interpreter with mpi4py")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--tasks", type=int, default=20000)
    parser.add_argument("--chunk", type=int, default=100)
    parser.add_argument("--answers", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores")
    compare(options)
    print()
    answers(options)


if __name__ == "__main__":
    main()
