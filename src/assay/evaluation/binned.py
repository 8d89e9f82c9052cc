"""Predictions in bins of like ones, held against what happened: the data of a calibration curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.evaluation.intervals import normal, wilson
from assay.evaluation.scored import Floats, Scored

ECE_BINS = 15


@dataclass(frozen=True)
class Bin:
    """Rows of like predictions: what was predicted and what was observed.

    `expected_low` and `expected_high` are where the observed share of a calibrated model lies in
    19 of 20 times (None for numbers).
    """

    predicted: float
    observed: float
    low: float | None
    high: float | None
    expected_low: float | None
    expected_high: float | None
    n: int


def chances(scored: Scored, of: str | None = None) -> tuple[str | None, Floats, Floats]:
    """The class whose probability is looked at, (n,) the probability, and (n,) whether it is so.

    For two classes it is the positive one, for more the confidence in the predicted class (None).
    """
    proba = scored.probabilities
    if of is None and len(scored.classes) == 2 and scored.positive is not None:
        of = scored.classes[scored.positive]
    if of is not None:
        code = scored.code(of)
        return of, proba[:, code], (scored.truth == code).astype(np.float64)
    chosen = proba.argmax(axis=1)
    sure = proba[np.arange(len(proba)), chosen]
    return None, sure, (chosen == scored.truth).astype(np.float64)


def of_chances(chance: Floats, hit: Floats, bins: int = 10) -> tuple[Bin, ...]:
    """Bins of probabilities with Wilson's interval of the share that happened.

    References: DeGroot and Fienberg (1983), The Statistician 32:12-22; Bröcker and Smith (2007),
    Weather and Forecasting 22:651-661, for where a calibrated model's share lies.

    >>> of_chances(np.full(4, 0.5), np.array([1.0, 0.0, 1.0, 0.0]))[0].observed
    0.5
    """
    lines = []
    for rows in _bins(chance, bins):
        n, share = len(rows), float(chance[rows].mean())
        band = wilson(float(hit[rows].sum()), n)
        low, high = _usual(chance[rows])
        lines.append(Bin(share, float(hit[rows].mean()), band.low, band.high, low, high, n))
    return tuple(lines)


def of_numbers(predicted: Floats, true: Floats, bins: int = 10) -> tuple[Bin, ...]:
    """Bins of predicted numbers with the t interval of the true ones' mean."""
    lines = []
    for rows in _bins(predicted, bins):
        n, mean = len(rows), float(true[rows].mean())
        error = float(true[rows].std(ddof=1)) / np.sqrt(n) if n > 1 else float("nan")
        band = normal(mean, error, "t", n - 1)
        lines.append(Bin(float(predicted[rows].mean()), mean, band.low, band.high, None, None, n))
    return tuple(lines)


def calibration_errors(chance: Floats, happened: Floats) -> Floats:
    """(b,) the expected calibration error of (b, n) outcomes, over 15 bins of equal width."""
    place = np.clip(np.ceil(chance * ECE_BINS).astype(np.int64) - 1, 0, ECE_BINS - 1)
    if len(happened) == 1:  # a matrix of a million rows would be built for nothing
        sums = np.bincount(place, weights=happened[0] - chance, minlength=ECE_BINS)
        return np.array([np.abs(sums).sum() / len(chance)])
    member = np.zeros((len(chance), ECE_BINS))
    member[np.arange(len(chance)), place] = 1.0
    gaps = (happened - chance) @ member
    return np.asarray(np.abs(gaps).sum(axis=1) / len(chance))


def _bins(values: Floats, count: int) -> list[Any]:
    """The places of the rows of each bin of about equally many; equal values are in one bin."""
    if not len(values):
        return []
    edges = np.unique(np.quantile(values, np.arange(1, count) / count))
    place = np.searchsorted(edges, values, side="left")
    return [rows for part in range(count) if len(rows := np.flatnonzero(place == part))]


def _usual(chance: Floats) -> tuple[float, float]:
    """Where the share of what happens lies 95 times in 100 if the probabilities are right.

    The number of events is a sum of unlike coins, whose variance is a little smaller than that of
    the binomial distribution taken here.
    """
    from scipy.stats import binom

    n, share = len(chance), float(np.clip(chance.mean(), 0, 1))
    return float(binom.ppf(0.025, n, share)) / n, float(binom.ppf(0.975, n, share)) / n
