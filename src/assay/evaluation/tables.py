"""Tables of truth and predictions, from files and from frames of other libraries."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from assay.errors import PredictionsError


def read_table(source: Any) -> pl.DataFrame:
    """A table from a path or from a pandas, Polars or Arrow frame; columns keep their types.

    Raises:
        PredictionsError: it is none of these, or lines of the file cannot be read.
        SourceError: the file is missing or unreadable.

    >>> read_table({"id": [1, 2], "prediction": [0.5, 0.7]}).shape
    (2, 2)
    """
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if isinstance(source, str | Path):
        return _from_file(Path(source))
    if isinstance(source, Mapping):
        return pl.DataFrame(dict(source))
    if hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(source)
    if isinstance(source, Sequence) and all(isinstance(row, Mapping) for row in source):
        return pl.DataFrame(list(source), infer_schema_length=None)
    raise PredictionsError(
        "This is not a table.",
        received=type(source).__name__,
        allowed="a path to CSV, JSONL or Parquet; a pandas, Polars or Arrow frame",
    )


def name_of(source: Any, otherwise: str) -> str:
    """What to call a table: its file's stem, or another name where it is no file.

    >>> name_of("runs/gpt.csv.gz", "model 1"), name_of({}, "model 1")
    ('gpt', 'model 1')
    """
    return Path(source).name.partition(".")[0] if isinstance(source, str | Path) else otherwise


def _from_file(path: Path) -> pl.DataFrame:
    from assay.recipe import Read
    from assay.sources.shards import load, locate

    with tempfile.TemporaryDirectory() as spool:
        parts = [load(shard) for shard in locate(str(path), Read(), Path(spool))]
    rejects = [part.rejects for part in parts if part.rejects.height]
    if rejects:
        first = rejects[0].row(0, named=True)
        raise PredictionsError(
            f"{sum(frame.height for frame in rejects):,} lines cannot be read: {first['problem']}.",
            where=f"{path}:{first['line']}",
            received=first["text"],
        )
    if not parts:
        raise PredictionsError("The file holds no rows.", where=str(path))
    whole: pl.DataFrame = pl.concat([part.rows for part in parts], how="diagonal_relaxed")
    return whole
