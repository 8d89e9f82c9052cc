"""Texts as vectors: the mean of their words' vectors, or an embedding of the whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import MissingExtra
from assay.models._prepare import Floats
from assay.models._words import texts

WORD = r"\w+"


@dataclass(frozen=True)
class WordVectors:
    """Each field of text as the mean vector of its words; words that are not known add nothing.

    Attributes:
        fields: the fields, whose vectors stand side by side.
        words: every word that was learned.
        vectors: one row for each of them, float32.
        scale: the mean and the deviation of each column over the train rows.
    """

    fields: tuple[str, ...]
    words: tuple[str, ...]
    vectors: npt.NDArray[np.float32]
    scale: tuple[Floats, Floats]

    def matrix(self, rows: pl.DataFrame) -> Floats:
        """A dense matrix, standardised over the train rows."""
        return (self.plain(rows) - self.scale[0]) / self.scale[1]

    def plain(self, rows: pl.DataFrame) -> Floats:
        """The matrix as it is before it is scaled."""
        return np.hstack([self._means(rows, name) for name in self.fields])

    def _means(self, rows: pl.DataFrame, field: str) -> Floats:
        from scipy import sparse

        said = _tokens(rows, field)
        codes = said.explode().replace_strict(
            list(self.words), range(len(self.words)), default=None, return_dtype=pl.Int64
        )
        owners = np.repeat(np.arange(rows.height), said.list.len().to_numpy())
        known = codes.is_not_null().to_numpy() if len(owners) else np.zeros(0, bool)
        owners, codes = owners[known], codes.drop_nulls()
        ones = np.ones(len(owners))
        shape = (rows.height, len(self.words))
        counts = sparse.csr_array((ones, (owners, codes.to_numpy())), shape=shape)
        total = np.maximum(np.bincount(owners, minlength=rows.height), 1)[:, None]
        means: Floats = (counts @ self.vectors.astype(np.float64)) / total
        return means


def fit_word_vectors(
    rows: pl.DataFrame, fields: tuple[str, ...], *, dimensions: int, epochs: int, seed: int
) -> tuple[WordVectors, Floats] | None:
    """Learn a vector for each word that stands twice or more (skip-gram with negative sampling).

    None where there is no such word. With one worker, rows in a fixed order and a seed, gensim
    gives the same vectors every time.

    Raises:
        MissingExtra: gensim is not installed.
    """
    try:
        from gensim.models import Word2Vec
    except ImportError:
        raise MissingExtra("models", "word2vec_linear") from None
    said = [tokens for name in fields for tokens in _tokens(rows, name).to_list()]
    tool = Word2Vec(
        vector_size=dimensions, window=5, min_count=2, sg=1, workers=1, seed=seed % 2**31,
        epochs=epochs,
    )  # fmt: skip
    tool.build_vocab(said)
    if not len(tool.wv):
        return None
    tool.train(said, total_examples=tool.corpus_count, epochs=tool.epochs)
    words = tuple(tool.wv.index_to_key)
    flat = np.zeros(dimensions * len(fields)), np.ones(dimensions * len(fields))
    made = WordVectors(fields, words, np.array(tool.wv.vectors, dtype=np.float32), flat)
    x = made.plain(rows)
    scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    found = WordVectors(fields, words, made.vectors, scale)
    return found, (x - scale[0]) / scale[1]


@dataclass(frozen=True)
class Embedded:
    """Each field of text as its embedding (`assay.embedding.embed`), side by side."""

    fields: tuple[str, ...]
    method: str
    dimensions: int
    seed: int

    def matrix(self, rows: pl.DataFrame) -> Floats:
        """A dense matrix whose rows have length 1 in each field."""
        from assay.embedding import embed

        settings: dict[str, Any] = {"method": self.method, "dimensions": self.dimensions}
        parts = [
            embed(pl.Series(texts(rows, name), dtype=pl.String), seed=self.seed, **settings)
            for name in self.fields
        ]
        return np.hstack(parts).astype(np.float64)


def _tokens(rows: pl.DataFrame, field: str) -> pl.Series:
    return rows.select(
        pl.col(field).cast(pl.String).fill_null("").str.to_lowercase().str.extract_all(WORD)
    ).to_series()
