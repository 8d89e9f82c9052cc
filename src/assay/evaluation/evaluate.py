"""Score predictions against the truth: point values, intervals, comparisons, details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.errors import PredictionsError, nearest
from assay.evaluation.compare import Margin
from assay.evaluation.details import details_of
from assay.evaluation.evaluation import Evaluation, ModelInfo
from assay.evaluation.holding import hold
from assay.evaluation.measures import Asked, Measure, default_metrics, measures
from assay.evaluation.methods import IntervalKind
from assay.evaluation.predictions import outputs
from assay.evaluation.rankings import rankings_of
from assay.evaluation.scored import Floats
from assay.evaluation.scoring import Contest, Entrant, Setting
from assay.evaluation.tables import name_of
from assay.evaluation.truth import (
    Task,
    Truth,
    classes_of,
    positive_of,
    proba_columns,
)
from assay.evaluation.values import labels
from assay.places import called
from assay.records.recording import recorded
from assay.rows import text_hash

Pairs = Sequence[tuple[str, str]]


def evaluate(  # noqa: PLR0913 - the options of `assay evaluate`, one to one
    truth: Any,
    predictions: Any,
    *,
    id: str | None = None,
    target: str | None = None,
    metrics: Sequence[Asked] | str | None = None,
    positive: str | None = None,
    task: Task | None = None,
    seed: int = 0,
    name: str | None = None,
    groups: str | None = None,
    weights: str | None = None,
    interval: IntervalKind | None = None,
    margin: Margin = None,
    record: str | Path | None = None,
) -> Evaluation:
    """Score anybody's predictions against the truth, with intervals and paired comparisons.

    Args:
        truth: a path to CSV, JSONL or Parquet, or a pandas, Polars or Arrow frame.
        predictions: the same, a list of them, or a mapping of model name to them. A column
            `model` tells several models of one table apart; else a file's stem is its model.
        id: the column that says which prediction belongs to which row; `row_id` or `id` if not
            given.
        target: the column of the truth that holds the true value.
        metrics: names, or (name, parameters); by default what suits the task.
        positive: of two classes, the one that metrics are about.
        task: `number` or `class`, told from the values if not given; or `text`, or for lists of
            items `ranking` (their order counts) or `labels` (it does not).
        seed: of the bootstrap.
        name: of the evaluation; the truth file's stem if not given.
        groups: the column of the truth that says which rows belong together; they are resampled
            together.
        weights: the column of the truth that says how much each row counts.
        interval: `exact` for Clopper-Pearson where a metric is a proportion, `normal` for t
            intervals, `bootstrap` for BCa throughout; each metric's own if not given.
        margin: the largest difference that does not matter, for all metrics or by metric; one
            point, or one hundredth of the value, if not given.
        record: the folder of versions in whose record of runs it is kept; in none if not given.

    Raises:
        PredictionsError: predictions do not fit the truth.
        RecipeError: a metric is unknown or does not suit the task.
        SourceError: a file is missing or unreadable.

    >>> truth = pl.DataFrame({"id": [1, 2, 3], "price": [10.0, 20.0, 30.0]})
    >>> guesses = pl.DataFrame({"id": [3, 2, 1], "prediction": ["$33", "20 dollars", "10"]})
    >>> evaluate(truth, {"mine": guesses}, metrics="mae").scores[0].value
    1.0
    """
    title = name or name_of(truth, "evaluation")
    said = {"name": title, "source": called(truth), "target": target, "metrics": metrics}
    with recorded("evaluate", record, said | {"seed": seed}) as kept:
        held = hold(
            truth, predictions, id=id, target=target, positive=positive, task=task, name=title,
            groups=groups, weights=weights,
        )  # fmt: skip
        asked = Figures(interval, margin)
        result = score(
            held.truth, held.tables, metrics or [], seed=seed, about=held.infos, figures=asked
        )
        kept.best, kept.scores = result.best, result.plain_scores()
    return result.model_copy(update={"notes": [*held.notes, *result.notes]})


@dataclass(frozen=True)
class Figures:
    """How intervals are made and what difference does not matter; see `evaluate`."""

    interval: IntervalKind | None = None
    margin: Margin = None


def score(
    truth: Truth,
    predictions: Mapping[str, pl.DataFrame],
    metrics: Sequence[Asked] | str = (),
    *,
    seed: int = 0,
    about: Sequence[ModelInfo] = (),
    pairs: Pairs = (),
    figures: Figures = Figures(),
) -> Evaluation:
    """Score models on the same rows.

    Args:
        truth: the rows and their true values; rows without one are left out.
        predictions: model to a frame of the truth's height and order, with `prediction` and/or
            `proba_<class>` columns, and optionally `score`.
        metrics: what to measure, the first one decides which model is best; by default what
            suits the task.
        seed: of the bootstrap.
        about: what is known of the models beside; one that failed is named here only, with its
            error.
        pairs: models to compare beside the best one with each other one.
        figures: how intervals are made and what difference does not matter.

    Raises:
        PredictionsError: predictions do not fit the truth, or a pair names an unknown model.
        RecipeError: a metric is unknown or does not suit the task.

    >>> truth = Truth(pl.Series(["a", "b"]), pl.Series([1.0, 2.0]), "number")
    >>> score(truth, {"m": pl.DataFrame({"prediction": [1.0, 4.0]})}, "mae").best
    'm'
    """
    staged = stage(truth, predictions, metrics)
    return judged(staged, seed=seed, about=about, pairs=pairs, figures=figures)


@dataclass(frozen=True, eq=False)
class Stage:
    """Rows in the order of their ids' hashes, the models on them, and what is measured.

    Attributes:
        truth: the rows.
        models: with their values.
        asked: the metrics.
        carried: (n,) the weight that each row carries, 1 on average; None where all count the same.
        classes: every label.
        unparsable: model to rows with an answer that cannot be read.
        notes: what was left out.
    """

    truth: Truth
    models: Mapping[str, Entrant]
    asked: Sequence[Measure]
    carried: Floats | None
    classes: tuple[str, ...]
    unparsable: Mapping[str, int]
    notes: Sequence[str]


def stage(
    truth: Truth,
    predictions: Mapping[str, pl.DataFrame],
    metrics: Sequence[Asked] | str = (),
) -> Stage:
    """Read what the models gave and measure it; the arguments are those of `score`."""
    _check_heights(truth, predictions)
    truth, predictions, notes = _in_canonical_order(_plain_labels(truth), predictions)
    classes = classes_of(truth, list(predictions.values()))
    if truth.task == "class":
        truth = replace(truth, positive=positive_of(classes, truth.positive))
    if not metrics:
        graded = any(proba_columns(f) or "score" in f.columns for f in predictions.values())
        metrics = default_metrics(truth.task, binary=truth.positive is not None, graded=graded)
    asked = measures(metrics, truth.task)
    carried = None
    if truth.weights is not None:
        weights = truth.weights.to_numpy()
        carried = weights / weights.mean()
    models = {
        name: Entrant(name, *outputs(frame, truth, classes), asked, carried)
        for name, frame in predictions.items()
    }
    unparsable = {name: _unparsable(models[name], frame) for name, frame in predictions.items()}
    return Stage(truth, models, asked, carried, classes, unparsable, notes)


def judged(
    staged: Stage,
    *,
    seed: int = 0,
    about: Sequence[ModelInfo] = (),
    pairs: Pairs = (),
    figures: Figures = Figures(),
) -> Evaluation:
    """Give every value its interval and compare; the arguments are those of `score`."""
    truth, models, asked = staged.truth, staged.models, staged.asked
    best = _best(models, asked)
    wanted = _pairs(models, best, pairs, {info.model for info in about})
    setting = Setting(seed, truth.groups, staged.carried, figures.interval, figures.margin)
    work = Contest(len(truth.ids), setting, models, wanted, asked)
    infos = _infos(staged, about)
    scores = [work.score(model, m, truth.split) for model in models.values() for m in asked]
    return Evaluation(
        name=truth.name,
        version=truth.version,
        task=truth.task,
        target=truth.target,
        unit=truth.unit,
        positive=truth.positive,
        split=truth.split,
        n=len(truth.ids),
        classes=list(staged.classes),
        metrics=[measure.title for measure in asked],
        models=infos,
        scores=scores,
        comparisons=work.comparisons(),
        rankings=rankings_of(models, truth.groups, asked[:1]),
        best=best,
        details={name: _details(model, staged, seed) for name, model in models.items()},
        groups=truth.groups.name if truth.groups is not None else None,
        weights=truth.weights.name if truth.weights is not None else None,
        detectable=work.detectable(),
        notes=[
            *staged.notes,
            *(note for info in infos if (note := _missing_note(info, truth))),
            *work.heavy(),
        ],
    )


def _check_heights(truth: Truth, predictions: Mapping[str, pl.DataFrame]) -> None:
    if not len(truth.ids):
        raise PredictionsError("There are no rows to score.", where=truth.name)
    for name, frame in predictions.items():
        if frame.height != len(truth.ids):
            raise PredictionsError(
                f"{frame.height:,} predictions for {len(truth.ids):,} rows.",
                where=f"model {name!r}",
                hint="give one for each row, null where there is none",
            )


def _plain_labels(truth: Truth) -> Truth:
    """Labels in the one form that predicted labels are read in."""
    if truth.task != "class":
        return truth
    classes = labels(pl.Series(truth.classes, dtype=pl.String))
    return replace(truth, values=labels(truth.values), classes=tuple(classes.drop_nulls()))


def _in_canonical_order(
    truth: Truth, predictions: Mapping[str, pl.DataFrame]
) -> tuple[Truth, dict[str, pl.DataFrame], list[str]]:
    """Rows by their id's hash, so that resamples do not depend on the order of files."""
    known = truth.values.is_not_null()
    if truth.values.dtype.is_float():
        known &= truth.values.is_finite().fill_null(False)
    rows = np.flatnonzero(known.to_numpy())
    if not len(rows):
        raise PredictionsError(
            f"None of the {len(known):,} rows has a true value.", where=truth.target
        )
    lost = len(known) - len(rows)
    notes = [f"{lost:,} rows without a true value are left out."] if lost else []
    hashes = text_hash(truth.ids).to_numpy()[rows]
    order = rows[np.argsort(hashes, kind="stable")]
    beside: dict[str, Any] = {
        name: None if part is None else part[order]
        for name, part in (
            ("inputs", truth.inputs), ("groups", truth.groups), ("weights", truth.weights)
        )
    }  # fmt: skip
    ordered = replace(truth, ids=truth.ids[order], values=truth.values[order], **beside)
    return ordered, {name: frame[order] for name, frame in predictions.items()}, notes


def _best(models: Mapping[str, Entrant], asked: Sequence[Measure]) -> str | None:
    if not asked:
        return None
    first = asked[0]
    sign = 1 if first.better == "lower" else -1
    ranked = [
        (sign * value, place, model.name)
        for place, model in enumerate(models.values())
        if (value := model.values[first.title]) is not None
    ]
    return min(ranked)[2] if ranked else None


def _pairs(
    models: Mapping[str, Entrant], best: str | None, extra: Pairs, failed: set[str]
) -> Pairs:
    for name in (name for pair in extra for name in pair):
        if name not in models and name not in failed:
            raise PredictionsError(
                f"There is no model {name!r} to compare.",
                allowed=models,
                hint=nearest(name, models),
            )
    pairs = [(best, other) for other in models if best and other != best]
    for a, b in extra:
        known = a in models and b in models and a != b
        if known and (a, b) not in pairs and (b, a) not in pairs:
            pairs.append((a, b))
    return pairs


def _infos(staged: Stage, about: Sequence[ModelInfo]) -> list[ModelInfo]:
    n, models = len(staged.truth.ids), staged.models
    known = {info.model: info for info in about}
    order = [*known, *(name for name in models if name not in known)]
    return [
        known.get(name, ModelInfo(model=name)).model_copy(
            update={
                "missing": n - len(models[name].scored) if name in models else n,
                "unparsable": staged.unparsable.get(name, 0),
            }
        )
        for name in order
    ]


def _unparsable(model: Entrant, frame: pl.DataFrame) -> int:
    """Rows that have an answer of which nothing can be made."""
    if "prediction" not in frame.columns:
        return 0
    texts = frame["prediction"]
    given = texts.is_not_null()
    if texts.dtype == pl.String:
        given &= (texts.str.strip_chars() != "").fill_null(False)
    elif texts.dtype.is_float():
        given &= texts.is_not_nan().fill_null(False)
    return int((given.to_numpy() & ~model.usable).sum())


def _missing_note(info: ModelInfo, truth: Truth) -> str | None:
    if not info.missing:
        return None
    why = f" ({info.error})" if info.error else ""
    if info.unparsable:
        why += f" ({info.unparsable:,} of them hold an answer that cannot be read)"
    return (
        f"{info.model}: {info.missing:,} of {len(truth.ids):,} rows have no usable prediction"
        f"{why}; they are not scored."
    )


def _details(model: Entrant, staged: Stage, seed: int) -> dict[str, Any]:
    rows, truth = np.flatnonzero(model.usable), staged.truth
    return details_of(
        model.scored,
        truth.ids[rows],
        truth.inputs[rows] if truth.inputs is not None else None,
        seed,
        groups=truth.groups[rows] if truth.groups is not None else None,
        carried=staged.carried[rows] if staged.carried is not None else None,
    )
