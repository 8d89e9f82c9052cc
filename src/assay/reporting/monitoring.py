"""The page of monitoring: what has changed since when, worst first, and how models do over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.monitoring.domain import ALL
from assay.reporting.render import written
from assay.reporting.timelines import MOST_BATCHES, timeline
from assay.reporting.words import finite, integer, many, number, p_value, short, value

Plain = dict[str, Any]
LARGE = 12
"""Timelines of so many alarms are drawn large; the others as a line of the table."""
MOST_FIELDS = 300
MOST_ROWS = 20
MOST_FINDINGS = 60
PILLS = {"stop": "error", "warn": "warning", "note": "note"}
EFFECTS = {
    "wasserstein": "Wasserstein distance, in spreads of the reference",
    "jensen_shannon": "Jensen-Shannon distance",
    "psi": "population stability index",
    "auc": "area under the ROC curve of a classifier that tells new rows from old",
    "new": "share of new categories",
    "missing": "change of the share of missing values",
}


def render_monitoring(document: Mapping[str, Any]) -> str:
    """Write a history of monitoring as one HTML page that needs nothing else.

    A pure function. Text from data is always escaped; without JavaScript the page is complete and
    only what is said when a batch is pointed at is missing.

    Args:
        document: `version`; `batches`, each as `monitor.json` describes it (`name`, `at`, `rows`,
            `verdict`, `drift`, `performance`, `findings`), in their order; `trends`, what the
            history says at the last look; `moved`, the rows that moved most; `notes`. Every key
            may be absent.

    >>> page = render_monitoring({"version": "<b>/v1-9f2c41ab", "batches": []})
    >>> "<b>/v1" in page, "&lt;b&gt;/v1" in page
    (False, True)
    """
    return written("monitoring.html.j2", summarized(document))


def summarized(document: Mapping[str, Any]) -> Plain:
    """What the page shows, as one plain dict: every number formatted, every sentence written."""
    batches = list(document.get("batches") or ())
    shown = batches[-MOST_BATCHES:]
    before = len(batches) - len(shown)
    names = [_name(one) for one in shown]
    trends = sorted(
        document.get("trends") or (),
        key=lambda one: (not one.get("alarm"), -(finite(one.get("log_e")) or 0.0)),
    )
    fields = [_field(one, shown, names, batches) for one in trends if one.get("about") == "field"]
    figures = _performance(trends, shown, names)
    alarms = [one for one in [*fields, *figures] if one["alarm"]]
    alarms.sort(key=lambda one: -one["log_e"])
    for place, one in enumerate(alarms):
        one["large"] = place < LARGE
    newest = batches[-1] if batches else {}
    findings = [_finding(one) for one in newest.get("findings") or ()]
    findings.sort(key=lambda one: list(PILLS.values()).index(one["severity"]))
    return {
        "title": short(document.get("version") or "monitoring", 120),
        "about": _about(batches),
        "verdict": _verdict(alarms, newest, batches),
        "figures": _figures(batches, alarms, fields),
        "notes": [short(note, 600) for note in (document.get("notes") or ())[:20]],
        "alarms": alarms,
        "performance": figures,
        "assumptions": list(dict.fromkeys(filter(None, (one["assumption"] for one in figures)))),
        "fields": fields[:MOST_FIELDS],
        "more_fields": max(0, len(fields) - MOST_FIELDS),
        "findings": findings[:MOST_FINDINGS],
        "more_findings": max(0, len(findings) - MOST_FINDINGS),
        "newest": short(newest.get("name") or "", 80),
        "moved": _moved(document.get("moved") or ()),
        "batches": [_batch(one) for one in batches[::-1]],
        "not_drawn": before,
    }  # fmt: skip


def _name(batch: Mapping[str, Any]) -> str:
    at = str(batch.get("at") or "")[:16].replace("T", " ")
    return f"{at} {short(batch.get('name') or '', 40)}".strip()


def _about(batches: Sequence[Mapping[str, Any]]) -> list[Plain]:
    if not batches:
        return []
    first, last = (str(one.get("at") or "")[:10] for one in (batches[0], batches[-1]))
    found = [
        ("from", first),
        ("to", last if last != first else ""),
        ("rows", integer(sum(int(one.get("rows") or 0) for one in batches))),
    ]
    return [{"label": label, "value": item} for label, item in found if item]


def _figures(
    batches: Sequence[Mapping[str, Any]], alarms: Sequence[Plain], fields: Sequence[Plain]
) -> list[Plain]:
    since = next((one["since"] for one in alarms if one["since"]), "")
    return [
        {"label": "Batches", "value": integer(len(batches)), "note": ""},
        {"label": "Alarms now", "value": integer(len(alarms)),
         "note": f"of {many(len(fields), 'field')}" if fields else ""},
        {"label": "Since", "value": since or "–", "note": "the surest alarm", "name": True},
    ]  # fmt: skip


def _verdict(
    alarms: Sequence[Plain], newest: Mapping[str, Any], batches: Sequence[Mapping[str, Any]]
) -> Plain | None:
    if not batches:
        return {"kind": "inconclusive", "word": "Nothing yet",
                "sentence": "No batch has been monitored."}  # fmt: skip
    kind = str(newest.get("verdict"))
    kind = kind if kind in ("pass", "fail", "inconclusive") else "inconclusive"
    words = {"pass": "As before", "fail": "Changed", "inconclusive": "Cannot tell"}
    if alarms:
        first = alarms[0]
        since = f", most likely since {first['since']}" if first["since"] else ""
        told = f"{first['title']} {'have' if first['title'] == ALL else 'has'} changed{since}."
        rest = f" {many(len(alarms) - 1, 'more alarm')}." if len(alarms) > 1 else ""
        return {"kind": "fail" if kind == "fail" else "warning", "word": "Changed",
                "sentence": told + rest}  # fmt: skip
    told = {
        "pass": "Nothing has changed that matters.",
        "fail": "The newest batch broke a rule; see its findings.",
        "inconclusive": "There is too little data to decide.",
    }[kind]
    return {"kind": kind, "word": words[kind], "sentence": told}


def _field(
    trend: Mapping[str, Any],
    batches: Sequence[Mapping[str, Any]],
    names: Sequence[str],
    every: Sequence[Mapping[str, Any]],
) -> Plain:
    field = trend.get("name")
    lines = [
        next((one for one in batch.get("drift") or () if one.get("field") == field), None)
        for batch in batches
    ]
    points = [
        {**(line.get("effect") or {}), "alarm": line.get("alarm")} if line else None
        for line in lines
    ]
    last: Mapping[str, Any] = next((line for line in reversed(lines) if line), {})
    effect = last.get("effect") or {}
    floor = finite(trend.get("floor"))
    name = str(effect.get("name") or "effect")
    drawn = timeline(
        names,
        [{"name": name.replace("_", "-"), "form": "dots", "points": points}],
        limit=floor,
        limit_name="floor",
        since=_place(trend, batches) if trend.get("alarm") else None,
        from_zero=name != "auc",
    )
    return {
        **_said(trend, every),
        "title": short(field, 120),
        "kind": str(last.get("kind") or ""),
        "unit": _upper(EFFECTS.get(name, name.replace("_", "-"))),
        "last": number(effect.get("value")),
        "floor": number(floor),
        "chart": drawn,
    }


def _performance(
    trends: Sequence[Mapping[str, Any]], batches: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> list[Plain]:
    scored = [
        {(one.get("model"), one.get("metric"), bool(one.get("estimated"))): one
         for one in batch.get("performance") or ()}
        for batch in batches
    ]  # fmt: skip
    found = []
    for model, metric in dict.fromkeys(key[:2] for batch in scored for key in batch):
        title = f"{model} {metric}"
        sides = {side: [batch.get((model, metric, side)) for batch in scored]
                 for side in (False, True)}  # fmt: skip
        of_both = [
            one for one in trends
            if one.get("about") in ("performance", "estimate") and one.get("name") == title
        ]  # fmt: skip
        of_both.sort(key=lambda one: (not one.get("alarm"), one.get("about") != "performance"))
        trend: Mapping[str, Any] = of_both[0] if of_both else {}
        lines = [one for side in sides.values() for one in side if one]
        reference = finite(lines[-1].get("reference"))
        drawn = timeline(
            names,
            [
                {"name": "estimated", "form": "band", "points": sides[True]},
                {"name": "realised", "form": "dots", "points": sides[False]},
            ],
            limit=reference,
            limit_name="evaluation",
            since=_place(trend, batches) if trend.get("alarm") else None,
        )
        newest = {side: next((one for one in reversed(line) if one), None)
                  for side, line in sides.items()}  # fmt: skip
        found.append(
            {
                **_said(trend, batches),
                "title": short(f"{metric} of {model}" if model else metric, 120),
                "kind": "performance",
                "unit": {"lower": "Lower is better", "higher": "Higher is better"}.get(
                    str(lines[-1].get("better")), ""
                ),
                "last": _with_interval(newest[False]),
                "guess": _with_interval(newest[True]),
                "reference": number(reference),
                "assumption": short((newest[True] or {}).get("assumption") or "", 300),
                "chart": drawn,
            }
        )
    return found


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _with_interval(one: Mapping[str, Any] | None) -> str:
    if one is None or finite(one.get("value")) is None:
        return ""
    told = number(one["value"])
    if finite(one.get("low")) is not None and finite(one.get("high")) is not None:
        told += f" ({number(one['low'])} to {number(one['high'])})"
    return told


def _said(trend: Mapping[str, Any], batches: Sequence[Mapping[str, Any]]) -> Plain:
    """What the history says of one field or figure."""
    alarm = bool(trend.get("alarm"))
    p = finite(trend.get("p"))
    between = [_short_name(trend.get(key)) for key in ("earliest", "latest")]
    return {
        "alarm": alarm,
        "log_e": finite(trend.get("log_e")) or 0.0,
        "since": _short_name(trend.get("since")) if alarm else "",
        "between": f"{between[0]} and {between[1]}" if alarm and between[0] != between[1] else "",
        "p": p_value(p) if p is not None else "–",
        "moved": number(trend.get("effect")),
        "so_far": _so_far(trend.get("so_far") if trend.get("about") == "performance" else None),
    }


def _so_far(held: Any) -> str:
    return f"{number(held[0])} ({number(held[1])} to {number(held[2])})" if held else ""


def _short_name(one: Any) -> str:
    if not one:
        return ""
    name, at = short(one.get("name") or "", 40), str(one.get("at") or "")[:10]
    return f"{name} ({at})" if name and at and at not in name else name or at


def _place(trend: Mapping[str, Any], batches: Sequence[Mapping[str, Any]]) -> int | None:
    since = trend.get("since") or {}
    return next(
        (
            place
            for place, one in enumerate(batches)
            if (one.get("name"), str(one.get("at"))) == (since.get("name"), str(since.get("at")))
        ),
        None,
    )


def _finding(one: Mapping[str, Any]) -> Plain:
    severity = PILLS.get(str(one.get("severity")), "warning")
    return {
        "severity": severity,
        "word": str(one.get("severity") or "warn"),
        "code": short(one.get("code") or "", 60),
        "field": short(one.get("field") or "", 120),
        "title": short(one.get("title") or "", 200),
        "detail": short(one.get("detail") or "", 800),
    }


def _moved(rows: Sequence[Mapping[str, Any]]) -> list[Plain]:
    return [
        {
            "row": short(one.get("row_id") or "", 40),
            "score": number(one.get("score"), 2),
            "fields": [(short(name, 60), value(item, length=160))
                       for name, item in (one.get("fields") or {}).items()][:12],
        }
        for one in rows[:MOST_ROWS]
    ]  # fmt: skip


def _batch(one: Mapping[str, Any]) -> Plain:
    kind = str(one.get("verdict"))
    alarmed = [str(line.get("field")) for line in one.get("drift") or () if line.get("alarm")]
    return {
        "name": short(one.get("name") or "", 80),
        "at": str(one.get("at") or "")[:16].replace("T", " "),
        "rows": integer(one.get("rows")),
        "verdict": kind if kind in ("pass", "fail", "inconclusive") else "none",
        "word": kind if kind in ("pass", "fail", "inconclusive") else "–",
        "alarms": short(", ".join(alarmed), 120),
    }
