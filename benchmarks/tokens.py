"""Measure counting and cutting in tokens, against `tokenizers` with the same vocabulary.

    python -m benchmarks.tokens --source products.jsonl --column text

Each vocabulary is handed to the other library as a list of merges, so that ids can be compared one
by one. Both sides run on one thread, since a build has a worker on every core, and their time on
the processor is taken. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

import polars as pl

from assay import tokens

_ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_MARKS, _SPACE = r" ?[^\s\p{L}\p{N}]+", r"\s*[\r\n]+|\s+(?!\S)|\s+"
_REST = rf"{_MARKS}[\r\n]*|{_SPACE}"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_LETTERS = r"[^\r\n\p{L}\p{N}]?"
# How each vocabulary divides a text before it is encoded, as published with it.
WORDS = {
    "cl100k": rf"{_ENDINGS}|{_LETTERS}\p{{L}}+|\p{{N}}{{1,3}}|{_REST}",
    "llama3": rf"{_ENDINGS}|{_LETTERS}\p{{L}}+|\p{{N}}{{1,3}}|{_REST}",
    "qwen3": rf"{_ENDINGS}|{_LETTERS}\p{{L}}+|\p{{N}}|{_REST}",
    "o200k": (
        rf"{_LETTERS}{_UPPER}*{_LOWER}+{_ENDINGS}?|{_LETTERS}{_UPPER}+{_LOWER}*{_ENDINGS}?"
        rf"|\p{{N}}{{1,3}}|{_MARKS}[\r\n/]*|{_SPACE}"
    ),
}


def rival(name: str) -> Any:
    """The vocabulary in the other library."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    ours = tokens.load(name)._tokenizer  # type: ignore[attr-defined]
    values = [ours.decode_single_token_bytes(n) for n in range(len(ours.token_byte_values()))]
    ranks = {value: rank for rank, value in enumerate(values)}
    letters = _letters()
    written = {rank: "".join(letters[byte] for byte in value) for value, rank in ranks.items()}
    merges = []
    for value in values:
        # Every two tokens that make this one may be merged to it, those of lower rank first.
        pairs = [(value[:n], value[n:]) for n in range(1, len(value))]
        known = sorted((ranks[a], ranks[b]) for a, b in pairs if a in ranks and b in ranks)
        merges += [(written[one], written[two]) for one, two in known]
    vocabulary = {text: rank for rank, text in written.items()}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS[name]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    if name == "qwen3":
        made.normalizer = normalizers.NFC()
    return made


def _letters() -> dict[int, str]:
    """The printable letter by which byte-level vocabularies write each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {
        byte: chr(256 + n) for n, byte in enumerate(others)
    }


def measure(name: str, texts: pl.Series) -> dict[str, Any]:
    """Time both sides and compare their ids."""
    megabytes = int(texts.str.len_bytes().sum()) / 1e6
    # What is done once, on a text that needs all of it.
    tokens.truncate(pl.Series(["a b c"]), name, 1)
    start = time.process_time()
    counted = tokens.count(texts, name)
    assay = time.process_time() - start
    half = max(int(counted.median() or 2) // 2, 1)
    start = time.process_time()
    cut = tokens.truncate(texts, name, half)
    cutting = time.process_time() - start
    library, listed = rival(name), texts.to_list()
    start = time.process_time()
    found = library.encode_batch_fast(listed, add_special_tokens=False)
    other = time.process_time() - start
    ours = tokens.encode(texts, name).to_list()
    same = sum(list(one.ids) == two for one, two in zip(found, ours, strict=True))
    most = tokens.count(cut, name).max()
    assert isinstance(most, int) and most <= half
    return {
        "vocabulary": name,
        "tokens": int(counted.sum()),
        "assay MB/s": megabytes / assay,
        "cutting MB/s": megabytes / cutting,
        "tokenizers MB/s": megabytes / other,
        "times": other / assay,
        "texts with equal ids": same / max(len(texts), 1),
    }


def main() -> None:
    """Measure every vocabulary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", required=True)
    parser.add_argument("--column", default="text")
    given = parser.parse_args()
    # Read by the other library when it first divides a batch among threads.
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    texts = pl.read_ndjson(given.source, infer_schema_length=None)[given.column].drop_nulls()
    rows = [measure(name, texts) for name in tokens.VOCABULARIES]
    print(f"{len(texts):,} texts, {int(texts.str.len_bytes().sum()) / 1e6:.1f} MB\n")
    print(f"| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        cells = [
            f"{value:.4f}" if name == "texts with equal ids"
            else f"{value:.1f}" if isinstance(value, float)
            else f"{value:,}" if isinstance(value, int) else value
            for name, value in row.items()
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
