"""A source to shards, a shard to rows.

A source is a file, a glob, a folder, a URL, a list of them, a query, a table with versions, a
dataset of a hub, or a frame in memory. It is cut into shards:
byte ranges of CSV and JSONL, row groups of Parquet, batches of Arrow. Whatever cannot be cut is
written once as a plain file first. A shard is small, can be pickled, and is read on its own.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xxhash

from assay.errors import SourceError
from assay.places import Hub, Place, Sql, is_place, place
from assay.recipe import Read
from assay.sources import csv, cut, files, hub, jsonl, outside, spool, tables
from assay.sources.dialect import sniff
from assay.sources.grammar import Dialect
from assay.sources.loaded import Loaded
from assay.sources.text import is_utf8, mark, to_utf8
from assay.urls import is_url

__all__ = [
    "Dialect",
    "Loaded",
    "Shard",
    "fingerprint",
    "is_here",
    "load",
    "locate",
    "present",
    "survey",
]

SHARD_BYTES = 32 * 1024 * 1024
_PIECE = 256 * 1024


@dataclass(frozen=True)
class Shard:
    """A piece of a source: a byte range of text, or row groups of Parquet, or Arrow's batches.

    `name` is how the file is called where it came from, `path` where its bytes are now. `notes`
    say what was found out about the file; its first shard carries them. `at` says which version of
    a place outside this machine the file is a copy of, `kept` what else lies beside it for that.
    """

    path: str
    name: str
    format: str
    start: int
    stop: int
    dialect: Dialect | None = None
    notes: tuple[str, ...] = ()
    at: str = ""
    kept: tuple[str, ...] = ()


def locate(source: Any, read: Read, spool: Path, *, shard_bytes: int = SHARD_BYTES) -> list[Shard]:
    """Find the files of a source and cut them into shards, in the order of their names.

    The cuts depend on the bytes and on `shard_bytes` alone. Compressed files, JSON arrays,
    pickles, UTF-16 and frames are written once into the folder `spool`.

    Raises:
        SourceError: the source is missing, empty, damaged or of a kind that is not read.
        StorageError: `spool` cannot be written to.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> shard, = locate([{"a": 1}, {"a": 2}], Read(), folder)
    >>> shard.format, load(shard).rows["a"].to_list()
    ('jsonl', ['1', '2'])
    """
    if shard_bytes < 1:
        raise SourceError("A shard holds at least one byte.", received=shard_bytes)
    if is_place(source):
        plains = _of_place(place(source), spool, shard_bytes)
        return [shard for plain in plains for shard in _cut(plain, read, shard_bytes)]
    if files.is_data(source):
        plain = files.remembered(source, type(source).__name__, spool, shard_bytes)
        return _cut(plain, read, shard_bytes)
    shards: list[Shard] = []
    empty: list[str] = []
    for one in _found(outside.expanded(source), spool):
        plains = files.plain(one.path, one.name, read, spool, shard_bytes)
        empty += [] if plains else [one.name]
        kept = () if one.path.parent != spool else (one.path.name,)
        for plain in plains:
            shards += _cut(replace(plain, at=one.at, kept=kept), read, shard_bytes)
    if not shards:
        raise SourceError("There is nothing in this source; it is empty.", where=", ".join(empty))
    if empty:
        said = f"left out because empty: {', '.join(empty)}"
        shards[0] = replace(shards[0], notes=(*shards[0].notes, said))
    return shards


def present(source: Any, spool: Path) -> list[tuple[Path, str]]:
    """The files that a source is read from, each with its name; brought here if it lies elsewhere.

    What its place says has not changed is not fetched again: an object by its tag, a file of the
    web by its tag, a dataset by its commit, a table by its version, rows by the database's hash.

    Raises:
        SourceError: there is nothing, or the place refuses.
        StorageError: `spool` cannot be written to.
    """
    if not is_place(source):
        return [(one.path, one.name) for one in _found(outside.expanded(source), spool)]
    asked = place(source)
    if isinstance(asked, Hub):
        return [(one.path, one.name) for one in hub.fetched(asked)]
    return [(one.path, one.name) for one in _of_place(asked, spool, SHARD_BYTES)]


def is_here(source: Any) -> bool:
    """Whether a source is files of this machine, which cost nothing to look at."""
    if is_place(source):
        return False
    items = [source] if isinstance(source, str | os.PathLike) else source
    return not any(_is_far(outside.expanded(os.fspath(item))) for item in items)


def _found(source: Any, spool: Path) -> list[outside.Found]:
    """The files of a source, those on this machine first, all others brought here."""
    items = [source] if isinstance(source, str | os.PathLike) else list(source)
    far = [os.fspath(item) for item in items if _is_far(item)]
    near = [item for item in items if not _is_far(item)]
    found = []
    if near or not far:
        given = near[0] if isinstance(source, str | os.PathLike) else near
        found = [outside.Found(path, name) for path, name in files.found(given)]
    for url in far:
        found += (
            hub.fetched(hub.address(url))
            if url.startswith("hf://")
            else outside.fetched(url, spool, files.endings())
        )
    return found


def _is_far(item: Any) -> bool:
    text = os.fspath(item)
    return is_url(text) and not text.startswith("file://")


def _of_place(source: Place, spool: Path, shard_bytes: int) -> list[files.Plain]:
    if isinstance(source, Sql):
        from assay.sources import sql

        return sql.read(source, spool, shard_bytes)
    if isinstance(source, Hub):
        read = [
            replace(plain, at=one.at)
            for one in hub.fetched(source)
            for plain in files.plain(one.path, one.name, Read(), spool, shard_bytes)
        ]
        if not read:
            raise SourceError("There is nothing in this dataset; it is empty.", where=source.hub)
        return read
    from assay.sources import lake

    return lake.read(source, spool, shard_bytes)


def _cut(plain: files.Plain, read: Read, shard_bytes: int) -> list[Shard]:
    dialect: Dialect | None = None
    notes = plain.notes
    with spool.readable(plain.path):
        if plain.format in ("parquet", "arrow"):
            ranges = tables.cut(plain.path, plain.format, shard_bytes)
        elif plain.format == "csv":
            dialect, said = _dialect(plain, read)
            notes = (*notes, *said)
            ranges = cut.cut(plain.path, dialect, quoted=True, shard_bytes=shard_bytes)
        else:
            with plain.path.open("rb") as file:
                head = mark(file.read(4))[1]
            dialect = Dialect(head=head, encoding=plain.encoding)
            ranges = cut.cut(plain.path, dialect, quoted=False, shard_bytes=shard_bytes)
    return [
        Shard(
            str(plain.path),
            plain.name,
            plain.format,
            start,
            stop,
            dialect,
            () if number else notes,
            plain.at,
            plain.kept,
        )
        for number, (start, stop) in enumerate(ranges)
    ]


def _dialect(plain: files.Plain, read: Read) -> tuple[Dialect, tuple[str, ...]]:
    sample = files.sample(plain.path)
    text, _ = to_utf8(sample, plain.encoding)
    dialect, notes = sniff(text, read, plain.name)
    with plain.path.open("rb") as file:
        begin = mark(file.read(4))[1]
    # The header's length was measured in UTF-8; in the file it ends after as many lines.
    header = text[: dialect.head]
    if header and not is_utf8(sample):
        lines = sample.split(b"\n")[: header.count(b"\n")]
        length = sum(len(line) + 1 for line in lines) if header.endswith(b"\n") else len(sample)
    else:
        length = len(header)
    return replace(dialect, head=begin + length, encoding=plain.encoding), notes


def fingerprint(shard: Shard) -> str:
    """Hash what a shard holds and how it is read (xxh3, 128 bits, hex); its place counts not.

    Raises:
        SourceError: the file is gone or damaged.
    """
    path = Path(shard.path)
    first = shard.start == 0
    if shard.format in ("parquet", "arrow"):
        with spool.readable(path):
            return tables.fingerprint(path, shard.format, shard.start, shard.stop)
    state = xxhash.xxh3_128(repr((shard.format, shard.dialect, first)).encode())
    # Piece by piece: what fits the processor's cache is hashed twice as fast, and takes no memory.
    left, piece = shard.stop - shard.start, memoryview(bytearray(_PIECE))
    with spool.readable(path), path.open("rb") as file:
        file.seek(shard.start)
        while left and (got := file.readinto(piece[: min(left, _PIECE)])):
            state.update(piece[:got])
            left -= got
    _whole(shard, left)
    return state.hexdigest()


def give_back() -> None:
    """Let the system have the memory of rows that were read and are not needed any more."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def survey(shard: Shard) -> dict[str, frozenset[str]]:
    """Every column of a shard and the kinds of its values, in order of first sight.

    Kinds are null, integer, number, boolean, string, datetime, list and object; those of CSV
    are read off the texts.

    Raises:
        SourceError: the file is gone or damaged.
    """
    if shard.format == "jsonl":
        data, _ = to_utf8(_body(shard), _of(shard).encoding)
        return jsonl.survey(data)
    if shard.format == "parquet":
        with spool.readable(Path(shard.path)):
            return tables.survey(Path(shard.path), shard.start, shard.stop)
    rows = load(shard).rows
    return csv.kinds(rows) if shard.format == "csv" else tables.kinds(rows)


def load(shard: Shard, columns: Sequence[str] | None = None) -> Loaded:
    """Read a shard's rows, all its columns or those named; an absent column is all null.

    From CSV and JSONL every column comes as text, from Parquet and Arrow in its own type. Lines
    that cannot be parsed are set aside in `rejects`.

    Raises:
        SourceError: the file is gone or damaged.
    """
    path = Path(shard.path)
    if shard.format in ("parquet", "arrow"):
        with spool.readable(path):
            found = tables.load(path, shard.format, shard.start, shard.stop, columns)
    elif shard.format == "csv":
        found = csv.load(_bytes(shard), _of(shard), columns, first=shard.start == 0)
    else:
        found = jsonl.load(_body(shard), _of(shard).encoding, columns)
    return replace(found, notes=(*shard.notes, *found.notes)) if shard.notes else found


def _of(shard: Shard) -> Dialect:
    return shard.dialect or Dialect()


def _body(shard: Shard) -> bytes:
    data = _bytes(shard)
    return data if shard.start else data[_of(shard).head :]


def _bytes(shard: Shard) -> bytes:
    with spool.readable(Path(shard.path)), Path(shard.path).open("rb") as file:
        file.seek(shard.start)
        data = file.read(shard.stop - shard.start)
    _whole(shard, shard.stop - shard.start - len(data))
    return data


def _whole(shard: Shard, missing: int) -> None:
    if missing:
        raise SourceError("This file has become shorter since it was located.", where=shard.path)
