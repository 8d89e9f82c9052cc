"""How far values, rows and texts are from the others, measured so that the far ones do not matter.

Everything is learned from the rows that `learn` marks and then said of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.rows import uniform

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
FEWEST = 20
"""Values from which a spread can be told."""
LEVELS = 10
"""A field of fewer different numbers holds codes, of which none is far."""
REFERENCE = 4_000
"""Most texts that a text is compared with."""
NEIGHBOURS = 10
DIGITS = 5
"""Decimals of a distance between texts, whose vectors are single precision."""
TREES = 200
FOREST = 20_000
"""Most rows that the forest's trees are drawn from."""
MAD = 1.4826
"""The standard deviation of a normal law in units of its median absolute deviation."""


def robust_z(values: Floats, learn: Flags, levels: int = LEVELS) -> Floats | None:
    """Distance of each number from the median in robust standard deviations, with its sign.

    The spread is 1.4826 times the median absolute deviation, of each side by itself, so that a
    skewed field has far values where its tail ends and not where it begins. A field without
    negative numbers whose upper half is much the wider is seen on the scale of logarithms. Where
    more than half of the numbers are one and the same, the others are judged among themselves.
    Reference: Iglewicz & Hoaglin 1993, How to Detect and Handle Outliers; the scale of each side
    after Rousseeuw & Hubert 2011, doi:10.1002/widm.2.

    Args:
        values: numbers; NaN and infinities are nobody's business here and get 0.
        learn: which of them the median and the spread are learned from.
        levels: different numbers from which something is said.

    Returns:
        None where nothing can be said: too few or too few different numbers.

    >>> far = robust_z(np.append(np.arange(100.0), 1e6), np.ones(101, dtype=bool))
    >>> far is not None and bool(abs(far[0]) < 2 < 100 < far[100])
    True
    """
    finite = np.isfinite(values)
    known = np.sort(values[finite & learn])
    if len(known) < FEWEST or _different(known) < levels:
        return None
    scale = _logarithm(known)
    seen, known = scale(values), scale(known)
    middle = float(np.median(known))
    if (known == middle).mean() >= 0.5:
        # Zero for most, an amount for some: the amounts are judged among themselves.
        others = known[known != middle]
        if len(others) < FEWEST or _different(others) < levels:
            return None
        z = _sides(seen, others)
        z[seen == middle] = 0.0
    else:
        z = _sides(seen, known)
    z[~finite] = 0.0
    return z


def _different(known: Floats) -> int:
    return int((np.diff(known) > 0).sum()) + 1


def _logarithm(known: Floats) -> Callable[[Floats], Floats]:
    """The scale on which the numbers lie most evenly around their median."""

    def plain(values: Floats) -> Floats:
        return values.astype(np.float64, copy=True)

    positive = known[known > 0]
    if known[0] < 0 or len(positive) < FEWEST:
        return plain
    least = float(positive[0]) if len(positive) == len(known) else float(np.median(positive)) / 100

    def logged(values: Floats) -> Floats:
        with np.errstate(invalid="ignore"):
            logs: Floats = np.log(np.maximum(values, least))
        return logs

    return logged if abs(_lopsided(logged(positive))) < _lopsided(positive) else plain


def _lopsided(known: Floats) -> float:
    """How much wider the upper half is than the lower, from -1 to 1 (Bowley's, at 5 % and 95 %)."""
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    return float((high + low - 2 * middle) / (high - low)) if high > low else 0.0


def _sides(seen: Floats, known: Floats) -> Floats:
    middle = float(np.median(known))
    away = known - middle
    whole = float(np.median(np.abs(away))) or float(np.abs(away).mean()) or 1.0
    # A side whose numbers are mostly the median itself has the spread of both.
    low, high = (
        float(np.median(np.abs(side))) if len(side) >= FEWEST else whole
        for side in (away[away <= 0], away[away >= 0])
    )
    with np.errstate(invalid="ignore", over="ignore"):
        away = seen - middle
        spread = np.where(away < 0, low or whole, high or whole)
        z: Floats = away / (MAD * np.maximum(spread, 0.25 * whole))
    return z


def forest_distances(values: Floats, learn: Flags, rows: pl.Series, seed: int) -> Floats:
    """How easily random cuts set a row apart, in robust standard deviations of that score.

    The score of an isolation forest has no scale of its own: what is high depends on the number of
    fields and their laws. Fields that are skewed are seen on the scale of logarithms, missing
    numbers as the median.
    Reference: Liu, Ting & Zhou 2008, Isolation Forest, ICDM.

    Args:
        values: one column a field; NaN where a number is missing.
        learn: which rows the trees are drawn from, at most 20,000 of them.
        rows: the rows' UInt64 ids.
        seed: another seed grows other trees.
    """
    from sklearn.ensemble import IsolationForest

    if learn.sum() < FEWEST:
        return np.zeros(len(values))
    x = np.column_stack([_even(column, learn) for column in values.T])
    places = _fewest(rows, learn, seed, "outliers.forest", FOREST)
    # The trees draw rows by their places, so the places must not depend on the order of the rows.
    places = places[np.argsort(rows.to_numpy()[places], kind="stable")]
    forest = IsolationForest(n_estimators=TREES, random_state=seed % 2**32)
    scores = -np.asarray(forest.fit(x[places]).score_samples(x), dtype=np.float64)
    z = robust_z(scores, learn)
    return np.zeros(len(scores)) if z is None else z


def _even(column: Floats, learn: Flags) -> Floats:
    finite = np.isfinite(column)
    known = np.sort(column[finite & learn])
    if not len(known):
        return np.zeros(len(column))
    scaled = _logarithm(known)(np.where(finite, column, np.median(known)))
    # A square or a float32 overflows beyond this.
    bounded: Floats = np.clip(scaled, -1e30, 1e30)
    return bounded


def text_distances(
    texts: Sequence[pl.Series], learn: Flags, rows: pl.Series, seed: int, method: str
) -> Floats:
    """Distance of each row's texts from the most similar ones, in robust standard deviations.

    It is 1 minus the mean cosine to the 10 nearest of up to 4,000 train texts. Rows without text
    get 0.

    Args:
        texts: one column a field; a row's are put together.
        learn: which rows the reference is drawn from.
        rows: the rows' UInt64 ids.
        seed: another seed draws another reference.
        method: the embedding.
    """
    from assay.embedding import embed

    joined = pl.DataFrame([text.alias(str(n)) for n, text in enumerate(texts)]).select(
        pl.concat_str(pl.all().cast(pl.String), separator="\n", ignore_nulls=True).alias("text")
    )["text"]
    # Sums of a product of matrices may depend on a row's place, so places follow the ids.
    order = np.argsort(rows.to_numpy(), kind="stable")
    vectors = embed(joined[order], method=method)
    filled = (vectors != 0).any(axis=1)
    chosen = _fewest(rows[order], learn[order] & filled, seed, "outliers.texts", REFERENCE)
    if len(chosen) < FEWEST:
        return np.zeros(len(joined))
    chosen = np.sort(chosen)
    reference = vectors[chosen]
    itself = np.full(len(vectors), -1)
    itself[chosen] = np.arange(len(chosen))
    near = np.empty(len(vectors))
    # A loop over blocks, so that the products fit into memory.
    for start in range(0, len(vectors), 2_000):
        block = slice(start, start + 2_000)
        likeness = vectors[block] @ reference.T
        own = itself[block]
        likeness[np.flatnonzero(own >= 0), own[own >= 0]] = -np.inf
        count = min(NEIGHBOURS, len(chosen) - 1)
        near[block] = np.partition(likeness, -count, axis=1)[:, -count:].mean(axis=1)
    # What lies below is rounding, which every processor does its own way.
    distance = np.where(filled, np.round(1.0 - near, DIGITS), np.nan)
    z = robust_z(distance, learn[order], levels=2)
    found = np.zeros(len(joined))
    if z is not None:
        found[order] = z
    return found


def _fewest(
    rows: pl.Series, learn: Flags, seed: int, purpose: str, most: int
) -> npt.NDArray[np.int64]:
    """The places of at most so many rows to learn from, chosen by their ids."""
    places = np.flatnonzero(learn)
    if len(places) <= most:
        return places
    chance = uniform(rows, seed, purpose)[places]
    return np.sort(places[np.argsort(chance, kind="stable")[:most]])
