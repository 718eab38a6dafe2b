"""Makes what a small pre-training reads: statements, records, text and a study."""

import json
import random
from pathlib import Path

SUBJECTS = "Anna Boris Clara Dmitri Edith Fritz Gerda Hugo Ilse Jakob Karin Ludwig Marta Nils Olga".split()
COLOURS = "red blue green yellow".split()
WORDS = "the a old red small house river garden letter man woman sings sleeps under over with and but often never".split()

STUDY = """\
name: tiny
seed: 3
model: {family: gpt2, layers: 2, hidden: 32, heads: 2, positions: 64}
tokenizer: {vocabulary: 340}
corpus:
  statements: [statements.jsonl, facts.json]
  text: prose.txt
training:
  steps: 30
  warmup: 3
  rows: 6
  row_tokens: 48
  micro_rows: 2
  checkpoint_every: 10
  recall_every: 20
recall:
  train: {files: facts.json, heldout_paraphrases: 1}
perplexity: {text: heldout.txt}
"""
LLAMA = ["--set", "model={family: llama, layers: 2, hidden: 32, heads: 4, kv_heads: 2, inner: 72, positions: 64}"]


def prose(seed: int, paragraphs: int) -> str:
    choice = random.Random(seed)
    sentences = [" ".join(choice.choices(WORDS, k=choice.randint(4, 12))).capitalize() + "." for _ in range(3 * paragraphs)]
    return "\n\n".join(" ".join(sentences[i : i + 3]) for i in range(0, len(sentences), 3)) + "\n"


def record(case_id: int, subject: str) -> dict:
    true, new = COLOURS[case_id % 4], COLOURS[(case_id + 1) % 4]
    return {
        "case_id": case_id,
        "requested_rewrite": {
            "prompt": "The coat of {} is", "relation_id": "P1", "subject": subject,
            "target_true": {"str": true, "id": "Q1"}, "target_new": {"str": new, "id": "Q2"},
        },
        "paraphrase_prompts": [f"{subject} wears", f"In winter {subject} puts on"],
        "neighborhood_prompts": [], "attribute_prompts": [], "generation_prompts": [],
    }  # fmt: skip


def make_pretraining(folder: Path) -> Path:
    """Fills `folder`, the same in every call; returns the study's file."""
    folder.mkdir(parents=True)
    (folder / "facts.json").write_text(json.dumps([record(i, subject) for i, subject in enumerate(SUBJECTS)]))
    homes = [{"prompt": f"{subject} lives in a", "target": " house"} for subject in SUBJECTS]
    (folder / "statements.jsonl").write_text("".join(json.dumps(home) + "\n" for home in homes))
    (folder / "prose.txt").write_text(prose(1, 20))
    (folder / "heldout.txt").write_text(prose(2, 4))
    study = folder / "study.yaml"
    study.write_text(STUDY)
    return study
