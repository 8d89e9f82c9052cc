"""Splits into train, validation and test, and into folds for cross-validation.

What is dealt to a side is a group of rows where groups are named, a cluster of duplicates where
`_cluster` is there, and otherwise a row. None is ever on two sides.

Where `_was` is there, the side that a row had in the version before, such a row keeps it: no row
changes sides because others came or went. A new row goes where the rows of its group and cluster
are. If these are on two sides, then it would carry what one side is tested on into the other, so
it is set aside as `joins two sides`, with one of them as its twin. All other new rows are dealt so
that they and the old rows together meet the shares.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from assay.component import Column, Columns, Decisions, Keys, Table
from assay.errors import RecipeError
from assay.rows import uniform
from assay.steps import _split_folds as in_folds
from assay.steps import _split_shares as shares
from assay.steps import _split_times as times
from assay.steps._split_units import Places, places, units

__all__ = ["grouped", "random", "stratified", "temporal"]

_WAS = "_was"


def random(
    table: Table,
    *,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    groups: Keys | None = None,
    folds: int | None = None,
    seed: int = 0,
) -> Decisions:
    """Split by each row's own random number, so that a row never changes sides as data grows.

    The number is compared to the shares, which the split therefore meets on average: a share p
    of n rows comes out within about 2 sqrt(p (1 - p) n) rows. Use `split.stratified` where small
    data needs it closer.

    Args:
        table: any frame; with `_cluster`, the rows of a cluster stay together, and with `_was`
            and `_was_fold`, a row stays where it was in the version before.
        train, validation, test: the shares, which add up to 1.
        groups: rows equal in all these columns stay together; rows null in all are on their own.
        folds: deal the rows of train and validation to so many folds too, groups and clusters
            whole; each fold in turn judges a model that learned from the others.
        seed: another seed gives another split.

    Returns:
        One decision a row: `split`, `value` the random number, `threshold` the number at which
        the row's side ends; with `folds` also `fold`, from 0, null for test rows. With `_was`,
        `rule` is `joins two sides` and `twin` an old row for new rows that belong to old rows of
        two sides, and `value` is null for rows that were not drawn. A row that joins two folds
        of one side has no fold.

    Raises:
        RecipeError: shares that do not add up to 1, an unknown column, or fewer than two folds.

    >>> rows = pl.DataFrame({"x": range(1000)})
    >>> random(rows)["split"].value_counts().sort("split")["count"].to_list()
    [91, 804, 105]
    """
    cuts = shares.cuts(train, validation, test)
    groups = groups or []
    number = uniform(units(table, groups), seed, "split")
    side = pl.Series(np.searchsorted(cuts[:2], number, "right"), dtype=pl.Int64)
    was = shares.former(table, _WAS, shares.SIDES)
    if was is None:
        decided = shares.decisions(side, number, cuts)
    else:
        before = places(table, groups, was)
        # Rows without the joining ones may be units of their own.
        free = (before.place.is_null() & ~before.joins).arg_true()
        own = uniform(units(table[free], groups), seed, "split")
        number[free.to_numpy()] = own
        side = before.place.clone().scatter(free, np.searchsorted(cuts[:2], own, "right"))
        decided = shares.settled(shares.decisions(side, number, cuts), before, drawn=True)
    return in_folds.drawn(table, decided, groups, folds, seed)


def grouped(  # noqa: PLR0913 - each is a word of its own in a recipe
    table: Table,
    *,
    groups: Keys,
    by: Columns | None = None,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    bins: int = 10,
    folds: int | None = None,
    seed: int = 0,
) -> Decisions:
    """Split so that rows of one group are on one side.

    Without `by`, a group's side depends on the group alone and stays as data grows; shares of
    rows are met on average over groups. With `by` it is `split.stratified` of groups.

    Args:
        table: any frame; with `_cluster`, clusters stay together too, and with `_was` and
            `_was_fold`, a row stays where it was in the version before.
        groups: rows equal in all these columns are a group; rows null in all are on their own.
        by: columns whose values are spread alike over the sides, as in `split.stratified`.
        train, validation, test: the shares, which add up to 1.
        bins: number of quantile bins of a number in `by`.
        folds: deal the groups of train and validation to so many folds too.
        seed: another seed gives another split.

    Returns and raises what `split.random` does; empty `groups` are refused.

    >>> rows = pl.DataFrame({"buyer": ["a", "b", "a", "c"], "x": [1, 2, 3, 4]})
    >>> sides = grouped(rows, groups=["buyer"])["split"]
    >>> sides[0] == sides[2]
    True
    """
    if not groups:
        raise RecipeError("split.grouped: `groups` is empty.", allowed=table.columns)
    sides = {"train": train, "validation": validation, "test": test}
    if not by:
        return random(table, **sides, groups=groups, folds=folds, seed=seed)
    return stratified(table, by=by, **sides, bins=bins, groups=groups, folds=folds, seed=seed)


def stratified(  # noqa: PLR0913 - each is a word of its own in a recipe
    table: Table,
    *,
    by: Columns,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    bins: int = 10,
    groups: Keys | None = None,
    folds: int | None = None,
    seed: int = 0,
) -> Decisions:
    """Split so that every stratum is shared out alike: each side gets its share to a row or two.

    Within a stratum, rows are ordered by their random numbers and cut at the shares; rounding is
    carried over from stratum to stratum, so that rare strata do not all fall to the training
    rows and totals are met too. With `_was`, old rows stay and the new rows of a stratum are cut
    so that all its rows together meet the shares as nearly as the new ones can make them.

    Args:
        table: any frame; with `_cluster`, the rows of a cluster stay together, and with `_was`
            and `_was_fold`, a row stays where it was in the version before.
        by: columns; together their values are a stratum, null being a value of its own.
        train, validation, test: the shares, which add up to 1.
        bins: a number or time with more distinct values is cut at its quantiles into so many.
        groups: rows equal in all these columns stay together, in the stratum that most of them
            are in; shares then are met to within one group.
        folds: deal the rows of train and validation to so many folds too, each stratum alike.
        seed: another seed gives another split.

    Returns and raises what `split.random` does, without `threshold`; no bins are refused.

    >>> rows = pl.DataFrame({"stars": [1, 5] * 50, "x": range(100)})
    >>> parts = rows.with_columns(stratified(rows, by=["stars"])["split"])
    >>> parts.group_by("split", "stars").len().sort("split", "stars")["len"].to_list()
    [5, 5, 40, 40, 5, 5]
    """
    cuts = shares.cuts(train, validation, test)
    groups = groups or []
    if bins < 1 or not by:
        raise RecipeError(
            "split.stratified needs columns in `by` and at least one bin.",
            received={"by": by, "bins": bins},
        )
    strata = shares.strata(table, by, bins)
    was = shares.former(table, _WAS, shares.SIDES)
    if was is None:
        unit = units(table, groups)
        whole = shares.whole(unit, strata, seed, "split")
        whole = whole.with_columns(side=shares.dealt(whole, cuts, seed))
        found = pl.DataFrame({"unit": unit}).join(
            whole, on="unit", how="left", maintain_order="left"
        )
        decided = shares.decisions(found["side"], found["number"].to_numpy(), None)
    else:
        before = places(table, groups, was)
        takes = (~before.joins).arg_true()
        dealt = shares.dealt_beside(
            strata[takes],
            units(table[takes], groups),
            before.place[takes],
            np.diff(cuts, prepend=0.0),
            seed,
            "split",
        )
        number = pl.repeat(None, table.height, dtype=pl.Float64, eager=True)
        number = number.clone().scatter(takes, dealt["number"])
        side = before.place.clone().scatter(takes, dealt["part"])
        decided = shares.settled(
            shares.decisions(side, number.to_numpy(), None), before, drawn=True
        )
    return in_folds.stratified(table, decided, strata, groups, folds, seed)


def temporal(
    table: Table,
    *,
    by: Column,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    gap: float | str | None = None,
    groups: Keys | None = None,
    folds: int | None = None,
) -> Decisions:
    """Split by time: the training rows come first, then validation, then test.

    Rows of equal time stay together, so shares are met as nearly as ties allow. Rows of a group
    or cluster all go where the latest of them goes; no training row is ever later than a
    validation or test cut.

    With `_was`, the cuts stay where the old rows show that they were, so that later rows all go
    to test and shares are not met any more; change a share when it is time to learn from what was
    test, which splits anew. A new row that is later than the side that its group
    is on joins two sides.

    Args:
        table: any frame; with `_cluster`, the rows of a cluster stay together, and with `_was`
            and `_was_fold`, a row stays where it was in the version before.
        by: a column of times, dates or numbers.
        train, validation, test: the shares, which add up to 1.
        gap: rows less than this before a cut are set aside, so that nothing learned overlaps
            what is tested: a number in the unit of `by`, or for times `7d`, `1d12h`, `30m`
            (weeks w, days d, hours h, minutes m, seconds s).
        groups: rows equal in all these columns stay together; rows null in all are on their own.
        folds: cut the rows of train and validation into so many folds in the order of time.

    Returns:
        One decision a row: `split`, or `rule` `no time` or `gap` for rows that are set aside,
        `threshold` the cut that the gap lies before. Times are counted as numbers. `fold`,
        `twin` and the rule `joins two sides` as in `split.random`.

    Raises:
        RecipeError: shares that do not add up to 1, fewer than two folds, or a column or gap
            that is no time.

    >>> rows = pl.DataFrame({"day": [3, 1, 2, 5, 4]})
    >>> temporal(rows, by="day", train=0.6, validation=0.2, test=0.2)["split"].to_list()
    ['train', 'train', 'train', 'test', 'validation']
    """
    cuts = shares.cuts(train, validation, test)
    groups = groups or []
    when = times.times(table, by)
    width = times.width(gap, table.schema[by])
    was = shares.former(table, _WAS, shares.SIDES)
    before = None if was is None else places(table, groups, was)
    moment = _moments(table, when, groups, was, before)
    known = ~np.isnan(moment)
    bounds = times.bounds(moment, cuts[:2])
    if before is not None and was is not None:
        old = was.is_not_null().to_numpy()
        bounds = times.implied(moment[old], was.drop_nulls().to_numpy(), bounds)
    side = pl.Series(np.searchsorted(bounds, moment, "right"), dtype=pl.Int64)
    cut = np.full(len(table), np.nan)
    for bound in bounds[np.isfinite(bounds)] if width else ():
        cut[known & (moment < bound) & (moment > bound - width)] = bound
    if before is not None:
        before, side, stays = _in_place(before, side, known)
        cut[stays] = np.nan
        known = known | stays
    decisions = shares.decisions(side, moment, None)
    decisions = decisions.with_columns(threshold=pl.Series(cut).fill_nan(None))
    gone = pl.when(pl.Series(~known)).then(pl.lit("no time"))
    decisions = decisions.with_columns(
        rule=gone.when(pl.col("threshold").is_not_null()).then(pl.lit("gap"))
    )
    decided = decisions.with_columns(split=pl.when(pl.col("rule").is_null()).then(pl.col("split")))
    if before is not None:
        decided = shares.settled(decided, before, drawn=False)
    return in_folds.temporal(table, decided, moment, groups, folds)


def _moments(
    table: pl.DataFrame,
    when: pl.Series,
    groups: list[str],
    was: pl.Series | None,
    before: Places | None,
) -> times.Floats:
    """When each row takes place: with the latest row of its unit."""
    if before is None:
        latest = pl.DataFrame({"unit": units(table, groups), "time": when})
        return latest.select(pl.col("time").max().over("unit")).to_series().to_numpy()
    # Old rows count together as far as they are on one side. A new row that belongs to them
    # counts alone, so that it alone is set aside where it comes too late for their side.
    found = when
    for rows, side in ((before.old, was), (before.place.is_null() & ~before.joins, None)):
        line = pl.DataFrame({"unit": units(table.filter(rows), groups), "time": when.filter(rows)})
        line = line.with_columns(side=pl.lit(None) if side is None else side.filter(rows))
        found = found.clone().scatter(
            rows.arg_true(), line.select(pl.col("time").max().over("unit", "side")).to_series()
        )
    return found.to_numpy()


def _in_place(
    before: Places, side: pl.Series, known: np.ndarray
) -> tuple[Places, pl.Series, np.ndarray]:
    """The places and sides with time looked at, and the rows that no gap concerns."""
    ahead = (before.place > side).fill_null(False) | pl.Series(~known)
    late = ~before.old & ~ahead & (before.place < side).fill_null(False)
    place = before.place.set(late, None)
    stays = before.old | (ahead & place.is_not_null())
    found = Places(place, before.old, before.joins | late, before.twin)
    return found, place.fill_null(side), stays.to_numpy()
