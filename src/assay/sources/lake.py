"""Delta Lake and Iceberg tables, as they were at one version.

A version never changes, so its copy is named by the table's own id and the version's number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import xxhash

from assay.errors import MissingExtra, SourceError
from assay.places import Delta, Iceberg
from assay.sources import spool
from assay.sources._refusals import translated
from assay.sources.files import Plain
from assay.sources.outside import expanded
from assay.urls import hidden, is_url


def read(asked: Delta | Iceberg, place: Path, shard_bytes: int) -> list[Plain]:
    """Copy a table at a version into a file in the folder `place`.

    Raises:
        SourceError: there is no such table or version, or it holds no rows.
        StorageError: the copy cannot be written.
        MissingExtra: the table format's library is not installed.
    """
    where, at, how, batches = _delta(asked) if isinstance(asked, Delta) else _iceberg(asked)
    key = xxhash.xxh3_128_hexdigest(f"{how}\0{shard_bytes}".encode())
    with _explained(where):
        path = spool.made(
            place, key, ".parquet", lambda draft: _write(batches(), draft, shard_bytes, where)
        )
    return [Plain(path, where, "parquet", at=at)]


_LIBRARIES = ("deltalake", "_internal", "pyiceberg", "pyarrow")
_Opened = tuple[str, str, str, Callable[[], Iterable[pa.RecordBatch]]]


def _delta(asked: Delta) -> _Opened:
    """Where it is, which version that is, what names that version's content, and its rows."""
    try:
        from deltalake import DeltaTable
    except ImportError:
        raise MissingExtra("lake", "A Delta Lake table") from None
    url = expanded(asked.delta)
    where = hidden(url)
    _require_folder(url, "_delta_log", "Delta Lake")
    with _explained(where):
        table = DeltaTable(url, version=asked.version)
        version = table.version()
        how = f"delta\0{table.metadata().id}\0{version}"
    return where, f"Delta version {version}", how, lambda: table.to_pyarrow_dataset().to_batches()


def _iceberg(asked: Iceberg) -> _Opened:
    try:
        from pyiceberg.catalog import load_catalog
        from pyiceberg.table import StaticTable
    except ImportError:
        raise MissingExtra("lake", "An Iceberg table") from None
    url = expanded(asked.iceberg)
    where = hidden(url)
    with _explained(where):
        if asked.catalog is not None:
            table: Any = load_catalog(asked.catalog).load_table(url)
        else:
            table = StaticTable.from_metadata(_metadata(url))
        current = table.current_snapshot()
        number = asked.snapshot or (current.snapshot_id if current else None)
        known = [one.snapshot_id for one in table.snapshots()]
        if number not in known:
            raise SourceError(
                "This table has no such snapshot." if known else "This table holds no rows yet.",
                where=where,
                received=asked.snapshot,
                allowed=known,
            )
        how = f"iceberg\0{table.metadata.table_uuid}\0{number}"
    scan = table.scan(snapshot_id=number)
    return where, f"Iceberg snapshot {number}", how, scan.to_arrow_batch_reader


def _require_folder(url: str, log: str, kind: str) -> None:
    path = Path(url.removeprefix("file://")).expanduser()
    if is_url(url) and not url.startswith("file://"):
        return
    if not path.is_dir():
        raise SourceError("There is no such folder.", where=url)
    if not (path / log).is_dir():
        raise SourceError(
            f"This folder is no {kind} table: it has no {log}.",
            where=url,
            hint="a folder of plain files is read by `source: FOLDER`",
        )


def _metadata(url: str) -> str:
    """The metadata file of a table: the one named, or the newest of its folder."""
    if url.endswith(".json") or (is_url(url) and not url.startswith("file://")):
        return url
    _require_folder(url, "metadata", "Iceberg")
    folder = Path(url.removeprefix("file://")).expanduser() / "metadata"
    files = sorted(folder.glob("*.metadata.json"), key=lambda path: _number(path.name))
    if not files:
        raise SourceError("This Iceberg table has no metadata file.", where=str(folder))
    return str(files[-1])


def _number(name: str) -> tuple[int, str]:
    """`00003-….metadata.json` and `v3.metadata.json` are the third."""
    digits = name.removeprefix("v").partition(".")[0].partition("-")[0]
    return (int(digits) if digits.isdigit() else -1, name)


def _write(batches: Iterable[pa.RecordBatch], draft: Path, shard_bytes: int, where: str) -> None:
    """Write batches as row groups of about one shard."""
    import pyarrow.parquet as pq

    writer: Any = None
    waiting: list[pa.RecordBatch] = []
    size = rows = 0

    def flush() -> None:
        nonlocal writer, size
        table = pa.Table.from_batches(waiting)
        writer = writer or pq.ParquetWriter(draft, table.schema, compression="zstd")
        writer.write_table(table, row_group_size=max(1, table.num_rows))
        waiting.clear()
        size = 0

    try:
        for batch in batches:
            if not batch.num_rows:
                continue
            waiting.append(batch)
            size, rows = size + batch.nbytes, rows + batch.num_rows
            if size >= shard_bytes:
                flush()
        if waiting:
            flush()
    finally:
        if writer is not None:
            writer.close()
    if not rows:
        raise SourceError("This table holds no rows at this version.", where=where)


def _explained(where: str) -> AbstractContextManager[None]:
    """Turn what the libraries say into one error that names the table."""
    also = (FileNotFoundError, ValueError, NotImplementedError)
    return translated(_LIBRARIES, also, lambda error: _told(error, where))


def _told(error: Exception, where: str) -> SourceError:
    first = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return SourceError(
        f"This table cannot be read: {first[:300].rstrip('.')}.",
        where=where,
        hint="look whether the table, the version and the credentials are right",
    )
