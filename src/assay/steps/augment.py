"""Augmentation: synthetic rows of train, each with the real row that it was made from."""

from __future__ import annotations

import itertools
from typing import Any, Literal

import numpy as np
import polars as pl

from assay.component import Column, Columns, Expression, Kept, Learned
from assay.errors import RecipeError
from assay.rows import evaluate_expression, row_ids, uniform
from assay.steps import _augment_table, _augment_words
from assay.steps._augment_files import synonyms_of
from assay.steps._balance_learn import PARENT, known, needed, others, train_places

__all__ = ["table", "text"]

# So many characters are worked on at once; what becomes of a text does not depend on it.
_CHARACTERS = 4_000_000
_SHOWN = 120


def text(  # noqa: PLR0913 - each is one thing to say about copies
    table: Kept,
    *,
    columns: Columns,
    ways: list[Literal["typos", "drop", "swap", "synonyms", "case", "units"]] | None = None,
    copies: int = 1,
    share: float = 1.0,
    strength: float = 0.1,
    synonyms: str | dict[str, list[str]] | None = None,
    only: Expression | None = None,
    seed: int = 0,
) -> Learned:
    """Add copies of train's rows whose texts differ in some words.

    Numbers stay what they are, and so does the word behind a number, which says what it counts;
    only `units` writes measurements in another way, and says the same by it. Negations stay.
    Where a script has no spaces (Chinese, Japanese, Thai) each character counts as a word. A
    copy in which nothing could be changed, and one that equals another, is not made. After Wei &
    Zou 2019 (EDA) and, for typos, Belinkov & Bisk 2018.

    Args:
        table: any frame; only rows whose `_split` is train are copied.
        columns: the texts to change; all other fields are the parent's.
        ways: what may happen to a word. `typos` leaves a letter out, doubles it, exchanges it
            with the next or hits the key beside it, in words of four letters or more and never
            first; `drop` leaves the word out; `swap` exchanges it with the next one; `synonyms`
            puts another word in its place; `case` changes its capitals; `units` writes `12 in` as
            `12 inches` or `1 kg` as `1000 g`. Without it: typos, drop and swap.
        copies: how many are made of a row.
        share: the share of the rows that are copied.
        strength: the chance that a word which can be changed is; one of them always is.
        synonyms: other words for words in small letters, or a file of them: JSON or YAML of the
            same form, or lines of words that may stand for one another, with commas between.
        only: a SQL expression; rows for which it is not true are not copied.
        seed: another seed makes other copies.

    Returns:
        `added`, with `_parent` and the columns. The findings count the words that were changed in
        each way and show three examples.

    Raises:
        RecipeError: a column is missing or not text, a number is out of range, or `synonyms` are
            asked for and not given.

    >>> rows = pl.DataFrame({"t": ["A sturdy shelf, 12 in wide", None, "7"]})
    >>> text(rows, columns=["t"], ways=["units"]).added["t"].to_list()
    ['A sturdy shelf, 12 inches wide']
    """
    names = known(table, columns, "augment.text")
    for name in names:
        if table[name].dtype not in (pl.String, pl.Null):
            raise RecipeError(
                f"augment.text: the column {name!r} is not text.",
                received=str(table[name].dtype),
                allowed="columns of type String",
            )
    if copies < 1 or not 0 <= share <= 1 or not 0 < strength <= 1 or ways == [] or not names:
        raise RecipeError(
            "augment.text needs columns, ways, one copy or more, a share of 0 to 1, and a strength "
            "above 0 and up to 1.",
            received={"copies": copies, "share": share, "strength": strength, "ways": ways},
        )
    chosen = list(dict.fromkeys(ways or ("typos", "drop", "swap")))
    if ("synonyms" in chosen) != (synonyms is not None):
        raise RecipeError(
            "augment.text: the way `synonyms` and the parameter `synonyms` go together.",
            received={"ways": chosen, "synonyms": synonyms},
            hint="give a file or a mapping, for instance {big: [large, huge]}",
        )
    words = synonyms_of(synonyms, "augment.text")
    parents = _parents(table, only, share, seed)
    rows = row_ids(table)[parents]
    counts: dict[str, int] = dict.fromkeys(chosen, 0)
    parts: list[pl.DataFrame] = []
    for copy in range(copies):
        made = [rows.alias(PARENT)]
        for name in names:
            column, changes = _in_parts(
                table[name].cast(pl.String)[parents],
                rows,
                ways=chosen,
                strength=strength,
                synonyms=words,
                seed=seed,
                purpose=f"augment.text/{name}/{copy}",
            )
            made.append(column)
            counts = {way: count + changes[way] for way, count in counts.items()}
        parts.append(pl.DataFrame(made))
    before = table.select(names)[parents].with_columns(rows.alias(PARENT))
    added = pl.concat([part.filter(_differs(part, before, names)) for part in parts])
    added = added.unique(maintain_order=True)
    shown = added.head(3).join(before.unique(PARENT), on=PARENT, how="left", suffix=" before")
    findings: dict[str, Any] = {
        "copied": int(added[PARENT].n_unique()),
        "rows": added.height,
        "words": counts,
        "examples": [
            _where_they_part(row[f"{name} before"], row[name])
            for row in shown.iter_rows(named=True)
            for name in names[:1]
            if row[name] is not None
        ],
    }
    return Learned(added=added, findings=findings)


def table(
    table: Kept,
    *,
    columns: Columns | None = None,
    target: Column | None = None,
    method: Literal["noise", "copula"] = "noise",
    n: int | None = None,
    share: float | None = None,
    strength: float = 0.1,
    seed: int = 0,
) -> Learned:
    """Add synthetic rows of numbers and categories to train, made within each class.

    `noise` copies a real row and moves its numbers a little; some of its categories are replaced
    by those of another row of the class. `copula` draws whole rows from a Gaussian copula (Sklar
    1959; Nelsen 2006) fitted to each class: every column keeps the distribution that it has in
    train, and the columns hang together by the correlation of their normal scores.

    Numbers stay within what train's class shows, whole numbers stay whole, and no number gets
    more decimals than train has. Missing cells stay missing: in `noise` the parent's, in
    `copula` those of a row drawn from the class. A target that is a number makes one class of
    all rows; `noise` leaves it alone, and `copula` draws it with the other columns.

    Args:
        table: any frame; learned from the rows whose `_split` is train.
        columns: numbers, booleans and categories; texts, dates and lists are the parent's in any
            case. All fields without it.
        target: the column of classes, or a number.
        method: `noise` or `copula`.
        n: how many rows are made.
        share: instead of `n`, as a share of train's rows; 1 when neither is given.
        strength: of `noise`: the standard deviation of what is added, in standard deviations of
            the class, and the chance that a category is replaced.
        seed: another seed makes other rows.

    Returns:
        `added`, with `_parent` and the columns. The parent of `noise` is the row that was copied;
        each is copied as often as the others, give or take one. The parent of `copula` is a row
        of the class that is near by the columns' normal scores, and lends all other fields.

    Raises:
        RecipeError: an unknown column, no column to vary, or a number out of range.

    >>> rows = pl.DataFrame({"kind": ["a"] * 4, "size": [10, 20, 30, 40]})
    >>> added = table(rows, target="kind", method="copula", n=5).added
    >>> added.height, added["size"].is_between(10, 40).all()
    (5, True)
    """
    known(table, columns or [], "augment.table")
    if target is not None:
        needed(target, table, "augment.table")
    if n is not None and share is not None:
        raise RecipeError("augment.table needs `n` or `share`, and not both.")
    if (n or 0) < 0 or not (share or 0.0) >= 0 or not 0 < strength <= 1:
        raise RecipeError(
            "augment.table: `n` and `share` are 0 or more, `strength` is above 0 and up to 1.",
            received={"n": n, "share": share, "strength": strength},
        )
    places = train_places(table)
    train = table[places]
    wanted = n if n is not None else round(len(places) * (1.0 if share is None else share))
    names = columns if columns is not None else others(table, target)
    return _augment_table.synthetic(
        train,
        row_ids(table)[places],
        names=[name for name in dict.fromkeys(names) if name != target],
        target=target,
        method=method,
        wanted=wanted,
        strength=strength,
        seed=seed,
    )


def _parents(table: pl.DataFrame, only: str | None, share: float, seed: int) -> pl.Series:
    """The places of train's rows that are copied, in the order of their ids."""
    places = train_places(table)
    if only is not None:
        true = evaluate_expression(table, only).cast(pl.Boolean).fill_null(False)
        if len(true) == 1 and table.height != 1:
            true = true.new_from_index(0, table.height)
        places = places[true.to_numpy()[places]]
    rows = row_ids(table).to_numpy()[places]
    number = uniform(rows, seed, "augment.text")
    taken = np.argsort(number, kind="stable")[: round(len(places) * share)]
    return pl.Series(places[np.sort(taken)])


def _differs(part: pl.DataFrame, before: pl.DataFrame, names: list[str]) -> pl.Series:
    """Whether any of the columns is not what it was."""
    if part.is_empty():
        return pl.Series([], dtype=pl.Boolean)
    return (
        pl.DataFrame([part[name].ne_missing(before[name]) for name in names])
        .select(pl.any_horizontal(pl.all()))
        .to_series()
    )


def _where_they_part(before: str, after: str) -> dict[str, str]:
    """Both texts around the first character in which they differ."""
    # A loop over characters, of the three texts that are shown.
    pairs = enumerate(zip(before, after, strict=False))
    same = next((at for at, (left, right) in pairs if left != right), len(after))
    start = max(0, same - _SHOWN // 2)
    return {"before": before[start : start + _SHOWN], "after": after[start : start + _SHOWN]}


def _in_parts(
    texts: pl.Series, rows: pl.Series, **settings: Any
) -> tuple[pl.Series, dict[str, int]]:
    """Change the texts, so many characters at a time, since each word becomes a row meanwhile."""
    sizes = texts.str.len_bytes().fill_null(0).cum_sum()
    part = (sizes // _CHARACTERS).rle_id() if len(texts) else sizes
    starts = [*part.is_first_distinct().arg_true().to_list(), len(texts)]
    made: list[pl.Series] = [texts.head(0)]
    counts: dict[str, int] = dict.fromkeys(settings["ways"], 0)
    for start, stop in itertools.pairwise(starts):
        size = stop - start
        new, changes = _augment_words.altered(
            texts.slice(start, size), rows.slice(start, size), **settings
        )
        made.append(new)
        counts = {way: count + changes[way] for way, count in counts.items()}
    return pl.concat(made), counts
