"""One figure over many batches: where its marks, bands and limits stand, in percent of the plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting.charts import at, axis
from assay.reporting.words import finite, number

Plain = dict[str, Any]
MOST_BATCHES = 400
"""More are not told apart on a wide screen; the newest are drawn."""


def timeline(
    names: Sequence[str],
    series: Sequence[Mapping[str, Any]],
    *,
    limit: float | None = None,
    limit_name: str = "",
    since: int | None = None,
    from_zero: bool = False,
) -> Plain | None:
    """The marks of one or two series over the batches; None where nothing is known.

    Args:
        names: what to call each batch, in their order.
        series: `name`, `form` (`dots` or `band`) and `points`, one for each batch or None, with
            `value`, `low`, `high` and `alarm`.
        limit: the floor of an effect, or the value of the evaluation.
        limit_name: what it is.
        since: the batch with which a change began.
        from_zero: whether the axis begins at 0, as it does for distances.

    >>> points = [{"value": 1.0}, None, {"value": 3.0, "low": 2.0, "high": 4.0, "alarm": True}]
    >>> drawn = timeline(["a", "b", "c"], [{"name": "x", "form": "dots", "points": points}])
    >>> [mark["x"] for mark in drawn["series"][0]["marks"]], drawn["alarms"]
    ([16.67, 83.33], 1)
    """
    known = [
        (value, finite(point.get("low")), finite(point.get("high")))
        for one in series
        for point in one["points"]
        if point and (value := finite(point.get("value"))) is not None
    ]
    if not known:
        return None
    ends = [value for value, _, _ in known] + ([limit] if limit is not None else [])
    low, high = min(ends), max(ends)
    # Wide intervals of small batches may stretch the axis, but not squeeze all the rest.
    room = max(high - low, abs(high) * 0.02, 1e-9)
    low = max(low - 1.5 * room, min([low, *(one for _, one, _ in known if one is not None)]))
    high = min(high + 1.5 * room, max([high, *(one for _, _, one in known if one is not None)]))
    pad = 0.06 * ((high - low) or abs(high) or 1.0)
    low = min(0.0, low) if from_zero else low - pad
    y = axis(low, high + pad, wanted=4)
    width = 100 / len(names)
    xs = [round((place + 0.5) * width, 2) for place in range(len(names))]
    drawn = [_drawn(one, xs, y) for one in series]
    return {
        "y": y,
        "x": {"ticks": _ticks(names, xs)},
        "xs": xs,
        "tips": [_tip(names, series, place, limit, limit_name) for place in range(len(names))],
        "series": drawn,
        "limit": None if limit is None else round(100 - at(limit, y), 2),
        "limit_name": limit_name,
        "since": None if since is None else round(since * width, 2),
        "alarms": sum(mark["alarm"] for one in drawn for mark in one["marks"]),
    }


def _drawn(one: Mapping[str, Any], xs: Sequence[float], y: Mapping[str, Any]) -> Plain:
    marks: list[Plain] = []
    runs: list[list[Plain]] = [[]]
    for x, point in zip(xs, one["points"], strict=True):
        value = finite(point.get("value")) if point else None
        if point is None or value is None:
            runs.append([])
            continue
        low, high = finite(point.get("low")), finite(point.get("high"))
        mark = {
            "x": x,
            "y": _up(value, y),
            "low": _up(value if low is None else low, y),
            "high": _up(value if high is None else high, y),
            "alarm": bool(point.get("alarm")),
        }
        marks.append(mark)
        runs[-1].append(mark)
    whole = [run for run in runs if run]
    if one["form"] == "band":
        # A batch alone has a band too, a quarter of its place to either side.
        aside = 25 / len(xs)
        whole = [
            run if len(run) > 1 else [{**run[0], "x": round(run[0]["x"] + step, 2)}
                                      for step in (-aside, aside)]
            for run in whole
        ]  # fmt: skip
    return {
        "name": one["name"],
        "form": one["form"],
        "marks": marks,
        "lines": [" ".join(f"{m['x']},{m['y']}" for m in run) for run in whole if len(run) > 1],
        "areas": [
            " ".join(
                [f"{m['x']},{m['high']}" for m in run] + [f"{m['x']},{m['low']}" for m in run[::-1]]
            )
            for run in whole
            if len(run) > 1
        ],
    }


def _up(value: float, y: Mapping[str, Any]) -> float:
    return round(100 - at(value, dict(y)), 2)


def _ticks(names: Sequence[str], xs: Sequence[float]) -> list[Plain]:
    """Three dates at most, so that they do not run into one another on a telephone."""
    last = len(names) - 1
    places = [0] if not last else [0, last] if last < 4 else [0, last // 2, last]
    days = len({name[:10] for name in names}) == len(names)
    return [{"at": xs[place], "text": names[place][: 10 if days else 16]} for place in places]


def _tip(
    names: Sequence[str],
    series: Sequence[Mapping[str, Any]],
    place: int,
    limit: float | None,
    limit_name: str,
) -> str:
    lines = [names[place]]
    for one in series:
        point = one["points"][place]
        if not point or finite(point.get("value")) is None:
            continue
        told = f"{one['name']} {number(point['value'])}"
        if finite(point.get("low")) is not None and finite(point.get("high")) is not None:
            told += f" ({number(point['low'])} to {number(point['high'])})"
        lines.append(told + (", alarm" if point.get("alarm") else ""))
    if limit is not None:
        lines.append(f"{limit_name} {number(limit)}")
    return "\n".join(lines)
