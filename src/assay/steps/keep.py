"""Keeping rows by a measured property of the row itself; the others are set aside."""

from __future__ import annotations

from typing import Literal

import polars as pl

from assay.component import Column, Decisions, Expression, Rows
from assay.errors import RecipeError, nearest
from assay.rows import evaluate_expression, parse_expression

__all__ = ["length", "tokens", "where"]


def length(
    rows: Rows,
    *,
    column: Column,
    min: int | None = None,
    max: int | None = None,
    unit: Literal["characters", "words"] = "characters",
) -> Decisions:
    """Set aside rows whose text is too short or too long.

    A missing text has length 0. Lists are measured in items.

    Args:
        rows: any frame.
        column: a column of texts or lists.
        min: the smallest length that stays.
        max: the largest length that stays.
        unit: `characters` are Unicode code points, `words` runs of anything but white space.

    Returns:
        One decision a row: `rule` is `too short`, `too long` or null, `value` the length,
        `threshold` the bound that was broken.

    Raises:
        RecipeError: no bound, bounds that no length meets, or a column that has no length.

    >>> length(pl.DataFrame({"t": ["a", "abc", None]}), column="t", min=2)["rule"].to_list()
    ['too short', None, 'too short']
    """
    _require_bounds("length", min, max)
    size = _size(rows, column, unit)
    measured = rows.select(size.fill_null(0).cast(pl.Float64)).to_series()
    return _within(measured, min, max, ("too short", "too long"))


def tokens(
    rows: Rows,
    *,
    column: Column,
    vocabulary: str = "o200k",
    min: int | None = None,
    max: int | None = None,
) -> Decisions:
    """Set aside rows whose text has too few or too many tokens.

    A missing text has 0 tokens.

    Args:
        rows: any frame.
        column: a column of texts.
        vocabulary: `o200k` (GPT-4o and later), `cl100k` (GPT-4), `llama3`, `qwen3`, or the path of
            a local `tokenizer.json`.
        min: the smallest number that stays.
        max: the largest number that stays.

    Returns:
        One decision a row: `rule` is `too few tokens`, `too many tokens` or null, `value` the
        number, `threshold` the bound that was broken.

    Raises:
        RecipeError: no bound, bounds that no number meets, no such vocabulary, or a column that
            is not text.
        MissingExtra: the libraries are not installed.

    >>> tokens(pl.DataFrame({"t": ["one", "one two"]}), column="t", max=1)["rule"].to_list()
    [None, 'too many tokens']
    """
    _require_bounds("tokens", min, max)
    if column not in rows.columns or rows.schema[column] not in (pl.String, pl.Null):
        raise RecipeError(
            f"keep.tokens: there is no column of text {column!r}.",
            allowed=rows.columns,
            hint=nearest(column, rows.columns),
        )
    from assay.tokens import count

    counted = count(rows[column].cast(pl.String), vocabulary).fill_null(0).cast(pl.Float64)
    return _within(counted, min, max, ("too few tokens", "too many tokens"))


def where(rows: Rows, *, where: Expression) -> Decisions:
    """Set aside rows for which an expression is not true.

    Rows for which it is null, for instance because a column is missing, are set aside as well;
    write `price > 5 OR price IS NULL` to keep them.

    Args:
        rows: any frame.
        where: a SQL expression over the columns.

    Returns:
        One decision a row: `rule` is `not true`, `unknown` (the expression is null) or null.

    Raises:
        RecipeError: the expression cannot be read, names an unknown column, or gives anything
            but true and false.

    >>> rows = pl.DataFrame({"price": [3, 9, None]})
    >>> where(rows, where="price > 5")["rule"].to_list()
    ['not true', None, 'unknown']
    """
    kept = evaluate_expression(rows, where)
    if len(kept) == 1 and not parse_expression(where).meta.root_names():
        kept = kept.new_from_index(0, len(rows))
    if kept.dtype not in (pl.Boolean, pl.Null) or len(kept) != len(rows):
        raise RecipeError(
            "keep.where needs an expression that is true or false for every row.",
            received=where,
            hint="for instance `price > 5 AND title IS NOT NULL`",
        )
    kept = kept.cast(pl.Boolean)
    rule = pl.when(kept.is_null()).then(pl.lit("unknown")).when(~kept).then(pl.lit("not true"))
    nothing = pl.lit(None, pl.Float64)
    return pl.select(rule=rule).with_columns(value=nothing, threshold=nothing)


def _require_bounds(name: str, low: int | None, high: int | None) -> None:
    if (low is None and high is None) or (low is not None and high is not None and low > high):
        raise RecipeError(
            f"keep.{name} needs `min`, `max` or both, with `min` not above `max`.",
            received={"min": low, "max": high},
        )


def _within(
    measured: pl.Series, low: int | None, high: int | None, rules: tuple[str, str]
) -> pl.DataFrame:
    value = pl.col("value")
    below = value < low if low is not None else pl.lit(False)
    above = value > high if high is not None else pl.lit(False)
    return measured.to_frame("value").select(
        rule=pl.when(below).then(pl.lit(rules[0])).when(above).then(pl.lit(rules[1])),
        value=value,
        threshold=pl.when(below)
        .then(pl.lit(low, pl.Float64))
        .when(above)
        .then(pl.lit(high, pl.Float64)),
    )


def _size(rows: pl.DataFrame, column: str, unit: str) -> pl.Expr:
    if column not in rows.columns:
        raise RecipeError(
            f"keep.length: there is no column {column!r}.",
            allowed=rows.columns,
            hint=nearest(column, rows.columns),
        )
    dtype = rows.schema[column]
    if dtype == pl.Null:
        return pl.col(column).cast(pl.Int64)
    if dtype == pl.String:
        text = pl.col(column).str
        return text.len_chars() if unit == "characters" else text.count_matches(r"\S+")
    if isinstance(dtype, pl.List):
        return pl.col(column).list.len()
    raise RecipeError(
        f"keep.length: the column {column!r} has no length.",
        received=str(dtype),
        allowed="columns of text or lists",
    )
