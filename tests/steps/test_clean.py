"""Cleaning text: what is repaired, what must survive, and that it settles."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import _clean_text, clean


def cleaned(*texts, **switches):
    return clean.text(pl.DataFrame({"t": texts}, {"t": pl.String}), columns=["t"], **switches)[
        "t"
    ].to_list()


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("Ã©tÃ© schÃ¶n", "été schön"),
        ("â€œquotedâ€\x9d", "“quoted”"),
        ("e\u0301", "é"),
        ("ﬁne eﬃcient", "fine efficient"),
        ("&amp;amp;lt;b&gt;bold&lt;/b&gt;", "bold"),
        ("Tom &amp; Jerry&#39;s&nbsp;caf&eacute; &#x20AC;5", "Tom & Jerry's café €5"),
        ("<p>one</p><p>two<br>three</p>", "one\ntwo\nthree"),
        ("a <a href='x>y' class=\"k\">link</a> here", "a link here"),
        ("x<script type=a>var t = '<b>';</script>y<!-- no -->z", "x y z"),
        ("<input disabled> <IMG SRC=foo.png> ok", "ok"),
        ("  a \t b\u00a0\u3000c  ", "a b c"),
        ("a \r\n\r\n  b\u2028c", "a\nb\nc"),
        ("\x1b[31mred\x1b[0m\x00\x07", "red"),
        ("\ufeffzero\u200bwidth co\u00adop", "zerowidth coop"),
    ],
)
def test_repairs(dirty, expected):
    assert cleaned(dirty) == [expected]


@pytest.mark.parametrize(
    "plain",
    [
        "a < b and c > d",
        "I <3 you",
        "x<y>z",
        "a <b and c> d",
        "<your name>",
        "AT&T; &copy=2 &unknown; R&D",
        "«l’été», 5 × 3 m², naïve cœur",
        "Привет, мир — «это» текст",
        "这是一个普通的句子，没有问题。",
        "🙂 👩‍👩‍👧 ไทย",
        "",
    ],
)
def test_ordinary_text_survives(plain):
    assert cleaned(plain) == [plain]


def test_null_stays_null_and_other_columns_stay():
    rows = pl.DataFrame({"t": [None, " a"], "u": [" x", " y"], "n": [1, 2]})

    result = clean.text(rows, columns=["t"])

    assert result.to_dict(as_series=False) == {"t": [None, "a"], "u": [" x", " y"], "n": [1, 2]}


def test_columns_of_nulls_and_empty_frames_are_accepted():
    assert clean.text(pl.DataFrame({"t": [None, None]}), columns=["t"])["t"].null_count() == 2
    assert clean.text(pl.DataFrame({"t": []}, {"t": pl.String}), columns=["t"]).height == 0


@pytest.mark.parametrize(
    ("switch", "dirty"),
    [
        ("unicode", "Ã©"),
        ("entities", "&amp;"),
        ("markup", "<b>x</b>"),
        ("whitespace", " a  b "),
        ("controls", "a\x00"),
    ],
)
def test_each_part_can_be_switched_off(switch, dirty):
    assert cleaned(dirty) != [dirty]
    assert cleaned(dirty, **{switch: False}) == [dirty]


def test_newlines_can_become_spaces():
    assert cleaned("a\n\nb\r\nc", newlines="space") == ["a b c"]


PIECES = st.one_of(
    st.sampled_from(["&", "amp;", "&lt;", "&#60;", "<", ">", "b", "/b", "<b", " ", "\n", "\x00"]),
    st.sampled_from(
        ["Ã", "Â", "©", "a", "&amp;", "<p>", "<!--", "-->", "<script>", '="', "\u0301"]
    ),
    st.sampled_from(
        ["e", "\r", "\x1b[0m", "œ", "\u200b", "€", "™", "вЂ", "\x85", "&nbsp;", "\ufb01"]
    ),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(), st.lists(PIECES).map("".join)), max_size=20))
@example(["&am\x00p;lt;b>", " Ã  a", "<<b>b>", "a  Â b", "\x1b\x1b[0m[0m"])
def test_cleaning_twice_is_cleaning_once(texts):
    once = cleaned(*texts)

    assert cleaned(*once) == once
    assert [text is None for text in once] == [text is None for text in texts]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(PIECES).map("".join), min_size=1, max_size=10))
def test_a_text_is_cleaned_by_itself(texts):
    assert cleaned(*texts) == [cleaned(text)[0] for text in texts]


def test_every_text_that_ftfy_would_mend_is_found():
    from ftfy.badness import is_bad

    words = ["été", "naïve", "“quote”", "€ 5", "Привет", "Ελλάδα", "Łódź", "½", "日本", "ß", "—"]
    encodings = ["latin-1", "cp1252", "cp1251", "cp1253", "cp437", "mac-roman", "iso-8859-2"]
    broken = [
        f"{before}{word.encode().decode(encoding, errors='ignore')}{after}"
        for word in words
        for encoding in encodings
        for before in ("", "a ", "É")
        for after in ("", " b")
    ]
    found = pl.Series(broken).str.contains(_clean_text.suspicious()).to_list()

    missed = [text for text, hit in zip(broken, found, strict=True) if is_bad(text) and not hit]

    assert missed == []


def test_a_long_field_is_ordinary_input():
    assert len(cleaned("word <b>é</b>  " * 100_000)[0]) == 7 * 100_000 - 1


def test_real_texts_settle(shared_data):
    lines = shared_data("prices/products.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines[:1000]]

    once = cleaned(*texts)

    assert cleaned(*once) == once


@pytest.mark.parametrize(
    ("columns", "hint"), [(["tt"], "did you mean 't'?"), (["n"], None), (["zebra"], None)]
)
def test_wrong_columns_are_refused(columns, hint):
    rows = pl.DataFrame({"t": ["a"], "n": [1]})

    with pytest.raises(RecipeError) as caught:
        clean.text(rows, columns=columns)

    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Valve WD12X10327 by GE", "Valve by GE"),
        ("part 1234567", "part"),
        ("a 2000mAh, b", "a , b"),
        ("1920x1080", ""),
        ("WATCHES washing-machine", "WATCHES washing-machine"),
        ("123456 AB1234", "123456 AB1234"),
        ("ABCDEFGHIJ1", ""),
    ],
)
def test_part_numbers_go(text, expected):
    rows = pl.DataFrame({"t": [text]})

    assert clean.remove(rows, columns=["t"], pattern="part_numbers")["t"].to_list() == [expected]


CODE = st.text("AZ09az-_ ", max_size=14)


@settings(max_examples=50, deadline=None)
@given(st.lists(CODE, min_size=1, max_size=20), st.integers(1, 9))
def test_presets_are_the_look_ahead_read_at_token_level(texts, length):
    import re

    rows = pl.DataFrame({"t": texts})
    letters, both = r"[A-Za-z0-9]", r"(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*[0-9])"
    parts = rf"\b(?=[A-Za-z0-9]*[0-9]){letters}{{{length},}}\b"
    codes = rf"\b{both}[A-Z0-9]{{{length},}}\b"
    for preset, pattern in (("part_numbers", parts), ("product_codes", codes)):
        found = clean.remove(rows, columns=["t"], pattern=preset, length=length)["t"]
        for text, result in zip(texts, found, strict=True):
            gone = re.sub(pattern, " ", text, flags=re.ASCII)
            assert result == (text if gone == text else " ".join(gone.split()))


def test_words_go_as_written():
    rows = pl.DataFrame({"t": ["x (By Manufacturer) y", "x.By", None]})

    result = clean.remove(rows, columns=["t"], words=["(By Manufacturer)", ".By"])

    assert result["t"].to_list() == ["x y", "x", None]


@pytest.mark.parametrize(
    "parameters",
    [{}, {"pattern": "("}, {"pattern": "(?=a)"}, {"pattern": ""}, {"words": [""]}],
)
def test_what_cannot_be_removed_is_refused(parameters):
    with pytest.raises(RecipeError):
        clean.remove(pl.DataFrame({"t": ["a"]}), columns=["t"], **parameters)
