"""Words of texts and columns of a table side by side, for models that add columns up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from assay.models._columns import roles, text_fields
from assay.models._design import Design, fit_design
from assay.models._prepare import Lesson, columns_missing
from assay.models._words import Words, fit_words


@dataclass(frozen=True)
class Mixed:
    """What makes the matrix; either part may be missing."""

    words: Words | None
    design: Design | None

    def matrix(self, rows: pl.DataFrame) -> Any:
        """A sparse matrix: the words, then the columns of the table."""
        said = self.words.matrix(rows) if self.words else None
        return joined(said, self.design.matrix(rows) if self.design else None)


def fit_mixed(lesson: Lesson, model: str, *, ngrams: int, max_terms: int) -> tuple[Mixed, Any]:
    """Learn the vocabularies and the design of the train rows, and give their matrix with them.

    Raises:
        ModelError: no field has anything to learn from.
    """
    known = roles(lesson.rows, lesson.training.kinds)
    if known.none:
        raise columns_missing(model, "field with values", lesson.training)
    fields = [name for name in text_fields(lesson.rows, lesson.training.kinds)
              if name in known.texts]  # fmt: skip
    words, said = fit_words(lesson.rows, fields, ngrams=ngrams, max_terms=max_terms)
    design, table = fit_design(lesson, known)
    made = Mixed(words if words.vectorizers else None, design)
    return made, joined(said, table)


def joined(words: Any, table: Any) -> Any:
    """One sparse matrix of the parts that are there."""
    from scipy import sparse

    parts = [part for part in (words, table) if part is not None]
    return sparse.hstack([sparse.csr_matrix(part) for part in parts], format="csr")
