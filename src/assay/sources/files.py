"""Files, globs, folders and lists of them to plain files that can be cut."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from assay.errors import SourceError, nearest
from assay.recipe import Read
from assay.sources import documents, hub, pickles, spool
from assay.sources.text import cuttable, detect, is_utf8, mark

_SAMPLE = 1 << 16
_KINDS = {
    ".csv": "csv", ".tsv": "csv", ".tab": "csv", ".psv": "csv", ".txt": "csv",
    ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet", ".pq": "parquet",
    ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow",
    ".pickle": "pickle", ".pkl": "pickle",
}  # fmt: skip
_PACKED = {".gz", ".bz2", ".zst", ".zstd", ".xz", ".brotli"}
_COMPRESSED = {
    b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ\x00": "xz",
}  # fmt: skip
_MAGIC = {b"PAR1": "parquet", b"ARROW1\x00\x00": "arrow", b"\xff\xff\xff\xff": "stream"}
_FOREIGN = {
    b"PK\x03\x04": "a ZIP archive or an Excel file", b"%PDF": "a PDF", b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture", b"SQLite format 3": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Excel file", b"\x89HDF": "an HDF5 file",
}  # fmt: skip


@dataclass(frozen=True)
class Plain:
    """A file that can be cut: csv, jsonl, parquet or arrow, in an encoding that can be cut."""

    path: Path
    name: str
    format: str
    encoding: str = "utf-8"
    notes: tuple[str, ...] = ()
    recoded: bool = False
    # Where it is a copy of something that is not on this machine: of which version, and what
    # else was kept here for it.
    at: str = ""
    kept: tuple[str, ...] = ()


def found(source: Any) -> list[tuple[Path, str]]:
    """The files that a path, glob, folder or list of them means, each with the name to show.

    The order is that of the names, whatever the order in which they were given.

    Raises:
        SourceError: there is no such file, or none that can be read.
    """
    if isinstance(source, str | os.PathLike):
        return sorted(_expanded(os.fspath(source)), key=lambda item: item[1])
    paths = {path for item in source for path, _ in _expanded(os.fspath(item))}
    if not paths:
        raise SourceError("The list of sources is empty.")
    common = Path(os.path.commonpath([path.resolve().parent for path in paths]))
    named = {path.resolve(): path.resolve().relative_to(common).as_posix() for path in paths}
    return sorted(named.items(), key=lambda item: item[1])


def _expanded(source: str) -> list[tuple[Path, str]]:
    path = Path(source.removeprefix("file://")).expanduser()
    try:
        if path.is_dir():
            return _folder(path)
        if path.exists():
            return [(path, path.name)]
    except OSError as error:
        raise SourceError(f"This cannot be read: {error.strerror}.", where=source) from None
    if glob.has_magic(source):
        paths = [Path(match) for match in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        files = sorted(match for match in paths if match.is_file())
        if not files:
            raise SourceError("No file matches this pattern.", where=source)
        root = Path(os.path.commonpath([match.parent for match in files]))
        return [(match, match.relative_to(root).as_posix()) for match in files]
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    raise SourceError("There is no such file.", where=source, hint=nearest(path.name, beside))


def endings() -> list[str]:
    """How the names of files end that a folder is searched for, packed ones included."""
    known = sorted(set(_KINDS) - {".txt"})
    return known + [f"{ending}{packed}" for ending in known for packed in sorted(_PACKED)]


def _folder(folder: Path) -> list[tuple[Path, str]]:
    if saved := hub.saved(folder):
        return saved
    # A version that assay wrote: its rows, not its quarantine and ledger.
    version = (folder / "manifest.json").exists() and (folder / "data").is_dir()
    root = folder / "data" if version else folder
    files = [
        (path, path.relative_to(root).as_posix())
        for path in root.rglob("*")
        if _kind_of_name(path.name) not in (None, "text")
        and not any(part.startswith((".", "_")) for part in path.relative_to(root).parts)
        and path.is_file()
    ]
    if not files:
        raise SourceError(
            "This folder holds no file that can be read.",
            where=str(folder),
            allowed=sorted(set(_KINDS) - {".txt"}),
        )
    return files


def _kind_of_name(name: str) -> str | None:
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    while suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    if not suffixes:
        return None
    return "text" if suffixes[-1] == ".txt" else _KINDS.get(suffixes[-1])


def plain(path: Path, name: str, read: Read, place: Path, shard_bytes: int) -> list[Plain]:
    """Bring a file into a form that can be cut, by copies in `place` where it is not in one.

    An empty file gives an empty list.

    Raises:
        SourceError: the file is unreadable, damaged or of a kind that is not read.
        StorageError: a copy cannot be written.
    """
    file = Plain(path, name, "", notes=())
    # At most: decompress twice, recode, end lines, turn into rows.
    for _ in range(6):
        with spool.readable(file.path):
            head = _head(file.path)
            if not head[mark(head)[1] :].strip():
                return []
            done, file = _step(file, head, read, place, shard_bytes)
        if done:
            return [file]
    raise SourceError("This file is packed too many times.", where=str(path))


def _step(
    file: Plain, head: bytes, read: Read, place: Path, shard_bytes: int
) -> tuple[bool, Plain]:
    """One conversion; also whether it was the last one."""
    for magic, packed in _COMPRESSED.items():
        if head.startswith(magic):
            return False, replace(file, path=spool.decompressed(file.path, packed, place))
    kind = _kind(file, head, read)
    if kind == "stream":
        return True, replace(file, path=spool.batches(file.path, place), format="arrow")
    if kind == "pickle":
        return True, remembered(pickles.read(file.path), file.name, place, shard_bytes)
    if kind in ("parquet", "arrow"):
        return True, replace(file, format=kind)
    return _text_step(file, head, read, place, kind)


def _text_step(file: Plain, head: bytes, read: Read, place: Path, kind: str) -> tuple[bool, Plain]:
    encoding = "utf-8" if file.recoded else _encoding(file, head, read)
    if not cuttable(encoding):
        said = (*file.notes, f"encoding {encoding}")
        copy = spool.recoded(file.path, encoding, place)
        return False, replace(file, path=copy, notes=said, recoded=True)
    _refuse_binary(file, head)
    if b"\r" in head and b"\n" not in head and kind != "json":
        return False, replace(file, path=spool.relined(file.path, place))
    if kind != "json":
        return True, replace(file, format=kind, encoding=encoding)
    copy = spool.lines(
        file.path, f"json {encoding}", place, lambda: documents.from_json(file.path, encoding)
    )
    return True, replace(file, path=copy, format="jsonl")


def _head(path: Path) -> bytes:
    """The first 64 KB in whole lines; the whole first line, if that is longer."""
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
        if len(head) < _SAMPLE:
            return head
        return head[: head.rfind(b"\n") + 1] if b"\n" in head else head + file.readline()


def sample(path: Path) -> bytes:
    """The first 64 KB of a text file in whole lines, without a byte-order mark."""
    head = _head(path)
    return head[mark(head)[1] :]


def _kind(file: Plain, head: bytes, read: Read) -> str:
    for magic, kind in _MAGIC.items():
        if head.startswith(magic) and read.format in (None, kind, "arrow"):
            return kind
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and read.format in (None, "pickle"):
        return "pickle"
    if read.format is not None:
        return read.format
    for magic, words in _FOREIGN.items():
        if head.startswith(magic):
            raise SourceError(
                f"This is {words}, which is not read.", where=str(file.path),
                allowed="CSV, TSV, JSON, JSONL, Parquet, Arrow, pickle; also gz, zst, bz2, xz",
            )  # fmt: skip
    named = _kind_of_name(file.name)
    if named in ("parquet", "arrow", "pickle", "csv"):
        return named
    return _kind_of_text(head, named)


def _kind_of_text(head: bytes, named: str | None) -> str:
    text = head[mark(head)[1] :].replace(b"\x00", b"").lstrip()
    if text[:1] not in (b"[", b"{"):
        return named if named == "jsonl" else "csv"
    if named == "jsonl":
        return "json" if text[:1] == b"[" and not text.partition(b"\n")[0].strip(b"[\r ") else named
    if text[:1] == b"[":
        return "json"
    first, _, rest = text.partition(b"\n")
    try:
        orjson.loads(first)
    except orjson.JSONDecodeError:
        return "json" if named == "json" or rest else "jsonl"
    return "jsonl" if rest.strip() or named != "json" else "json"


def _encoding(file: Plain, head: bytes, read: Read) -> str:
    if read.encoding is not None:
        try:
            cuttable(read.encoding)
        except LookupError:
            raise SourceError(
                "There is no such encoding.", where=str(file.path), received=read.encoding,
                hint="utf-8, cp1252, latin-1, shift_jis, …",
            ) from None  # fmt: skip
        return mark(head)[0] or read.encoding
    return detect(head + b"".join(_later(file.path, len(head))))


def _later(path: Path, start: int, pieces: int = 15) -> Iterator[bytes]:
    """Lines from all over the file: letters beyond ASCII may come late."""
    size = path.stat().st_size
    if size <= start:
        return
    with path.open("rb") as file:
        for at in range(start, size, max(1, (size - start) // pieces, _SAMPLE)):
            file.seek(at)
            data = file.read(_SAMPLE)
            first, last = data.find(b"\n"), data.rfind(b"\n")
            yield data[first + 1 : last + 1] if first < last else b""


def _refuse_binary(file: Plain, head: bytes) -> None:
    letters = np.frombuffer(head[:_SAMPLE], dtype=np.uint8)
    nul = float((letters == 0).mean())
    control = float(np.isin(letters, [*range(1, 9), *range(14, 27), *range(28, 32)]).mean())
    noise = control > 0.3 and len(head) >= 64
    if nul > 0.3 or noise or (control > 0.05 and not is_utf8(head)):
        raise SourceError(
            "This file is binary, not text.", where=str(file.path), received=head[:20],
            allowed="CSV, TSV, JSON, JSONL, Parquet, Arrow, pickle; also gz, zst, bz2, xz",
        )  # fmt: skip


def is_data(source: Any) -> bool:
    """Say whether a source is data in memory rather than a place."""
    if isinstance(source, str | os.PathLike):
        return False
    if isinstance(source, list | tuple):
        return bool(source) and not isinstance(source[0], str | os.PathLike)
    return True


def remembered(data: Any, name: str, place: Path, shard_bytes: int) -> Plain:
    """Write data from memory, a frame, an array or Python objects, as a plain file.

    Raises:
        SourceError: it is no table.
        StorageError: the copy cannot be written.
    """
    from assay.sources.frames import table

    made = table(data)
    if made is not None:
        return Plain(spool.table(made, place, shard_bytes), name, "parquet")
    if isinstance(data, str | bytes | int | float | bool | None) or not _objects(data):
        raise SourceError(
            "This is no table.", where=name, received=data,
            allowed="a data frame, an Arrow table, a list of dicts or objects, a path",
        )  # fmt: skip
    return Plain(spool.records(documents.from_objects(data), place), name, "jsonl")


def _objects(data: Any) -> bool:
    return isinstance(data, Iterable) or hasattr(data, "__dict__")
