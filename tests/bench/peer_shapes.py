#!/usr/bin/env python3
"""What bench_shapes measures, done by the peers' code (peer_rome.py, peer_mask.py, peer_eval.py); prints a JSON line for each.

    peer_shapes.py MODEL WORK DEVICE DTYPE SECONDS [--variants peer mended]

MODEL and WORK are folders that random_model.py writes.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import torch
from peer_common import edited_module, rank_one
from peer_eval import Evaluator
from peer_mask import SETTINGS, MaskTrainer
from peer_rome import RomeEditor
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

MASK_EPOCHS = 301  # that the schedules are laid out for


def read_records(work: Path) -> list[dict]:
    """The facts as the peers' code takes them."""

    def record(fact: dict) -> dict:
        rewrite = fact["requested_rewrite"]
        true, new = rewrite["target_true"]["str"], rewrite["target_new"]["str"]
        prompt = rewrite["prompt"].format(rewrite["subject"])
        return {
            "subject": rewrite["subject"],
            "prompt": prompt,
            "ground_truth": true,
            "target_new": new,
            "paraphrases": fact["paraphrase_prompts"],
        }

    return [record(fact) for fact in json.loads((work / "facts.json").read_text())]


def read_hparams(model: Path) -> dict:
    lines = (line.split(": ", 1) for line in (model / "hparams.yaml").read_text().splitlines())
    return {key: json.loads(value) for key, value in lines if key not in ("alg_name", "fact_token")}


class Bench:
    def __init__(self, options: argparse.Namespace) -> None:
        self.device, self.seconds = torch.device(options.device), options.seconds
        dtype = getattr(torch, options.dtype)
        self.model = AutoModelForCausalLM.from_pretrained(options.model, torch_dtype=dtype, local_files_only=True).eval().to(self.device)
        names = ["input_ids", "attention_mask"]
        file = str(options.model / "tokenizer.json")
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_file=file, padding_side="right", model_input_names=names)
        self.tokenizer.pad_token = self.tokenizer.convert_ids_to_tokens(self.model.config.eos_token_id)
        self.hparams = read_hparams(options.model)
        self.work = json.loads((options.work / "work.json").read_text())
        self.records = read_records(options.work)
        torch.manual_seed(1)

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def timed(self, task: str, variant: str, once) -> dict:
        """Calls `once(i)`, which does some work and says how much, again and again, about as long as was asked for."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.wait()
        start, n, rounds = time.perf_counter(), 0, 0
        while rounds == 0 or time.perf_counter() - start < self.seconds:
            n += once(rounds)
            self.wait()
            rounds += 1
        seconds = time.perf_counter() - start
        peak = torch.cuda.max_memory_allocated() if self.device.type == "cuda" else 0
        return {"task": task, "variant": variant, "seconds": seconds, "n": n, "rounds": rounds, "peak_bytes": peak}

    def random_factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        weight = edited_module(self.model, self.hparams["layers"][0]).weight
        inner, hidden = max(weight.shape), min(weight.shape)
        return tuple(0.05 * torch.randn(size, device=self.device, dtype=weight.dtype) for size in (inner, hidden))

    def edit(self, variant: str) -> dict:
        steps = []

        def once(round_: int, hparams: dict = self.hparams) -> int:
            editor = RomeEditor(self.model, self.tokenizer, self.work["templates"], hparams, variant == "mended")
            steps.append(len(editor.edit(self.records[round_ % len(self.records)])["steps"]))
            return 1

        once(0, {**self.hparams, "v_num_grad_steps": 2})
        steps.clear()
        return {**self.timed("edit", variant, once), "steps": sum(steps) / len(steps)}

    def train_mask(self, variant: str) -> dict:
        self.model.requires_grad_(True)
        layer = self.hparams["layers"][0]
        trainer = MaskTrainer(self.model, self.tokenizer, layer, MASK_EPOCHS, SETTINGS, variant == "mended")
        data = [trainer.prepare(record, *self.random_factors()) for record in self.records[: self.work["mask_facts"]]]
        trainer.warm_up(data[:2])

        def once(round_: int) -> int:
            trainer.step(data, round_)
            return len(data)

        line = self.timed("mask", variant, once)
        self.model.zero_grad(set_to_none=True)
        self.model.requires_grad_(False)
        return line

    def evaluate(self, variant: str) -> dict:
        original = copy.deepcopy(self.model)
        layer = self.hparams["layers"][0]
        weight, start = edited_module(self.model, layer).weight, edited_module(original, layer).weight
        evaluator = Evaluator(original, self.model, self.tokenizer, variant == "mended")
        mask = (torch.rand(weight.shape, device=self.device) > 0.1).to(weight.dtype)
        factors = [self.random_factors() for _ in range(self.work["evaluated_facts"])]

        @torch.no_grad()
        def once(round_: int) -> int:
            number = round_ % len(factors)
            record = self.records[number]
            for mode in ("original", "edited", "pruned"):
                edited = start if mode == "original" else start + rank_one(self.model, *factors[number])
                weight.copy_(edited * mask if mode == "pruned" else edited)
                evaluator.evaluate(record["prompt"], record["ground_truth"], record["target_new"])
            return 3

        once(0)
        line = self.timed("evaluation", variant, once)
        with torch.no_grad():
            weight.copy_(start)
        return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("device")
    parser.add_argument("dtype", choices=["float32", "bfloat16"])
    parser.add_argument("seconds", type=float)
    parser.add_argument("--variants", nargs="+", choices=["peer", "mended"], default=["peer", "mended"])
    options = parser.parse_args()
    bench = Bench(options)
    torch.set_num_threads(1)
    for variant in options.variants:
        for task in (bench.edit, bench.train_mask, bench.evaluate):
            print(json.dumps(task(variant)), flush=True)


if __name__ == "__main__":
    main()
