"""Training of the shared mask (arXiv 2605.28839) as the authors' trainer runs it: a weight and a forward per record."""

import math
import sys
import time

import torch
from peer_common import (
    Check,
    difference,
    distance,
    edited_module,
    edited_name,
    load_model,
    load_tokenizer,
    rank_one,
    read_json,
    read_tensors,
)
from torch.func import functional_call
from torch.nn import functional

SETTINGS = {
    "lambda_s0": 1e-6,
    "lambda_s_max": 60.0,
    "tau0": 6.0,
    "tau_decay": 3.0,
    "delta_margin": 3.0,
    "sparsity_max": 0.1,
    "beta": 3.255201236047267,
    "T0": 1.642967087192555,
    "Tmax": 4.301434805369519,
}


class MaskTrainer:
    def __init__(self, model, tokenizer, layer: int, total_epochs: int, settings: dict, mended: bool) -> None:
        self.model, self.tokenizer, self.layer = model, tokenizer, layer
        self.total_epochs, self.settings, self.mended = total_epochs, settings, mended
        self.original_weight = edited_module(model, layer).weight.detach().clone()
        if mended:
            model.requires_grad_(False)
        else:
            edited_module(model, layer).weight.requires_grad_(False)
        torch.manual_seed(32)
        self.theta = torch.nn.Parameter(torch.empty_like(self.original_weight, dtype=torch.float32).normal_(mean=0.85, std=0.1))
        self.optimizer = torch.optim.AdamW([self.theta], lr=1e-3, betas=(0.9, 0.999), weight_decay=0.0)

    def prepare(self, record: dict, u: torch.Tensor, v: torch.Tensor) -> dict:
        """What peers make once per record, before the first epoch: token ids, target ids and the original model's logits."""
        prompts = [record["prompt"], *record["paraphrases"]]
        tokens = self.tokenizer(prompts, return_tensors="pt", padding=True).to(self.model.device)
        lengths = tokens["attention_mask"].sum(1)
        rows = torch.arange(len(prompts), device=self.model.device)

        def first_token(target: str) -> torch.Tensor:
            texts = [p + ("" if p.endswith(" ") else " ") + target for p in prompts]
            return self.tokenizer(texts, return_tensors="pt", padding=True)["input_ids"].to(self.model.device)[rows, lengths]

        with torch.no_grad():
            teacher = self.model(**tokens, use_cache=False).logits[rows, lengths - 1, :].clone()
        return {
            "tokens": dict(tokens),
            "last": lengths - 1,
            "true": first_token(record["ground_truth"]),
            "new": first_token(record["target_new"]),
            "teacher": teacher,
            "u": u,
            "v": v,
        }

    def student_logits(self, data: dict, mask: torch.Tensor) -> torch.Tensor:
        """Logits [prompts, vocabulary] at the last positions, under (W0 + u v^T) * mask."""
        edited = self.original_weight + rank_one(self.model, data["u"], data["v"])
        weight = (edited * mask.clamp(1e-9, 1 - 1e-9)).to(edited.dtype)
        rows = torch.arange(len(data["last"]), device=self.model.device)
        name = edited_name(self.model, self.layer) + ".weight"
        call = {**data["tokens"], "use_cache": False}
        if self.mended:
            hidden = functional_call(self.model.base_model, {name: weight}, kwargs=call).last_hidden_state
            return self.model.lm_head(hidden[rows, data["last"]])
        logits = functional_call(self.model, {f"{self.model.base_model_prefix}.{name}": weight}, kwargs=call).logits
        return logits[rows, data["last"], :]

    def losses(self, batch: list[dict], epoch: int) -> tuple[torch.Tensor, dict]:
        """The batch's loss, and its terms before they are weighted: L_rest + lambda L_spar + beta L_aux."""
        s, progress = self.settings, epoch / self.total_epochs
        tau = s["tau0"] * math.exp(-s["tau_decay"] * progress)
        temperature = s["T0"] + progress * (s["Tmax"] - s["T0"])
        weight_of_sparsity = s["lambda_s0"] + epoch / max(1, self.total_epochs - 1) * (s["lambda_s_max"] - s["lambda_s0"])

        mask = torch.sigmoid(self.theta / tau)
        restorations, divergences = [], []
        for data in batch:
            logits = self.student_logits(data, mask)
            rows = torch.arange(len(logits), device=logits.device)
            margin = logits[rows, data["true"]] - logits[rows, data["new"]]
            restorations.append(functional.relu(s["delta_margin"] - margin).mean())
            student = functional.log_softmax(logits / temperature, dim=-1)
            teacher = functional.softmax(data["teacher"] / temperature, dim=-1)
            divergences.append(functional.kl_div(student, teacher, reduction="batchmean") * temperature**2)
        restoration, divergence = torch.stack(restorations).mean(), torch.stack(divergences).mean()
        sparsity = functional.relu((1.0 - mask).mean() - s["sparsity_max"])
        loss = restoration + weight_of_sparsity * sparsity + s["beta"] * divergence
        return loss, {"L_rest": restoration.item(), "L_spar": sparsity.item(), "L_aux": divergence.item()}

    def step(self, batch: list[dict], epoch: int) -> dict:
        """One optimizer step. Its losses are those before it, its gradient and the gradient's norm those before clipping."""
        loss, terms = self.losses(batch, epoch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        first_gradient = None if self.optimizer.state else self.theta.grad.clone()
        norm = torch.nn.utils.clip_grad_norm_([self.theta], 1.0)
        self.optimizer.step()
        return {**terms, "grad_norm": norm.item(), "first_gradient": first_gradient}

    def warm_up(self, batch: list[dict]) -> None:
        """Forward and backward without a step, so that the first timed step pays for no first use of memory and libraries."""
        self.losses(batch, 0)[0].backward()
        self.theta.grad = None


def run(options) -> tuple[dict, Check | None]:
    source = read_json(options.records)
    tensors = read_tensors(options.records.with_suffix(".safetensors"))
    golden = read_json(options.golden) if options.check else None
    rows = {record["case_id"]: row for row, record in enumerate(source["records"])}
    if golden:
        case_ids = [golden["train_case_ids"][i] for i in golden["epochs_log"][0]["perm"]]
        case_ids, batch = case_ids[: options.steps * golden["batch_size"]], golden["batch_size"]
    else:
        case_ids, batch = list(rows)[: options.facts], options.batch

    unknown = [case_id for case_id in case_ids if case_id not in rows]
    if unknown:
        sys.exit(f"{options.golden} trains on records {unknown} that {options.records} does not hold: give files of one run.")
    trainer = MaskTrainer(
        load_model(options.model),
        load_tokenizer(options.model),
        source["hparams"]["layers"][0],
        golden["epochs"] if golden else options.total_epochs,
        golden["hparams"] if golden else SETTINGS,
        options.mended,
    )
    theta_start = trainer.theta.detach().clone()
    start = time.perf_counter()
    data = [trainer.prepare(source["records"][rows[c]], tensors["u"][rows[c]], tensors["v"][rows[c]]) for c in case_ids]
    build_seconds = time.perf_counter() - start

    trainer.warm_up(data[:batch])
    steps, seconds = [], []
    for epoch in range(1 if golden else options.epochs):
        start = time.perf_counter()
        steps += [trainer.step(data[i : i + batch], epoch) for i in range(0, len(data), batch)]
        seconds.append(time.perf_counter() - start)
    gradient = steps[0].pop("first_gradient")
    result = {
        "seconds": sum(seconds),
        "n": len(data) * len(seconds),
        "seconds_each_epoch": seconds,
        "build_seconds": build_seconds,
        "batch": batch,
        "steps": [{k: step[k] for k in ("L_rest", "L_spar", "L_aux", "grad_norm")} for step in steps],
        "theta_moved": (trainer.theta.detach() - theta_start).norm().item(),
    }
    if not golden:
        return result, None
    tensors = read_tensors(options.golden.with_suffix(".safetensors"))
    return result, compare(tensors, golden, theta_start, gradient, result["steps"])


def compare(tensors: dict, golden: dict, theta_start: torch.Tensor, gradient: torch.Tensor, steps: list[dict]) -> Check:
    check = Check()
    check.note("theta_init", distance(theta_start, tensors["theta_init"]))
    check.note("grad_step0", distance(gradient, tensors["grad_step0_unclipped"]))
    for ours, theirs in zip(steps, golden["epochs_log"][0]["steps"]):
        for name in ("L_rest", "L_spar", "L_aux"):
            check.note(name, difference(ours[name], theirs[name]))
        check.note("grad_norm", abs(ours["grad_norm"] / theirs["grad_norm"] - 1))
    return check
