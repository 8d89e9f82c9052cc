"""Calibration: whether what is said with 70 % happens in 70 of 100, and large numbers are large."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.errors import PredictionsError, RecipeError, nearest
from assay.evaluation.binned import Bin, calibration_errors, chances, of_chances, of_numbers
from assay.evaluation.evaluate import stage
from assay.evaluation.holding import hold
from assay.evaluation.measures import measures
from assay.evaluation.scored import Floats, Scored
from assay.evaluation.tables import name_of
from assay.evaluation.truth import Task
from assay.places import called
from assay.records.recording import recorded
from assay.studies.results import Result, finite, short

SIMULATIONS = 1000
_QUANTILES = 99
_CELLS = 8_000_000


@dataclass(frozen=True)
class Reliability:
    """One model's calibration.

    Attributes:
        model: its name.
        of: the class whose probability it is; None for the confidence in the predicted class, and
            for numbers.
        bins: from low to high predictions.
        error: expected calibration error of probabilities; mean distance of the bins' means for
            numbers.
        usual_error: what 95 of 100 calibrated models would stay under on these rows.
        p: the chance that a calibrated model's error is as large; None for numbers.
        slope: of the truth on the prediction, for numbers; 1 is calibrated.
        quantiles: `[share, predicted, observed]` for numbers.
        n: rows.
    """

    model: str
    of: str | None
    bins: tuple[Bin, ...]
    error: float | None
    usual_error: float | None
    p: float | None
    slope: float | None
    quantiles: tuple[tuple[float, float, float], ...]
    n: int


@dataclass(frozen=True, repr=False, eq=False)
class Calibration(Result):
    """What was found of the models' calibration.

    Attributes:
        name: of the truth.
        task: `number` or `class`.
        models: one each, in the order of the predictions.
        notes: what was left out.
    """

    name: str
    task: str
    models: tuple[Reliability, ...]
    notes: tuple[str, ...] = ()

    def to_polars(self) -> pl.DataFrame:
        """The bins as a Polars frame."""
        lines = [{"model": one.model, **asdict(b)} for one in self.models for b in one.bins]
        return pl.DataFrame(lines, infer_schema_length=None)

    def sentences(self) -> list[str]:
        """For each model whether it is calibrated, as far as these rows can tell."""
        return [*(_sentence(one) for one in self.models), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        body = asdict(self)
        for one in body["models"]:
            one["quantiles"] = [list(point) for point in one["quantiles"]]
        return {"study": "calibration", **body}


def calibration(  # noqa: PLR0913 - what `evaluate` takes, and the bins
    truth: Any,
    predictions: Any,
    *,
    id: str | None = None,
    target: str | None = None,
    of: str | None = None,
    bins: int = 10,
    positive: str | None = None,
    task: Task | None = None,
    seed: int = 0,
    record: str | Path | None = None,
) -> Calibration:
    """Hold predicted probabilities against what happened, and predicted numbers against true ones.

    Rows are put into bins of equally many. For two classes it is the positive one's probability
    that is looked at, for more the confidence in the predicted class, or the class `of`. The
    expected calibration error is never 0 by chance alone, so it is held against what a calibrated
    model would show on as many rows with these probabilities.

    Args:
        truth: the true values, as `evaluate` takes them.
        predictions: tables of predictions with `proba_<class>`, or numbers, as `evaluate` takes
            them.
        id: the column that says which prediction belongs to which row.
        target: the column of the truth that holds the true value.
        of: the class whose probability is looked at.
        bins: how many.
        positive: of two classes, the one that is looked at.
        task: `number` or `class`, told from the values if not given.
        seed: of the simulation.
        record: the folder of versions in whose record of runs it is kept; in none if not given.

    Raises:
        PredictionsError: predictions do not fit the truth, or hold no probabilities.
        RecipeError: there is no such class, or fewer than two bins.

    References: DeGroot and Fienberg (1983), The Statistician 32:12-22; Bröcker and Smith (2007),
    Weather and Forecasting 22:651-661, for the bands; Vaicenavicius et al. (2019), AISTATS, PMLR
    89:3459-3467, for the test by consistency resampling.

    >>> frame = pl.DataFrame({"id": range(200), "y": ["no", "no", "no", "yes"] * 50})
    >>> given = frame.select("id", proba_no=pl.lit(0.75), proba_yes=pl.lit(0.25))
    >>> found = calibration(frame, {"share": given}, bins=2)
    >>> found.models[0].bins[0].observed, found.models[0].error
    (0.25, 0.0)
    """
    if bins < 2:
        raise RecipeError("There are two bins or more.", received={"bins": bins})
    title = name_of(truth, "calibration")
    said = {"name": title, "source": called(truth), "target": target, "of": of, "bins": bins}
    with recorded("calibration", record, said | {"seed": seed}):
        held = hold(truth, predictions, id=id, target=target, positive=positive, task=task)
        asked = ["mae"] if held.truth.task == "number" else ["accuracy"]
        if held.truth.task not in ("number", "class"):
            raise PredictionsError(
                "Only numbers and probabilities of classes can be calibrated.",
                received=held.truth.task,
            )
        staged = stage(held.truth, held.tables, asked)
        if of is not None and of not in staged.classes:
            raise RecipeError(
                f"There is no class {of!r}.",
                allowed=staged.classes,
                hint=nearest(of, staged.classes),
            )
        found = tuple(
            _numbers(name, one.scored, bins)
            if held.truth.task == "number"
            else _classes(name, one.scored, of, bins, seed)
            for name, one in staged.models.items()
        )
        return Calibration(held.truth.name, held.truth.task, found, (*held.notes, *staged.notes))


def _classes(name: str, scored: Scored, of: str | None, bins: int, seed: int) -> Reliability:
    """The probability of one class, or the confidence in the predicted one, and how often it is."""
    of, chance, hit = chances(scored, of)
    error = float(calibration_errors(chance, hit[None, :])[0]) if len(hit) else None
    usual, p = _consistent(chance, error, seed)
    return Reliability(name, of, of_chances(chance, hit, bins), error, usual, p, None, (), len(hit))


def _numbers(name: str, scored: Scored, bins: int) -> Reliability:
    predicted, true = scored.predicted.astype(np.float64), scored.truth.astype(np.float64)
    lines = of_numbers(predicted, true, bins)
    sizes = np.array([line.n for line in lines])
    gaps = np.array([abs(line.observed - line.predicted) for line in lines])
    shares = np.arange(1, _QUANTILES + 1) / (_QUANTILES + 1)
    pairs: list[tuple[float, float, float]] = []
    slope = None
    if len(true):
        points = zip(shares, np.quantile(predicted, shares), np.quantile(true, shares), strict=True)
        pairs = [(float(a), float(b), float(c)) for a, b, c in points]
        slope = finite(measures("calibration_slope", "number")[0].value(scored))
    error = float((gaps * sizes).sum() / sizes.sum()) if len(true) else None
    return Reliability(name, None, lines, error, None, None, slope, tuple(pairs), len(true))


def _consistent(
    chance: Floats, error: float | None, seed: int
) -> tuple[float | None, float | None]:
    """The error that calibrated models stay under 95 times in 100, and how rare this one is."""
    if error is None:
        return None, None
    generator = np.random.default_rng(seed & (2**63 - 1))
    step = max(1, _CELLS // len(chance))
    # With very many rows fewer simulations tell as much: the error hardly varies.
    count = SIMULATIONS if len(chance) <= 100_000 else 200
    found: list[Floats] = []
    for first in range(0, count, step):
        lines = min(step, count - first)
        drawn = generator.random((lines, len(chance))) < chance
        found.append(calibration_errors(chance, drawn.astype(np.float64)))
    errors = np.concatenate(found)
    p = float((1 + (errors >= error - 1e-12).sum()) / (len(errors) + 1))
    return float(np.quantile(errors, 0.95)), p


def _sentence(one: Reliability) -> str:
    if one.error is None:
        return f"{one.model}: there are no rows to tell its calibration by."
    if one.p is None:
        told = f"{one.model}: predictions and means of the truth lie {short(one.error)} apart"
        return f"{told}; the slope is {short(one.slope)} (1 is calibrated)."
    known = f"expected calibration error {short(one.error)}, where calibrated models stay under "
    known += f"{short(one.usual_error)} 95 times in 100"
    if one.p < 0.05:
        return f"{one.model} is not calibrated: {known} (p = {one.p:.2g})."
    return f"{one.model}: no fault of its calibration shows: {known}."
