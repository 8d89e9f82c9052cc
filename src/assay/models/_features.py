"""Tables and texts as the few dense columns that trees split on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.models._columns import Roles, categories, numbers, roles, text_fields
from assay.models._means import Means, fit_means
from assay.models._prepare import Floats, Integers, Lesson
from assay.models._solve import Linear, cross_scores, fit_linear
from assay.models._words import Words, fit_words

NATIVE = 60
"""Categories with at most this many levels are split natively; others by their mean target."""
TERMS = 50_000
LEADS = 0.1
"""Trees set out from a linear model of the words that takes away this share of the loss; one that
knows less only adds its noise: job titles made guesses of loans' interest rates worse by half."""


@dataclass(frozen=True)
class Texts:
    """Texts as a few columns: what a linear model of the words says, and their main topics.

    Attributes:
        leads: whether that linear model knows enough for trees to set out from it.
    """

    words: Words
    linear: Linear
    topics: Any
    leads: bool

    def columns(self, rows: pl.DataFrame) -> Floats:
        x = self.words.matrix(rows)
        return self.joined(x, self.linear.scores(x))

    @property
    def topic_count(self) -> int:
        return 0 if self.topics is None else int(self.topics.shape[1])

    def joined(self, x: Any, scores: Floats) -> Floats:
        said = _spread(scores, self.linear.count)
        return said if self.topics is None else np.hstack([said, x @ self.topics])


@dataclass(frozen=True)
class Features:
    known: Roles
    levels: tuple[tuple[str, ...], ...]
    high: npt.NDArray[np.bool_]
    means: Means | None
    texts: Texts | None

    @property
    def count(self) -> int:
        """How many of the columns, the first ones, are codes of categories."""
        return len(self.levels)

    @property
    def leads(self) -> bool:
        """Whether trees set out from what the words say."""
        return self.texts is not None and self.texts.leads

    def start(self, x: Floats) -> Floats | None:
        """Where trees can set out from: what the linear model of the words says of each row."""
        if self.texts is None or not self.leads:
            return None
        count = self.texts.linear.count
        end = x.shape[1] - self.texts.topic_count
        return x[:, end - (count if count > 2 else 1) : end]

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


def fit_features(lesson: Lesson, known: Roles, topics: int) -> tuple[Features, Floats]:
    """Learn the columns, and give those of the train rows with them."""
    coded = categories(lesson.rows, known)
    unique = [tuple(sorted(set(column))) for column in coded.T]
    high = np.array([len(levels) > NATIVE for levels in unique], dtype=bool)
    encoder = means = None
    if high.any():
        encoder, means = fit_means(lesson, coded[:, high])
    texts, said = _fit_texts(lesson, topics)
    native = tuple(levels for levels, many in zip(unique, high, strict=True) if not many)
    features = Features(known, native, high, encoder, texts)
    return features, features.joined(lesson.rows, coded, means, said)


def _fit_texts(lesson: Lesson, topics: int) -> tuple[Texts | None, Any]:
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
    scores = cross_scores(lesson, x, linear.strength)
    texts = Texts(words, linear, tool, _told(lesson, scores) >= LEADS)
    return texts, texts.joined(x, scores)


def _told(lesson: Lesson, scores: Floats) -> float:
    """The share of the loss of always saying the same that the scores take away."""
    if scores.ndim == 1:
        same = np.full(len(scores), np.average(lesson.y, weights=lesson.weights))
    else:
        shares = np.bincount(lesson.y.astype(np.int64), lesson.weights, scores.shape[1])
        same = np.tile(shares / shares.sum(), (len(scores), 1))
    most = lesson.loss(same, lesson.y, lesson.weights)
    return 1 - lesson.loss(scores, lesson.y, lesson.weights) / most if most else 0.0


def _spread(scores: Floats, count: int) -> Floats:
    """Values; probabilities on the scale of logarithms, or logits, where linear models add up."""
    if not count:
        return scores[:, None]
    logs: Floats = np.log(np.maximum(scores, 1e-9))
    return logs if count > 2 else logs[:, 1:] - logs[:, :1]


def _codes(column: npt.NDArray[np.object_], levels: tuple[str, ...]) -> Floats:
    """Positions in the sorted levels; NaN for a level that was not seen in training."""
    known = np.array(levels, dtype=object)
    found: Integers = np.minimum(np.searchsorted(known, column), len(levels) - 1)
    return np.where(known[found] == column, found.astype(np.float64), np.nan)
