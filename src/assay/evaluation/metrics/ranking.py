"""How well ranked lists put what is wanted first; each row is one query.

The truth is a list of the wanted items, or of items with grades; the prediction is a list, best
first. An item that stands twice in a prediction counts where it stands first.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from assay.evaluation.scored import Floats, HigherIsBetter, Scored, mean

__all__ = ["map", "mrr", "ndcg"]


def ndcg(scored: Scored, weights: Floats, *, k: int | None = 10) -> HigherIsBetter:
    """Mean over queries of the discounted gain of the first k items, 1 for the best order.

    Args:
        scored: the queries.
        weights: (b, n) how often each query counts.
        k: items that are looked at; all if None.

    The gain is the grade, the discount log2(1 + place). A query for which nothing is wanted
    counts 0.

    Reference: Järvelin and Kekäläinen (2002), ACM Transactions on Information Systems 20:422-446.

    >>> scored = Scored(np.array(['{"a": 1}']), np.array(['["b", "a"]']))
    >>> ndcg(scored, np.ones((1, 1))).round(4).tolist()
    [0.6309]
    """
    found, ideal = _ranked(scored)
    gain = _by_query(scored, _discounted(found, k))
    best = _by_query(scored, _discounted(ideal, k))
    return mean(np.divide(gain, best, out=np.zeros(len(scored)), where=best > 0), weights)


def map(scored: Scored, weights: Floats, *, k: int | None = None) -> HigherIsBetter:
    """Mean over queries of the average precision of the ranked list.

    Args:
        scored: the queries.
        weights: (b, n) how often each query counts.
        k: items that are looked at; all if None.

    What is wanted and not found counts 0.

    Reference: Manning, Raghavan and Schütze (2008), Introduction to Information Retrieval, 8.4.

    >>> scored = Scored(np.array(['["a", "c"]']), np.array(['["a", "b", "c"]']))
    >>> map(scored, np.ones((1, 1))).round(4).tolist()
    [0.8333]
    """
    found, ideal = _ranked(scored)
    within = found if k is None else found.filter(pl.col("place") <= k)
    hits = within.filter(pl.col("grade") > 0).sort("row", "place")
    nth = pl.int_range(1, pl.len() + 1).over("row")
    precision = _by_query(scored, hits.select("row", value=nth / pl.col("place")))
    wanted = _by_query(scored, ideal.select("row", value=(pl.col("grade") > 0).cast(pl.Float64)))
    if k is not None:
        wanted = np.minimum(wanted, k)
    return mean(np.divide(precision, wanted, out=np.zeros(len(scored)), where=wanted > 0), weights)


def mrr(scored: Scored, weights: Floats) -> HigherIsBetter:
    """Mean over queries of one by the place of the first wanted item; 0 where none is found.

    Reference: Voorhees (1999), The TREC-8 question answering track report.

    >>> scored = Scored(np.array(['["a"]', '["a"]']), np.array(['["b", "a"]', '["a"]']))
    >>> mrr(scored, np.ones((1, 2))).tolist()
    [0.75]
    """
    found, _ = _ranked(scored)
    hits = found.filter(pl.col("grade") > 0).group_by("row").agg(pl.col("place").min())
    return mean(_by_query(scored, hits.select("row", value=1 / pl.col("place"))), weights)


def _ranked(scored: Scored) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Row, place and grade of every predicted item, and of every wanted one in the best order."""
    if "ranked" not in scored.kept:
        from assay.evaluation.lists import graded, listed

        wanted = graded(scored.truth)
        found = listed(scored.predicted)
        found = found.join(wanted, on=["row", "item"], how="left").with_columns(
            pl.col("grade").fill_null(0.0)
        )
        ideal = wanted.filter(pl.col("grade") > 0).with_columns(
            place=pl.col("grade").rank("ordinal", descending=True).over("row")
        )
        scored.kept["ranked"] = (found, ideal)
    ranked: tuple[pl.DataFrame, pl.DataFrame] = scored.kept["ranked"]
    return ranked


def _discounted(items: pl.DataFrame, k: int | None) -> pl.DataFrame:
    within = items if k is None else items.filter(pl.col("place") <= k)
    return within.select("row", value=pl.col("grade") / (1.0 + pl.col("place")).log(2))


def _by_query(scored: Scored, items: pl.DataFrame) -> Floats:
    rows, values = items["row"].to_numpy(), items["value"].to_numpy()
    return np.asarray(np.bincount(rows, weights=values, minlength=len(scored)), dtype=np.float64)
