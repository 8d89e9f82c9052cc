"""Which rows of the pairs that were found stay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.grams import distinct

Places = npt.NDArray[np.int64]


def superfluous(
    a: Places, b: Places, likeness: npt.NDArray[np.float64], rank: Places
) -> tuple[Places, Places, npt.NDArray[np.float64]]:
    """Take out the rows that a row of lower rank, which stays, is like.

    The row of lowest rank stays and all that it is paired with go, then the lowest of the rest,
    and so on. So a row never goes for the sake of one that it is not itself like: of a chain
    a - b - c in which a and c differ, c stays beside a. And no two rows that stay are a pair.

    Args:
        a, b: places of the pairs.
        likeness: of each pair.
        rank: of each place, without ties.

    Returns:
        The places that go, for each the most similar row that stays, and their likeness.

    >>> ends = np.array([0, 1]), np.array([1, 2])
    >>> gone, twins, _ = superfluous(*ends, np.array([0.9, 0.9]), np.array([0, 1, 2]))
    >>> gone.tolist(), twins.tolist()
    ([1], [0])
    """
    nodes, ends = np.unique(np.concatenate((a, b)), return_inverse=True)
    count = len(nodes)
    source = ends
    target = np.concatenate((ends[len(a) :], ends[: len(a)]))
    order = np.argsort(source, kind="stable")
    source, target = source[order], target[order]
    edges = np.searchsorted(source, np.arange(count + 1))
    own = rank[nodes]
    # How many better rows might still stay; a row with none of them left stays itself.
    waits = np.bincount(source, own[target] < own[source], count).astype(np.int64)
    decided = np.zeros(count, dtype=bool)
    stays = np.zeros(count, dtype=bool)
    front = np.flatnonzero(waits == 0)
    while len(front):
        stays[front] = decided[front] = True
        fall = _beside(front, edges, target)
        fall = distinct(fall[~decided[fall]])
        decided[fall] = True
        freed = _beside(fall, edges, target)
        better = np.repeat(own[fall], edges[fall + 1] - edges[fall]) < own[freed]
        freed = freed[better & ~decided[freed]]
        np.subtract.at(waits, freed, 1)
        freed = distinct(freed)
        front = freed[waits[freed] == 0]
    likeness = np.concatenate((likeness, likeness))[order]
    used = ~stays[source] & stays[target]
    source, target, likeness = source[used], target[used], likeness[used]
    best = np.lexsort((own[target], -likeness, source))
    first = best[np.unique(source[best], return_index=True)[1]]
    return nodes[source[first]], nodes[target[first]], likeness[first]


def _beside(some: Places, edges: Places, target: Places) -> Places:
    """The neighbours of some nodes, one after the other."""
    sizes = edges[some + 1] - edges[some]
    ends = np.cumsum(sizes)
    total = ends[-1] if len(ends) else 0
    places = np.arange(total) + np.repeat(edges[some] - (ends - sizes), sizes)
    beside: Places = target[places]
    return beside
