"""How often predicted classes are right.

Classes that neither the truth nor the predictions of a sample hold do not take part in averages.
A predicted label that is none of the known classes is wrong for its row, but is no class of its
own: scikit-learn gives the same with `labels=` the known classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from assay.errors import RecipeError
from assay.evaluation.scored import (
    Floats,
    HigherIsBetter,
    LowerIsBetter,
    Proportion,
    Scored,
    class_sums,
    mean,
    share,
    total,
)

__all__ = [
    "accuracy",
    "balanced_accuracy",
    "f1",
    "kappa",
    "mcc",
    "mean_cost",
    "precision",
    "recall",
    "specificity",
]

Average = Literal["macro", "micro", "weighted", "binary"]


def accuracy(scored: Scored, weights: Floats) -> Proportion:
    """Share of rows whose class is predicted.

    >>> accuracy(Scored(np.array([0, 1]), np.array([0, 0]), classes=("a", "b")), np.ones((1, 2)))
    array([0.5])
    """
    return mean((scored.predicted == scored.truth).astype(np.float64), weights)


def balanced_accuracy(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Mean over the true classes of the share that is found; every class counts the same.

    >>> scored = Scored(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]), classes=("a", "b"))
    >>> balanced_accuracy(scored, np.ones((1, 4))).tolist()
    [0.5]
    """
    right, _, true = _counts(scored, weights)
    return share(share(right, true, empty=0.0).sum(axis=1), (true > 0).sum(axis=1))


def precision(
    scored: Scored, weights: Floats, *, average: Average | None = None, of: str | None = None
) -> HigherIsBetter:
    """Share of the rows predicted as a class that belong to it.

    Args:
        scored: the rows.
        weights: (b, n) how often each row counts.
        average: `binary` for the positive class alone, `macro` for the mean over classes,
            `weighted` for the mean by how frequent each is, `micro` over all rows at once.
            By default `binary` where there are two classes and one is positive, else `macro`.
        of: one class, which is then held against the rest.

    A class that is never predicted has precision 0.

    >>> scored = Scored(np.array([0, 1, 1]), np.array([1, 1, 1]), classes=("a", "b"), positive=1)
    >>> precision(scored, np.ones((1, 3))).round(4).tolist()
    [0.6667]
    """
    right, predicted, true = _counts(scored, weights)
    return _averaged(scored, (average, of), right, predicted, (predicted, true))


def recall(
    scored: Scored, weights: Floats, *, average: Average | None = None, of: str | None = None
) -> HigherIsBetter:
    """Share of the rows of a class that are found.

    `average` and `of` are as for `precision`.

    >>> scored = Scored(np.array([0, 1, 1]), np.array([0, 0, 1]), classes=("a", "b"), positive=1)
    >>> recall(scored, np.ones((1, 3))).tolist()
    [0.5]
    """
    right, predicted, true = _counts(scored, weights)
    return _averaged(scored, (average, of), right, true, (predicted, true))


def f1(
    scored: Scored, weights: Floats, *, average: Average | None = None, of: str | None = None
) -> HigherIsBetter:
    """Harmonic mean of precision and recall.

    `average` and `of` are as for `precision`.

    >>> scored = Scored(np.array([0, 1, 1]), np.array([0, 0, 1]), classes=("a", "b"), positive=1)
    >>> f1(scored, np.ones((1, 3))).round(4).tolist()
    [0.6667]
    """
    right, predicted, true = _counts(scored, weights)
    return _averaged(scored, (average, of), 2 * right, predicted + true, (predicted, true))


def specificity(
    scored: Scored, weights: Floats, *, average: Average | None = None, of: str | None = None
) -> HigherIsBetter:
    """Share of the rows outside a class that are not taken for it.

    `average` and `of` are as for `precision`.

    >>> scored = Scored(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=("a", "b"), positive=1)
    >>> specificity(scored, np.ones((1, 3))).tolist()
    [0.5]
    """
    right, predicted, true = _counts(scored, weights)
    outside = total(weights)[:, None] - true
    kept = outside - (predicted - right)
    return _averaged(scored, (average, of), kept, outside, (predicted, true))


def mcc(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Correlation of truth and prediction (Matthews); 0 is chance, 1 is perfect.

    Where the truth or the predictions are of one class only it is 0, as in scikit-learn.

    Reference: Gorodkin (2004), Computational Biology and Chemistry 28:367-374.

    >>> scored = Scored(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), classes=("a", "b"))
    >>> mcc(scored, np.ones((1, 4))).round(4).tolist()
    [0.5774]
    """
    right, predicted, true = _counts(scored, weights)
    rows = total(weights)
    # Labels that are no class are one more predicted class, which is never true.
    unknown = rows - predicted.sum(axis=1)
    shared = right.sum(axis=1) * rows - (predicted * true).sum(axis=1)
    of_truth = rows**2 - (true**2).sum(axis=1)
    of_prediction = rows**2 - (predicted**2).sum(axis=1) - unknown**2
    product = np.maximum(of_truth, 0) * np.maximum(of_prediction, 0)
    return np.where(rows > 0, share(shared, np.sqrt(product), empty=0.0), np.nan)


def kappa(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Agreement of truth and prediction beyond what chance would give (Cohen).

    It is undefined (NaN) where both are of one and the same class throughout.

    Reference: Cohen (1960), Educational and Psychological Measurement 20:37-46.

    >>> scored = Scored(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), classes=("a", "b"))
    >>> kappa(scored, np.ones((1, 4))).tolist()
    [0.5]
    """
    right, predicted, true = _counts(scored, weights)
    rows = total(weights)
    by_chance = share((predicted * true).sum(axis=1), rows**2)
    return share(share(right.sum(axis=1), rows) - by_chance, 1 - by_chance)


def mean_cost(
    scored: Scored, weights: Floats, *, costs: Mapping[str, Mapping[str, float]] | None = None
) -> LowerIsBetter:
    """Mean cost of the predictions, where some errors cost more than others.

    Args:
        scored: the rows.
        weights: (b, n) how often each row counts.
        costs: for a true class what each predicted class costs: `{ham: {spam: 10}}`. What is not
            named costs 1, and nothing where it is right.

    A predicted label that is no class costs as much as the dearest of its row.

    Raises:
        PredictionsError: a class does not exist.

    >>> scored = Scored(np.array([0, 1]), np.array([1, 0]), classes=("ham", "spam"))
    >>> mean_cost(scored, np.ones((1, 2)), costs={"ham": {"spam": 10}}).tolist()
    [5.5]
    """
    k = len(scored.classes)
    table = 1 - np.eye(k)
    for true, row in (costs or {}).items():
        for predicted, price in row.items():
            table[scored.code(true), scored.code(predicted)] = price
    # Code -1 reads the last column.
    table = np.column_stack([table, table.max(axis=1)])
    return mean(table[scored.truth, scored.predicted], weights)


def _counts(scored: Scored, weights: Floats) -> tuple[Floats, ...]:
    """(b, k) rows that are rightly of each class, predicted as it, truly of it."""

    def count() -> tuple[Floats, ...]:
        predicted, true = scored.predicted, scored.truth
        right = np.where(predicted == true, predicted, -1)
        return tuple(class_sums([right, predicted, true], weights, len(scored.classes)))

    return scored.remembered("counts", weights, count)


def _averaged(
    scored: Scored,
    asked: tuple[Average | None, str | None],
    part: Floats,
    whole: Floats,
    seen: tuple[Floats, Floats],
) -> Floats:
    (predicted, true), (average, of) = seen, asked
    if of is not None:
        code = scored.code(of)
        return share(part[:, code], whole[:, code], empty=0.0)
    binary = len(scored.classes) == 2 and scored.positive is not None
    if average == "binary" and not binary:
        raise RecipeError(
            "The average `binary` needs two classes of which one is named as positive.",
            received=scored.classes,
            hint="name it with `positive`, or use `average: macro`",
        )
    if average == "binary" or (average is None and binary):
        assert scored.positive is not None
        return share(part[:, scored.positive], whole[:, scored.positive], empty=0.0)
    if average == "micro":
        return share(part.sum(axis=1), whole.sum(axis=1), empty=0.0)
    values = share(part, whole, empty=0.0)
    if average == "weighted":
        return share((values * true).sum(axis=1), true.sum(axis=1))
    return share(values.sum(axis=1), ((predicted + true) > 0).sum(axis=1))
