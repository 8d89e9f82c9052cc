"""Files written whole or not at all, and what the system says against writing as one error."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from assay.errors import StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
# Polars and Arrow say the number in words only; Polars wraps what Parquet meets as its own error.
_NUMBER = re.compile(r"(?:os error|errno) (\d+)")


@contextmanager
def storage_errors(where: Path) -> Iterator[None]:
    """Turn what the system says against writing below a folder into a StorageError.

    Raises:
        StorageError: the disk is full, or nothing may be written there.

    >>> with storage_errors(Path("versions")):
    ...     raise OSError("No space left on device (os error 28)")
    Traceback (most recent call last):
    assay.errors.StorageError: versions: The disk is full.
      try: free some space and run again: finished shards are not done twice
    """
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        found = _NUMBER.search(str(error))
        number = int(found.group(1)) if found else getattr(error, "errno", None)
        place = str(getattr(error, "filename", None) or where)
        if number in _FULL:
            raise StorageError(
                "The disk is full.",
                where=place,
                hint="free some space and run again: finished shards are not done twice",
            ) from error
        if number in _CLOSED:
            reason = getattr(error, "strerror", None) or str(error)
            raise StorageError(
                f"Nothing can be written here: {reason}.",
                where=place,
                hint="choose another folder",
            ) from error
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def copy(file: Path, target: Path) -> None:
    """Copy a file's bytes; the copy is there whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
    try:
        # No link: whatever damages one of the two must leave the other as it is.
        shutil.copyfile(file, unfinished)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the one lock of all versions of a name: for commits, tags and whatever removes.

    It is not for a process that holds it already: that would wait for itself.
    """
    lock = os.open(home / ".commit-lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def sync(folder: Path) -> None:
    """See to it that names given in a folder outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_if_abandoned(folder: Path) -> None:
    """Remove the folder of a build that was killed; leave alone one that is at work."""
    try:
        lock = os.open(folder / ".lock", os.O_RDWR)
    except FileNotFoundError:
        # Folders get their lock, and lose it, under the lock that is held here. This one's build
        # was killed between the two.
        shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)
