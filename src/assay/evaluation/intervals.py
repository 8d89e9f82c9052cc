"""95 % intervals: Wilson's for proportions, the bootstrap for everything else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.evaluation.scored import Floats

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

RESAMPLES = 2000
DRAWS = 400_000_000
FEWEST_RESAMPLES = 400
FEWEST_ROWS = 10
CELLS = 4_000_000
"""Weights held at a time: 16 MB of float32."""


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


def resample_count(n: int) -> int:
    """How many resamples are drawn of n rows: 2,000, fewer from 200,000 rows on, at least 400.

    With so many rows the bounds move little: at a million rows and 400 resamples a bound's own
    standard error is about 7 % of the interval's width.

    >>> resample_count(25_000), resample_count(1_000_000)
    (2000, 400)
    """
    return max(FEWEST_RESAMPLES, min(RESAMPLES, DRAWS // max(n, 1)))


def resamples(n: int, seed: int) -> Iterator[Floats]:
    """Bootstrap weights, `resample_count(n)` lines of n counts, in blocks of (b, n) float32.

    Each line says how often every row is drawn when n rows are drawn with replacement. The rows
    must stand in an order that does not depend on the file they came from.

    >>> block = next(resamples(5, seed=1))
    >>> block.shape, set(block.sum(axis=1).tolist())
    ((2000, 5), {5.0})
    """
    generator = np.random.default_rng(seed & (2**64 - 1))
    left = resample_count(n)
    while left:
        lines = min(left, max(1, CELLS // n))
        block = np.empty((lines, n), dtype=np.float32)
        for line in block:  # one pass per resample, not per row
            drawn = generator.integers(0, n, n, dtype=np.int32)
            line[:] = np.bincount(drawn, minlength=n)
        left -= lines
        yield block


def percentile(values: Floats, n: int) -> Interval:
    """The middle 95 % of the values that a metric takes on resamples of n rows.

    Resamples on which the metric is undefined are left out; if they are more than one in twenty
    there is no interval, and neither is there for fewer than ten rows or where all resamples
    agree.

    Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    >>> percentile(np.arange(1001.0), 50).low
    25.0
    """
    defined = values[np.isfinite(values)]
    if n < FEWEST_ROWS:
        return Interval(None, None, f"none: too few rows ({n}; {FEWEST_ROWS} are needed)")
    if len(defined) < 0.95 * len(values):
        return Interval(None, None, "none: undefined on too many resamples")
    if np.ptp(defined) <= 1e-6 * np.abs(defined).max(initial=0):
        return Interval(None, None, "none: every resample gives the same value")
    low, high = np.quantile(defined, [0.025, 0.975])
    return Interval(float(low), float(high), f"bootstrap, {len(values):,} resamples")


def _wilson(p: float, n: int) -> tuple[float, float]:
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
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
