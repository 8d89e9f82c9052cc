"""How much each row moves a metric: of ranking metrics in closed form, of any other by leaving out.

The influence of a row is the derivative of the metric by the row's weight, times the number of
rows. Its variance over the rows, divided by their number, is the metric's sampling variance; for
the area under the ROC curve that is DeLong's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from assay.evaluation.measures import Measure
from assay.evaluation.scored import Codes, Floats, Ranking, Scored

LEFT_OUT = 200
CELLS = 4_000_000


def closed_form(
    measure: Measure, scored: Scored, carried: Floats | None
) -> tuple[float, Floats] | None:
    """The value and the (n,) influences of a metric that is no function of sums, if known.

    Args:
        measure: the metric.
        scored: the rows.
        carried: (n,) the weight that each row carries, or None.
    """
    function = measure.component.function
    if function.__module__ == "assay.evaluation.metrics.probability":
        of_ranking = {"roc_auc": of_area, "average_precision": of_precision}.get(function.__name__)
        if of_ranking is not None:
            return _over_classes(scored, carried, of_ranking, measure.parameters.get("of"))
    if function.__name__ == "max_error" and function.__module__.startswith("assay."):
        return float(scored.absolute_error.max()), np.zeros(len(scored))
    in_numbers = function.__module__ == "assay.evaluation.metrics.regression"
    if in_numbers and function.__name__ == "median_ae":
        weights = np.ones(len(scored)) if carried is None else carried
        value = float(measure.values(scored, weights[None, :])[0])
        return value, of_median(scored.absolute_error, value, weights, scored.error_order)
    return None


def of_area(ranking: Ranking, weights: Floats) -> tuple[float, Floats]:
    """The area under the ROC curve and the (n,) influence of each row, in O(n log n).

    Args:
        ranking: the rows by falling score.
        weights: (n,) of the rows.

    Without weights, the sum of the squared influences divided by n² is DeLong's variance.

    References: DeLong, DeLong and Clarke-Pearson (1988), Biometrics 44:837-845; Sun and Xu (2014),
    IEEE Signal Processing Letters 21:1389-1393.

    >>> from assay.evaluation.scored import Scored
    >>> scored = Scored(np.array([0, 0, 1, 1]), None, score=np.array([0.1, 0.4, 0.35, 0.8]),
    ...                 classes=("a", "b"), positive=1)
    >>> area, influence = of_area(scored.ranking(1), np.ones(4))
    >>> area, round(float((influence**2).sum() / 16), 6)
    (0.75, 0.125)
    """
    n = len(weights)
    hits, misses = weights[ranking.hits], weights[ranking.misses]
    above, beside = _reached(hits), _reached(misses)
    if not above[-1] or not beside[-1]:
        return float("nan"), np.zeros(n)
    # Misses that have a higher score than a hit: those that at most the hits above it outrank.
    higher = np.searchsorted(ranking.level, ranking.from_hit, side="right")
    of_miss = (above[ranking.above] + above[ranking.level]) / (2 * above[-1])
    of_hit = 1 - (beside[higher] + beside[ranking.misses_to]) / (2 * beside[-1])
    area = float(of_hit @ hits / above[-1])
    found = np.zeros(n)
    found[ranking.hits] = (of_hit - area) * hits * _unbiased(hits) / above[-1]
    found[ranking.misses] = (of_miss - area) * misses * _unbiased(misses) / beside[-1]
    return area, found * n


def of_precision(ranking: Ranking, weights: Floats) -> tuple[float, Floats]:
    """The average precision and the (n,) influence of each row, in O(n log n).

    >>> from assay.evaluation.scored import Scored
    >>> scored = Scored(np.array([0, 1, 1]), None, score=np.array([0.2, 0.1, 0.9]),
    ...                 classes=("a", "b"), positive=1)
    >>> value, influence = of_precision(scored.ranking(1), np.ones(3))
    >>> round(value, 4), influence.round(4).tolist()
    (0.8333, [-0.3333, -0.0833, 0.4167])
    """
    n = len(weights)
    hits, misses = weights[ranking.hits], weights[ranking.misses]
    found = _reached(hits)[ranking.hits_to]
    whole = found + _reached(misses)[ranking.misses_to]
    all_hits = float(hits.sum())
    if not all_hits:
        return float("nan"), np.zeros(n)
    whole = np.where(whole > 0, whole, 1)
    value = float(hits @ (found / whole) / all_hits)
    # A row at some score counts in the precision at every hit of that score and below.
    more, less = _from_there(hits / whole), _from_there(hits * found / whole**2)
    moved = np.zeros(n)
    moved[ranking.hits] = hits * (
        found / whole + more[ranking.from_hit] - less[ranking.from_hit] - value
    )
    moved[ranking.misses] = -misses * less[ranking.above]
    return value, moved * n / all_hits


def of_median(values: Floats, median: float, weights: Floats, order: Codes | None = None) -> Floats:
    """(n,) influences on a weighted median: Bahadur's linear form.

    The density at the median is the quotient of differences over Hall and Sheather's bandwidth.

    References: Bahadur (1966), Annals of Mathematical Statistics 37:577-580; Hall and Sheather
    (1988), Journal of the Royal Statistical Society B 50:381-391.

    >>> of_median(np.arange(101.0), 50.0, np.ones(101)).round()[[0, 50, 51, 100]].tolist()
    [-50.0, -50.0, 51.0, 51.0]
    """
    n = len(values)
    width = min(n ** (-1 / 3) * 1.96 ** (2 / 3) * (1.5 / (2 * np.pi)) ** (1 / 3), 0.49)
    order = np.argsort(values, kind="stable") if order is None else order
    share = np.cumsum(weights[order]) / weights.sum()
    low, high = values[order][np.searchsorted(share, [0.5 - width, 0.5 + width]).clip(0, n - 1)]
    found = (0.5 - (values <= median)) * weights * (high - low) / (2 * width)
    return np.asarray((found - found.mean()) / weights.mean())


def by_leaving_out(values: Callable[[Floats], Floats], n: int, carried: Floats | None) -> Floats:
    """(g,) influences of at most 200 parts of the rows: the metric with a part left out.

    Args:
        values: the metric for each line of (b, n) weights.
        n: rows; they are cut into equal parts as they stand.
        carried: (n,) the weight that each row carries.

    Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap, 11.5.

    >>> by_leaving_out(lambda weights: weights @ np.array([1.0, 2.0, 6.0]) / weights.sum(axis=1),
    ...                3, None).tolist()
    [-2.0, -1.0, 3.0]
    """
    parts = min(n, LEFT_OUT)
    part = np.arange(n) * parts // n
    base = np.ones(n) if carried is None else carried
    found = np.empty(parts)
    at_once = max(1, CELLS // n)
    for first in range(0, parts, at_once):
        which = np.arange(first, min(first + at_once, parts))
        lines = np.where(part[None, :] == which[:, None], 0.0, base)
        found[which] = values(lines)
    known = np.isfinite(found)
    middle = found[known].mean() if known.any() else 0.0
    return np.where(known, (parts - 1) * (middle - found), 0.0) * (n / parts if parts < n else 1.0)


def _over_classes(
    scored: Scored, carried: Floats | None, metric: Any, of: str | None
) -> tuple[float, Floats]:
    """The mean over the classes that `roc_auc` and `average_precision` go over."""
    from assay.evaluation.metrics.probability import ranked_classes

    weights = np.ones(len(scored)) if carried is None else carried
    pairs = [metric(scored.ranking(code), weights) for code in ranked_classes(scored, of)]
    known = [(value, moved) for value, moved in pairs if np.isfinite(value)]
    if not known:
        return float("nan"), np.zeros(len(scored))
    value = sum(value for value, _ in known) / len(known)
    return float(value), np.asarray(sum(moved for _, moved in known) / len(known))


def _reached(weights: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(weights)])


def _from_there(values: Floats) -> Floats:
    return np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])


def _unbiased(weights: Floats) -> float:
    rows = len(weights)
    return float(np.sqrt(rows / (rows - 1))) if rows > 1 else 1.0
