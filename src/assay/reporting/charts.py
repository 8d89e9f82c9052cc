"""Where every mark of a chart stands: numbers to positions, in percent of the plot.

The charts are plain SVG that the template writes, not Vega: a page with Vega carries 0.9 MB of
JavaScript, shows nothing without it and needs a second drawing for print and for the dark. Here a
position is a percentage, so that one drawing fits a telephone and a wall, text keeps its size, and
colours follow the page. Lines and areas live in a 100 × 100 box that is stretched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from assay.reporting.words import finite, integer, number, share

Axis = dict[str, Any]  # low, high and ticks: [{"at": percent, "text": label}]
BANDS = ("green", "orange", "red")


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers between `low` and `high`, a step of 1, 2 or 5 apart.

    >>> ticks(0, 97)
    [0.0, 20.0, 40.0, 60.0, 80.0]
    """
    span = high - low
    if not span > 1e-300 or not math.isfinite(span):  # less has no tenth that is a number
        return [low]
    raw = span / max(1, wanted)
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((1, 2, 5, 10), key=lambda factor: abs(math.log(raw / (factor * power)))) * power
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def axis(low: float, high: float, *, wanted: int = 5, unit: str | None = None) -> Axis:
    """An axis from `low` to `high` with its labelled ticks.

    >>> axis(0, 10, wanted=2)["ticks"][1]
    {'at': 50.0, 'text': '5'}
    """
    if not high > low:
        pad = abs(low) * 0.1 or 1.0
        low, high = low - pad, high + pad
    found = ticks(low, high, wanted)
    step = found[1] - found[0] if len(found) > 1 else (abs(found[0]) if found else 0) or 1.0
    places = max(0, -math.floor(math.log10(step) + 1e-9))
    body: Axis = {"low": low, "high": high, "ticks": []}
    body["ticks"] = [{"at": at(tick, body), "text": number(tick, places, unit)} for tick in found]
    return body


def at(value: float, scale: Axis) -> float:
    """The place of a value on an axis in percent, held within the axis.

    >>> at(5, {"low": 0, "high": 20}), at(99, {"low": 0, "high": 20})
    (25.0, 100.0)
    """
    place = 100 * (value - scale["low"]) / (scale["high"] - scale["low"])
    return round(float(min(100.0, max(0.0, place))), 2)


def band(truth: float, prediction: float, limits: Mapping[str, float]) -> str:
    """Green, orange or red, as in the course *The Price Is Right*: 40 or 20 %, twice that, more.

    >>> [band(100, p, {"absolute": 40, "relative": 0.2}) for p in (130, 170, 190)]
    ['green', 'orange', 'red']
    """
    error = abs(prediction - truth)
    for name, times in (("green", 1), ("orange", 2)):
        if error < times * limits["absolute"] or error < times * limits["relative"] * abs(truth):
            return name
    return "red"


def whiskers(scores: Sequence[Mapping[str, Any] | None], unit: str | None = None) -> Axis:
    """The axis on which the scores of many models and their intervals are compared.

    One model that is far off would squeeze all others into a line, so an axis ends where the rest
    do when the outermost is more than six times as far away; the mark then points outwards.
    """
    ends = [
        [v for v in (finite(s.get(key)) for key in ("low", "value", "high")) if v is not None]
        for s in scores
        if s is not None
    ]
    spans = sorted(((min(e), max(e)) for e in ends if e), key=lambda span: span[1])
    if not spans:
        return axis(0, 1)
    while len(spans) > 2:
        low, high = min(s[0] for s in spans[:-1]), spans[-2][1]
        if spans[-1][0] - high <= 6 * max(high - low, 1e-12):
            break
        spans.pop()
    spans.sort()
    while len(spans) > 2:
        low, high = spans[1][0], max(s[1] for s in spans[1:])
        if low - spans[0][1] <= 6 * max(high - low, 1e-12):
            break
        spans.pop(0)
    low, high = min(s[0] for s in spans), max(s[1] for s in spans)
    pad = 0.06 * (high - low) or abs(high) * 0.05 or 0.5
    return axis(low - pad, high + pad, wanted=4, unit=unit)


def whisker(score: Mapping[str, Any] | None, scale: Axis) -> dict[str, Any] | None:
    """A dot and its interval on an axis; None where there is no value to draw."""
    middle = finite(score.get("value")) if score else None
    if score is None or middle is None:
        return None
    low, high = finite(score.get("low")), finite(score.get("high"))
    left = at(middle if low is None else low, scale)
    right = at(middle if high is None else high, scale)
    beyond = "right" if middle > scale["high"] else "left" if middle < scale["low"] else ""
    return {"dot": at(middle, scale), "left": left, "width": round(right - left, 2),
            "beyond": beyond}  # fmt: skip


def square(pairs: np.ndarray, unit: str | None = None) -> Axis:
    """The common axis of truth and prediction, from (n, 2) values.

    All the truth is shown. Predictions beyond their own 1 and 99 per cent do not stretch the axis:
    a single absurd guess would hide all others.
    """
    if not len(pairs):
        return axis(0, 1)
    low, high = float(pairs[:, 0].min()), float(pairs[:, 0].max())
    first, last = np.quantile(pairs[:, 1], [0.01, 0.99])
    span = (high - low) or abs(high) or 1.0
    low, high = max(min(low, first), low - span), min(max(high, last), high + span)
    pad = max(0.03 * ((high - low) or abs(high) or 1.0), 0.5 * _gap(pairs[:, 0].tolist()))
    low = 0.0 if 0 <= low < 0.2 * high and pad < 0.1 * high else low - pad
    return axis(low, high + pad, wanted=6, unit=unit)


def scatter(
    points: Sequence[Sequence[Any]], scale: Axis, limits: Mapping[str, float] | None
) -> dict[str, Any]:
    """The marks of truth (across) against prediction (up), with the bands as areas behind them.

    Where the truth takes few values the marks are spread sideways by a fixed pattern, so that they
    do not hide one another.
    """
    spread = 0.7 * _gap([float(point[1]) for point in points])
    marks = []
    for index, (_, truth, prediction) in enumerate(points):
        aside = spread * ((index * 0.618033988749895) % 1 - 0.5)  # golden ratio: even, repeatable
        name = band(truth, prediction, limits) if limits else "plain"
        outside = not scale["low"] <= prediction <= scale["high"]
        marks.append((at(truth + aside, scale), round(100 - at(prediction, scale), 2), name,
                      outside))  # fmt: skip
    areas = {}
    if limits:
        for times, name in ((2, "orange"), (1, "green")):
            areas[name] = _funnel(scale, times * limits["absolute"], times * limits["relative"])
    return {
        "marks": marks,
        "areas": areas,
        "outside": sum(mark[3] for mark in marks),
        "spread": bool(spread),
    }


def _gap(truths: Sequence[float]) -> float:
    """The least distance between true values where there are few of them, else zero."""
    kinds = sorted(set(truths))
    few = 1 < len(kinds) <= 15 and len(truths) > 3 * len(kinds)
    return min(b - a for a, b in pairwise(kinds)) if few else 0.0


def _funnel(scale: Axis, absolute: float, relative: float) -> str:
    """The outline of the points whose error is under `absolute` or `relative` of the truth."""
    low, high = scale["low"], scale["high"]
    corners = [low, high]
    if relative:  # where the two rules meet; between these places the outline is straight
        corners += [c for c in (-absolute / relative, 0.0, absolute / relative) if low < c < high]
    truths = sorted(corners)
    widths = [max(absolute, relative * abs(truth)) for truth in truths]

    def place(truth: float, prediction: float) -> str:
        # Not held within the axis: the box cuts it off, so the slope stays true.
        return f"{_free(truth, scale):.2f},{100 - _free(prediction, scale):.2f}"

    upper = [place(t, t + w) for t, w in zip(truths, widths, strict=True)]
    lower = [place(t, t - w) for t, w in zip(truths, widths, strict=True)]
    return " ".join(upper + lower[::-1])


def _free(value: float, scale: Axis) -> float:
    return float(100 * (value - scale["low"]) / (scale["high"] - scale["low"]))


def running(rows: Sequence[Sequence[Any]], unit: str | None = None) -> dict[str, Any] | None:
    """The mean error after 1, 2, … rows and the band that holds it with 95 % confidence.

    The first few means swing widely; the axis is made for what comes after a twentieth of the rows.
    """
    known = [(n, mean, finite(low), finite(high)) for n, mean, low, high in rows
             if finite(n) is not None and finite(mean) is not None]  # fmt: skip
    if len(known) < 2:
        return None
    last = known[-1][0]
    shown = [v for row in known if row[0] >= 0.05 * last for v in row[1:] if v is not None]
    low, high = min(shown), max(shown)
    if all(row[1] >= 0 for row in known):
        low = max(low, 0.0)  # an early band may reach below zero where no error can be
    pad = 0.08 * ((high - low) or abs(high) or 1.0)
    low = 0.0 if low >= 0 and low - pad < 0.35 * high else low - pad
    y = axis(low, high + pad, wanted=5, unit=unit)
    x = axis(min(0.0, known[0][0]), last, wanted=5)
    known = known[:: math.ceil(len(known) / 400)] + ([known[-1]] if len(known) > 400 else [])
    middle = [f"{_free(n, x):.2f},{100 - _free(mean, y):.2f}" for n, mean, *_ in known]
    both = [(n, a, b) for n, _, a, b in known if a is not None and b is not None]
    edge = [f"{_free(n, x):.2f},{100 - _free(b, y):.2f}" for n, _, b in both]
    edge += [f"{_free(n, x):.2f},{100 - _free(a, y):.2f}" for n, a, _ in reversed(both)]
    return {
        "x": x,
        "y": y,
        "line": " ".join(middle),
        "area": " ".join(edge),
        "xs": [round(_free(n, x), 2) for n, *_ in known],
        "rows": known,
    }


def histogram(
    edges: Sequence[Any], counts: Mapping[str, Sequence[Any]], unit: str | None = None
) -> dict[str, Any] | None:
    """One outline a split, each as the share of its own split, so that shapes compare.

    >>> histogram([0, 1, 2], {"train": [3, 1]})["series"][0]["line"]
    '0,100 0,8 50,8 50,69.33 100,69.33 100,100'
    """
    series, tips = [], [f"{_edge(a, unit)} to {_edge(b, unit)}"
                        for a, b in pairwise(edges)]  # fmt: skip
    shares = {}
    for split, values in counts.items():
        known = [finite(v) or 0.0 for v in values][: len(tips)]
        total = sum(known)
        if not total:
            continue
        shares[split] = [v / total for v in known]
        tips = [f"{tip}\n{split}: {integer(v)} ({share(v, total)})"
                for tip, v in zip(tips, known, strict=False)]  # fmt: skip
    top = max((max(values) for values in shares.values()), default=0.0)
    if not top or not tips:
        return None
    width = 100 / len(tips)
    for split, values in shares.items():
        line = ["0,100"]
        for index, part in enumerate(values):
            y = f"{100 - 92 * part / top:.4g}"
            line += [f"{index * width:.4g},{y}", f"{(index + 1) * width:.4g},{y}"]
        series.append({"split": split, "line": " ".join([*line, f"{width * len(values):.4g},100"])})
    return {"series": series, "tips": tips}


def even(edges: Sequence[float]) -> bool:
    """Whether the bins are equally wide, so that an axis of values fits under them."""
    steps = [b - a for a, b in pairwise(edges)]
    return bool(steps) and max(steps) - min(steps) <= 1e-6 * max(abs(max(steps)), 1e-12)


def _edge(edge: Any, unit: str | None) -> str:
    known = finite(edge)
    return str(edge)[:40] if known is None else number(known, None, unit)
