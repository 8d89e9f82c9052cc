"""Bad files: each is either read as well as can be, with what is odd set aside, or refused."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

import assay
from assay.errors import RecipeError, SourceError

Build = Callable[..., assay.Version]
Write = Callable[[str, str | bytes], Path]


def problems(version: assay.Version) -> list[tuple[int, str, str]]:
    """Line, text and problem of what could not be read."""
    aside = version.quarantine()
    return aside.sort("_line").select("_line", "_text", "_note").rows() if aside.height else []


@pytest.mark.parametrize("content", ["", "\n\n \n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_an_empty_file_is_refused(build: Build, write: Write, name: str, content: Any) -> None:
    with pytest.raises(SourceError, match=rf"{name}: There is nothing in this source"):
        build(write(name, content))


@pytest.mark.parametrize("content", ["a,b", "a,b\n", "a,b\r\n"])
def test_a_header_without_rows_is_refused(build: Build, write: Write, content: str) -> None:
    with pytest.raises(SourceError, match=r"a\.csv: The source has columns and no rows") as caught:
        build(write("a.csv", content))

    assert caught.value.received == "a, b"


def test_objects_without_keys_are_refused(build: Build, write: Write) -> None:
    with pytest.raises(SourceError, match="The source has no columns"):
        build(write("a.jsonl", "{}\n{}\n"))


def test_frames_without_columns_or_rows_are_refused(build: Build) -> None:
    with pytest.raises(SourceError, match="<DataFrame>: The source has no columns"):
        build(pl.DataFrame())
    with pytest.raises(SourceError, match="The source has columns and no rows"):
        build(pl.DataFrame(schema={"a": pl.Int64}))


def test_one_row_is_a_version(build: Build, write: Write) -> None:
    version = build(write("a.csv", "a,b\n1,x\n"))

    assert version.splits == {"train": 1}


def test_columns_of_nulls_stay_columns(build: Build, write: Write) -> None:
    from_json = build(write("a.jsonl", '{"a": null, "b": null}\n{"a": null, "b": null}\n'))
    from_csv = build(write("a.csv", "a,b,c\n,,\n,,\n"))
    from_frame = build(pl.DataFrame({"a": [None, None], "b": [1, 2]}))

    assert from_json.to_polars()["a"].null_count() == 2
    assert from_csv.to_polars().columns == ["row_id", "a", "b", "c"]
    assert from_frame.manifest["fields"]["a"]["null"] == 2


def test_nan_is_missing_and_infinity_is_no_number(build: Build, write: Write) -> None:
    fields = {"n": {"type": "number"}}
    text = build(write("a.csv", "n\nNaN\ninf\n-inf\n1e999\n1.5\n"), fields=fields)
    literal = '{"n":NaN}\n{"n":Infinity}\n{"n":-Infinity}\n{"n":1.5}\n'
    json = build(write("a.jsonl", literal), fields=fields)
    floats = pl.DataFrame({"n": [float("nan"), float("inf"), float("-inf"), 1.5]})
    floats.write_parquet(io_path := write("a.parquet", b""))
    parquet = build(io_path, fields=fields)

    for version, aside in ((text, 3), (json, 2), (parquet, 2)):
        assert version.to_polars()["n"].sort().to_list() == [None, 1.5]
        assert version.rows["reasons"] == {"contract: n: type": aside}
    assert set(text.quarantine()["_note"]) == {"inf", "-inf", "1e999"}


def test_duplicate_column_names_are_told_apart(build: Build, write: Write) -> None:
    version = build(write("a.csv", "a,a,a\n1,2,3\n"))

    assert version.to_polars().columns == ["row_id", "a", "a_2", "a_3"]
    assert "a second column 'a' is now 'a_2'" in version.manifest["notes"]


def test_a_required_column_that_is_missing_is_refused_with_the_nearest(
    build: Build, write: Write
) -> None:
    source = write("a.csv", "prise,b\n1,2\n")

    with pytest.raises(RecipeError, match=r"no column 'price', which is required") as caught:
        build(source, fields={"price": {"type": "number", "required": True}})

    assert caught.value.hint == "did you mean 'prise'?"
    assert caught.value.where == "fields.price"


def test_an_optional_column_that_is_missing_is_noted(build: Build, write: Write) -> None:
    version = build(write("a.csv", "prise,b\n1,2\n"), fields={"price": {"type": "number"}})

    (note,) = version.manifest["notes"]
    assert note == (
        "the source has no column 'price', so it is empty in every row; did you mean 'prise'?"
    )


def test_lines_that_cannot_be_read_are_set_aside_with_line_and_text(
    build: Build, write: Write
) -> None:
    lines = ["not json", "[1, 2]", '{"a": 1}', "", '{"a": 2', '{"a": 3}']

    version = build(write("a.jsonl", "\n".join(lines)))

    assert version.to_polars()["a"].sort().to_list() == [1, 3]
    assert [(line, text) for line, text, _ in problems(version)] == [
        (1, "not json"),
        (2, "[1, 2]"),
        (5, '{"a": 2'),
    ]


def test_a_stray_quote_takes_no_other_line_with_it(build: Build, write: Write) -> None:
    version = build(write("a.csv", 'a,b\n1,"oops\n2,fine\n3,also fine\n'))

    assert version.to_polars()["a"].sort().to_list() == [2, 3]
    assert [(line, text) for line, text, _ in problems(version)] == [(2, '1,"oops')]


def test_lines_with_too_few_or_too_many_cells_are_set_aside(build: Build, write: Write) -> None:
    version = build(write("a.csv", "a,b\n1\n1,2,3\n4,5\n"))

    assert version.rows["kept"] == 1
    assert [line for line, _, _ in problems(version)] == [2, 3]


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"\xef\xbb\xbfa,b\r\n1,caf\xc3\xa9\r\n", None),
        ("a,b\n1,café\n".encode("utf-16"), "encoding utf-16"),
        ("a,b\n1,café\n".encode("utf-16-le"), "encoding utf-16-le"),
        (b"a,b\n1,caf\xe9\n2,caf\xc3\xa9\n", "mixed encodings"),
        (b"a,b\n1,caf\xc3\xa9\n2,x\x00y\n", None),
    ],
    ids=["mark and CRLF", "UTF-16", "UTF-16 without mark", "mixed", "NUL"],
)
def test_encodings_are_found_and_said(
    build: Build, write: Write, content: bytes, note: str | None
) -> None:
    version = build(write("a.csv", content), steps=[{"dedup.exact": {"columns": ["a"]}}])

    assert version.to_polars().filter(a=1)["b"].to_list() == ["café"]
    assert note is None or any(note in said for said in version.manifest["notes"])


def test_nested_json_and_late_columns_are_ordinary(build: Build, write: Write) -> None:
    lines = ['{"a": {"b": [1, {"c": null}]}, "l": [1, 2]}'] * 500 + ['{"a": null, "late": 3}']

    frame = build(write("a.jsonl", "\n".join(lines))).to_polars()

    assert frame.height == 501
    assert frame["late"].drop_nulls().to_list() == [3]
    assert frame["a"].drop_nulls().unique().to_list() == ['{"b": [1, {"c": null}]}']


def test_nesting_without_end_is_set_aside(build: Build, write: Write) -> None:
    version = build(write("a.jsonl", '{"a": ' + "[" * 99_999 + "]" * 99_999 + '}\n{"a": 1}\n'))

    assert version.rows == {
        "read": 2,
        "kept": 1,
        "set_aside": 1,
        "synthetic": 0,
        "reasons": {"read: cannot be read": 1},
    }


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_field_of_5_mb_is_ordinary(build: Build, write: Write, name: str) -> None:
    long = "x\\n" * 1_700_000 if name == "a.jsonl" else "x\n\n" * 1_700_000
    row = f'{{"a": 1, "b": "{long}"}}\n{{"a": 2, "b": "y"}}\n'
    text = row if name == "a.jsonl" else f'a,b\n1,"{long}"\n2,y\n'

    version = build(write(name, text))

    assert version.to_polars()["b"].str.len_bytes().max() > 3_000_000
    assert version.rows["kept"] == 2


def test_two_thousand_columns_are_ordinary(build: Build, write: Write) -> None:
    names = [f"c{n}" for n in range(2000)]
    rows = [",".join(str(n * row) for n in range(2000)) for row in range(3)]

    version = build(write("a.csv", "\n".join([",".join(names), *rows])))

    assert version.to_polars().width == 2001
    assert version.rows["kept"] == 3


def test_nested_columns_of_parquet_are_ordinary(build: Build) -> None:
    version = build(pl.DataFrame({"l": [[1, 2], None], "s": [{"a": 1}, None], "n": ["x", "x"]}))

    assert version.manifest["fields"]["l"]["distinct"] == 1
    assert version.to_polars()["l"].to_list() in ([[1, 2], None], [None, [1, 2]])


def test_a_folder_may_mix_formats(build: Build, write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    write("mixed/a.csv", "a,b\n1,x\n")
    write("mixed/b.jsonl", '{"a": 2, "b": "y"}\n')
    write("mixed/empty.csv", "")
    pl.DataFrame({"a": [3], "c": [2.5]}).write_parquet(folder / "c.parquet")

    version = build(folder)

    assert version.to_polars()["a"].sort().to_list() == [1, 2, 3]
    assert version.manifest["notes"] == ["left out because empty: empty.csv"]


def zipped() -> bytes:
    body = io.BytesIO()
    zipfile.ZipFile(body, "w").writestr("a.csv", "a,b\n1,2\n")
    return body.getvalue()


TABLE = b"a,b\n" + b"1,2\n" * 9000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv.gz", gzip.compress(TABLE)[:40], "gzip file is damaged"),
        ("a.csv.gz", b"\x1f\x8bnonsense" * 9, "gzip file is damaged"),
        ("a.csv.zst", zstandard.compress(TABLE)[:20] + b"nonsense", "zstd file is damaged"),
        ("a.csv.bz2", bz2.compress(TABLE)[:30], "bzip2 file is damaged"),
        ("a.zip", zipped(), "a ZIP archive or an Excel file, which is not read"),
        ("a.csv", zipped(), "a ZIP archive or an Excel file, which is not read"),
        ("a.parquet", b"PAR1nonsense" * 9, "parquet file cannot be read"),
        ("a.arrow", b"ARROW1\x00\x00nonsense" * 9, "arrow file cannot be read"),
        ("a.csv", bytes(range(256)) * 9, "binary, not text"),
        ("a.pkl", pickle.dumps([{"a": 1}] * 9)[:30], "pickle cannot be read"),
        ("a.pkl", pickle.dumps(3), "This is no table"),
    ],
    # Not the contents themselves: archives hold the time they were made at.
    ids=range(11),
)
def test_a_damaged_or_foreign_file_is_refused_by_name(
    build: Build, write: Write, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        build(write(name, content))

    assert name in str(caught.value.where)


class _Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.path}",))


def test_a_pickle_that_wants_to_run_something_is_refused(
    build: Build, write: Write, tmp_path: Path
) -> None:
    trace = tmp_path / "it-ran"

    with pytest.raises(SourceError, match=r"names posix\.system.*it was not run") as caught:
        build(write("a.pkl", pickle.dumps([{"a": _Evil(trace)}])))

    assert not trace.exists()
    assert "save it as JSONL or Parquet" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing.csv", "There is no such file"),
        ("*.tsv", "No file matches this pattern"),
        ("nothing-here", "This folder holds no file that can be read"),
        ("http://127.0.0.1:9/a.csv", "The web server does not give this file"),
    ],
)
def test_a_place_without_data_is_refused(
    build: Build, tmp_path: Path, source: str, message: str
) -> None:
    (tmp_path / "nothing-here" / "inner.csv").mkdir(parents=True)

    with pytest.raises(SourceError, match=message):
        build(source if "://" in source else tmp_path / source)


def test_an_unreadable_file_is_refused(build: Build, write: Write) -> None:
    path = write("a.csv", "a\n1\n")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")

    with pytest.raises(SourceError, match="cannot be read: Permission denied"):
        build(path)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_vanishes_in_the_middle_is_one_clear_error(
    build: Build, tmp_path: Path, workers: int
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.csv").write_text(f"a\n{number}\n")

    def vanish(stage: str, done: int, total: int) -> None:
        if stage == "read" and done == 0:
            (folder / "2.csv").unlink()

    with pytest.raises(SourceError, match=r"2\.csv: This file cannot be read: No such file"):
        build(folder, progress=vanish, workers=workers)


def test_a_file_that_shrinks_in_the_middle_is_one_clear_error(build: Build, write: Write) -> None:
    path = write("a.csv", "a\n1\n2\n")

    def shrink(stage: str, done: int, total: int) -> None:
        if stage == "read" and done == 0:
            path.write_text("a\n")

    with pytest.raises(SourceError, match="become shorter since it was located"):
        build(path, progress=shrink)


def test_former_versions_still_open_after_a_bad_source(
    build: Build, write: Write, out: Path
) -> None:
    before = build(write("a.csv", "a\n1\n2\n"))
    rows = before.to_polars()

    with pytest.raises(SourceError):
        build(write("a.csv", ""))

    assert [version.id for version in assay.versions("bad", out=out)] == [before.id]
    assert assay.Version(before.path).to_polars().equals(rows)


def test_the_command_says_what_where_and_what_to_try(cli: Any, write: Write) -> None:
    write("data.csv", "a,b\n1,2\n")
    write("assay.yaml", "name: t\nsource: dada.csv\n")

    done = cli("build")

    assert done.returncode == 2
    assert done.stdout == ""
    said = done.stderr.splitlines()
    assert said[-2:] == [
        "error: dada.csv: There is no such file.",
        "  try: did you mean 'data.csv'?",
    ]
