"""What a source may be: a file, many, packed, a document, a pickle, a frame; and what not."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from assay.errors import SourceError
from assay.recipe import Read
from assay.sources.shards import fingerprint, load, locate, survey

ROWS = [{"a": "1", "b": "x"}, {"a": "2", "b": "é"}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def rows_of(
    source: Any, spool: Path, read: Read | None = None, **options: int
) -> list[dict[str, Any]]:
    shards = locate(source, read or Read(), spool, **options)
    return [row for shard in shards for row in load(shard).rows.to_dicts()]


@pytest.mark.parametrize(
    ("ending", "pack"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", lambda data: zstandard.ZstdCompressor().compress(data)),
        (".dat", lambda data: gzip.compress(bz2.compress(data))),
    ],
)
def test_packed_files(tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(pack(LINES))

    assert rows_of(str(path), tmp_path / "spool") == ROWS
    assert rows_of(path, tmp_path / "spool", shard_bytes=5) == ROWS
    path.write_bytes(pack(LINES * 1000)[:-10])
    with pytest.raises(SourceError, match="damaged"):
        locate(path, Read(), tmp_path / "spool")


def test_a_packed_file_is_written_out_once_by_its_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(LINES, mtime=0))

    shards = locate([tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl.gz"], Read(), tmp_path / "spool")

    assert shards[0].path == shards[1].path
    assert [shard.name for shard in shards] == ["a.jsonl.gz", "b.jsonl.gz"]
    assert fingerprint(shards[0]) == fingerprint(shards[1])
    assert len(list((tmp_path / "spool").iterdir())) == 1


@pytest.mark.parametrize(
    "document",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        json.dumps({"data": ROWS, "count": 2}),
        json.dumps({"a": ["1", "2"], "b": ["x", "é"]}),
        "\n".join(json.dumps(row, indent=1) for row in ROWS),
        "\ufeff" + json.dumps(ROWS, ensure_ascii=False),
    ],
)
def test_json_documents(tmp_path: Path, document: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(document, encoding="utf-8")

    assert rows_of(path, tmp_path / "spool") == ROWS
    path.write_text(document.removeprefix("\ufeff"), encoding="utf-16")
    assert rows_of(path, tmp_path / "spool") == ROWS


def test_a_json_array_that_breaks_off_yields_what_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"a": "1"}, {"a": oops}, {"a": "3"}, {"a": "4')

    (shard,) = locate(path, Read(), tmp_path / "spool")
    found = load(shard)

    assert found.rows["a"].to_list() == ["1", "3"]
    assert found.rejects["text"].to_list() == ['{"a": oops}', '{"a": "4']


def test_folders_globs_and_lists_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("b.csv", "sub/a.csv", ".hidden.csv", "_skip.csv", "notes.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"id,text\n1,{name}\n")

    names = [["b.csv", "sub/a.csv"]] * 4
    sources: list[Any] = [
        folder,
        str(folder / "**" / "[ab].csv"),
        [folder / "sub" / "a.csv", folder / "b.csv"],
        [str(folder / "b.csv"), str(folder / "sub"), str(folder / "b.csv")],
    ]
    assert [
        [shard.name for shard in locate(source, Read(), tmp_path)] for source in sources
    ] == names
    assert [row["text"] for row in rows_of(folder, tmp_path)] == ["b.csv", "sub/a.csv"]


def test_empty_files_among_others_are_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")

    (shard,) = locate(tmp_path, Read(), tmp_path / "spool")

    assert shard.notes == ("left out because empty: a.csv",)


def refused(source: Any, tmp_path: Path, read: Read | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        locate(source, read or Read(), tmp_path / "spool")
    return str(caught.value)


def test_what_is_refused_and_how(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "blank.csv").write_text("\n \n")
    (tmp_path / "noise.csv").write_bytes(np.random.default_rng(7).bytes(5000))
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04" + b"\x00" * 100)
    (tmp_path / "torn.parquet").write_bytes(b"PAR1" + b"\x00" * 100)
    (tmp_path / "folder").mkdir()
    (tmp_path / "word.json").write_text("hello")

    assert "it is empty" in refused(tmp_path / "empty.csv", tmp_path)
    assert "it is empty" in refused(tmp_path / "blank.csv", tmp_path)
    assert "binary" in refused(tmp_path / "noise.csv", tmp_path)
    assert "a ZIP archive or an Excel file" in refused(tmp_path / "book.xlsx", tmp_path)
    assert "parquet file cannot be read" in refused(tmp_path / "torn.parquet", tmp_path)
    assert "no file that can be read" in refused(tmp_path / "folder", tmp_path)
    assert "did you mean 'empty.csv'?" in refused(tmp_path / "emty.csv", tmp_path)
    assert "No file matches" in refused(str(tmp_path / "*.tsv"), tmp_path)
    assert "ftp:// are not read" in refused("ftp://example.org/a.csv", tmp_path)
    assert "no such encoding" in refused(
        tmp_path / "book.xlsx", tmp_path, Read(format="csv", encoding="utf-9")
    )
    assert "This is no table" in refused(3, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    (tmp_path / "a.csv").chmod(0)

    assert "Permission denied" in refused(tmp_path / "a.csv", tmp_path)


def test_a_file_that_vanishes_or_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    (shard,) = locate(path, Read(), tmp_path)

    path.write_text("a")
    with pytest.raises(SourceError, match="shorter"):
        load(shard)
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        load(shard)


def test_tables_keep_their_types_and_are_cut_by_row_groups(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"i": range(1000), "t": ["x", None] * 500, "l": [[1, 2]] * 1000},
        schema_overrides={"t": pl.Categorical},
    )
    frame.write_parquet(tmp_path / "a.parquet", row_group_size=100)
    frame.write_ipc(tmp_path / "a.arrow", record_batch_size=100)
    frame.write_ipc_stream(tmp_path / "s.arrow")

    for name in ("a.parquet", "a.arrow", "s.arrow"):
        shards = locate(tmp_path / name, Read(), tmp_path / "spool", shard_bytes=2000)
        found = pl.concat(load(shard).rows for shard in shards)
        assert found.equals(frame.with_columns(pl.col("t").cast(pl.String)))
        assert len({fingerprint(shard) for shard in shards}) == len(shards)
    first = locate(tmp_path / "a.parquet", Read(), tmp_path, shard_bytes=2000)[0]
    assert load(first, ["t", "late"]).rows.columns == ["t", "late"]
    assert load(first).lines.to_list()[:2] == [1, 2]
    assert survey(first) == {"i": {"integer"}, "t": {"string", "null"}, "l": {"list"}}


@pytest.mark.parametrize("statistics", [True, False, ["a", "s.x"]])
def test_a_survey_says_the_same_whether_a_parquet_file_tells_it_or_is_read(tmp_path, statistics):
    frame = pl.DataFrame(
        {
            "a": [1, None],
            "none": [None, None],
            "number": [1.5, float("nan")],
            "list": [[None], []],
            "s": [{"x": 1}, {"x": None}],
            "s.x": ["beside", None],
            "coded": pl.Series(["r", "r"], dtype=pl.Categorical),
        }
    )
    pq.write_table(frame.to_arrow(), tmp_path / "t.parquet", write_statistics=statistics)

    (shard,) = locate(tmp_path / "t.parquet", Read(), tmp_path)

    assert survey(shard) == {
        "a": {"integer", "null"},
        "none": {"null"},
        "number": {"number"},
        "list": {"list"},
        "s": {"object"},
        "s.x": {"string", "null"},
        "coded": {"string"},
    }


def test_a_survey_tells_columns_of_one_name_apart(tmp_path):
    twice = pa.table([[1, None], ["x", "y"]], names=["k", "k"])
    pq.write_table(twice, tmp_path / "t.parquet")

    (shard,) = locate(tmp_path / "t.parquet", Read(), tmp_path)

    assert survey(shard) == {"k": {"integer", "null"}, "k_2": {"string"}}


@pytest.mark.parametrize(
    "data",
    [
        pl.DataFrame({"a": [1, 2]}),
        pl.DataFrame({"a": [1, 2]}).lazy(),
        pd.DataFrame({"a": [1, 2]}),
        pa.table({"a": [1, 2]}),
        np.array([(1,), (2,)], dtype=[("a", "i8")]),
        pd.Series([1, 2], name="a"),
    ],
)
def test_data_in_memory(tmp_path: Path, data: Any) -> None:
    (shard,) = locate(data, Read(), tmp_path)

    assert load(shard).rows["a"].to_list() == [1, 2]


def test_a_pandas_frame_with_an_index_and_mixed_objects(tmp_path: Path) -> None:
    frame = pd.DataFrame({"m": [1, "x", {"y": 1}, None]}, index=pd.Index(list("abcd"), name="key"))

    assert rows_of(frame, tmp_path) == [
        {"key": "a", "m": "1"},
        {"key": "b", "m": "x"},
        {"key": "c", "m": '{"y":1}'},
        {"key": "d", "m": None},
    ]


def test_the_fingerprint_is_the_contents(tmp_path: Path) -> None:
    for name, text in (("a", "x,y\n1,2\n"), ("b", "x,y\n1,2\n"), ("c", "x,y\n1,3\n")):
        (tmp_path / f"{name}.csv").write_text(text)
    one, same, other = (
        fingerprint(shard) for shard in locate(tmp_path, Read(), tmp_path / "spool")
    )

    assert one == same != other


def test_shards_travel_to_other_processes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    (shard,) = locate(tmp_path / "a.csv", Read(), tmp_path)

    assert pickle.loads(pickle.dumps(shard)) == shard
