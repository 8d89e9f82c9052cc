"""Generate product records shaped like Amazon's item metadata, about 2 KB each, by seed.

The records have the keys of `raw_meta` in McAuley-Lab/Amazon-Reviews-2023. A few per cent are
planted copies: exact ones, with the title or the description changed, or with about 5 % of the
words edited. Which ones is written to a side file, so that a search can be scored against it.

    python -m benchmarks.records --rows 1000000 --out records.jsonl

Records are made in blocks of 10,000, each from (seed, block) alone: the first N of any larger
file are the same N records, whatever the number of processes.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from benchmarks.vocabulary import BOILERPLATE, CATEGORIES, Vocabulary, brands, make_vocabulary

BLOCK = 10_000
COPY_SHARE = 0.08
EDITED_SHARE = 0.05
NO_PRICE = (None, "None", "", "Currently unavailable", "0.00", "0")
DETAIL_KEYS = (
    "Item Weight", "Product Dimensions", "Item model number", "Date First Available", "Color",
    "Material", "Manufacturer", "Part Number", "Country of Origin", "Style",
    "Item Package Quantity", "Batteries Included?",
)  # fmt: skip


@dataclass(frozen=True)
class Block:
    """What the records of one block say, before they are dressed as JSON."""

    titles: list[str]
    texts: list[str]
    prices: list[str | None]
    categories: list[str | None]
    copies: list[tuple[int, int, str]]
    """(record, record it was copied from, kind), numbered through the whole file."""


def make_block(seed: int, block: int) -> Block:
    """The titles, descriptions and prices of 10,000 records, copies included."""
    fresh = _fresh(seed, block)
    rng = np.random.default_rng([seed, 3, block])
    first = _first(seed)
    first_sources = _sources(seed, 0)
    sources = _sources(seed, block)
    is_source = np.zeros(BLOCK, dtype=bool)
    is_source[sources] = True
    copies: list[tuple[int, int, str]] = []
    # A loop over the copies only (8 % of the records).
    for row in np.flatnonzero(~is_source):
        near_by = sources[: np.searchsorted(sources, row)]
        if block == 0 or rng.random() < 0.7:
            origin, pool, base = int(near_by[rng.integers(len(near_by))]), fresh, block * BLOCK
        else:
            # Skewed: few products of the first block have many copies all over the file.
            origin = int(first_sources[int(len(first_sources) * rng.random() ** 3)])
            pool, base = first, 0
        kind = _kind(base + origin, rng)
        copies.append((block * BLOCK + int(row), base + origin, kind))
        fresh.prices[row] = pool.prices[origin]
        fresh.categories[row] = pool.categories[origin]
        if kind in ("exact", "title"):
            fresh.titles[row] = pool.titles[origin]
        if kind in ("exact", "text"):
            fresh.texts[row] = pool.texts[origin]
        if kind == "near":
            words = _vocabulary(seed)
            fresh.titles[row] = _edit(pool.titles[origin], rng, words, replace_only=True)
            fresh.texts[row] = _edit(pool.texts[origin], rng, words)
    return Block(fresh.titles, fresh.texts, fresh.prices, fresh.categories, copies)


def _kind(origin: int, rng: np.random.Generator) -> str:
    """Exact, or the one other kind in which this origin is ever copied.

    One kind an origin keeps counts unequivocal: whichever copy a search by title and then by text
    keeps, it keeps equally many.
    """
    if rng.random() < 0.4:
        return "exact"
    return ("near", "near", "near", "title", "text")[origin % 5]


@functools.lru_cache(maxsize=1)
def _vocabulary(seed: int) -> Vocabulary:
    return make_vocabulary(seed)


@functools.lru_cache(maxsize=1)
def _first(seed: int) -> Block:
    """The first block without its copies; every other block copies from it too."""
    return _fresh(seed, 0)


def _sources(seed: int, block: int) -> np.ndarray:
    """The records of a block that are not copies; the first one never is."""
    rng = np.random.default_rng([seed, 2, block])
    fresh = rng.random(BLOCK) >= COPY_SHARE
    fresh[0] = True
    return np.flatnonzero(fresh)


def _fresh(seed: int, block: int) -> Block:
    rng = np.random.default_rng([seed, 4, block])
    words = _vocabulary(seed)
    lengths = np.clip(rng.lognormal(4.7, 0.45, BLOCK), 20, 600).astype(np.int64)
    short = rng.random(BLOCK) < 0.08
    lengths[short] = rng.integers(0, 16, int(short.sum()))
    texts = _prose(lengths, rng, words)
    for row in np.flatnonzero(rng.random(BLOCK) < 0.1):
        texts[row] += " " + BOILERPLATE[row % len(BOILERPLATE)]
    titles = _prose(rng.integers(5, 15, BLOCK), rng, words, special=0.04, stop=0.0)
    makers = brands()
    drawn = rng.integers(0, len(makers), BLOCK).tolist()
    titles = [f"{makers[n]} {title}" for n, title in zip(drawn, titles, strict=True)]
    shares = 1 / np.arange(2, len(CATEGORIES) + 2)
    ranks = rng.choice(len(CATEGORIES), BLOCK, p=shares / shares.sum())
    nowhere = rng.random(BLOCK) < 0.03
    categories = [
        None if missing else CATEGORIES[n] for n, missing in zip(ranks, nowhere, strict=True)
    ]
    return Block(titles, texts, _prices(rng), categories, [])


def _prose(
    lengths: np.ndarray,
    rng: np.random.Generator,
    words: Vocabulary,
    *,
    special: float = 0.035,
    stop: float = 0.08,
) -> list[str]:
    """Texts of so many tokens; some end a sentence, some are units, mark-up or part numbers."""
    total = int(lengths.sum())
    picked = words.draw[rng.integers(0, 65_536, total, dtype=np.uint16)]
    chance = rng.random(total, dtype=np.float32)
    picked = picked + words.words * (chance > 1 - stop)
    strange = np.flatnonzero(chance < special)
    markup = rng.integers(0, words.markup, len(strange))
    parts = words.markup + rng.integers(0, words.parts, len(strange))
    picked[strange] = 2 * words.words + np.where(chance[strange] < special * 0.6, markup, parts)
    tokens = words.tokens[picked].tolist()
    ends = np.cumsum(lengths).tolist()
    return [" ".join(tokens[a:b]) for a, b in itertools.pairwise([0, *ends])]


def _prices(rng: np.random.Generator) -> list[str | None]:
    values = np.clip(rng.lognormal(3.1, 1.15, BLOCK), 0.1, 9_999)
    values = np.where(rng.random(BLOCK) < 0.7, np.floor(values) + 0.99, np.round(values, 2))
    missing = rng.random(BLOCK) < 0.25
    which = rng.choice(len(NO_PRICE), BLOCK, p=[0.45, 0.45, 0.05, 0.02, 0.02, 0.01])
    signed = rng.random(BLOCK) < 0.2
    return [
        NO_PRICE[which[n]] if missing[n] else f"${value:,.2f}" if signed[n] else f"{value:.2f}"
        for n, value in enumerate(values.tolist())
    ]


def _edit(
    text: str, rng: np.random.Generator, words: Vocabulary, *, replace_only: bool = False
) -> str:
    """Replace, drop or insert about 5 % of the words, and at least one."""
    split = text.split(" ")
    for position in rng.integers(0, len(split), max(1, round(EDITED_SHARE * len(split)))):
        word = words.tokens[rng.integers(200, words.words)]
        what = 0.0 if replace_only else rng.random()
        split[position] = word if what < 0.6 else "" if what < 0.8 else f"{split[position]} {word}"
    return " ".join(split)


def dressed(seed: int, block: int, said: Block) -> Iterator[dict[str, Any]]:
    """The block's records with all keys of the real ones."""
    makers = brands()
    rng = np.random.default_rng([seed, 5, block])
    words = _vocabulary(seed)
    bullets = _prose(rng.integers(8, 17, 5 * BLOCK), rng, words, stop=0.0)
    counts = rng.integers(0, 6, (BLOCK, 3))
    numbers = rng.integers(0, 1 << 30, (BLOCK, 6)).tolist()
    ratings = np.round(np.clip(rng.normal(4.2, 0.6, BLOCK), 1, 5), 1).tolist()
    votes = np.minimum(rng.zipf(1.5, BLOCK), 500_000).tolist()
    has = (rng.random((BLOCK, len(DETAIL_KEYS))) < 0.55).tolist()
    for row, (features, photos, _) in enumerate(counts.tolist()):
        number = block * BLOCK + row
        drawn = numbers[row]
        yield {
            "main_category": said.categories[row],
            "title": said.titles[row],
            "average_rating": ratings[row],
            "rating_number": votes[row],
            "features": bullets[5 * row : 5 * row + features],
            "description": said.texts[row],
            "price": said.prices[row],
            "images": [_image(drawn, n) for n in range(max(1, photos // 2))],
            "videos": [{"title": "See it at work", "url": f"https://example.com/v/{drawn[0]}"}]
            if drawn[1] % 12 == 0
            else [],
            "store": makers[drawn[2] % len(makers)],
            "categories": [said.categories[row] or "Other", f"Shelf {drawn[3] % 97}"],
            "details": _details(has[row], drawn, makers[drawn[2] % len(makers)]),
            "parent_asin": asin(number),
            "bought_together": None,
        }


def _image(drawn: list[int], n: int) -> dict[str, str]:
    stem = f"https://images.example.com/I/{drawn[4]:08x}{n}"
    return {
        "thumb": f"{stem}._AC_SR38,50_.jpg",
        "large": f"{stem}._AC_.jpg",
        "variant": "MAIN" if n == 0 else f"PT{n:02}",
        "hi_res": f"{stem}._AC_SL1500_.jpg",
    }


def _details(has: list[bool], drawn: list[int], maker: str) -> dict[str, str]:
    first, second, third = drawn[0] % 90 + 1, drawn[1] % 70 + 1, drawn[5] % 40 + 1
    values = (
        f"{first / 4} pounds", f"{first} x {second} x {third} inches", f"MX{drawn[2]}",
        f"June {third % 28 + 1}, 20{second % 20 + 3:02}", ("Black", "White", "Red")[third % 3],
        ("Steel", "Plastic", "Cotton")[second % 3], maker,
        f"{drawn[3]}-P", "China" if first % 3 else "USA", "Modern", str(third), "No",
    )  # fmt: skip
    pairs = zip(DETAIL_KEYS, values, has, strict=True)
    return {key: value for key, value, present in pairs if present}


def asin(number: int) -> str:
    """The id of the n-th record: ten characters, unlike for every number.

    >>> asin(0), asin(1)
    ('B000000000', 'B0C721MYXB')
    """
    # A factor without common divisor with 36^8 shuffles the ids without collisions.
    scrambled = number * 955_731_129_167 % 36**8
    digits = []
    for _ in range(8):
        scrambled, digit = divmod(scrambled, 36)
        digits.append("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[digit])
    return "B0" + "".join(reversed(digits))


def _render(seed: int, block: int, rows: int) -> tuple[bytes, bytes]:
    said = make_block(seed, block)
    records = itertools.islice(dressed(seed, block, said), rows)
    lines = b"".join(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records)
    last = block * BLOCK + rows
    copies = (copy for copy in said.copies if copy[0] < last)
    side = "".join(f"{asin(row)},{asin(origin)},{kind}\n" for row, origin, kind in copies)
    return lines, side.encode()


def write(path: Path, rows: int, *, seed: int = 0, workers: int = 2) -> None:
    """Write the records, and beside them the planted copies (`.copies.csv`).

    The file appears under its name only when it is complete.
    """
    sizes = [min(BLOCK, rows - start) for start in range(0, rows, BLOCK)]
    blocks = range(len(sizes))
    part, side = path.with_suffix(".part"), path.with_suffix(".copies.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        part.open("wb") as lines,
        side.open("wb") as copies,
        ProcessPoolExecutor(min(workers, len(sizes))) as pool,
    ):
        copies.write(b"copy,original,kind\n")
        # Batches of blocks, so that finished ones never pile up in memory.
        for start in range(0, len(sizes), 4 * workers):
            batch = blocks[start : start + 4 * workers]
            for text, planted in pool.map(
                _render, itertools.repeat(seed), batch, [sizes[n] for n in batch]
            ):
                lines.write(text)
                copies.write(planted)
    part.replace(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    started = time.perf_counter()
    write(options.out, options.rows, seed=options.seed, workers=options.workers)
    size = options.out.stat().st_size
    seconds = time.perf_counter() - started
    print(f"{options.rows:,} records, {size / 1e9:.2f} GB, {seconds:.1f} s: {options.out}")


if __name__ == "__main__":
    main()
