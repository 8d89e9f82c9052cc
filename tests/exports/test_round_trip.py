"""What assay exports, assay's own readers read back."""

from __future__ import annotations

import datetime as dt
import json

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.exports import tables
from assay.exports.part import Part
from assay.recipe import Read
from assay.sources import shards

READ = {
    "jsonl": Read(format="jsonl", encoding="utf-8"),
    "csv": Read(format="csv", encoding="utf-8", delimiter=",", quote='"', header=True),
    "parquet": Read(),
    "pickle": Read(),
}
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10),
    st.text("=+-@'\t\r\n\"',;a\\", max_size=6),
)
# Escapes inside of lists are the readers' matter; test_tables.py covers that they are written.
WORD = st.text("abc üß,'=", max_size=6)
ROW = st.tuples(
    st.uuids().map(str),
    st.none() | TEXT,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.booleans(),
    st.none() | st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2100, 1, 1)),
    st.none() | st.lists(WORD | st.integers(0, 9) | st.none(), max_size=3).map(json.dumps),
)
SCHEMA = {
    "id": pl.String,
    "text": pl.String,
    "number": pl.Float64,
    "whole": pl.Int64,
    "truth": pl.Boolean,
    "when": pl.Datetime("us"),
    "items": pl.String,
}


def read_back(files, folder, kind):
    found = [shards.load(s) for s in shards.locate(files, READ[kind], folder / "spool")]
    assert all(loaded.rejects.is_empty() for loaded in found)
    return pl.concat([loaded.rows for loaded in found], how="diagonal_relaxed")


def typed(rows):
    """As the contract reads the texts."""
    if rows.schema["number"] != pl.String:
        return rows
    return rows.with_columns(
        pl.col("number").cast(pl.Float64),
        pl.col("whole").cast(pl.Int64),
        pl.col("truth").replace_strict(["true", "false"], [True, False], return_dtype=pl.Boolean),
        pl.col("when").str.to_datetime(strict=True, time_unit="us"),
    )


@pytest.mark.parametrize("kind", list(READ))
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
@example(rows=[("1", 'a\r\nb, "c"', 1e300, -(2**63), True, dt.datetime(2024, 1, 1), '[null, "ü"]')])
def test_a_version_exported_and_read_is_the_same(tmp_path_factory, kind, rows):
    folder = tmp_path_factory.mktemp("r")
    full = ("0", "x", 0.5, 1, False, dt.datetime(2024, 1, 1, 2, 3, 4), "[]")
    frame = pl.DataFrame([full, *rows], SCHEMA, orient="row")

    getattr(tables, kind)(Part(frame, {"items": "list"}), folder)

    back = read_back([str(path) for path in sorted(folder.glob("train*"))], folder, kind)
    if kind == "csv":
        back = back.with_columns(tables.undefuse(back[name]) for name in ("text", "items"))
    back = typed(back).select(list(SCHEMA))
    assert back.drop("items").rows() == frame.drop("items").rows()
    for text, other in zip(back["items"], frame["items"], strict=True):
        assert (text and json.loads(text)) == (other and json.loads(other))
