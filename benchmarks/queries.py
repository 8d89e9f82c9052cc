"""A query read from PostgreSQL into files, and read again when a part of the rows is new.

The rival reads the same query through the same driver into one Polars frame and writes Parquet,
which is how it is done by hand; it has to read everything again every time.

    python -m benchmarks.queries postgresql://user@host/database --rows 1000000

Makes and drops the table `assay_benchmark`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
from adbc_driver_postgresql import dbapi

from assay.places import Sql
from assay.sources import sql

TABLE = "assay_benchmark"
SELECT = (
    "SELECT i AS id, md5(i::text) || repeat(md5((i * 7)::text), 20) AS text, i * 1.5::float8"
    " AS price, 'c' || (i % 20) AS category FROM generate_series({}, {}) i"
)
QUERY = f"SELECT * FROM {TABLE}"


def main() -> None:
    """Print the seconds of every reading."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    url, rows = options.url, options.rows

    def do(statement: str) -> None:
        with dbapi.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    do(f"DROP TABLE IF EXISTS {TABLE}")
    do(f"CREATE TABLE {TABLE} AS {SELECT.format(1, rows)}")
    do(f"ALTER TABLE {TABLE} ADD PRIMARY KEY (id)")
    try:
        with tempfile.TemporaryDirectory() as folder:
            _compare(url, rows, Path(folder), do)
    finally:
        do(f"DROP TABLE {TABLE}")


def _compare(url: str, rows: int, folder: Path, do: Callable[[str], None]) -> None:
    def rival() -> None:
        frame = pl.read_database_uri(QUERY, url, engine="adbc")
        frame.write_parquet(folder / "rival.parquet")

    def ours(name: str, **given: Any) -> None:
        place = folder / name
        place.mkdir(exist_ok=True)
        sql.read(Sql(sql=url, query=QUERY, **given), place, 32 << 20)

    keyed, appended = {"key": "id"}, {"key": "id", "append_only": True}
    _timed("rival", rival)
    _timed("assay, no key", lambda: ours("plain"))
    _timed("assay, key", lambda: ours("keyed", **keyed))
    _timed("assay, append only", lambda: ours("appended", **appended))
    do(f"INSERT INTO {TABLE} {SELECT.format(rows + 1, rows + rows // 100)}")
    _timed("1 % more: rival", rival)
    _timed("1 % more: assay, key", lambda: ours("keyed", **keyed))
    _timed("1 % more: assay, append only", lambda: ours("appended", **appended))


def _timed(what: str, work: Callable[[], None]) -> None:
    start = time.perf_counter()
    work()
    print(f"{what:<30} {time.perf_counter() - start:8.2f} s", flush=True)


if __name__ == "__main__":
    main()
