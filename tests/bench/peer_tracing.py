"""Causal tracing (arXiv 2202.05262, section 2) as its published code runs it: for every token and layer one forward of all samples
from the embedding on, a fact at a time."""

import time

import numpy
import torch
from peer_common import Check, hidden_state, load_model, load_tokenizer, read_json

KINDS = ("state", "mlp", "attention")


class Tracer:
    def __init__(self, model, tokenizer, samples: int, window: int, mended: bool) -> None:
        self.model, self.tokenizer, self.samples, self.window, self.mended = model, tokenizer, samples, window, mended
        self.blocks = model.transformer.h

    def subject_tokens(self, ids: list[int], subject: str) -> tuple[int, int]:
        """[begin, end) of the tokens in which the subject's characters are."""
        texts = [self.tokenizer.decode([i]) for i in ids]
        place = "".join(texts).index(subject)
        read, begin = 0, None
        for i, text in enumerate(texts):
            read += len(text)
            if begin is None and read > place:
                begin = i
            if read >= place + len(subject):
                return begin, i + 1
        raise ValueError(subject)

    @torch.no_grad()
    def deviation(self, subjects: list[str]) -> float:
        """Of the embeddings of all subjects' tokens."""
        ids = [i for subject in subjects for i in self.tokenizer(subject)["input_ids"]]
        return self.model.transformer.wte(torch.tensor(ids)).std().item()

    @torch.no_grad()
    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits [rows, vocabulary] behind the last token."""
        if self.mended:
            return self.model.lm_head(self.model.transformer(ids, use_cache=False).last_hidden_state[:, -1])
        return self.model(ids).logits[:, -1]

    def probability(self, ids, answer: int, corrupted: tuple[int, int], noise: float, restored: dict) -> float:
        """Mean over the samples. Row 0 is clean; `restored` are tokens of modules whose outputs become row 0's."""
        random = numpy.random.RandomState(1)
        begin, end = corrupted

        def corrupt(_module, _inputs, output):
            values = random.randn(output.shape[0] - 1, end - begin, output.shape[2])
            output[1:, begin:end] += noise * torch.from_numpy(values)
            return output

        def restore(token: int):
            def hook(_module, _inputs, output):
                hidden_state(output)[1:, token] = hidden_state(output)[0, token]
                return output

            return hook

        hooks = [self.model.transformer.wte.register_forward_hook(corrupt)]
        hooks += [module.register_forward_hook(restore(token)) for module, token in restored.items()]
        try:
            logits = self.forward(ids)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.softmax(logits[1:], 1).mean(0)[answer].item()

    def modules(self, kind: str, layer: int) -> list[torch.nn.Module]:
        if kind == "state":
            return [self.blocks[layer]]
        window = range(max(0, layer - self.window // 2), min(len(self.blocks), layer - (-self.window // 2)))
        return [self.blocks[i].mlp if kind == "mlp" else self.blocks[i].attn for i in window]

    def trace(self, prompt: str, subject: str, noise: float, kind: str) -> numpy.ndarray:
        """Effects [tokens, layers]."""
        ids = self.tokenizer([prompt] * (self.samples + 1), return_tensors="pt")["input_ids"]
        answer = self.forward(ids)[0].argmax().item()
        corrupted = self.subject_tokens(ids[0].tolist(), subject)
        low = self.probability(ids, answer, corrupted, noise, {})
        effects = numpy.zeros((ids.shape[1], len(self.blocks)))
        for token in range(corrupted[0] if self.mended else 0, ids.shape[1]):
            for layer in range(len(self.blocks)):
                restored = {module: token for module in self.modules(kind, layer)}
                effects[token, layer] = self.probability(ids, answer, corrupted, noise, restored) - low
        return effects


def run(options) -> tuple[dict, Check | None]:
    records = read_json(options.records)["records"][: options.limit]
    tracer = Tracer(load_model(options.model), load_tokenizer(options.model), options.samples, options.window, options.mended)
    noise = 3 * tracer.deviation([record["subject"] for record in records])
    with torch.no_grad():
        tracer.trace(records[0]["prompt"], records[0]["subject"], noise, "state")  # the first use of memory and libraries
    start = time.perf_counter()
    effects = {}
    for record in records:
        for kind in KINDS:
            effects[record["case_id"], kind] = tracer.trace(record["prompt"], record["subject"], noise, kind)
    seconds = time.perf_counter() - start
    largest = {kind: max(float(found.max()) for (_, of), found in effects.items() if of == kind) for kind in KINDS}
    return {"seconds": seconds, "n": len(records) * len(KINDS), "largest_effect": largest, "noise": noise}, None
