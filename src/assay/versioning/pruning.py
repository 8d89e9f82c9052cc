"""Old versions taken away, and never one that something needs."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from assay.cache import Cache
from assay.errors import AssayError, VersionError
from assay.recipe import digest
from assay.remote import placed
from assay.reporting.words import size
from assay.storage import locked, storage_errors, sync, write_atomically
from assay.tags import read_tags
from assay.version import Version, listing

PRUNED = "pruned"
"""The folder that keeps the manifests of versions that went: lineage is walked through them."""
_EVALUATED = "evaluated"
_LARGE = ("files", "records", "hashes", "fields")


@dataclass(frozen=True)
class Pruned:
    """What went, or would go, and what stays.

    Attributes:
        gone: the titles of the versions that went or would go, with their bytes alone.
        kept: the titles of the others, with why each stays.
        bytes: what is free then: files that a version shares with one that stays are not counted.
        done: whether it was done; else nothing was touched.
    """

    gone: Mapping[str, int]
    kept: Mapping[str, tuple[str, ...]]
    bytes: int
    done: bool

    def to_dict(self) -> dict[str, Any]:
        """As the command line's JSON gives it."""
        return {
            "gone": dict(self.gone),
            "kept": {title: list(reasons) for title, reasons in self.kept.items()},
            "bytes": self.bytes,
            "done": self.done,
        }

    def __repr__(self) -> str:
        width = max(map(len, [*self.gone, *self.kept]), default=0)
        word = "went" if self.done else "would go"
        lines = [f"{title:<{width}}  {word}, {size(n)} alone" for title, n in self.gone.items()]
        lines += [f"{title:<{width}}  stays: {', '.join(why)}" for title, why in self.kept.items()]
        lines += ["", f"{len(self.gone)} versions {word}; {size(self.bytes)} "
                      f"{'are' if self.done else 'would be'} free"]  # fmt: skip
        if any(why == (_EVALUATED,) for why in self.kept.values()):
            lines.append("`--runs` lets go of what stays only because it was evaluated")
        return "\n".join(lines if self.done or not self.gone else [*lines, "`--yes` does it"])


@placed
def prune(
    name: str | None = None,
    *,
    keep: int,
    out: str | Path = "versions",
    runs: bool = False,
    yes: bool = False,
) -> Pruned:
    """Take old versions away: all but the newest, and never what something needs.

    A version stays if it is one of the newest, has a tag, was evaluated, is damaged (look at it
    first), or is the newest that was split in its way: builds to come take their rows' sides from
    it. Of one that goes the manifest stays in `pruned/`, so that lineage is walked through it;
    files that it shares with another version stay with that one.

    Args:
        name: of this recipe only.
        keep: how many of the newest of each name stay in any case, at least 1.
        out: the folder that holds all versions.
        runs: let go of versions that were evaluated too, and with them their evaluations.
        yes: do it; else nothing is touched and what would go is told.

    Raises:
        AssayError: `keep` is below 1.
        StorageError: a build is at work there.
        VersionError: there are no versions of that name.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> out = tempfile.mkdtemp()
    >>> for n in (1, 2, 3):
    ...     made = build({"name": "t", "source": pl.DataFrame({"n": [n]})}, out=out)
    >>> len(prune("t", keep=1, out=out, yes=True).gone)
    2
    """
    if keep < 1:
        raise AssayError("At least the newest version stays.", received=f"--keep {keep}")
    out = Path(out)
    names = [name] if name else sorted({v.path.parent.name for v in listing(out)})
    if name and not listing(out, name):
        raise VersionError(f"There are no versions of {name!r}.", where=str(out), allowed=names)
    if not yes:
        return _sum([_decided(out / one, keep, runs) for one in names], done=False)
    with storage_errors(out), Cache(out / ".cache").alone():
        return _sum([_pruned(out / one, keep, runs) for one in names], done=True)


@dataclass(frozen=True)
class _Decided:
    """Of one name: the versions that go, the others with their reasons, bytes alone and freed."""

    gone: Mapping[str, int]
    kept: Mapping[str, tuple[str, ...]]
    bytes: int
    versions: tuple[Version, ...]


def _decided(home: Path, keep: int, runs: bool) -> _Decided:
    found = listing(home.parent, home.name)
    needed = _needed(home, found, keep, runs)
    gone = tuple(version for version in found if not needed[version.id])
    return _Decided(
        {version.title: sum(s.st_size for s in _stats(version, runs)) for version in gone},
        {version.title: needed[version.id] for version in found if needed[version.id]},
        _freed(stat for version in gone for stat in _stats(version, runs)),
        gone,
    )


def _needed(home: Path, found: list[Version], keep: int, runs: bool) -> dict[str, tuple[str, ...]]:
    """Why each version stays; nothing for one that can go."""
    reasons: dict[str, list[str]] = {version.id: [] for version in found}
    whole = [version for version in found if version.damage() is None]
    for version in found:
        if version not in whole:
            reasons[version.id].append("damaged")
    for place, version in enumerate(reversed(whole)):
        if place < keep:
            reasons[version.id].append("newest" if place == 0 else f"one of the newest {keep}")
    for name, tag in read_tags(home).items():
        if tag.version in reasons:
            reasons[tag.version].append(f"tag {name}")
    splits: dict[str, Version] = {}
    for version in whole:
        steps = [[one["step"], one["parameters"]] for one in version.manifest["steps"]
                 if one["step"].startswith("split.")]  # fmt: skip
        if steps:
            splits[digest([version.manifest["recipe"].get("id"), steps])] = version
        evaluated = [folder for folder in version.runs if folder.name.startswith(version.id)]
        if evaluated and not runs:
            reasons[version.id].append(_EVALUATED)
    for version in splits.values():
        reasons[version.id].append("the newest with its split")
    for version in whole:
        # A restored version has the evaluations of the one that it was restored from.
        source = version.manifest.get("restored_from")
        if source in reasons and reasons[version.id]:
            reasons[source].append(f"{version.id} was restored from it")
    return {id: tuple(dict.fromkeys(why)) for id, why in reasons.items()}


def _pruned(home: Path, keep: int, runs: bool) -> _Decided:
    with locked(home):
        # Under the lock, so that no tag is set and nothing committed meanwhile.
        decided = _decided(home, keep, runs)
        for version in decided.versions:
            _remove(home, version)
        sync(home)
    return decided


def _remove(home: Path, version: Version) -> None:
    plain = {key: value for key, value in version.manifest.items() if key not in _LARGE}
    write_atomically(home / PRUNED / f"{version.id}.json", orjson.dumps(plain))
    # Out of sight by one rename. A kill on the way leaves a folder that looks like that of a
    # build that was killed, which the next build clears away.
    gone = home / f".building-gone-{uuid.uuid4().hex[:8]}"
    folders = [path for path in (home / "runs").glob(f"{version.id}-*") if path.is_dir()]
    version.path.rename(gone)
    for folder in folders:
        folder.rename(gone / folder.name)
    shutil.rmtree(gone, ignore_errors=True)


def _stats(version: Version, runs: bool) -> list[Any]:
    folders = [version.path]
    if runs:
        folders += (version.path.parent / "runs").glob(f"{version.id}-*")
    return [path.stat() for folder in folders for path in folder.rglob("*") if path.is_file()]


def _freed(stats: Iterable[Any]) -> int:
    """Bytes of the files all of whose names go."""
    listed = list(stats)
    known = {stat.st_ino: stat for stat in listed}
    names = Counter(stat.st_ino for stat in listed)
    return sum(stat.st_size for inode, stat in known.items() if names[inode] >= stat.st_nlink)


def _sum(parts: list[_Decided], *, done: bool) -> Pruned:
    return Pruned(
        {title: size for part in parts for title, size in part.gone.items()},
        {title: why for part in parts for title, why in part.kept.items()},
        sum(part.bytes for part in parts),
        done,
    )
