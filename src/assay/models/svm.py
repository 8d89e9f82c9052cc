"""Linear support vector machines (Cortes and Vapnik 1995) of tables and texts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.models._mixed import Mixed, fit_mixed
from assay.models._prepare import Answer, Floats, Lesson, expand, prepare
from assay.models._words import MAX_TERMS
from assay.models.training import Fitted, Training

__all__ = ["linear_svm"]

STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
START = STRENGTHS.index(0.3)
FAR = -30.0
"""The score of a class that was not learned."""


@dataclass(frozen=True)
class _Machine:
    """A fitted machine, and how its scores become probabilities.

    Attributes:
        tool: scikit-learn's LinearSVC or LinearSVR; None where there was only one class.
        scale: the slope, and for two classes the offset, of the scores' logits.
        unit: mean and deviation of the learned numbers.
    """

    tool: Any
    count: int
    scale: tuple[float, float] = (1.0, 0.0)
    unit: tuple[float, float] = (0.0, 1.0)

    def scores(self, x: Any) -> Floats:
        """Predicted values, or one column of scores for each class."""
        if not self.count:
            return np.asarray(self.tool.predict(x), dtype=np.float64) * self.unit[1] + self.unit[0]
        if self.tool is None:
            return np.zeros((x.shape[0], self.count))
        found = np.asarray(self.tool.decision_function(x), dtype=np.float64)
        if found.ndim == 1:
            found = np.column_stack([-found / 2, found / 2])
        return expand(found, self.tool.classes_.astype(np.int64), self.count, FAR)

    def probabilities(self, scores: Floats) -> Floats:
        """Platt's logistic curve for two classes, for more the softmax of the scaled scores."""
        slope, offset = self.scale
        logits = scores * slope
        if self.count == 2:
            logits[:, 1] += offset
        logits -= logits.max(axis=1, keepdims=True)
        found: Floats = np.exp(np.maximum(logits, -700.0))
        return found


@dataclass(frozen=True)
class _LinearSvm:
    answer: Answer
    maker: Mixed
    machine: _Machine
    strength: float

    @property
    def chosen(self) -> Mapping[str, Any]:
        return {"strength": self.strength}

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not rows.height:
            return self.answer.nothing()
        scores = self.machine.scores(self.maker.matrix(rows))
        return self.answer.frame(
            self.machine.probabilities(scores) if self.answer.classes else scores
        )


def linear_svm(
    training: Training,
    *,
    ngrams: int = 2,
    max_terms: int = MAX_TERMS,
    log: bool | None = None,
) -> Fitted:
    """Learn a linear support vector machine of the words of texts and the columns of a table.

    Words are weighted as in `tfidf_linear`, columns made as in `tabular_linear`. Strength of
    regularisation is chosen on the validation rows, or else on 15 % of the train rows; so is the
    curve that makes probabilities of scores (Platt 1999; for more than two classes one slope for
    all, Guo et al. 2017), without validation rows on the cross-fitted scores of all train rows.

    Args:
        training: what to learn from.
        ngrams: longest run of words that is one term.
        max_terms: most terms kept of one field, the most frequent ones.
        log: as in `tfidf_linear`.

    Raises:
        ModelError: no usable field, no target, or a single class.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(60)]})
    >>> training = Training(
    ...     rows=rows, target=(rows["size"] > 30).cast(pl.String), validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.String),
    ...     row=pl.Series(range(60), dtype=pl.UInt64), task="class", classes=("false", "true"),
    ...     kinds={"size": "number"},
    ... )
    >>> linear_svm(training).predict(pl.DataFrame({"size": [50.0]}))["prediction"][0]
    'true'
    """
    lesson = prepare(training, "linear_svm", log=log)
    maker, x = fit_mixed(lesson, "linear_svm", ngrams=ngrams, max_terms=max_terms)
    machine, strength = _chosen(lesson, maker, x)
    return _LinearSvm(lesson.answer, maker, machine, strength)


def _chosen(lesson: Lesson, maker: Mixed, x: Any) -> tuple[_Machine, float]:
    learns, judges = lesson.trial()
    whole = x, lesson.y, lesson.weights
    if not len(judges):
        return _solve(lesson, *whole, strength=STRENGTHS[START]), STRENGTHS[START]
    if lesson.other.height:
        parts = whole
        judged = maker.matrix(lesson.other), lesson.other_y, lesson.other_weights
    else:
        parts = x[learns], lesson.y[learns], lesson.weights_of(learns)
        judged = x[judges], lesson.y[judges], lesson.weights_of(judges)
    best = _tried(lesson, parts, judged, STRENGTHS[START])
    for way in (STRENGTHS[START + 1 :], STRENGTHS[:START][::-1]):
        moved = False
        for strength in way:
            found = _tried(lesson, parts, judged, strength)
            if found[0] >= best[0]:
                break
            best, moved = found, True
        if moved:
            break
    _, machine, strength = best
    if lesson.other.height:
        return machine, strength
    again = _solve(lesson, x, lesson.y, lesson.weights, strength)
    if not again.count:
        return again, strength
    scores = _apart(lesson, x, strength)
    return _curved(lesson, again, scores, lesson.y, lesson.weights)[1], strength


def _tried(lesson: Lesson, parts: Any, judged: Any, strength: float) -> tuple[float, Any, float]:
    """The loss on the rows that judge, with the curve that suits them best."""
    machine = _solve(lesson, parts[0], parts[1], parts[2], strength)
    scores = machine.scores(judged[0])
    if not machine.count:
        return lesson.loss(scores, *judged[1:]), machine, strength
    return (*_curved(lesson, machine, scores, *judged[1:]), strength)


def _curved(
    lesson: Lesson, machine: _Machine, scores: Floats, truth: Floats, weights: Floats | None
) -> tuple[float, _Machine]:
    """The machine with the curve under which these scores are worth most, and their loss."""
    from scipy.optimize import minimize

    def curved(point: Floats) -> _Machine:
        offset = float(point[1]) if len(point) > 1 else 0.0
        return _Machine(machine.tool, machine.count, (float(np.exp(point[0])), offset))

    def loss(point: Floats) -> float:
        proba = curved(point).probabilities(scores.copy())
        return lesson.loss(proba / proba.sum(axis=1, keepdims=True), truth, weights)

    start = [0.5, 0.0] if machine.count == 2 else [0.5]
    # Within these bounds no probability is more certain than so few rows can tell.
    bounds = [(-3.0, 3.0), (-10.0, 10.0)][: len(start)]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    return float(found.fun), curved(found.x)


def _apart(lesson: Lesson, x: Any, strength: float, *, folds: int = 3) -> Floats:
    """Scores of each train row by a machine that has not learned that row."""
    fold = lesson.folds(folds)
    found = np.zeros((len(lesson.y), len(lesson.answer.present)))
    for number in range(folds):
        here = fold == number
        if here.any() and not here.all():
            weights = lesson.weights_of(~here)
            found[here] = _solve(lesson, x[~here], lesson.y[~here], weights, strength).scores(
                x[here]
            )
    return found


def _solve(lesson: Lesson, x: Any, y: Floats, weights: Floats | None, strength: float) -> _Machine:
    from sklearn.svm import LinearSVC, LinearSVR

    seed = lesson.training.seed % 2**31
    if lesson.is_class:
        count = len(lesson.answer.present)
        if len(np.unique(y)) < 2:
            return _Machine(None, count)
        tool = LinearSVC(C=strength, random_state=seed, max_iter=2000, tol=1e-3)
        return _Machine(_descended(tool, x, y.astype(np.int64), weights), count)
    middle, spread = float(y.mean()), float(y.std()) or 1.0
    # The squared loss beyond a tube is smooth, so that the dual descent ends; a tenth of a
    # deviation is noise in most targets.
    tool = LinearSVR(
        C=strength, epsilon=0.1, loss="squared_epsilon_insensitive", dual=True,
        random_state=seed, max_iter=2000, tol=1e-3,
    )  # fmt: skip
    fitted = _descended(tool, x, (y - middle) / spread, weights)
    return _Machine(fitted, 0, unit=(middle, spread))


def _descended(tool: Any, x: Any, y: Any, weights: Floats | None) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # Where regularisation is weak the descent is stopped early, which regularises as well;
        # the rows that judge decide whether that is any good.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return tool.fit(x, y, weights)
