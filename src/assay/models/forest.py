"""Random forests (Breiman 2001) of tables and texts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.models._columns import roles
from assay.models._features import Features, fit_features
from assay.models._prepare import Answer, Floats, Lesson, columns_missing, expand, prepare
from assay.models.training import Fitted, Training

__all__ = ["random_forest"]

LEAVES = {"class": (1, 4), "number": (2, 6), "classes": (4,)}
"""Fewest rows of a leaf that are tried: few for what is clear, more for what is noisy. With more
than `CLASSES` classes, whose shares stand in every leaf, small leaves take too much memory."""
CLASSES = 10
LEAST = 1e-4
"""A forest of few trees that never saw a class says 0, which nothing can be so sure of."""


@dataclass(frozen=True)
class _Forest:
    answer: Answer
    features: Features
    tool: Any
    leaf: int

    @property
    def chosen(self) -> Mapping[str, Any]:
        return {"leaf": self.leaf}

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not rows.height:
            return self.answer.nothing()
        return self.answer.frame(_said(self.tool, self.features.matrix(rows), self.answer))


def random_forest(
    training: Training,
    *,
    trees: int = 300,
    leaf: int | None = None,
    columns: float | None = None,
    topics: int = 50,
    log: bool | None = None,
    threads: int = 2,
) -> Fitted:
    """Learn a random forest of numbers, categories, dates and texts.

    It sees the columns that `boosted_trees` sees: texts enter as their lengths, as the scores of
    a linear model of their words (cross-fitted) and as main topics.

    Args:
        training: what to learn from.
        trees: how many.
        leaf: fewest rows of a leaf; None: chosen on the validation rows, or else on 15 % of the
            train rows; 4 with more than 10 classes.
        columns: share of the columns that each split looks at; None: a third for numbers, the
            square root of their number for classes.
        topics: columns of topics made of the texts, 0 for none.
        log: as in `tfidf_linear`.
        threads: at work at once; the trees are the same with any number.

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
    >>> random_forest(training, trees=20).predict(pl.DataFrame({"size": [50.0]}))["prediction"][0]
    'true'
    """
    lesson = prepare(training, "random_forest", log=log)
    known = roles(lesson.rows, training.kinds)
    if known.none:
        raise columns_missing("random_forest", "field with values", training)
    features, x = fit_features(lesson, known, topics)
    shared = {
        "n_estimators": trees,
        "max_features": columns or ("sqrt" if lesson.is_class else 1 / 3),
        "random_state": training.seed % 2**32,
        "n_jobs": threads,
    }
    kind = "classes" if len(lesson.answer.present) > CLASSES else training.task
    sizes = LEAVES[kind] if leaf is None else (leaf,)
    tool, found = _fit(lesson, features, x, shared, sizes)
    # Threads add up the trees in the order in which they finish, and the last digits change.
    tool.set_params(n_jobs=1)
    return _Forest(lesson.answer, features, tool, found)


def _fit(
    lesson: Lesson, features: Features, x: Floats, shared: dict[str, Any], sizes: tuple[int, ...]
) -> tuple[Any, int]:
    learns, judges = lesson.trial()
    if len(sizes) == 1 or not len(judges):
        return _grown(lesson, x, lesson.y, lesson.weights, shared | {"leaf": sizes[0]}), sizes[0]
    if lesson.other.height:
        parts = x, lesson.y, lesson.weights
        judged = features.matrix(lesson.other), lesson.other_y, lesson.other_weights
    else:
        parts = x[learns], lesson.y[learns], lesson.weights_of(learns)
        judged = x[judges], lesson.y[judges], lesson.weights_of(judges)
    best: tuple[float, Any, int] | None = None
    for size in sizes[::-1]:
        tool = _grown(lesson, *parts, shared | {"leaf": size})
        loss = lesson.loss(_said(tool, judged[0], lesson.answer), *judged[1:])
        # Forests are large: none is kept beside the best one.
        if best is None or loss < best[0]:
            best = loss, tool, size
    assert best is not None
    if lesson.other.height:
        return best[1], best[2]
    return _grown(lesson, x, lesson.y, lesson.weights, shared | {"leaf": best[2]}), best[2]


def _grown(
    lesson: Lesson, x: Floats, y: Floats, weights: Floats | None, settings: dict[str, Any]
) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    leaf = settings.pop("leaf")
    maker = RandomForestClassifier if lesson.is_class else RandomForestRegressor
    wanted = y.astype(np.int64) if lesson.is_class else y
    return maker(min_samples_leaf=leaf, **settings).fit(x, wanted, weights)


def _said(tool: Any, x: Floats, answer: Answer) -> Floats:
    """What a forest says with one thread, whatever it was grown with."""
    tool.set_params(n_jobs=1)
    if not answer.classes:
        return np.asarray(tool.predict(x), dtype=np.float64)
    found = tool.classes_.astype(np.int64)
    return np.maximum(expand(tool.predict_proba(x), found, len(answer.present), 0.0), LEAST)
