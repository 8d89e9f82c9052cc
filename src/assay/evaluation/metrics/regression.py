"""How far predicted numbers are from the true ones."""

from __future__ import annotations

import numpy as np

from assay.errors import PredictionsError
from assay.evaluation.scored import (
    Floats,
    HigherIsBetter,
    LowerIsBetter,
    Proportion,
    Scored,
    mean,
    share,
    sums,
    total,
)

__all__ = ["hits", "mae", "median_ae", "r2", "rmse", "rmsle"]


def mae(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Mean absolute error, in the unit of the target.

    >>> mae(Scored(np.array([10.0, 20.0]), np.array([12.0, 16.0])), np.ones((1, 2))).tolist()
    [3.0]
    """
    return mean(scored.absolute_error, weights)


def rmse(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Root of the mean squared error, in the unit of the target; large errors weigh most.

    >>> rmse(Scored(np.array([0.0, 0.0]), np.array([3.0, 4.0])), np.ones((1, 2))).round(4).tolist()
    [3.5355]
    """
    return np.asarray(np.sqrt(mean(scored.absolute_error**2, weights)))


def rmsle(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Root mean squared difference of log(1 + value): errors relative to the size of the truth.

    Predictions below 0 count as 0.

    Raises:
        PredictionsError: a truth is below 0, where this metric means nothing.

    >>> rmsle(Scored(np.array([0.0]), np.array([np.e - 1])), np.ones((1, 1))).tolist()
    [1.0]
    """
    if scored.truth.min(initial=0.0) < 0:
        raise PredictionsError("rmsle needs a truth of at least 0", hint="use mae or rmse")
    difference = np.log1p(np.maximum(scored.predicted, 0)) - np.log1p(scored.truth)
    return np.asarray(np.sqrt(mean(difference**2, weights)))


def r2(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Share of the truth's variance that the predictions explain; below 0: worse than its mean.

    It is undefined (NaN) for fewer than two rows. Where the truth is constant it is 1 for perfect
    predictions and else 0, as in scikit-learn.

    >>> r2(Scored(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 2.0])), np.ones((1, 3))).tolist()
    [0.5]
    """
    rows = total(weights)
    # Centred first, so that what is subtracted below is small and nothing cancels.
    centred = scored.truth - scored.truth.mean()
    squares = sums(centred**2, weights)
    spread = squares - share(sums(centred, weights) ** 2, rows, empty=0.0)
    residual = sums(scored.absolute_error**2, weights)
    constant = spread <= squares * np.finfo(weights.dtype).eps * 8
    explained = 1 - residual / np.where(constant, 1, spread)
    value = np.where(constant, np.where(residual == 0, 1.0, 0.0), explained)
    return np.asarray(np.where(rows < 2, np.nan, value))


def median_ae(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Median absolute error: half of the rows are nearer, half are farther.

    >>> median_ae(Scored(np.zeros(4), np.array([1.0, 2.0, 4.0, 9.0])), np.ones((1, 4))).tolist()
    [3.0]
    """
    order = scored.error_order
    ordered = scored.absolute_error[order]
    reached = np.cumsum(np.take(weights, order, axis=1), axis=1)
    half = reached[:, -1:] / 2
    low, high = (reached >= half).argmax(axis=1), (reached > half).argmax(axis=1)
    return np.asarray((ordered[low] + ordered[high]) / 2)


def hits(
    scored: Scored, weights: Floats, *, amount: float = 40.0, share: float = 0.2
) -> Proportion:
    """Share of rows whose error is under an amount or under a share of the truth.

    Both bounds are strict. Rows with a truth of 0 have no relative error, so only the amount
    counts there.

    >>> scored = Scored(np.array([10.0, 500.0, 500.0]), np.array([49.0, 590.0, 600.0]))
    >>> hits(scored, np.ones((1, 3))).round(4).tolist()
    [0.6667]
    """
    return mean(near(scored, amount, share), weights)


def near(scored: Scored, amount: float, share: float) -> Floats:
    """(n,) 1 where the error is under the amount or under the share of the truth, else 0."""
    size = np.abs(scored.truth)
    relative = np.divide(
        scored.absolute_error, size, out=np.full(len(scored), np.inf), where=size > 0
    )
    return np.asarray((scored.absolute_error < amount) | (relative < share), dtype=np.float64)
