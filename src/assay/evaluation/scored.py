"""What a metric is given, what it gives back, and the weighted sums that metrics are made of.

A metric is a function of the scored rows and of a matrix of weights: each line of the matrix says
how often every row is counted. A line of ones is the metric itself, a line of random counts is a
bootstrap resample, a line with a single one is the row alone. So one function yields the value,
its interval and the paired comparison, without a loop over rows or resamples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from assay.component import Mark
from assay.errors import PredictionsError, nearest

Floats = npt.NDArray[np.floating[Any]]
Codes = npt.NDArray[np.int64]

LowerIsBetter = Annotated[Floats, Mark("lower")]
HigherIsBetter = Annotated[Floats, Mark("higher")]
HasAnAim = Annotated[Floats, Mark("aim")]
"""Neither low nor high is best but 1, or what the metric's parameter `level` says."""
Proportion = Annotated[Floats, Mark("proportion")]
"""Higher is better, and the value is the share of rows for which something holds. Such a metric
uses the weights in matrix products and row sums only, so that they may be a sparse matrix."""


@dataclass(frozen=True, eq=False)
class Scored:
    """The rows of one model that are scored: n rows with a truth and a usable prediction.

    Attributes:
        truth: (n,) numbers, or integer codes into `classes`.
        prediction: (n,) numbers or codes, -1 for a label that is none of `classes`; None where
            the model gave probabilities or a score only.
        proba: (n, k) probabilities in the order of `classes`, or None.
        score: (n,) any number that rises with the positive class, or None.
        classes: the k labels; empty where the target is a number.
        positive: the code of the positive class, if one is named.
        low: (n,) lower bounds that the model gave for the truth, or None.
        high: (n,) upper bounds.
    """

    truth: npt.NDArray[Any]
    prediction: npt.NDArray[Any] | None
    proba: Floats | None = None
    score: Floats | None = None
    classes: tuple[str, ...] = ()
    positive: int | None = None
    low: Floats | None = None
    high: Floats | None = None
    _memory: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def kept(self) -> dict[str, Any]:
        """What a metric computed of these rows and may want again."""
        return self._memory

    @property
    def predicted(self) -> npt.NDArray[Any]:
        """The predictions.

        Raises:
            PredictionsError: there are only probabilities or scores.
        """
        if self.prediction is None:
            raise PredictionsError(
                "this metric needs predicted values", hint="add a column `prediction`"
            )
        return self.prediction

    @property
    def bounds(self) -> tuple[Floats, Floats]:
        """The predicted intervals.

        Raises:
            PredictionsError: there are none.
        """
        if self.low is None or self.high is None:
            raise PredictionsError(
                "this metric needs predicted intervals", hint="add the columns `low` and `high`"
            )
        return self.low, self.high

    @property
    def probabilities(self) -> Floats:
        """The probability of every class.

        Raises:
            PredictionsError: there are none.
        """
        if self.proba is None:
            raise PredictionsError(
                "this metric needs the probability of every class",
                hint="add the columns `proba_<class>`",
            )
        return self.proba

    @cached_property
    def absolute_error(self) -> Floats:
        """(n,) distance of prediction and truth."""
        return np.asarray(np.abs(self.predicted - self.truth))

    @cached_property
    def error_order(self) -> Codes:
        """The rows from the smallest to the largest error."""
        return np.argsort(self.absolute_error, kind="stable")

    def code(self, label: str) -> int:
        """The code of a class.

        Raises:
            PredictionsError: there is no such class.
        """
        if label not in self.classes:
            raise PredictionsError(
                f"there is no class {label!r}",
                allowed=self.classes,
                hint=nearest(label, self.classes),
            )
        return self.classes.index(label)

    def ranking(self, code: int) -> Ranking:
        """The rows ranked by how much they look like one class, best first.

        Raises:
            PredictionsError: there is neither a score nor a probability.
        """
        key = f"ranking {code}"
        if key not in self._memory:
            if self.score is not None and self.positive is not None and len(self.classes) == 2:
                values = self.score if code == self.positive else -self.score
            else:
                values = self.probabilities[:, code]
            self._memory[key] = _ranking(values, self.truth == code)
        ranking: Ranking = self._memory[key]
        return ranking

    def remembered(
        self, key: str, weights: Floats, make: Callable[[], tuple[Floats, ...]]
    ) -> tuple[Floats, ...]:
        """What `make` gives; made once for metrics that follow one another on the same weights."""
        of, made = self._memory.get(key, (None, ()))
        found: tuple[Floats, ...] = made if of is weights else make()
        self._memory[key] = (weights, found)
        return found

    def take(self, rows: npt.NDArray[np.bool_]) -> Scored:
        """Only the rows for which `rows` is true."""
        if rows.all():
            return self
        pick = [
            None if part is None else part[rows]
            for part in (
                self.truth, self.prediction, self.proba, self.score, self.low, self.high
            )
        ]  # fmt: skip
        truth, prediction, proba, score, low, high = pick
        assert truth is not None
        return Scored(truth, prediction, proba, score, self.classes, self.positive, low, high)


@dataclass(frozen=True, eq=False)
class Ranking:
    """Hits and misses in order of falling score.

    Attributes:
        hits: the rows that are of the class, best first.
        misses: the rows that are not.
        above: for each miss, how many hits have a higher score.
        level: for each miss, how many hits have at least its score.
        from_hit: for each hit, how many hits have a higher score.
        hits_to: for each hit, how many hits have at least its score.
        misses_to: for each hit, how many misses have at least its score.
    """

    hits: Codes
    misses: Codes
    above: Codes
    level: Codes
    from_hit: Codes
    hits_to: Codes
    misses_to: Codes


def _ranking(values: Floats, hit: npt.NDArray[np.bool_]) -> Ranking:
    fall = -values
    order = np.argsort(fall, kind="stable")
    hits, misses = order[hit[order]], order[~hit[order]]
    of_hits, of_misses = fall[hits], fall[misses]
    return Ranking(
        hits,
        misses,
        above=np.searchsorted(of_hits, of_misses, side="left"),
        level=np.searchsorted(of_hits, of_misses, side="right"),
        from_hit=np.searchsorted(of_hits, of_hits, side="left"),
        hits_to=np.searchsorted(of_hits, of_hits, side="right"),
        misses_to=np.searchsorted(of_misses, of_hits, side="right"),
    )


def reached(weights: Floats, rows: Codes) -> Floats:
    """(b, r + 1) the weight of the first 0, 1, … r of the rows."""
    found = np.zeros((weights.shape[0], len(rows) + 1), dtype=weights.dtype)
    np.cumsum(np.take(weights, rows, axis=1), axis=1, out=found[:, 1:])
    return found


def share(part: Floats, whole: Floats, empty: float = float("nan")) -> Floats:
    """Divide, and give `empty` where the whole is nothing.

    >>> share(np.array([1.0, 0.0]), np.array([4.0, 0.0]), empty=0.0).tolist()
    [0.25, 0.0]
    """
    some = whole > 0
    return np.asarray(np.where(some, part / np.where(some, whole, 1), empty))


def total(weights: Floats) -> Floats:
    """(b,) the number of rows that each line of weights counts."""
    return np.asarray(weights.sum(axis=1), dtype=np.float64)


def sums(column: npt.NDArray[Any], weights: Floats) -> Floats:
    """(b,) weighted sums of a column; (b, c) of c columns.

    The column is scaled to at most 1 before it is multiplied, so that large values survive
    weights of single precision.
    """
    if hasattr(weights, "counts"):
        # Weights that note what is summed (`sums.py`) are precise, and must be given the same
        # function of truth and prediction for every model: models change rows in a permutation.
        return np.asarray(weights @ column)
    scale = float(np.max(np.abs(column), initial=0.0)) or 1.0
    product = weights @ (column / scale).astype(weights.dtype)
    return np.asarray(product, dtype=np.float64) * scale


def mean(column: npt.NDArray[Any], weights: Floats) -> Floats:
    """(b,) weighted means of a column.

    >>> mean(np.array([1.0, 4.0]), np.array([[1.0, 1.0], [2.0, 0.0]])).tolist()
    [2.5, 1.0]
    """
    return share(sums(column, weights), total(weights))


def class_sums(codes: Sequence[Codes], weights: Floats, k: int) -> list[Floats]:
    """For each array of codes, (b, k) the weight of the rows that carry each code.

    Rows with code -1 count nowhere.
    """
    if hasattr(weights, "counts"):
        # Weights that note what is summed (`sums.py`) count codes without indicator columns.
        return [weights.counts(one, k) for one in codes]
    found: list[Floats] = [np.zeros((weights.shape[0], k)) for _ in codes]
    # Classes in blocks, so that the indicator columns of many classes do not fill the memory.
    for first in range(0, k, 16):
        block = np.arange(first, min(first + 16, k))
        shown = np.concatenate([one[:, None] == block for one in codes], axis=1)
        added = np.split(weights @ shown.astype(weights.dtype), len(codes), axis=1)
        for sums_of, part in zip(found, added, strict=True):
            sums_of[:, block] = part
    return found
