"""Every check finds what is planted for it, suggests the repair, and is silent on a clean table."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from clean_table import clean, found, look, spoilt

PITTSBURGH = clean()["city"].to_list().index("Pittsburgh")
BIRMINGHAM = clean()["city"].to_list().index("Birmingham")
PLANTED = {
    "disguised": {
        (3, "price"): "9999",
        (9, "price"): "9999",
        (12, "price"): "9999",
        (5, "city"): "N/A",
        (7, "day"): "1900-01-01",
    },
    "wrong_type": {(4, "price"): "twelve", (8, "count"): "many"},
    "mixed_units": {(n, "weight"): f"{1 + n / 100:.2f} kg" for n in range(0, 240, 3)},
    "mixed_scales": {(n, "weight"): str(2000 + n) for n in (5, 50, 150)},
    "mixed_formats": {(4, "day"): "17.04.2023", (6, "phone"): "(205) 123-4567"},
    "patterns": {(4, "zip"): "35x01", (9, "zip"): "3520"},
    "impossible": {(4, "price"): "-48.20", (6, "count"): "-3"},
    "spellings": {
        (4, "city"): "birmingham",
        (6, "city"): "Nashville ",
        (8, "state"): "PENNSYLVANIA",
    },
    "typos": {(BIRMINGHAM, "city"): "Birmimgham", (PITTSBURGH, "state"): "Pennsylvnia"},
    "encoding": {(4, "review"): "the caf\u00c3\u00a9 kettle"},
    "invisible": {(4, "city"): "Nash\u200bville"},
    "dependencies": {(4, "state"): "Wisconsin"},
    "missing": {(4, "city"): None, (9, "price"): None},
}
SUGGESTED = {
    "disguised": dict.fromkeys(PLANTED["disguised"]),
    "mixed_units": {cell: f"{float(v.split()[0]):g}" for cell, v in PLANTED["mixed_units"].items()},
    "mixed_scales": {(n, "weight"): f"{2 + n / 1000:g}" for n in (5, 50, 150)},
    "mixed_formats": {(4, "day"): "2023-04-17", (6, "phone"): "2051234567"},
    "spellings": {
        (4, "city"): "Birmingham",
        (6, "city"): "Nashville",
        (8, "state"): "Pennsylvania",
    },
    "typos": {(BIRMINGHAM, "city"): "Birmingham", (PITTSBURGH, "state"): "Pennsylvania"},
    "encoding": {(4, "review"): "the caf\u00e9 kettle"},
    "invisible": {(4, "city"): "Nashville"},
}


@pytest.mark.parametrize("check", PLANTED)
def test_a_check_finds_what_is_planted_and_nothing_else(check):
    assert set(found(spoilt(PLANTED[check]), check)) == set(PLANTED[check])


@pytest.mark.parametrize("check", SUGGESTED)
def test_a_check_suggests_the_repair(check):
    assert found(spoilt(PLANTED[check]), check) == SUGGESTED[check]


@pytest.mark.parametrize(
    "check", [*PLANTED, "constant", "copied", "rare", "swallowed", "duplicates"]
)
def test_a_check_is_silent_on_a_clean_table(check):
    frame = clean().drop("state") if check == "copied" else clean()
    (result,) = look(frame, check).results

    assert result.status == "passed"


@pytest.mark.parametrize("check", [name for name in PLANTED if name != "missing"])
def test_the_order_of_rows_changes_no_finding(check):
    frame = spoilt(PLANTED[check]).with_row_index("place")
    order = frame.sample(fraction=1.0, shuffle=True, seed=5)

    cells = found(order.drop("place"), check)

    back = {(order["place"][row], name): value for (row, name), value in cells.items()}
    assert back == found(frame.drop("place"), check)


def test_a_name_that_other_fields_speak_against_is_no_slip():
    """A town of nearly the same name in another state is another town."""
    assert found(spoilt({(PITTSBURGH, "city"): "Birmimgham"}), "typos") == {}


def test_what_a_dependency_suggests_is_what_most_rows_say():
    frame = spoilt(PLANTED["dependencies"])

    assert found(frame, "dependencies")[4, "state"] == clean()["state"][4]


def test_constant_and_copied_and_near_unique_fields_are_named():
    frame = clean().with_columns(same=pl.lit("x"), also=pl.col("city").str.to_uppercase())

    assert [one.field for one in look(frame, "constant").results[0].findings] == ["same"]
    assert {one.field for one in look(frame, "copied").results[0].findings} == {"state", "also"}
    assert {one.field for one in look(frame, "near_unique").results[0].findings} == {
        "order",
        "phone",
    }


def test_the_few_rows_that_differ_in_a_constant_field_are_told():
    frame = clean(2000).with_columns(
        same=pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("y")).otherwise(pl.lit("x"))
    )

    assert list(found(frame, "constant")) == [(7, "same")]


def test_a_swallowed_value_is_cut_out_and_put_where_it_belongs():
    frame = clean().with_columns(code=pl.col("state").str.slice(0, 2).str.to_uppercase())
    for row in (4, 40):
        frame[row, "city"] = f"{frame[row, 'city']} {frame[row, 'code']}"
        frame[row, "code"] = None

    cells = found(frame, "swallowed")

    assert cells == {
        (row, name): value
        for row in (4, 40)
        for name, value in (
            ("city", clean()["city"][row]),
            ("code", clean()["state"][row][:2].upper()),
        )
    }


def test_equal_rows_and_nearly_equal_texts_are_found():
    frame = clean()
    frame = frame.with_columns(
        review=pl.format(
            "{} {} number {}", pl.col("review"), pl.col("review").str.reverse(), pl.col("phone")
        )
    )
    exact = pl.concat([frame, frame[3:5].with_columns(order=pl.Series(["O-9001", "O-9002"]))])
    near = pl.concat(
        [
            frame,
            frame[3:5].with_columns(
                pl.format("{} indeed", pl.col("review")).alias("review"),
                pl.Series("order", ["O-9001", "O-9002"]),
            ),
        ]
    )

    assert look(exact, "duplicates").cells()["row"].to_list() == [240, 241]
    assert look(near, "duplicates").results[0].status == "passed"
    assert look(near, "near_duplicates").cells()["row"].to_list() == [240, 241]


def test_rare_classes_and_small_groups_are_told():
    frame = clean(900).with_columns(
        returned=pl.when(pl.int_range(pl.len()) < 20).then(pl.lit("yes")).otherwise(pl.lit("no")),
        shop=pl.when(pl.int_range(pl.len()) < 4).then(pl.lit("small")).otherwise(pl.lit("large")),
    )

    (classes,) = look(frame, "classes", target="returned").results
    (groups,) = look(frame, "groups", target="city").results

    assert len(classes.findings[0].rows) == 20
    assert {one.field for one in groups.findings} >= {"shop"}
    assert look(clean(), "classes", target="returned").results[0].status == "passed"
    assert look(clean(), "classes").results[0].status == "not applicable"


def test_a_word_that_the_whole_table_uses_for_nothing_is_only_a_note():
    habit = clean().with_columns(note=pl.Series(["blank", "blue", "red"] * 80))
    slip = habit.with_columns(city=pl.when(pl.int_range(pl.len()) != 3).then("city"))

    (one,) = look(habit, "disguised").results
    (other,) = look(slip, "disguised").results

    assert one.severity(one.findings[0]) == "note"
    assert other.severity(other.findings[0]) == "warning"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("grade", ["A11", "A12", "A13", "A14"]),
        ("band", ["<=50K", ">50K"]),
        ("version", ["1.5", "15", "1-5"]),
        ("language", ["C", "C++", "C#"]),
    ],
)
def test_codes_that_look_alike_are_left_alone(field, values):
    frame = clean().with_columns(pl.Series(field, (values * 240)[:240]))

    for check in ("typos", "spellings", "mixed_units", "patterns"):
        assert not [cell for cell in found(frame, check) if cell[1] == field], check


def test_small_numbers_around_zero_are_not_called_impossible():
    """A normal distribution that reaches below zero in one row of a hundred has no wrong sign."""
    rng = np.random.default_rng(4)
    frame = clean(2000).with_columns(change=pl.Series(rng.normal(2.4, 1.0, 2000).round(3)))

    assert (frame["change"] < 0).any()
    assert not [cell for cell in found(frame, "impossible") if cell[1] == "change"]


def test_a_sentinel_day_in_another_format_is_told():
    frame = clean().with_columns(month=pl.col("day").str.to_date().dt.to_string("%b-%Y"))
    frame[7, "month"] = "1900-01-01"

    assert found(frame, "disguised") == {(7, "month"): None}


def test_a_sentinel_day_among_words_that_name_years_is_told():
    frame = clean().with_columns(month=pl.Series(["Jan-2018", "Feb-2018", "Mar-2018"] * 80))
    frame[7, "month"] = "1900-01-01"

    assert (7, "month") in found(frame, "disguised")
