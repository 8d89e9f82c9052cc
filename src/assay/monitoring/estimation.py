"""How well a model does on rows whose truth is not known yet, and how sure that is.

Both ways learn from the rows on which the model was evaluated, and both assume that what the
inputs say of the truth is still as it was then: they see that inputs have moved to where the model
does worse, and do not see that the world answers the same inputs differently. Labels alone show
that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import ModelError, PredictionsError
from assay.evaluation.intervals import Z, number
from assay.evaluation.measures import Measure
from assay.evaluation.scored import Codes, Floats, Scored
from assay.models.training import Fitted, Training
from assay.models.trees import boosted_trees
from assay.recipe import FieldType
from assay.rows import ROW, ROW_ID, text_hash

DRAWS = 60
MOST_ROWS = 100_000
FEWEST_ROWS = 50
FOLDS = 5
ISOTONIC_FROM = 1000
_LOSS = "\x1floss"  # no column of a version is called like this
PREDICTED = "\x1fprediction"
# Metrics that are a mean over rows, or its root: how a row's own value becomes its part of the
# mean, and the mean the metric.
_MEANS = frozenset({"mae", "hits", "mape", "smape", "quantile_loss"})
_ROOTS = frozenset({"rmse", "rmsle"})
ASSUMED = {
    "class": "Confidence-based: holds as long as the same inputs still mean the same chances of "
    "each class.",
    "number": "Direct loss estimation: holds as long as the same inputs still mean errors of the "
    "same size.",
}


@dataclass(frozen=True)
class Estimate:
    """What a metric is likely to be on rows without labels.

    Attributes:
        metric: its title.
        value: the estimate; None where there is none.
        low: the band that is meant to hold what labels will say in 95 of 100 batches.
        high: its upper end.
        error: the part of the standard error that is this batch's own.
        n: rows.
        method: how it was found, or `none: why`.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    error: float
    n: int
    method: str


def none(metric: str, why: str) -> Estimate:
    """No estimate, and why."""
    return Estimate(metric, None, None, None, math.nan, 0, f"none: {why}")


@dataclass(frozen=True)
class Calibration:
    """What a model's probabilities have been worth: for each class a rising line.

    Attributes:
        given: for each class the probabilities that the model gave, rising.
        held: what share of such rows was of the class.
    """

    given: tuple[tuple[float, ...], ...]
    held: tuple[tuple[float, ...], ...]

    def apply(self, proba: Floats) -> Floats:
        """(n, k) probabilities as they have proved true, each line with a sum of 1."""
        pairs = zip(self.given, self.held, strict=True)
        found = np.column_stack([np.interp(proba[:, place], x, y)
                                 for place, (x, y) in enumerate(pairs)])  # fmt: skip
        sums = found.sum(axis=1, keepdims=True)
        return np.asarray(np.where(sums > 0, found / np.where(sums > 0, sums, 1), proba))


def calibrate(scored: Scored) -> Calibration:
    """Learn from evaluated rows what a model's probabilities are worth.

    Isotonic regression for a class from 1,000 rows on; below, a logistic line of the log odds
    (Platt 1999), which needs fewer.

    Raises:
        PredictionsError: there are no probabilities, or too few rows.

    >>> proba = np.tile([[0.9, 0.1], [0.1, 0.9]], (500, 1))
    >>> right = np.arange(1000) // 2 % 10 < 7
    >>> truth = np.where(right, proba.argmax(axis=1), proba.argmin(axis=1))
    >>> calibrate(Scored(truth, None, proba, classes=("a", "b"))).apply(proba[:1]).round(1)
    array([[0.7, 0.3]])
    """
    proba = scored.probabilities
    if len(scored) < FEWEST_ROWS:
        raise PredictionsError(
            f"the model was evaluated on {len(scored)} rows, too few to learn from", hint=None
        )
    lines = [_line(proba[:, place], scored.truth == place) for place in range(proba.shape[1])]
    return Calibration(tuple(x for x, _ in lines), tuple(y for _, y in lines))


def _line(given: Floats, held: npt.NDArray[np.bool_]) -> tuple[tuple[float, ...], ...]:
    hits = int(held.sum())
    if len(given) >= ISOTONIC_FROM and min(hits, len(given) - hits) >= FEWEST_ROWS:
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(out_of_bounds="clip").fit(given, held.astype(float))
        return tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist())
    if not 0 < hits < len(given):
        share = (hits + 0.5) / (len(given) + 1)
        return (0.0, 1.0), (share, share)
    from sklearn.linear_model import LogisticRegression

    grid = np.concatenate([[0.0], 1 / (1 + np.exp(-np.linspace(-12, 12, 97))), [1.0]])
    learned = LogisticRegression(C=10.0).fit(_odds(given)[:, None], held)
    return tuple(grid.tolist()), tuple(learned.predict_proba(_odds(grid)[:, None])[:, 1].tolist())


def _odds(chance: Floats) -> Floats:
    held = np.clip(chance, 1e-6, 1 - 1e-6)
    return np.asarray(np.log(held / (1 - held)))


def of_classes(
    scored: Scored,
    calibration: Calibration,
    asked: Sequence[Measure],
    shared: Mapping[str, float],
    *,
    seed: int = 0,
) -> list[Estimate]:
    """Estimate metrics of classes from calibrated probabilities (CBPE).

    Each row counts once for every class, with the chance of that class as its weight; so every
    metric that can be weighted can be estimated. The band is of truths drawn with these chances,
    and of how exactly the evaluation knew them.

    Args:
        scored: the rows; their truth is not looked at.
        calibration: what the probabilities are worth.
        asked: the metrics.
        shared: for each metric the standard error of the evaluation's value.
        seed: of the draws.

    Reference: Garg, Balakrishnan, Lipton, Neyshabur and Sedghi (2022), International Conference
    on Learning Representations, on what can be known without labels.
    """
    n, drawn = len(scored), min(len(scored), MOST_ROWS)
    chances = calibration.apply(scored.probabilities)
    every = _every_class(scored, chances.shape[1])
    random = np.random.default_rng(seed)
    some = np.zeros(n, bool)
    some[random.permutation(n)[:drawn]] = True
    part = scored.take(some)
    reach = chances[some].cumsum(axis=1)
    truths = [
        np.minimum((random.random((drawn, 1)) > reach).sum(axis=1), chances.shape[1] - 1)
        for _ in range(DRAWS)
    ]
    found = []
    for measure in asked:
        try:
            value = number(measure.values(every, chances.T.reshape(1, -1))[0])
            values = np.array([measure.value(_with(part, truth)) for truth in truths])
        except PredictionsError as error:
            found.append(none(measure.title, error.what))
            continue
        values = values[np.isfinite(values)]
        if len(values) < DRAWS // 2:
            value = None  # such as an area where most draws hold one class only
        own = float(values.std(ddof=1)) * math.sqrt(drawn / n) if len(values) > 1 else math.nan
        found.append(_banded(measure, value, own, shared.get(measure.title), n))
    return found


def _every_class(scored: Scored, classes: int) -> Scored:
    """Every row once for each class, as if that were its truth."""
    n = len(scored)
    return Scored(
        np.repeat(np.arange(classes), n),
        None if scored.prediction is None else np.tile(scored.prediction, classes),
        np.tile(scored.probabilities, (classes, 1)),
        None if scored.score is None else np.tile(scored.score, classes),
        scored.classes,
        scored.positive,
    )


def _with(scored: Scored, truth: Codes) -> Scored:
    return Scored(truth, scored.prediction, scored.proba, scored.score, scored.classes,
                  scored.positive)  # fmt: skip


def _banded(
    measure: Measure, value: float | None, own: float, shared: float | None, n: int
) -> Estimate:
    if value is None:
        return none(measure.title, "undefined on these rows")
    known = shared if shared is not None and math.isfinite(shared) else 0.0
    half = Z * math.hypot(own, known)
    low, high = value - half, value + half
    if measure.is_bounded or measure.better == "lower":
        low = max(low, 0.0)
    if measure.is_bounded:
        high = min(high, 1.0)
    return Estimate(measure.title, value, low, high, own, n, "estimated")


@dataclass(frozen=True)
class Losses:
    """A model of what each row costs, by metric, learned from evaluated rows.

    Attributes:
        fitted: for each metric, what predicts a row's loss.
        spread: for each metric the standard deviation of what it does not foresee.
        bias: for each metric by how much it was too low on rows that it had not seen.
        n: rows that it learned from.
    """

    fitted: Mapping[str, Fitted]
    spread: Mapping[str, float]
    bias: Mapping[str, float]
    n: int


def can_estimate(measure: Measure) -> bool:
    """Whether a metric of numbers is a mean over rows, or the root of one."""
    return measure.name in _MEANS | _ROOTS


def learn_losses(
    rows: pl.DataFrame,
    scored: Scored,
    kinds: Mapping[str, FieldType],
    asked: Sequence[Measure],
    *,
    seed: int = 0,
) -> Losses:
    """Learn from evaluated rows how large a model's error is where (direct loss estimation).

    Boosted trees of the inputs and the prediction; what they miss is measured on folds that they
    have not seen, and taken off.

    Args:
        rows: the inputs of the evaluated rows, and `row_id`.
        scored: their truth and prediction.
        kinds: the types of the inputs.
        asked: the metrics; those that are no mean over rows are left out.
        seed: of the trees.

    Raises:
        ModelError: nothing can be learned from these rows.
        PredictionsError: there are too few rows.
    """
    if rows.height < FEWEST_ROWS:
        raise PredictionsError(
            f"the model was evaluated on {rows.height} rows, too few to learn from", hint=None
        )
    inputs = _inputs(rows, scored.predicted)
    ids = text_hash(rows[ROW_ID])
    fold = (ids % FOLDS).to_numpy()
    fitted: dict[str, Fitted] = {}
    spread: dict[str, float] = {}
    bias: dict[str, float] = {}
    for measure in asked:
        if not can_estimate(measure):
            continue
        losses = _losses(measure, scored)
        foreseen = np.zeros(len(losses))
        for held in range(FOLDS):
            inside = fold == held
            model = _learned(inputs.filter(~inside), losses[~inside], ids.filter(~inside), kinds,
                             seed)  # fmt: skip
            foreseen[inside] = _foreseen(model, inputs.filter(inside))
        missed = losses - foreseen
        fitted[measure.title] = _learned(inputs, losses, ids, kinds, seed)
        spread[measure.title] = float(missed.std(ddof=1))
        bias[measure.title] = float(missed.mean())
    return Losses(fitted, spread, bias, rows.height)


def of_numbers(
    rows: pl.DataFrame, predictions: Floats, losses: Losses, asked: Sequence[Measure]
) -> list[Estimate]:
    """Estimate metrics of numbers from the loss that each row is expected to cost.

    Args:
        rows: the inputs, as the losses were learned from.
        predictions: (n,) what the model says of them.
        losses: as `learn_losses` gives it.
        asked: the metrics.
    """
    inputs, n = _inputs(rows, predictions), rows.height
    found = []
    for measure in asked:
        title = measure.title
        if title not in losses.fitted:
            found.append(none(title, "it is no mean over rows, so rows alone do not tell it"))
            continue
        mean = float(_foreseen(losses.fitted[title], inputs).mean()) + losses.bias[title]
        mean, own = max(mean, 0.0), losses.spread[title] / math.sqrt(n)
        shared = losses.spread[title] / math.sqrt(losses.n)
        if measure.name in _ROOTS:
            # The delta method: the root changes by 1 / (2 root) of what the mean does.
            value = math.sqrt(mean)
            scale = 1 / (2 * value) if value > 0 else 0.0
            found.append(_banded(measure, value, own * scale, shared * scale, n))
        else:
            found.append(_banded(measure, mean, own, shared, n))
    return found


def _inputs(rows: pl.DataFrame, predictions: Floats) -> pl.DataFrame:
    beside = rows.select(pl.exclude(ROW_ID))
    return beside.with_columns(pl.Series(PREDICTED, predictions, dtype=pl.Float64))


def _losses(measure: Measure, scored: Scored) -> Floats:
    """(n,) what each row costs: the metric of that row alone."""
    place, parts = np.arange(len(scored)), []
    for start in range(0, len(scored), 500):
        few = scored.take((place >= start) & (place < start + 500))
        parts.append(measure.values(few, np.eye(len(few))))
    losses = np.concatenate(parts)
    return np.asarray(losses**2 if measure.name in _ROOTS else losses)


def _learned(
    inputs: pl.DataFrame, losses: Floats, ids: pl.Series, kinds: Mapping[str, FieldType], seed: int
) -> Fitted:
    training = Training(
        rows=inputs,
        target=pl.Series(_LOSS, losses, dtype=pl.Float64),
        validation_rows=inputs.clear(),
        validation_target=pl.Series(_LOSS, [], dtype=pl.Float64),
        row=ids.alias(ROW),
        task="number",
        classes=(),
        kinds={**kinds, PREDICTED: "number"},
        seed=seed,
    )
    return boosted_trees(training, rounds=200, learning_rate=0.05, min_weight=20.0, log=False)


def _foreseen(model: Fitted, inputs: pl.DataFrame) -> Floats:
    if not inputs.height:
        return np.zeros(0)
    found = model.predict(inputs)["prediction"].to_numpy()
    if not np.isfinite(found).all():
        raise ModelError("The model of losses gave no number for some rows.")
    return np.asarray(np.maximum(found, 0.0))
