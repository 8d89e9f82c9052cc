"""The history's file: its schema, what opens it, and what SQLite says as one error."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from assay.errors import StorageError

WAIT_S = 60.0
_OURS = 0x61737379  # in the file's header: it was made by assay
# The nth of these takes a file of schema n - 1 to schema n; one that was released never changes.
_SCHEMA = (
    """
    CREATE TABLE batches (
        arrival INTEGER PRIMARY KEY AUTOINCREMENT,
        hash TEXT NOT NULL,
        version TEXT NOT NULL,
        name TEXT NOT NULL,
        at TEXT NOT NULL,
        rows INTEGER NOT NULL,
        cells TEXT NOT NULL,
        document TEXT NOT NULL,
        UNIQUE (version, hash)
    );
    CREATE TABLE bases (
        version TEXT PRIMARY KEY,
        cells TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE predictions (
        arrival INTEGER PRIMARY KEY REFERENCES batches,
        parquet BLOB NOT NULL
    );
    CREATE TABLE labels (
        row_id TEXT PRIMARY KEY,
        value TEXT NOT NULL,
        source TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE disputed (
        row_id TEXT NOT NULL,
        value TEXT NOT NULL,
        source TEXT NOT NULL,
        PRIMARY KEY (row_id, value)
    ) WITHOUT ROWID;
    """,
)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """See that the file is a history of ours, and bring it to today's schema.

    Raises:
        StorageError: it is another database, or a newer assay wrote it.
    """
    schema, owner, tables = (
        connection.execute(asked).fetchone()[0]
        for asked in (
            "PRAGMA user_version",
            "PRAGMA application_id",
            "SELECT count(*) FROM sqlite_master",
        )
    )
    if owner != _OURS and tables:
        raise StorageError(
            "This is a database, but not a history of monitoring.",
            where=str(path),
            hint="move it away; it was not touched",
        )
    if schema > len(_SCHEMA):
        raise StorageError(
            "A newer assay wrote this history.",
            where=str(path),
            received=f"schema {schema}",
            allowed=f"up to schema {len(_SCHEMA)}",
            hint="upgrade assay",
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if schema == len(_SCHEMA):
        return
    connection.execute("BEGIN EXCLUSIVE")
    try:
        # Another monitor may have done it while this one waited.
        schema = connection.execute("PRAGMA user_version").fetchone()[0]
        for script in _SCHEMA[schema:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_OURS}")
        connection.execute(f"PRAGMA user_version = {len(_SCHEMA)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system say into one StorageError.

    Raises:
        StorageError: the file is damaged, held by another, or cannot be read or written.
    """
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        what, hint = next(
            (told for start, told in _TOLD.items() if name.startswith(start)),
            (f"The history cannot be used: {error}.", None),
        )
        raise StorageError(what, where=str(path), received=str(error), hint=hint) from error
    except (OSError, pl.exceptions.ComputeError, json.JSONDecodeError) as error:
        if isinstance(error, OSError):
            what, hint = f"The history cannot be used: {error.strerror}.", None
        else:
            what, hint = _TOLD["SQLITE_CORRUPT"]
        raise StorageError(what, where=str(path), received=str(error), hint=hint) from error


_TOLD: Mapping[str, tuple[str, str | None]] = {
    "SQLITE_FULL": ("The disk is full.", "free some space and run again: the history is whole"),
    "SQLITE_IOERR": (
        "The history cannot be written to: the disk is full or gives errors.",
        "free some space and run again: what was written before is whole",
    ),
    "SQLITE_BUSY": (
        f"Another monitor has held the history for more than {WAIT_S:.0f} s.",
        "run again when it is done",
    ),
    "SQLITE_LOCKED": ("Another monitor holds the history.", "run again when it is done"),
    "SQLITE_READONLY": ("The history may not be written to.", "see who owns the file"),
    "SQLITE_CANTOPEN": ("The history cannot be opened.", "see who owns the folder"),
    **dict.fromkeys(
        ("SQLITE_CORRUPT", "SQLITE_NOTADB"),
        (
            "The history of monitoring is damaged.",
            "move the file away and monitor again; `sqlite3 FILE .recover` may save what is in it",
        ),
    ),
}
