#!/usr/bin/env python3
"""A few steps of the pre-training of res/studies/world_gpt2.yaml, for bench.py: prints their seconds and the tokens in them.

The world that it learns and the folder that it writes, whose config and tokenizer the peers take, are left in --folder.

  ours_pretrain.py --program build/release/onemask --mpirun mpirun --ranks 2 --steps 12
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*command: object) -> str:
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}.")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "release" / "onemask")
    parser.add_argument("--mpirun", default="mpirun")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--folder", type=Path, default=ROOT / "results" / "bench_pretrain")
    options = parser.parse_args()

    folder = options.folder.resolve()
    world, model = folder / "world", folder / "model"
    if not (world / "statements.jsonl").exists():
        run(options.program, "world", ROOT / "res" / "worlds" / "small.yaml", "--out", world)
    shutil.rmtree(model, ignore_errors=True)  # a training that is complete would only give its report again
    corpus = f"corpus={{statements: {world / 'statements.jsonl'}, text: {world / 'prose.txt'}, text_share: 0.15}}"
    settings = [corpus, f"training.steps={options.steps}", "recall={}", "perplexity={}"]
    words = [word for setting in settings for word in ("--set", setting)]
    launcher = [options.mpirun, "-n", options.ranks, "--oversubscribe", "--bind-to", "none"]
    study = ROOT / "res" / "studies" / "world_gpt2.yaml"
    report = json.loads(run(*launcher, options.program, "pretrain", study, "--out", model, "--json", *words))
    print(json.dumps({"seconds": report["seconds"], "n": report["tokens"], "ranks": report["ranks"]}))


if __name__ == "__main__":
    main()
