"""One category under several spellings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.checks.finding import Code, Finding, Inspected, counted, places, quoted

__all__ = ["spellings", "typos"]

ENOUGH = 30
# A field in which fewer rows share their value with another is one of texts, not of categories.
RECURRING = 0.7
LONGEST = 200
# Distinct values that are compared with one another.
RARE, FREQUENT = 3000, 1000


def spellings(data: Inspected) -> Annotated[list[Finding], Code("F111", "warning")]:
    """Values of a category that differ in case, spaces, accents or punctuation only.

    "New York", "new york " and "New-York" are three categories to a model. The most frequent
    spelling is suggested; `clean.categories` applies it.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"city": ["Paris", "Lyon", "Nice"] * 20 + ["paris", "Lyon "]})
    >>> inspect(rows, checks=["spellings"]).cells()["suggested"].to_list()
    ['Paris', 'Lyon']
    """
    found: list[Finding] = []
    for name, counts in _recurring(data):
        folded = counts.with_columns(fold=_fold(counts["text"])).filter(
            pl.col("fold").str.contains(r"\p{L}") & (pl.col("fold").str.len_chars() > 1)
        )
        best = pl.col("text").first().over("fold")
        several = folded.with_columns(best=best).filter(pl.col("text") != pl.col("best"))
        if several.is_empty():
            continue
        mended = dict(several.select("code", "best").iter_rows())
        pairs = [f"{text} → {best}" for text, best in several.select("text", "best").iter_rows()]
        what = ("value is another spelling", "values are another spelling")
        found.append(_finding(data, name, mended, what, pairs))
    return found


def typos(data: Inspected) -> Annotated[list[Finding], Code("F115", "warning")]:
    """Rare values of a category that are a slip of the pen away from a frequent one.

    A value is meant when it is at least ten times rarer than one that differs in one letter of
    four to seven, two of eight to eleven or a fifth of more, when the words in which they differ
    stand nowhere else in the field, when their digits agree, and when other fields of its rows do
    not speak against it. `clean.categories` applies what is suggested.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"city": ["Birmingham", "Leeds", "Sheffield"] * 20 + ["Birmimgham"]})
    >>> inspect(rows, checks=["typos"]).cells()["suggested"].to_list()
    ['Birmingham']
    """
    found: list[Finding] = []
    for name, counts in _recurring(data):
        pairs = _near(counts)
        if pairs.is_empty():
            continue
        pairs = _new_words(counts, pairs)
        mended = {
            rare: best
            for rare, frequent, best in pairs.select("rare", "frequent", "best").iter_rows()
            if not _contradicted(data, name, rare, frequent)
        }
        if mended:
            text = dict(counts.select("code", "text").iter_rows())
            shown = [f"{text[rare]} → {best}" for rare, best in sorted(mended.items())]
            what = ("value looks like a slip of the pen", "values look like slips of the pen")
            found.append(_finding(data, name, mended, what, shown))
    return found


def _finding(
    data: Inspected, name: str, mended: dict[int, str], what: tuple[str, str], shown: list[str]
) -> Finding:
    codes = pl.Series(data.codes(name))
    hit = codes.is_in(list(mended))
    return Finding(
        says=f"{counted(int(hit.sum()), *what)}: {quoted(shown)}.",
        action="Bring them to one spelling with `clean.categories`.",
        field=name,
        rows=places(hit),
        values=codes.filter(hit).replace_strict(mended, return_dtype=pl.String),
        measured={"values": len(mended), "rows": int(hit.sum())},
        step={"clean.categories": {"columns": [name]}},
    )


def _recurring(data: Inspected) -> Iterator[tuple[str, pl.DataFrame]]:
    """The fields of words whose values recur, with their distinct values."""
    for name, spec in data.fields.items():
        if spec.type not in ("string", "category", "boolean"):
            continue
        counts = data.counts(name).with_row_index("code")
        total = data.rows_of(name)
        if total < ENOUGH or counts.height > RECURRING * total or counts.height < 2:
            continue
        yield name, counts.filter(pl.col("text").str.len_chars() <= LONGEST)


def _fold(texts: pl.Series) -> pl.Series:
    """What is left of a text without case, accents, spaces and marks between letters."""
    plain = texts.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
    # Marks between digits and signs such as + and # tell values apart: 1.5 and 15, C and C++.
    return (
        plain.str.replace_all(r"(\d)[.,\s-]+(\d)", "${1}\u0001${2}")
        .str.replace_all(r"(^|[^\d\p{L}])-(\d)", "${1}\u0002${2}")
        .str.replace_all(r"[\s\-_.,;:'’`´\"/()&]+", "")
    )


def _edits(length: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many letters of so many may be wrong."""
    return np.select([length < 4, length < 8, length < 12], [0, 1, 2], length // 5)


def _near(counts: pl.DataFrame) -> pl.DataFrame:
    """Rare values, each with the most frequent near value that is ten times as frequent."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    lettered = counts.filter(pl.col("text").str.contains(r"\p{L}{2}"))
    frequent = lettered.filter(pl.col("count") >= 10).head(FREQUENT)
    most = 0 if frequent.is_empty() else int(frequent["count"][0])
    rare = lettered.filter(pl.col("count") * 10 <= most).head(RARE)
    if rare.is_empty():
        return pl.DataFrame(schema={"rare": pl.UInt32, "frequent": pl.UInt32, "best": pl.String})
    few, many = (one["text"].str.strip_chars().str.to_lowercase() for one in (rare, frequent))
    lengths = np.minimum.outer(
        few.str.len_chars().to_numpy().astype(np.int64),
        many.str.len_chars().to_numpy().astype(np.int64),
    )
    allowed = _edits(lengths)
    far = cdist(
        few.to_list(), many.to_list(), scorer=Levenshtein.distance,
        score_cutoff=int(allowed.max()), dtype=np.int32, workers=1,
    )  # fmt: skip
    digits = [one["text"].str.replace_all(r"\D", "").to_numpy() for one in (rare, frequent)]
    ratio = frequent["count"].to_numpy()[None, :] >= 10 * rare["count"].to_numpy()[:, None]
    fits = (far > 0) & (far <= allowed) & ratio & (digits[0][:, None] == digits[1][None, :])
    if _crowded(many, digits[1]):
        return pl.DataFrame(schema={"rare": pl.UInt32, "frequent": pl.UInt32, "best": pl.String})
    far = np.where(fits, far, np.iinfo(np.int32).max)
    # Columns stand in order of frequency, and argmin takes the first.
    best = far.argmin(axis=1)
    at = np.flatnonzero(fits.any(axis=1))
    return pl.DataFrame(
        {
            "rare": rare["code"].to_numpy()[at],
            "frequent": frequent["code"].to_numpy()[best[at]],
            "best": frequent["text"].gather(best[at]),
        }
    )


def _crowded(frequent: pl.Series, digits: npt.NDArray[np.object_]) -> bool:
    """Whether frequent values lie as near to one another, as codes do: then nothing is a slip."""
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    texts = frequent.head(300)
    if len(texts) < 5:
        return False
    length = texts.str.len_chars().to_numpy().astype(np.int64)
    far = cdist(texts.to_list(), texts.to_list(), scorer=Levenshtein.distance, dtype=np.int32)
    same = digits[: len(texts)][:, None] == digits[: len(texts)][None, :]
    near = (far > 0) & (far <= _edits(np.minimum.outer(length, length))) & same
    return float(near.any(axis=1).mean()) > 0.2


def _new_words(counts: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """Those pairs whose differing words stand in no other value: "IPA" is no slip for "APA"."""
    words = pl.col("text").str.to_lowercase().str.extract_all(r"[\p{L}\p{N}]{2,}").list.unique()
    listed = counts.select("code", "count", words.alias("word")).explode("word").drop_nulls()
    rows = listed.group_by("word").agg(pl.col("count").sum().alias("rows"))
    ours = pairs.join(listed, left_on="rare", right_on="code").join(rows, on="word")
    theirs = listed.select(pl.col("code").alias("frequent"), "word")
    familiar = ours.join(theirs, on=["frequent", "word"], how="anti").filter(
        # Its own rows, and a slip that was made in a few other values as well, make no word.
        pl.col("rows") - pl.col("count") >= pl.max_horizontal(pl.lit(5), pl.col("count"))
    )
    left = pairs.join(familiar, on="rare", how="anti", maintain_order="left")
    text = dict(
        counts.filter(pl.col("code").is_in(left["rare"].to_list()))
        .select("code", "text")
        .iter_rows()
    )
    # Few pairs are left: those of slips.
    near = [
        _word_by_word(text[rare], best) for rare, best in left.select("rare", "best").iter_rows()
    ]
    return left.filter(pl.Series(near, dtype=pl.Boolean))


def _word_by_word(rare: str, best: str) -> bool:
    """Whether no word differs in more than a third of its letters, where words correspond."""
    from rapidfuzz.distance import Levenshtein

    mine, theirs = rare.lower().split(), best.lower().split()
    return len(mine) != len(theirs) or all(
        Levenshtein.distance(one, other) <= max(1, len(other) // 3)
        for one, other in zip(mine, theirs, strict=True)
    )


def _contradicted(data: Inspected, name: str, rare: int, frequent: int) -> bool:
    """Whether other fields of its rows say that the rare value is not the frequent one."""
    codes = data.codes(name)
    mine, theirs = codes == rare, codes == frequent
    against = backing = 0
    for other in (*data.categories, *data.texts):
        counts = data.counts(other)
        if other == name or not 2 <= counts.height <= 2000:
            continue
        there = data.codes(other)[theirs]
        there = there[there >= 0]
        here = data.codes(other)[mine]
        here = here[here >= 0]
        if len(there) < 10 or not len(here):
            continue
        values, times = np.unique(there, return_counts=True)
        # Good and Turing: as likely as values seen once is one that was never seen.
        if (times == 1).sum() > 0.05 * len(there):
            continue
        seen = np.isin(here, values).mean() >= 0.5
        shares = counts["count"].to_numpy()[here] / len(codes)
        against += not seen
        # That the value is there as well tells something where few rows have it.
        backing += bool(seen and shares.mean() <= 0.2)
    return bool(against > backing)
