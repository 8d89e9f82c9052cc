"""Which of two models is better on the same rows, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.evaluation import Comparison
from assay.evaluation.intervals import Interval, newcombe_paired, normal, percentile
from assay.evaluation.power import needed_rows
from assay.evaluation.scored import Floats

Margin = float | Mapping[str, float] | None
"""The largest difference that does not matter, for all metrics or by metric."""
USUAL_MARGIN = 0.01


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
        error: the standard error of the difference.
        margin: the largest difference that does not matter.
        asked: whether somebody named this margin.
        chances: that a is better, that they are equal but for the margin, that b is better.
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
    error: float = 0.0
    margin: float | None = None
    asked: bool = False
    chances: Mapping[str, float] | None = None


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


def compare_areas(
    difference: float, error: float, df: float = math.inf, *, grouped: bool = False
) -> tuple[Interval, float | None, str]:
    """Compare two areas under the ROC curve: interval, p and test.

    Args:
        difference: of the areas.
        error: its standard error, from the influences of the same rows on both.
        df: degrees of freedom, where rows come in groups.
        grouped: whether they do.

    Reference: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837-845; for groups
    Obuchowski (1997), Biometrics 53:567-578.

    >>> interval, p, _ = compare_areas(0.0923103, 0.04178863)  # aSAH: wfns and s100b
    >>> round(interval.low, 4), round(interval.high, 4), round(p, 4)
    (0.0104, 0.1742, 0.0272)
    """
    from scipy.special import stdtr

    name = "DeLong, clustered" if grouped else "DeLong"
    if not error > 0:
        same = Interval(0.0, 0.0, "equal on every row") if not difference else None
        return same or Interval(None, None, "none: no variance"), 1.0 if same else None, name
    free = df if math.isfinite(df) else 1e9
    return (
        normal(difference, error, name, df),
        float(2 * stdtr(free, -abs(difference) / error)),
        name,
    )


def permutation_p(difference: float, swapped: Floats) -> float:
    """Two-sided p of a difference among those found when models swap their predictions at random.

    Args:
        difference: as found.
        swapped: (b,) the differences after the rows, or groups of them, that coins chose have
            changed hands. The value as found counts as one of them, so p is never 0.

    Reference: Good (2005), Permutation, Parametric and Bootstrap Tests of Hypotheses, 3.2.

    >>> permutation_p(3.0, np.r_[np.zeros(1998), 3.0])
    0.001
    """
    known = swapped[np.isfinite(swapped)]
    reach = abs(difference) * (1 - 1e-9)
    return float((1 + (np.abs(known) >= reach).sum()) / (len(known) + 1))


def chances_of(
    difference: float, margin: float, better: str, draws: Floats | None, error: float
) -> dict[str, float]:
    """The posterior chances that a is better, that both are practically equal, that b is better.

    The posterior is the distribution of the resampled differences, or the normal one around the
    difference where nothing was resampled (both have a flat prior behind them).

    Reference: Kruschke (2018), Advances in Methods and Practices in Psychological Science
    1:270-280.

    >>> chances_of(0.5, 1.0, "lower", np.array([-2.0, 0.0, 0.5, 3.0]), 1.0)
    {'a': 0.25, 'equal': 0.5, 'b': 0.25}
    """
    from scipy.special import ndtr

    known = draws[np.isfinite(draws)] if draws is not None else np.empty(0)
    if len(known):
        above, below = float((known > margin).mean()), float((known < -margin).mean())
    elif error > 0:
        above, below = (float(ndtr((side * difference - margin) / error)) for side in (1, -1))
    else:
        above, below = float(difference > margin), float(difference < -margin)
    equal = max(0.0, 1 - above - below)
    a, b = (above, below) if better == "higher" else (below, above)
    return {"a": round(a, 6), "equal": round(equal, 6), "b": round(b, 6)}


def usual_margin(bounded: bool, value: float) -> float:
    """One point for what lies in 0 to 1, else one hundredth of the value.

    >>> usual_margin(True, 0.8), usual_margin(False, 50.0)
    (0.01, 0.5)
    """
    return USUAL_MARGIN if bounded else USUAL_MARGIN * abs(value)


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
            method=contrast.interval.method,
            verdict=verdict_of(contrast, p[place]),
            unadjusted_p=contrast.p,
            needed=_needed(contrast, p[place]),
            margin=contrast.margin,
            chances=dict(contrast.chances) if contrast.chances else None,
        )
        for place, contrast in enumerate(contrasts)
    ]


def verdict_of(found: Contrast, p: float | None) -> str:
    """What b is against a: better, worse, no difference that matters, or cannot tell.

    A margin that somebody named comes first: what lies inside it does not matter, however sure it
    is. The usual margin only speaks where no difference is found.
    """
    low, high, margin = found.interval.low, found.interval.high, found.margin
    if low is None or high is None or p is None:
        return "cannot tell"
    inside = margin is not None and -margin <= low and high <= margin
    if low == high == 0 or (inside and found.asked):
        return "no difference that matters"
    if p < 0.05 and (low > 0 or high < 0):
        return "worse" if (found.difference > 0) == (found.better == "higher") else "better"
    return "no difference that matters" if inside else "cannot tell"


def _sentence(found: Contrast, p: float | None) -> str:
    a, b = found.a, found.b
    low, high = found.interval.low, found.interval.high
    factor, unit = (100, f"points of {found.metric}") if found.share else (1, found.metric)
    size = _short(abs(found.difference) * factor)
    if low is None or high is None or p is None:
        return f"Cannot tell {b} from {a} by {found.metric}: {found.test.removeprefix('none: ')}."
    if low == high == 0:
        return f"{b} and {a} are equal in {found.metric}."
    verdict = verdict_of(found, p)
    if verdict in ("better", "worse"):
        bounds = sorted((abs(low) * factor, abs(high) * factor))
        return (
            f"{b} is {verdict} than {a} by {size} {unit} "
            f"(95 % {_short(bounds[0])} to {_short(bounds[1])})."
        )
    # Turned round, so that it reads as b compared with a, as above.
    turned = f"{_short(-found.difference * factor)} {unit} "
    turned += f"(95 % {_short(-high * factor)} to {_short(-low * factor)}"
    if verdict == "no difference that matters":
        return (
            f"{b} and {a} do not differ by {found.metric} as far as it matters: the difference is "
            f"{turned}), inside ±{_short((found.margin or 0) * factor)}."
        )
    needed = _needed(found, p)
    rows = f" About {_rows(needed)} rows would." if needed is not None else ""
    return (
        f"Cannot tell {b} from {a} by {found.metric}: the difference is {turned}, "
        f"adjusted p = {p:.2g}).{rows}"
    )


def _needed(found: Contrast, p: float | None) -> int | None:
    if verdict_of(found, p) != "cannot tell" or p is None or not found.interval.known:
        return None
    rows = needed_rows(found.n, found.difference, found.error)
    return None if rows is None else max(rows, found.n + 1)


def _rows(count: int) -> str:
    """Two digits: a forecast is no more exact than that."""
    digits = max(len(str(count)) - 2, 0)
    return f"{round(count, -digits):,}"


def _short(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 1000 else f"{rounded + 0:g}"
