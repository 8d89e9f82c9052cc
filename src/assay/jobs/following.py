"""The history of a name's batches: one more is added, labels come, and what it all says by now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from assay.errors import PredictionsError, RecipeError
from assay.evaluation.tables import read_table
from assay.monitoring.following import judged, label_findings, labelled
from assay.monitoring.history import HISTORY, Batch, History, opened
from assay.monitoring.labels import labels_from
from assay.monitoring.reference import reference_of
from assay.monitoring.sequential import LEVEL
from assay.monitoring.trends import clock, trends
from assay.remote import placed
from assay.reporting.monitoring import render_monitoring
from assay.reporting.words import p_value
from assay.rows import as_pandas
from assay.storage import storage_errors, write_atomically
from assay.tags import read_tags
from assay.version import Version, open_version

if TYPE_CHECKING:
    import pandas as pd

ACCEPTED, MONITOR, FOLDER, REPORT = "accepted", "monitor.json", "monitor", "report.html"
NEWEST = 12


@dataclass(frozen=True)
class Followed:
    """What a history says by now.

    Attributes:
        version: the version's title.
        batches: what `monitor.json` says of each batch, in their order.
        trends: every field and figure over all batches; see `monitoring.trends.Trend`.
        findings: what there is to say of labels that came.
        verdict: of the newest look.
        report: the page that was written.
    """

    version: str
    batches: Sequence[Mapping[str, Any]]
    trends: Sequence[Mapping[str, Any]]
    findings: Sequence[Mapping[str, Any]] = ()
    verdict: str = "pass"
    report: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the command line's JSON gives it."""
        batches = [
            {**one["batch"], "verdict": one["verdict"],
             "alarms": [line["field"] for line in one["drift"] if line["alarm"]],
             "performance": one["performance"]}
            for one in self.batches
        ]  # fmt: skip
        return {
            "version": self.version,
            "batches": batches,
            "trends": [dict(one) for one in self.trends],
            "findings": [dict(one) for one in self.findings],
            "verdict": self.verdict,
            "report": str(self.report) if self.report else None,
        }

    def to_polars(self) -> pl.DataFrame:
        """The effect of every field in every batch, as a table."""
        rows = [
            {"batch": one["batch"]["name"], "at": one["batch"]["at"], "field": line["field"],
             "effect": line["effect"]["name"], "value": line["effect"]["value"],
             "low": line["effect"]["low"], "high": line["effect"]["high"],
             "floor": line["effect"]["floor"], "alarm": line["alarm"]}
            for one in self.batches
            for line in one["drift"]
        ]  # fmt: skip
        return pl.DataFrame(rows, infer_schema_length=None)

    def to_pandas(self) -> pd.DataFrame:
        """The effect of every field in every batch, for pandas."""
        return as_pandas(self.to_polars())

    def __repr__(self) -> str:
        many = len(self.batches)
        lines = [f"{self.version}: {many:,} {'batch' if many == 1 else 'batches'}"]
        lines += [
            f"  {one['severity']:<5} {one['title']}: {one['detail']}" for one in self.findings
        ]
        alarms = [one for one in self.trends if one["alarm"]]
        for one in sorted(alarms, key=lambda one: -one["log_e"]):
            since = f"since {one['since']['name']}" if one["since"] else ""
            name = one["name"] + (" (estimated)" if one["about"] == "estimate" else "")
            lines.append(f"  ALARM {name:<40} {since}  chance {p_value(one['p'])}")
        if not alarms and many:
            lines.append("  nothing has changed that matters")
        if many:
            lines += ["", f"  {'time':<16}  {'batch':<32} {'rows':>10}  {'verdict':<12}  alarms"]
        for one in self.batches[-NEWEST:]:
            batch = one["batch"]
            fields = ", ".join(line["field"] for line in one["drift"] if line["alarm"]) or "-"
            name = batch["name"] if len(batch["name"]) <= 32 else f"…{batch['name'][-31:]}"
            lines.append(
                f"  {batch['at'][:16].replace('T', ' '):<16}  {name:<32} {batch['rows']:>10,}  "
                f"{one['verdict']:<12}  {fields}"
            )
        if many > NEWEST:
            lines.append(f"  and {many - NEWEST:,} before; --json lists them all")
        return "\n".join([*lines, "", f"report   {self.report}"] if self.report else lines)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


@placed
def monitored(
    against: Version | str | Path, *, out: str | Path = "versions", keep: int | None = None
) -> Followed:
    """Say what the history of a version's batches says by now, and write its report again.

    Args:
        against: a version, its folder, its name, or a name alone: the accepted version, else the
            newest.
        out: the folder that holds all versions.
        keep: prune the history first: all but so many of the newest batches lose what no evidence
            rests on, which are predictions, rows that were shown and the findings of their day.

    Raises:
        RecipeError: not even one batch is to be kept.
        StorageError: there is no history yet, or it is damaged.
        VersionError: there is no such version.

    >>> import tempfile
    >>> from assay.building.build import build
    >>> from assay.jobs.guarding import monitor
    >>> old = pl.DataFrame({"kind": ["a", "b"] * 300, "n": [k % 97 for k in range(600)]})
    >>> version = build({"name": "demo", "source": old}, out=tempfile.mkdtemp())
    >>> for day in (1, 2):
    ...     new = old.with_columns(n=pl.col("n") + 60 * (day > 1))
    ...     found = monitor(new, against=version, name=f"day {day}", at=datetime(2026, 11, day))
    >>> found = monitored(version)
    >>> found.verdict, [one["name"] for one in found.trends if one["alarm"]][0]
    ('fail', 'n')
    """
    if keep is not None and keep < 1:
        raise RecipeError(
            "The newest batch at least is kept.", received={"keep": keep}, allowed="1 or more"
        )
    version = version_of(against, Path(out))
    with opened(version.path.parent, make=False) as history:
        if keep is not None:
            history.prune(version.title, keep)
        past = history.batches(version.title)
        return _followed(version, past, history.reference(version.title))


@placed
def monitor_labels(
    labels: Any, *, against: Version | str | Path, out: str | Path = "versions",
    model: str = "best",
) -> Followed:  # fmt: skip
    """Take labels that came after their batches, and score those batches on all labels so far.

    Labels are matched by `row_id`, or by the columns that the recipe names as `id`. One that
    comes twice counts once; one that differs from what it was is told, and the first one stays.

    Args:
        labels: a file or frame with the rows' ids and the target's column.
        against: the version, as in `monitor`.
        out: the folder that holds all versions.
        model: the model that is followed.

    Raises:
        PredictionsError: a column is missing, or the version has no evaluation.
        StorageError: there is no history yet, or it is damaged.
        VersionError: there is no such version.

    >>> import tempfile
    >>> from assay.jobs.guarding import monitor
    >>> from assay.jobs.running import run
    >>> old = pl.DataFrame({"key": range(400), "x": [k % 7 for k in range(400)]})
    >>> old = old.with_columns(y=pl.col("x") * 2.0)
    >>> split = {"split.random": {"train": 0.5, "validation": 0, "test": 0.5}}
    >>> recipe = {"name": "demo", "source": old, "id": "key", "target": "y", "steps": [split],
    ...           "models": ["constant"], "metrics": ["mae"]}
    >>> version = run(recipe, out=tempfile.mkdtemp(), workers=1).version
    >>> _ = monitor(old.drop("y"), against=version)
    >>> found = monitor_labels(old.select("key", "y"), against=version)
    >>> [one["n"] for one in found.batches[0]["performance"] if not one["estimated"]]
    [400]
    """
    version = version_of(against, Path(out))
    reference = reference_of(version, model)
    if reference is None:
        raise PredictionsError(
            "No models were evaluated on this version, so labels say nothing of them.",
            where=version.title,
            hint="`assay run` evaluates the models of a recipe",
        )
    source = str(labels) if isinstance(labels, str | Path) else "the table"
    keys = list(version.manifest["recipe"].get("id") or [])
    table = labels_from(read_table(labels), reference.evaluation.target, keys, where=source)
    with opened(version.path.parent, make=False) as history:
        findings = label_findings(history.add_labels(table, source), source)
        past = labelled(history, version.title, reference, LEVEL / 2)
        return _followed(version, past, history.reference(version.title), findings)


def followed(
    version: Version, batch: Batch, *, reference: Mapping[str, Sequence[int]], level: float,
    labels: pl.DataFrame | None,
) -> tuple[dict[str, Any], Path]:  # fmt: skip
    """Add a batch to the history, and give what is to be said of it now, and the page written.

    Args:
        version: that it is held against.
        batch: with the document that it would have alone.
        reference: the version's rows by cell.
        level: the chance that an unchanged world ever raises an alarm.
        labels: `row_id` and `value` of the rows whose label it brought.
    """
    now = datetime.now(UTC)
    with opened(version.path.parent) as history:
        told: list[dict[str, Any]] = []
        if labels is not None and labels.height:
            told += label_findings(history.add_labels(labels, batch.name), batch.name)
        added = history.add(batch, _finish(batch, reference, level, now, told), reference=reference)
        document = dict(added.document)
        if added.name != batch.name or document["batch"]["at"] != batch.document["batch"]["at"]:
            note = (f"The same rows were monitored before, as {added.name} of "
                    f"{added.at.isoformat()}; they count once.")  # fmt: skip
            document["notes"] = [*document["notes"], note]
        if document.get("pruned"):
            past = history.batches(version.title)
            held = trends(past, history.reference(version.title), level=level)
            document["trends"] = [one.to_dict(past) for one in held]
        return document, _written(version, history, document)


def looks(version: Version) -> int:
    """How many batches the history holds for a version."""
    with _if_there(version) as history:
        return history.count(version.title) if history else 0


def labels_known(version: Version) -> pl.DataFrame | None:
    """The labels that the history holds; None without a history."""
    with _if_there(version) as history:
        return history.labels() if history else None


@contextmanager
def _if_there(version: Version) -> Iterator[History | None]:
    if not (version.path.parent / HISTORY).exists():
        yield None
        return
    with opened(version.path.parent) as history:
        yield history


def _finish(
    batch: Batch, reference: Mapping[str, Sequence[int]], level: float, now: datetime,
    told: list[dict[str, Any]],
) -> Callable[[list[Batch]], dict[str, Any]]:  # fmt: skip
    def finish(past: list[Batch]) -> dict[str, Any]:
        arrival = max(one.arrival for one in past)
        others = [one for one in past if one.arrival != arrival]
        more = [*clock(batch.at, others, now), *told]
        document = judged(past, arrival, reference, level)
        return {**document, "findings": [*document["findings"], *more]}

    return finish


def _written(version: Version, history: History, document: Mapping[str, Any]) -> Path:
    past = history.batches(version.title)
    page = _page(version, past, document["trends"], document.get("moved") or ())
    folder = version.path.parent / FOLDER / version.id
    with storage_errors(folder):
        write_atomically(folder / MONITOR, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        write_atomically(folder / REPORT, page.encode())
    return folder / REPORT


def _followed(
    version: Version,
    past: Sequence[Batch],
    reference: Mapping[str, Sequence[float]],
    findings: Sequence[Mapping[str, Any]] = (),
) -> Followed:
    found = [one.to_dict(past) for one in trends(past, reference, level=LEVEL / 2)]
    newest = max(past, key=lambda one: one.arrival, default=None)
    moved = newest.document.get("moved") or () if newest else ()
    folder = version.path.parent / FOLDER / version.id
    with storage_errors(folder):
        write_atomically(folder / REPORT, _page(version, past, found, moved).encode())
    verdict = str(newest.document["verdict"]) if newest else "inconclusive"
    documents = [one.document for one in past]
    return Followed(version.title, documents, found, findings, verdict, folder / REPORT)


def _page(
    version: Version, past: Sequence[Batch], found: Sequence[Any], moved: Sequence[Any]
) -> str:
    batches = [{**one.document["batch"], **one.document} for one in past]
    return render_monitoring(
        {"version": version.title, "batches": batches, "trends": found, "moved": moved}
    )


def version_of(against: Version | str | Path, out: Path) -> Version:
    """The version, its accepted one where only the name is given and one was accepted.

    Raises:
        VersionError: there is no such version.
    """
    if isinstance(against, Version):
        return against
    accepted = "/" not in str(against) and ACCEPTED in read_tags(out / str(against))
    return open_version(f"{against}/{ACCEPTED}" if accepted else against, out)
