"""The page of duplicates: what a step would remove at each threshold, and which pairs it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting import charts
from assay.reporting.differences import abridged, differences
from assay.reporting.render import written
from assay.reporting.words import finite, integer, many, number, share, short

Plain = dict[str, Any]
MOST_PAIRS = 60
MOST_SIZES = 30
_MARKS = {"=": "same", "-": "only a", "+": "only b"}


def render_duplicates(document: Mapping[str, Any]) -> str:
    """Write what is known of duplicates before a step acts as one HTML page.

    A pure function. Text from data is always escaped.

    Args:
        document: `name`, `step`, `columns`, `threshold`, `rows`, `removed`, the `curve` of rows
            removed over the threshold, the `sizes` of clusters, and sampled `pairs` with the
            `parts` in which they differ; every key may be absent. What `assay.duplicates(...)`
            gives by `to_dict()` is taken as well.

    >>> page = render_duplicates({"name": "<b>", "rows": 10, "removed": 2})
    >>> "<b>" in page.partition("<h1>")[2][:40], "20.0" in page
    (False, True)
    """
    return written("duplicates.html.j2", summarized(_document(document)))


def _document(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the public function gives, in the words of the page."""
    if "moves" not in given:
        return given
    removed = {one["threshold"]: one["removed"] for one in given["moves"]}
    pairs = [
        {
            **dict(zip("ab", pair["rows"], strict=True)),
            "jaccard": pair["likeness"],
            "removed": pair["removed"],
            "columns": {
                name: {"parts": [(_MARKS.get(mark, mark), text) for mark, text in parts]}
                for name, parts in pair["texts"].items()
            },
        }
        for pair in given["pairs"]
    ]
    return {
        **given,
        "name": given.get("name") or f"Duplicates by {given['step']}",
        "removed": removed.get(given["threshold"]),
        "curve": given["moves"],
        "pairs": pairs,
    }


def summarized(document: Mapping[str, Any]) -> Plain:
    """What the page shows, as one plain dict."""
    rows, removed = finite(document.get("rows")), finite(document.get("removed"))
    sizes = [one for one in document.get("sizes") or () if finite(one.get("clusters"))]
    clusters = sum(finite(one.get("clusters")) or 0 for one in sizes)
    threshold = finite(document.get("threshold"))
    pairs = list(document.get("pairs") or ())
    about = [
        ("step", short(document.get("step"), 60)),
        ("columns", short(", ".join(map(str, document.get("columns") or ())), 120)),
        ("threshold", number(threshold) if threshold is not None else ""),
    ]
    figures = [
        ("Rows", _count(rows), ""),
        ("Would be removed", _count(removed), share(removed, rows)),
        ("Equal to a row that stays", _count(document.get("equal")), ""),
        ("Clusters", integer(clusters) if sizes else "", _largest(sizes)),
    ]
    return {
        "title": short(document.get("name") or "duplicates", 120),
        "about": [{"label": name, "value": item} for name, item in about if item],
        "verdict": None,
        "figures": [{"label": name, "value": item, "note": note}
                    for name, item, note in figures if item],
        "curve": curve(document.get("curve") or (), threshold, rows),
        "sizes": _sizes(sizes),
        "pairs": [_pair(one) for one in pairs[:MOST_PAIRS]],
        "more_pairs": max(0, len(pairs) - MOST_PAIRS),
    }  # fmt: skip


def _count(item: Any) -> str:
    return "" if finite(item) is None else integer(item)


def curve(points: Sequence[Mapping[str, Any]], threshold: float | None, rows: Any) -> Plain | None:
    """Rows removed over the threshold: a line, the threshold that is set, and the numbers.

    >>> drawn = curve([{"threshold": 0.5, "removed": 9}, {"threshold": 1, "removed": 1}], 0.5, 10)
    >>> drawn["line"], drawn["rows"][0]["chosen"]
    ('0.00,10.00 100.00,90.00', True)
    """
    known = sorted(
        (at, removed, finite(one.get("clusters")))
        for one in points
        if (at := finite(one.get("threshold"))) is not None
        and (removed := finite(one.get("removed"))) is not None
    )
    if len(known) < 2 or known[0][0] == known[-1][0]:
        return None
    x = charts.axis(known[0][0], known[-1][0], wanted=6)
    top = max(removed for _, removed, _ in known)
    y = charts.axis(0, top / 0.9 or 1, wanted=5)
    marked = threshold if threshold is not None and x["low"] <= threshold <= x["high"] else None
    nearest = min((at for at, *_ in known), key=lambda at: abs(at - (threshold or 0)))
    table = [
        {
            "threshold": number(at),
            "removed": integer(removed),
            "share": share(removed, rows),
            "clusters": integer(clusters) if clusters is not None else "",
            "chosen": threshold is not None and at == nearest,
        }
        for at, removed, clusters in known
    ]
    return {
        "x": x,
        "y": y,
        "line": " ".join(f"{charts.at(at, x):.2f},{100 - charts.at(removed, y):.2f}"
                         for at, removed, _ in known),
        "at": charts.at(marked, x) if marked is not None else None,
        "dots": [(charts.at(at, x), round(100 - charts.at(removed, y), 2))
                 for at, removed, _ in known] if len(known) <= 40 else [],
        "xs": [charts.at(at, x) for at, *_ in known],
        "tips": [f"threshold {row['threshold']}\n{row['removed']} rows removed ({row['share']})"
                 + (f"\n{row['clusters']} clusters" if row["clusters"] else "") for row in table],
        "rows": table,
        "clusters": any(row["clusters"] for row in table),
        "about": f"From {table[0]['removed']} rows at {table[0]['threshold']} "
                 f"to {table[-1]['removed']} at {table[-1]['threshold']}.",
    }  # fmt: skip


def _largest(sizes: Sequence[Mapping[str, Any]]) -> str:
    largest = max((finite(one.get("size")) or 0 for one in sizes), default=0)
    return f"the largest holds {many(round(largest), 'row')}" if largest else ""


def _sizes(sizes: Sequence[Mapping[str, Any]]) -> list[Plain]:
    counts = sorted(
        (finite(one.get("size")) or 0.0, finite(one["clusters"]) or 0.0) for one in sizes
    )
    if len(counts) > MOST_SIZES:
        rest = counts[MOST_SIZES - 1 :]
        counts = counts[: MOST_SIZES - 1]
        folded = [(f"{integer(rest[0][0])} to {integer(rest[-1][0])}", sum(n for _, n in rest))]
    else:
        folded = []
    listed = [*((integer(size), n) for size, n in counts), *folded]
    widest = max((n for _, n in listed), default=0.0) or 1.0
    return [
        {"size": size, "clusters": integer(n), "width": round(100 * n / widest, 2)}
        for size, n in listed
    ]


def _pair(one: Mapping[str, Any]) -> Plain:
    removed = one.get("removed")
    fates = ["", ""]  # which of the two goes is not always known
    if isinstance(removed, str):
        fates = ["is removed" if removed == side else "stays" for side in "ab"]
    similarity = finite(one.get("jaccard"))
    score = similarity if similarity is not None else finite(one.get("similarity"))
    texts = []
    for name, column in list((one.get("columns") or {}).items())[:12]:
        given = column.get("parts")
        both = [str(column.get(side) if column.get(side) is not None else "") for side in "ab"]
        texts.append((short(name, 60), abridged(given) if given else differences(*both)))
    facts = [("similarity", number(score, 3))] if score is not None else []
    if isinstance(removed, bool):
        facts.append(("", "one of them goes" if removed else "both stay"))
    return {
        "sides": [(short(one.get(side), 60), fate) for side, fate in zip("ab", fates, strict=True)],
        "facts": facts,
        "texts": texts,
    }
