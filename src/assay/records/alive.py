"""Who is at work: every run that is under way holds a lock that goes with its process.

A number of a process says little: numbers are given again, and in a container all begin at one.
The system lets go of a lock whichever way its holder ends.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = ".running"


@contextmanager
def at_work(out: Path, id: str) -> Iterator[None]:
    """Hold a run's lock; where it cannot be had, its record cannot be written either."""
    lock = None
    with suppress(OSError):
        (out / FOLDER).mkdir(parents=True, exist_ok=True)
        lock = os.open(out / FOLDER / id, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def left(out: Path, id: str, status: str) -> None:
    """Leave word, which even a full disk has room for, of how a run ended."""
    with suppress(OSError):
        (out / FOLDER / id).rename(out / FOLDER / f"{id}.{status}")


def forget(out: Path, id: str) -> None:
    """Remove the lock of a run whose end is recorded."""
    with suppress(OSError):
        for path in (out / FOLDER).glob(f"{id}*"):
            path.unlink()


def status_of(out: Path, id: str, host: str | None) -> str:
    """What became of a run that was recorded as running: `running`, `killed`, or how it ended."""
    path = out / FOLDER / id
    try:
        lock = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        ended = next((one.suffix[1:] for one in (out / FOLDER).glob(f"{id}.*")), None)
        # The record came from another machine without the locks: nothing is known of it here.
        return ended or ("killed" if host == socket.gethostname() else "running")
    except OSError:
        return "running"
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return "running"
    finally:
        os.close(lock)
    return "killed"
