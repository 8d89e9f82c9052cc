"""What stands in for a missing value: learned from train's rows in the order of their ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError
from assay.steps._balance_learn import cast_back, kind_of, numbers, one_thread

# More categories than this are too many for the binned trees of scikit-learn.
_CATEGORIES = 250
_ROUNDS = 100


def filled(
    table: pl.DataFrame,
    names: Sequence[str],
    train: npt.NDArray[np.int64],
    *,
    method: str,
    value: Any,
    seed: int,
) -> dict[str, tuple[pl.Series, Any]]:
    """Every named column with its gaps filled, and what a column's gaps were filled with."""
    result: dict[str, tuple[pl.Series, Any]] = {}
    for name in names:
        column = table[name]
        gaps = missing(column)
        seen = column[train].filter(~gaps[train])
        fills, means = _fills(table, column, seen, names, train, method, value, seed)
        if len(fills) == 0:
            result[name] = (column, None)
            continue
        # One value for all gaps, or the next value for the next gap.
        which = gaps.cum_sum().cast(pl.Int64) - 1 if len(fills) > 1 else gaps.cast(pl.Int64) * 0
        every = fills.gather(which.set(~gaps, 0))
        result[name] = (column.zip_with(~gaps, every.cast(column.dtype)), means)
    return result


def _fills(
    table: pl.DataFrame,
    column: pl.Series,
    seen: pl.Series,
    names: Sequence[str],
    train: npt.NDArray[np.int64],
    method: str,
    value: Any,
    seed: int,
) -> tuple[pl.Series, Any]:
    if method == "constant":
        return constant(column, value, "clean.impute"), value
    if method == "model" and missing(column).any():
        guesses = predicted(table, column.name, names, train, seed)
        if guesses is not None:
            return guesses, "a model of the other columns"
    fill = typical(seen, "median" if method == "model" else method)
    return fill, _plain(fill[0]) if len(fill) else None


def _plain(value: Any) -> Any:
    """A value as JSON writes it."""
    return value if isinstance(value, bool | int | float | str) else str(value)


def missing(column: pl.Series) -> pl.Series:
    """Which values are missing: null, and NaN where there can be one."""
    if column.dtype.is_float():
        return column.is_null() | column.is_nan().fill_null(False)
    return column.is_null()


def constant(column: pl.Series, value: Any, step: str) -> pl.Series:
    """The given value as a series of one, in the column's type.

    Raises:
        RecipeError: it is none, or does not fit the type.
    """
    try:
        series = pl.Series([value]).cast(column.dtype)
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        series = pl.Series([None], dtype=column.dtype)
    text = isinstance(column.dtype, pl.String) and not isinstance(value, str)
    if series.null_count() or text:
        raise RecipeError(
            f"{step}: `value` does not fit the column {column.name!r}.",
            received=value,
            allowed=f"a value of type {column.dtype}",
        )
    return series


def typical(seen: pl.Series, method: str) -> pl.Series:
    """The mean or median of the values seen, or the most frequent; a series of one.

    Args:
        seen: what is not missing in train, in the order of the rows' ids.
        method: median, mean or most_frequent.
    """
    if method == "most_frequent" or not seen.dtype.is_numeric():
        counts = seen.value_counts(name="_count")
        best = counts.filter(pl.col("_count") == pl.col("_count").max())[seen.name]
        # Of equally frequent ones the smallest, so that the order of rows does not matter.
        return best.sort().head(1)
    floats = numbers(seen)
    finite = floats[np.isfinite(floats)]
    if not len(finite):
        return seen.head(0)
    # Sums of numbers near the largest float would leave its range; a power of two is exact.
    scale = 2.0**64 if np.abs(finite).max() > 1e280 else 1.0
    middle = np.median(finite / scale) if method == "median" else np.mean(finite / scale)
    return cast_back(np.asarray([middle * scale]), seen.dtype)


def predicted(
    table: pl.DataFrame, name: str, among: Sequence[str], train: npt.NDArray[np.int64], seed: int
) -> pl.Series | None:
    """Guess a column's missing values from other columns, or None where nothing can be learned.

    Gradient-boosted trees on histograms (Ke et al. 2017, as in scikit-learn) take numbers and
    categories, and missing values among them, as they are.

    Returns:
        One value for every missing one, in order.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    column = table[name]
    gaps = missing(column)
    is_number = column.dtype.is_numeric()
    usable = np.isfinite(numbers(column)) if is_number else ~gaps.to_numpy()
    places = train[usable[train]]
    inputs, categories = _inputs(table, [one for one in among if one != name], train)
    if len(places) < 2 or column[places].n_unique() < 2 or inputs.shape[1] == 0:
        return None
    # Stopping early would hold back rows; the trees are few and small instead.
    settings: Mapping[str, Any] = {
        "max_iter": _ROUNDS,
        "early_stopping": False,
        "categorical_features": categories,
        "random_state": seed % 2**32,
    }
    # scikit-learn bins no column in which all is missing.
    inputs = np.where(np.isnan(inputs[places]).all(axis=0), 0.0, inputs)
    wanted = inputs[gaps.to_numpy()]
    if is_number:
        model = HistGradientBoostingRegressor(**settings)
        with one_thread():
            guesses = model.fit(inputs[places], numbers(column)[places]).predict(wanted)
        low, high = _bounds(numbers(column)[places])
        return cast_back(np.clip(guesses, low, high), column.dtype).alias(name)
    names = column[places].cast(pl.String)
    if names.n_unique() > _CATEGORIES:
        raise RecipeError(
            f"clean.impute: {name!r} has too many different values to be guessed by a model.",
            received=names.n_unique(),
            allowed=f"up to {_CATEGORIES}",
            hint="`method: most_frequent` or `method: constant` for this column",
        )
    classes = column[places].unique().sort()
    codes = (
        column[places]
        .cast(pl.String)
        .replace_strict(
            classes.cast(pl.String), pl.int_range(len(classes), eager=True), return_dtype=pl.Int64
        )
    )
    chooser = HistGradientBoostingClassifier(**settings)
    with one_thread():
        found = chooser.fit(inputs[places], codes.to_numpy()).predict(wanted)
    return classes.gather(pl.Series(found)).alias(name)


def _inputs(
    table: pl.DataFrame, names: Sequence[str], train: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float64], list[bool]]:
    """Numbers and categories as floats, missing ones as NaN; texts and lists are left out."""
    columns: list[npt.NDArray[np.float64]] = []
    categories: list[bool] = []
    for name in names:
        kind = kind_of(table[name][train])
        if kind == "number":
            columns.append(numbers(table[name]))
        elif kind == "category":
            columns.append(_codes(table[name].cast(pl.String), train))
        else:
            continue
        categories.append(kind == "category")
    return np.column_stack(columns) if columns else np.empty((table.height, 0)), categories


def _codes(texts: pl.Series, train: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Categories as numbers; those that are not among train's most frequent count as missing."""
    counts = texts[train].drop_nulls().value_counts(name="_count")
    counts = counts.sort("_count", texts.name, descending=[True, False]).head(_CATEGORIES)
    kept = counts[texts.name]
    codes = texts.replace_strict(
        kept, pl.int_range(len(kept), eager=True), default=None, return_dtype=pl.Float64
    )
    floats: npt.NDArray[np.float64] = codes.fill_null(float("nan")).to_numpy()
    return floats


def _bounds(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    return float(values.min()), float(values.max())
