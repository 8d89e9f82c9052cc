"""Fit a recipe's models on a version's training rows and have them predict the held-out ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import polars as pl

from assay.cache import Cache
from assay.errors import ModelError, RecipeError
from assay.evaluation.evaluate import score
from assay.evaluation.evaluation import Evaluation
from assay.evaluation.fits import Fitting, Held
from assay.evaluation.grouping import group_columns, groups_of
from assay.evaluation.planning import planned
from assay.evaluation.truth import Truth
from assay.evaluation.values import numbers
from assay.models.training import Training
from assay.recipe import FieldSpec, FieldType, Recipe
from assay.rows import ROW, ROW_ID, text_hash
from assay.version import Version

Progress = Callable[[str, int, int], None]
Task = Literal["number", "class"]
HELD_OUT = ("test", "validation")
_TARGET = "\x1ftarget"  # no column of a version is called like this


def evaluate_version(
    recipe: Recipe,
    version: Version,
    cache: Cache,
    *,
    pairs: Sequence[tuple[str, str]] = (),
    progress: Progress | None = None,
    models: Path | None = None,
    keep: Callable[[set[str]], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[Evaluation, pl.DataFrame, set[str]]:
    """Fit every model of a recipe and score all of them on the same held-out rows.

    Args:
        recipe: names the models, the metrics and the target.
        version: has the rows.
        cache: keeps what a fitted model predicted.
        pairs: models to compare beside the best one with each other one.
        progress: called with a stage's name, what is done and how much there is.
        models: the folder that fitted models are put into, one folder each.
        keep: called first with the keys of all entries that will be used, so that those which
            are finished outlive an interruption.
        tell: called, before a model is fitted, with what these rows can show.

    Returns:
        The evaluation; the predictions as a table of `row_id`, `model`, `prediction`, …; and the
        keys of the cache's entries that were used.

    Raises:
        RecipeError: the version has no target or no held-out rows.
        ModelError: no model at all could be fitted.
    """
    report = progress or (lambda stage, done, total: None)
    held = hold_out(recipe, version)
    if tell is not None and (told := planned(held.truth, recipe.metrics)):
        tell(told)
    fitting = Fitting(recipe, version, held, cache)
    if keep is not None:
        keep(set(fitting.keys.values()))
    for use in fitting.order:
        report(f"fit {use.title}", 0, 1)
        fitting.fit(use)
        report(f"fit {use.title}", 1, 1)
    infos = [fitting.infos[use.title] for use in recipe.models]
    predictions = {
        use.title: fitting.predicted[use.title]
        for use in recipe.models
        if use.title in fitting.predicted
    }
    if not predictions:
        raise ModelError(
            "No model could be fitted.",
            received="; ".join(f"{info.model}: {info.error}" for info in infos),
        )
    if models is not None:
        infos = [fitting.place(info, models) for info in infos]
    report("score", 0, 1)
    evaluation = score(
        held.truth,
        predictions,
        recipe.metrics,
        seed=recipe.seed,
        about=infos,
        pairs=pairs,
    )
    report("score", 1, 1)
    ids = held.truth.ids.alias(ROW_ID)
    table = pl.concat(
        [
            _typed(frame, held.truth.task).select(ids, pl.lit(model).alias("model"), pl.all())
            for model, frame in predictions.items()
        ],
        how="diagonal_relaxed",
    )
    return evaluation, table, set(fitting.keys.values())


def _typed(frame: pl.DataFrame, task: str) -> pl.DataFrame:
    """Numbers that somebody wrote as text, as the numbers that they were scored as."""
    if task != "number" or frame.schema.get("prediction") != pl.String:
        return frame
    return frame.with_columns(numbers(frame["prediction"]).alias("prediction"))


def hold_out(recipe: Recipe, version: Version) -> Held:
    """Take the training, validation and held-out rows of a version, for the recipe's target.

    Raises:
        RecipeError: there is no target, or no held-out rows.
    """
    fields = {
        name: FieldSpec(type=field["type"], unit=field["unit"])
        for name, field in version.manifest["fields"].items()
    }
    target = recipe.target
    if target is None:
        raise RecipeError("Models need a `target` to learn.")
    split = next((name for name in HELD_OUT if version.splits.get(name)), None)
    if split is None or not version.splits.get("train"):
        raise RecipeError(
            "The version has no held-out rows to score models on."
            if split is None
            else "The version has no training rows.",
            received=version.splits,
            hint="add a step such as `split.random: {train: 0.8, validation: 0.1, test: 0.1}`",
        )
    task: Task = recipe.task or (
        "number" if fields[target].type in ("integer", "number") else "class"
    )
    inputs = recipe.inputs
    if inputs is not None:
        # A step that selects features may have taken some of them out of the version.
        gone = version.manifest.get("dropped", ())
        inputs = [name for name in inputs if name not in gone]
    else:
        inputs = [name for name in fields if name not in (target, ROW_ID, *recipe.id)]
    if not inputs:
        raise RecipeError(
            "Models have nothing to learn from: there are no inputs.",
            allowed=[name for name in fields if name != target] or "a column beside the target",
            hint="name some under `inputs`, or leave `inputs` out to use every other column",
        )
    kinds: dict[str, FieldType] = {name: fields[name].type for name in inputs}
    extras = version.manifest.get("extras", {})
    weight = [name for name, role in extras.items() if role == "weight"]
    groups = group_columns(version)
    parts = {
        name: _usable(version, name, [*inputs, *weight, *groups], target, task)
        for name in ("train", "validation", split)
    }
    train, validation = parts["train"], parts["validation" if split != "validation" else "train"]
    if split == "validation":
        validation = validation.clear()
    if not train.height:
        raise RecipeError(f"No training row has a {target!r}.", received=version.splits)
    if not parts[split].height:
        raise RecipeError(f"No row of the split {split!r} has a {target!r}.")
    classes = tuple(sorted(train[_TARGET].unique().to_list())) if task == "class" else ()
    training = Training(
        rows=train.select(inputs),
        target=train[_TARGET].alias(target),
        validation_rows=validation.select(inputs),
        validation_target=validation[_TARGET].alias(target),
        row=text_hash(train[ROW_ID]).alias(ROW),
        task=task,
        classes=classes,
        kinds=kinds,
        seed=recipe.seed,
        weights=train[weight[0]] if weight else None,
        validation_weights=validation[weight[0]] if weight else None,
    )
    rows = parts[split]
    truth = Truth(
        rows[ROW_ID],
        rows[_TARGET].alias(target),
        task,
        target=target,
        classes=classes,
        positive=recipe.positive,
        inputs=rows.select(inputs),
        name=recipe.name,
        version=version.id,
        unit=fields[target].unit,
        split=split,
        groups=groups_of(rows, groups),
    )
    return Held(training, rows.select(list(dict.fromkeys([ROW_ID, *inputs]))), truth)


def _usable(
    version: Version, split: str, inputs: list[str], target: str, task: Task
) -> pl.DataFrame:
    """The rows of a split that have a target, which may be none."""
    if not version.splits.get(split):
        split, empty = next(iter(version.splits)), True
    else:
        empty = False
    dtype = pl.Float64 if task == "number" else pl.String
    lazy = version.scan(split).select(
        *dict.fromkeys([ROW_ID, *inputs]), pl.col(target).cast(dtype).alias(_TARGET)
    )
    rows = lazy.filter(pl.col(_TARGET).is_not_null()).collect()
    return rows.clear() if empty else rows
