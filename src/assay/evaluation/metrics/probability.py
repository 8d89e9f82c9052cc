"""How good predicted probabilities and scores are.

For more than two classes, and for two without a positive one, ranking metrics are the mean over
classes of one class against the rest; classes for which a sample has no rows, or only such rows,
are left out of the mean.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from assay.errors import PredictionsError
from assay.evaluation.scored import (
    Floats,
    HigherIsBetter,
    LowerIsBetter,
    Proportion,
    Ranking,
    Scored,
    mean,
    reached,
    share,
    sums,
    total,
)

__all__ = ["average_precision", "brier", "ece", "log_loss", "roc_auc", "top_k"]


def roc_auc(scored: Scored, weights: Floats, *, of: str | None = None) -> HigherIsBetter:
    """Chance that a row of a class is ranked above a row that is not; ties count half.

    With `of` it is of that class against the rest. It is undefined (NaN) where all rows are of one
    class.

    Raises:
        PredictionsError: there are neither probabilities nor a score.

    >>> scored = Scored(np.array([0, 1, 1]), None, score=np.array([0.2, 0.1, 0.9]),
    ...                 classes=("no", "yes"), positive=1)
    >>> roc_auc(scored, np.ones((1, 3))).tolist()
    [0.5]
    """
    return _over_classes(scored, weights, _area, of)


def average_precision(scored: Scored, weights: Floats, *, of: str | None = None) -> HigherIsBetter:
    """Mean precision over the rows of a class, as the ranked list is read from the top.

    With `of` it is of that class against the rest. It is undefined (NaN) where no row is of it.

    Raises:
        PredictionsError: there are neither probabilities nor a score.

    >>> scored = Scored(np.array([0, 1, 1]), None, score=np.array([0.2, 0.1, 0.9]),
    ...                 classes=("no", "yes"), positive=1)
    >>> average_precision(scored, np.ones((1, 3))).round(4).tolist()
    [0.8333]
    """
    return _over_classes(scored, weights, _precision, of)


def log_loss(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Mean of -log of the probability that was given to the true class.

    Probabilities of 0 count as 2.2e-16, so a certain error costs 36.

    Raises:
        PredictionsError: there are no probabilities.

    >>> scored = Scored(np.array([0, 1]), None, np.array([[0.5, 0.5], [0.5, 0.5]]),
    ...                 classes=("a", "b"))
    >>> log_loss(scored, np.ones((1, 2))).round(4).tolist()
    [0.6931]
    """
    given = scored.probabilities[np.arange(len(scored)), scored.truth]
    tiny = np.finfo(np.float64).eps
    return mean(-np.log(np.clip(given, tiny, 1 - tiny)), weights)


def brier(scored: Scored, weights: Floats) -> LowerIsBetter:
    """Mean squared distance of the probabilities from what was true.

    For two classes it is that of one of them, from 0 to 1; for more the sum over the classes, from
    0 to 2, as Brier had it.

    Reference: Brier (1950), Monthly Weather Review 78:1-3.

    Raises:
        PredictionsError: there are no probabilities.

    >>> scored = Scored(np.array([0, 1]), None, np.array([[0.5, 0.5], [0.0, 1.0]]),
    ...                 classes=("a", "b"))
    >>> brier(scored, np.ones((1, 2))).tolist()
    [0.125]
    """
    given = scored.probabilities
    of_truth = given[np.arange(len(scored)), scored.truth]
    # (1 - p)² for the true class and p² for the others, without a table of what was true.
    squares = np.einsum("nk,nk->n", given, given) + 1 - 2 * of_truth
    return mean(squares / 2 if len(scored.classes) == 2 else squares, weights)


def ece(scored: Scored, weights: Floats, *, bins: int = 15) -> LowerIsBetter:
    """Expected calibration error: how far confidence is from accuracy, averaged over bins.

    Args:
        scored: the rows.
        weights: (b, n) how often each row counts.
        bins: of equal width, over the largest probability of each row.

    Few rows in a bin make it larger by chance alone, so only models on the same rows compare.

    Reference: Guo, Pleiss, Sun and Weinberger (2017), ICML, PMLR 70:1321-1330.

    Raises:
        PredictionsError: there are no probabilities.

    >>> scored = Scored(np.array([0, 1]), None, np.array([[0.9, 0.1], [0.9, 0.1]]),
    ...                 classes=("a", "b"))
    >>> ece(scored, np.ones((1, 2))).round(4).tolist()
    [0.4]
    """
    given = scored.probabilities
    chosen = given.argmax(axis=1)
    confidence = given[np.arange(len(scored)), chosen]
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.zeros((len(scored), bins))
    gap[np.arange(len(scored)), place] = (chosen == scored.truth) - confidence
    return share(np.abs(sums(gap, weights)).sum(axis=1), total(weights))


def top_k(scored: Scored, weights: Floats, *, k: int = 3) -> Proportion:
    """Share of rows whose class is among the k most probable ones.

    Of equally probable classes the first counts as more probable.

    Raises:
        PredictionsError: there are no probabilities, or no more than k classes.

    >>> proba = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    >>> scored = Scored(np.array([1, 2]), None, proba, classes=("a", "b", "c"))
    >>> top_k(scored, np.ones((1, 2)), k=2).tolist()
    [0.5]
    """
    given = scored.probabilities
    if k >= len(scored.classes):
        raise PredictionsError(
            f"top_k with k = {k} is always 1 for {len(scored.classes)} classes",
            hint=f"set k under {len(scored.classes)}",
        )
    of_truth = given[np.arange(len(scored)), scored.truth][:, None]
    earlier = np.arange(given.shape[1])[None, :] < scored.truth[:, None]
    before = ((given > of_truth) | ((given == of_truth) & earlier)).sum(axis=1)
    return mean((before < k).astype(np.float64), weights)


def ranked_classes(scored: Scored, of: str | None) -> list[int]:
    """The codes of the classes over which a ranking metric is averaged."""
    if of is not None:
        return [scored.code(of)]
    if len(scored.classes) == 2 and scored.positive is not None:
        return [scored.positive]
    return list(range(len(scored.classes)))


def _over_classes(
    scored: Scored,
    weights: Floats,
    metric: Callable[[Ranking, Floats], Floats],
    of: str | None,
) -> Floats:
    if scored.proba is None and scored.score is None:
        raise PredictionsError(
            "this metric needs probabilities or a score",
            hint="add the columns `proba_<class>`, or `score` and name the positive class",
        )
    codes = ranked_classes(scored, of)
    if len(codes) == 1:
        return metric(scored.ranking(codes[0]), weights)
    values = np.stack([metric(scored.ranking(code), weights) for code in codes], axis=1)
    known = ~np.isnan(values)
    return share(np.where(known, values, 0).sum(axis=1), known.sum(axis=1))


def _area(ranking: Ranking, weights: Floats) -> Floats:
    above = reached(weights, ranking.hits)
    misses = np.take(weights, ranking.misses, axis=1)
    # A miss loses to the hits above it and half to those at the same score.
    won = _dots(misses, np.take(above, ranking.above, axis=1))
    if (ranking.level > ranking.above).any():
        won = (won + _dots(misses, np.take(above, ranking.level, axis=1))) / 2
    return share(won, above[:, -1].astype(np.float64) * misses.sum(axis=1))


def _precision(ranking: Ranking, weights: Floats) -> Floats:
    hits = np.take(weights, ranking.hits, axis=1)
    found = np.take(reached(weights, ranking.hits), ranking.hits_to, axis=1)
    wrong = np.take(reached(weights, ranking.misses), ranking.misses_to, axis=1)
    wrong += found
    # Where nothing is found yet, the hit itself has no weight either.
    np.divide(found, wrong, out=found, where=wrong > 0)
    return share(_dots(hits, found), hits.sum(axis=1, dtype=np.float64))


def _dots(first: Floats, second: Floats) -> Floats:
    """(b,) the dot product of each line of one with that line of the other."""
    products = first[:, None, :] @ second[:, :, None]
    return np.asarray(products[:, 0, 0], dtype=np.float64)
