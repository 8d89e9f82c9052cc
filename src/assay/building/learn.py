"""The steps that learn from the training rows: they see columns whole, and come last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.building.decide import AT, Table, alive, record, watched_values
from assay.building.plan import Plan, Step
from assay.building.prepare import DECIDED, WATCHED
from assay.building.watch import distribution, is_watched
from assay.cache import Cache
from assay.component import Learned, mark_of
from assay.errors import RecipeError, VersionError
from assay.recipe import FieldSpec, FieldType
from assay.rows import ROW, content_hash, parse_expression

PARENT_ROW, NUMBER = "_parent", "_number"
Slice = tuple[pl.DataFrame, pl.DataFrame, list[tuple[int, pl.DataFrame]]]


@dataclass
class Late:
    """What learning steps made of the rows, for the second pass to act on.

    Attributes:
        fields: the fields of the version.
        changed: whole columns, in the order of the table, that are replaced or new.
        added: for each step its synthetic rows: `_at` (the parent's place), `_number` (the how
            manieth child of its parent a row is) and the columns in which they differ from it.
        notes: `_at`, `position` and the names of the columns that a step changed in a row.
        findings: for each step what was learned.
        weight: the column that weighs rows when models are fitted.
        dropped: fields that left.
    """

    fields: dict[str, FieldSpec]
    changed: dict[str, pl.Series] = field(default_factory=dict)
    added: list[tuple[int, pl.DataFrame]] = field(default_factory=list)
    notes: list[pl.DataFrame] = field(default_factory=list)
    findings: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    weight: str | None = None
    dropped: list[str] = field(default_factory=list)

    def slices(self, bounds: npt.NDArray[np.int64]) -> Iterator[Slice]:
        """For each shard: its part of `changed`, `notes` and `added`, places counted from 0."""
        whole = pl.DataFrame(list(self.changed.values()))
        notes = pl.concat(self.notes) if self.notes else _no_notes()
        for start, stop in pairwise(bounds.tolist()):
            here = (pl.col(AT) >= start) & (pl.col(AT) < stop)
            # The place in the whole table is left out: rows of other shards change it.
            place = [pl.exclude(AT), (pl.col(AT) - start).cast(pl.UInt32).alias("_index")]
            yield (
                whole.slice(start, stop - start),
                notes.filter(here).select(place),
                [(at, rows.filter(here).select(place)) for at, rows in self.added],
            )


def learn(table: Table, prepared: Sequence[Mapping[str, Any]], plan: Plan, cache: Cache) -> Late:
    """Call every learning step with the rows that are in, and keep what it says.

    Raises:
        VersionError: a step gave back lines that do not fit the rows it was given.
    """
    late = Late(dict(plan.prepared))
    for step in plan.learning_steps:
        here = alive(table, step.position)
        given = _columns(table, prepared, cache, late, _named(step, late)).filter(here)
        learned: Learned = step.component.function(given, **step.parameters)
        train = given["_split"] == "train"
        earlier = _target(table, plan, late, step).filter(train) if _shown(plan, step) else None
        if learned.decisions is not None:
            record(table, here, learned.decisions, step)
        if learned.changed is not None:
            _change(late, here, given, learned.changed, step)
        if learned.added is not None and learned.added.height:
            _add(late, table, here, learned.added, step)
        for name in learned.dropped:
            late.fields.pop(name, None)
            late.dropped.append(name)
        late.weight = learned.weight or late.weight
        late.findings[step.position] = dict(learned.findings)
        if earlier is not None and plan.watched:
            later = _target(table, plan, late, step).filter(train)
            stays = table.narrow[DECIDED].filter(here).is_null().filter(train)
            new = _new_targets(late, table, plan, step)
            after = pl.concat([later.filter(stays), new.cast(later.dtype)])
            table.shown[step.position] = distribution(plan.watched, earlier, after)
    _with_living_parents(late, table)
    return late


def _no_notes() -> pl.DataFrame:
    return pl.DataFrame(schema={"note": pl.String, AT: pl.Int64, "position": pl.Int16})


def _named(step: Step, late: Late) -> list[str]:
    """The columns that a step wants to see; all of them where it leaves that open."""
    roots = [parse_expression(one).meta.root_names() for one in step.expressions]
    names = dict.fromkeys([*step.values, *(name for one in roots for name in one)])
    hints = step.component.hints
    several = any(
        value is None and mark_of(hints[name]) == "value" and "list" in str(hints[name])
        for name, value in step.parameters.items()
    )
    if several:
        names |= dict.fromkeys(late.fields)
    return [name for name in names if name in late.fields]


def _columns(
    table: Table,
    prepared: Sequence[Mapping[str, Any]],
    cache: Cache,
    late: Late,
    names: Sequence[str],
) -> pl.DataFrame:
    """Whole columns as the steps before have left them, with `_row`, `_split` and `_cluster`."""
    stored = [name for name in names if name not in late.changed]
    frame = table.narrow.select(ROW).with_columns(table.split.alias("_split"))
    if stored:
        shards = [
            pl.read_ipc(cache.path(shard["key"], "rows.arrow"), columns=stored)
            for shard in prepared
        ]
        frame = frame.hstack(pl.concat(shards, how="vertical_relaxed"))
    frame = frame.with_columns(
        late.changed[name].alias(name) for name in names if name not in stored
    )
    if table.cluster.null_count() < len(table.cluster):
        frame = frame.with_columns(table.cluster.alias("_cluster"))
    return frame


def _change(
    late: Late, here: pl.Series, given: pl.DataFrame, changed: pl.DataFrame, step: Step
) -> None:
    if changed.height != given.height:
        raise VersionError(
            f"{step.name} gave back {changed.height:,} rows of {given.height:,}.",
            hint="a step gives back one line for every row that it is given",
        )
    at = here.arg_true().cast(pl.Int64)
    touched = []
    for name, values in zip(changed.columns, changed.get_columns(), strict=True):
        old = given[name] if name in given.columns else None
        if old is None and name in late.fields:
            raise RecipeError(
                f"{step.title} would make the column {name!r}, which is there already.",
                hint="give it another name, for instance with `into`",
            )
        whole = pl.repeat(None, len(here), dtype=values.dtype, eager=True)
        if old is not None:
            touched.append(pl.when(old.ne_missing(values.cast(old.dtype))).then(pl.lit(name)))
        late.changed[name] = whole.scatter(at, values).alias(name)
        if old is None or old.dtype != values.dtype:
            late.fields[name] = FieldSpec(type=_type(values.dtype))
    if touched:
        note = pl.concat_str(touched, separator=", ", ignore_nulls=True)
        notes = given.select(note.alias("note")).with_columns(at.alias(AT))
        late.notes.append(
            notes.filter(pl.col("note") != "").with_columns(
                position=pl.lit(step.position, pl.Int16)
            )
        )


def _type(dtype: pl.DataType) -> FieldType:
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_integer():
        return "integer"
    return "number" if dtype.is_numeric() else "string"


def _add(late: Late, table: Table, here: pl.Series, added: pl.DataFrame, step: Step) -> None:
    places = pl.DataFrame(
        {PARENT_ROW: table.narrow[ROW].filter(here), AT: here.arg_true().cast(pl.Int64)}
    )
    rows = added.join(places, on=PARENT_ROW, how="left", maintain_order="left")
    if rows[AT].null_count():
        raise VersionError(
            f"{step.name} made rows of parents that it was not given.",
            hint="`_parent` is the `_row` of a row that was given",
        )
    # Children are numbered by what they are, so that their order makes no difference.
    rows = rows.with_columns(content_hash(rows).alias("_order")).sort(AT, "_order")
    number = pl.int_range(1, pl.len() + 1).over(AT).cast(pl.Int64)
    rows = rows.with_columns(number.alias(NUMBER)).drop("_order", PARENT_ROW)
    for _, earlier in late.added:
        before = earlier.group_by(AT).len("before")
        rows = rows.join(before, on=AT, how="left", maintain_order="left")
        rows = rows.with_columns(pl.col(NUMBER) + pl.col("before").fill_null(0)).drop("before")
    late.added.append((step.position, rows))


def _with_living_parents(late: Late, table: Table) -> None:
    """A synthetic row goes with its parent, where a later step sets that one aside."""
    alive_at = pl.DataFrame({AT: table.narrow[DECIDED].is_null().arg_true().cast(pl.Int64)})
    late.added = [
        (position, rows.join(alive_at, on=AT, how="semi", maintain_order="left"))
        for position, rows in late.added
    ]


def _shown(plan: Plan, step: Step) -> bool:
    return bool(plan.watched) and is_watched(step.name)


def _target(table: Table, plan: Plan, late: Late, step: Step) -> pl.Series:
    """The target of the rows that the step was given."""
    decided = table.narrow[DECIDED]
    here = decided.is_null() | (decided >= step.position)
    if plan.watched in late.changed:
        return late.changed[str(plan.watched)].filter(here)
    return watched_values(table, step.position - 1)


def _new_targets(late: Late, table: Table, plan: Plan, step: Step) -> pl.Series:
    rows = next((rows for position, rows in late.added if position == step.position), None)
    if rows is None:
        return table.narrow[WATCHED].clear()
    return rows[plan.watched] if plan.watched in rows.columns else table.narrow[WATCHED][rows[AT]]
