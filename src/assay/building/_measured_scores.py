"""How well one field alone tells a target, out of fold; and how well rows tell their split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay import grams
from assay.building._measured_rows import finite, mean_length

FOLDS = 3
SUPPORT = 20
"""Rows of a class without which nothing is said of it."""
FEW = 256
"""Numbers of at most so many different values are looked at as categories too."""
LEAVES = 256
QUICK, PROMISING = 4_000, 0.8
"""Rows of the first look at a field, and what a field must reach there to be looked at closely."""
TEXT_ROWS, TEXT_CUT = 2_000, 1_000
"""Rows, and characters of each, by which a text is looked at."""
HASHED = 1 << 18

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Aim:
    """What is to be told: numbers of classes, or the ranks of numbers.

    Attributes:
        values: (n,) places of classes, or ranks in 0 to 1.
        classes: how many classes there are; 0 for ranks.
        fold: (n,) the fold of each row.
    """

    values: Floats
    classes: int
    fold: Integers

    def of(self, rows: npt.NDArray[Any]) -> Aim:
        return Aim(self.values[rows], self.classes, self.fold[rows])

    def score(self, told: Floats) -> float:
        """Balanced accuracy or R2; rows about which nothing was told are told wrong."""
        if self.classes:
            right = (told == self.values).astype(np.float64)
            codes = self.values.astype(np.int64)
            counts = np.bincount(codes, minlength=self.classes)
            return float((np.bincount(codes, right, self.classes) / np.maximum(counts, 1)).mean())
        told = np.where(np.isnan(told), self.values.mean(), told)
        spread = ((self.values - self.values.mean()) ** 2).sum()
        return float(1 - ((told - self.values) ** 2).sum() / spread) if spread else 0.0


def alone(rows: pl.DataFrame, kinds: dict[str, str], aim: Aim) -> dict[str, float]:
    """The score of each field that tells the aim by itself, for those that come near to it.

    Numbers are read by a tree, categories by what is most frequent in each, texts by their words.

    Args:
        rows: the fields.
        kinds: `number`, `category` or `text` for each field to look at.
        aim: what they are to tell.
    """
    found: dict[str, float] = {}
    quick = np.arange(min(rows.height, QUICK))
    head, short = rows.head(QUICK), aim.of(quick)
    for name, kind in kinds.items():
        if kind == "text":
            found[name] = _by_words(rows[name], aim)
            continue
        codes = _codes(rows[name])
        number = kind == "number"
        by_value = not number or int(codes.max(initial=0)) < FEW
        if by_value and _by_value(codes[quick], short) >= PROMISING:
            found[name] = _by_value(codes, aim)
        if number and _by_bins(finite(head[name]), short) >= PROMISING:
            found[name] = max(found.get(name, 0.0), _by_tree(finite(rows[name]), aim))
    return found


def _codes(column: pl.Series) -> Integers:
    return column.cast(pl.String).rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def _by_value(codes: Integers, aim: Aim) -> float:
    """Tell each row by the rows of equal value in the other folds."""
    size = int(codes.max(initial=0)) + 1
    told = np.full(len(codes), np.nan)
    width = max(aim.classes, 1)
    weights = _weights(aim)
    for fold in range(FOLDS):
        others, here = aim.fold != fold, aim.fold == fold
        seen = np.bincount(codes[others], minlength=size)[codes[here]] > 0
        if aim.classes and size * width <= 20_000_000:
            cells = codes[others] * width + aim.values[others].astype(np.int64)
            table = np.bincount(cells, weights[others], size * width).reshape(size, width)
            best = table.argmax(axis=1)[codes[here]].astype(np.float64)
        elif aim.classes:  # so many values that hardly any comes twice
            continue
        else:
            counts = np.bincount(codes[others], minlength=size)
            sums = np.bincount(codes[others], aim.values[others], size)
            best = (sums / np.maximum(counts, 1))[codes[here]]
        told[here] = np.where(seen, best, np.nan)
    return aim.score(told)


def _by_bins(values: Floats, aim: Aim) -> float:
    """A bound on what a tree can tell, in a fraction of its time: it has seen what it tells."""
    order = np.argsort(np.nan_to_num(values, nan=-np.inf), kind="stable")
    bins = np.empty(len(values), dtype=np.int64)
    count = max(1, min(max(128, 4 * aim.classes), len(values) // 4))
    bins[order] = np.arange(len(values)) * count // max(len(values), 1)
    if aim.classes:
        cells = bins * aim.classes + aim.values.astype(np.int64)
        table = np.bincount(cells, _weights(aim), count * aim.classes)
        return aim.score(table.reshape(count, -1).argmax(axis=1)[bins].astype(np.float64))
    means = np.bincount(bins, aim.values, count) / np.maximum(np.bincount(bins, minlength=count), 1)
    return aim.score(means[bins])


def _by_tree(values: Floats, aim: Aim) -> float:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    # Whatever is missing lies below all there is.
    low = np.nanmin(values) - 1 if np.isfinite(values).any() else 0.0
    x = np.clip(np.nan_to_num(values, nan=low), -1e30, 1e30)[:, None]
    told = np.full(len(values), np.nan)
    size = max(LEAVES, 4 * aim.classes)
    for fold in range(FOLDS):
        others, here = aim.fold != fold, aim.fold == fold
        if not others.any() or not here.any():
            continue
        tree = (
            DecisionTreeClassifier(max_leaf_nodes=size, class_weight="balanced", random_state=0)
            if aim.classes
            else DecisionTreeRegressor(max_leaf_nodes=size, min_samples_leaf=5, random_state=0)
        )
        told[here] = tree.fit(x[others], aim.values[others]).predict(x[here])
    return aim.score(told)


def _by_words(texts: pl.Series, aim: Aim) -> float:
    """Tell the aim by the words, or the character runs, at the beginning of a text."""
    head = texts.head(TEXT_ROWS)
    x = hashed([head])
    short = aim.of(np.arange(len(head)))
    if aim.classes:
        y = np.eye(aim.classes)[short.values.astype(np.int64)] * 2 - 1
        return short.score(_ridge(x, y, short).argmax(axis=1).astype(np.float64))
    return short.score(_ridge(x, short.values[:, None], short)[:, 0])


def hashed(texts: Sequence[pl.Series]) -> Any:
    """Columns of text as one sparse matrix: which words and pairs of words a row has.

    Of a column of short texts it is runs of 3 and 4 characters. Rows are of unit length.
    """
    from scipy import sparse

    parts = []
    for column in texts:
        folded = grams.folded(column.cast(pl.String).str.head(TEXT_CUT))
        codes, offsets = grams.characters(folded)
        values, edges = grams.words(codes, offsets)
        runs = [(values, edges), grams.windows(values, edges, 2)]
        if mean_length(folded) < 100:
            runs = [grams.windows(codes.astype(np.uint64), offsets, size) for size in (3, 4)]
        owners = np.concatenate([np.repeat(np.arange(len(folded)), np.diff(e)) for _, e in runs])
        places = np.concatenate([found for found, _ in runs]) & np.uint64(HASHED - 1)
        cells = np.sort(owners.astype(np.int64) * HASHED + places.astype(np.int64))
        cells = cells[np.diff(cells, prepend=-1) > 0]
        sizes = np.bincount(cells // HASHED, minlength=len(folded))
        filled = 1 / np.sqrt(np.maximum(sizes, 1))[cells // HASHED]
        # scikit-learn takes places of 32 bits only.
        at = ((cells // HASHED).astype(np.int32), (cells % HASHED).astype(np.int32))
        parts.append(sparse.csr_array((filled, at), (len(folded), HASHED)))
    return sparse.hstack(parts, format="csr")


def _ridge(x: Any, y: Floats, aim: Aim) -> Floats:
    """Weighted ridge regression of each column of y, out of fold, by products of rows."""
    from threadpoolctl import threadpool_limits

    products = (x @ x.T).toarray()
    weights = _weights(aim)
    weights = weights / weights.mean()
    told = np.zeros(y.shape)
    for here in (aim.fold == number for number in range(FOLDS)):
        if not here.any() or here.all():
            continue
        own = weights[~here]
        mean = np.average(y[~here], axis=0, weights=own)
        system = products[np.ix_(~here, ~here)] + np.diag(0.1 / own)
        # One thread: sums must not depend on the number of cores.
        with threadpool_limits(1):
            answer = np.linalg.solve(system, y[~here] - mean)
            told[here] = products[np.ix_(here, ~here)] @ answer + mean
    return told


def _weights(aim: Aim) -> Floats:
    """Rows of rare classes count more, so that every class counts alike."""
    codes = aim.values.astype(np.int64)
    if not aim.classes:
        return np.ones(len(codes))
    return 1.0 / np.bincount(codes, minlength=aim.classes)[codes]


def auc(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """The area under the ROC curve and its variance.

    Reference: DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44(3); by ranks, Sun & Xu 2014.

    >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))[0]
    0.75
    """
    hits, misses = scores[positive], scores[~positive]
    m, n = len(hits), len(misses)
    if m < 2 or n < 2:
        return 0.5, float("inf")
    ranks, of_hits, of_misses = (
        pl.Series(values).rank("average").to_numpy()
        for values in (np.concatenate([hits, misses]), hits, misses)
    )
    above = (ranks[:m] - of_hits) / n
    below = 1 - (ranks[m:] - of_misses) / m
    value = float(above.mean())
    return value, float(above.var(ddof=1) / m + below.var(ddof=1) / n)
