"""The record of runs: one SQLite file beside the versions, without a server.

Runs that begin or end at once wait for each other. A file that is damaged is never written over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from assay.errors import StorageError
from assay.records import alive
from assay.remote.records import RUNS

WAIT = 30.0  # seconds for another run to end its writing
FORMAT = 2
KINDS = (
    *("run", "build", "improve", "crossval", "curve", "sweep", "importance", "conformal"),
    *("threshold", "evaluate", "gate", "monitor"),
)
RUNNING = "running"
_TABLES = """
create table if not exists runs (
    id text primary key, name text not null, started text not null, seconds real not null,
    status text not null, verdict text, version text, hash text, best text, folder text,
    error text, recipe text not null, gates text not null, seed integer, assay text, code text,
    kind text not null default 'run', pid integer, host text
);
create table if not exists scores (
    run text not null, model text not null, split text not null, metric text not null,
    value real, low real, high real, n integer, better text
);
create index if not exists scores_of_run on scores (run);
"""
_ADDED = ("kind text not null default 'run'", "pid integer", "host text")  # since format 1
_PLAIN = (
    "id", "name", "started", "seconds", "status", "verdict", "version", "hash", "best", "folder",
    "error", "seed", "assay", "code", "kind", "pid", "host",
)  # fmt: skip
_SCORE = ("model", "split", "metric", "value", "low", "high", "n", "better")


@dataclass(frozen=True)
class RunRecord:
    """One run, as it was recorded.

    Attributes:
        id: its own.
        name: the recipe's.
        started: in UTC, such as `2026-11-27T14:00:00Z`.
        seconds: how long it took, or has taken by now; 0 where it was killed.
        status: `running`, `finished`, `failed`, `interrupted`, or `killed`: its process is gone
            and has not said how it ended.
        verdict: over all gates; None where it did not get so far.
        version: the version's id.
        hash: the version's.
        best: the best model's title.
        folder: of its evaluation and report.
        error: why it failed.
        recipe: what was asked, as plain values without credentials.
        gates: every gate with its verdict.
        scores: every score with its interval: `model`, `split`, `metric`, `value`, `low`, `high`,
            `n` and `better`.
        seed: of every random choice.
        assay: the release.
        code: a hash of assay's own code.
        kind: what was run, such as `run` or `crossval`.
        pid: the number of its process.
        host: the machine that it ran on.
    """

    id: str
    name: str
    started: str
    seconds: float
    status: str
    verdict: str | None = None
    version: str | None = None
    hash: str | None = None
    best: str | None = None
    folder: str | None = None
    error: str | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    gates: tuple[Mapping[str, Any], ...] = ()
    scores: tuple[Mapping[str, Any], ...] = ()
    seed: int | None = None
    assay: str | None = None
    code: str | None = None
    kind: str = "run"
    pid: int | None = None
    host: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return plain | {
            "recipe": dict(self.recipe),
            "gates": [dict(gate) for gate in self.gates],
            "scores": [dict(score) for score in self.scores],
        }


def write(out: Path, run: RunRecord) -> None:
    """Put a run into the record under a folder of versions, instead of what it says of it.

    Runs that are found dead are noted as such on the way.

    Raises:
        StorageError: the record is damaged, or cannot be written.
    """
    with _opened(out / RUNS) as database:
        _ready(database, out / RUNS)
        with database:
            database.execute("begin immediate")
            under_way = "select id, host from runs where status = ? and id != ?"
            ended = [
                (status, row["id"])
                for row in database.execute(under_way, (RUNNING, run.id)).fetchall()
                if (status := alive.status_of(out, row["id"], row["host"])) != RUNNING
            ]
            database.executemany("update runs set status = ? where id = ?", ended)
            values = [getattr(run, name) for name in _PLAIN]
            documents = [orjson.dumps(one, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
                         for one in (run.recipe, run.gates)]  # fmt: skip
            _insert(database, "runs", (*_PLAIN, "recipe", "gates"), [(*values, *documents)])
            rows = [(run.id, *(score.get(name) for name in _SCORE)) for score in run.scores]
            _insert(database, "scores", ("run", *_SCORE), rows)
    for _, id in ended:
        alive.forget(out, id)


def read(out: Path, name: str | None = None) -> list[RunRecord]:
    """The runs that are recorded, the oldest first; of one recipe or of all.

    Nothing is written for it, so that a folder that may only be read is good enough.

    Raises:
        StorageError: the record is damaged.
    """
    path = out / RUNS
    if not path.exists():
        return []
    with _opened(path) as database:
        if not _format(database, path):
            return []
        database.execute("begin")
        of = "" if name is None else " where name = ?"
        given = [] if name is None else [name]
        rows = database.execute(f"select * from runs{of} order by started, rowid", given).fetchall()
        scores: dict[str, list[dict[str, Any]]] = {}
        for run, *values in database.execute(f"select run, {', '.join(_SCORE)} from scores"):
            scores.setdefault(run, []).append(dict(zip(_SCORE, values, strict=True)))
        # While this is read no run can end, so that none is taken for dead that has just ended.
        return [_by_now(_record(dict(row), scores.get(row["id"], [])), out) for row in rows]


def _by_now(run: RunRecord, out: Path) -> RunRecord:
    """A run that had begun when it was recorded, as it stands now."""
    if run.status != RUNNING:
        return run
    status = alive.status_of(out, run.id, run.host)
    past = datetime.now(UTC) - datetime.fromisoformat(run.started)
    seconds = round(past.total_seconds(), 3) if status == RUNNING else 0.0
    return replace(run, status=status, seconds=seconds)


def _record(row: dict[str, Any], scores: list[dict[str, Any]]) -> RunRecord:
    documents = {name: orjson.loads(row[name]) for name in ("recipe", "gates")}
    plain = {name: row[name] for name in _PLAIN if name in row}
    return RunRecord(
        **plain,
        recipe=documents["recipe"],
        gates=tuple(documents["gates"]),
        scores=tuple(scores),
    )


def _insert(
    database: sqlite3.Connection, table: str, names: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    marks = ", ".join("?" * len(names))
    database.executemany(
        f"insert or replace into {table} ({', '.join(names)}) values ({marks})", rows
    )


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=WAIT, isolation_level=None)) as database:
            database.row_factory = sqlite3.Row
            yield database
    except (sqlite3.Error, orjson.JSONDecodeError, OSError) as error:
        busy = isinstance(error, sqlite3.OperationalError)
        raise StorageError(
            f"The record of runs cannot be {'used' if busy else 'read'}: {error}.",
            where=str(path),
            hint="no run needs it: move the file away and a new one is begun"
            if not busy
            else "see that the place can be written to and is not full",
        ) from None


def _format(database: sqlite3.Connection, path: Path) -> int:
    """The format of a record; 0 where it holds nothing yet."""
    found: int = database.execute("pragma user_version").fetchone()[0]
    if found > FORMAT:
        raise StorageError(
            "The record of runs was written by a newer assay.",
            where=str(path),
            received=f"format {found}",
            allowed=f"format {FORMAT} or older",
        )
    return found


def _ready(database: sqlite3.Connection, path: Path) -> None:
    if _format(database, path) == FORMAT:
        return
    with database:
        database.execute("begin immediate")
        # Another run may have done it meanwhile.
        if found := _format(database, path):
            added = _ADDED if found < FORMAT else ()
            for column in added:
                database.execute(f"alter table runs add column {column}")
        else:
            for statement in _TABLES.split(";"):
                database.execute(statement)
        database.execute(f"pragma user_version = {FORMAT}")
