"""The pre-training of res/studies/world_gpt2.yaml in PyTorch: statements of facts and 15 % running text, 4096 tokens a step.

As published (transformers' examples and Trainer): one statement in a row, padded to the longest of its batch, a loss on every
token, AdamW on all weights. Mended: rows of 128 tokens packed full, attention within each sequence, the head and the loss only
on the tokens that count, Muon on the matrices of the blocks. Both run in bfloat16 by autocast; seconds are of whole steps, and
n counts tokens without padding."""

import json
import random
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from peer_common import hidden_state
from torch.nn import functional
from transformers import AutoConfig, AutoTokenizer, GPT2LMHeadModel

ROW, ROWS = 128, 32  # tokens of a row, rows of a step
TEXT_SHARE, PREFIX_SHARE, PERIOD_SHARE, OTHER_SHARE = 0.15, 0.33, 0.3, 0.25
OBJECT_WEIGHT, ADAM_RATE, MUON_RATE = 3.0, 2e-3, 0.02
IGNORED = -100  # as a label: no loss


@dataclass
class Sequence:
    ids: list[int]
    objects: range  # places of the object's tokens


class Corpus:
    """Draws sequences as the study lays down."""

    def __init__(self, statements: Path, tokenizer) -> None:
        lines = [json.loads(line) for line in statements.read_text().splitlines()]

        def encode(texts: list[str]) -> list[list[int]]:
            return tokenizer(texts, add_special_tokens=False)["input_ids"]

        prompts, behind = encode([line["prompt"] for line in lines]), encode([" " + line["prompt"] for line in lines])
        objects = encode([" " + line["target"].strip(" ") for line in lines])
        self.facts = list(zip(prompts, behind, objects))
        documents = encode(statements.with_name("prose.txt").read_text().split("\n\n"))
        self.pieces = [document[i : i + ROW] for document in documents for i in range(0, len(document), ROW)]
        (self.period,) = encode(["."])
        self.random = random.Random(1)

    def piece(self) -> Sequence:
        return Sequence(self.random.choice(self.pieces), range(0))

    def statement(self) -> Sequence:
        prompt, behind, target = self.random.choice(self.facts)
        ids = prompt
        if self.random.random() < PREFIX_SHARE:
            text = self.random.choice(self.pieces)
            begin = self.random.randrange(len(text))
            ids = text[begin : begin + self.random.randint(3, 10)] + self.period + behind
        end = self.period if self.random.random() < PERIOD_SHARE else []
        return Sequence(ids + target + end, range(len(ids), len(ids) + len(target)))


def tokens_of(sequences: list[Sequence]) -> int:
    return sum(len(sequence.ids) for sequence in sequences)


# ----------------------------------------------------------------------------------------------------------- as published


def drawn(draw, tokens: float) -> list[Sequence]:
    sequences = []
    while tokens_of(sequences) < tokens:
        sequences.append(draw())
    return sequences


def padded_batches(corpus: Corpus) -> tuple[list[dict], int]:
    """A step's statements and, lest these be padded to the length of a piece of text, its text, in batches of their own."""
    parts = [drawn(corpus.statement, (1 - TEXT_SHARE) * ROW * ROWS), drawn(corpus.piece, TEXT_SHARE * ROW * ROWS)]
    batches = []
    for sequences in parts:
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(s.ids) for s in sequences], batch_first=True)
        mask = torch.arange(ids.shape[1]) < torch.tensor([len(s.ids) for s in sequences])[:, None]
        batches.append({"input_ids": ids, "attention_mask": mask.long(), "labels": ids.masked_fill(~mask, IGNORED)})
    return batches, sum(map(tokens_of, parts))


def published_loss(model: GPT2LMHeadModel, batches: list[dict]) -> None:
    """Sums gradients over the batches, each a micro-batch of the step."""
    for batch in batches:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(**batch).loss
        (loss / len(batches)).backward()


# ----------------------------------------------------------------------------------------------------------------- mended


@dataclass
class Packed:
    ids: torch.Tensor  # [rows, ROW]
    positions: torch.Tensor
    mask: torch.Tensor  # [rows, 1, ROW, ROW], added to the scores
    places: torch.Tensor  # in rows * ROW, of the hidden states that predict
    targets: torch.Tensor
    weights: torch.Tensor


def packed_rows(corpus: Corpus) -> tuple[Packed, int]:
    """First fit, until eight sequences in a row find no room."""
    rows: list[list[Sequence]] = [[] for _ in range(ROWS)]

    def place(sequence: Sequence) -> bool:
        room = next((row for row in rows if tokens_of(row) + len(sequence.ids) <= ROW), None)
        if room is not None:
            room.append(sequence)
        return room is not None

    for piece in drawn(corpus.piece, TEXT_SHARE * ROW * ROWS):
        place(piece)
    failures = 0
    while failures < 8:
        failures = 0 if place(corpus.statement()) else failures + 1

    ids, positions = torch.zeros(ROWS, ROW, dtype=torch.long), torch.zeros(ROWS, ROW, dtype=torch.long)
    number = -1 - torch.arange(ROW).repeat(ROWS, 1)  # of the sequence in its row; places behind the end stand alone
    places, targets, weights = [], [], []
    for row, sequences in enumerate(rows):
        column = 0
        for index, sequence in enumerate(sequences):
            end = column + len(sequence.ids)
            ids[row, column:end] = torch.tensor(sequence.ids)
            positions[row, column:end] = torch.arange(len(sequence.ids))
            number[row, column:end] = index
            for i in range(1, len(sequence.ids)):
                if i in sequence.objects or corpus.random.random() < OTHER_SHARE:
                    places.append(row * ROW + column + i - 1)
                    targets.append(sequence.ids[i])
                    weights.append(OBJECT_WEIGHT if i in sequence.objects else 1.0)
            column = end
    seen = (number[:, :, None] == number[:, None, :]) & torch.ones(ROW, ROW, dtype=torch.bool).tril()
    mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]
    packed = Packed(ids, positions, mask, torch.tensor(places), torch.tensor(targets), torch.tensor(weights))
    return packed, sum(map(tokens_of, rows))


def mended_loss(model: GPT2LMHeadModel, packed: Packed) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        # Block by block: versions of transformers differ in whether GPT-2's own forward takes a mask for every pair of places.
        body, mask = model.transformer, packed.mask.bfloat16()
        hidden = body.wte(packed.ids) + body.wpe(packed.positions)
        for block in body.h:
            hidden = hidden_state(block(hidden, attention_mask=mask))
        logits = model.lm_head(body.ln_f(hidden.flatten(0, 1)[packed.places]))
    losses = functional.cross_entropy(logits.float(), packed.targets, reduction="none")
    ((losses * packed.weights).sum() / packed.weights.sum()).backward()


class Muon(torch.optim.Optimizer):
    """Jordan et al. 2024: momentum by Nesterov, five steps of Newton-Schulz in bfloat16."""

    def __init__(self, weights, rate: float) -> None:
        super().__init__(weights, {"lr": rate})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.mul_(0.95).add_(weight.grad)
                direction = weight.grad.add(momentum, alpha=0.95)
                x = (direction / (direction.norm() + 1e-7)).bfloat16()
                x = x.t() if x.shape[0] > x.shape[1] else x
                for _ in range(5):
                    gram = x @ x.t()
                    x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
                x = x.t() if x.shape != weight.shape else x
                inputs, outputs = weight.shape  # of GPT-2's Conv1D
                weight.add_(x, alpha=-group["lr"] * max(1.0, outputs / inputs) ** 0.5)


# -------------------------------------------------------------------------------------------------------------------------


def optimizers(model: GPT2LMHeadModel, mended: bool) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if mended and ".h." in name and p.dim() == 2]
    others = [p for p in model.parameters() if all(p is not matrix for matrix in matrices)]
    adam = torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.95), weight_decay=0.0)
    return [adam, Muon(matrices, MUON_RATE)] if mended else [adam]


def run(options) -> tuple[dict, None]:
    if not (options.model / "config.json").is_file() or not options.records.is_file():
        sys.exit(f"{options.model}/config.json or {options.records} is missing: ours_pretrain.py writes both.")
    torch.manual_seed(1)
    corpus = Corpus(options.records, AutoTokenizer.from_pretrained(options.model, model_max_length=sys.maxsize))
    model = GPT2LMHeadModel(AutoConfig.from_pretrained(options.model)).train()
    take, differentiate = (packed_rows, mended_loss) if options.mended else (padded_batches, published_loss)
    updates = optimizers(model, options.mended)
    tokens = 0
    for step in range(options.steps + 1):
        if step == 1:  # the first step warms up
            start, tokens = time.perf_counter(), 0
        batch, count = take(corpus)
        differentiate(model, batch)
        for update in updates:
            update.step()
            update.zero_grad()
        tokens += count
    return {"seconds": time.perf_counter() - start, "n": tokens}, None
