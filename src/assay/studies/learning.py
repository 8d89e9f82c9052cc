"""Learning curves: what a model makes of ever more rows, and what twice as many would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.cache import Cache
from assay.errors import RecipeError
from assay.evaluation.compare import usual_margin
from assay.evaluation.evaluate import Stage, stage
from assay.evaluation.measures import Asked as AskedMetric
from assay.evaluation.measures import Measure
from assay.evaluation.resampling import resamples
from assay.evaluation.scored import Floats
from assay.remote import placed
from assay.rows import ROW_ID, text_hash, uniform
from assay.studies.crossvalidation import truth_of
from assay.studies.dealing import PARENT
from assay.studies.fits import (
    TRUTH,
    Asked,
    Bench,
    Done,
    Functions,
    Models,
    Progress,
    bench,
    failed,
    models_of,
)
from assay.studies.powerlaw import Gain, PowerLaw, fit, gain
from assay.studies.results import Result, bounds, finite, short
from assay.studies.sides import SIDE
from assay.version import Version

FRACTIONS = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
DRAWS = 500
_CELLS = 4_000_000


@dataclass(frozen=True)
class Point:
    """One model's score for one size, the mean over the draws of that size."""

    model: str
    fraction: float
    rows: float
    value: float | None
    low: float | None
    high: float | None
    draws: int
    seconds: float
    method: str


@dataclass(frozen=True)
class Curve:
    """One model's fitted law; its numbers are None where there are too few points for one."""

    model: str
    a: float | None
    b: float | None
    c: float | None
    residual: float | None
    times: float
    gain: float | None
    low: float | None
    high: float | None
    verdict: str
    sentence: str


@dataclass(frozen=True, repr=False, eq=False)
class LearningCurve(Result):
    """What learning curves found.

    Attributes:
        name: of the recipe.
        version: whose rows these are.
        metric: what is measured.
        better: `lower` or `higher` values are.
        split: the rows that all are judged on.
        n: how many these are.
        points: for each model and size.
        curves: for each model the fitted law, and what more data would bring.
        notes: what was left out.
    """

    name: str
    version: str
    metric: str
    better: str
    split: str
    n: int
    points: tuple[Point, ...]
    curves: tuple[Curve, ...]
    notes: tuple[str, ...] = ()

    def to_polars(self) -> pl.DataFrame:
        """The points as a Polars frame."""
        return pl.DataFrame([asdict(point) for point in self.points], infer_schema_length=None)

    def sentences(self) -> list[str]:
        """What more data would bring, for each model."""
        return [*(curve.sentence for curve in self.curves), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "study": "learning_curve",
            **{name: getattr(self, name) for name in
               ("name", "version", "metric", "better", "split", "n")},
            "points": [asdict(point) for point in self.points],
            "curves": [asdict(curve) for curve in self.curves],
            "notes": list(self.notes),
        }  # fmt: skip


@dataclass(frozen=True)
class Fraction:
    """Part of the train rows; a smaller part of the same draw lies in every larger one.

    Attributes:
        share: of the rows.
        draw: which draw it is.
        seed: of all draws.
        split: the rows judged.
    """

    share: float
    draw: int
    seed: int
    split: str

    def plain(self) -> list[Any]:
        """What decides the sides."""
        whole = self.share >= 1
        return ["fraction", self.share, None if whole else [self.draw, self.seed], self.split]

    def of(self, version: Version, cache: Cache) -> pl.DataFrame:
        """The rows whose number is below the share; a synthetic row has its parent's number."""
        parts = []
        for split in dict.fromkeys(("train", "validation", self.split)):
            if not version.splits.get(split):
                continue
            lazy = version.scan(split)
            named = PARENT in lazy.collect_schema()
            by = pl.coalesce(PARENT, ROW_ID) if named else pl.col(ROW_ID)
            rows = lazy.select(ROW_ID, by.alias("by")).collect()
            if split != self.split and self.share < 1:
                # Validation shrinks with train: it belongs to what a model is given.
                numbers = uniform(text_hash(rows["by"]), self.seed, f"studies.part/{self.draw}")
                rows = rows.filter(pl.Series(numbers < self.share))
            side = "test" if split == self.split else split
            parts.append(rows.select(ROW_ID, pl.lit(side).alias(SIDE)))
        return pl.concat(parts)


@placed
def learning_curve(  # noqa: PLR0913 - the options of `assay curve`, one to one
    recipe: Asked,
    *,
    out: str | Path = "versions",
    fractions: Sequence[float] = FRACTIONS,
    draws: int = 3,
    times: float = 2.0,
    models: Models = None,
    metric: AskedMetric | None = None,
    margin: float | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    functions: Functions = (),
) -> LearningCurve:
    """Fit models on growing parts of the train rows and say what more data would bring.

    All are judged on the same held-out rows. A power law is fitted to the scores; its uncertainty
    is that of the held-out rows (resampled together for all points) and of which rows a part
    happens to hold (from several draws of each size).

    Args:
        recipe: a recipe, or a version, whose own recipe is then taken.
        out: the folder that holds all versions.
        fractions: of the train rows, above 0 and up to 1.
        draws: of each size below the whole.
        times: how many times the data the forecast is for.
        models: replace the recipe's.
        metric: what is measured; the recipe's first one, or what suits the task.
        margin: the smallest gain that matters; one point, or one hundredth of the value.
        seed: of the draws and the models, if not the recipe's.
        workers: how many fits at once; the number of cores when not given.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them.

    Raises:
        RecipeError: a fraction is not above 0 and up to 1, or nothing can be learned.
        ModelError: no model could be fitted on any part.

    Reference: Hestness et al. (2017), Deep learning scaling is predictable, empirically,
    arXiv:1712.00409.
    """
    sizes = sorted(set(fractions))
    if not sizes or sizes[0] <= 0 or sizes[-1] > 1 or draws < 1 or times <= 1:
        raise RecipeError(
            "A learning curve has fractions above 0 and up to 1, one draw or more, and looks "
            "further than once the data.",
            received={"fractions": list(fractions), "draws": draws, "times": times},
        )
    with bench(
        recipe, kind="curve", out=out, models=models, seed=seed, workers=workers,
        progress=progress, functions=functions,
    ) as work:  # fmt: skip
        split = "test" if work.version.splits.get("test") else "validation"
        own_seed = work.recipe.seed
        parts = [
            Fraction(size, draw, own_seed, split)
            for size in sizes
            for draw in range(1 if size >= 1 else draws)
        ]
        fits = [work.fit(use, part) for use in models_of(work.recipe) for part in parts]
        done = work.over("learning", "fit parts", fits)
        notes = failed(done)
        chosen = metric or next(iter(work.recipe.metrics), None)
        known = [one for one in done if one.predictions is not None]
        staged, measure = _staged(work, known, [chosen] if chosen else [])
        points, curves = [], []
        for use in models_of(work.recipe):
            mine = [one for one in known if one.fit.use.title == use.title]
            lines = _resampled(staged, measure, mine, own_seed)
            found, law = _curve(use.title, staged, measure, mine, lines, times, margin)
            points += found
            curves.append(law)
        return LearningCurve(
            name=work.recipe.name,
            version=work.version.id,
            metric=measure.title,
            better=measure.better,
            split=split,
            n=len(staged.truth.ids),
            points=tuple(points),
            curves=tuple(curves),
            notes=tuple(notes),
        )


def name_of(done: Done) -> str:
    """What one fit's predictions are called among many."""
    return done.fit.key


def _staged(
    work: Bench, known: Sequence[Done], metrics: Sequence[AskedMetric]
) -> tuple[Stage, Measure]:
    """All fits on the same rows, in the same order, and the one metric."""
    tables = [one.predictions for one in known if one.predictions is not None]
    ids = tables[0].select(ROW_ID)
    truth = truth_of(work.recipe, tables[0])
    predictions = {
        name_of(one): ids.join(table, on=ROW_ID, how="left", maintain_order="left").drop(
            ROW_ID, TRUTH
        )
        for one, table in zip(known, tables, strict=True)
    }
    staged = stage(truth, predictions, metrics)
    return staged, staged.asked[0]


def _resampled(staged: Stage, measure: Measure, mine: Sequence[Done], seed: int) -> Floats:
    """(draws, fits) the metric of each fit on the same resamples of the held-out rows."""
    if not mine:
        return np.empty((DRAWS, 0))
    n = len(staged.truth.ids)
    lines: list[list[Floats]] = [[] for _ in mine]
    for block in resamples(n, seed, DRAWS):
        step = max(1, _CELLS // n)
        for first in range(0, len(block), step):
            part = block[first : first + step]
            for place, one in enumerate(mine):  # fits, not rows
                entrant = staged.models[name_of(one)]
                values = np.full(len(part), np.nan)
                if entrant.values[measure.title] is not None:
                    drawn = measure.values(entrant.scored, part[:, entrant.usable])
                    values = np.asarray(measure.distance(drawn))
                lines[place].append(values)
    return np.column_stack([np.concatenate(line) for line in lines])


def _curve(
    model: str,
    staged: Stage,
    measure: Measure,
    mine: Sequence[Done],
    lines: Floats,
    times: float,
    margin: float | None,
) -> tuple[list[Point], Curve]:
    """The points of one model and the law through them."""
    values = np.array([_value(staged, measure, one) for one in mine])
    # What a Sides of this study holds is a Fraction.
    shares = np.array([one.fit.sides.plain()[1] for one in mine])
    sizes = [share for share in np.unique(shares) if np.isfinite(values[shares == share]).any()]
    noise = _noise(values, shares)
    generator = np.random.default_rng(0)
    points, rows, means, spread = [], [], [], []
    for share in sizes:
        here = np.flatnonzero((shares == share) & np.isfinite(values)).tolist()
        mean = float(values[here].mean())
        own = noise / np.sqrt(len(here)) if share < 1 else noise
        drawn = lines[:, here].mean(axis=1) + generator.normal(0, own, len(lines))
        low, high = _ends(drawn)
        rows.append(float(np.mean([mine[i].train for i in here])))
        means.append(mean)
        spread.append(drawn)
        points.append(
            Point(
                model, float(share), rows[-1], mean, low, high, len(here),
                round(float(np.mean([mine[i].seconds for i in here])), 3),
                f"bootstrap of held-out rows, {len(lines)} resamples, and of draws",
            )
        )  # fmt: skip
    return points, _law(model, measure, (rows, means, spread), times, margin)


def _value(staged: Stage, measure: Measure, one: Done) -> float:
    value = staged.models[name_of(one)].values[measure.title]
    return float("nan") if value is None else float(measure.distance(value))


def _noise(values: Floats, shares: Floats) -> float:
    """How far draws of one size lie apart: the larger sizes, where it matters most, decide."""
    found = []
    for share in sorted(set(shares.tolist()), reverse=True):
        same = values[(shares == share) & np.isfinite(values)]
        if len(same) >= 2:
            found.append(float(same.var(ddof=1)))
    return float(np.sqrt(np.mean(found[:2]))) if found else 0.0


def _ends(drawn: Floats) -> tuple[float | None, float | None]:
    known = drawn[np.isfinite(drawn)]
    if len(known) < 0.95 * len(drawn):
        return None, None
    low, high = np.quantile(known, [0.025, 0.975])
    return finite(low), finite(high)


def _law(
    model: str,
    measure: Measure,
    curve: tuple[Sequence[float], Sequence[float], Sequence[Floats]],
    times: float,
    margin: float | None,
) -> Curve:
    rows, means, spread = curve
    better = "higher" if measure.better == "higher" else "lower"
    if not rows:
        why = f"Cannot tell what more data would bring {model}: it could not be fitted."
        return Curve(model, None, None, None, None, times, None, None, None, "cannot tell", why)
    allowed = usual_margin(measure.is_bounded, means[-1]) if margin is None else margin
    drawn = np.column_stack(spread)
    found = gain(rows, means, drawn, better=better, margin=allowed, times=times)
    law = fit(rows, means) if found.value is not None else None
    return Curve(
        model,
        law.a if law else None,
        law.b if law else None,
        law.c if law else None,
        law.residual if law else None,
        times,
        found.value,
        found.low,
        found.high,
        found.verdict,
        _sentence(model, measure, found, law, better),
    )


def _sentence(model: str, measure: Measure, found: Gain, law: PowerLaw | None, better: str) -> str:
    data = "Twice the data" if found.times == 2 else f"{short(found.times)} times the data"
    factor, unit = (100, f"points of {measure.title}") if measure.is_share else (1, measure.title)
    if found.verdict == "cannot tell" or found.value is None or law is None:
        known = ""
        if found.low is not None and found.high is not None:
            known = (
                f" (between {short(found.low * factor)} and {short(found.high * factor)} {unit})"
            )
        return f"Cannot tell what {data.lower()} would bring {model}{known}: {found.why}."
    away = "less" if better == "lower" else "more"
    low, high = (None if end is None else end * factor for end in (found.low, found.high))
    told = f"about {short(found.value * factor)} {unit} {away} ({bounds(low, high)})"
    if found.verdict == "no gain that matters":
        return f"{data} would bring {model} nothing that matters: {told}."
    return f"{data} would bring {model} {told}."
