"""What a version looks like, in little: new batches are held against this, never against its rows.

A profile lays cells over every field once, and counts the version's rows in them. A batch is
counted in the same cells. Counts of shards add up, so a profile is the same for any order of the
shards and any number of workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.rows import row_ids, uniform

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Kind = Literal["number", "category", "boolean", "text"]

CELLS = 512
"""Cells of a number, each with about as many rows; a distance is exact to 1/512 of the rows."""
FEW = 20
"""A number of at most so many different values is compared value by value."""
VALUES = 5_000
"""Most categories that are known one by one; a field of more is looked at as a text."""
LAID_BY = 20_000
"""Rows by whose values the cells are laid, chosen by their ids."""
SAMPLE = 2_000
"""Rows that are kept whole, for the classifier that tells old rows from new ones."""
FAR = 10.0
"""Spreads: a value beyond the reference counts as at most this far beyond it."""
LENGTH = " (length)"
_CUT = 1_000


@dataclass(frozen=True)
class Field:
    """The cells of one field, or of the length of one, and the reference's rows in them.

    Attributes:
        name: what it is called; `text (length)` for the length of `text`.
        column: the field that it looks at.
        kind: `number` has a grid, `category` and `boolean` have values.
        grid: (k,) rising upper bounds of the first k cells; one more lies above.
        values: the categories, one cell each; one more holds all others.
        spread: what a distance is measured in: half the distance between the quantiles 0.16
            and 0.84, which is the standard deviation of a normal law.
        count: the reference's rows in the cells.
        once: how many of its categories stand in one row only.
    """

    name: str
    column: str
    kind: Kind
    grid: Floats
    values: tuple[str, ...]
    spread: float
    count: Count
    once: int = 0

    @property
    def few(self) -> bool:
        """Whether each cell holds one value."""
        return self.kind != "number" or len(self.grid) <= FEW


@dataclass(frozen=True)
class Count:
    """Rows of one field by cell.

    Attributes:
        cells: (k + 1,) rows with a value in each cell.
        missing: rows without one.
        beyond: how far the values lie below the lowest and above the highest bound, in spreads,
            added up; and the same squared.
    """

    cells: Counts
    missing: int = 0
    beyond: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)

    @property
    def rows(self) -> int:
        """Rows with a value."""
        return int(self.cells.sum())

    def __add__(self, other: Count) -> Count:
        beyond = tuple(a + b for a, b in zip(self.beyond, other.beyond, strict=True))
        return Count(self.cells + other.cells, self.missing + other.missing, beyond)


@dataclass(frozen=True)
class Summary:
    """Some rows in a profile's cells, and a few of them whole.

    Attributes:
        rows: how many.
        counts: by the name of the field.
        sample: `row_id`, `_chance` and the fields of the rows with the smallest chance.
    """

    rows: int
    counts: Mapping[str, Count]
    sample: pl.DataFrame

    def __add__(self, other: Summary) -> Summary:
        counts = {name: count + other.counts[name] for name, count in self.counts.items()}
        both = pl.concat([self.sample, other.sample], how="diagonal_relaxed")
        return Summary(self.rows + other.rows, counts, _smallest(both, SAMPLE))


@dataclass(frozen=True)
class Profile:
    """What a version looks like.

    Attributes:
        version: its hash.
        rows: how many were counted.
        fields: their cells and counts, by name.
        kinds: what each column is to a classifier: `number`, `category` or `text`.
        sample: rows kept whole, texts cut to 1,000 characters.
        left_out: columns that are not compared, and why.
    """

    version: str
    rows: int
    fields: Mapping[str, Field]
    kinds: Mapping[str, Kind]
    sample: pl.DataFrame
    left_out: Mapping[str, str]


def chosen(rows: pl.DataFrame, columns: Sequence[str], seed: int, count: int) -> pl.DataFrame:
    """The `count` rows with the smallest chance, with `row_id`, `_chance` and the columns.

    The chance is fixed by the row's id, and for rows that are equal by which of them it is.

    >>> frame = pl.DataFrame({"row_id": ["a", "b", "c"], "x": [1, 2, 3]})
    >>> one = chosen(frame, ["x"], 0, 2)["row_id"].sort()
    >>> one.equals(chosen(frame.reverse(), ["x"], 0, 2)["row_id"].sort())
    True
    """
    ids = row_ids(rows)
    spread = ids.to_numpy()
    if ids.n_unique() < len(ids):
        again = ids.to_frame("id").select(pl.int_range(pl.len()).over("id").alias("n"))["n"]
        spread = spread ^ (again.to_numpy().astype(np.uint64) << np.uint64(40))
    frame = rows.select("row_id", pl.Series("_chance", uniform(spread, seed, "monitor")), *columns)
    return _smallest(frame, count)


def _smallest(rows: pl.DataFrame, count: int) -> pl.DataFrame:
    # Only rows that may stay are sorted.
    highest = rows["_chance"].bottom_k(count).max()
    return rows.filter(pl.col("_chance") <= highest).sort("_chance", "row_id").head(count)


def cut_texts(rows: pl.DataFrame, kinds: Mapping[str, Kind]) -> pl.DataFrame:
    """The columns as a classifier reads them: numbers, texts that are not too long."""
    return rows.with_columns(_read(name, rows.schema[name], kind) for name, kind in kinds.items())


def _read(name: str, dtype: Any, kind: Kind) -> pl.Expr:
    if kind == "number":
        if dtype.is_nested():
            return pl.col(name).list.len().cast(pl.Float64)
        return pl.col(name).cast(pl.Float64)
    return pl.col(name).cast(pl.String).str.slice(0, _CUT)


def number(name: str, column: str, values: pl.Series) -> Field | None:
    """Lay cells over a number, each with about as many of the values; None without any.

    >>> field = number("x", "x", pl.Series([1.0, 2.0, 2.0, 5.0]))
    >>> field.grid.tolist() if field else None
    [1.0, 2.0, 5.0]
    """
    known = np.sort(values.cast(pl.Float64).drop_nulls().to_numpy())
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    levels = np.linspace(0, 1, CELLS)
    grid = np.unique(np.quantile(known, levels, method="inverted_cdf"))
    low, high = np.quantile(known, [0.1587, 0.8413])
    with np.errstate(over="ignore"):
        spread = float((high - low) / 2) or float(known.std()) or abs(float(known[0])) or 1.0
    spread = spread if np.isfinite(spread) else float(np.finfo(float).max / 4)
    return Field(name, column, "number", grid, (), spread, Count(np.zeros(len(grid) + 1, int)))


def category(name: str, column: str, counted: pl.DataFrame, kind: Kind = "category") -> Field:
    """One cell for each of the values, the most frequent first.

    Args:
        name: of the field.
        column: that it looks at.
        counted: `value` and `n`.
        kind: `category` or `boolean`.
    """
    ranked = counted.drop_nulls().sort("n", "value", descending=[True, False]).head(VALUES)
    values = tuple(ranked["value"].to_list())
    nothing = Count(np.zeros(len(values) + 1, int))
    once = int((ranked["n"] == 1).sum())
    return Field(name, column, kind, np.zeros(0), values, 1.0, nothing, once)


def summarise(
    rows: pl.DataFrame, fields: Mapping[str, Field], kinds: Mapping[str, Kind], seed: int
) -> Summary:
    """Count one shard's rows in the cells; a field whose column is not there is left out."""
    there = {name: field for name, field in fields.items() if field.column in rows.columns}
    counts = {name: count_in(field, rows[field.column]) for name, field in there.items()}
    columns = {name: kind for name, kind in kinds.items() if name in rows.columns}
    sample = chosen(rows, list(columns), seed, SAMPLE)
    return Summary(rows.height, counts, cut_texts(sample, columns))


def merged(parts: Sequence[Summary]) -> Summary:
    """Add up the summaries of shards, which need not all have the same fields."""
    names = [name for name in parts[0].counts if all(name in part.counts for part in parts)]
    same = [
        Summary(part.rows, {name: part.counts[name] for name in names}, part.sample)
        for part in parts
    ]
    return reduce(lambda a, b: a + b, same)


def count_in(field: Field, values: pl.Series) -> Count:
    """Count values in a field's cells.

    >>> field = number("x", "x", pl.Series([1.0, 2.0, 5.0]))
    >>> count = count_in(field, pl.Series([2.0, 3.0, None, 9.0])) if field else None
    >>> (count.cells.tolist(), count.missing) if count else None
    ([0, 1, 1, 1], 1)
    """
    if field.kind == "number":
        return _in_grid(field, _numbers(field, values))
    counted = values.cast(pl.String).alias("value").to_frame().group_by("value").len("n")
    missing = int(counted.filter(pl.col("value").is_null())["n"].sum())
    places = pl.DataFrame({"value": field.values}, schema={"value": pl.String}).with_row_index("at")
    found = counted.drop_nulls("value").join(places, on="value", how="left")
    at = found["at"].fill_null(len(field.values)).to_numpy()
    cells = np.zeros(len(field.values) + 1, dtype=np.int64)
    np.add.at(cells, at, found["n"].to_numpy().astype(np.int64))
    return Count(cells, missing)


def _numbers(field: Field, values: pl.Series) -> Floats:
    if field.name.endswith(LENGTH) and field.name != field.column:
        lengths = values.list.len() if values.dtype == pl.List else values.cast(pl.String)
        values = lengths if values.dtype == pl.List else lengths.str.len_chars()
    found: Floats = values.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    return found


def _in_grid(field: Field, values: Floats) -> Count:
    # Sorting is faster than looking each value up.
    known = np.sort(values[~np.isnan(values)])
    ends = np.searchsorted(known, field.grid, side="right")
    cells = np.diff(ends, prepend=0, append=len(known)).astype(np.int64)
    most = FAR * field.spread
    with np.errstate(over="ignore", invalid="ignore"):
        below = np.minimum(field.grid[0] - known[: ends[0]], most).clip(0) / field.spread
        above = np.minimum(known[ends[-1] :] - field.grid[-1], most).clip(0) / field.spread
    sums = (below.sum(), above.sum(), (below**2).sum(), (above**2).sum())
    return Count(cells, len(values) - len(known), tuple(map(float, sums)))
