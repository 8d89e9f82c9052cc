"""Pieces of documents: none is too long, none is lost, and each ends where a reader would stop."""

from __future__ import annotations

import json

import polars as pl
import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay import tokens
from assay.errors import RecipeError
from assay.exports.documents import documents
from assay.exports.part import Part

TEXT = st.text(max_size=80) | st.text("ab. \n!。中é😀\u0308", max_size=80)


def is_empty(text):
    """Nothing but white space as Unicode has it; `str.strip` takes some controls for it too."""
    return not regex.search(r"\P{White_Space}", text or "")


def chunks(texts, folder, **given):
    rows = pl.DataFrame({"row_id": [f"r{n}" for n in range(len(texts))], "t": texts, "p": 1.5})
    made = documents(Part(rows), folder, text="t", **given)
    written = (folder / "train.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert made == len(written)
    return [json.loads(line) for line in written], made


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.none() | TEXT, max_size=4), size=st.integers(4, 30))
@example(texts=["\x1f", "\u2003\n"], size=4)
@example(texts=["a" * 70, "中" * 70, "x. " * 20], size=7)
@pytest.mark.parametrize("unit", ["characters", "tokens"])
def test_pieces_are_small_enough_and_are_the_text_again(tmp_path_factory, texts, size, unit):
    found, made = chunks(texts, tmp_path_factory.mktemp("d"), size=size, unit=unit)

    whole = {}
    for one in found:
        assert one["id"] == f"{one['row_id']}#{one['chunk']}"
        before = whole.setdefault(one["row_id"], "")
        assert one["start"] == len(before)
        whole[one["row_id"]] = before + one["text"]
        length = len(one["text"])
        if unit == "tokens":
            length = tokens.count(pl.Series([one["text"]]), "o200k").item()
        assert length <= size
    kept = {f"r{n}": text for n, text in enumerate(texts) if not is_empty(text)}
    assert whole == kept
    assert sum(made.left_out.values()) == len(texts) - len(kept)


@settings(max_examples=60, deadline=None)
@given(text=TEXT, size=st.integers(5, 30), share=st.floats(0, 0.49))
def test_what_overlaps_is_the_end_of_the_piece_before(tmp_path_factory, text, size, share):
    overlap = int(size * share)

    found, _ = chunks([text], tmp_path_factory.mktemp("d"), size=size, overlap=overlap)

    end = 0
    for one in found:
        assert end - overlap <= one["start"] <= end
        assert text[one["start"] : one["start"] + len(one["text"])] == one["text"]
        assert one["start"] + len(one["text"]) > end
        end = one["start"] + len(one["text"])
    assert end == (0 if is_empty(text) else len(text))


def test_pieces_end_between_paragraphs_then_sentences_then_words(tmp_path):
    text = "One is here. Two is here.\n\nThree is here, and it goes on and on for long."

    found, _ = chunks([text], tmp_path, size=40)

    assert [one["text"] for one in found] == [
        "One is here. Two is here.\n\n",
        "Three is here, and it goes on and on for",
        " long.",
    ]


def test_metadata_goes_with_every_piece(tmp_path):
    found, _ = chunks(["One. Two."], tmp_path / "a", size=5)
    chosen, _ = chunks(["One. Two."], tmp_path / "b", size=5, metadata=[])

    assert [one["metadata"] for one in found] == [{"p": 1.5}] * 2
    assert [one["chunks"] for one in found] == [2, 2]
    assert chosen[0]["metadata"] == {}


@pytest.mark.parametrize("text", ["a" * 5_000_000, "word " * 1_000_000, "Ein Satz. " * 500_000])
def test_five_megabytes_are_divided(tmp_path, text):
    found, _ = chunks([text], tmp_path, size=1000)

    assert sum(len(one["text"]) for one in found) == len(text)


@pytest.mark.parametrize(
    "given", [{"size": 0}, {"size": 10, "overlap": 5}, {"overlap": -1}, {"metadata": ["q"]}]
)
def test_pieces_that_make_no_sense_are_refused(tmp_path, given):
    with pytest.raises(RecipeError):
        chunks(["a"], tmp_path, **given)
