"""How near a predicted text comes to the true one.

`exact_match` and `token_f1` look at normalised texts, as the Stanford question answering dataset
does: lower case, without punctuation, English articles and superfluous space.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from assay.evaluation.scored import Floats, HigherIsBetter, Proportion, Scored, mean

__all__ = ["chrf", "exact_match", "rouge_l", "token_f1"]

_ROWS = 20_000
"""Rows whose pieces are held at a time."""


def exact_match(scored: Scored, weights: Floats) -> Proportion:
    """Share of rows whose normalised text is the true one.

    Reference: Rajpurkar, Zhang, Lopyrev and Liang (2016), EMNLP, 2383-2392.

    >>> scored = Scored(np.array(["The cat."]), np.array(["cat"]))
    >>> exact_match(scored, np.ones((1, 1))).tolist()
    [1.0]
    """
    truth, predicted = _normalised(scored)
    return mean((truth == predicted).to_numpy().astype(np.float64), weights)


def token_f1(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Mean over rows of the F1 of the words that both normalised texts have.

    A word that stands twice must be found twice. Two empty texts are equal.

    Reference: Rajpurkar, Zhang, Lopyrev and Liang (2016), EMNLP, 2383-2392.

    >>> scored = Scored(np.array(["a black cat sat"]), np.array(["the black dog"]))
    >>> token_f1(scored, np.ones((1, 1))).tolist()
    [0.4]
    """

    def measured() -> Floats:
        words = [_words(side) for side in _normalised(scored)]
        shared, *sizes = _shared(words[0], words[1], len(scored))
        return _harmonic(shared, sizes[0], sizes[1], 1.0)

    return mean(_kept(scored, "token_f1", measured), weights)


def rouge_l(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Mean over rows of the F1 of the longest common subsequence of words.

    Words are runs of letters and digits in lower case.

    Reference: Lin (2004), Text Summarization Branches Out, 74-81.

    >>> truth, said = "police killed the gunman", "police kill the gunman"
    >>> scored = Scored(np.array([truth]), np.array([said]))
    >>> rouge_l(scored, np.ones((1, 1))).tolist()
    [0.75]
    """

    def measured() -> Floats:
        from rapidfuzz.distance import LCSseq
        from rapidfuzz.process import cpdist

        sides = [_lower(values).str.extract_all(r"[\p{L}\p{N}]+") for values in _sides(scored)]
        coded = [_as_characters(sides, which) for which in (0, 1)]
        common = cpdist(coded[0], coded[1], scorer=LCSseq.similarity, dtype=np.int64)
        sizes = [side.list.len().to_numpy().astype(np.float64) for side in sides]
        return _harmonic(np.asarray(common, dtype=np.float64), sizes[0], sizes[1], 1.0)

    return mean(_kept(scored, "rouge_l", measured), weights)


def chrf(scored: Scored, weights: Floats, *, order: int = 6, beta: float = 2.0) -> HigherIsBetter:
    """Mean over rows of the F score of shared runs of 1 to `order` characters, without spaces.

    Args:
        scored: the rows.
        weights: (b, n) how often each row counts.
        order: the longest runs; orders of which neither text has a run are left out.
        beta: recall counts beta times as much as precision.

    Reference: Popović (2015), Tenth Workshop on Statistical Machine Translation, 392-395.

    >>> scored = Scored(np.array(["ab"]), np.array(["ab c"]))
    >>> chrf(scored, np.ones((1, 1)), order=2).round(4).tolist()
    [0.875]
    """

    def measured() -> Floats:
        sides = [side.str.replace_all(r"\s+", "") for side in _sides(scored)]
        parts = []
        for first in range(0, len(scored), _ROWS):
            part = [side.slice(first, _ROWS) for side in sides]
            parts.append(_chrf(part[0], part[1], order, beta))
        return np.concatenate(parts) if parts else np.empty(0)

    return mean(_kept(scored, f"chrf {order} {beta}", measured), weights)


def _chrf(truth: pl.Series, predicted: pl.Series, order: int, beta: float) -> Floats:
    rows = len(truth)
    precision, recall, orders = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    for length in range(1, order + 1):
        runs = [_runs(side, length) for side in (truth, predicted)]
        shared, wanted, found = _shared(runs[0], runs[1], rows)
        precision += np.divide(shared, found, out=np.zeros(rows), where=found > 0)
        recall += np.divide(shared, wanted, out=np.zeros(rows), where=wanted > 0)
        orders += (found > 0) | (wanted > 0)
    some = np.maximum(orders, 1)
    precision, recall = precision / some, recall / some
    whole = beta**2 * precision + recall
    value = np.divide(
        (1 + beta**2) * precision * recall, whole, out=np.zeros(rows), where=whole > 0
    )
    # Two empty texts are equal.
    return np.where(orders == 0, 1.0, value)


def _runs(texts: pl.Series, length: int) -> pl.DataFrame:
    """Row and run, for every run of so many characters."""
    frame = texts.to_frame("text").with_row_index("row")
    places = pl.int_ranges(0, pl.col("text").str.len_chars().cast(pl.Int64) - length + 1)
    cut = frame.with_columns(at=places).explode("at").drop_nulls("at")
    return cut.select("row", piece=pl.col("text").str.slice(pl.col("at"), length))


def _words(texts: pl.Series) -> pl.DataFrame:
    frame = texts.to_frame("text").with_row_index("row")
    cut = frame.select("row", piece=pl.col("text").str.split(" ")).explode("piece")
    return cut.filter(pl.col("piece") != "")


def _shared(first: pl.DataFrame, second: pl.DataFrame, rows: int) -> tuple[Floats, Floats, Floats]:
    """(rows,) pieces that both have, that the first has, that the second has."""
    counted = [side.group_by("row", "piece").agg(times=pl.len()) for side in (first, second)]
    both = counted[0].join(counted[1], on=["row", "piece"])
    common = both.select("row", times=pl.min_horizontal("times", "times_right"))
    shared, of_first, of_second = (
        np.bincount(
            side["row"].to_numpy(), weights=side["times"].to_numpy(), minlength=rows
        ).astype(np.float64)
        for side in (common, *counted)
    )
    return shared, of_first, of_second


def _harmonic(shared: Floats, first: Floats, second: Floats, empty: float) -> Floats:
    whole = first + second
    found = np.divide(2 * shared, whole, out=np.full(len(shared), empty), where=whole > 0)
    return np.asarray(found)


def _as_characters(sides: list[pl.Series], which: int) -> list[str]:
    """Texts with a character for each different word, for a comparison made for characters."""
    frame = pl.concat([side.to_frame("word").with_row_index("row") for side in sides])
    frame = frame.with_columns(side=pl.int_range(pl.len()) // max(len(sides[0]), 1))
    words = frame.explode("word").with_columns(
        # Places of words inside one row, so that there are always enough characters.
        code=pl.col("word").rank("dense").over("row").fill_null(0).cast(pl.Int64)
    )
    mine = words.filter(pl.col("side") == which).group_by("row", maintain_order=True).agg("code")
    codes = mine.sort("row")["code"]
    # Written as UTF-32, which is an array of numbers; the plane above 0x10000 holds any of them.
    # One text a row is what the comparison takes.
    return [
        (np.asarray(row, dtype="<u4") + 0x10000).tobytes().decode("utf-32-le") if any(row) else ""
        for row in codes.to_list()
    ]


def _sides(scored: Scored) -> tuple[pl.Series, pl.Series]:
    truth, predicted = (
        pl.Series(values.tolist(), dtype=pl.String) for values in (scored.truth, scored.predicted)
    )
    return truth, predicted


def _lower(values: pl.Series) -> pl.Series:
    return values.str.to_lowercase()


def _normalised(scored: Scored) -> tuple[pl.Series, pl.Series]:
    truth, predicted = (
        _lower(values)
        .str.replace_all(r"[\p{P}\p{S}]", "")
        .str.replace_all(r"\b(a|an|the)\b", " ")
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
        for values in _sides(scored)
    )
    return truth, predicted


def _kept(scored: Scored, key: str, make: object) -> Floats:
    if key not in scored.kept:
        assert callable(make)
        scored.kept[key] = make()
    values: Floats = scored.kept[key]
    return values
