"""What is resampled, and the sums of many metrics and models on the same resamples.

Rows are drawn one by one up to 20,000 of them. Beyond, they are put together at random to 20,000
units of about the same size, and whole units are drawn: the spread of so many sums says as much as
that of single rows, whatever their number. Rows that belong to one group are always drawn together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.evaluation.scored import Floats
from assay.evaluation.sums import Column
from assay.rows import text_hash

Rows = npt.NDArray[np.bool_]

RESAMPLES = 2000
DRAWS = 400_000_000
FEWEST_RESAMPLES = 400
MOST_UNITS = 20_000
CELLS = 1_000_000
"""Weights held at a time: 4 MB of float32, so that they stay in the processor's cache."""
_EXACT = 1000
_SUMS = 40_000_000
_FEWEST_UNITS = 1000
# How many of 256 equally likely bytes stand for 0, 1, … 5 draws: the mean and the variance are
# exactly 1, as those of a Poisson count; the third central moment is 1.008 instead of 1.
_LIMITS = np.cumsum([93, 98, 43, 17, 4], dtype=np.uint8)
_CACHED = 1 << 18


@dataclass(frozen=True, eq=False)
class Units:
    """What is drawn: single rows, random sets of rows, or groups.

    Attributes:
        n: rows.
        count: units.
        of: (n,) the unit of each row; None where each row is one.
        grouped: whether rows came in groups, so that units are groups or sets of them.
    """

    n: int
    count: int
    of: npt.NDArray[np.int64] | None
    grouped: bool = False

    def sums(self, values: Floats, rows: Rows | None = None) -> Floats:
        """(count,) the sum of a column over each unit's rows.

        Args:
            values: (n,) of all rows, or of those that `rows` names.
            rows: (n,) which rows the values belong to.
        """
        if rows is not None and not rows.all():
            whole = np.zeros(self.n)
            whole[rows] = values
            values = whole
        if self.of is None:
            return values
        return np.asarray(np.bincount(self.of, weights=values, minlength=self.count), np.float64)


def units_of(n: int, groups: pl.Series | None = None, *, width: int = 0) -> Units:
    """Put n rows, which stand in an order that nothing but their ids decides, into units.

    Args:
        n: rows.
        groups: (n,) what keeps rows together; rows without a group stand alone.
        width: how many sums are taken over each unit; thousands of them make units fewer.

    >>> units_of(3).count, units_of(50_000).count
    (3, 20000)
    >>> units_of(4, pl.Series(["b", "a", "b", "a"])).of.tolist() in ([0, 1, 0, 1], [1, 0, 1, 0])
    True
    """
    most = min(MOST_UNITS, max(_FEWEST_UNITS, _SUMS // max(width, 1)))
    if groups is None:
        if n <= most:
            return Units(n, n, None)
        return Units(n, most, np.arange(n, dtype=np.int64) * most // n)
    # Ordered by their hash, so that neither names nor the order of rows decide what is drawn.
    hashes = text_hash(groups)
    alone = pl.int_range(n, eager=True).cast(pl.String)
    hashes = hashes.zip_with(hashes.is_not_null(), text_hash("\x1f" + alone))
    names, code = np.unique(hashes.to_numpy(), return_inverse=True)
    count = min(len(names), most)
    of = code.astype(np.int64) * count // len(names)
    return Units(n, count, of, grouped=True)


def resample_count(n: int) -> int:
    """How many resamples are drawn of n rows where each needs all of them: 2,000 to 400.

    Only metrics that are no function of sums need it. With so many rows the bounds move little: at
    a million rows and 400 resamples a bound's own standard error is about 7 % of the interval's
    width.

    >>> resample_count(25_000), resample_count(1_000_000)
    (2000, 400)
    """
    return max(FEWEST_RESAMPLES, min(RESAMPLES, DRAWS // max(n, 1)))


def resamples(n: int, seed: int, count: int | None = None) -> Iterator[Floats]:
    """Bootstrap weights, `resample_count(n)` lines of n counts, in blocks of (b, n) float32.

    Each line says how often every row is drawn. Under 1,000 rows n rows are drawn with replacement.
    From there on each row is drawn by itself, about once on average, with a Poisson count's mean
    and variance: the counts then add up to n only about, which no mean or share can tell, and they
    cost a fifth. The rows must stand in an order that does not depend on the file they came from.

    Reference: Hanley and MacGibbon (2006), Computer Methods and Programs in Biomedicine 83:57-62.

    >>> block = next(resamples(5, seed=1))
    >>> block.shape, set(block.sum(axis=1).tolist())
    ((2000, 5), {5.0})
    """
    source = np.random.PCG64(seed & (2**64 - 1))
    generator = np.random.Generator(source)
    left = count or resample_count(n)
    while left:
        lines = min(left, max(1, CELLS // n))
        if n < _EXACT:
            drawn = generator.integers(0, n, (lines, n), dtype=np.int32)
            # All lines are counted at once, each in places of its own.
            drawn += np.arange(0, lines * n, n, dtype=np.int32)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=lines * n)
            block = counts.reshape(lines, n).astype(np.float32)
        else:
            block = np.empty((lines, n), dtype=np.float32)
            _draw_counts(source, block.reshape(-1))
        left -= lines
        yield block


def swaps(n: int, seed: int, count: int = RESAMPLES) -> Iterator[Floats]:
    """Coins for a permutation test: `count` lines of n zeros and ones, in blocks of float32.

    >>> block = next(swaps(5, seed=1))
    >>> block.shape, sorted(set(block.ravel().tolist()))
    ((2000, 5), [0.0, 1.0])
    """
    # A stream of its own, so that swaps do not repeat what the resamples drew.
    source = np.random.PCG64([seed & (2**64 - 1), 1])
    left = count
    while left:
        lines = min(left, max(1, CELLS // n))
        raw = source.random_raw(-(-lines * n // 64))
        bits = np.unpackbits(raw.view(np.uint8))[: lines * n]
        left -= lines
        yield bits.reshape(lines, n).astype(np.float32)


@dataclass(eq=False)
class Pool:
    """The columns that metrics add up, each once, as sums over units."""

    units: Units
    places: dict[tuple[int, bytes], tuple[int, int]] = field(default_factory=dict)
    parts: list[Floats] = field(default_factory=list)
    means: list[Floats] = field(default_factory=list)
    scales: list[Floats] = field(default_factory=list)
    width: int = 0

    @property
    def precision(self) -> type[np.floating[Any]]:
        """Double for few units, where it costs nothing."""
        return np.float64 if self.units.count <= _EXACT else np.float32

    def add(
        self, columns: Sequence[Column], rows: Rows | None, name: bytes, carried: Floats | None
    ) -> npt.NDArray[np.int64]:
        """Put columns in, if they are not there, and say where each of their sums stands.

        Args:
            columns: of the rows that `rows` names.
            rows: (n,) which rows they are; None for all.
            name: of this choice of rows.
            carried: the weight that each of these rows carries.
        """
        found = []
        for column in columns:
            key = (column.key, name)
            if key not in self.places:
                made = self._summed(column, rows, carried)
                self.places[key] = (self.width, column.width)
                mean = made.mean(axis=0)
                made = made - mean  # a copy: the column may be the rows' own
                # Scaled to at most 1, so that single precision holds large values.
                scale = np.abs(made).max(axis=0, initial=0.0)
                scale[scale == 0] = 1.0
                self.parts.append((made / scale).astype(self.precision))
                self.means.append(mean)
                self.scales.append(scale)
                self.width += column.width
            first, width = self.places[key]
            found.append(np.arange(first, first + width))
        return np.concatenate(found)

    def times(self, blocks: Iterator[Floats]) -> Floats:
        """(b, width) the sums of all columns for lines of weights over the units.

        Columns are centred, so that single precision is lost on what is drawn and not on the mean.
        """
        if not self.parts:
            return np.empty((0, 0))
        # One more column of ones counts what is drawn.
        one = np.ones((self.units.count, 1), dtype=self.precision)
        matrix, means = np.concatenate([*self.parts, one], axis=1), np.concatenate(self.means)
        found = np.concatenate([block @ matrix for block in blocks]).astype(np.float64)
        scales = np.concatenate(self.scales)
        return np.asarray(found[:, :-1] * scales + found[:, -1:] * means)

    def _summed(self, column: Column, rows: Rows | None, carried: Floats | None) -> Floats:
        if not column.coded:
            values = column.values if carried is None else column.values * carried
            return self.units.sums(values, rows)[:, None]
        part = self.units.of
        if part is None:
            part = np.arange(self.units.n)
        if rows is not None:
            part = part[rows]
        k = column.width + 1
        cells = part * k + (column.values + 1)
        counts = np.bincount(cells, weights=carried, minlength=self.units.count * k)
        return np.asarray(counts.reshape(-1, k)[:, 1:], dtype=np.float64)


def expanded(block: Floats, units: Units, rows: Rows, carried: Floats | None) -> Floats:
    """(b, r) the weights of some rows for lines of weights over the units."""
    whole = block if units.of is None else block[:, units.of]
    picked = whole if rows.all() else whole[:, rows]
    return picked if carried is None else picked * carried.astype(picked.dtype)


def pairs_sums(
    drawn: Mapping[str, Floats], a: npt.NDArray[np.int64], b: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """The sums of two models when the swapped units' rows change hands.

    `drawn` holds `all`, the (1, width) sums of everything, and `swapped`, the (b, width) sums of
    the swapped units.
    """
    everything, swapped = drawn["all"], drawn["swapped"]
    moved = swapped[:, b] - swapped[:, a]
    return everything[:, a] + moved, everything[:, b] - moved


def _draw_counts(source: np.random.PCG64, flat: Floats) -> None:
    # In pieces that stay in the processor's cache.
    for first in range(0, len(flat), _CACHED):
        part = flat[first : first + _CACHED]
        drawn = source.random_raw(-(-len(part) // 8)).view(np.uint8)[: len(part)]
        counts = (drawn >= _LIMITS[0]).view(np.uint8)
        for limit in _LIMITS[1:]:
            counts += (drawn >= limit).view(np.uint8)
        part[:] = counts
