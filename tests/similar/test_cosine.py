"""Vectors that point the same way: all of them while they are few, nearly all of many."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import RecipeError
from assay.similar import cosine
from assay.similar.cosine import cosine_pairs


def vectors(count: int, seed: int = 0, width: int = 32) -> np.ndarray:
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(count // 2, width))
    near = base + rng.normal(size=base.shape) * 0.12
    both = np.stack((base, near), axis=1).reshape(-1, width)
    return (both / np.linalg.norm(both, axis=1, keepdims=True)).astype(np.float32)


def hashes(count: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 1 << 63, count).astype(np.uint64)


def test_all_pairs_and_no_others_in_any_order_and_tile(monkeypatch):
    made, order = vectors(600), hashes(600)
    likeness = made.astype(np.float64) @ made.T
    wanted = {(a, b) for a, b in zip(*np.nonzero(likeness >= 0.95), strict=True) if a < b}

    a, b, value, crowded = cosine_pairs(made, 0.95, np.arange(600), order)
    assert set(zip(a, b, strict=True)) == wanted
    assert not len(crowded)
    assert np.allclose(value, likeness[a, b], atol=1e-6)

    monkeypatch.setattr(cosine, "TILE", 37)
    again = cosine_pairs(made, 0.95, np.arange(600), order)
    assert [part.tolist() for part in again[:3]] == [a.tolist(), b.tolist(), value.tolist()]

    shuffled = np.random.default_rng(1).permutation(600)
    c, d, _, _ = cosine_pairs(made[shuffled], 0.95, shuffled, order[shuffled])
    assert {tuple(sorted((shuffled[x], shuffled[y]))) for x, y in zip(c, d, strict=True)} == wanted


def test_cells_find_nearly_all(monkeypatch):
    made, order = vectors(6_000, seed=4), hashes(6_000)
    whole = cosine_pairs(made, 0.9, np.arange(6_000), order)
    monkeypatch.setattr(cosine, "ALL", 1_000)
    monkeypatch.setattr(cosine, "CELL", 100)

    some = cosine_pairs(made, 0.9, np.arange(6_000), order)

    wanted = set(zip(whole[0], whole[1], strict=True))
    found = set(zip(some[0], some[1], strict=True))
    assert found <= wanted
    assert len(found) >= 0.95 * len(wanted) > 1_000


def test_a_crowd_is_said_to_be_one():
    made = vectors(2)[[0] * 300] + np.random.default_rng(0).normal(size=(300, 32)) * 1e-3
    made = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)

    a, b, _, crowded = cosine_pairs(made, 0.9, np.arange(300), hashes(300))

    assert set(crowded) <= set(range(300)) and len(crowded) > 200
    assert len(a) <= 300 * cosine.MOST
    assert len(set(a) | set(b)) == 300


@pytest.mark.parametrize("threshold", [0.0, 1.1, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(RecipeError, match="threshold"):
        cosine_pairs(vectors(4), threshold, np.arange(4), hashes(4))
