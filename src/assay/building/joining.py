"""What the shards wrote of an export, joined to whole files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from assay.building.write import Export
from assay.exports.part import merge
from assay.exports.whole import finish


def join(exports: Sequence[Export], written: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Join what the shards wrote of each export."""
    for export in exports:
        here = folder / export.label
        merge_exports(here, (_of(export.label, shard["parts"]) for shard in written))
        for left in here.glob(".*"):
            left.rmdir()


def finished(
    exports: Sequence[Export], written: Sequence[Mapping[str, Any]], folder: Path, card: str
) -> dict[str, Any]:
    """Finish the joined exports, and return what each says of itself."""
    found: dict[str, Any] = {}
    for export in exports:
        whole = merge(
            said for shard in written for label, said in shard["exports"] if label == export.label
        )
        finish(export.name, export.parameters, folder / export.label, whole, card)
        found[export.label] = whole.plain()
    return found


def _of(label: str, parts: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """The files that a shard wrote of one export, by name."""
    for file, path in parts.items():
        folder, _, name = file.rpartition("/")
        if folder == f"exports/{label}":
            yield name, path


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
    # One buffer, as a new one a piece takes longer to get than to fill; and a large one, as this
    # runs beside the certificate and waits for its turn after each.
    chunk = memoryview(bytearray(1 << 22))
    with file.open("rb", buffering=0) as part, target.open("ab") as whole:
        if whole.tell() and target.suffix == ".csv":
            part.seek(_header_length(file))
        while size := part.readinto(chunk):
            whole.write(chunk[:size])


def _header_length(file: Path) -> int:
    """Bytes of a CSV's first record, in which a quoted name may hold a line break."""
    length, quotes = 0, 0
    with file.open("rb") as lines:
        for line in lines:
            length, quotes = length + len(line), quotes + line.count(b'"')
            if quotes % 2 == 0:
                break
    return length
