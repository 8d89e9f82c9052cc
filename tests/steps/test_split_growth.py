"""Splits of data that grows: no old row changes sides, and what is new meets the shares."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.rows import key_hash
from assay.steps import split

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
SPLITS = {
    "random": lambda t, **k: split.random(t, **SHARES, **k),
    "random of groups": lambda t, **k: split.random(t, **SHARES, groups=["g"], **k),
    "grouped": lambda t, **k: split.grouped(t, **SHARES, groups=["g"], **k),
    "grouped by": lambda t, **k: split.grouped(t, **SHARES, groups=["g"], by=["y"], **k),
    "stratified": lambda t, **k: split.stratified(t, **SHARES, by=["y", "x"], bins=3, **k),
    "stratified groups": lambda t, **k: split.stratified(t, **SHARES, by=["y"], groups=["g"], **k),
    "temporal": lambda t, **k: split.temporal(t, **SHARES, by="x", **k),
    "temporal groups": lambda t, **k: split.temporal(t, **SHARES, by="x", groups=["g"], gap=1, **k),
}
CELL = st.tuples(
    st.sampled_from([0.0, 1.0, 2.5, 4.0, 5.0, 7.0, float("nan"), float("inf"), None]),
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["g1", "g2", "g3", "g4", "g5", "g6", None]),
    st.sampled_from([1, 2, 3, 4, 5, None]),
    st.integers(1, 4),  # the version that the row comes with
    st.booleans(),  # whether it leaves again
)


def frame_of(cells, clusters):
    schema = {
        "x": pl.Float64,
        "y": pl.String,
        "g": pl.String,
        "_cluster": pl.UInt64,
        "comes": pl.Int64,
        "leaves": pl.Boolean,
    }
    table = pl.DataFrame(cells, schema, orient="row")
    table = table.with_columns(_row=pl.int_range(pl.len(), dtype=pl.UInt64) * 0x9E3779B97F4A7C15)
    return table if clusters else table.drop("_cluster")


def grow(name, table, **parameters):
    """Every version with its split: what came by then, and what was there still."""
    before = pl.DataFrame(schema={"_row": pl.UInt64, "_was": pl.String, "_was_fold": pl.Int32})
    for step in sorted(table["comes"].unique()):
        stays = ~(pl.col("leaves") & (pl.col("comes") < step - 1))
        now = table.filter((pl.col("comes") <= step) & stays)
        now = now.join(before, on="_row", how="left", maintain_order="left")
        result = SPLITS[name](now, **parameters)
        placed = now.with_columns(result)
        yield placed
        fold = pl.col("fold") if "fold" in placed.columns else pl.lit(None, pl.Int32)
        kept = placed.filter(pl.col("rule").is_null())
        before = kept.select("_row", _was="split", _was_fold=fold)


def straddling(placed, keys, side="split"):
    """New rows that lie in a unit with a row of another side."""
    known = placed.filter(pl.col(side).is_not_null() & ~pl.all_horizontal(pl.col(keys).is_null()))
    mixed = known.with_columns(sides=pl.col(side).n_unique().over(keys))
    return mixed.filter((pl.col("sides") > 1) & pl.col("_was").is_null())


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=20, deadline=None)
@given(cells=st.lists(CELL, max_size=40), clusters=st.booleans(), folds=st.sampled_from([None, 3]))
def test_growth_moves_no_row_and_lets_no_new_row_straddle(name, cells, clusters, folds):
    table = frame_of(cells, clusters)
    whole = ([["_cluster"]] if clusters else []) + ([["g"]] if "group" in name else [])

    for placed in grow(name, table, folds=folds):
        old = placed.filter(pl.col("_was").is_not_null())
        assert old["split"].equals(old["_was"], check_names=False)
        assert old["rule"].null_count() == old.height
        assert (placed["split"].is_null() == placed["rule"].is_not_null()).all()
        for keys in whole:
            assert straddling(placed, keys).is_empty()
        if folds:
            had = old.filter(pl.col("_was_fold").is_not_null())
            assert had["fold"].equals(had["_was_fold"], check_names=False)
            for keys in whole:
                assert straddling(placed, keys, "fold").is_empty()
        if "twin" in placed.columns:
            joins = placed.filter(rule="joins two sides")
            assert set(joins["twin"]) <= set(old["_row"])
            assert placed.filter(pl.col("rule") != "joins two sides")["twin"].is_null().all()


@pytest.mark.parametrize("name", SPLITS)
@settings(max_examples=10, deadline=None)
@given(cells=st.lists(CELL, max_size=40), clusters=st.booleans(), shuffle=st.randoms())
def test_order_changes_nothing_in_a_split_that_grows(name, cells, clusters, shuffle):
    table = frame_of(cells, clusters)
    order = list(range(len(cells)))
    shuffle.shuffle(order)

    grown = list(grow(name, table, folds=2))
    other = list(grow(name, table[order], folds=2))

    for one, two in zip(grown, other, strict=True):
        assert one.sort("_row").equals(two.sort("_row"))


@pytest.mark.parametrize("name", SPLITS)
def test_what_is_all_new_is_split_as_if_there_had_been_nothing(name):
    rng = np.random.default_rng(3)
    table = big(rng, 500)

    result = SPLITS[name](table.with_columns(_was=pl.lit(None, pl.String)))

    assert result.equals(SPLITS[name](table))


def big(rng, size, start=0):
    return pl.DataFrame(
        {
            "_row": rng.integers(0, 2**63, size).astype(np.uint64),
            "x": rng.lognormal(3, 1, size),
            "y": pl.Series([f"class {n}" for n in rng.zipf(1.5, size) % 30]),
            "g": rng.integers(0, size // 3, size) + start,
        }
    )


@pytest.mark.parametrize("growth", [1, 7, 100])
@pytest.mark.parametrize("seed", range(3))
def test_the_whole_and_every_stratum_meet_the_shares_after_every_step(growth, seed):
    rng = np.random.default_rng(seed)
    table = big(rng, 400)
    placed = table.with_columns(split.stratified(table, **SHARES, by=["y"], seed=seed)["split"])

    for _ in range(12):
        table = pl.concat(
            [
                placed.select(*table.columns, _was="split"),
                big(rng, growth + 2)[:growth].with_columns(_was=pl.lit(None, pl.String)),
            ]
        )
        sides = split.stratified(table, **SHARES, by=["y"], seed=seed)["split"]
        assert sides.filter(table["_was"].is_not_null()).equals(
            table["_was"].drop_nulls(), check_names=False
        )
        placed = table.with_columns(sides)
        table = table.drop("_was")
        for side, share in SHARES.items():
            assert abs((placed["split"] == side).sum() - share * placed.height) < 2.5
            counts = placed.group_by("y").agg(
                off=(pl.col("split") == side).sum() - share * pl.len()
            )
            assert counts["off"].abs().max() < 3


def test_strata_of_two_rows_that_come_one_by_one_meet_the_shares_of_the_whole():
    """Each stratum alone can not be met: only all of them together."""
    rng = np.random.default_rng(5)
    ids = rng.integers(0, 2**63, 4000).astype(np.uint64)
    table = pl.DataFrame({"_row": ids, "y": np.arange(4000) % 2000})
    first = split.stratified(table[:2000], **SHARES, by=["y"], bins=1000)["split"]
    assert split.stratified(table, **SHARES, by=["y"], bins=4000)["split"].null_count() == 0

    table = table.with_columns(
        y=pl.col("y").cast(pl.String), _was=first.extend_constant(None, 2000)
    )
    sides = split.stratified(table, **SHARES, by=["y"])["split"]

    for side, share in SHARES.items():
        assert abs((sides == side).sum() - share * 4000) < 25


def test_shares_are_met_again_after_old_rows_left():
    rng = np.random.default_rng(6)
    table = big(rng, 1000)
    placed = table.with_columns(split.stratified(table, **SHARES, by=["y"])["split"])
    poor = placed.filter((pl.col("split") != "test") | (pl.col("x") > 40))  # half of test is gone
    table = pl.concat(
        [
            poor.select(*table.columns, _was="split"),
            big(rng, 1000).with_columns(_was=pl.lit(None, pl.String)),
        ]
    )

    sides = split.stratified(table, **SHARES, by=["y"])["split"]

    assert abs((sides == "test").mean() - SHARES["test"]) < 0.005


def test_groups_that_grow_meet_the_shares_to_within_a_group():
    rng = np.random.default_rng(7)
    table = big(rng, 3000)
    placed = table.with_columns(split.grouped(table, **SHARES, groups=["g"], by=["y"])["split"])
    for start in (1500, 2500, 3500):
        new = big(rng, 1000).with_columns(pl.col("g") + start, _was=pl.lit(None, pl.String))
        table = pl.concat([placed.select(*table.columns, _was="split"), new])
        result = split.grouped(table, **SHARES, groups=["g"], by=["y"])
        placed = table.with_columns(result["split"])
        table = table.drop("_was")

        assert result["rule"].is_null().all()
        assert (placed.group_by("g").agg(pl.col("split").n_unique())["split"] == 1).all()
        for side, share in SHARES.items():
            assert abs((placed["split"] == side).mean() - share) < 0.01


def rows_of(**columns):
    table = pl.DataFrame(columns)
    return table.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.UInt64))


def test_a_new_row_goes_where_its_group_and_its_cluster_are():
    table = rows_of(
        g=["a", "b", "a", "c", "c"],
        _cluster=pl.Series([None, 7, None, 7, None], dtype=pl.UInt64),
        _was=["train", "test", None, None, None],
    )

    # The last row is in no old group, but in one with a row that is near an old one.
    sides = split.random(table, groups=["g"])["split"]

    assert sides.to_list() == ["train", "test", "train", "test", "test"]


def test_a_new_row_that_joins_two_sides_is_set_aside_alone():
    table = rows_of(
        g=["a", "b", "a", "a", "b"],
        _cluster=pl.Series([None, 7, 7, None, None], dtype=pl.UInt64),
        _was=["train", "test", None, None, None],
    )

    result = split.stratified(table, by=["g"], groups=["g"], folds=2)

    assert result["rule"].to_list() == [None, None, "joins two sides", None, None]
    assert result["twin"].to_list() == [None, None, 1, None, None]
    assert result["split"].to_list() == ["train", "test", None, "train", "test"]
    assert result["fold"].is_null().to_list() == [False, True, True, False, True]


def test_new_rows_that_join_two_sides_in_a_chain_are_set_aside():
    table = rows_of(
        g=["a", "b", "a", "b"],
        _cluster=pl.Series([None, None, 7, 7], dtype=pl.UInt64),
        _was=["train", "test", None, None],
    )

    result = split.random(table, groups=["g"])

    assert result["rule"].to_list() == [None, None, "joins two sides", "joins two sides"]
    assert set(result["twin"].drop_nulls()) <= {1, 2}


def test_old_rows_that_were_split_in_spite_of_a_link_stay():
    table = rows_of(
        _cluster=pl.Series([7, 7, 7, None], dtype=pl.UInt64), _was=["train", "test", None, None]
    )

    result = split.random(table)

    assert result["split"].to_list()[:3] == ["train", "test", None]
    assert result["rule"].to_list()[2] == "joins two sides"


def test_hashed_groups_grow_as_the_groups_themselves_do():
    rng = np.random.default_rng(8)
    table = big(rng, 300).with_columns(
        _was=pl.Series(["train", "test", None], dtype=pl.String).gather(
            pl.Series(rng.integers(0, 3, 300))
        )
    )
    hashed = table.with_columns(key_hash(table, ["g"]).alias("g"))

    one, other = (split.grouped(t, groups=["g"], by=["y"]) for t in (table, hashed))

    assert one.equals(other)


def test_later_rows_go_to_test_and_late_arrivals_to_their_time():
    table = rows_of(day=[1, 2, 3, 4, 5, 6, 2, 9, 4, 5], _was=[None] * 10).with_columns(
        _was=pl.Series(["train"] * 3 + ["validation"] * 2 + ["test"] + [None] * 4)
    )

    sides = split.temporal(table, by="day", train=0.5, validation=0.3, test=0.2)["split"]

    assert sides.to_list()[6:] == ["train", "test", "validation", "validation"]


def test_a_new_row_later_than_its_groups_side_joins_two_sides():
    table = rows_of(
        day=[1.0, 3.0, 2.0, 4.0, None],
        g=["a", "b", "a", "a", "a"],
        _was=["train", "test", None, None, None],
    )

    result = split.temporal(
        table, by="day", groups=["g"], train=0.5, validation=0, test=0.5, gap=0.5
    )

    assert result["split"].to_list() == ["train", "test", "train", None, "train"]
    assert result["rule"].to_list() == [None, None, None, "joins two sides", None]
    assert result["twin"].to_list() == [None, None, None, 1, None]


def test_the_gap_takes_new_rows_only():
    table = rows_of(day=[1, 2, 8, 9, 7], _was=["train", "train", "test", "test", None])

    result = split.temporal(table, by="day", train=0.5, validation=0, test=0.5, gap=7)

    assert result["rule"].to_list() == [None, None, None, None, "gap"]
    assert result["threshold"].to_list() == [None, None, None, None, 8.0]


def test_one_wrong_time_among_old_rows_does_not_move_the_cut():
    days = [float(day) for day in range(100)]
    was = ["train"] * 70 + ["test"] * 30
    days[90] = -1000.0
    table = rows_of(day=[*days, 50.0, 75.0], _was=[*was, None, None])

    sides = split.temporal(table, by="day", train=0.7, validation=0, test=0.3)["split"]

    assert sides.to_list()[-2:] == ["train", "test"]
    assert sides[90] == "test"


@pytest.mark.parametrize(
    ("column", "value"), [("_was", "trian"), ("_was_fold", 5), ("_was_fold", -1)]
)
def test_a_side_or_fold_that_is_none_is_refused(column, value):
    table = rows_of(x=[1, 2], _was=["train", "train"]).with_columns(pl.lit(value).alias(column))

    with pytest.raises(RecipeError, match=column):
        split.random(table, folds=3)
