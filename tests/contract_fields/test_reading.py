"""Columns as the types of their fields."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.contract.reading import as_text, read
from assay.errors import RecipeError
from assay.recipe import FieldSpec

quick = settings(max_examples=50, deadline=None)


def values(column, **spec):
    """Typed values and the positions of those that are not of the type."""
    series = column if isinstance(column, pl.Series) else pl.Series("x", column)
    reading = read(series, FieldSpec(**spec))
    assert len(reading.values) == len(reading.bad) == len(series)
    return reading.values.to_list(), reading.bad.arg_true().to_list()


@quick
@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_integers_read_back_from_text(numbers):
    column = pl.Series("x", [None if n is None else str(n) for n in numbers], dtype=pl.String)

    assert values(column, type="integer") == (numbers, [])


@quick
@given(st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_read_back_from_text(numbers):
    column = pl.Series("x", [None if n is None else repr(n) for n in numbers], dtype=pl.String)

    assert values(column, type="number") == (numbers, [])


@quick
@given(st.lists(st.none() | st.datetimes(datetime(1000, 1, 1))), st.sampled_from(["T", " "]))
def test_datetimes_read_back_from_iso_text(moments, separator):
    texts = [None if m is None else m.isoformat(separator) for m in moments]

    found = values(pl.Series("x", texts, dtype=pl.String), type="datetime")

    assert found == (moments, [])


@quick
@given(st.lists(st.none() | st.text()), st.sampled_from(["number", "integer", "datetime", "list"]))
def test_any_text_is_a_value_a_null_or_bad(texts, kind):
    column = pl.Series("x", texts, dtype=pl.String)

    found, bad = values(column, type=kind)

    assert all(found[position] is None and texts[position] for position in bad)


def test_integers_accept_whole_numbers_however_written():
    texts = ["5", "5.0", "1,234", " 7 ", "1e3", "5.5", "inf", "99999999999999999999", "abc"]

    assert values(texts, type="integer") == (
        [5, 5, 1234, 7, 1000, None, None, None, None],
        [5, 6, 7, 8],
    )


@pytest.mark.parametrize("kind", ["integer", "number", "boolean", "datetime", "list", "object"])
def test_null_words_are_null_for_all_but_texts(kind):
    words = ["", "  ", "NA", "n/a", "null", "None", "NaN", "nan", "?", None]

    assert values(words, type=kind) == ([None] * len(words), [])


def test_null_words_are_words_in_texts():
    assert values(["NA", "None", " "], type="string") == (["NA", "None", " "], [])
    assert values(["NA", " None ", " "], type="category") == (["NA", "None", None], [])


def test_infinity_is_not_a_number_and_nan_is_null():
    assert values(["inf", "-Infinity", "1e999", "NaN"], type="number") == ([None] * 4, [0, 1, 2])
    native = [1.5, float("inf"), float("nan"), None]
    assert values(native, type="number") == ([1.5, None, None, None], [1])


def test_booleans_in_words():
    texts = ["True", "no", "Y", "0", "1.0", "f", "maybe", None]

    assert values(texts, type="boolean") == (
        [True, False, True, False, True, False, None, None],
        [6],
    )


def test_datetimes_with_a_zone_become_utc():
    texts = ["2020-01-02T03:04:05+02:00", "2020-01-02 03:04:05Z", "Mon, 06 Sep 2021 12:00:00 +0200"]

    assert values(texts, type="datetime")[0] == [
        datetime(2020, 1, 2, 1, 4, 5),
        datetime(2020, 1, 2, 3, 4, 5),
        datetime(2021, 9, 6, 10),
    ]


def test_dates_for_people_are_read_where_they_are_complete():
    texts = ["March 3, 2018 5pm", "3. März 2019", "5-Jan-1999", "13/04/2021", "03/04/2021"]

    assert values([*texts, "yesterday", "May 2019", "2018"], type="datetime") == (
        [
            datetime(2018, 3, 3, 17), datetime(2019, 3, 3), datetime(1999, 1, 5),
            datetime(2021, 4, 13), None, None, None, None,
        ],
        [4, 5, 6, 7],
    )  # fmt: skip


def test_a_stated_format_is_the_only_one():
    texts = ["03/04/2021", "2021-04-03", "n/a"]

    assert values(texts, type="datetime", format="%d/%m/%Y") == (
        [datetime(2021, 4, 3), None, None],
        [1],
    )


@pytest.mark.parametrize("format", ["%Q", "%", "day"])
def test_a_format_that_is_none_is_refused(format):
    with pytest.raises(RecipeError, match="not a format of dates"):
        values(["2021-04-03"], type="datetime", format=format)


def test_lists_and_objects_are_checked_json():
    texts = ["[1, 2]", '{"a": 1}', "[1", "null"]

    assert values(texts, type="list") == (["[1, 2]", None, None, None], [1, 2])
    assert values(texts, type="object") == ([None, '{"a": 1}', None, None], [0, 2])


def test_native_columns_are_cast_or_kept():
    moment = datetime(2020, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))

    assert values([1.0, 2.5, float("nan")], type="integer") == ([1, None, None], [1])
    assert values([0, 1, 2], type="boolean") == ([False, True, None], [2])
    assert values([date(2020, 1, 2)], type="datetime") == ([datetime(2020, 1, 2)], [])
    assert values([moment], type="datetime") == ([datetime(2020, 1, 2, 1)], [])
    assert values([moment.astimezone(UTC)], type="number")[1] == [0]
    assert values([[1], None], type="list") == ([[1], None], [])
    assert values([{"a": 1}], type="object") == ([{"a": 1}], [])
    assert values([{"a": 1}], type="number") == ([None], [0])
    assert values([1, 2], type="string") == (["1", "2"], [])
    assert values([None, None], type="boolean") == ([None, None], [])
    enums = pl.Series("x", ["a", "b"], dtype=pl.Enum(["a", "b"]))
    assert values(enums, type="category") == (["a", "b"], [])


def test_nested_values_are_written_as_json():
    assert as_text(pl.Series("x", [{"a": [1]}, None])).to_list() == ['{"a":[1]}', None]
