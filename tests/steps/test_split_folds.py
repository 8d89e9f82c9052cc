"""Folds: the rows of train and validation in k parts, units whole, strata alike."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import split

CALLS = {
    "random": lambda t, k: split.random(t, folds=k),
    "random groups": lambda t, k: split.random(t, groups=["g"], folds=k),
    "grouped": lambda t, k: split.grouped(t, groups=["g"], folds=k),
    "grouped by": lambda t, k: split.grouped(t, groups=["g"], by=["y"], folds=k),
    "stratified": lambda t, k: split.stratified(t, by=["y"], folds=k),
    "stratified groups": lambda t, k: split.stratified(t, by=["y"], groups=["g"], folds=k),
    "temporal": lambda t, k: split.temporal(t, by="x", folds=k),
    "temporal groups": lambda t, k: split.temporal(t, by="x", groups=["g"], folds=k),
}


def table_of(size, seed=0):
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, max(size, 1), size)
    return pl.DataFrame(
        {
            "_row": rng.integers(0, 2**63, size).astype(np.uint64),
            "x": rng.normal(size=size),
            "y": pl.Series([f"class {n}" for n in rng.zipf(1.7, size) % 20], dtype=pl.String),
            "g": rng.integers(0, size // 4 + 1, size),
            "_cluster": pl.Series(cluster).cast(pl.UInt64),
        }
    ).with_columns(_cluster=pl.when(pl.col("_cluster") % 3 == 0).then("_cluster"))


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=8, deadline=None)
@given(size=st.integers(0, 80), folds=st.integers(2, 7), seed=st.integers(0, 9))
def test_train_and_validation_rows_have_a_fold_and_units_are_whole(name, size, folds, seed):
    table = table_of(size, seed)

    result = CALLS[name](table, folds)

    assert result.schema["fold"] == pl.Int32
    held = result["split"].is_in(["train", "validation"])
    assert (result["fold"].is_not_null() == held).all()
    assert result["fold"].drop_nulls().is_between(0, folds - 1).all()
    placed = table.with_columns(result["fold"]).filter(pl.col("fold").is_not_null())
    for key in ["_cluster", "g"] if "group" in name else ["_cluster"]:
        known = placed.filter(pl.col(key).is_not_null())
        assert (known.group_by(key).agg(pl.col("fold").n_unique())["fold"] == 1).all()


@pytest.mark.parametrize("name", CALLS)
def test_folds_leave_the_sides_as_they_are(name):
    table = table_of(300)

    assert CALLS[name](table, 4).drop("fold").equals(CALLS[name](table, None))


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_every_stratum_is_shared_out_alike(folds):
    table = table_of(3000).drop("_cluster")

    result = split.stratified(table, by=["y"], folds=folds)

    placed = table.with_columns(result["fold"]).filter(pl.col("fold").is_not_null())
    sizes = placed.group_by("fold").len()["len"]
    assert sizes.max() - sizes.min() <= 2
    counts = placed.pivot("fold", index="y", values="x", aggregate_function="len").fill_null(0)
    spread = counts.drop("y").max_horizontal() - counts.drop("y").min_horizontal()
    assert spread.max() <= 3


def test_drawn_folds_are_alike_in_size():
    sizes = split.random(table_of(20_000), folds=5)["fold"].value_counts().drop_nulls()["count"]

    assert sizes.min() > 3400 and sizes.max() < 3800


def test_folds_of_time_lie_one_behind_the_other():
    table = table_of(1000).drop("_cluster")

    result = split.temporal(table, by="x", folds=4)

    placed = table.with_columns(result["fold"]).drop_nulls("fold")
    ends = placed.group_by("fold").agg(pl.col("x").min().alias("a"), pl.col("x").max().alias("z"))
    ends = ends.sort("fold")
    assert (ends["z"][:-1] < ends["a"][1:]).all()
    assert placed["fold"].value_counts()["count"].is_between(224, 226).all()


def test_a_group_larger_than_a_fold_stays_whole():
    table = table_of(100).with_columns(g=pl.lit("one"))

    fold = split.grouped(
        table.drop("_cluster"), groups=["g"], train=1, validation=0, test=0, folds=3
    )

    assert fold["fold"].n_unique() == 1


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("folds", [1, 0, -2])
def test_fewer_than_two_folds_are_refused(name, folds):
    with pytest.raises(RecipeError, match="2 or more"):
        CALLS[name](table_of(20), folds)
