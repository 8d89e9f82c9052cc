"""How far the fields of two versions lie apart, as effect sizes from 0 (alike) to 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.version import Version

Floats = npt.NDArray[np.float64]
DISTANCES = {
    "number": "Kolmogorov-Smirnov distance",
    "category": "total variation distance",
    "text": "Kolmogorov-Smirnov distance of lengths",
}


@dataclass(frozen=True)
class Effect:
    """One field in two versions.

    Attributes:
        field: its name.
        kind: `number` (dates too), `category` (booleans too) or `text`.
        distance: the largest difference of the shares below any value; of categories, the share of
            rows that would have to change; of texts, as of numbers for their lengths. None where
            a version has no value at all.
        mean: of numbers and of texts' lengths, before and after.
        missing: the share of rows without a value, before and after.
        values: of categories, those whose share changed most: value, share before, share after.
    """

    field: str
    kind: str
    distance: float | None
    mean: tuple[float | None, float | None]
    missing: tuple[float, float]
    values: tuple[tuple[str, float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "field": self.field,
            "kind": self.kind,
            "distance": {"name": DISTANCES[self.kind], "value": self.distance},
            "mean": list(self.mean),
            "missing": list(self.missing),
            "values": [list(one) for one in self.values],
        }

    @property
    def size(self) -> float:
        """By which fields are ranked: the distance, or what more or less is missing."""
        return max(self.distance or 0.0, abs(self.missing[1] - self.missing[0]))


def effect(a: Version, b: Version, field: str) -> Effect:
    """How far a field of two versions lies apart over all their rows.

    One column is read at a time; of texts only the lengths are held.
    """
    profiles = [version.manifest["fields"][field] for version in (a, b)]
    rows = [sum(version.splits.values()) for version in (a, b)]
    shares = [
        one["null"] / count if count else 0.0 for one, count in zip(profiles, rows, strict=True)
    ]
    missing = (shares[0], shares[1])
    kinds = {_kind(one["type"]) for one in profiles}
    kind = kinds.pop() if len(kinds) == 1 else "text"
    asked = pl.col(field).str.len_chars() if kind == "text" else pl.col(field)
    if kind == "text" and {one["type"] for one in profiles} != {"string"}:
        return Effect(field, kind, None, (None, None), missing)
    columns = [
        # Piece by piece, so that no column of texts is ever held.
        version.scan().select(asked).collect(engine="streaming")[field].drop_nulls()
        for version in (a, b)
    ]
    if kind == "category":
        apart, values = _mixes_apart(*(column.cast(pl.String) for column in columns))
        return Effect(field, kind, apart, (None, None), missing, values)
    numbers = [column.to_physical().cast(pl.Float64).drop_nans().to_numpy() for column in columns]
    dates = columns[0].dtype.is_temporal()
    averages = [float(one.mean()) if len(one) and not dates else None for one in numbers]
    apart = ks_distance(*numbers) if all(map(len, numbers)) else None
    return Effect(field, kind, apart, (averages[0], averages[1]), missing)


def ks_distance(a: Floats, b: Floats) -> float:
    """The largest difference of two samples' shares at or below any value.

    >>> ks_distance(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.5
    """
    a, b = np.sort(a), np.sort(b)
    at = np.concatenate([a, b])
    below = (np.searchsorted(x, at, side="right") / len(x) for x in (a, b))
    return float(np.abs(np.subtract(*below)).max())


def _kind(type_: str) -> str:
    if type_ in ("integer", "number", "datetime", "date"):
        return "number"
    return "category" if type_ in ("category", "boolean") else "text"


def _mixes_apart(
    a: pl.Series, b: pl.Series
) -> tuple[float | None, tuple[tuple[str, float, float], ...]]:
    if not len(a) or not len(b):
        return None, ()
    mixes = [
        one.alias("value").value_counts(name="rows").with_columns(pl.col("rows") / len(one))
        for one in (a, b)
    ]
    both = (
        mixes[0].join(mixes[1], on="value", how="full", coalesce=True, suffix="_b").fill_null(0.0)
    )
    both = both.with_columns((pl.col("rows_b") - pl.col("rows")).abs().alias("by"))
    most = both.filter(pl.col("by") > 0).sort("by", "value", descending=[True, False]).head(5)
    values = most.select("value", "rows", "rows_b").rows()
    return float(both["by"].sum()) / 2, tuple(values)
