"""How a version's model does on a new batch: realised where there are labels, else estimated."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import polars as pl

from assay.errors import ModelError, PredictionsError
from assay.evaluation.evaluate import score
from assay.evaluation.measures import Measure
from assay.evaluation.predictions import outputs
from assay.models import _saving
from assay.monitoring.estimation import ASSUMED, Estimate, none, of_classes, of_numbers
from assay.monitoring.learned import calibration_of, losses_of
from assay.monitoring.reference import Reference, error_of, truth_of
from assay.recipe import Use
from assay.rows import ROW_ID

Figure = dict[str, Any]


def predictions_of(reference: Reference, rows: pl.DataFrame) -> pl.DataFrame | None:
    """What the saved model says of a batch; None where it was not saved, or cannot see these rows.

    Args:
        reference: the evaluation.
        rows: `row_id` and the inputs, made ready as the version's rows were.
    """
    if reference.saved is None or set(reference.kinds) - set(rows.columns):
        return None
    fitted = _saving.load(reference.saved, hash=reference.version.manifest["hash"])
    found: pl.DataFrame = fitted.predict(rows.select(ROW_ID, *reference.kinds))
    return rows.select(ROW_ID).hstack(found)


def realised(
    reference: Reference, predictions: pl.DataFrame, values: pl.Series | None
) -> list[Figure]:
    """Score a batch's predictions on the labels that are known, each metric with its interval.

    Args:
        reference: the evaluation.
        predictions: `row_id`, `prediction` and, for classes, `proba_<class>`.
        values: the labels in the same order, null where there is none.

    Returns:
        A figure for each metric, as `monitor.json` holds it; none at all without labels.
    """
    if values is None:
        return []
    truth = truth_of(reference, predictions[ROW_ID], values)
    known = truth.values.is_not_null()
    if not known.any():
        return []
    kept = dataclasses.replace(
        truth, ids=truth.ids.filter(known), values=truth.values.filter(known)
    )
    frame = predictions.drop(ROW_ID, "model", strict=False).filter(known)
    uses = [Use(name=one.name, given=dict(one.parameters), label=one.title)
            for one in reference.asked]  # fmt: skip
    evaluation = score(kept, {reference.model: frame}, uses)
    found = []
    for measure in reference.asked:
        one = evaluation.score_of(reference.model, measure.title)
        if one is None:
            continue
        told = Estimate(one.metric, one.value, one.low, one.high, error_of(one), one.n, one.method)
        found.append(_figure(reference, measure, told, estimated=False))
    return found


def estimated(
    reference: Reference, predictions: pl.DataFrame, rows: pl.DataFrame
) -> tuple[list[Figure], list[str]]:
    """Estimate each metric on a batch without labels, with its band.

    Args:
        reference: the evaluation.
        predictions: `row_id`, `prediction` and, for classes, `proba_<class>`.
        rows: `row_id` and the inputs, in the same order.

    Returns:
        A figure for each metric, and why there are none, or not all.
    """
    task = reference.evaluation.task
    if task not in ("number", "class"):
        return [], [f"Performance without labels is not estimated for a target of {task}."]
    try:
        estimates = _estimates(reference, predictions, rows)
    except (PredictionsError, ModelError) as error:
        return [], [f"Performance without labels cannot be estimated: {error.what}."]
    by_title = {one.title: one for one in reference.asked}
    figures = [
        _figure(reference, by_title[one.metric], one, estimated=True)
        for one in estimates
        if one.value is not None
    ]
    lacking = [one for one in estimates if one.value is None]
    notes = [f"{one.metric} without labels: {one.method.removeprefix('none: ')}."
             for one in lacking]  # fmt: skip
    return figures, notes


def _estimates(
    reference: Reference, predictions: pl.DataFrame, rows: pl.DataFrame
) -> list[Estimate]:
    task, classes = reference.evaluation.task, tuple(reference.evaluation.classes)
    blank = pl.Series([0.0 if task == "number" else classes[0]] * rows.height)
    truth = truth_of(reference, predictions[ROW_ID], blank)
    scored, usable = outputs(predictions.drop(ROW_ID, "model", strict=False), truth, classes)
    if not usable.any():
        return [none(one.title, "no usable predictions") for one in reference.asked]
    scored = scored.take(usable)
    if task == "class":
        calibration = calibration_of(reference)
        shared = {one.title: reference.error_of(one.title) for one in reference.asked}
        return of_classes(scored, calibration, reference.asked, shared)
    gone = [name for name in reference.kinds if name not in rows.columns]
    if gone:
        raise PredictionsError(f"the batch has no field {gone[0]!r}")
    seen = rows.filter(pl.Series(usable)).select(ROW_ID, *reference.kinds)
    return of_numbers(seen, scored.predicted, losses_of(reference), reference.asked)


def _figure(reference: Reference, measure: Measure, found: Estimate, *, estimated: bool) -> Figure:
    before = reference.score_of(measure.title)
    first = reference.error_of(measure.title)
    return {
        "metric": measure.title,
        "model": reference.model,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "estimated": estimated,
        "reference": before.value if before else None,
        "reference_low": before.low if before else None,
        "reference_high": before.high if before else None,
        "alarm": False,
        "error": found.error if math.isfinite(found.error) else None,
        "n": found.n,
        "method": found.method,
        "better": measure.better,
        "bounded": measure.is_bounded,
        "share": measure.is_share and before is not None and before.method.startswith("Wilson"),
        "reference_error": first if math.isfinite(first) else None,
        "reference_n": before.n if before else None,
        "assumption": ASSUMED[reference.evaluation.task] if estimated else None,
    }
