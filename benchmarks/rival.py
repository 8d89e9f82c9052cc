"""The job as it is usually done: Hugging Face `datasets`, a process pool, an object per record.

This follows the course's way: load with `datasets`, parse chunks to `Item` objects in a
`ProcessPoolExecutor`, weigh by price, sample, split. It comes in two forms:

- as it is taught: a chunk is walked record by record, a record is a dict of all its columns, and
  an item keeps its details and its prompt beside the text;
- tuned (`--tuned`): only the needed columns are read back, a chunk at once, and items have slots
  and keep what the job needs.

Both compile their patterns once and find duplicates with hash sets.

    python -m benchmarks.rival records.jsonl --out rival
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.job import (
    CATEGORY_WEIGHTS,
    MAX_PRICE,
    MAX_TEXT,
    MIN_PRICE,
    MIN_TEXT,
    PROMPT,
    SAMPLE_SHARE,
    SPLITS,
)
from benchmarks.vocabulary import BOILERPLATE

if TYPE_CHECKING:
    from datasets import Dataset

CHUNK = 1_000
PRICE_BINS = 10
COLUMNS = ["parent_asin", "title", "description", "price", "main_category"]
BREAK = re.compile(r"<br\b[^>]*>")
TAG = re.compile(r"</?[A-Za-z][^>]*>")
SPACE = re.compile(r"\s+")
PART_NUMBER = re.compile(r"\b(?=[A-Za-z]*[0-9])[A-Za-z0-9]{7,}\b", re.ASCII)


@dataclass(slots=True)
class Item:
    """One product with a usable price and text."""

    asin: str
    title: str
    text: str
    price: float
    category: str | None


@dataclass
class TaughtItem:
    """One product as the course keeps it."""

    asin: str
    title: str
    text: str
    price: float
    category: str | None
    details: str
    prompt: str


def scrub(text: str) -> str:
    """Plain text on one line: entities and tags resolved, white space collapsed."""
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = TAG.sub("", BREAK.sub(" ", text))
    return SPACE.sub(" ", text).strip()


def scrub_description(text: str) -> str:
    """As `scrub`, then without boilerplate and part numbers."""
    text = scrub(text)
    for phrase in BOILERPLATE:
        text = text.replace(phrase, " ")
    return SPACE.sub(" ", PART_NUMBER.sub(" ", text)).strip()


def parse_price(written: str | None) -> float | None:
    """The price if there is one within the limits."""
    try:
        price = float((written or "").replace("$", "").replace(",", ""))
    except ValueError:
        return None
    return price if MIN_PRICE <= price <= MAX_PRICE else None


def parse(record: dict[str, Any]) -> Item | None:
    """The record as an item, unless its price, title or text is of no use."""
    price = parse_price(record["price"])
    if price is None or not record["title"] or not record["description"]:
        return None
    text = scrub_description(record["description"])
    if not MIN_TEXT <= len(text) <= MAX_TEXT:
        return None
    return Item(record["parent_asin"], scrub(record["title"]), text, price, record["main_category"])


def parse_chunk(chunk: Dataset) -> list[Item]:
    """The usable items of one chunk; runs in a worker process."""
    return [item for record in chunk.to_list() if (item := parse(record)) is not None]


def parse_taught(chunk: Dataset) -> list[TaughtItem]:
    """As `parse_chunk`, in the way that the course teaches it."""
    items = []
    for record in chunk:
        item = parse(record)
        if item is not None:
            prompt = PROMPT.format(title=item.title, text=item.text)
            details = json.dumps(record["details"])
            items.append(TaughtItem(**asdict(item), details=details, prompt=prompt))
    return items


def chunks(dataset: Dataset) -> Iterator[Dataset]:
    """Cut the dataset."""
    for start in range(0, len(dataset), CHUNK):
        yield dataset.select(range(start, min(start + CHUNK, len(dataset))))


def load(source: Path, cache: Path, workers: int, *, tuned: bool) -> tuple[int, list[Any]]:
    """Read the records and parse them in parallel."""
    from datasets import load_dataset

    dataset = load_dataset("json", data_files=str(source), cache_dir=str(cache), split="train")
    if tuned:
        dataset = dataset.select_columns(COLUMNS)
    items: list[Any] = []
    with ProcessPoolExecutor(workers) as pool:
        for parsed in pool.map(parse_chunk if tuned else parse_taught, chunks(dataset)):
            items.extend(parsed)
    return len(dataset), items


def unique(items: list[Item], attribute: str) -> list[Item]:
    """The first item of each title, or text."""
    seen: set[str] = set()
    kept = []
    for item in items:
        value = getattr(item, attribute)
        if value not in seen:
            seen.add(value)
            kept.append(item)
    return kept


def sample(items: list[Item], share: float, rng: np.random.Generator) -> list[Item]:
    """Draw without replacement; dear items and rare categories more often."""
    prices = np.array([item.price for item in items])
    factors = np.array([CATEGORY_WEIGHTS.get(item.category or "", 1.0) for item in items])
    weights = prices**2 * factors
    size = round(len(items) * share)
    chosen = rng.choice(len(items), size, replace=False, p=weights / weights.sum())
    return [items[n] for n in chosen]


def split(items: list[Item], rng: np.random.Generator) -> dict[str, list[Item]]:
    """Cut by the shares of `SPLITS` inside each of ten bins of price."""
    prices = np.array([item.price for item in items])
    edges = np.quantile(prices, np.arange(1, PRICE_BINS) / PRICE_BINS)
    bins = np.searchsorted(edges, prices)
    parts: dict[str, list[Item]] = {name: [] for name in SPLITS}
    for which in range(PRICE_BINS):
        members = rng.permutation(np.flatnonzero(bins == which))
        ends = np.round(np.cumsum(list(SPLITS.values())) * len(members)).astype(int)
        for name, rows in zip(SPLITS, np.split(members, ends[:-1]), strict=True):
            parts[name].extend(items[n] for n in rows)
    return parts


def write(parts: dict[str, list[Item]], out: Path) -> None:
    """Parquet and chat JSONL for every split."""
    from datasets import Dataset

    out.mkdir(parents=True, exist_ok=True)
    for name, items in parts.items():
        Dataset.from_list([asdict(item) for item in items]).to_parquet(out / f"{name}.parquet")
        with (out / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for item in items:
                messages = [
                    {"role": "user", "content": PROMPT.format(title=item.title, text=item.text)},
                    {"role": "assistant", "content": f"${item.price:.2f}"},
                ]
                file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


def main() -> None:
    """Do the job, and write the number of rows after each stage to `rows.json`."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--tuned", action="store_true", help="written with care")
    options = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    rng = np.random.default_rng(options.seed)
    started = time.perf_counter()
    rows, seconds = {}, {}

    rows["read"], items = load(
        options.source, options.out / "cache", options.workers, tuned=options.tuned
    )
    rows["filtered"] = len(items)
    seconds["load"] = time.perf_counter() - started
    items = unique(items, "title")
    rows["title"] = len(items)
    items = unique(items, "text")
    rows["text"] = len(items)
    items = sample(items, SAMPLE_SHARE, rng)
    rows["sample"] = len(items)
    parts = split(items, rng)
    rows |= {name: len(members) for name, members in parts.items()}
    seconds["decide"] = time.perf_counter() - started - seconds["load"]
    write(parts, options.out / "data")
    seconds["total"] = time.perf_counter() - started
    report = {"rows": rows, "seconds": seconds}
    (options.out / "rows.json").write_text(json.dumps(report, indent=2))
    print(json.dumps(report))


if __name__ == "__main__":
    main()
