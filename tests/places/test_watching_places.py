"""A watch over places that are no files of this machine: each look asks for what has changed."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from itertools import islice

import pyarrow as pa
import pytest

import assay
from assay.errors import AssayError, SourceError
from assay.objects import Store
from assay.sources import sql as reading


def lines(start, stop):
    return b"".join(b'{"n": %d, "text": "text %d"}\n' % (n, n) for n in range(start, stop))


@pytest.fixture
def once(tmp_path):
    """Look once at a source and do what there is to do."""

    def looked(source):
        made = {"name": "shop", "source": source}
        return list(assay.watch(recipe=made, out=tmp_path / "versions", once=True, workers=1))

    return looked


def what(events):
    return [event.what for event in events]


def test_objects_are_watched_by_their_tags(bucket, once, monkeypatch, tmp_path):
    store = Store(bucket)
    store.write("raw/a.jsonl", lines(0, 200))
    assert what(once(f"{bucket}/raw")) == ["watching", "built"]
    fetched = []
    fetch = Store.fetch
    monkeypatch.setattr(Store, "fetch", lambda self, one, to: (fetched.append(one.key),
                                                               fetch(self, one, to)))  # fmt: skip
    assert what(once(f"{bucket}/raw")) == ["watching", "unchanged"]
    assert fetched == []
    store.write("raw/b.jsonl", lines(200, 300))
    _, seen, built = once(f"{bucket}/raw")
    assert (seen.what, seen.said["new"], built.what) == ("monitored", ["b.jsonl"], "built")
    assert fetched == ["raw/b.jsonl"]
    (batch,) = assay.monitored("shop/v1", out=tmp_path / "versions").batches
    assert batch["batch"]["rows"] == 100


def test_a_file_of_the_web_is_watched(site, once):
    site.files["/a.csv"] = b"n,text\n1,one\n2,two\n"
    url = f"{site.address}/a.csv"
    assert what(once(url)) == ["watching", "built"]
    assert what(once(url)) == ["watching", "unchanged"]
    site.files["/a.csv"] += b"3,three\n"
    assert what(once(url)) == ["watching", "monitored", "built"]


def changes(database, once, source):
    """The same story for every database: rows come, one is corrected, nothing happens."""
    database("INSERT INTO {} SELECT i, 'text ' || i FROM numbers WHERE i <= 500")
    assert what(once(source)) == ["watching", "built"]
    assert what(once(source)) == ["watching", "unchanged"]
    database("INSERT INTO {} SELECT i, 'text ' || i FROM numbers WHERE i > 500")
    _, seen, built = once(source)
    # A chunk that was filled up has old rows too; only those with new keys are the batch.
    assert (seen.what, built.what) == ("monitored", "built")
    assert seen.detail.startswith("130 rows at ")
    assert "630 of 630 rows" in built.detail
    database("UPDATE {} SET text = 'mended' WHERE id = 3")
    assert what(once(source)) == ["watching", "built"]


def test_a_query_with_a_key_is_watched_in_postgres(postgres, once, monkeypatch):
    name = f"t{uuid.uuid4().hex[:8]}"
    numbers = "(SELECT generate_series(1, 630) AS i) numbers"
    postgres.do(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, text TEXT)")
    read = []
    saved = reading._Reading._saved
    monkeypatch.setattr(reading._Reading, "_saved", lambda self, table, key: (
        read.append(table.num_rows), saved(self, table, key))[1])  # fmt: skip

    def database(statement):
        postgres.do(statement.format(name).replace("FROM numbers", f"FROM {numbers}"))

    source = {"sql": postgres.url, "query": f"SELECT * FROM {name}", "key": "id", "chunk": 200}
    changes(database, once, source)
    read.clear()
    assert what(once(source)) == ["watching", "unchanged"]
    assert sum(read) <= 30  # what lies beyond the last whole chunk; the database says the rest
    postgres.do(f"DROP TABLE {name}")


@pytest.mark.parametrize(
    "key", ["timestamptz '2026-01-01' + i * interval '1 hour 1 second'", "date '2026-01-01' + i",
            "'k' || lpad(i::text, 5, '0')"],
)  # fmt: skip
def test_times_and_texts_are_keys_too(postgres, once, key):
    name = f"t{uuid.uuid4().hex[:8]}"
    rows = f"SELECT {key} AS k, i AS n FROM generate_series({{}}, {{}}) AS i"
    postgres.do(f"CREATE TABLE {name} AS {rows.format(1, 150)}")
    source = {"sql": postgres.url, "query": f"SELECT * FROM {name}", "key": "k", "chunk": 100}
    assert what(once(source)) == ["watching", "built"]
    postgres.do(f"INSERT INTO {name} {rows.format(151, 210)}")
    _, seen, _ = once(source)
    assert seen.detail.startswith("60 rows at ")
    postgres.do(f"DROP TABLE {name}")


def test_a_query_with_a_key_is_watched_in_sqlite(tmp_path, once):
    path = tmp_path / "shop.db"
    numbers = ("WITH RECURSIVE numbers(i) AS "
               "(SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 630) ")  # fmt: skip

    def database(statement):
        with closing(sqlite3.connect(path)) as one, one:
            one.execute(
                (numbers if "FROM numbers" in statement else "") + statement.format("items")
            )

    database("CREATE TABLE {} (id INTEGER, text TEXT)")
    source = {"sql": f"sqlite:///{path}", "query": "SELECT * FROM items", "key": "id", "chunk": 200}
    changes(database, once, source)


def test_the_new_rows_of_a_delta_table_are_monitored(tmp_path, once):
    deltalake = pytest.importorskip("deltalake")
    place = str(tmp_path / "delta")

    def write(values, **more):
        rows = [{"n": n, "more": [{"x": n}]} for n in values]
        deltalake.write_deltalake(place, pa.Table.from_pylist(rows), **more)

    write([1, 2, 2])
    assert what(once({"delta": place})) == ["watching", "built"]
    assert what(once({"delta": place})) == ["watching", "unchanged"]
    write([2, 4, 5], mode="append")  # a second one more of a row that stood there twice
    _, seen, built = once({"delta": place})
    assert (seen.what, built.what) == ("monitored", "built")
    assert seen.detail.startswith("3 new rows at ")
    write([1, 2, 7], mode="overwrite")  # rows went, and one came
    _, seen, _ = once({"delta": place})
    assert seen.detail.startswith("1 new rows at ")
    write([1, 2], mode="overwrite")  # nothing came
    assert what(once({"delta": place})) == ["watching", "built"]
    for copy in (tmp_path / "versions/.cache/spool").glob("*.parquet"):
        copy.unlink()
    write([8], mode="append")
    _, seen, _ = once({"delta": place})
    assert seen.detail.startswith("all 3 rows at ") and "version before is gone" in seen.detail
    deltalake.write_deltalake(
        place, pa.table({"n": [1], "m": [2]}), mode="overwrite", schema_mode="overwrite"
    )
    _, seen, _ = once({"delta": place})
    assert seen.detail.startswith("all 1 rows at ") and "columns have changed" in seen.detail


def test_the_new_rows_of_an_iceberg_table_are_monitored(tmp_path, once):
    catalogs = pytest.importorskip("pyiceberg.catalog.sql")
    catalog = catalogs.SqlCatalog(
        "shop", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/lake"
    )
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.items", schema=pa.schema([("n", pa.int64())]))
    source = {"iceberg": table.location().removeprefix("file://")}
    table.append(pa.table({"n": [1, 2, 3]}))
    assert what(once(source)) == ["watching", "built"]
    table.append(pa.table({"n": [4, 5]}))
    _, seen, built = once(source)
    assert seen.detail.startswith("2 new rows at ") and built.what == "built"
    (batch,) = assay.monitored("shop/v1", out=tmp_path / "versions").batches
    assert batch["batch"]["rows"] == 2
    catalog.close()


def test_a_place_that_is_out_of_reach_is_a_failure_and_not_empty(bucket, once, tmp_path):
    with pytest.raises(SourceError):
        once(f"{bucket}/nothing")
    made = {"name": "shop", "source": f"{bucket}/nothing"}
    events = assay.watch(recipe=made, out=tmp_path / "v", every=0.1)
    assert what(islice(events, 3)) == ["watching", "failed", "failed"]
    events.close()
    with pytest.raises(AssayError, match="no NOWHERE"):
        assay.watch(recipe={"name": "shop", "source": "${NOWHERE}/a"}, out=tmp_path)
