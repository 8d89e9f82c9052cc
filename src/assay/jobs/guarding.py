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

from assay.errors import PredictionsError, RecipeError
from assay.jobs.following import MONITOR, followed, labels_known, looks, version_of
from assay.monitoring.batch import Batch, Progress, count_batch
from assay.monitoring.domain import ALL, beside
from assay.monitoring.drift import LEVEL, Drift, drift, enough
from assay.monitoring.figures import Performance, columns_of, latest, performance_of
from assay.monitoring.history import Batch as Look
from assay.monitoring.lines import figure_of, line_of, told
from assay.monitoring.making import profile_of
from assay.monitoring.moved import shown
from assay.monitoring.reference import reference_of
from assay.monitoring.replay import Replayed
from assay.monitoring.replay import replay as replayed
from assay.monitoring.schema import schema_findings
from assay.monitoring.trends import finding
from assay.places import called
from assay.recipe import Read
from assay.records.recording import recorded
from assay.remote import placed
from assay.rows import as_pandas
from assay.storage import storage_errors, write_atomically
from assay.version import Version

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 12
APART = 0.8
"""From this area under the ROC curve on, new rows lie where the evaluation saw few."""
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
        rows: the first of these with their fields, personal data masked, where something alarms.
        trends: what the history says of every field and figure; none without a history.
        path: the `monitor.json` that was written.
        report: the page of the history.
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
    rows: Sequence[Mapping[str, Any]] = ()
    trends: Sequence[Mapping[str, Any]] = ()
    path: Path | None = None
    report: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """As `monitor.json` and the command line's JSON give it."""
        return {
            "version": self.version,
            "batch": dict(self.batch),
            "findings": [dict(one) for one in self.findings],
            "drift": [dict(one) for one in self.drift],
            "performance": [dict(one) for one in self.performance],
            "moved": [dict(one) for one in self.rows] or self.moved.head(20).to_dicts(),
            "notes": list(self.notes),
            "verdict": self.verdict,
            **({"trends": [dict(one) for one in self.trends]} if self.trends else {}),
            **({"path": str(self.path)} if self.path else {}),
            **({"report": str(self.report)} if self.report else {}),
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
        return said + [told(line) for line in self.drift if line["alarm"]]

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
            lines += [line_of(line) for line in self.drift[:SHOWN]]
            if len(self.drift) > SHOWN:
                alarms = sum(line["alarm"] for line in self.drift[SHOWN:])
                more = f"{len(self.drift) - SHOWN} more, {alarms or 'none'} of them with an alarm"
                lines.append(f"  {'':6} and {more}")
        if self.performance:
            lines += ["", f"  {'':6} {'model':<20} {'metric':<18} {'value':>9}  95 % interval"
                          "           evaluation"]  # fmt: skip
            lines += [figure_of(one) for one in self.performance]
        lines += ["", f"verdict  {self.verdict}"]
        lines += [f"monitor  {self.path}"] if self.path else []
        return "\n".join([*lines, f"report   {self.report}"] if self.report else lines)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


@placed
def monitor(  # noqa: PLR0913 - one parameter for each option of `assay monitor`
    data: Any,
    *,
    against: Version | str | Path,
    out: str | Path = "versions",
    level: float = LEVEL,
    floors: Mapping[str, float] | None = None,
    name: str | None = None,
    at: datetime | None = None,
    time: str | None = None,
    model: str = "best",
    predictions: Any = None,
    history: bool = True,
    to: str | Path | None = None,
    read: Mapping[str, Any] | None = None,
    workers: int | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
    progress: Progress | None = None,
) -> Monitored:
    """Hold new data against a version: its schema and contract, then every field's distribution.

    The rows go through the version's contract and its row-wise steps, as the build's did. They
    are held against a profile of the version that is made at the first call and kept, so that the
    version's rows are not read again. Where the version's models were evaluated, the model's
    performance is measured on the rows that have a label, and estimated on all.

    The batch is added to the name's history, and then an alarm is raised by what all its batches
    say together: however often one looks, the chance that an unchanged world ever raises one is
    at most `level`. Without a history that holds for each batch alone.

    Args:
        data: a file, glob, folder or list of them, or a frame.
        against: a version, its folder, its name, or a name alone: the accepted version, else the
            newest.
        out: the folder that holds all versions.
        level: the chance that an unchanged world ever raises an alarm; without a history, of all
            batches in which nothing has changed, the share that may raise one.
        floors: effects from which on a change matters, by the name of the effect: `wasserstein`
            0.1 of the reference's spread, `jensen_shannon` 0.1, `missing` 0.02, `new` 0.01, `auc`
            0.6.
        name: what to call the batch.
        at: when its rows are from; now when not given.
        time: a field of times whose latest one says when the rows are from.
        model: the model whose performance is followed; `best` is the evaluation's best.
        predictions: a table of what it predicts, with `row_id` or the recipe's id columns; by
            default the saved model predicts.
        history: whether to add the batch to the history beside the versions.
        to: a folder for `monitor.json`.
        read: how to read the data, as under `read` in a recipe.
        workers: how many shards to work on at once.
        functions: your own functions, or files of them, that the recipe names.
        progress: called with a stage's name, the shards done and their number.

    Returns:
        Findings, a line of drift for every field, and the verdict.

    Raises:
        ModelError: the evaluation has no such model.
        PredictionsError: the predictions are not of these rows.
        RecipeError: a floor has an unknown name, or `level` is no share.
        SourceError: the data cannot be read.
        StorageError: the history cannot be written to, or is damaged.
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
    version = version_of(against, Path(out))
    with recorded("monitor", version, version.manifest["recipe"]) as record:
        reference = reference_of(version, model)
        if reference is None and predictions is not None:
            raise PredictionsError(
                "No models were evaluated on this version, so there is nothing to hold "
                "predictions to.",
                where=version.title,
                hint="`assay run` evaluates the models of a recipe",
            )
        with storage_errors(version.path.parent):
            profile = profile_of(version, workers=workers)
        with beside(profile.kinds, workers=workers) as other:
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
                    keep=columns_of(reference, time),
                )
                when = latest(batch.kept, time) if time else at or datetime.now(UTC)
                when = when.replace(tzinfo=when.tzinfo or UTC)
                how = Performance()
                if reference is not None and batch.kept:
                    known = labels_known(version) if history else None
                    how = performance_of(reference, batch.kept, predictions, known)
            # Half of what may be wrong is for fields and figures, half for rules, whose n-th look
            # gets the n-th part of a sum that never exceeds it.
            share = level / 2 / ((looks(version) + 1) * (looks(version) + 2)) if history else level
            findings = schema_findings(batch, version.manifest, level=share)
            moved = (
                drift(
                    profile,
                    batch.summary,
                    level=level,
                    floors=floors,
                    seed=version.manifest["seed"],
                    beside=other,
                )
                if batch.summary
                else Drift((), {}, {}, pl.DataFrame())
            )
        said = _small(batch, profile.rows, moved)
        alarm = any(one["alarm"] for one in findings) or any(line.alarm for line in moved.lines)
        left_out = {**profile.left_out, **batch.left_out}
        notes = [f"{field} is not compared: {why}" for field, why in left_out.items()]
        notes += _beyond(moved, how)
        sample = batch.summary.sample if batch.summary and alarm else pl.DataFrame()
        found = Monitored(
            version.title,
            {"name": name or called(data), "rows": batch.rows, "usable": batch.usable,
             "at": when.isoformat(), "hash": batch.hash},
            [*findings, *([said] if said else [])],
            [line.to_dict() for line in moved.lines],
            how.figures,
            verdict="fail" if alarm else "inconclusive" if said else "pass",
            notes=[*batch.notes, *notes, *how.notes],
            cells=moved.cells,
            reference=moved.reference,
            moved=moved.moved,
            rows=shown(moved.moved, sample, profile.kinds),
        )  # fmt: skip
        if history:
            found = _in_history(found, version, when, how, level)
        record.verdict = found.verdict
        return found if to is None else _written(found, Path(to))


def _beyond(moved: Drift, how: Performance) -> list[str]:
    """A warning where estimates speak of rows such as were never evaluated."""
    apart = next((one.effect for one in moved.lines if one.field == ALL), None)
    if apart is None or apart.low < APART or not any(one["estimated"] for one in how.figures):
        return []
    return [
        f"The rows are unlike those the model was evaluated on (told apart with an area of "
        f"{apart.value:.2f}), so estimated performance is no more than a guess; labels will tell."
    ]


def _in_history(
    found: Monitored, version: Version, when: datetime, how: Performance, level: float
) -> Monitored:
    """What the batch says in the light of those before it, which it then belongs to."""
    look = Look(
        str(found.batch["hash"]),
        version.title,
        str(found.batch["name"]),
        when,
        int(found.batch["rows"]),
        found.cells,
        {**found.to_dict(), "labelled": how.labelled},
        how.predictions,
    )
    document, report = followed(
        version, look, reference=found.reference, level=level / 2, labels=how.labels
    )
    return replace(
        found,
        batch=document["batch"],
        findings=document["findings"],
        drift=sorted(document["drift"], key=lambda line: not line["alarm"]),
        performance=document["performance"],
        verdict=document["verdict"],
        notes=document["notes"],
        trends=document["trends"],
        path=report.with_name(MONITOR),
        report=report,
    )


@placed
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
    opened = version_of(against, Path(out))
    return replayed(opened, by=by, rows=rows, level=level, floors=floors, progress=progress)


def _written(found: Monitored, folder: Path) -> Monitored:
    path = folder / MONITOR
    with storage_errors(folder):
        write_atomically(path, orjson.dumps(found.to_dict(), option=orjson.OPT_INDENT_2))
    return replace(found, path=path)


def _small(batch: Batch, reference: int, moved: Drift) -> Mapping[str, Any] | None:
    """The finding that a batch is too small for a verdict."""
    lines = max(1, len(moved.lines))
    half, tenth = (enough(lines, reference, spreads) for spreads in (HALF, 0.1))
    if half is not None and batch.usable >= half:
        return None
    said = (
        f"{batch.usable:,} usable rows are too few to tell: about "
        f"{half:,} show a field that moved by half its spread"
        + (f", about {tenth:,} one that moved by a tenth." if tenth is not None else ".")
        if half is not None
        else f"The version's {reference:,} rows are too few to tell: even a move of half a spread "
        "would not show, however many new rows there are."
    )
    return finding("batch.small", "note", "Too few rows", said)
