"""Values that cannot be, and values that hardly ever are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Annotated

import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, counted, places, quoted

__all__ = ["impossible", "rare"]

_NEVER_NEGATIVE = re.compile(
    r"(?:^|[ _.-])(?:prices?|cost|fees?|salary|income|counts?|quantity|qty|num|age|ages|weight|"
    r"height|width|length|duration|distance|population|votes|reviews|ratings?|stars|ounces|hours|"
    r"minutes|days|weeks|months|years|year|rooms|bedrooms|bathrooms|sqft|area|size|speed|stock|"
    r"employees|children|visits|clicks|downloads|mileage|calories|percent|pct|percentage)"
    r"(?:$|[ _.-])",
    re.I,
)
# Names of fields, and what their values lie between.
_BOUNDS: tuple[tuple[str, float, float], ...] = (
    (r"(?:^|[ _.-])age(?:$|[ _.-](?:years?|yrs)?$)", 0, 125),
    (r"(?:^|[ _.-])(?:percent|percentage|pct)(?:$|[ _.-])|%", 0, 100),
    (r"^(?:lat|latitude)$|(?:^|[ _.-])latitude$", -90, 90),
    (r"^(?:lon|lng|long|longitude)$|(?:^|[ _.-])longitude$", -180, 180),
    (r"(?:^|[ _.-])(?:hours[ _.-]?per[ _.-]?week)$", 0, 168),
    (r"^(?:month|birth[ _.-]?month)$", 1, 12),
    (r"^(?:day[ _.-]?of[ _.-]?month)$", 1, 31),
    (r"(?:^|[ _.-])(?:year|yr)(?:$|[ _.-](?:built|of[ _.-]birth)$)|^birth[ _.-]?year$", 1000, 2200),
    (r"(?:^|[ _.-])ph$", 0, 14),
)
# Where more of the values lie outside, the name means something else.
FEW = 0.05
ENOUGH = 20


def impossible(
    data: Inspected, *, today: date | None = None
) -> Annotated[list[Finding], Code("F109", "error")]:
    """Values that cannot be: negative prices, percentages above 100, dates that are yet to come.

    What a field is about is read off its name, its unit and the contract, and off the values: where
    all others are positive and none is near zero, a negative one is a slip of the sign. Correct
    them, and give the field its `min` and `max` in the contract.

    Args:
        today: the day after which dates are in the future; the present day when not given.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"price": [5.0, 12.5, 7.0, -3.0] * 8, "percent": [10, 20, 30, 130] * 8})
    >>> [one.field for one in inspect(rows, checks=["impossible"]).results[0].findings]
    ['price', 'percent']
    """
    found: list[Finding] = []
    for name in data.numbers:
        seen = pl.Series([False]).new_from_index(0, data.rows.height)
        for bad, why, measured in _numbers(data, name):
            new = bad & ~seen
            seen = seen | bad
            if new.any():
                found.append(_finding(data, name, new, why, measured))
    for name, spec in data.fields.items():
        if spec.type == "datetime":
            found += _future(data, name, today)
    return found


def _finding(
    data: Inspected, name: str, bad: pl.Series, why: str, measured: dict[str, float]
) -> Finding:
    shown = data.written[name].filter(bad).unique(maintain_order=True)
    return Finding(
        says=f"{int(bad.sum()):,} values {why}: {quoted(shown)}.",
        action="Correct them, and bound the field with `min` and `max` in the contract.",
        field=name,
        rows=places(bad),
        measured=measured,
    )


def _numbers(data: Inspected, name: str) -> Iterator[tuple[pl.Series, str, dict[str, float]]]:
    spec = data.fields[name]
    values = data.rows[name].cast(pl.Float64)
    count = values.count()
    if not count:
        return
    if isinstance(spec.min, int | float):
        yield (values < spec.min).fill_null(False), f"are below {spec.min:g}", {"min": spec.min}
    if isinstance(spec.max, int | float):
        yield (values > spec.max).fill_null(False), f"are above {spec.max:g}", {"max": spec.max}
    for words, low, high in _BOUNDS:
        if re.search(words, name, re.I) or ("percent" in words and spec.unit == "percent"):
            bad = ((values < low) | (values > high)).fill_null(False)
            if bad.sum() <= 0.3 * count:
                yield bad, f"do not lie between {low:g} and {high:g}", {"min": low, "max": high}
    negative = (values < 0).fill_null(False)
    share = float(negative.sum()) / count
    if _NEVER_NEGATIVE.search(name) and share <= 0.3:
        yield negative, "are negative, which what the name says cannot be", {"min": 0.0}
    elif 0 < share <= 0.01 and count >= ENOUGH and data.counts(name).height >= 10:
        rest = values.filter(~negative).drop_nulls()
        middle, least = float(rest.quantile(0.5) or 0.0), float(rest.min() or 0.0)  # type: ignore[arg-type]
        if least > 0:
            # Where values thin out towards zero some fall below it; where they end before, none.
            near = int((rest < 0.1 * middle).sum())
            ends = near < 0.2 * int(negative.sum())
            # Only what is as far below zero as the others are above it changed its sign.
            flipped = (values <= -(least if ends else max(least, middle))).fill_null(False)
            yield flipped, "are negative, and no other comes near zero", {"least": least}


def _future(data: Inspected, name: str, today: date | None) -> list[Finding]:
    values = data.rows[name].cast(pl.Datetime("us"))
    limit = datetime.combine(today or date.today(), datetime.min.time()) + timedelta(days=2)
    bad = (values > limit).fill_null(False)
    count = values.count()
    # Where many are to come, it is a plan.
    if not bad.any() or count < ENOUGH or bad.sum() > FEW * count:
        return []
    return [_finding(data, name, bad, "are dates in the future", {"count": int(bad.sum())})]


def rare(
    data: Inspected, *, share: float = 0.001
) -> Annotated[list[Finding], Code("F110", "note")]:
    """Values of a category that hardly any row has.

    No model learns anything of a value that few rows have, and no test can tell how well. Join
    them to "other", or check that they are not slips of the pen.

    Args:
        share: of the rows, below which a value is rare; one with five rows or more is not.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"kind": ["a", "b"] * 100 + ["c"]})
    >>> inspect(rows, checks=["rare"]).cells()["value"].to_list()
    ['c']
    """
    if data.rows.height < 100:
        raise NotApplicable("there are fewer than 100 rows")
    found: list[Finding] = []
    for name in data.categories:
        counts = data.counts(name)
        most = max(2.0, min(5.0, share * data.rows.height))
        few = counts.with_row_index("code").filter(pl.col("count") <= most - 1)
        # Where most values are rare, rare is what they are.
        if few.is_empty() or few.height > 0.2 * counts.height + 1:
            continue
        hit = pl.Series(data.codes(name)).is_in(few["code"].to_list())
        found.append(
            Finding(
                says=f"{few.height:,} of {counted(counts.height, 'value', 'values')} in at most "
                f"{counted(round(most - 1), 'row', 'rows')} each: {quoted(few['text'])}.",
                action="Join them to one value, or check that they are not slips of the pen.",
                field=name,
                rows=places(hit),
                measured={"values": few.height, "rows": int(hit.sum())},
            )
        )
    return found
