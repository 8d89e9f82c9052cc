"""How often predicted classes are right.

Classes that neither the truth nor the predictions of a sample hold do not take part in averages.
A predicted label that is none of the known classes is wrong for its row, but is no class of its
own: scikit-learn gives the same with `labels=` the known classes.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from assay.errors import RecipeError
from assay.evaluation.scored import (
    Floats,
    HigherIsBetter,
    Proportion,
    Scored,
    class_sums,
    mean,
    share,
)

__all__ = ["accuracy", "balanced_accuracy", "f1", "precision", "recall"]

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


def precision(scored: Scored, weights: Floats, *, average: Average | None = None) -> HigherIsBetter:
    """Share of the rows predicted as a class that belong to it.

    Args:
        scored: the rows.
        weights: (b, n) how often each row counts.
        average: `binary` for the positive class alone, `macro` for the mean over classes,
            `weighted` for the mean by how frequent each is, `micro` over all rows at once.
            By default `binary` where there are two classes and one is positive, else `macro`.

    A class that is never predicted has precision 0.

    >>> scored = Scored(np.array([0, 1, 1]), np.array([1, 1, 1]), classes=("a", "b"), positive=1)
    >>> precision(scored, np.ones((1, 3))).round(4).tolist()
    [0.6667]
    """
    right, predicted, true = _counts(scored, weights)
    return _averaged(scored, average, right, predicted, (predicted, true))


def recall(scored: Scored, weights: Floats, *, average: Average | None = None) -> HigherIsBetter:
    """Share of the rows of a class that are found.

    `average` is as for `precision`.

    >>> scored = Scored(np.array([0, 1, 1]), np.array([0, 0, 1]), classes=("a", "b"), positive=1)
    >>> recall(scored, np.ones((1, 3))).tolist()
    [0.5]
    """
    right, predicted, true = _counts(scored, weights)
    return _averaged(scored, average, right, true, (predicted, true))


def f1(scored: Scored, weights: Floats, *, average: Average | None = None) -> HigherIsBetter:
    """Harmonic mean of precision and recall.

    `average` is as for `precision`.

    >>> scored = Scored(np.array([0, 1, 1]), np.array([0, 0, 1]), classes=("a", "b"), positive=1)
    >>> f1(scored, np.ones((1, 3))).round(4).tolist()
    [0.6667]
    """
    right, predicted, true = _counts(scored, weights)
    return _averaged(scored, average, 2 * right, predicted + true, (predicted, true))


def _counts(scored: Scored, weights: Floats) -> tuple[Floats, ...]:
    """(b, k) rows that are rightly of each class, predicted as it, truly of it."""

    def count() -> tuple[Floats, ...]:
        predicted, true = scored.predicted, scored.truth
        right = np.where(predicted == true, predicted, -1)
        return tuple(class_sums([right, predicted, true], weights, len(scored.classes)))

    return scored.remembered("counts", weights, count)


def _averaged(
    scored: Scored,
    average: Average | None,
    part: Floats,
    whole: Floats,
    seen: tuple[Floats, Floats],
) -> Floats:
    predicted, true = seen
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
