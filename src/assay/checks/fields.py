"""Fields that tell nothing: one value in every row, or another in each."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, places, quoted

__all__ = ["constant", "copied", "near_unique"]

# So many rows must be seen before it is odd that all of a field's values differ, or none does.
ENOUGH = 20


def constant(
    data: Inspected, *, share: float = 0.999
) -> Annotated[list[Finding], Code("F103", "note")]:
    """Fields that hold the same value in nearly all rows.

    Such a field tells models nothing and costs time; where a few rows differ, they may be errors.
    Drop the field, or look at the few rows.

    Args:
        share: of the rows with a value, how many must agree.

    >>> import polars as pl
    >>> from assay import inspect
    >>> rows = pl.DataFrame({"a": ["x"] * 30, "b": range(30)})
    >>> [one.field for one in inspect(rows, checks=["constant"]).results[0].findings]
    ['a']
    """
    _enough(data)
    found: list[Finding] = []
    for name in data.fields:
        counts = data.counts(name)
        filled = int(counts["count"].sum())
        if filled < ENOUGH:
            continue
        value, most = counts.row(0)
        if most < share * filled:
            continue
        others = filled - most
        says = f"Holds {quoted([value])} in all {filled:,} rows that have a value."
        if others:
            says = f"Holds {quoted([value])} in {most:,} of {filled:,} rows; {others:,} differ."
        found.append(
            Finding(
                says=says,
                action="Drop the field, or look at the rows that differ." if others
                else "Drop the field: it tells the rows apart in nothing.",
                field=name,
                rows=places(data.codes(name) > 0) if others else None,
                measured={"value": value[:200], "rows": most, "filled": filled},
            )
        )  # fmt: skip
    return found


def near_unique(
    data: Inspected, *, share: float = 0.99
) -> Annotated[list[Finding], Code("F104", "note")]:
    """Fields in which nearly every row has a value of its own, so that models only memorise it.

    Keys, codes and numbers that count the rows: leave them out of the inputs, or make them the
    recipe's `id`. Free text and measured numbers are not meant.

    Args:
        share: how many of the values must differ from all others.

    >>> import polars as pl
    >>> from assay import inspect
    >>> rows = pl.DataFrame({"id": [f"k{n}" for n in range(30)], "b": [1, 2] * 15})
    >>> [one.field for one in inspect(rows, checks=["near_unique"]).results[0].findings]
    ['id']
    """
    _enough(data)
    found: list[Finding] = []
    for name, spec in data.fields.items():
        counts = data.counts(name)
        filled = int(counts["count"].sum())
        if spec.type not in ("integer", "string", "category") or filled < ENOUGH:
            continue
        if counts.height < share * filled or name == data.target:
            continue
        if spec.type != "integer":
            words = counts["text"].str.count_matches(r"\S+").mean()
            if isinstance(words, float) and words >= 1.5:
                continue
        twice = int((counts["count"] > 1).sum())
        whole = counts.height == data.rows.height
        says = f"All {filled:,} values differ." if whole else (
            f"{counts.height:,} different values in {filled:,} rows."
        )  # fmt: skip
        if twice:
            says += f" {twice:,} of them stand in more than one row."
        repeated = np.asarray(counts["count"].to_numpy() > 1)
        codes = data.codes(name)
        found.append(
            Finding(
                says=says,
                action="Leave it out of the inputs; if it names the rows, make it the `id`.",
                field=name,
                rows=places((codes >= 0) & repeated[codes]) if twice else None,
                measured={"distinct": counts.height, "filled": filled},
            )
        )
    return found


def copied(data: Inspected) -> Annotated[list[Finding], Code("F106", "note")]:
    """Fields that say the same as another field in every row, under the same or other words.

    Two fields that determine each other exactly are one field twice. Keep one of them: copies
    share their weight in models, and make explanations of models arbitrary.

    >>> import polars as pl
    >>> from assay import inspect
    >>> rows = pl.DataFrame({"a": [1, 2, 3] * 10, "b": ["x", "y", "z"] * 10})
    >>> [one.field for one in inspect(rows, checks=["copied"]).results[0].findings]
    ['b']
    """
    _enough(data)
    if len(data.fields) < 2:
        raise NotApplicable("there is one field only")
    first: dict[bytes, str] = {}
    found: list[Finding] = []
    for name in data.fields:
        codes = data.codes(name)
        if data.counts(name).height < 2 or data.counts(name).height > 0.9 * data.rows.height:
            continue
        # Numbered in order of first sight, fields that say the same have the same numbers.
        values, at, inverse = np.unique(codes, return_index=True, return_inverse=True)
        order = np.empty(len(values), dtype=np.int32)
        order[np.argsort(at)] = np.arange(len(values), dtype=np.int32)
        key = order[inverse].tobytes() + (codes < 0).tobytes()
        if key not in first:
            first[key] = name
            continue
        same = bool((data.written[name].eq_missing(data.written[first[key]])).all())
        what = "the same values" if same else "other words for the same"
        found.append(
            Finding(
                says=f"Holds {what} as {first[key]!r} in every row.",
                action=f"Keep one of {first[key]!r} and {name!r}.",
                field=name,
                measured={"copy_of": first[key], "equal": same},
            )
        )
    return found


def _enough(data: Inspected) -> None:
    if data.rows.height < ENOUGH:
        raise NotApplicable(f"there are fewer than {ENOUGH} rows")
