"""What reading one shard yields."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

_LONGEST_TEXT = 10_000
_REJECTS = {"line": pl.UInt64, "text": pl.String, "problem": pl.String}

Reject = tuple[int, str, str]


@dataclass(frozen=True)
class Loaded:
    """The rows of a shard, where they stood, and the lines that are no rows.

    `lines` holds for each row the 1-based physical line, counted from the shard's start, where
    its record starts (for Parquet and Arrow the row's number). `rejects` has the columns `line`,
    `text` (cut to 10,000 characters) and `problem`. `line_count` is the number of physical lines,
    so that a caller can add up where each shard begins. `notes` say what was not the ordinary.
    """

    rows: pl.DataFrame
    lines: pl.Series
    rejects: pl.DataFrame
    line_count: int
    notes: tuple[str, ...] = ()


def loaded(
    rows: pl.DataFrame,
    lines: Iterable[int] | np.ndarray[tuple[int], np.dtype[np.int64]],
    line_count: int,
    *,
    rejects: Iterable[Reject] = (),
    notes: Sequence[str | None] = (),
) -> Loaded:
    """Put a shard's parts together; texts of rejects are cut, missing notes left out."""
    cut = [(line, text[:_LONGEST_TEXT], problem) for line, text, problem in rejects]
    return Loaded(
        rows=rows,
        lines=pl.Series("line", lines, dtype=pl.UInt64),
        rejects=pl.DataFrame(sorted(cut), schema=_REJECTS, orient="row"),
        line_count=line_count,
        notes=tuple(note for note in notes if note),
    )


def count_lines(data: bytes) -> int:
    """Count physical lines; the last one needs no line end.

    >>> count_lines(b"a\\nb"), count_lines(b"a\\nb\\n"), count_lines(b"")
    (2, 2, 0)
    """
    return data.count(b"\n") + bool(data and not data.endswith(b"\n"))


def with_columns(
    rows: pl.DataFrame, columns: Sequence[str] | None, kind: pl.DataType
) -> pl.DataFrame:
    """Bring rows to the columns asked for; an absent one is all null."""
    if columns is None:
        return rows
    absent = [pl.lit(None, dtype=kind).alias(name) for name in columns if name not in rows.columns]
    # By item, since a name such as `*` would be taken for several columns.
    return rows.with_columns(absent)[list(columns)] if columns else rows.select([])
