"""Folds for cross-validation: the rows of train and validation in k parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError
from assay.rows import uniform
from assay.steps import _split_shares as shares
from assay.steps import _split_times as times
from assay.steps._split_units import places, units

_PURPOSE = "split.fold"

Floats = npt.NDArray[np.float64]


def drawn(
    table: pl.DataFrame, decided: pl.DataFrame, groups: Sequence[str], folds: int | None, seed: int
) -> pl.DataFrame:
    """Add folds that are each row's own draw."""
    if folds is None:
        return decided
    rows, was = _folded(table, decided, folds)
    place, free = _places(rows, groups, was)
    own = uniform(units(rows.filter(free), groups), seed, _PURPOSE)
    return _with_folds(
        decided, place.clone().scatter(free.arg_true(), (own * folds).astype(np.int64))
    )


def stratified(
    table: pl.DataFrame,
    decided: pl.DataFrame,
    strata: pl.Series,
    groups: Sequence[str],
    folds: int | None,
    seed: int,
) -> pl.DataFrame:
    """Add folds into which every stratum is shared out alike."""
    if folds is None:
        return decided
    rows, was = _folded(table, decided, folds)
    place, free = _places(rows, groups, was)
    takes = free | place.is_not_null()
    fold = shares.dealt_beside(
        strata.filter(_held(decided)).filter(takes),
        units(rows.filter(takes), groups),
        place.filter(takes),
        np.full(folds, 1 / folds),
        seed,
        _PURPOSE,
    )["part"]
    return _with_folds(decided, place.clone().scatter(takes.arg_true(), fold))


def temporal(
    table: pl.DataFrame,
    decided: pl.DataFrame,
    moment: Floats,
    groups: Sequence[str],
    folds: int | None,
) -> pl.DataFrame:
    """Add folds in the order of time; `moment` is when each row takes place."""
    if folds is None:
        return decided
    rows, was = _folded(table, decided, folds)
    place, free = _places(rows, groups, was)
    when = pl.Series(moment[_held(decided).to_numpy()], dtype=pl.Float64).fill_nan(None)
    line = pl.DataFrame({"unit": units(rows.filter(free), groups), "time": when.filter(free)})
    together = line.select(pl.col("time").max().over("unit")).to_series()
    moments = when.clone().scatter(free.arg_true(), together).to_numpy()
    starts = times.bounds(moments, np.arange(1, folds) / folds)
    if was is not None:
        old = was.is_not_null().to_numpy()
        starts = times.implied(moments[old], was.drop_nulls().to_numpy(), starts)
    fold = pl.Series(np.searchsorted(starts, moments, "right"), dtype=pl.Int64)
    # A row whose time is not known any more counts as the earliest.
    fold = fold.set(pl.Series(np.isnan(moments)), 0)
    new = pl.repeat(True, rows.height, eager=True) if was is None else was.is_null()
    late = (new & (fold > place)).fill_null(False)
    return _with_folds(decided, place.set(late, None).scatter(free.arg_true(), fold.filter(free)))


def _folded(
    table: pl.DataFrame, decided: pl.DataFrame, folds: int
) -> tuple[pl.DataFrame, pl.Series | None]:
    """The rows that folds are made of, and the folds that they were in before.

    Raises:
        RecipeError: fewer than two folds.
    """
    if folds < 2:
        raise RecipeError("split: `folds` is 2 or more.", received=folds)
    rows = table.filter(_held(decided))
    return rows, shares.former(rows, "_was_fold", folds)


def _held(decided: pl.DataFrame) -> pl.Series:
    return decided["split"].is_in(["train", "validation"]).fill_null(False)


def _places(
    rows: pl.DataFrame, groups: Sequence[str], was: pl.Series | None
) -> tuple[pl.Series, pl.Series]:
    """The fold that a row belongs to, or null, and whether it is free to go to any."""
    if was is None:
        nowhere = pl.repeat(None, rows.height, dtype=pl.Int64, eager=True)
        return nowhere, nowhere.is_null()
    before = places(rows, groups, was)
    return before.place, before.place.is_null() & ~before.joins


def _with_folds(decided: pl.DataFrame, fold: pl.Series) -> pl.DataFrame:
    empty = pl.repeat(None, decided.height, dtype=pl.Int64, eager=True)
    at = _held(decided).arg_true()
    return decided.with_columns(empty.clone().scatter(at, fold).cast(pl.Int32).alias("fold"))
