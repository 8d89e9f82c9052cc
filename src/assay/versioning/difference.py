"""The difference of two versions, to be read by people and by programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from assay.rows import as_pandas

if TYPE_CHECKING:
    import pandas as pd

MOST = 12  # lines of each kind that text shows


@dataclass(frozen=True)
class Difference:
    """What has changed from one version to another.

    Attributes:
        document: all of it as plain values, as the command line's JSON gives it.
        rows: every row that is not as it was: `row_id`, `change` (added, removed, changed or
            moved), `reason`, `twin` (the row kept instead), the splits `before` and `after`, and
            the `fields` that differ.
        report: the HTML file that was written.
    """

    document: Mapping[str, Any]
    rows: pl.DataFrame
    report: Path | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many rows were added, removed and changed, and changed sides."""
        found = {
            name: self.document["rows"][name]["count"] for name in ("added", "removed", "changed")
        }
        return {**found, "moved": self.document["splits"]["moved"]}

    @property
    def verdict(self) -> str:
        """`fail` if old rows changed sides though nobody asked for another split, else `pass`."""
        return str(self.document["verdict"])

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**self.document, "report": str(self.report) if self.report else None}

    def to_polars(self) -> pl.DataFrame:
        """The rows that are not as they were, as a Polars frame."""
        return self.rows

    def to_pandas(self) -> pd.DataFrame:
        """The rows that are not as they were, as a pandas frame."""
        return as_pandas(self.rows)

    def __repr__(self) -> str:
        return "\n".join(_lines(self.document, self.report))

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(repr(self))}</pre>"


def _lines(said: Mapping[str, Any], report: Path | None) -> Iterator[str]:
    a, b, rows = said["a"], said["b"], said["rows"]
    yield f"{a['version']} → {b['version']}"
    if a["hash"] == b["hash"]:
        yield "  the same rows and the same recipe: nothing has changed"
    yield f"\nrows  {a['rows']:,} → {b['rows']:,}, of which {rows['unchanged']:,} are as they were"
    for name in ("added", "removed"):
        yield f"  {rows[name]['count']:>12,} {name}"
        yield from (f"  {count:>16,} {why}" for why, count in rows[name]["reasons"].items())
    changed = rows["changed"]
    yield f"  {changed['count']:>12,} changed"
    for field, causes in list(changed["fields"].items())[:MOST]:
        told = ", ".join(f"{count:,} by the {cause}" for cause, count in causes.items())
        yield f"  {'':>16} {field}: {told}"
    for step, count in list(changed.get("steps", {}).items())[:MOST]:
        yield f"  {'':>16} {count:,} values through {step}"
    for cell in changed["examples"][:MOST]:
        yield f"      {cell['row_id']} {cell['field']}: {cell['before']!r} → {cell['after']!r}"
    yield from _split_lines(said["splits"])
    for title, lines in (
        ("sources", list(_source_lines(said["sources"]))),
        ("recipe", [one["text"] for one in said["recipe"]]),
        ("fields", list(_field_lines(said["fields"]))),
        ("distributions, the largest effect first", list(_effect_lines(said["distributions"]))),
        ("scores", list(_score_lines(said["scores"]))),
    ):
        if lines:
            yield f"\n{title}"
            yield from (f"  {line}" for line in lines)
    if said["notes"]:
        yield ""
        yield from (f"note: {note}" for note in said["notes"])
    yield f"\nverdict  {said['verdict']}"
    if report:
        yield f"report   {report}"


def _split_lines(splits: Mapping[str, Any]) -> Iterator[str]:
    yield "\nsplits"
    names = dict.fromkeys([*splits["before"], *splits["after"]])
    for name in names:
        yield f"  {name}: {splits['before'].get(name, 0):,} → {splits['after'].get(name, 0):,}"
    if not splits["moved"]:
        yield "  pass: no old row changed sides"
        return
    ways = ", ".join(f"{w['rows']:,} from {w['from']} to {w['to']}" for w in splits["ways"])
    if splits["forced"]:
        yield f"  {splits['moved']:,} old rows changed sides ({ways}): the recipe asks for another"
        yield "  split or seed, so scores of the two versions are not of the same held-out rows"
    else:
        yield f"  FAIL: {splits['moved']:,} old rows changed sides ({ways})"


def _source_lines(sources: Mapping[str, Any]) -> Iterator[str]:
    for sign, kind in (("+", "added"), ("-", "removed"), ("~", "changed"), ("=", "renamed")):
        names = sources[kind]
        rest = f" and {len(names) - MOST:,} more" if len(names) > MOST else ""
        if names:
            yield f"{sign} {kind}: {', '.join(names[:MOST])}{rest}"


def _field_lines(fields: list[dict[str, Any]]) -> Iterator[str]:
    for one in fields:
        if one["before"] is None:
            yield f"+ {one['field']}: {one['after']}"
        elif one["after"] is None:
            yield f"- {one['field']}: {one['before']}"
        else:
            yield f"~ {one['field']}: {one['before']} → {one['after']}"


def _effect_lines(effects: list[dict[str, Any]]) -> Iterator[str]:
    for one in [e for e in effects if e["distance"]["value"] or e["missing"][0] != e["missing"][1]][
        :MOST
    ]:
        distance = one["distance"]
        told = [] if distance["value"] is None else [f"{distance['name']} {distance['value']:.3f}"]
        if None not in one["mean"]:
            told.append("mean {:.4g} → {:.4g}".format(*one["mean"]))
        if one["missing"][0] != one["missing"][1]:
            told.append("missing {:.2%} → {:.2%}".format(*one["missing"]))
        told += [
            f"{value} {before:.1%} → {after:.1%}" for value, before, after in one["values"][:3]
        ]
        yield f"{one['field']}: {', '.join(told)}"


def _score_lines(scores: list[dict[str, Any]]) -> Iterator[str]:
    for one in scores:
        yield f"{one['model']}, {one['metric']}: {_score(one['a'])} → {_score(one['b'])}"
        if common := one["common"]:
            yield f"  on the {common['n']:,} rows that both held out: {common['sentence']}"


def _score(score: Mapping[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return "–"
    bounds = "" if score["low"] is None else f" ({score['low']:.4g} to {score['high']:.4g})"
    return f"{score['value']:.4g}{bounds}"
