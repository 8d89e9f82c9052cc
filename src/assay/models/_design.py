"""Tables as a matrix for models that add columns up: scaled numbers, one column a level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.models._columns import Roles, categories, numbers
from assay.models._means import Means, fit_means
from assay.models._prepare import Floats, Lesson, skewed

LEVELS = 60
"""A category with more levels than this is learned by its levels' mean targets as well."""
WIDE = 500
"""A design with more columns than this is kept sparse."""


@dataclass(frozen=True)
class Design:
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


def fit_design(lesson: Lesson, known: Roles) -> tuple[Design, Any]:
    """Learn the design of the train rows, and give their matrix with it."""
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
    design = Design(known, logs, scale, one_hot, high, tool)
    return design, design.joined(values, levels, means)


def _logged(values: Floats, logs: npt.NDArray[np.bool_]) -> Floats:
    # Beside the numbers, not instead: in census incomes the logarithm of capital gains alone
    # costs half a point of accuracy. What is negative outside the train rows counts as 0.
    with np.errstate(invalid="ignore"):
        return np.hstack([values, np.log1p(np.maximum(values[:, logs], 0.0))])
