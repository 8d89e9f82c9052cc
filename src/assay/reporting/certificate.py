"""The leak certificate: what was measured between the splits, and what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.reporting.differences import differences
from assay.reporting.words import finite, integer, many, number, short, value

Plain = dict[str, Any]
MOST_EXAMPLES = 5
KINDS = {"pass": "pass", "fail": "fail", "not measured": "inconclusive", "not applicable": "none"}


def certificate(manifest: Mapping[str, Any]) -> Plain | None:
    """The verdict in words and one line a check, what failed first.

    A verdict is never better than its checks: one that failed makes it a leak.

    >>> failed = {"title": "Exact copies", "status": "fail", "value": 3, "limit": 0}
    >>> certificate({"certificate": {"verdict": "clean", "checks": [failed]}})["sentence"]
    'One of 1 check failed: exact copies. Scores are better than they will be on new data.'
    """
    given = manifest.get("certificate")
    if not given:
        return None
    checks = [_check(one) for one in given.get("checks") or ()]
    order = ("fail", "inconclusive", "pass", "none")
    checks.sort(key=lambda one: order.index(one["kind"]))
    failed, open_ones, passed = (
        [one["title"] for one in checks if one["kind"] == kind]
        for kind in ("fail", "inconclusive", "pass")
    )
    told = str(given.get("verdict"))
    total = many(len(checks), "check")
    if failed or told == "leaks":
        count = "One" if len(failed) == 1 else integer(len(failed))
        first = f"{count} of {total} failed: {_listed(failed)}." if failed else ""
        sentence = f"{first} Scores are better than they will be on new data.".strip()
        found = {"kind": "fail", "word": "Splits leak", "sentence": sentence}
        found["warning"] = "; ".join(one["brief"] for one in checks if one["kind"] == "fail")
    elif passed and not open_ones and told != "not measured":
        beside = len(checks) - len(passed)
        sentence = "The only check passed." if len(checks) == 1 else f"All {total} passed."
        if beside:
            rest = "the other does not apply" if beside == 1 else "the others do not apply"
            sentence = f"{len(passed)} of {total} passed; {rest}."
        found = {"kind": "pass", "word": "No leak found", "sentence": sentence}
    elif passed:
        sentence = f"{len(passed)} of {total} passed; not measured: {_listed(open_ones)}."
        found = {"kind": "inconclusive", "word": "Partly measured", "sentence": sentence}
    else:
        sentence = "Nothing is known of leaks between the splits."
        found = {"kind": "inconclusive", "word": "Not measured", "sentence": sentence}
    return {"warning": "", **found, "checks": checks}


def _listed(titles: list[str]) -> str:
    """Titles inside a sentence; those in capitals stay as they are."""
    return ", ".join(t if t[1:2].isupper() else t[:1].lower() + t[1:] for t in titles)


def _check(one: Mapping[str, Any]) -> Plain:
    """A status nobody knows is no pass."""
    status = str(one.get("status"))
    kind = KINDS.get(status, "inconclusive")
    title = short(one.get("title") or one.get("code"), 120)
    measured, limit = (_number(one.get(key)) for key in ("value", "limit"))
    detail = short(one.get("detail"), 600)
    examples = [example(item) for item in (one.get("examples") or ())[:MOST_EXAMPLES]]
    return {
        "kind": kind,
        "word": {"pass": "Pass", "fail": "Leak", "none": "Not applicable"}.get(
            kind, "Not measured"
        ),
        "title": title,
        "detail": detail,
        "value": measured,
        "limit": limit,
        "brief": f"{title[:1].lower() + title[1:]}"
        + (f" {measured}" + (f" (limit {limit})" if limit else "") if measured else ""),
        "examples": examples,
        "paired": any(item["texts"] for item in examples),
    }


def _number(item: Any) -> str:
    known = finite(item)
    if known is None:
        return ""
    return integer(known) if known.is_integer() else number(known)


def example(one: Any) -> Plain:
    """A pair of rows side by side with what differs marked, or facts as label and value.

    Two sides are told by keys `a` and `b`, alone or at one end of a key (`a_split`, `text_b`).

    >>> found = example({"a": "01", "b": "02", "title_a": "red cup", "title_b": "red mug"})
    >>> found["sides"], [name for name, _ in found["texts"]]
    ([('01', ''), ('02', '')], ['title'])
    """
    if not isinstance(one, Mapping):
        return {"sides": [], "facts": [("", value(one, None, 200))], "texts": []}
    facts, sides = _sides(one)
    rows = [_take(side, ("row", "_row", "id", "row_id")) for side in sides]
    splits = [_take(side, ("split", "_split", "side")) for side in sides]
    texts = []
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        both = [_text(side.get(name)) for side in sides]
        texts.append((short(name, 60), differences(*both)))
    shown = [(row, split) for row, split in zip(rows, splits, strict=True)]
    return {
        "sides": shown if any(row or split for row, split in shown) else [],
        "facts": [(short(name.replace("_", " "), 60), value(_flat(item), None, 200))
                  for name, item in facts.items()],
        "texts": texts[:12],
    }  # fmt: skip


def _sides(one: Mapping[str, Any]) -> tuple[Plain, tuple[Plain, Plain]]:
    facts: Plain = {}
    sides: dict[str, Plain] = {"a": {}, "b": {}}
    for key, item in one.items():
        name = str(key)
        side = next((s for s in sides if name.startswith(f"{s}_") or name.endswith(f"_{s}")), "")
        if name in sides:
            sides[name].update(item if isinstance(item, Mapping) else {"row": item})
        elif side:
            bare = name[2:] if name.startswith(f"{side}_") else name[:-2]
            sides[side][bare or "row"] = item
        elif name == "columns" and isinstance(item, Mapping):
            for column, pair in item.items():
                for end, texts in sides.items():
                    texts[str(column)] = pair.get(end) if isinstance(pair, Mapping) else pair
        else:
            facts[name] = item
    if not (sides["a"] and sides["b"]):  # fields that happen to be called so
        return dict(one), ({}, {})
    return facts, (sides["a"], sides["b"])


def _take(side: Plain, names: tuple[str, ...]) -> str:
    found = ""
    for name in names:
        if name in side:
            found = short(side.pop(name), 60)
    return found


def _text(item: Any) -> str:
    return "" if item is None else str(item)


def _flat(item: Any) -> Any:
    if isinstance(item, list | tuple):
        return ", ".join(value(part, None, 60) for part in item[:10])
    if isinstance(item, Mapping):
        return ", ".join(f"{key}: {value(part, None, 60)}" for key, part in list(item.items())[:10])
    return item
