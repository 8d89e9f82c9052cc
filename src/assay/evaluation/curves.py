"""ROC and precision-recall curves of one class against the rest, with a band around each."""

from __future__ import annotations

from typing import Any

import numpy as np

from assay.evaluation.intervals import number, score_interval
from assay.evaluation.resampling import Units
from assay.evaluation.scored import Codes, Floats, Scored

MOST_CLASSES = 6
GRID = np.linspace(0.0, 1.0, 101)
CUTS = 2000
"""Scores are told apart by this many cuts, which is far more than the eye does."""
DRAWS = 400


def curves_of(
    scored: Scored, units: Units, seed: int, carried: Floats | None = None
) -> list[dict[str, Any]]:
    """Both curves of the positive class, or of each of at most six classes.

    Args:
        scored: the model's rows.
        units: what is resampled: rows, or groups of them.
        seed: of the resamples.
        carried: (n,) the weight that each row carries, or None.

    Returns:
        For each class `of`, `area` under its ROC curve, `share` of rows, and two lists of points
        at even steps: `roc` `[false positive rate, recall, low, high, threshold]` and
        `precision_recall` `[recall, precision, low, high, threshold]`. Nothing where a class or its
        scores are absent.

    A band is pointwise: at each place the recall (precision) lies in it with 95 % confidence. Its
    width is that of resamples, read as a proportion of as many rows as would spread so much, so
    that it stays within 0 to 1 and does not vanish at the ends.
    """
    k = len(scored.classes)
    graded = scored.proba is not None or (scored.score is not None and scored.positive is not None)
    if k < 2 or not graded:
        return []
    if k == 2:
        wanted = [1 if scored.positive is None else scored.positive]
    else:
        wanted = list(range(k)) if k <= MOST_CLASSES and scored.proba is not None else []
    found = [_curves(scored, code, units, seed, carried) for code in wanted]
    return [one for one in found if one is not None]


def _curves(
    scored: Scored, code: int, units: Units, seed: int, carried: Floats | None
) -> dict[str, Any] | None:
    if scored.score is not None and len(scored.classes) == 2:
        value = scored.score if code == scored.positive else -scored.score
    else:
        value = scored.probabilities[:, code]
    hit = scored.truth == code
    if hit.all() or not hit.any():
        return None
    cut, thresholds = _cuts(value)
    # Cells 0 to c - 1 count the rows that are not of the class by cut, c to 2c - 1 those that are.
    cell, c = cut + len(thresholds) * hit, len(thresholds)
    counted = np.bincount(cell, weights=carried, minlength=2 * c).astype(np.float64)[None, :]
    rows = np.bincount(cell, minlength=2 * c)
    drawn = _resampled(cell, rows, units, seed, carried)
    recalls, precisions, places = _read(counted)
    of_recall, of_precision, _ = _read(drawn)
    reach = _first(_reached(counted[:, :c]), GRID)[0]
    hits, until = int(hit.sum()), rows[:c].cumsum() + rows[c:].cumsum()
    return {
        "of": scored.classes[code],
        "area": number(round(float(_area(counted)), 6)),
        "share": number(counted[0, c:].sum() / counted.sum()),
        "roc": [
            _point(GRID[i], recalls[0, i], of_recall[:, i], hits, thresholds[reach[i]])
            for i in range(len(GRID))
        ],
        "precision_recall": [
            _point(GRID[i], precisions[0, i], of_precision[:, i], int(until[places[0, i]]),
                   thresholds[places[0, i]])
            for i in range(1, len(GRID))
        ],
    }  # fmt: skip


def _point(at: float, value: float, drawn: Floats, n: int, threshold: float) -> list[float | None]:
    interval = score_interval(float(value), float(np.nanstd(drawn, ddof=1)), n, "")
    ends = (None if end is None else round(end, 5) for end in (interval.low, interval.high))
    return [round(float(at), 4), round(float(value), 5), *ends, number(float(f"{threshold:.6g}"))]


def _cuts(value: Floats) -> tuple[Codes, Floats]:
    """The place of each row's score, the highest being 0, and the least score of each place."""
    if len(value) > 10 * CUTS:
        # About equally many rows each: where scores crowd, the curve turns.
        edges = np.unique(np.sort(value)[:: len(value) // CUTS])
    else:
        edges = np.unique(value)
    place = np.searchsorted(edges, value, side="right") - 1
    return (len(edges) - 1 - place).astype(np.int64), edges[::-1]


def _resampled(cell: Codes, rows: Codes, units: Units, seed: int, carried: Floats | None) -> Floats:
    """(d, 2c) the counts of the cells in resamples of the units."""
    generator = np.random.default_rng(seed & (2**63 - 1))
    if carried is None and not units.grouped:
        n = int(rows.sum())
        return generator.multinomial(n, rows / n, DRAWS).astype(np.float64)
    from scipy.sparse import csr_matrix

    of = np.arange(len(cell)) if units.of is None else units.of
    weights = np.ones(len(cell)) if carried is None else carried
    table = csr_matrix((weights, (of, cell)), shape=(units.count, len(rows)))
    shares = np.full(units.count, 1 / units.count)
    return np.asarray(generator.multinomial(units.count, shares, DRAWS // 2) @ table)


def _read(counts: Floats) -> tuple[Floats, Floats, Codes]:
    """(d, 101) recall at even false positive rates, precision at even recalls, and its cuts."""
    c = counts.shape[1] // 2
    wrong, right = counts[:, :c].cumsum(axis=1), counts[:, c:].cumsum(axis=1)
    recall, fallout = _reached(counts[:, c:]), _reached(counts[:, :c])
    zeros = np.zeros((len(counts), 1))
    along = [np.hstack([zeros, part]) for part in (fallout, recall)]
    recalls = np.stack([np.interp(GRID, *_upper(x, y)) for x, y in zip(*along, strict=True)])
    places = _first(recall, GRID)
    with np.errstate(invalid="ignore"):
        precision = right / (wrong + right)
    return recalls, np.take_along_axis(precision, places, axis=1), places


def _area(counts: Floats) -> float:
    """The area under the ROC curve of one line of counts."""
    fallout, recall = (np.append(0.0, _reached(part)[0]) for part in np.split(counts, 2, axis=1))
    return float((np.diff(fallout) * (recall[1:] + recall[:-1])).sum() / 2)


def _upper(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Of the points of a curve above one another the highest, which interpolation needs."""
    last = np.append(np.flatnonzero(np.diff(x)), len(x) - 1)
    return x[last], y[last]


def _reached(counts: Floats) -> Floats:
    """(d, c) the share of the rows that lie at or above each cut."""
    sums = counts.cumsum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(sums / sums[:, -1:]))


def _first(share: Floats, wanted: Floats) -> Codes:
    """(d, 101) the first cut that reaches each share, of rounded numbers."""
    c = share.shape[1]
    found = [np.searchsorted(line, wanted - 1e-12) for line in share]
    return np.asarray(np.minimum(np.stack(found), c - 1), np.int64)
