"""The history of monitoring: every batch that was held against the versions of a name, in one file.

`<out>/<name>/monitor.sqlite`. A batch is known by its content's hash, so that one that comes twice
counts once; each is written in one transaction, so that a kill leaves the file whole; monitors
that run at once wait for one another.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assay.errors import StorageError
from assay.monitoring._sqlite import WAIT_S, prepare, sqlite_errors
from assay.rows import ROW_ID

HISTORY = "monitor.sqlite"


@dataclass(frozen=True)
class Batch:
    """One batch as the history keeps it.

    Attributes:
        hash: of its content.
        version: the title of the version that it was held against.
        name: what it is called, such as its file's name.
        at: when its rows are from.
        rows: how many there are.
        cells: for each field the counts of its rows by cell; see `sequential.of_counts`.
        document: what `monitor.json` says of it.
        predictions: `row_id`, `model`, `prediction`, …, which later labels are matched with.
        arrival: its number in the order in which batches came.
    """

    hash: str
    version: str
    name: str
    at: datetime
    rows: int
    cells: Mapping[str, Sequence[float]] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    predictions: pl.DataFrame | None = None
    arrival: int = 0


@dataclass(frozen=True)
class Labelled:
    """What became of labels that were handed in.

    Attributes:
        new: rows whose label was not known.
        same: rows whose label was known and is the same; they count once.
        different: rows whose label was known and is another; the first one stays.
        examples: some of these: row id, the label that stays, the one that came.
    """

    new: int
    same: int
    different: int
    examples: tuple[tuple[str, str, str], ...] = ()


class History:
    """An open history. Made by `opened`."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection, self.path = connection, path

    def add(
        self,
        batch: Batch,
        finish: Callable[[list[Batch]], Mapping[str, Any]] | None = None,
        *,
        reference: Mapping[str, Sequence[float]] | None = None,
    ) -> Batch:
        """Add a batch, unless it is there already, and give it as the history has it.

        Args:
            batch: the new one.
            finish: makes its document out of all batches of this version up to then, in their
                order and itself among them. Nobody else adds a batch in the meantime.
            reference: the version's rows by cell; kept as they are first given.

        Raises:
            StorageError: the file cannot be written to, or is damaged.
        """
        with self._changing():
            known = [one for one in self._read(batch.version) if one.hash == batch.hash]
            if known:
                return known[0]
            arrival = self._connection.execute(
                "INSERT INTO batches (hash, version, name, at, rows, cells, document) "
                "VALUES (?, ?, ?, ?, ?, ?, '{}')",
                (batch.hash, batch.version, batch.name, _stamp(batch.at), batch.rows,
                 _cells(batch.cells)),
            ).lastrowid  # fmt: skip
            added = replace(batch, arrival=int(arrival or 0))
            if reference is not None:
                self._connection.execute(
                    "INSERT OR IGNORE INTO bases VALUES (?, ?)",
                    (batch.version, _cells(reference)),
                )
            if batch.predictions is not None:
                self._connection.execute(
                    "INSERT INTO predictions VALUES (?, ?)", (arrival, _packed(batch.predictions))
                )
            if finish is not None:
                past = [added if one.arrival == arrival else one
                        for one in self._read(batch.version)]  # fmt: skip
                added = replace(added, document=finish(past))
            self._connection.execute(
                "UPDATE batches SET document = ? WHERE arrival = ?",
                (json.dumps(added.document), arrival),
            )
        return added

    def batches(self, version: str | None = None) -> list[Batch]:
        """All batches, or those held against one version: by their time, then as they came.

        Predictions are not among it; see `predictions`.

        Raises:
            StorageError: the file is damaged.
        """
        with sqlite_errors(self.path):
            return self._read(version)

    def count(self, version: str) -> int:
        """How many batches were held against a version.

        Raises:
            StorageError: the file is damaged.
        """
        with sqlite_errors(self.path):
            found = self._connection.execute(
                "SELECT count(*) FROM batches WHERE version = ?", (version,)
            ).fetchone()
        return int(found[0])

    def reference(self, version: str) -> dict[str, list[float]]:
        """A version's rows by cell, which batches are held against; none where it has no batch.

        Raises:
            StorageError: the file is damaged.
        """
        with sqlite_errors(self.path):
            found = self._connection.execute(
                "SELECT cells FROM bases WHERE version = ?", (version,)
            ).fetchone()
            return json.loads(found[0]) if found else {}

    def predictions(self, arrival: int) -> pl.DataFrame | None:
        """What models predicted for a batch.

        Raises:
            StorageError: the file is damaged.
        """
        with sqlite_errors(self.path):
            found = self._connection.execute(
                "SELECT parquet FROM predictions WHERE arrival = ?", (arrival,)
            ).fetchone()
        return pl.read_parquet(io.BytesIO(found[0])) if found else None

    def add_labels(self, labels: pl.DataFrame, source: str) -> Labelled:
        """Keep labels that came later: `row_id` and `value`, both texts, neither null.

        A row's first label stays. One that comes again and is the same counts once; one that is
        another is kept apart, and told.

        Raises:
            StorageError: the file cannot be written to, or is damaged.
        """
        with self._changing():
            execute = self._connection.execute
            execute("CREATE TEMP TABLE given (row_id TEXT, value TEXT)")
            self._connection.executemany(
                "INSERT INTO given VALUES (?, ?)", labels.select("row_id", "value").iter_rows()
            )
            before = execute("SELECT count(*) FROM labels").fetchone()[0]
            execute("INSERT OR IGNORE INTO labels SELECT row_id, value, ? FROM given", (source,))
            new = execute("SELECT count(*) FROM labels").fetchone()[0] - before
            others = ("FROM given JOIN labels USING (row_id) WHERE given.value != labels.value "
                      "ORDER BY row_id")  # fmt: skip
            different = execute(f"SELECT count(*) {others}").fetchone()[0]
            some = execute(f"SELECT row_id, labels.value, given.value {others} LIMIT 5").fetchall()
            execute(
                f"INSERT OR IGNORE INTO disputed SELECT row_id, given.value, ? {others}", (source,)
            )
            execute("DROP TABLE given")
        return Labelled(new, labels.height - new - different, different, tuple(some))

    def labels(self) -> pl.DataFrame:
        """The label of every row that has one: `row_id`, `value`.

        Raises:
            StorageError: the file is damaged.
        """
        with sqlite_errors(self.path):
            found = self._connection.execute("SELECT row_id, value FROM labels").fetchall()
        return pl.DataFrame(found, schema={"row_id": pl.String, "value": pl.String}, orient="row")

    def rewrite(self, documents: Mapping[int, Mapping[str, Any]]) -> None:
        """Give batches other documents, such as after labels came: arrival to document.

        Raises:
            StorageError: the file cannot be written to, or is damaged.
        """
        with self._changing():
            self._connection.executemany(
                "UPDATE batches SET document = ? WHERE arrival = ?",
                [(json.dumps(said), arrival) for arrival, said in documents.items()],
            )

    def prune(self, version: str, keep: int) -> int:
        """Drop what no evidence rests on from all but the newest batches of a version.

        What models predicted and the rows that were shown go, and with them what was told at the
        look of that day. Counts by cell, effects and figures stay, and so do the ids of rows whose
        label was counted: what is said of batches to come is the same to the last digit. Labels
        that come for a pruned batch are no longer matched with it.

        Args:
            version: the version's title.
            keep: how many batches stay whole: those that came last.

        Returns:
            How many batches were pruned that had not been before.

        Raises:
            StorageError: the file cannot be written to, or is damaged.
        """
        pruned = 0
        with self._changing():
            known = self.labels().select(ROW_ID)
            execute = self._connection.execute
            came = sorted(self._read(version), key=lambda one: one.arrival)
            for batch in came[: max(0, len(came) - keep)]:
                if batch.document.get("pruned"):
                    continue
                said = {**batch.document, "moved": [], "trends": [], "findings": [], "pruned": True}
                execute("UPDATE batches SET document = ? WHERE arrival = ?",
                        (json.dumps(said), batch.arrival))  # fmt: skip
                held = self.predictions(batch.arrival)
                if held is not None:
                    counted = held.select(ROW_ID).join(known, on=ROW_ID, how="semi")
                    execute("UPDATE predictions SET parquet = ? WHERE arrival = ?",
                            (_packed(counted), batch.arrival))  # fmt: skip
                pruned += 1
        if pruned:
            with sqlite_errors(self.path):
                self._connection.execute("VACUUM")
        return pruned

    def _read(self, version: str | None) -> list[Batch]:
        found = self._connection.execute(
            "SELECT hash, version, name, at, rows, cells, document, arrival FROM batches "
            "WHERE version = coalesce(?, version) ORDER BY at, arrival",
            (version,),
        )
        return [
            Batch(hash, title, name, datetime.fromisoformat(at), rows, json.loads(cells),
                  json.loads(document), None, arrival)
            for hash, title, name, at, rows, cells, document, arrival in found
        ]  # fmt: skip

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One transaction, which is there whole or not at all."""
        with sqlite_errors(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


@contextmanager
def opened(home: Path, *, make: bool = True) -> Iterator[History]:
    """Open the history of a name, and make it where there is none.

    Args:
        home: the folder of the name, `<out>/<name>`.
        make: False refuses where there is none.

    Raises:
        StorageError: it is damaged, of a newer assay, not to be written to, or not there.

    >>> import tempfile
    >>> batch = Batch("9f2c", "prices/v1-9f2c41ab", "monday", datetime(2026, 11, 27, tzinfo=UTC), 5)
    >>> with opened(Path(tempfile.mkdtemp())) as history:
    ...     first, again = history.add(batch), history.add(batch)
    ...     len(history.batches()), first.arrival == again.arrival
    (1, True)
    """
    path = home / HISTORY
    if not make and not path.exists():
        raise StorageError(
            "There is no history of monitoring yet.",
            where=str(path),
            hint="`assay monitor --against VERSION NEW_DATA` begins one",
        )
    with sqlite_errors(path):
        home.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
    try:
        with sqlite_errors(path):
            prepare(connection, path)
        yield History(connection, path)
    finally:
        connection.close()


def _stamp(at: datetime) -> str:
    """A moment so that texts sort as moments do; one without a zone is in UTC."""
    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")


def _cells(counts: Mapping[str, Sequence[float]]) -> str:
    return json.dumps({name: list(one) for name, one in counts.items()})


def _packed(table: pl.DataFrame) -> bytes:
    held = io.BytesIO()
    table.write_parquet(held, compression="zstd")
    return held.getvalue()
