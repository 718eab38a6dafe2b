#!/usr/bin/env python3
"""res/facts/known_world.json is what make_known_world.py writes, and a set of records by which edits can be judged."""

import json
import os
import subprocess
import sys
import unittest
from collections import Counter
from pathlib import Path

FOLDER = Path(os.environ["ONEMASK_SOURCE"], "res", "facts")
KINDS = ["paraphrase_prompts", "neighborhood_prompts", "attribute_prompts", "generation_prompts"]


class KnownWorld(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.content = (FOLDER / "known_world.json").read_bytes()
        cls.facts = json.loads(cls.content)

    def test_is_up_to_date(self):
        made = subprocess.run([sys.executable, FOLDER / "make_known_world.py"], capture_output=True, check=True).stdout
        self.assertTrue(made == self.content, "run res/facts/make_known_world.py > res/facts/known_world.json")

    def test_names_are_its_own(self):
        """A study may take facts from here, from CounterFact and from the invented world."""
        cases = [fact["case_id"] for fact in self.facts]
        questions = [(fact["requested_rewrite"]["relation_id"], fact["requested_rewrite"]["subject"]) for fact in self.facts]
        self.assertEqual(len(set(cases)), len(cases))
        self.assertEqual(len(set(questions)), len(questions))
        self.assertGreater(min(cases), 21_918)

    def test_enough_of_each_relation(self):
        counts = Counter(fact["requested_rewrite"]["relation_id"] for fact in self.facts)
        self.assertGreaterEqual(min(counts.values()), 50)
        self.assertGreaterEqual(sum(counts.values()), 400)

    def test_objects(self):
        """No prompt tells its object, and no fact of the set says that target_new is true."""
        true = {}
        for fact in self.facts:
            rewrite = fact["requested_rewrite"]
            true[rewrite["relation_id"], rewrite["subject"]] = rewrite["target_true"]
        for fact in self.facts:
            rewrite = fact["requested_rewrite"]
            relation, subject = rewrite["relation_id"], rewrite["subject"]
            known = {target["id"]: target["str"] for (other, _), target in true.items() if other == relation}
            self.assertEqual(known[rewrite["target_new"]["id"]], rewrite["target_new"]["str"])
            self.assertNotEqual(rewrite["target_new"], rewrite["target_true"])
            self.assertNotIn(rewrite["target_true"]["str"], rewrite["prompt"].format(subject))

    def test_prompts(self):
        for fact in self.facts:
            subject, target = fact["requested_rewrite"]["subject"], fact["requested_rewrite"]["target_true"]["str"]
            for kind in KINDS:
                self.assertEqual(len(set(fact[kind])), len(fact[kind]))
                self.assertTrue(all(prompt == prompt.strip() for prompt in fact[kind]))
            self.assertEqual((len(fact["paraphrase_prompts"]), len(fact["generation_prompts"])), (2, 3))
            for prompt in fact["paraphrase_prompts"] + fact["generation_prompts"]:
                self.assertIn(subject, prompt)
                self.assertNotIn(f" {target} ", prompt)
            self.assertLessEqual(len(fact["neighborhood_prompts"]), 10)
            rewritten = fact["requested_rewrite"]["prompt"].format(subject)
            self.assertNotIn(rewritten, fact["neighborhood_prompts"])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
