"""Splits into train, validation and test.

What is dealt to a side is a group of rows where groups are named, a cluster of duplicates where
`_cluster` is there, and otherwise a row. None is ever on two sides.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.component import Column, Columns, Decisions, Keys, Table
from assay.errors import RecipeError, nearest
from assay.rows import content_hash, key_hash, row_ids, uniform

__all__ = ["grouped", "random", "stratified", "temporal"]

_SIDES = ("train", "validation", "test")
_CLUSTER = "_cluster"
_SECONDS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[np.uint64]


def random(
    table: Table,
    *,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    groups: Keys | None = None,
    seed: int = 0,
) -> Decisions:
    """Split by each row's own random number, so that a row never changes sides as data grows.

    The number is compared to the shares, which the split therefore meets on average: a share p
    of n rows comes out within about 2 sqrt(p (1 - p) n) rows. Use `split.stratified` where small
    data needs it closer.

    Args:
        table: any frame; with `_cluster`, the rows of a cluster stay together.
        train, validation, test: the shares, which add up to 1.
        groups: rows equal in all these columns stay together; rows null in all are on their own.
        seed: another seed gives another split.

    Returns:
        One decision a row: `split`, `value` the random number, `threshold` the number at which
        the row's side ends.

    Raises:
        RecipeError: shares that do not add up to 1, or an unknown column.

    >>> rows = pl.DataFrame({"x": range(1000)})
    >>> random(rows)["split"].value_counts().sort("split")["count"].to_list()
    [91, 804, 105]
    """
    cuts = _cuts(train, validation, test)
    number = uniform(_units(table, groups or []), seed, "split")
    return _decisions(np.searchsorted(cuts[:2], number, "right"), number, cuts)


def grouped(
    table: Table,
    *,
    groups: Keys,
    by: Columns | None = None,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    bins: int = 10,
    seed: int = 0,
) -> Decisions:
    """Split so that rows of one group are on one side.

    Without `by`, a group's side depends on the group alone and stays as data grows; shares of
    rows are met on average over groups. With `by` it is `split.stratified` of groups.

    Args:
        table: any frame; with `_cluster`, clusters stay together too.
        groups: rows equal in all these columns are a group; rows null in all are on their own.
        by: columns whose values are spread alike over the sides, as in `split.stratified`.
        train, validation, test: the shares, which add up to 1.
        bins: number of quantile bins of a number in `by`.
        seed: another seed gives another split.

    Returns and raises what `split.random` does; empty `groups` are refused.

    >>> rows = pl.DataFrame({"buyer": ["a", "b", "a", "c"], "x": [1, 2, 3, 4]})
    >>> sides = grouped(rows, groups=["buyer"])["split"]
    >>> sides[0] == sides[2]
    True
    """
    if not groups:
        raise RecipeError("split.grouped: `groups` is empty.", allowed=table.columns)
    shares = {"train": train, "validation": validation, "test": test}
    if not by:
        return random(table, **shares, groups=groups, seed=seed)
    return stratified(table, by=by, **shares, bins=bins, groups=groups, seed=seed)


def stratified(
    table: Table,
    *,
    by: Columns,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    bins: int = 10,
    groups: Keys | None = None,
    seed: int = 0,
) -> Decisions:
    """Split so that every stratum is shared out alike: each side gets its share to a row or two.

    Within a stratum, rows are ordered by their random numbers and cut at the shares; rounding is
    carried over from stratum to stratum, so that rare strata do not all fall to the training
    rows and totals are met too. The price of meeting shares exactly: when data grows, the rows
    whose numbers lie next to a cut change sides. `split.random` never changes a row's side.

    Args:
        table: any frame; with `_cluster`, the rows of a cluster stay together.
        by: columns; together their values are a stratum, null being a value of its own.
        train, validation, test: the shares, which add up to 1.
        bins: a number or time with more distinct values is cut at its quantiles into so many.
        groups: rows equal in all these columns stay together, in the stratum that most of them
            are in; shares then are met to within one group.
        seed: another seed gives another split.

    Returns and raises what `split.random` does, without `threshold`; no bins are refused.

    >>> rows = pl.DataFrame({"stars": [1, 5] * 50, "x": range(100)})
    >>> parts = rows.with_columns(stratified(rows, by=["stars"])["split"])
    >>> parts.group_by("split", "stars").len().sort("split", "stars")["len"].to_list()
    [5, 5, 40, 40, 5, 5]
    """
    cuts = _cuts(train, validation, test)
    if bins < 1 or not by:
        raise RecipeError(
            "split.stratified needs columns in `by` and at least one bin.",
            received={"by": by, "bins": bins},
        )
    strata = content_hash(pl.DataFrame([_stratum(table, name, bins) for name in dict.fromkeys(by)]))
    rows = pl.DataFrame({"unit": _units(table, groups or []), "stratum": strata})
    units = rows.group_by("unit", "stratum").len("rows")
    # A unit belongs to the stratum most of its rows are in; of equal ones, to the lower hash.
    units = units.sort(["unit", "rows", "stratum"], descending=[False, True, False])
    units = units.group_by("unit", maintain_order=True).agg(
        pl.col("stratum").first(), pl.col("rows").sum()
    )
    units = units.with_columns(number=uniform(units["unit"], seed, "split"))
    units = units.sort(["stratum", "number", "unit"])
    units = units.with_columns(side=_dealt(units, cuts, seed))
    found = rows.join(units, on="unit", how="left", maintain_order="left")
    return _decisions(found["side"].to_numpy(), found["number"].to_numpy(), None)


def temporal(
    table: Table,
    *,
    by: Column,
    train: float = 0.8,
    validation: float = 0.1,
    test: float = 0.1,
    gap: float | str | None = None,
    groups: Keys | None = None,
) -> Decisions:
    """Split by time: the training rows come first, then validation, then test.

    Rows of equal time stay together, so shares are met as nearly as ties allow. Rows of a group
    or cluster all go where the latest of them goes; no training row is ever later than a
    validation or test cut.

    Args:
        table: any frame; with `_cluster`, the rows of a cluster stay together.
        by: a column of times, dates or numbers.
        train, validation, test: the shares, which add up to 1.
        gap: rows less than this before a cut are set aside, so that nothing learned overlaps
            what is tested: a number in the unit of `by`, or for times `7d`, `1d12h`, `30m`
            (weeks w, days d, hours h, minutes m, seconds s).
        groups: rows equal in all these columns stay together; rows null in all are on their own.

    Returns:
        One decision a row: `split`, or `rule` `no time` or `gap` for rows that are set aside,
        `threshold` the cut that the gap lies before. Times are counted as numbers.

    Raises:
        RecipeError: shares that do not add up to 1, or a column or gap that is no time.

    >>> rows = pl.DataFrame({"day": [3, 1, 2, 5, 4]})
    >>> temporal(rows, by="day", train=0.6, validation=0.2, test=0.2)["split"].to_list()
    ['train', 'train', 'train', 'test', 'validation']
    """
    cuts = _cuts(train, validation, test)
    times = _times(table, by)
    width = _width(gap, table.schema[by])
    units = _units(table, groups or [])
    latest = pl.DataFrame({"unit": units, "time": times.fill_nan(None)})
    moment = latest.select(pl.col("time").max().over("unit")).to_series().to_numpy()
    known = ~np.isnan(moment)
    ordered = np.sort(moment[known])
    bounds = np.array([_bound(ordered, cut) for cut in cuts[:2]])
    bounds[1] = max(bounds[0], bounds[1])
    side = np.searchsorted(bounds, moment, "right")
    cut = np.full(len(table), np.nan)
    for bound in bounds[np.isfinite(bounds)] if width else ():
        cut[known & (moment < bound) & (moment > bound - width)] = bound
    decisions = _decisions(side, moment, None).with_columns(threshold=pl.Series(cut).fill_nan(None))
    gone = pl.when(pl.col("value").is_null()).then(pl.lit("no time"))
    decisions = decisions.with_columns(
        rule=gone.when(pl.col("threshold").is_not_null()).then(pl.lit("gap"))
    )
    return decisions.with_columns(split=pl.when(pl.col("rule").is_null()).then(pl.col("split")))


def _cuts(train: float, validation: float, test: float) -> Floats:
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


def _decisions(side: npt.NDArray[np.intp], value: Floats, cuts: Floats | None) -> pl.DataFrame:
    """`side` counts from 0; `cuts` are where the sides end, on the scale of `value`."""
    names = pl.Series(_SIDES).gather(pl.Series(side.astype(np.int64)))
    ends = [None] * len(side) if cuts is None else cuts[side]
    return pl.DataFrame(
        {
            "rule": pl.Series([None], dtype=pl.String).new_from_index(0, len(side)),
            "value": pl.Series(value, dtype=pl.Float64).fill_nan(None),
            "threshold": pl.Series(ends, dtype=pl.Float64),
            "split": names,
        }
    )


def _dealt(units: pl.DataFrame, cuts: Floats, seed: int) -> pl.Series:
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


def _rounded(totals: Floats, share: float, start: float) -> Floats:
    """Whole numbers within one of each total times the share, and of every run of them."""
    # The nudge keeps 0.8 * 10 whole; without it rounding noise could move a row.
    running = np.floor(np.cumsum(totals) * share + min(start, 1 - 1e-6) + 1e-9)
    whole: Floats = np.diff(running, prepend=0.0)
    return whole


def _units(table: pl.DataFrame, groups: list[str]) -> Ids:
    """One hash a row, equal for rows that must stay together."""
    own = row_ids(table).to_numpy().astype(np.uint64)
    group = _group_hash(table, groups)
    cluster = table[_CLUSTER].cast(pl.UInt64) if _CLUSTER in table.columns else None
    if group is not None and cluster is not None:
        return _joined(own, group, cluster)
    only = group if group is not None else cluster
    if only is None:
        return own
    return np.where(only.is_null().to_numpy(), own, only.fill_null(0).to_numpy())


def _group_hash(table: pl.DataFrame, groups: list[str]) -> pl.Series | None:
    if not groups:
        return None
    for name in groups:
        _present(table, name)
    # A build hands over hashes of the keys; a user's own frame is hashed alike.
    hashes = [
        (table[name] if table.schema[name] == pl.UInt128 else key_hash(table, [name])).alias(name)
        for name in groups
    ]
    frame = pl.DataFrame(hashes)
    return content_hash(frame).set(frame.select(pl.all_horizontal(pl.all().is_null()))[:, 0], None)


def _joined(own: Ids, group: pl.Series, cluster: pl.Series) -> Ids:
    """Groups that share a cluster are one unit, and so on: connected components."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    both = pl.DataFrame({"own": own, "group": group, "cluster": cluster})
    places = [pl.col(name).rank("dense").fill_null(0).cast(pl.Int64) for name in both.columns]
    codes = both.select(places)
    # Nodes in this order: groups, clusters, rows. A row without a group or cluster (code 0) is
    # joined to itself only.
    sizes = [int(codes[name].to_numpy().max(initial=0)) for name in ("group", "cluster")]
    row_node = codes["own"].to_numpy() + sum(sizes)
    edges = []
    for name, offset in (("group", 0), ("cluster", sizes[0])):
        code = codes[name].to_numpy()
        edges.append(np.stack([row_node, np.where(code > 0, code + offset, row_node)]))
    source, target = np.concatenate(edges, axis=1)
    size = int(row_node.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(source), dtype=np.int8), (source, target)), (size, size))
    component = connected_components(graph, directed=False)[1][row_node]
    # Named by its lowest group, so that a later row changes nothing unless it joins two units.
    names = both.with_columns(component=component, name=pl.coalesce("group", "cluster", "own"))
    return (
        names.select(pl.coalesce(pl.col("group").min().over("component"), "name"))
        .to_series()
        .to_numpy()
    )


def _present(table: pl.DataFrame, name: str) -> None:
    if name not in table.columns:
        raise RecipeError(
            f"split: there is no column {name!r}.",
            allowed=table.columns,
            hint=nearest(name, table.columns),
        )


def _stratum(table: pl.DataFrame, name: str, bins: int) -> pl.Series:
    """The column as it is, or a number of many values by its quantile bin."""
    _present(table, name)
    column = table[name]
    counted = column.dtype.is_numeric() and column.dtype != pl.UInt128
    if not (counted or column.dtype.is_temporal()) or column.n_unique() <= bins:
        return column
    values = _numbers(column).fill_nan(None)
    finite = values.filter(values.is_finite())
    edges = np.unique(np.quantile(finite.to_numpy(), np.arange(1, bins) / bins))
    places = np.searchsorted(edges, values.fill_null(0.0).to_numpy(), "right")
    return pl.select(pl.when(values.is_not_null()).then(pl.Series(places))).to_series().alias(name)


def _numbers(column: pl.Series) -> pl.Series:
    physical = column.to_physical() if column.dtype.is_temporal() else column
    return physical.cast(pl.Float64)


def _times(table: pl.DataFrame, by: str) -> pl.Series:
    _present(table, by)
    column = table[by]
    if column.dtype.is_temporal() or (column.dtype.is_numeric() and column.dtype != pl.UInt128):
        return _numbers(column)
    raise RecipeError(
        f"split.temporal: the column {by!r} is no time and no number.",
        received=str(column.dtype),
        hint=f"declare it under `fields`: {by}: {{type: datetime}}",
    )


def _width(gap: float | str | None, dtype: pl.DataType) -> float:
    """The gap in the physical unit of the time column."""
    if gap is None:
        return 0.0
    if isinstance(gap, str):
        found = re.findall(r"([0-9]+(?:\.[0-9]+)?) *([wdhms]) *|(.)", gap)
        if (
            found
            and not any(rest for *_, rest in found)
            and isinstance(dtype, pl.Datetime | pl.Duration | pl.Date)
        ):
            seconds = sum(float(count) * _SECONDS[unit] for count, unit, _ in found)
            if isinstance(dtype, pl.Date):
                return seconds / 86400
            return seconds * {"ms": 1e3, "us": 1e6, "ns": 1e9}[dtype.time_unit]
    elif gap >= 0 and np.isfinite(gap) and dtype.is_numeric():
        return float(gap)
    raise RecipeError(
        "split.temporal: the gap does not fit the column.",
        received=gap,
        allowed="for times `7d`, `1d12h`, `30m`; for numbers a number of 0 or more",
    )


def _bound(ordered: Floats, cut: float) -> float:
    """The time at which a side ends, at the border between two times next to the share."""
    count = len(ordered)
    place = round(cut * count)
    if place >= count:
        return np.inf
    low, high = (int(np.searchsorted(ordered, ordered[place], end)) for end in ("left", "right"))
    place = low if place - low <= high - place else high
    return float(ordered[place]) if place < count else np.inf
