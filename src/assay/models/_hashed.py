"""Texts hashed into a fixed number of columns, beside the columns of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.models._columns import roles, text_fields
from assay.models._design import Design, fit_design
from assay.models._mixed import joined
from assay.models._prepare import Lesson, columns_missing
from assay.models._words import texts


@dataclass(frozen=True)
class Hashed:
    """What makes the matrix: whether a word stands in a row's texts, and the table's columns.

    Attributes:
        fields: the fields of text, whose words share the columns.
        buckets: how many columns there are for words; words that fall together are not told apart.
        design: the columns of the table.
    """

    fields: tuple[str, ...]
    buckets: int
    design: Design

    def matrix(self, rows: pl.DataFrame) -> Any:
        """A sparse float32 matrix; the words of a row make a vector of length 1."""
        return self.beside(rows, self.design.matrix(rows))

    def beside(self, rows: pl.DataFrame, table: Any) -> Any:
        """The matrix, where the table's part is at hand."""
        return joined(self._words(rows), table).astype(np.float32)

    def _words(self, rows: pl.DataFrame) -> Any:
        from sklearn.feature_extraction.text import HashingVectorizer

        if not self.fields:
            return None
        tool = HashingVectorizer(
            n_features=self.buckets, binary=True, token_pattern=r"(?u)\b\w+\b", alternate_sign=False
        )
        columns = [texts(rows, name) for name in self.fields]
        return tool.transform(map("\n".join, zip(*columns, strict=True)))


def fit_hashed(lesson: Lesson, model: str, buckets: int) -> tuple[Hashed, Any]:
    """Learn the design of the train rows, and give their matrix with it.

    Raises:
        ModelError: no field has anything to learn from.
    """
    known = roles(lesson.rows, lesson.training.kinds)
    if known.none:
        raise columns_missing(model, "field with values", lesson.training)
    said = text_fields(lesson.rows, lesson.training.kinds)
    design, table = fit_design(lesson, known)
    made = Hashed(tuple(name for name in known.texts if name in said), buckets, design)
    return made, made.beside(lesson.rows, table)
