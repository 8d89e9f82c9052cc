"""What the shards wrote of an export, joined to whole files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path


def merge_exports(folder: Path, shards: Iterable[Iterable[tuple[str, Path]]]) -> None:
    """Join what the shards wrote of one export to one file a split, in the shards' order.

    Lines are appended, with a CSV's header written once. Formats that cannot be appended to keep a
    file for each shard, numbered through.

    Args:
        folder: where the files of the export belong.
        shards: for each shard its files, by name.
    """
    for shard in shards:
        for name, file in sorted(shard):
            target = folder / name
            if target.suffix in (".jsonl", ".csv"):
                _append(file, target)
            else:
                stem = target.stem.partition("-")[0]
                number = len(list(folder.glob(f"{stem}-*{target.suffix}")))
                shutil.copyfile(file, folder / f"{stem}-{number:05d}{target.suffix}")


def _append(file: Path, target: Path) -> None:
    with file.open("rb") as part, target.open("ab") as whole:
        if whole.tell() and target.suffix == ".csv":
            part.seek(_header_length(file))
        shutil.copyfileobj(part, whole, 1 << 20)


def _header_length(file: Path) -> int:
    """Bytes of a CSV's first record, in which a quoted name may hold a line break."""
    length, quotes = 0, 0
    with file.open("rb") as lines:
        for line in lines:
            length, quotes = length + len(line), quotes + line.count(b'"')
            if quotes % 2 == 0:
                break
    return length
