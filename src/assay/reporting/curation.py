"""What single steps did to the data: a distribution before and after, and what a step learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from assay.reporting import charts
from assay.reporting.words import affixes, decimals, finite, integer, number, share, short, value

Plain = dict[str, Any]
MOST_ROWS = 40  # of one table of findings
MOST_COLUMNS = 8
MOST_VALUES = 21  # twenty classes and the others together
SIDES = ("before", "after")


def curation(manifest: Mapping[str, Any]) -> list[Plain]:
    """The steps that measured something, in order; steps that did not are not in it."""
    shown = []
    for step in manifest.get("steps") or ():
        drawn = distribution(step.get("distribution") or {}, manifest)
        told = step.get("learned") or {}
        if drawn and isinstance(told, Mapping):
            told = {key: item for key, item in told.items() if key not in SIDES}
        learned = findings(told)
        if drawn or learned:
            shown.append(
                {
                    "position": integer(step.get("position")),
                    "step": short(step.get("step")),
                    "distribution": drawn,
                    "learned": learned,
                }
            )
    return shown


def distribution(given: Mapping[str, Any], manifest: Mapping[str, Any]) -> Plain | None:
    """One field before and after a step, each as the share of its own rows.

    >>> given = {"kind": "class", "before": {"a": 3, "b": 1}, "after": {"a": 1, "b": 1}}
    >>> [row["after"]["share"] for row in distribution(given, {})["rows"]]
    ['50.0\\u202f%', '50.0\\u202f%']
    """
    if not all(isinstance(given.get(side), Mapping) for side in SIDES):
        return None
    name = str(given.get("field") or "")
    drawn = _numbers(given, manifest, name) if given.get("kind") == "number" else _classes(given)
    if drawn is None:
        return None
    return {"field": short(name), "rows": [], "shape": None, **drawn}


def _classes(given: Mapping[str, Any]) -> Plain | None:
    counts = {side: {str(k): finite(v) or 0.0 for k, v in given[side].items()} for side in SIDES}
    totals = {side: sum(counts[side].values()) for side in SIDES}
    names = sorted(
        {**counts["before"], **counts["after"]},
        key=lambda name: (name == "other", -counts["before"].get(name, 0.0), name),
    )[:MOST_VALUES]
    parts = {
        side: {name: counts[side].get(name, 0.0) / (totals[side] or 1) for name in names}
        for side in SIDES
    }
    # What is folded is no class: it has no bar, and is never the largest.
    folded = {"other"} if len(names) == MOST_VALUES else set()
    widest = max((parts[side][name] for side in SIDES for name in names if name not in folded),
                 default=0.0)  # fmt: skip
    if not widest:
        return None
    rows = [
        {
            "value": short(name, 60),
            **{
                side: {
                    "rows": integer(counts[side].get(name, 0.0)),
                    "share": share(counts[side].get(name, 0.0), totals[side]),
                    "width": round(100 * parts[side][name] / widest, 2)
                    if name not in folded
                    else 0,
                }
                for side in SIDES
            },
        }
        for name in names
    ]
    first = {
        side: max((n for name, n in counts[side].items() if name not in folded), default=0.0)
        for side in SIDES
    }
    largest = " and ".join(
        f"{share(first[side], totals[side])} of the rows {side}" for side in SIDES
    )
    return {"about": f"{_rows(totals)} The largest class holds {largest}.", "rows": rows}


def _numbers(given: Mapping[str, Any], manifest: Mapping[str, Any], name: str) -> Plain | None:
    edges = list(given["before"].get("edges") or ())
    unit = ((manifest.get("fields") or {}).get(name) or {}).get("unit")
    counts = {side: list(given[side].get("counts") or ()) for side in SIDES}
    drawn = charts.histogram(edges, counts, unit)
    if drawn is None:
        return None
    totals = {side: sum(finite(v) or 0.0 for v in counts[side]) for side in SIDES}
    return {"about": _rows(totals), "shape": drawn, **bins(edges, counts, totals, unit)}


def bins(
    edges: Sequence[Any],
    counts: Mapping[str, Sequence[Any]],
    totals: Mapping[str, float],
    unit: Any = None,
) -> Plain:
    """The axis under a histogram, and its numbers for who cannot see or hover over it."""
    known = [edge for edge in map(finite, edges) if edge is not None]
    even = len(known) == len(edges) and charts.even(known)
    widths = [b - a for a, b in pairwise(known)]
    places = 2 if affixes(unit)["before"] else decimals(widths, known)
    if all(edge.is_integer() for edge in known):
        places = 0
    spelled = [number(edge, places, unit) for edge in edges]
    return {
        "axis": charts.axis(known[0], known[-1], wanted=6, unit=unit) if even else _ticks(spelled),
        "ends": [spelled[0], spelled[-1]],
        "bins": [
            {
                "range": f"{low} to {high}",
                "counts": [
                    (integer(values[at]), share(values[at], totals[side]))
                    if at < len(values)
                    else ("", "")
                    for side, values in counts.items()
                ],
            }
            for at, (low, high) in enumerate(pairwise(spelled))
        ],
    }


def _ticks(spelled: Sequence[str]) -> Plain:
    """The edges of bins that are not equally wide, which are drawn as if they were."""
    every = -(-len(spelled) // 7)
    last = len(spelled) - 1
    return {"ticks": [{"at": round(100 * at / last, 2), "text": spelled[at]}
                      for at in range(0, last + 1, every)]}  # fmt: skip


def _rows(totals: Mapping[str, float]) -> str:
    return f"{integer(totals['before'])} rows before, {integer(totals['after'])} after."


def findings(learned: Mapping[str, Any]) -> list[Plain]:
    """What a step learned as blocks, by the shape of what it says.

    Scalars are facts; names with numbers are ranked bars; names with texts are a mapping; records
    of one kind, and mappings that share their names, are a table; anything deeper is taken apart.

    >>> [block["kind"] for block in findings({"rows": 3, "scores": {"a": 0.5, "b": 2.0}})]
    ['facts', 'bars']
    """
    if not isinstance(learned, Mapping) or not learned:
        return []
    return _records("", learned) or _mixed("", learned)


def _block(label: str, item: Any) -> list[Plain]:
    if not isinstance(item, Mapping):
        records = [one for one in item if isinstance(one, Mapping)]
        return [_table(label, records)] if records else []
    if item and all(finite(one) is not None for one in item.values()):
        return [_bars(label, item)]
    if item and all(isinstance(one, str) for one in item.values()):
        return [_mapping(label, item)]
    return _records(label, item) or _mixed(label, item)


def _records(label: str, item: Mapping[str, Any]) -> list[Plain]:
    """A line for each name, where all of them tell the same few things."""
    inner = [one for one in item.values() if isinstance(one, Mapping)]
    keys = {tuple(one) for one in inner}
    few = len(inner) == len(item) and len(keys) == 1 and 1 < len(inner[0]) <= MOST_COLUMNS
    flat = any(_is_fact(one) for record in inner for one in record.values())
    if not few or not flat or any(_alike(one) or _is_deep(one) for one in inner):
        return []
    return [_table(label, [{"name": key, **one} for key, one in item.items()])]


def _alike(item: Mapping[str, Any]) -> list[str]:
    """The keys of mappings that share their names, two at least."""
    names = [key for key, one in item.items() if isinstance(one, Mapping) and one]
    groups: dict[frozenset[str], list[str]] = {}
    for key in names:
        groups.setdefault(frozenset(item[key]), []).append(key)
    return next((keys for keys in groups.values() if 1 < len(keys) < MOST_COLUMNS), [])


def _mixed(label: str, item: Mapping[str, Any]) -> list[Plain]:
    facts = [(spaced(key), fact(one)) for key, one in item.items() if _is_fact(one)]
    alike = _alike(item)
    if any(isinstance(one, Mapping) for key in alike for one in item[key].values()):
        alike = []
    blocks: list[Plain] = []
    if facts:
        above = "" if alike else label
        blocks.append({"kind": "facts", "label": above, "facts": facts[:MOST_ROWS]})
    if alike:
        names = list(item[alike[0]])
        records = [{"name": name, **{key: item[key][name] for key in alike}} for name in names]
        blocks.insert(0, _table(label, records))
    parts = [(key, one) for key, one in item.items() if not _is_fact(one) and key not in alike]
    for key, one in parts[:MOST_ROWS]:
        inside = f"{label}: {spaced(key)}" if label else spaced(key)
        blocks += _block(inside, one)
    return blocks


def _is_fact(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return bool(item) and not any(isinstance(one, Mapping | list | tuple) for one in item)
    return not isinstance(item, Mapping | list | tuple)


def _is_deep(one: Mapping[str, Any]) -> bool:
    return any(isinstance(inner, Mapping) and len(inner) > 4 for inner in one.values())


def spaced(key: Any) -> str:
    return short(str(key).replace("_", " "), 60)


def fact(item: Any) -> str:
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, list | tuple):
        more = f" and {integer(len(item) - 12)} more" if len(item) > 12 else ""
        return ", ".join(fact(one) for one in item[:12]) + more
    if isinstance(item, Mapping):
        return ", ".join(f"{spaced(key)} {fact(one)}" for key, one in list(item.items())[:12])
    return value(item, None, 160)


def _bars(label: str, item: Mapping[str, Any]) -> Plain:
    """Ranked by size, whatever the sign."""
    ranked = sorted(item.items(), key=lambda pair: -abs(pair[1]))
    widest = abs(ranked[0][1]) if ranked else 0
    whole = all(float(one).is_integer() for one in item.values())
    return {
        "kind": "bars",
        "label": label,
        "rows": [
            {
                "name": short(key, 60),
                "number": integer(one) if whole else value(one),
                "width": round(100 * abs(one) / (widest or 1), 2),
            }
            for key, one in ranked[:MOST_ROWS]
        ],
        "more": max(0, len(ranked) - MOST_ROWS),
    }


def _mapping(label: str, item: Mapping[str, Any]) -> Plain:
    """Grouped by what they become, so that one spelling and its variants stand together."""
    ranked = sorted(item.items(), key=lambda pair: (str(pair[1]), str(pair[0])))
    return {
        "kind": "mapping",
        "label": label,
        "rows": [(short(key, 80), short(one, 80)) for key, one in ranked[:MOST_ROWS]],
        "more": max(0, len(ranked) - MOST_ROWS),
    }


def _table(label: str, records: Sequence[Mapping[str, Any]]) -> Plain:
    names = list(dict.fromkeys(str(key) for one in records for key in one))[:MOST_COLUMNS]
    numeric = [
        all(one.get(name) is None or finite(one.get(name)) is not None for one in records)
        for name in names
    ]
    return {
        "kind": "table",
        "label": label,
        "columns": [(spaced(name), right) for name, right in zip(names, numeric, strict=True)],
        "rows": [[fact(one.get(name)) for name in names] for one in records[:MOST_ROWS]],
        "more": max(0, len(records) - MOST_ROWS),
    }
