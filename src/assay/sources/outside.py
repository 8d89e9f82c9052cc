"""Files in object stores, on web servers and on the hub, brought onto this machine.

A copy is named by what its store says of the content (the object's tag, the file's commit), so what
has not changed is not fetched again; where nothing is said it is fetched every time.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import xxhash

from assay.errors import SourceError, StorageError, nearest
from assay.objects import SCHEMES, Object, Store, is_store, together
from assay.sources import spool
from assay.sources.web import download
from assay.urls import hidden

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True)
class Found:
    """A file on this machine: the name to show, and of which version of its place it is."""

    path: Path
    name: str
    at: str = ""


def expanded(source: Any) -> Any:
    """A source with every `${NAME}` in it taken from the environment.

    Raises:
        SourceError: the environment has no such name.

    >>> os.environ["PLACE"] = "s3://bucket"
    >>> expanded("${PLACE}/a.csv")
    's3://bucket/a.csv'
    """
    if isinstance(source, str):
        return _VARIABLE.sub(lambda found: _value(found[1], source), source)
    if isinstance(source, list) and all(isinstance(item, str | os.PathLike) for item in source):
        return [expanded(item) for item in source]
    return source


def _value(name: str, source: str) -> str:
    if name not in os.environ:
        raise SourceError(
            f"The environment has no {name}, which the source names.",
            where=source,
            hint=nearest(name, os.environ) or f"export {name}=…",
        )
    return os.environ[name]


def fetched(url: str, place: Path, readable: Sequence[str]) -> list[Found]:
    """The files that a URL means, copied into the folder `place`.

    Args:
        url: of an object, a pattern of objects, or a folder of them; of one file on a web server.
        place: where copies are kept.
        readable: the endings of files that can be read; a folder's others are left alone.

    Raises:
        SourceError: there is nothing, the address is of no kind that is read, or the place
            refuses.
        StorageError: a copy cannot be written.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in ("http", "https"):
        return [_of_web(url, place)]
    if is_store(url):
        try:
            return _of_store(url, place, readable)
        except StorageError as error:
            raise SourceError(error.what, where=error.where, hint=error.hint) from None
    if scheme in ("postgresql", "postgres", "sqlite", "duckdb", "mysql"):
        raise SourceError(
            "A database is read by a query.",
            where=hidden(url),
            hint="source: {sql: URL, query: SELECT …}",
        )
    raise SourceError(
        f"Addresses that begin with {scheme}:// are not read.",
        where=hidden(url),
        allowed=("https", "http", "hf", "file", *SCHEMES),
        hint=nearest(scheme, ("https", "http", "hf", "file", *SCHEMES)),
    )


def _of_web(url: str, place: Path) -> Found:
    name = PurePosixPath(url.partition("?")[0].partition("#")[0]).name or "index"
    path, at = download(url, place)
    return Found(path, name, at)


def _of_store(url: str, place: Path, readable: Sequence[str]) -> list[Found]:
    scheme, _, rest = url.partition("://")
    bucket, _, key = rest.partition("/")
    store = Store(f"{scheme}://{bucket}")
    root, objects = _listed(store, key)
    if not glob.has_magic(key) and [one.key for one in objects] != [key]:
        objects = _of_folder(objects, root, readable)
    if not objects:
        raise SourceError(
            "No object matches this pattern." if glob.has_magic(key) else
            "There is no such object, and no folder of this name with a file that can be read.",
            where=hidden(url), hint=_close(store, key),
        )  # fmt: skip

    def copy(one: Object) -> Found:
        how = [store.name, one.key, one.tag or os.urandom(8).hex(), str(one.size)]
        name = xxhash.xxh3_128("\0".join(how).encode()).hexdigest()
        path = spool.made(place, name, "", lambda draft: store.fetch(one, draft))
        return Found(path, one.key.removeprefix(root) or one.key)

    return together(copy, objects)


def _listed(store: Store, key: str) -> tuple[str, list[Object]]:
    """What a key or pattern may mean, and the part of the keys that names need not repeat."""
    if glob.has_magic(key):
        fixed = re.split(r"[*?\[]", key, maxsplit=1)[0]
        root = fixed[: fixed.rfind("/") + 1]
        matches = _pattern(key).fullmatch
        return root, [one for one in store.list(root) if matches(one.key) and one.size]
    folder = f"{key.rstrip('/')}/" if key else ""
    found = store.list(key.rstrip("/").rpartition("/")[0])
    alone = [one for one in found if one.key == key]
    if alone:
        return key[: key.rfind("/") + 1], alone
    return folder, [one for one in found if one.key.startswith(folder)]


def _of_folder(objects: Sequence[Object], root: str, readable: Sequence[str]) -> list[Object]:
    keys = {one.key for one in objects}
    # A version that assay wrote: its rows, not its quarantine and ledger.
    if f"{root}manifest.json" in keys:
        root = f"{root}data/"
    return [
        one
        for one in objects
        if one.key.startswith(root)
        and one.size
        and one.key.lower().endswith(tuple(readable))
        and not any(part.startswith((".", "_")) for part in one.key[len(root) :].split("/"))
    ]


def _pattern(key: str) -> re.Pattern[str]:
    """A glob over keys: `*` stays within a folder, `**` does not."""
    parts = re.split(r"(\*\*/?)", key)
    texts = [
        "(?:.*/)?" if part == "**/" else ".*" if part == "**" else _within(part) for part in parts
    ]
    return re.compile("".join(texts))


def _within(part: str) -> str:
    text = fnmatch.translate(part)
    body = re.sub(r"^\(\?s:(.*)\)\\[Zz]$", r"\1", text, flags=re.DOTALL)
    return body.replace(".*", "[^/]*")


def _close(store: Store, key: str) -> str | None:
    beside = [one.key for one in store.list(key.rpartition("/")[0])[:1000]]
    return nearest(key, beside)
