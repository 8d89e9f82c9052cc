"""The loop of improvement: what to do next, what it would bring, and whether it helped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.component import using
from assay.engine import Engine
from assay.errors import AssayError, RecipeError
from assay.evaluation.evaluate import score
from assay.evaluation.evaluation import Evaluation
from assay.evaluation.fitting import hold_out
from assay.evaluation.measures import measures
from assay.jobs.running import PREDICTIONS, Outcome, Progress, run
from assay.own import own
from assay.recipe import Recipe, Use, load
from assay.records.recording import recorded
from assay.remote import placed
from assay.rows import ROW_ID, as_pandas
from assay.slices.actions import Action, data_actions, ranked, slice_actions, suspect_action
from assay.slices.changing import changed_recipe, name_of, wanted, write_recipe
from assay.slices.diagnosing import Diagnosis, aligned, diagnose
from assay.slices.gains import Gain, Trial, alone, trial, unknown
from assay.slices.losses import losses
from assay.version import Version

__all__ = ["Applied", "Improvement", "improve"]

SIZES = (1 / 8, 1 / 4, 1 / 2, 1.0)
"""Parts of the training rows that a learning curve is drawn through."""


@dataclass(frozen=True)
class Applied:
    """What came of an action that was applied.

    Attributes:
        action: its name.
        recipe: the changed recipe's file; None where the source is a frame.
        before: the version before.
        after: the version it made.
        models: the model before and after.
        rows: held-out rows that both versions have, with the same target.
        comparisons: of both models on these rows, for each metric, as in an evaluation.
        verdict: `better`, `worse`, `no difference that matters` or `cannot tell`, by the first.
        sentence: the same in words.
    """

    action: str
    recipe: Path | None
    before: str
    after: str
    models: tuple[str, str]
    rows: int
    comparisons: tuple[Mapping[str, Any], ...]
    verdict: str
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            **vars(self),
            "recipe": str(self.recipe) if self.recipe else None,
            "models": list(self.models),
            "comparisons": [dict(one) for one in self.comparisons],
        }


@dataclass(frozen=True, eq=False)
class Improvement:
    """What to do next about a model's errors.

    Attributes:
        version: that the model was judged on.
        model: whose errors these are.
        metric: by which gains are measured.
        score: its value, with the ends of its interval.
        actions: what to do, the most worthwhile first.
        diagnosis: where the model fails.
        applied: what was applied, and whether it helped.
        notes: what could not be weighed, and why.
    """

    version: Version
    model: str
    metric: str
    score: tuple[float | None, float | None, float | None]
    actions: tuple[Action, ...]
    diagnosis: Diagnosis
    applied: Applied | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The one JSON document of `assay improve --json`."""
        value, low, high = self.score
        return {
            "version": self.version.title,
            "model": self.model,
            "metric": self.metric,
            "score": {"value": value, "low": low, "high": high},
            "actions": [one.to_dict() for one in self.actions],
            "errors": self.diagnosis.to_dict(),
            "applied": self.applied.to_dict() if self.applied else None,
            "notes": list(self.notes),
        }

    def to_polars(self) -> pl.DataFrame:
        """A line for each action."""
        lines = [
            {"name": a.name, "says": a.says, "rows": a.rows, "gain": a.gain.value,
             "low": a.gain.low, "high": a.gain.high, "kind": a.gain.kind, "how": a.gain.how}
            for a in self.actions
        ]  # fmt: skip
        return pl.DataFrame(lines, schema=_COLUMNS)

    def to_pandas(self) -> Any:
        """A line for each action, for pandas."""
        return as_pandas(self.to_polars())

    def __repr__(self) -> str:
        value, low, high = self.score
        ends = f" (95 % {low:.4g} to {high:.4g})" if low is not None and high is not None else ""
        told = f"{value:.4g}{ends}" if value is not None else "not known"
        lines = [f"{self.model} on {self.version.title}: {self.metric} {told}", ""]
        for rank, one in enumerate(self.actions, 1):
            if one.gain.worse and not any(before.gain.worse for before in self.actions[: rank - 1]):
                lines += ["", "tried out, and worse than leaving it as it is:"]
            mark = "" if one.change else "  (for people)"
            lines += [f"{rank:>3}. {one.name}: {one.says}{mark}", f"     gain {one.gain}"]
        if not self.actions:
            lines.append("Nothing was found that would make it better.")
        if self.applied:
            head = f"applied {self.applied.action}: {self.applied.verdict}"
            lines += ["", head, f"  {self.applied.sentence}"]
            lines += [f"  recipe {self.applied.recipe}"] if self.applied.recipe else []
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><td>{escape(one.name)}</td><td>{escape(one.says)}</td>"
            f"<td>{escape(str(one.gain))}</td></tr>"
            for one in self.actions
        )
        told = f"<p>{escape(self.applied.sentence)}</p>" if self.applied else ""
        head = escape(repr(self).splitlines()[0])
        top = "<tr><th>action</th><th>what to do</th><th>expected gain</th></tr>"
        return f"<p>{head}</p><table><thead>{top}</thead><tbody>{rows}</tbody></table>{told}"


_COLUMNS = {
    "name": pl.String, "says": pl.String, "rows": pl.Int64, "gain": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "kind": pl.String, "how": pl.String,
}  # fmt: skip


@placed
def improve(  # noqa: PLR0913 - the options of `assay improve`, one to one
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    out: str | Path = "versions",
    model: str = "best",
    apply: str | None = None,
    try_out: bool = True,
    workers: int | None = None,
    seed: int | None = None,
    engine: Engine = "processes",
    progress: Progress | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
) -> Improvement:
    """Say what would make a model better, best first, and on request do it and measure it.

    The recipe is run, or its finished run found; where the model fails is looked at on the
    held-out rows (`assay.slices`), and each action is weighed: tried out, by fitting the model
    once more and comparing on validation rows; bounded from above, by the score without the rows
    in question; or forecast, by the learning curve. What cannot be weighed says why.

    Args:
        recipe: a recipe file, or the recipe itself.
        out: the folder that holds all versions.
        model: whose errors; the best one's by default.
        apply: the name of an action. It is added to a copy of the recipe, which lies beside it as
            `RECIPE.improved.yaml` and never replaces another file; the copy is run, and both
            versions' models are compared on the held-out rows that both have.
        try_out: whether models are fitted to weigh actions.
        workers: how many shards to work on at once; the number of cores when not given.
        seed: replaces the recipe's seed.
        engine: `processes` or `ray`, for the build.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them, that the recipe may name.

    Raises:
        RecipeError: there is no model or target, or no such action, or it needs people.
        AssayError: whatever a run raises.

    >>> import tempfile
    >>> frame = pl.DataFrame({"x": range(200), "y": [i + 90.0 * (i * 7 % 5) for i in range(200)]})
    >>> asked = {"name": "line", "source": frame, "target": "y", "models": ["constant"],
    ...          "steps": [{"split.random": {"train": 0.6, "validation": 0.2, "test": 0.2}}]}
    >>> found = improve(asked, out=tempfile.mkdtemp(), workers=1)
    >>> "model_boosted_trees" in [action.name for action in found.actions]
    True
    """
    functions = list(functions)
    report = progress or (lambda stage, done, total: None)
    again = {"out": out, "workers": workers, "engine": engine, "progress": progress}
    with using(own(functions)):
        loaded = load(recipe)
        if seed is not None:
            loaded = loaded.model_copy(update={"seed": seed})
        with recorded("improve", out, loaded) as record:
            outcome = run(loaded, functions=functions, **again)  # type: ignore[arg-type]
            found = _weighed(loaded, outcome, model, try_out, Path(out), workers, report)
            record.version, record.best = outcome.version, found.model
            if apply is None:
                return found
            action = wanted(found.actions, apply)
            changed = changed_recipe(loaded, action)
            path = write_recipe(recipe, changed, action, Path(out))
            after = run(changed, functions=functions, **again)  # type: ignore[arg-type]
            record.version = after.version
            applied = _measured(loaded, outcome, changed, after, action, found.model, path)
            return replace(found, applied=applied)


def _weighed(
    recipe: Recipe,
    outcome: Outcome,
    model: str,
    try_out: bool,
    out: Path,
    workers: int | None,
    report: Progress,
) -> Improvement:
    evaluation = outcome.evaluation
    if evaluation is None or not evaluation.metrics or recipe.target is None:
        raise RecipeError(
            "There is nothing to improve: the recipe has no models.",
            hint="name a `target` and `models`",
        )
    predictions = _predictions(outcome)
    held = hold_out(recipe, outcome.version)
    report("diagnose", 0, 1)
    diagnosis = diagnose(recipe, outcome.version, evaluation, predictions, model=model, held=held)
    report("diagnose", 1, 1)
    asked = _asked(recipe, evaluation.metrics[0])
    measure = measures([asked], held.truth.task)[0]
    notes: list[str] = []
    use = _fittable(recipe, evaluation, diagnosis.model, notes) if try_out else None
    tried: Trial | None = None
    if use is not None:
        try:
            tried = trial(held, use, measure, asked)
        except AssayError as refused:
            notes.append(f"Nothing was tried out: {refused.what}")
    table = aligned(predictions, diagnosis.model, held.truth.ids)
    lost = losses(held.truth, table, metric=measure.name)
    ids = held.truth.ids.filter(pl.Series(lost.usable))
    report("weigh more data", 0, 1)
    more = _more_data(recipe, use, asked, out, notes, workers) if use else []
    report("weigh more data", 1, 1)
    actions = [
        *data_actions(recipe, outcome.version, diagnosis, tried, report),
        *slice_actions(diagnosis, measure, lost.scored, lost.usable, ids, recipe.seed),
        *suspect_action(diagnosis, measure),
        *more,
    ]
    own_score = evaluation.score_of(diagnosis.model, measure.title)
    known = (own_score.value, own_score.low, own_score.high) if own_score else (None,) * 3
    return Improvement(
        outcome.version, diagnosis.model, measure.title, known, ranked(actions), diagnosis,
        notes=(*notes, *diagnosis.notes),
    )  # fmt: skip


def _fittable(recipe: Recipe, evaluation: Evaluation, model: str, notes: list[str]) -> Use | None:
    """The model that actions are tried out with: itself, or the best that can be fitted alone."""
    uses = {use.title: use for use in recipe.models}
    if alone(uses[model]):
        return uses[model]
    first = [one for one in evaluation.scores if one.metric == evaluation.metrics[0]]
    first = [one for one in first if one.value is not None and alone(uses[one.model])]
    if not first or first[0].better == "nearest":
        notes.append(f"Nothing was tried out: {model} is not fitted here by itself.")
        return None
    sign = 1 if first[0].better == "lower" else -1
    best = min(first, key=lambda one: sign * (one.value or 0.0))
    notes.append(f"{model} is not fitted by itself, so {best.model} tried out what is proposed.")
    return uses[best.model]


def _predictions(outcome: Outcome) -> pl.DataFrame:
    path = outcome.report.parent / PREDICTIONS
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        raise RecipeError(
            "The predictions of this run are missing.",
            where=str(path),
            hint="delete the run's folder and run again",
        ) from None


def _asked(recipe: Recipe, title: str) -> Use | str:
    return next((use for use in recipe.metrics if use.title == title), title)


def _measured(
    recipe: Recipe,
    before: Outcome,
    changed: Recipe,
    after: Outcome,
    action: Action,
    model: str,
    path: Path | None,
) -> Applied:
    """Compare both models on the held-out rows that both versions have."""
    new = [name_of(one) for one in action.change.get("models", ())]
    titles = (model, new[0] if new else model)
    held = hold_out(changed, after.version)
    was = hold_out(recipe, before.version).truth
    both = held.truth.ids.to_frame(ROW_ID).with_columns(new=held.truth.values).join(
        pl.DataFrame({ROW_ID: was.ids, "old": was.values}), on=ROW_ID, maintain_order="left"
    ).filter(pl.col("new") == pl.col("old"))  # fmt: skip
    made = {"action": action.name, "recipe": path, "before": before.version.title,
            "after": after.version.title, "models": titles, "rows": both.height}  # fmt: skip
    why = "The two versions hold out no row in common." if not both.height else None
    tables: dict[str, pl.DataFrame] = {}
    for name, outcome, title in zip(("before", "after"), (before, after), titles, strict=True):
        predicted = _predictions(outcome)
        if title not in predicted["model"].unique():
            why = why or f"{title} could not be fitted {name} the change."
            continue
        tables[name] = aligned(predicted, title, both[ROW_ID])
    if why:
        return Applied(**made, comparisons=(), verdict="cannot tell", sentence=why)  # type: ignore[arg-type]
    mask = held.truth.ids.is_in(both[ROW_ID].implode()).to_numpy()
    places = np.flatnonzero(mask)
    groups = held.truth.groups
    classes = tuple(dict.fromkeys((*was.classes, *held.truth.classes)))
    truth = replace(
        held.truth, ids=held.truth.ids.gather(places), values=held.truth.values.gather(places),
        inputs=None, groups=None if groups is None else groups.gather(places), classes=classes,
    )  # fmt: skip
    found = score(
        truth, tables, recipe.metrics or (before.evaluation.metrics if before.evaluation else ()),
        seed=recipe.seed, pairs=[("before", "after")],
    )  # fmt: skip
    first = next((one for one in found.comparisons if one.metric == found.metrics[0]), None)
    if first is None:
        why = "The metric cannot be compared."
        return Applied(**made, comparisons=(), verdict="cannot tell", sentence=why)  # type: ignore[arg-type]
    turned = {"better": "worse", "worse": "better"}
    verdict = first.verdict if first.b == "after" else turned.get(first.verdict, first.verdict)
    return Applied(
        **made,  # type: ignore[arg-type]
        comparisons=tuple(one.model_dump(mode="json") for one in found.comparisons),
        verdict=verdict,
        sentence=f"On the {both.height:,} held-out rows of both versions: {first.sentence}",
    )


def _more_data(
    recipe: Recipe, use: Use, asked: Use | str, out: Path, notes: list[str], workers: int | None
) -> list[Action]:
    """What twice the training rows would bring, by the learning curve."""
    try:
        from assay.studies.learning import learning_curve
    except ImportError:
        notes.append("More data is not weighed: there is no learning curve in this installation.")
        return []
    try:
        found = learning_curve(
            recipe.model_copy(update={"models": [use]}), out=out, metric=asked,
            fractions=SIZES, draws=2, times=2.0, workers=workers,
        )  # fmt: skip
    except AssayError as refused:
        notes.append(f"More data is not weighed: {refused.what}")
        return []
    curve = found.curves[0]
    how = f"a power law through {len(found.points)} sizes of the training rows; {curve.sentence}"
    gain = Gain(curve.gain, curve.low, curve.high, "forecast", how)
    if curve.gain is None:
        gain = unknown(curve.sentence)
    says = "collect twice as many training rows like these"
    return [Action("more_data", says, gain, evidence={"points": found.to_dict()["points"]})]
