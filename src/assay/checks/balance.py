"""Classes and groups of which there are too few, or too many."""

from __future__ import annotations

from typing import Annotated

import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, counted, places, quoted

__all__ = ["classes", "groups"]

# Rows below which no model learns a class and no test tells how well.
FEW = 10


def classes(
    data: Inspected, *, ratio: float = 10.0
) -> Annotated[list[Finding], Code("F701", "warning")]:
    """Classes of the target that are far rarer than the most frequent one.

    A model that never names them is right most of the time. Stratify the split, weigh classes or
    sample them with `balance.classes`, and judge by balanced accuracy or by each class's recall.

    Args:
        ratio: how many times rarer than the most frequent class a rare one is.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"x": range(120), "y": ["no"] * 110 + ["yes"] * 10})
    >>> print(inspect(rows, target="y", checks=["classes"]).results[0].findings[0].says)
    'yes' has 10 rows, 11 times fewer than 'no'.
    """
    if data.target is None or data.task != "class":
        raise NotApplicable("there is no target of classes; name one with `target`")
    counts = data.counts(data.target)
    if counts.height < 2:
        says = f"All rows that have a class have the same: {quoted(counts['text'])}."
        return [Finding(says, "Name another target: there is nothing to learn.", data.target,
                        severity="error")]  # fmt: skip
    most, rows = counts.row(0)
    scarce = counts.with_row_index("code").filter(
        (pl.col("count") * ratio <= rows) | (pl.col("count") < FEW)
    )
    if scarce.is_empty():
        return []
    name, least = scarce.row(-1)[1:]
    times = rows / least
    says = f"{quoted([name])} has {least:,} rows, {times:.0f} times fewer than {quoted([most])}."
    if scarce.height > 1:
        says = (
            f"{scarce.height:,} of {counts.height:,} classes are rare, the rarest "
            f"{quoted([name])} with {least:,} rows; {quoted([most])} has {rows:,}."
        )
    rare = scarce["code"].to_list()
    return [
        Finding(
            says=says,
            action="Stratify the split, and weigh or sample the classes with `balance.classes`.",
            field=data.target,
            rows=places(pl.Series(data.codes(data.target)).is_in(rare)),
            measured={
                "ratio": times,
                "classes": dict(scarce.select("text", "count").head(20).iter_rows()),
            },
            step={"balance.classes": {"target": data.target}},
        )
    ]


def groups(
    data: Inspected, *, share: float = 0.01, at_least: int = 30
) -> Annotated[list[Finding], Code("F702", "note")]:
    """Groups of rows that are too small to learn from, or that know one class of the target only.

    A model does as it likes on groups that it hardly saw, and no test will tell. Collect more of
    them, join them, or judge each group by itself.

    Args:
        share: of the rows, below which a group is small.
        at_least: rows from which on a group is never small.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"x": range(900), "shop": ["a"] * 500 + ["b"] * 395 + ["c"] * 5,
    ...                      "y": ["no", "yes"] * 450})
    >>> inspect(rows, target="y", checks=["groups"]).results[0].findings[0].measured["groups"]
    {'c': 5}
    """
    if data.target is None:
        raise NotApplicable("there is no target; name one with `target`")
    fields = [
        name for name in data.categories
        if name != data.target and 2 <= data.counts(name).height <= 30
    ]  # fmt: skip
    if not fields:
        raise NotApplicable("there is no field of few groups")
    found: list[Finding] = []
    for name in fields:
        counts = data.counts(name).with_row_index("code")
        total = int(counts["count"].sum())
        small = counts.filter(pl.col("count") < min(at_least, share * total))
        if not small.is_empty():
            found.append(
                _finding(data, name, small, f"{small.height:,} of {counts.height:,} groups have "
                         f"fewer than {min(at_least, share * total):.0f} rows")
            )  # fmt: skip
        if data.task == "class":
            found += _one_sided(data, name, counts)
    return found


def _one_sided(data: Inspected, name: str, counts: pl.DataFrame) -> list[Finding]:
    target = str(data.target)
    pairs = pl.DataFrame({"code": data.codes(name), "y": data.codes(target)})
    pairs = pairs.filter((pl.col("code") >= 0) & (pl.col("y") >= 0))
    seen = pairs.group_by("code").agg(classes=pl.col("y").n_unique(), only=pl.col("y").first())
    shares = pairs.group_by("y").agg(share=pl.len() / max(1, pairs.height))
    told = (
        counts.join(seen, on="code", how="inner").filter(pl.col("classes") == 1)
        .join(shares, left_on="only", right_on="y")
        # A group as large as this would have another class as well, but for one chance in 1000.
        .filter(pl.col("share") ** pl.col("count") < 0.001 / max(1, counts.height))
        .sort("code")
    )  # fmt: skip
    if told.is_empty():
        return []
    return [
        _finding(
            data,
            name,
            told,
            f"{counted(told.height, 'group knows', 'groups know')} one class of {target!r} only",
        )
    ]


def _finding(data: Inspected, name: str, told: pl.DataFrame, what: str) -> Finding:
    return Finding(
        says=f"{what}: {quoted(told['text'])}.",
        action="Collect more of them, join them, or judge each group by itself.",
        field=name,
        rows=places(pl.Series(data.codes(name)).is_in(told["code"].to_list())),
        measured={"groups": dict(told.select("text", "count").head(20).iter_rows())},
    )
