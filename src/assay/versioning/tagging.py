"""Names for versions, from Python and from the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.errors import VersionError
from assay.remote import placed
from assay.tags import Tag, read_tags, remove_tag, set_tag
from assay.version import Version, open_version


@dataclass(frozen=True)
class Tags:
    """The tags of versions.

    Attributes:
        tags: each by its full name, such as `prices/accepted`, which opens its version.
        said: what was done, if anything was.
    """

    tags: Mapping[str, Tag]
    said: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As the command line's JSON gives it."""
        return {name: tag.to_dict() for name, tag in self.tags.items()}

    def __repr__(self) -> str:
        width = max(map(len, self.tags), default=0)
        lines = [
            f"{name:<{width}}  {tag.version}  {tag.at}  {tag.note}".rstrip()
            for name, tag in self.tags.items()
        ]
        return "\n".join([*([self.said] if self.said else []), *lines]) or "no tags"


@placed
def tag(
    version: Version | str | Path | None = None,
    name: str | None = None,
    *,
    out: str | Path = "versions",
    note: str = "",
    remove: bool = False,
) -> Tags:
    """Give a version a name, take one away, or list the names that there are.

    Args:
        version: the version; without it all tags are listed, without a name its own.
        name: letters, digits, `.`, `_` and `-`; a tag of this name moves to the version.
        out: the folder that holds all versions.
        note: why, for whoever reads it later.
        remove: take the name away instead; the version stays.

    Raises:
        VersionError: there is no such version or tag, or the name is not allowed.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> out = tempfile.mkdtemp()
    >>> made = build({"name": "tiny", "source": pl.DataFrame({"n": [1]})}, out=out)
    >>> tag(made, "first", out=out).tags["tiny/first"].version == made.id
    True
    """
    if version is None:
        homes = sorted(path for path in Path(out).glob("*") if path.is_dir())
        return Tags({f"{home.name}/{n}": t for home in homes for n, t in read_tags(home).items()})
    if remove and name is None:
        raise VersionError(
            "Which tag is to be removed?", hint="name it: `assay tag VERSION NAME --remove`"
        )
    opened = version if isinstance(version, Version) else open_version(version, out)
    home = opened.path.resolve().parent
    said = ""
    if remove and name is not None:
        gone = remove_tag(home, name)
        said = f"{home.name}/{name} is no name of {gone.version} any more"
    elif name is not None:
        before = read_tags(home).get(name)
        set_tag(home, name, opened.id, note=note)
        said = f"{opened.title} is {home.name}/{name}"
        if before is not None and before.version != opened.id:
            said += f", which was {before.version}"
    kept = {f"{home.name}/{n}": t for n, t in read_tags(home).items() if t.version == opened.id}
    return Tags(kept, said)
