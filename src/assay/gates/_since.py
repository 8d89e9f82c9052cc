"""A version's rows held against those of an earlier one, as a monitor holds new rows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from assay.building.plan import PARENT
from assay.engine import run
from assay.monitoring.drift import drift, enough
from assay.monitoring.making import counts, profile_of
from assay.monitoring.profile import Profile, Summary, merged, summarise
from assay.rows import ROW_ID
from assay.version import Version

HALF = 0.5


def since(version: Version, before: Version) -> tuple[list[dict[str, Any]], int | None]:
    """How far a version's rows have moved from an earlier one's, a line for every distribution.

    Also how many rows it takes to see a field that moved by half its spread, where there are
    fewer.

    Fields that are not in both, or of another type, cannot be compared: the gate `schema` is about
    them.
    """
    manifest, was = version.manifest, before.manifest["fields"]
    if manifest["hash"] == before.manifest["hash"]:
        return [{"field": name, "alarm": False} for name in manifest["fields"]], None
    now = manifest["fields"]
    same = {name for name in now if was.get(name, {}).get("type") == now[name]["type"]}
    profile = profile_of(before)
    fields = {name: one for name, one in profile.fields.items() if one.column in same}
    kinds = {name: kind for name, kind in profile.kinds.items() if name in same}
    profile = replace(profile, fields=fields, kinds=kinds)
    files = [version.file(file) for file in manifest["files"] if counts(manifest, file["split"])]
    seed = int(before.manifest["seed"])
    parts = list(run(partial(_summary, profile=profile, seed=seed), files))
    rows = merged(parts)
    lines = [line.to_dict() for line in drift(profile, rows, seed=seed).lines]
    # A version too small to be a reference has no number of rows; twice its own is a beginning.
    needed = enough(max(len(lines), 1), profile.rows, HALF) or 2 * rows.rows + 1
    return lines, needed if rows.rows < needed else None


def _summary(file: Path, profile: Profile, seed: int) -> Summary:
    scan = pl.scan_parquet(file)
    there = scan.collect_schema().names()
    if PARENT in there:
        # Synthetic rows say nothing of where data comes from.
        scan = scan.filter(pl.col(PARENT).is_null())
    wanted = {ROW_ID, *(field.column for field in profile.fields.values()), *profile.kinds}
    rows = scan.select([name for name in there if name in wanted]).collect()
    return summarise(rows, profile.fields, profile.kinds, seed)
