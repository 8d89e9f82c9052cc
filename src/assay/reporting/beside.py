"""Two evaluations side by side: for each metric every model's score before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.reporting.models import Figures, label
from assay.reporting.words import finite, integer, p_value, short

Plain = dict[str, Any]
MOST_LINES = 200


def beside(given: Mapping[str, Any] | None, evaluation: Mapping[str, Any] | None) -> Plain | None:
    """The metrics in the evaluation's order, each with its models' two scores on one axis."""
    if not given or not given.get("lines"):
        return None
    by_metric: dict[str, list[Mapping[str, Any]]] = {}
    for line in given["lines"][:MOST_LINES]:
        by_metric.setdefault(str(line["metric"]), []).append(line)
    unit = (evaluation or {}).get("unit")
    return {
        "before": short(given.get("before"), 60),
        "after": short(given.get("after"), 60),
        "notes": [short(note, 300) for note in given.get("notes") or ()],
        "metrics": [_metric(name, lines, unit) for name, lines in by_metric.items()],
    }


def _metric(name: str, lines: list[Mapping[str, Any]], unit: Any) -> Plain:
    sides = {f"{side} {line['model']}": line[side]
             for line in lines for side in ("a", "b") if line.get(side)}  # fmt: skip
    shown = Figures(name, sides, unit)
    tested = [line["common"] for line in lines if line.get("common")]
    about = {f"{short(one.get('test'), 60)} on {integer(one.get('n'))} rows" for one in tested}
    return {
        "label": label(name),
        "better": "higher is better" if shown.higher else "lower is better",
        "ticks": shown.axis["ticks"],
        "about": f"Tested by {', '.join(sorted(about))}." if about else "",
        "rows": [
            {
                "model": short(line["model"]),
                "a": shown.drawn(f"a {line['model']}"),
                "b": shown.drawn(f"b {line['model']}"),
                **_test(line.get("common"), shown),
            }
            for line in lines
        ],
    }


def _test(common: Mapping[str, Any] | None, shown: Figures) -> Plain:
    if not common:
        return {"verdict": "", "difference": "", "interval": "", "p": ""}
    low, high, difference = (finite(common.get(key)) for key in ("low", "high", "difference"))
    # The file holds before minus after; shown is what came of the change.
    turned = [None if v is None else -shown.times * v for v in (high, low, difference)]
    ends = [shown.signed(v) for v in turned[:2] if v is not None]
    return {
        "verdict": short(common.get("verdict"), 60),
        "difference": "" if turned[2] is None else shown.signed(turned[2]),
        "interval": f"{ends[0]} to {ends[1]}" if len(ends) == 2 else "",
        "p": p_value(finite(common.get("p"))),
    }
