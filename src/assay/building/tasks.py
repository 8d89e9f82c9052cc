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
from assay.rows import ROW, ROW_ID, hex_ids


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
    prepared: Sequence[Mapping[str, Any]],
    decided: tuple[Table, Sequence[Any], Late],
    plan: Plan,
    cache: Cache,
) -> list[Task]:
    """What is to be written of each shard, by what was decided about all."""
    table, gone, late = decided
    names = _twins(table, plan, prepared, cache)
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
                decisions=_told(decisions, names, plan),
                gone=left,
                changed=changed,
                notes=notes,
                added=added,
            )
        )
    return made_tasks


def _twins(
    table: Table, plan: Plan, prepared: Sequence[Mapping[str, Any]], cache: Cache
) -> pl.DataFrame:
    """The rows that others were set aside for: `twin`, their hash, and `id`, how they are called.

    Where ids are hashes there are none: those are written as they are.
    """
    ids: list[pl.DataFrame] = [pl.DataFrame(schema={"twin": pl.UInt64, "id": pl.String})]
    if plan.id and table.found:
        wanted = pl.concat([found["twin"] for found in table.found]).drop_nulls().unique()
        for shard, (outcome, _) in zip(prepared, table.slices(), strict=True):
            named = pl.read_ipc(cache.path(shard["key"], "rows.arrow"), columns=[ROW_ID])
            pairs = named.select(outcome[ROW].alias("twin"), pl.col(ROW_ID).alias("id"))
            ids.append(pairs.filter(pl.col("twin").is_in(wanted.implode())))
    return pl.concat(ids).unique("twin", keep="last")


def _told(decisions: pl.DataFrame, names: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Decisions of which the twins are called as in the version."""
    if plan.id:
        found = decisions.join(names, on="twin", how="left", maintain_order="left")
        return found.with_columns(pl.col("id").alias("twin")).drop("id")
    twin = decisions["twin"]
    none = pl.repeat(None, len(twin), dtype=pl.String, eager=True)
    return decisions.with_columns(
        hex_ids(twin.fill_null(0)).zip_with(twin.is_not_null(), none).alias("twin")
    )
