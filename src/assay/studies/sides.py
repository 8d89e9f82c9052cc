"""A version seen with other sides than its own: which rows a model learns from and is judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from assay.cache import Cache
from assay.rows import ROW_ID
from assay.version import Version

SIDE = "split"
SIDES = ("train", "validation", "test")


class Sides(Protocol):
    """Says on which side each row is; small, so that it can be sent to any worker."""

    def plain(self) -> list[Any]:
        """What decides it, as plain values for a cache key."""
        ...

    def of(self, version: Version, cache: Cache) -> pl.DataFrame:
        """`row_id` and `split` (`train`, `validation`, `test`) of the rows that take part."""
        ...


@dataclass(frozen=True, eq=False)
class Redealt(Version):
    """A version whose rows are on other sides; nothing is written.

    Attributes:
        sides: `row_id` and `split` of the rows that take part.
    """

    sides: pl.DataFrame = field(default_factory=pl.DataFrame)

    @property
    def splits(self) -> dict[str, int]:
        """Rows on each side."""
        counts = dict(self.sides[SIDE].value_counts().iter_rows())
        return {side: counts[side] for side in SIDES if side in counts}

    def scan(self, split: str | None = None) -> pl.LazyFrame:
        """The rows of one side or of all that take part, as a lazy frame."""
        sides = self.sides if split is None else self.sides.filter(pl.col(SIDE) == split)
        return super().scan().join(sides.lazy().select(ROW_ID), on=ROW_ID, how="semi")


@dataclass(frozen=True)
class Relabelled:
    """The version's own splits under other names.

    Attributes:
        names: a split of the version, and the side that its rows are on here.
    """

    names: tuple[tuple[str, str], ...]

    def plain(self) -> list[Any]:
        """The names."""
        return ["relabelled", *(list(pair) for pair in self.names)]

    def of(self, version: Version, cache: Cache) -> pl.DataFrame:
        """The rows of the named splits."""
        parts = [
            version.scan(split).select(ROW_ID).collect().with_columns(pl.lit(side).alias(SIDE))
            for split, side in self.names
            if version.splits.get(split)
        ]
        return pl.concat(parts)


def relabelled(names: Mapping[str, str]) -> Relabelled:
    """The version's own splits under other names.

    >>> relabelled({"train": "train", "validation": "test"}).plain()
    ['relabelled', ['train', 'train'], ['validation', 'test']]
    """
    return Relabelled(tuple(names.items()))
