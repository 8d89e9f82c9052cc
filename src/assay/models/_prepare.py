"""What the learning models share: rows in a fixed order, a held-out part, the answer's frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import ModelError
from assay.models.training import Training
from assay.rows import uniform

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

HELD_OUT = 0.15
"""Share of the train rows that chooses regularisation where there are no validation rows."""
TOO_FEW = 20
"""Below this many rows a held-out part says nothing, so defaults are taken."""


@dataclass(frozen=True)
class Answer:
    """How a target becomes the values that are learned, and how these become predictions.

    Attributes:
        classes: every class there is; empty for numbers.
        present: positions in `classes` of those among the train rows, ascending; what is learned
            for classes are positions in this tuple.
        log: the logarithm log(1 + y) of a number is learned instead of y.
        low: smallest prediction of a number.
        high: largest prediction of a number.
    """

    classes: tuple[str, ...] = ()
    present: tuple[int, ...] = ()
    log: bool = False
    low: float = -np.inf
    high: float = np.inf

    def learned(self, target: pl.Series) -> Floats:
        """The values to learn; NaN where the target is missing or was never seen in training."""
        if not self.classes:
            values = target.cast(pl.Float64).to_numpy().copy()
            values[~np.isfinite(values)] = np.nan
            with np.errstate(invalid="ignore"):
                learned: Floats = np.log1p(np.maximum(values, 0.0)) if self.log else values
                return learned
        names = [self.classes[position] for position in self.present]
        codes = target.cast(pl.String).replace_strict(
            names, np.arange(len(names), dtype=np.float64), default=None, return_dtype=pl.Float64
        )
        return codes.to_numpy()

    def numbers(self, values: npt.ArrayLike) -> pl.DataFrame:
        """The frame of predictions for a number."""
        values = np.asarray(values, dtype=np.float64)
        if self.log:
            values = np.expm1(np.minimum(values, 700.0))  # exp overflows behind 709
        return pl.DataFrame({"prediction": np.clip(values, self.low, self.high)})

    def frame(self, found: npt.ArrayLike) -> pl.DataFrame:
        """The frame of predictions: of values, or of one column for each class present."""
        return self.probabilities(found) if self.classes else self.numbers(found)

    def nothing(self) -> pl.DataFrame:
        """The frame of predictions for no rows."""
        if self.classes:
            return self.probabilities(np.empty((0, len(self.present))))
        return self.numbers(np.empty(0))

    def probabilities(self, proba: npt.ArrayLike) -> pl.DataFrame:
        """The frame of predictions for classes, from one column for each class that is present."""
        found = np.asarray(proba, dtype=np.float64)
        found = found / found.sum(axis=1, keepdims=True)
        full = np.zeros((len(found), len(self.classes)))
        full[:, list(self.present)] = found
        best = full.argmax(axis=1)
        frame = {"prediction": pl.Series(self.classes, dtype=pl.String).gather(best)}
        for position, name in enumerate(self.classes):
            frame[f"proba_{name}"] = pl.Series(full[:, position])
        return pl.DataFrame(frame)


@dataclass(frozen=True)
class Lesson:
    """Train and validation rows, ready to learn from.

    Attributes:
        rows: inputs in the order of their ids, rows without a target left out.
        y: the values to learn, as `Answer.learned` gives them.
        row: UInt64 ids.
        other: inputs of the validation rows; none where only the train rows are weighed.
        other_y: their values.
        weights: how much each of the rows counts; None: all alike.
        other_weights: how much each validation row counts.
    """

    training: Training
    answer: Answer
    rows: pl.DataFrame
    y: Floats
    row: pl.Series
    other: pl.DataFrame
    other_y: Floats
    weights: Floats | None = None
    other_weights: Floats | None = None

    def weights_of(self, part: Any) -> Floats | None:
        """The weights of some of the rows."""
        return None if self.weights is None else self.weights[part]

    @property
    def is_class(self) -> bool:
        return self.training.task == "class"

    def loss(self, found: Floats, truth: Floats, weights: Floats | None = None) -> float:
        """Log loss of classes (one column each), squared error of numbers; the lower the better."""
        if found.ndim == 1:
            return float(np.average((found - truth) ** 2, weights=weights))
        of_truth = found[np.arange(len(truth)), truth.astype(np.int64)]
        return float(np.average(-np.log(np.maximum(of_truth, 1e-12)), weights=weights))

    def trial(self) -> tuple[Integers, Integers]:
        """Positions to learn from and to judge by, of the train rows followed by the others.

        The judges are the validation rows, or else a part of the train rows chosen by row id;
        there are none where the rows are too few, or where learning would lose a class.
        """
        count = len(self.y)
        if len(self.other_y):
            return np.arange(count), np.arange(count, count + len(self.other_y))
        held = uniform(self.row, self.training.seed, "models.held out") < HELD_OUT
        learns, judges = np.flatnonzero(~held), np.flatnonzero(held)
        whole = not self.is_class or len(np.unique(self.y[learns])) == len(self.answer.present)
        if count < TOO_FEW or not len(judges) or not whole:
            return np.arange(count), np.arange(0)
        return learns, judges

    def folds(self, count: int) -> Integers:
        """The fold of each train row, fixed by its id."""
        return (uniform(self.row, self.training.seed, "models.folds") * count).astype(np.int64)


def prepare(training: Training, model: str, *, log: bool | None = False) -> Lesson:
    """Sort the train rows by id, drop those without a target and decide what is learned.

    Args:
        training: what the model was given.
        model: its name, for messages.
        log: learn log(1 + y) of a number; None decides by the skew of the train target.

    Raises:
        ModelError: nothing is left to learn from, or there is only one class.
    """
    answer = _answer(training, model, log)
    y = answer.learned(training.target)
    order = np.argsort(training.row.to_numpy(), kind="stable")
    order = order[~np.isnan(y[order])]
    other_y = answer.learned(training.validation_target)
    usable = np.flatnonzero(~np.isnan(other_y))
    weights = _plain(training.weights, order)
    other_weights = _plain(training.validation_weights, usable)
    if _apart(weights, other_weights):
        usable, other_weights = usable[:0], None
    return Lesson(
        training=training,
        answer=answer,
        rows=training.rows[order],
        y=y[order],
        row=training.row[order],
        other=training.validation_rows[usable],
        other_y=other_y[usable],
        weights=weights,
        other_weights=other_weights,
    )


def _apart(weights: Floats | None, other: Floats | None) -> bool:
    """Whether only train rows are weighed, so that the others would judge by another measure.

    Weights that flatten the prices of the train rows made trees stop after one round, since the
    validation rows still asked for the prices as they were. A part of the train rows judges then.
    """
    if weights is None or not len(weights) or np.ptp(weights) == 0:
        return False
    return other is None or not len(other) or np.ptp(other) == 0


def _plain(weights: pl.Series | None, places: Integers) -> Floats | None:
    if weights is None:
        return None
    plain: Floats = weights.cast(pl.Float64).fill_null(1.0).to_numpy()[places]
    return plain


def class_answer(training: Training, model: str) -> Answer:
    """The classes that the train rows hold.

    Raises:
        ModelError: no train row has a class.
    """
    found = set(training.target.cast(pl.String).drop_nulls().unique().to_list())
    present = tuple(i for i, name in enumerate(training.classes) if name in found)
    if not present:
        raise _nothing(model)
    return Answer(classes=training.classes, present=present)


def finite(training: Training, model: str) -> Floats:
    """The numbers among the train target that can be learned from, in the order of row ids.

    Raises:
        ModelError: there are none.
    """
    values: Floats = training.target.cast(pl.Float64).to_numpy()
    values = values[np.argsort(training.row.to_numpy(), kind="stable")]
    values = values[np.isfinite(values)]
    if not len(values):
        raise _nothing(model)
    return values


def skewed(values: Floats) -> bool:
    """Say whether numbers are better seen on a logarithmic scale.

    They are when none is negative, their skewness is above 1, and the logarithm log(1 + y)
    brings it closer to 0.

    >>> skewed(np.array([1.0, 2.0, 3.0, 500.0])), skewed(np.array([-1.0, 2.0, 3.0, 500.0]))
    (True, False)
    """
    if len(values) < 3 or values.min() < 0:
        return False
    plain = _skewness(values)
    return plain > 1 and abs(_skewness(np.log1p(values))) < plain


def columns_missing(model: str, kind: str, training: Training) -> ModelError:
    """The error of a model that finds no input it can use."""
    listed = [f"{name} ({kind})" for name, kind in training.kinds.items()]
    return ModelError(
        f"{model} has no {kind} to learn from.",
        received=", ".join(listed) or "no inputs",
        hint="name other `inputs`, or leave this model out",
    )


def expand(values: npt.ArrayLike, found: Sequence[int], count: int, fill: float) -> Floats:
    """Put columns of the classes that were found into a table of all `count` classes."""
    values = np.asarray(values, dtype=np.float64)
    full = np.full((len(values), count), fill)
    full[:, list(found)] = values
    return full


def _answer(training: Training, model: str, log: bool | None) -> Answer:
    if training.task == "class":
        answer = class_answer(training, model)
        if len(answer.present) < 2:
            raise ModelError(
                f"{model} cannot learn: every train row has the same class.",
                received=training.classes[answer.present[0]],
                allowed="at least two classes among the train rows",
                hint="the model `constant` predicts a single class",
            )
        return answer
    values = finite(training, model)
    low, high = float(values.min()), float(values.max())
    if log and low < 0:
        raise ModelError(
            f"{model} cannot learn the logarithm of a target that is negative.",
            received=low,
            hint="leave out `log`, or set `log: false`",
        )
    if skewed(values) if log is None else log:
        return Answer(log=True, low=low, high=high)
    return Answer(low=0.0 if low >= 0 else -np.inf)


def _nothing(model: str) -> ModelError:
    return ModelError(
        f"{model} has nothing to learn from: no train row has a value of the target.",
        hint="look at the target's field and at the share of `train` in the split",
    )


def _skewness(values: Floats) -> float:
    deviation = float(values.std())
    if deviation == 0:
        return 0.0
    return float((((values - values.mean()) / deviation) ** 3).mean())
