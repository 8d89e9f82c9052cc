"""Slices that were planted are found, and none where there is none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.evaluation.many import benjamini_hochberg
from assay.slices._contrast import difference_interval, holm
from assay.slices.finding import find_slices


def table(n: int, seed: int) -> tuple[pl.DataFrame, np.random.Generator]:
    draw = np.random.default_rng(seed)
    rows = pl.DataFrame(
        {
            "row_id": [f"{seed}-{i}" for i in range(n)],
            "colour": draw.choice(["red", "green", "blue", "grey"], n, p=[0.05, 0.3, 0.3, 0.35]),
            "maker": draw.choice([f"m{i}" for i in range(15)], n),
            "size": draw.lognormal(size=n),
            "age": draw.normal(50, 10, n),
            "old": draw.random(n) < 0.2,
        }
    )
    rows = rows.with_columns(pl.when(pl.Series(draw.random(n) > 0.1)).then("age").alias("age"))
    return rows, draw


@pytest.mark.parametrize("method", ["halves", "all"])
@pytest.mark.parametrize("kind", ["error", "wrong"])
def test_few_false_alarms_where_there_is_no_slice(method, kind):
    alarms = 0
    runs = 60
    for seed in range(runs):
        rows, draw = table(1000, seed)
        loss = draw.exponential(size=1000) if kind == "error" else draw.random(1000) < 0.2
        found = find_slices(rows, np.asarray(loss, float), method=method, seed=seed)
        alarms += bool(found.found)
    # At 5 % more than 8 of 60 alarms have a chance of 0.4 %.
    assert alarms <= 8


@pytest.mark.slow
@pytest.mark.parametrize("method", ["halves", "all"])
def test_at_most_one_false_alarm_in_twenty(method):
    alarms, runs = 0, 400
    for seed in range(runs):
        rows, draw = table(800, seed)
        alarms += bool(find_slices(rows, draw.exponential(size=800), method=method).found)
    # 20 are expected at most; 29 or more would have a chance of 3 %.
    assert alarms <= 29


@pytest.mark.parametrize("method", ["halves", "all"])
def test_a_slice_of_five_percent_with_doubled_error_is_found(method):
    hits, extra = 0, 0
    for seed in range(20):
        rows, draw = table(4000, seed)
        loss = draw.exponential(size=4000) * np.where(rows["colour"] == "red", 2.0, 1.0)
        found = find_slices(rows, loss, method=method, seed=seed)
        names = [one.name for one in found.found]
        hits += "colour = red" in names
        extra += len(names) - ("colour = red" in names)
    assert hits >= 18
    assert extra <= 3


def test_a_conjunction_is_found_as_one_and_not_as_its_parts():
    rows, draw = table(6000, 3)
    inside = ((rows["colour"] == "green") & rows["old"]).to_numpy()
    loss = draw.exponential(size=6000) * np.where(inside, 2.5, 1.0)
    found = find_slices(rows, loss)
    assert [one.name for one in found.found] == ["colour = green and old = true"]
    one = found.found[0]
    assert one.low <= 1.5 <= one.high
    assert set(np.flatnonzero(one.members)) == set(np.flatnonzero(inside))


def test_right_and_wrong_texts_lengths_and_missing_values():
    draw = np.random.default_rng(5)
    long = draw.random(3000) < 0.2
    text = [" ".join(draw.choice(list("abcdefgh"), 60 if flag else 12)) for flag in long]
    age = np.where(draw.random(3000) < 0.15, np.nan, draw.normal(size=3000))
    rows = pl.DataFrame({"row_id": [str(i) for i in range(3000)], "text": text, "age": age})
    wrong = draw.random(3000) < np.where(long, 0.35, 0.1) + np.where(np.isnan(age), 0.25, 0)
    found = find_slices(rows, wrong.astype(float), clusters=False)
    names = " / ".join(one.name for one in found.found)
    assert "length of text" in names
    assert "age is missing" in names


def test_texts_of_one_topic_are_a_cluster_with_its_words():
    draw = np.random.default_rng(6)
    topics = [["kettle", "steel", "boils", "water"], ["novel", "author", "pages", "paper"],
              ["guitar", "strings", "sound", "wood"]]  # fmt: skip
    of = draw.integers(0, 3, 1800)
    text = [" ".join(draw.choice(topics[t], 8)) + f" {i}" for i, t in enumerate(of)]
    rows = pl.DataFrame({"row_id": [str(i) for i in range(1800)], "text": text})
    loss = draw.exponential(size=1800) * np.where(of == 2, 3.0, 1.0)
    found = find_slices(rows, loss)
    assert any(set(one.predicates[0].get("words", ())) & set(topics[2]) for one in found.found)


def test_neither_the_order_of_rows_nor_missing_losses_matter():
    rows, draw = table(3000, 9)
    loss = draw.exponential(size=3000) * np.where(rows["colour"] == "red", 3.0, 1.0)
    loss[::50] = np.nan
    order = draw.permutation(3000)
    first, second = find_slices(rows, loss), find_slices(rows[order], loss[order])
    assert first.to_dict() == second.to_dict()
    assert first.rows == 2940
    assert first.found
    assert first.to_polars().height == len(first.found)
    assert first.found[0].name in first._repr_html_()


@pytest.mark.parametrize(
    ("frame", "loss"),
    [
        (pl.DataFrame({"a": []}, schema={"a": pl.Float64}), []),
        (pl.DataFrame({"a": [1.0]}), [1.0]),
        (pl.DataFrame({"a": [None] * 200}, schema={"a": pl.String}), [1.0] * 200),
        (pl.DataFrame({"a": [float("inf"), float("nan")] * 100}), [0.0] * 200),
        (pl.DataFrame({"a": ["שלום", "你好", "🎉🎉", None] * 50}), [0.0, 1.0] * 100),
    ],
)
def test_odd_tables_give_a_result(frame, loss):
    assert find_slices(frame, np.array(loss)).to_dict()["slices"] == []


def test_settings_out_of_range_are_refused():
    with pytest.raises(RecipeError, match="level"):
        find_slices(pl.DataFrame({"a": [1]}), np.array([1.0]), level=1.5)
    with pytest.raises(RecipeError, match="one loss"):
        find_slices(pl.DataFrame({"a": [1]}), np.array([1.0, 2.0]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_adjusted_values_are_never_smaller_and_holm_never_below_benjamini_hochberg(values):
    p = np.array(values)
    assert (holm(p) >= p - 1e-12).all()
    assert (holm(p) >= benjamini_hochberg(p) - 1e-12).all()


def test_the_interval_of_two_means_is_that_of_welch():
    from scipy.stats import ttest_ind

    draw = np.random.default_rng(1)
    a, b = draw.normal(1, 2, 30), draw.normal(0, 1, 50)
    expected = ttest_ind(a, b, equal_var=False).confidence_interval()
    assert difference_interval(a, b, binary=False)[1:] == pytest.approx(tuple(expected))
