"""Free text as weighted word counts (TF-IDF)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

MAX_TERMS = 200_000
"""Most words and word pairs kept of one field, the most frequent ones."""


@dataclass(frozen=True)
class Words:
    """One vocabulary for each field of text; `vectorizers` are scikit-learn's."""

    vectorizers: dict[str, Any]

    def matrix(self, rows: pl.DataFrame) -> Any:
        """A sparse float32 matrix: one row each, the fields' words side by side."""
        from scipy import sparse

        parts = [tool.transform(texts(rows, name)) for name, tool in self.vectorizers.items()]
        return sparse.hstack(parts, format="csr", dtype=np.float32)


def fit_words(
    rows: pl.DataFrame,
    fields: Sequence[str],
    *,
    ngrams: int = 2,
    max_terms: int = MAX_TERMS,
    counts: bool = False,
) -> tuple[Words, Any]:
    """Learn the vocabulary of each field: words and word pairs that stand in two texts or more.

    With it comes the matrix of these rows: weighted (TF-IDF), or plain counts.

    Each field has its own, since "perfect" as a title says more than within a text. A field in
    which nothing is said twice, such as one of serial numbers, is left out.
    """
    from scipy import sparse

    found: dict[str, Any] = {}
    parts = []
    for name in fields:
        column = texts(rows, name)
        tool = vectorizer((1, ngrams), max_terms=max_terms, counts=counts)
        try:
            parts.append(tool.fit_transform(column))
        except ValueError:
            # All that scikit-learn refuses here is a vocabulary that would be empty.
            continue
        found[name] = tool
    x = sparse.hstack(parts, format="csr", dtype=np.float32) if parts else None
    return Words(found), x


def vectorizer(
    ngrams: tuple[int, int],
    *,
    max_terms: int | None = None,
    vocabulary: Sequence[str] | None = None,
    counts: bool = False,
) -> Any:
    """What counts or weighs the words of one field, with its vocabulary still to be learned."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    shared = {
        "ngram_range": ngrams,
        "min_df": 1 if vocabulary is not None else 2,
        "max_features": max_terms,
        "vocabulary": vocabulary,
        "token_pattern": r"(?u)\b\w+\b",
        "dtype": np.float32,
    }
    return CountVectorizer(**shared) if counts else TfidfVectorizer(sublinear_tf=True, **shared)


def texts(rows: pl.DataFrame, field: str) -> list[str]:
    """The texts of one column, empty where there is none."""
    return rows[field].cast(pl.String).fill_null("").to_list()
