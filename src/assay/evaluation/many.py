"""Many models at once: Friedman's test, its pairs, and the groups that cannot be told apart."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.evaluation.compare import holm
from assay.evaluation.scored import Floats

FEW = 30


@dataclass(frozen=True)
class Ranks:
    """Models ranked within blocks, and what the mean ranks say.

    Attributes:
        means: the mean rank of each model, 1 is best.
        blocks: how many blocks there are: data sets, folds, groups or rows.
        chi_square: Friedman's statistic, corrected for ties.
        p: of it.
        f: Iman and Davenport's statistic, less conservative.
        f_p: of it.
        pairs: the places of two models and the Holm-adjusted p of their ranks' difference.
        critical_difference: Nemenyi's, at 5 %.
        groups: places of models, best first, that do not differ by more than that.
    """

    means: tuple[float, ...]
    blocks: int
    chi_square: float
    p: float
    f: float
    f_p: float
    pairs: tuple[tuple[int, int, float], ...]
    critical_difference: float
    groups: tuple[tuple[int, ...], ...]


def friedman(values: Any, *, better: str = "lower") -> Ranks:
    """Rank models within blocks and test whether all are alike; then each pair, by Holm.

    Args:
        values: (blocks, models) one value for each.
        better: `lower` or `higher` values are.

    Raises:
        ValueError: there are fewer than two blocks or three models.

    References: Friedman (1937), Journal of the American Statistical Association 32:675-701; Iman
    and Davenport (1980), Communications in Statistics A 9:571-595; Demšar (2006), Journal of
    Machine Learning Research 7:1-30.

    >>> found = friedman([[1, 2, 3], [1, 2, 3], [1, 3, 2], [1, 2, 3]])
    >>> found.means, round(found.chi_square, 2)
    ((1.0, 2.25, 2.75), 6.5)
    """
    from scipy.special import chdtrc, fdtrc, ndtr

    table = np.asarray(values, dtype=np.float64)
    blocks, k = table.shape if table.ndim == 2 else (0, 0)
    if blocks < 2 or k < 3:
        raise ValueError(f"at least 2 blocks and 3 models: got {blocks} and {k}")
    ranks = _ranks(table if better == "lower" else -table)
    means = ranks.mean(axis=0)
    # With ties the ranks spread less; their own spread takes the place of (k + 1) k / 12.
    spread = float(((ranks - (k + 1) / 2) ** 2).sum()) / (blocks * (k - 1))
    shift = float(((means - (k + 1) / 2) ** 2).sum())
    chi = blocks * shift / spread if spread > 0 else 0.0
    room = blocks * (k - 1) - chi
    f = (blocks - 1) * chi / room if room > 0 else math.inf
    pairs = list(itertools.combinations(range(k), 2))
    error = math.sqrt(2 * spread / blocks)
    raw = [
        float(2 * ndtr(-abs(means[a] - means[b]) / error)) if error > 0 else 1.0 for a, b in pairs
    ]
    adjusted = [p if p is not None else 1.0 for p in holm(raw)]
    distance = nemenyi(k, blocks)
    return Ranks(
        tuple(means.tolist()),
        blocks,
        chi,
        float(chdtrc(k - 1, chi)),
        f,
        float(fdtrc(k - 1, (k - 1) * (blocks - 1), f)) if math.isfinite(f) else 0.0,
        tuple((a, b, p) for (a, b), p in zip(pairs, adjusted, strict=True)),
        distance,
        _alike(means, distance),
    )


def _ranks(table: Floats) -> Floats:
    """(blocks, models) ranks within each block; equal values share theirs."""
    from scipy.stats import rankdata

    k = table.shape[1]
    if k > FEW:
        return np.asarray(rankdata(table, axis=1))
    # Counting who lies below whom takes a fraction of the time of sorting each of many short rows.
    columns = np.ascontiguousarray(table.T)
    found = np.ones((k, table.shape[0]))
    for a, b in itertools.permutations(range(k), 2):
        found[a] += columns[b] < columns[a]
        found[a] += 0.5 * (columns[b] == columns[a])
    return found.T


def nemenyi(models: int, blocks: int, level: float = 0.05) -> float:
    """The difference of mean ranks from which on two models are told apart.

    Args:
        models: how many are ranked.
        blocks: in how many blocks.
        level: of the whole family of pairs.

    References: Nemenyi (1963), Distribution-free multiple comparisons, Princeton; Demšar (2006),
    table 5.

    >>> round(nemenyi(4, 14), 2)  # Demšar 2006, page 13
    1.25
    """
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - level, models, np.inf)) / math.sqrt(2)
    return q * math.sqrt(models * (models + 1) / (6 * blocks))


def benjamini_hochberg(p: Sequence[float] | Floats) -> Floats:
    """Adjust p-values so that at most a share of the found differences is false.

    Reference: Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B
    57:289-300.

    >>> benjamini_hochberg([0.01, 0.04, 0.03, 0.5]).round(4).tolist()
    [0.04, 0.0533, 0.0533, 0.5]
    """
    given = np.asarray(p, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    steps = given[order] * len(given) / np.arange(1, len(given) + 1)
    adjusted = np.empty(len(given))
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return adjusted


def _alike(means: Floats, distance: float) -> tuple[tuple[int, ...], ...]:
    """The longest runs of ranked models that lie within the distance."""
    order = np.argsort(means, kind="stable").tolist()
    groups: list[tuple[int, ...]] = []
    for first in range(len(order)):
        last = max(i for i in range(first, len(order))
                   if means[order[i]] - means[order[first]] <= distance)  # fmt: skip
        run = tuple(order[first : last + 1])
        if len(run) > 1 and not any(set(run) <= set(known) for known in groups):
            groups.append(run)
    return tuple(groups)
