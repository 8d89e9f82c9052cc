"""Queries as sources: PostgreSQL, SQLite, DuckDB and what SQLAlchemy knows."""

from __future__ import annotations

import datetime
import sqlite3
import threading
import time
import uuid

import pytest
from servers import SECRET

import assay
from assay.errors import RecipeError, SourceError
from assay.sources import sql as reading

LONG = "INSERT INTO {} SELECT i, repeat('x', 500), 1 FROM generate_series(1001, 60000) i"

pytestmark = pytest.mark.usefixtures("planted")


@pytest.fixture
def table(postgres):
    """A table of a name of its own with 1,000 rows, and the way to fill it."""
    name = f"t{uuid.uuid4().hex[:8]}"
    postgres.do(
        f"CREATE TABLE {name} AS SELECT i AS id, 'text ' || i AS text, (i * 0.5)::numeric AS price"
        " FROM generate_series(1, 1000) i",
        f"ALTER TABLE {name} ADD PRIMARY KEY (id)",
    )
    yield name
    postgres.do(f"DROP TABLE {name}")


@pytest.fixture
def build(tmp_path):
    def built(source, **recipe):
        whole = {"name": "shop", "source": source, **recipe}
        return assay.build(whole, out=tmp_path / "versions", workers=1)

    return built


@pytest.fixture
def sqlite(tmp_path):
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE items (id INTEGER, text TEXT)")
        rows = [(n, f"text {n}") for n in range(500)]
        connection.executemany("INSERT INTO items VALUES (?, ?)", rows)
    connection.close()
    return path


def chunks_of(monkeypatch):
    """Count the rows that come from the database, chunk by chunk."""
    seen = []
    saved = reading._Reading._saved

    def counting(self, table, key):
        seen.append(table.num_rows)
        return saved(self, table, key)

    monkeypatch.setattr(reading._Reading, "_saved", counting)
    return seen


def test_a_query_is_read_by_chunks_and_its_password_is_nowhere(postgres, table, build, monkeypatch):
    monkeypatch.setenv("SHOP", postgres.url)
    source = {"sql": "${SHOP}", "query": f"SELECT * FROM {table};", "key": "id", "chunk": 300}
    version = build(source, id="id", fields={"price": {"type": "number"}})
    assert version.rows["kept"] == 1000
    assert version.to_polars()["price"].sum() == sum(n * 0.5 for n in range(1, 1001))
    assert len(version.manifest["sources"]) == 4
    assert version.manifest["recipe"]["source"]["sql"] == "${SHOP}"
    assert version.manifest["sources"][0]["name"].startswith("postgresql://127.0.0.1")


def test_a_password_written_into_a_recipe_is_not_written_down(postgres, table, build):
    version = build({"sql": postgres.url, "query": f"SELECT * FROM {table}"})
    assert SECRET not in str(version.manifest)
    assert version.manifest["recipe"]["source"]["sql"].startswith("postgresql://127.0.0.1")


def test_only_new_and_changed_rows_are_read_again(postgres, table, build, monkeypatch):
    source = {"sql": postgres.url, "query": f"SELECT * FROM {table}", "key": "id", "chunk": 100}
    first = build(source)
    seen = chunks_of(monkeypatch)
    assert build(source).id == first.id
    assert seen == []
    postgres.do(f"INSERT INTO {table} SELECT i, 'new', 1 FROM generate_series(1001, 1050) i")
    assert build(source).rows["kept"] == 1050
    assert seen == [50]
    seen.clear()
    # A corrected row and a deleted one, both far back; the last chunk is never whole.
    postgres.do(f"UPDATE {table} SET text = 'mended' WHERE id = 250")
    postgres.do(f"DELETE FROM {table} WHERE id = 777")
    grown = build(source)
    assert sorted(seen) == [50, 99, 100]
    assert grown.rows["kept"] == 1049
    assert "mended" in grown.to_polars()["text"]


def test_types_that_no_hash_is_known_of_are_compared_all_the_same(
    postgres, table, build, monkeypatch
):
    postgres.do(f"ALTER TABLE {table} ADD COLUMN about json DEFAULT '{{\"a\": 1}}'")
    source = {"sql": postgres.url, "query": f"SELECT * FROM {table}", "key": "id", "chunk": 250}
    build(source)
    seen = chunks_of(monkeypatch)
    postgres.do(f"UPDATE {table} SET about = '{{}}' WHERE id = 300")
    build(source)
    assert seen == [250]


def test_increments_give_the_version_that_a_full_reading_gives(postgres, table, build, tmp_path):
    source = {"sql": postgres.url, "query": f"SELECT * FROM {table}", "key": "id", "chunk": 64}
    build(source)
    postgres.do(f"INSERT INTO {table} SELECT i, 'new', 1 FROM generate_series(1001, 1500) i")
    full = assay.build({"name": "shop", "source": source}, out=tmp_path / "other", workers=1)
    assert build(source).manifest["hash"] == full.manifest["hash"]


def test_append_only_counts_old_rows_and_says_when_they_changed(
    postgres, table, build, monkeypatch
):
    source = {"sql": postgres.url, "query": f"SELECT * FROM {table}", "key": "id", "chunk": 250}
    source["append_only"] = True
    build(source)
    seen = chunks_of(monkeypatch)
    postgres.do(f"INSERT INTO {table} VALUES (2000, 'new', 1)")
    assert build(source).rows["kept"] == 1001
    assert seen == [1]
    postgres.do(f"DELETE FROM {table} WHERE id = 5")
    version = build(source)
    assert version.rows["kept"] == 1000
    assert "old rows have changed" in version.manifest["notes"][0]


def test_a_key_that_repeats_never_lies_in_two_chunks(postgres, table, build):
    query = f"SELECT id, id / 70 AS day, text FROM {table}"
    source = {"sql": postgres.url, "query": query, "key": "day", "chunk": 100}
    version = build(source, id="id")
    assert version.rows["kept"] == 1000
    assert [one["rows"] for one in version.manifest["sources"]].count(140) >= 6


def test_a_schema_that_changed_overnight_is_read_anew(postgres, table, build):
    source = {"sql": postgres.url, "query": f"SELECT * FROM {table}", "key": "id", "chunk": 100}
    build(source, fields={"price": {"type": "number", "required": True}})
    postgres.do(f"ALTER TABLE {table} ADD COLUMN brand text DEFAULT 'none'")
    assert "brand" in build(source).to_polars().columns
    postgres.do(f"ALTER TABLE {table} RENAME COLUMN price TO cost")
    with pytest.raises(RecipeError, match="no column 'price', which is required"):
        build(source, fields={"price": {"type": "number", "required": True}})


def test_a_connection_that_drops_is_made_again_and_sees_the_same_rows(
    postgres, table, build, monkeypatch
):
    postgres.do(
        f"INSERT INTO {table} SELECT i, repeat('x', 500), 1 FROM generate_series(1001, 60000) i"
    )
    monkeypatch.setattr(reading, "FIRST_WAIT", 0.01)
    saved = reading._Reading._saved
    cut = []

    def cutting(self, rows, key):
        chunk = saved(self, rows, key)
        if not cut:
            # Meanwhile somebody else deletes rows that have not been read yet.
            cut.append(postgres.cut_readers())
            postgres.do(f"DELETE FROM {table} WHERE id > 50000")
        return chunk

    monkeypatch.setattr(reading._Reading, "_saved", cutting)
    source = {"sql": postgres.url, "query": f"SELECT * FROM {table}", "key": "id", "chunk": 10_000}
    version = build(source, id="id")
    assert cut == [1]
    assert version.rows["kept"] == 60_000
    assert not [note for note in version.manifest["notes"] if "lost" in note]


def test_without_a_key_a_dropped_connection_begins_anew_and_counts_nothing_twice(
    postgres, table, build, monkeypatch
):
    postgres.do(
        f"INSERT INTO {table} SELECT i, repeat('x', 500), 1 FROM generate_series(1001, 60000) i"
    )
    monkeypatch.setattr(reading, "FIRST_WAIT", 0.01)
    saved = reading._Reading._saved
    cut = []

    def cutting(self, rows, key):
        if not cut:
            cut.append(postgres.cut_readers())
        return saved(self, rows, key)

    monkeypatch.setattr(reading._Reading, "_saved", cutting)
    source = {"sql": postgres.url, "query": f"SELECT * FROM {table}", "chunk": 10_000}
    assert build(source, id="id").rows["kept"] == 60_000
    assert cut == [1]


def test_a_database_that_always_drops_gives_one_error(postgres, table, build, monkeypatch):
    monkeypatch.setattr(reading, "FIRST_WAIT", 0.001)
    stop = threading.Event()

    def cut():
        while not stop.is_set():
            postgres.cut_readers()
            time.sleep(0.005)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        with pytest.raises(SourceError, match="dropped the connection, 5 times in a row") as caught:
            build({"sql": postgres.url, "query": f"SELECT *, pg_sleep(0.01) FROM {table}"})
    finally:
        stop.set()
        thread.join()
    assert SECRET not in str(caught.value)


def test_what_is_refused_is_one_error_without_the_password(postgres, table, build, tmp_path):
    def refused(**source):
        with pytest.raises(SourceError) as caught:
            build({"sql": postgres.url, "query": f"SELECT * FROM {table}", **source})
        assert SECRET not in str(caught.value)
        assert "wrong-secret" not in str(caught.value)
        return str(caught.value)

    wrong = postgres.url.replace(SECRET, "wrong-secret")
    assert "password authentication failed" in refused(sql=wrong)
    assert 'relation "nothing" does not exist' in refused(query="SELECT * FROM nothing")
    assert "syntax error" in refused(query="SELEC 1")
    assert "no column 'ids'" in refused(key="ids")
    assert "did you mean 'id'?" in refused(key="ids")
    assert "gives no rows" in refused(query=f"SELECT * FROM {table} WHERE id < 0", key="id")
    assert "missing values" in refused(query=f"SELECT NULLIF(id, 3) AS k FROM {table}", key="k")
    assert "orders the rows" in refused(query=f"SELECT random() AS k FROM {table}", key="k")
    assert "no SHOP_URL" in refused(sql="${SHOP_URL}")
    assert "no database of the kind 'postgrsql'" in refused(sql="postgrsql://localhost/x")
    assert "no such database" in refused(sql=f"sqlite:///{tmp_path}/none.db").lower()


def test_a_server_that_is_down_is_tried_again_and_then_named(build, monkeypatch):
    monkeypatch.setattr(reading, "FIRST_WAIT", 0.001)
    url = f"postgresql://keeper:{SECRET}@127.0.0.1:9/shop"
    pytest.importorskip("adbc_driver_postgresql")
    with pytest.raises(SourceError, match="cannot be reached, 5 times in a row") as caught:
        build({"sql": url, "query": "SELECT 1"})
    assert SECRET not in str(caught.value)


def test_every_type_of_postgres_comes_through(postgres, build):
    query = (
        "SELECT 1::int8 AS whole, 1.5::numeric AS exact, '2 days'::interval AS span,"
        " '{\"a\": [1]}'::jsonb AS json, '00000000-0000-0000-0000-00000000002a'::uuid AS uid,"
        " ARRAY['a', 'b'] AS list, true AS flag, DATE '2026-01-02' AS day,"
        " TIMESTAMPTZ '2026-01-02 03:04:05Z' AS moment, repeat('x', 5000000) AS huge, NULL AS gone"
    )
    row = build({"sql": postgres.url, "query": query}).to_polars().row(0, named=True)
    assert row["whole"] == 1
    assert float(row["exact"]) == 1.5
    assert row["uid"] == "00000000-0000-0000-0000-00000000002a"
    assert len(row["huge"]) == 5_000_000
    assert row["gone"] is None
    assert row["moment"] == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC) or row[
        "moment"
    ].replace(tzinfo=datetime.UTC) == datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+pysqlite"])
def test_sqlite_is_read_by_key(sqlite, build, scheme):
    if "+" in scheme:
        pytest.importorskip("sqlalchemy")
    source = {"sql": f"{scheme}:///{sqlite}", "query": "SELECT * FROM items", "key": "id"}
    version = build({**source, "chunk": 200}, id="id")
    assert version.rows["kept"] == 500
    assert len(version.manifest["sources"]) == 3
    with sqlite3.connect(sqlite) as connection:
        connection.execute("UPDATE items SET text = 'mended' WHERE id = 3")
        connection.execute("INSERT INTO items VALUES (1000, 'a late, half-typed row: 12')")
    connection.close()
    again = build({**source, "chunk": 200}, id="id")
    assert again.rows["kept"] == 501
    assert "mended" in again.to_polars()["text"]


def test_a_column_of_several_kinds_is_text(tmp_path, build):
    path = tmp_path / "mixed.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE m (v)")
        connection.executemany("INSERT INTO m VALUES (?)", [(1,), ("two",), (3.5,), (None,)])
    connection.close()
    found = build({"sql": f"sqlite:///{path}", "query": "SELECT v FROM m"}).to_polars()["v"]
    assert sorted(found.drop_nulls()) == ["1", "3.5", "two"]


def test_duckdb_reads_only_what_changed(tmp_path, build, monkeypatch):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "shop.duckdb"

    def do(statement):
        with duckdb.connect(str(path)) as connection:
            connection.execute(statement)

    do("CREATE TABLE items AS SELECT i AS id, 'text ' || i AS text FROM range(1000) r(i)")
    source = {"sql": f"duckdb:///{path}", "query": "SELECT * FROM items", "key": "id", "chunk": 300}
    assert build(source).rows["kept"] == 1000
    seen = chunks_of(monkeypatch)
    do("UPDATE items SET text = 'mended' WHERE id = 10")
    assert "mended" in build(source).to_polars()["text"]
    assert seen == [300, 100]


def test_a_query_stands_in_a_recipe_file_and_its_mistakes_are_named(sqlite, tmp_path):
    recipe = tmp_path / "assay.yaml"
    body = "name: shop\nsource:\n  sql: sqlite:///shop.db\n  query: SELECT * FROM items\n"
    recipe.write_text(body)
    assert assay.build(recipe, out=tmp_path / "versions", workers=1).rows["kept"] == 500
    recipe.write_text(body + "  kee: id\n")
    with pytest.raises(RecipeError, match="no key 'kee' here; did you mean 'key'"):
        assay.build(recipe, out=tmp_path / "versions")
    recipe.write_text("name: shop\nsource: {sql: sqlite:///shop.db}\n")
    with pytest.raises(RecipeError, match="'query' is missing"):
        assay.build(recipe, out=tmp_path / "versions")


def test_a_run_writes_the_password_nowhere(postgres, table, tmp_path):
    # `planted` looks through all that is written: report, ledger, cache, history of runs.
    recipe = {
        "name": "shop",
        "source": {"sql": postgres.url, "query": f"SELECT * FROM {table}", "key": "id"},
        "id": "id",
        "target": "price",
        "inputs": ["text"],
        "fields": {"price": {"type": "number"}},
        "steps": [{"split.random": {"train": 0.8, "validation": 0, "test": 0.2}}],
        "models": ["constant"],
    }
    outcome = assay.run(recipe, out=tmp_path / "versions", workers=1)
    assert SECRET not in repr(outcome) + str(outcome.to_dict())
    assert SECRET not in repr(assay.inspect(recipe["source"]))


def test_the_password_may_come_from_the_environment(postgres, table, build, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", SECRET)
    bare = postgres.url.replace(f":{SECRET}@", "@")
    source = {"sql": bare, "query": f"SELECT * FROM {table}", "key": "id"}
    assert build(source).rows["kept"] == 1000


def test_inspect_and_check_read_queries_too(sqlite):
    source = {"sql": f"sqlite:///{sqlite}", "query": "SELECT * FROM items"}
    assert assay.inspect(source).total == 500
    recipe = {"name": "x", "source": source, "fields": {"id": {"type": "integer", "max": 100}}}
    assert not assay.check(source, recipe).passed
