"""What is new at a source that is watched, told apart from what was there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assay.places import Delta, Iceberg, Sql, is_place, place

__all__ = ["arrived"]


def arrived(
    source: Any,
    looks: dict[str, Path],
    new: Sequence[str],
    last: Mapping[str, Any],
    state: dict[str, Any],
) -> tuple[Any, str]:
    """What there is to monitor, and what to call it; None where nothing is new.

    Args:
        source: what is watched.
        looks: every file of it, by its name; of a query its chunks, of a table its copy.
        new: names of the files whose content is new.
        last: what was noted when the source was last built.
        state: what is to be noted now, which this adds to.
    """
    asked = place(source) if is_place(source) else None
    paths = [looks[name] for name in new]
    if isinstance(asked, Sql):
        return _beyond(looks, paths, str(asked.key), last, state)
    if isinstance(asked, Delta | Iceberg):
        (copy,) = looks.values()
        state["copy"] = str(copy)
        return _added(copy, last.get("copy"))
    return (paths, _listed(new)) if paths else (None, "")


def _beyond(
    looks: dict[str, Path],
    paths: Sequence[Path],
    key: str,
    last: Mapping[str, Any],
    state: dict[str, Any],
) -> tuple[Any, str]:
    """The rows beyond the last key; a chunk that was filled up has old rows too."""
    final = pl.read_parquet(looks[next(reversed(looks))], columns=[key]).tail(1)
    state["last"] = final.write_json()
    rows = pl.concat(map(pl.read_parquet, paths), how="diagonal_relaxed") if paths else None
    if rows is None or "last" not in last:
        return None, ""
    edge = pl.read_json(last["last"].encode(), schema={key: rows.schema[key]})
    rows = rows.filter(pl.col(key) > edge[key][0])
    return (rows, f"{rows.height:,} rows at {_now()}") if rows.height else (None, "")


def _added(copy: Path, former: str | None) -> tuple[Any, str]:
    """The rows of a table that its version before had not, or all where that cannot be told.

    A row is known by its content: one that was changed is new, and of equal rows as many are new
    as there are more of them.
    """
    rows = pl.read_parquet(copy)
    every = f"all {rows.height:,} rows at {_now()}, since %s"
    if former is None or not Path(former).exists():
        return rows, every % "the copy of the version before is gone"
    before = pl.read_parquet(former)
    if before.schema != rows.schema:
        return rows, every % "the columns have changed"
    try:
        ours, theirs = _numbered(rows), _numbered(before)
    except pl.exceptions.PolarsError:
        return rows, every % "rows with such columns cannot be compared"
    kept = ours.with_row_index("row").join(theirs, on=ours.columns, how="anti")
    fresh = rows[kept["row"].sort()]
    return (fresh, f"{fresh.height:,} new rows at {_now()}") if fresh.height else (None, "")


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    """The hash of every row, and the row's number among those of its content."""
    # Of codes the hash is another one in every file.
    coded = [name for name, kind in rows.schema.items() if isinstance(kind, pl.Categorical)]
    hashes = rows.cast(dict.fromkeys(coded, pl.String)).hash_rows().alias("hash")
    return hashes.to_frame().with_columns(number=pl.int_range(pl.len()).over("hash"))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _listed(new: Sequence[str]) -> str:
    return ", ".join(new[:3]) + (f" and {len(new) - 3} more" if len(new) > 3 else "")
