"""Gaps filled with what train tells, whatever the other splits hold."""

from __future__ import annotations

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import clean


def table_of(count=300, seed=0):
    draw = np.random.default_rng(seed)
    a = draw.normal(size=count)
    gap = draw.random(count) < 0.2
    table = pl.DataFrame(
        {
            "a": a,
            "b": 3 * a + draw.normal(size=count) * 0.1,
            "kind": np.where(a > 0, "high", "low"),
            "n": draw.integers(0, 9, count),
            "day": [datetime.date(2024, 1, 1 + n % 5) for n in range(count)],
        }
    )
    return table.with_columns(
        *(
            pl.when(pl.Series(np.roll(gap, at))).then(None).otherwise(pl.col(name)).alias(name)
            for at, name in enumerate(table.columns)
            if name != "a"
        ),
        _row=pl.int_range(pl.len(), dtype=pl.UInt64) * 0x9E3779B97F4A7C15,
        _split=pl.when(pl.int_range(pl.len()) % 3 == 2)
        .then(pl.lit("test"))
        .otherwise(pl.lit("train")),
    )


def test_median_and_mean_are_those_of_train():
    table = table_of()
    train = table.filter(pl.col("_split") == "train")

    for method in ("median", "mean"):
        learned = clean.impute(table, columns=["b", "n", "kind", "day"], method=method)
        filled = table.with_columns(learned.changed)
        gaps = table["b"].is_null()
        assert filled["b"].filter(gaps).unique().to_list() == [
            pytest.approx(getattr(train["b"], method)())
        ]
        assert filled["b"].filter(~gaps).equals(table["b"].drop_nulls())
        assert filled["n"].filter(table["n"].is_null()).n_unique() == 1
        modes = train["kind"].drop_nulls().mode().to_list()
        assert filled["kind"].filter(table["kind"].is_null()).unique().to_list() == modes
        assert learned.changed.null_count().sum_horizontal()[0] == 0
        assert all(learned.changed.schema[name] == table.schema[name] for name in ("b", "n", "day"))


def test_the_findings_count_what_was_filled_in_each_split():
    table = pl.DataFrame(
        {"x": [1.0, None, 3.0, None, float("nan"), 9.0],
         "_split": ["train", "train", "train", "test", "test", "test"]}
    )  # fmt: skip

    learned = clean.impute(table, columns=["x"], flag=True)

    assert learned.findings["x"] == {"with": 2.0, "filled": {"test": 2, "train": 1}, "left": 0}
    assert learned.changed["x"].to_list() == [1, 2, 3, 2, 2, 9]
    assert learned.changed["x_missing"].to_list() == [False, True, False, True, True, False]


@pytest.mark.parametrize("method", ["median", "mean", "most_frequent", "model"])
def test_what_the_other_splits_hold_changes_no_fill(method):
    table = table_of()
    test = pl.col("_split") == "test"
    other = table.with_columns(
        pl.when(test & pl.col("b").is_not_null()).then(1e6).otherwise("b").alias("b"),
        pl.when(test & pl.col("kind").is_not_null())
        .then(pl.lit("odd"))
        .otherwise("kind")
        .alias("kind"),
        pl.when(test & pl.col("n").is_not_null()).then(99).otherwise("n").alias("n"),
    )
    columns = ["a", "b", "kind", "n"]

    made = [clean.impute(one, columns=columns, method=method).changed for one in (table, other)]

    train = table["_split"] == "train"
    for name in columns:
        gaps = table[name].is_null() & train
        assert made[0][name].filter(gaps).equals(made[1][name].filter(gaps))
    if method != "model":
        for name in columns:
            gaps = table[name].is_null()
            assert made[0][name].filter(gaps).equals(made[1][name].filter(gaps))


def test_a_model_guesses_nearer_than_the_median():
    whole = table_of(1200)
    truth = 3 * whole["a"]
    gaps = whole["b"].is_null()

    errors = {
        method: (
            clean.impute(whole, columns=["a", "b", "kind"], method=method).changed["b"] - truth
        )
        .filter(gaps)
        .abs()
        .mean()
        for method in ("median", "model")
    }
    kinds = clean.impute(whole, columns=["a", "b", "kind"], method="model").changed["kind"]

    assert errors["model"] < errors["median"] / 5
    right = (kinds == "high") == (whole["a"] > 0)
    assert right.filter(whole["kind"].is_null()).mean() > 0.95


@pytest.mark.parametrize("method", ["median", "mean", "most_frequent", "model"])
def test_fills_do_not_depend_on_the_order_of_rows(method):
    table = table_of()
    order = np.random.default_rng(1).permutation(table.height)
    columns = ["a", "b", "kind", "n"]

    first = clean.impute(table, columns=columns, method=method, flag=True)
    again = clean.impute(table[order], columns=columns, method=method, flag=True)

    assert again.changed.equals(first.changed[order])
    assert again.findings == first.findings


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats() | st.none(), st.integers(-3, 3) | st.none()), max_size=15),
    st.sampled_from(["median", "mean", "most_frequent"]),
)
def test_any_numbers_are_filled_or_counted_as_left(values, method):
    table = pl.DataFrame(
        {
            "x": pl.Series([x for x, _ in values], dtype=pl.Float64),
            "n": pl.Series([n for _, n in values], dtype=pl.Int64),
        }
    )

    learned = clean.impute(table, columns=["x", "n"], method=method)

    for name in ("x", "n"):
        column = learned.changed[name]
        left = column.is_null() | column.cast(pl.Float64).is_nan().fill_null(False)
        assert learned.findings[name]["left"] == left.sum()
        assert learned.changed.schema[name] == table.schema[name]
    if any(x is not None and np.isfinite(x) for x, _ in values):
        assert learned.findings["x"]["left"] == 0


def test_a_constant_takes_the_column_s_type():
    table = pl.DataFrame({"n": [1, None], "s": ["a", None], "yes": [True, None]})

    made = clean.impute(table, columns=["n"], method="constant", value=0).changed
    words = clean.impute(table, columns=["s"], method="constant", value="none").changed

    assert made["n"].to_list() == [1, 0] and made.schema["n"] == pl.Int64
    assert words["s"].to_list() == ["a", "none"]
    with pytest.raises(RecipeError, match="does not fit"):
        clean.impute(table, columns=["n"], method="constant", value="many")
    with pytest.raises(RecipeError, match="does not fit"):
        clean.impute(table, columns=["s"], method="constant", value=3)


@pytest.mark.parametrize("method", ["median", "model"])
@pytest.mark.parametrize("dtype", [pl.Float64, pl.String, pl.Null, pl.Boolean])
def test_a_column_without_a_value_in_train_is_left(method, dtype):
    table = pl.DataFrame({"x": pl.Series([None] * 4, dtype=dtype), "y": [1.0, 2.0, None, 3.0]})

    for one in (table, table.clear(), table[:1]):
        learned = clean.impute(one, columns=["x", "y"], method=method)
        assert learned.changed["x"].null_count() == one.height
        assert learned.findings["x"] == {"with": None, "filled": {}, "left": one.height}


@pytest.mark.parametrize(
    "call",
    [
        lambda t: clean.impute(t, columns=["z"]),
        lambda t: clean.impute(t, columns=["x"], target="x"),
        lambda t: clean.impute(t, columns=["list"]),
        lambda t: clean.impute(t, columns=["x"], value=1.0),
        lambda t: clean.impute(t, columns=["x"], method="constant"),
        lambda t: clean.impute(t, columns=["x"], method="model"),
    ],
)
def test_what_cannot_be_filled_is_refused(call):
    with pytest.raises(RecipeError):
        call(pl.DataFrame({"x": [1.0, None], "list": [[1], None]}))
