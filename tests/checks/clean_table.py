"""A table without defects, in which tests plant theirs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from assay.jobs.inspecting import Inspection, inspect

CITIES = ("Birmingham", "Sacramento", "Rockford", "Pittsburgh", "Nashville", "Milwaukee")
STATES = ("Alabama", "California", "Illinois", "Pennsylvania", "Tennessee", "Wisconsin")
WORDS = [
    "kettle",
    "handle",
    "steel",
    "colour",
    "price",
    "arrived",
    "late",
    "fine",
    "good",
    "water",
    "lid",
    "works",
    "well",
    "small",
]


def clean(rows: int = 240, seed: int = 1) -> pl.DataFrame:
    """Orders, all as text: city determines state, numbers are narrow, nothing is missing."""
    rng = np.random.default_rng(seed)
    city = rng.integers(0, len(CITIES), rows)
    return pl.DataFrame(
        {
            "order": [f"O-{1000 + n}" for n in range(rows)],
            "city": [CITIES[n] for n in city],
            "state": [STATES[n] for n in city],
            "zip": [
                f"{35200 + 1000 * n + k}"
                for n, k in zip(city, rng.integers(0, 9, rows), strict=True)
            ],
            "phone": [f"{n}" for n in rng.integers(2_050_000_000, 2_059_999_999, rows)],
            "day": [str(np.datetime64("2023-01-01") + n) for n in rng.integers(0, 300, rows)],
            "price": [f"{value:.2f}" for value in rng.normal(50, 6, rows)],
            "weight": [f"{value:.2f}" for value in rng.normal(2.0, 0.2, rows)],
            "count": [str(n) for n in rng.integers(1, 9, rows)],
            "review": [" ".join(rng.choice(WORDS, 12)) for _ in range(rows)],
            "returned": [("yes", "no")[int(n)] for n in rng.integers(0, 2, rows)],
        }
    )


def spoilt(cells: Mapping[tuple[int, str], str | None], rows: int = 240) -> pl.DataFrame:
    """The clean table with these cells changed."""
    frame = clean(rows)
    for (row, name), value in cells.items():
        frame[row, name] = value
    return frame


def look(frame: pl.DataFrame, check: str, **options: object) -> Inspection:
    """Run one check."""
    return inspect(frame, checks=[check], **options)  # type: ignore[arg-type]


def found(frame: pl.DataFrame, check: str, **options: object) -> dict[tuple[int, str], str | None]:
    """The cells that a check is about, with what it suggests."""
    cells = look(frame, check, **options).cells()
    return {
        (row, name): value
        for row, name, value in cells.select("row", "field", "suggested").iter_rows()
    }
