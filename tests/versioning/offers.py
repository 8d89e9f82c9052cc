"""Offers, and a recipe for them, that the tests of versions share."""

from __future__ import annotations

import numpy as np
import polars as pl

KINDS = np.array(["drill", "kettle", "lamp", "rope"])


def offers(start: int, stop: int) -> pl.DataFrame:
    rng = np.random.default_rng(start)
    which, size = rng.integers(0, 4, stop - start), rng.gamma(2, 3, stop - start).round(3)
    return pl.DataFrame(
        {
            "sku": [f"s{n}" for n in range(start, stop)],
            "text": [f" One <b>{KINDS[w]}</b> of no {n + start}" for n, w in enumerate(which)],
            "kind": KINDS[which],
            "size": size,
            "price": (10 * (which + 1) + size).round(2),
        }
    )


def recipe(folder, **changes):
    return {
        "name": "offers", "source": str(folder / "data"), "id": ["sku"], "target": "price",
        "inputs": ["kind", "size"], "certificate": "off",
        "fields": {
            "sku": {"type": "string"}, "text": {"type": "string"}, "kind": {"type": "category"},
            "size": {"type": "number", "max": 100}, "price": {"type": "number", "max": 90},
        },
        "steps": [
            {"clean.text": {"columns": ["text"]}},
            {"keep.length": {"column": "text", "min": 5}},
            {"dedup.exact": {"columns": ["text"]}},
            {"split.random": {"train": 0.7, "validation": 0.1, "test": 0.2}},
        ],
        "models": ["constant", "tabular_linear"], "metrics": ["mae"],
    } | changes  # fmt: skip
