#!/usr/bin/env python3
"""launch/get_counterfact.sh against a server on this machine: only the whole set is accepted, and cut by the rule it states."""

import hashlib
import json
import sys
import unittest

from download import DownloadTest

RELATIONS = ["P103", "P17", "P495", "P176", "P413", "P136", "P30", "P937", "P27", "P1412", "P463", "P407", "P36", "P264", "P99"]


def facts(count: int = 21_919) -> list[dict]:
    """Every 41st fact has the subject of the last one of its relation."""
    return [
        {"case_id": i, "requested_rewrite": {"relation_id": RELATIONS[i % 15], "subject": f"é {i - 15 if i % 41 == 0 else i}"}}
        for i in range(count)
    ]


def question(fact: dict) -> tuple[str, str]:
    return fact["requested_rewrite"]["relation_id"], fact["requested_rewrite"]["subject"]


class GetCounterfact(DownloadTest):
    script = "get_counterfact.sh"

    def setUp(self):
        super().setUp()
        self.settings["ONEMASK_CF_URL"] = self.server.url + "/facts.json"
        self.content = json.dumps(facts()).encode()
        self.serve(self.content)

    def serve(self, content: bytes) -> None:
        self.server.files["/facts.json"] = content
        self.sum = ["--sha256", hashlib.sha256(content).hexdigest()]

    def test_downloads_once(self):
        self.expect_done(*self.sum)
        self.assertEqual((self.folder / "counterfact" / "counterfact.json").read_bytes(), self.content)
        self.assertEqual((self.folder / "counterfact" / "SHA256SUMS").read_text(), f"{self.sum[1]}  counterfact.json\n")
        self.expect_done()
        self.assertEqual(self.server.requests, [])

    def test_any_other_file_is_refused(self):
        self.expect_refusal(1, ["SHA-256", self.sum[1], "d017056125178a13", "--sha256"])
        self.assertEqual(list((self.folder / "counterfact").iterdir()), [])
        self.server.files["/facts.json"] = self.content[:500] + b"?" + self.content[501:]
        self.expect_refusal(1, [f"instead of {self.sum[1]}"], *self.sum)
        self.assertEqual(list((self.folder / "counterfact").iterdir()), [])

    def test_goes_on_where_the_connection_ended(self):
        self.server.cut = {"/facts.json": 100_000}
        self.expect_refusal(1, ["continues where it stopped"], *self.sum)
        self.expect_done(*self.sum)
        self.assertEqual(self.server.requests, [("/facts.json", "bytes=100000-")])

    def test_only_the_whole_set_is_accepted(self):
        twice = facts()
        twice[-1]["case_id"] = 0
        without = facts()
        del without[3]["requested_rewrite"]["subject"]
        for name, content, said in (
            ("fewer", json.dumps(facts(21_918)), "holds 21918 records; CounterFact has 21919"),
            ("twice", json.dumps(twice), "case_ids are not the numbers"),
            ("without", json.dumps(without), "record 3 lacks"),
            ("object", "{}", "a dict instead of a list"),
            ("text", "<html>", "is not JSON"),
        ):
            with self.subTest(name):
                self.serve(content.encode())
                self.expect_refusal(2, [said], *self.sum)
                self.assertEqual(list((self.folder / "counterfact").iterdir()), [])

    def test_a_change_on_the_disk_is_noticed(self):
        self.expect_done("here", *self.sum)
        (self.folder / "here" / "counterfact.json").write_bytes(self.content + b" ")
        self.expect_refusal(2, ["was changed since", "Remove it"], "here")
        self.assertEqual(self.server.requests, [])

    def test_cuts_by_the_rule(self):
        self.expect_done("here", *self.sum, "--cut", "670", "170", "50", "--seed", "7")
        cut = {file.name: json.loads(file.read_bytes()) for file in (self.folder / "here").glob("counterfact_*.json")}
        self.assertEqual(len(cut), 21)
        self.assertEqual({len(found) for name, found in cut.items() if "train" in name}, {670})
        self.assertEqual({len(found) for name, found in cut.items() if "test" in name}, {170})
        others = [relation for relation in RELATIONS[10:14] for _ in range(50)]
        self.assertEqual([question(fact)[0] for fact in cut["counterfact_ood.json"]], others)
        for split in ("train", "test"):
            batch = json.loads((self.folder / "here" / f"memit_{split}_1000s_10rels.json").read_bytes())
            self.assertEqual(len(batch), 1000)
            self.assertEqual(batch[100:200], cut[f"counterfact_{split}P17.json"][:100])

        ordered = sorted(facts(), key=lambda fact: hashlib.sha256(f"7 {fact['case_id']}".encode()).hexdigest())
        asked = [question(fact) for fact in ordered if question(fact)[0] == "P17"]
        tests = [fact for fact in ordered if question(fact)[0] == "P17" and asked.count(question(fact)) == 1][:170]
        self.assertEqual(cut["counterfact_testP17.json"], tests)
        train = [fact for fact in ordered if question(fact)[0] == "P17" and fact not in tests][:670]
        self.assertEqual(cut["counterfact_trainP17.json"], train)
        self.assertLess(len(set(map(question, train))), 670)
        self.assertFalse(set(map(question, train)) & set(map(question, tests)))

        before = self.bytes_of("here/counterfact_ood.json")
        self.expect_done("here", "--cut", "670", "170", "50", "--seed", "7")
        self.expect_refusal(2, ["is there already and holds other facts"], "here", "--cut", "670", "170", "50")
        self.assertEqual(self.bytes_of("here/counterfact_ood.json"), before)

    def test_cuts_that_are_too_large(self):
        self.expect_refusal(2, ["1462 facts of P103", "1470"], *self.sum, "--cut", "1300", "170", "0")
        self.expect_refusal(2, ["Ask for fewer"], "--cut", "10", "1450", "0")
        self.assertEqual(list((self.folder / "counterfact").glob("counterfact_*")), [])

    def test_words_that_mean_nothing(self):
        for line in ("--sha256 12", "--sha256", "--cut 1 2", "--cut 1 2 x", "--seed -1", "-x", "a b"):
            words = line.split()
            with self.subTest(words):
                self.expect_refusal(2, ["usage: launch/get_counterfact.sh"], *words)
                self.assertEqual(self.server.requests, [])


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
