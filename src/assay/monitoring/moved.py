"""The rows that moved most, as they may be shown: personal data is masked or left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from assay.errors import MissingExtra
from assay.rows import ROW_ID
from assay.steps._personal import masked
from assay.steps._shapes import KINDS

MOST = 20
LONGEST = 300  # characters of a value


def shown(moved: pl.DataFrame, sample: pl.DataFrame, kinds: Mapping[str, str]) -> list[Any]:
    """The surest rows with their fields.

    Where the libraries that find personal data are not installed, only numbers are shown.

    Args:
        moved: `row_id` and `score`, the surest first.
        sample: `row_id` and fields of the batch's rows, as a profile keeps them.
        kinds: what each field is: `number`, `category`, `boolean` or `text`.

    >>> moved = pl.DataFrame({"row_id": ["a"], "score": [0.9]})
    >>> sample = pl.DataFrame({"row_id": ["a"], "note": ["write to jo@example.com"], "n": [3.0]})
    >>> shown(moved, sample, {"note": "text", "n": "number"})[0]["fields"]
    {'note': 'write to <email>', 'n': 3.0}
    """
    if not moved.height or not sample.height:
        return []
    columns = [name for name in kinds if name in sample.columns]
    first = moved.select(ROW_ID, "score").head(MOST)
    rows = first.join(sample.unique(ROW_ID), on=ROW_ID, how="left", maintain_order="left")
    try:
        safe = {name: _masked(rows[name]) for name in columns}
    except MissingExtra:
        safe = {name: rows[name] for name in columns if kinds[name] == "number"}
    return [
        {"row_id": row_id, "score": score,
         "fields": {name: column[place] for name, column in safe.items()
                    if column[place] is not None}}
        for place, (row_id, score) in enumerate(first.iter_rows())
    ]  # fmt: skip


def _masked(values: pl.Series) -> pl.Series:
    """The values, as texts where one of them holds personal data."""
    texts = values.cast(pl.String).str.slice(0, 4 * LONGEST)
    safe, found = masked(texts, KINDS, lambda kind, _: f"<{kind}>")
    return values if not found.height and values.dtype.is_numeric() else safe.str.slice(0, LONGEST)
