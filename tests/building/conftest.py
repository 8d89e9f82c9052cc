"""A small source with every kind of trouble, and a way to build from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assay


@pytest.fixture
def products(tmp_path: Path) -> Path:
    """Forty products: good ones, two duplicates, a short one, a dear one, a broken line."""
    rows: list[dict[str, Any]] = [
        {
            "sku": f"p{n}",
            "title": f"Widget number {n}",
            "text": "word " * (10 + n),
            "price": 1.5 * n,
        }
        for n in range(1, 37)
    ]
    rows.append({"sku": "d1", "title": "Widget number 3", "text": "another text " * 9, "price": 5})
    rows.append({"sku": "d2", "title": "Widget number 4", "text": "another text " * 8, "price": 6})
    rows.append({"sku": "s", "title": "Short", "text": "tiny", "price": 2})
    rows.append({"sku": "x", "title": "Dear", "text": "long enough to stay " * 5, "price": 5000})
    lines = [json.dumps(row) for row in rows]
    lines.insert(10, '{"sku": "broken", "title": ')
    path = tmp_path / "products.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def recipe(products: Path) -> dict[str, Any]:
    """A recipe with one step of every kind."""
    return {
        "name": "prices",
        "source": str(products),
        "seed": 7,
        "target": "price",
        "inputs": ["title", "text"],
        "fields": {
            "sku": {"type": "string"},
            "title": {"type": "string", "required": True},
            "text": {"type": "string", "required": True},
            "price": {"type": "number", "min": 0.5, "max": 999.49},
        },
        "steps": [
            {"clean.text": {"columns": ["title", "text"]}},
            {"keep.length": {"column": "text", "min": 20}},
            {"dedup.exact": {"columns": ["title"]}},
            {"split.random": {"train": 0.8, "validation": 0.1, "test": 0.1}},
        ],
    }


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., assay.Version]:
    """Build into a folder of this test's own."""

    def built(recipe: Any, **options: Any) -> assay.Version:
        return assay.build(recipe, **{"out": tmp_path / "versions", "workers": 1, **options})

    return built
