"""Progress on standard error: bars on a terminal, a line a stage elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, how much of it is done and how much there is."""

EVERY = 10.0  # seconds between two lines about one stage
WIDTH = 24


@contextmanager
def no_progress() -> Iterator[Progress]:
    """Say nothing."""
    yield lambda stage, done, total: None


@contextmanager
def shown() -> Iterator[Progress]:
    """Show how far each stage is: bars on a terminal, plain lines in a log."""
    if sys.stderr.isatty():
        with _bars() as progress:
            yield progress
    else:
        yield lines()


def lines(clock: Callable[[], float] = time.monotonic) -> Progress:
    """Make a progress that prints one line when a stage ends, and one every 10 s before that.

    >>> import contextlib
    >>> with contextlib.redirect_stderr(sys.stdout):
    ...     progress = lines(clock=lambda: 0.0)
    ...     progress("read", 0, 2)
    ...     progress("read", 2, 2)
    read                     2 of 2     0.0 s
    """
    began: dict[str, float] = {}
    said: dict[str, float] = {}

    def progress(stage: str, done: int, total: int) -> None:
        now = clock()
        start = began.setdefault(stage, now)
        if done < total and now - said.setdefault(stage, now) < EVERY:
            return
        said[stage] = now
        count = f"{done} of {total}" if total > 1 else ""
        line = f"{stage:<{WIDTH}} {count:<9} {now - start:>4.1f} s"
        print(line, file=sys.stderr, flush=True)

    return progress


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn(f"{{task.description:<{WIDTH}}}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=None)
            # What is one piece has no share that is done: its bar moves until it is finished.
            bars.update(tasks[stage], completed=done, total=total if done or total > 1 else None)

        yield progress
