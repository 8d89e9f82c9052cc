"""The page of what has changed from one version to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting.differences import differences
from assay.reporting.render import written
from assay.reporting.words import finite, integer, many, number, share, short, value

Plain = dict[str, Any]
MOST_LINES = 200
MOST_EXAMPLES = 60
_ONLY = ("only a", "only b")
_SIGNS = (("added", "new"), ("removed", "gone"), ("changed", "changed"), ("renamed", "renamed"))


def render_difference(document: Mapping[str, Any]) -> str:
    """Write what has changed from one version to another as one HTML page.

    A pure function. Text from data is always escaped.

    Args:
        document: what `assay.diff(...).to_dict()` gives.

    >>> side = {"version": "t/<v1>", "rows": 2, "splits": {"train": 2}, "hash": "a"}
    >>> none = {"count": 0, "reasons": {}, "examples": []}
    >>> changed = {"count": 0, "fields": {}, "examples": []}
    >>> splits = {"before": {}, "after": {}, "moved": 0, "ways": [], "forced": False}
    >>> page = render_difference({"a": side, "b": side, "splits": splits | {"verdict": "pass"},
    ...     "rows": {"added": none, "removed": none, "changed": changed, "unchanged": 2}})
    >>> "<v1>" in page, "&lt;v1&gt;" in page
    (False, True)
    """
    return written("difference.html.j2", summarized(document))


def summarized(document: Mapping[str, Any]) -> Plain:
    """What the page shows, as one plain dict: every number formatted, every sentence written."""
    a, b, rows, splits = (document[name] for name in ("a", "b", "rows", "splits"))
    fields = list(document.get("distributions") or ())
    apart = [one for one in fields if one["distance"]["value"] or len(set(one["missing"])) > 1]
    counts = [(name, rows[name]["count"]) for name in ("added", "removed", "changed")]
    return {
        "title": f"{short(a['version'], 60)} → {short(b['version'], 60)}",
        "about": [],
        "verdict": _verdict(splits),
        "figures": [
            {"label": "Rows", "value": integer(b["rows"]), "note": f"of {integer(a['rows'])}"},
            *({"label": f"Rows {name}", "value": integer(count), "note": share(count, a["rows"])}
              for name, count in counts),
            {"label": "Changed sides", "value": integer(splits["moved"]), "note": ""},
        ],
        "reasons": [
            {"change": name, "reason": short(why, 200), "rows": integer(count),
             "width": round(100 * count / max(1, *(n for _, n in counts)), 2)}
            for name in ("added", "removed")
            for why, count in list(rows[name]["reasons"].items())[:MOST_LINES]
        ],
        "changed": _changed(rows["changed"]),
        "examples": _examples(rows),
        "splits": [
            {"split": short(name, 60), "before": integer(splits["before"].get(name, 0)),
             "after": integer(splits["after"].get(name, 0))}
            for name in dict.fromkeys([*splits["before"], *splits["after"]])
        ],
        "ways": [
            f"{many(one['rows'], 'row')} from {short(one['from'], 40)} to {short(one['to'], 40)}"
            for one in splits["ways"]
        ],
        "sources": [
            {"what": word, "name": short(name, 200)}
            for kind, word in _SIGNS
            for name in (document.get("sources") or {}).get(kind, ())[:MOST_LINES]
        ],
        "recipe": [
            {"path": short(one["path"], 120), "before": _asked(one["before"]),
             "after": _asked(one["after"])}
            for one in (document.get("recipe") or ())[:MOST_LINES]
        ],
        "fields": [
            {"field": short(one["field"], 80), "before": short(one["before"] or "–", 60),
             "after": short(one["after"] or "–", 60)}
            for one in (document.get("fields") or ())[:MOST_LINES]
        ],
        "effects": [_effect(one) for one in apart[:MOST_LINES]],
        "alike": many(len(fields) - len(apart), "field") if len(fields) > len(apart) else "",
        "scores": [_score(one) for one in (document.get("scores") or ())[:MOST_LINES]],
        "sides": [short(a["version"], 60), short(b["version"], 60)],
        "notes": [short(note, 600) for note in document.get("notes") or ()],
    }  # fmt: skip


def _verdict(splits: Mapping[str, Any]) -> Plain:
    moved = many(splits["moved"], "old row")
    if not splits["moved"]:
        return {"kind": "pass", "word": "Pass", "sentence": "No old row changed sides."}
    if splits["forced"]:
        said = f"{moved} changed sides, as the recipe asks for another split."
        return {"kind": "none", "word": "Another split", "sentence": said}
    said = f"{moved} changed sides, though nobody asked for another split."
    return {"kind": "fail", "word": "Fail", "sentence": said}


def _changed(changed: Mapping[str, Any]) -> list[Plain]:
    return [
        {"field": short(field, 80), "cause": short(cause, 60), "count": integer(count)}
        for field, causes in list(changed["fields"].items())[:MOST_LINES]
        for cause, count in causes.items()
    ]


def _examples(rows: Mapping[str, Any]) -> list[Plain]:
    """Rows with their values: of changed ones what was and what is, as one marked text."""
    found = []
    for cell in rows["changed"]["examples"][:MOST_EXAMPLES]:
        sides = [cell["before"], cell["after"]]
        if all(isinstance(side, str) for side in sides):
            parts = differences(*sides)
        else:  # no digits of numbers are matched, as words of texts are
            parts = [(kind, value(side)) for kind, side in zip(_ONLY, sides, strict=True)]
        facts = [("changed by", short(cell["cause"], 60))]
        facts += [("", short(cell["step"], 120))] if cell["step"] else []
        found.append(
            {"sides": [(short(cell["row_id"], 60), "")], "facts": facts,
             "texts": [(short(cell["field"], 60), parts)]}
        )  # fmt: skip
    for name in ("removed", "added"):
        for row in rows[name]["examples"][:MOST_EXAMPLES]:
            facts = [("", f"{name}: {short(row['reason'], 120)}")]
            facts += [("instead of it", short(row["twin"], 60))] if row.get("twin") else []
            texts = [(short(field, 60), [("same", value(item, length=200))])
                     for field, item in row["row"].items()]  # fmt: skip
            found.append(
                {"sides": [(short(row["row_id"], 60), short(row.get("split"), 30))],
                 "facts": facts, "texts": texts[:12]}
            )  # fmt: skip
    return found


def _effect(one: Mapping[str, Any]) -> Plain:
    distance = finite(one["distance"]["value"])
    moved = []
    if None not in one["mean"]:
        moved.append("mean {} → {}".format(*map(number, one["mean"])))
    before, after = one["missing"]
    if before != after:
        moved.append(f"missing {share(before, 1)} → {share(after, 1)}")
    moved += [
        f"{short(name, 40)} {share(old, 1)} → {share(new, 1)}"
        for name, old, new in one["values"][:3]
    ]
    return {
        "field": short(one["field"], 80),
        "name": short(one["distance"]["name"], 60),
        "distance": "–" if distance is None else f"{distance:.3f}",
        "width": round(100 * (distance or 0.0), 2),
        "moved": moved,
    }


def _score(one: Mapping[str, Any]) -> Plain:
    common = one.get("common") or {}
    return {
        "model": short(one["model"], 80),
        "metric": short(one["metric"], 60),
        "a": _with_interval(one["a"]),
        "b": _with_interval(one["b"]),
        "test": short(common.get("sentence", ""), 400),
        "n": f"on {many(int(common['n']), 'row')} that both held out" if common else "",
    }


def _with_interval(score: Mapping[str, Any] | None) -> str:
    if not score or finite(score["value"]) is None:
        return "–"
    if finite(score["low"]) is None or finite(score["high"]) is None:
        return number(score["value"])
    return f"{number(score['value'])} ({number(score['low'])} to {number(score['high'])})"


def _asked(item: Any) -> str:
    if item is None:
        return "–"
    listed: Sequence[Any] = item if isinstance(item, list) else [item]
    return short(", ".join(map(str, listed)), 200)
