"""Two models over the folds of a cross-validation: the tests that know that folds overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.evaluation.intervals import Interval, quantile
from assay.evaluation.scored import Floats


@dataclass(frozen=True)
class FoldTest:
    """What the folds say of two models.

    Attributes:
        difference: the mean of first minus second.
        interval: of it.
        t: the test's statistic.
        p: two-sided.
        error: the corrected standard error of the difference.
        df: degrees of freedom.
    """

    difference: float
    interval: Interval
    t: float
    p: float
    error: float
    df: int


def corrected_t(first: Any, second: Any, *, test_share: float) -> FoldTest:
    """Compare two models over folds, with the variance corrected for the rows folds share.

    Args:
        first: (j,) the values of one model, one a fold; all repetitions in one row.
        second: (j,) those of the other on the same folds.
        test_share: rows tested by rows trained on: 1 / (k - 1) for k folds.

    Raises:
        ValueError: there are fewer than two folds, or not as many of one as of the other.

    Reference: Nadeau and Bengio (2003), Machine Learning 52:239-281.

    >>> found = corrected_t([0.9, 0.8, 0.85], [0.7, 0.75, 0.8], test_share=1 / 2)
    >>> round(found.t, 3), found.df
    (1.265, 2)
    """
    from scipy.special import stdtr

    differences = _differences(first, second)
    folds = len(differences)
    mean, spread = float(differences.mean()), float(differences.var(ddof=1))
    error = math.sqrt(spread * (1 / folds + test_share))
    df = folds - 1
    name = "corrected resampled t (Nadeau-Bengio)"
    if error == 0:
        same = Interval(mean, mean, name)
        return FoldTest(mean, same, math.inf if mean else 0.0, 0.0 if mean else 1.0, 0.0, df)
    t, half = mean / error, quantile(df) * error
    p = float(2 * stdtr(df, -abs(t)))
    return FoldTest(mean, Interval(mean - half, mean + half, name), t, p, error, df)


def correlated_chances(
    first: Any, second: Any, *, test_share: float, margin: float
) -> tuple[float, float, float]:
    """The posterior chances that the first is higher, practically equal, or lower, over folds.

    Args:
        first: (j,) the values of one model, one a fold.
        second: (j,) those of the other on the same folds.
        test_share: rows tested by rows trained on: 1 / (k - 1) for k folds.
        margin: the largest difference that does not matter.

    Reference: Benavoli, Corani, Demšar and Zaffalon (2017), Journal of Machine Learning Research
    18(77):1-36, the Bayesian correlated t test.

    >>> chances = correlated_chances([0.9, 0.8, 0.85], [0.7, 0.75, 0.8], test_share=1 / 2,
    ...                              margin=0.01)
    >>> [round(chance, 3) for chance in chances]
    [0.814, 0.037, 0.149]
    """
    from scipy.special import stdtr

    found = corrected_t(first, second, test_share=test_share)
    if found.error == 0:
        above, below = found.difference > margin, found.difference < -margin
        return float(above), float(not above and not below), float(below)
    higher = float(stdtr(found.df, (found.difference - margin) / found.error))
    lower = float(stdtr(found.df, (-found.difference - margin) / found.error))
    return higher, max(0.0, 1 - higher - lower), lower


def _differences(first: Any, second: Any) -> Floats:
    a, b = np.asarray(first, dtype=np.float64).ravel(), np.asarray(second, dtype=np.float64).ravel()
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"two models over the same folds, at least 2: got {len(a)} and {len(b)}")
    return a - b
