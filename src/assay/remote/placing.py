"""Let whatever takes an `out` take a place in an object store."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import orjson
import xxhash

from assay.errors import StorageError
from assay.objects import Store, is_store
from assay.remote import work
from assay.remote.mirror import INDEX, Mirror
from assay.storage import storage_errors, write_atomically
from assay.urls import hidden

Given = ParamSpec("Given")
Made = TypeVar("Made")


def mirror_of(path: Path) -> Mirror | None:
    """The mirror that a path lies in, if it lies in one."""
    for folder in (path, *path.parents):
        if (folder / INDEX).is_file():
            url = orjson.loads((folder / INDEX).read_bytes())["url"]
            return Mirror(folder, Store(url))
    return None


def mirrored(url: str) -> Mirror:
    """The folder that stands for a place in a store, made if it is not there yet.

    It lies in `$XDG_CACHE_HOME/assay` or `~/.cache/assay`.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "assay" / "places"
    plain = hidden(url).rstrip("/")
    folder = home / xxhash.xxh3_128_hexdigest(plain.encode())
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / INDEX).exists():
            index = {"url": plain, "objects": {}, "sent": {}}
            write_atomically(folder / INDEX, orjson.dumps(index))
    return Mirror(folder, Store(plain))


@contextmanager
def working(out: str | Path) -> Iterator[Path]:
    """The folder to work in for an `out`: itself, or what stands for a place in a store."""
    if not is_store(out):
        yield Path(out)
        return
    mirror = mirrored(str(out))
    mirror.pull()
    try:
        yield mirror.folder
    except BaseException:
        # That it failed is on record, and the error matters more than a store out of reach.
        with suppress(StorageError):
            mirror.push_record()
        raise
    mirror.push()


def placed(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Let a function's `out` be a place in an object store as well."""
    signature = inspect.signature(function)

    @functools.wraps(function)
    def wrapper(*args: Given.args, **kwargs: Given.kwargs) -> Made:
        given = signature.bind_partial(*args, **kwargs).arguments.get("out")
        if not is_store(given):
            return function(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        with working(str(given)) as folder:
            bound.arguments["out"] = folder
            return function(*bound.args, **bound.kwargs)

    return wrapper


def here(path: Path) -> Path:
    """A file of a version, fetched first if only the store has it."""
    if not path.exists() and (mirror := mirror_of(path)):
        mirror.bring(path.relative_to(mirror.folder).as_posix())
    return path


def cached(cache: Path, key: str) -> bool:
    """Fetch finished work that only the store has; say whether it had it."""
    mirror = mirror_of(cache)
    if mirror is None or f"{work.CACHE}/{key[:2]}/{key}.json" not in _known(mirror):
        return False
    return work.bring(mirror.folder, mirror.store, key)


def size(path: Path) -> int | None:
    """The size of a file in bytes, here or in the store; None if it is in neither."""
    if path.exists():
        return path.stat().st_size
    mirror = mirror_of(path)
    if mirror is None:
        return None
    return _known(mirror).get(path.relative_to(mirror.folder).as_posix())


def _known(mirror: Mirror) -> dict[str, int]:
    return _sizes(mirror.folder, (mirror.folder / INDEX).stat().st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _sizes(folder: Path, stamp: int) -> dict[str, int]:
    """What the store holds, read again when the index has changed."""
    objects = orjson.loads((folder / INDEX).read_bytes())["objects"]
    return {key: int(about[0]) for key, about in objects.items()}


def shown(path: Path) -> str:
    """A path as people should see it: in a store, its address there."""
    mirror = mirror_of(path)
    if mirror is None:
        return str(path)
    return f"{mirror.store.name}/{path.relative_to(mirror.folder).as_posix()}".rstrip("/.")
