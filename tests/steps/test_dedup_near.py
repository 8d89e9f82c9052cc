"""Near duplicates: a row goes only for one that stays and is itself alike, in any order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import dedup

LOREM = [f"word{n}" for n in range(200)]


def rows(texts: list[str | None], **more: list[object]) -> pl.DataFrame:
    frame = pl.DataFrame({"t": texts, **more}, schema_overrides={"t": pl.String})
    return frame.with_columns(_row=pl.int_range(len(texts), dtype=pl.UInt64) * 7919 % 10_007 + 1)


def chain(links: int, step: int = 12) -> list[str]:
    """Texts of 100 words, each of which has exchanged some of the last one's words."""
    return [" ".join(LOREM[n * step : n * step + 100]) for n in range(links)]


WORDS = st.lists(st.sampled_from("abcdef"), min_size=0, max_size=7).map(" ".join)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(WORDS | st.none(), max_size=16),
    st.sampled_from([0.5, 0.7, 1.0]),
    st.sampled_from([None, "first", "longest", "complete"]),
    st.randoms(use_true_random=False),
)
def test_invariants(texts, threshold, keep, shuffle):
    table = rows(texts)
    asked = {"columns": ["t"], "threshold": threshold, "keep": keep, "most": 1.0}
    order = list(range(len(texts)))
    shuffle.shuffle(order)

    result = dedup.near(table, **asked)

    assert dedup.near(table[order], **asked).equals(result[order])
    goes = result["rule"].is_not_null()
    kept = table.filter(~goes)
    assert set(result["twin"].drop_nulls()) <= set(kept["_row"])
    assert (result["twin"].is_not_null() == goes).all()
    assert (result["value"].is_not_null() == goes).all()
    assert (result["value"].drop_nulls() >= threshold).all()
    blank = table["t"].fill_null("").str.strip_chars() == ""
    assert result.filter(blank)["rule"].null_count() == blank.sum()
    assert result.filter(blank)["cluster"].null_count() == blank.sum()
    # What stays holds no near duplicates any more.
    assert dedup.near(kept, **asked)["rule"].null_count() == len(kept)
    for _, members in result.with_columns(table["_row"]).group_by("cluster"):
        if members["cluster"][0] is not None:
            assert len(members) > 1
            assert members["cluster"][0] in members.filter(pl.col("rule").is_null())["_row"]


def test_the_ends_of_a_chain_stay_and_are_one_cluster():
    table = rows(chain(5)).with_columns(_row=pl.Series([1, 2, 3, 4, 5], dtype=pl.UInt64))

    result = dedup.near(table, columns=["t"], threshold=0.7)

    assert result["rule"].to_list() == [None, "near duplicate", None, "near duplicate", None]
    assert result["twin"].to_list()[1] in (1, 3)
    assert result["cluster"].to_list() == [1] * 5


def test_which_row_stays():
    texts = ["a steel kettle, red, with a lid", "a steel kettle, red, with a lid!!", "a lamp"]
    table = rows(
        texts, other=["x", None, None], day=[1, 2, 3], price=[float("nan"), 2.0, 9.0]
    ).with_columns(_row=pl.Series([2, 1, 3], dtype=pl.UInt64))

    def goes(**asked: object) -> list[bool]:
        result = dedup.near(table, columns=["t"], **asked)
        return result["rule"].is_not_null().to_list()

    assert goes() == goes(keep="first") == [True, False, False]
    assert goes(keep="longest") == [True, False, False]
    assert goes(keep="complete") == [False, True, False]
    assert goes(keep="newest", prefer="day") == [True, False, False]
    assert goes(prefer="-day") == [False, True, False]
    assert goes(keep="best", prefer="price") == [True, False, False]


def test_only_rows_equal_in_these_columns_are_compared():
    table = rows(["a red kettle"] * 4, brand=["x", "y", "x", None])

    result = dedup.near(table, columns=["t"], within=["brand"])

    assert result["rule"].count() == 1
    assert result["rule"][1] is None
    assert result["rule"][3] is None


def test_title_and_text_are_one_comparison():
    text = " ".join(LOREM[:40])
    table = pl.DataFrame(
        {"title": ["red", "blue", "red", None], "text": [text, text, "other", None]}
    )

    result = dedup.near(table, columns=["title", "text"])

    assert result["rule"].count() == 1
    assert result["rule"][2] is None


def test_a_column_called_like_a_note_is_left_alone():
    table = rows(["a red kettle", "A red kettle", "lamp"], length=[1, 9, 5])

    result = dedup.near(table, columns=["t"], prefer="length")

    assert result["rule"].to_list() == ["near duplicate", None, None]


def test_identity_without_a_row_hash_is_the_content_s():
    from assay.rows import row_ids

    table = pl.DataFrame({"t": ["a red kettle", "A red kettle", "lamp"], "n": [1, 2, 3]})

    result = dedup.near(table, columns=["t"])

    goes = result["rule"].is_not_null()
    assert set(result["twin"].drop_nulls()) <= set(row_ids(table).filter(~goes))


def test_too_many_are_not_taken_out_but_told():
    table = rows([f"the same text again {n // 9}" for n in range(30)])

    with pytest.raises(RecipeError) as caught:
        dedup.near(table, columns=["t"], threshold=0.9)

    told = str(caught.value)
    assert "of 30 rows" in told
    assert "9, 9, 9, 3" in told
    assert "assay duplicates" in told
    assert dedup.near(table, columns=["t"], threshold=0.9, most=0.9)["rule"].count() == 26


def test_a_crowd_of_templated_texts_settles():
    template = " ".join(LOREM[:60])
    table = rows([f"{template} number {n}" for n in range(1_500)])

    result = dedup.near(table, columns=["t"], most=1.0)

    assert result["rule"].null_count() == 1
    assert result["cluster"].n_unique() == 1


@pytest.mark.parametrize(
    ("texts", "gone"),
    [
        (["x", "x", "y"], 1),
        (["", "", None, None, " "], 0),
        (["中文没有空格的一段文本", "中文没有空格的一段文字", "完全不同的内容在这里"], 1),
        (["שלום עולם לכולם כאן", "שלום עולם לכולם, כאן", "אחר"], 1),
        (["😀😀😀😀", "😀😀😀😀", "🎉"], 1),
        (["!!!", "!!!", "???"], 1),
        (["word " * 1_000_000, "word " * 999_999, "lamp"], 1),
        (["\x00", "\x00", "a"], 1),
    ],
)
def test_odd_texts(texts, gone):
    result = dedup.near(rows(texts), columns=["t"], threshold=0.6)

    assert result["rule"].count() == gone


@pytest.mark.parametrize(
    "asked",
    [
        {"columns": []},
        {"columns": ["tt"]},
        {"columns": ["t"], "threshold": 0.0},
        {"columns": ["t"], "most": 2.0},
        {"columns": ["t"], "shingle": 0},
        {"columns": ["t"], "keep": "best"},
        {"columns": ["t"], "keep": "newest"},
        {"columns": ["t"], "keep": "longest", "prefer": "t"},
        {"columns": ["t"], "prefer": "nothing > 1"},
    ],
)
def test_what_cannot_be_is_refused(asked):
    with pytest.raises(RecipeError):
        dedup.near(rows(["a", "b"]), **asked)


def test_numbers_are_compared_as_they_are_written():
    table = pl.DataFrame({"n": [12345, 12345, 99], "_row": pl.Series([1, 2, 3], dtype=pl.UInt64)})

    assert dedup.near(table, columns=["n"])["rule"].to_list() == [None, "near duplicate", None]


@pytest.mark.slow
def test_planted_copies_are_found_and_nothing_else(tmp_path, monkeypatch):
    """The benchmark's proof on a fifth of its records: recall 0.95 at precision 0.99."""
    from pathlib import Path

    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2]))
    from benchmarks import near, records

    path = tmp_path / "records.jsonl"
    records.write(path, 10_000, workers=1)

    found = near.on_records(path)[0]

    assert found["planted"] > 200
    assert found["recall"] >= 0.95
    assert found["precision"] >= 0.99
    assert np.isfinite(found["seconds"])
