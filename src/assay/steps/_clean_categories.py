"""One spelling for each category: what makes two spellings one, and which of them stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

# One slip in a word of so many letters: "hyper" and "hypo" are two apart.
_LETTERS = 5
_SLIPS = 4
# Every spelling is compared with every frequent one, so a column of more is no set of categories.
_DISTINCT = 10_000
_LINKS = 3
_CHUNK = 2_000


@dataclass(frozen=True)
class Spellings:
    """What is to be written for every value that differs from it.

    Attributes:
        changes: `from`, `to`, `why` (the user's `map`, `spelling` or `typo`).
        compared: whether typos were looked for; not where there are too many values.
    """

    changes: pl.DataFrame
    compared: bool


def key_of(values: pl.Series) -> pl.Series:
    """What two spellings of one category have in common.

    Case, white space, full-width forms, and the accents of Latin letters never tell categories
    apart. Punctuation does where it may carry meaning: beside digits, in signs such as `+`, `#`
    and `<`, and at the end of grades such as `A-`.
    """
    plain = (
        values.str.normalize("NFKD")
        .str.replace_all(r"(\p{Latin})[\x{300}-\x{36f}]+", "$1")
        .str.to_lowercase()
        .str.replace_all(r"[\x{ad}\x{200b}\x{2060}\x{feff}]", "")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )
    frame = pl.DataFrame({"plain": plain})
    bare = (
        pl.col("plain")
        # Twice, since the letter between two marks belongs to both matches.
        .str.replace_all(r"(\p{L}\.?) ?[-_/\x{2010}-\x{2015}]+ ?(\p{L})", "${1} ${2}")
        .str.replace_all(r"(\p{L}\.?) ?[-_/\x{2010}-\x{2015}]+ ?(\p{L})", "${1} ${2}")
        .str.replace_all(r"""[.,;:!?'"’‘“”`´]""", "")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
    )
    digits = pl.col("plain").str.contains(r"\p{N}")
    # What is nothing but punctuation keeps it.
    return frame.select(
        pl.when(digits | (bare == "")).then("plain").otherwise(bare).alias("key")
    ).to_series()


def spellings(
    values: pl.Series,
    counts: pl.Series,
    *,
    given: Mapping[str, str],
    typos: bool,
    ratio: float,
) -> Spellings:
    """Say what is to be written for each of the distinct values.

    Args:
        values: distinct texts of all splits, without null.
        counts: how often each stands in train; 0 for those of other splits only.
        given: the user's own map, which overrules everything.
        typos: look for slips as well.
        ratio: how many times as frequent the right spelling is.
    """
    frame = pl.DataFrame({"from": values, "count": counts.cast(pl.Int64)})
    frame = frame.with_columns(key_of(frame["from"]).alias("key")).filter(pl.col("key") != "")
    frame = _with_given(frame, given)
    # The most frequent spelling stands for the others; equals go by the alphabet.
    best = frame.sort("kept", "count", "from", descending=[True, True, False]).unique(
        "key", keep="first", maintain_order=True
    )
    best = best.select("key", pl.col("to").fill_null(pl.col("from")).alias("best"))
    frame = frame.join(best, on="key", how="left")
    totals = frame.group_by("key").agg(
        pl.col("count").sum(), pl.col("best").first(), pl.col("to").is_not_null().any().alias("set")
    )
    compared = not typos or totals.height <= _DISTINCT
    slips = _slips(totals, ratio) if typos and compared else totals.head(0)
    slips = slips.select("key", pl.col("best").alias("meant"))
    frame = frame.join(slips, on="key", how="left")
    changes = frame.select(
        "from",
        pl.coalesce("to", "meant", "best").alias("to"),
        pl.when(pl.col("to").is_not_null())
        .then(pl.lit("map"))
        .when(pl.col("meant").is_not_null())
        .then(pl.lit("typo"))
        .otherwise(pl.lit("spelling"))
        .alias("why"),
    )
    return Spellings(changes.filter(pl.col("from") != pl.col("to")).sort("from"), compared)


def _with_given(frame: pl.DataFrame, given: Mapping[str, str]) -> pl.DataFrame:
    """Add `to`, the user's word for a value or for another spelling of it, and `kept`.

    A value that the map leads to is a spelling to keep, and so is one that it maps to itself.
    """
    if not given:
        return frame.with_columns(pl.lit(None, pl.String).alias("to"), pl.lit(False).alias("kept"))
    exact = pl.DataFrame({"from": list(given), "exact": list(given.values())})
    by_key = exact.select(key_of(exact["from"]).alias("key"), pl.col("exact").alias("alike"))
    by_key = by_key.filter(pl.col("key") != "").unique("key", keep="first", maintain_order=True)
    frame = frame.join(exact, on="from", how="left").join(by_key, on="key", how="left")
    kept = pl.col("from").is_in(sorted(set(given.values())))
    to = pl.coalesce("exact", pl.when(kept).then("from"), "alike")
    return frame.with_columns(to.alias("to"), kept.alias("kept")).drop("exact", "alike")


def _slips(totals: pl.DataFrame, ratio: float) -> pl.DataFrame:
    """For rare keys that are one slip off a frequent one: `key`, and its `best` spelling."""
    wordy = totals.filter(pl.col("key").str.len_chars() >= _LETTERS)
    wordy = wordy.sort("count", "key", descending=[True, False])
    rare = wordy.filter(~pl.col("set"))
    often = wordy.filter(pl.col("count") >= ratio)
    if rare.is_empty() or often.is_empty():
        return totals.head(0)
    parts = [_near(rare.slice(start, _CHUNK), often) for start in range(0, rare.height, _CHUNK)]
    pairs = pl.concat(parts).filter(
        # A value that stands in no row of train counts as one.
        pl.col("count_often") >= ratio * pl.max_horizontal("count", pl.lit(1))
    )
    pairs = _one_slip_a_word(pairs)
    # A value that may be either of two is left as it is.
    only = pairs.group_by("key").agg(pl.col("best").unique().sort(), pl.col("key_often").first())
    only = only.filter(pl.col("best").list.len() == 1)
    only = only.select("key", "key_often", pl.col("best").list.first())
    # What a slip leads to may be a slip itself; each such link is at least `ratio` times as
    # frequent as the one before, so the chains are short.
    for _ in range(_LINKS):
        onward = only.select(pl.col("key").alias("key_often"), pl.col("best").alias("onward"))
        only = only.join(onward, on="key_often", how="left").select(
            "key", "key_often", pl.coalesce("onward", "best").alias("best")
        )
    return only.select("key", "best")


def _near(rare: pl.DataFrame, often: pl.DataFrame) -> pl.DataFrame:
    """Pairs of a rare and a frequent key with at most four slips between them."""
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import cdist

    apart: npt.NDArray[np.uint8] = cdist(
        rare["key"].to_list(),
        often["key"].to_list(),
        scorer=OSA.distance,
        score_cutoff=_SLIPS,
        dtype=np.uint8,
    )
    left, right = np.nonzero((apart <= _SLIPS) & (apart > 0))
    return pl.DataFrame(
        {
            "key": rare["key"][left],
            "count": rare["count"][left],
            "key_often": often["key"][right],
            "count_often": often["count"][right],
            "best": often["best"][right],
        }
    )


def _one_slip_a_word(pairs: pl.DataFrame) -> pl.DataFrame:
    """Keep the pairs of which no word has more than one slip, none in a short word or at its start.

    A space too many or too few is a slip as well. "North" and "South", or "typical" and
    "atypical", are two things, not one with a slip in it.
    """
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import cpdist

    glued = pairs.filter(
        (
            pl.col("key").str.replace_all(" ", "", literal=True)
            == pl.col("key_often").str.replace_all(" ", "", literal=True)
        )
        & ~pl.col("key").str.contains(r"\p{N}")
    )
    pairs = pairs.with_columns(
        pl.col("key").str.split(" ").alias("word"),
        pl.col("key_often").str.split(" ").alias("word_often"),
    ).filter(pl.col("word").list.len() == pl.col("word_often").list.len())
    if pairs.is_empty():
        return glued
    words = pairs.with_row_index("pair").explode("word", "word_often")
    words = words.filter(pl.col("word") != pl.col("word_often"))
    apart = cpdist(words["word"].to_list(), words["word_often"].to_list(), scorer=OSA.distance)
    longer = pl.max_horizontal(pl.col("word").str.len_chars(), pl.col("word_often").str.len_chars())
    # People seldom miss the first letter, and a prefix there turns a word around.
    first = pl.col("word").str.head(1) == pl.col("word_often").str.head(1)
    # Another digit is another code, size or year.
    plain = ~(pl.col("word") + pl.col("word_often")).str.contains(r"\p{N}")
    alike = words.select((longer >= _LETTERS) & first & plain).to_series()
    fits = (pl.Series(apart) <= 1) & alike
    bad = words.filter(~fits)["pair"].unique()
    kept = ~pl.int_range(pairs.height, eager=True, dtype=pl.UInt32).is_in(bad.implode())
    return pl.concat([glued, pairs.filter(kept).drop("word", "word_often")])
