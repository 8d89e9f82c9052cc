"""Hashes of runs of characters and words, for a whole column at once.

A run's hash is a difference of two prefix sums of a polynomial modulo 2^64 (Karp & Rabin 1987),
so that every run of every row costs a few array operations and no Python object. Texts may be
written so that two runs of 2,048 values or more share a hash (Thue-Morse words); such a run is
only ever hashed of a text that is a single word, or shorter than the size of run asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]
Offsets = npt.NDArray[np.int64]
Value = TypeVar("Value", bound=np.generic)

PIECE = 1 << 20
"""Characters that are worked on at a time: the arrays of one piece stay near the processor."""
_BASE = 0x9E3779B97F4A7C15
_SCRAMBLE = np.uint64(0xBF58476D1CE4E5B9)
_BREAKS = r"[\p{P}\p{Z}&&[^\x00-\x7f]]"
_JOINERS = r"[\p{Cf}&&[^\x00-\x7f]]"


def mixed(values: Hashes) -> Hashes:
    """Spread every bit of the input over all bits of the output (SplitMix64's finaliser)."""
    values = values ^ (values >> np.uint64(30))
    values *= _SCRAMBLE
    values ^= values >> np.uint64(27)
    values *= np.uint64(0x94D049BB133111EB)
    values ^= values >> np.uint64(31)
    return values


def slices(texts: pl.Series) -> Iterator[pl.Series]:
    """The column in slices of about `PIECE` characters, a longer text being a slice of its own."""
    ends = texts.str.len_bytes().fill_null(0).cast(pl.Int64).cum_sum().to_numpy()
    start = 0
    while start < len(texts):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + PIECE, "right")), start + 1)
        yield texts[start:stop]
        start = stop


def folded(texts: pl.Series) -> pl.Series:
    """Lower-cased, with the breaks between words that Unicode knows beside ASCII's made spaces."""
    texts = texts.cast(pl.String).fill_null("").str.to_lowercase()
    # Most texts are ASCII, and the patterns below cost ten times what all the rest does.
    odd = texts.str.len_bytes() != texts.str.len_chars()
    if not odd.any():
        return texts
    plain = texts.filter(odd).str.replace_all(_BREAKS, " ").str.replace_all(_JOINERS, "")
    return texts.scatter(odd.arg_true(), plain)


def characters(texts: pl.Series) -> tuple[npt.NDArray[np.uint32], Offsets]:
    """Code points of all texts in one array, and where each text begins and the last one ends."""
    lengths = texts.str.len_chars().to_numpy()
    joined = texts.str.join("").item() if len(texts) else ""
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return codes, starts(lengths)


def words(codes: npt.NDArray[np.uint32], offsets: Offsets) -> tuple[Hashes, Offsets]:
    """Hashes of the words of each text, in order.

    A word is a run of letters, digits, underscores and all that is not ASCII; a character of a
    script that writes no spaces between words (Chinese, Japanese) is a word of its own.
    """
    inside = _LETTERS[np.minimum(codes, 128)]
    alone = (codes >= 0x3040) & (
        (codes <= 0x30FF)
        | ((codes >= 0x3400) & (codes <= 0x9FFF))
        | ((codes >= 0xF900) & (codes <= 0xFAFF))
        | (codes >= 0x1F000)
    )
    first = np.zeros(len(codes) + 1, dtype=bool)
    first[offsets] = True
    before = np.concatenate(([False], inside[:-1])) if len(codes) else inside
    follows = np.concatenate(([False], alone[:-1])) if len(codes) else alone
    begins = np.flatnonzero(inside & (~before | first[:-1] | alone | follows))
    after = np.concatenate((inside[1:], [False])) if len(codes) else inside
    leads = np.concatenate((alone[1:], [False])) if len(codes) else alone
    ends = np.flatnonzero(inside & (~after | first[1:] | alone | leads)) + 1
    hashed = _runs(codes.astype(np.uint64), begins, ends)
    return hashed, np.searchsorted(begins, offsets).astype(np.int64)


def windows(values: Hashes, offsets: Offsets, size: int) -> tuple[Hashes, Offsets]:
    """Hash every run of `size` values of each row; a row with fewer is one run."""
    lengths = np.diff(offsets)
    counts = np.where(lengths >= size, lengths - size + 1, np.minimum(lengths, 1))
    places = starts(counts)
    begins = np.arange(places[-1]) + np.repeat(offsets[:-1] - places[:-1], counts)
    ends = np.minimum(begins + size, np.repeat(offsets[1:], counts))
    return _runs(values, begins, ends), places


def distinct(values: npt.NDArray[Value]) -> npt.NDArray[Value]:
    """The values that occur, sorted, as `np.unique` finds them at several times the cost.

    >>> distinct(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    line = np.sort(values)
    first = np.ones(len(line), dtype=bool)
    first[1:] = line[1:] != line[:-1]
    return line[first]


def starts(lengths: npt.NDArray[np.integer]) -> Offsets:
    """Where each of the rows begins, and where the last one ends.

    >>> starts(np.array([2, 0, 3])).tolist()
    [0, 2, 2, 5]
    """
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def listed(values: npt.NDArray[np.uint32], counts: npt.NDArray[np.int64]) -> pl.Series:
    """The values as lists of so many each.

    >>> listed(np.array([1, 2, 3], dtype=np.uint32), np.array([2, 0, 1])).to_list()
    [[1, 2], [], [3]]
    """
    import pyarrow as pa

    # By Polars, as `pa.array` would load pandas where it is installed.
    edges, held = (pl.Series(some).to_arrow() for some in (starts(counts), values))
    made = pl.from_arrow(pa.LargeListArray.from_arrays(edges, held))
    assert isinstance(made, pl.Series)
    return made


def _runs(values: Hashes, begins: Offsets, ends: Offsets) -> Hashes:
    """Hash of values[begin:end] for each pair; equal runs have equal hashes wherever they stand."""
    powers, inverses = _powers(1 << max(20, (len(values) + 1).bit_length()))
    total = np.empty(len(values) + 1, dtype=np.uint64)
    total[0] = 0
    # Characters are small numbers; scrambled, they reach the upper bits of short runs as well.
    np.cumsum(mixed(values + np.uint64(1)) * powers[: len(values)], out=total[1:])
    return mixed((total[ends] - total[begins]) * inverses[begins])


@lru_cache(maxsize=1)
def _powers(count: int) -> tuple[Hashes, Hashes]:
    inverse = pow(_BASE, -1, 1 << 64)
    made = []
    for base in (_BASE, inverse):
        factors = np.full(count, base, dtype=np.uint64)
        factors[0] = 1
        made.append(np.cumprod(factors, dtype=np.uint64))
    return made[0], made[1]


_LETTERS = np.array([chr(code).isalnum() or chr(code) == "_" for code in range(128)] + [True])
