"""Build, gate and monitor whenever something new arrives at a source."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import orjson

from assay.cache import Cache
from assay.errors import AssayError, RecipeError, SourceError, StorageError, Terminated
from assay.jobs.arriving import arrived
from assay.jobs.gating import gate
from assay.jobs.guarding import monitor
from assay.jobs.running import run
from assay.places import Sql, called, is_place, place
from assay.recipe import Recipe, digest, load
from assay.sharing import hash_file
from assay.sources.files import is_data
from assay.sources.shards import is_here, present
from assay.storage import storage_errors, write_atomically
from assay.version import listing

What = Literal["watching", "settling", "unchanged", "monitored", "built", "failed", "stopped"]
LOCK, STATE = ".watch-lock", "watch.json"
EVERY, EVERY_FAR = 2.0, 60.0
"""Seconds between two looks: at files of this machine, and at places that must be asked."""
CEILING = 900.0
"""Seconds that are waited at most after one failure upon another."""
_TICK = 0.2


@dataclass(frozen=True)
class Event:
    """Something that happened while a source was watched.

    Attributes:
        what: `watching`, `settling` (something is still being written), `unchanged` (files were
            touched, their bytes are the same), `monitored`, `built`, `failed` or `stopped`.
        detail: one sentence.
        at: when, in UTC.
        verdict: of gates and monitor, where there is one: `pass`, `fail` or `inconclusive`.
        said: more, as plain values: `version`, `report`, `new`, `retry_in`.
    """

    what: What
    detail: str
    at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    verdict: str | None = None
    said: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As a line of JSON gives it."""
        plain = {"at": self.at, "what": self.what, "detail": self.detail, **self.said}
        return plain | ({"verdict": self.verdict} if self.verdict else {})

    def __repr__(self) -> str:
        verdict = f" [{self.verdict}]" if self.verdict else ""
        return f"{self.at}  {self.what:<9}  {self.detail}{verdict}"


def watch(  # noqa: PLR0913 - one parameter for each option of `assay watch`
    source: str | Path | None = None,
    *,
    recipe: Recipe | Mapping[str, Any] | str | Path = "assay.yaml",
    out: str | Path = "versions",
    every: float | None = None,
    settle: float = 2.0,
    once: bool = False,
    workers: int | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
    commands: bool = False,
) -> Iterator[Event]:
    """Watch a source: build, evaluate, gate and monitor whenever something new arrives.

    Files are looked at by size and time of change, and read when these have been still for
    `settle` seconds; what decides is the hash of their bytes. A place elsewhere is asked what has
    changed: objects and files of the web by their tags, a dataset of a hub by its commit, a table
    by its version, a query with a key by hashes that the database makes of its rows. New files,
    rows with new keys and rows that a table had not are held against the accepted version, or the
    newest, before they become part of one. What was done last is kept in `watch.json` beside the
    versions, so that a watch that is started again goes on where it was.

    A failure is tried again after `every` seconds, then after twice as long, and so on up to 15
    minutes, or as soon as the files change. One watch at a time works on a recipe's name.

    Args:
        source: a file, glob or folder that stands in for the recipe's source.
        recipe: a recipe file, or the recipe itself.
        out: the folder that holds all versions.
        every: seconds between two looks; 2 for files, 60 for what must be asked over a line.
        settle: seconds for which nothing may change before files are read.
        once: look once, do what there is to do, and end; a failure is raised. For cron.
        workers: how many shards to work on at once.
        functions: your own functions, or files of them, that the recipe may name.
        commands: let the recipe's models run programs.

    Yields:
        An event for everything that happens. Closing the iterator ends the watch.

    Raises:
        RecipeError: the recipe cannot be read, or its source cannot be watched: rows in memory,
            or a query without a key, which would be read whole at each look.
        StorageError: another watch is at work on this name.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.csv").write_text("x,y\\n1,2\\n")
    >>> made = {"name": "seen", "source": str(folder)}
    >>> events = watch(recipe=made, out=tempfile.mkdtemp(), once=True, settle=0)
    >>> [event.what for event in events]
    ['watching', 'built']
    """
    asked = load(recipe)
    if source is not None:
        asked = asked.model_copy(update={"source": str(source)})
    _require_watchable(asked.source)
    if "://" in str(out):
        raise StorageError(
            "A watch keeps its versions in a folder of this machine.", received=str(out)
        )
    options = {"workers": workers, "functions": tuple(functions)}
    watcher = _Watcher(asked, Path(out), options, {"commands": commands})
    pause = every or (EVERY if is_here(asked.source) else EVERY_FAR)
    return watcher.events(pause, settle, once=once)


def _require_watchable(source: Any) -> None:
    if is_place(source):
        asked = place(source)
        if isinstance(asked, Sql) and asked.key is None:
            raise RecipeError(
                "A query without a key cannot be watched: every look would read it whole.",
                where=called(source),
                hint="name a column that orders the rows as its `key`, or let cron call "
                "`assay run`, which makes a new version only if the rows are others",
            )
    elif is_data(source):
        raise RecipeError(
            "Rows in memory cannot be watched.",
            received=called(source),
            hint="name files, a place or a query with a key, or call `assay.run` yourself",
        )


@dataclass
class _Watcher:
    """A recipe, and what was made of its source last."""

    recipe: Recipe
    out: Path
    options: Mapping[str, Any]
    running: Mapping[str, Any]

    @property
    def home(self) -> Path:
        return self.out / self.recipe.name

    def events(self, every: float, settle: float, *, once: bool) -> Iterator[Event]:
        with storage_errors(self.home), _alone(self.home):
            yield Event("watching", f"{called(self.recipe.source)}, for {self.recipe.name}")
            seen: Looks | None = None
            failures = 0
            while True:
                looks: Looks = {}
                try:
                    looks = self._looks()
                    if looks != seen:
                        if self.here and not _still(looks, settle):
                            yield Event("settling", "something is being written")
                            looks = self._settled(settle)
                        with closing(self._work(looks)) as events:
                            yield from events
                        seen = looks
                    failures = 0
                except (AssayError, OSError) as error:
                    if once:
                        raise
                    failures += 1
                    wait = min(every * 2 ** (failures - 1), CEILING)
                    said = {"retry_in": wait, "error": type(error).__name__}
                    yield Event("failed", str(error), said=said)
                    self._wait(wait, looks)
                    continue
                if once:
                    return
                time.sleep(every)

    @property
    def here(self) -> bool:
        return is_here(self.recipe.source)

    def _looks(self) -> Looks:
        """Size and time of change of every file; nothing where there is no file yet."""
        cache = Cache(self.out / ".cache")
        try:
            if self.here:
                files = present(self.recipe.source, cache.folder / "spool")
            else:
                # What is fetched is where a build looks for it, and no other build takes it away.
                with cache.in_use():
                    files = present(self.recipe.source, cache.folder / "spool")
        except SourceError:
            if not self.here:
                raise  # out of reach is not empty
            # An empty folder, or one that is not there yet: what is built says so.
            return {}
        looks = {}
        for path, name in files:
            with suppress(FileNotFoundError):  # gone since it was listed
                # A hub's files are links to what they hold.
                real = path if self.here else path.resolve()
                stat = real.stat()
                looks[name] = (str(real), stat.st_size, stat.st_mtime_ns)
        return looks

    def _settled(self, settle: float) -> Looks:
        """Wait until nothing has changed for a while."""
        looks = self._looks()
        since = time.monotonic()
        while time.monotonic() - since < settle:
            time.sleep(min(_TICK, settle))
            now = self._looks()
            if now != looks:
                looks, since = now, time.monotonic()
        return looks

    def _wait(self, seconds: float, looks: Looks) -> None:
        """Wait, but no longer than until the files change."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not (self.here and self._looks() != looks):
            time.sleep(max(_TICK, min(2.0, until - time.monotonic())))

    def _work(self, looks: Looks) -> Generator[Event, None, None]:
        """Monitor what is new, then build, evaluate and gate."""
        hashes = {name: hash_file(Path(path)) for name, (path, _, _) in looks.items()}
        if not hashes:
            yield Event("unchanged", "there is nothing to read yet")
            return
        last = self._last()
        asked = digest(self.recipe.plain())
        if last.get("files") == hashes and last.get("recipe") == asked:
            yield Event("unchanged", "no byte is new", verdict=last.get("verdict"))
            return
        seen = None
        known = set(last.get("files", {}).values())
        new = sorted(name for name, hash in hashes.items() if hash not in known)
        state: dict[str, Any] = {"files": hashes, "recipe": asked}
        paths = {name: Path(path) for name, (path, _, _) in looks.items()}
        batch, title = arrived(self.recipe.source, paths, new, last, state)
        if known and batch is not None and listing(self.out, self.recipe.name):
            found = monitor(batch, against=self.recipe.name, out=self.out, name=title,
                            read=self.recipe.read.model_dump(), **self.options)  # fmt: skip
            seen = found.to_dict()
            yield Event("monitored", _told(found.alarms, title), verdict=found.verdict,
                        said={"new": new, "alarms": found.alarms})  # fmt: skip
        made = run(self.recipe, out=self.out, **self.options, **self.running)
        verdict = made.verdict
        if seen is not None and self.recipe.gates:
            verdict = gate(made.version, recipe=self.recipe, out=self.out, monitor=seen).verdict
        state |= {"version": made.version.id, "verdict": verdict}
        write_atomically(self.home / STATE, orjson.dumps(state, option=orjson.OPT_INDENT_2))
        rows = made.version.rows
        yield Event(
            "built",
            f"{made.version.title}: {rows['kept']:,} of {rows['read']:,} rows kept"
            + (", was there already" if made.version.reused else ""),
            verdict=verdict,
            said={"version": made.version.title, "report": str(made.report), "new": new},
        )

    def _last(self) -> dict[str, Any]:
        """What was done last; nothing where that cannot be read, and then it is done again."""
        try:
            read = orjson.loads((self.home / STATE).read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return read if isinstance(read, dict) else {}


Looks = dict[str, tuple[str, int, int]]


def _still(looks: Looks, settle: float) -> bool:
    """Whether nothing was written for a while, as far as times of change can tell."""
    newest = max((changed for _, _, changed in looks.values()), default=0)
    # A time to come says nothing, since clocks differ.
    return time.time_ns() - newest > settle * 1e9


def _told(alarms: list[str], called: str) -> str:
    return f"{called}: {'; '.join(alarms) if alarms else 'nothing has moved'}"


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the one lock of all watches of a name.

    Raises:
        StorageError: another one holds it; the message says who.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 200).decode(errors="replace") or "another process"
            raise StorageError(
                "Another watch is at work here.", where=str(home), received=holder,
                hint="stop that one, or watch a recipe of another name",
            ) from None  # fmt: skip
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(lock, 0)
        os.pwrite(
            lock, f"process {os.getpid()} on {socket.gethostname()}, since {since}".encode(), 0
        )
        yield
    finally:
        os.close(lock)


@contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM end what is under way as Ctrl-C does, so that nothing half done is left.

    Raises:
        Terminated: the signal came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise Terminated

    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
