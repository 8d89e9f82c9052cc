"""Outliers: rows far from the others, as learned from train, are set aside."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from assay.component import Columns, Kept, Learned
from assay.errors import RecipeError, nearest
from assay.rows import row_ids
from assay.steps._far import Flags, Floats, forest_distances, robust_z, text_distances

__all__ = ["drop"]

THRESHOLDS = {"robust_z": 6.0, "isolation_forest": 4.0, "embedding": 5.0}


def drop(
    table: Kept,
    *,
    columns: Columns | None = None,
    method: Literal["robust_z", "isolation_forest", "embedding"] = "robust_z",
    threshold: float | None = None,
    embedding: str = "hashed",
    splits: list[str] | None = None,
    most: float = 0.1,
    seed: int = 0,
) -> Learned:
    """Set aside rows that are far from the others in a number, in all numbers or in their texts.

    What is far is learned from the train rows only. `robust_z` measures each number from the
    median in units of the median absolute deviation, on the scale of logarithms where a field is
    skewed (Iglewicz & Hoaglin 1993); a row's value is that of its farthest field.
    `isolation_forest` looks at all numbers together (Liu, Ting & Zhou 2008). `embedding` measures
    how unlike a row's texts are to those most like them.

    Args:
        table: any frame; without `_split` all rows are train.
        columns: what is looked at; by default all numbers, or all texts for `embedding`.
        method: how.
        threshold: the largest distance that stays, in robust standard deviations: of the numbers
            (6 by default), of the forest's score (4), of the distance between texts (5).
        embedding: what turns texts into vectors: `hashed`, `wordllama` or an endpoint's address.
        splits: where outliers are set aside; by default in `train` only, since a test set without
            them says nothing about them.
        most: the largest share of the rows in `splits` that may go.
        seed: another seed grows other trees and draws other texts to compare with.

    Returns:
        Decisions: `rule` is `outlier` or null, `value` the distance of every row in
        `splits`, `threshold` the largest that stays. Findings: how many rows each field set aside.

    Raises:
        RecipeError: an unknown column, one of the wrong type, a parameter out of range, or more
            outliers than `most` allows.

    >>> rows = pl.DataFrame({"price": [10.0 + n % 13 for n in range(99)] + [9000.0]})
    >>> drop(rows).decisions["rule"].to_list()[-2:]
    [None, 'outlier']
    """
    limit = THRESHOLDS[method] if threshold is None else threshold
    if limit <= 0 or not 0 < most <= 1:
        raise RecipeError(
            "outliers.drop: `threshold` is above 0, `most` above 0 and at most 1.",
            received={"threshold": limit, "most": most},
        )
    names = _columns(table, columns, texts=method == "embedding")
    learn = _in(table, ["train"])
    judged = _in(table, ["train"] if splits is None else splits)
    rows = row_ids(table)
    value, by_field = np.zeros(table.height), dict[str, int]()
    if names and table.height:
        if method == "robust_z":
            value, by_field = _farthest(table, names, learn, judged, limit)
        elif method == "isolation_forest":
            numbers = table.select(pl.col(names).cast(pl.Float64)).to_numpy()
            value = forest_distances(numbers, learn, rows, seed)
        else:
            texts = [table[name] for name in names]
            value = text_distances(texts, learn, rows, seed, embedding)
    out = judged & (value > limit)
    if out.sum() > most * judged.sum():
        raise RecipeError(
            f"outliers.drop: {out.sum():,} of {judged.sum():,} rows are outliers, more than "
            "`most` allows.",
            received={"most": most, "share": round(float(out.sum() / judged.sum()), 4)},
            hint="so many are a part of the data: raise `threshold`, name other `columns`, or "
            "raise `most`",
        )
    decisions = pl.DataFrame({"out": out, "judged": judged, "value": value}).select(
        rule=pl.when("out").then(pl.lit("outlier")),
        value=pl.when("judged").then("value"),
        threshold=pl.when("judged").then(pl.lit(limit, pl.Float64)),
    )
    findings = {"method": method, "columns": names, "outliers": int(out.sum()), "fields": by_field}
    return Learned(decisions=decisions, findings=findings)


def _farthest(
    table: pl.DataFrame, names: list[str], learn: Flags, judged: Flags, limit: float
) -> tuple[Floats, dict[str, int]]:
    value, by_field = np.zeros(table.height), dict[str, int]()
    for name in names:
        z = robust_z(table[name].cast(pl.Float64).to_numpy(), learn)
        if z is not None:
            far = np.abs(z)
            count = int((judged & (far > limit)).sum())
            by_field |= {name: count} if count else {}
            value = np.maximum(value, far)
    return value, by_field


def _columns(table: pl.DataFrame, columns: list[str] | None, *, texts: bool) -> list[str]:
    fields = [name for name in table.columns if not name.startswith("_") and name != "row_id"]
    schema = table.schema  # made anew at every look, which a frame of many columns feels
    fits = [
        name
        for name in fields
        if (schema[name] == pl.String if texts else schema[name].is_numeric())
    ]
    if columns is None:
        return fits
    for name in columns:
        if name not in table.columns:
            raise RecipeError(
                f"outliers.drop: there is no column {name!r}.",
                allowed=fields,
                hint=nearest(name, fields),
            )
        if name not in fits and schema[name] != pl.Null:
            raise RecipeError(
                f"outliers.drop: the column {name!r} holds no {'text' if texts else 'numbers'}.",
                received=str(schema[name]),
                allowed=fits or None,
                hint="`method: embedding` looks at texts, the others at numbers",
            )
    return [name for name in columns if name in fits]


def _in(table: pl.DataFrame, splits: list[str]) -> Flags:
    if "_split" not in table.columns:
        return np.full(table.height, "train" in splits)
    return table["_split"].is_in(splits).fill_null(False).to_numpy()
