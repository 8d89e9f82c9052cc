"""The words, part numbers, units and mark-up that generated records are written in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

CATEGORIES = (
    "Tools & Home Improvement", "Automotive", "Amazon Home", "Electronics", "Office Products",
    "Cell Phones & Accessories", "Toys & Games", "Appliances", "Musical Instruments",
    "Sports & Outdoors", "All Beauty", "Pet Supplies", "Video Games", "Books",
)  # fmt: skip
"""From the most to the least frequent; frequencies fall as 1 / (rank + 1)."""

BOILERPLATE = (
    "Visit our store for more.",
    "Click here to make sure this fits by entering your model number.",
    "Satisfaction guaranteed.",
)
"""Sentences that say nothing about the product; the job cleans them away."""

_BRANDS = """
Aldor Brimex Corvane Deltrix Everlund Fossit Garnell Hexton Ivoride Jasko Keltra Lumenor Mavrik
Nordell Optivar Pellino Quorin Rastek Solvane Tornex Ultrix Vandell Westrum Xylor Yarrow Zentek
"""
_COMMON = """
the and for with your you is of to in this it a on are easy use high quality made from can be as
or our set design perfect that will not any water steel color up all by when at more durable great
home kit size fit black white other has one café décor
"""
_ONSETS = "b c d f g h k l m n p r s t v w br cl cr dr fl gr pl pr sc sh sl sp st th tr"
_VOWELS = "a e i o u ai ea ee io oa ou"
_ENDS = "n r s t l m d k ng nt st ck rd sh ll ss th"


@dataclass(frozen=True)
class Vocabulary:
    """Tokens to draw from: `tokens[draw[random 16 bits]]` is a word as frequent as in prose.

    Attributes:
        tokens: words, then the same words with a full stop, then what is not a word.
        words: how many plain words there are.
        draw: 65,536 positions of words; their frequencies fall with the rank (Zipf).
        markup: how many tokens are units, entities, tags and the like; they follow the words.
        parts: how many tokens are part numbers; they come last.
    """

    tokens: npt.NDArray[np.object_]
    words: int
    draw: npt.NDArray[np.int32]
    markup: int
    parts: int


def make_vocabulary(seed: int, *, words: int = 24_000, parts: int = 30_000) -> Vocabulary:
    """Invent the words; the same seed gives the same ones."""
    rng = np.random.default_rng([seed, 1])
    onsets, vowels, ends = _ONSETS.split(), _VOWELS.split(), _ENDS.split()
    invented = dict.fromkeys(_COMMON.split())
    while len(invented) < words:
        syllables = [
            onsets[rng.integers(len(onsets))] + vowels[rng.integers(len(vowels))]
            for _ in range(rng.integers(1, 4))
        ]
        invented["".join(syllables) + ends[rng.integers(len(ends))]] = None
    plain = list(invented)
    ranks = np.arange(words) + 2.7
    shares = np.cumsum(1 / ranks) / np.sum(1 / ranks)
    draw = np.searchsorted(shares, (np.arange(65_536) + 0.5) / 65_536)
    markup = _markup(rng)
    numbers = [_part_number(rng) for _ in range(parts)]
    tokens = np.array([*plain, *(word + "." for word in plain), *markup, *numbers], dtype=object)
    return Vocabulary(tokens, words, draw.astype(np.int32), len(markup), parts)


def brands() -> list[str]:
    """The names of the makers."""
    return _BRANDS.split()


def _markup(rng: np.random.Generator) -> list[str]:
    sizes = np.round(rng.gamma(2.0, 6.0, 400) + 0.1, 1)
    units = ["inches", "lbs", "oz", "cm", "mm", "watts", "ft", "pounds"]
    measured = [f"{size} {units[n % len(units)]}" for n, size in enumerate(sizes)]
    entities = ["&amp;", "&quot;new&quot;", "it&#39;s", "R&amp;D"] * 36
    tags = ["<br>", "<br/><br/>", "<b>new</b>", "\n", "\n\n", " "] * 20
    others = ["(Pack of 2)", "100%", "24/7", "[sic]", "{size}"] * 10
    return [*measured, *entities, *tags, *BOILERPLATE * 30, *others]


def _part_number(rng: np.random.Generator) -> str:
    letters = "".join(chr(65 + n) for n in rng.integers(0, 26, rng.integers(1, 4)))
    dash = "-" if rng.random() < 0.3 else ""
    return f"{letters}{dash}{rng.integers(100_000, 99_999_999)}"
