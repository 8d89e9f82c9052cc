"""A run on its way into the record: begun, and ended whichever way it ends."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import assay
from assay.cache import code_version
from assay.errors import AssayError, StorageError
from assay.evaluation.evaluation import Evaluation
from assay.recipe import Recipe
from assay.tracking import store
from assay.tracking.masking import masked
from assay.tracking.store import RunRecord
from assay.version import Version

_CODE = ("building", "steps", "models", "evaluation")


@dataclass
class Recording:
    """A run that is under way.

    Attributes:
        out: the folder that holds all versions, and the record.
        recipe: what is asked.
        id: the run's own.
        version: the version, once it is built.
        folder: of the evaluation and the report, once they are begun.
    """

    out: Path
    recipe: Recipe
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:10])
    version: Version | None = None
    folder: Path | None = None
    _started: datetime = field(default_factory=lambda: datetime.now(UTC))
    _clock: float = field(default_factory=time.perf_counter)

    def failed(self, error: BaseException) -> None:
        """Record that the run did not come to its end; the error itself is the caller's."""
        stopped = isinstance(error, KeyboardInterrupt)
        said = str(error) if isinstance(error, AssayError) else f"{type(error).__name__}: {error}"
        run = self._record(
            "interrupted" if stopped else "failed", error=None if stopped else masked(said)
        )
        # That it cannot be recorded must not hide why it failed.
        with suppress(StorageError):
            store.write(self.out, run)

    def finished(
        self, evaluation: Evaluation | None, gates: Sequence[Mapping[str, Any]], verdict: str
    ) -> tuple[RunRecord, list[str]]:
        """Record a run that came to its end.

        Returns:
            What was recorded; and why it could not be, as a note: no run is lost by that.
        """
        scored = evaluation.scores if evaluation is not None else ()
        run = self._record(
            "finished",
            verdict=verdict,
            best=evaluation.best if evaluation is not None else None,
            scores=tuple(score.model_dump(exclude={"method"}) for score in scored),
            gates=tuple(gates),
        )
        try:
            store.write(self.out, run)
        except StorageError as refused:
            return run, [f"this run is not recorded: {refused}"]
        return run, []

    def _record(self, status: str, **more: Any) -> RunRecord:
        stamp = self._started.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        version = self.version
        return RunRecord(
            id=self.id,
            name=self.recipe.name,
            started=stamp,
            seconds=round(time.perf_counter() - self._clock, 3),
            status=status,
            version=version.id if version else None,
            hash=version.manifest["hash"] if version else None,
            folder=str(self.folder) if self.folder else None,
            recipe=masked(self.recipe.plain()),
            seed=self.recipe.seed,
            assay=assay.__version__,
            code=code_version(*_CODE),
            **more,
        )


@contextmanager
def recorded(run: Recording) -> Iterator[Recording]:
    """Record a run that stops with an error or an interrupt, and let that go on its way."""
    try:
        yield run
    except BaseException as error:
        run.failed(error)
        raise
