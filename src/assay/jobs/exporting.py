"""Write a version out in another form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from assay.building.joining import merge_exports
from assay.component import bind, find
from assay.errors import StorageError, VersionError
from assay.exports.part import Exported, Part, exported, merge
from assay.exports.whole import finish
from assay.remote import placed
from assay.storage import storage_errors
from assay.version import Version, open_version

SUMMARY = "exports.json"


@placed
def export(
    version: Version | str | Path,
    kind: str,
    to: str | Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    out: str | Path = "versions",
) -> list[Path]:
    """Write a version out in another form: as tables, training files, documents or for the Hub.

    What is left out, and why, and the tokens of training files stand in `exports.json` beside them.

    Args:
        version: a version, its folder, or its name under `out`.
        kind: the name of an export.
        to: the folder to write to; it must be new or empty.
        parameters: the export's parameters, as in a recipe.
        out: the folder that holds all versions.

    Returns:
        The files written.

    Raises:
        RecipeError: there is no such export, it is given what it does not take, or what it makes
            is not what its target asks for.
        StorageError: the folder holds something already.

    >>> import tempfile, polars as pl
    >>> from assay.building.build import build
    >>> version = build({"name": "tiny", "source": pl.DataFrame({"n": [1, 2]})},
    ...                 out=tempfile.mkdtemp())
    >>> [file.name for file in export(version, "csv", tempfile.mkdtemp())]
    ['train.csv']
    """
    component = find("exports", kind)
    given = bind(component, parameters or {})
    opened = version if isinstance(version, Version) else open_version(version, out)
    folder = Path(to)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(
            "The folder to write to is not empty.", where=str(folder), hint="choose a new folder"
        )
    types = {"row_id": "string"}
    types |= {name: field["type"] for name, field in opened.manifest["fields"].items()}
    new = not folder.exists()
    made: list[int | Exported] = []
    splits: list[str] = []
    unfinished = folder / ".unfinished"
    try:
        with storage_errors(folder):
            for number, file in enumerate(opened.manifest["files"]):
                part = Part(pl.read_parquet(opened.file(file)), types, file["split"])
                target = unfinished / f".{number:05d}"
                target.mkdir(parents=True)
                made.append(component.function(part, target, **given))
                splits.append(file["split"])
            merge_exports(unfinished, _written(unfinished))
            whole = merge(map(exported, made, splits))
            finish(kind, given, unfinished, whole, _card(opened) if kind == "hub" else "")
            if any(isinstance(one, Exported) for one in made):
                text = json.dumps({kind: whole.plain()}, indent=1, ensure_ascii=False)
                (unfinished / SUMMARY).write_text(text + "\n", encoding="utf-8")
            for path in unfinished.iterdir():
                path.rename(folder / path.name)
    except BaseException:
        # Half an export looks like a whole one to whoever finds it.
        shutil.rmtree(unfinished, ignore_errors=True)
        if new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise
    unfinished.rmdir()
    return sorted(path for path in folder.rglob("*") if path.is_file())


def summary(folder: str | Path) -> list[str]:
    """What an export says of itself, line by line; nothing where it says only its rows.

    Raises:
        VersionError: `exports.json` cannot be read.
    """
    path = Path(folder) / SUMMARY
    if not path.is_file():
        return []
    try:
        found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VersionError(f"The summary cannot be read: {error}.", where=str(path)) from None
    return [line for name, one in found.items() for line in _told(name, one)]


def _told(name: str, one: Mapping[str, Any]) -> list[str]:
    lines = [f"{name}: {one['rows']:,} examples"]
    lines += [f"  left out: {count:,}, {reason}" for reason, count in one["left_out"].items()]
    if tokens := one.get("tokens"):
        lines.append(
            f"  tokens: {tokens['total']:,}, of which {tokens['trained']:,} are trained; the "
            f"longest example has {tokens['longest']:,}"
        )
    if cost := one.get("cost"):
        dated = f" of {cost['as_of']}" if "as_of" in cost else ""
        lines.append(
            f"  cost: about {cost['amount']:,.2f} {cost['currency']} for {cost['epochs']} "
            f"epoch(s), by the price ({cost['source']}{dated}) of {cost['per_million']:g} for a "
            "million tokens"
        )
    return lines


def _written(folder: Path) -> Iterator[list[tuple[str, Path]]]:
    """The files that were written of each file of the version; they are gone when they are read."""
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield [(file.name, file) for file in part.iterdir()]
        shutil.rmtree(part)


def _card(version: Version) -> str:
    path = version.path / "README.md"
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise VersionError(
            f"The version's card cannot be read: {error.strerror or error}.", where=str(path)
        ) from None
