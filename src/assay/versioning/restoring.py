"""Old versions made the newest again, or brought back to a folder of their own."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from assay.errors import StorageError, VersionError
from assay.recipe import Recipe
from assay.remote import here, placed
from assay.sharing import hash_file
from assay.storage import storage_errors, write_atomically
from assay.version import MANIFEST, Version, building, commit, open_version, whole


@placed
def restore(
    version: Version | str | Path,
    *,
    out: str | Path = "versions",
    to: str | Path | None = None,
    recipe: str | Path | None = None,
) -> Version:
    """Make an old version the newest again, with the same rows and the same files.

    Nothing is built: the new version has a number of its own, the old one's hash and its files,
    which are stored once. Every file is held against its hash first.

    Args:
        version: the version, its folder, or its name under `out`.
        out: the folder that holds all versions.
        to: a folder to copy the version to instead; it must be empty or not there yet.
        recipe: the file to write the version's recipe to.

    Returns:
        The version that is the newest now, which is the old one if it was; or the copy.

    Raises:
        VersionError: there is no such version, or a file of it is missing or damaged.
        StorageError: the folder or the recipe's file is there already.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> out = tempfile.mkdtemp()
    >>> old, new = (build({"name": "t", "source": pl.DataFrame({"n": [n]})}, out=out)
    ...             for n in (1, 2))
    >>> restore("t/v1", out=out).title.partition("-")[0]
    't/v3'
    """
    old = version if isinstance(version, Version) else open_version(version, out)
    _hold_against_hashes(old)
    text = Recipe.model_validate(old.manifest["recipe"]).to_yaml()
    file = Path(recipe) if recipe is not None else None
    if file is not None and file.exists() and file.read_text(encoding="utf-8") != text:
        raise StorageError(
            "There is another file already, and it would be lost.",
            where=str(file),
            hint="name one that is not there yet",
        )
    restored = _copied(old, Path(to)) if to is not None else _newest(old, Path(out))
    if file is not None:
        with storage_errors(file.parent):
            write_atomically(file, text.encode())
    return restored


def _newest(old: Version, out: Path) -> Version:
    name = old.manifest["name"]
    present = whole(out, name)
    if present and present[-1].path.resolve() == old.path.resolve():
        return Version(old.path, reused=True)
    with storage_errors(out), building(out, name) as folder:
        _fill(old, folder, links=True)
        from_ = old.manifest.get("restored_from") or old.id
        return commit(folder, out, {**old.manifest, "restored_from": from_}, again=True)


def _copied(old: Version, to: Path) -> Version:
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise StorageError("The folder is there already, and not empty.", where=str(to))
    unfinished = to.with_name(f".{to.name}.{uuid.uuid4().hex[:8]}.part")
    with storage_errors(to.parent):
        try:
            # Whoever works on the copy must not change the version: it gets files of its own.
            _fill(old, unfinished, links=False)
            shutil.copy2(old.path / MANIFEST, unfinished / MANIFEST)
            unfinished.replace(to)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return Version(to)


def _fill(old: Version, folder: Path, *, links: bool) -> None:
    for path in old.path.rglob("*"):
        if not path.is_file() or path.name in (MANIFEST, ".lock"):
            continue
        target = folder / path.relative_to(old.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if links:
            try:
                os.link(path, target)
                continue
            except OSError:  # no hard links here: a copy
                pass
        shutil.copy2(path, target)


def _hold_against_hashes(version: Version) -> None:
    problem = version.damage()
    for path, hash in version.hashes.items() if problem is None else ():
        if not here(path).exists():
            problem = f"{path} is missing"
        elif hash_file(path) != hash:
            problem = f"{path} is not what was written"
        if problem:
            break
    if problem:
        raise VersionError(
            f"The version is damaged: {problem}.",
            where=str(version.path),
            hint="build again from its recipe: the rows will be the same",
        )
