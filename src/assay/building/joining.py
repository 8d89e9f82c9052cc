"""What the shards wrote of an export, joined to whole files."""

from __future__ import annotations

import shutil
from pathlib import Path


def merge_exports(folder: Path) -> None:
    """Join what the shards wrote of one export to one file a split, in the shards' order.

    Lines are appended, with a CSV's header written once. Formats that cannot be appended to keep a
    file for each shard, numbered through.
    """
    for shard in sorted(path for path in folder.iterdir() if path.is_dir()):
        for file in sorted(shard.iterdir()):
            if file.suffix in (".jsonl", ".csv"):
                _append(file, folder / file.name)
            else:
                stem = file.stem.partition("-")[0]
                number = len(list(folder.glob(f"{stem}-*{file.suffix}")))
                file.rename(folder / f"{stem}-{number:05d}{file.suffix}")
        shutil.rmtree(shard)


def _append(file: Path, target: Path) -> None:
    if not target.exists():
        file.rename(target)
        return
    with file.open("rb") as part, target.open("ab") as whole:
        if file.suffix == ".csv":
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
