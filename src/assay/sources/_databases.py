"""Databases: what a query gives as Arrow batches, and what must be known of each kind of database.

PostgreSQL comes through ADBC (binary COPY to Arrow), DuckDB by its own Arrow, SQLite through the
standard library, and whatever else SQLAlchemy has a dialect for through that.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from assay.errors import MissingExtra, SourceError, nearest
from assay.sources._refusals import translated
from assay.urls import hidden

_ROWS = 20_000
_PATIENCE = 10
_DRIVERS = ("adbc_driver_manager", "sqlite3", "_duckdb", "duckdb", "sqlalchemy", "pyarrow")
_SCHEMES = ("postgresql", "postgres", "sqlite", "duckdb")


@dataclass
class Session:
    """One connection, in one transaction that sees one state of the database.

    Attributes:
        batches: the rows of a query, a batch at a time.
        close: ends the session.
        hashes: SQL that gives a whole number for the content of a row `q`, the fastest first; none
            where the database has no such function.
        snapshot: a name by which other sessions see the same state, where there is one.
        quote: how a column's name is written.
    """

    batches: Callable[[str], Iterator[pa.RecordBatch]]
    close: Callable[[], None]
    hashes: tuple[str, ...] = ()
    snapshot: str | None = None
    quote: Callable[[str], str] = field(default=lambda name: '"' + name.replace('"', '""') + '"')

    def value(self, query: str) -> Any:
        """The one value that a query gives."""
        return pa.Table.from_batches(list(self.batches(query))).column(0)[0].as_py()


class Lost(Exception):  # noqa: N818 - what happened, not a request that is wrong
    """The connection broke, or could not be made; it may be worth another try."""


def opened(url: str, snapshot: str | None = None) -> Session:
    """Connect, and begin to see one state of the database: that of a snapshot, if one is named.

    Raises:
        Lost: the database cannot be reached now.
        SourceError: it refuses, or there is no such database.
        MissingExtra: its driver is not installed.
    """
    scheme = url.partition("://")[0].lower()
    with explained(url):
        if scheme in ("postgresql", "postgres"):
            return _postgres(url, snapshot)
        if scheme == "sqlite":
            return _sqlite(url)
        if scheme == "duckdb":
            return _duckdb(url)
        return _alchemy(url)


def _postgres(url: str, snapshot: str | None) -> Session:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise MissingExtra("sql", "PostgreSQL") from None
    mark = "&" if "?" in url else "?"
    patience = "" if "connect_timeout" in url else f"{mark}connect_timeout={_PATIENCE}"
    connection = dbapi.connect(f"{url}{patience}")
    cursor = connection.cursor()

    def batches(query: str) -> Iterator[pa.RecordBatch]:
        cursor.execute(query)
        reader: Any = cursor.fetch_record_batch()
        yield from reader

    def close() -> None:
        try:
            cursor.close()
            connection.close()
        except dbapi.Error:
            # The connection is gone already, which is what was wanted.
            pass

    try:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            cursor.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
        # The record itself is hashed five times as fast, if its types know how (json does not).
        hashes = ("hash_record_extended(q, 0)", "hashtextextended(q::text, 0)")
        session = Session(batches, close, hashes, snapshot)
        if snapshot is None:
            session.snapshot = session.value("SELECT pg_export_snapshot()")
    except BaseException:
        close()
        raise
    return session


def _path(url: str) -> Path:
    """The file that `sqlite:///file.db` or `duckdb:////root/file.db` names."""
    parts = urlsplit(url)
    path = Path(unquote(f"{parts.netloc}{parts.path}"[1 if not parts.netloc else 0 :]))
    if not path.is_file():
        beside = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SourceError(
            "There is no such database.", where=str(path), hint=nearest(path.name, beside)
        )
    return path


def _sqlite(url: str) -> Session:
    path = _path(url).resolve()
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)
    connection.execute("BEGIN")

    def batches(query: str) -> Iterator[pa.RecordBatch]:
        cursor = connection.execute(query)
        yield from _tuples(cursor, [one[0] for one in cursor.description])

    return Session(batches, connection.close)


def _duckdb(url: str) -> Session:
    try:
        import duckdb
    except ImportError:
        raise MissingExtra("sql", "DuckDB") from None
    connection = duckdb.connect(str(_path(url)), read_only=True)
    connection.execute("BEGIN TRANSACTION")

    def batches(query: str) -> Iterator[pa.RecordBatch]:
        reader: Any = connection.sql(query).to_arrow_reader(_ROWS)
        yield from reader

    return Session(batches, connection.close, ("hash(q)::HUGEINT",))


def _alchemy(url: str) -> Session:
    try:
        import sqlalchemy
    except ImportError:
        raise MissingExtra("sql", "This database") from None
    try:
        engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.pool.NullPool)
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        scheme = url.partition("://")[0]
        missing = isinstance(error, ImportError) and not isinstance(
            error, sqlalchemy.exc.NoSuchModuleError
        )
        raise SourceError(
            f"The driver of this database is not installed: {error}."
            if missing
            else f"There is no database of the kind {scheme!r}.",
            where=hidden(url),
            allowed=None if missing else (*_SCHEMES, "any of SQLAlchemy, such as mysql+pymysql"),
            hint=nearest(scheme, _SCHEMES),
        ) from None
    connection = engine.connect()
    try:
        connection = connection.execution_options(
            isolation_level="REPEATABLE READ", stream_results=True
        )
    except (sqlalchemy.exc.ArgumentError, NotImplementedError):
        connection = connection.execution_options(stream_results=True)

    def batches(query: str) -> Iterator[pa.RecordBatch]:
        result = connection.execute(sqlalchemy.text(query.replace(":", r"\:")))
        yield from _tuples(iter(result), list(result.keys()))

    return Session(batches, connection.close, quote=engine.dialect.identifier_preparer.quote)


def _tuples(rows: Any, names: list[str]) -> Iterator[pa.RecordBatch]:
    """Rows that come as tuples, turned into columns batch by batch."""
    first = True
    while (found := list(islice(rows, _ROWS))) or first:
        columns = list(zip(*found, strict=True)) or [()] * len(names)
        yield pa.RecordBatch.from_arrays([_column(values) for values in columns], names=names)
        first = False


def _column(values: tuple[Any, ...]) -> Any:
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        # SQLite keeps values of several kinds in one column: as text, like a column of JSON.
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def explained(url: str) -> AbstractContextManager[None]:
    """Turn what a database says into one error, without the password, or into `Lost`."""
    # What breaks in the middle of a COPY comes as a plain error of reading.
    return translated(_DRIVERS, (OSError,), lambda error: _told(error, url))


def _told(error: Exception, url: str) -> Exception:
    text = _without_secret(str(error), url)
    if _is_lost(text, str(getattr(error, "sqlstate", None) or "")):
        return Lost(_first(text))
    return SourceError(
        f"The database refuses: {_first(text)}.", where=hidden(url), hint=_hint(text)
    )


_GONE = re.compile(
    r"(?i)server closed the connection|connection (was |has been )?(reset|refused|lost|closed)"
    r"|terminating connection|could not (connect|receive|send)|connection timed out|timeout expired"
    r"|ssl syscall|broken pipe|no connection to the server|starting up|shutting down|too many cl"
    r"|could not translate host name|database is locked|lost connection|gone away|not connected"
)


def _is_lost(text: str, state: str) -> bool:
    return (
        state[:2] in ("08", "53")
        or state in ("57P01", "57P02", "57P03", "40001")
        or (state[:2] in ("", "XX") and bool(_GONE.search(text)))
    )


def _first(text: str) -> str:
    """What a driver says, in one line, without its own prefix and the query repeated."""
    text = re.split(r"\n+(?:LINE \d|Query was|\[SQL)|\. SQLSTATE", text, maxsplit=1)[0]
    text = re.sub(r"^(?:[A-Z_]+: )?(?:\[libpq\] )?(?:Failed to \w+(?: \w+)?: )?", "", text.strip())
    text = re.sub(r"^(?:could not begin COPY: )?(?:ERROR|FATAL):\s*", "", text)
    return " ".join(text.split()).rstrip(".")[:300]


def _hint(text: str) -> str | None:
    if re.search(r"(?i)password|authentication|access denied", text):
        return "PGPASSWORD, ~/.pgpass or `${NAME}` in the URL hold the password"
    if re.search(r"(?i)does not exist|no such table|not found|syntax error", text):
        return "try the query in the database's own client"
    return None


def _without_secret(text: str, url: str) -> str:
    try:
        secret = urlsplit(url).password
    except ValueError:
        secret = None
    for word in {secret, unquote(secret)} if secret else ():
        text = text.replace(word, "***")
    return hidden(text)
