"""Whether the rows of a slice lose more than the others: tests of many slices at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.evaluation.intervals import wilson
from assay.evaluation.scored import Floats

_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Sums:
    """Rows, losses and squared losses inside of each slice, and over all rows.

    Losses are centred on their mean, so that the difference of large sums does not cancel.
    """

    count: Floats
    loss: Floats
    square: Floats
    whole: tuple[float, float, float]

    def rest(self) -> tuple[Floats, Floats, Floats]:
        n, s, q = self.whole
        return n - self.count, s - self.loss, q - self.square


def welch(sums: Sums) -> tuple[Floats, Floats, Floats, Floats]:
    """Difference of means, its standard error, t, and degrees of freedom (Welch 1947).

    A slice of fewer than two rows, inside or outside, has a t of minus infinity.

    >>> sums = Sums(np.array([2.0]), np.array([5.0]), np.array([13.0]), (4.0, 8.0, 18.0))
    >>> [round(float(part[0]), 3) for part in welch(sums)]
    [1.0, 0.707, 1.414, 2.0]
    """
    inside, mean_in, spread_in = _moments(sums.count, sums.loss, sums.square)
    outside, mean_out, spread_out = _moments(*sums.rest())
    with np.errstate(divide="ignore", invalid="ignore"):
        a, b = spread_in / inside, spread_out / outside
        error = np.sqrt(a + b)
        df = (a + b) ** 2 / (a**2 / (inside - 1) + b**2 / (outside - 1))
        difference = mean_in - mean_out
        t = difference / error
    fit = (inside > 1) & (outside > 1)
    # Without any spread a difference is certain; none is none.
    t = np.where(error > _TINY, t, np.where(difference > _TINY, np.inf, -np.inf))
    return difference, error, np.where(fit, t, -np.inf), np.where(np.isfinite(df), df, 1e9)


def _moments(n: Floats, s: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = s / n
        spread = np.maximum(q - n * mean**2, 0.0) / (n - 1)
    return n, mean, spread


def p_values(sums: Sums, *, binary: bool, wrong: tuple[Floats, float] | None = None) -> Floats:
    """One-sided p that the slice does not lose more than the rest.

    Welch's t; for right and wrong Fisher's exact test with mid-p (Lancaster 1961).

    Args:
        sums: of the slices.
        binary: whether the loss is 0 or 1.
        wrong: for a binary loss the wrong rows inside of each slice and of all.

    >>> sums = Sums(np.array([4.0]), np.zeros(1), np.zeros(1), (8.0, 0.0, 0.0))
    >>> round(float(p_values(sums, binary=True, wrong=(np.array([3.0]), 4.0))[0]), 4)  # tea tasting
    0.1286
    """
    from scipy.stats import hypergeom
    from scipy.stats import t as student

    if binary and wrong is not None:
        inside, every = np.rint(wrong[0]), round(wrong[1])
        total, drawn = round(sums.whole[0]), np.rint(sums.count)
        above = hypergeom.sf(inside, total, every, drawn)
        return np.asarray(above + 0.5 * hypergeom.pmf(inside, total, every, drawn))
    _, _, t, df = welch(sums)
    return np.asarray(np.where(np.isfinite(t), student.sf(t, df), np.where(t > 0, 0.0, 1.0)))


def difference_interval(
    inside: Floats, outside: Floats, *, binary: bool, level: float = 0.95
) -> tuple[float, float, float]:
    """The difference of mean loss with its interval: Welch's, or Newcombe's for right and wrong.

    References: Welch (1947), Biometrika 34:28-35; Newcombe (1998), Statistics in Medicine
    17:873-890, method 10.

    >>> smokers = np.r_[np.ones(56), np.zeros(14)], np.r_[np.ones(48), np.zeros(32)]
    >>> [round(x, 4) for x in difference_interval(*smokers, binary=True)]  # Newcombe, table II (a)
    [0.2, 0.0524, 0.3339]
    """
    from scipy.stats import t as student

    difference = float(inside.mean() - outside.mean())
    if binary and level == 0.95:
        (l1, u1), (l2, u2) = (_bounds(part) for part in (inside, outside))
        p1, p2 = float(inside.mean()), float(outside.mean())
        low = difference - float(np.hypot(p1 - l1, u2 - p2))
        return difference, low, difference + float(np.hypot(u1 - p1, p2 - l2))
    if len(inside) < 2 or len(outside) < 2:
        return difference, float("-inf"), float("inf")
    a, b = (float(part.var(ddof=1)) / len(part) for part in (inside, outside))
    if a + b <= _TINY**2:
        return difference, difference, difference
    df = (a + b) ** 2 / (a**2 / (len(inside) - 1) + b**2 / (len(outside) - 1))
    half = float(student.ppf(0.5 + level / 2, df)) * float(np.sqrt(a + b))
    return difference, difference - half, difference + half


def _bounds(part: Floats) -> tuple[float, float]:
    found = wilson(float(part.sum()), len(part))
    return float(found.low or 0.0), 1.0 if found.high is None else float(found.high)


def holm(p: Floats) -> Floats:
    """Adjusted for how many there are (Holm 1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    steps = (len(p) - np.arange(len(p))) * p[order]
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def sums_of(members: npt.NDArray[np.bool_], loss: Floats) -> Sums:
    """The sums of slices given as (rows, slices) of members."""
    centred = loss - loss.mean() if len(loss) else loss
    table = members.astype(np.float64)
    return Sums(
        table.sum(axis=0),
        centred @ table,
        (centred**2) @ table,
        (float(len(loss)), float(centred.sum()), float((centred**2).sum())),
    )
