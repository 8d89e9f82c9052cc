"""The rows of a query, in chunks that are kept as long as the database still has the same rows.

All chunks of a build come from one state of the database. With a `key` the rows are read in its
order, and a chunk ends where the key changes. The database then says of every chunk of the build
before whether its rows are still the same, by a hash over them; only what has changed is read
again, and what lies beyond the last whole chunk. A connection that drops is made again, and the
reading goes on behind the last whole chunk; without a key it begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from assay.errors import SourceError, nearest
from assay.places import Sql
from assay.sources import spool
from assay.sources._arrow import columns_of, joined, plain, typed
from assay.sources._databases import Lost, Session, explained, opened
from assay.sources.files import Plain
from assay.sources.outside import expanded
from assay.storage import write_atomically
from assay.urls import hidden

TRIES, FIRST_WAIT = 5, 0.5
_BYTES = 64 << 20


@dataclass(frozen=True)
class _Chunk:
    """Some rows of a query: their file, how many, the last key, and the database's hash of them."""

    file: str
    rows: int
    last: str | None
    total: str | None
    whole: bool


def read(asked: Sql, place: Path, shard_bytes: int) -> list[Plain]:
    """Read what a query gives into files in the folder `place`.

    Raises:
        SourceError: the database refuses or breaks off again and again, the query gives no rows,
            or the key is not one.
        StorageError: the files cannot be written.
        MissingExtra: the database's driver is not installed.
    """
    reading = _Reading(asked, place, shard_bytes)
    try:
        chunks = reading.chunks()
    finally:
        reading.close()
    if not sum(chunk.rows for chunk in chunks):
        raise SourceError(
            "The query gives no rows.", where=reading.name, received=asked.query, hint="look at it"
        )
    at = f"query {xxhash.xxh3_64_hexdigest(asked.query.encode())}"
    return [
        Plain(
            place / chunk.file,
            f"{reading.name}#{number}",
            "parquet",
            notes=tuple(reading.notes) if number == 1 else (),
            at=at,
            kept=(reading.index.name,),
        )
        for number, chunk in enumerate(chunks, start=1)
    ]


class _Reading:
    """One reading of a query: its connection, which may have to be made again, and its chunks."""

    def __init__(self, asked: Sql, place: Path, shard_bytes: int) -> None:
        self.asked, self.place, self.shard_bytes = asked, place, shard_bytes
        self.url = expanded(asked.sql)
        self.name = hidden(self.url).partition("?")[0]
        self.query = asked.query.strip().rstrip(";")
        self.notes: list[str] = []
        how = [self.name, self.query, asked.key, asked.chunk]
        self.index = place / f"{xxhash.xxh3_128_hexdigest(repr(how).encode())}.sql.json"
        # The first session stays open, idle: as long as it lives, its snapshot does.
        self.keeper: Session | None = None
        self.begun = False
        self.reader: Session | None = None

    def close(self) -> None:
        for session in (self.reader, self.keeper):
            if session is not None:
                session.close()
        self.reader = self.keeper = None

    def chunks(self) -> list[_Chunk]:
        key = self.asked.key
        if key is None:
            found: list[_Chunk] = self._patiently(
                lambda: [self._saved(one, None) for one in self._cut("")]
            )
            return found
        known = self._known()
        same = self._patiently(lambda: self._same(known)) if known else []
        chunks: list[_Chunk] = []
        after: str | None = None
        for chunk, unchanged in zip(known, same, strict=True):
            chunks += [chunk] if unchanged else self._between(after, chunk.last, chunks)
            after = chunk.last
        try:
            chunks += self._between(after, None, chunks)
        except SourceError:
            self._require_key()
            raise
        if not self.asked.append_only and self._patiently(self._session).hashes:
            chunks = self._patiently(lambda: self._with_totals(chunks))
        self._note(chunks)
        return chunks

    def _between(self, after: str | None, upto: str | None, before: list[_Chunk]) -> list[_Chunk]:
        """Read the rows whose keys lie between two, going on behind each whole chunk."""
        made: list[_Chunk] = []

        def go_on() -> None:
            last = made[-1].last if made else after
            for table in self._cut(self._where(last, upto)):
                made.append(self._saved(table, self.asked.key))
                self._note([*before, *made])

        self._patiently(go_on, lambda: len(made))
        return made

    def _cut(self, where: str) -> Iterator[pa.Table]:
        """The rows of the query as tables of one chunk each; a key never lies in two of them."""
        key = self.asked.key
        session = self._session()
        sql = f"SELECT * FROM ({self.query}) q"
        if key is not None:
            sql = f"{sql}{where} ORDER BY {self._column()}"
        waiting: list[pa.Table] = []
        rows = size = 0
        with explained(self.url):
            for batch in session.batches(sql):
                table = plain(pa.Table.from_batches([batch]))
                waiting.append(table)
                rows, size = rows + table.num_rows, size + table.nbytes
                while rows >= self.asked.chunk or size >= _BYTES:
                    whole = joined(waiting)
                    cut = self._place(whole, size)
                    if cut is None:
                        waiting = [whole]
                        break
                    yield whole.slice(0, cut)
                    waiting = [whole.slice(cut)]
                    rows, size = waiting[0].num_rows, waiting[0].nbytes
        if rows:
            yield joined(waiting)

    def _place(self, table: pa.Table, size: int) -> int | None:
        """Where to end a chunk: at its size, and with a key at the next row whose key is new."""
        rows = table.num_rows
        fits = max(1, int(rows * _BYTES / size)) if size >= _BYTES else rows
        at = min(self.asked.chunk, fits)
        if self.asked.key is None:
            return at
        keys = self._keys(table)
        last = keys[at - 1]
        rest = keys.slice(at)
        new = pc.index(pc.not_equal(rest, last), True).as_py() if len(rest) else -1
        # None: whether the next row has another key is not known before it is there.
        return None if new < 0 else at + int(new)

    def _require_key(self) -> None:
        """Say better than the database that the key is no column, if that is what is wrong."""
        self._leave()
        names = [name for name, _ in self._columns()]
        if names and self.asked.key not in names:
            raise SourceError(
                f"The query gives no column {self.asked.key!r}, which is to be its key.",
                where=self.name,
                allowed=names,
                hint=nearest(str(self.asked.key), names),
            ) from None

    def _keys(self, table: pa.Table) -> Any:
        key = str(self.asked.key)
        keys = table.column(key)
        if keys.null_count:
            raise SourceError(
                f"The key {key!r} has missing values, and such rows cannot be found again.",
                where=self.name,
                hint=f"add `WHERE {key} IS NOT NULL` to the query, or choose another key",
            )
        return keys

    def _saved(self, table: pa.Table, key: str | None) -> _Chunk:
        self.begun = True
        last = _literal(self._keys(table)[-1].as_py(), self.name) if key else None
        whole = table.num_rows >= self.asked.chunk or table.nbytes >= _BYTES // 2
        path = spool.table(table, self.place, self.shard_bytes)
        return _Chunk(path.name, table.num_rows, last, None, whole)

    def _column(self) -> str:
        return f"q.{self._session().quote(str(self.asked.key))}"

    def _where(self, after: str | None, upto: str | None) -> str:
        key = self._column()
        # A missing key sorts to either end, and is refused wherever it turns up.
        parts = [f"({key} > {after} OR {key} IS NULL)"] if after is not None else []
        parts += [f"{key} <= {upto}"] if upto is not None else []
        return f" WHERE {' AND '.join(parts)}" if parts else ""

    def _known(self) -> list[_Chunk]:
        """The whole chunks of the reading before, whose files are still what they were."""
        try:
            noted = [_Chunk(**one) for one in orjson.loads(self.index.read_bytes())]
        except (OSError, ValueError, TypeError):
            return []
        found: list[_Chunk] = []
        for chunk in noted:
            path = self.place / chunk.file
            if not chunk.whole or not path.exists():
                break
            if spool.file_key(path) != path.stem:
                break
            found.append(chunk)
        if not self.asked.append_only and not all(chunk.total for chunk in found):
            found = found[: [bool(chunk.total) for chunk in found].index(False)]
        return found

    def _same(self, known: list[_Chunk]) -> list[bool]:
        """Of each chunk, whether the database has the same rows still."""
        session = self._session()
        if not session.hashes and not self.asked.append_only:
            return [False] * len(known)
        with explained(self.url):
            kept = self._columns() == columns_of(self.place / known[-1].file)
            if kept and not self.asked.append_only:
                found = self._totals(known)
                return [found.get(at) == (one.rows, one.total) for at, one in enumerate(known)]
            old = f"({self.query}) q WHERE {self._column()} <= {known[-1].last}"
            same = kept and session.value(f"SELECT COUNT(*) FROM {old}") == sum(
                chunk.rows for chunk in known
            )
        if self.asked.append_only and not same:
            what = "rows" if kept else "columns"
            self.notes.append(f"the query's old {what} have changed, so all was read again")
        return [same] * len(known)

    def _columns(self) -> list[tuple[str, str]]:
        with explained(self.url):
            found = list(self._session().batches(f"SELECT * FROM ({self.query}) q LIMIT 1"))
        return typed(plain(pa.Table.from_batches(found)).schema) if found else []

    def _totals(self, chunks: list[_Chunk]) -> dict[int, tuple[int, str]]:
        """Rows and hash of the rows in each chunk's range of keys, as the database has them."""
        ways = self._session().hashes
        for way, hash in enumerate(ways):
            try:
                with explained(self.url):
                    return self._added_up(chunks, hash, way)
            except SourceError:
                # Not all types can be hashed in the fastest way.
                if way == len(ways) - 1:
                    raise
                self._leave()
        return {}

    def _added_up(self, chunks: list[_Chunk], hash: str, way: int) -> dict[int, tuple[int, str]]:
        session, key = self._session(), self._column()
        cases = " ".join(f"WHEN {key} <= {one.last} THEN {at}" for at, one in enumerate(chunks))
        # Behind OFFSET 0 two numbers a row are grouped; PostgreSQL would sort the whole rows.
        hashed = (
            f"SELECT CASE {cases} END AS part, {hash} AS h"
            f" FROM ({self.query}) q WHERE {key} <= {chunks[-1].last} OFFSET 0"
        )
        sql = f"SELECT part, COUNT(*), CAST(SUM(h) AS VARCHAR) FROM ({hashed}) p GROUP BY part"
        table = pa.Table.from_batches(list(session.batches(sql)))
        rows = zip(*(table.column(at).to_pylist() for at in range(3)), strict=True)
        return {int(part): (int(count), f"{way} {found}") for part, count, found in rows}

    def _leave(self) -> None:
        """End the reading session; the next one sees the same state."""
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def _with_totals(self, chunks: list[_Chunk]) -> list[_Chunk]:
        if all(chunk.total for chunk in chunks) or not chunks:
            return chunks
        with explained(self.url):
            found = self._totals(chunks)
        # Where the reading went over to a later state, a chunk may be of the former one.
        return [
            replace(one, total=found[at][1]) if found.get(at, (0,))[0] == one.rows else one
            for at, one in enumerate(chunks)
        ]

    def _note(self, chunks: list[_Chunk]) -> None:
        write_atomically(self.index, orjson.dumps([vars(one) for one in chunks]))

    def _session(self) -> Session:
        """The reading session; if it was lost, a new one that sees the same state."""
        if self.reader is not None:
            return self.reader
        if self.keeper is None:
            self.keeper = opened(self.url)
            if self.keeper.snapshot is None:
                self.reader, self.keeper = self.keeper, None
                return self.reader
        try:
            self.reader = opened(self.url, self.keeper.snapshot)
        except SourceError as error:
            if "snapshot" not in error.what:
                raise
            self.keeper.close()
            self.keeper = None
            self._later()
            return self._session()
        return self.reader

    def _later(self) -> None:
        """Say that what is read from now on is of a later state, if something was read before."""
        if self.begun and self.asked.key is not None and _LATER not in self.notes:
            self.notes.append(_LATER)

    def _patiently(self, work: Any, progress: Any = lambda: 0) -> Any:
        """Do it again when the connection is lost, with growing pauses, while nothing comes."""
        tried, seen = 0, progress()
        while True:
            try:
                return work()
            except Lost as error:
                again = self.reader is not None
                self._leave()
                if again and self.keeper is None:
                    self._later()
                tried = 1 if progress() > seen else tried + 1
                seen = progress()
                if tried >= TRIES:
                    what = "dropped the connection" if again else "cannot be reached"
                    raise SourceError(
                        f"The database {what}, {tried} times in a row: {error}.",
                        where=self.name,
                        hint="look whether it is up; nothing was built, so run again",
                    ) from None
            time.sleep(FIRST_WAIT * 2 ** (tried - 1))


_LATER = (
    "the connection to the database was lost, and the rows behind the break are of a later moment "
    "than those before"
)


def _literal(value: Any, where: str) -> str:
    """A key as SQL writes it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, bool | float | bytes | list | dict):
        raise SourceError(
            "A key orders the rows: whole numbers, texts, dates or times.",
            where=where,
            received=value,
        )
    return "'" + str(value).replace("'", "''") + "'"
