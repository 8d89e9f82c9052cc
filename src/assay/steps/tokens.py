"""Measuring and cutting texts in a model's own tokens."""

from __future__ import annotations

from typing import Literal

import polars as pl

from assay.component import Column, Columns, NewInteger, Rows
from assay.errors import RecipeError, nearest

__all__ = ["count", "truncate"]


def count(
    rows: Rows, *, columns: Columns, vocabulary: str = "o200k", into: NewInteger = "tokens"
) -> Rows:
    """Write the number of tokens of one or several texts into a field.

    A missing text has 0 tokens. What looks like a control token in a text counts as the characters
    it is made of.

    Args:
        rows: any frame.
        columns: the texts, of which each is counted alone.
        vocabulary: `o200k` (GPT-4o and later), `cl100k` (GPT-4), `llama3`, `qwen3`, or the path of
            a local `tokenizer.json`.
        into: the field; one of that name is replaced.

    Returns:
        The rows with the field, Int64.

    Raises:
        RecipeError: there is no such vocabulary, or a column that is not text.
        MissingExtra: the libraries are not installed.

    >>> rows = pl.DataFrame({"t": ["Hello world", None]})
    >>> count(rows, columns=["t"])["tokens"].to_list()
    [2, 0]
    """
    from assay import tokens

    counted = [tokens.count(_text(rows, name, "count"), vocabulary) for name in columns]
    total = pl.sum_horizontal(one.fill_null(0).cast(pl.Int64) for one in counted)
    return rows.with_columns(total.alias(into))


def truncate(
    rows: Rows,
    *,
    column: Column,
    at_most: int,
    vocabulary: str = "o200k",
    side: Literal["end", "start"] = "end",
) -> Rows:
    """Cut texts to a number of tokens, never inside a character.

    What is left, encoded again, has `at_most` tokens or fewer.

    Args:
        rows: any frame.
        column: the text.
        at_most: tokens that may stay.
        vocabulary: `o200k`, `cl100k`, `llama3`, `qwen3`, or the path of a `tokenizer.json`.
        side: where to cut: `end` keeps the beginning.

    Returns:
        The rows with the texts cut.

    Raises:
        RecipeError: `at_most` is below 1, there is no such vocabulary, or the column is not text.
        MissingExtra: the libraries are not installed.

    >>> truncate(pl.DataFrame({"t": ["one two three"]}), column="t", at_most=2)["t"].to_list()
    ['one two']
    """
    if at_most < 1:
        raise RecipeError("tokens.truncate: `at_most` is 1 or more.", received=at_most)
    from assay import tokens

    text = _text(rows, column, "truncate")
    return rows.with_columns(tokens.truncate(text, vocabulary, at_most, side).alias(column))


def _text(rows: pl.DataFrame, name: str, step: str) -> pl.Series:
    if name not in rows.columns:
        raise RecipeError(
            f"tokens.{step}: there is no column {name!r}.",
            allowed=rows.columns,
            hint=nearest(name, rows.columns),
        )
    if rows.schema[name] not in (pl.String, pl.Null):
        raise RecipeError(
            f"tokens.{step}: the column {name!r} is not text.",
            received=str(rows.schema[name]),
            allowed="columns of text",
        )
    return rows[name].cast(pl.String)
