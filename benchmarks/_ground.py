"""A clean table, and where in it what can be planted, by seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from assay.contract.infer import Inferred

WORDS = [
    "the",
    "a",
    "kettle",
    "handle",
    "steel",
    "colour",
    "price",
    "arrived",
    "late",
    "early",
    "broken",
    "fine",
    "good",
    "poor",
    "water",
    "lid",
    "works",
    "well",
    "after",
    "two",
    "weeks",
    "my",
    "kitchen",
    "gift",
    "returned",
    "seller",
    "answered",
    "quickly",
    "never",
    "again",
    "very",
    "happy",
    "with",
    "it",
    "small",
    "large",
    "heavy",
    "light",
    "box",
    "inside",
    "parts",
    "missing",
    "screws",
    "easy",
    "to",
    "clean",
    "looks",
    "like",
    "picture",
    "cheap",
    "solid",
    "quality",
    "spout",
    "leaks",
    "boils",
    "fast",
    "slow",
    "noise",
    "loud",
    "quiet",
    "recommend",
]
COLOURS = ("Red", "Blue", "Steel", "White", "Black")
THINGS = ("Kettle", "Toaster", "Blender", "Mixer", "Grinder", "Juicer")
PRODUCTS = [f"{colour} {thing}" for colour in COLOURS for thing in THINGS]
PLACES = (
    ("Birmingham", "Alabama", "352"),
    ("Montgomery", "Alabama", "361"),
    ("Sacramento", "California", "958"),
    ("Riverside", "California", "925"),
    ("Springfield", "Illinois", "627"),
    ("Rockford", "Illinois", "611"),
    ("Pittsburgh", "Pennsylvania", "152"),
    ("Allentown", "Pennsylvania", "181"),
    ("Nashville", "Tennessee", "372"),
    ("Knoxville", "Tennessee", "379"),
    ("Milwaukee", "Wisconsin", "532"),
    ("Green Bay", "Wisconsin", "543"),
)


@dataclass(frozen=True)
class Planted:
    """A table with one kind of defect in it.

    Attributes:
        frame: all text, as a file would hold it.
        cells: places of rows and fields that were spoilt; the field is empty where the row is.
    """

    frame: pl.DataFrame
    cells: set[tuple[int, str]] = field(default_factory=set)


def generated(rows: int, seed: int) -> pl.DataFrame:
    """Orders of kitchen things: places, products, numbers, days, texts and two targets."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, len(PLACES), rows)
    product = np.minimum(rng.geometric(0.07, rows) - 1, len(PRODUCTS) - 1)
    price = 20 + 3.0 * product + rng.normal(0, 3, rows)
    quantity = rng.integers(1, 6, rows)
    weight = 1.5 + 0.05 * product + rng.normal(0, 0.12, rows)
    age = np.clip(rng.normal(45, 12, rows), 18, 92).astype(int)
    late = rng.integers(0, 15, rows)
    odds = -6.5 + 0.8 * late + 0.05 * (price - 50)
    returned = rng.random(rows) < 1 / (1 + np.exp(-3 * odds))
    texts = [" ".join(rng.choice(WORDS, rng.integers(14, 40))) + "." for _ in range(rows)]
    days = np.datetime64("2022-01-01") + rng.integers(0, 900, rows)
    return pl.DataFrame(
        {
            "order": [f"O-{100000 + 7 * n}" for n in range(rows)],
            "day": [str(day) for day in days],
            "city": [PLACES[p][0] for p in place],
            "state": [PLACES[p][1] for p in place],
            "zip": [
                f"{PLACES[p][2]}{n:02}"
                for p, n in zip(place, rng.integers(0, 8, rows), strict=True)
            ],
            "product": [PRODUCTS[p] for p in product],
            "kind": [PRODUCTS[p].split()[1] for p in product],
            "price": [f"{value:.2f}" for value in price],
            "quantity": [str(value) for value in quantity],
            "weight_kg": [f"{value:.2f}" for value in weight],
            "age": [str(value) for value in age],
            "days_late": [str(value) for value in late],
            "review": texts,
            "returned": np.where(returned, "yes", "no"),
            "total": [f"{p * q + 4.5:.2f}" for p, q in zip(price, quantity, strict=True)],
        }
    )


class Ground:
    """A clean table and what can be planted where."""

    def __init__(self, frame: pl.DataFrame, found: Inferred, target: str, seed: int) -> None:
        self.frame, self.fields, self.target, self.seed = frame, found.fields, target, seed
        self.found = found

    def rng(self, purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose.encode()])

    def of(self, *kinds: str) -> list[str]:
        """Fields of these types that are no key, no target and mostly filled."""
        rows = self.frame.height
        return [
            name for name, spec in self.fields.items()
            if spec.type in kinds and name != self.target and name not in self.found.ids
            and self.frame[name].null_count() < 0.2 * rows
        ]  # fmt: skip

    def categories(self) -> list[str]:
        """Fields of a few long words, each in many rows."""
        return [
            name for name in self.of("category")
            if 2 <= self.frame[name].n_unique() <= 200
            and (self.frame[name].str.len_chars().mean() or 0) >= 5
            and self.frame[name].str.contains(r"^[\p{L} .'-]+$").mean() > 0.9
        ]  # fmt: skip

    def numbers(self) -> list[str]:
        """Fields of positive numbers of some variety."""
        return [
            name for name in self.of("number", "integer")
            if self.frame[name].n_unique() >= 10
            and (self.found.rows[name].cast(pl.Float64).quantile(0.02) or 0) > 0
        ]  # fmt: skip

    def texts(self) -> list[str]:
        return [
            name for name in self.of("string")
            if (self.frame[name].str.count_matches(r"\S+").mean() or 0) >= 5
        ]  # fmt: skip

    def spoil(
        self,
        purpose: str,
        fields: list[str],
        share: float,
        how: Callable[[str, np.random.Generator], str | None],
        *,
        where: Callable[[str], bool] = bool,
    ) -> Planted | None:
        """Change so many cells of these fields (at most six of them)."""
        rng = self.rng(purpose)
        frame, cells = self.frame, set()
        for name in fields[:6]:
            values = frame[name].to_list()
            open_ = [n for n, value in enumerate(values) if value and where(value)]
            count = min(len(open_), max(3, round(share * len(values))))
            for n in rng.choice(open_, count, replace=False) if open_ else ():
                new = how(values[n], rng)
                if new != values[n]:
                    values[n] = new
                    cells.add((int(n), name))
            frame = frame.with_columns(pl.Series(name, values, dtype=pl.String))
        return Planted(frame, cells) if cells else None
