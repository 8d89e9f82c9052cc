"""Frames and arrays in memory to Arrow tables."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa

from assay.sources.dialect import distinct
from assay.sources.documents import line


def table(data: Any) -> pa.Table | None:
    """An Arrow table of a pandas, Polars or Arrow frame, or of an array; None for anything else.

    A named index of a pandas frame becomes columns; columns of mixed Python objects become text,
    lists and mappings in them JSON.

    >>> table(pl.DataFrame({"a": [1]})).column_names
    ['a']
    """
    home = type(data).__module__.partition(".")[0]
    if home in ("polars", "pandas", "numpy"):
        return {"polars": _polars, "pandas": _pandas, "numpy": _numpy}[home](data)
    if isinstance(data, pa.RecordBatch):
        data = pa.Table.from_batches([data])
    elif not isinstance(data, pa.Table) and hasattr(data, "__arrow_c_stream__"):
        data = pa.table(data)
    if isinstance(data, pa.Table):
        return data.rename_columns(list(distinct(data.column_names)[0]))
    return None


def _polars(data: Any) -> pa.Table | None:
    if isinstance(data, pl.LazyFrame):
        data = data.collect()
    if isinstance(data, pl.Series):
        data = data.to_frame(data.name or "value")
    if not isinstance(data, pl.DataFrame):
        return None
    objects = [name for name, kind in data.schema.items() if kind == pl.Object]
    # Python objects in a Polars frame have no Arrow form; only such columns are walked through.
    texts = [pl.Series(name, [_text(value) for value in data[name]], pl.String) for name in objects]
    return data.with_columns(texts).to_arrow()


def _pandas(data: Any) -> pa.Table | None:
    import pandas as pd

    if isinstance(data, pd.Series):
        data = data.to_frame(data.name if data.name is not None else "value")
    if not isinstance(data, pd.DataFrame):
        return None
    if any(name is not None for name in data.index.names):
        data = data.reset_index()
    names, _ = distinct(_name(name) for name in data.columns)
    columns = [_column(data.iloc[:, at]) for at in range(data.shape[1])]
    return pa.Table.from_arrays(columns, names=list(names))


def _name(name: object) -> str:
    return ".".join(map(str, name)) if isinstance(name, tuple) else str(name)


def _column(values: Any) -> Any:
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        # Objects of several kinds in one column: as text, like a column of JSON.
        missing = values.isna()
        texts = [
            None if gone is True else _text(value)
            for value, gone in zip(values, missing, strict=True)
        ]
        return pa.array(texts, pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return line(value).decode()


def _numpy(data: Any) -> pa.Table | None:
    if data.ndim == 0:
        return None
    if data.dtype.names:
        return pa.table({name: pa.array(data[name]) for name in data.dtype.names})
    flat = data.reshape(len(data), -1) if data.ndim != 1 else data.reshape(-1, 1)
    if data.dtype == object and data.ndim == 1:
        return None
    return pa.table({f"column_{at + 1}": pa.array(flat[:, at]) for at in range(flat.shape[1])})
