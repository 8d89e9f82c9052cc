"""What one step notes of every row, without a version being made: for looking before acting."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from assay.building.build import Progress, preparing
from assay.building.others import sketches_of
from assay.building.plan import Step
from assay.component import Sketches
from assay.errors import RecipeError
from assay.recipe import Recipe

Texts = Callable[[Sequence[int]], pl.DataFrame]


def sketched(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    among: Collection[str],
    step: str | None = None,
    out: str | Path = "versions",
    workers: int | None = None,
    progress: Progress | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
) -> tuple[Step, Sketches, Texts]:
    """Read a recipe's rows as far as a step that compares texts, and sketch them.

    What was read and sketched before comes from the cache.

    Args:
        recipe: a recipe file, or the recipe itself.
        among: the components that are meant.
        step: the step's name or label; the first one of these when not given.
        out: the folder that holds all versions, and the cache.
        workers: how many shards to work on at once.
        progress: called with a stage's name, the shards done and their number.
        functions: your own functions, or files of them, that the recipe may name.

    Returns:
        The step; the sketches of all rows; and what gives the compared columns, with `row_id`, for
        some places among them.

    Raises:
        RecipeError: the recipe has no such step.
    """
    with preparing(recipe, Path(out), workers, progress, functions) as (plan, prepared, cache):
        steps = [one for one in plan.table_steps if one.component.name in among]
        found = next((one for one in steps if step in (None, one.title, one.name)), None)
        if found is None:
            raise RecipeError(
                "The recipe has no step that looks for pairs among its rows."
                if step is None
                else f"The recipe has no step {step!r} that looks for pairs among its rows.",
                allowed=[one.title for one in steps] or f"a step {' or '.join(among)}",
            )
        rows = sketches_of(prepared, found, cache)
        columns = list(dict.fromkeys(found.sketched))
        texts = pl.concat(
            pl.scan_ipc(cache.path(shard["key"], "rows.arrow")).select("_row", *columns)
            for shard in prepared
        ).with_row_index("_place")

    def some(places: Sequence[int]) -> pl.DataFrame:
        wanted = pl.DataFrame({"_place": pl.Series(list(places), dtype=pl.UInt32)})
        chosen = texts.filter(pl.col("_place").is_in(wanted["_place"].implode())).collect()
        return wanted.join(chosen, on="_place", how="left", maintain_order="left").drop("_place")

    return found, rows, some
