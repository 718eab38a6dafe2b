#!/usr/bin/env python3
"""tokenize and predict on the model that ships, against its golden numbers. predict runs on the device ONEMASK_TEST_DEVICE (cpu)."""

import json
import os
import sys
import unittest
from pathlib import Path

from program import onemask

SOURCE = Path(os.environ["ONEMASK_SOURCE"])
MODEL = str(SOURCE / "res" / "models" / "world-gpt2")
LOGITS = json.loads((SOURCE / "tests" / "golden" / "world-gpt2" / "logits.json").read_text())
PROMPT = "Corlen Ferorshaw grew up in a home that spoke"
PREDICT = ("predict", "--model", MODEL, "--device", os.environ.get("ONEMASK_TEST_DEVICE", "cpu"))


class Tokenize(unittest.TestCase):
    def test_texts_give_ids_and_tokens(self):
        result = onemask("tokenize", "--model", MODEL, "The Monongahela, which is located in", "")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(
            result.stdout,
            '278 3164 400 64 256 354 11 4039 314 1092 2896 279\n'
            '"The" " Mon" "ong" "a" "he" "la" "," " which" " is" " loc" "ated" " in"\n\n\n',
        )

    def test_lines_of_stdin_are_texts(self):
        result = onemask("tokenize", "--model", MODEL, "--json", stdin=LOGITS[0]["prompt"] + "\n is\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        first, second = map(json.loads, result.stdout.splitlines())
        self.assertEqual(first["ids"], LOGITS[0]["ids"])
        self.assertEqual("".join(first["pieces"]), first["text"])
        self.assertEqual(second, {"text": " is", "ids": [314], "pieces": [" is"]})

    def test_lines_of_stdin_may_be_json_strings(self):
        texts = ["two\nlines", "", '"quoted" \u00e9']
        stdin = "".join(json.dumps(text) + "\n" for text in texts)
        result = onemask("tokenize", "--model", MODEL, "--json", "--json-input", stdin=stdin)
        self.assertEqual([json.loads(line)["text"] for line in result.stdout.splitlines()], texts, result.stderr)
        for line in ["7", "two words", '["a"]', ""]:
            result = onemask("tokenize", "--model", MODEL, "--json-input", stdin=f'"a"\n{line}\n')
            self.assertEqual((result.returncode, result.stdout), (2, ""), line)
            self.assertIn("Line 2 of stdin", result.stderr)

    def test_a_text_may_look_like_an_option(self):
        result = onemask("tokenize", "--model", MODEL, "--json", "--", "--help")
        self.assertEqual((result.returncode, json.loads(result.stdout)["text"]), (0, "--help"), result.stderr)

    def test_a_text_that_is_not_utf8_is_refused(self):
        result = onemask("tokenize", "--model", MODEL, os.fsdecode(b"\xff"))
        self.assertEqual((result.returncode, result.stdout), (2, ""))


class Predict(unittest.TestCase):
    def test_the_fact_comes_first(self):
        result = onemask(*PREDICT, "--top", "3", PROMPT)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = result.stdout.splitlines()
        self.assertEqual((len(lines), lines[1]), (5, PROMPT))
        probability, _, _, token = lines[2].split(maxsplit=3)
        self.assertEqual(token, '" Italian"')
        self.assertGreater(float(probability), 0.9)

    def test_logits_are_the_reference_ones(self):
        golden = LOGITS[:4]
        prompts = [item["prompt"] for item in golden]
        result = onemask(*PREDICT, "--top", "20", "--json", *prompts)
        self.assertEqual(result.returncode, 0, result.stderr)
        answers = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual([answer["prompt"] for answer in answers], prompts)
        for item, answer in zip(golden, answers):
            self.assertEqual([p["id"] for p in answer["predictions"]], item["top20_ids"])
            for prediction, logit in zip(answer["predictions"], item["top20_logits"]):
                self.assertAlmostEqual(prediction["logit"], logit, delta=1e-4)
            likeliest = answer["predictions"][0]
            self.assertAlmostEqual(likeliest["probability"], 2.718281828459045 ** (item["top20_logits"][0] - item["logsumexp"]), delta=1e-5)

    def test_every_token_of_the_vocabulary_can_be_asked_for(self):
        result = onemask(*PREDICT, "--top", "1000000", "--json", PROMPT)
        predictions = json.loads(result.stdout)["predictions"]
        self.assertEqual(len({p["id"] for p in predictions}), 4096)
        self.assertAlmostEqual(sum(p["probability"] for p in predictions), 1, places=9)

    def test_prompts_that_do_not_fit_are_refused(self):
        for prompt, part in [("", "empty"), (" a" * 129, "129 positions")]:
            result = onemask(*PREDICT, prompt)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(part, result.stderr)
        self.assertEqual(onemask(*PREDICT, " a" * 128).returncode, 0)

    def test_one_rank_answers(self):
        result = onemask(*PREDICT, "--top", "1", "--json", PROMPT, ranks=2)
        self.assertEqual((result.returncode, result.stdout.count("Italian")), (0, 1), result.stderr)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
