"""Everything about where a model fails, put together from a version and its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from assay.errors import AssayError, PredictionsError, nearest
from assay.evaluation.evaluation import Evaluation
from assay.evaluation.fits import Held
from assay.evaluation.fitting import hold_out
from assay.evaluation.measures import measures
from assay.evaluation.scored import Floats
from assay.recipe import FieldType, Recipe
from assay.rows import ROW_ID, as_pandas, text_hash, uniform
from assay.slices.finding import Slices, find_slices
from assay.slices.losses import Losses, losses
from assay.slices.nearest import Likeness, likeness
from assay.slices.residuals import confusions, residuals
from assay.slices.suspects import Moved, all_fail, far_off, score_without, suspected
from assay.slices.worst import worst_rows
from assay.version import Version

BASELINES = ("constant", "random")
"""Models that fail nearly everywhere, and so tell nothing of a row."""
PRODUCTS = 400_000_000
"""Pairs of rows up to which every held-out row's nearest training row is looked for."""
LIKENESS = "likeness to train"
MAX_SLICED = 100_000
"""Rows that slices are looked for in; more would show smaller ones than anybody can act on."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Where a model fails.

    Attributes:
        model: which one.
        metric: that orders the models.
        loss: what is counted by row.
        rows: held-out rows.
        slices: rows that have something in common and on which it loses more.
        residuals: for numbers; see `residuals`.
        confusions: for classes; see `confusions`.
        worst: the rows with the largest losses; see `worst_rows`.
        failed: on how many rows all models fail.
        suspects: those of them on which the models are sure; see `suspected` and `far_off`.
        suspected: how many these are.
        expected: how many there would be if all targets were right; None where it is not known.
        moved: how the score would move without them.
        notes: what could not be done, and why.
    """

    model: str
    metric: str | None
    loss: str
    rows: int
    slices: Slices
    residuals: Mapping[str, Any] | None
    confusions: Sequence[Mapping[str, Any]]
    worst: Sequence[Mapping[str, Any]]
    suspects: Sequence[Mapping[str, Any]]
    failed: int
    suspected: int
    expected: float | None
    moved: Moved | None
    notes: tuple[str, ...] = ()
    held: Held | None = field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, the content of `errors.json`."""
        return {
            "model": self.model,
            "metric": self.metric,
            "loss": self.loss,
            "rows": self.rows,
            "slices": self.slices.to_dict(),
            "residuals": dict(self.residuals) if self.residuals else None,
            "confusions": [dict(one) for one in self.confusions],
            "worst": [dict(one) for one in self.worst],
            "suspects": {
                "failed": self.failed,
                "suspected": self.suspected,
                "expected": self.expected,
                "rows": [dict(one) for one in self.suspects],
                "without": self.moved.to_dict() if self.moved else None,
            },
            "notes": list(self.notes),
        }

    def to_pandas(self) -> Any:
        """The slices as a pandas frame."""
        return as_pandas(self.slices.to_polars())

    def __repr__(self) -> str:
        lines = [f"{self.model} on {self.rows:,} held-out rows", repr(self.slices)]
        if self.confusions:
            lines.append("taken for each other")
            lines += [
                f"  {one['truth']} taken for {one['predicted']}: {one['rows']:,} rows "
                f"({one['share']:.1%})"
                for one in self.confusions[:5]
            ]
        if self.failed:
            chance = f" ({self.expected:.0f} by chance)" if self.expected is not None else ""
            lines.append(
                f"all models fail on {self.failed:,} rows and are sure on {self.suspected:,} of "
                f"them{chance}: these targets may be wrong"
            )
        if self.moved:
            lines.append(
                f"  without them {self.moved.metric} would be {self.moved.without:.4g} instead of "
                f"{self.moved.value:.4g}"
            )
        if self.worst:
            lines.append("worst rows")
            lines += [
                f"  {one['row_id']}: {one['truth']} predicted as {_short(one['prediction'])}; "
                + "; ".join(reason["says"] for reason in one["reasons"])
                for one in self.worst[:5]
            ]
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        from html import escape

        lines = repr(self).splitlines()[1 + len(repr(self.slices).splitlines()) :]
        rest = "".join(f"<li>{escape(line)}</li>" for line in lines)
        return f"<p>{escape(self.model)}</p>{self.slices._repr_html_()}<ul>{rest}</ul>"


def diagnose(
    recipe: Recipe,
    version: Version,
    evaluation: Evaluation,
    predictions: pl.DataFrame,
    *,
    model: str | None = None,
    doubted: Sequence[str] = (),
    held: Held | None = None,
) -> Diagnosis:
    """Look where a model fails on the held-out rows of a version.

    Args:
        recipe: names the target, the inputs and the models.
        version: has the rows.
        evaluation: says which model is best, and what is measured.
        predictions: of all models, a table of `row_id`, `model`, `prediction`, `proba_<class>`.
        model: which one; the best by default.
        doubted: ids of held-out rows whose target is in doubt otherwise.
        held: the version's rows, where they were read already.

    Raises:
        RecipeError: there is no target or no held-out row, or the target is no number or class.
        PredictionsError: there is no such model.
    """
    held = held or hold_out(recipe, version)
    chosen = _chosen(evaluation, predictions, model)
    metric = evaluation.metrics[0] if evaluation.metrics else None
    named = {use.title: use.name for use in recipe.metrics}.get(metric or "", metric)
    tables = {
        name: aligned(predictions, name, held.truth.ids)
        for name in predictions["model"].unique(maintain_order=True)
    }
    ours = losses(held.truth, tables[chosen], metric=named)
    notes: list[str] = []
    like, alike = _likeness(held, notes)
    found, kinds = _fields(recipe, version, held)
    if alike is not None:
        found = found.with_columns(pl.Series(LIKENESS, alike.astype(np.float64)))
    slices = find_slices(
        found,
        _drawn(ours.values, held.truth.ids, recipe.seed, notes),
        kinds={**kinds, **({LIKENESS: "number"} if alike is not None else {})},
        name=ours.kind,
        groups=held.truth.groups,
        seed=recipe.seed,
    )
    witnesses = _witnesses(recipe, held, tables, chosen, ours)
    nothing = np.zeros(len(held.truth.ids))
    failed, degree = all_fail(witnesses) if witnesses else (nothing > 0, nothing)
    doubtful, expected = far_off(witnesses, failed, degree) if witnesses else (failed, None)
    guesses = {name: tables[name]["prediction"] for name in witnesses}
    moved = _moved(recipe, evaluation, ours, doubtful, held)
    scored, ids = ours.scored, held.truth.ids.filter(pl.Series(ours.usable))
    by_class = by_number = None
    if scored.classes and scored.prediction is not None:
        sure = scored.proba.max(axis=1) if scored.proba is not None else None
        by_class = confusions(scored.truth, scored.prediction, scored.classes, ids, sure)
    elif scored.prediction is not None and len(scored):
        part = found.filter(pl.Series(ours.usable))
        by_number = residuals(scored.prediction, scored.truth, part, kinds)
    surest = _surest(ours)
    worst = worst_rows(
        held.truth.ids, held.rows.select(list(held.training.kinds)), held.truth.values,
        _predicted(ours, tables[chosen]), surest, held.training, like, alike=alike,
    )  # fmt: skip
    return Diagnosis(
        model=chosen,
        metric=metric,
        loss=ours.kind,
        rows=len(held.truth.ids),
        slices=slices,
        residuals=by_number,
        confusions=by_class or [],
        worst=_named(worst, version),
        suspects=suspected(
            doubtful, degree, held.truth.ids, held.truth.values, guesses, doubted=doubted
        ),
        failed=int(failed.sum()),
        suspected=int(doubtful.sum()),
        expected=expected,
        moved=moved,
        notes=tuple(notes),
        held=held,
    )


def sliced(
    recipe: Recipe, version: Version, evaluation: Evaluation, predictions: pl.DataFrame
) -> dict[str, Any] | None:
    """The slices on which the best model loses more, for a report; None where none can be sought.

    As `diagnose` finds them, but for how alike each row is to train, which takes seconds.
    """
    held, notes = hold_out(recipe, version), list[str]()
    if held.truth.task not in ("number", "class") or evaluation.best is None:
        return None
    named = {use.title: use.name for use in recipe.metrics}
    metric = evaluation.metrics[0]
    table = aligned(predictions, evaluation.best, held.truth.ids)
    try:
        ours = losses(held.truth, table, metric=named.get(metric, metric))
    except AssayError:
        return None
    rows, kinds = _fields(recipe, version, held)
    lost = _drawn(ours.values, held.truth.ids, recipe.seed, notes)
    found = find_slices(
        rows, lost, kinds=kinds, name=ours.kind, groups=held.truth.groups, seed=recipe.seed
    )
    return {"model": evaluation.best, **found.to_dict(), "notes": [*found.notes, *notes]}


def _drawn(lost: Floats, ids: pl.Series, seed: int, notes: list[str]) -> Floats:
    """The losses of as many rows as slices are searched in, drawn by their ids."""
    if len(lost) <= MAX_SLICED:
        return lost
    notes.append(f"Slices are looked for among {MAX_SLICED:,} of {len(lost):,} rows, drawn by id.")
    chance = uniform(text_hash(ids), seed, "slices.drawn")
    return np.where(chance <= np.partition(chance, MAX_SLICED - 1)[MAX_SLICED - 1], lost, np.nan)


def _chosen(evaluation: Evaluation, predictions: pl.DataFrame, model: str | None) -> str:
    known = predictions["model"].unique(maintain_order=True).to_list()
    chosen = evaluation.best if model in (None, "best") else model
    if chosen not in known:
        raise PredictionsError(
            f"There are no predictions of a model {chosen!r}.",
            allowed=known,
            hint=nearest(str(chosen), known),
        )
    return str(chosen)


def aligned(predictions: pl.DataFrame, model: str, ids: pl.Series) -> pl.DataFrame:
    """One model's predictions in the order of the rows with these ids; null where there is none."""
    part = predictions.filter(pl.col("model") == model).drop("model")
    told = [name for name in part.columns if part[name].null_count() < part.height]
    joined = ids.alias(ROW_ID).to_frame().join(
        part.select(list(dict.fromkeys([ROW_ID, "prediction", *told]))),
        on=ROW_ID, how="left", maintain_order="left",
    )  # fmt: skip
    return joined.drop(ROW_ID)


def _likeness(held: Held, notes: list[str]) -> tuple[Likeness, Floats | None]:
    training = held.training
    like = likeness(training.rows, training.row, training.kinds, seed=training.seed)
    if len(like.places) < training.rows.height:
        notes.append(
            f"Nearest training rows are looked for among {len(like.places):,} of "
            f"{training.rows.height:,}, drawn by their ids."
        )
    if len(like.places) * held.rows.height > PRODUCTS:
        notes.append("There are too many rows to say how alike each is to train.")
        return like, None
    return like, like.nearest(held.rows, 1)[1][:, 0].astype(np.float64)


def _fields(
    recipe: Recipe, version: Version, held: Held
) -> tuple[pl.DataFrame, dict[str, FieldType]]:
    """All fields of the held-out rows but the target, whether models see them or not."""
    kinds: dict[str, FieldType] = {
        name: one["type"]
        for name, one in version.manifest["fields"].items()
        if name not in (recipe.target, ROW_ID, *recipe.id)
    }
    rows = held.truth.ids.alias(ROW_ID).to_frame().join(
        version.scan(held.truth.split).select(ROW_ID, *kinds).collect(),
        on=ROW_ID, how="left", maintain_order="left",
    )  # fmt: skip
    return rows, kinds


def _witnesses(
    recipe: Recipe, held: Held, tables: Mapping[str, pl.DataFrame], chosen: str, ours: Losses
) -> dict[str, Losses]:
    """The losses of all models but the baselines."""
    baselines = {use.title for use in recipe.models if use.name in BASELINES}
    by_model: dict[str, Losses] = {}
    for name, table in tables.items():
        if name in baselines and name != chosen:
            continue
        try:
            by_model[name] = ours if name == chosen else losses(held.truth, table)
        except AssayError:
            # A model that cannot be scored has its error in the evaluation; here it is no witness.
            continue
    return {n: one for n, one in by_model.items() if one.scored.prediction is not None}


def _moved(
    recipe: Recipe, evaluation: Evaluation, ours: Losses, failed: Any, held: Held
) -> Moved | None:
    if not evaluation.metrics:
        return None
    asked = recipe.metrics or evaluation.metrics
    measure = next(
        (one for one in measures(list(asked), held.truth.task)
         if one.title == evaluation.metrics[0]), None,
    )  # fmt: skip
    if measure is None:
        return None
    ids = held.truth.ids.filter(pl.Series(ours.usable))
    return score_without(measure, ours.scored, failed[ours.usable], ids, seed=recipe.seed)


def _surest(ours: Losses) -> Floats:
    """Losses by which rows are told apart: for right and wrong, how sure the mistake was."""
    if ours.kind != "wrong" or ours.scored.proba is None:
        return ours.values
    found = ours.values.copy()
    given = ours.scored.proba[np.arange(len(ours.scored)), ours.scored.truth]
    found[ours.usable] *= 1.0 - given
    return found


def _predicted(ours: Losses, table: pl.DataFrame) -> pl.Series:
    if "prediction" in table.columns and table["prediction"].null_count() < table.height:
        return table["prediction"]
    if ours.scored.prediction is None:
        return pl.Series([None] * table.height)
    codes = np.full(table.height, -1)
    codes[ours.usable] = ours.scored.prediction
    return pl.Series([ours.scored.classes[code] if code >= 0 else None for code in codes])


def _named(worst: Sequence[dict[str, Any]], version: Version) -> list[dict[str, Any]]:
    """Nearest training rows by their own ids and no longer by their hashes."""
    wanted = {near["row"] for one in worst for near in one["nearest"]}
    ids = version.scan("train").select(ROW_ID).collect()[ROW_ID]
    hashes = text_hash(ids)
    here = hashes.is_in(pl.Series(list(wanted), dtype=pl.UInt64).implode())
    names = dict(zip(hashes.filter(here), ids.filter(here).cast(pl.String), strict=True))
    return [
        {
            **one,
            "nearest": [
                {"row_id": names.get(near["row"]), **{k: v for k, v in near.items() if k != "row"}}
                for near in one["nearest"]
            ],
        }
        for one in worst
    ]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
