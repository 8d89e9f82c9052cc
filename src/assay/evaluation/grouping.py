"""Held-out rows that belong together, as the split that held them out kept them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assay.evaluation.values import labels
from assay.version import Version

_BETWEEN = "\x1f"


def group_columns(version: Version) -> list[str]:
    """The columns by which a version's split kept rows together; none where it did not."""
    steps = version.manifest["steps"]
    split: Mapping[str, Any] = next(
        (step for step in steps if step["step"].startswith("split.")), {}
    )
    named = split.get("parameters", {}).get("groups") or ()
    return [name for name in named if name in version.manifest["fields"]]


def groups_of(rows: pl.DataFrame, columns: Sequence[str]) -> pl.Series | None:
    """What keeps rows together: rows that are equal in all columns; null where all are null.

    >>> rows = pl.DataFrame({"buyer": ["a", "b", "a", None], "day": [1, 1, 1, None]})
    >>> found = groups_of(rows, ["buyer", "day"])
    >>> found.name, found[0] == found[2], found[0] == found[1], found[3]
    ('buyer, day', True, False, None)
    >>> groups_of(rows, []) is None
    True
    """
    if not columns:
        return None
    parts = pl.DataFrame([labels(rows[name]).alias(name) for name in columns])
    joined = pl.concat_str(pl.all().fill_null(""), separator=_BETWEEN)
    empty = pl.all_horizontal(pl.all().is_null())
    return parts.select(pl.when(~empty).then(joined).alias(", ".join(columns))).to_series()
