"""Who stays: no pair of those that stay is left, and nobody goes for a stranger."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.similar.choice import superfluous
from assay.similar.clusters import clusters

LINKS = st.lists(st.tuples(st.integers(0, 15), st.integers(0, 15)), max_size=40).map(
    lambda pairs: sorted({tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]})
)


@settings(max_examples=100, deadline=None)
@given(LINKS, st.permutations(range(16)))
def test_it_is_what_a_walk_from_the_best_to_the_worst_gives(links, ranks):
    rank = np.array(ranks)
    likeness = np.array([0.5 + (3 * a + 5 * b) % 17 / 40 for a, b in links])
    a, b = (np.array([link[side] for link in links], dtype=np.int64) for side in (0, 1))

    gone, twins, values = superfluous(a, b, likeness, rank)

    beside = {n: set() for n in range(16)}
    for one, other in links:
        beside[one].add(other)
        beside[other].add(one)
    stays: set[int] = set()
    for node in sorted(range(16), key=lambda node: ranks[node]):
        if not beside[node] & stays:
            stays.add(node)
    assert set(gone.tolist()) == set(range(16)) - stays
    for node, twin, value in zip(gone.tolist(), twins.tolist(), values.tolist(), strict=True):
        told = {other: likeness[links.index(tuple(sorted((node, other))))]
                for other in beside[node] & stays}  # fmt: skip
        assert twin in told
        assert value == max(told.values())


def test_a_long_chain_in_order_takes_no_time_that_hurts():
    count = 20_000
    a = np.arange(count - 1)

    gone, twins, _ = superfluous(a, a + 1, np.ones(count - 1), np.arange(count))

    assert gone.tolist() == list(range(1, count, 2))
    assert set(twins % 2) == {0}


@settings(max_examples=50, deadline=None)
@given(LINKS)
def test_clusters_are_what_pairs_connect(links):
    frame = pl.DataFrame(links, {"a": pl.UInt32, "b": pl.UInt32}, orient="row")

    number = clusters(frame, 16)

    above = list(range(16))
    for _ in range(16):
        for a, b in links:
            above[a] = above[b] = min(above[a], above[b])
    for a in range(16):
        for b in range(16):
            assert (number[a] == number[b]) == (above[a] == above[b])
