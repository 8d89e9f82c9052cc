"""Progress on standard error: bars on a terminal, a line a stage elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]


@contextmanager
def no_progress() -> Iterator[Progress]:
    """Say nothing."""
    yield lambda stage, done, total: None


@contextmanager
def shown() -> Iterator[Progress]:
    """Show how far each stage is."""
    if sys.stderr.isatty():
        with _bars() as progress:
            yield progress
    else:
        yield _line


def _line(stage: str, done: int, total: int) -> None:
    if done == total:
        print(f"{stage}: {done} of {total}", file=sys.stderr, flush=True)


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, object] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield progress
