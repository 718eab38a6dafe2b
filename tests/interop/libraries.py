"""Hugging Face's libraries, and small tokenizers trained with them."""

import json
import os
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
try:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
except ImportError as error:
    print(f"skipped: {error}; launch/bootstrap.sh installs what this test needs.")
    sys.exit(77)

SENTENCES = [
    "The mother tongue of Danielle Darrieux is French.",
    "Edwin of Northumbria's official religion is Christianity; they've said so since the 7th century.",
    "Toko Yasuda plays the guitar, doesn't she? I'm sure we'll hear 12 or 3456 songs.",
    "Autonomous University of Madrid, which is located in Spain",
    "What does Heath Brothers play? They play jazz, the jazz of the jazz.\n\n\tIndented    text\r\n",
    "L'été à la plage était très agréable: le café, la crème brûlée, l'œuvre.",
    "Zürich, Größe, naïve Ärzte übernehmen Maßnahmen.",
    "Москва столица России; Київ столиця України.",
    "東京は日本の首都です。北京是中国的首都。 서울은 한국의 수도",
    "for (int i = 0; i < n; ++i) { total += values[i] * 2; }  // sum",
    "THE CAPITAL OF FRANCE IS PARIS. THE CAPITAL OF SPAIN IS MADRID.",
]
QWEN2_EXPRESSION = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def byte_level(size: int = 480) -> Tokenizer:
    """As GPT-2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    train(tokenizer, size, ["<|endoftext|>"], pre_tokenizers.ByteLevel.alphabet())
    return tokenizer


def gptj_like() -> Tokenizer:
    """GPT-2's with further tokens behind it, which fill up the embedding."""
    tokenizer = byte_level()
    tokenizer.add_tokens([AddedToken(f"<|extratoken_{i}|>", normalized=True) for i in range(1, 12)])
    return tokenizer


def qwen2_like() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2_EXPRESSION), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    train(tokenizer, 500, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_tokens([AddedToken("<tool_é>", normalized=True)])
    return tokenizer


def llama2_like(prepend_scheme: str = "") -> Tokenizer:
    """Characters and bytes, spaces written as U+2581: by a normalizer, as Llama-2 and the first Mistral, or with `prepend_scheme`
    by the step Metaspace, as later ones."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    # Trained on words, so that no token has a space but in front, as SentencePiece does it; then the whole text is one word.
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    train(tokenizer, 640, ["<unk>", "<s>", "</s>", *[f"<0x{byte:02X}>" for byte in range(256)]], ["▁"])
    content = without_special_bytes(tokenizer)
    tokenizer = Tokenizer.from_str(content)
    if prepend_scheme:
        tokenizer.normalizer = normalizers.Sequence([])
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=prepend_scheme, split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


def without_special_bytes(tokenizer: Tokenizer) -> str:
    """The trainer takes tokens of its own only as special ones; of these, <0x00> and so on must not be looked for in texts. Rare
    characters lose their tokens, so that bytes stand for them."""
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if not token["content"].startswith("<0x")]
    content["pre_tokenizer"] = None
    rare = set("東京日北中서울œ!*")
    model = content["model"]
    kept = sorted((token for token in model["vocab"] if not rare & set(token)), key=model["vocab"].get)
    model["vocab"] = {token: id for id, token in enumerate(kept)}
    model["merges"] = [pair for pair in model["merges"] if not rare & set("".join(pair))]
    return json.dumps(content)


def train(tokenizer: Tokenizer, size: int, special: list[str], alphabet: list[str]) -> None:
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
