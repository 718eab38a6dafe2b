#!/usr/bin/env python3
"""The baseline that benchmarks run beside onemask: the peers' algorithms in PyTorch and transformers, step for step.

Each subcommand prints one JSON line with the seconds spent (loading and preparation left out), the number n of items they
were spent on, and results. --check compares those with the golden numbers and exits with 1 where they differ by more than
1e-3. --mended runs the same mathematics after the plain repairs that any user could make: model frozen, unembedding only
where it is read, no forward run twice. A fair comparison quotes the ratio to both.

  peer.py rome --limit 3 --threads 1 --check
  peer.py mask --facts 99 --batch 50 --epochs 1 --mended
  peer.py eval --limit 20
  peer.py stats --layers 4 --check
  peer.py memit --limit 3 --check
  peer.py memit --from-golden-values --check
  peer.py tracing --limit 2
  peer.py pretrain --model results/bench_pretrain/model --steps 3
"""

import argparse
import json
import sys
from pathlib import Path

import peer_eval
import peer_mask
import peer_memit
import peer_pretrain
import peer_rome
import peer_stats
import peer_tracing
import torch
from peer_common import TOLERANCE, shared_folder


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not a positive number")
    return number


def parse_options() -> argparse.Namespace:
    shared = shared_folder()
    golden = shared / "golden"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def add_command(name: str, run, records: str, about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about)
        command.set_defaults(run=run)
        command.add_argument("--model", type=Path, default=shared / "checkpoints" / "cf-gpt2", help="folder of the checkpoint")
        command.add_argument("--records", type=Path, default=golden / records, help="golden records, their tensors beside them")
        command.add_argument("--threads", type=positive, default=1)
        command.add_argument("--mended", action="store_true", help="with the plain repairs")
        command.add_argument("--check", action="store_true", help="compare with the golden numbers")
        return command

    rome = add_command("rome", peer_rome.run, "rome.json", "edit facts by ROME")
    rome.add_argument("--limit", type=positive, default=3, help="records to edit")
    rome.add_argument("--templates", type=Path, default=golden / "context_templates.json")
    rome.add_argument("--key", default="rome_full", help="which templates of the file")

    mask = add_command("mask", peer_mask.run, "mask_edits_train.json", "train the shared mask")
    mask.add_argument("--facts", type=positive, default=99)
    mask.add_argument("--batch", type=positive, default=50)
    mask.add_argument("--epochs", type=positive, default=1, help="epochs to run")
    mask.add_argument("--total-epochs", type=positive, default=80, help="epochs that the schedules are laid out for")
    mask.add_argument("--golden", type=Path, default=golden / "mask_train.json", help="run that --check follows")
    mask.add_argument("--steps", type=positive, default=3, help="steps of that run to follow, at most one epoch")

    evaluation = add_command("eval", peer_eval.run, "eval.json", "evaluate the original, edited and pruned models")
    evaluation.add_argument("--limit", type=positive, default=20, help="records to evaluate")
    edits = [golden / "mask_edits_train.json", golden / "mask_edits_heldout.json"]
    evaluation.add_argument("--edits", type=Path, nargs="+", default=edits, help="edits of the records, tensors beside them")
    evaluation.add_argument("--mask", type=Path, default=golden / "eval_mask.safetensors")

    stats = add_command("stats", peer_stats.run, "cov.safetensors", "take second moments; --mended: of all layers in one pass")
    stats.add_argument("--layers", type=positive, default=4, help="the lowest so many")
    stats.add_argument("--batch", type=positive, default=4, help="segments at once")

    memit = add_command("memit", peer_memit.run, "memit.json", "write facts into several layers by MEMIT")
    memit.add_argument("--limit", type=positive, default=3, help="records to write, all in one batch")
    memit.add_argument("--from-golden-values", action="store_true", help="all records; only solve, from the golden values")
    memit.add_argument("--templates", type=Path, default=golden / "context_templates.json", help="groups of them under memit")
    memit.add_argument("--moments", type=Path, default=golden / "cov.safetensors", help="second moments of the layers' keys")

    tracing = add_command("tracing", peer_tracing.run, "rome.json", "trace facts by restoring one state after the other")
    tracing.add_argument("--limit", type=positive, default=4, help="records to trace")
    tracing.add_argument("--samples", type=positive, default=10, help="of the noise")
    tracing.add_argument("--window", type=positive, default=10, help="layers whose MLPs or attentions are restored together")

    world = Path(__file__).resolve().parents[2] / "results" / "bench_pretrain" / "world"
    pretrain = add_command("pretrain", peer_pretrain.run, "", "train a model from scratch, of --model's config and tokenizer")
    pretrain.set_defaults(records=world / "statements.jsonl")
    pretrain.add_argument("--steps", type=positive, default=3)
    return parser.parse_args()


def main() -> int:
    options = parse_options()
    torch.set_num_threads(options.threads)
    result, check = options.run(options)
    line = {"task": options.command, "variant": "mended" if options.mended else "peer", "threads": options.threads, **result}
    if check:
        line["worst"] = check.worst
    print(json.dumps(line))
    if check and not check.passed():
        print(f"The results differ from the golden numbers by more than {TOLERANCE}: {check.worst}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
