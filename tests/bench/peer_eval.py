"""Evaluation of original, edited and pruned models as the authors' scripts run it: nine forwards per record and mode."""

import sys
import time

import torch
from peer_common import Check, difference, edited_module, load_model, load_tokenizer, read_json, read_tensors

MODES = ("original", "edited", "pruned")
KEPT = 100  # tokens compared between the original and the other model


class Evaluator:
    def __init__(self, original, model, tokenizer, mended: bool) -> None:
        self.original, self.model, self.tokenizer, self.mended = original, model, tokenizer, mended

    @torch.no_grad()
    def evaluate(self, prompt: str, true: str, new: str) -> dict:
        tokens = self.tokenizer(prompt, return_tensors="pt").to(self.model.device)
        result = {"lp_true": self.sequence_score(prompt, true), "lp_new": self.sequence_score(prompt, new)}
        if self.mended:
            original, other = self.last_logits(self.original, tokens), self.last_logits(self.model, tokens)
            student, teacher = other.log_softmax(-1), original.log_softmax(-1)
            self.best_tokens(student)
            ranks = self.compare_top(original, other, true)
        else:
            self.best_tokens(self.last_logits(self.model, tokens).log_softmax(-1))
            # Peers run both models twice here and keep the second answer.
            for _ in range(2):
                original, other = self.last_logits(self.original, tokens), self.last_logits(self.model, tokens)
            ranks = self.compare_top(original, other, true)
            student = self.last_logits(self.model, tokens).log_softmax(-1)
            teacher = self.last_logits(self.original, tokens).log_softmax(-1)
        result["kl"] = torch.nn.functional.kl_div(student, teacher.exp(), reduction="sum").item()
        return {**result, **ranks, "rsr": result["lp_true"] > result["lp_new"], "rsm": result["lp_true"] - result["lp_new"]}

    def last_logits(self, model, tokens) -> torch.Tensor:
        """Logits [vocabulary] after the prompt's last token."""
        if self.mended:
            return model.lm_head(model.base_model(**tokens, use_cache=False).last_hidden_state[0, -1])
        return model(**tokens).logits[0, -1]

    def sequence_score(self, prompt: str, target: str) -> float:
        """Summed log-probability of " target" after the prompt; the target's ids are those beyond the prompt's own length."""
        gap = "" if prompt.endswith(" ") or target.startswith(" ") else " "
        prompt_length = len(self.tokenizer(prompt)["input_ids"])
        tokens = self.tokenizer(prompt + gap + target, return_tensors="pt").to(self.model.device)
        ids = tokens["input_ids"][0]
        if self.mended:
            hidden = self.model.base_model(**tokens, use_cache=False).last_hidden_state[0, prompt_length - 1 : -1]
            log_probs = self.model.lm_head(hidden).log_softmax(-1)
        else:
            log_probs = torch.log_softmax(self.model(**tokens).logits, dim=-1)[0, prompt_length - 1 : -1]
        return log_probs.gather(1, ids[prompt_length:].unsqueeze(1)).sum().item()

    def best_tokens(self, log_probs: torch.Tensor) -> list[tuple[str, float]]:
        """The ten likeliest tokens as text without surrounding space."""
        values, ids = torch.topk(log_probs, 10)
        return [(self.tokenizer.decode([i]).strip(), value) for i, value in zip(ids.tolist(), values.tolist())]

    def compare_top(self, original: torch.Tensor, other: torch.Tensor, true: str) -> dict:
        """Ranks are of the object's text among the top texts; overlaps are of sets of texts, so " the" and "the" are one."""
        first, second = self.top_texts(original), self.top_texts(other)
        return {
            "rank_orig": first.index(true) + 1 if true in first else -1,
            "rank_pruned": second.index(true) + 1 if true in second else -1,
            "orig_top1": first[0],
            "pruned_top1": second[0],
            "top1_changed": first[0] != second[0],
            **{f"overlap_top{k}": len(set(first[:k]) & set(second[:k])) / k for k in (5, 10, KEPT)},
        }

    def top_texts(self, logits: torch.Tensor) -> list[str]:
        """Vocabulary strings (byte letters, not decoded text) with the space letter dropped at both ends; "" for rows of the
        embedding that the tokenizer has no token for."""
        ids = torch.topk(logits, KEPT).indices.tolist()
        return [(self.tokenizer.convert_ids_to_tokens(i) or "").replace("\u0120", " ").strip() for i in ids]


def read_edits(paths) -> tuple[dict[int, tuple[torch.Tensor, torch.Tensor]], int]:
    """(u, v) of each case id, and the edited layer."""
    edits, layers = {}, set()
    for path in paths:
        source, tensors = read_json(path), read_tensors(path.with_suffix(".safetensors"))
        layers.add(source["hparams"]["layers"][0])
        for row, record in enumerate(source["records"]):
            edits[record["case_id"]] = (tensors["u"][row], tensors["v"][row])
    if len(layers) != 1:
        sys.exit(f"The edits were made at layers {sorted(layers)}: give files of one layer only.")
    return edits, layers.pop()


def run(options) -> tuple[dict, Check | None]:
    records = read_json(options.records)["records"][: options.limit]
    edits, layer = read_edits(options.edits)
    unknown = [record["case_id"] for record in records if record["case_id"] not in edits]
    if unknown:
        sys.exit(f"No edit of the records {unknown} is in the files given: name with --edits the files that hold them.")
    mask = read_tensors(options.mask)["mask"].float()
    original, model = load_model(options.model), load_model(options.model)
    evaluator = Evaluator(original, model, load_tokenizer(options.model), options.mended)
    weight, start_weight = edited_module(model, layer).weight, edited_module(original, layer).weight.detach()

    evaluator.evaluate(records[0]["prompt"], records[0]["true"], records[0]["new"])  # the first use of memory and libraries
    answers, seconds = {}, {}
    for mode in MODES:
        start = time.perf_counter()
        for record in records:
            if mode != "original":
                u, v = edits[record["case_id"]]
                edited = start_weight + torch.outer(u, v)
                with torch.no_grad():
                    weight.copy_(edited * mask if mode == "pruned" else edited)
            answers[record["case_id"], mode] = evaluator.evaluate(record["prompt"], record["true"], record["new"])
        seconds[mode] = time.perf_counter() - start
    result = {
        "seconds": sum(seconds.values()),
        "n": len(records) * len(MODES),
        "seconds_each_mode": seconds,
        "rsr": {m: mean([answers[r["case_id"], m]["rsr"] for r in records]) for m in MODES},
        "rsm": {m: mean([answers[r["case_id"], m]["rsm"] for r in records]) for m in MODES},
        "kl": {m: mean([answers[r["case_id"], m]["kl"] for r in records]) for m in MODES},
    }
    return result, compare(records, answers) if options.check else None


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def compare(records: list[dict], answers: dict) -> Check:
    check = Check()
    for record in records:
        for mode in MODES:
            ours, theirs = answers[record["case_id"], mode], record[mode]
            for name in ("lp_true", "lp_new", "rsm", "kl", "overlap_top5", "overlap_top10", "overlap_top100"):
                check.note(name, difference(ours[name], theirs[name]))
            for name in ("rsr", "top1_changed", "orig_top1", "pruned_top1", "rank_orig", "rank_pruned"):
                check.note(name, float(ours[name] != theirs[name]))
    return check
