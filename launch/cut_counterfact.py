"""Checks CounterFact, and cuts it into files of facts: cut_counterfact.py FILE [FOLDER TRAIN TEST OOD SEED]

The facts of a relation are taken in the order of the SHA-256 of "SEED case_id", in decimal, so that the cut depends on the seed
and the case_ids alone and can be made in any language. Test facts are the first TEST whose relation and subject occur once in all
of CounterFact, training facts the first TRAIN of the others: no training fact repeats the question of a test fact. The first 100
of each relation are also the files for MEMIT, where there are as many.
"""

import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path

FACTS = 21_919
RELATIONS = ["P103", "P17", "P495", "P176", "P413", "P136", "P30", "P937", "P27", "P1412"]
OTHER_RELATIONS = ["P463", "P407", "P36", "P264"]
IN_A_BATCH = 100  # facts of each relation in a file for MEMIT


def question(fact: dict) -> tuple[str, str]:
    return fact["requested_rewrite"]["relation_id"], fact["requested_rewrite"]["subject"]


def read(file: Path) -> list[dict]:
    try:
        facts = json.loads(file.read_bytes())
    except ValueError as error:
        sys.exit(f"'{file}' is not JSON: {error}. Remove it and download it again.")
    if not isinstance(facts, list) or len(facts) != FACTS:
        found = f"{len(facts)} records" if isinstance(facts, list) else f"a {type(facts).__name__} instead of a list"
        sys.exit(f"'{file}' holds {found}; CounterFact has {FACTS}. Download it from its authors.")
    for place, fact in enumerate(facts):
        try:
            complete = isinstance(fact["case_id"], int) and all(isinstance(text, str) for text in question(fact))
        except (KeyError, TypeError):
            complete = False
        if not complete:
            sys.exit(f"'{file}': record {place} lacks its case_id, relation or subject. Download it from its authors.")
    if {fact["case_id"] for fact in facts} != set(range(FACTS)):
        sys.exit(f"'{file}': the case_ids are not the numbers 0 to {FACTS - 1}, each once. Download it from its authors.")
    return facts


def write(file: Path, facts: list[dict]) -> None:
    content = json.dumps(facts, indent=2).encode() + b"\n"
    if file.exists():
        if file.read_bytes() != content:
            sys.exit(f"'{file}' is there already and holds other facts. Remove it, or cut into another folder.")
        return
    part = file.with_name(f".{file.name}.part")
    with part.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(file)


def cut(facts: list[dict], folder: Path, train: int, test: int, ood: int, seed: int) -> None:
    asked = Counter(map(question, facts))
    facts = sorted(facts, key=lambda fact: hashlib.sha256(f"{seed} {fact['case_id']}".encode()).digest())

    def of(relation: str, needed: int) -> list[dict]:
        found = [fact for fact in facts if question(fact)[0] == relation]
        if len(found) < needed:
            sys.exit(f"CounterFact has {len(found)} facts of {relation}, fewer than the {needed} asked for. Ask for fewer.")
        return found

    files: dict[str, list[dict]] = {}
    for relation in RELATIONS:
        found = of(relation, train + test)
        tests = [fact for fact in found if asked[question(fact)] == 1][:test]
        if len(tests) < test:
            sys.exit(f"CounterFact asks {len(tests)} questions of {relation} once, fewer than {test}. Ask for fewer test facts.")
        chosen = {fact["case_id"] for fact in tests}
        files[f"counterfact_test{relation}.json"] = tests
        files[f"counterfact_train{relation}.json"] = [fact for fact in found if fact["case_id"] not in chosen][:train]
    for split, facts_of_each in (("train", train), ("test", test)):
        if facts_of_each >= IN_A_BATCH:
            parts = (files[f"counterfact_{split}{relation}.json"][:IN_A_BATCH] for relation in RELATIONS)
            files[f"memit_{split}_1000s_10rels.json"] = [fact for part in parts for fact in part]
    files["counterfact_ood.json"] = [fact for relation in OTHER_RELATIONS for fact in of(relation, ood)[:ood]]
    for name, chosen_facts in files.items():
        if chosen_facts:
            write(folder / name, chosen_facts)


if __name__ == "__main__":
    all_facts = read(Path(sys.argv[1]))
    if len(sys.argv) > 2:
        cut(all_facts, Path(sys.argv[2]), *map(int, sys.argv[3:7]))
