"""The training rows that are most like a row, in their words or in their standardised values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.models._columns import Roles, categories, numbers, roles
from assay.recipe import FieldType
from assay.rows import uniform

Places = npt.NDArray[np.int64]
Floats32 = npt.NDArray[np.float32]
MOST = 50_000
"""Training rows that are compared; of more, so many are drawn by their ids."""
LEVELS = 50
TILE = 2048
TEXT = 2000
"""Characters of a text that are compared."""


@dataclass(frozen=True, eq=False)
class Likeness:
    """Training rows as vectors of length 1, so that a product is a likeness of at most 1.

    Texts are compared by the cosine of their embeddings, all else by standardised values; where
    there are both, each has half a say.
    """

    places: Places
    vectors: Floats32
    maker: _Maker

    @property
    def by_words(self) -> bool:
        """Whether texts are compared."""
        return bool(self.maker.free)

    def nearest(self, rows: pl.DataFrame, count: int) -> tuple[Places, Floats32]:
        """The places in the training rows of the most alike, best first, and how alike they are.

        Args:
            rows: laid out like the training rows.
            count: how many for each row.

        Returns:
            Two matrices of rows by `count`, or by as many training rows as there are.
        """
        ours = self.maker.vectors(rows)
        count = min(count, len(self.places))
        found = np.zeros((len(ours), count), dtype=np.int64)
        alike = np.zeros((len(ours), count), dtype=np.float32)
        for start in range(0, len(ours) if count else 0, TILE):
            product = ours[start : start + TILE] @ self.vectors.T
            best = np.argpartition(-product, count - 1, axis=1)[:, :count]
            values = np.take_along_axis(product, best, axis=1)
            # Of equally alike ones the first, whatever the order a partition leaves.
            order = np.lexsort((best, -values), axis=1)
            found[start : start + TILE] = np.take_along_axis(best, order, axis=1)
            alike[start : start + TILE] = np.take_along_axis(values, order, axis=1)
        return self.places[found], np.minimum(alike, 1.0)


@dataclass(frozen=True, eq=False)
class _Maker:
    known: Roles
    middle: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    levels: tuple[tuple[str, ...], ...]
    free: tuple[str, ...]

    def vectors(self, rows: pl.DataFrame) -> Floats32:
        parts = []
        if self.free:
            parts.append(_texts(rows, self.free))
        table = self._table(rows)
        if table.shape[1]:
            parts.append(_random_fourier(table))
        if not parts:
            return np.zeros((rows.height, 1), np.float32)
        joined = np.hstack(parts) / np.float32(np.sqrt(len(parts)))
        return joined.astype(np.float32)

    def _table(self, rows: pl.DataFrame) -> npt.NDArray[np.float64]:
        values = (numbers(rows, self.known) - self.middle) / self.scale
        parts = [np.clip(np.where(np.isfinite(values), values, 0.0), -5.0, 5.0)]
        coded = categories(rows, self.known)
        for place, known in enumerate(self.levels):  # as many as there are categories
            column = pl.Series(coded[:, place].tolist(), dtype=pl.String)
            codes = column.replace_strict(
                list(known), range(len(known)), default=len(known), return_dtype=pl.Int64
            )
            parts.append(np.eye(len(known) + 1)[codes.to_numpy()][:, :-1])
        return np.hstack(parts)


def likeness(
    train: pl.DataFrame, row: pl.Series, kinds: Mapping[str, FieldType], *, seed: int = 0
) -> Likeness:
    """Prepare training rows to be searched for those that are most like another row.

    Args:
        train: the inputs of the training rows.
        row: their UInt64 ids, which decide what is drawn of very many.
        kinds: the fields and what each is.
        seed: of what is drawn.

    >>> train = pl.DataFrame({"text": ["a red kettle", "tax law", "blue kettles"]})
    >>> made = likeness(train, pl.Series([1, 2, 3], dtype=pl.UInt64), {"text": "string"})
    >>> made.nearest(pl.DataFrame({"text": ["the tax laws"]}), 1)[0].tolist()
    [[1]]
    """
    places = np.arange(train.height, dtype=np.int64)
    if train.height > MOST:
        drawn = uniform(row, seed, "slices.nearest")
        places = np.sort(np.argpartition(drawn, MOST)[:MOST]).astype(np.int64)
    some = train[places]
    known = roles(some, kinds)
    bare = Roles(known.numbers, known.dates, (), known.categories)
    values = numbers(some, bare)
    # A column without any value counts as one of zeros.
    some_value = np.asarray(np.isfinite(values).any(axis=0), dtype=bool)
    safe = np.where(some_value, values, 0.0)
    middle, spread = np.nanmean(safe, axis=0), np.nanstd(safe, axis=0)
    coded = categories(some, bare)
    levels = tuple(_frequent(column) for column in coded.T)
    maker = _Maker(bare, middle, np.where(spread > 0, spread, 1.0), levels, known.texts)
    return Likeness(places, maker.vectors(some), maker)


def _frequent(column: npt.NDArray[np.object_]) -> tuple[str, ...]:
    counts = pl.Series("level", column.tolist(), dtype=pl.String).value_counts(name="rows")
    best = counts.sort("rows", "level", descending=[True, False]).head(LEVELS)
    return tuple(best["level"].to_list())


def _texts(rows: pl.DataFrame, fields: tuple[str, ...]) -> Floats32:
    from assay.embedding import embed

    joined = rows.select(
        pl.concat_str(
            [pl.col(name).cast(pl.String).str.head(TEXT) for name in fields],
            separator="\n",
            ignore_nulls=True,
        ).alias("text")
    )["text"]
    return embed(joined, dimensions=256)


def _random_fourier(table: npt.NDArray[np.float64], size: int = 256) -> Floats32:
    """Vectors of length 1 whose products estimate a Gaussian kernel of the distance.

    Reference: Rahimi & Recht (2007), Random Features for Large-Scale Kernel Machines, NIPS 20.
    """
    draw = np.random.Generator(np.random.PCG64(table.shape[1]))
    # Two rows drawn at random are about sqrt(2 k) apart in k standardised columns.
    width = np.sqrt(max(table.shape[1], 1))
    axes = draw.normal(size=(table.shape[1], size)) / width
    turned = table @ axes
    made = np.hstack([np.cos(turned), np.sin(turned)]) / np.sqrt(size)
    return np.asarray(made, dtype=np.float32)
