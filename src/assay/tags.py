"""Names that people give to versions, such as `accepted`: one small file beside the versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from assay.errors import VersionError, nearest
from assay.storage import locked, storage_errors, write_atomically

TAGS = "tags.json"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
# What already names a version: `v3` and `v3-9f2c41ab`.
_VERSION = re.compile(r"v\d+(-[0-9a-f]{8})?")


@dataclass(frozen=True)
class Tag:
    """A name that points to a version.

    Attributes:
        version: the version's id, such as `v3-9f2c41ab`.
        at: when it was set, in UTC, such as `2026-11-27T14:00:00Z`.
        note: why, in the words of whoever set it.
        details: whatever else its setter keeps with it, as plain values.
    """

    version: str
    at: str
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As `tags.json` holds it."""
        said = {"version": self.version, "at": self.at, "note": self.note}
        return {**said, **({"details": dict(self.details)} if self.details else {})}


def read_tags(home: Path) -> dict[str, Tag]:
    """The tags of all versions of a name, in the order of their names.

    Args:
        home: the folder of the name, `<out>/<name>`.

    Raises:
        VersionError: the file of tags cannot be read.

    >>> import tempfile
    >>> read_tags(Path(tempfile.mkdtemp()))
    {}
    """
    path = home / TAGS
    try:
        found = orjson.loads(path.read_bytes())
        return {name: _read(plain) for name, plain in sorted(found.items())}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise VersionError(
            f"The tags cannot be read: {getattr(error, 'strerror', None) or error}.",
            where=str(path),
            hint="mend or remove the file; the versions themselves are not touched",
        ) from None


def set_tag(
    home: Path,
    name: str,
    version: str,
    *,
    at: datetime | None = None,
    note: str = "",
    details: Mapping[str, Any] | None = None,
) -> Tag:
    """Give a version a name; a tag of that name moves to it.

    Args:
        home: the folder of the versions, `<out>/<name>`.
        name: letters, digits, `.`, `_` and `-`, a letter first, 64 at most; not like `v3`.
        version: the version's id.
        at: when; now, when not given.
        note: why.
        details: what else to keep with it, as plain values.

    Raises:
        VersionError: the name is not allowed, or there is no such version.
        StorageError: nothing can be written there.

    >>> import tempfile
    >>> home = Path(tempfile.mkdtemp())
    >>> (home / "v1-9f2c41ab").mkdir()
    >>> set_tag(home, "accepted", "v1-9f2c41ab", at=datetime(2026, 11, 27, 14, tzinfo=UTC)).at
    '2026-11-27T14:00:00Z'
    >>> read_tags(home)["accepted"].version
    'v1-9f2c41ab'
    """
    if not _NAME.fullmatch(name) or _VERSION.fullmatch(name):
        raise VersionError(
            "A tag cannot be called that.",
            received=name,
            allowed="letters, digits, '.', '_' and '-', a letter first, 64 at most; not like v3",
        )
    moment = (at or datetime.now(UTC)).astimezone(UTC)
    stamp = moment.isoformat(timespec="seconds").replace("+00:00", "Z")
    tag = Tag(version, stamp, note, dict(details or {}))
    with _changing(home) as tags:
        if not _VERSION.fullmatch(version) or not (home / version).is_dir():
            known = sorted(path.name for path in home.glob("v*") if path.is_dir())
            raise VersionError(
                f"There is no version {version!r} to be tagged.",
                where=str(home),
                allowed=known,
                hint=nearest(version, known),
            )
        tags[name] = tag
    return tag


def remove_tag(home: Path, name: str) -> Tag:
    """Take a name from its version; the version stays.

    Raises:
        VersionError: there is no such tag.
    """
    with _changing(home) as tags:
        if name not in tags:
            raise VersionError(
                f"There is no tag {name!r}.",
                where=str(home / TAGS),
                allowed=tags or "none are there yet",
                hint=nearest(name, tags),
            )
        return tags.pop(name)


def tagged(out: Path, text: str) -> list[Path]:
    """The folders of the versions that `name/TAG` or `TAG` points to, over all names.

    Raises:
        VersionError: a tag's version is not there any more.
    """
    name, _, tag = text.rpartition("/")
    homes = [out / name] if name else sorted(path for path in out.glob("*") if path.is_dir())
    found = []
    for home in homes:
        if (points := read_tags(home).get(tag)) is None:
            continue
        if not (home / points.version).is_dir():
            raise VersionError(
                f"The tag {tag!r} points to {points.version}, which is not there any more.",
                where=str(home / TAGS),
                hint=f"`assay tag {home.name}/VERSION {tag}` moves it to another",
            )
        found.append(home / points.version)
    return found


@contextmanager
def _changing(home: Path) -> Iterator[dict[str, Tag]]:
    """The tags, to be changed and written back while nobody else commits, tags or removes."""
    if not home.is_dir():
        raise VersionError("There are no versions here.", where=str(home))
    with storage_errors(home / TAGS), locked(home):
        tags = read_tags(home)
        yield tags
        plain = {name: tags[name].to_dict() for name in sorted(tags)}
        write_atomically(home / TAGS, orjson.dumps(plain, option=orjson.OPT_INDENT_2))


def _read(plain: Mapping[str, Any]) -> Tag:
    version, at = plain["version"], plain["at"]
    if not isinstance(version, str) or not isinstance(at, str):
        raise TypeError("version and at are to be texts")
    return Tag(version, at, str(plain.get("note") or ""), dict(plain.get("details") or {}))
