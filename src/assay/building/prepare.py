"""The first pass: one shard's bytes to typed, cleaned rows and the narrow columns to decide by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import polars as pl

from assay import ledger
from assay.building.plan import CONTRACT, READ, Plan, Step, is_narrow, narrow_name
from assay.cache import BUILDING, Cache, code_version
from assay.contract.check import check
from assay.recipe import digest
from assay.rows import ROW, ROW_ID, content_hash, evaluate_expression, hex_ids, key_hash, text_hash
from assay.sources.shards import Loaded, Shard, fingerprint, load

INDEX, DECIDED, CONTENT, LINE, TEXT = "_index", "_decided", "_content", "_line", "_text"
WATCHED = narrow_name(READ, "target")
NEWEST = narrow_name(READ, "newest")
NOTE_LENGTH = 200


def parts(plan: Plan) -> list[str]:
    """The files of a prepared shard: rows, narrow columns, ledger, and the wider sketches."""
    sketched = [step for step in plan.table_steps if step.component.sketch]
    return ["rows", "gone", "narrow", "ledger", *(wide_part(step.position) for step in sketched)]


def wide_part(position: int) -> str:
    """The file with the list columns of one step's sketch."""
    return f"sketch{position}"


@dataclass(frozen=True)
class Preparing:
    """The first pass over one shard, as a task that can be sent to any worker."""

    plan: Plan
    cache: Cache

    def __call__(self, shard: Shard) -> dict[str, Any]:
        """Prepare a shard, or find that it has been prepared before."""
        content = fingerprint(shard)
        key = self.key(content)
        known = self.cache.recall(key)
        if known is None:
            summary = prepare(load(shard, list(self.plan.fields)), self.plan, self.cache, key)
            self.cache.note(key, summary, [f"{name}.arrow" for name in parts(self.plan)])
            return self.told(shard, content, summary)
        return self.told(shard, content, known)

    def told(self, shard: Shard, content: str, summary: Mapping[str, Any]) -> dict[str, Any]:
        """What is said of a shard that was prepared before."""
        place = {"name": shard.name, "path": shard.path, "start": shard.start, "at": shard.at}
        return {**summary, **place, "key": self.key(content), "fingerprint": content}

    def key(self, content: str) -> str:
        """The entry of a shard of this content."""
        return digest([self._all_but_content, content])

    @cached_property
    def _all_but_content(self) -> str:
        """What decides every shard's rows; it travels with the task and is made once."""
        return digest(["prepare", code_version(*BUILDING), self.plan.row_part()])


def nothing() -> None:
    """Do nothing: a worker that is told to has then imported what it prepares shards with."""


@dataclass
class _Shard:
    """One shard's rows on their way through the recipe, and what was decided on that way."""

    rows: pl.DataFrame
    gone: list[pl.DataFrame] = field(default_factory=list)
    ledger: list[pl.DataFrame] = field(default_factory=list)
    # Once a whole-table step has looked, a row that is set aside later must stay in its sight.
    in_sight: bool = False
    # The list columns of each step's sketch, in the order of the rows.
    wide: dict[int, pl.DataFrame] = field(default_factory=dict)

    def decide(self, out: pl.Series, position: int, columns: Mapping[str, pl.Series]) -> None:
        index = self.rows[INDEX].filter(out)
        self.ledger.append(ledger.entries(index, position, "set aside", columns))
        self.leave(out, position)

    def leave(self, out: pl.Series, position: int) -> None:
        at = pl.lit(position, dtype=pl.Int16)
        if self.in_sight:
            self.rows = self.rows.with_columns(
                pl.when(out).then(at).otherwise(pl.col(DECIDED)).alias(DECIDED)
            )
        else:
            self.gone.append(self.rows.filter(out).with_columns(at.alias(DECIDED)))
            self.rows = self.rows.filter(~out)

    def see(self, values: pl.Series, name: str) -> None:
        self.rows = self.rows.with_columns(values.alias(name))
        self.in_sight = True


def prepare(
    loaded: Loaded, plan: Plan, cache: Cache, key: str, *, ids: pl.Series | None = None
) -> dict[str, Any]:
    """Take one shard's rows through the contract and the row-wise steps, and store the result.

    Under the key lie four Arrow files: `rows` (those still in), `gone`, `narrow` (what whole-table
    steps decide by) and `ledger`. With `ids` rows are told apart by these and not by their content.

    Returns:
        Counts and notes, as plain values.
    """
    work = _Shard(_identified(loaded, plan, ids))
    _set_rejects_aside(work, loaded)
    stop = _hold_against_contract(work, plan, loaded)
    if plan.id:
        work.in_sight = True
    if plan.newest:
        work.see(evaluate_expression(work.rows, plan.newest), NEWEST)
    for column in plan.unique:
        work.see(key_hash(work.rows, [column]), narrow_name(CONTRACT, column))
    for step in plan.steps:
        if step.component.data == "kept":
            break
        if step.component.data == "table":
            _look_ahead(work, step)
        elif step.component.gives == "rows":
            _change(work, step, plan)
        else:
            _decide(work, step)
    written = pl.concat([ledger.empty(), *work.ledger])
    _store(work, written, plan, (cache, key))
    changed = written.filter(pl.col("action") == "changed").group_by("position").len()
    return {
        "rows": work.rows.height,
        "gone": sum(frame.height for frame in work.gone),
        "rejects": loaded.rejects.height,
        "lines": loaded.line_count,
        "notes": list(loaded.notes),
        "changed": {str(position): count for position, count in changed.iter_rows()},
        "stop": stop,
    }


def _identified(loaded: Loaded, plan: Plan, ids: pl.Series | None) -> pl.DataFrame:
    rows: pl.DataFrame = loaded.rows
    content = content_hash(rows) if ids is None else ids
    identity = [content.alias(ROW)]
    if plan.id:
        written = [pl.col(name).cast(pl.String) for name in plan.id]
        keys = rows.select(pl.concat_str(written, separator="/").alias(ROW_ID))[ROW_ID]
        keys = keys.zip_with(keys.is_not_null(), hex_ids(content))
        identity = [text_hash(keys).alias(ROW), content.alias(CONTENT), keys]
    return rows.with_columns(
        *identity,
        pl.int_range(pl.len(), dtype=pl.UInt32).alias(INDEX),
        loaded.lines.cast(pl.UInt64).alias(LINE),
        pl.lit(None, dtype=pl.Int16).alias(DECIDED),
    )


def _set_rejects_aside(work: _Shard, loaded: Loaded) -> None:
    """Lines that could not be read are rows too: they are counted, kept and explained."""
    rejects = loaded.rejects
    if not rejects.height:
        return
    start = loaded.rows.height
    index = pl.int_range(start, start + rejects.height, dtype=pl.UInt32, eager=True)
    hashes = text_hash(rejects["text"].fill_null(""))
    frame = pl.DataFrame(
        {INDEX: index, ROW: hashes, LINE: rejects["line"].cast(pl.UInt64), TEXT: rejects["text"]}
    )
    if ROW_ID in work.rows.columns:
        frame = frame.with_columns(hex_ids(hashes))
    work.gone.append(frame.with_columns(pl.lit(READ, dtype=pl.Int16).alias(DECIDED)))
    columns: dict[str, pl.Series | pl.Expr] = {
        "rule": pl.lit("cannot be read"),
        "note": rejects["problem"],
    }
    work.ledger.append(ledger.entries(index, READ, "set aside", columns))


def _hold_against_contract(work: _Shard, plan: Plan, loaded: Loaded) -> dict[str, Any] | None:
    """Type the rows, set aside those that break the contract; return the first that must stop."""
    result = check(work.rows, plan.fields, plan.rules)
    work.rows = result.rows
    found = result.violations
    for action, name in (("null", "nulled"), ("set_aside", "set aside"), ("stop", "set aside")):
        these = found.filter(pl.col("action") == action)
        if these.height:
            columns = {
                "rule": these.select(_rule_name())["rule"],
                "note": these["received"].str.slice(0, NOTE_LENGTH),
            }
            work.ledger.append(ledger.entries(these["row"], CONTRACT, name, columns))
    out = found.filter(pl.col("action") != "null")["row"].unique()
    if out.len():
        work.leave(work.rows[INDEX].is_in(out.cast(pl.UInt32).implode()), CONTRACT)
    stops = found.filter(pl.col("action") == "stop")
    if not stops.height:
        return None
    first = stops.row(0, named=True)
    return first | {"line": int(loaded.lines[first["row"]])}


def _rule_name() -> pl.Expr:
    """`field: rule`; a rule over several fields stands alone."""
    alone = pl.col("field") == ""
    named = pl.concat_str("field", pl.lit(": "), "rule")
    return pl.when(alone).then("rule").otherwise(named).alias("rule")


def _look_ahead(work: _Shard, step: Step) -> None:
    """Note what a whole-table step will look at, as the row is at this point of the recipe."""
    seen = {step.column(name): work.rows[name] for name in step.values}
    seen |= {step.column(name): _equality(work.rows, name) for name in step.keys}
    seen |= {step.column(sql): evaluate_expression(work.rows, sql) for sql in step.expressions}
    work.in_sight = True
    if step.component.sketch:
        sketch = step.component.sketch(work.rows, **step.sketch_parameters)
        flat = [name for name, dtype in sketch.schema.items() if not dtype.is_nested()]
        seen |= {step.column(name): sketch[name] for name in flat}
        work.wide[step.position] = sketch.drop(flat)
    for name, values in seen.items():
        work.see(values, name)


def _equality(rows: pl.DataFrame, name: str) -> pl.Series:
    """A narrow stand-in for a column of which only equality matters."""
    values = rows[name]
    return (
        values
        if values.dtype.is_integer() or values.dtype == pl.Boolean
        else key_hash(rows, [name])
    )


def _change(work: _Shard, step: Step, plan: Plan) -> None:
    before = work.rows
    after: pl.DataFrame = step.component.function(before, **step.parameters)
    named = [name for name in step.values or before.columns if name in plan.prepared]
    named = [name for name in named if name in before.columns]
    if not named:
        work.rows = after
        return
    changes = [pl.when(before[name].ne_missing(after[name])).then(pl.lit(name)) for name in named]
    note = before.select(pl.concat_str(changes, separator=", ", ignore_nulls=True).alias("note"))
    touched = note["note"] != ""
    if touched.any():
        index = before[INDEX].filter(touched)
        columns = {"note": note["note"].filter(touched)}
        work.ledger.append(ledger.entries(index, step.position, "changed", columns))
    work.rows = after


def _decide(work: _Shard, step: Step) -> None:
    decisions: pl.DataFrame = step.component.function(work.rows, **step.parameters)
    out = decisions["rule"].is_not_null() & work.rows[DECIDED].is_null()
    if out.any():
        columns = {name: decisions[name].filter(out) for name in ("rule", "value", "threshold")}
        work.decide(out, step.position, columns)


def _store(work: _Shard, written: pl.DataFrame, plan: Plan, entry: tuple[Cache, str]) -> None:
    keys = [ROW, DECIDED, *([CONTENT] if plan.id else [])]
    seen = [name for name in work.rows.columns if is_narrow(name)]
    watched = [pl.col(plan.watched).alias(WATCHED)] if plan.watched else []
    narrow = work.rows.select(*keys, *seen, *watched)
    rows = work.rows.drop(seen)
    gone = pl.concat(
        [rows.clear(), *(frame.drop(seen, strict=False) for frame in work.gone)], how="diagonal"
    )
    cache, key = entry
    frames = (rows, gone, narrow, written, *work.wide.values())
    for name, frame in zip(parts(plan), frames, strict=True):
        with cache.writing(key, f"{name}.arrow") as path:
            frame.write_ipc(path, compression="uncompressed")
