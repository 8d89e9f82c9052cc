"""What the steps that look for near duplicates share: who stays, and when to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError
from assay.marks import Sketches
from assay.rows import evaluate_expression, row_ids
from assay.similar.shingles import FLAT

Places = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Keep = Literal["first", "longest", "complete", "newest", "best"]
Search = Callable[[npt.NDArray[np.bool_] | None], tuple[Places, Places, Floats, bool]]
PASSES = 8


@dataclass(frozen=True)
class Found:
    """Near duplicates, found and not yet acted on.

    Attributes:
        leads: for each row the best one with the same text, -1 for a row without.
        a, b, likeness: pairs of such rows.
        rank: of each row; the lowest stays.
        rows: the identity of each row.
    """

    leads: Places
    a: Places
    b: Places
    likeness: Floats
    rank: Places
    rows: npt.NDArray[np.uint64]

    def removed(self, threshold: float) -> int:
        """How many rows go at this threshold or a higher one."""
        return int((self.twins(threshold)[0] >= 0).sum())

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
        return twins, values

    def clusters(self) -> npt.NDArray[np.int64]:
        """For each row the best row of its cluster; -1 for a row that is like no other."""
        from assay.similar.clusters import clusters

        count = len(self.leads)
        equal = np.flatnonzero((self.leads >= 0) & (self.leads != np.arange(count)))
        a = np.concatenate((self.a, equal))
        b = np.concatenate((self.b, self.leads[equal]))
        number = clusters(pl.DataFrame({"a": a, "b": b}), count)
        order = np.lexsort((self.rank, number))
        _, first, sizes = np.unique(number[order], return_index=True, return_counts=True)
        best = np.where(sizes > 1, order[first], -1)
        return best[number]


def find(leads: Places, rank: Places, rows: pl.Series, search: Search, threshold: float) -> Found:
    """Search for pairs until none of the rows that would stay is paired.

    A search looks at only a part of the pairs where very many rows are alike, and so leaves some
    of them; it is repeated among those that would stay.
    """
    a, b, likeness, crowded = search(None)
    ids = rows.to_numpy()
    for _ in range(PASSES if crowded else 0):
        found = Found(leads, a, b, likeness, rank, ids)
        stays = found.twins(threshold)[0] < 0
        more = search(stays)
        if not len(more[0]):
            break
        a, b = np.concatenate((a, more[0])), np.concatenate((b, more[1]))
        likeness = np.concatenate((likeness, more[2]))
    return Found(leads, a, b, likeness, rank, ids)


def ranked(rows: pl.DataFrame, keep: Keep | None, prefer: str | None, step: str) -> Places:
    """A rank for every row, without ties: of two that are alike the lower stays.

    Raises:
        RecipeError: `keep` and `prefer` do not fit each other.
    """
    if keep in ("newest", "best") and prefer is None:
        what = "a column of times" if keep == "newest" else "an expression"
        raise RecipeError(f"{step}: `keep: {keep}` needs `prefer`, {what}.")
    if prefer is not None and keep not in (None, "newest", "best"):
        raise RecipeError(
            f"{step}: `prefer` says which row is best, `keep: {keep}` says it otherwise.",
            hint="leave one of them out",
        )
    if prefer is not None:
        columns = [preferred(rows, prefer)]
    else:
        names = {"longest": ["_length"], "complete": ["_filled", "_length"]}.get(keep or "", [])
        columns = [rows[name] for name in names]
    keys = [column.alias(f"key{n}") for n, column in enumerate(columns)]
    frame = pl.DataFrame([*keys, row_ids(rows).alias("row")]).with_row_index("place")
    order = frame.sort(
        [*(key.name for key in keys), "row", "place"],
        descending=[*([True] * len(keys)), False, False],
        nulls_last=True,
    )["place"].to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def share_of(most: float, step: str) -> None:
    """Refuse what is no share."""
    if not 0 <= most <= 1:
        raise RecipeError(f"{step}: `most` is a share, 0 to 1.", received=most)


def as_frame(source: Any) -> pl.DataFrame | Sketches:
    """Another source as a plain call may give it."""
    if isinstance(source, Sketches | pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    try:
        return pl.DataFrame(source)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise RecipeError(
            f"dedup.against: the other source is no frame: {error}.",
            received=source,
            hint="a Polars, pandas or Arrow frame; a recipe may name a path",
        ) from None


def joined(first: Sketches, second: Sketches) -> Sketches:
    """The rows of both, the first ones first, with what all sketches note of a row."""
    parts = [part.rows.select(row_ids(part.rows).alias("_row"), *FLAT) for part in (first, second)]
    count = len(first.rows)

    def wide(places: Places) -> pl.DataFrame:
        low = places < count
        lists = pl.concat([first.wide(places[low]), second.wide(places[~low] - count)])
        order = np.empty(len(places), dtype=np.uint32)
        order[np.concatenate((np.flatnonzero(low), np.flatnonzero(~low)))] = np.arange(len(places))
        return lists[pl.Series(order, dtype=pl.UInt32)]

    return Sketches(pl.concat(parts), wide)


def vectors_of(sketches: Sketches, places: Places) -> npt.NDArray[np.float32]:
    """The embeddings of some rows as one matrix."""
    made: list[npt.NDArray[np.float32]] = []
    for start in range(0, len(places), 1 << 15):
        lists = sketches.wide(places[start : start + (1 << 15)])["embedding"]
        width = lists.list.len().max()
        made.append(lists.list.to_array(int(width)).to_numpy())  # type: ignore[arg-type]
    return np.concatenate(made) if made else np.zeros((0, 1), np.float32)


def preferred(table: pl.DataFrame, prefer: str) -> pl.Series:
    """What is highest stays; NaN counts as null, which is lowest."""
    values = evaluate_expression(table, prefer, name="rank")
    if len(values) == 1 and len(table) != 1:
        values = values.new_from_index(0, len(table))
    return values.fill_nan(None) if values.dtype.is_float() else values


def decided(found: Found, threshold: float, *, most: float, step: str, rule: str) -> pl.DataFrame:
    """The decisions, unless they would take out too many rows.

    Raises:
        RecipeError: more than the share `most` of the rows would go.
    """
    twins, values = found.twins(threshold)
    clusters = found.clusters()
    gone, count = int((twins >= 0).sum()), len(twins)
    if gone > most * count:
        raise _too_many(found, threshold, gone, clusters, most=most, step=step)
    rows = pl.Series(found.rows, dtype=pl.UInt64)
    frame = pl.DataFrame({"twin": twins, "cluster": clusters, "value": values})
    return frame.select(
        rule=pl.when(pl.col("twin") >= 0).then(pl.lit(rule)),
        value=pl.col("value").fill_nan(None),
        threshold=pl.lit(threshold, pl.Float64),
        twin=rows.gather(frame.select(_place("twin")).to_series()),
        cluster=rows.gather(frame.select(_place("cluster")).to_series()),
    )


def _place(name: str) -> pl.Expr:
    return pl.when(pl.col(name) >= 0).then(pl.col(name)).cast(pl.UInt32)


def _too_many(
    found: Found, threshold: float, gone: int, clusters: Places, *, most: float, step: str
) -> RecipeError:
    count = len(found.leads)
    sizes = np.sort(np.unique(clusters[clusters >= 0], return_counts=True)[1])[::-1]
    listed = ", ".join(f"{size:,}" for size in sizes[:5].tolist())
    equal = int(((found.leads >= 0) & (found.leads != np.arange(count))).sum())
    higher = [limit for limit in (0.8, 0.9, 0.95, 1.0) if limit > threshold]
    moves = ", ".join(f"{found.removed(limit):,} at {limit:g}" for limit in higher)
    return RecipeError(
        f"{step} would take out {gone:,} of {count:,} rows ({gone / count:.0%}), more than"
        f" `most: {most:g}` allows. {equal:,} of the rows have a text that another row has word"
        f" for word; the largest clusters hold {listed} rows.",
        received={"threshold": threshold},
        allowed=f"at most {int(most * count):,} rows",
        hint="look at the pairs with `assay duplicates RECIPE`; then"
        + (f" a higher threshold (rows that go: {moves})," if moves else "")
        + f" other columns, or `most: {min(1.0, np.ceil(gone / count * 20) / 20):g}`",
    )
