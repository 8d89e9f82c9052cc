"""The dataset card: a README whose header lets the version's folder open as a hub dataset.

It says what was measured; what only people know is marked as theirs to write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

OPEN = "*To be written by you: assay cannot know it.*"
MOST_SOURCES = 50


def render(manifest: Mapping[str, Any]) -> str:
    """Write the card of a version from its manifest.

    >>> print(render({"name": "tiny", "splits": {"train": 2}, "files": [], "reasons": {},
    ...     "rows": {"read": 3, "kept": 2, "set_aside": 1}, "fields": {}, "recipe": {}, "notes": [],
    ...     "hash": "ab", "seed": 0, "assay": "0"}).splitlines()[0])
    ---
    """
    header = {
        "pretty_name": manifest["name"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": split, "path": f"data/{split}-*.parquet"}
                    for split in manifest["splits"]
                ],
            }
        ],
    }
    rows = manifest["rows"]
    lines = [
        "---",
        yaml.safe_dump(header, sort_keys=False, allow_unicode=True).rstrip(),
        "---",
        "",
        f"# {manifest['name']}",
        "",
        f"{rows['kept']:,} of {rows['read']:,} rows were kept; {rows['set_aside']:,} were set "
        "aside and lie in `quarantine/`, each with its reason.",
        "",
        "| split | rows |",
        "|---|---:|",
        *(f"| {split} | {count:,} |" for split, count in manifest["splits"].items()),
        "",
        "## What it is for, and what it is not for",
        "",
        OPEN,
        "",
        "## Fields",
        "",
        "| field | type | unit | missing | distinct | values |",
        "|---|---|---|---:|---:|---|",
        *(_field(name, field) for name, field in manifest["fields"].items()),
    ]
    if manifest["reasons"]:
        lines += ["", "## Rows set aside", "", "| reason | rows |", "|---|---:|"]
        lines += [f"| {_cell(name)} | {count:,} |" for name, count in manifest["reasons"].items()]
    lines += [*_sources(manifest), *_leaks(manifest)]
    if manifest["notes"]:
        lines += [
            "",
            "## Notes on reading",
            "",
            *(f"- {_cell(note)}" for note in manifest["notes"]),
        ]
    recipe = yaml.safe_dump(manifest["recipe"], sort_keys=False, allow_unicode=True, width=96)
    lines += [
        "",
        "## How it was made",
        "",
        f"By assay {manifest['assay']} with the seed {manifest['seed']} from this recipe; the hash "
        f"of the rows is `{manifest['hash']}`.",
        "",
        "```yaml",
        recipe.rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _field(name: str, field: Mapping[str, Any]) -> str:
    cells = [name, field["type"], field.get("unit") or "", f"{field['null']:,}"]
    cells += [f"{field['distinct']:,}", _values(field)]
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _values(field: Mapping[str, Any]) -> str:
    """What the values are like, in a few words."""
    if "min" in field:
        return f"{field['min']:.6g} to {field['max']:.6g}, mean {field['mean']:.6g}"
    # A value that is in a card is in sight: of texts only the lengths are told.
    if field["type"] in ("category", "boolean") and field.get("top"):
        counts = [(str(value), sum(rows.values())) for value, rows in field["top"][:3]]
        return ", ".join(f"{value[:40]} ({rows:,})" for value, rows in counts)
    if length := field.get("length", {}):
        return f"{length['min']:,.0f} to {length['max']:,.0f} characters" if length else ""
    return ""


def _sources(manifest: Mapping[str, Any]) -> Iterator[str]:
    sources = manifest.get("sources") or ()
    if sources:
        yield from ("", "## Sources", "", "| file | rows | hash as it was read |", "|---|---:|---|")
    for one in sources[:MOST_SOURCES]:
        yield f"| {_cell(one['name'])} | {one['rows']:,} | `{one['hash'][:16]}` |"
    if len(sources) > MOST_SOURCES:
        yield from ("", f"{len(sources) - MOST_SOURCES:,} more files are in `manifest.json`.")


def _leaks(manifest: Mapping[str, Any]) -> Iterator[str]:
    checks = manifest.get("certificate", {}).get("checks", [])
    if checks:
        yield from ("", "## Leaks from split to split", "", "Measured on the files as written.", "")
    yield from (f"- {one['status']}: {_cell(one['detail'])}" for one in checks)


def _cell(text: object) -> str:
    return (
        str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    )
