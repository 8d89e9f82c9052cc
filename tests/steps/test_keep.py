"""Keeping rows by length and by expression."""

from __future__ import annotations

import polars as pl
import pytest

from assay.errors import RecipeError
from assay.steps import keep

ROWS = pl.DataFrame({"t": ["a b", "", None, "äöü one two three"], "n": [1.0, 2.0, None, 4.0]})


def test_length_in_characters_says_what_was_measured_against_what():
    result = keep.length(ROWS, column="t", min=1, max=10)

    assert result["rule"].to_list() == [None, "too short", "too short", "too long"]
    assert result["value"].to_list() == [3.0, 0.0, 0.0, 17.0]
    assert result["threshold"].to_list() == [None, 1.0, 1.0, 10.0]


def test_length_in_words_and_in_items():
    words = keep.length(ROWS, column="t", min=2, unit="words")
    items = keep.length(pl.DataFrame({"l": [[1, 2], []]}), column="l", min=1)

    assert words["value"].to_list() == [2.0, 0.0, 0.0, 4.0]
    assert items["rule"].to_list() == [None, "too short"]


@pytest.mark.parametrize("rows", [ROWS.clear(), pl.DataFrame({"t": [None, None]})])
def test_no_rows_and_only_nulls_are_accepted(rows):
    assert keep.length(rows, column="t", min=1)["rule"].count() == rows.height


@pytest.mark.parametrize(
    "parameters",
    [
        {"column": "t"},
        {"column": "t", "min": 3, "max": 2},
        {"column": "tt", "min": 1},
        {"column": "n", "min": 1},
    ],
)
def test_lengths_that_make_no_sense_are_refused(parameters):
    with pytest.raises(RecipeError):
        keep.length(ROWS, **parameters)


def test_where_sets_aside_false_and_null_apart():
    result = keep.where(ROWS, where="n > 1 AND t IS NOT NULL")

    assert result["rule"].to_list() == ["not true", None, "not true", None]
    assert keep.where(ROWS, where="n > 1")["rule"].to_list() == ["not true", None, "unknown", None]


def test_where_may_be_constant_and_rows_may_be_none():
    assert keep.where(ROWS, where="1 = 1")["rule"].null_count() == 4
    assert keep.where(ROWS.clear(), where="n > 1").height == 0


@pytest.mark.parametrize("where", ["n + 1", "t", "price > 1", "n >", "SUM(n) > 1"])
def test_where_needs_true_or_false_of_the_row(where):
    with pytest.raises(RecipeError):
        keep.where(ROWS, where=where)
