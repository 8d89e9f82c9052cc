"""Contracts proposed from a sample."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.contract.check import check
from assay.contract.infer import infer


def field(values, name="x", kinds=frozenset()):
    """What is inferred for one column, its defaults left out."""
    found = infer(pl.DataFrame({name: values}, strict=False), {name: kinds})
    spec = found.fields[name]
    return {"type": spec.type} | spec.model_dump(exclude_defaults=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", None], {"type": "integer"}),
        (["1.0", "2.0"], {"type": "number", "required": True}),
        (["$5.00", "$1,299.00"], {"type": "number", "required": True, "unit": "USD", "min": 0.0}),
        (["12 oz", "12.0 oz.", "16 ounce"], {"type": "number", "required": True, "unit": "oz"}),
        (["45%", "12.5%"], {"type": "number", "required": True, "unit": "percent"}),
        (["1,234", "5"], {"type": "integer", "required": True}),
        (["yes", "no", "NA"], {"type": "boolean"}),
        (["0", "1"], {"type": "integer", "required": True}),
        (["007", "012"], {"type": "string", "required": True}),
        (["2020-01-02", "2021-03-04"], {"type": "datetime", "required": True}),
        (["Mar-2018", "Feb-2018"], {"type": "datetime", "required": True, "format": "%b-%Y"}),
        (["25/12/2021", "01/02/2021"],
         {"type": "datetime", "required": True, "format": "%d/%m/%Y"}),
        (["[1]", "[]"], {"type": "list", "required": True}),
        (['{"a": 1}', "{}"], {"type": "object", "required": True}),
        (["A11", "B12"], {"type": "string", "required": True}),
        ([None, None], {"type": "string"}),
        (["", "  "], {"type": "string"}),
        ([1, 2], {"type": "integer", "required": True}),
        ([1.5, None], {"type": "number"}),
        ([datetime(2020, 1, 1)], {"type": "datetime", "required": True}),
        ([[1], [2]], {"type": "list", "required": True}),
    ],
)  # fmt: skip
def test_the_type_of_a_column(values, expected):
    assert field(values) == expected


def test_few_values_are_categories_and_many_are_texts():
    assert field(["red", "blue"] * 20)["type"] == "category"
    assert field([f"a text of its own, number {n} of many" for n in range(40)])["type"] == "string"


def test_codes_of_digits_are_not_numbers():
    assert field(["35233", "90210"] * 10, name="zip")["type"] == "category"


def test_a_column_is_required_only_if_the_whole_source_has_no_null():
    assert "required" in field(["1", "2"])
    assert "required" not in field(["1", "2"], kinds=frozenset({"integer", "null"}))


def test_json_kinds_decide_what_text_cannot_tell():
    assert field(["[]", None], kinds=frozenset({"list", "null"}))["type"] == "list"


def test_a_few_mistakes_do_not_hide_the_type():
    found = infer(pl.DataFrame({"x": [str(n) for n in range(50)] + ["oops"]}))

    assert found.fields["x"].type == "integer"
    assert found.unread == {"x": 1}
    assert not found.fields["x"].required


def test_dates_that_read_both_ways_are_noted():
    found = infer(pl.DataFrame({"day": ["01/02/2021", "03/04/2021"]}))

    assert found.fields["day"].format == "%m/%d/%Y"
    assert "%d/%m/%Y" in found.notes["day"]


def test_parts_that_columns_play():
    count = 60
    rows = pl.DataFrame(
        {
            "order_id": [f"o{n}" for n in range(count)],
            "customer_id": [str(n % 12) for n in range(count)],
            "review": [f"a review of some length, with number {n} in it" for n in range(count)],
            "model": [f"XK-{n}" for n in range(count)],
            "shop": ["one"] * count,
            "paid": [str(n) for n in range(count)],
        }
    )

    found = infer(rows)

    assert found.ids == ["order_id"]
    assert found.groups == ["customer_id"]
    assert found.texts == ["review"]
    assert found.codes == ["model"]
    assert found.constants == ["shop"]


def test_a_first_column_that_counts_is_an_id():
    rows = pl.DataFrame({"": [str(n) for n in range(30)], "x": ["1", "2", "2"] * 10})

    assert infer(rows).ids == [""]


values = st.none() | st.sampled_from(
    [
        "1",
        "2.5",
        "$3",
        "4 kg",
        "yes",
        "no",
        "2020-01-02",
        "[1]",
        "{}",
        "x",
        "",
        "NA",
        "a b c",
        "007",
    ]
)


@settings(max_examples=40, deadline=None)
@given(st.lists(values, min_size=1, max_size=30))
def test_what_is_inferred_keeps_nearly_all_rows(column):
    rows = pl.DataFrame({"x": pl.Series(column, dtype=pl.String)})

    found = infer(rows)

    checked = check(rows, found.fields)
    assert checked.violations.height <= rows.height * 0.1
    assert set(checked.violations["rule"]) <= {"type"}
