"""Outliers: far values go, long tails stay, and only train is learned from."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import outliers
from assay.steps._far import robust_z

RNG = np.random.default_rng
ALL = np.ones


def rules(rows: pl.DataFrame, **parameters) -> pl.Series:
    return outliers.drop(rows, **parameters).decisions["rule"].is_not_null()


def test_robust_z_of_a_normal_law_is_the_plain_z():
    values = RNG(0).normal(50, 3, 20_000)

    z = robust_z(values, ALL(20_000, dtype=bool))

    assert np.abs(z - (values - 50) / 3).max() < 0.2


def test_the_published_example_of_iglewicz_and_hoaglin():
    """Their data (1993, p. 11) with its two outliers, whose modified z is above 3.5."""
    values = np.array([3.2, 3.4, 3.7, 3.7, 3.8, 3.9, 4.0, 4.0, 4.1, 4.2, 4.7, 4.8, 14.0, 15.0])
    z = robust_z(np.tile(values, 3), ALL(42, dtype=bool))

    assert (np.abs(z[:14]) > 3.5).tolist() == [False] * 12 + [True] * 2


@pytest.mark.parametrize("draw", ["lognormal", "exponential", "pareto", "poisson", "uniform"])
def test_long_tails_do_not_cry_wolf(draw):
    make = {
        "lognormal": lambda g: g.lognormal(3, 1.2, 20_000),
        "exponential": lambda g: g.exponential(10, 20_000),
        "pareto": lambda g: 1 + g.pareto(2.5, 20_000),
        "poisson": lambda g: g.poisson(30, 20_000).astype(float),
        "uniform": lambda g: g.uniform(-5, 5, 20_000),
    }[draw]

    assert rules(pl.DataFrame({"x": make(RNG(1))}), most=1.0).mean() < 0.002


@pytest.mark.parametrize("wrong", [1e5, 0.0001])
def test_a_wrong_price_is_found_on_either_side(wrong):
    prices = np.append(RNG(2).lognormal(3, 0.8, 2_000), wrong)

    assert rules(pl.DataFrame({"price": prices}))[-1]


def test_amounts_that_are_mostly_zero_are_judged_among_themselves():
    gains = np.append(np.zeros(9_000), np.append(RNG(3).lognormal(8, 0.5, 900), 1e9))

    found = rules(pl.DataFrame({"gain": gains}))

    assert found.sum() == 1 and found[-1]


def test_codes_and_constants_have_no_outliers():
    rows = pl.DataFrame({"flag": [0] * 990 + [1] * 10, "same": [5.0] * 1000})

    assert not rules(rows).any()


def test_only_train_is_learned_from_and_only_the_splits_named_lose_rows():
    split = ["train"] * 200 + ["test"] * 200
    rows = pl.DataFrame({"x": [*RNG(4).normal(0, 1, 200), *RNG(5).normal(100, 1, 200)]})
    rows = rows.with_columns(_split=pl.Series(split))

    assert not rules(rows).any()
    assert rules(rows, splits=["test"], most=1.0).sum() == 200


def test_a_row_odd_only_in_combination_is_found_by_the_forest():
    x = RNG(6).normal(size=(2_000, 1)) @ np.ones((1, 3)) + RNG(7).normal(0, 0.1, (2_000, 3))
    odd = np.array([[4.5, -4.5, 4.5]])
    rows = pl.DataFrame(np.vstack([x, odd]), ["a", "b", "c"], orient="row")

    found = rules(rows, method="isolation_forest")

    assert found[-1] and found.sum() <= 80
    assert not rules(rows).any(), "no field alone tells"


def test_a_text_unlike_all_others_is_found():
    words = ["kettle", "steel", "water", "boil", "cord", "base", "lid", "handle", "spout", "heat"]
    texts = [" ".join(RNG(n).choice(words, 12)) for n in range(300)]
    rows = pl.DataFrame({"t": [*texts, "quantum lattice gauge zur Wärmelehre", None]})

    found = rules(rows, method="embedding")

    assert found.arg_true().to_list() == [300]


FRAME = pl.DataFrame(
    {
        "x": RNG(8).normal(size=120),
        "y": RNG(9).lognormal(size=120),
        "t": [" ".join(RNG(n).choice(["a b", "c d", "e f", "g"], 8)) for n in range(120)],
        "_row": pl.Series(RNG(10).permutation(120), dtype=pl.UInt64) * 7919,
    }
)


@pytest.mark.parametrize("method", ["robust_z", "isolation_forest", "embedding"])
def test_order_changes_nothing(method):
    order = RNG(11).permutation(120)

    one = outliers.drop(FRAME, method=method, most=1.0).decisions
    other = outliers.drop(FRAME[order], method=method, most=1.0).decisions

    assert one[order].equals(other)


@pytest.mark.parametrize("method", ["robust_z", "isolation_forest", "embedding"])
@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_or_one_lose_none(method, rows):
    assert outliers.drop(FRAME[:rows], method=method).decisions["rule"].null_count() == rows


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(), st.integers(-5, 5)), max_size=80))
def test_any_numbers_give_a_finite_answer(values):
    rows = pl.DataFrame({"x": pl.Series(values, dtype=pl.Float64, strict=False)})

    found = outliers.drop(rows, most=1.0).decisions

    assert found.height == len(values)
    assert not found["value"].is_nan().any()


def test_more_than_allowed_is_refused_with_the_share():
    rows = pl.DataFrame({"x": [*RNG(0).normal(0, 1, 80), *RNG(1).normal(1000, 1, 20)]})

    with pytest.raises(RecipeError, match="more than `most`") as caught:
        outliers.drop(rows)

    assert caught.value.received["share"] == 0.2


@pytest.mark.parametrize(
    "parameters",
    [{"columns": ["q"]}, {"columns": ["t"]}, {"columns": ["x"], "method": "embedding"},
     {"threshold": 0.0}, {"most": 0.0}],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(parameters):
    with pytest.raises(RecipeError):
        outliers.drop(FRAME, **parameters)


def test_two_thousand_columns():
    rows = pl.DataFrame(RNG(0).normal(size=(60, 2000)), orient="row")

    assert outliers.drop(rows, method="isolation_forest").decisions["rule"].null_count() == 60
    assert outliers.drop(rows, most=1.0).decisions.height == 60
