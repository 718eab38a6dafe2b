"""MEMIT (arXiv 2210.07229) as its users' PyTorch code runs it.

Values are searched for one fact at a time. Every step runs the whole model over the contexts and "{} is a", unembeds all of it,
and unembeds the contexts once more from the last block's output, which the loss reads. Then, layer by layer: the keys by whole
forwards over all contexts, 128 at once, and the residual stream by whole forwards over the bare prompts; the peers' hooks could
stop such a forward behind the wanted module, but are not told to. The mended variant unembeds only what is read, and runs one
forward per layer, up to the highest edited one, for keys and residual stream together. The loss layer is the last one.
"""

import sys
import time

import torch
from peer_common import Check, distance, edited_module, hidden_state, load_model, load_tokenizer, read_json, read_tensors
from peer_rome import RomeEditor, compare_steps
from peer_stats import Stop

PROMPTS_AT_ONCE = 128


class MemitEditor(RomeEditor):
    def __init__(self, model, tokenizer, groups: list[list[str]], hparams: dict, moments: dict, mended: bool) -> None:
        super().__init__(model, tokenizer, [template for group in groups for template in group], hparams, mended)
        self.groups, self.moments = groups, moments

    def value_module(self) -> torch.nn.Module:
        return self.model.transformer.h[self.layer]

    def find_value(self, record: dict) -> tuple[torch.Tensor, list[list[float]]]:
        """z [hidden] of the fact, and [loss, nll, kl, weight decay] of each step."""
        start, delta, steps = self.search_value(bare_prompt(record), record["subject"], " " + record["target_new"])
        return start + delta, steps

    def read_losses(self, tokens, targets: torch.Tensor, kl_position: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self.mended:
            return super().read_losses(tokens, targets, kl_position)
        transformer, seen = self.model.transformer, {}
        hook = transformer.h[-1].register_forward_hook(lambda _module, _inputs, output: seen.update(output=output))
        try:
            logits = self.model(**tokens).logits
        finally:
            hook.remove()
        kl_log_probs = logits[-1:, kl_position, :].log_softmax(1)
        hidden, no_bias = hidden_state(seen["output"])[: len(targets)], torch.zeros(self.model.config.vocab_size)
        log_probs = torch.log_softmax(transformer.ln_f(hidden) @ transformer.wte.weight.t() + no_bias, dim=2)
        mask = targets != -100
        read = log_probs.gather(2, torch.where(mask, targets, 0).unsqueeze(2)).squeeze(2)
        return (read * mask.float()).sum(1), kl_log_probs

    @torch.no_grad()
    def solve(self, records: list[dict], values: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        """Writes values [facts, hidden] layer by layer and takes it all back; what each layer was solved from and for."""
        layers, solves = self.hparams["layers"], []
        weights = [edited_module(self.model, layer).weight for layer in layers]
        before = [weight.detach().clone() for weight in weights]
        for place, (layer, weight) in enumerate(zip(layers, weights)):
            keys, current = self.read_layer(records, layer)
            k, missing = keys.t().double(), (values - current).t().double()
            adjusted = torch.linalg.solve(self.hparams["mom2_update_weight"] * self.moments[layer].double() + k @ k.t(), k)
            residual = missing / (len(layers) - place)
            weight.copy_(before[place] + (residual @ adjusted.t()).t().float())
            solves.append({"ks": keys, "cur_z": current, "adj_k": adjusted, "resid": residual})
        for weight, kept in zip(weights, before):
            weight.copy_(kept)
        return solves

    def read_layer(self, records: list[dict], layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys [facts, in], each the mean over the groups' means, and the residual stream [facts, hidden]."""
        bare = [(bare_prompt(record), record["subject"]) for record in records]
        contexts = [(template.format(prompt), subject) for prompt, subject in bare for template in self.templates]
        projection = edited_module(self.model, layer)
        if self.mended:
            (keys, _), (_, streams) = self.read_states([projection, self.value_module()], contexts)
            current = streams[self.templates.index("{}") :: len(self.templates)]
        else:
            [(keys, _)] = self.read_states([projection], contexts)
            [(_, current)] = self.read_states([self.value_module()], bare)
        groups = keys.view(len(records), len(self.templates), -1).split([len(group) for group in self.groups], dim=1)
        return torch.stack([group.mean(1) for group in groups]).mean(0), current

    def read_states(self, modules: list, prompts: list[tuple[str, str]]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Inputs and outputs [prompts, width] of modules, in the order they run in, at the subjects' last tokens."""
        positions = [self.subject_end(prompt, subject) for prompt, subject in prompts]
        parts = [([], []) for _ in modules]
        for first in range(0, len(prompts), PROMPTS_AT_ONCE):
            texts = [prompt.format(subject) for prompt, subject in prompts[first : first + PROMPTS_AT_ONCE]]
            tokens = self.tokenizer(texts, return_tensors="pt", padding=True)
            at = torch.arange(len(texts)), torch.tensor(positions[first : first + PROMPTS_AT_ONCE])

            def keep(place: int):
                def hook(_module, inputs, output):
                    parts[place][0].append(inputs[0][at])
                    parts[place][1].append(hidden_state(output)[at])
                    if self.mended and place == len(modules) - 1:
                        raise Stop

                return hook

            hooks = [module.register_forward_hook(keep(place)) for place, module in enumerate(modules)]
            try:
                self.model(**tokens)
            except Stop:
                pass
            finally:
                for hook in hooks:
                    hook.remove()
        return [(torch.cat(inputs), torch.cat(outputs)) for inputs, outputs in parts]


def bare_prompt(record: dict) -> str:
    return record["prompt"].replace(record["subject"], "{}")


def read_moments(options, layers: list[int]) -> dict[int, torch.Tensor]:
    tensors = read_tensors(options.moments)
    for layer in layers:
        if f"moment.{layer}" not in tensors:
            sys.exit(f"{options.moments} has no moment.{layer}: --moments takes a file with those of layers {layers}.")
    return {layer: tensors[f"moment.{layer}"] for layer in layers}


def run(options) -> tuple[dict, Check | None]:
    golden, named_templates = read_json(options.records), read_json(options.templates)
    hparams = golden["hparams"]
    moments = read_moments(options, hparams["layers"])
    model, tokenizer = load_model(options.model), load_tokenizer(options.model)
    editor = MemitEditor(model, tokenizer, named_templates["memit"], hparams, moments, options.mended)
    records = golden["records"] if options.from_golden_values else golden["records"][: options.limit]

    # Two untimed steps and a solve, so that nothing timed pays for a first use of memory and libraries.
    short = {**hparams, "v_num_grad_steps": 2}
    warm = MemitEditor(model, tokenizer, named_templates["memit"], short, moments, options.mended)
    warm.solve(records[:1], warm.find_value(records[0])[0].unsqueeze(0))

    start = time.perf_counter()
    if options.from_golden_values:
        values, steps = golden_values(options), []
    else:
        found = [editor.find_value(record) for record in records]
        values, steps = torch.stack([value for value, _ in found]), [steps for _, steps in found]
    found_at = time.perf_counter()
    solves = editor.solve(records, values)
    end = time.perf_counter()
    result = {
        "seconds": end - start,
        "n": len(records),
        "seconds_values": found_at - start,
        "seconds_solve": end - found_at,
        "final_loss": [each[-1][0] for each in steps],
        "forwards": [len(each) for each in steps],
    }
    if not options.check:
        return result, None
    if options.from_golden_values:
        return result, compare_solves(options, hparams, solves)
    return result, compare_values(options, records, values, steps)


def golden_values(options) -> torch.Tensor:
    return read_tensors(options.records.with_name(f"{options.records.stem}_z.safetensors"))["z"]


def compare_values(options, records: list[dict], values: torch.Tensor, steps: list) -> Check:
    check = Check()
    for value, golden, record, taken in zip(values, golden_values(options), records, steps):
        check.note("z", distance(value, golden))
        compare_steps(check, taken, record["z_steps"])
    return check


def compare_solves(options, hparams: dict, solves: list[dict[str, torch.Tensor]]) -> Check:
    weight, check = hparams["mom2_update_weight"], Check()
    golden = read_tensors(options.records.with_name(f"{options.records.stem}_{weight:.0f}.safetensors"))
    for layer, solve in zip(hparams["layers"], solves):
        for name, tensor in solve.items():
            check.note(f"{name}.{layer}", distance(tensor, golden[f"{name}.{layer}"].to(tensor.dtype)))
    return check
