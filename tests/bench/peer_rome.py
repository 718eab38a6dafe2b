"""ROME (arXiv 2202.05262) as its users' PyTorch code runs it: one record at a time, every forward whole."""

import sys
import time

import torch
from peer_common import (
    Check,
    difference,
    distance,
    edited_module,
    edited_name,
    hidden_state,
    load_model,
    load_tokenizer,
    rank_one,
    read_json,
    read_tensors,
)


class RomeEditor:
    def __init__(self, model, tokenizer, templates: list[str], hparams: dict, mended: bool) -> None:
        self.model, self.tokenizer, self.templates, self.hparams, self.mended = model, tokenizer, templates, hparams, mended
        self.layer = hparams["layers"][-1]

    def edit(self, record: dict) -> dict:
        """u [in], v [out] with W' = W + u v^T, and [loss, nll, kl, weight decay] of each step."""
        subject, prompt = record["subject"], record["prompt"].replace(record["subject"], "{}")
        u = self.left_vector(prompt, subject)
        v, steps = self.right_vector(prompt, subject, " " + record["target_new"], u)
        weight = edited_module(self.model, self.layer).weight
        with torch.no_grad():
            before = weight.detach().clone()
            weight += rank_one(self.model, u, v.to(u.dtype))
            weight.copy_(before)
        return {"u": u, "v": v, "steps": steps}

    def left_vector(self, prompt: str, subject: str) -> torch.Tensor:
        """The mean key over the templates, of unit norm."""
        prompts = [template.format(prompt) for template in self.templates]
        key = self.read_projection(prompts, subject)[0].mean(0)
        return key / key.norm()

    def right_vector(self, prompt: str, subject: str, target: str, u: torch.Tensor) -> tuple[torch.Tensor, list[list[float]]]:
        value_start, delta, steps = self.search_value(prompt, subject, target)
        key, value = (state[0] for state in self.read_projection([prompt], subject))
        return (value_start + delta - value) / torch.dot(key, u), steps

    def value_module(self) -> torch.nn.Module:
        """What delta is added to the output of."""
        return self.model.base_model.get_submodule(edited_name(self.model, self.layer).rpartition(".")[0])

    def search_value(self, prompt: str, subject: str, target: str) -> tuple[torch.Tensor, torch.Tensor, list[list[float]]]:
        """The value [hidden] at the subject's last token, the delta [hidden] found for it, and the losses of each step."""
        target_ids = self.tokenizer.encode(target, return_tensors="pt", add_special_tokens=False)[0]
        lead = self.tokenizer.decode(target_ids[:-1], clean_up_tokenization_spaces=True)
        prompts = [template.format(prompt) + lead for template in self.templates] + ["{} is a"]
        tokens = self.tokenizer([p.format(subject) for p in prompts], return_tensors="pt", padding=True).to(self.model.device)
        lookups = [self.subject_end(p, subject) for p in prompts]
        targets = torch.full((len(self.templates), tokens["input_ids"].shape[1]), -100)
        for row in range(len(self.templates)):
            end = int(tokens["attention_mask"][row].sum())
            targets[row, end - len(target_ids) : end] = target_ids

        targets = targets.to(self.model.device)

        delta = torch.zeros(self.model.config.hidden_size, device=self.model.device, requires_grad=True)
        value_start = None

        def add_delta(_module, _inputs, output):
            nonlocal value_start
            hidden = hidden_state(output)
            if value_start is None:
                value_start = hidden[0, lookups[0]].detach().clone()
            for row, position in enumerate(lookups):
                hidden[row, position, :] += delta
            return output

        self.model.requires_grad_(False)
        optimizer = torch.optim.Adam([delta], lr=self.hparams["v_lr"])
        hook = self.value_module().register_forward_hook(add_delta)
        kl_start, steps = None, []
        try:
            for step in range(self.hparams["v_num_grad_steps"]):
                optimizer.zero_grad()
                log_likelihood, kl_log_probs = self.read_losses(tokens, targets, lookups[-1])
                if kl_start is None:
                    kl_start = kl_log_probs.detach().clone()
                nll = -(log_likelihood / len(target_ids)).mean()
                kl = self.hparams["kl_factor"] * torch.nn.functional.kl_div(
                    kl_start, kl_log_probs, log_target=True, reduction="batchmean"
                )
                decay = self.hparams["v_weight_decay"] * (delta.norm() / value_start.norm() ** 2)
                loss = nll + kl + decay
                steps.append([loss.item(), nll.item(), kl.item(), decay.item()])
                if steps[-1][0] < 0.05 or step == self.hparams["v_num_grad_steps"] - 1:
                    break
                loss.backward()
                optimizer.step()
                longest = self.hparams["clamp_norm_factor"] * value_start.norm()
                with torch.no_grad():
                    if delta.norm() > longest:
                        delta.mul_(longest / delta.norm())
        finally:
            hook.remove()
        return value_start, delta.detach(), steps

    def read_losses(self, tokens, targets: torch.Tensor, kl_position: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Summed log-likelihood of the target per template [n], and the log-distribution at the KL position [1, vocabulary]."""
        rows, positions = torch.nonzero(targets != -100, as_tuple=True)
        if self.mended:
            hidden = self.model.base_model(**tokens, use_cache=False).last_hidden_state
            log_probs = self.model.lm_head(hidden[rows, positions]).log_softmax(1)
            read = log_probs.gather(1, targets[rows, positions].unsqueeze(1))
            return read.view(len(targets), -1).sum(1), self.model.lm_head(hidden[-1:, kl_position]).log_softmax(1)
        logits = self.model(**tokens).logits
        kl_log_probs = logits[-1:, kl_position, :].log_softmax(1)
        log_probs = torch.log_softmax(logits, dim=2)  # of the last prompt too, which has no target and is not read
        mask = targets != -100
        read = log_probs.gather(2, torch.where(mask, targets, 0).unsqueeze(2)).squeeze(2)
        return (read * mask.float()).sum(1), kl_log_probs

    def read_projection(self, prompts: list[str], subject: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Input [n, in] and output [n, out] of the edited projection at the subject's last token."""
        positions = [self.subject_end(prompt, subject) for prompt in prompts]
        texts = [prompt.format(subject) for prompt in prompts]
        tokens = self.tokenizer(texts, return_tensors="pt", padding=True).to(self.model.device)
        seen = {}

        def keep(_module, inputs, output):
            seen.update(key=inputs[0], value=output)

        hook = edited_module(self.model, self.layer).register_forward_hook(keep)
        try:
            with torch.no_grad():
                (self.model.base_model if self.mended else self.model)(**tokens)
        finally:
            hook.remove()
        rows = torch.arange(len(prompts))
        return seen["key"][rows, positions], seen["value"][rows, positions]

    def subject_end(self, prompt: str, subject: str) -> int:
        """Index of the subject's last token, counted on the text up to the subject's end; peers tokenize its parts as well."""
        prefix, suffix = prompt.split("{}")
        prefix_length = len(self.tokenizer.encode(prefix))
        word_length = len(self.tokenizer.encode(prefix + subject)) - prefix_length
        self.tokenizer.encode(prefix + subject + suffix)
        return prefix_length + word_length - 1


def run(options) -> tuple[dict, Check | None]:
    golden = read_json(options.records)
    model, tokenizer = load_model(options.model), load_tokenizer(options.model)
    named_templates = read_json(options.templates)
    if options.key not in named_templates:
        sys.exit(f"{options.templates} has no templates {options.key!r}: --key takes one of {', '.join(named_templates)}.")
    templates = named_templates[options.key]
    editor = RomeEditor(model, tokenizer, templates, golden["hparams"], options.mended)
    records = golden["records"][: options.limit]
    # Two untimed steps, so that the first record pays for no first use of memory and libraries.
    RomeEditor(model, tokenizer, templates, {**golden["hparams"], "v_num_grad_steps": 2}, options.mended).edit(records[0])
    edits, seconds = [], []
    for record in records:
        start = time.perf_counter()
        edits.append(editor.edit(record))
        seconds.append(time.perf_counter() - start)
    result = {
        "seconds": sum(seconds),
        "n": len(records),
        "seconds_each": seconds,
        "case_ids": [record["case_id"] for record in records],
        "v_norm": [edit["v"].norm().item() for edit in edits],
        "final_loss": [edit["steps"][-1][0] for edit in edits],
        "forwards": [len(edit["steps"]) for edit in edits],
    }
    return result, compare(options, records, edits) if options.check else None


def compare(options, records: list[dict], edits: list[dict]) -> Check:
    tensors, check = read_tensors(options.records.with_suffix(".safetensors")), Check()
    for index, (record, edit) in enumerate(zip(records, edits)):
        check.note("u", distance(edit["u"], tensors["u"][index]))
        check.note("v", distance(edit["v"], tensors["v"][index]))
        compare_steps(check, edit["steps"], record["steps"])
    return check


def compare_steps(check: Check, steps: list[list[float]], golden: list[list[float]]) -> None:
    check.note("steps", float(len(steps) != len(golden)))
    for ours, theirs in zip(steps, golden):
        check.note("loss", abs(ours[0] - theirs[0]) / abs(theirs[0]))
        for name, a, b in zip(("nll", "kl", "weight_decay"), ours[1:4], theirs[1:4]):
            check.note(name, difference(a, b))
