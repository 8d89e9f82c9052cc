"""Where a model fails, for the report: slices with the size of the effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting import charts
from assay.reporting.words import finite, integer, many, number, p_value, share, short

Plain = dict[str, Any]
MOST_SLICES = 20
LOSSES = {"wrong": "share of wrong answers"}


def slices(evaluation: Mapping[str, Any]) -> Plain | None:
    """Rows with something in common on which the best model loses more."""
    given = evaluation.get("slices")
    if not given:
        return None
    found = (given.get("slices") or ())[:MOST_SLICES]
    kind = str(given.get("loss") or "loss")
    unit = {"absolute_error": evaluation.get("unit"), "wrong": "%"}.get(kind)
    found = [_scaled(one, 100 if kind == "wrong" else 1) for one in found]
    ends = [one[key] for one in found for key in ("low", "high")]
    known = [end for end in ends if end is not None]
    axis = charts.axis(min(0.0, *known), max(known), wanted=4, unit=unit) if known else None
    searched = many(int(finite(given.get("searched")) or 0), "slice")
    return {
        "model": short(given.get("model")),
        "loss": LOSSES.get(kind, f"mean {kind.replace('_', ' ')}"),
        "about": f"{searched} of at least {integer(given.get('floor') or 0)} rows "
        f"{'was' if searched.startswith('1 ') else 'were'} looked at "
        f"({short(given.get('method'), 80)}); {_held(found)}",
        "ticks": axis["ticks"] if axis else [],
        "notes": [short(note, 400) for note in given.get("notes") or ()],
        "rows": [
            {
                "name": short(one.get("name"), 160),
                "rows": integer(one.get("rows")),
                "share": share(one.get("share"), 1),
                "loss": number(one.get("loss"), None, unit),
                "rest": number(one.get("rest"), None, unit),
                "difference": number(one.get("difference"), None, unit),
                "interval": f"{number(one.get('low'), None, unit)} to "
                f"{number(one.get('high'), None, unit)}",
                "p": p_value(finite(one.get("p"))),
                "best": False,
                "tip": short(one.get("name"), 160),
                **(charts.whisker({**one, "value": one.get("difference")}, axis) or {}),
            }
            for one in found
            if axis is not None
        ],
    }


def _scaled(one: Mapping[str, Any], times: int) -> Plain:
    ends = {key: finite(one.get(key)) for key in ("loss", "rest", "difference", "low", "high")}
    return {**one, **{key: None if v is None else times * v for key, v in ends.items()}}


def _held(found: Sequence[Any]) -> str:
    if not found:
        return "none is confirmed to lose more than the rest."
    return f"{integer(len(found))} lose{'s' if len(found) == 1 else ''} more, confirmed."
