"""Linear models: of tables, and of the words of texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.models._columns import Roles, categories, numbers, roles, text_fields
from assay.models._means import Means, fit_means
from assay.models._prepare import Answer, Floats, Lesson, columns_missing, prepare, skewed
from assay.models._solve import Linear, fit_linear
from assay.models._words import MAX_TERMS, Words, fit_words
from assay.models.training import Fitted, Training

__all__ = ["tabular_linear", "tfidf_linear"]

LEVELS = 60
"""A category with more levels than this is learned by its levels' mean targets as well."""
WIDE = 500
"""A design with more columns than this is kept sparse."""


@dataclass(frozen=True)
class _Design:
    """How the rows of a table become a matrix; the tools are scikit-learn's."""

    known: Roles
    logs: npt.NDArray[np.bool_]
    scale: Any
    one_hot: Any
    high: npt.NDArray[np.bool_]
    means: Means | None

    def matrix(self, rows: pl.DataFrame) -> Any:
        levels = categories(rows, self.known)
        means = self.means.columns(levels[:, self.high]) if self.means else None
        return self.joined(numbers(rows, self.known), levels, means)

    def joined(self, values: Floats, levels: npt.NDArray[np.object_], means: Any) -> Any:
        from scipy import sparse

        parts = [] if self.scale is None else [self.scaled(values)]
        if self.one_hot is not None:
            parts.append(self.one_hot.transform(levels))
        if means is not None:
            parts.append(means)
        joined = sparse.hstack([sparse.csr_array(part) for part in parts], format="csr")
        return joined if joined.shape[1] > WIDE else joined.toarray()

    def scaled(self, values: Floats) -> Floats:
        # Far beyond anything seen, a straight line is no longer an answer.
        scaled: Floats = np.clip(self.scale.transform(_logged(values, self.logs)), -20.0, 20.0)
        return scaled


@dataclass(frozen=True)
class _TabularLinear:
    answer: Answer
    design: _Design
    linear: Linear

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        return _answered(self.answer, self.linear, self.design, rows)


@dataclass(frozen=True)
class _TfidfLinear:
    answer: Answer
    words: Words
    linear: Linear

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        return _answered(self.answer, self.linear, self.words, rows)


def tabular_linear(training: Training, *, log: bool | None = None) -> Fitted:
    """Learn a ridge or logistic regression of numbers, categories, dates and text lengths.

    Numbers are imputed by their median with a flag and standardised; skewed ones enter on a
    logarithmic scale as well. Categories become one column a level, rare levels together; where
    there are many levels their cross-fitted mean target as well. Dates become their parts; texts
    their length in characters, words and digits; a text field of few values is a category.
    Lists and objects are not looked at. Regularisation is chosen on the validation rows, or else
    on 15 % of the train rows.

    Args:
        training: what to learn from.
        log: learn log(1 + target) of a number; predictions then are about the median and stay
            within the targets seen. None: where no train target is negative, their skewness is
            above 1 and the logarithm lowers it.

    Raises:
        ModelError: no usable field, no target, or a single class.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(40)]})
    >>> training = Training(
    ...     rows=rows, target=rows["size"] * 2, validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="number", classes=(),
    ...     kinds={"size": "number"},
    ... )
    >>> tabular_linear(training).predict(pl.DataFrame({"size": [10.0]}))["prediction"].round(0)[0]
    20.0
    """
    lesson = prepare(training, "tabular_linear", log=log)
    known = roles(lesson.rows, training.kinds)
    if known.none:
        raise columns_missing("tabular_linear", "field with values", training)
    design, x = _fit_design(lesson, known)
    return _TabularLinear(lesson.answer, design, fit_linear(lesson, x, _other(lesson, design)))


def tfidf_linear(
    training: Training, *, ngrams: int = 2, max_terms: int = MAX_TERMS, log: bool | None = None
) -> Fitted:
    """Learn a ridge or logistic regression of the words of all text fields.

    Each field has a vocabulary of its own; words and word pairs weigh by 1 + log(count) and by
    their rarity, and each text has length 1 (TF-IDF; Salton and Buckley 1988). Regularisation is
    chosen on the validation rows, or else on 15 % of the train rows.

    Args:
        training: what to learn from.
        ngrams: longest run of words that is one term.
        max_terms: most terms kept of one field, the most frequent ones.
        log: learn log(1 + target) of a number; predictions then are about the median and stay
            within the targets seen. None: where no train target is negative, their skewness is
            above 1 and the logarithm lowers it.

    Raises:
        ModelError: no text field, no target, or a single class.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"text": ["good and fine", "bad and poor"] * 20})
    >>> training = Training(
    ...     rows=rows, target=pl.Series(["yes", "no"] * 20), validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.String),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="class", classes=("no", "yes"),
    ...     kinds={"text": "string"},
    ... )
    >>> tfidf_linear(training).predict(pl.DataFrame({"text": ["so fine"]}))["prediction"][0]
    'yes'
    """
    lesson = prepare(training, "tfidf_linear", log=log)
    fields = text_fields(lesson.rows, training.kinds)
    if not fields:
        raise columns_missing("tfidf_linear", "text field", training)
    words, x = fit_words(lesson.rows, fields, ngrams=ngrams, max_terms=max_terms)
    if not words.vectorizers:
        raise columns_missing("tfidf_linear", "text field in which a word stands twice", training)
    linear = fit_linear(lesson, x, _other(lesson, words))
    return _TfidfLinear(lesson.answer, words, linear)


def _fit_design(lesson: Lesson, known: Roles) -> tuple[_Design, Any]:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    values, levels = numbers(lesson.rows, known), categories(lesson.rows, known)
    logs = np.array([skewed(column[np.isfinite(column)]) for column in values.T], dtype=bool)
    scale = one_hot = tool = means = None
    if values.shape[1]:
        imputer = SimpleImputer(strategy="median", add_indicator=True)
        scale = make_pipeline(imputer, StandardScaler()).fit(_logged(values, logs))
    high = np.array([len(set(column)) > LEVELS for column in levels.T], dtype=bool)
    if levels.shape[1]:
        one_hot = OneHotEncoder(
            min_frequency=min(10, max(1, len(levels) // 100)),
            max_categories=LEVELS,
            handle_unknown="infrequent_if_exist",
            dtype=np.float64,
        ).fit(levels)
    if high.any():
        tool, means = fit_means(lesson, levels[:, high])
    design = _Design(known, logs, scale, one_hot, high, tool)
    return design, design.joined(values, levels, means)


def _other(lesson: Lesson, maker: _Design | Words) -> Any:
    return maker.matrix(lesson.other) if lesson.other.height else None


def _logged(values: Floats, logs: npt.NDArray[np.bool_]) -> Floats:
    # Beside the numbers, not instead: in census incomes the logarithm of capital gains alone
    # costs half a point of accuracy. What is negative outside the train rows counts as 0.
    with np.errstate(invalid="ignore"):
        return np.hstack([values, np.log1p(np.maximum(values[:, logs], 0.0))])


def _answered(
    answer: Answer, linear: Linear, maker: _Design | Words, rows: pl.DataFrame
) -> pl.DataFrame:
    if not rows.height:
        return answer.nothing()
    scores = linear.scores(maker.matrix(rows))
    return answer.probabilities(scores) if answer.classes else answer.numbers(scores)
