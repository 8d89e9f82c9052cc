"""Typed columns as numbers and categories, the two things that models of tables learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.models._prepare import Floats
from assay.recipe import FieldType

MISSING = "\x00missing"
"""The category of a missing value; no text that a reader gives holds a NUL."""
LARGEST = 1e30
FEW = 50
"""A text field with at most this many different values, each seen 10 times on average, is a
category in all but name."""


@dataclass(frozen=True)
class Roles:
    """What each input field is taken for.

    Attributes:
        numbers: as they are.
        dates: seconds since 1970, and year, month, day, weekday and hour.
        texts: length in characters, words and digits.
        categories: as they are.
    """

    numbers: tuple[str, ...]
    dates: tuple[str, ...]
    texts: tuple[str, ...]
    categories: tuple[str, ...]

    @property
    def none(self) -> bool:
        return not (self.numbers or self.dates or self.texts or self.categories)


def text_fields(rows: pl.DataFrame, kinds: Mapping[str, FieldType]) -> tuple[str, ...]:
    """The fields of free text in which any row says something."""
    return tuple(
        name
        for name, kind in kinds.items()
        if kind == "string" and rows[name].cast(pl.String).str.contains(r"\w").any()
    )


def roles(rows: pl.DataFrame, kinds: Mapping[str, FieldType]) -> Roles:
    """Decide what each field is taken for; a field without any value is left out.

    Fields of lists and objects are not looked at.
    """
    filled = [name for name in kinds if rows[name].null_count() < rows.height]
    strings = [name for name in filled if kinds[name] == "string"]
    coded = {name for name in strings if rows[name].n_unique() <= min(FEW, rows.height // 10)}
    return Roles(
        numbers=tuple(
            name
            for name in filled
            if kinds[name] in ("integer", "number")
            and rows[name].cast(pl.Float64, strict=False).is_finite().any()
        ),
        dates=tuple(name for name in filled if kinds[name] == "datetime"),
        texts=tuple(name for name in strings if name not in coded),
        categories=tuple(
            name for name in filled if kinds[name] in ("category", "boolean") or name in coded
        ),
    )


def numbers(rows: pl.DataFrame, known: Roles) -> Floats:
    """All that is a number, one column each; NaN where it is missing or infinite."""
    parts = [pl.col(name).cast(pl.Float64, strict=False) for name in known.numbers]
    for name in known.dates:
        parts.extend(_date(name))
    for name in known.texts:
        parts.extend(_text(name))
    named = [part.cast(pl.Float64).alias(str(index)) for index, part in enumerate(parts)]
    values = (
        rows.select(named).to_numpy().astype(np.float64) if named else np.empty((rows.height, 0))
    )
    # Beyond this a square or a float32 overflows; infinity is no measurement at all.
    return np.where(np.isfinite(values), np.clip(values, -LARGEST, LARGEST), np.nan)


def categories(rows: pl.DataFrame, known: Roles) -> npt.NDArray[np.object_]:
    """All that is a category, one column of texts each."""
    if not known.categories:
        return np.empty((rows.height, 0), dtype=object)
    chosen = rows.select(pl.col(known.categories).cast(pl.String).fill_null(MISSING))
    return chosen.to_numpy().astype(object)


def _date(name: str) -> list[pl.Expr]:
    moment = pl.col(name).cast(pl.Datetime("us"))
    parts = (moment.dt.year(), moment.dt.month(), moment.dt.day(), moment.dt.weekday())
    return [moment.dt.epoch("s"), *parts, moment.dt.hour()]


def _text(name: str) -> list[pl.Expr]:
    text = pl.col(name).cast(pl.String).fill_null("")
    counts = (text.str.len_chars(), text.str.count_matches(r"\w+"), text.str.count_matches(r"\d"))
    # What length does to a target it does by factors rather than by characters.
    return [(count + 1).log() for count in counts]
