"""What the tests of places know of the servers they start."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

SECRET = "Tr0ub4dor-and-3"


@dataclass(frozen=True)
class Postgres:
    """A server of this session's own."""

    port: int

    @property
    def url(self) -> str:
        return f"postgresql://keeper:{SECRET}@127.0.0.1:{self.port}/postgres"

    def do(self, *statements: str) -> None:
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        from adbc_driver_postgresql import dbapi

        with dbapi.connect(self.url, autocommit=True) as one, one.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    def cut_readers(self) -> int:
        """End every connection that is reading, as a network would that breaks."""
        found = self.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE query LIKE 'COPY (SELECT * FROM%' AND pid <> pg_backend_pid()"
        )
        return int(found[0][0])


def programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Site:
    """What a small web server holds, and how it misbehaves."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    tags: bool = True
    ranges: bool = True
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    # What to answer next instead of the file: a status, or after how many bytes to hang up.
    troubles: list[tuple[str, int]] = field(default_factory=list)
    answer: Callable[[BaseHTTPRequestHandler], bool] | None = None
