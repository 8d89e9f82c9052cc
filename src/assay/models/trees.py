"""Gradient-boosted trees (XGBoost; Chen and Guestrin 2016) of tables and texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.models._columns import roles
from assay.models._features import Features, fit_features
from assay.models._prepare import Answer, Floats, Lesson, columns_missing, prepare
from assay.models.training import Fitted, Training

__all__ = ["boosted_trees"]

PATIENCE = 30
"""Rounds without a better score on the judging rows after which boosting stops."""
CLASSES = 10
"""With more classes than this, a round, which costs a tree a class, must do more: larger steps,
coarser bins and a third of the patience."""
MANY = 20_000
"""Below this many rows a second thread costs more than it brings."""


@dataclass(frozen=True)
class _BoostedTrees:
    answer: Answer
    features: Features
    booster: Any
    rounds: int

    @property
    def chosen(self) -> Mapping[str, Any]:
        return {"rounds": self.rounds}

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


def boosted_trees(  # noqa: PLR0913 - what a recipe may say of trees
    training: Training,
    *,
    rounds: int = 300,
    learning_rate: float | None = None,
    max_depth: int = 4,
    min_weight: float | None = None,
    subsample: float = 0.8,
    columns: float | None = None,
    topics: int = 30,
    log: bool | None = None,
    threads: int = 2,
) -> Fitted:
    """Learn gradient-boosted trees of numbers, categories, dates and texts.

    Missing values and categories of up to 60 levels are split natively; a category of more
    levels is its cross-fitted mean target. Texts enter as their lengths, as the scores of a
    linear model of their words (cross-fitted, so that no row's score knows its own target), from
    which boosting sets out if it takes away a tenth of the loss, and as main topics (truncated
    SVD of TF-IDF). Lists and objects are not looked at. Boosting stops 30 rounds (10 with more
    than 10 classes) after the validation rows were predicted best; without validation rows 15 %
    of the train rows find the number of rounds, and all of them are learned with it.

    Args:
        training: what to learn from.
        rounds: most rounds; for classes each round adds one tree a class.
        learning_rate: share of each tree that is added; None: 0.1, or 0.3 with more than 10
            classes.
        max_depth: longest path of a tree, in splits.
        min_weight: fewest rows of a leaf, for classes weighed by how unsure they are; None: 5 for
            numbers, 1 for classes.
        subsample: share of the rows that each tree sees.
        columns: share of the columns that each tree sees; None: all, or 0.8 where boosting sets
            out from texts, whose columns say much the same.
        topics: columns of topics made of the texts, 0 for none.
        log: as in `tfidf_linear`.
        threads: used from 20,000 rows on; fixed, since sums by another number of threads differ
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
    features, x = fit_features(lesson, known, topics)
    many = len(lesson.answer.present) > CLASSES
    settings = {
        "eta": learning_rate or (0.3 if many else 0.1),
        "max_depth": max_depth,
        "min_child_weight": min_weight or (1.0 if lesson.is_class else 5.0),
        "subsample": subsample,
        "colsample_bytree": columns or (0.8 if features.leads else 1.0),
        "max_bin": 64 if many else 256,
        "tree_method": "hist",
        "nthread": threads if lesson.rows.height >= MANY else 1,
        "seed": training.seed % 2**31,
        **_objective(lesson),
    }
    booster, found = _boost(lesson, features, x, settings, rounds)
    return _BoostedTrees(lesson.answer, features, booster, found)


def _boost(
    lesson: Lesson, features: Features, x: Floats, settings: dict[str, Any], rounds: int
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
        early_stopping_rounds=PATIENCE if len(lesson.answer.present) <= CLASSES else PATIENCE // 3,
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


def _data(
    features: Features, x: Floats, y: Floats | None = None, weights: Floats | None = None
) -> Any:
    import xgboost

    kinds = ["c"] * features.count + ["q"] * (x.shape[1] - features.count)
    made = xgboost.DMatrix(x, label=y, weight=weights, feature_types=kinds, enable_categorical=True)
    start = features.start(x)
    if start is not None:
        made.set_base_margin(start)
    return made
