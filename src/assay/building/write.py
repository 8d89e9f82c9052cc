"""The second pass: act on what was decided. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.building import profile, remembered
from assay.building.before import Former
from assay.building.plan import FOLD, PARENT, READ, Plan
from assay.building.prepare import CONTENT, DECIDED, INDEX, LINE, TEXT
from assay.cache import Cache
from assay.component import find
from assay.exports.part import Exported, Part, exported
from assay.recipe import FieldSpec
from assay.rows import ROW, ROW_ID, content_hash, hex_ids

COPY, SPLIT, SOURCE, MADE_BY = "_copy", "_split", "_source", "_synthetic"
CORRECTED = "_corrected"


@dataclass(frozen=True)
class Export:
    """One export of a recipe: the component's name, its label and its parameters."""

    name: str
    label: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Task:
    """One shard's share of the version.

    Attributes:
        key: the shard's entry in the cache.
        source: the file's name as the user wrote it.
        offset: how many lines of the file stand before this shard.
        number: the shard's place in the version.
        files: for each split, the number of the file that this shard writes.
        outcome: `_row`, `_copy`, `_decided`, `_split` of the rows that whole-table steps saw.
        decisions: what those steps decided about them, with the ids of twins.
        gone: `_row`, `_copy` of the rows that were set aside before.
        changed: columns that steps which learn replaced or made, a line for each row.
        notes: what they changed: `_index`, `position`, `note`.
        added: for each step its synthetic rows, with `_index` of the parent and `_number`.
    """

    key: str
    source: str
    offset: int
    number: int
    files: Mapping[str, int]
    outcome: pl.DataFrame
    decisions: pl.DataFrame
    gone: pl.DataFrame
    changed: pl.DataFrame
    notes: pl.DataFrame
    added: Sequence[tuple[int, pl.DataFrame]] = ()


@dataclass(frozen=True)
class Writing:
    """The second pass over one shard, as a task that can be sent to any worker."""

    plan: Plan
    cache: Cache
    folder: Path
    exports: Sequence[Export]
    fields: Mapping[str, FieldSpec]
    extras: Sequence[str]
    former: Former

    def __call__(self, task: Task) -> dict[str, Any]:
        """Write a shard's rows, quarantine, ledger and exports; return what was counted.

        Parts that are as they were in a former build are not written again.
        """
        keys = remembered.keys(self, task)
        writing: dict[str, Callable[[Task], tuple[Any, list[str]]]] = {
            "kept": self._kept,
            "early": self._early,
            "late": self._late,
        }
        said: dict[str, Any] = {}
        for part, write in writing.items():
            places = _places(task, self.exports)
            found = remembered.recalled(self.cache, keys[part], self.folder, places, self.former)
            if found is None:
                found, files = write(task)
                remembered.remember(self.cache, keys[part], found, self.folder, files, places)
            said[part] = found
        kept, gone = remembered.counted(said["kept"]), [said["early"], said["late"]["gone"]]
        return {
            **kept,
            **said["late"],
            "files": [
                {"path": f"data/{split}-{number:05d}.parquet", "rows": kept["splits"][split]}
                | {"split": split}
                for split, number in task.files.items()
            ],
            "gone": np.concatenate([np.asarray(some, dtype=np.uint64) for some in gone]),
            "keys": list(keys.values()),
            "parts": {
                file: remembered.kept_file(self.cache, keys["kept"], file) for file in kept["parts"]
            },
        }

    def _kept(self, task: Task) -> tuple[dict[str, Any], list[str]]:
        """Write the rows that stay, and their exports."""
        rows = self._rows(task)[0]
        real = rows.filter(pl.col(DECIDED).is_null())
        made = self._synthetic(task, rows)
        kept = pl.concat([real, made], how="diagonal_relaxed") if made.height else real
        if PARENT in self.extras and PARENT not in kept.columns:
            kept = kept.with_columns(pl.lit(None, dtype=pl.String).alias(PARENT))
        columns = list(dict.fromkeys([ROW_ID, *self.fields, *self.extras]))
        profiles, counts, exports = {}, {}, []
        for split, number in task.files.items():
            part = kept.filter(pl.col(SPLIT) == split).select(columns)
            _write(part, self.folder / "data" / f"{split}-{number:05d}.parquet")
            profiles[split] = profile.summarise(part, self.fields)
            counts[split] = part.height
            exports += self._export(task, part, split)
        parts = [
            f"exports/{export.label}/{file.name}"
            for export in self.exports
            for file in sorted((self.folder / _exporting(export, task)).glob("*"))
        ]
        said = {
            "splits": counts,
            "kept": real.height,
            "synthetic": made.height,
            "profiles": profiles,
            "exports": exports,
            "parts": parts,
            "hashes": content_hash(kept, [*columns, SPLIT]).to_numpy(),
        }
        return remembered.plain(said), [*(f"data/{split}" for split in task.files), *parts]

    def _early(self, task: Task) -> tuple[Any, list[str]]:
        """Write the rows that the first pass set aside."""
        gone = self._rows(task)[1]
        lines = _early(self.cache.path(task.key, "ledger.arrow"))
        lines = lines.sort(INDEX, "position", maintain_order=True)
        lines = self._told(
            lines.filter(pl.col("action") == "set aside").unique(INDEX, keep="first")
        )
        return _identity(gone), self._quarantine(task, gone, lines, "early")

    def _late(self, task: Task) -> tuple[dict[str, Any], list[str]]:
        """Write the ledger, and the rows that whole-table steps set aside."""
        rows, gone = self._rows(task)
        written = self._ledger(task, rows, gone, self._synthetic(task, rows))
        out = rows.filter(pl.col(DECIDED).is_not_null())
        files = self._quarantine(task, out, written.filter("decisive"), "late")
        reasons = written.filter(pl.col("decisive")).group_by("position", "rule").len()
        said = {
            "read": rows.height + gone.height,
            "reasons": reasons.rows(),
            "changed": self._changed(written),
            "gone": _identity(out),
        }
        return said, ["ledger", *files]

    def _rows(self, task: Task) -> tuple[pl.DataFrame, pl.DataFrame]:
        rows = pl.read_ipc(self.cache.path(task.key, "rows.arrow"))
        gone = pl.read_ipc(self.cache.path(task.key, "gone.arrow"))
        rows = rows.with_columns(task.outcome.select(ROW, COPY, DECIDED, SPLIT, FOLD, CORRECTED))
        rows = rows.with_columns(
            # A row that is out is kept in quarantine as it came.
            pl.when(pl.col(DECIDED).is_null())
            .then(late)
            .otherwise(pl.col(late.name))
            .alias(late.name)
            if late.name in rows.columns
            else late
            for late in task.changed.get_columns()
        )
        gone = gone.with_columns(task.gone.select(ROW, COPY))
        place = [(pl.col(LINE) + task.offset).alias(LINE), pl.lit(task.source).alias(SOURCE)]
        return _named(rows).with_columns(place), _named(gone).with_columns(place)

    def _synthetic(self, task: Task, rows: pl.DataFrame) -> pl.DataFrame:
        """The synthetic rows: what they do not say themselves is as in the row they came from."""
        made = [rows.clear()]
        for position, frame in task.added:
            parents = rows[frame["_index"]]
            own = frame.select(name for name in frame.columns if name in self.fields)
            number = frame["_number"].cast(pl.String)
            made.append(
                parents.with_columns(own.get_columns()).with_columns(
                    parents[ROW_ID].alias(PARENT),
                    (parents[ROW_ID] + "+" + number).alias(ROW_ID),
                    pl.lit("train").alias(SPLIT),
                    pl.lit(position, dtype=pl.Int16).alias(MADE_BY),
                )
            )
        return pl.concat(made, how="diagonal_relaxed")

    def _ledger(
        self, task: Task, rows: pl.DataFrame, gone: pl.DataFrame, made: pl.DataFrame
    ) -> pl.DataFrame:
        """All decisions about this shard's rows, in the rows' order; write and return them."""
        early = _early(self.cache.path(task.key, "ledger.arrow"))
        late = task.decisions.select(
            rows[INDEX].gather(task.decisions["_index"]).alias(INDEX),
            pl.lit("set aside").alias("action"),
            *("position", "rule", "value", "threshold", "twin"),
        )
        wanted = [ROW_ID, INDEX, DECIDED, LINE, SOURCE, SPLIT, CONTENT]
        all_rows = pl.concat([rows, gone], how="diagonal")
        all_rows = all_rows.select(name for name in wanted if name in all_rows.columns)
        read = all_rows.select(
            INDEX,
            pl.lit(READ, dtype=pl.Int16).alias("position"),
            pl.lit("read").alias("action"),
            pl.col(LINE).cast(pl.Float64).alias("value"),
            pl.col(SOURCE).alias("note"),
            # Without key columns the id is the content's hash itself.
            (
                pl.col(CONTENT) if CONTENT in all_rows.columns else pl.lit(None, dtype=pl.UInt64)
            ).alias("content"),
        )
        last = len(self.plan.steps) + 2
        split = rows.filter(pl.col(DECIDED).is_null()).select(
            INDEX,
            pl.lit(last, dtype=pl.Int16).alias("position"),
            pl.lit("split").alias("action"),
            pl.col(SPLIT).alias("note"),
        )
        changed = task.notes.select(
            rows[INDEX].gather(task.notes["_index"]).alias(INDEX),
            pl.lit("changed").alias("action"),
            *("position", "note"),
        )
        corrected = rows.filter(pl.col(CORRECTED).is_not_null()).select(
            INDEX,
            pl.lit(READ, dtype=pl.Int16).alias("position"),
            pl.lit("corrected").alias("action"),
            (pl.lit("other content than in ") + pl.col(CORRECTED)).alias("note"),
        )
        lines = pl.concat([read, corrected, early, late, changed, split], how="diagonal_relaxed")
        lines = lines.join(all_rows.select(ROW_ID, INDEX, DECIDED), on=INDEX, how="left")
        # What a later step said of a row that was already out is not part of its story.
        lines = lines.filter(pl.col("position") <= pl.col(DECIDED).fill_null(last))
        lines = self._told(lines.sort(INDEX, "position", maintain_order=True))
        aside = pl.col("action") == "set aside"
        decisive = aside & (pl.struct(INDEX, "action").is_first_distinct())
        lines = lines.with_columns(decisive.alias("decisive"))
        columns = [
            ROW_ID,
            "position",
            "step",
            "action",
            "rule",
            "value",
            "threshold",
            "twin",
            "note",
            "content",
        ]
        whole = lines.select(columns)
        if made.height:
            whole = pl.concat(
                [whole, self._added(made, last).select(columns)], how="vertical_relaxed"
            )
        _write(whole, self.folder / _places(task, ())["ledger"])
        return lines

    def _told(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Lines of the ledger with the names of their steps."""
        names = self._names(len(self.plan.steps) + 2)
        step = pl.col("position").replace_strict(names, return_dtype=pl.String)
        return lines.with_columns(step.alias("step"))

    def _added(self, made: pl.DataFrame, last: int) -> pl.DataFrame:
        """Two lines for each synthetic row: who made it of which row, and where it went."""
        blank = {"rule": pl.String, "value": pl.Float64, "threshold": pl.Float64}
        lines = made.select(
            ROW_ID,
            pl.col(MADE_BY).alias("position"),
            pl.lit("added").alias("action"),
            *(pl.lit(None, dtype=dtype).alias(name) for name, dtype in blank.items()),
            pl.col(PARENT).alias("twin"),
            pl.lit(None, dtype=pl.String).alias("note"),
            pl.lit(None, dtype=pl.UInt64).alias("content"),
        )
        split = lines.with_columns(
            pl.lit(last, dtype=pl.Int16).alias("position"),
            pl.lit("split").alias("action"),
            pl.lit(None, dtype=pl.String).alias("twin"),
            pl.lit("train").alias("note"),
        )
        step = pl.col("position").replace_strict(self._names(last), return_dtype=pl.String)
        return pl.concat([lines, split]).with_columns(step.alias("step"))

    def _names(self, last: int) -> dict[int, str]:
        names = {position: self.plan.step_name(position) for position in range(last)}
        splits = [step.title for step in self.plan.table_steps if step.name.startswith("split.")]
        return names | {last: splits[-1] if splits else "split"}

    def _quarantine(
        self, task: Task, out: pl.DataFrame, lines: pl.DataFrame, part: str
    ) -> list[str]:
        """Write rows that were set aside with their reasons; the names of the files."""
        if not out.height:
            return []
        reasons = lines.select(INDEX, "step", "rule", "value", "threshold", "twin", "note")
        text = pl.col(TEXT) if TEXT in out.columns else pl.lit(None, dtype=pl.String)
        told = out.join(reasons, on=INDEX, how="left", maintain_order="left").select(
            ROW_ID,
            pl.col(SOURCE).alias("_source"),
            pl.col(LINE),
            *(pl.col(name).alias(f"_{name}") for name in reasons.columns[1:]),
            text.alias(TEXT),
            *(name for name in self.plan.prepared if name != ROW_ID),
        )
        name = f"quarantine/{part}"
        _write(told, self.folder / _places(task, ())[name])
        return [name]

    def _changed(self, written: pl.DataFrame) -> list[tuple[int, int]]:
        changed = written.filter(pl.col("action").is_in(["changed", "nulled"]))
        return changed.group_by("position").len().rows()

    def _export(self, task: Task, part: pl.DataFrame, split: str) -> list[tuple[str, Exported]]:
        """Write one split's rows in every form, and return what each export says of it."""
        said = []
        types = {name: spec.type for name, spec in self.fields.items()}
        types = {ROW_ID: "string", **types}
        for export in self.exports:
            target = self.folder / _exporting(export, task)
            target.mkdir(parents=True, exist_ok=True)
            made = find("exports", export.name).function(
                Part(part, types, split), target, **export.parameters
            )
            said.append((export.label, exported(made, split)))
        return said


def _exporting(export: Export, task: Task) -> str:
    """Where a shard's share of an export lies until all are joined."""
    return f"exports/{export.label}/.{task.number:05d}"


def _places(task: Task, exports: Sequence[Export]) -> dict[str, str]:
    """Where the files of a shard lie in this version."""
    places = {f"data/{split}": f"data/{split}-{n:05d}.parquet" for split, n in task.files.items()}
    for part in ("early", "late"):
        places[f"quarantine/{part}"] = f"quarantine/{part}-{task.number:05d}.parquet"
    places["ledger"] = f"ledger/part-{task.number:05d}.parquet"
    return places | {f"exports/{one.label}": _exporting(one, task) for one in exports}


def _early(file: Path) -> pl.DataFrame:
    """What the first pass decided, row by row: no row went for another one."""
    return pl.read_ipc(file).with_columns(pl.lit(None, dtype=pl.String).alias("twin"))


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd", compression_level=1)


def _named(rows: pl.DataFrame) -> pl.DataFrame:
    """Give every row the text of its id."""
    if ROW_ID not in rows.columns:
        return rows.with_columns(hex_ids(rows[ROW]))
    again = pl.concat_str(pl.col(ROW_ID), pl.lit("#"), pl.col(COPY).cast(pl.String))
    return rows.with_columns(pl.when(pl.col(COPY) > 1).then(again).otherwise(ROW_ID).alias(ROW_ID))


def _identity(rows: pl.DataFrame) -> Any:
    return content_hash(rows, [ROW_ID, DECIDED]).to_numpy()
