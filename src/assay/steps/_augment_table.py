"""Synthetic rows of a table: real rows with noise, or draws from a Gaussian copula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.component import Learned
from assay.errors import RecipeError
from assay.rows import text_hash, uniform
from assay.steps._balance_learn import PARENT, cast_back, is_class, kind_of, labels, numbers, top

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

_DECIMALS = 6
# A parent is sought among so many rows of the class, which keeps it linear in the rows made.
_PARENTS = 4096
_STRIDE = np.uint64(0x9E3779B97F4A7C15)


def synthetic(
    train: pl.DataFrame,
    rows: pl.Series,
    *,
    names: Sequence[str],
    target: str | None,
    method: str,
    wanted: int,
    strength: float,
    seed: int,
) -> Learned:
    """Make rows, class by class.

    Args:
        train: the rows to learn from, in the order of their ids.
        rows: their ids.
        names: the columns to vary, where they are numbers or categories.
        target: the classes, or a number.
        method: noise or copula.
        wanted: how many rows to make.
        strength: of noise.
        seed: of the random numbers.

    Raises:
        RecipeError: no column can be varied.
    """
    kinds = {name: kind_of(train[name]) for name in names}
    varied = [name for name, kind in kinds.items() if kind in ("number", "category")]
    by_class = target is not None and is_class(train[target])
    if target is not None and not by_class and method == "copula":
        varied.append(target)
    if names and not varied and len(rows):
        raise RecipeError(
            "augment.table: none of the columns is a number or a category.",
            received=list(names),
            hint="`augment.text` makes copies with other texts",
        )
    classes = labels(train[target]) if target is not None and by_class else None
    groups = _groups(classes, len(rows), wanted)
    parts: list[pl.DataFrame] = []
    # A loop over classes: each is learned by itself.
    for name, (places, count) in groups.items():
        if not count:
            continue
        made = (_noisy if method == "noise" else _drawn)(
            train[places], rows[places], varied, name, count, strength, seed
        )
        parts.append(made)
    left = [name for name in names if name not in varied]
    findings: dict[str, Any] = {
        "method": method,
        "rows": sum(part.height for part in parts),
        "varied": varied,
        "as_the_parent": left,
    }
    if by_class:
        findings["made"] = top({name: count for name, (_, count) in groups.items()})
    return Learned(added=pl.concat(parts) if parts else None, findings=findings)


def _groups(classes: pl.Series | None, height: int, wanted: int) -> dict[str, tuple[Places, int]]:
    """The places of each class, and how many rows to make of it: its share, by largest remainder.

    Rows without a class make one of their own.
    """
    if not height:
        return {}
    if classes is None:
        return {"": (np.arange(height), wanted)}
    frame = pl.DataFrame({"class": classes.fill_null("(none)"), "place": np.arange(height)})
    grouped = frame.group_by("class").agg("place").sort("class")
    sizes = grouped["place"].list.len().to_numpy()
    exact = sizes * wanted / height
    counts = np.floor(exact).astype(np.int64)
    extra = np.argsort(-(exact - counts), kind="stable")[: wanted - int(counts.sum())]
    counts[extra] += 1
    return {
        str(name): (places.to_numpy(), int(count))
        for name, places, count in zip(grouped["class"], grouped["place"], counts, strict=True)
    }


def _noisy(
    group: pl.DataFrame,
    rows: pl.Series,
    varied: Sequence[str],
    name: str,
    count: int,
    strength: float,
    seed: int,
) -> pl.DataFrame:
    """Copies of real rows with other numbers and some other categories."""
    from scipy.special import ndtri

    ids = rows.to_numpy()
    order = np.argsort(uniform(ids, seed, "augment.table"), kind="stable")
    rounds, turn = np.divmod(np.arange(count), len(ids))
    parents = order[turn]
    keys = ids[parents] + rounds.astype(np.uint64) * _STRIDE
    columns = [rows.gather(pl.Series(parents)).alias(PARENT)]
    for column in varied:
        series = group[column]
        purpose = f"augment.table/{column}"
        draw = uniform(keys, seed, purpose)
        if kind_of(series) == "number":
            real = numbers(series)
            finite = real[np.isfinite(real)]
            # Numbers near the largest float have no deviation in floats, and are not moved.
            with np.errstate(over="ignore", invalid="ignore"):
                spread = float(np.nan_to_num(finite.std(), posinf=0.0)) if len(finite) else 0.0
            moved = real[parents] + ndtri(draw) * strength * spread
            columns.append(_like(moved, series))
        else:
            replaced = uniform(keys, seed, f"{purpose}/replaced") < strength
            other = np.floor(draw * len(ids)).astype(np.int64)
            columns.append(series.gather(pl.Series(np.where(replaced, other, parents))))
    return pl.DataFrame(columns)


def _drawn(
    group: pl.DataFrame,
    rows: pl.Series,
    varied: Sequence[str],
    name: str,
    count: int,
    strength: float,
    seed: int,
) -> pl.DataFrame:
    """Rows from a Gaussian copula: correlated normal scores, through the columns' quantiles."""
    from scipy.special import ndtr, ndtri

    ids = rows.to_numpy()
    first = np.uint64(text_hash(pl.Series([f"augment.table/{name}"]))[0])
    keys = first + np.arange(count, dtype=np.uint64) * _STRIDE
    scores = np.column_stack(
        [np.empty((len(ids), 0)), *(_scores(group[column], ids, seed) for column in varied)]
    )
    raw = [ndtri(uniform(keys, seed, f"augment.table/{column}")) for column in varied]
    drawn = np.column_stack([np.empty((count, 0)), *raw]) @ _root(scores).T
    lender = np.floor(uniform(keys, seed, "augment.table/missing") * len(ids)).astype(np.int64)
    columns = [rows.gather(pl.Series(_near(scores, drawn, ids, seed))).alias(PARENT)]
    for at, column in enumerate(varied):
        series = group[column]
        shares = ndtr(drawn[:, at])
        if kind_of(series) == "number":
            values = _quantiles(numbers(series), shares, whole=series.dtype.is_integer())
            # What is missing in the row that lends its gaps is missing here.
            gone = ~np.isfinite(numbers(series)[lender])
            columns.append(_like(np.where(gone, np.nan, values), series))
            continue
        seen = series.drop_nulls().sort()
        if seen.is_empty():
            columns.append(pl.repeat(None, count, dtype=series.dtype, eager=True).alias(column))
            continue
        at_most = np.minimum((shares * len(seen)).astype(np.int64), len(seen) - 1)
        known = pl.Series(series.is_not_null().to_numpy()[lender])
        columns.append(
            pl.select(pl.when(known).then(seen.gather(pl.Series(at_most))))
            .to_series()
            .alias(column)
        )
    return pl.DataFrame(columns)


def _scores(column: pl.Series, ids: npt.NDArray[np.uint64], seed: int) -> Floats:
    """Normal scores by rank; equal values are ordered by random numbers, NaN where missing.

    The ranks of a column with ties are then as evenly spread as those of one without (the
    distributional transform, Rüschendorf 2009).
    """
    from scipy.special import ndtri

    if kind_of(column) == "number":
        values = numbers(column)
        there = np.isfinite(values)
    else:
        there = column.is_not_null().to_numpy()
        dense = column.cast(pl.String).rank("dense").cast(pl.Float64)
        values = dense.fill_null(float("nan")).to_numpy()
    broken = uniform(ids, seed, f"augment.table/ties/{column.name}")
    places = np.flatnonzero(there)
    order = places[np.lexsort((broken[places], values[places]))]
    scores = np.full(len(values), np.nan)
    scores[order] = ndtri((np.arange(len(order)) + 0.5) / max(len(order), 1))
    return scores


def _root(scores: Floats) -> Floats:
    """The matrix that turns independent normal numbers into ones correlated as the scores are.

    Each correlation is of the rows that have both values; what is then no correlation matrix is
    made one by lifting its negative eigenvalues (Higham 2002 calls it the spectral method).
    """
    there = np.isfinite(scores)
    filled = np.where(there, scores, 0.0)
    squares = (filled**2).T @ there
    with np.errstate(divide="ignore", invalid="ignore"):
        raw = (filled.T @ filled) / np.sqrt(squares * squares.T)
    # Rounding makes the same matrix on every machine, whatever order it sums in.
    correlation = np.round(np.where(np.isfinite(raw), raw, 0.0), 9)
    np.fill_diagonal(correlation, 1.0)
    values, vectors = np.linalg.eigh(correlation)
    lifted = (vectors * np.maximum(values, 1e-9)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(lifted))
    root: Floats = np.linalg.cholesky(lifted * scale[:, None] * scale)
    return root


def _quantiles(values: Floats, shares: Floats, *, whole: bool) -> Floats:
    """The values that stand at these shares of the distribution."""
    seen = np.sort(values[np.isfinite(values)])
    if not len(seen):
        return np.full(len(shares), np.nan)
    if whole or len(np.unique(seen)) <= len(seen) / 2:
        # Between two values that repeat, such as 0 and 1 or 9.99 and 19.99, there is none.
        step: Floats = seen[np.minimum((shares * len(seen)).astype(np.int64), len(seen) - 1)]
        return step
    at = (np.arange(len(seen)) + 0.5) / len(seen)
    between: Floats = np.interp(shares, at, seen)
    return between


def _near(scores: Floats, drawn: Floats, ids: npt.NDArray[np.uint64], seed: int) -> Places:
    """For each new row one of the class that is near it; what is missing counts as the middle."""
    from scipy.spatial import cKDTree

    some = np.argsort(uniform(ids, seed, "augment.table/parents"), kind="stable")[:_PARENTS]
    some = np.sort(some)
    if scores.shape[1] == 0:
        return np.zeros(len(drawn), dtype=np.int64)
    tree = cKDTree(np.nan_to_num(scores[some]))
    found: Places = some[tree.query(drawn, eps=0.5)[1]]
    return found


def _like(values: Floats, series: pl.Series) -> pl.Series:
    """Numbers within the bounds of a column, with no more decimals than it has, in its type."""
    real = numbers(series)
    finite = real[np.isfinite(real)]
    if not len(finite):
        return pl.repeat(None, len(values), dtype=series.dtype, eager=True).alias(series.name)
    decimals = next(
        (d for d in range(_DECIMALS + 1) if np.array_equal(_rounded(finite, d), finite)), None
    )
    values = values if decimals is None else _rounded(values, decimals)
    values = np.clip(values, finite.min(), finite.max())
    return cast_back(values, series.dtype).alias(series.name)


def _rounded(values: npt.NDArray[np.float64], decimals: int) -> npt.NDArray[np.float64]:
    """Numbers of 2^53 and more have no decimals; moving their point would only overflow."""
    large = ~(np.abs(values) < 2.0**53)
    return np.where(large, values, np.round(np.where(large, 0.0, values), decimals))
