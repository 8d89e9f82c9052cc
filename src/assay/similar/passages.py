"""Passages that texts of two sources share, for texts that stand inside longer ones."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from assay import grams
from assay.marks import Sketches
from assay.similar.shingles import shingled

RUN = 8
"""Words of a run."""
FEWEST = 6
"""Runs that the shorter text must have, so 13 words: a shorter phrase stands in many texts."""
CAP = 1 << 14
"""Runs kept of a text, those with the smallest hashes."""
COMMON = 256
"""A run that stands in more texts of the other source than this says nothing of any of them."""
BLOCK = 1 << 14
"""Rows whose runs are looked up at a time."""


def passages(
    rows: pl.DataFrame,
    *,
    columns: list[str],
    shingle: int | None = None,
    unit: Literal["words", "characters"] | None = None,
) -> pl.DataFrame:
    """Note of each row what `shingled` does, and its runs of 8 words.

    Args:
        rows: any frame.
        columns: the columns to compare.
        shingle: as `shingled`'s.
        unit: as `shingled`'s.

    Returns:
        As `shingled`, and `runs` (List(UInt32), distinct, sorted, at most 16,384 a row).

    Raises:
        RecipeError: no columns, an unknown one, or a `shingle` below 1.

    >>> rows = pl.DataFrame({"t": ["one two three four five six seven eight nine", "short"]})
    >>> passages(rows, columns=["t"])["runs"].list.len().to_list()
    [2, 0]
    """
    noted = shingled(rows, columns=columns, shingle=shingle, unit=unit)
    found = [_runs(rows[name].cast(pl.String), name) for name in columns]
    both = found[0] if len(found) == 1 else pl.concat(found, how="horizontal")
    together = pl.concat_list(both.columns).list.unique().list.sort().list.head(CAP)
    return noted.with_columns(both.select(together.alias("runs")).to_series())


def shared(ours: Sketches, theirs: Sketches, threshold: float) -> npt.NDArray[np.float64]:
    """For each of our rows, the largest share of its runs, or of another's, that both hold.

    The share is of the text with fewer runs, so it is 1 where one text stands inside the other.
    Shares below the threshold, and those of texts of fewer than 13 words, count as 0.
    """
    other, texts = _index(theirs, ours if len(ours.rows) < len(theirs.rows) else None)
    result = np.zeros(len(ours.rows))
    if not len(other):
        return result
    for start in range(0, len(result), BLOCK):
        places = np.arange(start, min(start + BLOCK, len(result)))
        lists = ours.wide(places)["runs"]
        rows = pl.DataFrame(
            {"row": places, "of": lists.list.len().fill_null(0), "rate": _rate(lists)}
        )
        runs = pl.DataFrame({"row": places, "run": lists}).explode("run")
        hits = runs.join(other, on="run")
        counts = hits.group_by("row", "text").agg(pl.len().alias("both"))
        counts = counts.join(rows, on="row").join(texts, on="text", suffix="_text")
        counts = counts.with_columns(
            least=pl.min_horizontal("of", "of_text"), rate=pl.min_horizontal("rate", "rate_text")
        ).filter((pl.col("least") >= FEWEST) & (pl.col("both") >= FEWEST // 2))
        # Of a text held by a sample, so many times more runs would be found.
        share = (pl.col("both") / pl.col("least") / pl.col("rate")).clip(0, 1)
        best = counts.group_by("row").agg(share.max().alias("share"))
        best = best.filter(pl.col("share") >= threshold)
        result[best["row"].to_numpy()] = best["share"].to_numpy()
    return result


def _index(theirs: Sketches, asked: Sketches | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Which text holds which run, and of each text how many it has; equal texts count once.

    Of many texts only the runs are counted that the few which are asked about hold as well.
    """
    told = theirs.rows.select(pl.col("_set").is_first_distinct() & pl.col("_set").is_not_null())
    places = told.to_series().arg_true().to_numpy().astype(np.int64)
    lists = theirs.wide(places)["runs"]
    texts = pl.DataFrame({"of": lists.list.len().fill_null(0), "rate": _rate(lists)})
    runs = pl.DataFrame({"run": lists}).with_row_index("text").explode("run").drop_nulls()
    if asked is not None:
        wanted = asked.wide(np.arange(len(asked.rows)))["runs"].explode().unique()
        runs = runs.join(wanted.alias("run").to_frame(), on="run", how="semi")
    common = runs.group_by("run").len().filter(pl.col("len") > COMMON)
    return runs.join(common, on="run", how="anti"), texts.with_row_index("text")


def _rate(lists: pl.Series) -> pl.Series:
    """The share of a text's runs that were kept, by the largest hash among them."""
    frame = pl.DataFrame({"runs": lists})
    cut = pl.col("runs").list.len() >= CAP
    rate = (pl.col("runs").list.last() + 1.0) / 2.0**32
    return frame.select(pl.when(cut).then(rate).otherwise(1.0)).to_series()


def _runs(texts: pl.Series, name: str) -> pl.DataFrame:
    salt = np.uint64(xxhash.xxh3_64_intdigest(name.encode()))
    parts = [_piece(piece, salt) for piece in grams.slices(texts)]
    made = pl.concat(parts) if parts else pl.Series([], dtype=pl.List(pl.UInt32))
    return made.to_frame(name)


def _piece(texts: pl.Series, salt: np.uint64) -> pl.Series:
    values, offsets = grams.words(*grams.characters(grams.folded(texts)))
    runs, places = grams.windows(values, offsets, RUN)
    # A text of fewer words has one run all the same, which is none of these.
    whole = np.repeat(np.diff(offsets) >= RUN, np.diff(places))
    owners = np.repeat(np.arange(len(texts), dtype=np.uint64), np.diff(places))[whole]
    low = grams.mixed(runs[whole] ^ salt) >> np.uint64(32)
    keyed = grams.distinct((owners << np.uint64(32)) | low)
    counts = np.bincount((keyed >> np.uint64(32)).astype(np.int64), minlength=len(texts))
    starts = grams.starts(counts)
    place = np.arange(len(keyed)) - np.repeat(starts[:-1], counts)
    keyed = keyed[place < CAP]
    counts = np.minimum(counts, CAP)
    return grams.listed(keyed.astype(np.uint32), counts)
