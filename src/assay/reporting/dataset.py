"""A version's manifest as what the report shows: rows, fields, splits and how it was made."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting import charts
from assay.reporting.words import (
    affixes,
    decimals,
    finite,
    integer,
    many,
    number,
    share,
    short,
    size,
    value,
)

Plain = dict[str, Any]
ORDER = {"train": 0, "validation": 1, "test": 2}
MOST_REASONS = 24
MOST_FIELDS = 300


def splits(manifest: Mapping[str, Any]) -> dict[str, int]:
    """The rows of each split, in the order train, validation, test, others."""
    found = {str(k): int(finite(v) or 0) for k, v in (manifest.get("splits") or {}).items()}
    return dict(sorted(found.items(), key=lambda item: (ORDER.get(item[0], 3), item[0])))


def waterfall(manifest: Mapping[str, Any]) -> Plain | None:
    """From the rows read to the rows kept, one bar a reason in the order of the steps.

    Where nearly all rows are kept the axis starts above zero, since the bars would vanish
    otherwise; `floor` then says where. A difference that no reason explains gets a bar of its own,
    and so do synthetic rows, which nobody read.
    """
    rows = manifest.get("rows") or {}
    read, kept = finite(rows.get("read")), finite(rows.get("kept"))
    if read is None or kept is None:
        return None
    reasons = _reasons(manifest)
    unexplained = read - kept - sum(count for _, _, count in reasons)
    folded: list[tuple[str, str, float]] = []
    if len(reasons) > MOST_REASONS:
        least = sorted(reasons, key=lambda reason: -reason[2])[MOST_REASONS - 1 :]
        folded = [reason for reason in reasons if reason in least]
        reasons = [reason for reason in reasons if reason not in least]
        together = sum(count for _, _, count in folded)
        reasons.append((many(len(folded), "other reason"), "", together))
    synthetic = finite(rows.get("synthetic")) or 0.0
    floor = _floor(read, kept)
    span = (max(read, kept + synthetic) - floor) or 1.0

    def bar(kind: str, name: tuple[str, str], count: float, left: float) -> Plain:
        start, stop = max(left, floor), max(left + count, floor)
        return {
            "kind": kind,
            "step": short(name[0]),
            "rule": short(name[1]),
            "count": integer(count),
            "share": share(count, read),
            "left": round(100 * (start - floor) / span, 3),
            "width": round(100 * max(0.0, stop - start) / span, 3),
        }

    bars = [bar("read", ("Rows read", ""), read, 0)]
    remaining = read
    for step, rule, count in reasons:
        remaining -= count
        bars.append(bar("out", (step, rule), count, remaining))
    if unexplained:
        remaining -= unexplained
        name = ("No reason is recorded", "the counts do not add up")
        bars.append(bar("wrong", name, unexplained, remaining))
    bars.append(bar("kept", ("Rows kept", ""), kept, 0))
    if synthetic:
        bars.append(
            bar("made", ("Synthetic rows", "made by steps, in train only"), synthetic, kept)
        )
    return {
        "bars": bars,
        "floor": integer(floor) if floor else None,
        "adds_up": not unexplained,
        "synthetic": integer(synthetic) if synthetic else "",
        "folded": [{"step": short(step), "rule": short(rule), "count": integer(count)}
                   for step, rule, count in folded],
    }  # fmt: skip


def _reasons(manifest: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    names = [str(step.get("step")) for step in manifest.get("steps") or ()]
    order = {name: index for index, name in reversed(list(enumerate(names)))}
    found = []
    for key, count in (manifest.get("reasons") or {}).items():
        step, _, rule = str(key).partition(": ")
        if finite(count):
            # What no step decided happened before the first one, while reading.
            found.append((order.get(step, -1), step, rule, float(count)))
    found.sort(key=lambda reason: reason[0])
    return [(step, rule, count) for _, step, rule, count in found]


def _floor(read: float, kept: float) -> float:
    out = read - kept
    if not 0 < out < 0.2 * read:
        return 0.0
    unit = 10.0 ** math.floor(math.log10(out))
    return max(0.0, math.floor((kept - 1.2 * out) / unit) * unit)


def sources(manifest: Mapping[str, Any]) -> list[Plain]:
    """What was read: name, size, rows, lines that could not be read, hash."""
    return [
        {
            "name": short(source.get("name"), 120),
            "size": size(source.get("bytes")),
            "rows": integer(source.get("rows")),
            "rejects": integer(source.get("rejects")),
            "hash": short(source.get("hash"), 64),
        }
        for source in manifest.get("sources") or ()
    ]


def fields(manifest: Mapping[str, Any]) -> list[Plain]:
    """The profile of every field: type, missing, distinct, range and the shape of its values."""
    recipe = manifest.get("recipe") or {}
    rows = manifest.get("rows") or {}
    # What synthetic rows hold is in the profiles as well.
    kept = (finite(rows.get("kept")) or 0) + (finite(rows.get("synthetic")) or 0)
    totals = splits(manifest)
    listed = list((manifest.get("fields") or {}).items())[:MOST_FIELDS]
    return [
        {
            **_field(str(name), profile or {}, kept),
            "role": _role(str(name), recipe),
            "top": top(profile or {}, totals),
        }
        for name, profile in listed
    ]


def _role(name: str, recipe: Mapping[str, Any]) -> str:
    if name == recipe.get("target"):
        return "target"
    if name in (recipe.get("inputs") or ()):
        return "input"
    return "id" if name in (recipe.get("id") or ()) else ""


def _field(name: str, profile: Mapping[str, Any], kept: Any) -> Plain:
    kind, unit = str(profile.get("type") or ""), profile.get("unit")
    shape = profile
    of_length = not profile.get("histogram") and _telling(profile, kept)
    if of_length:
        shape, unit = profile["length"], "characters"
    drawn = shape.get("histogram") or {}
    edges = [_edge(edge, kind) for edge in drawn.get("edges") or ()]
    counts = _ordered(drawn.get("counts") or {})
    null = finite(profile.get("null")) or 0
    return {
        "name": short(name),
        "type": short(kind, 20),
        "unit": short(profile.get("unit"), 20),
        "null": integer(profile.get("null")),
        "null_share": share(null, kept) if null else "",
        "null_width": round(100 * null / kept, 2) if finite(kept) and kept else 0,
        "distinct": integer(profile.get("distinct")),
        "range": _range(shape, unit, kind),
        "of_length": bool(of_length),
        "histogram": charts.histogram(edges, counts, None if of_length else unit),
        "ends": _ends(edges, shape),
    }


def _telling(profile: Mapping[str, Any], kept: Any) -> bool:
    """Whether the lengths of a text tell more than its most frequent values, which hardly recur."""
    listed = [count for _, counts in profile.get("top") or () for count in (counts or {}).values()]
    covered = sum(finite(count) or 0 for count in listed)
    return bool(profile.get("length")) and covered < 0.3 * (finite(kept) or 0) + 1e-9


def _ends(edges: Sequence[Any], shape: Mapping[str, Any]) -> list[str]:
    """What stands under the first and the last bin; a sign where the bin also holds what is beyond.

    The few most extreme values may be counted in the outer bins, so that they do not stretch all.
    """
    if not edges:
        return []
    below, above = finite(shape.get("min")), finite(shape.get("max"))
    first, last = finite(edges[0]), finite(edges[-1])
    more_below = below is not None and first is not None and below < first
    more_above = above is not None and last is not None and above > last
    return [
        f"{'≤ ' if more_below else ''}{value(edges[0], None, 16)}",
        f"{'≥ ' if more_above else ''}{value(edges[-1], None, 16)}",
    ]


def _ordered(counts: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(counts.items(), key=lambda item: (ORDER.get(item[0], 3), item[0])))


def _edge(edge: Any, kind: str) -> Any:
    """A moment counted in microseconds since 1970 becomes a date."""
    known = finite(edge)
    if kind != "datetime" or known is None or not -6e16 < known < 2.5e17:
        return edge
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=known)
    return moment.strftime("%Y-%m-%d")


def _range(shape: Mapping[str, Any], unit: Any, kind: str) -> list[tuple[str, str]]:
    quantiles = list(shape.get("quantiles") or ())
    middle = quantiles[2] if len(quantiles) == 5 else None
    known = {"min": shape.get("min"), "median": middle, "mean": shape.get("mean"),
             "max": shape.get("max")}  # fmt: skip
    measured = {label: v for label, item in known.items() if (v := finite(item)) is not None}
    if measured and kind != "datetime":
        sign = _sign(unit)
        values = measured.values()
        places = 2 if sign else decimals([max(values) - min(values)], values)
        if all(measured.get(end, 0.0).is_integer() for end in ("min", "max")):
            places = min(places, 1)  # of whole numbers only the mean has a fraction
        return [(label, number(item, places, sign)) for label, item in measured.items()]
    return [
        (label, _moment(value(_edge(item, kind), None, 26)))
        for label, item in known.items()
        if item is not None
    ]


def _sign(unit: Any) -> Any:
    """A currency stands with every number; any other unit stands once, beside the type."""
    return unit if affixes(unit)["before"] else None


def _moment(text: str) -> str:
    """Midnight says nothing."""
    return text.removesuffix("T00:00:00").removesuffix(" 00:00:00")


def top(profile: Mapping[str, Any], totals: Mapping[str, int], most: int = 6) -> list[Plain]:
    """The most frequent values; `parts` is the share in each split, in percent of the widest."""
    listed = list(profile.get("top") or ())[:most]
    rows = [(item, _ordered(counts or {})) for item, counts in listed]
    parts = [{s: (finite(c) or 0.0) / (totals.get(s) or 1) for s, c in counts.items()}
             for _, counts in rows]  # fmt: skip
    widest = max((part for row in parts for part in row.values()), default=0.0) or 1.0
    return [
        {
            "value": value(item, None, 60),
            "count": integer(sum(finite(c) or 0 for c in counts.values())),
            "parts": {s: round(100 * part / widest, 2) for s, part in row.items()},
            "tip": "\n".join(f"{s}: {integer(counts[s])} ({share(part, 1)})"
                             for s, part in row.items()),
        }
        for (item, counts), row in zip(rows, parts, strict=True)
    ]  # fmt: skip


def target(manifest: Mapping[str, Any], name: str | None) -> Plain | None:
    """How the target is spread in each split, larger than in its profile."""
    profile = (manifest.get("fields") or {}).get(name) if name else None
    if not profile:
        return None
    drawn = profile.get("histogram") or {}
    edges = [_edge(edge, str(profile.get("type"))) for edge in drawn.get("edges") or ()]
    counts = _ordered(drawn.get("counts") or {})
    shape = charts.histogram(edges, counts, profile.get("unit"))
    listed = profile.get("top") or ()
    if shape is None and not listed:
        return None
    numeric = [finite(edge) for edge in edges]
    known = [edge for edge in numeric if edge is not None]
    scale = None
    if known and len(known) == len(edges) and charts.even(known):
        scale = charts.axis(known[0], known[-1], wanted=6, unit=profile.get("unit"))
    return {
        "name": short(name),
        "histogram": shape,
        "axis": scale,
        "ends": _ends(edges, profile),
        "top": top(profile, splits(manifest), 100) if shape is None else [],
        "more": max(0, int(finite(profile.get("distinct")) or 0) - len(listed)),
    }


def steps(manifest: Mapping[str, Any]) -> list[Plain]:
    """What was done, in order, with the parameters the recipe gave."""
    given: dict[str, list[Mapping[str, Any]]] = {}
    for use in (manifest.get("recipe") or {}).get("steps") or ():
        named = {use: {}} if isinstance(use, str) else dict(use)
        named.pop("as", None)
        for name, parameters in named.items():
            given.setdefault(str(name), []).append(parameters or {})
    shown = []
    for step in manifest.get("steps") or ():
        name = str(step.get("step"))
        used = given.get(name) or []
        parameters = used.pop(0) if used else {}
        rules = [(short(rule), integer(count)) for rule, count in (step.get("rules") or {}).items()]
        shown.append(
            {
                "position": integer(step.get("position")),
                "step": short(name),
                "parameters": [(short(k, 60), short(plain(v), 200)) for k, v in parameters.items()],
                "changed": integer(step.get("changed")),
                "set_aside": integer(step.get("set_aside")),
                "added": integer(step["added"]) if finite(step.get("added")) else "",
                "rules": rules[:20],
                "version": short(step.get("version"), 16),
            }
        )
    return shown


def plain(item: Any) -> str:
    """A parameter's value as a recipe writes it.

    >>> plain(["title", "text"]), plain(0.9), plain(True)
    ('title, text', '0.9', 'true')
    """
    if isinstance(item, bool):
        return str(item).lower()
    if isinstance(item, list | tuple):
        return ", ".join(plain(part) for part in item)
    if isinstance(item, Mapping):
        return ", ".join(f"{key}: {plain(part)}" for key, part in item.items())
    return str(item)


def recipe_text(manifest: Mapping[str, Any]) -> str:
    """The recipe as YAML, to be saved and run again."""
    import yaml

    recipe = manifest.get("recipe")
    if not recipe:
        return ""
    text = yaml.safe_dump(_basic(recipe), sort_keys=False, allow_unicode=True, width=88)
    return short(text, 40_000)


def _basic(item: Any) -> Any:
    if isinstance(item, Mapping):
        return {str(key): _basic(part) for key, part in item.items()}
    if isinstance(item, list | tuple):
        return [_basic(part) for part in item]
    return item if isinstance(item, str | int | float | bool | None) else str(item)
