"""Token ids, logits and perplexity; all by Hugging Face's libraries."""

import math

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Tokenizer, GPT2TokenizerFast, LlamaConfig, LlamaForCausalLM
from world import World

LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Where tokenizers go wrong: space, contractions, digits, scripts, marks that combine, characters beyond 16 bits, punctuation.
HARD_TEXTS = [
    "", " ", "  ", "\t", "\n", "\n\n\n", "\r\n", " \t \n  x", "   three in front", "three behind   ", "two\nlines",
    "two\r\nlines", "a\u00a0b", "a\u2003b", "a\u200bb", "\ufeffmarked", "\u2028", "\x00\x01\x1f", "\x7f\x85",
    "It's I'm you're we've she'll he'd don't", "IT'S I'M YOU'RE WE'VE", "'s't'm'd", "it\u2019s", "'''",
    "l'\u00e9t\u00e9", "o'clock", "0", "42", "365", "1984", "31415926535", "3.14159", "1,000,000", "50%", "7th",
    "a1b2c3", "\u00bd \u2167 \u0664\u0665", "CAPITALS", "lower", "Title Case", "camelCaseWord", "snake_case_word",
    "kebab-case-word", "Monongahela", "x" * 60, "ab" * 40, "Zur\u00fcck \u00fcber Stra\u00dfe", "\u00e9", "e\u0301",
    "a\u0300\u0301\u0302b", "na\u00efve fa\u00e7ade", "\u00c5ngstr\u00f6m", "\u0130stanbul \u0131",
    "\u041c\u043e\u0441\u043a\u0432\u0430", "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1",
    "\u0627\u0644\u0642\u0627\u0647\u0631\u0629", "\u05d9\u05e8\u05d5\u05e9\u05dc\u05d9\u05dd",
    "\u0939\u093f\u0928\u094d\u0926\u0940", "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22",
    "\u6771\u4eac\u306f\u9996\u90fd", "\ud55c\uad6d\uc5b4", "\u1112\u1161\u11ab", "\ufb01 \ufb02", "\u212b",
    "\U0001f600", "\U0001f469\u200d\U0001f52c", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U00010348", "\ue000", "!?", "...",
    "\u2026", "-----", "\u2014 \u2013", "\u201cquoted\u201d", "(in (brackets))", "[1]", "{}", "<b>bold</b>", "&amp;",
    "a/b\\c", "$5 \u20ac5", "name@place.org", "https://place.org/?a=b&c=d", "for (int i = 0; i < n; ++i) {",
    "    return 0;\n}", "\u2192\u2190", "\u00ac\u00b1\u00d7", "\u0120", "\u2581",
]  # fmt: skip
SPECIAL_TEXTS = ["<|endoftext|>", "a<|endoftext|>b", "<|endoftext|> <|endoftext|>", "<|endoftext", "<|begin_of_text|>x"]


def prompts(world: World) -> list[dict]:
    """16 prompts with their objects: rewrites and paraphrases by turns."""
    records = world.records("train.json", 40, 1) + world.records("heldout.json", 10, 1)
    chosen = []
    for index, record in enumerate(records[:16]):
        texts = [record["prompt"], *record["paraphrases"]]
        targets = {"target_true": record["ground_truth"], "target_new": record["target_new"]}
        chosen.append({"case_id": record["case_id"], "prompt": texts[index % 3], **targets})
    return chosen


def tokenizer_numbers(world: World) -> dict:
    slow, fast = world.tokenizer, GPT2TokenizerFast.from_pretrained(world.folder, add_prefix_space=False)
    prefixed = GPT2Tokenizer.from_pretrained(world.folder, add_prefix_space=True)
    llama3 = llama3_tokenizer(world, special=False)
    texts = [item["prompt"] + " " + item["target_true"] for item in prompts(world)]
    texts += [line for line in world.text("prose_heldout.txt").split("\n") if line][:12]
    texts += HARD_TEXTS
    items = []
    for text in texts + SPECIAL_TEXTS:
        ids = slow.encode(text)
        assert ids == fast.encode(text), text
        items.append({"text": text, "gpt2": ids, "gpt2_prefix_slow": prefixed.encode(text), "llama3": llama3.encode(text).ids})
    return {"tokenizer.json": {"n_plain": len(texts), "items": items}}


def llama3_tokenizer(world: World, special: bool) -> Tokenizer:
    """Cut as Llama 3 cuts, over the first tokens of the model that ships and two that no merge makes."""
    ids = sorted(world.tokenizer.encoder.items(), key=lambda item: item[1])
    merges = [pair for pair, _ in sorted(world.tokenizer.bpe_ranks.items(), key=lambda item: item[1])][:200]
    vocabulary = {token: place for place, (token, _) in enumerate(ids[: 256 + len(merges)])}
    for whole in ("Monongahela", "\u0120first"):
        vocabulary.setdefault(whole, len(vocabulary))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=True))
    split = pre_tokenizers.Split(Regex(LLAMA3_WORDS), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    if special:
        names = ["<|begin_of_text|>", "<|end_of_text|>"]
        tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in names])
    return tokenizer


def tiny_llama(tokenizer: Tokenizer) -> LlamaForCausalLM:
    """Random weights: four heads on two of keys and values, and Llama 3's rotary scaling."""
    size = tokenizer.get_vocab_size()
    rope = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    config = LlamaConfig(
        vocab_size=size, hidden_size=32, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=128, rope_theta=500.0, rope_scaling=rope, tie_word_embeddings=True,
        bos_token_id=size - 2, eos_token_id=size - 1,
    )  # fmt: skip
    model, generator = LlamaForCausalLM(config), torch.Generator().manual_seed(7)
    with torch.no_grad():
        for _, parameter in sorted(model.named_parameters()):
            noise = 0.3 * torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + noise if parameter.dim() == 1 else noise)
    return model


@torch.no_grad()
def logit_numbers(world: World, model, encode, suffix: str) -> dict:
    """Every prompt by itself: the likeliest 20, and the objects' log-probabilities."""
    items, hidden = [], []
    for item in prompts(world):
        ids = encode(item["prompt"])
        state = model.base_model(torch.tensor([ids])).last_hidden_state[0, -1]
        logits = model.lm_head(state)
        top, log_probs = logits.topk(20), logits.log_softmax(-1)
        numbers = {
            "ids": ids,
            "top20_ids": top.indices.tolist(),
            "top20_logits": top.values.tolist(),
            "logsumexp": logits.logsumexp(-1).item(),
        }
        for kind in ("true", "new"):
            whole = encode(item["prompt"] + " " + item[f"target_{kind}"])
            assert whole[: len(ids)] == ids
            first = whole[len(ids)]
            rows = model(torch.tensor([whole])).logits[0, len(ids) - 1 : -1].log_softmax(-1)
            total = rows.gather(1, torch.tensor(whole[len(ids) :]).unsqueeze(1)).sum().item()
            numbers |= {
                f"{kind}_first": first,
                f"lp_{kind}_first": log_probs[first].item(),
                f"lp_{kind}_seq": total,
                f"ids_{kind}": whole,
            }
        items.append({**item, **numbers})
        hidden.append(state)
    return {f"logits{suffix}.json": items, f"logits_hidden{suffix}.safetensors": {"hidden": torch.stack(hidden)}}


PERPLEXITY_IDS = 1500


@torch.no_grad()
def perplexity(model, ids: torch.Tensor, length: int, stride: int) -> float:
    """As Hugging Face's guide has it: windows every `stride` tokens, in which only what none before scored is a label."""
    total, scored, before = 0.0, 0, 0
    for begin in range(0, len(ids), stride):
        end = min(begin + length, len(ids))
        labels = ids[begin:end].clone()
        labels[: before - begin] = -100  # nothing, where windows stand side by side
        count = (labels[1:] != -100).sum().item()
        if count:
            total += model(ids[begin:end].unsqueeze(0), labels=labels.unsqueeze(0)).loss.item() * count
        scored, before = scored + count, end
        if end == len(ids):
            break
    return math.exp(total / scored)
