"""Exact duplicates: one stays, the others name it, whatever the order."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.rows import key_hash
from assay.steps import dedup


def test_the_preferred_row_stays_and_is_named():
    table = pl.DataFrame({"k": ["a", "b", "a", "a"], "p": [1.0, None, float("nan"), 3.0]})
    table = table.with_columns(_row=pl.Series([1, 2, 3, 4], dtype=pl.UInt64))

    result = dedup.exact(table, columns=["k"], prefer="p")

    assert result["rule"].to_list() == ["duplicate", None, "duplicate", None]
    assert result["twin"].to_list() == [4, None, 4, None]
    assert result["cluster"].to_list() == [4, None, 4, 4]
    assert result["value"].to_list() == [3.0, 1.0, 3.0, 3.0]


def test_null_in_all_columns_is_nobodys_duplicate_and_in_one_equals_null():
    table = pl.DataFrame(
        {"a": [None, None, None, None], "b": [None, None, "x", "x"], "n": range(4)}
    )

    result = dedup.exact(table, columns=["a", "b"])

    assert result["rule"].to_list()[:2] == [None, None]
    assert result["rule"].null_count() == 3


def test_a_row_that_stands_twice_stays_once():
    table = pl.DataFrame({"a": ["x", "x", "y"]})

    assert dedup.exact(table, columns=["a"])["rule"].count() == 1


def test_hashes_serve_as_keys():
    table = pl.DataFrame({"a": ["x", "x", None, "y", None], "n": range(5)})
    hashed = table.with_columns(
        key_hash(table, ["a"]).alias("a"), _row=pl.Series(range(5), dtype=pl.UInt64)
    )

    assert dedup.exact(hashed, columns=["a"])["rule"].to_list() == [
        None,
        "duplicate",
        None,
        None,
        None,
    ]


ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from([1, 2, None]), st.integers(0, 3)),
    max_size=30,
)


@settings(max_examples=50, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_changes_nothing_and_every_group_keeps_one(rows, shuffle):
    schema = {"k": pl.String, "l": pl.Int64, "p": pl.Int64}
    table = pl.DataFrame(rows, schema, orient="row")
    table = table.with_columns(_row=pl.int_range(pl.len(), dtype=pl.UInt64) * 7919 % 101)
    order = list(range(len(rows)))
    shuffle.shuffle(order)

    result = dedup.exact(table, columns=["k", "l"], prefer="p")
    other = dedup.exact(table[order], columns=["k", "l"], prefer="p")

    assert result[order].equals(other)
    kept = table.filter(result["rule"].is_null()).filter(
        pl.col("k").is_not_null() | pl.col("l").is_not_null()
    )
    groups = table.filter(pl.col("k").is_not_null() | pl.col("l").is_not_null())
    assert len(kept) == groups.select("k", "l").n_unique() if len(groups) else True


@pytest.mark.parametrize(
    "parameters", [{"columns": []}, {"columns": ["kk"]}, {"columns": ["k"], "prefer": "q"}]
)
def test_unknown_columns_are_refused(parameters):
    with pytest.raises(RecipeError):
        dedup.exact(pl.DataFrame({"k": ["a"]}), **parameters)
