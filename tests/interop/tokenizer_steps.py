"""Small tokenizers of every combination of steps that onemask reads, trained with Hugging Face's library."""

import json
import random

from libraries import SENTENCES, AddedToken, QWEN2_EXPRESSION, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

N, P = normalizers, pre_tokenizers


def either(draw: random.Random) -> bool:
    return draw.random() < 0.5


BEHAVIORS = ["removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"]
GPT4O_EXPRESSION = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
EXPRESSIONS = [QWEN2_EXPRESSION, GPT4O_EXPRESSION]
EXPRESSIONS += [r"\s+", r"\w+|[^\w\s]+", r"\d{3}(?=\d)|\d", r"^.|.$", r"", r"(?<=[a-z])(?=[A-Z])", r"x*"]

NORMALIZERS = {
    "none": lambda draw: None,
    "nfc": lambda draw: N.NFC(),
    "nfd": lambda draw: N.NFD(),
    "nfkc": lambda draw: N.NFKC(),
    "nfkd": lambda draw: N.NFKD(),
    "lowercase": lambda draw: N.Lowercase(),
    "strip_accents": lambda draw: N.Sequence([N.NFD(), N.StripAccents()]),
    "strip_accents_alone": lambda draw: N.StripAccents(),
    "replace": lambda draw: N.Replace(draw.choice([" ", "a", "e\u0301", "", "the"]), draw.choice(["▁", "", "xy", "é"])),
    "replace_expression": lambda draw: N.Replace(
        Regex(draw.choice([r"\s+", r"[0-9]", r"(.)\1", r"", r"\p{P}", r"^"])), draw.choice([" ", "", "▁9"])
    ),
    "prepend": lambda draw: N.Prepend(draw.choice(["▁", " ", "ab"])),
    "strip": lambda draw: N.Strip(left=draw.random() < 0.7, right=draw.random() < 0.5),
    "llama2": lambda draw: N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]),
    "gemma": lambda draw: N.Replace(" ", "▁"),
}
SINGLE_NORMALIZERS = sorted(NORMALIZERS)
NORMALIZERS["several"] = lambda draw: N.Sequence(
    [NORMALIZERS[name](draw) or N.NFC() for name in draw.sample(SINGLE_NORMALIZERS, 3)]
)

PRE_TOKENIZERS = {
    "none": lambda draw: None,
    "byte_level": lambda draw: P.ByteLevel(add_prefix_space=draw.random() < 0.5),
    "byte_level_alone": lambda draw: P.ByteLevel(add_prefix_space=draw.random() < 0.5, use_regex=False),
    "digits": lambda draw: P.Digits(individual_digits=False),
    "digits_each": lambda draw: P.Digits(individual_digits=True),
    "smollm2": lambda draw: P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False)]),
    "qwen2": lambda draw: P.Sequence(
        [P.Split(Regex(QWEN2_EXPRESSION), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)]
    ),
    "gemma": lambda draw: P.Split(" ", "merged_with_previous"),
    "whitespace": lambda draw: P.Whitespace(),
    "whitespace_split": lambda draw: P.WhitespaceSplit(),
    "metaspace": lambda draw: P.Metaspace(
        replacement=draw.choice("▁▁_"), prepend_scheme=draw.choice(["first", "always", "never"]), split=draw.random() < 0.5
    ),
    "metaspace_of_words": lambda draw: P.Sequence([P.WhitespaceSplit(), P.Metaspace(prepend_scheme="first")]),
}
for behavior in BEHAVIORS:
    PRE_TOKENIZERS |= {
        f"split_{behavior}": lambda draw, b=behavior: P.Split(Regex(draw.choice(EXPRESSIONS)), b, invert=either(draw)),
        f"split_text_{behavior}": lambda draw, b=behavior: P.Split(draw.choice([" ", "e", "", "▁"]), b, invert=either(draw)),
        f"punctuation_{behavior}": lambda draw, b=behavior: P.Punctuation(b),
    }
SINGLE_PRE_TOKENIZERS = sorted(PRE_TOKENIZERS)
PRE_TOKENIZERS["several"] = lambda draw: P.Sequence(
    [PRE_TOKENIZERS[name](draw) or P.Whitespace() for name in draw.sample(SINGLE_PRE_TOKENIZERS, 3)]
)
ADDED = ["<s>", "<mask>", "<|im_start|>", "é!", "e\u0301!", "the", "▁x", " y", "İz", "12", "<s>b", "…"]


def added_tokens(draw: random.Random) -> list[AddedToken]:
    def flag() -> bool:
        return draw.random() < 0.35

    return [
        AddedToken(text, lstrip=flag(), rstrip=flag(), single_word=flag(), normalized=either(draw), special=either(draw))
        for text in draw.sample(ADDED, draw.randint(0, 5))
    ]


def make(normalizer: str, pre_tokenizer: str, seed: int) -> Tokenizer:
    """A tokenizer with these steps, whose model and added tokens are drawn. Some replacements end in a panic of the library; then
    another tokenizer is drawn."""
    try:
        return draw_tokenizer(normalizer, pre_tokenizer, seed)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return make(normalizer, pre_tokenizer, seed + 1000)


def draw_tokenizer(normalizer: str, pre_tokenizer: str, seed: int) -> Tokenizer:
    draw = random.Random(seed)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = NORMALIZERS[normalizer](draw) or N.Sequence([])
    steps = PRE_TOKENIZERS[pre_tokenizer](draw)
    if steps:
        tokenizer.pre_tokenizer = steps
    alphabet = draw.choice([[], ["▁", " "], P.ByteLevel.alphabet()])
    size = draw.randint(150, 700)
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*SENTENCES, *SENTENCES, "e\u0301cole cafe\u0301s"], trainer)
    content = json.loads(tokenizer.to_str())
    content["model"] = changed_model(content["model"], draw)
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_tokens(added_tokens(draw))
    return tokenizer


def changed_model(model: dict, draw: random.Random) -> dict:
    """The model with some characters missing, and with drawn rules for what has no token."""
    characters = [token for token in model["vocab"] if len(token) == 1]
    missing = set(draw.sample(characters, len(characters) * draw.choice([0, 0, 1, 3]) // 10))
    kept = [token for token in sorted(model["vocab"], key=model["vocab"].get) if not missing & set(token)]
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    model["merges"] = [pair for pair in merges if not missing & set("".join(pair))]
    if draw.random() < 0.5:
        some = range(256) if draw.random() < 0.6 else draw.sample(range(256), 200)
        kept += [f"<0x{byte:02X}>" for byte in some]
        model["byte_fallback"] = True
    if draw.random() < 0.5:
        kept.append("<unk>")
        model["unk_token"] = "<unk>"
        model["fuse_unk"] = draw.random() < 0.5
    model["ignore_merges"] = draw.random() < 0.3
    model["dropout"] = draw.choice([None, 0.0])
    model["vocab"] = {token: id for id, token in enumerate(kept)}
    return model
