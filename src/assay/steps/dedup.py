"""Duplicates: of rows that are the same, or nearly, one stays."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import polars as pl

from assay.component import Decisions, Expression, Keys, Sketch, Source, Table, Texts
from assay.embedding import embedded
from assay.errors import RecipeError, nearest
from assay.rows import row_ids
from assay.similar.passages import passages
from assay.similar.shingles import shingled
from assay.steps._dedup import (
    STAYED,
    Keep,
    as_frame,
    decided,
    joined,
    marked,
    noted,
    preferred,
    ranked,
    share_of,
    told,
    was,
)
from assay.steps._search import near_found, semantic_found

__all__ = ["against", "exact", "near", "semantic"]


def against(
    table: Annotated[Table, Sketch(passages)],
    *,
    source: Source,
    columns: Texts,
    threshold: float = 0.7,
    shingle: int | None = None,
    unit: Literal["words", "characters"] | None = None,
    most: float = 0.5,
) -> Decisions:
    """Take out the rows that another source, such as somebody's test set, holds as well.

    A row goes when it is a duplicate or a near duplicate, in the sense of `dedup.near`, of any
    row of the source; or when one of the two stands inside the other: of the runs of 8 words of
    the shorter text, which has 13 words or more, the longer one holds the share `threshold`
    (Brown et al. 2020, Language Models are Few-Shot Learners, appendix C, take out by runs of 13
    words; Chowdhery et al. 2022, PaLM, section 8, by 70 % of the runs of 8).

    Args:
        table: any frame.
        source: the other source: in a recipe a path, a glob, a version's folder, or the folder of
            a name, which is its newest version; in Python a frame. It has the same columns. Nothing
            is taken out of it or kept of it, and what was read of it once is not read again.
        columns: the columns whose texts are compared, together.
        threshold: the least similarity, or the least share of the shorter text.
        shingle: the size of a run that `dedup.near` would compare by.
        unit: runs of `words` or `characters`.
        most: the largest share of the rows that may go.

    Returns:
        One decision a row: `rule` is `in the other source` (`value` is the largest Jaccard
        similarity), `shares a passage with the other source` (`value` is the share of the shorter
        text) or null.

    Raises:
        RecipeError: more than `most` of the rows would go, an unknown column in either source, or
            a setting that is out of range.

    >>> rows = pl.DataFrame({"q": ["How tall is the tower of Pisa?", "Who wrote Faust?"]})
    >>> test = pl.DataFrame({"q": ["how tall is the Tower of Pisa"]})
    >>> against(rows, source=test, columns=["q"])["rule"].to_list()
    ['in the other source', None]
    """
    from assay.similar.pairs import near_pairs
    from assay.similar.passages import shared

    settings = {"columns": columns, "shingle": shingle, "unit": unit}
    share_of(most, "dedup.against")
    ours = noted(table, passages, settings)
    theirs = noted(as_frame(source), passages, settings)
    start = len(theirs.rows)
    sides = pl.Series(np.repeat([0, 1], [start, len(ours.rows)]))
    pairs = near_pairs(joined(theirs, ours), threshold=threshold, across=sides)
    best = pairs.group_by("b").agg(pl.col("jaccard").max())
    likeness = np.full(len(ours.rows), np.nan)
    likeness[best["b"].to_numpy().astype(np.int64) - start] = best["jaccard"].to_numpy()
    held = shared(ours, theirs, threshold)
    near, inside = pl.col("near").is_not_nan(), pl.col("held") > 0
    result = pl.DataFrame({"near": likeness, "held": held}).select(
        rule=pl.when(near)
        .then(pl.lit("in the other source"))
        .when(inside)
        .then(pl.lit("shares a passage with the other source")),
        value=pl.when(near).then("near").when(inside).then("held"),
        threshold=pl.lit(threshold, pl.Float64),
    )
    gone = len(result) - result["rule"].null_count()
    if gone > most * len(result):
        raise RecipeError(
            f"dedup.against would take out {gone:,} of {len(result):,} rows, more than"
            f" `most: {most:g}` allows: the other source holds them as well.",
            received={"threshold": threshold},
            allowed=f"at most {int(most * len(result)):,} rows",
            hint="check that `source` is not the data itself; then a higher threshold or `most`",
        )
    return result


def exact(table: Table, *, columns: Keys, prefer: Expression | None = None) -> Decisions:
    """Keep one of the rows that are equal in these columns.

    It does not depend on the order of the rows. Null equals null, but rows that are null in all
    of the columns are nobody's duplicates.

    Args:
        table: any frame; `_row` or `row_id` identify the rows, else their content does.
        columns: rows equal in all of these are duplicates of one another.
        prefer: the row for which this is highest stays, null and NaN being lowest; of equal ones,
            and of all without `prefer`, one that was in the version before, so that no copy that
            comes later takes its place, and then the one of the smallest hash.

    Returns:
        One decision a row: `rule` is `duplicate` or null, `value` the size of the row's group
        when it was decided, `twin` the hash of the row that stays instead, `cluster` the same hash
        for every row of a group of two or more.

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
    ranks = {"rank": _rank(table, prefer), "was": was(table)}
    frame = frame.with_columns(**ranks).with_row_index("place")
    keyed = frame.filter(~pl.all_horizontal(pl.col(key).is_null() for key in keys))
    # Sorting costs more than grouping, so only rows that have an equal are sorted.
    sizes = keyed.group_by(keys).agg(pl.len().alias("size")).filter(pl.col("size") > 1)
    groups = keyed.join(sizes, on=keys, how="inner", nulls_equal=True)
    # Two rows with one hash are the same row twice: either may stay.
    best = groups.sort(
        ["rank", "was", "row", "place"], descending=[True, True, False, False], nulls_last=True
    )
    best = best.unique(keys, keep="first", maintain_order=True)
    best = best.select(*keys, pl.col("row").alias("kept"), pl.col("place").alias("stays"))
    decided = groups.join(best, on=keys, how="left", nulls_equal=True)
    result = frame.select("place").join(decided, on="place", how="left", maintain_order="left")
    twin = pl.col("place") != pl.col("stays")
    size = pl.col("size").fill_null(1).cast(pl.Float64)
    if STAYED in table.columns:
        # What was said of a row stands as long as it goes for the same one.
        result = result.with_columns(table["_went_for"], table["_went_by"])
        size = pl.when(pl.col("_went_for") == pl.col("kept")).then("_went_by").otherwise(size)
    return result.select(
        rule=pl.when(twin).then(pl.lit("duplicate")),
        value=size,
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

    Where the row that came first stays, what was decided in the version before stands, as long as
    the row that stayed is there: only new rows are compared, with each other and with all others.

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
            `newest` or `best` (where `prefer` is highest; the default with `prefer`); `all`
            takes none out, and splits keep the clusters whole. Of rows equally good one that was
            in the version before stays, so that no copy that comes later takes its place.
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
    share_of(most, "dedup.near")
    settings = {"columns": columns, "shingle": shingle, "unit": unit}
    sketches = noted(table, shingled, settings)
    rank = ranked(sketches.rows, keep, prefer, "dedup.near")
    # Where another row is better than the one that came first, all is decided anew.
    stands = told(sketches.rows) if prefer is None and keep in (None, "first") else None
    found = near_found(sketches, threshold, rank=rank, within=within, told=stands)
    if keep == "all":
        return marked(found, threshold)
    return decided(found, threshold, most=most, step="dedup.near", rule="near duplicate")


def semantic(
    table: Annotated[Table, Sketch(embedded)],
    *,
    columns: Texts,
    threshold: float = 0.9,
    model: str = "hashed",
    dimensions: int = 128,
    keep: Keep | None = None,
    prefer: Expression | None = None,
    most: float = 0.5,
) -> Decisions:
    """Keep one of the rows whose texts mean nearly the same.

    Each row's columns, one after the other, become a vector (`assay.embedding.embed`); two rows
    are duplicates when the cosine of their vectors reaches the threshold. Who stays is decided as
    by `dedup.near`: a row goes only for a row that stays and that it is itself like.

    Args:
        table: any frame; `_row` or `row_id` identify the rows, else their content does.
        columns: the columns whose texts are compared, together. Rows without any text are
            nobody's duplicates.
        threshold: the least cosine, above 0 and at most 1. What it means depends on the model;
            changing it embeds no text again.
        model: `hashed` (words and runs of characters, no model), `wordllama` (word vectors that
            come inside a wheel) or an OpenAI-compatible address with the model's name,
            `https://host/v1#model`.
        dimensions: the length of a vector, where the model leaves it open.
        keep: which row of several stays: `first` (by the row's hash; the default), `longest`,
            `complete`, `newest` or `best` (where `prefer` is highest; the default with it), or
            `all`, whose clusters splits keep whole.
        prefer: the row for which this is highest stays, null and NaN being lowest.
        most: the largest share of the rows that may go.

    Returns:
        One decision a row: `rule` is `semantic duplicate` or null, `value` the cosine with the
        `twin` that stays instead, `cluster` the hash of its cluster's best row.

    Raises:
        RecipeError: more than `most` of the rows would go, an unknown column or model, or a
            setting that is out of range.
        MissingExtra: the model is not installed.
        ModelError: the endpoint gives no vectors.

    >>> rows = pl.DataFrame({"t": ["a red steel kettle", "a steel kettle, red", "tax law"]})
    >>> semantic(rows, columns=["t"], threshold=0.7, keep="longest")["rule"].to_list()
    ['semantic duplicate', None, None]
    """
    share_of(most, "dedup.semantic")
    settings = {"columns": columns, "model": model, "dimensions": dimensions}
    sketches = noted(table, embedded, settings)
    rank = ranked(sketches.rows, keep, prefer, "dedup.semantic")
    found = semantic_found(sketches, threshold, rank=rank)
    if keep == "all":
        return marked(found, threshold)
    return decided(found, threshold, most=most, step="dedup.semantic", rule="semantic duplicate")


def _rank(table: pl.DataFrame, prefer: str | None) -> pl.Series:
    if prefer is None:
        return pl.Series("rank", [0], dtype=pl.Int8).new_from_index(0, len(table))
    return preferred(table, prefer)
