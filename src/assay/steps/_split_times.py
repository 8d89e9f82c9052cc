"""Cuts between times: those that shares ask for, and those that a former split implies."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError
from assay.steps._split_units import present

_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}

Floats = npt.NDArray[np.float64]


def numbers(column: pl.Series) -> pl.Series:
    """A column of numbers or times as Float64, times in their physical unit."""
    physical = column.to_physical() if column.dtype.is_temporal() else column
    return physical.cast(pl.Float64)


def times(table: pl.DataFrame, by: str) -> pl.Series:
    """The column that a split by time orders rows by; NaN counts as null."""
    present(table, by)
    column = table[by]
    if column.dtype.is_temporal() or (column.dtype.is_numeric() and column.dtype != pl.UInt128):
        return numbers(column).fill_nan(None)
    raise RecipeError(
        f"split.temporal: the column {by!r} is no time and no number.",
        received=str(column.dtype),
        hint=f"declare it under `fields`: {by}: {{type: datetime}}",
    )


def width(gap: float | str | None, dtype: pl.DataType) -> float:
    """The gap in the physical unit of the time column."""
    if gap is None:
        return 0.0
    if isinstance(gap, str):
        found = re.findall(r"([0-9]+(?:\.[0-9]+)?) *([wdhms]) *|(.)", gap)
        if (
            found
            and not any(rest for *_, rest in found)
            and isinstance(dtype, pl.Datetime | pl.Duration | pl.Date)
        ):
            seconds = sum(float(count) * _SECONDS[unit] for count, unit, _ in found)
            if isinstance(dtype, pl.Date):
                return seconds / 86400
            return seconds * {"ms": 1e3, "us": 1e6, "ns": 1e9}[dtype.time_unit]
    elif gap >= 0 and np.isfinite(gap) and dtype.is_numeric():
        return float(gap)
    raise RecipeError(
        "split.temporal: the gap does not fit the column.",
        received=gap,
        allowed="for times `7d`, `1d12h`, `30m`; for numbers a number of 0 or more",
    )


def bounds(moments: Floats, cuts: Sequence[float] | Floats) -> Floats:
    """The time at which each part begins after the first, for shares that end at `cuts`."""
    ordered = np.sort(moments[~np.isnan(moments)])
    return np.maximum.accumulate(np.array([_bound(ordered, cut) for cut in cuts]))


def implied(moments: Floats, place: npt.NDArray[np.int64], wanted: Floats) -> Floats:
    """The time at which each part began, judged by the rows that are in them.

    Args:
        moments: the times of the old rows.
        place: the part that each of them is in, from 0.
        wanted: where a part begins by the shares; it is taken where no old row is in that part or
            a later one, yet never before the latest of the old rows.
    """
    known = ~np.isnan(moments)
    moments, place = moments[known], place[known]
    found = wanted.copy()
    # The parts are three sides or a few folds.
    for part in range(1, len(wanted) + 1):
        later = place >= part
        if later.any():
            found[part - 1] = parting(moments, later)
        elif len(moments):
            found[part - 1] = max(wanted[part - 1], np.nextafter(moments.max(), np.inf))
    return np.maximum.accumulate(found)


def parting(moments: Floats, later: npt.NDArray[np.bool_]) -> float:
    """The time that best parts earlier rows from those said to be later, the later ones at it.

    It leaves the fewest rows on the wrong side, so that a single wrong time moves nothing; of
    equally good times, the latest at which a row lies, or infinity where none shall be later.

    >>> parting(np.array([1.0, 2.0, 3.0]), np.array([False, False, True]))
    3.0
    """
    times, place = np.unique(moments, return_inverse=True)
    after = np.bincount(place, later, len(times) + 1)
    before = np.bincount(place, ~later, len(times) + 1)
    # Wrong with the cut at times[i]: later rows that lie before it, and others at or behind it.
    wrong = np.cumsum(after) - after + before[::-1].cumsum()[::-1]
    best = len(wrong) - 1 - int(wrong[::-1].argmin())
    return float(times[best]) if best < len(times) else np.inf


def _bound(ordered: Floats, cut: float) -> float:
    """The time at which a side ends, at the border between two times next to the share."""
    count = len(ordered)
    place = round(cut * count)
    if place >= count:
        return np.inf
    low, high = (int(np.searchsorted(ordered, ordered[place], end)) for end in ("left", "right"))
    place = low if place - low <= high - place else high
    return float(ordered[place]) if place < count else np.inf
