"""Decisions about the whole table, taken on its narrow columns: duplicates, samples, splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.building.before import Before, Standing, Told, settled
from assay.building.plan import CONTRACT, FOLD, Plan, Step, narrow_name
from assay.building.prepare import CONTENT, DECIDED, NEWEST, WATCHED
from assay.building.watch import distribution, is_watched
from assay.building.wide import WideParts
from assay.cache import Cache
from assay.component import Sketches
from assay.errors import RecipeError, SourceError, VersionError
from assay.rows import ROW, hex_ids, text_hash

CORRECTED = "_corrected"
AT = "_at"  # a row's place in the whole table
DEFAULT_SPLIT = "train"


@dataclass
class Table:
    """What is known of every row that is still in sight, in the order of the shards.

    Attributes:
        narrow: `_row`, `_decided` and the narrow columns.
        split: the split's name, or null.
        cluster: the cluster's number, or null.
        fold: the number of the fold, or null.
        copies: which copy of its id a row is, 1 for nearly all.
        found: the decisions taken, one frame a step: `_at`, `position`, `rule`, `value`,
            `threshold`, `twin`.
        bounds: where each shard starts, and the end.
        before: `_was` and `_was_fold`, the rows' sides in the version before, where there is one.
        stood: `_here`, `_gone`, `_twin` and `_value`, what was decided of the rows in the version
            before, if it was made in the same way.
        corrected: for rows of which the source says something else than in the version before,
            that version's id.
        shown: for steps that sample, balance or augment, the target before and after.
    """

    narrow: pl.DataFrame
    copies: npt.NDArray[np.uint32]
    bounds: npt.NDArray[np.int64]
    split: pl.Series
    cluster: pl.Series
    fold: pl.Series
    found: list[pl.DataFrame] = field(default_factory=list)
    before: pl.DataFrame | None = None
    stood: pl.DataFrame | None = None
    corrected: pl.Series | None = None
    shown: dict[int, dict[str, Any]] = field(default_factory=dict)

    def slices(self) -> Iterator[tuple[pl.DataFrame, pl.DataFrame]]:
        """For each shard: `_row`, `_copy`, `_decided`, `_split`, `fold`, and its decisions."""
        outcome = self.narrow.select(ROW, DECIDED).with_columns(
            pl.Series("_copy", self.copies), self.split.alias("_split"), self.fold.alias(FOLD)
        )
        none = pl.repeat(None, outcome.height, dtype=pl.String, eager=True)
        corrected = none if self.corrected is None else self.corrected
        outcome = outcome.with_columns(corrected.alias(CORRECTED))
        found = pl.concat(self.found).sort(AT, "position") if self.found else _no_decisions()
        places = found[AT].to_numpy()
        for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            low, high = np.searchsorted(places, [start, stop])
            yield (
                outcome.slice(start, stop - start),
                # The place in the whole table is left out: rows of other shards change it.
                found.slice(low, high - low).select(
                    pl.exclude(AT), (pl.col(AT) - start).cast(pl.UInt32).alias("_index")
                ),
            )


def decide(
    prepared: Sequence[Mapping[str, Any]],
    plan: Plan,
    cache: Cache,
    *,
    others: Mapping[int, Mapping[str, Sketches]] | None = None,
    before: Before | None = None,
    told: Told | None = None,
    standing: Standing | None = None,
) -> tuple[Table, Any]:
    """Number the ids, apply the whole-table steps in order and give every row its split.

    Args:
        prepared: the shards' summaries, in the order that the version will have.
        plan: the build's plan.
        cache: where the shards' narrow columns lie.
        others: for each step that looks at another source, its parameter's rows there.
        before: where the rows stood in the version before.
        told: what the version before read under each key.
        standing: what the version before decided, if it was made in the same way.

    Returns:
        The table, and for each shard the final `_row` and `_copy` of the rows already gone.
    """
    narrow = pl.concat([_read(cache, shard, "narrow", None) for shard in prepared], rechunk=True)
    identity = [ROW, CONTENT] if plan.id else [ROW]
    if plan.id:
        newest = pl.col(NEWEST) if plan.newest else pl.lit(None, dtype=pl.Float64)
        narrow = narrow.with_columns(newest.alias(NEWEST))
        identity.append(NEWEST)
    # A row that broke the contract must not take its key from one that did not.
    gone = pl.concat([_read(cache, shard, "gone", [ROW]) for shard in prepared]).with_columns(
        pl.lit(2**64 - 1, dtype=pl.UInt64).alias(name) for name in identity[1:2]
    )
    bounds = np.concatenate([[0], np.cumsum([shard["rows"] for shard in prepared])])
    every = pl.concat([narrow.select(identity), gone], how="diagonal", rechunk=True)
    rows, copies, superseded = _numbered(every, told)
    height = narrow.height
    table = Table(
        narrow.with_columns(rows[:height]),
        copies[:height],
        bounds,
        pl.repeat(None, height, dtype=pl.String, eager=True),
        pl.repeat(None, height, dtype=pl.UInt64, eager=True),
        pl.repeat(None, height, dtype=pl.Int32, eager=True),
        before=before.of(rows[:height]) if before else None,
    )
    if standing:
        table.stood = standing.of(table.narrow)
    if plan.id:
        _one_row_an_id(table, narrow[ROW], superseded[:height])
        if told is not None:
            now, then = narrow[CONTENT], told.of(narrow)
            anew = (then != now).fill_null(False) & pl.Series(copies[:height] == 1)
            table.corrected = pl.select(pl.when(anew).then(pl.lit(told.version))).to_series()
    for column in plan.unique:
        _unique(table, column)
    wide = WideParts(cache, [shard["key"] for shard in prepared], bounds)
    for step in plan.table_steps:
        parameters = {**step.parameters, **(others or {}).get(step.position, {})}
        if plan.watched and is_watched(step.name):
            earlier = watched_values(table, step.position)
            _apply(table, step, parameters, wide)
            later = watched_values(table, step.position)
            table.shown[step.position] = distribution(plan.watched, earlier, later)
        else:
            _apply(table, step, parameters, wide)
    table.split = table.split.fill_null(DEFAULT_SPLIT)
    # What the steps decided by is not needed any more, and is most of the table.
    table.narrow = table.narrow.select(ROW, DECIDED, *([WATCHED] if plan.watched else []))
    ends = np.cumsum([shard["gone"] for shard in prepared])
    left = [
        pl.DataFrame({ROW: rows[height + end - shard["gone"] : height + end]}).with_columns(
            pl.Series("_copy", copies[height + end - shard["gone"] : height + end])
        )
        for end, shard in zip(ends, prepared, strict=True)
    ]
    return table, left


def _read(
    cache: Cache, shard: Mapping[str, Any], part: str, columns: list[str] | None
) -> pl.DataFrame:
    return pl.read_ipc(cache.path(shard["key"], f"{part}.arrow"), columns=columns)


Copies = npt.NDArray[np.uint32]


def _numbered(rows: pl.DataFrame, told: Told | None) -> tuple[pl.Series, Copies, pl.Series]:
    """Tell rows of the same id apart: the first keeps it, the others get one that says which.

    Rows of the same content are interchangeable, so it does not matter which comes first. Of rows
    of the same key that comes first which is newest; then one that the version before had not
    read, which is a correction; then the one that counted there; then the order of their hashes.

    Returns:
        The final ids, the number of each copy, and which rows are superseded by a newer one.
    """
    ids = rows[ROW]
    copies = np.ones(len(ids), dtype=np.uint32)
    superseded = pl.repeat(False, len(ids), dtype=pl.Boolean, eager=True)
    again = ~ids.is_first_distinct()
    if not again.any():
        return ids, copies, superseded
    repeated = rows.with_row_index(AT).filter(ids.is_in(ids.filter(again).implode()))
    if CONTENT in rows.columns:
        repeated = _in_precedence(repeated, told)
    numbered = repeated.with_columns((pl.int_range(pl.len()).over(ROW) + 1).alias("copy"))
    later = numbered.filter(pl.col("copy") > 1)
    places = later[AT].to_numpy()
    copies[places] = later["copy"].to_numpy()
    if CONTENT in rows.columns:
        superseded = superseded.scatter(later[AT], later["superseded"])
    values = ids.to_numpy().copy()
    values[places] = text_hash(hex_ids(later[ROW]) + "#" + later["copy"].cast(pl.String)).to_numpy()
    return pl.Series(ROW, values), copies, superseded


def _in_precedence(rows: pl.DataFrame, told: Told | None) -> pl.DataFrame:
    """Rows of repeated keys, the one that counts first, and which are `superseded` by it."""
    known = pl.repeat(1, rows.height, dtype=pl.Int8, eager=True)
    if told is not None:
        seen = rows[CONTENT].is_in(told.contents.implode())
        counted = (told.of(rows) == rows[CONTENT]).fill_null(False)
        known = seen.cast(pl.Int8) + (seen & ~counted).cast(pl.Int8)
    # A row that broke the contract has no content here, and comes last.
    gone = rows[CONTENT] == 2**64 - 1
    newest = rows[NEWEST].fill_nan(None) if rows[NEWEST].dtype.is_float() else rows[NEWEST]
    rows = rows.with_columns(newest, known.alias("known"), gone.alias("gone"))
    order = ["gone", NEWEST, "known", CONTENT, AT]
    rows = rows.sort(order, descending=[False, True, False, False, False], nulls_last=True)
    first = rows.select(pl.col(NEWEST, "known").first().over(ROW))
    older = first[NEWEST].ne_missing(rows[NEWEST])
    corrected = (first["known"] == 0) & (rows["known"] > 0)
    return rows.with_columns((~rows["gone"] & (older | corrected)).alias("superseded"))


def watched_values(table: Table, position: int) -> pl.Series:
    """The target of the rows that are alive at this position of the recipe."""
    return table.narrow[WATCHED].filter(alive(table, position))


def alive(table: Table, position: int) -> pl.Series:
    """Which rows no step before this position has set aside."""
    decided = table.narrow[DECIDED]
    return decided.is_null() | (decided > position)


def _apply(table: Table, step: Step, parameters: Mapping[str, Any], wide: WideParts) -> None:
    """Call one step with the rows that no earlier step has set aside."""
    here = alive(table, step.position)
    named = dict.fromkeys([*step.values, *step.keys, *step.expressions])
    view = table.narrow.filter(here).select(
        ROW, *(pl.col(step.column(name)).alias(name) for name in named)
    )
    for name, values in (("_cluster", table.cluster), ("_split", table.split)):
        if values.null_count() < len(values):
            view = view.with_columns(values.filter(here).alias(name))
    if step.remembers and table.before is not None:
        view = view.hstack(table.before.filter(here))
    if step.settles and table.stood is not None:
        view = view.hstack(settled(table.stood.filter(here), step.position))
    given: pl.DataFrame | Sketches = view
    if step.component.sketch:
        flat = table.narrow.filter(here).select(step.noted(table.narrow.columns))
        rows = view.hstack(flat.drop(view.columns, strict=False))
        given = Sketches(rows, wide.reader(step.position, here))
    decisions: pl.DataFrame = step.component.function(given, **parameters)
    record(table, here, decisions, step)


def record(table: Table, alive: pl.Series, decisions: pl.DataFrame, step: Step) -> None:
    """Note what a step decided about the rows that were alive.

    Raises:
        VersionError: it did not give one line for each of them.
    """
    if decisions.height != alive.sum():
        raise VersionError(
            f"{step.name} decided about {decisions.height:,} rows of {alive.sum():,}.",
            hint="a step gives back one line for every row that it is given",
        )
    _record(table, alive, decisions, step.position)


def _record(table: Table, alive: pl.Series, decisions: pl.DataFrame, position: int) -> None:
    at = alive.arg_true().cast(pl.Int64)
    out = decisions["rule"].is_not_null()
    places = at.filter(out)
    blank = {"value": pl.Float64, "threshold": pl.Float64, "twin": pl.UInt64}
    table.found.append(
        decisions.filter(out).select(
            places.alias(AT),
            pl.lit(position, dtype=pl.Int16).alias("position"),
            pl.col("rule"),
            *(
                (pl.col(name) if name in decisions.columns else pl.lit(None))
                .cast(dtype)
                .alias(name)
                for name, dtype in blank.items()
            ),
        )
    )
    marked = table.narrow[DECIDED].scatter(
        places, pl.repeat(position, len(places), dtype=pl.Int16, eager=True)
    )
    table.narrow = table.narrow.with_columns(marked)
    sides = {"split": table.split, "cluster": table.cluster, "fold": table.fold}
    for name, values in sides.items():
        if name in decisions.columns:
            setattr(table, name, _scattered(values, at, decisions[name]))


def _scattered(into: pl.Series, at: pl.Series, values: pl.Series) -> pl.Series:
    """Put values in their places; nulls among them leave what is there."""
    given = values.is_not_null()
    return into.scatter(at.filter(given), values.filter(given).cast(into.dtype))


def _one_row_an_id(table: Table, before: pl.Series, superseded: pl.Series) -> None:
    """Of several rows with one key, keep the first."""
    here = alive(table, CONTRACT)
    again = pl.Series(table.copies > 1).filter(here)
    decisions = (
        before.filter(here)
        .to_frame("twin")
        .select(
            pl.when(again & superseded.filter(here))
            .then(pl.lit("superseded"))
            .when(again)
            .then(pl.lit("duplicate id"))
            .alias("rule"),
            pl.when(again).then(pl.col("twin")).alias("twin"),
        )
    )
    _record(table, here, decisions, CONTRACT)


def _unique(table: Table, column: str) -> None:
    """Of several rows with one value of a `unique` field, keep the one whose id is lowest.

    Those that were in the version before come first.
    """
    here = alive(table, CONTRACT)
    name = narrow_name(CONTRACT, column)
    rows = table.narrow.filter(here)
    lowest = pl.col(ROW).min()
    if table.before is not None:
        rows = rows.with_columns(table.before["_was"].filter(here))
        old = pl.col(ROW).filter(pl.col("_was").is_not_null()).min()
        lowest = pl.coalesce(old, lowest)
    lowest = lowest.over(name)
    again = pl.col(name).is_not_null() & (pl.col(ROW) != lowest)
    decisions = rows.select(
        pl.when(again).then(pl.lit(f"{column}: unique")).alias("rule"),
        pl.when(again).then(lowest).alias("twin"),
    )
    _record(table, here, decisions, CONTRACT)


def _no_decisions() -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            AT: pl.Int64,
            "position": pl.Int16,
            "rule": pl.String,
            "value": pl.Float64,
            "threshold": pl.Float64,
            "twin": pl.UInt64,
        }
    )


def require_rows(
    table: Table, prepared: Sequence[Mapping[str, Any]], plan: Plan, cache: Cache
) -> None:
    """Refuse to make a version without rows.

    Raises:
        SourceError: there were none to begin with.
        RecipeError: every row was set aside; the message says by what.
    """
    if table.narrow[DECIDED].is_null().any():
        return
    if not sum(shard["rows"] + shard["gone"] for shard in prepared):
        names = dict.fromkeys(shard["name"] for shard in prepared)
        raise SourceError(
            "The source has columns and no rows.",
            where=", ".join(names),
            received=", ".join(plan.fields),
        )
    early = [
        _read(cache, shard, "ledger", ["position", "action", "rule"]).filter(action="set aside")
        for shard in prepared
    ]
    decisions = pl.concat([part.select("position", "rule") for part in [*early, *table.found]])
    counts = (
        decisions.group_by("position", "rule").len().sort("len", "rule", descending=[True, False])
    )
    reasons = [
        f"{plan.step_name(at)}: {rule} ({count:,})" for at, rule, count in counts.iter_rows()
    ]
    raise RecipeError(
        "No row is left: every one was set aside.",
        received=", ".join(reasons),
        hint="loosen what took most rows; `assay check SOURCE --recipe RECIPE` shows examples of "
        "what breaks the contract",
    )
