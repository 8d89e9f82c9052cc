"""Duplicates: of rows that are the same, one stays."""

from __future__ import annotations

import polars as pl

from assay.component import Decisions, Expression, Keys, Table
from assay.errors import RecipeError, nearest
from assay.rows import evaluate_expression, row_ids

__all__ = ["exact"]


def exact(table: Table, *, columns: Keys, prefer: Expression | None = None) -> Decisions:
    """Keep one of the rows that are equal in these columns.

    It does not depend on the order of the rows. Null equals null, but rows that are null in all
    of the columns are nobody's duplicates.

    Args:
        table: any frame; `_row` or `row_id` identify the rows, else their content does.
        columns: rows equal in all of these are duplicates of one another.
        prefer: the row for which this is highest stays, null and NaN being lowest; equal ones,
            and all without `prefer`, are decided by the smallest row hash.

    Returns:
        One decision a row: `rule` is `duplicate` or null, `value` the size of the row's group,
        `twin` the hash of the row that stays instead, `cluster` the same hash for every row of a
        group of two or more.

    Raises:
        RecipeError: no columns, an unknown one, or an expression that cannot be evaluated.

    >>> rows = pl.DataFrame({"title": ["a", "b", "a"], "price": [1, 2, 3]})
    >>> exact(rows, columns=["title"], prefer="price")["rule"].to_list()
    ['duplicate', None, None]
    """
    if not columns:
        raise RecipeError("dedup.exact: `columns` is empty.", allowed=table.columns)
    for name in columns:
        if name not in table.columns:
            raise RecipeError(
                f"dedup.exact: there is no column {name!r}.",
                allowed=table.columns,
                hint=nearest(name, table.columns),
            )
    keys = [f"key{position}" for position in range(len(columns))]
    frame = table.select(
        pl.col(name).alias(key) for name, key in zip(columns, keys, strict=True)
    ).with_columns(row_ids(table).alias("row"))
    frame = frame.with_columns(rank=_rank(table, prefer)).with_row_index("place")
    keyed = frame.filter(~pl.all_horizontal(pl.col(key).is_null() for key in keys))
    # Sorting costs more than grouping, so only rows that have an equal are sorted.
    sizes = keyed.group_by(keys).agg(pl.len().alias("size")).filter(pl.col("size") > 1)
    groups = keyed.join(sizes, on=keys, how="inner", nulls_equal=True)
    # Two rows with one hash are the same row twice: either may stay.
    best = groups.sort(["rank", "row", "place"], descending=[True, False, False], nulls_last=True)
    best = best.unique(keys, keep="first", maintain_order=True)
    best = best.select(*keys, pl.col("row").alias("kept"), pl.col("place").alias("stays"))
    decided = groups.join(best, on=keys, how="left", nulls_equal=True)
    result = frame.select("place").join(decided, on="place", how="left", maintain_order="left")
    twin = pl.col("place") != pl.col("stays")
    return result.select(
        rule=pl.when(twin).then(pl.lit("duplicate")),
        value=pl.col("size").fill_null(1).cast(pl.Float64),
        threshold=pl.lit(None, pl.Float64),
        twin=pl.when(twin).then(pl.col("kept")),
        cluster=pl.col("kept"),
    )


def _rank(table: pl.DataFrame, prefer: str | None) -> pl.Series:
    """What is highest stays; NaN counts as null, which is lowest."""
    if prefer is None:
        return pl.Series("rank", [0], dtype=pl.Int8).new_from_index(0, len(table))
    values = evaluate_expression(table, prefer, name="rank")
    if len(values) == 1 and len(table) != 1:
        values = values.new_from_index(0, len(table))
    return values.fill_nan(None) if values.dtype.is_float() else values
