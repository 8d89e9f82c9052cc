"""How much a model loses on each row: what slices are searched by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from assay.errors import RecipeError
from assay.evaluation.predictions import Usable, outputs
from assay.evaluation.scored import Floats, Scored
from assay.evaluation.truth import Truth, classes_of

Kind = Literal["absolute_error", "log_error", "wrong", "log_loss"]
_OF_NUMBERS: tuple[Kind, ...] = ("absolute_error", "log_error")
_OF_CLASSES: tuple[Kind, ...] = ("wrong", "log_loss")
_GRADED = ("log_loss", "brier", "ece", "roc_auc", "average_precision")
_LEAST = 1e-15


@dataclass(frozen=True, eq=False)
class Losses:
    """What a model lost.

    Attributes:
        values: (n,) the loss of each row, NaN where there is no usable prediction.
        kind: what is counted.
        scored: the usable rows, for metrics.
        usable: (n,) which rows these are.
    """

    values: Floats
    kind: Kind
    scored: Scored
    usable: Usable


def losses(
    truth: Truth, frame: pl.DataFrame, *, kind: Kind | None = None, metric: str | None = None
) -> Losses:
    """The loss of one model on each row.

    Args:
        truth: the true values, of task `number` or `class`.
        frame: the model's predictions, in the order of the truth.
        kind: `absolute_error` or `log_error` (the absolute difference of log(1 + x)) for numbers,
            `wrong` (0 or 1) or `log_loss` for classes; by default what lies nearest to `metric`.
        metric: the name of the metric that orders the models.

    Raises:
        RecipeError: the task has no loss of this kind.
        PredictionsError: nothing can be scored.

    >>> truth = Truth(pl.Series(["a", "b"]), pl.Series([1.0, 4.0]), "number")
    >>> losses(truth, pl.DataFrame({"prediction": [1.5, None]})).values.tolist()
    [0.5, nan]
    """
    allowed = {"number": _OF_NUMBERS, "class": _OF_CLASSES}.get(truth.task, ())
    if not allowed or (kind is not None and kind not in allowed):
        raise RecipeError(
            f"A target of the task {truth.task!r} has no such loss by row.",
            received=kind,
            allowed=allowed or "a target that is a number or a class",
        )
    full, usable = outputs(frame, truth, classes_of(truth, [frame]))
    if kind is None:
        kind = _usual(truth, full, metric)
    found = np.full(len(truth.ids), np.nan)
    scored = full.take(usable)
    found[usable] = _each(scored, kind)
    return Losses(found, kind, scored, usable)


def _usual(truth: Truth, full: Scored, metric: str | None) -> Kind:
    if truth.task == "number":
        return "log_error" if metric == "rmsle" else "absolute_error"
    return "log_loss" if metric in _GRADED and full.proba is not None else "wrong"


def _each(scored: Scored, kind: Kind) -> Floats:
    if kind == "absolute_error":
        return scored.absolute_error
    if kind == "log_error":
        guess, truth = (np.log1p(np.maximum(v, 0.0)) for v in (scored.predicted, scored.truth))
        return np.asarray(np.abs(guess - truth))
    if kind == "wrong":
        return np.asarray(scored.predicted != scored.truth, dtype=np.float64)
    given = scored.probabilities[np.arange(len(scored)), scored.truth]
    return np.asarray(-np.log(np.maximum(given, _LEAST)))
