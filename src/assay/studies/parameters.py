"""Validation curves: one parameter of a model, judged on rows that no report is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from assay.component import bind, find
from assay.errors import RecipeError
from assay.evaluation.evaluate import score
from assay.evaluation.evaluation import Evaluation, Score
from assay.evaluation.measures import Asked as AskedMetric
from assay.recipe import Use
from assay.remote import placed
from assay.rows import ROW_ID
from assay.studies.crossvalidation import truth_of
from assay.studies.dealing import deal, sides_of
from assay.studies.fits import (
    TRUTH,
    Asked,
    Bench,
    Done,
    Functions,
    Progress,
    bench,
    failed,
    one_model,
)
from assay.studies.results import Result, bounds, named, short
from assay.studies.sides import Sides, relabelled


@dataclass(frozen=True)
class Setting:
    """One value of the parameter: scores on the rows learned from and on the rows judged."""

    value: Any
    train: float | None
    score: float | None
    low: float | None
    high: float | None
    seconds: float
    alike: bool


@dataclass(frozen=True, repr=False, eq=False)
class ValidationCurve(Result):
    """What a validation curve found.

    Attributes:
        name: of the recipe.
        version: whose rows these are.
        model: whose parameter it is.
        parameter: its name.
        metric: what is measured.
        better: `lower` or `higher` values are.
        split: the rows judged.
        n: how many these are.
        settings: for each value, in the order they were asked for; `alike` ones cannot be told
            from the best.
        best: the value that scored best.
        notes: what could not be fitted.
    """

    name: str
    version: str
    model: str
    parameter: str
    metric: str
    better: str
    split: str
    n: int
    settings: tuple[Setting, ...]
    best: Any
    notes: tuple[str, ...] = ()

    def to_polars(self) -> pl.DataFrame:
        """The settings as a Polars frame."""
        lines = [asdict(one) | {"value": str(one.value)} for one in self.settings]
        return pl.DataFrame(lines, infer_schema_length=None)

    def sentences(self) -> list[str]:
        """The best value, and those that cannot be told from it."""
        best = next(one for one in self.settings if one.value == self.best)
        told = (
            f"{self.model} does best with {named({self.parameter: self.best})}: {self.metric} "
            f"{short(best.score)} ({bounds(best.low, best.high)}) on {self.n:,} {self.split} rows."
        )
        alike = [str(one.value) for one in self.settings if one.alike and one.value != self.best]
        rest = f"It cannot be told from {', '.join(alike)}." if alike else ""
        return [told, *([rest] if rest else []), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"study": "validation_curve", **asdict(self)}


@placed
def validation_curve(  # noqa: PLR0913 - one option each
    recipe: Asked,
    model: Any,
    parameter: str,
    values: Sequence[Any],
    *,
    out: str | Path = "versions",
    metric: AskedMetric | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    functions: Functions = (),
) -> ValidationCurve:
    """Fit a model with one parameter at several values and judge it on the validation rows.

    Where a version has no validation rows, one fold in five of the train rows takes their place.
    Test rows take no part: whoever chooses by this curve may still report the test score.

    Args:
        recipe: a recipe, or a version, whose own recipe is then taken.
        model: one of the recipe's, by its title, or one written as in a recipe.
        parameter: the name of one of its parameters.
        values: what it is set to.
        out: the folder that holds all versions.
        metric: what is measured; the recipe's first one, or what suits the task.
        seed: of the model, if not the recipe's.
        workers: how many fits at once; the number of cores when not given.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them.

    Raises:
        RecipeError: the model has no such parameter, a value does not fit it, or there is none.
        ModelError: it could not be fitted with any of the values.
    """
    with bench(
        recipe, kind="sweep", out=out, seed=seed, workers=workers, progress=progress,
        functions=functions,
    ) as work:  # fmt: skip
        use = one_model(work.recipe, model)
        if not values:
            raise RecipeError("There are no values to try.", where=f"{use.title}: {parameter}")
        uses = [_with(use, parameter, value) for value in values]
        split, sides, keep = judged_on(work)
        fits = [work.fit(one, sides, learned=True) for one in uses]
        done = work.over("validation", "fit values", fits, keep=keep)
        notes = failed(done)
        chosen = metric or next(iter(work.recipe.metrics), None)
        held, learned = (_scored(work, done, side, chosen) for side in ("predictions", "learned"))
        settings = tuple(
            _setting(value, str(place), one.seconds, held, learned)
            for place, (value, one) in enumerate(zip(values, done, strict=True))
        )
        first = held.scores[0]
        return ValidationCurve(
            name=work.recipe.name,
            version=work.version.id,
            model=use.title,
            parameter=parameter,
            metric=first.metric,
            better=first.better,
            split=split,
            n=held.n,
            settings=settings,
            best=values[int(held.best or 0)],
            notes=tuple(notes),
        )


def judged_on(work: Bench) -> tuple[str, Sides, list[str]]:
    """The validation rows, or one fold of the train rows, and the cache's entries of it."""
    if work.version.splits.get("validation"):
        return "validation", relabelled({"train": "train", "validation": "test"}), []
    dealt = deal(work.recipe, work.version, work.cache)
    return "one fold of the train", sides_of(dealt, work.recipe, work.version)[-1][2], [*dealt.keys]


def _with(use: Use, parameter: str, value: Any) -> Use:
    changed = use.model_copy(update={"given": {**use.given, parameter: value}})
    bind(find("models", use.name), changed.given)
    return changed


def _scored(work: Bench, done: Sequence[Done], side: str, metric: AskedMetric | None) -> Evaluation:
    tables = {
        str(place): table
        for place, one in enumerate(done)
        if (table := getattr(one, side)) is not None
    }
    first = next(iter(tables.values()))
    aligned = {
        name: first.select(ROW_ID).join(table, on=ROW_ID, how="left", maintain_order="left")
        for name, table in tables.items()
    }
    predictions = {name: table.drop(ROW_ID, TRUTH) for name, table in aligned.items()}
    truth = truth_of(work.recipe, first)
    return score(truth, predictions, [metric] if metric else [], seed=work.recipe.seed)


def _setting(
    value: Any, name: str, seconds: float, held: Evaluation, learned: Evaluation
) -> Setting:
    metric = held.metrics[0]
    found: Score | None = held.score_of(name, metric)
    own = learned.score_of(name, metric)
    pairs = [one for one in held.comparisons if one.metric == metric and name in (one.a, one.b)]
    told = any(one.verdict in ("better", "worse") for one in pairs)
    return Setting(
        value,
        own.value if own else None,
        found.value if found else None,
        found.low if found else None,
        found.high if found else None,
        round(seconds, 3),
        found is not None and (name == held.best or not told),
    )
