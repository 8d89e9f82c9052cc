"""Whether a classifier tells the rows of train from the others (adversarial validation)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.building._measured_rows import finite
from assay.building._measured_scores import FOLDS, Floats, Integers, auc, hashed

ROWS = 2_500
"""Rows looked at of either side."""
WIDE = 200
"""Fields of numbers and categories looked at, those that differ most where there are more."""

# One thread: sides are told apart in a second, and sums must not depend on the number of cores.
_TREES = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_depth": 3,
    "eta": 0.15,
    "max_bin": 128,
    "nthread": 1,
    "seed": 0,
    "verbosity": 0,
}


@dataclass(frozen=True)
class Told:
    """How well the sides are told apart.

    Attributes:
        value: the area under the ROC curve, mean of the folds.
        low, high: a 95 % interval.
        rows: how many rows were looked at of each side, train first.
        fields: for single fields, the area under the curve of their values alone.
    """

    value: float
    low: float
    high: float
    rows: tuple[int, int]
    fields: Mapping[str, float]


def told_apart(
    sample: pl.DataFrame, kinds: Mapping[str, str], texts: Sequence[str], fold: Integers
) -> Told | None:
    """Tell train from the rest by numbers and categories, and by words; the better way counts.

    The interval takes both ways into account, by the normal approximation of DeLong's variance.
    There is none where there is nothing to tell by.

    Args:
        sample: rows with `_train` and the fields.
        kinds: `number` or `category` for the fields that are one.
        texts: the fields of free text.
        fold: the fold of each row.
    """
    train = sample["_train"].to_numpy()
    names = [name for name, kind in kinds.items() if kind != "text"]
    plain = (
        np.stack([numbered(sample[name], kinds[name]) for name in names], axis=1) if names else None
    )
    ways: list[tuple[float, float]] = []
    if plain is not None and plain.size:
        ways.append(mean_auc(by_trees(plain, train, fold), train, fold))
    if texts:
        x = hashed([sample[name] for name in texts])
        ways.append(mean_auc(by_words(x, train, fold), train, fold))
    if not ways:
        return None
    value, variance = max(ways)
    # The 97.5 % quantile of one way, the 98.75 % quantile of the better of two.
    reach = (1.96 if len(ways) == 1 else 2.2414) * float(np.sqrt(variance))
    counts = (int(train.sum()), int((~train).sum()))
    fields: dict[str, float] = {}
    if plain is not None:
        areas = [_plain_auc(column, train) for column in plain.T]
        fields = dict(zip(names, areas, strict=True))
    return Told(value, max(0.0, value - reach), min(1.0, value + reach), counts, fields)


def numbered(column: pl.Series, kind: str) -> Floats:
    """A number as it is, a category as its place by frequency."""
    if kind == "number":
        return finite(column)
    # Rarer values have higher codes, so that a tree can part them from the frequent ones.
    codes = column.cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    counts = np.bincount(codes)
    order = np.argsort(-counts, kind="stable")
    places = np.empty(len(counts))
    places[order] = np.arange(len(counts))
    found: Floats = places[codes]
    return found


def by_trees(x: Floats, train: npt.NDArray[np.bool_], fold: Integers) -> Floats:
    """How surely each row is one of train, said by trees that learned from the other folds."""
    import xgboost as xgb

    told = np.zeros(len(train))
    for number in range(FOLDS):
        here = fold == number
        if len(np.unique(train[~here])) < 2 or not here.any():
            continue
        columns = np.arange(x.shape[1])
        if len(columns) > WIDE:
            # Chosen without the rows that are judged: among many fields some differ by chance.
            apart = [abs(_plain_auc(column, train[~here]) - 0.5) for column in x[~here].T]
            columns = np.argsort(apart, kind="stable")[-WIDE:]
        known = xgb.DMatrix(x[np.ix_(~here, columns)], train[~here].astype(np.float32), nthread=1)
        model = xgb.train(_TREES, known, num_boost_round=40)
        told[here] = model.predict(xgb.DMatrix(x[np.ix_(here, columns)], nthread=1))
    return told


def by_words(x: Any, train: npt.NDArray[np.bool_], fold: Integers) -> Floats:
    """The same said by a linear model of words."""
    from sklearn.linear_model import SGDClassifier

    told = np.zeros(len(train))
    for number in range(FOLDS):
        here = fold == number
        if len(np.unique(train[~here])) < 2 or not here.any():
            continue
        # Without a tolerance it makes its rounds and does not ask whether it has converged.
        model = SGDClassifier(loss="log_loss", alpha=1e-5, max_iter=8, tol=None, random_state=0)
        told[here] = model.fit(x[~here], train[~here]).decision_function(x[here])
    return told


def mean_auc(scores: Floats, train: npt.NDArray[np.bool_], fold: Integers) -> tuple[float, float]:
    """The mean over the folds, each of which was told by a model of its own, and its variance."""
    found = [auc(scores[fold == number], train[fold == number]) for number in range(FOLDS)]
    values, variances = np.array(found).T
    return float(values.mean()), float(variances.sum() / FOLDS**2)


def _plain_auc(values: Floats, train: npt.NDArray[np.bool_]) -> float:
    known = np.isfinite(values)
    if not known.any():
        return 0.5
    return auc(np.where(known, values, np.nanmin(values) - 1), train)[0]
