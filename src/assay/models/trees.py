"""Gradient-boosted trees (XGBoost; Chen and Guestrin 2016) of tables and texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.models._columns import Roles, categories, numbers, roles, text_fields
from assay.models._means import Means, fit_means
from assay.models._prepare import Answer, Floats, Integers, Lesson, columns_missing, prepare
from assay.models._solve import Linear, cross_scores, fit_linear
from assay.models._words import Words, fit_words
from assay.models.training import Fitted, Training

__all__ = ["boosted_trees"]

PATIENCE = 30
"""Rounds without a better score on the judging rows after which boosting stops."""
NATIVE = 60
"""Categories with at most this many levels are split natively; others by their mean target."""
TERMS = 50_000
MANY = 5_000
"""Below this many rows a second thread costs more than it brings."""


@dataclass(frozen=True)
class _Texts:
    """Texts as a few columns: what a linear model of the words says, and their main topics."""

    words: Words
    linear: Linear
    topics: Any

    def columns(self, rows: pl.DataFrame) -> Floats:
        x = self.words.matrix(rows)
        return self.joined(x, self.linear.scores(x))

    def joined(self, x: Any, scores: Floats) -> Floats:
        said = _spread(scores, self.linear.count)
        return said if self.topics is None else np.hstack([said, x @ self.topics])


@dataclass(frozen=True)
class _Features:
    known: Roles
    levels: tuple[tuple[str, ...], ...]
    high: npt.NDArray[np.bool_]
    means: Means | None
    texts: _Texts | None

    @property
    def count(self) -> int:
        """How many of the columns, the first ones, are codes of categories."""
        return len(self.levels)

    def matrix(self, rows: pl.DataFrame) -> Floats:
        coded = categories(rows, self.known)
        means = self.means.columns(coded[:, self.high]) if self.means else None
        said = self.texts.columns(rows) if self.texts else None
        return self.joined(rows, coded, means, said)

    def joined(self, rows: pl.DataFrame, coded: Any, means: Any, said: Any) -> Floats:
        native = coded[:, ~self.high]
        parts = [
            _codes(native[:, [position]], levels) for position, levels in enumerate(self.levels)
        ]
        parts.append(numbers(rows, self.known))
        parts.extend(part for part in (means, said) if part is not None)
        return np.hstack(parts).astype(np.float32)


@dataclass(frozen=True)
class _BoostedTrees:
    answer: Answer
    features: _Features
    booster: Any
    rounds: int

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not rows.height:
            return self.answer.nothing()
        x = _data(self.features, self.features.matrix(rows))
        found = self.booster.predict(x, iteration_range=(0, self.rounds))
        if not self.answer.classes:
            return self.answer.numbers(found)
        if found.ndim == 1:
            found = np.column_stack([1.0 - found, found])
        return self.answer.probabilities(found)


def boosted_trees(
    training: Training,
    *,
    rounds: int = 300,
    learning_rate: float = 0.1,
    max_depth: int = 4,
    topics: int = 30,
    log: bool | None = None,
    threads: int = 2,
) -> Fitted:
    """Learn gradient-boosted trees of numbers, categories, dates and texts.

    Missing values and categories of up to 60 levels are split natively; a category of more
    levels is its cross-fitted mean target. Texts enter as their lengths, as the scores of a
    linear model of their words (cross-fitted, so that no row's score knows its own target) and
    as main topics (truncated SVD of TF-IDF). Lists and objects are not looked at. Boosting stops
    30 rounds after the validation rows were predicted best; without validation rows 15 % of the
    train rows find the number of rounds, and all of them are learned with it.

    Args:
        training: what to learn from.
        rounds: most rounds; for classes each round adds one tree a class.
        learning_rate: share of each tree that is added.
        max_depth: longest path of a tree, in splits.
        topics: columns of topics made of the texts, 0 for none.
        log: as in `tfidf_linear`.
        threads: used from 5,000 rows on; fixed, since sums by another number of threads differ
            in their last digits.

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
    >>> boosted_trees(training, rounds=20).predict(pl.DataFrame({"size": [50.0]}))["prediction"][0]
    'true'
    """
    lesson = prepare(training, "boosted_trees", log=log)
    known = roles(lesson.rows, training.kinds)
    if known.none:
        raise columns_missing("boosted_trees", "field with values", training)
    features, x = _fit_features(lesson, known, topics)
    settings = {
        "eta": learning_rate,
        "max_depth": max_depth,
        "min_child_weight": 1.0 if lesson.is_class else 5.0,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "tree_method": "hist",
        "nthread": threads if lesson.rows.height >= MANY else 1,
        "seed": training.seed % 2**31,
        **_objective(lesson),
    }
    booster, found = _boost(lesson, features, x, settings, rounds)
    return _BoostedTrees(lesson.answer, features, booster, found)


def _boost(
    lesson: Lesson, features: _Features, x: Floats, settings: dict[str, Any], rounds: int
) -> tuple[Any, int]:
    import xgboost

    learns, judges = lesson.trial()
    full = _data(features, x, lesson.y, lesson.weights)
    if not len(judges):
        return xgboost.train(settings, full, rounds), rounds
    if lesson.other.height:
        data = full
        other = features.matrix(lesson.other)
        judged = _data(features, other, lesson.other_y, lesson.other_weights)
    else:
        data = _data(features, x[learns], lesson.y[learns], lesson.weights_of(learns))
        judged = _data(features, x[judges], lesson.y[judges], lesson.weights_of(judges))
    booster = xgboost.train(
        settings,
        data,
        rounds,
        evals=[(judged, "judges")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=False,
    )
    found = booster.best_iteration + 1
    if not lesson.other.height:
        booster = xgboost.train(settings, full, found)
    return booster, found


def _objective(lesson: Lesson) -> dict[str, Any]:
    if not lesson.is_class:
        return {"objective": "reg:squarederror"}
    count = len(lesson.answer.present)
    if count == 2:
        return {"objective": "binary:logistic"}
    return {"objective": "multi:softprob", "num_class": count}


def _fit_features(lesson: Lesson, known: Roles, topics: int) -> tuple[_Features, Floats]:
    coded = categories(lesson.rows, known)
    unique = [tuple(sorted(set(column))) for column in coded.T]
    high = np.array([len(levels) > NATIVE for levels in unique], dtype=bool)
    encoder = means = None
    if high.any():
        encoder, means = fit_means(lesson, coded[:, high])
    texts, said = _fit_texts(lesson, topics)
    native = tuple(levels for levels, many in zip(unique, high, strict=True) if not many)
    features = _Features(known, native, high, encoder, texts)
    return features, features.joined(lesson.rows, coded, means, said)


def _fit_texts(lesson: Lesson, topics: int) -> tuple[_Texts | None, Any]:
    from sklearn.utils.extmath import randomized_svd

    # A text field of few values is a category and needs no words.
    fields = [
        name
        for name in text_fields(lesson.rows, lesson.training.kinds)
        if name in roles(lesson.rows, lesson.training.kinds).texts
    ]
    words, x = fit_words(lesson.rows, fields, max_terms=TERMS)
    if not words.vectorizers:
        return None, None
    other = words.matrix(lesson.other) if lesson.other.height else None
    linear = fit_linear(lesson, x, other)
    size = min(topics, x.shape[1] - 1, x.shape[0] - 1)
    tool = None
    if size > 0:
        seed = lesson.training.seed % 2**32
        tool = randomized_svd(x, size, n_iter=3, random_state=seed)[2].T
    texts = _Texts(words, linear, tool)
    return texts, texts.joined(x, cross_scores(lesson, x, linear.strength))


def _spread(scores: Floats, count: int) -> Floats:
    """Probabilities on the scale of logarithms, where linear models add up."""
    if not count:
        return scores[:, None]
    return np.log(np.maximum(scores if count > 2 else scores[:, 1:], 1e-9))


def _codes(column: npt.NDArray[np.object_], levels: tuple[str, ...]) -> Floats:
    """Positions in the sorted levels; NaN for a level that was not seen in training."""
    known = np.array(levels, dtype=object)
    found: Integers = np.minimum(np.searchsorted(known, column), len(levels) - 1)
    return np.where(known[found] == column, found.astype(np.float64), np.nan)


def _data(
    features: _Features, x: Floats, y: Floats | None = None, weights: Floats | None = None
) -> Any:
    import xgboost

    kinds = ["c"] * features.count + ["q"] * (x.shape[1] - features.count)
    return xgboost.DMatrix(x, label=y, weight=weights, feature_types=kinds, enable_categorical=True)
