"""How far the truth is from predictions, and bounds and sets that follow from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import PredictionsError
from assay.evaluation.scored import Floats
from assay.evaluation.truth import proba_columns
from assay.evaluation.values import labels
from assay.studies.fits import TRUTH

Scale = Literal["constant", "prediction"]
_CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Parted:
    """What one fit predicted: the rows calibrated on, and the test rows in order of their ids."""

    calibration: pl.DataFrame
    test: pl.DataFrame


def quantile(scores: Any, level: float) -> float:
    """The score that a new row stays under with at least this chance.

    It is the ceil((n + 1) level)-th smallest of n scores: the new row's own score is as likely to
    be in any place among them.

    Args:
        scores: (n,) how far each calibration row is from its prediction.
        level: the chance.

    Raises:
        PredictionsError: there are too few rows for it.

    >>> quantile(np.arange(1.0, 10.0), 0.9)
    9.0
    """
    known = np.sort(np.asarray(scores, dtype=np.float64))
    place = math.ceil(round((len(known) + 1) * level, 9))
    if place > len(known):
        raise PredictionsError(
            f"{len(known):,} rows to calibrate on are too few for {level:.0%}.",
            allowed=f"{fewest(level):,} rows or more",
            hint="more validation rows, or a lower level",
        )
    return float(known[place - 1])


def intervals(
    parts: Sequence[Parted], level: float, scale: Scale, method: str
) -> tuple[Floats, Floats]:
    """The bounds of the test rows."""
    floor = 0.0
    if scale == "prediction":
        sizes = np.concatenate([np.abs(part.calibration["prediction"]) for part in parts])
        # Small predictions would else be held to be exact.
        floor = float(np.quantile(sizes, 0.05)) or 1.0

    def width(predicted: Floats) -> Floats:
        return np.ones(len(predicted)) if not floor else np.maximum(np.abs(predicted), floor)

    errors, centres, widths = [], [], []
    for part in parts:
        guess = part.calibration["prediction"].to_numpy()
        errors.append(np.abs(part.calibration[TRUTH].to_numpy() - guess) / width(guess))
        centres.append(part.test["prediction"].to_numpy())
        widths.append(width(centres[-1]))
    if method == "split":
        reach = quantile(errors[0], level) * widths[0]
        return centres[0] - reach, centres[0] + reach
    return _jackknife(errors, centres, widths, level)


def _jackknife(
    errors: Sequence[Floats], centres: Sequence[Floats], widths: Sequence[Floats], level: float
) -> tuple[Floats, Floats]:
    """CV+: for each test row the quantiles of every fold's prediction less and plus its errors."""
    total = sum(len(part) for part in errors)
    upper = math.ceil(round((total + 1) * level, 9)) - 1
    lower = total - 1 - upper
    low, high = np.empty(len(centres[0])), np.empty(len(centres[0]))
    step = max(1, _CELLS // total)
    for first in range(0, len(low), step):
        rows = slice(first, first + step)
        reaches = [wide[rows, None] * part[None, :]
                   for part, wide in zip(errors, widths, strict=True)]  # fmt: skip
        middles = [centre[rows, None] for centre in centres]
        down = np.hstack([m - r for m, r in zip(middles, reaches, strict=True)])
        up = np.hstack([m + r for m, r in zip(middles, reaches, strict=True)])
        low[rows] = np.partition(down, lower, axis=1)[:, lower]
        high[rows] = np.partition(up, upper, axis=1)[:, upper]
    return low, high


def sets(parts: Sequence[Parted], level: float) -> tuple[list[str], npt.NDArray[np.bool_]]:
    """The classes, and (n, k) whether each is in each test row's set.

    A class is left out where its probability is lower than that of the truth was in nearly all
    calibration rows, each held against the probabilities of the model that had not seen it.
    """
    tables = [table for part in parts for table in (part.calibration, part.test)]
    named = [proba_columns(table) for table in tables]
    if not all(named):
        raise PredictionsError("Sets of classes need the probability of every class.")
    classes = sorted(set().union(*(proba for proba in named)))
    total = sum(part.calibration.height for part in parts)
    below = np.zeros((parts[0].test.height, len(classes)))
    for part in parts:
        given = _proba(part.calibration, classes)
        code = labels(part.calibration[TRUTH]).replace_strict(
            classes, range(len(classes)), default=None, return_dtype=pl.Int64
        )
        known = code.is_not_null().to_numpy()
        own = given[np.arange(len(given)), code.fill_null(0).to_numpy()]
        scores = np.sort(np.where(known, 1 - own, 1.0))
        tried = 1 - _proba(part.test, classes)
        below += np.searchsorted(scores, tried, side="left")
    return classes, below < math.ceil(round((total + 1) * level, 9))


def _proba(table: pl.DataFrame, classes: Sequence[str]) -> Floats:
    known = proba_columns(table)
    columns = [
        pl.col(known[name]).fill_null(0.0) if name in known else pl.lit(0.0).alias(f"_{name}")
        for name in classes
    ]
    return table.select(columns).to_numpy().astype(np.float64)


def fewest(level: float) -> int:
    """Rows to calibrate on, below which no finite interval covers so many.

    >>> fewest(0.9)
    9
    """
    return math.ceil(round(level / (1 - level), 9))
