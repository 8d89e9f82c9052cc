"""What the second pass made of a shard, found again where nothing that decides it has changed.

A shard's share of a version is remembered in three parts, each under the hash of what decides it:
the rows that stay with their exports, the rows that went in the first pass, and the ledger with
the rows that whole-table steps set aside. One more copy of an old row changes the last one only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import xxhash

from assay.building import profile
from assay.building.before import Former
from assay.building.plan import contents
from assay.building.prepare import DECIDED
from assay.cache import BUILDING, Cache, code_version
from assay.component import find
from assay.exports.part import restored
from assay.recipe import digest
from assay.rows import content_hash
from assay.storage import copy

if TYPE_CHECKING:
    from assay.building.write import Task, Writing


_NUMBERS = frozenset(
    {pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float64}
)


def keys(writing: Writing, task: Task) -> dict[str, str]:
    """For each part of a shard's share, the hash of all that decides it."""
    plan = writing.plan
    steps = [step.title for step in plan.steps]
    place = [code_version(*BUILDING), task.key, task.source, task.offset, steps]
    fields = {name: spec.model_dump(mode="json") for name, spec in writing.fields.items()}
    exports = [
        [
            *(export.name, export.label, export.parameters, contents(export.parameters)),
            find("exports", export.name).version(),
        ]
        for export in writing.exports
    ]
    at = task.outcome.with_row_index("_at")
    stays = at[DECIDED].is_null()
    kept = [
        at.filter(stays).drop("_corrected"),
        task.changed.filter(stays) if task.changed.width else task.changed,
    ]
    added = [(position, frame_hash(rows)) for position, rows in task.added]
    late = [task.outcome, task.decisions, task.gone, task.notes, task.changed]
    return {
        "kept": digest(
            ["kept", *place, *map(frame_hash, kept), added, fields, writing.extras, exports]
        ),
        "early": digest(["early", *place, frame_hash(task.gone), list(plan.prepared)]),
        "late": digest(["late", *place, *map(frame_hash, late), added, list(plan.prepared)]),
    }


def frame_hash(frame: pl.DataFrame) -> str:
    """A hash of a frame's columns and of its values in their order."""
    state = xxhash.xxh3_128(repr((frame.schema, frame.height)).encode())
    for column in frame:
        empty = column.is_null()
        state.update(empty.to_numpy().data)
        if column.dtype in _NUMBERS:
            # What lies in memory where a value is missing is no part of it.
            state.update(np.ascontiguousarray(column.fill_null(0).to_numpy()).data)
        elif not empty.all():
            state.update(content_hash(frame, [column.name]).to_numpy().data)
    return state.hexdigest()


def recalled(
    cache: Cache, key: str, folder: Path, places: Mapping[str, str], former: Former
) -> Any:
    """What a part said of itself, if it is known; its files are then in their places.

    What the version before has is shared with it, and what it has not, or not as it was, is copied
    from the cache. Files of exports stay there until all shards are joined.

    Args:
        cache: the folder of finished work.
        key: the part's entry.
        folder: the unfinished version.
        places: where, in this version, each file belongs that the entry may have.
        former: the files of the version before.
    """
    found = cache.entry(key)
    if found is None:
        return None
    summary, seals = found
    for file in summary["files"]:
        suffix = _suffix(file)
        target = folder / places[file] if file in places else None
        if target and former.lent(seals[suffix], target):
            continue
        if not cache.holds(key, suffix, seals[suffix]):
            # What is written anew must not be written into a file of the version before.
            for name in places.keys() & summary["files"]:
                (folder / places[name]).unlink(missing_ok=True)
            return None
        if target:
            copy(cache.path(key, suffix), target)
    return summary["said"]


def remember(
    cache: Cache, key: str, said: Any, folder: Path, files: Sequence[str], places: Mapping[str, str]
) -> None:
    """Keep a part that was just written, with its files under the names they have in every version.

    Args:
        cache: the folder of finished work.
        key: the part's entry.
        said: what was counted, as plain values and arrays.
        folder: the unfinished version, with the files in their places.
        files: the names.
        places: where each of them lies in this version; what lies in a folder that is named here is
            moved and not copied.
    """
    for file in files:
        if file in places:
            cache.adopt(key, _suffix(file), folder / places[file])
        else:
            head, _, name = file.rpartition("/")
            cache.take(key, _suffix(file), folder / places[head] / name)
    cache.note(key, {"said": said, "files": files}, [_suffix(file) for file in files])


def kept_file(cache: Cache, key: str, file: str) -> Path:
    """Where a file of a part lies in the cache."""
    return cache.path(key, _suffix(file))


def _suffix(file: str) -> str:
    return file.replace("/", ".")


def plain(said: Mapping[str, Any]) -> dict[str, Any]:
    """What was counted of rows that stay, as plain values."""
    return {**said, "exports": [[label, one.members()] for label, one in said["exports"]]}


def counted(said: Mapping[str, Any]) -> dict[str, Any]:
    """What `plain` was given, arrays and all."""
    return {
        **said,
        "exports": [(label, restored(one)) for label, one in said["exports"]],
        "profiles": {
            split: {name: profile.restored(field) for name, field in fields.items()}
            for split, fields in said["profiles"].items()
        },
        "hashes": np.array(said["hashes"], dtype=np.uint64),
    }
