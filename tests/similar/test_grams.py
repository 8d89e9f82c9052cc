"""Hashes of runs: equal runs have equal hashes wherever they stand, others do not."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import grams


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 5), max_size=9), max_size=8),
    st.integers(min_value=1, max_value=5),
)
def test_windows_are_equal_where_their_values_are(rows, size):
    values = np.array([value for row in rows for value in row], dtype=np.uint64)
    offsets = grams.starts(np.array([len(row) for row in rows], dtype=np.int64))

    hashes, places = grams.windows(values, offsets, size)

    runs = [
        tuple(row[at : at + size])
        for row in rows
        for at in range(max(len(row) - size, 0) + 1)
        if row
    ]
    assert len(runs) == len(hashes) == places[-1]
    by_run: dict[tuple[int, ...], int] = {}
    for run, value in zip(runs, hashes.tolist(), strict=True):
        assert by_run.setdefault(run, value) == value
    assert len(set(by_run.values())) == len(by_run)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab1_ ,.-é中文ひ"), max_size=14), max_size=6))
def test_words_are_runs_of_letters_or_single_ideographs(texts):
    hashes, offsets = grams.words(
        *grams.characters(grams.folded(pl.Series(texts, dtype=pl.String)))
    )

    told = [re.findall(r"[中文ひ]|[ab1_é]+", text) for text in texts]
    assert np.diff(offsets).tolist() == [len(words) for words in told]
    flat = [word for words in told for word in words]
    assert len(set(flat)) == len(set(hashes.tolist()))
    assert len(set(zip(flat, hashes.tolist(), strict=True))) == len(set(flat))


def test_repeated_patterns_do_not_collide():
    texts = ["ab" * 3000, "ba" * 3000, "ab" * 2999 + "ba", "aabb" * 1500, "abba" * 1500]
    codes, offsets = grams.characters(pl.Series(texts))

    hashes, _ = grams.windows(codes.astype(np.uint64), offsets, 6000)

    assert len(set(hashes.tolist())) == len(texts)
