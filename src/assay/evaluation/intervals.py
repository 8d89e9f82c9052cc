"""95 % intervals from counts, from standard errors and from resamples.

Which of them a metric gets is decided in `methods.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.evaluation.scored import Floats

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

FEWEST_ROWS = 10


@dataclass(frozen=True)
class Interval:
    """Two bounds and how they were found; both bounds are None where there is no interval.

    >>> Interval(0.1, 0.3, "Wilson").known
    True
    """

    low: float | None
    high: float | None
    method: str

    @property
    def known(self) -> bool:
        """Whether there are bounds."""
        return self.low is not None and self.high is not None


def wilson(successes: float, n: int) -> Interval:
    """Wilson's score interval of a proportion.

    Reference: Newcombe (1998), Statistics in Medicine 17:857-872, method 3.

    >>> interval = wilson(81, 263)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.2553, 0.3662)
    """
    if n < 1:
        return Interval(None, None, "none: no rows")
    low, high = _wilson(successes / n, n)
    return Interval(low, high, "Wilson")


def clopper_pearson(successes: float, n: int) -> Interval:
    """The exact interval of a proportion; never covers less than 95 %, mostly more.

    Reference: Clopper and Pearson (1934), Biometrika 26:404-413.

    >>> interval = clopper_pearson(81, 263)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.2527, 0.3676)
    """
    from scipy.stats import beta

    if n < 1:
        return Interval(None, None, "none: no rows")
    k = round(successes)
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return Interval(low, high, "Clopper-Pearson")


def score_interval(
    value: float, error: float, n: float, method: str, df: float = math.inf
) -> Interval:
    """Wilson's interval of a value in 0 to 1 whose standard error is known otherwise.

    The value is read as a proportion of as many rows as would give it this standard error, so that
    the interval stays inside 0 to 1 and is not symmetric near its ends.

    Args:
        value: between 0 and 1.
        error: its standard error; 0 at the ends tells nothing, so `n` is taken there.
        n: rows that the value is about.
        method: what the interval is called.
        df: degrees of freedom of the standard error.

    Reference: Korn and Graubard (1998), Survey Methodology 24:193-201, for the effective rows.

    >>> interval = score_interval(81 / 263, math.sqrt(81 * 182 / 263**3), 263, "Wilson")
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.2553, 0.3662)
    """
    if n <= 0 or not math.isfinite(error):
        return Interval(None, None, "none: no rows")
    inside = 0 < value < 1 and error > 0
    rows = min(value * (1 - value) / error**2, 1e15) if inside else n
    low, high = _wilson(value, rows, quantile(df))
    return Interval(low, high, method)


def normal(value: float, error: float, method: str, df: float = math.inf) -> Interval:
    """The value and its standard error times the quantile of the normal or t distribution.

    >>> interval = normal(0.7313686, 0.05165929, "DeLong")
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.6301, 0.8326)
    """
    if not math.isfinite(error) or error < 0:
        return Interval(None, None, "none: the standard error is not known")
    half = quantile(df) * error
    return Interval(value - half, value + half, method)


def logit(value: float, error: float, method: str, df: float = math.inf) -> Interval:
    """The normal interval of log(value / (1 - value)), turned back; for values inside 0 to 1.

    >>> interval = logit(0.7313686, 0.05165929, "DeLong, logit scale")
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.6192, 0.8201)
    """
    if not 0 < value < 1 or not error > 0:
        return normal(value, error, method, df)
    middle, half = math.log(value / (1 - value)), quantile(df) * error / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-end)) for end in (middle - half, middle + half))
    return Interval(low, high, method)


def mann_whitney(value: float, hits: int, misses: int) -> Interval:
    """Newcombe's interval of an area under the ROC curve, which holds at 0 and 1 too.

    Reference: Newcombe (2006), Statistics in Medicine 25:559-573, method 5.

    >>> interval = mann_whitney(1.0, 20, 20)
    >>> round(interval.low, 3), interval.high
    (0.899, 1.0)
    """
    from scipy.optimize import brentq

    many = (hits + misses) / 2 - 1

    def beyond(theta: float) -> float:
        spread = theta * (1 - theta) / (hits * misses)
        spread *= 1 + many * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return (value - theta) ** 2 - Z * Z * spread

    low = brentq(beyond, 0.0, value) if value > 0 and beyond(0.0) > 0 and value < 1 else 0.0
    high = brentq(beyond, value, 1.0) if value < 1 and beyond(1.0) > 0 and value > 0 else 1.0
    if value == 1:
        low = brentq(beyond, 0.0, 1 - 1e-9)
    if value == 0:
        high = brentq(beyond, 1e-9, 1.0)
    return Interval(float(low), float(high), "Newcombe, Mann-Whitney")


def median_ranks(values: Floats) -> Interval:
    """The interval of a median between two of the ordered values, exact for any distribution.

    The chance to cover is at least 95 %; it is brought near to it by linear interpolation between
    neighbouring order statistics.

    References: Hettmansperger and Sheather (1986), Statistics and Probability Letters 4:75-79.

    >>> interval = median_ranks(np.arange(1.0, 101.0))
    >>> round(interval.low, 2), round(interval.high, 2)
    (40.76, 60.24)
    """
    from scipy.stats import binom

    n = len(values)
    if n < FEWEST_ROWS:
        return _refused(n)
    ordered = values if (values[1:] >= values[:-1]).all() else np.sort(values)
    # The wider interval leaves out k - 1 values at each end and covers at least 95 %.
    k = max(int(binom.ppf(0.025, n, 0.5)), 1)
    while k > 1 and 1 - 2 * binom.cdf(k - 1, n, 0.5) < 0.95:
        k -= 1
    wide = 1 - 2 * float(binom.cdf(k - 1, n, 0.5))
    narrow = 1 - 2 * float(binom.cdf(k, n, 0.5))
    part = (wide - 0.95) / (wide - narrow) if wide > narrow else 0.0
    mixed = (n - k) * part / (k + (n - 2 * k) * part)
    low = (1 - mixed) * ordered[k - 1] + mixed * ordered[k]
    high = (1 - mixed) * ordered[n - k] + mixed * ordered[n - k - 1]
    return Interval(float(low), float(high), "order statistics")


def bca(values: Floats, estimate: float, influence: Floats, *, expanded: bool = True) -> Interval:
    """The bias-corrected and accelerated bootstrap interval.

    Args:
        values: (b,) the metric on resamples.
        estimate: the metric on the rows as they are.
        influence: (g,) of each resampled row or group; only its shape matters.
        expanded: widen the nominal level, as t intervals do, by how little these rows tell of the
            variance: see `effective_df`.

    Refuses what `percentile` refuses.

    References: Efron (1987), Journal of the American Statistical Association 82:171-185; for the
    expansion Hesterberg (2015), The American Statistician 69:371-386.

    >>> draws = np.random.default_rng(0).normal(size=5000)
    >>> interval = bca(draws, 0.0, np.random.default_rng(1).normal(size=500))
    >>> round(interval.low, 1), round(interval.high, 1)
    (-1.9, 2.0)
    """
    from scipy.special import ndtr, ndtri

    rows = len(influence)
    refused = _unfit(values, rows)
    if refused is not None:
        return refused
    defined = values[np.isfinite(values)]
    count = len(defined)
    below = float(((defined < estimate).sum() + (defined <= estimate).sum()) / (2 * count))
    bias = float(ndtri(min(max(below, 0.5 / count), 1 - 0.5 / count)))
    squares = float((influence**2).sum())
    skew = float((influence**3).sum()) / (6 * squares**1.5) if squares > 0 else 0.0
    reach = quantile(effective_df(influence)) * math.sqrt(rows / (rows - 1)) if expanded else Z
    ends = []
    for end in (bias - reach, bias + reach):
        slowed = 1 - skew * end
        ends.append(float(ndtr(bias + end / slowed)) if slowed > 0 else float(end > 0))
    low, high = np.quantile(defined, ends)
    return Interval(float(low), float(high), f"BCa bootstrap, {len(values):,} resamples")


def deciding_rows(influence: Floats) -> float:
    """How many rows, or groups, carry the variance of a metric: n over the influences' kurtosis.

    >>> round(deciding_rows(np.r_[-1.0, np.zeros(10), 1.0]), 1)
    2.0
    """
    squares = influence**2
    return float(squares.sum() ** 2 / (squares**2).sum()) if squares.any() else float(len(squares))


def effective_df(influence: Floats) -> float:
    """How many degrees of freedom a standard error has that comes from these influences.

    It is the inverse of the squared relative error of their variance: n / 2 of normal rows, few
    where few rows decide, and never more than n - 1. Satterthwaite's number is twice as high; but
    samples of skewed rows have far less kurtosis than their population, and in simulations of 100
    rows his left the means of skewed losses at 93 %.

    Reference: Satterthwaite (1946), Biometrics Bulletin 2:110-114.

    >>> effective_df(np.arange(-5.0, 6.0)), round(effective_df(np.r_[-1.0, np.zeros(10), 1.0]), 1)
    (10.0, 2.4)
    """
    relative = 1 / deciding_rows(influence) - 1 / len(influence)
    most = len(influence) - 1.0
    return min(1 / relative, most) if relative > 1e-12 else most


def newcombe_paired(both: int, first: int, second: int, neither: int) -> Interval:
    """Newcombe's interval of the difference of two proportions measured on the same rows.

    Args:
        both: rows where both succeed.
        first: rows where only the first succeeds.
        second: rows where only the second succeeds.
        neither: rows where none succeeds.

    Reference: Newcombe (1998), Statistics in Medicine 17:2635-2650, method 10 (square and add,
    with the continuity-corrected correlation).

    >>> interval = newcombe_paired(1, 1, 7, 12)  # Bentur et al. 2009, in Fagerland et al. 2014
    >>> round(interval.low, 3), round(interval.high, 3)
    (-0.507, -0.026)
    """
    n = both + first + second + neither
    if n < 1:
        return Interval(None, None, "none: no rows")
    p1, p2 = (both + first) / n, (both + second) / n
    (low1, high1), (low2, high2) = _wilson(p1, n), _wilson(p2, n)
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    cross: float = both * neither - first * second
    if cross > 0:
        cross = max(cross - n / 2, 0)
    phi = cross / math.sqrt(margins) if margins else 0.0
    down, up = (p1 - low1, high2 - p2), (high1 - p1, p2 - low2)
    difference = p1 - p2
    return Interval(
        max(difference - _added(*down, phi), -1.0),
        min(difference + _added(*up, phi), 1.0),
        "Newcombe",
    )


def percentile(values: Floats, n: int) -> Interval:
    """The middle 95 % of the values that a metric takes on resamples of n rows.

    Resamples on which the metric is undefined are left out; if they are more than one in twenty
    there is no interval, and neither is there for fewer than ten rows or where all resamples
    agree.

    Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    >>> percentile(np.arange(1001.0), 50).low
    25.0
    """
    refused = _unfit(values, n)
    if refused is not None:
        return refused
    defined = values[np.isfinite(values)]
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(float(low), float(high), f"bootstrap, {len(values):,} resamples")


def quantile(df: float) -> float:
    """The 97.5 % quantile of Student's t distribution; of the normal one from 10,000 on.

    >>> round(quantile(99), 4), quantile(math.inf) == Z
    (1.9842, True)
    """
    from scipy.special import stdtrit

    return Z if df > 10_000 else float(stdtrit(max(df, 1), 0.975))


def _refused(n: int) -> Interval:
    return Interval(None, None, f"none: too few rows ({n}; {FEWEST_ROWS} are needed)")


def _unfit(values: Floats, n: int) -> Interval | None:
    if n < FEWEST_ROWS:
        return _refused(n)
    defined = values[np.isfinite(values)]
    if len(defined) < 0.95 * len(values) or not len(defined):
        return Interval(None, None, "none: undefined on too many resamples")
    if np.ptp(defined) <= 1e-6 * np.abs(defined).max(initial=0):
        return Interval(None, None, "none: every resample gives the same value")
    return None


def _wilson(p: float, n: float, z: float = Z) -> tuple[float, float]:
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and 1 the bound is exact; rounding would leave it a hair off.
    return (0.0 if p == 0 else centre - half), (1.0 if p == 1 else centre + half)


def _added(first: float, second: float, phi: float) -> float:
    return math.sqrt(max(first**2 - 2 * phi * first * second + second**2, 0.0))


def number(value: Any) -> float | None:
    """A plain float, or None for what is not finite.

    >>> number(np.float32(0.5)), number(float("nan"))
    (0.5, None)
    """
    return float(value) if np.isfinite(value) else None
