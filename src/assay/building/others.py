"""Other sources that a step holds the rows against, read and sketched as the rows are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.building.plan import Plan, Step
from assay.building.wide import WideParts
from assay.cache import Cache
from assay.component import Sketches
from assay.errors import RecipeError, nearest
from assay.recipe import FieldSpec, Read
from assay.rows import ROW
from assay.sources.shards import Shard, locate
from assay.version import MANIFEST, Version, listing


def other_shards(source: Any, spool: Path) -> list[Shard]:
    """The shards of another source; of a version's folder, or of its name's, those of its data.

    Raises:
        VersionError: a file of the version is missing or damaged.
    """
    if isinstance(source, str | Path) and (version := _version(Path(source))):
        source = [str(version.file(file)) for file in version.manifest["files"]]
    return locate(source, Read(), spool)


def _version(folder: Path) -> Version | None:
    """The version in a folder, or the newest of those that lie in it."""
    if (folder / MANIFEST).is_file():
        return Version(folder)
    return next(reversed(listing(folder.parent, folder.name)), None)


def other_plan(plan: Plan, step: Step, surveyed: Mapping[str, frozenset[str]], source: str) -> Plan:
    """A plan that takes another source's rows to one step's sketch, and sets none of them aside.

    The steps before it that clean the columns in question are applied; contract and thresholds
    are not, since a row that this recipe would not keep is to be found here all the same.

    Raises:
        RecipeError: the source lacks a column that the step compares.
    """
    columns = list(dict.fromkeys([*step.sketched, *step.values, *step.keys]))
    for name in columns:
        if name not in surveyed:
            raise RecipeError(
                f"{step.title}: the other source has no column {name!r}.",
                where=source,
                allowed=surveyed,
                hint=nearest(name, surveyed),
            )
    cleaning = [
        one
        for one in plan.steps
        if one.position < step.position
        and one.component.data == "rows"
        and one.component.gives == "rows"
        and not one.makes
        and one.values
        and set(one.values) & set(columns)
    ]
    # A step may clean several columns at once, of which the other source need not have all.
    wanted = dict.fromkeys([*columns, *(name for one in cleaning for name in one.values)])
    fields = {name: FieldSpec(type="string") for name in wanted}
    return Plan(fields, {}, (), (*cleaning, step))


def sketches_of(prepared: Sequence[Mapping[str, Any]], step: Step, cache: Cache) -> Sketches:
    """The sketches of all rows that came as far as a step, in the order of the shards."""
    keys = [str(shard["key"]) for shard in prepared]
    narrow = pl.concat([pl.read_ipc(cache.path(key, "narrow.arrow")) for key in keys])
    rows = narrow.select(ROW, *step.noted(narrow.columns))
    bounds = np.concatenate([[0], np.cumsum([shard["rows"] for shard in prepared])])
    every = pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True)
    return Sketches(rows, WideParts(cache, keys, bounds).reader(step.position, every))
