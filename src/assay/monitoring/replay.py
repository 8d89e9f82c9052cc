"""A version's own rows as if they had come batch by batch: how often the monitor would alarm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from assay.building.plan import PARENT
from assay.errors import RecipeError, SourceError, nearest
from assay.evaluation.intervals import Interval, wilson
from assay.monitoring.drift import LEVEL, drift
from assay.monitoring.making import counts, of_frame
from assay.monitoring.profile import summarise
from assay.rows import ROW_ID, as_pandas, row_ids, uniform
from assay.version import Version

MOST = 200_000
"""Rows that are replayed, chosen by their ids where there are more."""
BATCHES = 20
FEWEST = 20
"""Rows of a batch."""


@dataclass(frozen=True)
class Replayed:
    """What the monitor would have said of a version's own rows.

    Attributes:
        version: the version's title.
        by: the field that gave the order; None for an order by chance.
        reference: rows that the batches were held against.
        rows: of a batch.
        level: the share of batches that may alarm where nothing changes.
        batches: `first` and `last` of the field that gave the order, `alarms`: the lines that
            alarmed.
    """

    version: str
    by: str | None
    reference: int
    rows: int
    level: float
    batches: tuple[Mapping[str, Any], ...]

    @property
    def alarms(self) -> int:
        """Batches that raised one."""
        return sum(bool(batch["alarms"]) for batch in self.batches)

    @property
    def interval(self) -> Interval:
        """Of the share of batches that raise one (Wilson)."""
        return wilson(self.alarms, len(self.batches))

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "version": self.version,
            "by": self.by,
            "reference": self.reference,
            "rows": self.rows,
            "level": self.level,
            "batches": [dict(batch) for batch in self.batches],
            "alarms": self.alarms,
            "rate": self.alarms / len(self.batches),
            "low": self.interval.low,
            "high": self.interval.high,
        }

    def to_pandas(self) -> Any:
        """A row each batch, as a pandas frame."""
        return as_pandas(pl.DataFrame([dict(batch) for batch in self.batches], strict=False))

    def __repr__(self) -> str:
        order = f"in the order of {self.by!r}" if self.by else "in an order by chance"
        rate = self.alarms / len(self.batches)
        low, high = self.interval.low or 0.0, self.interval.high or 1.0
        lines = [
            f"{self.version} replayed {order}: {len(self.batches)} batches of {self.rows:,} rows "
            f"against its first {self.reference:,}",
            f"  {self.alarms} raised an alarm: {rate:.1%} (95 % {low:.1%} to {high:.1%}), where "
            f"{self.level:.0%} may if nothing has changed",
        ]
        names = Counter(name for batch in self.batches for name in batch["alarms"])
        lines += [f"  {count:>6} times  {name}" for name, count in names.most_common(10)]
        first = next((batch for batch in self.batches if batch["alarms"]), None)
        if self.by and first:
            lines.append(f"  the first from {first['first']} to {first['last']}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def replay(
    version: Version,
    *,
    by: str | None = None,
    rows: int | None = None,
    level: float = LEVEL,
    floors: Mapping[str, float] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Replayed:
    """Hold the later half of a version's rows, batch by batch, against the earlier half.

    In an order by chance nothing changes, and every alarm is a false one. In an order of time an
    alarm is either false, or a change that was there.

    Args:
        version: whose rows are replayed, up to 200,000 of them, chosen by their ids.
        by: the field that gives the order; the first field of times, and where there is none, an
            order by the ids.
        rows: of a batch; by default the later half makes 20 batches.
        level: as of `monitor`.
        floors: as of `monitor`.
        progress: called with a stage's name, what is done and how much there is.

    Raises:
        RecipeError: there is no such field, or a batch would have too few rows.
        SourceError: the version has too few rows.
    """
    manifest = version.manifest
    types = {name: field["type"] for name, field in manifest["fields"].items()}
    by = by or next((name for name, type_ in types.items() if type_ == "datetime"), None)
    if by is not None and by not in types:
        raise RecipeError(f"There is no field {by!r}.", allowed=types, hint=nearest(by, types))
    seed = int(manifest["seed"])
    found = _ordered(version, by, seed)
    half = found.height // 2
    size = rows or max(FEWEST, (found.height - half) // BATCHES)
    if size < FEWEST:
        raise RecipeError(f"A batch has {FEWEST} rows or more.", received=size)
    if found.height - half < size:
        raise SourceError(
            "The version has too few rows to be replayed.",
            where=version.title,
            received=f"{found.height:,} rows",
            allowed=f"at least {2 * size:,}",
        )
    for name in [*manifest["recipe"].get("id", []), by, PARENT]:
        types.pop(name or "", None)
    profile = of_frame(found[:half], types, seed=seed)
    starts = range(half, found.height - size + 1, size)
    batches = []
    for start in starts:
        part = found[start : start + size]
        summary = summarise(part, profile.fields, profile.kinds, seed)
        held = drift(profile, summary, level=level, floors=floors, seed=seed)
        ends = {"first": str(part[by][0]), "last": str(part[by][-1])} if by else {}
        batches.append({**ends, "alarms": [line.field for line in held.lines if line.alarm]})
        if progress:
            progress("replay", len(batches), len(starts))
    return Replayed(version.title, by, half, size, level, tuple(batches))


def _ordered(version: Version, by: str | None, seed: int) -> pl.DataFrame:
    manifest = version.manifest
    splits = [split for split in version.splits if counts(manifest, split)]
    parts = [version.scan(split) for split in splits]
    kept = [
        scan.filter(pl.col(PARENT).is_null()) if PARENT in scan.collect_schema().names() else scan
        for scan in parts
    ]
    ids = pl.concat([scan.select(ROW_ID) for scan in kept], how="vertical_relaxed").collect()
    chance = pl.Series("_chance", uniform(row_ids(ids), seed, "monitor.replay"))
    if ids.height > MOST:
        ids = ids.with_columns(chance).sort("_chance").head(MOST)
        kept = [scan.join(ids.lazy().select(ROW_ID), on=ROW_ID, how="semi") for scan in kept]
    rows = pl.concat(kept, how="diagonal_relaxed").collect()
    chance = pl.Series("_chance", uniform(row_ids(rows), seed, "monitor.replay"))
    rows = rows.with_columns(chance)
    keys = [by, "_chance"] if by else ["_chance"]
    return rows.sort(*keys, nulls_last=True).drop("_chance")
