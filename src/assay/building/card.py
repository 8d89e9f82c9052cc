"""The dataset card: a README whose header lets the version's folder open as a hub dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


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
        "## Fields",
        "",
        "| field | type | unit | missing | distinct |",
        "|---|---|---|---:|---:|",
        *(_field(name, field) for name, field in manifest["fields"].items()),
    ]
    if manifest["reasons"]:
        lines += ["", "## Rows set aside", "", "| reason | rows |", "|---|---:|"]
        lines += [f"| {_cell(name)} | {count:,} |" for name, count in manifest["reasons"].items()]
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
    return f"| {' | '.join(_cell(cell) for cell in cells)} | {field['distinct']:,} |"


def _cell(text: object) -> str:
    return (
        str(text).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    )
