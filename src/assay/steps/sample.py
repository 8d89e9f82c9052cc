"""Samples drawn by each row's own random number, so that order and workers change nothing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.component import Columns, Decisions, Expression, Table
from assay.errors import RecipeError, nearest
from assay.rows import content_hash, evaluate_expression, row_ids, uniform

__all__ = ["cap", "weighted"]


def weighted(
    table: Table,
    *,
    weight: Expression,
    n: int | None = None,
    share: float | None = None,
    seed: int = 0,
) -> Decisions:
    """Draw a weighted sample without replacement: the rows with the highest u^(1/weight).

    u is the row's own number in (0, 1), so the sample is the same for any order of the rows. The
    keys are kept as log(u)/weight, which orders rows alike and does not underflow.
    Reference: Efraimidis & Spirakis 2006, Information Processing Letters 97(5), algorithm A.

    Args:
        table: any frame.
        weight: a number for every row; rows whose weight is null, NaN, zero or negative are
            never drawn, rows of infinite weight always come first.
        n: how many rows to draw; all with a positive weight when there are fewer.
        share: instead of `n`, the share of the rows with a positive weight, rounded.
        seed: another seed draws another sample.

    Returns:
        One decision a row: `rule` is `weight not positive`, `not sampled` or null, `value` the
        row's key, `threshold` the smallest key drawn.

    Raises:
        RecipeError: not exactly one of `n` and `share`, one out of range, or a weight that is no
            number.

    >>> rows = pl.DataFrame({"w": [1.0, 2.0, None, 0.0]})
    >>> weighted(rows, n=1, weight="w")["rule"].drop_nulls().sort().to_list()
    ['not sampled', 'weight not positive', 'weight not positive']
    """
    if (n is None) == (share is None):
        raise RecipeError("sample.weighted needs `n` or `share`, and not both.")
    if (n is not None and n < 0) or (share is not None and not 0 <= share <= 1):
        raise RecipeError(
            "sample.weighted: `n` is 0 or more, `share` lies in 0 to 1.",
            received=n if share is None else share,
        )
    weights = _weights(table, weight)
    eligible = weights > 0
    rows = row_ids(table)
    key = np.full(len(table), np.nan)
    with np.errstate(over="ignore", divide="ignore"):
        key[eligible] = np.log(uniform(rows, seed, "sample.weighted")[eligible]) / weights[eligible]
    count = int(eligible.sum())
    take = min(count, n) if n is not None else round(count * (share or 0.0))
    taken = np.zeros(len(table), dtype=bool)
    # NaN sorts last; equal keys are decided by the row's hash.
    taken[np.lexsort((rows.to_numpy(), -key))[:take]] = True
    threshold = float(key[taken].min()) if take else None
    return pl.DataFrame({"value": pl.Series(key).fill_nan(None)}).select(
        rule=pl.when(~pl.Series(eligible))
        .then(pl.lit("weight not positive"))
        .when(~pl.Series(taken))
        .then(pl.lit("not sampled")),
        value="value",
        threshold=pl.when(pl.Series(eligible)).then(pl.lit(threshold, pl.Float64)),
    )


def cap(
    table: Table,
    *,
    by: Columns,
    at_most: int,
    bins: list[float] | float | None = None,
    seed: int = 0,
) -> Decisions:
    """Keep at most so many rows of every bucket: those with the lowest random numbers.

    Args:
        table: any frame.
        by: rows with equal values in these columns share a bucket; null is a value of its own.
        at_most: how many rows of a bucket stay.
        bins: how number columns are cut: a width (1 puts prices into whole-dollar slots, each
            value going to the nearest multiple) or a list of edges (a value on an edge belongs to
            the bucket above). Without it, only equal numbers share a bucket.
        seed: another seed keeps other rows.

    Returns:
        One decision a row: `rule` is `bucket full` or null, `value` the row's random number,
        `threshold` the largest one kept in its bucket.

    Raises:
        RecipeError: an unknown column, a negative `at_most`, or bins that cannot be used.

    >>> rows = pl.DataFrame({"price": [9.8, 10.2, 10.4, 55.0]})
    >>> cap(rows, by=["price"], at_most=2, bins=1)["rule"].null_count()
    3
    """
    if at_most < 0 or not by:
        raise RecipeError(
            "sample.cap needs columns in `by` and an `at_most` of 0 or more.",
            received={"by": by, "at_most": at_most},
        )
    rows = row_ids(table)
    bucket = content_hash(pl.DataFrame([_binned(table, name, bins) for name in by]))
    number = uniform(rows, seed, "sample.cap")
    frame = pl.DataFrame({"bucket": bucket, "number": number, "row": rows}).with_row_index("place")
    frame = frame.sort(["bucket", "number", "row"])
    frame = frame.with_columns(rank=pl.int_range(pl.len()).over("bucket"))
    kept = pl.col("rank") < at_most
    return (
        frame.with_columns(
            rule=pl.when(~kept).then(pl.lit("bucket full")),
            threshold=pl.col("number").filter(kept).max().over("bucket"),
        )
        .sort("place")
        .select("rule", pl.col("number").alias("value"), "threshold")
    )


def _weights(table: pl.DataFrame, weight: str) -> npt.NDArray[np.float64]:
    values = evaluate_expression(table, weight)
    if len(values) == 1 and len(table) != 1:
        values = values.new_from_index(0, len(table))
    if not (values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)):
        raise RecipeError(
            "sample.weighted: the weight is not a number.",
            received=weight,
            hint=f"it is {values.dtype}",
        )
    plain: npt.NDArray[np.float64] = values.cast(pl.Float64).fill_null(0.0).to_numpy()
    return np.where(np.isnan(plain), 0.0, plain)


def _binned(table: pl.DataFrame, name: str, bins: list[float] | float | None) -> pl.Series:
    if name not in table.columns:
        raise RecipeError(
            f"sample.cap: there is no column {name!r}.",
            allowed=table.columns,
            hint=nearest(name, table.columns),
        )
    column = table[name]
    if bins is None or not column.dtype.is_numeric() or column.dtype == pl.UInt128:
        return column
    values = column.cast(pl.Float64)
    if not isinstance(bins, list):
        if not (bins > 0 and np.isfinite(bins)):
            raise RecipeError("sample.cap: a width of bins is above 0.", received=bins)
        return (values / bins).round()
    edges = np.asarray(bins, dtype=np.float64)
    if not len(edges) or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise RecipeError("sample.cap: the edges of bins are numbers that rise.", received=bins)
    places = np.searchsorted(edges, values.fill_null(0.0).to_numpy(), "right")
    # NaN would sort after every edge; it is a bucket of its own.
    named = pl.select(
        pl.when(values.is_nan()).then(-1).when(values.is_not_null()).then(pl.Series(places))
    )
    return named.to_series().alias(name)
