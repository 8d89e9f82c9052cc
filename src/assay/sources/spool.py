"""What cannot be cut as it is, written once as plain text or Parquet, named by its content."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import xxhash

from assay.errors import SourceError, StorageError

_CHUNK = 1 << 20
PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


def made(spool: Path, key: str, suffix: str, write: Callable[[Path], None]) -> Path:
    """Give the file of this key and suffix, writing it if it is not there yet.

    It is written under another name first, so that an interrupted writing leaves nothing behind
    that looks finished.

    Raises:
        StorageError: the spool cannot be written to.
    """
    target = spool / f"{key}{suffix}"
    if target.exists():
        return target
    draft = spool / f".{key}.{os.getpid()}{suffix}"
    try:
        spool.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"No folder can be made here: {error.strerror}.", where=str(spool)
        ) from None
    try:
        write(draft)
        draft.replace(target)
    except OSError as error:
        if error.errno not in PLACE:
            raise
        raise StorageError(
            f"The plain copy of a source cannot be written: {error.strerror}.",
            where=str(spool),
            hint="free some space or choose another place",
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    return target


def file_key(path: Path, *how: str) -> str:
    """Hash a file's bytes and what is done to them.

    Raises:
        SourceError: the file cannot be read.
    """
    state = xxhash.xxh3_128("\0".join(how).encode())
    with readable(path), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            state.update(chunk)
    return state.hexdigest()


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the system says against reading a file into an error that names the file."""
    try:
        yield
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise SourceError(f"This file cannot be read: {error.strerror}.", where=str(path)) from None


def decompressed(path: Path, kind: str, spool: Path) -> Path:
    """Write out a compressed file.

    Raises:
        SourceError: the file is damaged or ends too early.
    """
    import zstandard

    openers: dict[str, Callable[[BinaryIO], Any]] = {
        "gzip": lambda file: gzip.GzipFile(fileobj=file),
        "bzip2": bz2.BZ2File,
        "xz": lzma.LZMAFile,
    }
    broken = (EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)

    def write(draft: Path) -> None:
        with path.open("rb") as raw, draft.open("wb") as out:
            try:
                if kind == "zstd":
                    _unpack_zstd(raw, out)
                else:
                    with openers[kind](raw) as packed:
                        shutil.copyfileobj(packed, out, _CHUNK)
            except (*broken, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise SourceError(
                    f"This {kind} file is damaged: {error}.", where=str(path)
                ) from None

    return made(spool, file_key(path, kind), "", write)


def _unpack_zstd(raw: BinaryIO, out: BinaryIO) -> None:
    """Write out all frames; the library's own stream says nothing when the last one is cut."""
    import zstandard

    unpacker = zstandard.ZstdDecompressor()
    frame = unpacker.decompressobj()
    whole = True
    while data := raw.read(_CHUNK):
        while data:
            if frame.eof:
                frame = unpacker.decompressobj()
            out.write(frame.decompress(data))
            data, whole = frame.unused_data if frame.eof else b"", frame.eof
    if not whole:
        raise EOFError("it ends too early")


def recoded(path: Path, encoding: str, spool: Path) -> Path:
    """Write text of an encoding that cannot be cut, such as UTF-16, as UTF-8."""

    def write(draft: Path) -> None:
        with (
            path.open("r", encoding=encoding, errors="replace", newline="") as text,
            draft.open("w", encoding="utf-8", errors="replace", newline="") as out,
        ):
            shutil.copyfileobj(text, out, _CHUNK)

    return made(spool, file_key(path, encoding), "", write)


def relined(path: Path, spool: Path) -> Path:
    """Write text whose lines end with carriage returns alone with ordinary line ends."""

    def write(draft: Path) -> None:
        with path.open("rb") as raw, draft.open("wb") as out:
            while chunk := raw.read(_CHUNK):
                out.write(chunk.replace(b"\r", b"\n"))

    return made(spool, file_key(path, "lines"), "", write)


def lines(path: Path, how: str, spool: Path, texts: Callable[[], Iterable[bytes]]) -> Path:
    """Write records, each one line of JSON, made from a file."""

    def write(draft: Path) -> None:
        with draft.open("wb") as out:
            out.writelines(line + b"\n" for line in texts())

    return made(spool, file_key(path, how), ".jsonl", write)


def records(texts: Iterable[bytes], spool: Path) -> Path:
    """Write records from memory, each one line of JSON, named by their content."""
    return by_content(
        spool, ".jsonl", lambda draft: draft.write_bytes(b"".join(line + b"\n" for line in texts))
    )


def table(data: pa.Table, spool: Path, shard_bytes: int) -> Path:
    """Write a table from memory as Parquet, named by its content."""
    from assay.sources.tables import write_parquet

    return by_content(spool, ".parquet", lambda draft: write_parquet(data, draft, shard_bytes))


def batches(path: Path, spool: Path) -> Path:
    """Write an Arrow stream as an Arrow file, whose batches can be read one by one.

    Raises:
        SourceError: the stream is damaged.
    """

    def write(draft: Path) -> None:
        try:
            with (
                pa.ipc.open_stream(pa.memory_map(str(path))) as stream,
                pa.ipc.new_file(str(draft), stream.schema) as out,
            ):
                for batch in stream:
                    out.write_batch(batch)
        except pa.ArrowException as error:
            raise SourceError(f"This is no Arrow stream: {error}.", where=str(path)) from None

    return made(spool, file_key(path, "arrow"), ".arrow", write)


def by_content(spool: Path, suffix: str, write: Callable[[Path], Any]) -> Path:
    """Write a file that is named by what is in it."""
    draft = made(spool, f"draft-{os.getpid()}-{os.urandom(8).hex()}", suffix, write)
    target = spool / f"{file_key(draft)}{suffix}"
    draft.replace(target)
    return target
