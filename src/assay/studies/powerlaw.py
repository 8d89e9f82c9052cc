"""A power law through the points of a learning curve, and what it says of more data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.evaluation.scored import Floats

EXPONENTS = (0.05, 2.0)
"""Between them the exponents of learning curves lie: 1/2 and 1 by theory, from 0.07 on in practice
(Hestness et al. 2017)."""
FEWEST_SIZES = 4
_GRID = 120


@dataclass(frozen=True)
class PowerLaw:
    """value = a + b n^(-c) for n rows.

    Attributes:
        a: what is approached with ever more rows.
        b: how far from it one row would be; below 0 where higher is better.
        c: how fast it is approached.
        residual: root mean square of the points about the curve.
    """

    a: float
    b: float
    c: float
    residual: float

    def at(self, n: float) -> float:
        """The value for n rows."""
        return float(self.a + self.b * n**-self.c)


@dataclass(frozen=True)
class Gain:
    """What so many times the data would bring, for better.

    Attributes:
        times: how many times the rows of the largest point.
        value: by how much the metric would get better; below 0, worse.
        low, high: its 95 % interval; None where there is none.
        verdict: `more data helps`, `no gain that matters` or `cannot tell`.
        why: the reason, where it cannot be told.
    """

    times: float
    value: float | None
    low: float | None
    high: float | None
    verdict: str
    why: str = ""


def fit(n: Any, values: Any, weights: Any = None) -> PowerLaw:
    """Fit a + b n^(-c) by least squares, c between 0.05 and 2.

    For each c the best a and b are those of a straight line, so only c is searched for: on a grid,
    and then between its neighbours. There is no starting value and no local minimum to end in.

    Args:
        n: (k,) rows.
        values: (k,) the metric.
        weights: (k,) how much each point counts, 1 over its variance; alike if not given.

    Raises:
        ValueError: there are fewer than three different numbers of rows.

    References: Cortes, Jackel, Solla, Vapnik and Denker (1994), NIPS 6:327-334; Hestness et al.
    (2017), arXiv:1712.00409; Golub and Pereyra (1973), SIAM Journal on Numerical Analysis
    10:413-432, for the separation of linear parameters.

    >>> law = fit([100, 200, 400, 800], [0.5 + 4 * n**-0.5 for n in (100, 200, 400, 800)])
    >>> round(law.a, 4), round(law.b, 4), round(law.c, 4)
    (0.5, 4.0, 0.5)
    """
    from scipy.optimize import minimize_scalar

    rows, y = np.asarray(n, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if len(np.unique(rows)) < 3:
        raise ValueError("a power law needs at least three different numbers of rows")
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    grid = np.geomspace(*EXPONENTS, _GRID)
    losses = _lines(rows, y[None, :], w, grid)[2][0]
    best = int(losses.argmin())
    around = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)]))
    found = minimize_scalar(
        lambda c: float(_lines(rows, y[None, :], w, np.array([c]))[2][0, 0]),
        bounds=around, method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    c = float(found.x) if found.fun < losses[best] else float(grid[best])
    a, b, loss = (float(part[0, 0]) for part in _lines(rows, y[None, :], w, np.array([c])))
    return PowerLaw(a, b, c, math.sqrt(loss / w.sum()))


def ahead(n: Any, draws: Any, sizes: Any, weights: Any = None) -> Floats:
    """What power laws through many resampled curves say of other numbers of rows.

    Args:
        n: (k,) rows.
        draws: (b, k) the metric on resamples.
        sizes: (m,) the numbers of rows that are asked about.
        weights: (k,) as in `fit`.

    Returns:
        (b, m) the values of the laws.

    >>> rows = np.array([100.0, 200.0, 400.0, 800.0])
    >>> ahead(rows, (1 + 5 / rows)[None, :], [1600]).round(3).tolist()
    [[1.003]]
    """
    rows, y = np.asarray(n, dtype=np.float64), np.asarray(draws, dtype=np.float64)
    w = np.ones(len(rows)) if weights is None else np.asarray(weights, dtype=np.float64)
    grid = np.geomspace(*EXPONENTS, _GRID)
    losses = _lines(rows, y, w, grid)[2]
    c = _between(grid, losses)
    x = rows[None, :] ** -c[:, None]
    middle, level = (x @ w) / w.sum(), (y @ w) / w.sum()
    centred = x - middle[:, None]
    b = (centred * (y - level[:, None])) @ w / ((centred**2) @ w)
    a = level - b * middle
    powers = np.asarray(sizes, dtype=np.float64)[None, :] ** -c[:, None]
    return np.asarray(a[:, None] + b[:, None] * powers)


def gain(
    n: Any,
    values: Any,
    draws: Any,
    *,
    better: str,
    margin: float,
    times: float = 2.0,
    weights: Any = None,
) -> Gain:
    """What so many times the rows of the largest point would bring, or why it cannot be told.

    Args:
        n: (k,) rows.
        values: (k,) the metric.
        draws: (b, k) the metric on resamples of the held-out rows and of the rows learned from.
        better: `lower` or `higher` values are.
        margin: the smallest gain that matters.
        times: how many times the data.
        weights: (k,) as in `fit`.

    >>> rows = np.array([100.0, 200.0, 400.0, 800.0])
    >>> curve = 1 + 20 * rows**-0.5
    >>> noise = np.random.default_rng(0).normal(0, 0.002, (500, 4))
    >>> gain(rows, curve, curve + noise, better="lower", margin=0.01).verdict
    'more data helps'
    """
    rows = np.asarray(n, dtype=np.float64)
    distinct = len(np.unique(rows))
    if distinct < FEWEST_SIZES:
        why = f"there are {distinct} sizes with a score, and {FEWEST_SIZES} are needed"
        return Gain(times, None, None, None, "cannot tell", why)
    most = float(rows.max())
    law = fit(rows, values, weights)
    sign = 1.0 if better == "lower" else -1.0
    value = sign * (law.at(most) - law.at(times * most))
    known = np.asarray(draws, dtype=np.float64)
    known = known[np.isfinite(known).all(axis=1)]
    if len(known) < 100:
        why = "the score is undefined on too many resamples"
        return Gain(times, value, None, None, "cannot tell", why)
    both = ahead(rows, known, [most, times * most], weights)
    low, high = (
        float(end) for end in np.quantile(sign * (both[:, 0] - both[:, 1]), [0.025, 0.975])
    )
    if low > 0 and high > margin:
        return Gain(times, value, low, high, "more data helps")
    if -margin <= low and high <= margin:
        return Gain(times, value, low, high, "no gain that matters")
    why = "the points lie too far about any curve, or are too few"
    return Gain(times, value, low, high, "cannot tell", why)


def _lines(rows: Floats, y: Floats, w: Floats, grid: Floats) -> tuple[Floats, Floats, Floats]:
    """For each line of y and each exponent the best a and b, and the weighted squares left."""
    x = rows[None, :] ** -grid[:, None]
    total = w.sum()
    middle = (x * w).sum(axis=1) / total
    centred = x - middle[:, None]
    level = (y * w).sum(axis=1) / total
    off = y - level[:, None]
    spread = (centred**2 * w).sum(axis=1)
    shared = (off * w) @ centred.T
    b = shared / spread
    a = level[:, None] - b * middle
    losses = (off**2 * w).sum(axis=1)[:, None] - shared**2 / spread
    return a, b, np.maximum(losses, 0.0)


def _between(grid: Floats, losses: Floats) -> Floats:
    """For each line the bottom of the parabola, over log c, through its best three exponents."""
    best = losses.argmin(axis=1)
    inner = np.clip(best, 1, len(grid) - 2)
    line = np.arange(len(losses))
    before, here, after = (losses[line, inner + step] for step in (-1, 0, 1))
    bend = before - 2 * here + after
    shift = np.where(bend > 0, (before - after) / np.where(bend > 0, 2 * bend, 1.0), 0.0)
    shift = np.where(best == inner, np.clip(shift, -1, 1), best - inner)
    return np.asarray(np.exp(np.log(grid[inner]) + shift * np.log(grid[1] / grid[0])))
