"""What the measured job is, said once for assay and for the rival.

Read 2 KB records, parse, clean, filter by price and length, drop exact duplicates by title and by
text, draw a weighted sample, split by price, write Parquet and chat JSONL.

    python -m benchmarks.job records.jsonl --out recipe.yaml
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.vocabulary import BOILERPLATE

MIN_PRICE, MAX_PRICE = 0.5, 999.49
MIN_TEXT, MAX_TEXT = 200, 4_000
SAMPLE_SHARE = 0.25
SPLITS = {"train": 0.9, "validation": 0.05, "test": 0.05}
CATEGORY_WEIGHTS = {"Automotive": 0.05, "Tools & Home Improvement": 0.5}
PROMPT = "How much does this cost to the nearest dollar?\n\n{title}\n{text}"


def recipe(source: str, *, name: str = "benchmark") -> dict[str, Any]:
    """The job as an assay recipe, ids, ledger and manifest included."""
    cases = " ".join(f"WHEN '{key}' THEN {value}" for key, value in CATEGORY_WEIGHTS.items())
    return {
        "name": name,
        "source": source,
        "seed": 7,
        "id": ["parent_asin"],
        "target": "price",
        "other_fields": "drop",
        "fields": {
            "parent_asin": {"type": "string", "required": True},
            "title": {"type": "string", "required": True, "min_length": 1},
            "description": {"type": "string", "required": True, "min_length": 1},
            "price": {"type": "number", "required": True, "min": MIN_PRICE, "max": MAX_PRICE},
            "main_category": {"type": "category"},
        },
        "steps": [
            {"clean.text": {"columns": ["title", "description"], "newlines": "space"}},
            {
                "clean.remove": {
                    "columns": ["description"],
                    "words": list(BOILERPLATE),
                    "pattern": "part_numbers",
                }
            },
            {"keep.length": {"column": "description", "min": MIN_TEXT, "max": MAX_TEXT}},
            {"dedup.exact": {"columns": ["title"]}},
            {"dedup.exact": {"columns": ["description"]}},
            {
                "sample.weighted": {
                    "share": SAMPLE_SHARE,
                    "weight": f"price * price * CASE main_category {cases} ELSE 1 END",
                }
            },
            {"split.stratified": {"by": ["price"], **SPLITS}},
        ],
        "exports": [
            {
                "chat": {
                    "prompt": PROMPT.replace("{text}", "{description}"),
                    "completion": "${price:.2f}",
                }
            }
        ],
    }


def main() -> None:
    """Write the recipe as YAML."""
    import yaml

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    body = recipe(str(options.source.resolve()), name=options.out.stem)
    options.out.write_text(yaml.safe_dump(body, sort_keys=False, width=96), encoding="utf-8")


if __name__ == "__main__":
    main()
