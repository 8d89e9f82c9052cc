"""The page of a study: what it found in words, in charts and in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from assay.reporting import charts, plots
from assay.reporting.pictures import Theme, drawn, file_name
from assay.reporting.render import written
from assay.reporting.words import finite, integer, number, short

Plain = dict[str, Any]
TITLES = {
    "crossval": "Cross-validation",
    "learning_curve": "Learning curve",
    "validation_curve": "Validation curve",
    "importance": "Importance of fields",
    "calibration": "Calibration",
    "conformal": "Conformal prediction",
    "threshold": "Threshold",
}
MOST_CHARTS, MOST_LINES, STEPS = 24, 500, 60


def render_study(document: Mapping[str, Any]) -> str:
    """Write what a study found as one HTML page.

    A pure function. Text from data is always escaped.

    Args:
        document: what the study gives by `to_document()`.

    >>> page = render_study({"study": "importance", "name": "<b>", "sentences": ["All is well."]})
    >>> "<b>" in page.partition("<h1>")[2][:40], "All is well." in page
    (False, True)
    """
    about = [(key, short(document.get(key), 80)) for key in ("version", "model", "metric", "split")]
    return written(
        "study.html.j2",
        {
            "title": short(document.get("name") or "study", 120),
            "about": [{"label": key, "value": text} for key, text in about if document.get(key)],
            "verdict": None,
            "figures": [],
            "studies": [studied(document)],
        },
    )


def studied(document: Mapping[str, Any]) -> Plain:
    """A study as a page shows it: title, sentences, charts and a table."""
    kind = str(document.get("study"))
    head, *body = document.get("table") or [[]]
    return {
        "key": kind,
        "title": TITLES.get(kind, kind),
        "sentences": [short(line, 1000) for line in document.get("sentences") or ()],
        "charts": [{**chart, "kind": how} for how, chart in _charts(document)],
        "head": head,
        "lines": body[:MOST_LINES],
        "more": max(0, len(body) - MOST_LINES),
    }


def study_pictures(document: Mapping[str, Any], *, theme: Theme = "light") -> dict[str, str]:
    """Every chart of a study as an SVG picture, by the name of its file without the ending.

    Args:
        document: what the study gives by `to_document()`.
        theme: `light` or `dark`.

    >>> study_pictures({"study": "importance"})
    {}
    """
    found: dict[str, str] = {}
    for how, chart in _charts(document):
        name = file_name(str(document.get("study")), chart["title"])
        found[name] = drawn(how, chart, chart["title"], theme)
    return found


def _charts(document: Mapping[str, Any]) -> list[tuple[str, Plain]]:
    """The charts of a study: how each is drawn, and what."""
    make = _CHARTS.get(str(document.get("study")))
    found = make(document) if make else []
    return [
        ("whiskers" if "rows" in chart else "plot", chart) for chart in found[:MOST_CHARTS] if chart
    ]


def _learning(document: Mapping[str, Any]) -> list[Plain | None]:
    points = [one for one in document.get("points") or () if finite(one.get("value")) is not None]
    models = list(dict.fromkeys(one["model"] for one in points))
    laws = {one["model"]: one for one in document.get("curves") or ()}
    ends = [finite(one.get(key)) for one in points for key in ("value", "low", "high")]
    return [
        _learned(document, model, [one for one in points if one["model"] == model],
                 laws.get(model) or {}, [end for end in ends if end is not None])
        for model in models
    ]  # fmt: skip


def _learned(
    document: Mapping[str, Any],
    model: str,
    points: Sequence[Mapping[str, Any]],
    law: Mapping[str, Any],
    ends: Sequence[float],
) -> Plain | None:
    """One model's points, the law through them, and what it forecasts beyond."""
    last = points[-1]
    further = last["rows"] * (finite(law.get("times")) or 1)
    lines: list[tuple[str, list[tuple[float, float]]]] = []
    marks = [_ends(one, one["rows"]) for one in points]
    if None not in (law.get("a"), law.get("b"), law.get("c")):
        at = np.geomspace(points[0]["rows"], further, STEPS)
        drawn = list(zip(at, law["a"] + law["b"] * at ** -law["c"], strict=True))
        lines = [
            ("line", [one for one in drawn if one[0] <= last["rows"]]),
            ("line soft", [one for one in drawn if one[0] >= last["rows"]]),
        ]
        gains = [finite(law.get(key)) for key in ("gain", "high", "low")]
        if None not in gains:
            sign = 1 if document.get("better") == "higher" else -1
            value, *both = (last["value"] + sign * gain for gain in gains if gain is not None)
            marks.append((further, value, min(both), max(both)))
            ends = [*ends, min(both), max(both)]
    x, y = charts.axis(0, further * 1.03), _spread(ends)
    return _plot(
        f"learning curve, {model}", x, y, marks, lines, across="rows learned from",
        upwards=document.get("metric"),
        named=[("", "fitted law"), ("soft", "forecast")] if lines else [],
        about=f"{integer(len(points))} sizes.", note="Each mark has its 95\u202f% interval.",
    )  # fmt: skip


def _validation(document: Mapping[str, Any]) -> list[Plain | None]:
    settings = [one for one in document.get("settings") or ()
                if finite(one.get("score")) is not None]  # fmt: skip
    if not settings:
        return []
    values = [finite(one["value"]) for one in settings]
    numeric = None not in values and not any(isinstance(one["value"], bool) for one in settings)
    at = [float(v or 0) for v in values] if numeric else [float(i) for i in range(len(settings))]
    settings = [one for _, one in sorted(zip(at, settings, strict=True), key=lambda pair: pair[0])]
    at = sorted(at)
    x = charts.axis(at[0] - 0.03 * (at[-1] - at[0]), at[-1] + 0.03 * (at[-1] - at[0]))
    if not numeric:
        x["ticks"] = [{"at": charts.at(place, x), "text": short(one["value"], 14)}
                      for place, one in zip(at, settings, strict=True)]  # fmt: skip
    ends = [finite(one.get(key)) for one in settings for key in ("score", "low", "high", "train")]
    lines = [("line", [(a, one["score"]) for a, one in zip(at, settings, strict=True)])]
    own = [(a, one["train"]) for a, one in zip(at, settings, strict=True)
           if finite(one.get("train")) is not None]  # fmt: skip
    if len(own) > 1:
        lines.append(("line soft", own))
    return [_plot(
        f"{document.get('parameter')} of {document.get('model')}", x,
        _spread([end for end in ends if end is not None]),
        [_ends({**one, "value": one["score"]}, a) for a, one in zip(at, settings, strict=True)],
        lines, across=str(document.get("parameter")), upwards=document.get("metric"),
        named=[("", "held out"), ("soft", "learned from")] if len(own) > 1 else [],
        about=f"The best value is {short(document.get('best'), 40)}.",
        note="Each mark has its 95\u202f% interval.",
    )]  # fmt: skip


def _importance(document: Mapping[str, Any]) -> list[Plain | None]:
    lines = [{**one, "name": one["field"]} for one in document.get("fields") or ()]
    models = dict.fromkeys(one["model"] for one in lines)
    across = f"how much worse {document.get('metric')} is when the field is shuffled"
    return [
        _whiskers(f"fields that {model} lives on",
                  [one for one in lines if one["model"] == model][:40], across)
        for model in models
    ]  # fmt: skip


def _crossval(document: Mapping[str, Any]) -> list[Plain | None]:
    means = [{**one, "name": one["model"]} for one in document.get("means") or ()]
    return [
        _whiskers(f"{metric} over folds", [one for one in means if one["metric"] == metric],
                  f"mean over {integer(document.get('folds'))} folds, with its 95\u202f% interval")
        for metric in dict.fromkeys(one["metric"] for one in means)
    ]  # fmt: skip


def _calibration(document: Mapping[str, Any]) -> list[Plain | None]:
    found = []
    for one in document.get("models") or ():
        chart = plots.calibration(one, None)
        found.append(chart and {**chart, "title": f"{chart['title']}, {short(one['model'], 60)}"})
    return found


def _conformal(document: Mapping[str, Any]) -> list[Plain | None]:
    level = finite(document.get("level"))
    lines = [
        {"name": "asked for", "value": level, "low": level, "high": level},
        {"name": f"covered on {document.get('split')}", "value": document.get("coverage"),
         "low": document.get("low"), "high": document.get("high")},
    ]  # fmt: skip
    return [_whiskers(f"rows covered, {document.get('model')}", lines, "share of the rows")]


def _threshold(document: Mapping[str, Any]) -> list[Plain | None]:
    curve = [(one["threshold"], one["cost"]) for one in document.get("curve") or ()]
    if len(curve) < 2:
        return []
    chosen = document["threshold"]
    cost = min(curve, key=lambda point: abs(point[0] - chosen))[1]
    return [_plot(
        f"mean cost by threshold, {document.get('model')}", charts.axis(0, 1),
        _spread([cost for _, cost in curve]), [(chosen, cost, None, None)], [("line", curve)],
        across=f"probability of {document.get('positive')} from which on to say so",
        upwards="mean cost on validation", about=f"The mark is at {number(chosen)}.",
    )]  # fmt: skip


_CHARTS: dict[str, Callable[[Mapping[str, Any]], list[Plain | None]]] = {
    "crossval": _crossval,
    "learning_curve": _learning,
    "validation_curve": _validation,
    "importance": _importance,
    "calibration": _calibration,
    "conformal": _conformal,
    "threshold": _threshold,
}


def _ends(one: Mapping[str, Any], at: float) -> tuple[float, float, float | None, float | None]:
    return at, one["value"], finite(one.get("low")), finite(one.get("high"))


def _spread(ends: Sequence[float]) -> charts.Axis:
    low, high = min(ends), max(ends)
    pad = 0.05 * (high - low)
    return charts.axis(low - pad, high + pad)


def _plot(
    title: str,
    x: charts.Axis,
    y: charts.Axis,
    marks: Sequence[tuple[float, float, float | None, float | None]],
    lines: Sequence[tuple[str, Sequence[tuple[float, float]]]],
    **parts: Any,
) -> Plain:
    def down(value: float | None) -> float | None:
        return None if value is None else round(100 - charts.at(value, y), 2)

    tips = [
        f"{parts['across']} {number(at)}\n{parts['upwards']} {number(value)}"
        + ("" if low is None else f"\n95\u202f% {number(low)} to {number(high)}")
        for at, value, low, high in marks
    ]
    return plots.plot(
        "study", title[:1].upper() + title[1:], x, y,
        marks=[(charts.at(at, x), down(value), down(low), down(high))
               for at, value, low, high in marks],
        lines=[(kind, plots.line(points, x, y)) for kind, points in lines if len(points) > 1],
        tips=tips, xs=[charts.at(at, x) for at, *_ in marks], **parts,
    )  # fmt: skip


def _whiskers(title: str, lines: Sequence[Mapping[str, Any]], across: str) -> Plain | None:
    known = [one for one in lines if finite(one.get("value")) is not None]
    if not known:
        return None
    axis = charts.whiskers(known)
    rows = [
        {"name": short(one["name"], 36), "best": False, "value": number(one["value"]),
         "at": {**(charts.whisker(one, axis) or {}), "best": False},
         "tip": f"{number(one['value'])}"
         + ("" if finite(one.get("low")) is None else
            f", 95\u202f% {number(one['low'])} to {number(one['high'])}")}
        for one in known
    ]  # fmt: skip
    return {"title": title[:1].upper() + title[1:], "rows": rows, "ticks": axis["ticks"],
            "across": across, "about": f"{integer(len(rows))} lines."}  # fmt: skip
