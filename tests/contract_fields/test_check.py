"""Rows held against a contract."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.contract.check import VIOLATIONS, check
from assay.errors import RecipeError
from assay.recipe import FieldSpec


def broken(values, rules=None, **spec):
    """(row, rule) of every violation of one field `x`."""
    rows = pl.DataFrame({"x": values}, strict=False)
    checked = check(rows, {"x": FieldSpec(**spec)}, rules)
    assert checked.rows.height == rows.height
    assert dict(checked.violations.schema) == VIOLATIONS
    return checked.violations.select("row", "rule").rows()


def test_every_condition_has_its_rule():
    assert broken(["1", None, " "], required=True) == [(1, "required"), (2, "required")]
    assert broken(["1", "-1", "x"], type="number", min=0) == [(1, "min"), (2, "type")]
    assert broken(["1", "3"], type="integer", max=2.5) == [(1, "max")]
    assert broken(["2020-01-01", "2019-12-31"], type="datetime", min="2020-01-01") == [(1, "min")]
    assert broken(["ab", "a"], min_length=2) == [(1, "min_length")]
    assert broken(["äö", "äöü"], max_length=2) == [(1, "max_length")]
    assert broken(["[1]", "[]"], type="list", min_length=1) == [(1, "min_length")]
    assert broken([[1], [1, 2]], type="list", max_length=1) == [(1, "max_length")]
    assert broken(["a", "b", None], type="category", allowed=["a"]) == [(1, "allowed")]
    assert broken(["1", "3"], type="integer", allowed=[1, 2]) == [(1, "allowed")]
    assert broken(["yes", "no"], type="boolean", allowed=[True]) == [(1, "allowed")]


def test_a_pattern_holds_the_whole_text():
    assert broken(["a", "abc", "abcd"], pattern="a|abc") == [(2, "pattern")]


def test_a_pattern_that_looks_around_is_python_s():
    assert broken(["ab", "ac", None], pattern=r"a(?=b)b") == [(1, "pattern")]


def test_only_the_first_broken_condition_is_reported():
    assert broken(["-1"], type="integer", min=0, allowed=[1]) == [(0, "min")]


def test_a_rule_is_broken_by_false_not_by_unknown():
    rows = pl.DataFrame({"low": ["1", "5", None], "high": ["2", "2", "2"]})
    fields = {name: FieldSpec(type="number") for name in ("low", "high")}

    violations = check(rows, fields, {"order": "low <= high"}).violations

    assert violations.rows() == [
        (1, "", "rule:order", "low=5.0, high=2.0", "low <= high", "set_aside")
    ]


def test_a_violation_says_what_was_received_and_allowed():
    rows = pl.DataFrame({"price": ["$5", "€5"]})

    checked = check(rows, {"price": FieldSpec(type="number", unit="USD")})

    assert checked.rows["price"].to_list() == [5.0, None]
    assert checked.violations.rows() == [(1, "price", "type", "€5", "number in USD", "set_aside")]


def test_on_violation_decides_the_action():
    rows = pl.DataFrame({"x": ["-1", "2"]})

    def checked(**more):
        return check(rows, {"x": FieldSpec(type="number", min=0, **more)})

    nulled, stopped = checked(on_violation="null"), checked(on_violation="stop")

    assert nulled.rows["x"].to_list() == [None, 2.0]
    assert nulled.violations["action"].to_list() == ["null"]
    assert stopped.rows["x"].to_list() == [-1.0, 2.0]
    assert stopped.violations["action"].to_list() == ["stop"]


def test_a_required_value_cannot_be_nulled():
    spec = FieldSpec(type="number", required=True, on_violation="null")

    violations = check(pl.DataFrame({"x": ["abc"]}), {"x": spec}).violations

    assert violations["action"].to_list() == ["set_aside"]


def test_an_absent_field_is_null_and_other_columns_stay():
    rows = pl.DataFrame({"other": [1, 2]})

    checked = check(rows, {"x": FieldSpec(type="integer", required=True)})

    assert checked.rows.schema == {"other": pl.Int64, "x": pl.Int64}
    assert checked.rows["other"].to_list() == [1, 2]
    assert checked.violations["rule"].to_list() == ["required", "required"]


def test_no_rows_give_typed_columns():
    checked = check(pl.DataFrame({"x": []}), {"x": FieldSpec(type="number", min=0, allowed=[1])})

    assert checked.rows.schema == {"x": pl.Float64}
    assert checked.violations.is_empty()


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "string", "min": 1},
        {"type": "number", "pattern": "a"},
        {"type": "number", "min_length": 1},
        {"type": "string", "unit": "kg"},
        {"type": "number", "format": "%Y"},
        {"type": "number", "min": "abc"},
        {"type": "datetime", "max": "03/04/2020"},
        {"type": "string", "pattern": "("},
        {"type": "category", "allowed": [True]},
        {"type": "integer", "allowed": [1, "x"]},
    ],
)
def test_a_condition_that_cannot_hold_is_refused_with_the_field(spec):
    with pytest.raises(RecipeError, match=r"fields\.x"):
        broken(["1"], **spec)


@pytest.mark.parametrize("rule", ["x >", "missing > 1", "x"])
def test_a_rule_that_is_no_condition_is_refused_with_its_name(rule):
    with pytest.raises(RecipeError, match=r"rules\.mine"):
        broken(["1"], {"mine": rule}, type="integer")


texts = st.none() | st.sampled_from(["1", "-2", "3.5", "$4", "5 kg", "x", "", "NA", "7,000"])


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, min_size=1), st.data())
def test_a_row_s_verdict_depends_on_that_row_alone(column, data):
    fields = {"x": FieldSpec(type="number", min=0, required=True)}
    position = data.draw(st.integers(0, len(column) - 1))
    rows = pl.DataFrame({"x": pl.Series(column, dtype=pl.String)})

    together = check(rows, fields)
    alone = check(rows[position : position + 1], fields)

    mine = together.violations.filter(pl.col("row") == position).drop("row")
    assert mine.rows() == alone.violations.drop("row").rows()
    assert together.rows["x"][position] == alone.rows["x"][0]
