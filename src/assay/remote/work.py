"""Finished work in an object store, so that another machine need not do it again."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import zstandard

from assay.errors import StorageError
from assay.objects import Store, together

CACHE = ".cache"
ABANDONED = timedelta(days=1)
"""After so long what nobody needs or finishes is removed; somebody may still be at it before."""


def push(folder: Path, store: Store, objects: dict[str, Any]) -> None:
    """Send entries of the cache that the store has not, and remove those that nobody uses.

    An entry's seal is sent last, so that an entry is there whole or not at all.
    """
    cache = folder / CACHE
    mine = {f"{CACHE}/{path.parent.name}/{path.name}": path for path in cache.glob("??/*.json")}
    new = [key for key in mine if key not in objects]
    for key in new:
        _send(store, key, mine[key])
        objects[key] = [mine[key].stat().st_size, None, time.time()]
    lists = {f"{CACHE}/used/{path.name}": path for path in (cache / "used").glob("*.json")}
    for key, path in lists.items():
        content = path.read_bytes()
        if objects.get(key, [None])[0] != len(content) or new:
            objects[key] = [len(content), store.write(key, content), time.time()]
    _forget(store, objects, {name for path in lists.values() for name in _names(path)})


def bring(folder: Path, store: Store, key: str) -> bool:
    """Fetch an entry of the cache; say whether the store had it whole."""
    stem = f"{CACHE}/{key[:2]}/{key}"
    if (seal := store.read(f"{stem}.json")) is None:
        return False
    home = folder / CACHE / key[:2]
    home.mkdir(parents=True, exist_ok=True)

    def part(name: str) -> bool:
        packed = store.read(f"{stem}.{name}.zst")
        if packed is None:
            return False
        try:
            _write(home / f"{key}.{name}", zstandard.decompress(packed[0]))
        except zstandard.ZstdError:
            return False
        return True

    if not all(together(part, _parts(seal[0]))):
        return False
    _write(home / f"{key}.json", seal[0])
    return True


def _send(store: Store, key: str, path: Path) -> None:
    stem = key.removesuffix(".json")

    def part(name: str) -> None:
        content = path.with_name(f"{path.name.removesuffix('.json')}.{name}").read_bytes()
        store.write(f"{stem}.{name}.zst", zstandard.compress(content, 1))

    seal = path.read_bytes()
    together(part, _parts(seal))
    store.write(key, seal)


def _parts(seal: bytes) -> list[str]:
    """The files of an entry, as its seal lists them."""
    try:
        return list(orjson.loads(seal.partition(b"\n")[2])["parts"])
    except (ValueError, KeyError):
        # Damaged: whoever recalls it finds that out by its hash.
        return []


def _names(path: Path) -> list[str]:
    try:
        found: list[str] = orjson.loads(path.read_bytes())
    except ValueError:
        return []
    return found


def _forget(store: Store, objects: dict[str, Any], used: set[str]) -> None:
    """Remove entries that no build's newest list names, once they are old enough."""
    late = time.time() - ABANDONED.total_seconds()
    old = [
        key
        for key, about in objects.items()
        if key.startswith(f"{CACHE}/")
        and not key.startswith(f"{CACHE}/used/")
        and key.rpartition("/")[2].partition(".")[0] not in used
        and about[2] < late
    ]
    try:
        store.delete(old)
    except StorageError:
        # Whoever may not delete leaves it to somebody else.
        return
    for key in old:
        del objects[key]


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(content)
    draft.replace(path)
