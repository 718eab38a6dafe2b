#!/usr/bin/env python3
"""Times ROME, an epoch of a mask and evaluation on SmolLM2-135M beside the peers' code, on one thread each, in alternation.

    smollm2.py [--model FOLDER] [--seconds 20] [--rounds 1]

The facts are those of res/studies/smollm2.yaml. Prints the table of bench.py. Takes 8 minutes a round with 20 seconds a task.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from bench import Run, Task, matmul_peak, set_environment, table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TASKS = [Task("edit", "edit", "", ""), Task("mask", "fact and epoch", "", ""), Task("evaluation", "fact and mode", "", "")]
SIZES = {"edit_batch": 16, "mask_facts": 10, "evaluated_facts": 24}
RELATIONS = {f"K{number:02}" for number in range(1, 11)}


def write_model(source: Path, folder: Path) -> None:
    """The checkpoint with the hparams beside it, as random_model.py writes them."""
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).symlink_to(file)
    settings = yaml.safe_load((ROOT / "res" / "hparams" / "rome" / "smollm2-135m.yaml").read_text())
    for key in ("mom2_adjustment", "context_template_length_params", "rewrite_module_tmp"):
        del settings[key]
    words = {"alg_name", "fact_token"}
    lines = [f"{key}: {value if key in words else json.dumps(value)}\n" for key, value in settings.items()]
    (folder / "hparams.yaml").write_text("".join(lines))


def write_work(folder: Path) -> None:
    folder.mkdir()
    facts = json.loads((ROOT / "res" / "facts" / "known_world.json").read_text())
    some = [fact for fact in facts if fact["requested_rewrite"]["relation_id"] in RELATIONS][::7]
    (folder / "facts.json").write_text(json.dumps(some))
    # As the study's 21: ten of 5 tokens, ten of 10.
    words = (ROOT / "res" / "facts" / "prose_heldout.txt").read_text().split()
    starts = [" ".join(words[10 * i : 10 * i + (4 if i < 10 else 8)]).rstrip(".") for i in range(20)]
    templates = ["{}", *(start + ". {}" for start in starts)]
    (folder / "work.json").write_text(json.dumps({**SIZES, "templates": templates}))


def lines_of(command: list) -> list[dict]:
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode != 0:
        sys.exit(f"{command[0]} {command[1]} ended with {done.returncode}.")
    return [line for line in map(json.loads, filter(lambda text: text.startswith("{"), done.stdout.splitlines())) if "task" in line]


def main() -> None:
    set_environment()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="its folder; that of launch/get_smollm2.sh unless given")
    parser.add_argument("--seconds", type=float, default=20, help="of each task")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    model = options.model or Path(subprocess.check_output([ROOT / "launch" / "get_smollm2.sh"], text=True).splitlines()[-1])

    peaks, runs = [matmul_peak(1)], []
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / "model", Path(place) / "work"]
        write_model(model, folders[0])
        write_work(folders[1])
        rest = [*folders, "cpu", "float32", options.seconds]
        commands = [
            [ROOT / "build" / "release" / "bench_shapes", *rest, "time"],
            [sys.executable, HERE / "peer_shapes.py", *rest],
        ]
        for _ in range(options.rounds):
            for command in commands:
                load = os.getloadavg()[0]
                for line in lines_of(command):
                    variant = line.get("variant", "ours")
                    runs.append(Run(line["task"], variant, line["seconds"] / line["n"], load, 0, 0))
                    print(f"{line['task']:10} {variant:7} {line['seconds']:8.2f} s for {line['n']}", file=sys.stderr)
            peaks.append(matmul_peak(1))
    print(table(TASKS, runs))
    print(f"\nMatrix product, float32, 1024³: {', '.join(f'{peak:.0f}' for peak in peaks)} GFLOP/s.")


if __name__ == "__main__":
    main()
