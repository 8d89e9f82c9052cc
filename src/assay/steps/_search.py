"""Searches for rows that are alike, and what they found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.marks import Sketches
from assay.rows import content_hash, row_ids

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Search = Callable[[npt.NDArray[np.bool_] | None], tuple[Places, Places, Floats, Places]]
Verify = Callable[[Places, Places], tuple[Places, Places, Floats]]
PASSES = 12


@dataclass(frozen=True)
class Told:
    """What a step decided in the version before, where that stands.

    Attributes:
        seen: for each row, whether it was there and has been decided about.
        gone, twin, value: the places of the rows that went, of those that they went for, and how
            like them they were.
    """

    seen: npt.NDArray[np.bool_]
    gone: Places
    twin: Places
    value: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """Near duplicates, found and not yet acted on.

    Attributes:
        leads: for each row the best one with the same text, -1 for a row without.
        a, b, likeness: pairs of such rows.
        rank: of each row; the lowest stays.
        rows: the identity of each row.
        crowded: whether there were so many pairs that not all of them were taken up.
        told: what was decided before and stands.
    """

    leads: Places
    a: Places
    b: Places
    likeness: Floats
    rank: Places
    rows: npt.NDArray[np.uint64]
    crowded: bool = False
    told: Told | None = None

    def removed(self, threshold: float) -> int:
        """How many rows go at this threshold or a higher one."""
        return int((self.twins(threshold)[0] >= 0).sum())

    def and_also(self, pairs: tuple[Places, Places, Floats]) -> Found:
        """This and other pairs."""
        together = (np.concatenate((self.a, pairs[0])), np.concatenate((self.b, pairs[1])))
        likeness = np.concatenate((self.likeness, pairs[2]))
        return replace(self, a=together[0], b=together[1], likeness=likeness)

    def above(self, threshold: float) -> Found:
        """What would have been found at a higher threshold."""
        good = self.likeness >= threshold
        return replace(self, a=self.a[good], b=self.b[good], likeness=self.likeness[good])

    def sizes(self) -> Places:
        """How many rows each cluster has, the largest last."""
        members = self.clusters()
        return np.sort(np.unique(members[members >= 0], return_counts=True)[1])

    def twins(self, threshold: float) -> tuple[Places, Floats]:
        """For each row the one that stays instead, -1 for a row that stays, and their likeness."""
        from assay.similar.choice import superfluous

        good = self.likeness >= threshold
        gone, twin, likeness = superfluous(
            self.a[good], self.b[good], self.likeness[good], self.rank
        )
        count = len(self.leads)
        twins, values = np.full(count, -1, dtype=np.int64), np.full(count, np.nan)
        twins[gone], values[gone] = twin, likeness
        # What goes for a row goes for its equals; where it stays, they go for it.
        equal = np.flatnonzero((self.leads >= 0) & (self.leads != np.arange(count)))
        lead = self.leads[equal]
        goes = twins[lead] >= 0
        twins[equal] = np.where(goes, twins[lead], lead)
        values[equal] = np.where(goes, values[lead], 1.0)
        if self.told is not None:
            twins[self.told.gone], values[self.told.gone] = self.told.twin, self.told.value
        return twins, values

    def clusters(self) -> npt.NDArray[np.int64]:
        """For each row the best row of its cluster; -1 for a row that is like no other."""
        from assay.similar.clusters import clusters

        count = len(self.leads)
        equal = np.flatnonzero((self.leads >= 0) & (self.leads != np.arange(count)))
        a = np.concatenate((self.a, equal))
        b = np.concatenate((self.b, self.leads[equal]))
        best = np.full(count, -1, dtype=np.int64)
        if not len(a):
            return best
        nodes, ends = np.unique(np.concatenate((a, b)), return_inverse=True)
        number = clusters(pl.DataFrame({"a": ends[: len(a)], "b": ends[len(a) :]}), len(nodes))
        order = np.lexsort((self.rank[nodes], number))
        _, first = np.unique(number[order], return_index=True)
        best[nodes] = nodes[order[first]][number]
        return best


def find(
    leads: Places,
    rank: Places,
    rows: pl.Series,
    search: Search,
    verify: Verify,
    threshold: float,
    told: Told | None = None,
) -> Found:
    """Search for pairs until none of the rows that would stay is paired.

    A search looks at only a part of the pairs where very many rows are alike, and so leaves some
    of them; it is repeated among those of them that would stay. When a row turns out to go after
    all, those that were to go for it are held against the row that it goes for.
    """
    a, b, likeness, crowded = search(None)
    ids = rows.to_numpy()
    found = Found(leads, a, b, likeness, rank, ids, crowded=len(crowded) > 0, told=told)
    if told is not None:
        found = found.and_also((told.gone, told.twin, told.value))
    if not found.crowded:
        return found
    wanting = np.zeros(len(leads), dtype=bool)
    wanting[crowded] = True
    before = found.twins(threshold)[0]
    now = before
    for _ in range(PASSES):
        more = search(wanting & (now < 0))[:3]
        back = np.flatnonzero((before >= 0) & (now < 0) & (leads == np.arange(len(leads))))
        heir = now[before[back]]
        again = verify(back[heir >= 0], heir[heir >= 0])
        found = found.and_also(more).and_also(again)
        before, now = now, found.twins(threshold)[0]
        if not len(more[0]) and not len(again[0]):
            break
    return found


def near_found(
    sketches: Sketches,
    threshold: float,
    *,
    rank: Places,
    within: Sequence[str] | None = None,
    told: Told | None = None,
) -> Found:
    """Rows whose shingles are alike, by what `shingled` noted of them.

    With `told` two rows that were decided about before are not compared again.
    """
    from assay.similar.jaccard import similarities
    from assay.similar.pairs import lead_pairs, leaders

    blocks = content_hash(sketches.rows, within).to_numpy() if within else None
    leads = leaders(sketches.rows, rank, blocks)
    new = None if told is None else ~told.seen

    def search(among: npt.NDArray[np.bool_] | None) -> tuple[Places, Places, Floats, Places]:
        return lead_pairs(
            sketches, leads, threshold, rank=rank, blocks=blocks, among=among, new=new
        )

    def verify(a: Places, b: Places) -> tuple[Places, Places, Floats]:
        likeness = similarities(sketches, a, b)
        good = likeness >= threshold
        return a[good], b[good], likeness[good]

    return find(leads, rank, row_ids(sketches.rows), search, verify, threshold, told)


def semantic_found(sketches: Sketches, threshold: float, *, rank: Places) -> Found:
    """Rows whose vectors are alike, by what `embedded` noted of them."""
    from assay.similar.cosine import cosine_pairs, cosines
    from assay.similar.pairs import leaders

    leads = leaders(sketches.rows, rank)
    sets = sketches.rows["_set"].fill_null(0).to_numpy()
    chosen = np.flatnonzero(leads == np.arange(len(leads)))
    vectors = vectors_of(sketches, chosen)

    def search(among: npt.NDArray[np.bool_] | None) -> tuple[Places, Places, Floats, Places]:
        some = np.arange(len(chosen)) if among is None else np.flatnonzero(among[chosen])
        rows = chosen[some]
        a, b, cosine, crowded = cosine_pairs(vectors[some], threshold, rank[rows], sets[rows])
        return rows[a], rows[b], cosine, rows[crowded]

    def verify(a: Places, b: Places) -> tuple[Places, Places, Floats]:
        some = vectors[np.searchsorted(chosen, a)], vectors[np.searchsorted(chosen, b)]
        cosine = cosines(*some)
        good = cosine >= threshold
        return a[good], b[good], cosine[good]

    return find(leads, rank, row_ids(sketches.rows), search, verify, threshold)


def vectors_of(sketches: Sketches, places: Places) -> npt.NDArray[np.float32]:
    """The embeddings of some rows as one matrix."""
    made: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(places), 1 << 15):
        lists = sketches.wide(places[start : start + (1 << 15)])["embedding"]
        width = lists.list.len().max()
        made.append(lists.list.to_array(int(width)).to_numpy())  # type: ignore[arg-type]
    return np.concatenate(made) if made else np.zeros((0, 1), np.float32)
