"""Functional dependencies that almost hold, found without being told.

A dependency A → B says that rows that agree in A agree in B. How nearly it holds is measured by μ
(Piatetsky-Shapiro and Matheus 1993), the share of pairs of rows that agree, beyond what as many
groups would show by chance; Parciak, Weytjens, Hens, Neven, Peeters and Vansummeren (ICDE 2024)
found it to rank true dependencies best among fourteen measures. Values that rule in no group at
all are left out of the measure: they are what is to be found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.checks.finding import Inspected
from assay.rows import uniform

Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

COLUMNS = 60
# Rows from which a dependency is found; it is applied to all.
LOOKED_AT = 6_000
GROUP = 3
GROUPS = 5
REPEATS = 30
NEARLY = 0.9
ORPHANS = 0.1


@dataclass(frozen=True)
class Dependency:
    """A → B, as far as it was seen.

    Attributes:
        left: the fields that determine.
        right: the field that is determined.
        mu: how nearly it holds, beyond chance; 1 where it holds without exception.
    """

    left: tuple[str, ...]
    right: str
    mu: float


@dataclass(frozen=True)
class Grouped:
    """For each row what its group says of a field.

    Attributes:
        size: rows of the group that have a value; 0 for a row without a group.
        ruling: the most frequent value's code, -1 where there is none.
        votes: how many rows of the group have it.
    """

    size: npt.NDArray[np.int64]
    ruling: npt.NDArray[np.int64]
    votes: npt.NDArray[np.int64]


def grouped(left: Codes, right: Codes) -> Grouped:
    """What rows that agree in `left` say of `right`."""
    count = len(left)
    both = (left >= 0) & (right >= 0)
    width = int(right.max(initial=0)) + 1
    groups = int(left.max(initial=-1)) + 1
    pairs, times = np.unique(left[both].astype(np.int64) * width + right[both], return_counts=True)
    group, value = pairs // width, pairs % width
    size = np.bincount(group, weights=times, minlength=groups).astype(np.int64)
    # The last of each group is its most frequent value, of equal ones the more frequent overall.
    order = np.lexsort((-value, times, group))
    last = np.flatnonzero(np.diff(group[order], append=-1))
    ruling, votes = np.full(groups, -1, np.int64), np.zeros(groups, np.int64)
    ruling[group[order][last]] = value[order][last]
    votes[group[order][last]] = times[order][last]
    known = left >= 0
    result = Grouped(
        np.zeros(count, np.int64), np.full(count, -1, np.int64), np.zeros(count, np.int64)
    )
    for target, source in ((result.size, size), (result.ruling, ruling), (result.votes, votes)):
        target[known] = source[left[known]]
    return result


def strength(left: Codes, right: Codes, odd: Mask) -> float:
    """μ of left → right among groups of three rows and more; 0 where there is too little to tell.

    Values that rule in no group are left out where `odd` says that they may be slips.
    """
    seen = grouped(left, right)
    kept = (seen.size >= GROUP) & (right >= 0)
    filled = int(((left >= 0) & (right >= 0)).sum())
    if kept.sum() < max(REPEATS, 0.3 * filled):
        return 0.0
    rules = kept & (seen.votes >= 2)
    majorities = np.unique(seen.ruling[rules])
    if len(majorities) < 2:
        return 0.0
    orphan = kept & odd & ~np.isin(right, majorities)
    if orphan.sum() > ORPHANS * kept.sum():
        return 0.0
    kept &= ~orphan
    return _mu(left[kept], right[kept])


def _mu(left: Codes, right: Codes) -> float:
    rows = len(left)
    width = int(right.max(initial=0)) + 1
    pairs, times = np.unique(left.astype(np.int64) * width + right, return_counts=True)
    _, group = np.unique(pairs // width, return_inverse=True)
    sizes = np.bincount(group, weights=times)
    groups = len(sizes)
    if groups < GROUPS or rows - groups < REPEATS:
        return 0.0
    agreeing = float((times.astype(np.float64) ** 2 / sizes[group]).sum()) / rows
    shares = np.bincount(right) / rows
    anyway = float((shares**2).sum())
    # Rows outside the commonest value's groups must repeat as well, or one group decides.
    most = int(shares.argmax())
    others = times[(pairs % width) != most]
    if anyway >= 1.0 or others.sum() - len(others) < GROUP - 1:
        return 0.0
    return 1.0 - (1.0 - agreeing) / (1.0 - anyway) * (rows - 1) / (rows - groups)


def discover(data: Inspected, names: Sequence[str]) -> list[Dependency]:
    """Dependencies between these fields, of one field on the left or, failing that, two."""
    codes = {name: data.codes(name) for name in names}
    odd = {name: slips(data, name) for name in names}
    found: list[Dependency] = []
    near: dict[str, list[tuple[float, str]]] = {name: [] for name in names}
    for left in names:
        looked_at = _groups(data, codes[left])
        if looked_at is None:
            continue
        few = looked_at[: max(1, len(looked_at) // 4)]
        for right in names:
            if right == left:
                continue
            quick = strength(codes[left][few], codes[right][few], odd[right][few])
            near[right].append((quick, left))
            if len(few) >= 1000 and quick < 0.5:
                continue
            at = looked_at
            mu = strength(codes[left][at], codes[right][at], odd[right][at])
            if mu >= NEARLY:
                found.append(Dependency((left,), right, mu))
    known = {one.right for one in found}
    # One field alone told nothing of these: two may. Their number is bounded, not that of rows.
    open_ = [name for name in names if name not in known][:20]
    for right in open_:
        best = [left for _, left in sorted(near[right], reverse=True)[:6]]
        found += _two(data, codes, odd[right], best, right)
    return found


def slips(data: Inspected, name: str) -> Mask:
    """Rows whose value may be a slip: any in a field of words; of numbers what is none.

    A large count is as rare as a slip, and is none.
    """
    if data.fields[name].type in ("integer", "number", "datetime"):
        return data.rows[name].is_null().to_numpy()
    return np.ones(data.rows.height, np.bool_)


def _two(
    data: Inspected, codes: dict[str, Codes], odd: Mask, lefts: Sequence[str], right: str
) -> list[Dependency]:
    found: list[Dependency] = []
    for at, first in enumerate(lefts):
        for second in lefts[at + 1 :]:
            both = pair(codes[first], codes[second])
            looked_at = _groups(data, both)
            if looked_at is None:
                continue
            mu = strength(both[looked_at], codes[right][looked_at], odd[looked_at])
            if mu >= NEARLY:
                found.append(Dependency((first, second), right, mu))
    return sorted(found, key=lambda one: -one.mu)[:3]


def pair(first: Codes, second: Codes) -> Codes:
    """Codes of two fields together; -1 where either has no value."""
    known = (first >= 0) & (second >= 0)
    joined = first.astype(np.int64) * (int(second.max(initial=0)) + 1) + second
    result = np.full(len(first), -1, np.int32)
    result[known] = np.unique(joined[known], return_inverse=True)[1]
    return result


def _groups(data: Inspected, left: Codes) -> npt.NDArray[np.int64] | None:
    """Rows of whole groups, drawn by seed; None where too few rows share their value."""
    known = left[left >= 0]
    if not len(known):
        return None
    sizes = np.bincount(known)
    large = sizes >= GROUP
    if large.sum() < GROUPS or sizes[large].sum() < 0.3 * len(known):
        return None
    draws = uniform(np.arange(len(sizes), dtype=np.uint64), data.seed, "dependencies")
    draws[~large] = 2.0
    # No single group may fill the sample.
    order = np.argsort(draws, kind="stable")
    total = np.cumsum(np.minimum(sizes[order], LOOKED_AT // 20))
    taken = order[: max(GROUPS, int(np.searchsorted(total, LOOKED_AT)))]
    rank = np.full(len(sizes), -1, np.int64)
    rank[taken] = np.arange(len(taken))
    rank[~large] = -1
    rows = np.flatnonzero((left >= 0) & (rank[left] >= 0))
    within = np.argsort(rank[left[rows]], kind="stable")
    rows = rows[within]
    return rows[: 4 * LOOKED_AT]
