"""Gates that look at what a monitor saw in new data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.errors import RecipeError
from assay.gates._state import (
    Outcome,
    State,
    Verdict,
    bounds,
    known,
    nothing_accepted,
    number,
    within,
)

__all__ = ["drift", "findings", "performance"]

SHOWN = 5
SMALL = "batch.small"
"""The code of the finding that new rows are too few to tell."""


def drift(
    state: State,
    *,
    fields: list[str] | None = None,
    allow: list[str] | None = None,
    max: float | dict[str, float] | None = None,
    max_share: float = 0.0,
) -> Verdict:
    """Ask that no field has drifted: of new data that was monitored, or since the accepted version.

    Where there is no monitor's result, the version's rows are held against those of the accepted
    version. Without `max` a field has drifted if that raises an alarm: a difference that is both
    beyond chance and large enough to matter. With it, the whole 95 % interval of each effect has
    to lie below the bound. With too few rows to show a change of half a spread, no alarm is no
    pass.

    Args:
        state: what to look at.
        fields: look only at these; `all fields` is all of them together.
        allow: fields that may drift; all of them together are then not looked at.
        max: the largest effect that passes; a number for all, or by the name of the effect, such
            as `{wasserstein: 0.2, missing: 0.05}`; of effects that it does not name, alarms count.
        max_share: the share of what is looked at that may drift.

    Raises:
        RecipeError: `fields` or `allow` names a field that was not looked at.

    >>> effect = {"name": "wasserstein", "value": 0.4, "low": 0.3, "high": 0.5, "floor": 0.1}
    >>> one = {"field": "price", "kind": "number", "effect": effect, "alarm": True}
    >>> drift(State(monitor={"drift": [one]})).detail
    'In the new data 1 of 1 distributions drifted: price (wasserstein 0.4, 95 % 0.3 to 0.5).'
    """
    gate = f"drift: {'none' if max is None else f'at most {_most(max)}'}"
    gate += f" but of {', '.join(allow)}" if allow else ""
    gate += f" in {max_share:.4g} of the fields" if max_share else ""
    few: str | None = None
    needed: int | None = None
    if state.monitor is not None:
        seen, where = list(state.monitor.get("drift", ())), "In the new data"
        small = (one for one in state.monitor.get("findings", ()) if one["code"] == SMALL)
        few = next((str(one["detail"]) for one in small), None)
    elif state.run is None:
        return _nothing(gate)
    elif state.accepted is None:
        return nothing_accepted(gate)
    else:
        from assay.gates._since import since  # loads the classifiers

        seen, needed = since(state.run.version, state.accepted.version)
        where = f"Since {state.accepted.version.title}"
        if needed is not None:
            few = f"About {needed:,} rows would show a field that moved by half its spread."
    names = [str(one["field"]) for one in seen]
    here = (state.manifest or {}).get("fields", {})
    for name in (*(fields or ()), *(allow or ())):
        # A key, or a field of another type, is there and not compared.
        if not any(_of(one, name) for one in (*names, *here)):
            known("field", name, dict.fromkeys(names))
    asked = [
        one
        for one, name in zip(seen, names, strict=True)
        if (fields is None or any(_of(name, field) for field in fields))
        and not any(_of(name, field) for field in allow or ())
        # All fields together have drifted where one has that may.
        and not (allow and fields is None and one.get("kind") == "all")
    ]
    if not asked:
        return Verdict(gate, "inconclusive", "There is no field to look at.")
    judged = [(_drifted(one, max), one) for one in asked]
    gone = [one for outcome, one in judged if outcome == "fail"]
    open_ones = [one for outcome, one in judged if outcome == "inconclusive"]
    figures = {str(one["field"]): one.get("effect") for one in asked}
    count = f"of {len(asked):,} distributions"
    room = max_share * len(asked)
    verdict: Outcome = "pass"
    said = f"{len(gone)} {count} drifted{f': {_shown(gone)}' if gone else ''}"
    if len(gone) > room:
        verdict = "fail"
    elif len(gone) + len(open_ones) > room:
        verdict = "inconclusive"
        said = f"{len(open_ones)} {count} may have drifted: {_shown(open_ones)}"
    elif few is not None and max is None:
        # No alarm among so few rows says nothing.
        return Verdict(gate, "inconclusive", f"{where} {said}. {few}", needed, figures=figures)
    return Verdict(gate, verdict, f"{where} {said}.", figures=figures)


def performance(
    state: State,
    *,
    metric: str | None = None,
    model: str | None = None,
    min: float | None = None,
    max: float | None = None,
) -> Verdict:
    """Hold what a model scores on new data, measured or estimated, against bounds.

    Without a bound it fails if the monitor raised an alarm. With one, the whole 95 % interval has
    to lie within. It is inconclusive if no new data was monitored.

    Args:
        state: what to look at.
        metric: look only at this one.
        model: look only at this one.
        min: the least that passes.
        max: the most that passes.

    Raises:
        RecipeError: a bound is given and no metric, or there is no such metric or model.

    >>> one = {"metric": "mae", "model": "trees", "value": 9.0, "low": 8.0, "high": 10.0,
    ...        "estimated": False, "reference": 7.0, "alarm": True}
    >>> state = State(monitor={"performance": [one]})
    >>> performance(state).verdict, performance(state, metric="mae", max=11).verdict
    ('fail', 'pass')
    """
    if metric is None and (min is not None or max is not None):
        raise RecipeError(
            "The gate 'performance' has a bound and names no metric.", hint="metric: mae"
        )
    asked = bounds(min, max) or "without alarm"
    gate = f"performance: {metric or 'every metric'} {asked}"
    if state.monitor is None:
        return _nothing(gate)
    seen = list(state.monitor.get("performance", ()))
    for name, key in ((metric, "metric"), (model, "model")):
        if name is not None and seen:
            known(key, name, dict.fromkeys(str(one[key]) for one in seen))
    mine = [one for one in seen
            if metric in (None, one["metric"]) and model in (None, one["model"])]  # fmt: skip
    if not mine:
        why = "The monitor tells nothing of performance: the new data has neither labels nor "
        return Verdict(gate, "inconclusive", f"{why}predictions to estimate it from.")
    judged = [(_performed(one, min, max), one) for one in mine]
    outcome = _worst([verdict for verdict, _ in judged])
    said = "; ".join(_score(one) for verdict, one in judged if verdict == outcome)
    figures = {f"{one['metric']} of {one['model']}": one["value"] for one in mine}
    wanted = f" where {asked} is wanted" if asked != "without alarm" else ""
    return Verdict(gate, outcome, f"{said}{wanted}.", figures=figures)


def findings(
    state: State, *, severity: list[str] | None = None, allow: list[str] | None = None
) -> Verdict:
    """Ask that a monitor found nothing wrong with new data: its schema, its contract, its values.

    It is inconclusive if no new data was monitored.

    Args:
        state: what to look at.
        severity: which findings fail it: `stop`, `warn`, `note`; by default `stop`.
        allow: codes of findings that may be there.

    Raises:
        RecipeError: there is no such severity.

    >>> one = {"code": "schema", "severity": "stop", "title": "Field gone", "detail": "No price."}
    >>> findings(State(monitor={"findings": [one]})).detail
    'Field gone: No price.'
    """
    levels = severity or ["stop"]
    for level in levels:
        known("severity", level, dict.fromkeys(("stop", "warn", "note")))
    gate = f"findings: none of severity {', '.join(levels)}"
    gate += f" but {', '.join(allow)}" if allow else ""
    if state.monitor is None:
        return _nothing(gate)
    every = list(state.monitor.get("findings", ()))
    found = [one for one in every if one["severity"] in levels and one["code"] not in (allow or ())]
    said = " ".join(f"{one['title']}: {one['detail']}" for one in found[:SHOWN])
    said += f" And {len(found) - SHOWN} more." if len(found) > SHOWN else ""
    figures = {"findings": len(every), "failing": len(found)}
    detail = said or f"None among {len(every):,} findings."
    return Verdict(gate, "fail" if found else "pass", detail, figures=figures)


def _nothing(gate: str) -> Verdict:
    return Verdict(
        gate,
        "inconclusive",
        "No new data was monitored: `assay monitor` writes what `assay gate --monitor` reads.",
    )


def _drifted(one: Mapping[str, Any], most: float | dict[str, float] | None) -> Outcome:
    effect = one.get("effect") or {}
    bound = most.get(str(effect.get("name"))) if isinstance(most, dict) else most
    if bound is None or not effect:
        return "fail" if one.get("alarm") else "pass"
    return _within(effect, None, bound)


def _of(line: str, field: str) -> bool:
    """Whether a line is about a field: `price` and `price (missing)` are about `price`."""
    return line == field or line.startswith(f"{field} (")


def _most(most: float | dict[str, float]) -> str:
    if isinstance(most, dict):
        return ", ".join(f"{number(bound)} {name}" for name, bound in most.items())
    return number(most)


def _performed(one: Mapping[str, Any], low: float | None, high: float | None) -> Outcome:
    if low is None and high is None:
        return "fail" if one.get("alarm") else "pass"
    return _within(one, low, high)


def _within(one: Mapping[str, Any], low: float | None, high: float | None) -> Outcome:
    bottom, top, value = one.get("low"), one.get("high"), one.get("value")
    if bottom is None or top is None or value is None:
        return "inconclusive"
    return within((float(bottom), float(top)), low, high, at=float(value), n=0)[0]


def _worst(given: Sequence[Outcome]) -> Outcome:
    return "fail" if "fail" in given else "inconclusive" if "inconclusive" in given else "pass"


def _shown(drifted: Sequence[Mapping[str, Any]]) -> str:
    said = []
    for one in drifted[:SHOWN]:
        effect = one.get("effect") or {}
        value, span = effect.get("value"), _span(effect)
        span = f", {span}" if span else ""
        measured = f" ({effect.get('name')} {number(value)}{span})" if value is not None else ""
        said.append(f"{one['field']}{measured}")
    more = f" and {len(drifted) - SHOWN} more" if len(drifted) > SHOWN else ""
    return ", ".join(said) + more


def _span(one: Mapping[str, Any]) -> str:
    low, high = one.get("low"), one.get("high")
    return "" if low is None or high is None else f"95 % {number(low)} to {number(high)}"


def _score(one: Mapping[str, Any]) -> str:
    value, low, high = (one.get(part) for part in ("value", "low", "high"))
    if value is None:
        return f"{one['metric']} of {one['model']} is not known"
    span = (
        f" (95 % {number(low)} to {number(high)})" if low is not None and high is not None else ""
    )
    how = "is estimated at" if one.get("estimated") else "is"
    was = one.get("reference")
    before = f", {number(was)} before" if was is not None else ""
    return f"{one['metric']} of {one['model']} {how} {number(value)}{span}{before}"
