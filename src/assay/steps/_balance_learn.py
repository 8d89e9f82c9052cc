"""What every step that learns from train needs: its rows in one order, and the kinds of columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError, nearest
from assay.rows import ROW, ROW_ID, row_ids

SPLIT = "_split"
TRAIN = "train"
PARENT = "_parent"
_OURS = frozenset({ROW, ROW_ID, SPLIT, "_cluster"})
# Texts of more characters than this are sentences, however often they repeat.
_LONG = 64
_FEW = 20

Kind = Literal["number", "category", "text", "other"]


def in_train(table: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows may be learned from: those of train, or all before a split."""
    if SPLIT not in table.columns:
        return np.ones(table.height, dtype=np.bool_)
    inside: npt.NDArray[np.bool_] = (table[SPLIT] == TRAIN).fill_null(False).to_numpy()
    return inside


def train_places(table: pl.DataFrame) -> npt.NDArray[np.int64]:
    """The places of train's rows in the order of their ids, so that sums do not depend on order."""
    rows = row_ids(table).to_numpy()
    places = np.flatnonzero(in_train(table))
    ordered: npt.NDArray[np.int64] = places[np.argsort(rows[places], kind="stable")]
    return ordered


def known(table: pl.DataFrame, names: Sequence[str], step: str) -> list[str]:
    """The names, once it is sure that they are columns.

    Raises:
        RecipeError: one is not.
    """
    for name in names:
        if name not in table.columns:
            raise RecipeError(
                f"{step}: there is no column {name!r}.",
                allowed=table.columns,
                hint=nearest(name, table.columns),
            )
    return list(dict.fromkeys(names))


def needed(target: str | None, table: pl.DataFrame, step: str) -> str:
    """The target, which this step cannot do without.

    Raises:
        RecipeError: none is named, it is not there, or it is a list or an object.
    """
    if target is None:
        raise RecipeError(
            f"{step} needs a target.", hint="set `target` in the recipe, or in the step"
        )
    known(table, [target], step)
    if table[target].dtype.is_nested():
        raise RecipeError(
            f"{step}: the target {target!r} is neither a number nor a class.",
            received=str(table[target].dtype),
        )
    return target


def others(table: pl.DataFrame, *without: str | None) -> list[str]:
    """Every field of the table but these."""
    return [name for name in table.columns if name not in _OURS and name not in without]


def labels(column: pl.Series) -> pl.Series:
    """The classes as texts; null and NaN are no class."""
    if column.dtype.is_float():
        column = column.fill_nan(None)
        # 1 and 1.0 are one class, whichever type a reader chose.
        return column.cast(pl.String).str.strip_suffix(".0")
    return column.cast(pl.String)


def numbers(column: pl.Series) -> npt.NDArray[np.float64]:
    """The column as floats; null and what is not finite become NaN."""
    floats: npt.NDArray[np.float64] = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.where(np.isfinite(floats), floats, np.nan)


def kind_of(column: pl.Series) -> Kind:
    """What a column is to a method for tables, by the values of train.

    Texts are categories where they are short and each stands in twenty rows on average, or where
    there are no more than twenty of them.
    """
    if column.dtype.is_numeric():
        return "number"
    if column.dtype in (pl.Boolean, pl.Null):
        return "category"
    if not isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum):
        return "other"
    distinct = column.drop_nulls().cast(pl.String).unique()
    longest = distinct.str.len_chars().max()
    if isinstance(longest, int) and longest > _LONG:
        return "text"
    return "category" if len(distinct) <= max(_FEW, len(column) // _FEW) else "text"


def is_class(column: pl.Series) -> bool:
    """Whether a target names classes, and is not a number to be guessed."""
    if not column.dtype.is_numeric():
        return True
    return column.dtype.is_integer() and column.n_unique() <= _FEW


def counted(names: pl.Series, at_most: int = 50) -> dict[str, int]:
    """How many rows each name has, for the findings: the most first, the rest summed up."""
    counts = names.cast(pl.String).alias("name").value_counts(name="count")
    return top(dict(counts.iter_rows()), at_most)


def top(counts: Mapping[str, int], at_most: int = 50) -> dict[str, int]:
    """The largest counts first, equal ones by name, and what is beyond them summed up."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    rest = sum(count for _, count in ordered[at_most:])
    return dict(ordered[:at_most]) | ({"(other)": rest} if rest else {})


def one_thread() -> AbstractContextManager[Any]:
    """Let trees grow on one thread.

    Their threads wait for one another by spinning, which on a machine that is busy otherwise
    takes a hundred times as long as the work; and one thread always sums in the same order.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limits


def cast_back(values: npt.NDArray[np.float64], dtype: pl.DataType) -> pl.Series:
    """Floats in the type of the column they stand in for; NaN becomes null."""
    series = pl.Series(values, dtype=pl.Float64).fill_nan(None)
    return series.round().cast(dtype) if dtype.is_integer() else series.cast(dtype)
