"""How far predicted numbers are from the true ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.errors import PredictionsError
from assay.evaluation.scored import (
    Floats,
    HasAnAim,
    HigherIsBetter,
    LowerIsBetter,
    Proportion,
    Scored,
    mean,
    share,
    sums,
    total,
)

__all__ = [
    "calibration_slope",
    "explained_variance",
    "hits",
    "interval_coverage",
    "interval_width",
    "mae",
    "mape",
    "max_error",
    "median_ae",
    "quantile_loss",
    "r2",
    "rmse",
    "rmsle",
    "smape",
]


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
    spread, constant = _spread(scored.truth - scored.truth.mean(), weights)
    residual = sums(scored.absolute_error**2, weights)
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


def mape(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Mean absolute error as a share of the truth; 0.1 is 10 %.

    Raises:
        PredictionsError: a truth is 0, of which nothing is a share.

    >>> mape(Scored(np.array([10.0, 20.0]), np.array([12.0, 16.0])), np.ones((1, 2))).tolist()
    [0.2]
    """
    if not scored.truth.all():
        raise PredictionsError("mape needs a truth other than 0", hint="use smape or mae")
    return mean(scored.absolute_error / np.abs(scored.truth), weights)


def smape(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Mean of the error as a share of the mean size of truth and prediction; from 0 to 2.

    Where both are 0 the error is 0.

    Reference: Makridakis (1993), International Journal of Forecasting 9:527-529.

    >>> smape(Scored(np.array([0.0, 20.0]), np.array([5.0, 20.0])), np.ones((1, 2))).tolist()
    [1.0]
    """
    size = (np.abs(scored.truth) + np.abs(scored.predicted)) / 2
    error = scored.absolute_error
    return mean(np.divide(error, size, out=np.zeros(len(scored)), where=size > 0), weights)


def quantile_loss(scored: Scored, weights: Floats, *, quantile: float = 0.5) -> LowerIsBetter:
    """Mean pinball loss of predictions that are meant to be a quantile of the truth.

    Args:
        scored: the rows.
        weights: (b, n) how often each row counts.
        quantile: between 0 and 1; at 0.9 it costs nine times as much to be under the truth as to be
            over it, at 0.5 the loss is half the mean absolute error.

    Reference: Koenker and Bassett (1978), Econometrica 46:33-50.

    >>> scored = Scored(np.array([10.0, 10.0]), np.array([0.0, 20.0]))
    >>> quantile_loss(scored, np.eye(2), quantile=0.9).round(4).tolist()
    [9.0, 1.0]
    """
    under = scored.truth - scored.predicted
    return mean(np.maximum(quantile * under, (quantile - 1) * under), weights)


def max_error(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Largest absolute error. It has no interval: of more rows it would be larger.

    >>> max_error(Scored(np.zeros(2), np.array([3.0, -4.0])), np.ones((1, 2))).tolist()
    [4.0]
    """
    order = scored.error_order[::-1]
    ordered = scored.absolute_error[order]
    found = np.take(weights, order, axis=1) > 0
    return np.where(found.any(axis=1), ordered[found.argmax(axis=1)], np.nan)


def explained_variance(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Share of the truth's variance that the predictions explain, whatever their mean error is.

    It is undefined (NaN) for fewer than two rows. Where the truth is constant it is 1 if the error
    is too, and else 0, as in scikit-learn.

    >>> truth = np.array([1.0, 2.0, 3.0])
    >>> explained_variance(Scored(truth, truth + 5), np.ones((1, 3))).tolist()
    [1.0]
    """
    rows = total(weights)
    spread, constant = _spread(scored.truth - scored.truth.mean(), weights)
    residual, exact = _spread(scored.predicted - scored.truth, weights)
    explained = 1 - np.where(exact, 0.0, residual) / np.where(constant, 1, spread)
    value = np.where(constant, np.where(exact, 1.0, 0.0), explained)
    return np.asarray(np.where(rows < 2, np.nan, value))


def calibration_slope(scored: Scored, weights: Floats) -> HasAnAim:
    """Slope of the truth on the predictions; 1 is best, under 1 they are too extreme.

    It is undefined (NaN) where all predictions are the same.

    Reference: Cox (1958), Biometrika 45:562-565.

    >>> scored = Scored(np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0]))
    >>> calibration_slope(scored, np.ones((1, 3))).tolist()
    [0.5]
    """
    rows = total(weights)
    # Both from the same middle, so that two models' predictions may change places.
    truth, predicted = (v - scored.truth.mean() for v in (scored.truth, scored.predicted))
    both = sums(truth * predicted, weights)
    both = both - share(sums(truth, weights) * sums(predicted, weights), rows, empty=0.0)
    spread, constant = _spread(predicted, weights)
    return np.asarray(np.where(constant, np.nan, both / np.where(constant, 1, spread)))


def interval_coverage(scored: Scored, weights: Floats, *, level: float = 0.9) -> HasAnAim:
    """Share of rows whose truth lies in the predicted interval; `level` is best.

    Args:
        scored: the rows, with the columns `low` and `high`.
        weights: (b, n) how often each row counts.
        level: the share of rows that the intervals are meant to cover.

    Raises:
        PredictionsError: there are no predicted intervals.

    >>> scored = Scored(np.array([1.0, 5.0]), None, low=np.zeros(2), high=np.full(2, 2.0))
    >>> interval_coverage(scored, np.ones((1, 2))).tolist()
    [0.5]
    """
    low, high = scored.bounds
    return mean(((low <= scored.truth) & (scored.truth <= high)).astype(np.float64), weights)


def interval_width(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Mean width of the predicted intervals, in the unit of the target; see the coverage first.

    Raises:
        PredictionsError: there are no predicted intervals.

    >>> scored = Scored(np.array([1.0, 5.0]), None, low=np.zeros(2), high=np.array([2.0, 4.0]))
    >>> interval_width(scored, np.ones((1, 2))).tolist()
    [3.0]
    """
    low, high = scored.bounds
    return mean(high - low, weights)


def near(scored: Scored, amount: float, share: float) -> Floats:
    """(n,) 1 where the error is under the amount or under the share of the truth, else 0."""
    size = np.abs(scored.truth)
    relative = np.divide(
        scored.absolute_error, size, out=np.full(len(scored), np.inf), where=size > 0
    )
    return np.asarray((scored.absolute_error < amount) | (relative < share), dtype=np.float64)


def _spread(centred: Floats, weights: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """(b,) weighted sums of squared distances from the mean, and whether all values are equal."""
    # Values around 0, so that what is subtracted below is small and nothing cancels.
    squares = sums(centred**2, weights)
    spread = squares - share(sums(centred, weights) ** 2, total(weights), empty=0.0)
    return np.asarray(spread), np.asarray(spread <= squares * np.finfo(weights.dtype).eps * 8)
