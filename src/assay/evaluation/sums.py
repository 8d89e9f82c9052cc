"""Metrics as functions of sums: what a metric adds up, and how its value follows from the sums.

Nearly every metric multiplies the weights of the rows with columns of its own (errors, their
squares, which class a row is of) and computes its value from these sums. `trace` runs a metric once
on weights that note those columns; `replay` runs it again on any sums of them. A resample then
costs one line of a matrix product, however many models and metrics share it, and the derivative by
the sums gives the influence of each row (the infinitesimal jackknife). A metric that looks at
single weights is no function of sums and says so with `NotSums`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from assay.evaluation.scored import Codes, Floats

LINES = 4_000_000
"""Sums held at a time while derivatives are taken."""
STEP = 1e-5


class NotSums(TypeError):  # noqa: N818 - reads as what it is: `except NotSums`
    """A metric looked at the weights of single rows."""


@dataclass(frozen=True, eq=False)
class Column:
    """One column that a metric adds up: numbers, or the codes of `width` indicator columns.

    Attributes:
        values: (n,) numbers, or codes of which -1 counts nowhere.
        width: how many sums it has.
        coded: whether the values are codes.
        key: the same for equal columns.
    """

    values: npt.NDArray[Any]
    width: int
    coded: bool
    key: int


@dataclass(frozen=True, eq=False)
class Trace:
    """What one metric adds up on one model's rows.

    Attributes:
        n: rows.
        columns: in the order in which they were asked for.
        shapes: for each product that was asked for, how many columns it took; None for a plain
            vector.
        carried: (n,) the weight that each row carries, or None.
        value: the metric on the rows as they are.
        sums: (c,) the sums on the rows as they are.
        function: takes weights and gives one value for each of their lines.
    """

    n: int
    columns: Sequence[Column]
    shapes: Sequence[int | None]
    carried: Floats | None
    value: float
    sums: Floats
    function: Callable[[Any], Floats]

    def replay(self, sums: Floats) -> Floats:
        """(b,) the metric for (b, c) sums.

        Raises:
            NotSums: the metric asks for other columns than before.
        """
        weights = _Replayed(self.n, sums, self.columns, self.shapes)
        with np.errstate(invalid="ignore", divide="ignore"):
            found = np.asarray(self.function(weights), dtype=np.float64)
        if found.shape != (len(sums),) or not weights.finished:
            raise NotSums
        return found

    def influence(self) -> Floats:
        """(n,) how the metric moves as a row counts more, times n: the mean is 0.

        Reference: Jaeckel (1972), The infinitesimal jackknife, Bell Laboratories memorandum.
        """
        slope = self._slope()
        found = np.zeros(self.n)
        first = 0
        for column in self.columns:
            part = slope[first : first + column.width]
            first += column.width
            # Codes of -1 read the last place, which adds nothing.
            found += np.append(part, 0.0)[column.values] if column.coded else part * column.values
        if self.carried is not None:
            found *= self.carried
        found *= self.n
        found -= found.mean()
        return found

    def light(self) -> Trace:
        """The same without the columns' values, which fill the memory and replay nothing."""
        empty = np.empty(0)
        return replace(self, columns=[replace(one, values=empty) for one in self.columns])

    def _slope(self) -> Floats:
        """(c,) the derivative of the metric by each of its sums, by central differences."""
        width = len(self.sums)
        steps = STEP * np.concatenate([self._size(column) for column in self.columns])
        slope = np.zeros(width)
        moved = np.flatnonzero(steps)
        at_once = max(1, LINES // (2 * width))
        for first in range(0, len(moved), at_once):
            which = moved[first : first + at_once]
            lines = np.repeat(self.sums[None, :], 2 * len(which), axis=0)
            lines[np.arange(len(which)), which] += steps[which]
            lines[len(which) + np.arange(len(which)), which] -= steps[which]
            values = self.replay(lines)
            slope[which] = (values[: len(which)] - values[len(which) :]) / (2 * steps[which])
        return np.where(np.isfinite(slope), slope, 0.0)

    def _size(self, column: Column) -> Floats:
        if column.coded:
            return _counted(column.values, column.width, self.carried)
        size = np.abs(column.values)
        return np.array([float(size.sum() if self.carried is None else size @ self.carried)])


def trace(function: Callable[[Any], Floats], n: int, carried: Floats | None = None) -> Trace:
    """Run a metric once on the n rows as they are and note what it adds up.

    Args:
        function: takes weights and gives one value for each of their lines.
        n: rows.
        carried: (n,) the weight that each row carries.

    Raises:
        NotSums: the metric looks at the weights of single rows.

    >>> from assay.evaluation.metrics.regression import rmse
    >>> from assay.evaluation.scored import Scored
    >>> scored = Scored(np.zeros(2), np.array([3.0, 4.0]))
    >>> found = trace(lambda weights: rmse(scored, weights), 2)
    >>> round(found.value, 4), found.sums.tolist()
    (3.5355, [25.0, 2.0])
    >>> found.influence().round(4).tolist()
    [-0.495, 0.495]
    """
    weights = _Recorded(n, carried)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.asarray(function(weights))
    if value.shape != (1,) or not weights.columns:
        raise NotSums
    sums = np.concatenate(weights.found)
    return Trace(n, weights.columns, weights.shapes, carried, float(value[0]), sums, function)


class _Weights:
    """What both kinds of stand-in refuse: anything but sums."""

    __array_ufunc__ = None
    dtype = np.dtype(np.float64)
    ndim = 2

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise NotSums

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NotSums(name)

    def __getitem__(self, key: Any) -> Any:
        raise NotSums


class _Recorded(_Weights):
    """One line of weights, the rows as they are, that notes every column it is multiplied with."""

    def __init__(self, n: int, carried: Floats | None) -> None:
        self.shape = (1, n)
        self.carried = carried
        self.columns: list[Column] = []
        self.shapes: list[int | None] = []
        self.found: list[Floats] = []

    def __matmul__(self, other: Any) -> Floats:
        matrix = np.asarray(other, dtype=np.float64)
        if matrix.ndim not in (1, 2) or len(matrix) != self.shape[1]:
            raise NotSums
        parts = [matrix] if matrix.ndim == 1 else list(np.ascontiguousarray(matrix.T))
        self.shapes.append(None if matrix.ndim == 1 else len(parts))
        found = [self._add(Column(part, 1, False, _key(part, 0))) for part in parts]
        return np.concatenate(found) if matrix.ndim == 1 else np.array([np.concatenate(found)])

    def sum(self, axis: int | None = None, dtype: Any = None) -> Floats:
        if axis not in (1, -1):
            raise NotSums
        return self @ np.ones(self.shape[1])

    def counts(self, codes: Codes, k: int) -> Floats:
        self.shapes.append(1)
        small = codes.astype(np.int32)
        return self._add(Column(small, k, True, _key(small, k)))[None, :]

    def _add(self, column: Column) -> Floats:
        self.columns.append(column)
        if column.coded:
            found = _counted(column.values, column.width, self.carried)
        else:
            carried = column.values.sum() if self.carried is None else column.values @ self.carried
            found = np.array([carried])
        self.found.append(found)
        return found


class _Replayed(_Weights):
    """Lines of weights of which only the sums are known."""

    def __init__(
        self, n: int, sums: Floats, columns: Sequence[Column], shapes: Sequence[int | None]
    ) -> None:
        self.shape = (len(sums), n)
        self.sums, self.columns, self.shapes = sums, columns, shapes
        self.at, self.column, self.product = 0, 0, 0

    @property
    def finished(self) -> bool:
        return self.column == len(self.columns)

    def __matmul__(self, other: Any) -> Floats:
        shape = np.shape(other)
        width = None if len(shape) == 1 else shape[1]
        self._next(width)
        found = self._take(1 if width is None else width, coded=False)
        return found[:, 0] if width is None else found

    def sum(self, axis: int | None = None, dtype: Any = None) -> Floats:
        if axis not in (1, -1):
            raise NotSums
        self._next(None)
        return self._take(1, coded=False)[:, 0]

    def counts(self, codes: Codes, k: int) -> Floats:
        self._next(1)
        return self._take(k, coded=True)

    def _next(self, width: int | None) -> None:
        if self.product >= len(self.shapes) or self.shapes[self.product] != width:
            raise NotSums
        self.product += 1

    def _take(self, width: int, *, coded: bool) -> Floats:
        if self.columns[self.column].coded != coded:
            raise NotSums
        self.column += 1 if coded else width
        self.at += width
        return self.sums[:, self.at - width : self.at]


def _counted(codes: Codes, k: int, carried: Floats | None) -> Floats:
    # Codes of -1 are counted in a place of their own, which is cut off.
    return np.bincount(codes + 1, weights=carried, minlength=k + 1)[1:].astype(np.float64)


def _key(values: npt.NDArray[Any], k: int) -> int:
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(values).data, seed=k)
