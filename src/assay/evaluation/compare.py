"""Which of two models is better on the same rows, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.evaluation import Comparison
from assay.evaluation.intervals import Interval, newcombe_paired, percentile
from assay.evaluation.scored import Floats


@dataclass(frozen=True)
class Contrast:
    """The difference of two models on one metric, before p-values are adjusted.

    Attributes:
        a: one model.
        b: the other.
        metric: the metric's name.
        better: `lower` or `higher`.
        difference: value of a minus value of b.
        interval: of the difference.
        p: two-sided, not adjusted.
        test: where p comes from.
        n: rows that both predicted.
        share: whether the metric is a proportion.
    """

    a: str
    b: str
    metric: str
    better: str
    difference: float
    interval: Interval
    p: float | None
    test: str
    n: int
    share: bool = False


def mcnemar_midp(first: int, second: int) -> float:
    """McNemar's test of two proportions measured on the same rows, two-sided mid-p value.

    Args:
        first: rows where only the first model is right.
        second: rows where only the second is.

    Reference: Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91.

    >>> round(mcnemar_midp(1, 7), 3)  # airway hyper-responsiveness, their table 1
    0.039
    """
    from scipy.stats import binom

    differ = first + second
    if differ == 0:
        return 1.0
    fewer = min(first, second)
    at_fewer = float(binom.pmf(fewer, differ, 0.5))
    if first == second:
        return 1 - at_fewer / 2
    return 2 * float(binom.cdf(fewer, differ, 0.5)) - at_fewer


def bootstrap_p(differences: Floats) -> float:
    """Two-sided p of a difference of 0: the level at which the bootstrap interval reaches 0.

    The smallest possible value is 2 / (number of resamples + 1).

    Reference: Davison and Hinkley (1997), Bootstrap Methods and their Application, 4.4.

    >>> bootstrap_p(np.ones(1999))
    0.001
    """
    below, above = int((differences <= 0).sum()), int((differences >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (len(differences) + 1))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for how many there are; None stays None and is not counted.

    Reference: Holm (1979), Scandinavian Journal of Statistics 6:65-70.

    >>> holm([0.01, 0.04, 0.03, None])
    [0.03, 0.06, 0.06, None]
    """
    adjusted: list[float | None] = [None] * len(p)
    known = sorted((value, place) for place, value in enumerate(p) if value is not None)
    largest = 0.0
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = round(largest, 12)
    return adjusted


def compare_outcomes(first: Floats, second: Floats) -> tuple[Interval, float | None, str]:
    """Compare two models by what is right and wrong in each row: interval, p and test.

    >>> compare_outcomes(np.ones(20), np.r_[np.ones(12), np.zeros(8)])[2]
    'McNemar mid-p'
    """
    a, b = first > 0.5, second > 0.5
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    interval = newcombe_paired(int((a & b).sum()), only_a, only_b, int((~a & ~b).sum()))
    return interval, mcnemar_midp(only_a, only_b), "McNemar mid-p"


def compare_resamples(first: Floats, second: Floats, n: int) -> tuple[Interval, float | None, str]:
    """Compare two models by a metric's values on the same resamples: interval, p and test.

    >>> values = np.random.default_rng(1).normal(size=2000)
    >>> compare_resamples(values, values + 5 + values / 2, n=100)[2]
    'paired bootstrap'
    """
    difference = first - second
    defined = difference[np.isfinite(difference)]
    interval = percentile(difference, n)
    if interval.known:
        return interval, bootstrap_p(defined), "paired bootstrap"
    if len(defined) and not defined.any():
        return Interval(0.0, 0.0, "equal on every resample"), 1.0, "paired bootstrap"
    return interval, None, interval.method


def conclude(contrasts: Sequence[Contrast]) -> list[Comparison]:
    """Adjust the p-values within each metric and put each comparison into a sentence.

    A difference is claimed only where its interval leaves out 0 and the adjusted p is under 0.05.

    >>> found = Contrast("trees", "mean", "mae", "lower", -0.31, Interval(-0.35, -0.27, ""),
    ...                  0.001, "paired bootstrap", 250)
    >>> conclude([found])[0].sentence
    'mean is worse than trees by 0.31 mae (95 % 0.27 to 0.35).'
    """
    by_metric: dict[str, list[int]] = {}
    for place, contrast in enumerate(contrasts):
        by_metric.setdefault(contrast.metric, []).append(place)
    p: dict[int, float | None] = {}
    for places in by_metric.values():
        p.update(zip(places, holm([contrasts[place].p for place in places]), strict=True))
    return [
        Comparison(
            a=contrast.a,
            b=contrast.b,
            metric=contrast.metric,
            difference=contrast.difference,
            low=contrast.interval.low,
            high=contrast.interval.high,
            p=p[place],
            test=contrast.test,
            n=contrast.n,
            sentence=_sentence(contrast, p[place]),
        )
        for place, contrast in enumerate(contrasts)
    ]


def _sentence(found: Contrast, p: float | None) -> str:
    a, b = found.a, found.b
    low, high = found.interval.low, found.interval.high
    factor, unit = (100, f"points of {found.metric}") if found.share else (1, found.metric)
    size = _short(abs(found.difference) * factor)
    if low is None or high is None or p is None:
        return f"Cannot tell {b} from {a} by {found.metric}: {found.test.removeprefix('none: ')}."
    if low == high == 0:
        return f"{b} and {a} are equal in {found.metric}."
    if p < 0.05 and (low > 0 or high < 0):
        worse = (found.difference > 0) == (found.better == "higher")
        bounds = sorted((abs(low) * factor, abs(high) * factor))
        word = "worse" if worse else "better"
        return (
            f"{b} is {word} than {a} by {size} {unit} "
            f"(95 % {_short(bounds[0])} to {_short(bounds[1])})."
        )
    # Turned round, so that it reads as b compared with a, as above.
    return (
        f"Cannot tell {b} from {a} by {found.metric}: the difference is "
        f"{_short(-found.difference * factor)} {unit} "
        f"(95 % {_short(-high * factor)} to {_short(-low * factor)}, adjusted p = {p:.2g})."
    )


def _short(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded + 0:g}"
