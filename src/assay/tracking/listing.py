"""The runs that were recorded: listed, filtered, and laid side by side."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from assay.errors import AssayError, nearest
from assay.records import store
from assay.records.store import RunRecord
from assay.remote import placed
from assay.rows import as_pandas
from assay.tracking.recipes import Change, changes

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = ("pass", "fail", "inconclusive")
STATES = ("running", "finished", "failed", "interrupted", "killed")
_BOUND = re.compile(
    r"\s*(?:(?P<model>[^:<>=]+):)?\s*(?P<metric>[^:<>=.]+?)(?:\.(?P<side>low|high))?\s*"
    r"(?P<sign><=|>=|<|>)\s*(?P<number>[-+]?[\d.]+(?:e[-+]?\d+)?)\s*",
    re.IGNORECASE,
)
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_AGO = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SCHEMA = {
    "run": pl.String, "kind": pl.String, "name": pl.String, "started": pl.String,
    "status": pl.String, "verdict": pl.String, "version": pl.String, "model": pl.String,
    "split": pl.String,
    "metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "n": pl.Int64,
}  # fmt: skip


@dataclass(frozen=True)
class Runs:
    """Recorded runs, the newest first.

    Attributes:
        runs: the runs.
        compared: whether they were named to be laid side by side.
    """

    runs: tuple[RunRecord, ...]
    compared: bool = False

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[RunRecord]:
        return iter(self.runs)

    @property
    def differences(self) -> dict[str, list[Change]]:
        """What each run's recipe asks otherwise than the first one's, by the run's id."""
        first, *others = self.runs or (None,)
        if first is None:
            return {}
        return {run.id: changes(first.recipe, run.recipe) for run in others}

    def to_dict(self) -> Any:
        """As the command line's JSON gives it."""
        plain = [run.to_dict() for run in self.runs]
        if not self.compared:
            return plain
        told = {
            run: [{"path": c.path, "before": c.before, "after": c.after} for c in found]
            for run, found in self.differences.items()
        }
        return {"runs": plain, "differences": told}

    def to_polars(self) -> pl.DataFrame:
        """A row for each run and score; runs without scores have one row."""
        rows = [
            {"run": run.id, **{name: getattr(run, name) for name in list(_SCHEMA)[1:7]}, **score}
            for run in self.runs
            for score in run.scores or ({},)
        ]
        return pl.DataFrame(rows, schema=_SCHEMA)

    def to_pandas(self) -> pd.DataFrame:
        """A row for each run and score, as a pandas frame."""
        return as_pandas(self.to_polars())

    def __repr__(self) -> str:
        lines = _side_by_side(self) if self.compared else [_line(run) for run in self.runs]
        return "\n".join(lines) or "no runs"

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


@placed
def runs(  # noqa: PLR0913 - the options of `assay runs`, one to one
    name: str | None = None,
    *,
    out: str | Path = "versions",
    kind: str | None = None,
    where: Sequence[str] = (),
    verdict: str | None = None,
    status: str | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    compare: Sequence[str] | None = None,
    limit: int | None = None,
) -> Runs:
    """List the runs that were recorded under a folder of versions, the newest first.

    Args:
        name: of this recipe only.
        out: the folder that holds all versions.
        kind: what was run: `run`, `build`, `improve`, `crossval`, `curve`, `sweep`, `importance`,
            `conformal`, `threshold`, `evaluate`, `gate` or `monitor`.
        where: bounds on scores, all of which hold: `mae<80`, `mae.high<85` (the interval's end),
            `tfidf_linear:mae<80` (that model's score instead of the best one's).
        verdict: `pass`, `fail` or `inconclusive`.
        status: `running`, `finished`, `failed`, `interrupted` or `killed`.
        since: started at or after: an ISO date or time (in UTC unless it says otherwise), or how
            long ago: `90m`, `24h`, `7d`, `2w`.
        until: started before.
        compare: the ids of runs, or their beginnings, or versions, to lay side by side: what their
            recipes ask otherwise, and their scores. Nothing else is listed.
        limit: at most so many.

    Raises:
        AssayError: a filter cannot be read, or there is no such run.
        StorageError: the record is damaged.

    >>> import tempfile
    >>> len(runs(out=tempfile.mkdtemp()))
    0
    """
    found = store.read(Path(out), name)[::-1]
    if compare is not None:
        return Runs(tuple(_named(one, found) for one in compare), compared=True)
    bounds = [_bound(one) for one in where]
    _allowed("kind", kind, store.KINDS)
    _allowed("verdict", verdict, VERDICTS)
    _allowed("status", status, STATES)
    start, end = _moment("since", since), _moment("until", until)
    kept = [
        run
        for run in found
        if kind in (None, run.kind)
        and verdict in (None, run.verdict)
        and status in (None, run.status)
        and (start is None or _parsed(run.started) >= start)
        and (end is None or _parsed(run.started) < end)
        and all(bound(run) for bound in bounds)
    ]
    return Runs(tuple(kept[:limit]))


def _bound(text: str) -> Callable[[RunRecord], bool]:
    parts = _BOUND.fullmatch(text)
    if parts is None:
        raise AssayError(
            "This is not a bound on a score.",
            received=text,
            allowed="mae<80, mae.high<85, tfidf_linear:mae<=80",
        )
    side, sign, number = parts["side"] or "value", _SIGNS[parts["sign"]], float(parts["number"])

    def holds(run: RunRecord) -> bool:
        model = parts["model"] or run.best
        return any(
            score["model"] == model
            and score["metric"] == parts["metric"]
            and score[side] is not None
            and sign(score[side], number)
            for score in run.scores
        )

    return holds


def _allowed(what: str, given: str | None, allowed: tuple[str, ...]) -> None:
    if given is not None and given not in allowed:
        raise AssayError(f"No run has the {what} {given!r}.", allowed=allowed)


def _moment(what: str, given: str | datetime | None) -> datetime | None:
    if given is None or isinstance(given, datetime):
        return given.astimezone(UTC) if given else None
    ago = re.fullmatch(r"(\d+)([mhdw])", given)
    if ago:
        return datetime.now(UTC) - timedelta(**{_AGO[ago[2]]: int(ago[1])})
    try:
        return _parsed(given)
    except ValueError:
        raise AssayError(
            f"--{what} takes a date, a time or how long ago.",
            received=given,
            allowed="2026-11-27, 2026-11-27T14:00:00Z, 90m, 24h, 7d, 2w",
        ) from None


def _parsed(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _named(text: str, found: Sequence[RunRecord]) -> RunRecord:
    """The run of an id or its beginning; of a version its newest."""
    exact = [run for run in found if text in (run.version, f"{run.name}/{run.version}")]
    exact.sort(key=lambda run: run.kind != "run")  # the one that has scores
    matches = exact[:1] or [run for run in found if run.id.startswith(text)]
    if len(matches) == 1 and text:
        return matches[0]
    raise AssayError(
        f"There {'are several runs' if matches else 'is no run'} {text!r}.",
        allowed=[run.id for run in found] or "none are recorded yet; `assay run` records one",
        hint=nearest(text, [run.id for run in found]),
    )


def _line(run: RunRecord) -> str:
    when = run.started[:19].replace("T", " ")
    said = run.verdict or run.status
    parts = [run.id, when, f"{run.kind:<8}", f"{said:<12}", f"{run.name}/{run.version or '–'}"]
    best = [score for score in run.scores if score["model"] == run.best]
    parts += [f"{run.best}:"] if best else []
    parts += [f"{score['metric']} {_value(score)}" for score in best[:4]]
    if run.status == store.RUNNING:
        parts.append(f"for {run.seconds:,.0f} s, process {run.pid} on {run.host}")
    parts += [run.error.splitlines()[0]] if run.error else []
    return "  ".join(parts)


def _value(score: Mapping[str, Any]) -> str:
    if score["value"] is None:
        return "–"
    bounds = "" if score["low"] is None else f" ({score['low']:.4g} to {score['high']:.4g})"
    return f"{score['value']:.4g}{bounds}"


def _side_by_side(found: Runs) -> list[str]:
    lines = [_line(run) for run in found]
    for run, told in found.differences.items():
        lines += ["", f"the recipe of {run} against that of {found.runs[0].id}"]
        lines += [f"  {change}" for change in told] or ["  asks the same"]
    scores = [{(s["model"], s["split"], s["metric"]): s for s in run.scores} for run in found]
    keys = list(dict.fromkeys(key for side in scores for key in side))
    table = [["model", "metric", *(run.id for run in found)]]
    table += [
        [model, metric, *(_value(side[key]) if (key := (model, split, metric)) in side else "–"
                          for side in scores)]
        for model, split, metric in keys
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines += ["", "scores"] if keys else []
    for row in table if keys else ():
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines
