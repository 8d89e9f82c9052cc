"""Samples: right chances, right counts, and no word from order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import sample


def numbered(**columns):
    table = pl.DataFrame(columns)
    return table.with_columns(_row=pl.int_range(pl.len(), dtype=pl.UInt64) * 0x9E3779B97F4A7C15)


def test_chances_of_two_of_three_are_those_of_drawing_one_after_another():
    # Successive sampling with weights 1, 2, 3 (Yates & Grundy 1953): the chance to be among two
    # is w_i/6 plus the sum over j of w_j/6 * w_i/(6 - w_j).
    weights = np.array([1.0, 2.0, 3.0])
    p = weights / 6
    expected = [
        p[i] + sum(p[j] * weights[i] / (6 - weights[j]) for j in range(3) if j != i)
        for i in range(3)
    ]
    table = numbered(w=weights)

    draws = [
        sample.weighted(table, weight="w", n=2, seed=seed)["rule"].is_null() for seed in range(2000)
    ]

    share = np.mean([draw.to_numpy() for draw in draws], axis=0)
    assert np.abs(share - expected).max() < 4 * np.sqrt(0.25 / 2000)


def test_weights_that_are_not_positive_are_never_drawn():
    table = numbered(w=[None, 0.0, -1.0, float("nan"), 1e-300, float("inf")])

    result = sample.weighted(table, weight="w", n=6)

    assert result["rule"].to_list() == ["weight not positive"] * 4 + [None, None]
    assert result["threshold"].drop_nulls().to_list() == [result["value"][4]] * 2


def test_an_infinite_weight_comes_first():
    table = numbered(w=[1e9] * 50 + [float("inf")])

    assert sample.weighted(table, weight="w", n=1)["rule"].is_null().arg_true().to_list() == [50]


def test_a_weight_may_be_the_square_of_a_price_with_a_factor_for_each_category():
    weight = "price * price * CASE category WHEN 'Automotive' THEN 0.05 ELSE 1 END"
    table = numbered(
        price=[10.0, 10.0, 3.0, None] * 500,
        category=["Automotive", "Appliances", None, "Automotive"] * 500,
    )

    result = sample.weighted(table, weight=weight, n=100)

    # A row's key is log(u)/weight, so with the factor worked out by hand it is the same draw.
    by_hand = table.with_columns(
        w=pl.Series([100 * 0.05, 100.0, 9.0, None] * 500, dtype=pl.Float64)
    )
    assert result.equals(sample.weighted(by_hand, weight="w", n=100))
    drawn = table.filter(result["rule"].is_null())
    shares = drawn.group_by("category", "price").len().sort("len", descending=True)
    assert shares["category"][0] == "Appliances" and drawn["price"].null_count() == 0


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.25, 25), (1.0, 100)])
def test_a_share_is_of_the_rows_that_may_be_drawn(share, count):
    table = numbered(w=[1] * 100 + [0] * 50)

    assert sample.weighted(table, weight="w * 2", share=share)["rule"].null_count() == count


def test_a_larger_sample_holds_the_smaller():
    table = numbered(w=range(1, 201))

    small, large = (sample.weighted(table, weight="w", n=n)["rule"].is_null() for n in (20, 50))

    assert (small & ~large).sum() == 0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 7.25, None]), max_size=40),
    st.integers(0, 10),
    st.randoms(),
)
def test_order_changes_nothing(weights, n, shuffle):
    table = numbered(w=pl.Series(weights, dtype=pl.Float64))
    order = list(range(len(weights)))
    shuffle.shuffle(order)

    for function, parameters in (
        (sample.weighted, {"weight": "w", "n": n}),
        (sample.cap, {"by": ["w"], "at_most": n, "bins": 1.0}),
    ):
        assert function(table, **parameters)[order].equals(function(table[order], **parameters))


def test_whole_dollar_slots_keep_at_most_so_many():
    prices = np.round(np.linspace(0.5, 20.49, 5000), 2)
    table = numbered(price=prices, kind=["a", "b"] * 2500)

    result = sample.cap(table, by=["price"], at_most=30, bins=1)

    kept = table.filter(result["rule"].is_null()).with_columns(slot=pl.col("price").round())
    assert kept.group_by("slot").len()["len"].max() == 30
    assert set(kept["slot"]) == set(table["price"].round())
    assert (
        result.filter(pl.col("rule").is_null())["value"]
        <= result.filter(pl.col("rule").is_null())["threshold"]
    ).all()


def test_edges_nulls_and_nan_are_buckets_of_their_own():
    table = numbered(x=[None, None, float("nan"), float("nan"), 1.0, 1.9, 2.0, 9.0, float("inf")])

    result = sample.cap(table, by=["x"], at_most=1, bins=[1.0, 2.0])

    assert result["rule"].null_count() == 4
    assert result["rule"][:2].null_count() == result["rule"][2:4].null_count() == 1


def test_several_columns_and_none_kept():
    table = numbered(a=["x", "x", "y", "y"], b=[True, True, False, True])

    assert sample.cap(table, by=["a", "b"], at_most=1)["rule"].null_count() == 3
    none = sample.cap(table, by=["a"], at_most=0)
    assert none["rule"].count() == 4 and none["threshold"].null_count() == 4


@pytest.mark.parametrize(
    "call",
    [
        lambda t: sample.weighted(t, weight="x"),
        lambda t: sample.weighted(t, weight="x", n=1, share=0.5),
        lambda t: sample.weighted(t, weight="x", share=1.5),
        lambda t: sample.weighted(t, weight="x", n=-1),
        lambda t: sample.weighted(t, weight="s", n=1),
        lambda t: sample.cap(t, by=["x"], at_most=-1),
        lambda t: sample.cap(t, by=[], at_most=1),
        lambda t: sample.cap(t, by=["z"], at_most=1),
        lambda t: sample.cap(t, by=["x"], at_most=1, bins=0.0),
        lambda t: sample.cap(t, by=["x"], at_most=1, bins=[2.0, 1.0]),
    ],
)
def test_what_cannot_be_drawn_is_refused(call):
    with pytest.raises(RecipeError):
        call(pl.DataFrame({"x": [1.0], "s": ["a"]}))
