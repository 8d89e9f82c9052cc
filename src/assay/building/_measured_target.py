"""Whether an input field gives the target away: alone, or by printing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from assay.building._measured_rows import finite
from assay.building._measured_scores import FOLDS, SUPPORT, Aim, Integers

FEW_NUMBERS = 20
"""Numbers of at most so many different values are classes."""
LEAST = 100
"""Rows without which nothing is said."""
PRINTED_ROWS = 5_000
_NUMBER = r"[0-9][0-9.,]*[0-9]|[0-9]"


@dataclass(frozen=True)
class Printed:
    """How often the texts of a field hold the target.

    Attributes:
        own: share of the rows whose text holds their own target, of classes the mean over them.
        other: the same for the target of another row, which is what chance gives.
        low: a lower bound of the difference, 3 standard errors below it.
        rows: how many rows were looked at.
        places: some rows whose text holds their own target.
    """

    own: float
    other: float
    low: float
    rows: int
    places: Sequence[int]


def aim_of(sample: pl.DataFrame, target: str, task: str | None) -> tuple[pl.Series, Aim] | None:
    """Which rows are looked at, and what is to be told of them; none where there are too few."""
    column = sample[target]
    numeric = column.dtype.is_numeric() and task != "class"
    if numeric and (task == "number" or column.drop_nulls().n_unique() > FEW_NUMBERS):
        values = finite(column)
        kept = pl.Series(np.isfinite(values))
        ranks = pl.Series(values).filter(kept).rank("average").to_numpy()
        if len(ranks) < LEAST or len(np.unique(ranks)) < 3:
            return None
        ranks = (ranks - 0.5) / len(ranks)
        return kept, Aim(ranks, 0, folds(sample.filter(kept)))
    if column.dtype.is_nested():
        return None
    names = column.cast(pl.String)
    sizes = pl.DataFrame({"name": names}).with_columns(size=pl.len().over("name"))
    kept = (sizes["size"] >= SUPPORT) & names.is_not_null()
    codes = names.filter(kept).rank("dense").cast(pl.Int64).to_numpy() - 1
    # Where most classes are rare, what is said of the others is not said of the target.
    if len(codes) < max(LEAST, 0.8 * names.count()) or codes.max(initial=0) < 1:
        return None
    return kept, Aim(codes.astype(np.float64), int(codes.max()) + 1, folds(sample.filter(kept)))


def folds(sample: pl.DataFrame) -> Integers:
    """The fold of each row, in equal parts of the order of their draws."""
    order = sample["_draw"].rank("ordinal").cast(pl.Int64).to_numpy()
    fold: Integers = order % FOLDS
    return fold


def printed(
    sample: pl.DataFrame, texts: Sequence[str], aim: Aim, target: str
) -> Mapping[str, Printed]:
    """How often each field of text holds the target of its row.

    Numbers are looked for as they may be written, `1,299.5` or `1.299,50`, and only those of three
    digits or more, since any text holds a 5. Names are looked for as they are, in any case.
    """
    head = sample.head(PRINTED_ROWS)
    column = head[target]
    if aim.classes:
        wanted = column.cast(pl.String).str.strip_chars().str.to_lowercase()
        good = (wanted.str.len_chars() >= 3).fill_null(False)
    else:
        wanted = column.cast(pl.Float64)
        hundredths = (wanted.abs() * 100).round()
        good = ((wanted.abs() >= 100) | (hundredths % 10 != 0) & (hundredths >= 100)).fill_null(
            False
        )
    head, wanted = head.filter(good), wanted.filter(good)
    if head.height < LEAST:
        return {}
    # Another row's target: the order of draws is as good as any.
    half = head.height // 2
    other = pl.concat([wanted[half:], wanted[:half]])
    found = {}
    for name in texts:
        text = head[name].cast(pl.String)
        if aim.classes:
            lower = text.str.to_lowercase()
            hits, chance = (_holds(lower, one) for one in (wanted, other))
            weights = 1.0 / wanted.to_frame("w").select(pl.len().over("w")).to_series()
        else:
            hits, chance = _numbers_in(text, wanted, other)
            weights = pl.repeat(1.0, len(text), eager=True)
        share = (weights / weights.sum()).to_numpy()
        gain = hits.to_numpy().astype(np.float64) - chance.to_numpy()
        mean = float((gain * share).sum())
        error = float(np.sqrt(((gain - mean) ** 2 * share**2).sum()))
        found[name] = Printed(
            own=float((hits.to_numpy() * share).sum()),
            other=float((chance.to_numpy() * share).sum()),
            low=mean - 3 * error,
            rows=head.height,
            places=good.arg_true().gather(hits.arg_true()[:5]).to_list(),
        )
    return found


def _holds(text: pl.Series, wanted: pl.Series) -> pl.Series:
    frame = pl.DataFrame({"text": text, "wanted": wanted})
    held = pl.col("text").str.contains(pl.col("wanted"), literal=True)
    return frame.select(held.fill_null(False)).to_series()


def _numbers_in(text: pl.Series, *wanted: pl.Series) -> tuple[pl.Series, ...]:
    """Whether a text holds a number as a whole, however its decimals are marked."""
    frame = pl.DataFrame({"text": text, **{f"w{n}": one for n, one in enumerate(wanted)}})
    long = frame.with_row_index("at").with_columns(pl.col("text").str.extract_all(_NUMBER))
    long = long.explode("text", empty_as_null=True, keep_nulls=True)
    english = pl.col("text").str.replace_all(",", "", literal=True)
    german = pl.col("text").str.replace_all(".", "", literal=True).str.replace(",", ".")
    near = [
        pl.any_horizontal(
            (written.cast(pl.Float64, strict=False) - pl.col(f"w{n}")).abs()
            < 0.005 + 1e-9 * pl.col(f"w{n}").abs()
            for written in (english, german)
        )
        .fill_null(False)
        .any()
        .alias(f"w{n}")
        for n in range(len(wanted))
    ]
    held = long.group_by("at", maintain_order=True).agg(near)
    return tuple(held[f"w{n}"] for n in range(len(wanted)))
