"""Counting and cutting in tokens: published ids, and what holds for any text."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay import tokens
from assay.errors import RecipeError

TEXT = st.text(max_size=60) | st.text("a \n\u0308é中😀\u202e'<|im_end|>", max_size=60)
NAMES = list(tokens.VOCABULARIES)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A small vocabulary of the user's own, with a control token, that composes accents first."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.normalizer = normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(["the quick brown fox jumps over the lazy dog " * 9], trainer)
    made.enable_truncation(3)
    path = tmp_path_factory.mktemp("own") / "tokenizer.json"
    made.save(str(path))
    return str(path)


# OpenAI Cookbook, "How to count tokens with tiktoken".
PUBLISHED = {
    ("cl100k", "antidisestablishmentarianism"): [519, 85342, 34500, 479, 8997, 2191],
    ("o200k", "antidisestablishmentarianism"): [493, 129901, 376, 160388, 21203, 2367],
    ("cl100k", "2 + 2 = 4"): [17, 489, 220, 17, 284, 220, 19],
    ("o200k", "2 + 2 = 4"): [17, 659, 220, 17, 314, 220, 19],
    ("cl100k", "お誕生日おめでとう"): [
        33334, 45918, 243, 21990, 9080, 33334, 62004, 16556, 78699,
    ],
    ("o200k", "お誕生日おめでとう"): [8930, 9697, 243, 128225, 8930, 17693, 4344, 48669],
    ("cl100k", "tiktoken is great!"): [83, 1609, 5963, 374, 2294, 0],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), PUBLISHED)
def test_ids_are_the_published_ones(name, text):
    assert tokens.encode(pl.Series([text]), name).to_list() == [PUBLISHED[name, text]]


@pytest.mark.parametrize("name", NAMES)
def test_ids_stand_for_the_bytes_of_the_text(name):
    texts = pl.Series(["Hello world 12.5 in\n\n\t'll é中😀 naïve ２", "x" * 999])

    ids = tokens.encode(texts, name).to_list()

    sizes = tokens.load(name).bytes_of
    assert [int(sizes[one].sum()) for one in ids] == texts.str.len_bytes().to_list()


@pytest.mark.parametrize("name", NAMES)
def test_control_tokens_in_data_are_plain_text(name):
    control = sorted(tokens.specials(name))
    texts = pl.Series([f"a{one}b" for one in control])

    assert tokens.count(texts, name).min() > 3
    assert not {"<|im_end|>", "<|eot_id|>", "<|endoftext|>"}.isdisjoint(control)


def test_a_file_s_control_tokens_are_plain_text_and_its_truncation_is_off(own):
    assert tokens.specials(own) == {"<|end|>"}
    assert tokens.count(pl.Series(["<|end|>", "the quick brown fox"]), own).min() > 3


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.none() | TEXT, max_size=6), name=st.sampled_from(NAMES))
def test_counts_are_of_the_ids_and_null_stays_null(texts, name):
    series = pl.Series("t", texts, dtype=pl.String)

    counted = tokens.count(series, name)

    assert counted.dtype == pl.UInt32
    assert counted.to_list() == tokens.encode(series, name).list.len().to_list()
    assert counted.is_null().to_list() == [text is None for text in texts]


@pytest.mark.parametrize("side", ["end", "start"])
@pytest.mark.parametrize("name", [*NAMES, "own"])
@settings(max_examples=40, deadline=None)
@given(text=TEXT, at_most=st.integers(0, 12))
@example(text="e\u0308" * 20, at_most=5)
@example(text="😀" * 9, at_most=4)
@example(text="the\n\n\n\n   quick", at_most=3)
def test_what_is_cut_fits_and_is_an_end_of_the_text(own, name, side, text, at_most):
    vocabulary = own if name == "own" else name
    series = pl.Series([text])

    cut = tokens.truncate(series, vocabulary, at_most, side).item()

    assert text.startswith(cut) if side == "end" else text.endswith(cut)
    assert tokens.count(pl.Series([cut]), vocabulary).item() <= at_most
    if tokens.count(series, vocabulary).item() <= at_most:
        assert cut == text


@pytest.mark.parametrize("name", [*NAMES, "own"])
def test_words_are_cut_at_the_very_token(own, name):
    series = pl.Series(["fox dog " * 300, None, "fox"])

    cut = tokens.truncate(series, own if name == "own" else name, 100)

    assert tokens.count(cut, own if name == "own" else name).to_list()[0] == 100
    assert cut.to_list()[1:] == [None, "fox"]


@pytest.mark.parametrize("text", ["a" * 5_000_000, "😀" * 1_250_000, " \n" * 2_500_000])
def test_five_megabytes_are_counted_and_cut(text):
    cut = tokens.truncate(pl.Series([text]), "o200k", 1000)

    assert 900 < tokens.count(cut, "o200k").item() <= 1000


def test_batches_do_not_change_anything(monkeypatch):
    texts = pl.Series(["", "a b", None, "x" * 50, "c d e"] * 5)
    whole = tokens.count(texts, "o200k"), tokens.truncate(texts, "o200k", 2)

    monkeypatch.setattr(tokens, "_BATCH", 7)

    assert tokens.count(texts, "o200k").equals(whole[0])
    assert tokens.truncate(texts, "o200k", 2).equals(whole[1])


def test_no_texts_have_no_counts():
    assert tokens.count(pl.Series([], dtype=pl.String), "o200k").to_list() == []
    assert tokens.encode(pl.Series([], dtype=pl.String), "o200k").to_list() == []


@pytest.mark.parametrize("written", ["o200", "missing.json", "broken.json"])
def test_a_vocabulary_that_is_not_there_is_refused(tmp_path, monkeypatch, written):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{}")

    with pytest.raises(RecipeError, match="vocabulary"):
        tokens.count(pl.Series(["a"]), written)
