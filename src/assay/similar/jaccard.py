"""The exact Jaccard similarity of many pairs of rows at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.grams import distinct
from assay.marks import Sketches
from assay.similar.shingles import CAP

Places = npt.NDArray[np.int64]
BATCH = 1 << 22
"""Shingles that are compared at a time."""


def similarities(sketches: Sketches, a: Places, b: Places) -> npt.NDArray[np.float64]:
    """The Jaccard similarity of the shingles of each pair of places."""
    result = np.zeros(len(a))
    # Most candidates share most of their rows, so a portion of pairs needs few lists.
    for start in range(0, len(a), 100_000):
        part = slice(start, start + 100_000)
        wanted = distinct(np.concatenate((a[part], b[part])))
        lists = sketches.wide(wanted)["shingles"]
        sizes = lists.list.len().fill_null(0).to_numpy().astype(np.int64)
        values = lists.explode(empty_as_null=False, keep_nulls=False).to_numpy()
        offsets = np.concatenate(([0], np.cumsum(sizes)))
        first, second = np.searchsorted(wanted, a[part]), np.searchsorted(wanted, b[part])
        result[part] = _jaccard(values, offsets, first, second)
    return result


def _jaccard(
    values: npt.NDArray[np.uint32], offsets: Places, a: Places, b: Places
) -> npt.NDArray[np.float64]:
    cost = np.cumsum(np.diff(offsets)[a] + np.diff(offsets)[b])
    result = np.zeros(len(a))
    start = 0
    while start < len(a):
        before = cost[start - 1] if start else 0
        stop = max(int(np.searchsorted(cost, before + BATCH, "right")), start + 1)
        part = slice(start, stop)
        result[part] = _compared(values, offsets, a[part], b[part])
        start = stop
    return result


def _compared(
    values: npt.NDArray[np.uint32], offsets: Places, a: Places, b: Places
) -> npt.NDArray[np.float64]:
    count = len(a)
    ours = _gathered(values, offsets, a)
    theirs = _gathered(values, offsets, b)
    # Group 2p holds the characters of pair p, group 2p + 1 its words.
    groups = 2 * count
    left = np.bincount((ours >> np.uint64(31)).astype(np.int64), minlength=groups)
    right = np.bincount((theirs >> np.uint64(31)).astype(np.int64), minlength=groups)
    shared_kind = (left > 0) & (right > 0)
    kind = np.where(shared_kind[::2], 0, 1)
    picked = 2 * np.arange(count) + kind
    if (left >= CAP).any() or (right >= CAP).any():
        limit = np.minimum(_last(ours, left), _last(theirs, right))
        ours = ours[ours <= limit[(ours >> np.uint64(31)).astype(np.int64)]]
        theirs = theirs[theirs <= limit[(theirs >> np.uint64(31)).astype(np.int64)]]
        left = np.bincount((ours >> np.uint64(31)).astype(np.int64), minlength=groups)
        right = np.bincount((theirs >> np.uint64(31)).astype(np.int64), minlength=groups)
    # Both are sorted, which a stable sort makes use of.
    merged = np.sort(np.concatenate((ours, theirs)), kind="stable")
    twice = merged[1:][merged[1:] == merged[:-1]]
    both = np.bincount((twice >> np.uint64(31)).astype(np.int64), minlength=groups)[picked]
    union = left[picked] + right[picked] - both
    return np.where(shared_kind[picked], both / np.maximum(union, 1), 0.0)


def _gathered(
    values: npt.NDArray[np.uint32], offsets: Places, rows: Places
) -> npt.NDArray[np.uint64]:
    """The shingles of these rows one after the other, each with its pair's number above it."""
    sizes = offsets[rows + 1] - offsets[rows]
    ends = np.cumsum(sizes)
    at = np.arange(ends[-1] if len(ends) else 0) + np.repeat(offsets[rows] - (ends - sizes), sizes)
    owner = np.repeat(np.arange(len(rows), dtype=np.uint64), sizes)
    keyed: npt.NDArray[np.uint64] = (owner << np.uint64(32)) | values[at]
    return keyed


def _last(keyed: npt.NDArray[np.uint64], sizes: Places) -> npt.NDArray[np.uint64]:
    """The largest shingle of each group that was cut at the cap, else no limit."""
    limit = np.full(len(sizes), np.iinfo(np.uint64).max)
    cut = np.flatnonzero(sizes >= CAP)
    limit[cut] = keyed[np.cumsum(sizes)[cut] - 1]
    return limit
