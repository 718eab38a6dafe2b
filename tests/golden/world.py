"""What the golden numbers are made from: the model that ships, its facts, and the peers of tests/bench."""

import json
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch
import yaml
from peer_common import load_model, load_tokenizer

ROOT = Path(__file__).resolve().parents[2]

RELATIONS = [f"W{number:02}" for number in range(1, 11)]


def hparams(method: str) -> dict:
    return yaml.safe_load((ROOT / "res" / "hparams" / method / "world-gpt2.yaml").read_text())


def record(fact: dict) -> dict:
    """A fact as the peers read it, with two paraphrases and five neighbours."""
    rewrite = fact["requested_rewrite"]
    return {
        "case_id": fact["case_id"],
        "relation": rewrite["relation_id"],
        "prompt": rewrite["prompt"].format(rewrite["subject"]),
        "prompt_template": rewrite["prompt"],
        "subject": rewrite["subject"],
        "target_new": rewrite["target_new"]["str"],
        "ground_truth": rewrite["target_true"]["str"],
        "paraphrases": fact["paraphrase_prompts"][:2],
        "neighborhood": fact["neighborhood_prompts"][:5],
    }


class World:
    folder = ROOT / "res" / "models" / "world-gpt2"

    @cached_property
    def tokenizer(self):
        return load_tokenizer(self.folder)

    def model(self):
        """A fresh one: peers change what they are given."""
        return load_model(self.folder)

    def text(self, name: str) -> str:
        return (ROOT / "res" / "facts" / name).read_text(encoding="utf-8")

    def records(self, name: str, offset: int, count: int) -> list[dict]:
        """`count` facts of each relation behind its first `offset`."""
        facts = json.loads(self.text(name))
        chosen = []
        for relation in RELATIONS:
            of_relation = (fact for fact in facts if fact["requested_rewrite"]["relation_id"] == relation)
            chosen += [record(fact) for fact in islice(of_relation, offset, offset + count)]
        return chosen


def factors(edits: list[dict], *names: str) -> dict:
    """The named tensors of edits, one on the other."""
    return {name: torch.stack([edit[name] for edit in edits]) for name in names}
