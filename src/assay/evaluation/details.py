"""What a report draws of one model: points, running error, bands, confusion, worst rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.evaluation.binned import Bin, calibration_errors, chances, of_chances, of_numbers
from assay.evaluation.curves import curves_of
from assay.evaluation.intervals import Z, number
from assay.evaluation.metrics.regression import near
from assay.evaluation.resampling import units_of
from assay.evaluation.scored import Codes, Floats, Scored
from assay.rows import text_hash, uniform

POINTS = 2000
STEPS = 400
WORST = 60
LABELS = 30
CUT = 600
GREEN = (40.0, 0.2)
ORANGE = (80.0, 0.4)


def details_of(
    scored: Scored,
    ids: pl.Series,
    inputs: pl.DataFrame | None,
    seed: int,
    *,
    groups: pl.Series | None = None,
    carried: Floats | None = None,
) -> dict[str, Any]:
    """Everything drawn of one model; all of it can be written as JSON.

    Args:
        scored: the model's rows.
        ids: their ids.
        inputs: their other fields.
        seed: of the sample of points, of the order of the running error and of resamples.
        groups: what keeps rows together, or None.
        carried: (n,) the weight that each row carries, or None.
    """
    if not len(scored) or scored.truth.dtype == object:  # texts and lists
        return {}
    found: dict[str, Any] = {}
    if scored.classes:
        if scored.prediction is not None:
            found["confusion"] = confusion(scored)
            found["worst"] = _worst(scored, _doubt(scored, ids, seed), ids, inputs)
        found["curves"] = curves_of(scored, units_of(len(scored), groups), seed, carried)
        if scored.proba is not None:
            found["calibration"] = _calibration(scored)
        return {name: part for name, part in found.items() if part or name == "worst"}
    if scored.prediction is None:
        return {}
    return {
        "points": points(scored, ids, seed),
        "running": running(scored.absolute_error, uniform(text_hash(ids), seed, "running")),
        "bands": bands(scored),
        "calibration": {"of": None, "error": None, "bins": _lines(
            of_numbers(scored.predicted.astype(np.float64), scored.truth.astype(np.float64)))},
        "worst": _worst(scored, scored.absolute_error, ids, inputs),
    }  # fmt: skip


def _calibration(scored: Scored) -> dict[str, Any]:
    of, chance, hit = chances(scored)
    error = float(calibration_errors(chance, hit[None, :])[0])
    return {"of": of, "error": error, "bins": _lines(of_chances(chance, hit))}


def _lines(bins: Iterable[Bin]) -> list[dict[str, float | None]]:
    return [
        {key: None if v is None else number(v) for key, v in asdict(one).items()} for one in bins
    ]


def points(scored: Scored, ids: pl.Series, seed: int) -> list[list[Any]]:
    """Row id, truth and prediction of at most 2,000 rows, drawn by (seed, row id)."""
    drawn = first(uniform(text_hash(ids), seed, "points"), POINTS)
    prediction = scored.predicted
    return [
        [ids[int(row)], float(scored.truth[row]), float(prediction[row])]
        for row in drawn  # at most 2,000
    ]


def running(errors: Floats, order: Floats) -> list[list[float | None]]:
    """The mean error of the first n rows, for growing n, with its 95 % band.

    Args:
        errors: (n,) the error of each row.
        order: (n,) rows are taken in rising order of these numbers.

    Each entry is [n, mean, low, high]: mean ± 1.96 s / sqrt(n); at most 400 entries.

    >>> running(np.array([1.0, 3.0]), np.array([0.1, 0.2]))[-1][:2]
    [2, 2.0]
    """
    taken = errors[np.argsort(order, kind="stable")]
    count = np.arange(1, len(taken) + 1)
    mean = np.cumsum(taken) / count
    # Around the overall mean, so that the difference of two large sums does not cancel.
    centred = taken - taken.mean()
    squares = np.cumsum(centred**2) - np.cumsum(centred) ** 2 / count
    half = Z * np.sqrt(np.maximum(squares, 0) / np.maximum(count - 1, 1) / count)
    half[0] = np.nan
    shown = np.unique(np.linspace(0, len(taken) - 1, min(STEPS, len(taken))).round().astype(int))
    return [
        [int(count[i]), float(mean[i]), number(mean[i] - half[i]), number(mean[i] + half[i])]
        for i in shown  # at most 400
    ]


def first(values: Floats, count: int) -> Codes:
    """The places of the smallest values in rising order, of equal ones those that come first.

    >>> first(np.array([3.0, 1.0, 1.0, 2.0]), 2).tolist()
    [1, 2]
    """
    if count >= len(values):
        return np.argsort(values, kind="stable")
    bound = np.partition(values, count - 1)[count - 1]
    near = np.flatnonzero(values <= bound)
    return near[np.argsort(values[near], kind="stable")][:count]


def bands(scored: Scored) -> dict[str, int]:
    """Rows by error: green under 40 or 20 %, orange under 80 or 40 %, else red.

    >>> bands(Scored(np.full(3, 100.0), np.array([139.0, 179.0, 180.0])))
    {'green': 1, 'orange': 1, 'red': 1}
    """
    green = int(near(scored, *GREEN).sum())
    orange = int(near(scored, *ORANGE).sum()) - green
    return {"green": green, "orange": orange, "red": len(scored) - green - orange}


def confusion(scored: Scored) -> dict[str, Any]:
    """How often each true class (line) was predicted as each class (column).

    The labels are the 30 most frequent, by falling frequency in the truth; all others, and
    predictions that are no known class, are `other`.

    >>> scored = Scored(np.array([0, 1, 1]), np.array([0, 1, -1]), classes=("a", "b"))
    >>> confusion(scored)
    {'labels': ['b', 'a', 'other'], 'counts': [[1, 0, 1], [0, 1, 0], [0, 0, 0]]}
    """
    k = len(scored.classes)
    predicted: Codes = scored.predicted
    frequency = np.bincount(scored.truth, minlength=k)
    ranked = np.argsort(-frequency, kind="stable")[:LABELS]
    shown = len(ranked)
    # One place more than there are labels: code -1 reads the last one.
    place = np.full(k + 1, shown)
    place[ranked] = np.arange(shown)
    size = shown + 1
    cells = place[scored.truth] * size + place[predicted]
    counts = np.bincount(cells, minlength=size * size).reshape(size, size)
    names = [scored.classes[code] for code in ranked]
    if shown < k or counts[:, -1].any():
        return {"labels": [*names, "other"], "counts": counts.tolist()}
    return {"labels": names, "counts": counts[:-1, :-1].tolist()}


def _doubt(scored: Scored, ids: pl.Series, seed: int) -> Floats:
    """(n,) 0 for right rows; for wrong ones 1 less the probability of the true class."""
    wrong = scored.predicted != scored.truth
    if scored.proba is not None:
        return np.where(wrong, 1 - scored.proba[np.arange(len(scored)), scored.truth], 0.0)
    # All wrong rows are equally so: which are shown is drawn, not read off their order.
    drawn = uniform(text_hash(ids), seed, "worst")
    return np.where(wrong, 1 + drawn, 0.0)


def _worst(
    scored: Scored, error: Floats, ids: pl.Series, inputs: pl.DataFrame | None
) -> list[dict[str, Any]]:
    rows = first(-error, WORST)
    rows = rows[error[rows] > 0]
    texts = _texts(inputs, rows) if inputs is not None else [{} for _ in rows]
    return [
        {
            "row_id": ids[int(row)],
            "truth": _named(scored, scored.truth, int(row)),
            "prediction": _named(scored, scored.predicted, int(row)),
            "error": min(float(error[row]), 1.0) if scored.classes else float(error[row]),
            "inputs": fields,
        }
        for row, fields in zip(rows, texts, strict=True)  # at most 60
    ]


def _named(scored: Scored, values: npt.NDArray[Any], row: int) -> float | str | None:
    if not scored.classes:
        return float(values[row])
    return scored.classes[values[row]] if values[row] >= 0 else None


def _texts(inputs: pl.DataFrame, rows: Codes) -> list[dict[str, str]]:
    picked = inputs[rows.tolist()]
    return [
        {name: str(value)[:CUT] for name, value in row.items() if value is not None}
        for row in picked.iter_rows(named=True)  # at most 60
    ]
