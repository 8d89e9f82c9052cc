"""Linear models: of tables, and of the words of texts."""

from __future__ import annotations

from assay.models._columns import roles, text_fields
from assay.models._design import fit_design
from assay.models._prepare import columns_missing, prepare
from assay.models._solve import linear_model
from assay.models._words import MAX_TERMS, fit_words
from assay.models.training import Fitted, Training

__all__ = ["tabular_linear", "tfidf_linear"]


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

    >>> import polars as pl
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
    design, x = fit_design(lesson, known)
    return linear_model(lesson, design, x)


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

    >>> import polars as pl
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
    return linear_model(lesson, words, x)
