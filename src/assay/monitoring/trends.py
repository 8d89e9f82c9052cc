"""What the history says at this look: what has changed for good, since when, and how surely."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from assay.evaluation.compare import usual_margin
from assay.monitoring.changes import Change, change_of, run_since
from assay.monitoring.history import Batch
from assay.monitoring.sequential import (
    LEVEL,
    Floats,
    e_bh,
    mean_sequence,
    of_counts,
    of_p_values,
    of_values,
    share_sequence,
)

Finding = dict[str, Any]
AHEAD = timedelta(days=1)
"""So far a clock may be ahead of this machine's before it is told: zones are mixed up easily."""


@dataclass(frozen=True)
class Trend:
    """One field, or one figure of a model, over all batches so far.

    Attributes:
        about: `field`, `performance` or `estimate`.
        name: the field's, or `MODEL METRIC`.
        log_e: the log of the evidence that it has changed; `e_bh` decides on it.
        effect: how far it has moved, on average since the change.
        floor: the effect from which on it matters.
        alarm: whether it has changed and that matters.
        since: the place of the batch with which it began; None where that cannot be told.
        earliest: the first batch of those that hold 95 % of the evidence.
        latest: the last one.
        so_far: a figure's average over all rows so far, and its interval, which holds at every
            look together.
    """

    about: str
    name: str
    log_e: float
    effect: float | None
    floor: float | None
    alarm: bool = False
    since: int | None = None
    earliest: int | None = None
    latest: int | None = None
    so_far: tuple[float, float, float] | None = None

    @property
    def p(self) -> float:
        """A p-value that holds at every look."""
        return min(1.0, math.exp(-self.log_e))

    def to_dict(self, batches: Sequence[Batch]) -> dict[str, Any]:
        """As `monitor.json` holds it, its batches by name and time."""

        def named(place: int | None) -> dict[str, str] | None:
            if place is None:
                return None
            return {"name": batches[place].name, "at": batches[place].at.isoformat()}

        return {
            "about": self.about,
            "name": self.name,
            "log_e": round(self.log_e, 4),
            "p": self.p,
            "effect": self.effect,
            "floor": self.floor,
            "alarm": self.alarm,
            "since": named(self.since),
            "earliest": named(self.earliest),
            "latest": named(self.latest),
            "so_far": self.so_far,
        }


def trends(
    batches: Sequence[Batch],
    reference: Mapping[str, Sequence[float]],
    *,
    level: float = LEVEL,
) -> list[Trend]:
    """Judge every field and figure over all batches of a version, at this look.

    A field alarms where its evidence holds against all others' (e-BH) and its effect, on average
    since the change, has reached its floor. The chance that an unchanged world ever raises any
    alarm is at most `level`, however often one looks.

    Args:
        batches: in their order, with their documents: `drift` and `performance`.
        reference: for each field the counts of the reference by cell.
        level: the chance of ever a false alarm.

    >>> from datetime import UTC
    >>> def batch(day, ones):
    ...     effect = {"value": abs(ones - 50) / 50, "floor": 0.1}
    ...     return Batch(
    ...         f"hash {day}", "demo/v1-9f2c41ab", f"day {day}",
    ...         datetime(2026, 11, day, tzinfo=UTC), rows=100, cells={"x": [100 - ones, ones]},
    ...         document={"drift": [{"field": "x", "effect": effect, "p": 0.5}]},
    ...     )
    >>> found = trends([batch(1, 50), batch(2, 52), batch(3, 90)], {"x": [500, 500]})
    >>> found[0].alarm, found[0].since
    (True, 2)
    """
    found = [*_fields(batches, reference), *_figures(batches)]
    significant = e_bh([one.log_e for one in found], level)
    return [
        replace(one, alarm=held and (one.floor is None or (one.effect or 0.0) >= one.floor))
        for one, held in zip(found, significant, strict=True)
    ]


def _fields(batches: Sequence[Batch], reference: Mapping[str, Sequence[float]]) -> Iterable[Trend]:
    lines = [_by(batch.document.get("drift", ()), "field") for batch in batches]
    for name in dict.fromkeys(name for line in lines for name in line):
        said = [line.get(name) for line in lines]
        effects = np.array([_number(one, "effect", "value") for one in said])
        floors = [one["effect"]["floor"] for one in said if one and one["effect"].get("floor")]
        floor = floors[-1] if floors else None
        cells = [batch.cells.get(name) for batch in batches]
        known = reference.get(name)
        if known is None or not any(cells):
            log_e = of_p_values([one.get("p") if one else None for one in said])
            bad = [bool(one and one.get("alone", one.get("alarm"))) for one in said]
            yield Trend("field", name, log_e, _mean(effects[-1:]), floor, since=run_since(bad))
            continue
        counts = np.array([one if one else [0.0] * len(known) for one in cells], float)
        change = change_of(of_counts(known, counts))
        effect = _mean(effects[change.since :], counts[change.since :].sum(axis=1))
        yield _of_change(Trend("field", name, 0.0, effect, floor), change)


def _figures(batches: Sequence[Batch]) -> Iterable[Trend]:
    lines = [
        _by(batch.document.get("performance", ()), "model", "metric", "estimated")
        for batch in batches
    ]
    for key in dict.fromkeys(key for line in lines for key in line):
        said = [line.get(key) for line in lines]
        last = next(one for one in reversed(said) if one)
        reference, better = last.get("reference"), last.get("better")
        if reference is None or better not in ("lower", "higher"):
            continue
        values = np.array([_number(one, "value") for one in said])
        errors = np.array([_number(one, "error") for one in said])
        rows = np.array([_number(one, "n") for one in said])
        first = _number(last, "reference_error")
        first = first if math.isfinite(first) else 0.0
        if not last["estimated"] and last.get("reference_n"):
            # A skewed loss is smaller where its error seems smaller: so no batch's error counts
            # below what the evaluation's rows say of as many.
            with np.errstate(divide="ignore", invalid="ignore"):
                errors = np.maximum(errors, first * np.sqrt(last["reference_n"] / rows))
        if last.get("share") and not last["estimated"] and last.get("reference_n"):
            hits = np.nan_to_num(values * rows)
            counts = np.column_stack([hits, np.nan_to_num(rows) - hits])
            known = reference * last["reference_n"]
            logs = of_counts([known, last["reference_n"] - known], counts)
        else:
            worse = "higher" if better == "lower" else "lower"
            logs = of_values(reference, first, values, errors, worse=worse)
        change = change_of(logs)
        recent = _mean(values[change.since :], rows[change.since :])
        lost = None if recent is None else (recent - reference) * (1 if better == "lower" else -1)
        floor = usual_margin(bool(last.get("bounded")), reference)
        about = "estimate" if last["estimated"] else "performance"
        name = f"{last['model']} {last['metric']}"
        share = bool(last.get("share"))
        so_far = _so_far(values, errors, rows, share, float(last.get("reference_n") or 1000))
        trend = Trend(about, name, 0.0, lost, floor, so_far=so_far)
        yield _of_change(trend, change)


def _so_far(
    values: Floats, errors: Floats, rows: Floats, share: bool, tuned: float
) -> tuple[float, float, float] | None:
    """A figure's average over all rows, with its interval for every look."""
    there = np.isfinite(values) & np.isfinite(errors) & (rows > 0)
    n = float(rows[there].sum())
    if not n:
        return None
    mean = float((values[there] * rows[there]).sum() / n)
    # What one row varies by: the batches' errors, each as large as a row's over the root of rows.
    spread = math.sqrt(float((rows[there] ** 2 * errors[there] ** 2).sum() / n))
    held = share_sequence(mean * n, n) if share else mean_sequence(mean, spread, n, tuned=tuned)
    return (mean, held.low, held.high) if held.low is not None and held.high is not None else None


def clock(at: datetime, past: Sequence[Batch], now: datetime) -> list[Finding]:
    """What is strange about a batch's time.

    >>> from datetime import UTC
    >>> monday, sunday = datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 11, 22, tzinfo=UTC)
    >>> before = Batch("9f2c", "demo/v1-9f2c41ab", "monday", monday, 5)
    >>> clock(sunday, [before], monday)[0]["code"]
    'clock.backwards'
    """
    found = []
    newest = max(past, key=lambda batch: batch.at, default=None)
    if newest is not None and at < newest.at:
        found.append(
            finding(
                "clock.backwards",
                "note",
                "The batch is older than one that came before it",
                f"It is of {at.isoformat()}, and {newest.name!r} of {newest.at.isoformat()} was "
                "there already. Batches are ordered by their own time, so it is put where it "
                "belongs; if a clock was set back, give the time with `--at`.",
            )
        )
    if at > now + AHEAD:
        found.append(
            finding(
                "clock.ahead",
                "warn",
                "The batch is from the future",
                f"It is of {at.isoformat()}, and here it is {now.isoformat()}. What comes next "
                "would be ordered before it; give the right time with `--at`.",
            )
        )
    return found


def finding(
    code: str, severity: str, title: str, detail: str, *, field: str | None = None,
    alarm: bool = False,
) -> Finding:  # fmt: skip
    """A finding as `monitor.json` holds it."""
    return {"code": code, "severity": severity, "field": field, "title": title, "detail": detail,
            "alarm": alarm}  # fmt: skip


def _of_change(trend: Trend, change: Change) -> Trend:
    return replace(trend, log_e=change.log_e, since=change.since, earliest=change.earliest,
                   latest=change.latest)  # fmt: skip


def _by(lines: Iterable[Mapping[str, Any]], *keys: str) -> dict[Any, Mapping[str, Any]]:
    """The lines by what names them."""
    return {tuple(one[key] for key in keys) if len(keys) > 1 else one[keys[0]]: one
            for one in lines}  # fmt: skip


def _number(line: Mapping[str, Any] | None, *keys: str) -> float:
    found: Any = line
    for key in keys:
        found = found.get(key) if found else None
    return float(found) if found is not None else math.nan


def _mean(values: Any, weights: Any = None) -> float | None:
    """The mean of the values that are there."""
    values = np.asarray(values, float)
    weights = np.ones(len(values)) if weights is None else np.nan_to_num(np.asarray(weights, float))
    there = np.isfinite(values) & (weights > 0)
    return float(np.average(values[there], weights=weights[there])) if there.any() else None
