"""What has changed from one version to another, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from assay.remote import placed
from assay.rows import ROW, ROW_ID
from assay.storage import storage_errors, write_atomically
from assay.tracking.recipes import changes
from assay.version import Version, open_version
from assay.versioning.difference import Difference
from assay.versioning.effects import effect
from assay.versioning.reasons import GONE, NEW, REASON, TWIN, absences, causes, listed
from assay.versioning.rows import HASH, MADE, SPLIT, Rows, apart, changed_fields, shared
from assay.versioning.scores import side_by_side

CHANGES = {
    ROW_ID: pl.String, "change": pl.String, REASON: pl.String, TWIN: pl.String,
    "before": pl.String, "after": pl.String, "fields": pl.String,
}  # fmt: skip
"""The columns of the table of rows; `before` and `after` are splits."""


@placed
def diff(
    a: Version | str | Path,
    b: Version | str | Path,
    *,
    out: str | Path = "versions",
    examples: int = 5,
    to: str | Path | None = None,
) -> Difference:
    """Tell what has changed from one version to another: rows, fields, splits and scores.

    Rows are matched by their ids. Files that both versions share are not read, and of texts only
    hashes are held, so versions of millions of rows are compared in seconds.

    Args:
        a: the version before: a version, its folder or its name under `out`.
        b: the version after.
        out: the folder that holds all versions.
        examples: how many rows of each kind are shown with their values.
        to: the HTML file to write a report to.

    Returns:
        Rows added, removed and changed with the reason for each, the recipes' and the sources'
        differences, the effect on every field, old rows that changed sides, and the scores of
        both newest evaluations with a paired test on the rows that both held out.

    Raises:
        VersionError: there is no such version, or a file of it is missing or damaged.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> out = tempfile.mkdtemp()
    >>> recipe = {"name": "tiny", "id": "key", "certificate": "off"}
    >>> rows = pl.DataFrame({"key": ["a", "b"], "n": ["1", "2"]})
    >>> old = build(recipe | {"source": rows}, out=out)
    >>> rows = pl.DataFrame({"key": ["a", "c"], "n": ["1", "3"]})
    >>> new = build(recipe | {"source": rows}, out=out)
    >>> diff(old, new).counts
    {'added': 1, 'removed': 1, 'changed': 0, 'moved': 0}
    """
    old, new = (one if isinstance(one, Version) else open_version(one, out) for one in (a, b))
    names = shared(old.manifest, new.manifest)
    first, second = apart(old, new, names)
    added, removed = _only(second, first), _only(first, second)
    both = first.table.join(second.table, on=ROW, suffix="\x1fb")
    changed = both.filter(pl.col(HASH) != pl.col(f"{HASH}\x1fb"))[ROW]
    moved = both.filter(pl.col(SPLIT) != pl.col(f"{SPLIT}\x1fb"))
    cells = _cells(first, second, changed, names)
    parts = {
        "added": absences(old, added, otherwise=NEW),
        "removed": absences(new, removed, otherwise=GONE),
        "changed": causes(old, new, cells) if cells.height else cells,
        "moved": second.ids(moved[ROW]).join(
            moved.select(ROW, before=pl.col(SPLIT), after=pl.col(f"{SPLIT}\x1fb")), on=ROW
        ),
    }
    scores, notes = side_by_side(old, new)
    ids = new.manifest["recipe"].get("id", [])
    if not ids and added.height and removed.height:
        notes.append(
            "Rows have no key, so one that was corrected counts as one removed and one added; "
            "name a key column under `id` in the recipe."
        )
    if "hashes" not in old.manifest or "hashes" not in new.manifest:
        notes.append("One version is older than shared files; all rows were compared.")
    splits = _splits(old, new, parts["moved"], examples)
    document = {
        "a": _about(old),
        "b": _about(new),
        "rows": {
            "added": _reasoned(parts["added"], second, examples, names),
            "removed": _reasoned(parts["removed"], first, examples, names),
            "changed": _changed(parts["changed"], (first, second), examples),
            "unchanged": sum(new.splits.values()) - added.height - len(changed),
        },
        "fields": _fields(old.manifest, new.manifest),
        "distributions": [
            one.to_dict()
            for one in sorted(
                (effect(old, new, name) for name in names if name not in ids),
                key=lambda one: -one.size,
            )
        ],
        "splits": splits,
        "sources": _sources(old.manifest, new.manifest),
        "recipe": [
            {"path": one.path, "before": one.before, "after": one.after, "text": str(one)}
            for one in changes(old.manifest["recipe"], new.manifest["recipe"])
        ],
        "scores": scores,
        "notes": notes,
    }
    document["verdict"] = splits["verdict"]
    path = Path(to) if to is not None else None
    if path is not None:
        from assay.reporting.versions import render_difference

        with storage_errors(path.parent):
            write_atomically(path, render_difference(document).encode())
    return Difference(document, _table(parts), path)


def _only(here: Rows, there: Rows) -> pl.DataFrame:
    """The rows that one of two has: `_row`, `row_id`, `_split` and `_made`."""
    rows = here.table.join(there.table.select(ROW), on=ROW, how="anti")
    return rows.select(ROW, SPLIT, MADE).join(here.ids(rows[ROW]), on=ROW, maintain_order="left")


def _cells(a: Rows, b: Rows, rows: pl.Series, names: list[str]) -> pl.DataFrame:
    """`_row`, `row_id` and `field` of each value that differs."""
    ids = b.ids(rows)
    found = [
        rows_of.to_frame(ROW).with_columns(pl.lit(field).alias("field"))
        for field, rows_of in changed_fields(a, b, rows, names)
    ]
    blank = pl.DataFrame(schema={ROW: pl.UInt64, "field": pl.String})
    return pl.concat([blank, *found]).join(ids, on=ROW, how="left")


def _about(version: Version) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "version": version.title,
        "path": str(version.path),
        "hash": manifest["hash"],
        "rows": sum(version.splits.values()),
        "splits": version.splits,
    }


def _reasoned(rows: pl.DataFrame, here: Rows, examples: int, names: list[str]) -> dict[str, Any]:
    counts = rows[REASON].value_counts(name="rows").sort("rows", REASON, descending=[True, False])
    some = rows.sort(ROW_ID).group_by(REASON, maintain_order=True).head(examples)
    values = here.values(some[ROW], names) if some.height else {}
    shown = some.select(ROW, ROW_ID, REASON, TWIN, split=pl.col(SPLIT).cast(pl.String)).to_dicts()
    return {
        "count": rows.height,
        "reasons": dict(counts.rows()),
        "examples": [{**row, "row": _short(values.get(row.pop(ROW), {}))} for row in shown],
    }


def _changed(cells: pl.DataFrame, sides: tuple[Rows, Rows], examples: int) -> dict[str, Any]:
    if not cells.height:
        return {"count": 0, "causes": {}, "fields": {}, "examples": []}
    counted = cells.group_by("field", "cause").len().sort("len", "field", descending=[True, False])
    fields: dict[str, dict[str, int]] = {}
    for field, cause, count in counted.rows():
        fields.setdefault(field, {})[cause] = count
    steps = (
        cells.drop_nulls("step")
        .group_by("step")
        .len()
        .sort("len", "step", descending=[True, False])
    )
    ids = cells[ROW_ID].unique().sort().head(examples)
    some = cells.filter(pl.col(ROW_ID).is_in(ids.implode()))
    names = some["field"].unique(maintain_order=True).to_list()
    rows = some[ROW].unique()
    before, after = (side.values(rows, names) for side in sides)
    return {
        "count": cells[ROW_ID].n_unique(),
        "causes": dict(cells.group_by("cause").agg(pl.col(ROW_ID).n_unique()).sort("cause").rows()),
        "steps": dict(steps.rows()),
        "fields": fields,
        "examples": [
            {
                ROW_ID: cell[ROW_ID],
                "field": cell["field"],
                "before": _brief(before[cell[ROW]][cell["field"]]),
                "after": _brief(after[cell[ROW]][cell["field"]]),
                "cause": cell["cause"],
                "step": cell["step"],
            }
            for cell in some.sort(ROW_ID, "field").to_dicts()
        ],
    }


def _fields(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fields that are new, gone, or of another type or unit."""
    old, new = ({name: (one["type"], one["unit"]) for name, one in m["fields"].items()}
                for m in (a, b))  # fmt: skip
    return [
        {"field": name, "before": _typed(old.get(name)), "after": _typed(new.get(name))}
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]


def _typed(spec: tuple[str, str | None] | None) -> str | None:
    return None if spec is None else " ".join(part for part in spec if part)


def _splits(old: Version, new: Version, moved: pl.DataFrame, examples: int) -> dict[str, Any]:
    """How large the sides are, and which old rows changed theirs: none may, unless forced."""
    asked = [_split_as_asked(version.manifest) for version in (old, new)]
    forced = asked[0] != asked[1]
    ways = Counter(zip(moved["before"].to_list(), moved["after"].to_list(), strict=True))
    return {
        "before": old.splits,
        "after": new.splits,
        "moved": moved.height,
        "ways": [{"from": a, "to": b, "rows": n} for (a, b), n in ways.most_common()],
        "forced": forced,
        "examples": moved.sort(ROW_ID).select(
            ROW_ID, pl.col("before").cast(pl.String), pl.col("after").cast(pl.String)
        ).head(examples).to_dicts(),
        "verdict": "fail" if moved.height and not forced else "pass",
    }  # fmt: skip


def _split_as_asked(manifest: Mapping[str, Any]) -> list[Any]:
    """The split steps with their parameters, and what makes the ids by which sides are kept."""
    steps = [(one["step"], one["parameters"]) for one in manifest["steps"]]
    return [manifest["recipe"].get("id"), *(one for one in steps if one[0].startswith("split."))]


def _sources(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Which files are new, gone, corrected, or only called otherwise."""
    old, new = ({one["name"]: one for one in m["sources"]} for m in (a, b))
    before, after = ({one["hash"] for one in side.values()} for side in (old, new))
    return {
        "added": [n for n, one in new.items() if n not in old and one["hash"] not in before],
        "removed": [n for n, one in old.items() if n not in new and one["hash"] not in after],
        "changed": [n for n in new if n in old and old[n]["hash"] != new[n]["hash"]],
        "renamed": [n for n, one in new.items() if n not in old and one["hash"] in before],
        "same": sum(one["hash"] in before for one in new.values()),
    }


def _table(parts: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Every row that is not as it was, a line each."""
    frames = [pl.DataFrame(schema=CHANGES)]
    for name, side in (("added", "after"), ("removed", "before")):
        frames.append(
            parts[name].select(
                ROW_ID, REASON, TWIN, pl.col(SPLIT).cast(pl.String).alias(side), change=pl.lit(name)
            )
        )
    if parts["changed"].height:
        cells = parts["changed"].select(ROW_ID, fields="field", **{REASON: "cause"})
        by_row = listed(cells, [ROW_ID], "fields", REASON)
        frames.append(by_row.with_columns(change=pl.lit("changed")))
    frames.append(
        parts["moved"].select(
            ROW_ID, pl.col("before", "after").cast(pl.String), change=pl.lit("moved")
        )
    )
    return pl.concat(frames, how="diagonal_relaxed").select(*CHANGES)


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _brief(value) for name, value in row.items() if name != ROW_ID}


def _brief(value: Any) -> Any:
    if value is None or isinstance(value, int | float | bool):
        return value
    text = str(value)
    return text if len(text) <= 200 else text[:199] + "…"
