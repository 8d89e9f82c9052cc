"""Balance: classes and numbers of which some are rare, levelled in train and nowhere else."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.component import Column, Columns, Kept, Learned
from assay.errors import RecipeError
from assay.rows import row_ids, uniform
from assay.steps import _balance_smote
from assay.steps._balance_learn import (
    PARENT,
    in_train,
    known,
    labels,
    needed,
    numbers,
    others,
    top,
    train_places,
)

__all__ = ["classes", "smote", "target"]


def classes(
    table: Kept,
    *,
    target: Column | None = None,
    method: Literal["down", "up", "weights"] = "down",
    ratio: float = 1.0,
    into: str = "weight",
    seed: int = 0,
) -> Learned:
    """Level the classes of train: fewer rows of large ones, copies of small ones, or weights.

    Rows of other splits, and rows whose class is null, stay as they are.

    Args:
        table: any frame; only rows whose `_split` is train are touched.
        target: the column of classes.
        method: `down` sets rows of large classes aside, those with the highest random numbers.
            `up` adds copies of rows of small classes, no row more than once oftener than another
            of its class. `weights` gives each row a number by which models weigh it; the weights
            of train are 1 on average, and those of the other splits are 1.
        ratio: the smallest class's rows (or weights, summed up) as a share of the largest's, when
            it is done; 1 makes all equal. Classes already within it stay as they are.
        into: the column that `weights` makes.
        seed: another seed draws other rows.

    Returns:
        `down`: decisions with the rule `class too large`, `value` the row's random number and
        `threshold` the largest that stays. `up`: `added` rows. `weights`: `changed` and `weight`.

    Raises:
        RecipeError: no target, an unknown column, or a `ratio` that is not above 0 and up to 1.

    >>> rows = pl.DataFrame({"y": ["a"] * 3 + ["b"], "x": range(4)})
    >>> classes(rows, target="y").decisions["rule"].null_count()
    2
    >>> classes(rows, target="y", method="weights").changed["weight"].round(3).to_list()
    [0.667, 0.667, 0.667, 2.0]
    """
    target = needed(target, table, "balance.classes")
    if not 0 < ratio <= 1:
        raise RecipeError("balance.classes: `ratio` is above 0 and up to 1.", received=ratio)
    frame = _drawn(table, labels(table[target]), seed, "balance.classes")
    counts = frame.group_by("bin").agg(pl.len().alias("before")).sort("bin")
    sizes = counts["before"].to_numpy().astype(np.float64)
    # An ulp must not cost a row, so what is nearly whole is whole.
    most = np.floor(sizes.min(initial=np.inf) / ratio + 1e-9)
    least = np.ceil(sizes.max(initial=0.0) * ratio - 1e-9)
    after = np.minimum(sizes, most) if method == "down" else np.maximum(sizes, least)
    named = counts["bin"].to_list()
    findings: dict[str, Any] = {
        "target": target,
        "method": method,
        "before": top(dict(zip(named, counts["before"].to_list(), strict=True))),
    }
    if method == "weights":
        return _weighed(table, frame, counts, after / sizes, into, findings)
    findings["after"] = top(dict(zip(named, after.astype(np.int64).tolist(), strict=True)))
    wanted = counts.with_columns(pl.Series("after", after, dtype=pl.Float64).cast(pl.Int64))
    if method == "down":
        return _thinned(table, frame, wanted, "class too large", findings)
    frame = frame.join(wanted, on="bin", how="inner", maintain_order="left")
    extra = pl.col("after") - pl.col("before")
    copies = extra // pl.col("before") + (pl.col("rank") < extra % pl.col("before"))
    added = frame.select(pl.col("row").repeat_by(copies).alias(PARENT)).explode(PARENT)
    return Learned(added=added.drop_nulls().sort(PARENT), findings=findings)


def target(  # noqa: PLR0913 - each is one thing to say about bins
    table: Kept,
    *,
    target: Column | None = None,
    bins: int | list[float] | None = None,
    width: float | None = None,
    scale: Literal["linear", "log"] = "linear",
    method: Literal["down", "weights"] = "down",
    at_most: int | None = None,
    into: str = "weight",
    seed: int = 0,
) -> Learned:
    """Flatten a numeric target in train: cut it into bins and level the fullest ones.

    Rows of other splits, and rows whose target is null or not finite, stay as they are. Bins of
    equal counts (quantiles) are level already, so bins are cut by width.

    Args:
        table: any frame; only rows whose `_split` is train are touched.
        target: a column of numbers.
        bins: how many bins of equal width lie between train's smallest and largest value, or
            their edges (a value on an edge belongs to the bin above). 20 without `width`.
        width: instead of `bins`, the width of every bin; the first one begins at 0.
        scale: `log` makes the bins equally wide on the logarithm of the target, so that prices
            of 10 and 1,000 are told apart as finely. Without `bins` and `width` of your own.
        method: `down` sets rows of full bins aside, those with the highest random numbers;
            `weights` gives each row the chance that it would have had to stay, as a number by
            which models weigh it (1 on average in train, 1 in the other splits).
        at_most: how many rows a bin keeps; without it the mean over the bins that hold any.
        into: the column that `weights` makes.
        seed: another seed draws other rows.

    Returns:
        `down`: decisions with the rule `bin too full`, `value` the row's random number and
        `threshold` the largest that stays. `weights`: `changed` and `weight`.

    Raises:
        RecipeError: no target, one that is no number, bins that cannot be used, `at_most` below 1,
            or `log` of a number that is not above 0.

    >>> rows = pl.DataFrame({"price": [1.0, 1.5, 1.8, 1.9, 2.5, 9.0]})
    >>> learned = target(rows, target="price", width=1, at_most=2)
    >>> learned.decisions["rule"].drop_nulls().to_list()
    ['bin too full', 'bin too full']
    """
    target = needed(target, table, "balance.target")
    if not table[target].dtype.is_numeric():
        raise RecipeError(
            f"balance.target: {target!r} is not a number.",
            received=str(table[target].dtype),
            hint="`balance.classes` levels classes",
        )
    if (bins is not None and width is not None) or (at_most is not None and at_most < 1):
        raise RecipeError(
            "balance.target needs `bins` or `width`, not both, and an `at_most` of 1 or more.",
            received={"bins": bins, "width": width, "at_most": at_most},
        )
    values = numbers(table[target])
    places = _binned(values, in_train(table), bins, width, scale)
    frame = _drawn(table, pl.Series(places).fill_nan(None), seed, "balance.target")
    counts = frame.group_by("bin").agg(pl.len().alias("before")).sort("bin")
    sizes = counts["before"].to_numpy().astype(np.float64)
    limit = at_most or (max(1, round(float(sizes.mean()))) if len(sizes) else 1)
    after = np.minimum(sizes, limit)
    findings: dict[str, Any] = {
        "target": target,
        "method": method,
        "bins": counts.height,
        "at_most": limit,
        "fullest": int(sizes.max(initial=0)),
        "rows": int(sizes.sum()),
    }
    if method == "weights":
        return _weighed(table, frame, counts, after / sizes, into, findings)
    findings["left"] = int(after.sum())
    wanted = counts.with_columns(pl.Series("after", after, dtype=pl.Float64).cast(pl.Int64))
    return _thinned(table, frame, wanted, "bin too full", findings)


def smote(
    table: Kept,
    *,
    target: Column | None = None,
    inputs: Columns | None = None,
    method: Literal["smote", "adasyn"] = "smote",
    neighbours: int = 5,
    ratio: float = 1.0,
    seed: int = 0,
) -> Learned:
    """Add synthetic rows of small classes to train, between real ones of the same class.

    SMOTE (Chawla et al. 2002) draws a point on the line between a row and one of its nearest
    neighbours of the same class. Where categories are among the inputs it is SMOTE-NC (same
    paper), which gives a new row its neighbours' most frequent category, and where all inputs
    are categories SMOTE-N. ADASYN (He et al. 2008) makes more rows where the other classes are
    near. Distances are measured in standard deviations of train. All from imbalanced-learn.

    The library does not tell which rows a new one lies between, so the parent written beside it
    is the nearest real row of its class; fields that are not inputs, such as texts, are that
    row's. Rows of train with a missing or infinite number among the inputs are neither parents
    nor neighbours; a missing category is a category. Whole numbers are rounded.

    Args:
        table: any frame; learned from the rows whose `_split` is train.
        target: the column of classes.
        inputs: numbers, booleans and categories. All fields but the target without it.
        method: `smote`, or `adasyn`, which needs numbers only.
        neighbours: how many nearest rows to choose from; fewer in a class of fewer rows.
        ratio: the rows of each class as a share of the largest's, when it is done.
        seed: another seed makes other rows.

    Returns:
        `added`, with `_parent` and the inputs. A class of one row has no neighbours and is left
        as it is, which the findings say.

    Raises:
        RecipeError: no target, an unknown column, an input that is neither a number nor a
            category, a number out of range, or ADASYN where no row has neighbours of another
            class.
        MissingExtra: imbalanced-learn is not installed.

    >>> rows = pl.DataFrame({"y": ["a"] * 6 + ["b"] * 3, "x": [1.0, 2, 3, 4, 5, 6, 10, 12, 14]})
    >>> added = smote(rows, target="y").added
    >>> added.height, added["x"].is_between(10, 14).all()
    (3, True)
    """
    target = needed(target, table, "balance.smote")
    if not 0 < ratio <= 1 or neighbours < 1:
        raise RecipeError(
            "balance.smote: `ratio` is above 0 and up to 1, `neighbours` 1 or more.",
            received={"ratio": ratio, "neighbours": neighbours},
        )
    names = known(table, inputs if inputs is not None else others(table, target), "balance.smote")
    names = [name for name in names if name != target]
    places = train_places(table)
    space = _balance_smote.space_of(table[places], row_ids(table)[places], target, names)
    return _balance_smote.synthetic(space, method, neighbours=neighbours, ratio=ratio, seed=seed)


def _drawn(table: pl.DataFrame, bins: pl.Series, seed: int, purpose: str) -> pl.DataFrame:
    """Train's rows that have a bin: `place`, `row`, `bin`, their random `number` and its `rank`."""
    rows = row_ids(table)
    frame = pl.DataFrame(
        {
            "place": pl.int_range(table.height, eager=True),
            "row": rows,
            "bin": bins,
            "number": uniform(rows, seed, purpose),
        }
    )
    frame = frame.filter(pl.Series(in_train(table), dtype=pl.Boolean)).drop_nulls("bin")
    frame = frame.sort("bin", "number", "row")
    return frame.with_columns(pl.int_range(pl.len()).over("bin").alias("rank"))


def _thinned(
    table: pl.DataFrame,
    frame: pl.DataFrame,
    wanted: pl.DataFrame,
    rule: str,
    findings: dict[str, Any],
) -> Learned:
    """Keep so many rows of every bin: those with the lowest random numbers."""
    frame = frame.join(wanted, on="bin", how="inner", maintain_order="left")
    kept = pl.col("rank") < pl.col("after")
    frame = frame.select(
        "place",
        pl.when(~kept).then(pl.lit(rule)).alias("rule"),
        pl.col("number").alias("value"),
        pl.col("number").filter(kept).max().over("bin").alias("threshold"),
    )
    every = pl.DataFrame({"place": pl.int_range(table.height, eager=True)})
    decided = every.join(frame, on="place", how="left", maintain_order="left").drop("place")
    return Learned(decisions=decided, findings=findings)


def _weighed(
    table: pl.DataFrame,
    frame: pl.DataFrame,
    counts: pl.DataFrame,
    raw: npt.NDArray[np.float64],
    into: str,
    findings: dict[str, Any],
) -> Learned:
    """Give every row its bin's weight, 1 on average in train and 1 elsewhere."""
    sizes = counts["before"].to_numpy().astype(np.float64)
    total = float((raw * sizes).sum())
    weights = raw * (sizes.sum() / total) if total else raw
    bins = counts.select("bin", pl.Series(into, weights, dtype=pl.Float64))
    places = frame.select("place", "bin").join(bins, on="bin", how="left").drop("bin")
    every = pl.DataFrame({"place": pl.int_range(table.height, eager=True)})
    column = every.join(places, on="place", how="left", maintain_order="left").drop("place")
    findings |= {
        "smallest_weight": float(weights.min(initial=np.inf)) if len(weights) else 1.0,
        "largest_weight": float(weights.max(initial=0.0)) if len(weights) else 1.0,
    }
    return Learned(changed=column.fill_null(1.0), weight=into, findings=findings)


def _binned(
    values: npt.NDArray[np.float64],
    train: npt.NDArray[np.bool_],
    bins: int | list[float] | None,
    width: float | None,
    scale: str,
) -> npt.NDArray[np.float64]:
    """The bin of every value, NaN where there is none."""
    known_values = values[train & ~np.isnan(values)]
    if scale == "log":
        if isinstance(bins, list) or width is not None:
            raise RecipeError(
                "balance.target: with `scale: log` the bins are a number of bins.",
                received=bins if width is None else width,
            )
        if (known_values <= 0).any():
            raise RecipeError(
                "balance.target: `scale: log` needs a target above 0.",
                received=float(known_values.min()),
            )
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.log(values)
            known_values = np.log(known_values)
    if width is not None:
        if not (np.isfinite(width) and width > 0):
            raise RecipeError("balance.target: `width` is above 0.", received=width)
        return np.floor(values / width)
    if isinstance(bins, list):
        edges = np.asarray(bins, dtype=np.float64)
        if not len(edges) or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
            raise RecipeError("balance.target: the edges are numbers that rise.", received=bins)
    else:
        many = 20 if bins is None else bins
        if many < 1:
            raise RecipeError("balance.target: `bins` is 1 or more.", received=bins)
        if not len(known_values):
            return np.full(len(values), np.nan)
        edges = np.linspace(known_values.min(), known_values.max(), many + 1)[1:-1]
    places = np.searchsorted(edges, np.where(np.isnan(values), 0.0, values), "right")
    return np.where(np.isnan(values), np.nan, places.astype(np.float64))
