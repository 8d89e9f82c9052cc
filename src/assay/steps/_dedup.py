"""What the steps that look for near duplicates share: who is best, and when to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError
from assay.marks import Sketches
from assay.rows import ROW, evaluate_expression, row_ids
from assay.similar.shingles import FLAT
from assay.steps._search import Found, Told

WAS, STAYED = "_was", "_stayed"
Places = npt.NDArray[np.int64]
Keep = Literal["first", "longest", "complete", "newest", "best", "all"]


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
    keys = [column.alias(f"key{n}") for n, column in enumerate([*columns, was(rows)])]
    frame = pl.DataFrame([*keys, row_ids(rows).alias("row")]).with_row_index("place")
    order = frame.sort(
        [*(key.name for key in keys), "row", "place"],
        descending=[*([True] * len(keys)), False, False],
        nulls_last=True,
    )["place"].to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank


def was(rows: pl.DataFrame) -> pl.Series:
    """How a row stood in the version before: no copy that comes later takes its place.

    3 for one that got past this step, 2 for one that was kept but has been corrected since, 1 for
    one that this step set aside, and 0 for one that is new to it.
    """
    nothing = pl.repeat(None, rows.height, dtype=pl.Boolean, eager=True)
    kept = rows[WAS].is_not_null() if WAS in rows.columns else nothing
    stayed = rows[STAYED] if STAYED in rows.columns else nothing
    standing = pl.when(stayed).then(3).when(kept).then(2).when(stayed.is_not_null()).then(1)
    return pl.select(standing.otherwise(0).cast(pl.Int8).alias("was")).to_series()


def told(rows: pl.DataFrame) -> Told | None:
    """What stands of the decisions in the version before: of rows that stayed, and of those that
    went for one that stayed and is still there; None where nothing does.
    """
    if STAYED not in rows.columns:
        return None
    frame = rows.select(STAYED, "_went_for", "_went_by", row=row_ids(rows)).with_row_index("place")
    stayed = frame.filter(STAYED).select("row", twin="place")
    gone = frame.filter(pl.col("_went_for").is_not_null())
    gone = gone.join(stayed, left_on="_went_for", right_on="row", maintain_order="left")
    places, twins = (gone[name].cast(pl.Int64).to_numpy() for name in ("place", "twin"))
    seen = frame[STAYED].fill_null(False).to_numpy().copy()
    seen[places] = True
    return Told(seen, places, twins, gone["_went_by"].to_numpy()) if seen.any() else None


def noted(
    table: pl.DataFrame | Sketches,
    sketch: Callable[..., pl.DataFrame],
    settings: Mapping[str, Any],
) -> Sketches:
    """The sketches of a step, of whose frame the rows keep the identity that they have there."""
    if not isinstance(table, Sketches) and ROW not in table.columns:
        table = table.with_columns(row_ids(table).alias(ROW))
    return Sketches.of(table, sketch, settings)


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


def preferred(table: pl.DataFrame, prefer: str) -> pl.Series:
    """What is highest stays; NaN counts as null, which is lowest."""
    values = evaluate_expression(table, prefer, name="rank")
    if len(values) == 1 and len(table) != 1:
        values = values.new_from_index(0, len(table))
    return values.fill_nan(None) if values.dtype.is_float() else values


def marked(found: Found, threshold: float) -> pl.DataFrame:
    """Decisions that take no row out and name the cluster of each, for splits to keep whole."""
    rows, clusters = (
        pl.Series(found.rows, dtype=pl.UInt64),
        pl.DataFrame({"cluster": found.clusters()}),
    )
    return clusters.select(
        rule=pl.lit(None, pl.String),
        value=pl.lit(None, pl.Float64),
        threshold=pl.lit(threshold, pl.Float64),
        cluster=rows.gather(clusters.select(_place("cluster")).to_series()),
    )


def decided(found: Found, threshold: float, *, most: float, step: str, rule: str) -> pl.DataFrame:
    """The decisions, unless they would take out too many rows.

    Raises:
        RecipeError: more than the share `most` of the rows would go.
    """
    twins, values = found.twins(threshold)
    clusters = found.clusters()
    gone, count = int((twins >= 0).sum()), len(twins)
    if gone > most * count:
        raise _too_many(found, threshold, gone, most=most, step=step)
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


def _too_many(found: Found, threshold: float, gone: int, *, most: float, step: str) -> RecipeError:
    count = len(found.leads)
    sizes = found.sizes()[::-1]
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
