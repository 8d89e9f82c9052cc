"""Versions: immutable datasets, committed by one atomic rename."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import polars as pl

from assay.errors import StorageError, VersionError, nearest

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
        try:
            found: dict[str, Any] = orjson.loads((self.path / MANIFEST).read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise VersionError(
                f"The manifest cannot be read: {error}.", where=str(self.path / MANIFEST)
            ) from None
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
        for file in wanted:
            if not (self.path / file["path"]).exists():
                raise VersionError(
                    "A file of this version is missing.", where=str(self.path / file["path"])
                )
        return pl.scan_parquet([self.path / file["path"] for file in wanted])

    def to_polars(self, split: str | None = None) -> pl.DataFrame:
        """The rows of one split or of all."""
        return self.scan(split).collect()

    def to_pandas(self, split: str | None = None) -> pd.DataFrame:
        """The rows of one split or of all, for pandas."""
        return self.to_polars(split).to_pandas()

    def quarantine(self) -> pl.DataFrame:
        """The rows set aside, with their reasons."""
        files = sorted((self.path / "quarantine").glob("*.parquet"))
        frames = [pl.read_parquet(file) for file in files]
        return pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()

    def ledger(self) -> pl.LazyFrame:
        """Every decision about every row."""
        return pl.scan_parquet(self.path / "ledger" / "*.parquet")

    def to_dict(self) -> dict[str, Any]:
        """As the command line's JSON gives it."""
        return {
            "version": self.id,
            "path": str(self.path),
            "rows": self.rows,
            "splits": self.splits,
            "reused": self.reused,
        }

    def line(self) -> str:
        """One line for a list of versions."""
        parts = ", ".join(f"{split} {count:,}" for split, count in self.splits.items())
        title = f"{self.manifest['name']}/{self.id}"
        return f"{title:<40} {self.manifest['rows']['kept']:>12,} rows  {parts}"

    def summary(self) -> str:
        """What a build came to, in a few lines."""
        rows, reasons = self.manifest["rows"], self.manifest["reasons"]
        made = "was there already; no work was done twice" if self.reused else "built"
        lines = [f"version {self.manifest['name']}/{self.id} {made}: {self.path}"]
        lines += [f"  note: {note}" for note in self.manifest["notes"]]
        lines += [f"  {rows['read']:>12,} rows read"]
        lines += [f"  {-count:>12,} {reason}" for reason, count in reasons.items()]
        parts = ", ".join(f"{split} {count:,}" for split, count in self.splits.items())
        return "\n".join([*lines, f"  {rows['kept']:>12,} kept: {parts}"])

    def __repr__(self) -> str:
        rows, splits = self.manifest["rows"], self.splits
        parts = ", ".join(f"{split} {count:,}" for split, count in splits.items())
        return (
            f"<Version {self.manifest['name']}/{self.id}: {rows['kept']:,} of {rows['read']:,} "
            f"rows kept ({parts}) at {self.path}>"
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
        title = escape(f"{self.manifest['name']}/{self.id}")
        return f"<table><caption>{title}</caption><tbody>{body}</tbody></table>"


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
    for left in home.glob(f"{_UNFINISHED}*"):
        _remove_if_abandoned(left)
    folder = home / f"{_UNFINISHED}{os.getpid()}-{uuid.uuid4().hex[:8]}"
    folder.mkdir()
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def commit(folder: Path, out: Path, manifest: dict[str, Any]) -> Version:
    """Give a finished folder its number and name, in one atomic rename.

    A version with the same hash that is there already is returned as it is.
    """
    home = out / manifest["name"]
    with _locked(home):
        present = listing(out, manifest["name"])
        for version in present:
            if version.manifest["hash"] == manifest["hash"]:
                return Version(version.path, reused=True)
        number = 1 + max((_number(version) for version in present), default=0)
        manifest["version"] = f"v{number}-{manifest['hash'][:8]}"
        manifest["parent"] = present[-1].id if present else None
        (folder / ".lock").unlink(missing_ok=True)
        write_atomically(folder / MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        target = home / manifest["version"]
        folder.rename(target)
        _sync(home)
    return Version(target)


def listing(out: Path, name: str | None = None) -> list[Version]:
    """The versions under a folder, oldest first; of one name or of all."""
    homes = [out / name] if name else sorted(path for path in out.glob("*") if path.is_dir())
    found = []
    for home in homes:
        folders = [path for path in home.glob("v*") if _NAME.fullmatch(path.name)]
        versions = [Version(path) for path in folders if (path / MANIFEST).exists()]
        found.extend(sorted(versions, key=_number))
    return found


def versions(name: str | None = None, *, out: str | Path = "versions") -> list[Version]:
    """The versions under a folder, oldest first; of one name or of all.

    >>> import tempfile
    >>> versions(out=tempfile.mkdtemp())
    []
    """
    return listing(Path(out), name)


def open_version(name: str | Path, out: str | Path = "versions") -> Version:
    """Open a version by its folder, or by `name`, `name/v3`, `name/v3-9f2c41ab` or `v3-9f2c41ab`.

    A name alone is its newest version.

    Raises:
        VersionError: there is none, or several.
    """
    path = Path(name)
    if (path / MANIFEST).exists():
        return Version(path)
    known = {f"{version.path.parent.name}/{version.id}": version for version in listing(Path(out))}
    text = str(name).strip("/")
    newest = [version for title, version in known.items() if title.startswith(f"{text}/")]
    if newest:
        return newest[-1]
    matches = [
        version
        for title, version in known.items()
        if title == text or title.startswith(f"{text}-") or version.id == text
    ]
    if len(matches) == 1:
        return matches[0]
    raise VersionError(
        f"There {'are several versions' if matches else 'is no version'} {text!r} under {out}.",
        allowed=known or "none are there yet; `assay build` makes one",
        hint=nearest(text, known),
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _locked(home: Path) -> Iterator[None]:
    lock = os.open(home / ".commit-lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        lock = os.open(folder / ".lock", os.O_RDWR)
    except FileNotFoundError:
        # Just made by another build that has not come to its lock yet, or just removed.
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return
    finally:
        os.close(lock)


def _number(version: Version) -> int:
    match = _NAME.fullmatch(version.id)
    return int(match.group(1)) if match else 0


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
