"""Exports as tables: what is written is what is read back."""

from __future__ import annotations

import csv as csvlib
import datetime as dt
import io
import json
import pickle as pickling

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.component import catalogue
from assay.errors import RecipeError, StorageError
from assay.exports import tables
from assay.exports.part import Part

SCHEMA = {
    "id": pl.String,
    "text": pl.String,
    "number": pl.Float64,
    "whole": pl.Int64,
    "truth": pl.Boolean,
    "when": pl.Datetime("us"),
    "items": pl.String,
}
FIELDS = {
    "text": "string",
    "number": "number",
    "whole": "integer",
    "truth": "boolean",
    "when": "datetime",
    "items": "object",
}
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("=+-@'\t\r\n\"',;a\\", max_size=6),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
ROW = st.tuples(
    st.uuids().map(str),
    st.none() | TEXT,
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.integers(-(2**63), 2**63 - 1),
    st.none() | st.booleans(),
    st.none() | st.datetimes(dt.datetime(1700, 1, 1), dt.datetime(2200, 1, 1)),
    st.none()
    | st.one_of(st.lists(JSON, max_size=3), st.dictionaries(TEXT, JSON, max_size=3)).map(
        lambda value: json.dumps(value, indent=1)
    ),
)
ROWS = st.lists(ROW, max_size=8)


def part_of(rows, split="train"):
    return Part(pl.DataFrame(rows, SCHEMA, orient="row"), FIELDS, split)


def exported(function, rows, folder, **parameters):
    """Two parts, one after the other."""
    half = len(rows) // 2
    for piece in (rows[:half], rows[half:]):
        assert function(part_of(piece), folder, **parameters) == len(piece)
    return folder


def plain(row):
    """A row as JSON has it."""
    values = dict(zip(SCHEMA, row, strict=True))
    values["when"] = values["when"] and values["when"].isoformat(timespec="microseconds")
    values["items"] = None if values["items"] is None else json.loads(values["items"])
    return values


@settings(max_examples=50, deadline=None)
@given(rows=ROWS)
def test_jsonl_comes_back(tmp_path_factory, rows):
    folder = exported(tables.jsonl, rows, tmp_path_factory.mktemp("e"))

    lines = (folder / "train.jsonl").read_bytes().decode().split("\n")

    assert lines.pop() == ""
    assert [json.loads(line) for line in lines] == [plain(row) for row in rows]


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, defuse=st.booleans())
@example(
    rows=[("1", "'=1", None, None, None, None, None), ("2", "''x", -1.0, -1, None, None, None)],
    defuse=True,
)
def test_csv_comes_back(tmp_path_factory, rows, defuse):
    folder = exported(tables.csv, rows, tmp_path_factory.mktemp("e"), defuse=defuse)

    read = pl.read_csv(folder / "train.csv", infer_schema=False)
    if defuse:
        cells = [row["text"] or "" for row in read.to_dicts()]
        assert not any(cell[:1] in tuple("=+-@\t\r\n") and cell for cell in cells)
        read = read.with_columns(tables.undefuse(read[name]) for name in ("text", "items"))
    typed = read.with_columns(
        pl.col("number").cast(pl.Float64),
        pl.col("whole").cast(pl.Int64),
        pl.col("truth").replace_strict({"true": True, "false": False}, return_dtype=pl.Boolean),
        pl.col("when").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us"),
    )
    assert typed.rows() == rows


@settings(max_examples=25, deadline=None)
@given(rows=ROWS)
def test_parquet_and_pickle_come_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("e")
    exported(tables.parquet, rows, folder)
    exported(tables.pickle, rows, folder)

    frames = [pl.read_parquet(path) for path in sorted(folder.glob("train-*.parquet"))]
    records = [pickling.loads(path.read_bytes()) for path in sorted(folder.glob("train-*.pkl"))]

    assert pl.concat(frames).equals(part_of(rows).rows)
    expected = [dict(zip(SCHEMA, row, strict=True)) for row in rows]
    for record in expected:
        record["items"] = None if record["items"] is None else json.loads(record["items"])
    assert [record for part in records for record in part] == expected


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))
def test_formulas_are_defused_in_cells_and_names_and_numbers_are_not(tmp_path, start):
    rows = pl.DataFrame({f"{start}name": [f"{start}cmd|' /C calc'!A0"], "n": [-5.0]})

    tables.csv(Part(rows), tmp_path)

    written = (tmp_path / "train.csv").read_bytes().decode()
    header, row = csvlib.reader(io.StringIO(written, newline=""))
    assert header[0][0] == row[0][0] == "'"
    assert row[1] == "-5.0"


def test_splits_are_files_and_an_empty_part_leaves_a_header(tmp_path):
    for split in ("train", "test"):
        tables.csv(part_of([], split), tmp_path)
        tables.jsonl(part_of([], split), tmp_path)

    assert (tmp_path / "test.csv").read_text() == ",".join(SCHEMA) + "\n"
    assert (tmp_path / "train.jsonl").read_text() == ""


def test_what_json_cannot_say_is_null_and_what_is_not_json_is_text(tmp_path):
    rows = pl.DataFrame({"n": [float("nan"), float("inf")], "o": ["{bad", '{\n"a":1}']})

    tables.jsonl(Part(rows, {"o": "object"}), tmp_path)

    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"n": None, "o": "{bad"},
        {"n": None, "o": {"a": 1}},
    ]


def test_native_types_are_written(tmp_path):
    rows = pl.DataFrame(
        {
            "day": [dt.date(2024, 1, 2)],
            "at": [dt.time(1, 2, 3)],
            "for": [dt.timedelta(hours=1)],
            "bytes": [b"\xff"],
            "kind": pl.Series(["a"], dtype=pl.Categorical),
            "list": [[1, 2]],
            "struct": [{"x": None}],
            "zone": [dt.datetime(2024, 1, 2, tzinfo=dt.UTC)],
        }
    )
    for function in (tables.jsonl, tables.csv):
        assert function(Part(rows), tmp_path) == 1

    read = json.loads((tmp_path / "train.jsonl").read_text())
    cells = next(csvlib.DictReader(io.StringIO((tmp_path / "train.csv").read_text())))
    assert read["list"] == json.loads(cells["list"]) == [1, 2]
    assert read["struct"] == json.loads(cells["struct"]) == {"x": None}
    assert (read["day"], read["at"], read["bytes"], read["kind"]) == (
        "2024-01-02",
        "01:02:03",
        "/w==",
        "a",
    )
    assert read["zone"] == "2024-01-02T00:00:00.000000+00:00" == cells["zone"]


def test_python_objects_are_refused(tmp_path):
    rows = pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)})

    with pytest.raises(RecipeError, match="'o'"):
        tables.jsonl(Part(rows), tmp_path)


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n", "é"])
def test_a_delimiter_is_one_character(tmp_path, delimiter):
    with pytest.raises(RecipeError, match="delimiter"):
        tables.csv(part_of([]), tmp_path, delimiter=delimiter)


@pytest.mark.parametrize("name", ["jsonl", "csv", "parquet", "pickle"])
def test_a_place_that_cannot_be_written_is_said(tmp_path, name):
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="cannot be written"):
        getattr(tables, name)(part_of([]), tmp_path / "file")


def test_every_kind_is_in_the_catalogue():
    assert {"chat", "csv", "jsonl", "parquet", "pickle"} <= set(catalogue("exports"))


def test_no_columns_write_no_rows(tmp_path):
    for function in (tables.jsonl, tables.csv):
        assert function(Part(pl.DataFrame()), tmp_path) == 0

    assert (tmp_path / "train.jsonl").read_text() == (tmp_path / "train.csv").read_text() == ""
