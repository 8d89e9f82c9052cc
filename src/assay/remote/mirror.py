"""A folder on this machine that stands for a place in an object store."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import xxhash

from assay.errors import StorageError
from assay.objects import Object, Store, together
from assay.remote import work
from assay.remote.records import RUNS, merged
from assay.storage import storage_errors, write_atomically

INDEX = ".place.json"
_MANIFEST = "manifest.json"
_AT_ONCE = (_MANIFEST, "README.md")
_IN_VERSION = re.compile(r"([^/]+/v\d+-[0-9a-f]{8})/(.+)")
_CLAIM = re.compile(r"([^/]+)/\.claims/(\d+)")


@dataclass(frozen=True)
class Mirror:
    """A folder on this machine, and the place in a store that it stands for."""

    folder: Path
    store: Store

    def index(self) -> dict[str, dict[str, Any]]:
        """What was in the store when it was last looked at, and what of it we have sent or have."""
        found: dict[str, dict[str, Any]] = orjson.loads((self.folder / INDEX).read_bytes())
        return found

    def save(self, index: dict[str, dict[str, Any]]) -> None:
        write_atomically(self.folder / INDEX, orjson.dumps(index))

    @contextmanager
    def locked(self) -> Iterator[dict[str, dict[str, Any]]]:
        """The index, while no other process on this machine looks at it or changes it."""
        lock = os.open(self.folder / ".place.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            index = self.index()
            yield index
            self.save(index)
        finally:
            os.close(lock)

    def pull(self) -> None:
        """Bring the folder up to date: manifests, and whatever is no version's data."""
        with self.locked() as index, storage_errors(self.folder):
            found = {one.key: one for one in self.store.list()}
            whole = {_version(key) for key in found if key.endswith(f"/{_MANIFEST}")} - {None}
            before, sent = index["objects"], index["sent"]
            gone = [key for key in before if key not in found]
            for version in {_version(key) for key in gone} - whole - {None}:
                # Somebody has removed it.
                shutil.rmtree(self.folder / str(version), ignore_errors=True)
            for key in gone:
                if _version(key) is None and self._unchanged(key, sent):
                    (self.folder / key).unlink(missing_ok=True)
                sent.pop(key, None)
            wanted = [one for one in found.values() if self._wanted(one, before, sent, whole)]
            ours = () if self._unchanged(RUNS, sent) else (RUNS,)
            together(lambda one: self._fetch(one, merge=one.key in ours), wanted)
            for one in wanted:
                sent[one.key] = "" if one.key in ours else _hash(self.folder / one.key)
            index["objects"] = {
                key: [one.size, one.tag, one.written.timestamp()]
                for key, one in found.items()
                if _version(key) in whole or _version(key) is None
            }

    def _wanted(
        self, one: Object, before: dict[str, Any], sent: dict[str, str], whole: set[str | None]
    ) -> bool:
        """Whether an object is to be on this machine now, and is not yet."""
        path, version = self.folder / one.key, _version(one.key)
        if version is not None:
            return (
                version in whole
                and one.key.removeprefix(f"{version}/") in _AT_ONCE
                and not path.exists()
            )
        if _is_ours(one.key):
            return False
        known = before.get(one.key)
        if known is not None and known[1] == one.tag and path.exists():
            return False
        # What we have changed and could not send yet is not overwritten by what we knew already.
        return known is None or known[1] != one.tag or self._unchanged(one.key, sent)

    def _unchanged(self, key: str, sent: dict[str, str]) -> bool:
        path = self.folder / key
        return not path.exists() or sent.get(key) == _hash(path)

    def _fetch(self, one: Object, merge: bool = False) -> None:
        path = self.folder / one.key
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self.store.fetch(one, draft)
            if not (merge and merged(path, draft)):
                draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def bring(self, key: str) -> bool:
        """Fetch a file of which only the store has a copy; say whether there was one."""
        known = self.index()["objects"].get(key)
        if known is None:
            return False
        found = [one for one in self.store.list(key.rpartition("/")[0]) if one.key == key]
        if found:
            with storage_errors(self.folder):
                self._fetch(found[0])
        return bool(found)

    def push_record(self) -> None:
        """Send the record of runs alone, after something that failed.

        Raises:
            StorageError: the store refuses, or cannot be reached.
        """
        with self.locked() as index:
            if (self.folder / RUNS).exists():
                self._send(RUNS, index["objects"], index["sent"])

    def push(self) -> None:
        """Send what has changed in the folder, and remove from the store what was removed here.

        Raises:
            StorageError: somebody else has changed the same file meanwhile.
        """
        with self.locked() as index, storage_errors(self.folder):
            objects, sent = index["objects"], index["sent"]
            manifests = [key for key in objects if _version(key) and key.endswith(_MANIFEST)]
            for manifest in manifests:
                version = str(_version(manifest))
                if not (self.folder / version).exists():
                    keys = [key for key in objects if _version(key) == version]
                    self._remove(keys)
                    for key in keys:
                        del objects[key]
            for key in self._files():
                self._send(key, objects, sent)
            work.push(self.folder, self.store, objects)
            lost = [
                key
                for key in objects
                if _version(key) is None and key in sent and not (self.folder / key).exists()
            ]
            self.store.delete(lost)
            for key in lost:
                objects.pop(key)
                sent.pop(key)

    def _files(self) -> list[str]:
        """The files that are no version's and are not for this machine alone."""
        found = []
        for folder, folders, names in os.walk(self.folder):
            here = Path(folder)
            at = here.relative_to(self.folder)
            folders[:] = [
                name
                for name in folders
                if not name.startswith(".") and not _version(f"{(at / name).as_posix()}/x")
            ]
            found += [
                (at / name).as_posix()
                for name in names
                if not name.startswith(".") and not name.endswith(("-wal", "-shm"))
            ]
        return sorted(found)

    def _send(self, key: str, objects: dict[str, Any], sent: dict[str, str]) -> None:
        path = self.folder / key
        if path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = path.read_bytes()
        hash = xxhash.xxh3_128_hexdigest(content)
        if sent.get(key) == hash and key in objects:
            return
        tag = self.store.replace(key, content, objects[key][1] if key in objects else None)
        if tag is None and key == RUNS:
            # Others have written into theirs meanwhile: ours gets what theirs has.
            (found,) = [one for one in self.store.list() if one.key == key]
            self._fetch(found, merge=True)
            objects[key] = [found.size, found.tag, found.written.timestamp()]
            return self._send(key, objects, sent)
        if tag is None and "/runs/" in key:
            # The same run elsewhere, since a run's folder is named by what it does: theirs will do.
            return
        if tag is None:
            raise StorageError(
                "Somebody else has changed this file meanwhile, so yours was not sent.",
                where=f"{self.store.name.rstrip('/')}/{key}",
                hint="run the command again: it then begins from theirs",
            )
        objects[key], sent[key] = [len(content), tag, time.time()], hash

    def claim(self, name: str, number: int, hash: str) -> int:
        """Win a number for a version, from this one on; no other build will get it."""
        mine = orjson.dumps({"hash": hash, "by": os.urandom(16).hex()})
        taken = [_CLAIM.fullmatch(one.key) for one in self.store.list(f"{name}/.claims")]
        number = max([number, *(int(one[2]) + 1 for one in taken if one)])
        while not self.store.create(f"{name}/.claims/{number}", mine):
            number += 1
        return number

    def upload(self, folder: Path, version: str) -> None:
        """Send the files of a finished version, its manifest last.

        Raises:
            StorageError: the store refuses; what was sent is removed again.
        """
        files = {
            path.relative_to(folder).as_posix(): path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")
        }
        data = [name for name in files if name != _MANIFEST]
        try:
            together(lambda name: self.store.write(f"{version}/{name}", files[name]), data)
            manifest = files[_MANIFEST].read_bytes()
            if not self.store.create(f"{version}/{_MANIFEST}", manifest):
                raise StorageError("This version is there already.", where=self.store.name)
        except BaseException:
            # If the store is out of reach, a later build will clear away.
            with suppress(StorageError):
                self._remove([f"{version}/{name}" for name in files])
            raise
        with self.locked() as index:
            for one in self.store.list(version):
                index["objects"][one.key] = [one.size, one.tag, one.written.timestamp()]

    def _remove(self, keys: Sequence[str]) -> None:
        """Remove a version: its manifest first, for without it nobody sees the rest."""
        self.store.delete([key for key in keys if key.endswith(f"/{_MANIFEST}")])
        self.store.delete([key for key in keys if not key.endswith(f"/{_MANIFEST}")])

    def clear_away(self, name: str) -> None:
        """Remove what builds left in the store that were killed a day ago or earlier."""
        found = self.store.list(name)
        if not found:
            return
        # By the store's own clock: ours may be wrong.
        now = max(one.written for one in found)
        parts: dict[str, list[Object]] = {}
        for one in found:
            claim = _CLAIM.fullmatch(one.key)
            if claim or _version(one.key):
                number = claim[2] if claim else str(_version(one.key)).partition("/v")[2]
                parts.setdefault(number.partition("-")[0], []).append(one)
        for objects in parts.values():
            keys = [one.key for one in objects]
            late = now - max(one.written for one in objects) > work.ABANDONED
            if late and not any(_version(k) and k.endswith(f"/{_MANIFEST}") for k in keys):
                self.store.delete(keys)


def _version(key: str) -> str | None:
    found = _IN_VERSION.fullmatch(key)
    return found[1] if found else None


def _is_ours(key: str) -> bool:
    """Whether a key is of no file that the folder has: a claim, finished work."""
    shared = key.startswith(f"{work.CACHE}/used/")
    return not shared and any(part.startswith(".") for part in key.split("/"))


def _hash(path: Path) -> str:
    return xxhash.xxh3_128_hexdigest(path.read_bytes())
