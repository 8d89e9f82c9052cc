"""Splits: shares, strata, groups that stay whole, and sides that stay as data grows."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from assay.errors import RecipeError
from assay.rows import key_hash
from assay.steps import split

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


def numbered(size, seed=0, **columns):
    ids = np.random.default_rng(seed).integers(0, 2**63, size).astype(np.uint64)
    return pl.DataFrame({"_row": ids, **columns})


def share_of(sides):
    return {side: (sides == side).mean() for side in SHARES}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_meets_its_shares_within_their_error(seed):
    size = 20_000
    sides = split.random(numbered(size, seed), **SHARES, seed=seed)["split"]

    for side, share in SHARES.items():
        assert abs((sides == side).sum() - share * size) < 4 * np.sqrt(size * share * (1 - share))


def test_random_numbers_are_uniform_and_seeds_differ():
    table = numbered(50_000)

    values = split.random(table, seed=3)["value"].to_numpy()
    other = split.random(table, seed=4)["value"].to_numpy()

    assert chisquare(np.histogram(values, 100, (0, 1))[0]).pvalue > 1e-4
    assert abs(np.corrcoef(values, other)[0, 1]) < 0.02


def test_the_side_follows_from_value_and_threshold():
    result = split.random(numbered(1000), **SHARES)

    assert (result["value"] < result["threshold"]).all()
    assert sorted(set(result["threshold"].round(9))) == [0.7, 0.8, 1.0]


SPLITS = {
    "random": lambda t: split.random(t, **SHARES),
    "random of groups": lambda t: split.random(t, **SHARES, groups=["g"]),
    "grouped": lambda t: split.grouped(t, **SHARES, groups=["g"]),
    "grouped by": lambda t: split.grouped(t, **SHARES, groups=["g"], by=["y"]),
    "grouped by two": lambda t: split.grouped(t, **SHARES, groups=["g", "y"], by=["x"]),
    "stratified": lambda t: split.stratified(t, **SHARES, by=["x"], bins=3),
    "stratified groups": lambda t: split.stratified(t, **SHARES, by=["x", "y"], groups=["g"]),
    "temporal": lambda t: split.temporal(t, **SHARES, by="x"),
    "temporal groups": lambda t: split.temporal(t, **SHARES, by="x", groups=["g"], gap=1),
}
CELL = st.tuples(
    st.sampled_from([0.0, 1.0, 2.5, 7.0, float("nan"), float("inf"), None]),
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["g1", "g2", "g3", "g4", None]),
    st.sampled_from([1, 2, 3, None]),
)


def frame_of(cells, clusters):
    schema = {"x": pl.Float64, "y": pl.String, "g": pl.String, "_cluster": pl.UInt64}
    table = pl.DataFrame(cells, schema, orient="row")
    table = table.with_columns(_row=pl.int_range(pl.len(), dtype=pl.UInt64) * 0x9E3779B97F4A7C15)
    return table if clusters else table.drop("_cluster")


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=25, deadline=None)
@given(cells=st.lists(CELL, max_size=40), clusters=st.booleans(), shuffle=st.randoms())
def test_order_changes_nothing_and_no_unit_straddles(name, cells, clusters, shuffle):
    table = frame_of(cells, clusters)
    order = list(range(len(cells)))
    shuffle.shuffle(order)

    result = SPLITS[name](table)

    assert result[order].equals(SPLITS[name](table[order]))
    assert (result["split"].is_null() == result["rule"].is_not_null()).all()
    whole = [["_cluster"]] if clusters else []
    if "group" in name:
        whole.append(["g", "y"] if "two" in name else ["g"])
    for keys in whole:
        placed = table.with_columns(result["split"]).filter(
            pl.col("split").is_not_null() & ~pl.all_horizontal(pl.col(keys).is_null())
        )
        assert (placed.group_by(keys).agg(pl.col("split").n_unique())["split"] == 1).all()


@pytest.mark.parametrize("name", ["random", "random of groups", "grouped"])
def test_a_row_keeps_its_side_as_data_grows(name):
    rng = np.random.default_rng(1)
    whole = numbered(3000, x=rng.random(3000), y=["a"] * 3000, g=rng.integers(0, 400, 3000))

    before, after = SPLITS[name](whole[:1000]), SPLITS[name](whole)

    assert before["split"].equals(after["split"][:1000])


def test_stratified_moves_few_rows_as_data_grows():
    rng = np.random.default_rng(2)
    whole = numbered(11_000, x=rng.random(11_000))

    before, after = (split.stratified(t, **SHARES, by=["x"]) for t in (whole[:10_000], whole))

    assert (before["split"] != after["split"][:10_000]).mean() < 0.03


@pytest.mark.parametrize("size", [10, 250, 3001])
def test_every_stratum_and_the_whole_are_met_to_within_a_row(size):
    rng = np.random.default_rng(size)
    table = numbered(size, y=rng.choice(["a", "b", "c", "d"], size, p=[0.7, 0.2, 0.09, 0.01]))

    placed = table.with_columns(split.stratified(table, **SHARES, by=["y"])["split"])

    for part in [placed, *placed.partition_by("y")]:
        for side, share in SHARES.items():
            assert abs((part["split"] == side).sum() - share * len(part)) < 2


def test_rare_strata_reach_every_side():
    table = numbered(3000, y=[f"class {n // 3}" for n in range(3000)])

    sides = split.stratified(table, **SHARES, by=["y"])["split"]

    assert all(abs(share_of(sides)[side] - share) < 0.01 for side, share in SHARES.items())


def test_numbers_are_spread_by_quantile():
    rng = np.random.default_rng(3)
    table = numbered(2000, price=rng.lognormal(3, 1.5, 2000))

    placed = table.with_columns(split.stratified(table, **SHARES, by=["price"])["split"])

    top = placed.filter(pl.col("price") > placed["price"].quantile(0.9))
    assert abs((top["split"] == "test").sum() - 40) <= 3


def test_groups_with_strata_meet_shares_of_rows():
    rng = np.random.default_rng(4)
    groups = rng.zipf(1.6, 20_000) % 3000
    table = numbered(20_000, g=groups, y=(groups % 3).astype(str))

    placed = table.with_columns(split.grouped(table, **SHARES, groups=["g"], by=["y"])["split"])

    largest = placed.group_by("g").len()["len"].max()
    for side, share in SHARES.items():
        assert abs((placed["split"] == side).sum() - share * 20_000) < 2 * largest
    assert (placed.group_by("g").agg(pl.col("split").n_unique())["split"] == 1).all()


def test_hashed_groups_go_where_the_groups_themselves_go():
    table = numbered(500, g=[f"g{n % 50}" if n % 7 else None for n in range(500)])
    hashed = table.with_columns(key_hash(table, ["g"]).alias("g"))

    one, other = (split.grouped(t, groups=["g"])["split"] for t in (table, hashed))

    assert one.equals(other)


def test_groups_and_clusters_join_to_units():
    clusters = pl.Series([None, 9, 9, None], dtype=pl.UInt64)
    for seed in range(20):
        table = numbered(4, seed, g=["a", "a", "b", "b"]).with_columns(_cluster=clusters)
        assert split.grouped(table, groups=["g"], seed=seed)["split"].n_unique() == 1


@pytest.mark.parametrize(
    "share",
    [
        {"train": 1, "validation": 0, "test": 0},
        {"train": 0, "validation": 0, "test": 1},
        {"train": 0.9, "validation": 0.0, "test": 0.1},
    ],
)
@pytest.mark.parametrize(
    "call",
    [
        lambda t, s: split.random(t, **s),
        lambda t, s: split.stratified(t, by=["x"], **s),
        lambda t, s: split.temporal(t, by="x", **s),
    ],
)
def test_a_share_of_nothing_gets_nothing(call, share):
    sides = call(numbered(500, x=range(500)), share)["split"]

    for side, part in share.items():
        assert (sides == side).any() == (part > 0)


def test_temporal_keeps_time_order_and_equal_times_together():
    rng = np.random.default_rng(5)
    table = numbered(1000, day=rng.integers(0, 40, 1000))

    placed = table.with_columns(split.temporal(table, **SHARES, by="day")["split"])

    train, validation, test = (placed.filter(pl.col("split") == side)["day"] for side in SHARES)
    assert train.max() < validation.min() and validation.max() < test.min()
    assert abs(len(train) - 700) <= 25


def test_temporal_sets_aside_the_gap_and_rows_without_time():
    start = dt.datetime(2024, 1, 1)
    days = [start + dt.timedelta(days=n) for n in range(100)]
    table = numbered(101, when=[*days, None])

    result = split.temporal(table, by="when", train=0.6, validation=0.2, test=0.2, gap="5d")

    assert result["rule"].to_list()[100] == "no time"
    assert result["rule"][:100].is_not_null().arg_true().to_list() == [
        56,
        57,
        58,
        59,
        76,
        77,
        78,
        79,
    ]
    assert result["split"][:56].unique().to_list() == ["train"]


@pytest.mark.parametrize("dates", [pl.Date, pl.Datetime("ms"), pl.Datetime("ns")])
def test_a_gap_is_read_in_the_columns_own_unit(dates):
    days = pl.Series([dt.date(2024, 1, 1) + dt.timedelta(days=n) for n in range(10)]).cast(dates)

    result = split.temporal(
        numbered(10, d=days), by="d", train=0.5, validation=0, test=0.5, gap="2d12h"
    )

    assert result["rule"].is_not_null().arg_true().to_list() == [3, 4]


@pytest.mark.parametrize(
    "call",
    [
        lambda t: split.random(t, train=0.8, validation=0.1, test=0.2),
        lambda t: split.random(t, train=1.2, validation=-0.1, test=-0.1),
        lambda t: split.random(t, train=float("nan")),
        lambda t: split.random(t, groups=["gg"]),
        lambda t: split.grouped(t, groups=[]),
        lambda t: split.stratified(t, by=[]),
        lambda t: split.stratified(t, by=["x"], bins=0),
        lambda t: split.stratified(t, by=["z"]),
        lambda t: split.temporal(t, by="s"),
        lambda t: split.temporal(t, by="x", gap="7d"),
        lambda t: split.temporal(t, by="x", gap=-1),
        lambda t: split.temporal(t, by="when", gap=7),
        lambda t: split.temporal(t, by="when", gap="7 fortnights"),
        lambda t: split.temporal(t, by="when", gap=""),
    ],
)
def test_what_cannot_be_split_is_refused(call):
    with pytest.raises(RecipeError):
        call(pl.DataFrame({"x": [1.0], "s": ["a"], "when": [dt.datetime(2024, 1, 1)]}))


def test_clothing_reviews_split_by_item_and_rating(shared_data):
    table = pl.read_csv(shared_data("text/clothing_reviews.csv"))

    result = split.stratified(table, by=["Rating"], groups=["Clothing ID"])

    placed = table.with_columns(result["split"])
    assert (placed.group_by("Clothing ID").agg(pl.col("split").n_unique())["split"] == 1).all()
    assert abs((placed["split"] == "train").mean() - 0.8) < 0.05
