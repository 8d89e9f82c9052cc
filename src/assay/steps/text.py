"""Texts made of texts: several columns as one, and a text cut to a length."""

from __future__ import annotations

import polars as pl

from assay.component import Column, Columns, NewText, Rows
from assay.errors import RecipeError, nearest

__all__ = ["join", "truncate"]

# A value of a JSON object: a text, an object or list without others in it, or a plain word.
_VALUE = r'(?:"(?:[^"\\]|\\.)*"|\{[^{}]*\}|\[[^\[\]]*\]|[^,{}\[\]"]+)'


def join(
    rows: Rows,
    *,
    columns: Columns,
    into: NewText = "text",
    separator: str = "\n",
    without: list[str] | None = None,
    each: int | None = None,
) -> Rows:
    r"""Write several columns as one text, one part after the other.

    Missing values, empty texts, lists and objects are left out. Lists and objects stand in the
    text as JSON.

    Args:
        rows: any frame.
        columns: the columns, in the order in which they are written.
        into: the field; one of that name is replaced.
        separator: what stands between two parts.
        without: keys that are taken out of JSON objects, with their values, before.
        each: characters that may stay of each part.

    Returns:
        The rows with the field; null where all parts are empty.

    Raises:
        RecipeError: a column is missing, or `each` is below 1.

    >>> rows = pl.DataFrame({"title": ["Valve", "Fan"], "about": ['{"No": "7", "W": 9}', "[]"]})
    >>> join(rows, columns=["title", "about"], separator=" | ", without=["No"])["text"].to_list()
    ['Valve | {"W": 9}', 'Fan']
    """
    if each is not None and each < 1:
        raise RecipeError("text.join: `each` is 1 or more.", received=each)
    parts = [_part(_text(rows, name, "join"), without or [], each) for name in columns]
    joined = pl.select(pl.concat_str(parts, separator=separator, ignore_nulls=True)).to_series()
    return rows.with_columns(_or_null(joined).alias(into))


def truncate(rows: Rows, *, column: Column, at_most: int) -> Rows:
    """Cut texts to a number of characters (Unicode code points).

    Args:
        rows: any frame.
        column: the text.
        at_most: characters that may stay.

    Returns:
        The rows with the texts cut, and no white space at the cut.

    Raises:
        RecipeError: `at_most` is below 1, or the column is missing.

    >>> truncate(pl.DataFrame({"t": ["one two", None]}), column="t", at_most=4)["t"].to_list()
    ['one', None]
    """
    if at_most < 1:
        raise RecipeError("text.truncate: `at_most` is 1 or more.", received=at_most)
    text = _text(rows, column, "truncate")
    cut = text.str.slice(0, at_most).str.strip_chars_end()
    return rows.with_columns(
        pl.when(text.str.len_chars() > at_most).then(cut).otherwise(text).alias(column)
    )


def _part(text: pl.Series, without: list[str], each: int | None) -> pl.Series:
    if without:
        keys = "|".join(pl.escape_regex(key) for key in without)
        pair = rf'"(?:{keys})"\s*:\s*{_VALUE}'
        # With the comma behind it, or as the last one with that before it.
        text = text.str.replace_all(rf"{pair}\s*,\s*", "")
        text = text.str.replace_all(rf"\s*,\s*{pair}\s*\}}$", "}")
        text = text.str.replace_all(rf"\{{\s*{pair}\s*\}}$", "{}")
    text = text.str.strip_chars()
    return _or_null(text if each is None else text.str.slice(0, each))


def _or_null(text: pl.Series) -> pl.Series:
    return text.set(text.is_in(["", "[]", "{}"]), None)


def _text(rows: pl.DataFrame, name: str, step: str) -> pl.Series:
    if name not in rows.columns:
        raise RecipeError(
            f"text.{step}: there is no column {name!r}.",
            allowed=rows.columns,
            hint=nearest(name, rows.columns),
        )
    return rows[name].cast(pl.String)
