"""Versions: immutable datasets, committed by one atomic rename."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from assay import remote
from assay.errors import StorageError, VersionError, nearest
from assay.remote import placed
from assay.rows import as_pandas
from assay.sharing import hashes, is_pointer, share
from assay.storage import locked, remove_if_abandoned, sync, write_atomically
from assay.tags import read_tags, tagged

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "manifest.json"
_NAME = re.compile(r"v(\d+)-[0-9a-f]{8}")
_UNFINISHED = ".building-"


@dataclass(frozen=True)
class Version:
    """One immutable dataset.

    Attributes:
        path: its folder.
        reused: whether a build found it finished and made nothing new.
    """

    path: Path
    reused: bool = False

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What it was made of and how."""
        problem = None
        try:
            found: dict[str, Any] = orjson.loads((self.path / MANIFEST).read_bytes())
            if not isinstance(found, dict) or not {"hash", "files", "splits", "rows"} <= set(found):
                problem = "it is not one that assay wrote"
        except OSError as error:
            problem = str(error.strerror)
        except orjson.JSONDecodeError as error:
            problem = str(error)
        if problem:
            raise VersionError(
                f"The manifest cannot be read: {problem}.",
                where=str(self.path / MANIFEST),
                hint="build again: the other versions are not touched",
            )
        return found

    @property
    def id(self) -> str:
        """Its name, such as `v3-9f2c41ab`."""
        return self.path.name

    @property
    def splits(self) -> dict[str, int]:
        """Rows in each split."""
        return dict(self.manifest["splits"])

    @property
    def rows(self) -> dict[str, Any]:
        """Rows read, kept and set aside, and the reasons."""
        return {**self.manifest["rows"], "reasons": self.manifest["reasons"]}

    @property
    def hashes(self) -> dict[Path, str]:
        """The hash of every file (xxh3, 128 bits), where the version says them."""
        found = self.manifest.get("hashes", {})
        return {self.path / name: hash for name, hash in found.items()}

    def damage(self) -> str | None:
        """What is wrong with the version's files: one that is missing or has changed its size."""
        try:
            files = [*self.manifest["files"], *self.manifest.get("records", [])]
        except VersionError as error:
            return str(error)
        for file in files:
            path = self.path / file["path"]
            size = remote.size(path)
            if size is None:
                return f"{path} is missing"
            if size != file["bytes"]:
                return f"{path} has {size:,} bytes, not {file['bytes']:,}"
        return None

    def scan(self, split: str | None = None) -> pl.LazyFrame:
        """The rows of one split or of all, as a lazy frame.

        Raises:
            VersionError: there is no such split, or a file is missing.
        """
        wanted = [file for file in self.manifest["files"] if split in (None, file["split"])]
        if not wanted:
            raise VersionError(
                f"There is no split {split!r}.", where=str(self.path), allowed=self.splits
            )
        return pl.scan_parquet([self.file(file) for file in wanted])

    def file(self, file: Mapping[str, Any]) -> Path:
        """The path of a file that the manifest lists.

        Raises:
            VersionError: it is missing, or has not its size any more.
        """
        path: Path = remote.here(self.path / file["path"])
        size = path.stat().st_size if path.exists() else None
        if size != file["bytes"]:
            what = "missing" if size is None else "damaged: its size has changed"
            raise VersionError(
                f"A file of this version is {what}.",
                where=str(path),
                received=None if size is None else f"{size:,} bytes",
                allowed=f"{file['bytes']:,} bytes",
                hint="`git lfs pull` fetches it"
                if is_pointer(path)
                else "build again from the same recipe: the rows will be the same",
            )
        return path

    def records(self, part: str) -> list[Path]:
        """The files of the `ledger` or the `quarantine`.

        Raises:
            VersionError: one of them is missing or damaged.
        """
        known = self.manifest.get("records")
        if known is None:
            return sorted((self.path / part).glob("*.parquet"))
        return [self.file(file) for file in known if file["path"].startswith(f"{part}/")]

    def to_polars(self, split: str | None = None) -> pl.DataFrame:
        """The rows of one split or of all."""
        return self.scan(split).collect()

    def to_pandas(self, split: str | None = None) -> pd.DataFrame:
        """The rows of one split or of all, for pandas."""
        return as_pandas(self.to_polars(split))

    def quarantine(self) -> pl.DataFrame:
        """The rows set aside, with their reasons."""
        frames = [pl.read_parquet(file) for file in self.records("quarantine")]
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()

    def ledger(self) -> pl.LazyFrame:
        """Every decision about every row.

        Raises:
            VersionError: a file of the ledger is missing or damaged.
        """
        files = self.records("ledger")
        if not files:
            raise VersionError(
                "The ledger of this version is missing.",
                where=str(self.path / "ledger"),
                hint="build again from the same recipe: the rows will be the same",
            )
        return pl.scan_parquet(files)

    def to_dict(self) -> dict[str, Any]:
        """As the command line's JSON gives it."""
        if problem := self.damage():
            return {"version": self.id, "path": str(self.path), "damage": problem}
        return {
            "version": self.id,
            "path": str(self.path),
            "rows": self.rows,
            "splits": self.splits,
            "reused": self.reused,
        }

    @property
    def tags(self) -> list[str]:
        """The names that people gave it."""
        found = read_tags(self.path.parent)
        return [name for name, tag in found.items() if tag.version == self.id]

    @property
    def runs(self) -> list[Path]:
        """The folders of its evaluations, the newest last."""
        # Whoever was restored has the evaluations of the one with the same rows.
        same = [self.id, *filter(None, [self.manifest.get("restored_from")])]
        runs = self.path.parent / "runs"
        found = [path for id in same for path in runs.glob(f"{id}-*/evaluation.json")]
        return [path.parent for path in sorted(found, key=lambda one: one.stat().st_mtime)]

    def leaks(self) -> list[str]:
        """What of the leak certificate did not pass, one sentence each."""
        checks = self.manifest.get("certificate", {}).get("checks", [])
        return [f"leak: {one['detail']}" for one in checks if one["status"] == "fail"]

    @property
    def title(self) -> str:
        """Its name behind its recipe's, such as `prices/v3-9f2c41ab`, by which it is opened."""
        return f"{self.path.resolve().parent.name}/{self.id}"

    def line(self, width: int = 0) -> str:
        """One line for a list of versions whose longest title has so many characters."""
        if problem := self.damage():
            return f"{self.title:<{width}}  damaged: {problem.splitlines()[0]}"
        named = "".join(f"  [{name}]" for name in self.tags)
        rows = self.manifest["rows"]["kept"]
        return f"{self.title:<{width}}  {rows:>12,} rows  {self._parts()}{named}"

    def _parts(self) -> str:
        return ", ".join(f"{split} {count:,}" for split, count in self.splits.items())

    def summary(self) -> str:
        """What a build came to, in a few lines."""
        rows, reasons = self.manifest["rows"], self.manifest["reasons"]
        made = "was there already; no work was done twice" if self.reused else "built"
        lines = [f"version {self.title} {made}: {remote.shown(self.path)}"]
        lines += [f"  note: {note}" for note in self.manifest["notes"]]
        lines += [f"  {rows['read']:>12,} rows read"]
        lines += [f"  {-count:>12,} {reason}" for reason, count in reasons.items()]
        if rows.get("synthetic"):
            lines.append(f"  {rows['synthetic']:>+12,} synthetic rows, in train only")
        for name, said in self.manifest.get("exports", {}).items():
            lines += [
                f"  {name}: {count:,} {'row' if count == 1 else 'rows'} left out, {reason}"
                for reason, count in said["left_out"].items()
            ]
        lines += [f"  {leak}" for leak in self.leaks()]
        kept = rows["kept"] + rows.get("synthetic", 0)
        return "\n".join([*lines, f"  {kept:>12,} kept: {self._parts()}"])

    def __repr__(self) -> str:
        rows = self.manifest["rows"]
        return (
            f"<Version {self.title}: {rows['kept']:,} of {rows['read']:,} "
            f"rows kept ({self._parts()}) at {self.path}>"
        )

    def _repr_html_(self) -> str:
        from html import escape

        reasons = self.manifest["reasons"]
        body = "".join(
            f"<tr><td>{escape(str(name))}</td><td style='text-align:right'>{count:,}</td></tr>"
            for name, count in {
                "read": self.manifest["rows"]["read"],
                **{f"set aside — {reason}": count for reason, count in reasons.items()},
                **self.splits,
            }.items()
        )
        return f"<table><caption>{escape(self.title)}</caption><tbody>{body}</tbody></table>"


@contextmanager
def building(out: Path, name: str) -> Iterator[Path]:
    """Give an unfinished folder beside the versions, and take it away again whatever happens.

    Folders that a killed build left behind are removed. One that is still being written to is
    locked, and left alone.
    """
    home = out / name
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"Nothing can be written here: {error.strerror}.", where=str(home)
        ) from None
    with locked(home):
        for left in home.glob(f"{_UNFINISHED}*"):
            remove_if_abandoned(left)
        folder = home / f"{_UNFINISHED}{os.getpid()}-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def commit(folder: Path, out: Path, manifest: dict[str, Any], *, again: bool = False) -> Version:
    """Give a finished folder its number and name, in one atomic rename.

    A whole version with the same hash that is there already is returned as it is. Files that
    another version of the name has already are stored once.

    Args:
        folder: the finished folder.
        out: the folder that holds all versions.
        manifest: what the version is made of; its number, parent and files' hashes are put in.
        again: give it a number even where a version with the same hash is there already.
    """
    home = out / manifest["name"]
    manifest["hashes"] = hashes(folder)
    share(folder, manifest["hashes"], [version.hashes for version in whole(out, home.name)])
    mirror = remote.mirror_of(out)
    with locked(home):
        if mirror:
            mirror.pull()
        present = whole(out, manifest["name"])
        for version in present if not again else ():
            if version.manifest["hash"] == manifest["hash"]:
                return Version(version.path, reused=True)
        # Damaged versions keep their numbers too.
        number = 1 + max((_number(path) for path in home.glob("v*")), default=0)
        if mirror:
            number = mirror.claim(home.name, number, manifest["hash"])
            mirror.clear_away(home.name)
        manifest["version"] = f"v{number}-{manifest['hash'][:8]}"
        manifest["parent"] = present[-1].id if present else None
        (folder / ".lock").unlink(missing_ok=True)
        write_atomically(folder / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        target = home / manifest["version"]
        if mirror:
            mirror.upload(folder, f"{home.name}/{target.name}")
        folder.rename(target)
        sync(home)
    return Version(target)


def listing(out: Path, name: str | None = None) -> list[Version]:
    """The versions under a folder, oldest first; of one name or of all."""
    homes = [out / name] if name else sorted(path for path in out.glob("*") if path.is_dir())
    found: list[Version] = []
    for home in homes:
        folders = [path for path in home.glob("v*") if _NAME.fullmatch(path.name)]
        found.extend(Version(path) for path in sorted(folders, key=_number))
    return found


def whole(out: Path, name: str) -> list[Version]:
    """The versions of a name of which nothing is missing or damaged, oldest first."""
    return [version for version in listing(out, name) if version.damage() is None]


@placed
def versions(name: str | None = None, *, out: str | Path = "versions") -> list[Version]:
    """The versions under a folder, oldest first; of one name or of all.

    >>> import tempfile
    >>> versions(out=tempfile.mkdtemp())
    []
    """
    return listing(Path(out), name)


@placed
def open_version(name: str | Path, out: str | Path = "versions") -> Version:
    """Open a version by its folder, or by `name`, `name/v3`, `v3-9f2c41ab`, `name/TAG` or `TAG`.

    A name alone is its newest version.

    Raises:
        VersionError: there is none, or several; or a tag's version is not there any more.
    """
    path = Path(name)
    if (path / MANIFEST).exists() or (path.is_dir() and _NAME.fullmatch(path.resolve().name)):
        return _readable(Version(path))
    known = {f"{version.path.parent.name}/{version.id}": version for version in listing(Path(out))}
    text = str(name).strip("/")
    newest = [version for title, version in known.items() if title.startswith(f"{text}/")]
    if newest:
        return _readable(newest[-1])
    matches = [
        version
        for title, version in known.items()
        if title == text or title.startswith(f"{text}-") or version.id == text
    ] or [Version(path) for path in tagged(Path(out), text)]
    if len(matches) == 1:
        return _readable(matches[0])
    raise VersionError(
        f"There {'are several versions' if matches else 'is no version'} {text!r} under {out}.",
        allowed=known or "none are there yet; `assay build` makes one",
        hint=nearest(text, known),
    )


def _readable(version: Version) -> Version:
    """The version, if its manifest can be read; an error that names the manifest, if not."""
    _ = version.manifest
    return version


def _number(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match.group(1)) if match else 0
