"""The target before and after a step that samples, balances or augments."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

_WATCHED = ("sample.", "balance.", "augment.")
_TOP = 20
_BINS = 30


def is_watched(name: str) -> bool:
    """Whether a step is there to change how the target is distributed.

    >>> is_watched("sample.cap"), is_watched("dedup.exact")
    (True, False)
    """
    return name.startswith(_WATCHED)


def distribution(field: str, before: pl.Series, after: pl.Series) -> dict[str, Any]:
    """Both distributions of a field, counted in the same bins or for the same values.

    Returns:
        `field`, `kind`, `before` and `after`: for classes rows by value, the most frequent ones
        and `other`; for numbers `edges` and `counts`.

    >>> distribution("x", pl.Series(["a", "a", "b"]), pl.Series(["a", "b"]))["after"]
    {'a': 1, 'b': 1}
    """
    if before.dtype.is_numeric():
        kind, sides = "number", _numbers(before, after)
    else:
        kind, sides = "class", _classes(before, after)
    return {"field": field, "kind": kind, "before": sides[0], "after": sides[1]}


def _classes(*both: pl.Series) -> list[dict[str, Any]]:
    texts = [values.cast(pl.String).drop_nulls() for values in both]
    counts = [dict(one.value_counts(name="n").iter_rows()) for one in texts]
    values = {value for one in counts for value in one}
    top = sorted(values, key=lambda value: (-sum(one.get(value, 0) for one in counts), value))
    top, others = top[:_TOP], top[_TOP:]
    sides = []
    for one in counts:
        side = {value: one.get(value, 0) for value in top}
        rest = {"other": sum(one.get(value, 0) for value in others)} if others else {}
        sides.append(side | rest)
    return sides


def _numbers(*both: pl.Series) -> list[dict[str, Any]]:
    numbers = [values.cast(pl.Float64).drop_nulls().drop_nans().to_numpy() for values in both]
    every = np.concatenate(numbers)
    every = every[np.isfinite(every)]
    low, high = np.quantile(every, [0.005, 0.995]) if len(every) else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    inside = [np.clip(one, edges[0], edges[-1]) for one in numbers]
    return [
        {"edges": edges.tolist(), "counts": np.histogram(one, edges)[0].tolist()} for one in inside
    ]
