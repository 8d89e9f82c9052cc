"""How far two counts in the same cells lie apart, how surely, and whether it may be chance.

Every distance here is a metric, so that what sampling may have added or hidden can be bounded by
the triangle inequality: an interval holds whatever the true distance is, nought included.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.evaluation.intervals import wilson
from assay.monitoring.profile import Count, Field

Floats = npt.NDArray[np.float64]
DRAWS, COARSE = 200, 64
LEAST = 5.0
"""Rows that a cell of a chi-square test is expected to have; poorer ones are put together."""


@dataclass(frozen=True)
class Effect:
    """A distance with a 95 % interval, and the test of "nothing has changed".

    Attributes:
        name: of the effect size.
        value: of it.
        low, high: a 95 % interval.
        method: the test, and how the interval was made.
        p: of the test.
    """

    name: str
    value: float
    low: float
    high: float
    method: str
    p: float


def of_field(field: Field, batch: Count, rng: np.random.Generator) -> Effect:
    """Hold a batch's values of one field against the reference's.

    Numbers by the Wasserstein distance in spreads of the reference and the Kolmogorov-Smirnov
    test; categories, and numbers of few values, by the chi-square test, their distance being that
    of Jensen and Shannon for categories.

    References: Endres and Schindelin (2003), IEEE Transactions on Information Theory 49:1858-1860,
    for the square root of the Jensen-Shannon divergence as a metric.
    """
    reference = field.count
    value = float(_distance(field, field.grid)(_shares(reference), _shares(batch)))
    reach = _reach(field, batch, rng)
    if field.kind == "number":
        # What lies beyond the reference's bounds is not seen in the cells.
        further, error = _beyond(reference, batch)
        value, reach = value + further, reach + 1.96 * error
    if field.few:
        test, p = "chi-square", chi_square(reference.cells, batch.cells)
    else:
        test, p = "Kolmogorov-Smirnov", _kolmogorov(reference, batch)
    name = "wasserstein" if field.kind == "number" else "jensen_shannon"
    low, high = max(0.0, value - reach), value + reach
    if name == "jensen_shannon":
        high = min(1.0, high)
    return Effect(name, value, low, high, f"{test} test; interval by bootstrap", p)


def of_missing(reference: Count, batch: Count) -> Effect:
    """Hold the shares of missing values against each other (Newcombe 1998, method 10)."""
    a, n = reference.missing, reference.missing + reference.rows
    b, m = batch.missing, batch.missing + batch.rows
    return of_shares("missing", (a, n), (b, m))


def of_new(field: Field, batch: Count) -> Effect:
    """Hold the share of categories never seen before against what is to be expected.

    Of the next row the chance of a new value is about the share of values seen once (Good 1953,
    Biometrika 40:237-264).
    """
    new = int(batch.cells[-1])
    return of_shares("new", (field.once, field.count.rows), (new, batch.rows), one_sided=True)


def of_shares(
    name: str, first: tuple[int, int], second: tuple[int, int], *, one_sided: bool = False
) -> Effect:
    """Hold two shares against each other: hits and rows, of the reference and of the batch.

    The effect is their distance, or with `one_sided` how far the second is above the first.

    >>> effect = of_shares("missing", (48, 80), (56, 70))
    >>> round(effect.value, 2), round(effect.low, 4), round(effect.p, 4)
    (0.2, 0.0524, 0.008)
    """
    from scipy import stats

    (a, n), (b, m) = first, second
    p, q = (a / n if n else 0.0), (b / m if m else 0.0)
    low, high = _newcombe(first, second)
    expected = min((a + b) * min(n, m), (n + m - a - b) * min(n, m)) / max(n + m, 1)
    if expected < LEAST:
        test = "Fisher's exact test"
        side = "less" if one_sided else "two-sided"
        chance = float(stats.fisher_exact([[a, n - a], [b, m - b]], side).pvalue)
    else:
        test = "score test"
        pooled = (a + b) / (n + m)
        z = (q - p) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        chance = float(stats.norm.sf(z) if one_sided else 2 * stats.norm.sf(abs(z)))
    if one_sided or q >= p:
        value, bounds = q - p, (low, high)
    else:
        value, bounds = p - q, (-high, -low)
    return Effect(name, max(0.0, value), max(0.0, bounds[0]), max(0.0, bounds[1]),
                  f"{test}; Newcombe's interval", min(1.0, chance))  # fmt: skip


def _newcombe(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """The second share minus the first, after Newcombe (1998), Statistics in Medicine 17:873-890.

    >>> low, high = _newcombe((48, 80), (56, 70))
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    if not first[1] or not second[1]:
        return -1.0, 1.0
    p, q = first[0] / first[1], second[0] / second[1]
    one, other = wilson(*first), wilson(*second)
    a, b = (one.low or 0.0, one.high or 1.0), (other.low or 0.0, other.high or 1.0)
    low = q - p - math.hypot(q - b[0], a[1] - p)
    return low, q - p + math.hypot(b[1] - q, p - a[0])


def jensen_shannon(p: Floats, q: Floats) -> Any:
    """The square root of the Jensen-Shannon divergence in bits, from 0 to 1, over the last axis.

    Reference: Lin (1991), IEEE Transactions on Information Theory 37:145-151.

    >>> float(jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])))
    1.0
    """
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(one > 0, one * np.log2(one / middle), 0.0) for one in (p, q)]
    return np.sqrt(np.maximum(0.0, (parts[0] + parts[1]).sum(axis=-1) / 2))


def psi(reference: Count, batch: Count, cells: int = 10) -> float:
    """The population stability index over some ten cells of about equal size.

    A cell without rows is given half a row. Rule of thumb: 0.1 moderate, 0.25 large.
    Reference: Siddiqi (2006), Credit Risk Scorecards, Wiley.
    """
    a, b = coarse(reference, reference, cells), coarse(reference, batch, cells)
    p, q = (np.maximum(one, 0.5) / np.maximum(one, 0.5).sum() for one in (a, b))
    return float(((q - p) * np.log(q / p)).sum())


def coarse(reference: Count, counted: Count, cells: int) -> npt.NDArray[np.int64]:
    """Put neighbouring cells together until some `cells` of about equal size are left."""
    share = np.cumsum(reference.cells) / max(1, reference.rows)
    place = np.minimum((share * cells - 1e-9).astype(int).clip(0), cells - 1)
    found = np.zeros(cells, dtype=np.int64)
    np.add.at(found, place, counted.cells)
    used = np.zeros(cells, dtype=bool)
    used[place] = True
    return found[used]


def chi_square(first: Any, second: Any) -> float:
    """The p-value of the chi-square test that two counts have one law; poor cells are put together.

    Reference: Pearson (1900); cells of fewer than 5 expected rows after Cochran (1954),
    Biometrics 10:417-451.

    >>> round(chi_square([30, 10, 5], [20, 20, 10]), 4)
    0.0341
    """
    from scipy.special import chdtrc

    table = np.array([first, second], dtype=float)
    table = table[:, table.sum(axis=0) > 0]
    rows = table.sum(axis=1)
    if table.shape[1] < 2 or (rows == 0).any():
        return 1.0
    order = np.argsort(-table.sum(axis=0), kind="stable")
    table = table[:, order]
    poor = table.sum(axis=0) * rows.min() / rows.sum() < LEAST
    if poor.any():
        table = np.column_stack([table[:, ~poor], table[:, poor].sum(axis=1)])
    if table.shape[1] < 2:
        return 1.0
    expected = np.outer(rows, table.sum(axis=0)) / rows.sum()
    if expected[:, -1].min() < LEAST and table.shape[1] > 2:
        # What was put together is still poor: it joins the poorest of the others.
        table = np.column_stack([table[:, :-2], table[:, -2:].sum(axis=1)])
        expected = np.outer(rows, table.sum(axis=0)) / rows.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return float(chdtrc(table.shape[1] - 1, statistic))


def _kolmogorov(reference: Count, batch: Count) -> float:
    """Two samples by their largest distance at the cells' bounds, which no other can be below."""
    from scipy.special import kolmogorov

    n, m = reference.rows, batch.rows
    if not n or not m:
        return 1.0
    apart = np.abs(np.cumsum(reference.cells) / n - np.cumsum(batch.cells) / m).max()
    return float(kolmogorov(math.sqrt(n * m / (n + m)) * float(apart)))


def _distance(field: Field, grid: Floats) -> Callable[[Floats, Floats], Any]:
    """The distance of two rows of shares: of categories, or of numbers between a grid's bounds."""
    if field.kind != "number":
        return jensen_shannon
    with np.errstate(over="ignore"):
        widths = np.minimum(np.diff(grid) / field.spread, 1e6)

    def wasserstein(p: Floats, q: Floats) -> Any:
        apart = np.cumsum(p - q, axis=-1)[..., : len(grid)]
        if field.few:
            return (np.abs(apart[..., :-1]) * widths).sum(axis=-1)
        # The law of a number rises evenly within a cell.
        return (np.abs(apart[..., :-1] + apart[..., 1:]) / 2 * widths).sum(axis=-1)

    return wasserstein


def _beyond(reference: Count, batch: Count) -> tuple[float, float]:
    """How much further one side lies beyond the cells than the other, and its standard error."""
    value = variance = 0.0
    for at in (0, 1):
        means = []
        for count in (reference, batch):
            n = max(1, count.rows)
            mean, square = count.beyond[at] / n, count.beyond[at + 2] / n
            means.append(mean)
            variance += max(0.0, square - mean**2) / n
        value += abs(means[0] - means[1])
    return value, math.sqrt(variance)


def _shares(count: Count) -> Floats:
    found: Floats = count.cells / max(1, count.rows)
    return found


def _reach(field: Field, batch: Count, rng: np.random.Generator) -> float:
    """How far both samples together may be from their laws, at 95 %."""
    grid, starts = field.grid, np.arange(len(batch.cells))
    if len(starts) > COARSE and field.kind == "number":
        # Some neighbouring cells together are as good for this, and drawn in an eighth of the time.
        starts = np.arange(0, len(batch.cells), math.ceil(len(batch.cells) / COARSE))
        grid = field.grid[np.append(starts[1:] - 1, len(field.grid) - 1)]
    distance = _distance(field, grid)
    away = np.zeros(DRAWS)
    for count in (field.count, batch):
        if count.rows:
            share = np.add.reduceat(count.cells, starts) / count.rows
            drawn = rng.multinomial(count.rows, share, size=DRAWS) / count.rows
            away += distance(drawn, share)
    return float(np.quantile(away, 0.95))
