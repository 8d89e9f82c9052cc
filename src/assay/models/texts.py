"""Linear models of texts: their words counted, their words' vectors, their embeddings."""

from __future__ import annotations

from assay.models._columns import text_fields
from assay.models._prepare import Lesson, columns_missing, prepare
from assay.models._solve import linear_model
from assay.models._vectors import Embedded, fit_word_vectors
from assay.models._words import fit_words
from assay.models.training import Fitted, Training

__all__ = ["bag_of_words", "embedding_linear", "word2vec_linear"]


def bag_of_words(
    training: Training, *, ngrams: int = 1, max_terms: int = 5_000, log: bool | None = None
) -> Fitted:
    """Learn a ridge or logistic regression of how often each word stands in a text.

    Each field has a vocabulary of its own, of the most frequent words that stand in two texts or
    more. Regularisation is chosen on the validation rows, or else on 15 % of the train rows.

    Args:
        training: what to learn from.
        ngrams: longest run of words that is one term.
        max_terms: most terms kept of one field, the most frequent ones.
        log: as in `tfidf_linear`.

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
    >>> bag_of_words(training).predict(pl.DataFrame({"text": ["so fine"]}))["prediction"][0]
    'yes'
    """
    lesson, fields = _lesson(training, "bag_of_words", log)
    words, x = fit_words(lesson.rows, fields, ngrams=ngrams, max_terms=max_terms, counts=True)
    if not words.vectorizers:
        raise columns_missing("bag_of_words", "text field in which a word stands twice", training)
    return linear_model(lesson, words, x)


def word2vec_linear(
    training: Training, *, dimensions: int = 200, epochs: int = 20, log: bool | None = None
) -> Fitted:
    """Learn vectors of words, and a ridge or logistic regression of each text's mean vector.

    The vectors are learned from the texts of the train rows alone, by skip-gram with negative
    sampling (Mikolov et al. 2013, Distributed Representations of Words and Phrases), in gensim.

    Args:
        training: what to learn from.
        dimensions: the length of a vector.
        epochs: how often the texts are gone through.
        log: as in `tfidf_linear`.

    Raises:
        MissingExtra: gensim is not installed.
        ModelError: no text field in which a word stands twice, no target, or a single class.

    >>> import polars as pl
    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"text": ["good and fine", "bad and poor"] * 20})
    >>> training = Training(
    ...     rows=rows, target=pl.Series(["yes", "no"] * 20), validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.String),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="class", classes=("no", "yes"),
    ...     kinds={"text": "string"},
    ... )
    >>> word2vec_linear(training).predict(pl.DataFrame({"text": ["so fine"]})).columns
    ['prediction', 'proba_no', 'proba_yes']
    """
    lesson, fields = _lesson(training, "word2vec_linear", log)
    found = fit_word_vectors(
        lesson.rows, fields, dimensions=dimensions, epochs=epochs, seed=training.seed
    )
    if found is None:
        raise columns_missing("word2vec_linear", "text in which a word stands twice", training)
    vectors, x = found
    return linear_model(lesson, vectors, x)


def embedding_linear(
    training: Training,
    *,
    method: str = "hashed",
    dimensions: int = 512,
    log: bool | None = None,
) -> Fitted:
    """Learn a ridge or logistic regression of the embeddings of all text fields.

    Args:
        training: what to learn from.
        method: `hashed`, `wordllama` (at most 256 dimensions), or the address of an endpoint with
            its model, `https://host/v1#model`.
        dimensions: the length of a field's vector.
        log: as in `tfidf_linear`.

    Raises:
        MissingExtra: `wordllama` is not installed.
        ModelError: no text field, no target, or a single class; or the endpoint does not answer.
        RecipeError: an unknown method, or dimensions out of range.

    >>> import polars as pl
    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"text": ["good and fine", "bad and poor"] * 20})
    >>> training = Training(
    ...     rows=rows, target=pl.Series(["yes", "no"] * 20), validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.String),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="class", classes=("no", "yes"),
    ...     kinds={"text": "string"},
    ... )
    >>> embedding_linear(training).predict(pl.DataFrame({"text": ["so fine"]}))["prediction"][0]
    'yes'
    """
    lesson, fields = _lesson(training, "embedding_linear", log)
    maker = Embedded(fields, method, dimensions, training.seed)
    return linear_model(lesson, maker, maker.matrix(lesson.rows))


def _lesson(training: Training, model: str, log: bool | None) -> tuple[Lesson, tuple[str, ...]]:
    lesson = prepare(training, model, log=log)
    fields = text_fields(lesson.rows, training.kinds)
    if not fields:
        raise columns_missing(model, "text field", training)
    return lesson, fields
