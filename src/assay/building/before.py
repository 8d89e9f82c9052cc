"""The version before: where its rows stood, so that no row changes sides when data grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assay import version as versions
from assay.building.plan import FOLD, PARENT, Plan, contents
from assay.cache import BUILDING, code_version
from assay.recipe import digest
from assay.rows import ROW, ROW_ID, text_hash
from assay.sharing import linked
from assay.version import Version


@dataclass(frozen=True)
class Before:
    """The rows of the version before.

    Attributes:
        version: its id.
        rows: `_row`, `_was` and `_was_fold` of its rows.
    """

    version: str
    rows: pl.DataFrame

    def of(self, rows: pl.Series) -> pl.DataFrame:
        """`_was` and `_was_fold` for some rows, null for those that were not there."""
        found = (
            rows.alias(ROW).to_frame().join(self.rows, on=ROW, how="left", maintain_order="left")
        )
        return found.select("_was", "_was_fold")


@dataclass(frozen=True)
class Told:
    """What the version before read under each key.

    Attributes:
        version: its id.
        rows: `_row` and `_told`, the hash of the row as it came that counted for the key.
        contents: the hashes of all its rows as they came.
    """

    version: str
    rows: pl.DataFrame
    contents: pl.Series

    def of(self, rows: pl.DataFrame) -> pl.Series:
        """For some rows, the hash of what counted for their keys; null for new keys."""
        return rows.select(ROW).join(self.rows, on=ROW, how="left", maintain_order="left")["_told"]


@dataclass(frozen=True)
class Standing:
    """What the version before, made in the same way, decided of each row.

    Attributes:
        rows: `_row`; `_content`, the hash of the row as it came, null where that is its id;
            `_gone`, the position of the step that set it aside, null if none did; the `_twin` and
            the `_value` that this step told.
    """

    rows: pl.DataFrame

    def of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """`_here`, whether a row was there as it is now, and what was decided of it then.

        Args:
            rows: `_row`, and `_content` where ids are keys.
        """
        found = rows.join(self.rows, on=ROW, how="left", maintain_order="left", suffix="_then")
        same = pl.col("_content_then") == pl.col("_content") if "_content" in rows else True
        here = pl.col("_here").fill_null(False) & same
        return found.select(here.alias("_here"), "_gone", "_twin", "_value")


@dataclass(frozen=True)
class Former:
    """The files of the version before, by their hashes, as paths in its folder."""

    folder: Path
    files: Mapping[str, str]

    def lent(self, hash: str, target: Path) -> bool:
        """Give the file of this hash a second name, if there is one and it is as it was."""
        return hash in self.files and linked(self.folder / self.files[hash], target, hash)


def way(plan: Plan) -> str:
    """A hash of all that decides what becomes of a row, but for the other rows."""
    steps = [
        [step.name, step.decisive, step.component.version(), contents(step.parameters)]
        for step in plan.table_steps
    ]
    return digest(["way", code_version(*BUILDING), plan.row_part(), steps])


def standing(out: Path, name: str, plan: Plan, told: Told | None) -> Standing | None:
    """What the newest version under `out` decided, if it was made in this way.

    What has been `told` of the same version is not read again.
    """
    newest = next(reversed(versions.whole(out, name)), None)
    settles = any(step.settles for step in plan.steps)
    if not settles or newest is None or newest.manifest.get("way") != way(plan):
        return None
    known = told.rows if told and told.version == newest.id else None
    return Standing(_standing(newest, known, keyed=bool(plan.id)))


def settled(stood: pl.DataFrame, position: int) -> pl.DataFrame:
    """What a step decided in the version before of the rows that it saw there as they are.

    Returns:
        `_stayed`, whether a row got past this step, null for a row that it did not see; of those
        that went, the twin that they went for, `_went_for`, and the value told, `_went_by`.
    """
    seen = pl.col("_here") & (pl.col("_gone") >= position).fill_null(True)
    stayed = (pl.col("_gone") > position).fill_null(True)
    return stood.select(
        _stayed=pl.when(seen).then(stayed),
        _went_for=pl.when(seen & ~stayed).then("_twin"),
        _went_by=pl.when(seen & ~stayed).then("_value"),
    )


def _standing(version: Version, known: pl.DataFrame | None, *, keyed: bool) -> pl.DataFrame:
    lines = version.ledger()
    if known is None:
        read = lines.filter(pl.col("action") == "read").select(ROW_ID, "content").collect()
        rows = _hash(read[ROW_ID], keyed=keyed).alias(ROW).to_frame()
        known = rows.with_columns(read["content"].alias("_told")).unique(ROW)
    out = lines.filter(pl.col("action") == "set aside")
    aside = out.select(ROW_ID, "position", "twin", "value").collect()
    gone = aside.select(
        _hash(aside[ROW_ID], keyed=keyed).alias(ROW),
        pl.col("position").alias("_gone"),
        _hash(aside["twin"], keyed=keyed).alias("_twin"),
        pl.col("value").alias("_value"),
    )
    rows = known.rename({"_told": "_content"})
    rows = rows.join(gone.unique(ROW, keep="first"), on=ROW, how="left")
    return rows.with_columns(_here=True)


def former_files(out: Path, name: str) -> Former:
    """The files of the newest version under `out`, where there is one."""
    for version in reversed(versions.whole(out, name)):
        hashes: dict[str, str] = version.manifest.get("hashes", {})
        return Former(version.path, {hash: file for file, hash in hashes.items()})
    return Former(out, {})


def told(out: Path, name: str, plan: Plan) -> Told | None:
    """What the newest version under `out` read by the same key and the same columns."""
    if not plan.id:
        return None
    for version in reversed(versions.whole(out, name)):
        same = version.manifest["recipe"].get("id", []) == list(plan.id)
        if same and version.manifest.get("columns") == list(plan.fields):
            lines = version.ledger().filter(pl.col("action") == "read")
            found = lines.select(ROW_ID, _told=pl.col("content")).collect()
            rows = found.select(text_hash(found[ROW_ID]).alias(ROW), "_told")
            return Told(version.id, rows.unique(ROW), found["_told"])
    return None


def former(out: Path, name: str, plan: Plan) -> Before | None:
    """The newest version under `out` whose rows were split in the same way, if there is one.

    The same way means the same split steps with the same parameters: whoever changes shares or
    seed wants another split. A row is the same if its id is, which without key columns is its
    content.
    """
    asked = [[step.name, dict(step.parameters)] for step in plan.steps if step.splits]
    if not asked:
        return None
    wanted = digest(asked)
    for version in reversed(versions.whole(out, name)):
        if version.manifest["recipe"].get("id", []) == list(plan.id) and _splits(version) == wanted:
            return Before(version.id, _rows(version, keyed=bool(plan.id)))
    return None


def _splits(version: Version) -> str:
    steps = version.manifest["steps"]
    return digest(
        [[step["step"], step["parameters"]] for step in steps if step["step"].startswith("split.")]
    )


def _rows(version: Version, *, keyed: bool) -> pl.DataFrame:
    parts = []
    for split in version.splits:
        rows = version.scan(split)
        names = rows.collect_schema().names()
        if PARENT in names:
            rows = rows.filter(pl.col(PARENT).is_null())
        fold = pl.col(FOLD) if version.manifest.get("folds") else pl.lit(None)
        parts.append(
            rows.select(ROW_ID, pl.lit(split).alias("_was"), fold.cast(pl.Int32).alias("_was_fold"))
        )
    found = pl.concat(parts).collect()
    hashes = _hash(found[ROW_ID], keyed=keyed).alias(ROW)
    return found.select(hashes, "_was", "_was_fold").unique(ROW)


def _hash(ids: pl.Series, *, keyed: bool) -> pl.Series:
    # Without key columns an id is the row's hash itself.
    return text_hash(ids) if keyed else ids.str.to_integer(base=16, dtype=pl.UInt64)
