"""The look at a source before it is read: its columns, and the order of its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.cache import BUILDING, Cache, code_version
from assay.errors import RecipeError, nearest
from assay.recipe import Recipe, digest
from assay.sources.shards import Shard, fingerprint, survey


class Surveying:
    """The look at one shard's columns, found in the cache where it was taken before."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def __call__(self, shard: Shard) -> dict[str, Any]:
        content = fingerprint(shard)
        known = self.cache.recall(self.key(content))
        if known is None:
            columns = [[name, sorted(kinds)] for name, kinds in survey(shard).items()]
            known = {"columns": columns}
            self.cache.note(self.key(content), known)
        return self.told(shard, content, known)

    def key(self, content: str) -> str:
        return digest(["survey", code_version(*BUILDING), content])

    def told(self, shard: Shard, content: str, summary: Mapping[str, Any]) -> dict[str, Any]:
        place = {"path": shard.path, "start": shard.start, "lines": 0}
        columns = dict(summary["columns"])
        return {"columns": columns, "key": self.key(content), "fingerprint": content, **place}


def absent_fields(recipe: Recipe, surveyed: Mapping[str, Any]) -> list[str]:
    """Say which of the recipe's fields no row has; refuse it where rows must have them.

    Raises:
        RecipeError: such a field is required, so that every row would be set aside.
    """
    notes = []
    for name, spec in recipe.fields.items():
        if name in surveyed:
            continue
        others = [other for other in surveyed if other not in recipe.fields]
        meant = nearest(name, others)
        if spec.required and spec.on_violation != "null":
            raise RecipeError(
                f"The source has no column {name!r}, which is required.",
                where=f"fields.{name}",
                allowed=surveyed,
                hint=meant,
            )
        said = f"the source has no column {name!r}, so it is empty in every row"
        notes.append(f"{said}; {meant}" if meant else said)
    return notes


def in_content_order(prepared: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order files by what they contain, and each file's shards as they stand in it.

    A version is thereby the same for any order and any names of the files.
    """
    files: dict[str, list[dict[str, Any]]] = {}
    for shard in prepared:
        files.setdefault(shard["path"], []).append(shard)
    ordered = []
    for shards in files.values():
        shards.sort(key=lambda shard: shard["start"])
        offset = 0
        for shard in shards:
            shard["offset"] = offset
            offset += shard["lines"]
        ordered.append(shards)
    ordered.sort(key=lambda shards: digest([shard["fingerprint"] for shard in shards]))
    return [shard for shards in ordered for shard in shards]
