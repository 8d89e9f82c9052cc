"""Which rows two versions have, found by the hashes of their ids and contents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from assay.rows import ROW, ROW_ID, content_hash, text_hash
from assay.version import Version

SPLIT, HASH, FILE, MADE, PARENT = "_split", "_hash", "_file", "_made", "parent_id"
AT_ONCE = 4_000_000  # hashes, which is 32 MB
READERS = 2  # files at once: while one is read, another is hashed


@dataclass(frozen=True)
class Rows:
    """The rows of a version that stand in files which another version has not.

    Attributes:
        version: the version.
        files: those files.
        table: `_row` (the hash of the id), `_split`, `_hash` (of the fields' values), `_file` (its
            place in `files`) and `_made` (whether it is synthetic).
    """

    version: Version
    files: Sequence[Path]
    table: pl.DataFrame

    def ids(self, rows: pl.Series) -> pl.DataFrame:
        """`_row` and `row_id` of some rows, by their hashes."""
        frames = self._read(rows, [])
        return pl.concat([pl.DataFrame(schema={ROW: pl.UInt64, ROW_ID: pl.String}), *frames])

    def hashes(self, rows: pl.Series, names: Sequence[str]) -> pl.DataFrame:
        """`_row` and the hash of each named field, of some rows."""
        schema = {ROW: pl.UInt64, **dict.fromkeys(names, pl.UInt64)}
        frames = [
            frame.select(ROW, *(content_hash(frame, [name]).alias(name) for name in names))
            for frame in self._read(rows, names)
        ]
        return pl.concat([pl.DataFrame(schema=schema), *frames])

    def values(self, rows: pl.Series, names: Sequence[str]) -> dict[int, dict[str, Any]]:
        """The values of a few rows, by their hashes."""
        return {row.pop(ROW): row for frame in self._read(rows, names) for row in frame.to_dicts()}

    def _read(self, rows: pl.Series, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        wanted = self.table.filter(pl.col(ROW).is_in(rows.implode()))
        for at in wanted[FILE].unique(maintain_order=True):
            frame = pl.read_parquet(self.files[at], columns=[ROW_ID, *names])
            frame = frame.with_columns(text_hash(frame[ROW_ID]).alias(ROW))
            here = wanted.filter(pl.col(FILE) == at)[ROW]
            yield frame.filter(pl.col(ROW).is_in(here.implode())).select(ROW, pl.all().exclude(ROW))


def apart(a: Version, b: Version, names: Sequence[str]) -> tuple[Rows, Rows]:
    """The rows of two versions that stand in files which only one of them has.

    Rows in a file that both have, for the same split, are in both and have not changed: they are
    not read. Texts are hashed a file at a time and never held.

    Args:
        a: a version.
        b: another.
        names: the fields that both have, by which a row counts as changed.
    """
    of = [{(version.hashes.get(path), split): path for path, split in _files(version)}
          for version in (a, b)]  # fmt: skip
    both = {key for key in of[0].keys() & of[1].keys() if key[0] is not None}
    own = [[(path, split) for path, split in _files(version)
            if (version.hashes.get(path), split) not in both] for version in (a, b)]  # fmt: skip
    splits = pl.Enum(list(dict.fromkeys(split for files in own for _, split in files)))
    return (_rows(a, own[0], names, splits), _rows(b, own[1], names, splits))


def _files(version: Version) -> list[tuple[Path, str]]:
    return [(version.file(file), file["split"]) for file in version.manifest["files"]]


def _rows(
    version: Version, files: Sequence[tuple[Path, str]], names: Sequence[str], splits: pl.Enum
) -> Rows:
    made = [PARENT] if PARENT in version.manifest.get("extras", ()) else []

    def read(item: tuple[int, tuple[Path, str]]) -> pl.DataFrame:
        at, (path, split) = item
        frame = pl.read_parquet(path, columns=[ROW_ID, *names, *made])
        return pl.DataFrame(
            {ROW: text_hash(frame[ROW_ID]), HASH: content_hash(frame, names)}
        ).with_columns(
            pl.lit(split, dtype=splits).alias(SPLIT),
            pl.lit(at, dtype=pl.UInt32).alias(FILE),
            (frame[PARENT].is_not_null() if made else pl.lit(False)).alias(MADE),
        )

    blank = pl.DataFrame(
        schema={ROW: pl.UInt64, HASH: pl.UInt64, SPLIT: splits, FILE: pl.UInt32, MADE: pl.Boolean}
    )
    with ThreadPoolExecutor(READERS) as pool:
        table = pl.concat([blank, *pool.map(read, enumerate(files))])
    return Rows(version, [path for path, _ in files], table)


def changed_fields(
    a: Rows, b: Rows, rows: pl.Series, names: Sequence[str]
) -> Iterable[tuple[str, pl.Series]]:
    """For each field the rows in which its value differs, by the hashes of their ids."""
    step = max(1, AT_ONCE // max(1, 2 * len(rows)))
    for start in range(0, len(names), step):
        some = names[start : start + step]
        both = a.hashes(rows, some).join(b.hashes(rows, some), on=ROW, suffix="\x1fb")
        for name in some:
            yield name, both.filter(pl.col(name) != pl.col(f"{name}\x1fb"))[ROW]


def shared(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """The fields that two manifests have, in the first one's order."""
    return [name for name in a["fields"] if name in b["fields"]]
