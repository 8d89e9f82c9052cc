"""How well predicted sets of labels are the true ones; the order inside a set means nothing."""

from __future__ import annotations

from typing import Literal

import numpy as np
import polars as pl

from assay.evaluation.scored import (
    Floats,
    HigherIsBetter,
    LowerIsBetter,
    Proportion,
    Scored,
    mean,
    share,
    sums,
)

__all__ = ["hamming_loss", "jaccard", "labels_exact", "labels_f1"]

_Counts = tuple[Floats, Floats, Floats]


def labels_exact(scored: Scored, weights: Floats) -> Proportion:
    """Share of rows whose set of labels is exactly the true one.

    >>> scored = Scored(np.array(['["a"]', '["a"]']), np.array(['["a"]', '["a", "b"]']))
    >>> labels_exact(scored, np.ones((1, 2))).tolist()
    [0.5]
    """
    right, predicted, true = _counts(scored)
    return mean(((right == predicted) & (right == true)).astype(np.float64), weights)


def labels_f1(
    scored: Scored, weights: Floats, *, average: Literal["samples", "micro", "macro"] = "micro"
) -> HigherIsBetter:
    """Harmonic mean of the precision and the recall of labels.

    Args:
        scored: the rows.
        weights: (b, n) how often each row counts.
        average: `micro` over all labels of all rows at once, `samples` for the mean over rows,
            `macro` for the mean over labels.

    Empty sets on both sides are right.

    >>> scored = Scored(np.array(['["a"]', '["a"]']), np.array(['["a"]', '["a", "b"]']))
    >>> labels_f1(scored, np.ones((1, 2))).tolist()
    [0.8]
    """
    if average == "macro":
        right, predicted, true = _label_sums(scored, weights)
        seen = (predicted + true) > 0
        values = share(2 * right, predicted + true, empty=0.0)
        return share(values.sum(axis=1), seen.sum(axis=1))
    right, predicted, true = _counts(scored)
    if average == "samples":
        whole = predicted + true
        value = np.divide(2 * right, whole, out=np.ones(len(scored)), where=whole > 0)
        return mean(value, weights)
    return share(2 * sums(right, weights), sums(predicted + true, weights))


def jaccard(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Mean over rows of shared labels by all labels of either set; 1 where both are empty.

    >>> scored = Scored(np.array(['["a"]', '["a"]']), np.array(['["a"]', '["a", "b"]']))
    >>> jaccard(scored, np.ones((1, 2))).tolist()
    [0.75]
    """
    right, predicted, true = _counts(scored)
    either = predicted + true - right
    return mean(np.divide(right, either, out=np.ones(len(scored)), where=either > 0), weights)


def hamming_loss(scored: Scored, weights: Floats, *, labels: int | None = None) -> LowerIsBetter:
    """Mean over rows of the labels that are wrong or lacking, as a share of all known labels.

    Args:
        scored: the rows.
        weights: (b, n) how often each row counts.
        labels: how many labels there are; those that stand in any row if not given.

    >>> scored = Scored(np.array(['["a"]', '["b"]']), np.array(['["a"]', '["a", "b"]']))
    >>> hamming_loss(scored, np.ones((1, 2))).tolist()
    [0.25]
    """
    right, predicted, true = _counts(scored)
    known = labels or _items(scored)["label"].n_unique() or 1
    return mean((predicted + true - 2 * right) / known, weights)


def _items(scored: Scored) -> pl.DataFrame:
    """Row, label's code, and whether it is predicted and true, for every label of every row."""
    if "labels" not in scored.kept:
        from assay.evaluation.lists import listed

        sides = [
            listed(values).select("row", "item", pl.lit(True).alias(name))
            for name, values in (("predicted", scored.predicted), ("true", scored.truth))
        ]
        both = sides[0].join(sides[1], on=["row", "item"], how="full", coalesce=True)
        scored.kept["labels"] = both.select(
            "row",
            pl.col("predicted", "true").fill_null(False),
            label=pl.col("item").rank("dense").cast(pl.Int64) - 1,
        )
    items: pl.DataFrame = scored.kept["labels"]
    return items


def _counts(scored: Scored) -> _Counts:
    """(n,) labels of each row that are rightly predicted, predicted, true."""
    items = _items(scored)
    rows = items["row"].to_numpy()
    predicted, true = items["predicted"].to_numpy(), items["true"].to_numpy()
    right, said, meant = (
        np.bincount(rows, weights=which, minlength=len(scored)).astype(np.float64)
        for which in (predicted & true, predicted, true)
    )
    return right, said, meant


def _label_sums(scored: Scored, weights: Floats) -> _Counts:
    """(b, k) the same for each label instead of each row."""
    items = _items(scored)
    rows, codes = items["row"].to_numpy(), items["label"].to_numpy()
    k = int(codes.max()) + 1 if len(codes) else 1
    predicted, true = items["predicted"].to_numpy(), items["true"].to_numpy()
    tables = []
    for which in (predicted & true, predicted, true):
        table = np.zeros((len(scored), k))
        table[rows[which], codes[which]] = 1
        tables.append(sums(table, weights))
    return tables[0], tables[1], tables[2]
