"""Chat export: templates over fields, one conversation a row."""

from __future__ import annotations

import datetime as dt
import json
import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.exports.chat import chat
from assay.exports.part import Part


def conversations(rows, folder, **templates):
    count = chat(Part(rows), folder, **templates)
    lines = (folder / "train.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert count == len(lines)
    return [[(m["role"], m["content"]) for m in json.loads(line)["messages"]] for line in lines]


def test_messages_have_roles_in_order(tmp_path):
    rows = pl.DataFrame({"text": ['A "fan"\n'], "price": [1234.5]})

    found = conversations(
        rows,
        tmp_path,
        system="Be {{brief}}.",
        prompt="How much?\n\n{text}",
        completion="${price:,.2f}",
    )

    assert found == [
        [("system", "Be {brief}."), ("user", 'How much?\n\nA "fan"\n'), ("assistant", "$1,234.50")]
    ]


def test_rows_that_lack_a_named_field_are_left_out(tmp_path):
    rows = pl.DataFrame(
        {"t": ["a", None, "c", "d"], "p": [1.0, 2.0, math.nan, None], "o": [None] * 4}
    )

    assert len(conversations(rows, tmp_path, prompt="{t}", completion="{p}")) == 1


def test_parts_are_appended_and_no_rows_write_none(tmp_path):
    rows = pl.DataFrame({"t": ["a"]})
    for frame in (rows, rows.clear(), rows):
        chat(Part(frame), tmp_path, prompt="{t}", completion="x")

    assert (tmp_path / "train.jsonl").read_text().count("\n") == 2


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=8), st.floats(allow_nan=False)), min_size=1, max_size=10),
    st.sampled_from([".2f", ",.0f", "", "e", ">12.3f", "+", "%"]),
)
def test_it_is_what_python_formats(tmp_path_factory, values, spec):
    rows = pl.DataFrame(values, {"t": pl.String, "p": pl.Float64}, orient="row")

    found = conversations(
        rows, tmp_path_factory.mktemp("c"), prompt="<{t}>", completion=f"{{p:{spec}}}"
    )

    # 0.0 and -0.0 are one value.
    expected = [[("user", f"<{t}>"), ("assistant", format(p + 0.0, spec))] for t, p in values]
    assert found == expected


@pytest.mark.parametrize(
    ("value", "field", "text"),
    [
        (dt.datetime(2024, 5, 6), "{v:%d.%m.%Y}", "06.05.2024"),
        (dt.date(2024, 5, 6), "{v}", "2024-05-06"),
        (7, "{v:05d}", "00007"),
        (True, "{v}", "True"),
        ("ab", "{v:>4}", "  ab"),
        ([1, 2], "{v}", "[1,2]"),
    ],
)
def test_every_type_has_its_formats(tmp_path, value, field, text):
    found = conversations(pl.DataFrame({"v": [value]}), tmp_path, prompt="p", completion=field)

    assert found[0][1] == ("assistant", text)


@pytest.mark.parametrize(
    "prompt",
    ["{t.__class__}", "{t[0]}", "{t!r}", "{}", "{0}", "{t:{p}}", "{t", "t}", "{tt}", "{t:.2f}",
     "{p:s}", "{p:999999f}", "{p:.99999f}", "{d:d}"],
)  # fmt: skip
@pytest.mark.parametrize("height", [0, 1])
def test_templates_that_cannot_be_filled_in_are_refused(tmp_path, prompt, height):
    rows = pl.DataFrame({"t": ["a"], "p": [1.0], "d": [dt.timedelta(1)]})[:height]

    with pytest.raises(RecipeError):
        chat(Part(rows), tmp_path, prompt=prompt, completion="x")


def test_a_misspelt_field_is_guessed(tmp_path):
    with pytest.raises(RecipeError) as caught:
        chat(Part(pl.DataFrame({"title": ["a"]})), tmp_path, prompt="{tilte}", completion="x")

    assert caught.value.hint == "did you mean 'title'?"
