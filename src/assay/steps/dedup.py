"""Duplicates: of rows that are the same, or nearly, one stays."""

from __future__ import annotations

from typing import Annotated, Literal

import polars as pl

from assay.component import Decisions, Expression, Keys, Sketch, Sketches, Table, Texts
from assay.errors import RecipeError, nearest
from assay.rows import content_hash, row_ids
from assay.similar.shingles import shingled
from assay.steps._dedup import Keep, decided, find, preferred, ranked

__all__ = ["exact", "near"]


def exact(table: Table, *, columns: Keys, prefer: Expression | None = None) -> Decisions:
    """Keep one of the rows that are equal in these columns.

    It does not depend on the order of the rows. Null equals null, but rows that are null in all
    of the columns are nobody's duplicates.

    Args:
        table: any frame; `_row` or `row_id` identify the rows, else their content does.
        columns: rows equal in all of these are duplicates of one another.
        prefer: the row for which this is highest stays, null and NaN being lowest; equal ones,
            and all without `prefer`, are decided by the smallest row hash.

    Returns:
        One decision a row: `rule` is `duplicate` or null, `value` the size of the row's group,
        `twin` the hash of the row that stays instead, `cluster` the same hash for every row of a
        group of two or more.

    Raises:
        RecipeError: no columns, an unknown one, or an expression that cannot be evaluated.

    >>> rows = pl.DataFrame({"title": ["a", "b", "a"], "price": [1, 2, 3]})
    >>> exact(rows, columns=["title"], prefer="price")["rule"].to_list()
    ['duplicate', None, None]
    """
    if not columns:
        raise RecipeError("dedup.exact: `columns` is empty.", allowed=table.columns)
    for name in columns:
        if name not in table.columns:
            raise RecipeError(
                f"dedup.exact: there is no column {name!r}.",
                allowed=table.columns,
                hint=nearest(name, table.columns),
            )
    keys = [f"key{position}" for position in range(len(columns))]
    frame = table.select(
        pl.col(name).alias(key) for name, key in zip(columns, keys, strict=True)
    ).with_columns(row_ids(table).alias("row"))
    frame = frame.with_columns(rank=_rank(table, prefer)).with_row_index("place")
    keyed = frame.filter(~pl.all_horizontal(pl.col(key).is_null() for key in keys))
    # Sorting costs more than grouping, so only rows that have an equal are sorted.
    sizes = keyed.group_by(keys).agg(pl.len().alias("size")).filter(pl.col("size") > 1)
    groups = keyed.join(sizes, on=keys, how="inner", nulls_equal=True)
    # Two rows with one hash are the same row twice: either may stay.
    best = groups.sort(["rank", "row", "place"], descending=[True, False, False], nulls_last=True)
    best = best.unique(keys, keep="first", maintain_order=True)
    best = best.select(*keys, pl.col("row").alias("kept"), pl.col("place").alias("stays"))
    decided = groups.join(best, on=keys, how="left", nulls_equal=True)
    result = frame.select("place").join(decided, on="place", how="left", maintain_order="left")
    twin = pl.col("place") != pl.col("stays")
    return result.select(
        rule=pl.when(twin).then(pl.lit("duplicate")),
        value=pl.col("size").fill_null(1).cast(pl.Float64),
        threshold=pl.lit(None, pl.Float64),
        twin=pl.when(twin).then(pl.col("kept")),
        cluster=pl.col("kept"),
    )


def near(  # noqa: PLR0913 - a search has this many settings, and each has a default
    table: Annotated[Table, Sketch(shingled)],
    *,
    columns: Texts,
    threshold: float = 0.7,
    shingle: int | None = None,
    unit: Literal["words", "characters"] | None = None,
    keep: Keep | None = None,
    prefer: Expression | None = None,
    within: Keys | None = None,
    most: float = 0.5,
) -> Decisions:
    """Keep one of the rows whose texts are nearly the same.

    Texts are cut into shingles (`assay.similar.shingles.shingled`); two rows are near duplicates
    when the Jaccard similarity of their shingles reaches the threshold. At 0.7 that is about one
    edited word in eleven. Candidates are found by MinHash and banding and verified one by one.

    A row goes only for a row that stays and that it is itself like, so a chain of small changes is
    not taken for one text: its ends may both stay. All that hangs together by pairs is one
    cluster, which splits keep whole. Running the step on what it kept takes out nothing more.

    Reference: Broder 1997, On the resemblance and containment of documents.

    Args:
        table: any frame; `_row` or `row_id` identify the rows, else their content does.
        columns: the columns whose texts are compared, together: a row's shingles are those of all
            its columns, so a long text weighs more than a title. Rows without any text are
            nobody's duplicates.
        threshold: the least similarity, above 0 and at most 1. Changing it reads no text again.
        shingle: the size of a run; left out, it follows from the text's length.
        unit: runs of `words` or `characters`; left out, short texts are cut into characters.
        keep: which row of several stays: `first` (by the row's hash, which no order of files
            changes; the default), `longest`, `complete` (most fields filled, then longest),
            `newest` or `best` (where `prefer` is highest; the default with `prefer`).
        prefer: the row for which this is highest stays, null and NaN being lowest.
        within: only rows equal in these columns are compared.
        most: the largest share of the rows that may go.

    Returns:
        One decision a row: `rule` is `near duplicate` or null, `value` the similarity to the
        `twin` that stays instead, `cluster` the hash of its cluster's best row.

    Raises:
        RecipeError: more than `most` of the rows would go, an unknown column, or a setting that
            is out of range.

    >>> titles = ["Kettle, red, 1.7 litres, cordless", "Kettle red 1.7 litre cordless", "Lamp"]
    >>> rows = pl.DataFrame({"title": titles})
    >>> near(rows, columns=["title"], keep="longest")["rule"].to_list()
    [None, 'near duplicate', None]
    """
    from assay.similar.pairs import lead_pairs, leaders

    if not 0 <= most <= 1:
        raise RecipeError("dedup.near: `most` is a share, 0 to 1.", received=most)
    settings = {"columns": columns, "shingle": shingle, "unit": unit}
    sketches = Sketches.of(table, shingled, settings)
    rank = ranked(sketches.rows, keep, prefer, "dedup.near")
    blocks = content_hash(sketches.rows, within).to_numpy() if within else None
    leads = leaders(sketches.rows, rank, blocks)
    found = find(
        leads,
        rank,
        row_ids(sketches.rows),
        lambda among: lead_pairs(sketches, leads, threshold, blocks=blocks, among=among),
        threshold,
    )
    return decided(found, threshold, most=most, step="dedup.near", rule="near duplicate")


def _rank(table: pl.DataFrame, prefer: str | None) -> pl.Series:
    if prefer is None:
        return pl.Series("rank", [0], dtype=pl.Int8).new_from_index(0, len(table))
    return preferred(table, prefer)
