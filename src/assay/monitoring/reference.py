"""The evaluation of a version, which new batches are held against."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import polars as pl

from assay.errors import AssayError, ModelError, nearest
from assay.evaluation.evaluation import Evaluation, Score
from assay.evaluation.intervals import Z
from assay.evaluation.measures import Measure, measures
from assay.evaluation.truth import Truth
from assay.evaluation.values import labels, numbers
from assay.models import _saving
from assay.recipe import FieldType, Use, load
from assay.rows import ROW_ID
from assay.version import Version

RUNS, EVALUATION, PREDICTIONS = (
    "runs",
    "evaluation.json",
    "predictions.parquet",
)


@dataclass(frozen=True, eq=False)
class Reference:
    """The evaluation that new batches are held against.

    Attributes:
        version: the version.
        run: the folder of its newest run.
        evaluation: what models scored there.
        model: the one that is monitored.
        kinds: the type of every input.
        asked: the metrics that the evaluation has, with their parameters.
    """

    version: Version
    run: Path
    evaluation: Evaluation
    model: str
    kinds: Mapping[str, FieldType]
    asked: tuple[Measure, ...]

    @property
    def saved(self) -> Path | None:
        """The folder of the saved model, if it was saved."""
        info = next(one for one in self.evaluation.models if one.model == self.model)
        folder = self.run / (info.saved or "not saved")
        return folder if (folder / _saving.MODEL).is_file() else None

    def score_of(self, metric: str) -> Score | None:
        """What the model scored in the evaluation."""
        return self.evaluation.score_of(self.model, metric)

    def error_of(self, metric: str) -> float:
        """The standard error of that score; NaN where it has no interval."""
        found = self.score_of(metric)
        return error_of(found) if found else math.nan


def reference_of(version: Version, model: str = "best") -> Reference | None:
    """The newest evaluation of a version's models; None where nothing was evaluated.

    Raises:
        ModelError: the evaluation has no such model.
    """
    runs = sorted(
        (version.path.parent / RUNS).glob(f"{version.id}-*/{EVALUATION}"),
        key=lambda path: path.stat().st_mtime,
    )
    if not runs:
        return None
    evaluation = Evaluation.from_file(runs[-1])
    title = evaluation.best if model == "best" else model
    if title is None:
        return None
    known = [info.model for info in evaluation.models]
    if title not in known:
        raise ModelError(
            f"The evaluation has no model {model!r}.",
            where=str(runs[-1]),
            allowed=["best", *known],
            hint=nearest(model, known),
        )
    recipe = load({**version.manifest["recipe"], "source": "-"})
    fields = {name: one["type"] for name, one in version.manifest["fields"].items()}
    inputs = recipe.inputs or [
        name for name in fields if name not in (evaluation.target, ROW_ID, *recipe.id)
    ]
    kinds = {name: cast(FieldType, fields[name]) for name in inputs if name in fields}
    uses = {use.title: use for use in recipe.metrics}
    asked = _measures(evaluation, uses)
    return Reference(version, runs[-1].parent, evaluation, title, kinds, asked)


def _measures(evaluation: Evaluation, uses: Mapping[str, Use]) -> tuple[Measure, ...]:
    """The evaluation's metrics; one of a user's function that is not switched on is left out."""
    titles = dict.fromkeys(one.metric for one in evaluation.scores)
    found = []
    for title in titles:
        try:
            found += measures([uses.get(title, title)], evaluation.task)
        except AssayError:
            continue
    return tuple(found)


def error_of(found: Score) -> float:
    """The standard error that an interval tells of; NaN where there is none."""
    if found.low is None or found.high is None:
        return math.nan
    return (found.high - found.low) / (2 * Z)


def truth_of(reference: Reference, ids: pl.Series, values: pl.Series) -> Truth:
    """Labels of rows in the form that they are scored in."""
    about = reference.evaluation
    read = numbers(values) if about.task == "number" else labels(values)
    return Truth(
        ids.cast(pl.String),
        read,
        about.task,
        target=about.target,
        classes=tuple(about.classes),
        positive=about.positive,
        name=about.name,
    )
