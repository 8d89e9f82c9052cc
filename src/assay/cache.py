"""Finished work, found by its content.

What a stage makes of a shard lies under the hash of everything that decided it: the shard's bytes,
the parameters, the code. Resuming after a kill, adding files and changing a late step are thereby
one mechanism. Nothing trusts a path or a time stamp.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import xxhash

from assay.errors import StorageError
from assay.remote import cached
from assay.sharing import hash_file
from assay.storage import copy


@dataclass(frozen=True)
class Cache:
    """A folder of finished work.

    >>> import tempfile
    >>> cache = Cache(Path(tempfile.mkdtemp()))
    >>> cache.note("ab12", {"rows": 3})
    >>> cache.recall("ab12")
    {'rows': 3}
    """

    folder: Path

    def path(self, key: str, suffix: str) -> Path:
        """Where a file of this entry lies."""
        return self.folder / key[:2] / f"{key}.{suffix}"

    @contextmanager
    def writing(self, key: str, suffix: str) -> Iterator[Path]:
        """Give a temporary path, and put the file in its place when it is complete."""
        with _replacing(self.path(key, suffix)) as unfinished:
            yield unfinished

    def adopt(self, key: str, suffix: str, file: Path) -> None:
        """Copy a finished file into an entry."""
        copy(file, self.path(key, suffix))

    def take(self, key: str, suffix: str, file: Path) -> None:
        """Move a finished file into an entry."""
        place = self.path(key, suffix)
        place.parent.mkdir(parents=True, exist_ok=True)
        file.replace(place)

    def note(self, key: str, summary: object, parts: Iterable[str] = ()) -> None:
        """Mark an entry as complete and seal it.

        Args:
            key: the entry.
            summary: what `recall` gives back.
            parts: the suffixes of the entry's files, which are in place.
        """
        seals = {part: hash_file(self.path(key, part)) for part in parts}
        entry = {"summary": summary, "parts": seals}
        body = orjson.dumps(entry, option=orjson.OPT_SERIALIZE_NUMPY)
        with self.writing(key, "json") as path:
            path.write_bytes(xxhash.xxh3_128(body).hexdigest().encode() + b"\n" + body)

    def recall(self, key: str) -> dict[str, Any] | None:
        """The summary of a complete entry, or None.

        An entry of which a byte has changed since it was sealed is not there any more, so that
        a damaged cache costs time and never gives a wrong result.
        """
        found = self.entry(key)
        if found is None or not all(self.holds(key, *seal) for seal in found[1].items()):
            return None
        return found[0]

    def entry(self, key: str) -> tuple[dict[str, Any], dict[str, str]] | None:
        """The summary of an entry, and the hash that each of its files is to have, or None."""
        sealed = self.path(key, "json")
        try:
            if not sealed.exists() and not cached(self.folder, key):
                return None
            seal, _, body = sealed.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        if seal.decode("latin-1") != xxhash.xxh3_128(body).hexdigest():
            return None
        found = orjson.loads(body)
        return found["summary"], found["parts"]

    def holds(self, key: str, suffix: str, seal: str) -> bool:
        """Whether a file of an entry is there and has this hash."""
        try:
            return hash_file(self.path(key, suffix)) == seal
        except FileNotFoundError:
            return False

    def used_by(self, owner: str) -> frozenset[str]:
        """The entries that an owner's newest build used."""
        file = self.folder / "used" / f"{owner}.json"
        return frozenset(_keys(file) if file.exists() else ())

    @contextmanager
    def in_use(self) -> Iterator[int]:
        """Tell other builds that entries are being read, so that none is deleted meanwhile."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield lock
        finally:
            os.close(lock)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Have the folder to oneself: no build is at work, and none begins meanwhile.

        Raises:
            StorageError: a build is at work.
        """
        with self.in_use() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StorageError(
                    "A build is at work here, or versions are being taken away.",
                    where=str(self.folder.parent),
                    hint="try again when that has ended",
                ) from None
            yield

    def keep_only(self, lock: int, owner: str, keys: Iterable[str]) -> None:
        """Say which entries an owner's newest build used, and delete what no owner uses.

        A cache therefore holds one build of every recipe name and does not grow without bound.
        Plain copies of sources are named like entries, by their file's name. While another build
        is running nothing is deleted.
        """
        lists = self.folder / "used"
        with _replacing(lists / f"{owner}.json") as path:
            path.write_bytes(orjson.dumps(sorted(keys)))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._clean(lists)
        except BlockingIOError:
            pass
        finally:
            # The work goes on; and a lock that could not be had alone is lost as it was.
            fcntl.flock(lock, fcntl.LOCK_SH)

    def _clean(self, lists: Path) -> None:
        used = {key for file in lists.glob("*.json") for key in _keys(file)}
        for file in self.folder.glob("??/*"):
            if file.name.partition(".")[0] not in used or file.suffix == ".part":
                file.unlink(missing_ok=True)
        for file in (self.folder / "spool").glob("*"):
            if file.name not in used:
                file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Listing(Cache):
    """A cache that lists the entries that were found or made in this process."""

    used: set[str] = field(default_factory=set)

    def note(self, key: str, summary: object, parts: Iterable[str] = ()) -> None:
        super().note(key, summary, parts)
        self.used.add(key)

    def recall(self, key: str) -> dict[str, Any] | None:
        found = super().recall(key)
        if found is not None:
            self.used.add(key)
        return found


def _keys(file: Path) -> list[str]:
    try:
        found: list[str] = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        # Damaged: what it named is done again by the next build of its owner.
        return []
    return found


@contextmanager
def _replacing(final: Path) -> Iterator[Path]:
    final.parent.mkdir(parents=True, exist_ok=True)
    unfinished = final.with_name(f"{final.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
    try:
        yield unfinished
        unfinished.replace(final)
    finally:
        unfinished.unlink(missing_ok=True)


BUILDING = ("sources", "contract", "steps", "building", "exports", "similar")
"""The packages that turn a source into a version."""
_SHARED = ("rows", "component", "marks", "recipe", "ledger", "embedding", "grams", "tokens")


@functools.cache
def code_version(*packages: str) -> str:
    """A hash of the source of some of assay's packages, and of what they all are written in.

    It is part of every key, so that a changed program never takes an older one's work for its own.
    """
    home = Path(__file__).parent
    files = [file for package in packages for file in sorted((home / package).rglob("*.py"))]
    files += [file for name in _SHARED for file in sorted(home.glob(f"{name}.py"))]
    files += [file for name in _SHARED for file in sorted((home / name).rglob("*.py"))]
    sha = hashlib.sha256()
    for file in files:
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()[:16]
