"""Which rows to compare at all: those that agree in a band of their MinHash values."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from assay.engine import ahead
from assay.grams import distinct
from assay.similar.shingles import CHARACTERS, HASHES, WORDS, signatures

BANDS = 48
CROWD = 48
"""A bucket of at most so many rows is compared each with each."""
NEIGHBOURS = 3
"""In a larger one each row is compared with the one of the lowest rank, which would stay, and with
so many beside it, unless it has"""
ENOUGH = 8
"""pairs already: what is like very many others need not be compared with all of them."""
PORTION = 1 << 15
_FACTORS = np.random.default_rng(1979).integers(1 << 62, 1 << 63, 6, np.uint64) | np.uint64(1)
"""What a band's values are multiplied by, whose sum is hashed by the upper bits (Carter & Wegman
1979, Universal classes of hash functions)."""
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
    values: list[npt.NDArray[np.uint64]],
    kinds: npt.NDArray[np.uint8],
    rank: Places,
    threshold: float,
    blocks: npt.NDArray[np.uint64] | None = None,
    labels: npt.NDArray[np.uint64] | None = None,
    new: npt.NDArray[np.bool_] | None = None,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.bool_]]:
    """Pairs of places worth a look: they share a band, and their values agree about well enough.

    Args:
        values: MinHash values as `packed` gives them.
        kinds: what each row was noted by.
        rank: of each row, without ties and whatever the order of the rows.
        threshold: of the Jaccard similarity.
        blocks: rows that differ in these are not compared.
        labels: rows that are equal in these are not compared.
        new: rows that are to be compared with all; the others are not compared with each other.

    Returns:
        The pairs as a * 2^32 + b, a < b, sorted, and which rows were in buckets so crowded that
        not every pair of them was looked at.
    """
    pairs = np.zeros(0, np.uint64)
    crowded = np.zeros(len(kinds), dtype=bool)
    if new is not None and not new.any():
        return pairs, crowded
    signs, fewest = signatures(values), _fewest(threshold)
    has = np.zeros(len(kinds), dtype=np.int64)

    def ordered(columns: Places) -> tuple[Places, npt.NDArray[np.uint64]]:
        key = _key(columns, values, kinds, blocks)
        order = _shared(key, new)
        # Rows with equal keys stand together, and the more values they share the closer.
        beside = signs[order, (columns[0] + 1) % HASHES]
        order = order[np.lexsort((rank[order], beside, key[order]))]
        return order, key[order]

    for order, sorted_key in ahead(ordered, _layout(rows_per_band(threshold))):
        begins = np.ones(len(order), dtype=bool)
        begins[1:] = sorted_key[1:] != sorted_key[:-1]
        edges = np.flatnonzero(begins)
        sizes = np.diff(np.append(edges, len(order)))
        bucket = _Bucket(order, edges, sizes, rank, None if labels is None else labels[order])
        fresh = [pairs]
        for first, second in _within(bucket, has):
            a, b = order[first], order[second]
            if new is not None:
                told = new[a] | new[b]
                a, b = a[told], b[told]
            good = _agree(signs, kinds, a, b, fewest)
            if blocks is not None:
                good &= blocks[a] == blocks[b]
            low, high = np.minimum(a, b)[good], np.maximum(a, b)[good]
            fresh.append((low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64))
        if len(fresh) > 1:
            pairs = distinct(np.concatenate(fresh))
        if (crowd := np.repeat(sizes > CROWD, sizes)).any():
            crowded[order[crowd]] = True
            ends = np.concatenate((pairs >> np.uint64(32), pairs & np.uint64(0xFFFFFFFF)))
            has = np.bincount(ends.astype(np.int64), minlength=len(kinds))
    return pairs, crowded


def _shared(key: npt.NDArray[np.uint64], new: npt.NDArray[np.bool_] | None) -> Places:
    """Places of the keys that occur more than once, or that new rows share, which are few."""
    if new is None:
        # Sorting the bare keys is vectorised and costs a tenth of sorting their places. Which rows
        # have one of the few that occur again is then looked up by the keys' upper bits, and only
        # those rows are sorted.
        line = np.sort(key)
        again = line[1:][line[1:] == line[:-1]]
    else:
        again = key[new]
    bits = max(len(again).bit_length() + 4, 8)
    shift = np.uint64(64 - bits)
    met = np.zeros(1 << bits, dtype=bool)
    met[again >> shift] = True
    parts = [np.flatnonzero(met[key[part] >> shift]) + part.start for part in _portions(len(key))]
    some = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    some = some[np.argsort(key[some])]
    line = key[some]
    begins = np.ones(len(some) + 1, dtype=bool)
    begins[1:-1] = line[1:] != line[:-1]
    wanted = ~(begins[1:] & begins[:-1])
    if new is not None and len(some):
        edges = np.flatnonzero(begins[:-1])
        counts = np.add.reduceat(new[some].astype(np.int64), edges)
        wanted &= np.repeat(counts > 0, np.diff(np.append(edges, len(some))))
    found: Places = some[wanted]
    return found


def _portions(count: int) -> Iterator[slice]:
    """What stays near the processor until all is done with it."""
    return (slice(start, start + PORTION) for start in range(0, count, PORTION))


def _key(
    columns: Places,
    values: list[npt.NDArray[np.uint64]],
    kinds: npt.NDArray[np.uint8],
    blocks: npt.NDArray[np.uint64] | None,
) -> npt.NDArray[np.uint64]:
    """One hash a row of the values that a band joins."""
    # A row noted both ways has its characters in the first half and its words in the second.
    own = CHARACTERS if columns[0] < HASHES // 2 else WORDS
    key = np.where(kinds == CHARACTERS | WORDS, own, kinds).astype(np.uint64)
    if blocks is not None:
        key ^= blocks << np.uint64(2)
    apart = [values[at // 4].view(np.uint16).reshape(-1, 4)[:, at % 4] for at in columns]
    for part in _portions(len(key)):
        some = key[part]
        for value, factor in zip(apart, _FACTORS, strict=False):
            some += value[part] * factor
        some ^= some >> np.uint64(29)
        some *= np.uint64(0x9E3779B97F4A7C15)
    return key


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


@dataclass(frozen=True)
class _Bucket:
    """The buckets of one band: rows in the order of their keys, and where each bucket begins."""

    order: Places
    edges: Places
    sizes: Places
    rank: Places
    labels: npt.NDArray[np.uint64] | None


def _within(bucket: _Bucket, has: Places) -> Iterator[tuple[Places, Places]]:
    """Pairs of positions inside the buckets, in portions that fit into memory."""
    few = (bucket.sizes > 1) & (bucket.sizes <= CROWD)
    edges, sizes = bucket.edges[few], bucket.sizes[few]
    for step in range(1, int(sizes.max(initial=1))):
        some = sizes > step
        first = _ranges(edges[some], sizes[some] - step)
        yield _unlike(first, first + step, bucket.labels)
    if len(large := np.flatnonzero(bucket.sizes > CROWD)):
        rows = _ranges(bucket.edges[large], bucket.sizes[large])
        wanting = has[bucket.order[rows]] < ENOUGH
        crowd = _crowd if bucket.labels is None else _across
        for first, second in crowd(bucket, large, rows, wanting):
            yield _unlike(first, second, bucket.labels)


def _unlike(
    first: Places, second: Places, labels: npt.NDArray[np.uint64] | None
) -> tuple[Places, Places]:
    if labels is None:
        return first, second
    other = labels[first] != labels[second]
    return first[other], second[other]


def _crowd(
    bucket: _Bucket, large: Places, rows: Places, wanting: npt.NDArray[np.bool_]
) -> Iterator[tuple[Places, Places]]:
    """In crowded buckets, pairs of each row with the best one, and with the next ones to it."""
    sizes = bucket.sizes[large]
    number = np.repeat(np.arange(len(large)), sizes)
    ends = np.repeat(bucket.edges[large] + sizes, sizes)
    best = rows[np.lexsort((bucket.rank[bucket.order[rows]], number))]
    leader = best[np.cumsum(sizes) - sizes][number]
    yield leader[leader != rows], rows[leader != rows]
    for step in range(1, NEIGHBOURS + 1):
        inside = wanting & (rows + step < ends)
        yield rows[inside], rows[inside] + step


def _across(
    bucket: _Bucket, large: Places, rows: Places, wanting: npt.NDArray[np.bool_]
) -> Iterator[tuple[Places, Places]]:
    """In crowded buckets, pairs of each row with the next ones of another label, either side."""
    assert bucket.labels is not None
    sizes = bucket.sizes[large]
    begins = np.repeat(bucket.edges[large], sizes)
    ends = begins + np.repeat(sizes, sizes)
    changes = np.flatnonzero(bucket.labels[1:] != bucket.labels[:-1]) + 1
    changes = np.concatenate(([0], changes, [len(bucket.labels)]))
    run = np.searchsorted(changes, rows, "right")
    after, before = changes[run], changes[run - 1] - 1
    for step in range(NEIGHBOURS):
        inside = wanting & (after + step < ends)
        yield rows[inside], after[inside] + step
        inside = wanting & (before - step >= begins)
        yield rows[inside], before[inside] - step


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
    found = []
    for count in (HASHES, HASHES // 2):
        chance = [
            comb(count, n) * threshold**n * (1 - threshold) ** (count - n) for n in range(count + 1)
        ]
        found.append(int(np.searchsorted(np.cumsum(chance), 0.001)))
    return found[0], found[1]
