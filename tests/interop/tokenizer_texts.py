"""Generated texts: every kind of character that a step of a tokenizer treats in its own way."""

import random
import unicodedata

from libraries import SENTENCES

WORDS = " ".join(SENTENCES).split()
LOOK_ALIKES = [
    "<s>", "</s>", "<unk>", "<0x0A>", "<|endoftext|>", "<|begin_of_text|>", "<|im_start|>", "<|extratoken_3|>", "<tool_é>",
    "<tool_e\u0301>", "<|endoftext", "<s", "▁", "▁▁The", "<S>", "'LL", "'ſ", "Ġ", "\u212b", "\ufeff", "\u00ad", "\u200b",
    "\u3000",
]  # fmt: skip
SPACES = [
    "\n", "\r\n", "\n\n\n", "\t", " \n ", "\x0b", "\x0c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u202f", "\u205f",
    "\u3000", "\u180e", "\u200b", "\u200c", "\u200d", "\u2060", "\x1c",
]  # fmt: skip
DIGITS = ["٣", "७", "๕", "𝟗", "²", "½", "Ⅷ", "①", "〇", "六", "৳1", "1_000", "3.14"]
COMPATIBLE = ["ﬁ", "ﬆ", "㌀", "Ａ", "ﾊﾟ", "…", "™", "Ω", "Å", "ﷺ", "㍿", "⁵", "ǆ", "ﭏ", "\u0344", "\u0958", "㋿", "ꟲ"]
CASES = ["İ", "ı", "ẞ", "ß", "ΑΣ", "Σ", "Ǆ", "ǅ", "Ⅷ", "Ⓐ", "Ａ", "Ꭰ", "ა", "Ა", "𐐀", "Ǳ", "ŉ", "ſ", "K"]
PUNCTUATION = ["$", "+", "^`|~", "«»", "¿", "、。", "—", "‿", "⸺", "⸮", "⹃", "᙭", "፡", "٪", "𑇉", "_", "€", "#!"]
PUNCTUATION += ["'s", "'ll", "'", "’re"]
# Of Unicode 10 to 14, and never assigned. Later ones are left out: what they are differs from library to library.
NEW = ["\u0870", "\u1acd", "\u0898", "\U00011938", "\U0001e2ae", "\U0002a6de", "\U0001fae7", "\U00016ac0"]
NEW += ["\u0378", "\ue000", "\U000e0100", "\uffff"]


def piece(draw: random.Random) -> str:
    """A few characters of one kind."""

    def some(first: int, last: int, most: int) -> str:
        return "".join(chr(draw.randint(first, last)) for _ in range(draw.randint(1, most)))

    def anything() -> str:
        while True:
            character = chr(draw.randrange(0x20000))
            if unicodedata.category(character) not in ("Cn", "Cs"):
                return character

    kinds = [
        lambda: draw.choice(WORDS),
        lambda: draw.choice(WORDS).lower(),
        lambda: draw.choice(WORDS).upper(),
        lambda: some(0x61, 0x7A, 9),
        lambda: some(0x30, 0x39, 7),
        lambda: some(0x21, 0x2F, 4),
        lambda: " " * draw.randint(1, 5),
        lambda: draw.choice(SPACES),
        lambda: some(0xC0, 0x17F, 6),
        lambda: some(0x391, 0x3A1, 6),
        lambda: some(0x410, 0x44F, 8),
        lambda: some(0x5D0, 0x5EA, 4) + some(0x5B0, 0x5BD, 2),
        lambda: some(0x621, 0x652, 6),
        lambda: some(0x904, 0x94D, 5),
        lambda: some(0xE01, 0xE4E, 6),
        lambda: some(0x4E00, 0x9FA5, 5),
        lambda: some(0x3041, 0x3096, 5),
        lambda: some(0xAC00, 0xD7A3, 4),
        lambda: some(0x1100, 0x1112, 1) + some(0x1161, 0x1175, 1) + some(0x11A8, 0x11C2, 1),
        lambda: some(0x1F600, 0x1F64F, 3),
        lambda: draw.choice(["👩\u200d🔬", "🇫🇷", "👍🏽", "❤\ufe0f", "#\ufe0f\u20e3"]),
        lambda: draw.choice("aeiouAnc") + some(0x300, 0x362, 3),
        lambda: some(0x0, 0x1F, 3),
        lambda: some(0x7F, 0x9F, 2),
        lambda: some(0x10000, 0x1005D, 2),
        lambda: anything(),
        lambda: draw.choice(DIGITS),
        lambda: draw.choice(COMPATIBLE),
        lambda: draw.choice(CASES),
        lambda: draw.choice(PUNCTUATION),
        lambda: draw.choice(NEW),
        lambda: draw.choice(LOOK_ALIKES),
    ]
    return draw.choice(kinds)()


def texts(seed: int, count: int, also: list[str] = []) -> list[str]:
    """`also`: texts that occur in them besides, such as added tokens."""
    draw = random.Random(seed)
    made = ["", " ", "  ", "a", " a", *SENTENCES][:count]
    while len(made) < count:
        separator = draw.choice(["", "", " "])
        parts = [draw.choice(also) if also and draw.random() < 0.2 else piece(draw) for _ in range(draw.randint(1, 12))]
        made.append(separator.join(parts))
    return made
