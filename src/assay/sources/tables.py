"""Parquet and Arrow files to rows with their native types, a few row groups at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from assay.errors import SourceError
from assay.sources.dialect import distinct
from assay.sources.loaded import Loaded, loaded, with_columns


def cut(path: Path, kind: str, shard_bytes: int) -> list[tuple[int, int]]:
    """Group the row groups of a Parquet file, or the batches of an Arrow file, to about one size.

    Raises:
        SourceError: the file is damaged or is not of this kind.
    """
    with _open(path, kind) as file:
        if kind == "parquet":
            metadata = file.metadata
            sizes = [
                metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups)
            ]
        else:
            sizes = [file.get_batch(at).nbytes for at in range(file.num_record_batches)]
    ranges: list[tuple[int, int]] = []
    start = total = 0
    for at, size in enumerate(sizes):
        total += size
        if total >= shard_bytes:
            ranges.append((start, at + 1))
            start, total = at + 1, 0
    if start < len(sizes) or not ranges:
        ranges.append((start, len(sizes)))
    return ranges


def load(
    path: Path, kind: str, start: int, stop: int, columns: Sequence[str] | None = None
) -> Loaded:
    """Read row groups or batches; dictionary-encoded text comes as text.

    Raises:
        SourceError: the file is damaged or is not of this kind.
    """
    with _open(path, kind) as file, _explained(path, kind):
        schema = file.schema_arrow if kind == "parquet" else file.schema
        names, notes = distinct(schema.names)
        doubled = len(set(schema.names)) < len(schema.names)
        keep = [at for at, name in enumerate(names) if columns is None or name in columns]
        if kind == "parquet":
            # A doubled name cannot be asked for alone.
            wanted = None if doubled else [schema.names[at] for at in keep]
            table = file.read_row_groups(list(range(start, stop)), columns=wanted)
            table = table.select(keep) if doubled else table
            height = sum(file.metadata.row_group(at).num_rows for at in range(start, stop))
        else:
            batches = [file.get_batch(at) for at in range(start, stop)]
            table = pa.Table.from_batches(batches, schema=schema).select(keep)
            height = table.num_rows
        rows = _native(table.rename_columns([names[at] for at in keep]))
    return loaded(with_columns(rows, columns, pl.Null()), range(1, height + 1), height, notes=notes)


def _native(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    coded = [
        name for name, kind in frame.schema.items() if isinstance(kind, pl.Categorical | pl.Enum)
    ]
    return frame.with_columns(pl.col(coded).cast(pl.String)) if coded else frame


def survey(path: Path, start: int, stop: int) -> dict[str, frozenset[str]]:
    """Say what each column of some row groups holds, and read those that the file says not.

    Raises:
        SourceError: the file is damaged.
    """
    with _open(path, "parquet") as file, _explained(path, "parquet"):
        names, _ = distinct(file.schema_arrow.names)
        groups = [file.metadata.row_group(at) for at in range(start, stop)]
        # A nested column has other paths below it, one of a doubled name another name here.
        leaves = [file.schema.column(at).path for at in range(len(file.schema))]
        nulls = {path: _nulls(groups, at) for at, path in enumerate(leaves) if path in names}
        # `schema.empty_table` would load pandas, where it is installed.
        nothing = pa.Table.from_batches([], schema=file.schema_arrow)
        types = _native(nothing.rename_columns(names)).schema
    told = {
        name: _kinds(types[name], count, sum(group.num_rows for group in groups))
        for name, count in nulls.items()
        if count is not None and leaves.count(name) == 1 and not types[name].is_nested()
    }
    rest = [name for name in names if name not in told]
    read = kinds(load(path, "parquet", start, stop, rest).rows) if rest else {}
    return {name: told[name] if name in told else read[name] for name in names}


def _nulls(groups: Sequence[Any], at: int) -> int | None:
    """How many values of a column are null, if the file says so for all its row groups."""
    told = [group.column(at).statistics for group in groups]
    if any(one is None or not one.has_null_count for one in told):
        return None
    return sum(int(one.null_count) for one in told)


def kinds(rows: pl.DataFrame) -> dict[str, frozenset[str]]:
    """Say what each column of a typed frame holds.

    >>> sorted(kinds(pl.DataFrame({"a": [1.5, None]}))["a"])
    ['null', 'number']
    """
    return {
        name: _kinds(values.dtype, values.null_count(), rows.height)
        for name, values in rows.to_dict().items()
    }


def _kinds(dtype: pl.DataType, nulls: int, height: int) -> frozenset[str]:
    found = {"null"} if nulls else set()
    if nulls < height:
        found.add(_kind(dtype))
    return frozenset(found)


def _kind(kind: pl.DataType) -> str:
    if kind.is_integer():
        return "integer"
    if kind.is_numeric():
        return "number"
    if isinstance(kind, pl.Datetime | pl.Date):
        return "datetime"
    if kind == pl.Boolean:
        return "boolean"
    if isinstance(kind, pl.List | pl.Array):
        return "list"
    return "object" if isinstance(kind, pl.Struct | pl.Object) else "string"


def fingerprint(path: Path, kind: str, start: int, stop: int) -> str:
    """Hash the stored bytes of row groups, or the serialized batches, with the schema."""
    state = xxhash.xxh3_128()
    with _open(path, kind) as file, _explained(path, kind):
        if kind == "parquet":
            state.update(file.schema_arrow.serialize().to_pybytes())
            with path.open("rb") as raw:
                for at in range(start, stop):
                    _hash_group(file.metadata.row_group(at), raw, state)
        else:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, file.schema) as stream:
                for at in range(start, stop):
                    stream.write_batch(file.get_batch(at))
            state.update(sink.getvalue())
    return state.hexdigest()


def _hash_group(group: Any, raw: Any, state: xxhash.xxh3_128) -> None:
    for at in range(group.num_columns):
        column = group.column(at)
        begin = column.data_page_offset
        if column.has_dictionary_page and column.dictionary_page_offset is not None:
            begin = min(begin, column.dictionary_page_offset)
        raw.seek(begin)
        state.update(raw.read(column.total_compressed_size))


def write_parquet(table: pa.Table, path: Path, shard_bytes: int) -> None:
    """Write a table in row groups of about one shard, so that it can be cut again."""
    rows = max(1, int(table.num_rows * shard_bytes / max(table.nbytes, 1)))
    pq.write_table(table, path, row_group_size=min(rows, 1 << 20), compression="zstd")


def _open(path: Path, kind: str) -> Any:
    with _explained(path, kind):
        if kind == "parquet":
            return pq.ParquetFile(path)
        return pa.ipc.open_file(pa.memory_map(str(path)))


class _explained:  # noqa: N801 - reads as a clause: `with _explained(path, kind)`
    """Turn Arrow's complaints into one that names the file."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        if isinstance(error, pa.ArrowException | OSError):
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise SourceError(
                f"This {self.kind} file cannot be read: {first}", where=str(self.path)
            ) from None
