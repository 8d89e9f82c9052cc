"""Token counts as fields, cuts and budgets."""

from __future__ import annotations

import polars as pl
import pytest

from assay.errors import RecipeError
from assay.steps import keep, tokens

ROWS = pl.DataFrame({"a": ["Hello world", None, ""], "b": ["one", "one two", None], "n": [1, 2, 3]})


def test_the_tokens_of_several_columns_are_added_up():
    result = tokens.count(ROWS, columns=["a", "b"], into="size")

    assert result["size"].to_list() == [3, 2, 0]
    assert result["size"].dtype == pl.Int64
    assert result.columns == ["a", "b", "n", "size"]


def test_a_field_of_that_name_is_replaced():
    assert tokens.count(ROWS, columns=["a"], into="n")["n"].to_list() == [2, 0, 0]


def test_texts_are_cut_from_either_side():
    rows = pl.DataFrame({"t": ["one two three", "one", None]})

    assert tokens.truncate(rows, column="t", at_most=2)["t"].to_list() == ["one two", "one", None]
    last = tokens.truncate(rows, column="t", at_most=2, vocabulary="cl100k", side="start")
    assert last["t"].to_list() == [" two three", "one", None]


def test_a_budget_says_what_was_counted_against_what():
    result = keep.tokens(ROWS, column="b", min=1, max=1)

    assert result["rule"].to_list() == [None, "too many tokens", "too few tokens"]
    assert result["value"].to_list() == [1.0, 2.0, 0.0]
    assert result["threshold"].to_list() == [None, 1.0, 1.0]


@pytest.mark.parametrize("parameters", [{}, {"min": 2, "max": 1}, {"max": 1, "column": "n"}])
def test_budgets_that_make_no_sense_are_refused(parameters):
    with pytest.raises(RecipeError, match=r"keep\.tokens"):
        keep.tokens(ROWS, **({"column": "b"} | parameters))


@pytest.mark.parametrize("column", ["n", "zz"])
def test_columns_that_hold_no_text_are_refused(column):
    with pytest.raises(RecipeError, match=column):
        tokens.count(ROWS, columns=[column])
    with pytest.raises(RecipeError, match=column):
        tokens.truncate(ROWS, column=column, at_most=1)


def test_a_cut_keeps_at_least_a_token():
    with pytest.raises(RecipeError, match="at_most"):
        tokens.truncate(ROWS, column="a", at_most=0)
