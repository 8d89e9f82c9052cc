"""Pairs of vectors that point the same way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from assay.errors import RecipeError
from assay.grams import distinct

Places = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
ALL = 50_000
"""Up to so many vectors each is compared with each."""
CELL = 512
"""Vectors to a cell where there are more."""
PROBES = 3
"""Cells that a vector is put into."""
TILE = 4096
MOST = 16
"""Pairs of a vector with better ones that are taken up from a tile."""
SLACK = 1e-4


def cosine_pairs(
    vectors: Vectors, threshold: float, rank: Places, hashes: npt.NDArray[np.uint64]
) -> tuple[Places, Places, npt.NDArray[np.float64], Places]:
    """Find the pairs of vectors of length 1 whose cosine reaches the threshold.

    Up to 50,000 vectors each is compared with each, in tiles. Of more, each is put into the 3
    cells whose centres, vectors chosen by their hash, are nearest to it, and compared with the
    vectors of these cells only (an inverted file; Jégou, Douze & Schmid 2011).

    Args:
        vectors: one a row.
        threshold: of the cosine, above 0 and at most 1.
        rank: of each row, without ties: of a row that is like very many, the pairs with those of
            lowest rank are taken up.
        hashes: of each row's content, by which the centres are chosen.

    Returns:
        Places of the pairs, a < b, their cosines, and the places of vectors that have so many like
        them that not all were taken up.

    >>> vectors = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    >>> a, b, cosine, _ = cosine_pairs(vectors, 0.9, np.arange(3), np.arange(3, dtype=np.uint64))
    >>> a.tolist(), b.tolist(), cosine.tolist()
    ([0], [2], [1.0])
    """
    if not 0 < threshold <= 1:
        raise RecipeError("A `threshold` is above 0 and at most 1.", received=threshold)
    line = np.argsort(rank, kind="stable").astype(np.int64)
    found: list[npt.NDArray[np.uint64]] = []
    crowded = np.zeros(len(vectors), dtype=bool)
    # A loop over cells and tiles of thousands of rows each.
    for cell in _cells(vectors, line, hashes):
        for first, second, full in _tiles(vectors, cell, threshold - SLACK):
            low, high = np.minimum(first, second), np.maximum(first, second)
            found.append((low.astype(np.uint64) << np.uint64(32)) | high.astype(np.uint64))
            crowded[full] = True
    pairs = distinct(np.concatenate(found)) if found else np.zeros(0, np.uint64)
    a = (pairs >> np.uint64(32)).astype(np.int64)
    b = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
    cosine = cosines(vectors[a], vectors[b])
    good = cosine >= threshold
    return a[good], b[good], cosine[good], np.flatnonzero(crowded)


def cosines(first: Vectors, second: Vectors) -> npt.NDArray[np.float64]:
    """The cosine of each two vectors of length 1, rounded to six digits.

    A product of matrices rounds by the size of its blocks; row by row it does not.
    """
    result = np.zeros(len(first))
    for start in range(0, len(first), 1 << 16):
        part = slice(start, start + (1 << 16))
        product = first[part].astype(np.float64) * second[part]
        result[part] = np.minimum(product.sum(axis=1).round(6), 1.0)
    return result


def _cells(vectors: Vectors, line: Places, hashes: npt.NDArray[np.uint64]) -> Iterator[Places]:
    if len(line) <= ALL:
        yield line
        return
    count = len(line) // CELL
    centres = vectors[np.argsort(hashes, kind="stable")[:count]]
    nearest = np.empty((len(line), PROBES), dtype=np.int64)
    for start in range(0, len(line), TILE):
        some = line[start : start + TILE]
        likeness = vectors[some] @ centres.T
        nearest[start : start + TILE] = np.argpartition(-likeness, PROBES, axis=1)[:, :PROBES]
    cell = nearest.ravel()
    members = np.repeat(line, PROBES)
    order = np.argsort(cell, kind="stable")
    edges = np.searchsorted(cell[order], np.arange(count + 1))
    for low, high in itertools.pairwise(edges.tolist()):
        if high - low > 1:
            yield members[order[low:high]]


def _tiles(
    vectors: Vectors, places: Places, least: float
) -> Iterator[tuple[Places, Places, Places]]:
    """Pairs of each two tiles of these places, the better row first."""
    for top in range(0, len(places), TILE):
        rows = places[top : top + TILE]
        ours = vectors[rows]
        for left in range(top, len(places), TILE):
            columns = places[left : left + TILE]
            likeness = ours @ vectors[columns].T
            if left == top:
                likeness[np.tril_indices(len(rows))] = -1
            near = likeness >= least
            counts = near.sum(axis=0)
            full = np.flatnonzero(counts > MOST)
            if len(full):
                some = near[:, full]
                near[:, full] = some & (np.cumsum(some, axis=0) <= MOST)
            first, second = np.nonzero(near)
            yield rows[first], columns[second], columns[full]
