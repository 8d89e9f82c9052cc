"""The page of an inspection: what is wrong with the data, the worst first, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.reporting.curation import fact, spaced
from assay.reporting.render import written
from assay.reporting.words import finite, integer, many, share, short

Plain = dict[str, Any]
SEVERITIES = ("error", "warning", "note")
MOST_FINDINGS = 600
MOST_FIELDS = 400
MOST_EXAMPLES = 8
LONGEST = 160  # characters of a value


def render_inspection(document: Mapping[str, Any]) -> str:
    """Write an inspection as one HTML page that needs nothing else.

    A pure function. Text from data is always escaped; without JavaScript the page is complete and
    only its filters are missing.

    Args:
        document: what `assay.inspect(...).to_dict()` gives; every key may be absent.

    >>> page = render_inspection({"source": "<b>.csv", "rows": 3, "checks": []})
    >>> "<b>.csv" in page, "&lt;b&gt;.csv" in page
    (False, True)
    """
    return written("inspection.html.j2", summarized(document), "findings.js")


def summarized(document: Mapping[str, Any]) -> Plain:
    """What the page shows, as one plain dict: every number formatted, every sentence written."""
    checks = list(document.get("checks") or ())
    pairs = [(check, one) for check in checks for one in check.get("findings") or ()]
    pairs.sort(key=lambda pair: _order(*pair))
    files = len({str(item.get("file")) for _, one in pairs for item in one.get("examples") or ()})
    found = [_finding(place, *pair, files) for place, pair in enumerate(pairs, 1)]
    fields = _fields(document.get("fields") or {}, found)
    counts = {name: sum(one["severity"] == name for one in found) for name in SEVERITIES}
    by_status = {name: [_check(one) for one in checks if str(one.get("status")) == name]
                 for name in ("passed", "skipped", "not applicable")}  # fmt: skip
    steps = [one["step"] for one in found if one["step"]]
    return {
        "title": short(_name(document) or "inspection", 120),
        "about": _about(document),
        "verdict": _verdict(counts, fields, by_status),
        "figures": [
            *({"label": f"{name.capitalize()}s", "value": integer(counts[name]), "note": ""}
              for name in SEVERITIES),
            {"label": "Checks passed", "value": integer(len(by_status["passed"])),
             "note": f"of {integer(len(checks))}"},
        ],
        "notes": [short(note, 600) for note in (document.get("notes") or ())[:40]],
        "findings": found[:MOST_FINDINGS],
        "more_findings": max(0, len(found) - MOST_FINDINGS),
        "about_fields": list(dict.fromkeys(one["field"] for one in found if one["field"])),
        "severities": [(name, integer(counts[name])) for name in SEVERITIES if counts[name]],
        "steps": "\n".join(dict.fromkeys(steps)) if len(steps) > 1 else "",
        "fields": fields[:MOST_FIELDS],
        "more_fields": max(0, len(fields) - MOST_FIELDS),
        "columns": [name for name in ("missing", "distinct") if any(one[name] for one in fields)],
        "passed": by_status["passed"],
        "skipped": by_status["skipped"],
        "inapplicable": by_status["not applicable"],
    }  # fmt: skip


def _severity(check: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    """A severity nobody knows is a warning."""
    given = str(finding.get("severity") or check.get("severity"))
    return given if given in SEVERITIES else "warning"


def _name(document: Mapping[str, Any]) -> str:
    """The last part of a path; several paths stay as they are."""
    source = str(document.get("source") or "")
    return source if ", " in source else source.rstrip("/").rpartition("/")[2]


def _order(check: Mapping[str, Any], finding: Mapping[str, Any]) -> tuple[int, float]:
    return SEVERITIES.index(_severity(check, finding)), -(finite(finding.get("share")) or 0.0)


def _about(document: Mapping[str, Any]) -> list[Plain]:
    rows, seen = finite(document.get("rows")), finite(document.get("looked_at"))
    source = str(document.get("source") or "")
    found = [("source", short(source, 300) if source != _name(document) else "")]
    found.append(("rows", integer(rows) if rows is not None else ""))
    if seen is not None and rows is not None and seen < rows:
        found.append(("looked at", f"a sample of {integer(seen)} ({share(seen, rows)})"))
    if document.get("fields"):
        found.append(("fields", integer(len(document["fields"]))))
    if finite(document.get("unreadable")):
        found.append(("unreadable lines", integer(document["unreadable"])))
    return [{"label": name, "value": item} for name, item in found if item]


def _verdict(
    counts: Mapping[str, int], fields: Sequence[Plain], by_status: Mapping[str, Sequence[Plain]]
) -> Plain:
    told = [many(counts[name], name) for name in SEVERITIES if counts[name]]
    touched = sum(bool(one["findings"]) for one in fields)
    words = {"passed": "passed", "skipped": "skipped", "not applicable": "not applicable"}
    rest = ", ".join(f"{integer(len(by_status[name]))} {word}" for name, word in words.items()
                     if by_status[name])  # fmt: skip
    where = f"In {integer(touched)} of {many(len(fields), 'field')}. " if touched else ""
    kind = "fail" if counts["error"] else "warning" if counts["warning"] else "pass"
    if not told:
        where = ""
    return {
        "kind": kind,
        "word": ", ".join(told) or "Nothing found",
        "sentence": where + (f"Checks: {rest}." if rest else ""),
    }


def _finding(place: int, check: Mapping[str, Any], one: Mapping[str, Any], files: int) -> Plain:
    count = finite(one.get("count"))
    severity = _severity(check, one)
    numbers = list((one.get("measured") or {}).items())
    examples = [_example(item, files) for item in (one.get("examples") or ())[:MOST_EXAMPLES]]
    return {
        "id": f"f{place}",
        "severity": severity,
        "word": severity.capitalize(),
        "code": short(check.get("code"), 20),
        "check": short(check.get("check"), 60),
        "docs": _address(check.get("docs")),
        "field": short(one.get("field"), 80),
        "says": short(one.get("says"), 800),
        "action": short(one.get("action"), 600),
        "rows": f"{many(round(count), 'row')}, {share(one.get('share'), 1)}" if count else "",
        "measured": [(spaced(key), fact(item)) for key, item in numbers[:20]],
        "step": short(one.get("step"), 4000).strip(),
        # What is about whole rows has no value to show.
        "lines": ", ".join(item["where"] for item in examples) if not one.get("field") else "",
        "examples": examples if one.get("field") else [],
        "suggests": any(item["suggested"] for item in examples),
    }  # fmt: skip


def _example(one: Mapping[str, Any], files: int) -> Plain:
    """The line says where a row stands; its file only where there is more than one."""
    line, file = short(one.get("line"), 20), short(one.get("file"), 60)
    where = f"{file}:{line}" if files > 1 and file and line else line or short(one.get("row"), 20)
    return {
        "where": where,
        "value": cut(one.get("value")),
        "suggested": cut(one["suggested"]) if one.get("suggested") is not None else None,
    }


def cut(item: Any) -> Plain:
    """A value as text, its length where it was cut, and a word where there is nothing to see.

    >>> cut("x" * 500)["more"], cut(None)["empty"], cut(" ")["empty"]
    ('500 characters', 'missing', 'white space only')
    """
    text = "" if item is None else str(item)
    empty = "missing" if item is None else "" if text.strip() else "white space only"
    return {
        "text": short(text, LONGEST),
        "more": f"{integer(len(text))} characters" if len(text) > LONGEST else "",
        "empty": "empty" if item is not None and not text else empty,
    }


def _address(docs: Any) -> Plain | None:
    """Only what is plainly a web address becomes a link."""
    if not docs:
        return None
    text = str(docs)
    return {"text": short(text, 200), "link": text.startswith("https://") and len(text) < 200}


def _check(one: Mapping[str, Any]) -> Plain:
    return {
        "code": short(one.get("code"), 20),
        "check": short(one.get("check"), 60),
        "summary": short(one.get("summary"), 300),
        "reason": short(one.get("reason"), 400),
    }


def _count(item: Any) -> str:
    return "" if finite(item) is None else integer(item)


def _fields(given: Mapping[str, Any], found: Sequence[Plain]) -> list[Plain]:
    """Every field with how much was found in it; those with the worst findings first."""
    by_field: dict[str, list[Plain]] = {}
    for one in found:
        by_field.setdefault(one["field"], []).append(one)
    rows = []
    for name, spec in given.items():
        about = dict(spec) if isinstance(spec, Mapping) else {"type": spec}
        listed = by_field.get(short(name, 80), [])
        counts = [(s, sum(one["severity"] == s for one in listed)) for s in SEVERITIES]
        rows.append(
            {
                "name": short(name, 80),
                "type": short(about.get("type"), 20),
                "unit": short(about.get("unit"), 20),
                **{
                    key: integer(number)
                    if (number := finite(about.get(key, about.get(other)))) is not None
                    else ""
                    for key, other in (("missing", "null"), ("distinct", "unique"))
                },
                "findings": [(s, s.capitalize(), many(count, s)) for s, count in counts if count],
                "first": listed[0]["id"] if listed else "",
                "order": [-count for _, count in counts],
            }
        )
    rows.sort(key=lambda row: row["order"])
    return rows
