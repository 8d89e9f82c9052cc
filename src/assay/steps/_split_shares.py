"""How many rows of each stratum go to each side or fold, and which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError
from assay.rows import content_hash, uniform
from assay.steps._split_times import numbers
from assay.steps._split_units import Places, present

SIDES = ("train", "validation", "test")

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def cuts(train: float, validation: float, test: float) -> Floats:
    """Where the sides end between 0 and 1."""
    shares = {"train": train, "validation": validation, "test": test}
    total = sum(shares.values())
    if any(not 0 <= share <= 1 for share in shares.values()) or abs(total - 1) > 1e-9:
        raise RecipeError(
            f"The shares of a split lie in 0 to 1 and add up to 1, not to {total}.",
            received=shares,
        )
    first = train if validation or test else 1.0
    # A share of 0 gets nothing, whatever the rounding of the sum.
    return np.array([first, 1.0 - test if validation else first, 1.0])


def strata(table: pl.DataFrame, by: list[str], bins: int) -> pl.Series:
    """One hash a row: the values of some columns together, numbers of many values by quantile."""
    return content_hash(pl.DataFrame([_stratum(table, name, bins) for name in dict.fromkeys(by)]))


def whole(
    units: npt.NDArray[np.uint64], strata: pl.Series, seed: int, purpose: str
) -> pl.DataFrame:
    """One line a unit, by stratum and random number: `unit`, `stratum`, `rows`, `number`.

    A unit belongs to the stratum most of its rows are in; of equal ones, to the lower hash.
    """
    rows = pl.DataFrame({"unit": units, "stratum": strata})
    found = rows.group_by("unit", "stratum").len("rows")
    found = found.sort(["unit", "rows", "stratum"], descending=[False, True, False])
    found = found.group_by("unit", maintain_order=True).agg(
        pl.col("stratum").first(), pl.col("rows").sum()
    )
    found = found.with_columns(number=uniform(found["unit"], seed, purpose))
    return found.sort(["stratum", "number", "unit"])


def dealt(units: pl.DataFrame, cuts: Floats, seed: int) -> pl.Series:
    """The side of units that are sorted by stratum and, within it, by random number.

    Strata are rounded by the running total over all of them (systematic sampling, Madow 1949):
    first what is not test, then the training rows among these. A unit goes where its middle row
    falls.
    """
    rows = units["rows"].to_numpy().astype(np.float64)
    strata = units["stratum"].rle_id().to_numpy()
    totals = np.bincount(strata, rows).astype(np.float64)
    middle = np.cumsum(rows) - rows / 2 - (np.cumsum(totals) - totals)[strata]
    starts = uniform(np.arange(2, dtype=np.uint64), seed, "split.rounding")
    second = _rounded(totals, cuts[1], starts[0])
    first = _rounded(second, cuts[0] / cuts[1] if cuts[1] else 0.0, starts[1])
    beyond = [middle > ends[strata] for ends in (first, second)]
    return pl.Series(beyond[0].astype(np.int64) + beyond[1])


def dealt_beside(
    strata: pl.Series,
    units: npt.NDArray[np.uint64],
    placed: pl.Series,
    shares: Floats,
    seed: int,
    purpose: str,
) -> pl.DataFrame:
    """Deal the rows without a place so that with those that have one the shares are met.

    Each stratum is brought to its shares as nearly as its free rows allow, and within one row of
    that the shares of the whole are met, since a rare stratum alone can not be.

    Args:
        strata: the stratum of each row.
        units: what each row must stay together with.
        placed: the part that a row is in already, from 0; null where it is free.
        shares: of the parts, adding up to 1.
        seed, purpose: of the random numbers.

    Returns:
        `part` and `number` of each row, `number` null for rows that had a place.
    """
    free = placed.is_null()
    line = pl.DataFrame({"unit": units, "free": free})
    loose = whole(units[free.to_numpy()], strata.filter(free), seed, purpose)
    # Strata are numbered in the order of their hashes, those without free rows too.
    fixed = pl.DataFrame({"stratum": strata, "part": placed}).filter(~free)
    every = pl.concat([fixed["stratum"], loose["stratum"]]).unique().sort()
    at = every.search_sorted(fixed["stratum"]).to_numpy().astype(np.int64)
    parts = len(shares)
    cells = np.bincount(at * parts + fixed["part"].to_numpy(), minlength=len(every) * parts)
    there: Floats = cells.reshape(len(every), parts).astype(np.float64)
    own = every.search_sorted(loose["stratum"]).to_numpy().astype(np.int64)
    rows = loose["rows"].to_numpy().astype(np.float64)
    left = np.bincount(own, rows, len(every)).astype(np.float64)
    ends = np.cumsum(_needed(there, left, shares, seed, purpose), axis=1)
    # A unit goes where one of its rows falls that is drawn; where its middle row falls, units that
    # are alone in their stratum would all go to the largest part.
    point = rows * uniform(loose["unit"], seed, f"{purpose}.point")
    falls = np.cumsum(rows) - point - (np.cumsum(left) - left)[own]
    side = (falls[:, None] > ends[own, :-1]).sum(axis=1)
    loose = loose.select("unit", "number", part=pl.Series(side, dtype=pl.Int64))
    found = line.join(loose, on="unit", how="left", maintain_order="left")
    return found.select(
        part=pl.when("free").then("part").otherwise(placed.cast(pl.Int64)),
        number=pl.when("free").then("number"),
    )


def decisions(side: Integers | pl.Series, value: Floats, ends: Floats | None) -> pl.DataFrame:
    """`side` counts from 0; `ends` are where the sides end, on the scale of `value`."""
    at = pl.Series(side, dtype=pl.Int64)
    threshold = [None] * len(at) if ends is None else ends[at.fill_null(0).to_numpy()]
    return pl.DataFrame(
        {
            "rule": pl.Series([None], dtype=pl.String).new_from_index(0, len(at)),
            "value": pl.Series(value, dtype=pl.Float64).fill_nan(None),
            "threshold": pl.Series(threshold, dtype=pl.Float64),
            "split": pl.Series(SIDES).gather(at),
        }
    )


def settled(decisions: pl.DataFrame, places: Places, *, drawn: bool) -> pl.DataFrame:
    """Add what follows from the version before: rows that join two sides are set aside.

    With `drawn`, `value` and `threshold` are a draw, which rows that had a place took no part in.
    """
    shown = pl.lit(not drawn) | pl.Series(places.place.is_null() & ~places.joins)
    joins = pl.lit(places.joins)
    return decisions.with_columns(
        rule=pl.when(joins).then(pl.lit("joins two sides")).otherwise("rule"),
        split=pl.when(~joins).then("split"),
        value=pl.when(shown).then("value"),
        threshold=pl.when(shown & ~joins).then("threshold"),
        twin=pl.when(joins).then(places.twin.cast(pl.UInt64)),
    )


def former(table: pl.DataFrame, name: str, known: Sequence[str] | int) -> pl.Series | None:
    """The numbers of the sides or folds that rows had in the version before; none if none had.

    Raises:
        RecipeError: there is no such side or fold.
    """
    if name not in table.columns or table[name].null_count() == table.height:
        return None
    values = table[name]
    if isinstance(known, int):
        wrong = values.filter((values < 0) | (values >= known))
        allowed = [str(fold) for fold in range(known)]
        numbered = values.cast(pl.Int64)
    else:
        wrong = values.filter(values.is_not_null() & ~values.is_in(known))
        allowed = list(known)
        numbered = values.replace_strict(
            known, range(len(known)), default=None, return_dtype=pl.Int64
        )
    if len(wrong):
        raise RecipeError(
            f"split: the column {name!r} holds what this split does not make.",
            received=wrong[0],
            allowed=allowed,
            hint=f"leave {name!r} out to split anew",
        )
    return numbered


def _needed(there: Floats, left: Floats, shares: Floats, seed: int, purpose: str) -> Floats:
    """How many of the free rows of each stratum go to each part.

    Args:
        there: rows of each stratum and part that have their place.
        left: free rows of each stratum.
    """
    totals = there.sum(axis=1) + left
    ideal = totals[:, None] * shares - there
    # Where a part has too many already, the others share what is left in proportion.
    wanted = np.maximum(ideal, 0.0)
    sums = wanted.sum(axis=1)
    wanted *= np.divide(left, sums, out=np.zeros_like(left), where=sums > 0)[:, None]
    starts = uniform(np.arange(len(shares), dtype=np.uint64), seed, f"{purpose}.rounding")
    found = np.zeros_like(there)
    left = left.copy()
    # The parts are three sides or a few folds.
    for part in range(len(shares) - 1, 0, -1):
        low = np.clip(wanted[:, part] - 1, 0, left)
        high = np.clip(wanted[:, part] + 1, 0, left)
        goal = float(np.clip(ideal[:, part].sum(), low.sum(), high.sum()))
        goals = _shifted(wanted[:, part], low, high, goal)
        # `_rounded` with the running total of what is wanted instead of that of a share.
        running = np.floor(np.cumsum(goals) + min(starts[part], 1 - 1e-6) + 1e-9)
        found[:, part] = np.minimum(np.diff(running, prepend=0.0), left)
        left -= found[:, part]
    found[:, 0] = left
    return found


def _shifted(wanted: Floats, low: Floats, high: Floats, goal: float) -> Floats:
    """`wanted` plus one number, held between bounds, so that the sum is the goal."""
    held = np.clip(wanted, low, high)
    if abs(held.sum() - goal) < 1e-6:
        return held
    below, above = -1.0, 1.0
    for _ in range(50):  # halves the interval to the precision of a float64
        middle = (below + above) / 2
        if np.clip(wanted + middle, low, high).sum() < goal:
            below = middle
        else:
            above = middle
    return np.clip(wanted + above, low, high)


def _rounded(totals: Floats, share: float, start: float) -> Floats:
    """Whole numbers within one of each total times the share, and of every run of them."""
    # The nudge keeps 0.8 * 10 whole; without it rounding noise could move a row.
    running = np.floor(np.cumsum(totals) * share + min(start, 1 - 1e-6) + 1e-9)
    rounded: Floats = np.diff(running, prepend=0.0)
    return rounded


def _stratum(table: pl.DataFrame, name: str, bins: int) -> pl.Series:
    """The column as it is, or a number of many values by its quantile bin."""
    present(table, name)
    column = table[name]
    counted = column.dtype.is_numeric() and column.dtype != pl.UInt128
    if not (counted or column.dtype.is_temporal()) or column.n_unique() <= bins:
        return column
    values = numbers(column).fill_nan(None)
    finite = values.filter(values.is_finite())
    edges = np.unique(np.quantile(finite.to_numpy(), np.arange(1, bins) / bins))
    places = np.searchsorted(edges, values.fill_null(0.0).to_numpy(), "right")
    return pl.select(pl.when(values.is_not_null()).then(pl.Series(places))).to_series().alias(name)
