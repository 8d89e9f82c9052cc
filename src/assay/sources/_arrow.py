"""What databases give as Arrow, in types that everything else reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.sources.frames import table as as_table


def plain(table: pa.Table) -> pa.Table:
    """Types of the database that Arrow has no own one for, as text."""
    arrays = [_plain_column(table.column(at)) for at in range(table.num_columns)]
    renamed = as_table(pa.Table.from_arrays(arrays, names=table.column_names))
    assert renamed is not None
    return renamed


def _plain_column(column: Any) -> Any:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return _texts(column)
        column = pa.chunked_array([one.storage for one in column.chunks], kind.storage_type)
        kind = kind.storage_type
    if pa.types.is_interval(kind) or pa.types.is_duration(kind):
        return _texts(column)
    return column


def _texts(column: Any) -> Any:
    # Few columns are of such types, and Arrow has no cast for them.
    return pa.array([None if one is None else str(one) for one in column.to_pylist()], pa.string())


def joined(tables: list[pa.Table]) -> pa.Table:
    """One table of batches whose types may differ: a column of nulls, one of several kinds."""
    try:
        return pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        kinds = [{name: one.schema.field(name).type for name in one.column_names} for one in tables]
        mixed = {name for name in kinds[0] if len({str(one[name]) for one in kinds}) > 1}
        return pa.concat_tables([_as_text(one, mixed) for one in tables]).combine_chunks()


def _as_text(table: pa.Table, names: set[str]) -> pa.Table:
    for name in names:
        at = table.column_names.index(name)
        table = table.set_column(at, name, table.column(name).cast(pa.string()))
    return table


def columns_of(path: Path) -> list[tuple[str, str]]:
    """The names and types of a Parquet file's columns."""
    import pyarrow.parquet as pq

    return typed(pq.read_schema(path))


def typed(schema: Any) -> list[tuple[str, str]]:
    """The names and types of a schema's columns."""
    return [(one.name, str(one.type)) for one in schema]
