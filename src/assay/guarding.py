"""Hold new data against a version: what has changed, how far, how surely, and does it matter."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from assay.errors import RecipeError
from assay.monitoring.batch import Batch, Progress, count_batch
from assay.monitoring.drift import LEVEL, Drift, drift, enough
from assay.monitoring.making import profile_of
from assay.monitoring.replay import Replayed
from assay.monitoring.replay import replay as replayed
from assay.monitoring.schema import schema_findings
from assay.monitoring.trends import finding
from assay.recipe import Read
from assay.rows import as_pandas
from assay.storage import storage_errors, write_atomically
from assay.tags import read_tags
from assay.version import Version, open_version

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED, MONITOR = "accepted", "monitor.json"
SHOWN = 12
HALF = 0.5
"""A batch that would not show a move of half a spread is too small for a verdict."""


@dataclass(frozen=True)
class Monitored:
    """What came of holding a batch against a version.

    Attributes:
        version: the version's title.
        batch: `name`, `rows`, `usable`, `at` and `hash`.
        findings: `code`, `severity`, `field`, `title`, `detail` and `alarm`.
        drift: a line for every field and way in which it may have moved, the alarms first.
        performance: figures of models on the batch, where labels are known or estimated.
        verdict: `pass`, `fail`, or `inconclusive` where the batch is too small to tell.
        notes: what else is to be known.
        cells, reference: the batch's and the reference's rows by cell, for the history.
        moved: `row_id` and `score` of the rows that look least like the version, surest first.
        path: the `monitor.json` that was written.
    """

    version: str
    batch: Mapping[str, Any]
    findings: Sequence[Mapping[str, Any]]
    drift: Sequence[Mapping[str, Any]]
    performance: Sequence[Mapping[str, Any]] = ()
    verdict: str = "pass"
    notes: Sequence[str] = ()
    cells: Mapping[str, Sequence[int]] = field(default_factory=dict)
    reference: Mapping[str, Sequence[int]] = field(default_factory=dict)
    moved: pl.DataFrame = field(default_factory=pl.DataFrame)
    path: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """As `monitor.json` and the command line's JSON give it."""
        return {
            "version": self.version,
            "batch": dict(self.batch),
            "findings": [dict(one) for one in self.findings],
            "drift": [dict(one) for one in self.drift],
            "performance": [dict(one) for one in self.performance],
            "moved": self.moved.head(20).to_dicts(),
            "notes": list(self.notes),
            "verdict": self.verdict,
            **({"path": str(self.path)} if self.path else {}),
        }

    def to_polars(self) -> pl.DataFrame:
        """The lines of drift as a table."""
        rows = [{**line, **{f"effect_{k}": v for k, v in line["effect"].items()}}
                for line in self.drift]  # fmt: skip
        return pl.DataFrame([{k: v for k, v in row.items() if k != "effect"} for row in rows])

    def to_pandas(self) -> pd.DataFrame:
        """The lines of drift as a pandas frame."""
        return as_pandas(self.to_polars())

    @property
    def alarms(self) -> list[str]:
        """One sentence for everything that alarms."""
        said = [f"{one['title']}: {one['detail']}" for one in self.findings if one["alarm"]]
        return said + [_told(line) for line in self.drift if line["alarm"]]

    def __repr__(self) -> str:
        rows = f"{self.batch['usable']:,} of {self.batch['rows']:,} rows usable"
        lines = [f"{self.batch['name']} held against {self.version}: {rows}"]
        lines += [f"  note: {note}" for note in self.notes]
        for one in sorted(self.findings, key=lambda one: not one["alarm"]):
            mark = "ALARM" if one["alarm"] else one["severity"]
            lines.append(f"  {mark:<6} {one['title']}: {one['detail']}")
        if self.drift:
            lines += ["", f"  {'':6} {'field':<32} {'effect':<15} {'value':>7}  95 % interval"
                          "      floor  p (adjusted)"]  # fmt: skip
            lines += [_row(line) for line in self.drift[:SHOWN]]
            if len(self.drift) > SHOWN:
                alarms = sum(line["alarm"] for line in self.drift[SHOWN:])
                more = f"{len(self.drift) - SHOWN} more, {alarms or 'none'} of them with an alarm"
                lines.append(f"  {'':6} and {more}")
        lines += ["", f"verdict  {self.verdict}"]
        return "\n".join([*lines, f"monitor  {self.path}"] if self.path else lines)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def monitor(  # noqa: PLR0913 - one parameter for each option of `assay monitor`
    data: Any,
    *,
    against: Version | str | Path,
    out: str | Path = "versions",
    level: float = LEVEL,
    floors: Mapping[str, float] | None = None,
    name: str | None = None,
    at: datetime | None = None,
    to: str | Path | None = None,
    read: Mapping[str, Any] | None = None,
    workers: int | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
    progress: Progress | None = None,
) -> Monitored:
    """Hold new data against a version: its schema and contract, then every field's distribution.

    The rows go through the version's contract and its row-wise steps, as the build's did. They
    are held against a profile of the version that is made at the first call and kept, so that the
    version's rows are not read again.

    Args:
        data: a file, glob, folder or list of them, or a frame.
        against: a version, its folder, its name, or a name alone: the accepted version, else the
            newest.
        out: the folder that holds all versions.
        level: of all batches in which nothing has changed, the share that may raise an alarm.
        floors: effects from which on a change matters, by the name of the effect: `wasserstein`
            0.1 of the reference's spread, `jensen_shannon` 0.1, `missing` 0.02, `new` 0.01, `auc`
            0.6.
        name: what to call the batch.
        at: when its rows are from; now when not given.
        to: a folder for `monitor.json`.
        read: how to read the data, as under `read` in a recipe.
        workers: how many shards to work on at once.
        functions: your own functions, or files of them, that the recipe names.
        progress: called with a stage's name, the shards done and their number.

    Returns:
        Findings, a line of drift for every field, and the verdict.

    Raises:
        RecipeError: a floor has an unknown name, or `level` is no share.
        SourceError: the data cannot be read.
        VersionError: there is no such version.

    >>> import tempfile
    >>> from assay.building.build import build
    >>> old = pl.DataFrame({"kind": ["a", "b"] * 300, "n": [k % 97 for k in range(600)]})
    >>> version = build({"name": "demo", "source": old}, out=tempfile.mkdtemp())
    >>> new = old.with_columns(n=pl.col("n") + 60)
    >>> found = monitor(new, against=version)
    >>> found.verdict, found.drift[0]["field"]
    ('fail', 'n')
    """
    if not 0 < level < 1:
        raise RecipeError("`level` is a share between 0 and 1.", received=level)
    version = _version(against, Path(out))
    with storage_errors(version.path.parent):
        profile = profile_of(version, workers=workers)
    with tempfile.TemporaryDirectory(prefix="assay-monitor-") as spool:
        batch = count_batch(
            data,
            version.manifest,
            profile,
            Path(spool),
            read=Read(**read) if read else None,
            workers=workers,
            functions=functions,
            progress=progress,
        )
    findings = schema_findings(batch, version.manifest, level=level)
    moved = (
        drift(profile, batch.summary, level=level, floors=floors, seed=version.manifest["seed"])
        if batch.summary
        else Drift((), {}, {}, pl.DataFrame())
    )
    said = _small(batch, profile.rows, moved)
    alarm = any(one["alarm"] for one in findings) or any(line.alarm for line in moved.lines)
    left_out = {**profile.left_out, **batch.left_out}
    notes = [f"{field} is not compared: {why}" for field, why in left_out.items()]
    when = (at or datetime.now(UTC)).isoformat()
    found = Monitored(
        version.title,
        {"name": name or _name(data), "rows": batch.rows, "usable": batch.usable, "at": when,
         "hash": batch.hash},
        [*findings, *([said] if said else [])],
        [line.to_dict() for line in moved.lines],
        verdict="fail" if alarm else "inconclusive" if said else "pass",
        notes=[*batch.notes, *notes],
        cells=moved.cells,
        reference=moved.reference,
        moved=moved.moved,
    )  # fmt: skip
    return found if to is None else _written(found, Path(to))


def replay(
    against: Version | str | Path,
    *,
    out: str | Path = "versions",
    by: str | None = None,
    rows: int | None = None,
    level: float = LEVEL,
    floors: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> Replayed:
    """Say how often `monitor` would have alarmed on a version's own rows, batch by batch.

    The earlier half of the rows is the reference, the later half comes in batches. In an order by
    chance nothing changes, and every alarm is a false one; in an order of time an alarm is false,
    or a change that was there.

    Args:
        against: a version, its folder or its name.
        out: the folder that holds all versions.
        by: the field that gives the order; the first field of times, and where there is none, an
            order by chance.
        rows: of a batch; by default there are 20 batches.
        level: as of `monitor`.
        floors: as of `monitor`.
        progress: called with a stage's name, what is done and how much there is.

    Raises:
        RecipeError: there is no such field or effect, or a batch would have too few rows.
        SourceError: the version has too few rows.
        VersionError: there is no such version.
    """
    opened = _version(against, Path(out))
    return replayed(opened, by=by, rows=rows, level=level, floors=floors, progress=progress)


def _written(found: Monitored, folder: Path) -> Monitored:
    path = folder / MONITOR
    with storage_errors(folder):
        write_atomically(path, orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2))
    return replace(found, path=path)


def _version(against: Version | str | Path, out: Path) -> Version:
    """The version, its accepted one where only the name is given and one was accepted."""
    if isinstance(against, Version):
        return against
    accepted = "/" not in str(against) and ACCEPTED in read_tags(out / str(against))
    return open_version(f"{against}/{ACCEPTED}" if accepted else against, out)


def _name(data: Any) -> str:
    return str(data) if isinstance(data, str | Path) else f"<{type(data).__name__}>"


def _small(batch: Batch, reference: int, moved: Drift) -> Mapping[str, Any] | None:
    """The finding that a batch is too small for a verdict."""
    lines = max(1, len(moved.lines))
    half, tenth = (enough(lines, reference, spreads) for spreads in (HALF, 0.1))
    if half is not None and batch.usable >= half:
        return None
    told = (
        f"{batch.usable:,} usable rows are too few to tell: about "
        f"{half:,} show a field that moved by half its spread"
        + (f", about {tenth:,} one that moved by a tenth." if tenth is not None else ".")
        if half is not None
        else f"The version's {reference:,} rows are too few to tell: even a move of half a spread "
        "would not show, however many new rows there are."
    )
    return finding("batch.small", "note", "Too few rows", told)


def _told(line: Mapping[str, Any]) -> str:
    effect = line["effect"]
    return (
        f"{line['field']} has moved: {effect['name'].replace('_', '-')} {effect['value']:.3g} "
        f"(95 % {effect['low']:.3g} to {effect['high']:.3g}), where {effect['floor']:g} matters."
    )


def _chance(p: float) -> str:
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"


def _row(line: Mapping[str, Any]) -> str:
    effect = line["effect"]
    interval = f"{effect['low']:.3f} to {effect['high']:.3f}"
    shown = line["field"] if len(line["field"]) <= 32 else line["field"][:31] + "…"
    return (
        f"  {'ALARM' if line['alarm'] else '':<6} {shown:<32} {effect['name']:<15} "
        f"{effect['value']:>7.3f}  {interval:<17} {effect['floor']:>6g}  "
        f"{_chance(line['p_adjusted'])}"
    )
