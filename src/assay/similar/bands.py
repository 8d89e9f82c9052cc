"""Which rows to compare at all: those that agree in a band of their MinHash values."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from assay.similar.shingles import CHARACTERS, HASHES, WORDS

BANDS = 48
CROWD = 48
"""A bucket of at most so many rows is compared each with each."""
NEIGHBOURS = 12
"""In a larger one, each row is compared with so many that follow it."""
Places = npt.NDArray[np.int64]


def rows_per_band(threshold: float) -> int:
    """How many MinHash values a band joins: more for a higher threshold, which spares comparisons.

    Two rows of similarity s share one of b bands of r values with the probability 1 - (1 - s^r)^b
    (Leskovec, Rajaraman & Ullman 2014, Mining of Massive Datasets, section 3.4). The largest r up
    to 6 is taken with which that is 0.998 at the threshold itself; the bands share values, so a
    little less is found (`python -m benchmarks.near --what curve`).

    >>> [rows_per_band(threshold) for threshold in (0.5, 0.7, 0.9)]
    [3, 5, 6]
    """
    fit = [r for r in range(2, 7) if 1 - (1 - threshold**r) ** BANDS >= 0.998]
    return max(fit, default=2)


def candidates(
    signs: npt.NDArray[np.uint16],
    kinds: npt.NDArray[np.uint8],
    sets: npt.NDArray[np.uint64],
    threshold: float,
    blocks: npt.NDArray[np.uint64] | None = None,
    labels: npt.NDArray[np.uint64] | None = None,
) -> tuple[npt.NDArray[np.uint64], bool]:
    """Pairs of places worth a look: they share a band, and their values agree about well enough.

    Args:
        signs: MinHash values, one row a row.
        kinds: what each row was noted by.
        sets: something that differs between the rows and does not depend on their order; rows of
            a crowded bucket are lined up by it.
        threshold: of the Jaccard similarity.
        blocks: rows that differ in these are not compared.
        labels: rows that are equal in these are not compared.

    Returns:
        The pairs as a * 2^32 + b, a < b, sorted, and whether a bucket was so crowded that not
        every pair of it was looked at.
    """
    found: list[npt.NDArray[np.uint64]] = []
    crowded = False
    fewest = _fewest(threshold)
    for columns, key in _keys(signs, kinds, threshold, blocks):
        # Rows with equal keys stand together; the line inside a bucket is by content.
        order = np.lexsort((sets, signs[:, (columns[0] + 1) % HASHES], key))
        sorted_key = key[order]
        edges = np.flatnonzero(np.concatenate(([True], sorted_key[1:] != sorted_key[:-1])))
        sizes = np.diff(np.append(edges, len(key)))
        crowded |= bool((sizes > CROWD).any())
        fresh = []
        line = None if labels is None else labels[order]
        for first, second in _within(edges, sizes, line):
            a, b = order[first], order[second]
            if blocks is not None:
                same = blocks[a] == blocks[b]
                a, b = a[same], b[same]
            good = _agree(signs, kinds, a, b, fewest)
            a, b = a[good], b[good]
            low, high = np.minimum(a, b), np.maximum(a, b)
            fresh.append((low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64))
        found.append(np.unique(np.concatenate(fresh)) if fresh else np.zeros(0, np.uint64))
        if sum(map(len, found)) > 1 << 24:
            found = [np.unique(np.concatenate(found))]
    pairs = np.unique(np.concatenate(found)) if found else np.zeros(0, np.uint64)
    return pairs, crowded


def _keys(
    signs: npt.NDArray[np.uint16],
    kinds: npt.NDArray[np.uint8],
    threshold: float,
    blocks: npt.NDArray[np.uint64] | None,
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]]:
    half = HASHES // 2
    for columns in _layout(rows_per_band(threshold)):
        # A row noted both ways has its characters in the first half and its words in the second.
        own = CHARACTERS if columns[0] < half else WORDS
        kind = np.where(kinds == CHARACTERS | WORDS, own, kinds).astype(np.uint64)
        key = kind if blocks is None else kind ^ (blocks << np.uint64(2))
        for column in columns:
            key = (key ^ signs[:, column].astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
        yield columns, key


@functools.cache
def _layout(size: int) -> list[npt.NDArray[np.int64]]:
    """The values that each band joins: half of the bands from each half of the values.

    A value stands in several bands when there are not enough of them, which costs less recall
    than having fewer bands.
    """
    rng = np.random.default_rng(2014)
    half, made = HASHES // 2, []
    for first in (0, half):
        own: list[npt.NDArray[np.int64]] = []
        while len(own) < BANDS // 2:
            shuffled = first + rng.permutation(half)
            own += [shuffled[at : at + size] for at in range(0, half - size + 1, size)]
        made += own[: BANDS // 2]
    return made


def _within(
    edges: Places, sizes: Places, labels: npt.NDArray[np.uint64] | None
) -> Iterator[tuple[Places, Places]]:
    """Pairs of positions inside the buckets, in portions that fit into memory."""
    many = sizes > 1
    edges, sizes = edges[many], sizes[many]
    if not len(sizes):
        return
    reach = np.where(sizes <= CROWD, sizes - 1, NEIGHBOURS if labels is None else 0)
    for step in range(1, int(reach.max()) + 1):
        some = reach >= step
        first = _ranges(edges[some], sizes[some] - step)
        second = first + step
        if labels is not None:
            other = labels[first] != labels[second]
            first, second = first[other], second[other]
        yield first, second
    if labels is not None and (sizes > CROWD).any():
        yield from _across(edges[sizes > CROWD], sizes[sizes > CROWD], labels)


def _across(
    edges: Places, sizes: Places, labels: npt.NDArray[np.uint64]
) -> Iterator[tuple[Places, Places]]:
    """In crowded buckets, pairs with the next rows of another label on either side."""
    rows = _ranges(edges, sizes)
    begins, ends = np.repeat(edges, sizes), np.repeat(edges + sizes, sizes)
    changes = np.flatnonzero(labels[1:] != labels[:-1]) + 1
    changes = np.concatenate(([0], changes, [len(labels)]))
    run = np.searchsorted(changes, rows, "right")
    after, before = changes[run], changes[run - 1] - 1
    for step in range(NEIGHBOURS):
        for beside, inside in ((after + step, after + step < ends),
                               (before - step, before - step >= begins)):  # fmt: skip
            first, second = rows[inside], beside[inside]
            other = labels[first] != labels[second]
            yield first[other], second[other]


def _ranges(begins: Places, counts: Places) -> Places:
    """The numbers from each of the beginnings on, so many each."""
    total = np.concatenate(([0], np.cumsum(counts)))
    made: Places = np.arange(total[-1]) + np.repeat(begins - total[:-1], counts)
    return made


def _agree(
    signs: npt.NDArray[np.uint16],
    kinds: npt.NDArray[np.uint8],
    a: Places,
    b: Places,
    fewest: tuple[int, int],
) -> npt.NDArray[np.bool_]:
    """Whether so many values of either row agree that the pair may be above the threshold."""
    both = CHARACTERS | WORDS
    mixed_kinds = (kinds[a] == both) != (kinds[b] == both)
    result = np.empty(len(a), dtype=bool)
    half = HASHES // 2
    for start in range(0, len(a), 1 << 18):
        part = slice(start, start + (1 << 18))
        same = signs[a[part]] == signs[b[part]]
        whole = same.sum(axis=1)
        if mixed_kinds[part].any():
            # Only the half that both took from the same kind says anything.
            partial = np.maximum(same[:, :half].sum(axis=1), same[:, half:].sum(axis=1))
            result[part] = np.where(mixed_kinds[part], partial >= fewest[1], whole >= fewest[0])
        else:
            result[part] = whole >= fewest[0]
    return result


@functools.cache
def _fewest(threshold: float) -> tuple[int, int]:
    """Agreements that a pair at the threshold misses once in a thousand, of all and of half."""
    from scipy.stats import binom

    return int(binom.ppf(0.001, HASHES, threshold)), int(binom.ppf(0.001, HASHES // 2, threshold))
