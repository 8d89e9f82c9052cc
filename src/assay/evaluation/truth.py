"""The rows that predictions are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from assay.errors import PredictionsError, nearest
from assay.evaluation.lists import lists
from assay.evaluation.values import all_numbers, in_order, labels, numbers, texts

Task = Literal["number", "class", "ranking", "labels", "text"]
_READ = {
    "number": numbers,
    "class": labels,
    "ranking": lists,
    "labels": lists,
    "text": texts,
}
_IDS = ("row_id", "id")
_POSITIVES = (("0", "1"), ("false", "true"), ("no", "yes"))
"""Pairs of which the second is the positive class unless another is named."""
_ROWS_TO_TELL = 10


@dataclass(frozen=True, eq=False)
class Truth:
    """The true values of the held-out rows.

    Attributes:
        ids: String, one for each row, without repeats.
        values: Float64 for numbers, String for classes and texts, JSON texts for lists of items
            (`ranking`, where their order counts, and `labels`, where it does not).
        task: what is predicted.
        target: the name of what is predicted.
        classes: known labels; those of the values and of `proba_` columns are added.
        positive: of two classes, the one that metrics are about.
        inputs: the rows' other fields, shown beside the worst predictions.
        name: of the data.
        version: of the data, if it has one.
        unit: of the target.
        split: which rows these are.
        groups: what keeps rows together: rows of one group are resampled together.
        weights: how much each row counts.
    """

    ids: pl.Series
    values: pl.Series
    task: Task
    target: str = "target"
    classes: tuple[str, ...] = ()
    positive: str | None = None
    inputs: pl.DataFrame | None = None
    name: str = "evaluation"
    version: str | None = None
    unit: str | None = None
    split: str = "test"
    groups: pl.Series | None = None
    weights: pl.Series | None = None


def truth_from(
    table: pl.DataFrame,
    *,
    id: str,
    target: str | None = None,
    task: Task | None = None,
    positive: str | None = None,
    name: str = "evaluation",
    groups: str | None = None,
    weights: str | None = None,
) -> Truth:
    """Take ids and true values out of a table.

    The task is `class` if a positive class is named, if the values are not all numbers, or if
    ten rows or more hold no more than two whole numbers; else it is `number`.

    Raises:
        PredictionsError: a column is missing, an id is missing or stands twice, or the target
            cannot be told.

    >>> table = pl.DataFrame({"id": ["a", "b", "c"], "price": ["$3", "4", "5"]})
    >>> truth_from(table, id="id", task="number").values.to_list()
    [3.0, 4.0, 5.0]
    """
    if not table.height:
        raise PredictionsError("The truth holds no rows.", where=name)
    beside = [column for column in (groups, weights) if column is not None]
    target = target or _target(table.drop(beside, strict=False), id)
    needed(table, [id, target, *beside], "the truth")
    ids = labels(table[id])
    unique_ids(ids, "the truth")
    raw = table[target]
    if task is None:
        task = "number" if positive is None and _is_quantity(raw) else "class"
    return Truth(
        ids=ids.alias("row_id"),
        values=_READ[task](raw),
        task=task,
        target=target,
        positive=positive,
        inputs=table.drop(id, target),
        name=name,
        groups=None if groups is None else labels(table[groups]).alias(groups),
        weights=None if weights is None else _weights(table[weights], ids),
    )


def _weights(values: pl.Series, ids: pl.Series) -> pl.Series:
    read = numbers(values).alias(values.name)
    bad = read.is_null() | (read < 0)
    if bad.any():
        place = int(bad.arg_max() or 0)
        raise PredictionsError(
            f"{int(bad.sum()):,} of {len(read):,} rows have no weight of at least 0.",
            where=f"the truth, column {values.name!r}, row {ids[place]}",
            received=values[place],
        )
    if not read.sum() > 0:
        raise PredictionsError("All weights are 0.", where=f"the truth, column {values.name!r}")
    return read


def id_column(truth: pl.DataFrame, predictions: Sequence[pl.DataFrame], id: str | None) -> str:
    """The column that says which prediction belongs to which row.

    Raises:
        PredictionsError: it is not in every table, or none is named and there is no `row_id` or
            `id` everywhere.

    >>> frame = pl.DataFrame({"id": [1], "x": [2]})
    >>> id_column(frame, [frame], None)
    'id'
    """
    if id is not None:
        needed(truth, [id], "the truth")
        for table in predictions:
            needed(table, [id], "the predictions")
        return id
    for name in _IDS:
        if all(name in table.columns for table in (truth, *predictions)):
            return name
    shared = [c for c in truth.columns if all(c in table.columns for table in predictions)]
    raise PredictionsError(
        "It cannot be told which prediction belongs to which row.",
        received=f"the columns that all tables share: {', '.join(shared) or 'none'}",
        allowed="a column `row_id` or `id` in every table",
        hint=f"name it: `--id {shared[0] if shared else 'COLUMN'}`",
    )


def needed(table: pl.DataFrame, columns: Sequence[str], where: str) -> None:
    """Refuse a table that lacks a column."""
    for column in columns:
        if column not in table.columns:
            raise PredictionsError(
                f"There is no column {column!r}.",
                where=where,
                allowed=table.columns,
                hint=nearest(column, table.columns),
            )


def unique_ids(ids: pl.Series, where: str) -> None:
    """Refuse ids that are missing or stand more than once."""
    if ids.null_count():
        raise PredictionsError(
            f"{ids.null_count():,} of {len(ids):,} rows have no id.", where=where
        )
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        raise PredictionsError(
            f"{twice.n_unique():,} ids stand more than once, in {len(twice):,} of "
            f"{len(ids):,} rows.",
            where=where,
            received=", ".join(twice.unique(maintain_order=True).head(5)),
            hint="keep one row for each id; several models need a column `model`",
        )


def classes_of(truth: Truth, tables: Sequence[pl.DataFrame]) -> tuple[str, ...]:
    """Every label of the truth and of the predictions' `proba_` columns, in order."""
    if truth.task != "class":
        return ()
    named = {label for table in tables for label in proba_columns(table)}
    return in_order({*truth.classes, *truth.values.drop_nulls().unique(), *named})


def positive_of(classes: tuple[str, ...], positive: str | None) -> str | None:
    """The positive class: the one named, or 1 of 0/1, true of false/true, yes of no/yes.

    Raises:
        PredictionsError: the one named is no class.

    >>> positive_of(("0", "1"), None), positive_of(("cat", "dog"), None)
    ('1', None)
    """
    if positive is None:
        return classes[1] if tuple(label.lower() for label in classes) in _POSITIVES else None
    wanted = labels(pl.Series([positive]))[0]
    if wanted not in classes:
        raise PredictionsError(
            f"The positive class {positive!r} is none of the classes.",
            allowed=classes,
            hint=nearest(str(positive), classes),
        )
    return str(wanted)


def proba_columns(table: pl.DataFrame) -> dict[str, str]:
    """Label to column, for the columns that are named `proba_<class>`.

    >>> proba_columns(pl.DataFrame({"proba_1.0": [0.5], "x": [1]}))
    {'1': 'proba_1.0'}
    """
    columns = [c for c in table.columns if c.startswith("proba_") and len(c) > 6]
    plain = labels(pl.Series([c.removeprefix("proba_") for c in columns], dtype=pl.String))
    return {str(label): column for label, column in zip(plain, columns, strict=True)}


def _is_quantity(values: pl.Series) -> bool:
    if not all_numbers(values):
        return False
    distinct = labels(values.drop_nulls().unique().head(3))
    whole = bool(distinct.str.contains(r"^[-+]?\d+$").all())
    return not (whole and len(distinct) <= 2 and len(values) >= _ROWS_TO_TELL)


def _target(table: pl.DataFrame, id: str) -> str:
    others: list[Any] = [column for column in table.columns if column != id]
    for name in ("target", "truth", "label"):
        if name in others:
            return name
    if len(others) == 1:
        return str(others[0])
    raise PredictionsError(
        "It cannot be told which column holds the true value.",
        where="the truth",
        allowed=others,
        hint="name it: `--target COLUMN`",
    )
