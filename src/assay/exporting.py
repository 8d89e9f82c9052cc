"""Write a version out in another form."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from assay.building.write import merge_exports
from assay.component import bind, find
from assay.errors import StorageError
from assay.exports.part import Part
from assay.storage import storage_errors
from assay.version import Version, open_version


def export(
    version: Version | str | Path,
    kind: str,
    to: str | Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    out: str | Path = "versions",
) -> list[Path]:
    """Write a version out as `jsonl`, `csv`, `parquet`, `pickle` or `chat`.

    Args:
        version: a version, its folder, or its name under `out`.
        kind: the name of an export.
        to: the folder to write to; it must be new or empty.
        parameters: the export's parameters, as in a recipe.
        out: the folder that holds all versions.

    Returns:
        The files written.

    Raises:
        RecipeError: there is no such export, or it is given what it does not take.
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
    unfinished = folder / ".unfinished"
    try:
        with storage_errors(folder):
            for number, file in enumerate(opened.manifest["files"]):
                part = Part(pl.read_parquet(opened.file(file)), types, file["split"])
                target = unfinished / f".{number:05d}"
                target.mkdir(parents=True)
                component.function(part, target, **given)
            merge_exports(unfinished)
            for path in unfinished.iterdir():
                path.rename(folder / path.name)
    except BaseException:
        # Half an export looks like a whole one to whoever finds it.
        shutil.rmtree(unfinished, ignore_errors=True)
        if new and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise
    unfinished.rmdir()
    return sorted(folder.iterdir())
