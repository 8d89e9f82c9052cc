"""Sources that are no files: a query, a table with versions, a dataset of a hub.

A recipe writes them as a mapping, whose first key says what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from assay.errors import nearest
from assay.urls import hidden, is_url


class _Place(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Sql(_Place):
    """The rows of a query."""

    sql: str = Field(description="the database's URL; `${NAME}` is taken from the environment")
    query: str = Field(description="one SELECT; its columns are the fields")
    key: str | None = Field(
        default=None,
        description="a column that orders the rows: chunks that have not changed since the last "
        "build are not read again, and a dropped connection goes on behind the last chunk",
    )
    append_only: bool = Field(
        default=False,
        description="your word that rows are only added, with keys beyond the last: then old rows "
        "are counted and not compared",
    )
    chunk: int = Field(default=100_000, ge=1, description="rows of a chunk")


class Delta(_Place):
    """A Delta Lake table."""

    delta: str = Field(description="its folder or URL")
    version: int | None = Field(default=None, ge=0, description="the newest when not given")


class Iceberg(_Place):
    """An Apache Iceberg table."""

    iceberg: str = Field(
        description="its folder or metadata file, or with `catalog` its name, such as `shop.items`"
    )
    snapshot: int | None = Field(default=None, description="the current one when not given")
    catalog: str | None = Field(default=None, description="a catalog of your .pyiceberg.yaml")


class Hub(_Place):
    """A dataset of the Hugging Face hub, or a folder that is laid out like one."""

    hub: str = Field(description="`owner/name`, or a folder")
    config: str | None = Field(default=None, description="one of the configurations of its card")
    split: str | None = Field(default=None, description="all of them when not given")
    revision: str | None = Field(default=None, description="a branch, tag or commit")
    files: str | list[str] | None = Field(
        default=None, description="patterns of the files to read, where its card does not say"
    )


Place = Sql | Delta | Iceberg | Hub
KINDS: dict[str, type[Place]] = {"sql": Sql, "delta": Delta, "iceberg": Iceberg, "hub": Hub}


def is_place(source: object) -> bool:
    """Whether a source is a mapping that names a place, and not data.

    >>> is_place({"sql": "sqlite:///a.db", "query": "SELECT 1"}), is_place({"price": [1, 2]})
    (True, False)
    """
    return isinstance(source, Mapping) and any(isinstance(source.get(kind), str) for kind in KINDS)


def called(source: Any) -> str:
    """How a source is called where people read of it.

    >>> called({"sql": "postgresql://me:secret@host/db", "query": "SELECT 1"}), called([{"a": 1}])
    ('postgresql://host/db', '<list>')
    """
    if isinstance(source, str | Path):
        return hidden(str(source))
    if isinstance(source, Mapping) and is_place(source):
        return hidden(next(source[kind] for kind in KINDS if isinstance(source.get(kind), str)))
    parts = source if isinstance(source, list | tuple) else ()
    if parts and all(isinstance(part, str | Path) for part in parts):
        return ", ".join(called(part) for part in parts)
    return f"<{type(source).__name__}>"


def place(source: Mapping[str, Any]) -> Place:
    """Check a mapping that names a place.

    Raises:
        ValueError: a key is unknown, missing or of a wrong type.

    >>> place({"sql": "sqlite:///a.db", "query": "SELECT 1"}).chunk
    100000
    """
    kind = next((KINDS[name] for name in KINDS if isinstance(source.get(name), str)), None)
    if kind is None:
        raise ValueError(f"a mapping names one of {', '.join(KINDS)}")
    try:
        return kind.model_validate(dict(source))
    except ValidationError as error:
        raise ValueError(_explained(error, kind)) from None


def checked(source: Any) -> Any:
    """A recipe's source as it was given, if it is a place that can be read.

    Raises:
        ValueError: as for `place`.
    """
    if is_place(source):
        place(source)
        return dict(source)
    return source


def beside(source: Any, folder: Path) -> Any:
    """A source named in a recipe file, with paths that are relative to that file made whole."""
    if isinstance(source, str):
        alone = is_url(source) or source.startswith("${") or Path(source).is_absolute()
        return source if alone or str(folder) == "." else str(folder / source)
    if isinstance(source, list):
        return [beside(item, folder) for item in source]
    if is_place(source):
        return {name: _beside(source, name, value, folder) for name, value in source.items()}
    return source


def _beside(source: Mapping[str, Any], name: str, value: Any, folder: Path) -> Any:
    if name == "sql":
        return _database(value, folder)
    path = name in ("delta", "iceberg") and "catalog" not in source
    path = path or (name == "hub" and value.startswith("."))
    return beside(value, folder) if path else value


def _database(url: str, folder: Path) -> str:
    """A database that is a file, `sqlite:///shop.db`, lies beside the recipe too."""
    kind, mark, path = url.partition(":///")
    if kind not in ("sqlite", "duckdb") or not mark or str(folder) == ".":
        return url
    return f"{kind}:///{beside(path, folder)}"


def schemas() -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON Schema of a recipe's source, and the definitions that it refers to."""
    text = {"type": "string", "description": "a file, glob, folder, or a URL of one"}
    kinds = {kind.__name__: kind.model_json_schema() for kind in KINDS.values()}
    choices = [{"$ref": f"#/$defs/{name}"} for name in kinds]
    return {"anyOf": [text, {"type": "array", "items": text}, *choices]}, kinds


def _explained(error: ValidationError, kind: type[BaseModel]) -> str:
    found = error.errors()
    first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    name = str(first["loc"][0]) if first["loc"] else ""
    known = ", ".join(kind.model_fields)
    if first["type"] == "extra_forbidden":
        meant = nearest(name, kind.model_fields)
        return f"there is no key {name!r} here{f'; {meant}' if meant else ''} (allowed: {known})"
    if first["type"] == "missing":
        return f"the key {name!r} is missing (allowed: {known})"
    return f"{name}: {first['msg']}"
