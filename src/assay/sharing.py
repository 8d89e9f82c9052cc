"""Files that versions share, stored once: equal bytes are one file with several names.

What is equal is found by hash and made one by a hard link, so nothing but the files themselves has
to be kept: a file stays as long as any version has it, and removing a version takes no other's.
Where the place knows no hard links, every version has its own copy.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import xxhash

_CHUNK = 1 << 18
_OWN = ("manifest.json", "README.md", ".lock")
"""Files that say which version it is, and are never shared."""


def hash_file(file: Path) -> str:
    """A hash of a file's bytes (xxh3, 128 bits)."""
    state = xxhash.xxh3_128()
    # One buffer that stays near the processor: a new one a piece costs half as much again.
    chunk = memoryview(bytearray(_CHUNK))
    with file.open("rb", buffering=0) as content:
        while size := content.readinto(chunk):
            state.update(chunk[:size])
    return state.hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """The hash of every file of a version that another may share, by its path in the folder.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "rows").write_bytes(b"abc")
    >>> hashes(folder)
    {'rows': '06b05ab6733a618578af5f94892f3950'}
    """
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {path: path.relative_to(folder).as_posix() for path in found}
    return {name: hash_file(path) for path, name in names.items() if name not in _OWN}


def is_pointer(file: Path) -> bool:
    """Whether a file stands for one that Git LFS has not fetched yet."""
    head = b"version https://git-lfs"
    return file.is_file() and file.stat().st_size < 1024 and file.read_bytes().startswith(head)


def share(folder: Path, own: Mapping[str, str], others: Iterable[Mapping[Path, str]]) -> int:
    """Put files that other folders have already in the place of equal ones in this folder.

    Args:
        folder: of a version that is not committed yet.
        own: what `hashes` says of it.
        others: for each other version, the hash of each of its files.

    Returns:
        How many bytes need not be stored again.
    """
    wanted = set(own.values())
    known = {hash: path for other in others for path, hash in other.items() if hash in wanted}
    saved = 0
    for name, hash in own.items():
        path = folder / name
        if hash not in known:
            known[hash] = path  # the same version may hold it twice
        elif _same(known[hash], path) or linked(known[hash], path, hash):
            saved += path.stat().st_size
    return saved


def _same(there: Path, here: Path) -> bool:
    try:
        return there.samefile(here)
    except OSError:
        return False


def linked(there: Path, here: Path, hash: str) -> bool:
    """Make a file that has this hash the same as another, or put it where none is.

    False where that cannot be, and nothing has changed then.
    """
    unfinished = here.with_name(f".{here.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        # It may be damaged, or be gone since it was listed.
        if hash_file(there) != hash:
            return False
        os.link(there, unfinished)
        unfinished.replace(here)
    except OSError:
        # No hard links here, too many of one file, or the other is gone: the copy stays.
        return False
    finally:
        unfinished.unlink(missing_ok=True)
    return True
