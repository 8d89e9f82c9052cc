"""Near pairs: found as often as the theory says, each verified, in any order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.marks import Sketches
from assay.similar import bands
from assay.similar.pairs import near_pairs
from assay.similar.shingles import shingled


def sketches(texts: list[str | None], **parameters: object) -> Sketches:
    rows = pl.DataFrame({"t": texts}, {"t": pl.String})
    return Sketches.of(rows, shingled, {"columns": ["t"], **parameters})


def exact(texts: list[str | None]) -> dict[tuple[int, int], float]:
    """The Jaccard similarity of the words of every two texts."""
    told = [set((text or "").lower().split()) for text in texts]
    return {
        (a, b): len(told[a] & told[b]) / len(told[a] | told[b])
        for a in range(len(texts))
        for b in range(a + 1, len(texts))
        if told[a] and told[b]
    }


WORDS = st.lists(st.sampled_from("abcdefgh"), max_size=8).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS | st.none(), max_size=14), st.sampled_from([0.5, 0.7, 0.9, 1.0]))
def test_every_pair_is_verified_and_equal_ones_hang_together(texts, threshold):
    pairs = near_pairs(sketches(texts, unit="words", shingle=1), threshold=threshold)

    truth = exact(texts)
    for a, b, jaccard in pairs.rows():
        assert a < b
        assert truth[a, b] == pytest.approx(jaccard)
        assert jaccard >= threshold
    mentioned = set(pairs["a"]) | set(pairs["b"])
    for (a, b), jaccard in truth.items():
        if jaccard == 1:
            assert {a, b} <= mentioned
    assert pairs.schema == {"a": pl.UInt32, "b": pl.UInt32, "jaccard": pl.Float64}


@settings(max_examples=30, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=14, unique=True), st.randoms(use_true_random=False))
def test_order_changes_no_pair(texts, shuffle):
    order = list(range(len(texts)))
    shuffle.shuffle(order)
    place = {old: new for new, old in enumerate(order)}

    straight = near_pairs(sketches(texts), threshold=0.5).rows()
    other = near_pairs(sketches([texts[n] for n in order]), threshold=0.5).rows()

    renamed = {(*sorted((place[a], place[b])), value) for a, b, value in straight}
    # Equal texts are linked in a star, whose centre is by hash and not by place.
    assert {row for row in renamed if row[2] < 1} == {row for row in other if row[2] < 1}


@pytest.mark.parametrize(("likeness", "least"), [(0.5, 0.97), (0.7, 0.98), (0.9, 0.99)])
def test_pairs_at_the_threshold_itself_are_found(likeness, least):
    rng = np.random.default_rng(1)
    shared, count = round(200 * likeness / (1 + likeness)), 300
    texts = []
    for pair in range(count):
        common = [f"c{pair}x{n}" for n in range(shared)]
        for side in "ab":
            own = [f"{side}{pair}x{n}" for n in range(100 - shared)]
            texts.append(" ".join(rng.permutation(common + own)))

    threshold = shared / (200 - shared)
    pairs = near_pairs(sketches(texts, unit="words", shingle=1), threshold=threshold - 1e-9)

    assert len(pairs) / count >= least
    assert pairs["jaccard"].to_list() == pytest.approx([threshold] * len(pairs))


def test_bands_meet_as_the_s_curve_says():
    """Leskovec, Rajaraman & Ullman 2014, section 3.4: 1 - (1 - s^r)^b with bands of own values."""
    rng = np.random.default_rng(2)
    size, likeness, count = 3, 0.6, 4_000
    own = list(bands._layout(size)[: bands.HASHES // 2 // size])
    one = rng.integers(0, 1 << 16, (count, bands.HASHES)).astype(np.uint16)
    keep = rng.random((count, bands.HASHES)) < likeness
    other = np.where(keep, one, rng.integers(0, 1 << 16, one.shape)).astype(np.uint16)

    met = np.zeros(count, dtype=bool)
    for columns in own:
        met |= (one[:, columns] == other[:, columns]).all(axis=1)

    wanted = 1 - (1 - likeness**size) ** len(own)
    assert abs(met.mean() - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / count)


def test_texts_that_straddle_the_limit_of_length_meet():
    texts = []
    for number in range(200):
        words = [f"w{number}x{n}" for n in range(30)]
        # From 16 to 35 words, so that one of a pair is often noted otherwise than the other.
        length = 16 + number % 18
        texts += [" ".join(words[:length]), " ".join(words[: length + 2])]

    pairs = near_pairs(sketches(texts), threshold=0.7)

    found = {(a, b) for a, b, _ in pairs.rows()}
    assert len(found & {(2 * n, 2 * n + 1) for n in range(200)}) >= 196


def test_a_hundred_thousand_equal_texts_are_linked_once_each():
    texts = ["the same words again and again"] * 100_000 + ["something else", None, ""]

    pairs = near_pairs(sketches(texts), threshold=0.8)

    assert len(pairs) == 99_999
    assert pairs["jaccard"].min() == 1.0


def test_a_crowd_of_templated_texts_is_not_compared_each_with_each(monkeypatch):
    """All of 3,000 are alike: 4.5 million pairs, of which a small part connects them."""
    template = " ".join(f"word{n}" for n in range(60))
    texts = [f"{template} number {n}" for n in range(3_000)]
    compared = 0
    agree = bands._agree

    def counting(signs, kinds, a, b, fewest):
        nonlocal compared
        compared += len(a)
        return agree(signs, kinds, a, b, fewest)

    monkeypatch.setattr(bands, "_agree", counting)
    pairs = near_pairs(sketches(texts), threshold=0.8)

    assert compared < 3_000 * 60
    assert len(set(pairs["a"]) | set(pairs["b"])) == 3_000


def test_across_labels_only_and_everybody_who_has_one():
    texts = ["a red kettle"] * 5 + ["a red kettle of steel"] * 2 + ["tax law"] * 3 + [None]
    labels = pl.Series(
        ["train"] * 4 + ["test"] + ["test", "train"] + ["train"] * 2 + [None, "test"]
    )

    pairs = near_pairs(sketches(texts), threshold=0.4, across=labels)

    told = labels.to_list()
    assert all(told[a] != told[b] and told[a] and told[b] for a, b, _ in pairs.rows())
    assert set(pairs["a"]) | set(pairs["b"]) == set(range(7))


def test_a_crowd_on_one_side_hides_nobody_from_the_other():
    template = " ".join(f"word{n}" for n in range(60))
    texts = [f"{template} number {n}" for n in range(3_000)]
    labels = pl.Series(["test" if n % 300 == 0 else "train" for n in range(3_000)])

    pairs = near_pairs(sketches(texts), threshold=0.8, across=labels)

    tests = {n for n in range(3_000) if n % 300 == 0}
    assert tests <= set(pairs["a"]) | set(pairs["b"])


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.5, float("nan")])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(RecipeError, match="threshold"):
        near_pairs(sketches(["a", "a b"]), threshold=threshold)


@pytest.mark.parametrize("texts", [[], [None], ["one"], [None, "", " "]])
def test_nothing_to_compare_gives_no_pairs(texts):
    assert near_pairs(sketches(texts), threshold=0.5).is_empty()
