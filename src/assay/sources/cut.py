"""One file of text to byte ranges that begin and end with a record."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from assay.sources.grammar import Dialect, pieces, quotes

_MARGIN = 1 << 16
_LONGEST = 1 << 26


def cut(path: Path, dialect: Dialect, *, quoted: bool, shard_bytes: int) -> list[tuple[int, int]]:
    """Cut a file into ranges of about `shard_bytes` that hold whole records.

    The ranges depend on the file's bytes and on `shard_bytes` alone, and text appended to the
    file changes the last one only. `quoted` says that a record may hold line ends in quotes.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.jsonl"
    >>> _ = path.write_text('{"a": 1}\\n' * 10)
    >>> cut(path, Dialect(), quoted=False, shard_bytes=40)
    [(0, 45), (45, 90)]
    """
    size = path.stat().st_size
    starts = [0]
    with path.open("rb") as file:
        while size - starts[-1] > shard_bytes + shard_bytes // 4:
            first = max(starts[-1], dialect.head)
            target = max(starts[-1] + shard_bytes, first + 1)
            if quoted and dialect.quote is not None:
                start = _next_record(file, first, target, size, dialect)
            else:
                start = _next_line(file, target)
            if start >= size:
                break
            starts.append(start)
    return list(zip(starts, [*starts[1:], size], strict=True))


def _next_line(file: BinaryIO, target: int) -> int:
    file.seek(target - 1)
    file.readline()
    return file.tell()


def _next_record(file: BinaryIO, first: int, target: int, size: int, dialect: Dialect) -> int:
    """The first record start at or after `target`, reading on from the record start `first`."""
    margin = _MARGIN
    while target < size:
        stop = min(size, target + margin)
        file.seek(first)
        data = file.read(stop - first)
        found = _boundary(data, target - first, dialect, whole=stop == size or margin >= _LONGEST)
        if found is not None:
            return first + found
        if stop == size:
            break
        margin *= 4
    return size


def _boundary(data: bytes, target: int, dialect: Dialect, *, whole: bool) -> int | None:
    mark = (dialect.quote or "").encode()
    if mark not in data:
        end = data.find(b"\n", target - 1)
        return end + 1 if end >= 0 else None
    letters = np.frombuffer(data, dtype=np.uint8)
    marks = np.flatnonzero(letters == mark[0])
    ends = np.flatnonzero(letters[target - 1 :] == 10) + target - 1
    outside = ends[np.searchsorted(marks, ends) % 2 == 0]
    if len(outside):
        end = int(outside[0]) + 1
        if quotes(data[:end], dialect) is not None:
            return end
    elif not whole:
        return None
    # Quotes that are no quotes: read record by record, exactly as the loader will.
    for piece in pieces(data, dialect):
        if piece.stop >= target and (piece.stop < len(data) or whole):
            return piece.stop
    return None
