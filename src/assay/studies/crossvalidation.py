"""Models judged over folds: every row of train and validation is predicted once a repeat."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.evaluation.compare import Contrast, conclude, usual_margin
from assay.evaluation.evaluate import stage
from assay.evaluation.evaluation import Comparison
from assay.evaluation.folds import corrected_t, correlated_chances
from assay.evaluation.measures import Asked as AskedMetric
from assay.evaluation.measures import Measure, default_metrics, measures
from assay.evaluation.truth import Truth, positive_of, proba_columns
from assay.recipe import Recipe
from assay.remote import placed
from assay.rows import ROW_ID
from assay.studies.dealing import Kind, deal, sides_of
from assay.studies.fits import (
    TRUTH,
    Asked,
    Done,
    Functions,
    Models,
    Progress,
    bench,
    failed,
    models_of,
)
from assay.studies.results import Result, finite

Metrics = Sequence[AskedMetric] | str | None


@dataclass(frozen=True)
class FoldScore:
    """The value of one metric for one model on one fold; None where it cannot be computed."""

    model: str
    metric: str
    repeat: int
    fold: int
    value: float | None
    n: int
    trained_on: int
    seconds: float


@dataclass(frozen=True)
class MeanScore:
    """The mean of one metric over all folds, with its 95 % interval."""

    model: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    spread: float | None
    folds: int
    method: str
    better: str


@dataclass(frozen=True, repr=False, eq=False)
class CrossValidated(Result):
    """What a cross-validation found.

    Attributes:
        name: of the recipe.
        version: whose rows were dealt.
        kind: of the folds.
        folds: how many were judged in each repeat.
        repeats: how often the rows were dealt.
        n: rows judged in one repeat.
        target: what is predicted.
        metrics: their titles; the first one orders the models.
        means: for each model and metric, the best model first.
        scores: for each model, metric, repeat and fold.
        comparisons: every two models on every metric, over folds.
        predictions: out of fold: `row_id`, `model`, `repeat`, `fold`, `truth`, `prediction`, and
            `proba_<class>` for classes.
        notes: what was left out, and what to be careful about.
    """

    name: str
    version: str
    kind: str
    folds: int
    repeats: int
    n: int
    target: str
    metrics: tuple[str, ...]
    means: tuple[MeanScore, ...]
    scores: tuple[FoldScore, ...]
    comparisons: tuple[Comparison, ...]
    predictions: pl.DataFrame
    notes: tuple[str, ...] = ()

    def mean_of(self, model: str, metric: str) -> MeanScore | None:
        """The mean of one model on one metric."""
        return next((m for m in self.means if (m.model, m.metric) == (model, metric)), None)

    def to_polars(self) -> pl.DataFrame:
        """The means as a Polars frame, a line for each model and metric."""
        lines = [asdict(mean) for mean in self.means]
        return pl.DataFrame(lines, infer_schema_length=None).drop("better")

    def sentences(self) -> list[str]:
        """The folds, each comparison and the notes, in words."""
        times = f", dealt {self.repeats} times" if self.repeats > 1 else ""
        told = [f"{self.folds} folds ({self.kind}{times}) of {self.n:,} rows of {self.version}."]
        return [*told, *(one.sentence for one in self.comparisons), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """All but the predictions, as plain values."""
        return {
            "study": "crossval",
            "name": self.name,
            "version": self.version,
            "kind": self.kind,
            "folds": self.folds,
            "repeats": self.repeats,
            "n": self.n,
            "target": self.target,
            "metrics": list(self.metrics),
            "means": [asdict(mean) for mean in self.means],
            "scores": [asdict(score) for score in self.scores],
            "comparisons": [one.model_dump(mode="json") for one in self.comparisons],
            "notes": list(self.notes),
        }


@placed
def crossval(  # noqa: PLR0913 - the options of `assay crossval`, one to one
    recipe: Asked,
    *,
    out: str | Path = "versions",
    folds: int | None = None,
    repeats: int = 1,
    kind: Kind = "auto",
    models: Models = None,
    metrics: Metrics = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    functions: Functions = (),
) -> CrossValidated:
    """Judge every model of a recipe over folds of its train and validation rows.

    Each fold in turn is predicted by what was learned from the others; what a model tunes or stops
    on is cut from the rows it learns from, in whole units, so that no row judges its own tuning.
    Test rows take no part. Finished fits are kept: a run that was stopped goes on where it was.

    Args:
        recipe: a recipe, or a version, whose own recipe is then taken.
        out: the folder that holds all versions.
        folds: how many; the version's own, or 5.
        repeats: how often the rows are dealt anew.
        kind: `stratified` by class or quantiles of the number, `grouped`, `temporal` (earlier
            folds predict later ones), `random`; `auto` takes the version's own folds, else what
            its split step says. Groups and near duplicates stay together in all of them.
        models: replace the recipe's.
        metrics: replace the recipe's; by default what suits the task.
        seed: of the folds and the models, if not the recipe's.
        workers: how many fits at once; the number of cores when not given.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them.

    Returns:
        Scores of each fold, means with Nadeau and Bengio's corrected interval (2003, Machine
        Learning 52:239-281), comparisons of all pairs, and the out-of-fold predictions.

    Raises:
        RecipeError: there is no target or model, or the folds cannot be dealt so.
        ModelError: no model could be fitted on any fold.

    >>> import tempfile
    >>> frame = pl.DataFrame({"x": range(60), "y": [2.0 * i for i in range(60)]})
    >>> recipe = {"name": "line", "source": frame, "target": "y", "models": ["constant"]}
    >>> found = crossval(recipe, out=tempfile.mkdtemp(), metrics="mae", workers=1)
    >>> found.folds, found.predictions.height
    (5, 60)
    """
    with bench(
        recipe, kind="crossval", out=out, models=models, seed=seed, workers=workers,
        progress=progress, functions=functions,
    ) as work:  # fmt: skip
        uses = models_of(work.recipe)
        work.report("deal", 0, 1)
        dealt = deal(work.recipe, work.version, work.cache, kind=kind, folds=folds, repeats=repeats)
        work.report("deal", 1, 1)
        sides = sides_of(dealt, work.recipe, work.version)
        places = [(repeat, fold) for repeat, fold, _ in sides for _ in uses]
        fits = [work.fit(use, side) for _, _, side in sides for use in uses]
        done = work.over("crossval", "fit folds", fits, keep=dealt.keys)
        notes = [*dealt.notes, *failed(done)]
        judged = [(*place, one) for place, one in zip(places, done, strict=True)]
        asked = _asked(work.recipe, metrics, [one.predictions for one in done])
        scores = _scores(work.recipe, judged, asked)
        means, comparisons = _summed(scores, asked, judged)
        work.record.best = means[0].model
        work.record.scores = [asdict(one) | {"split": "folds"} for one in means]
        return CrossValidated(
            name=work.recipe.name,
            version=work.version.id,
            kind=dealt.kind,
            folds=len(dealt.folds),
            repeats=len(dealt.keys),
            n=_judged_rows(judged),
            target=str(work.recipe.target),
            metrics=tuple(measure.title for measure in asked),
            means=tuple(means),
            scores=tuple(scores),
            comparisons=tuple(comparisons),
            predictions=_out_of_fold(judged),
            notes=tuple(notes),
        )


Judged = Sequence[tuple[int, int, Done]]


def truth_of(recipe: Recipe, table: pl.DataFrame, classes: tuple[str, ...] = ()) -> Truth:
    """The true values beside a fit's predictions."""
    number = table.schema[TRUTH].is_numeric()
    return Truth(
        table[ROW_ID],
        table[TRUTH],
        "number" if number else "class",
        target=str(recipe.target),
        classes=classes,
        positive=recipe.positive,
        name=recipe.name,
    )


def _asked(
    recipe: Recipe, metrics: Metrics, tables: Sequence[pl.DataFrame | None]
) -> list[Measure]:
    known = [table for table in tables if table is not None]
    task = "number" if known[0].schema[TRUTH].is_numeric() else "class"
    chosen = metrics or recipe.metrics
    if not chosen:
        binary = task == "class" and positive_of(_classes(known), recipe.positive) is not None
        graded = any(proba_columns(table) for table in known)
        chosen = default_metrics(task, binary=binary, graded=graded)
    return measures(chosen, task)


def _classes(tables: Sequence[pl.DataFrame]) -> tuple[str, ...]:
    if tables[0].schema[TRUTH].is_numeric():
        return ()
    return tuple(sorted(set().union(*(table[TRUTH].unique() for table in tables))))


def _scores(recipe: Recipe, judged: Judged, asked: Sequence[Measure]) -> list[FoldScore]:
    """Every metric of every fit; all folds know the classes of all."""
    classes = _classes([one.predictions for *_, one in judged if one.predictions is not None])
    found = []
    for repeat, fold, one in judged:
        values: dict[str, float | None] = {}
        if one.predictions is not None:
            table = one.predictions
            title = one.fit.use.title
            uses = [(m.name, m.parameters) for m in asked]
            truth = truth_of(recipe, table, classes)
            entrant = stage(truth, {title: table.drop(ROW_ID, TRUTH)}, uses).models[title]
            values = dict(zip([m.title for m in asked], entrant.values.values(), strict=True))
        found += [
            FoldScore(
                one.fit.use.title, measure.title, repeat, fold,
                finite(values.get(measure.title)), one.test, one.train, round(one.seconds, 3),
            )
            for measure in asked
        ]  # fmt: skip
    return found


def _summed(
    scores: Sequence[FoldScore], asked: Sequence[Measure], judged: Judged
) -> tuple[list[MeanScore], list[Comparison]]:
    models = list(dict.fromkeys(one.fit.use.title for *_, one in judged))
    tested = sum(one.test for *_, one in judged)
    share = tested / max(sum(one.train for *_, one in judged), 1)
    table: dict[tuple[str, str], dict[tuple[int, int], float]] = {}
    for one in scores:
        if one.value is not None:
            table.setdefault((one.model, one.metric), {})[one.repeat, one.fold] = one.value
    means: list[MeanScore] = []
    contrasts: list[Contrast] = []
    rows = _judged_rows(judged)
    for measure in asked:
        means += [
            _mean(model, measure, list(table.get((model, measure.title), {}).values()), share)
            for model in models
        ]
        for a, b in itertools.combinations(models, 2):
            first, second = (table.get((name, measure.title), {}) for name in (a, b))
            both = [place for place in first if place in second]
            if len(both) >= 2:
                sides = [[one[place] for place in both] for one in (first, second)]
                contrasts.append(_contrast((a, b), measure, sides, (share, rows)))
    return _ranked(means, asked), conclude(contrasts)


def _mean(model: str, measure: Measure, values: Sequence[float], share: float) -> MeanScore:
    if len(values) < 2:
        value = values[0] if values else None
        why = f"none: {len(values)} folds have a value"
        return MeanScore(model, measure.title, value, None, None, None, len(values), why,
                         measure.better)  # fmt: skip
    found = corrected_t(values, np.zeros(len(values)), test_share=share)
    spread = float(np.std(values, ddof=1))
    low, high = finite(found.interval.low), finite(found.interval.high)
    if measure.is_bounded and high is not None and low is not None:
        # Nothing of these is above 1, and no share is below 0.
        low, high = max(low, 0.0) if measure.is_share else low, min(high, 1.0)
    return MeanScore(
        model, measure.title, found.difference, low, high, spread,
        len(values), found.interval.method, measure.better,
    )  # fmt: skip


def _contrast(
    names: tuple[str, str],
    measure: Measure,
    values: Sequence[Sequence[float]],
    setting: tuple[float, int],
) -> Contrast:
    """Two models over the folds that both have a value on."""
    share, rows = setting
    first, second = (measure.distance(np.asarray(side)) for side in values)
    found = corrected_t(first, second, test_share=share)
    margin = usual_margin(measure.is_bounded, min(abs(first.mean()), abs(second.mean())))
    better = "lower" if measure.aim is not None else measure.better
    higher, equal, lower = correlated_chances(first, second, test_share=share, margin=margin)
    a, b = (higher, lower) if better == "higher" else (lower, higher)
    return Contrast(
        a=names[0],
        b=names[1],
        metric=measure.title,
        better=better,
        difference=found.difference,
        interval=found.interval,
        p=found.p,
        test=found.interval.method,
        n=rows,
        share=measure.is_share,
        error=found.error,
        margin=margin,
        chances={"a": round(a, 6), "equal": round(equal, 6), "b": round(b, 6)},
    )


def _ranked(means: list[MeanScore], asked: Sequence[Measure]) -> list[MeanScore]:
    first = asked[0]

    def place(mean: MeanScore) -> float:
        value = next(m.value for m in means if (m.model, m.metric) == (mean.model, first.title))
        if value is None:
            return float("inf")
        return -value if first.better == "higher" else float(first.distance(value))

    order = {measure.title: number for number, measure in enumerate(asked)}
    return sorted(means, key=lambda mean: (order[mean.metric], place(mean)))


def _judged_rows(judged: Judged) -> int:
    """Rows judged in one repeat by the model that predicted most of them."""
    rows: dict[str, int] = {}
    for repeat, _, one in judged:
        if repeat == 0:
            rows[one.fit.use.title] = rows.get(one.fit.use.title, 0) + one.test
    return max(rows.values(), default=0)


def _out_of_fold(judged: Judged) -> pl.DataFrame:
    tables = [
        one.predictions.select(
            ROW_ID,
            pl.lit(one.fit.use.title).alias("model"),
            pl.lit(repeat, dtype=pl.Int32).alias("repeat"),
            pl.lit(fold, dtype=pl.Int32).alias("fold"),
            pl.exclude(ROW_ID),
        )
        for repeat, fold, one in judged
        if one.predictions is not None
    ]
    return pl.concat(tables, how="diagonal_relaxed").sort("model", "repeat", ROW_ID)
