"""Delimited text: every row comes back, no stray quote swallows lines, every line is accounted."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import SourceError
from assay.recipe import Read
from assay.sources.shards import Loaded, Shard, load, locate, survey

TEXTS = st.text(
    st.sampled_from('",;\n\r\t |ab01')
    | st.characters(codec="utf-8", exclude_characters="\x00"),
    max_size=12,
)  # fmt: skip


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 4))
    row = st.lists(TEXTS, min_size=width, max_size=width)
    return draw(st.lists(row, min_size=1, max_size=8))


def write(path: Path, content: bytes | str) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read_all(path: Path, read: Read | None = None, shard_bytes: int = 1 << 25) -> list[Loaded]:
    spool = path.parent / "spool"
    return [
        load(shard) for shard in locate(str(path), read or Read(), spool, shard_bytes=shard_bytes)
    ]


def rows_of(parts: list[Loaded]) -> list[tuple[object, ...]]:
    return [row for part in parts for row in part.rows.rows()]


def row_lines(parts: list[Loaded]) -> list[int]:
    found, offset = [], 0
    for part in parts:
        found += [offset + line for line in part.lines]
        offset += part.line_count
    return found


def rejected_lines(parts: list[Loaded]) -> list[int]:
    found, offset = [], 0
    for part in parts:
        found += [offset + line for line in part.rejects["line"]]
        offset += part.line_count
    return found


@settings(max_examples=50, deadline=None)
@given(table=tables(), shard_bytes=st.integers(1, 200), quoting=st.sampled_from((0, 1)))
def test_what_the_csv_module_writes_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[str]], shard_bytes: int, quoting: int
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting).writerows([[f"c{at}" for at in range(len(table[0]))], *table])
    path = write(tmp_path_factory.mktemp("csv") / "table.csv", text.getvalue())
    plain = Read(header=True, delimiter=",", quote='"')

    parts = read_all(path, plain, shard_bytes)

    found = [["" if value is None else value for value in row] for row in rows_of(parts)]
    assert found == table
    assert sum(part.rejects.height for part in parts) == 0
    assert sum(part.line_count for part in parts) == text.getvalue().count("\n")


@settings(max_examples=50, deadline=None)
@given(
    lines=st.lists(st.text(st.sampled_from('",ab\r é'), max_size=10), min_size=1, max_size=12),
    shard_bytes=st.integers(1, 60),
)
def test_every_physical_line_of_any_text_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], shard_bytes: int
) -> None:
    content = "x,y,z\n" + "\n".join(lines)
    path = write(tmp_path_factory.mktemp("csv") / "table.csv", content)

    parts = read_all(path, Read(header=True, delimiter=",", quote='"'), shard_bytes)

    inside = sum(str(value).count("\n") for row in rows_of(parts) for value in row)
    inside += sum(text.count("\n") for part in parts for text in part.rejects["text"])
    records = sum(part.rows.height + part.rejects.height for part in parts)
    # A blank line is no record, but it may stand inside a quoted field.
    blank = sum(not line.strip("\r") for line in lines)
    total = sum(part.line_count for part in parts)
    assert total == content.count("\n") + (not content.endswith("\n"))
    assert total - 1 - blank <= records + inside <= total - 1
    numbers = rejected_lines(parts) + row_lines(parts)
    assert len(numbers) == len(set(numbers))


def test_a_stray_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    rows = [f"{at},word {at},{at * 2}" for at in range(500)]
    rows[200] = '200,"never closed,400'
    path = write(tmp_path / "a.csv", "id,text,n\n" + "\n".join(rows) + "\n")

    parts = read_all(path, shard_bytes=1000)

    assert len(rows_of(parts)) == 499
    assert rejected_lines(parts) == [202]
    rejects = pl.concat(part.rejects for part in parts)
    assert rejects["text"].to_list() == ['200,"never closed,400']
    assert "quote" in rejects["problem"][0]


def test_a_pair_of_stray_quotes_does_not_swallow_the_lines_between(tmp_path: Path) -> None:
    rows = [f"{at},word {at},{at * 2}" for at in range(500)]
    rows[200], rows[210] = '200,"opened,400', '210,closed",420'
    path = write(tmp_path / "a.csv", "id,text,n\n" + "\n".join(rows) + "\n")

    parts = read_all(path)

    assert rejected_lines(parts) == [202]
    assert ("210", 'closed"', "420") in rows_of(parts)
    assert len(rows_of(parts)) == 499


def test_quotes_inside_unquoted_fields_are_letters(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,text\n1,5" pipe\n2,"a ""b"""\n3,x"y"z\n')

    parts = read_all(path)

    assert rows_of(parts) == [("1", '5" pipe'), ("2", 'a "b"'), ("3", 'x"y"z')]


def test_quoted_fields_over_several_lines_are_one_row_at_its_first_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'id,text\r\n1,"a\r\nb, c"\r\n\r\n2,d\r\n')

    (part,) = read_all(path)

    assert part.rows.rows() == [("1", "a\r\nb, c"), ("2", "d")]
    assert part.lines.to_list() == [2, 5]
    assert part.line_count == 5


def test_rows_of_another_width_are_set_aside(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a,b\n1,2\n3\n4,5,6\n7,8\n")

    (part,) = read_all(path)

    assert part.rows.rows() == [("1", "2"), ("7", "8")]
    assert part.rejects.rows() == [
        (3, "3", "expected 2 fields, found 1"),
        (4, "4,5,6", "expected 2 fields, found 3"),
    ]


def test_an_empty_field_is_null_and_a_quoted_empty_one_is_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'a,b\n,""\n')

    assert rows_of(read_all(path)) == [(None, "")]


@pytest.mark.parametrize(
    ("content", "columns", "rows"),
    [
        ("id;price\n1;2,50\n2;3,10\n", ["id", "price"], [("1", "2,50"), ("2", "3,10")]),
        ("a|b\n1,2|x\n3,4|y\n", ["a", "b"], [("1,2", "x"), ("3,4", "y")]),
        (
            "ham\thi, you\nspam\tfree\nham\tok\n",
            ["column_1", "column_2"],
            [("ham", "hi, you"), ("spam", "free"), ("ham", "ok")],
        ),
        (
            "1, x, 2\n3, y, 4\n",
            ["column_1", "column_2", "column_3"],
            [("1", "x", "2"), ("3", "y", "4")],
        ),
        ('n, t\n1, "a, b"\n2, "c ""d"""\n', ["n", "t"], [("1", "a, b"), ("2", 'c "d"')]),
        ("a,a,\n1,2,3\n", ["a", "a_2", "column_3"], [("1", "2", "3")]),
        ("country,2019,2020\nA,1,2\n", ["country", "2019", "2020"], [("A", "1", "2")]),
        ("a,b\n0,1,2\n1,3,4\n", ["column_1", "a", "b"], [("0", "1", "2"), ("1", "3", "4")]),
        ('a,b\n1,"x \\"y\\" z"\n2,"p, q"\n', ["a", "b"], [("1", 'x "y" z'), ("2", "p, q")]),
        ("text\nhello\nworld\n", ["text"], [("hello",), ("world",)]),
    ],
)
def test_dialect_and_header_are_found(
    tmp_path: Path, content: str, columns: list[str], rows: list[tuple[str, ...]]
) -> None:
    parts = read_all(write(tmp_path / "a.csv", content))

    assert parts[0].rows.columns == columns
    assert rows_of(parts) == rows
    assert sum(part.rejects.height for part in parts) == 0


def test_what_was_found_is_said(tmp_path: Path) -> None:
    (part,) = read_all(write(tmp_path / "a.csv", "1;a\n2;b\n"))

    assert part.notes == ("delimiter semicolon", "no header, so columns are named by position")


def test_given_names_need_no_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "x,1\ny,2\n")

    (part,) = read_all(path, Read(columns=["name", "n"]))

    assert part.rows.to_dict(as_series=False) == {"name": ["x", "y"], "n": ["1", "2"]}
    with pytest.raises(SourceError, match="names 3 columns"):
        read_all(path, Read(columns=["a", "b", "c"]))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks(tmp_path: Path, end: str, mark: bytes) -> None:
    content = mark + end.join(["id,näme", "1,é", "2,b", ""]).encode()

    parts = read_all(write(tmp_path / "a.csv", content), shard_bytes=8)

    assert parts[0].rows.columns == ["id", "näme"]
    assert rows_of(parts) == [("1", "é"), ("2", "b")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8-sig"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    content = "naïve,b\n" + "café,1\n" * 20

    parts = read_all(write(tmp_path / "a.csv", content.encode(encoding)), shard_bytes=30)

    assert parts[0].rows.columns == ["naïve", "b"]
    assert rows_of(parts) == [("café", "1")] * 20


def test_mixed_encodings_are_read_line_by_line_and_said(tmp_path: Path) -> None:
    content = "t,n\ncafé,1\n".encode() + "thé,2\n".encode("cp1252")

    (part,) = read_all(write(tmp_path / "a.csv", content))

    assert part.rows.rows() == [("café", "1"), ("thé", "2")]
    assert "1 line is not UTF-8 and was read as cp1252" in part.notes[0]


def test_nul_bytes_and_lone_returns(tmp_path: Path) -> None:
    (part,) = read_all(write(tmp_path / "a.csv", 'a,b\nx\x00y,1\n"p\rq",2\np\rq,3\n'))

    assert part.rows.rows() == [("x\x00y", "1"), ("p\rq", "2")]
    assert part.rejects["line"].to_list() == [4]


def test_a_field_longer_than_a_shard(tmp_path: Path) -> None:
    long = ("x" * 99 + "\n") * 50_000
    path = write(tmp_path / "a.csv", f'id,text\n1,"{long}"\n2,short\n')

    parts = read_all(path, shard_bytes=1 << 20)

    assert [row[0] for row in rows_of(parts)] == ["1", "2"]
    assert parts[0].rows["text"][0] == long


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    for content in ("id,name", "id,name\n"):
        (part,) = read_all(write(tmp_path / "a.csv", content))

        assert part.rows.columns == ["id", "name"]
        assert part.rows.height == 0


def test_columns_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a,b\n1,2\n3,4\n")
    (shard,) = locate(str(path), Read(), tmp_path)

    assert load(shard, ["b", "late"]).rows.rows() == [("2", None), ("4", None)]
    assert load(shard, ["late"]).rows.rows() == [(None,), (None,)]


def test_kinds_are_read_off_the_texts(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "i,zip,x,b,d,s,e\n1,01234,1.5,true,2024-02-29,hi,\n-2,98765,2,no,2024-02-29 10:00,3,\n",
    )
    (shard,) = locate(str(path), Read(header=True), tmp_path)

    assert survey(shard) == {
        "i": {"integer"},
        "zip": {"string", "integer"},
        "x": {"number", "integer"},
        "b": {"boolean"},
        "d": {"datetime"},
        "s": {"string", "integer"},
        "e": {"null"},
    }


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("text/clothing_reviews.csv", 23_486, 10),
        ("text/sms_spam.tsv", 5_574, 2),
        ("text/banking77_train.csv", 10_003, 2),
        ("tabular/adult-train.csv", 32_561, 15),
        ("tabular/adult-test.csv", 16_281, 15),
        ("tabular/german.csv", 1_000, 21),
        ("tabular/ai4i2020.csv", 10_000, 14),
        ("pairs/D8_amazon.csv", 22_074, 7),
        ("errors/beers_dirty.csv", 2_410, 11),
        ("drift/elec.csv", 45_312, 7),
    ],
)
def test_real_files(shared_data, tmp_path: Path, name: str, rows: int, columns: int) -> None:
    shards: list[Shard] = locate(str(shared_data(name)), Read(), tmp_path, shard_bytes=1 << 20)

    parts = [load(shard) for shard in shards]

    assert sum(part.rows.height for part in parts) == rows
    assert {part.rows.width for part in parts} == {columns}
    assert sum(part.rejects.height for part in parts) == 0


@pytest.mark.parametrize("name", ["*", "^a.*$", "^$"])
def test_a_name_that_would_mean_several_columns_is_another_one(tmp_path, name):
    (tmp_path / "x.csv").write_text(f'a,"{name}",column_2\n1,2,3\n', encoding="utf-8")

    (shard,) = locate(tmp_path / "x.csv", Read(), tmp_path / "spool")

    found = load(shard)
    assert found.rows.to_dicts() == [{"a": "1", "column_2_2": "2", "column_2": "3"}]
    assert f"the column {name!r} is now 'column_2_2': its name would mean several" in found.notes
