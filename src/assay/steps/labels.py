"""Labels: train rows whose target is probably written wrong are set aside."""

from __future__ import annotations

from typing import Literal

import polars as pl

from assay.component import Column, Columns, Kept, Learned
from assay.errors import RecipeError, nearest
from assay.steps._doubt import DISTANCE, RATIO, doubts, kinds_of, task_of

__all__ = ["drop"]


def drop(
    table: Kept,
    *,
    target: Column | None = None,
    inputs: Columns | None = None,
    task: Literal["number", "class"] | None = None,
    ratio: float = RATIO,
    distance: float = DISTANCE,
    most: float = 0.1,
    seed: int = 0,
) -> Learned:
    """Set aside train rows whose target models that never saw them find hard to believe.

    The train rows are dealt into five folds, equal inputs and clusters of duplicates together, and
    each fold is judged by a model of the other four: words by a linear model, tables by boosted
    trees. Classes are judged by confident learning (Northcutt, Jiang & Chuang 2021, JAIR 70): it
    estimates how many labels are wrong, and the rows whose written class is least probable beside
    another one go. Numbers are judged by their distance from the prediction, in robust standard
    deviations of rows with a like prediction.

    Args:
        table: any frame; without `_split` all rows are train. Other splits are never touched.
        target: what is judged.
        inputs: what the models may see; all other columns by default.
        task: what the target is; by default texts, booleans and integers of at most 20 values are
            classes.
        ratio: for classes: how many times as probable as the written one another must be.
        distance: for numbers: how many robust standard deviations are too far.
        most: the largest share of the train rows that may go.
        seed: another seed deals other folds.

    Returns:
        Decisions: `rule` is `label in doubt` or null; for classes `value` is the probability of
        the written class and `threshold` the one it had to reach, for numbers `value` is the
        distance and `threshold` the largest that stays; null where a row was not judged. Findings:
        how well the models did, and how often which class was suggested for which.

    Raises:
        RecipeError: no target, an unknown column, a parameter out of range, or more than `most`
            in doubt.
        ModelError: too few rows or classes to learn from.

    >>> texts = [f"good and fine {n}" if n % 2 else f"bad and poor {n}" for n in range(100)]
    >>> labels = ["yes" if n % 2 and n != 7 else "no" for n in range(100)]
    >>> found = drop(pl.DataFrame({"text": texts, "y": labels}), target="y")
    >>> found.decisions["rule"].arg_unique().to_list(), found.findings["in_doubt"]
    ([0, 7], 1)
    """
    if target is None:
        raise RecipeError("labels.drop needs a `target`.", allowed=_fields(table))
    names = [name for name in _fields(table) if name != target] if inputs is None else inputs
    for name in (target, *names):
        if name not in table.columns:
            raise RecipeError(
                f"labels.drop: there is no column {name!r}.",
                allowed=_fields(table),
                hint=nearest(name, _fields(table)),
            )
    if ratio < 1 or distance <= 0 or not 0 < most <= 1:
        raise RecipeError(
            "labels.drop: `ratio` is 1 or more, `distance` above 0, `most` above 0 and at most 1.",
            received={"ratio": ratio, "distance": distance, "most": most},
        )
    names = [name for name in names if name != target]
    everything = pl.DataFrame({"place": pl.arange(table.height, dtype=pl.UInt32, eager=True)})
    train = everything["place"]
    if "_split" in table.columns:
        train = train.filter((table["_split"] == "train").fill_null(False))
    part = table[train].select(pl.col("^_row|_cluster|row_id$"), *names)
    aim = table[target].gather(train)
    kind = task or task_of(aim)
    if not len(train) or aim.null_count() == len(aim):
        return Learned(decisions=_decisions(everything, None))
    found = doubts(
        part,
        aim,
        kinds_of(part.select(names)),
        task=kind,
        seed=seed,
        ratio=ratio,
        distance=distance,
    )
    count = int(found.frame["doubted"].sum() or 0)
    if count > most * len(train):
        raise RecipeError(
            f"labels.drop: {count:,} of {len(train):,} train rows are in doubt, more than "
            f"`most` allows.",
            received={"most": most, "share": round(count / len(train), 4)},
            hint="look at the rows with `assay inspect`; then raise `most`, or `ratio` or "
            "`distance`",
        )
    doubted = found.frame.with_columns(pl.Series("place", train), written=aim.cast(pl.String))
    return Learned(
        decisions=_decisions(everything, doubted),
        findings={
            "target": target,
            "task": kind,
            "model": found.model,
            "quality": round(found.quality, 4),
            "judged": found.judged,
            "in_doubt": count,
            **({"suggested": _pairs(doubted)} if kind == "class" else {}),
        },
    )


def _decisions(everything: pl.DataFrame, doubted: pl.DataFrame | None) -> pl.DataFrame:
    if doubted is None:
        nothing = {"rule": pl.String, "value": pl.Float64, "threshold": pl.Float64}
        return pl.DataFrame(schema=nothing).clear(everything.height)
    joined = everything.join(
        doubted.select("place", "doubted", "value", "limit"),
        on="place",
        how="left",
        maintain_order="left",
    )
    return joined.select(
        rule=pl.when(pl.col("doubted")).then(pl.lit("label in doubt")),
        value=pl.col("value"),
        threshold=pl.col("limit"),
    )


def _pairs(doubted: pl.DataFrame) -> list[dict[str, object]]:
    """The twenty most frequent pairs of a written and a suggested class."""
    pairs = doubted.filter("doubted").group_by("written", "suggested").agg(rows=pl.len())
    pairs = pairs.sort("rows", "written", "suggested", descending=[True, False, False])
    return pairs.head(20).to_dicts()


def _fields(table: pl.DataFrame) -> list[str]:
    return [name for name in table.columns if not name.startswith("_") and name != "row_id"]
