"""What the first pass and the decisions leave for the second pass to do, shard by shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from assay.building.decide import Table
from assay.building.learn import Late
from assay.building.manifest import in_order
from assay.building.plan import FOLD, PARENT, Plan
from assay.building.write import Task
from assay.cache import Cache
from assay.rows import ROW, ROW_ID


def extras(table: Table, late: Late) -> dict[str, str]:
    """The columns of a version that are none of its fields, and what each is there for."""
    found = {FOLD: "fold"} if table.fold.null_count() < len(table.fold) else {}
    if any(rows.height for _, rows in late.added):
        found[PARENT] = "parent"
    if late.weight:
        found[late.weight] = "weight"
        late.fields.pop(late.weight, None)
    return found


def tasks(
    prepared: Sequence[Mapping[str, Any]], table: Table, gone: Sequence[Any], late: Late
) -> list[Task]:
    made_tasks, numbers = [], Counter[str]()
    for number, (shard, (outcome, decisions), left, made) in enumerate(
        zip(prepared, table.slices(), gone, late.slices(table.bounds), strict=True)
    ):
        kept = outcome.filter(outcome["_decided"].is_null())["_split"].unique().to_list()
        files = {split: numbers[split] for split in in_order(kept)}
        numbers.update(kept)
        changed, notes, added = made
        made_tasks.append(
            Task(
                key=shard["key"],
                source=shard["name"],
                offset=shard["offset"],
                number=number,
                files=files,
                outcome=outcome,
                decisions=decisions,
                gone=left,
                changed=changed,
                notes=notes,
                added=added,
            )
        )
    return made_tasks


def twins(
    table: Table, plan: Plan, prepared: Sequence[Mapping[str, Any]], cache: Cache
) -> dict[int, str]:
    """The ids of the rows that others were set aside for, where ids are keys and not hashes."""
    if not plan.id or not table.found:
        return {}
    wanted = pl.concat([found["twin"] for found in table.found]).drop_nulls().unique()
    found: dict[int, str] = {}
    for shard, (outcome, _) in zip(prepared, table.slices(), strict=True):
        ids = pl.read_ipc(cache.path(shard["key"], "rows.arrow"), columns=[ROW_ID])
        pairs = ids.with_columns(outcome[ROW]).filter(pl.col(ROW).is_in(wanted.implode()))
        found.update(zip(pairs[ROW].to_list(), pairs[ROW_ID].to_list(), strict=True))
    return found
