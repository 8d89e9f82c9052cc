"""What every other model has to beat: one answer for all rows, and chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import ModelError
from assay.models._prepare import Answer, Floats, class_answer, finite
from assay.models.training import Fitted, Training
from assay.rows import row_ids, uniform

__all__ = ["constant", "random"]


@dataclass(frozen=True)
class _Constant:
    answer: Answer
    value: float
    proba: tuple[float, ...]

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not self.answer.classes:
            return pl.DataFrame({"prediction": np.full(rows.height, self.value)})
        return self.answer.probabilities(np.tile(self.proba, (rows.height, 1)))


@dataclass(frozen=True)
class _Random:
    answer: Answer
    values: Floats
    proba: tuple[float, ...]
    seed: int

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        drawn = uniform(row_ids(rows), self.seed, "models.random")
        if not self.answer.classes:
            picked = (drawn * len(self.values)).astype(np.int64)
            return pl.DataFrame({"prediction": self.values[picked]})
        steps = np.cumsum(self.proba)[:-1]
        picked = np.array(self.answer.present)[np.searchsorted(steps, drawn, side="right")]
        frame = self.answer.probabilities(np.tile(self.proba, (rows.height, 1)))
        names = pl.Series(self.answer.classes, dtype=pl.String).gather(picked)
        return frame.with_columns(names.alias("prediction"))


def constant(
    training: Training, *, strategy: Literal["mean", "median", "majority"] | None = None
) -> Fitted:
    """Predict the same for every row: the mean of a number, the most frequent of classes.

    The probabilities of classes are their shares of the train rows.

    Args:
        training: what to learn from.
        strategy: `mean` (default) or `median` for numbers, `majority` for classes.

    Raises:
        ModelError: no train row has a target, or the strategy is not one for this target.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"a": [1, 2, 3]})
    >>> training = Training(
    ...     rows=rows, target=pl.Series([1.0, 2.0, 6.0]), validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series([1, 2, 3], dtype=pl.UInt64), task="number", classes=(), kinds={},
    ... )
    >>> constant(training).predict(rows)["prediction"].to_list()
    [3.0, 3.0, 3.0]
    """
    fitting = ("majority",) if training.task == "class" else ("mean", "median")
    if strategy is not None and strategy not in fitting:
        kind = "classes" if training.task == "class" else "numbers"
        raise ModelError(
            f"constant: this strategy is not one for {kind}.", received=strategy, allowed=fitting
        )
    if training.task == "class":
        answer, shares = _shares(training, "constant")
        return _Constant(answer, 0.0, tuple(shares))
    values = finite(training, "constant")
    value = np.median(values) if strategy == "median" else values.mean()
    return _Constant(Answer(), float(value), ())


def random(training: Training) -> Fitted:
    """Guess by drawing from the targets of the train rows, each row's draw fixed by its id.

    The probabilities of classes are their shares of the train rows, the same for every row; the
    predicted class is drawn with them.

    Raises:
        ModelError: no train row has a target.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"a": [1, 2, 3]})
    >>> training = Training(
    ...     rows=rows, target=pl.Series([1.0, 2.0, 6.0]), validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series([1, 2, 3], dtype=pl.UInt64), task="number", classes=(), kinds={},
    ... )
    >>> bool(random(training).predict(rows)["prediction"].is_in([1.0, 2.0, 6.0]).all())
    True
    """
    if training.task == "class":
        answer, shares = _shares(training, "random")
        return _Random(answer, np.empty(0), tuple(shares), training.seed)
    # Sorted, so that a draw depends on the distribution alone.
    values = np.sort(finite(training, "random"))
    return _Random(Answer(), values, (), training.seed)


def _shares(training: Training, model: str) -> tuple[Answer, npt.NDArray[np.float64]]:
    answer = class_answer(training, model)
    codes = answer.learned(training.target)
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(answer.present))
    return answer, counts / counts.sum()


def is_baseline(fitted: object) -> bool:
    """Whether a fitted model is only there to be beaten."""
    return isinstance(fitted, _Constant | _Random)
