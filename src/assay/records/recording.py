"""A run on its way into the record: begun, and ended whichever way it ends."""

from __future__ import annotations

import os
import socket
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import assay
from assay.cache import code_version
from assay.errors import AssayError, NotRecorded, StorageError, Terminated
from assay.recipe import Recipe
from assay.records import alive, store
from assay.records.masking import masked
from assay.records.store import RunRecord
from assay.version import Version

_CODE = ("building", "steps", "models", "evaluation")
_UNDER_WAY: ContextVar[bool] = ContextVar("a run is recorded", default=False)


@dataclass
class Recording:
    """A run that is under way; what it comes to is set while it is, and recorded at its end.

    Attributes:
        kind: what is run, such as `run` or `crossval`.
        out: the folder that holds all versions, and the record.
        recipe: what is asked, as plain values.
        seed: of every random choice.
        id: the run's own.
        version: the version, once there is one.
        folder: of the evaluation and the report, once they are begun.
        verdict: over all gates, where there is one.
        best: the best model's title.
        scores: as the record holds them.
        gates: every gate with its verdict.
        ended: what was recorded at the end, or would have been.
    """

    kind: str
    out: Path
    recipe: Mapping[str, Any]
    seed: int | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    version: Version | None = None
    folder: Path | None = None
    verdict: str | None = None
    best: str | None = None
    scores: Sequence[Mapping[str, Any]] = ()
    gates: Sequence[Mapping[str, Any]] = ()
    ended: RunRecord | None = None
    _started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clock: float = field(default_factory=time.perf_counter)

    def put(self, status: str, error: BaseException | None = None) -> str | None:
        """Record the run as it stands; say why it could not be, for no run is lost by that."""
        self.ended = run = self._record(status, _said(error))
        try:
            store.write(self.out, run)
        except StorageError as refused:
            if status != store.RUNNING:
                alive.left(self.out, self.id, status)
            return f"this {self.kind} is not recorded: {refused}"
        if status != store.RUNNING:
            alive.forget(self.out, self.id)
        return None

    def _record(self, status: str, error: str | None) -> RunRecord:
        stamp = self._started.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        version = self.version
        return RunRecord(
            id=self.id,
            name=str(self.recipe["name"]),
            started=stamp,
            seconds=round(time.perf_counter() - self._clock, 3),
            status=status,
            verdict=self.verdict,
            version=version.id if version else None,
            hash=version.manifest["hash"] if version else None,
            best=self.best,
            folder=str(self.folder) if self.folder else None,
            error=error,
            recipe=masked(self.recipe),
            gates=tuple(self.gates),
            scores=tuple(self.scores),
            seed=self.seed,
            assay=assay.__version__,
            code=code_version(*_CODE),
            kind=self.kind,
            pid=os.getpid(),
            host=socket.gethostname(),
        )


@contextmanager
def recorded(
    kind: str,
    of: str | Path | Version | None,
    recipe: Recipe | Mapping[str, Any],
    *,
    tell: Callable[[str], None] = lambda note: warnings.warn(note, NotRecorded, stacklevel=4),
    failed: Callable[[Recording], list[str]] = lambda run: [],
) -> Iterator[Recording]:
    """Record what is done inside: that it has begun, and how it ended; errors go on their way.

    What another recorded job does on its way is part of that one, unless it is a whole run.

    Args:
        kind: what is run, such as `run` or `crossval`.
        of: the folder that holds all versions, or the version that it is about. One that lies
            apart from others has no record beside it, so what is done with it is in none.
        recipe: what is asked.
        tell: called with why it could not be recorded.
        failed: called when it has failed; gives notes, which are added to the error.
    """
    asked = recipe.plain() if isinstance(recipe, Recipe) else dict(recipe)
    seed = recipe.seed if isinstance(recipe, Recipe) else recipe.get("seed")
    version = of if isinstance(of, Version) else None
    out = _home(version) if version else of
    run = Recording(kind, Path(str(out)), asked, seed, version=version)
    if out is None or (_UNDER_WAY.get() and kind != "run"):
        yield run
        return
    outer = _UNDER_WAY.set(True)
    try:
        with alive.at_work(run.out, run.id):
            run.put(store.RUNNING)  # that it failed is said at the end, where it fails again
            try:
                yield run
            except BaseException as error:
                stopped = isinstance(error, KeyboardInterrupt | Terminated)
                note = run.put("interrupted" if stopped else "failed", error)
                for one in [*([note] if note else []), *([] if stopped else failed(run))]:
                    error.add_note(one)
                raise
            if note := run.put("finished"):
                tell(note)
    finally:
        _UNDER_WAY.reset(outer)


def _home(version: Version) -> Path | None:
    """The folder that holds all versions; None for a version that lies apart from others."""
    home = version.path.resolve().parent
    return home.parent if home.name == version.manifest["name"] else None


def _said(error: BaseException | None) -> str | None:
    """Why a run failed; nothing where somebody stopped it."""
    if error is None or isinstance(error, KeyboardInterrupt | Terminated):
        return None
    said = str(error) if isinstance(error, AssayError) else f"{type(error).__name__}: {error}"
    return str(masked(said))
