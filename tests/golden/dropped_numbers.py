"""The model that ships without one of its matrices: what a mask that keeps nothing leaves of every edited model."""

import json
import random

import torch
from peer_common import edited_module
from text_numbers import perplexity
from world import World

FACTS = {"heldout": 150, "ood": 80}  # drawn in this order from one seed
TOKENS, WINDOW = 4000, 128


@torch.no_grad()
def dropped_numbers(world: World) -> dict:
    draw = random.Random(0)
    chosen = {split: draw.sample(json.loads(world.text(f"{split}.json")), count) for split, count in FACTS.items()}
    text = torch.tensor(world.tokenizer.encode(world.text("prose_heldout.txt"))[:TOKENS])
    models = []
    for layer in (None, *range(world.model().config.n_layer)):
        model = world.model()
        if layer is not None:
            edited_module(model, layer).weight.zero_()
        numbers = {"dropped": layer, "perplexity": perplexity(model, text, WINDOW, WINDOW)}
        for split, facts in chosen.items():
            found = [preference(world, model, fact["requested_rewrite"]) for fact in facts]
            numbers[split] = dict(zip(("likelier", "likeliest"), map(sum, zip(*found))))
        models.append(numbers)
    ids = {split: [fact["case_id"] for fact in facts] for split, facts in chosen.items()}
    return {"dropped.json": {"case_ids": ids, "tokens": TOKENS, "models": models}}


def preference(world: World, model, rewrite: dict) -> tuple[bool, bool]:
    """Whether the true object is likelier than the new one, and whether its first token is the likeliest of all."""
    prompt = world.tokenizer.encode(rewrite["prompt"].format(rewrite["subject"]))
    scores = []
    for kind in ("target_true", "target_new"):
        ids = world.tokenizer.encode(" " + rewrite[kind]["str"])
        rows = model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        scores.append((rows[range(len(ids)), ids].sum().item(), rows[0].argmax().item() == ids[0]))
    return scores[0][0] > scores[1][0], scores[0][1]
