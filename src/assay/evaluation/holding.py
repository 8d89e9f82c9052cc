"""Predictions read and laid beside the truth, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assay.evaluation.evaluation import ModelInfo
from assay.evaluation.predictions import about, align, read_predictions
from assay.evaluation.tables import name_of, read_table
from assay.evaluation.truth import Task, Truth, id_column, proba_columns, truth_from


@dataclass(frozen=True, eq=False)
class Held:
    """Predictions beside the truth, row by row.

    Attributes:
        truth: the true values.
        tables: model to its predictions, in the truth's order.
        infos: what the tables tell of the models beside.
        notes: what was left out.
    """

    truth: Truth
    tables: Mapping[str, pl.DataFrame]
    infos: Sequence[ModelInfo] = ()
    notes: Sequence[str] = ()


def hold(  # noqa: PLR0913 - what `evaluate` and `compare` take alike
    truth: Any,
    predictions: Any,
    *,
    id: str | None = None,
    target: str | None = None,
    positive: str | None = None,
    task: Task | None = None,
    name: str | None = None,
    groups: str | None = None,
    weights: str | None = None,
) -> Held:
    """Read the truth and the predictions and align them; the arguments are those of `evaluate`.

    Raises:
        PredictionsError: predictions do not fit the truth.
        SourceError: a file is missing or unreadable.
    """
    table = read_table(truth)
    tables = read_predictions(predictions)
    frames = [frame for _, frame in tables]
    column = id_column(table, frames, id)
    if task is None and any(proba_columns(frame) for frame in frames):
        task = "class"
    held = truth_from(
        table,
        id=column,
        target=target,
        task=task,
        positive=positive,
        name=name or name_of(truth, "evaluation"),
        groups=groups,
        weights=weights,
    )
    aligned, notes = align(tables, held.ids, column)
    return Held(held, aligned, [about(model, frame) for model, frame in aligned.items()], notes)
