"""Pairs of rows whose texts are nearly the same."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError
from assay.marks import Sketches
from assay.rows import row_ids
from assay.similar.bands import candidates
from assay.similar.jaccard import similarities
from assay.similar.shingles import packed

Places = npt.NDArray[np.int64]


def near_pairs(
    sketches: Sketches, *, threshold: float, across: pl.Series | None = None
) -> pl.DataFrame:
    """Find the pairs of rows whose Jaccard similarity reaches the threshold.

    Candidates agree in a band of their MinHash values; each is verified by the exact similarity
    of the shingles (of the 1,024 smallest ones that both had a chance to keep, where a text has
    more). Rows with equal shingles are found without any band, and stand in for one another: each
    is paired with one of its equals, and one of them is paired with other rows. With `across`
    every row that has a near duplicate of another label is in a pair.

    Args:
        sketches: what `shingled` noted.
        threshold: above 0, at most 1. Of the pairs at the threshold itself 97 % are found at 0.3
            and 99 % from 0.4 up, and more of those above it (`python -m benchmarks.near --what
            curve`); of two texts of which one is noted both ways, a few per cent less.
        across: a label for each row; only pairs of different labels count, null having none.

    Returns:
        `a`, `b` (UInt32, places of rows, a < b) and `jaccard` (Float64), sorted by places.

    Raises:
        RecipeError: a threshold out of range.

    >>> from assay.similar.shingles import shingled
    >>> rows = pl.DataFrame({"t": ["a red kettle of steel", "a red kettle of steel!", "a lamp"]})
    >>> noted = Sketches.of(rows, shingled, {"columns": ["t"]})
    >>> near_pairs(noted, threshold=0.7)["a", "b"].rows()
    [(0, 1)]
    """
    labels = None if across is None else across.rank("dense").cast(pl.UInt64).fill_null(0)
    ids, sets = row_ids(sketches.rows).to_numpy(), sketches.rows["_set"].fill_null(0).to_numpy()
    rank = np.empty(len(ids), dtype=np.int64)
    rank[np.lexsort((sets, ids))] = np.arange(len(ids))
    blocks = None if labels is None else labels.to_numpy()
    leads = leaders(sketches.rows, rank, blocks)
    a, b, jaccard, _ = lead_pairs(sketches, leads, threshold, rank=rank, across=labels)
    if labels is None:
        others = np.flatnonzero((leads >= 0) & (leads != np.arange(len(leads))))
        equal = (others, leads[others], np.ones(len(others)))
        parts = [(a, b, jaccard), equal]
    else:
        parts = _spread(leads, (a, b, jaccard))
    a, b, jaccard = (np.concatenate([part[n] for part in parts]) for n in range(3))
    return pl.DataFrame(
        {
            "a": np.minimum(a, b).astype(np.uint32),
            "b": np.maximum(a, b).astype(np.uint32),
            "jaccard": jaccard.astype(np.float64),
        }
    ).sort("a", "b")


def leaders(
    rows: pl.DataFrame,
    rank: Places,
    blocks: npt.NDArray[np.uint64] | None = None,
) -> Places:
    """For each row the place of the row of lowest rank with the same shingles; -1 without text."""
    filled = rows["_set"].is_not_null().to_numpy()
    leads = np.where(filled, np.arange(len(rows)), -1)
    # Few are equal, and only those are sorted.
    told = np.flatnonzero(filled & rows["_set"].is_duplicated().to_numpy())
    sets = rows["_set"].gather(pl.Series(told, dtype=pl.UInt32)).to_numpy()
    block = np.zeros(len(told), np.uint64) if blocks is None else blocks[told]
    order = np.lexsort((rank[told], block, sets))
    sets, block = sets[order], block[order]
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (sets[1:] != sets[:-1]) | (block[1:] != block[:-1])
    groups = np.cumsum(begins) - 1
    leads[told[order]] = told[order][begins][groups] if len(order) else told
    return leads


def lead_pairs(
    sketches: Sketches,
    leads: Places,
    threshold: float,
    *,
    rank: Places,
    across: pl.Series | None = None,
    blocks: npt.NDArray[np.uint64] | None = None,
    among: npt.NDArray[np.bool_] | None = None,
    new: npt.NDArray[np.bool_] | None = None,
) -> tuple[Places, Places, npt.NDArray[np.float64], Places]:
    """The near pairs of the rows that stand for their equals, in order of places.

    Where very many are alike, they are compared with those of lowest `rank` first.
    `across` leaves only pairs of different labels above 0, `blocks` compares equal ones only,
    `among` says which rows to compare, and with `new` one of the two is such a row. The last
    things returned are the places of rows that share so much with so many that not each was
    compared with each.
    """
    if not 0 < threshold <= 1:
        raise RecipeError("A `threshold` is above 0 and at most 1.", received=threshold)
    chosen = leads == np.arange(len(leads))
    if among is not None:
        chosen &= among
    if across is not None:
        chosen &= across.to_numpy() > 0
    places = np.flatnonzero(chosen)
    some = sketches.rows[pl.Series(places, dtype=pl.UInt32)]
    kinds = some["_kinds"].to_numpy()
    labels = None if across is None else across.to_numpy()[places]
    own_blocks = None if blocks is None else blocks[places]
    own_new = None if new is None else new[places]
    pairs, crowded = candidates(
        packed(some), kinds, rank[places], threshold, own_blocks, labels, own_new
    )
    a = (pairs >> np.uint64(32)).astype(np.int64)
    b = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
    jaccard = similarities(sketches, places[a], places[b])
    good = jaccard >= threshold
    return places[a[good]], places[b[good]], jaccard[good], places[crowded]


def _spread(
    leads: Places, near: tuple[Places, Places, npt.NDArray[np.float64]]
) -> list[tuple[Places, Places, npt.NDArray[np.float64]]]:
    """Give the equals of every leader its pairs: each of them one with the leader's partner."""
    a, b, jaccard = near
    order = np.argsort(leads, kind="stable")
    sorted_leads = leads[order]
    parts = [near]
    for own, other in ((a, b), (b, a)):
        # One pair a row is enough: the best of its leader's.
        best = np.lexsort((other, -jaccard, own))
        first = best[np.unique(own[best], return_index=True)[1]]
        low = np.searchsorted(sorted_leads, own[first], "left")
        high = np.searchsorted(sorted_leads, own[first], "right")
        counts = high - low
        places = np.arange(counts.sum()) + np.repeat(low - (np.cumsum(counts) - counts), counts)
        members = order[places]
        pair = np.repeat(first, counts)
        follows = members != leads[members]
        parts.append((members[follows], other[pair][follows], jaccard[pair][follows]))
    return parts
