"""Shingles and MinHash: what is noted of a row depends on that row, and estimates are fair."""

from __future__ import annotations

import itertools
import string

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import grams
from assay.errors import RecipeError
from assay.marks import Sketches
from assay.similar.pairs import near_pairs
from assay.similar.shingles import CAP, FLAT, HASHES, minhash, packed, shingled, signatures

ODD = [
    None, "", " \n\t", "x", "!!!", "...", "c++", "C#", "a red kettle", "中文没有空格的文本",
    "שלום עולם", "مرحبا بالعالم", "😀😀😀", "e\u0301te\u0301", "a\u00a0b\u2003c", "\u200d", "١٢٣",
    "word " * 40, " ".join(f"w{n}" for n in range(30)), "ß İ ǅ", "\x00\x01", "ไทยไม่มีช่องว่าง",
]  # fmt: skip


def noted(texts: list[str | None], **parameters: object) -> pl.DataFrame:
    return shingled(pl.DataFrame({"t": texts}, {"t": pl.String}), columns=["t"], **parameters)


def lists(texts: list[str | None], **parameters: object) -> list[set[int]]:
    return [set(one or []) for one in noted(texts, **parameters)["shingles"].to_list()]


def test_the_shingles_of_words_are_those_that_a_set_of_tuples_holds():
    texts = ["the cat sat on the cat sat", "on the mat the cat sat", "THE CAT, sat!"]

    got = lists(texts, unit="words", shingle=3)

    told = [text.lower().replace(",", "").replace("!", "").split() for text in texts]
    wanted = [{tuple(words[n : n + 3]) for n in range(len(words) - 2)} for words in told]
    for a in range(3):
        assert len(got[a]) == len(wanted[a])
        for b in range(3):
            assert len(got[a] & got[b]) == len(wanted[a] & wanted[b])


def test_the_shingles_of_characters_are_those_of_slices():
    texts = ["a red kettle", "a  RED-kettle", "the red kettles", "中文没有空格", "空格没有中文"]

    got = lists(texts, unit="characters", shingle=3)

    plain = ["a red kettle", "a red kettle", "the red kettles", "中文没有空格", "空格没有中文"]
    wanted = [{text[n : n + 3] for n in range(len(text) - 2)} for text in plain]
    for a in range(5):
        for b in range(5):
            assert len(got[a] & got[b]) == len(wanted[a] & wanted[b])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(ODD) | st.text(max_size=60), max_size=12))
def test_a_row_is_noted_the_same_in_any_company(texts):
    whole = noted(texts)

    for place, text in enumerate(texts):
        assert noted([text]).equals(whole[place : place + 1])


def test_pieces_leave_no_trace(monkeypatch):
    texts = [*ODD, *(" ".join(f"w{n * m % 97}" for n in range(m)) for m in range(60))]
    whole = noted(texts)

    monkeypatch.setattr(grams, "PIECE", 40)

    assert noted(texts).equals(whole)


def test_only_rows_without_text_have_no_shingles():
    frame = noted(ODD)

    empty = [text is None or not text.strip() for text in ODD]
    # A joiner that nothing is joined to is no text to anybody.
    empty[ODD.index("\u200d")] = frame["_set"].is_null()[ODD.index("\u200d")]
    assert frame["_set"].is_null().to_list() == empty
    assert frame["shingles"].is_null().to_list() == empty
    assert frame.columns == [*FLAT, "shingles"]
    assert noted([]).schema == frame.schema


def test_case_space_and_punctuation_do_not_count_but_signs_do():
    sets = noted(["Red  kettle", "red, kettle.", "red\u00a0kettle", "C", "C++", "C#"])["_set"]

    assert sets[:3].n_unique() == 1
    assert sets[3:].n_unique() == 3


def test_columns_are_read_together_and_never_mixed():
    rows = pl.DataFrame({"a": ["red kettle", "lamp", None], "b": ["lamp", "red kettle", "lamp"]})

    both = [set(one) for one in shingled(rows, columns=["a", "b"])["shingles"].to_list()]
    other = [set(one) for one in shingled(rows, columns=["b", "a"])["shingles"].to_list()]

    assert both == other
    assert not both[0] & both[1]
    assert both[2] < both[0]


def test_texts_on_either_side_of_the_limit_of_length_share_a_kind():
    words = [f"word{n}" for n in range(60)]
    kinds = noted([" ".join(words[:count]) for count in range(1, 60)])["_kinds"].to_list()

    for one in range(1, 60):
        for other in range(one, 60):
            if one / other >= 0.5:
                assert kinds[one - 1] & kinds[other - 1], (one, other)
    assert set(kinds) == {1, 2, 3}


def test_a_long_text_costs_kilobytes_and_its_sample_is_fair():
    rng = np.random.default_rng(0)
    vocabulary = np.array(
        ["".join(rng.choice(list(string.ascii_lowercase), 7)) for _ in range(9999)]
    )
    words = vocabulary[rng.integers(0, 9999, 700_000)].tolist()
    changed = list(words)
    for place in rng.integers(0, len(words), 35_000):
        changed[place] = "other"
    texts = [" ".join(words), " ".join(changed)]
    assert len(texts[0]) > 5_000_000

    frame = noted(texts)

    assert frame["shingles"].list.len().to_list() == [CAP, CAP]
    whole = [set(itertools.pairwise(side)) for side in (words, changed)]
    exact = len(whole[0] & whole[1]) / len(whole[0] | whole[1])
    rows = frame.with_columns(_row=pl.Series([1, 2], dtype=pl.UInt64))
    sketches = Sketches(rows, lambda places: rows.select("shingles")[pl.Series(places)])
    told = near_pairs(sketches, threshold=0.5)["jaccard"]
    # Five standard errors of a share in a sample of 1,024.
    assert abs(told[0] - exact) < 5 * np.sqrt(exact * (1 - exact) / CAP)


@pytest.mark.parametrize("likeness", [0.2, 0.5, 0.8])
def test_minhash_values_agree_with_the_probability_of_the_jaccard_similarity(likeness):
    """Broder 1997: the minima of two sets agree as often as their Jaccard similarity says."""
    rng = np.random.default_rng(3)
    size, pairs = 120, 500
    shared = round(2 * size * likeness / (1 + likeness))
    exact = shared / (2 * size - shared)
    drawn = rng.integers(0, 1 << 31, (pairs, 2 * size - shared), dtype=np.uint32)
    one, other = drawn[:, :size], drawn[:, size - shared :]
    offsets = np.arange(pairs + 1) * size

    same = minhash(one.ravel(), offsets) == minhash(other.ravel(), offsets)

    error = np.sqrt(exact * (1 - exact) / same.size)
    assert abs(same.mean() - exact) < 5 * error
    # The 64 values of a row are as good as independent: their sum spreads as a binomial's.
    spread = same.sum(axis=1).var() / (HASHES * exact * (1 - exact))
    assert 0.7 < spread < 1.4


def test_signatures_are_the_packed_values():
    frame = noted(["one two three", None, "four five"])

    matrix = signatures(packed(frame))

    assert matrix.shape == (3, HASHES)
    assert (matrix[1] == 0).all()
    assert frame["_minhash0"][0] == int.from_bytes(matrix[0, :4].tobytes(), "little")


@pytest.mark.parametrize(
    "parameters", [{"columns": []}, {"columns": ["u"]}, {"columns": ["t"], "shingle": 0}]
)
def test_what_cannot_be_is_refused(parameters):
    with pytest.raises(RecipeError):
        shingled(pl.DataFrame({"t": ["a"]}), **parameters)
