"""What the system says against writing, as one error that says what to do about it."""

from __future__ import annotations

import errno
import re
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
