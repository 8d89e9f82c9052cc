"""Another source's rows are taken out: equal, nearly equal, or standing inside one another."""

from __future__ import annotations

import polars as pl
import pytest

from assay.errors import RecipeError
from assay.steps import dedup

FACT = "In which year did the first of the two bridges over the northern river open to traffic"
FILL = " ".join(f"filler{n}" for n in range(300))
RULES = ("in the other source", "shares a passage with the other source")


def rules(texts: list[str | None], other: list[str | None], **asked: object) -> list[str | None]:
    table = pl.DataFrame({"t": texts}, {"t": pl.String})
    source = pl.DataFrame({"t": other}, {"t": pl.String})
    return dedup.against(table, source=source, columns=["t"], **asked)["rule"].to_list()


def test_equal_near_inside_and_around():
    texts = [FACT, FACT.upper() + "?", f"{FILL} {FACT} {FILL}", "Who wrote Faust?", None, ""]

    assert rules(texts, [FACT, None, ""], most=0.6) == [
        RULES[0],
        RULES[0],
        RULES[1],
        None,
        None,
        None,
    ]
    assert rules(["other", FACT], [f"{FILL} {FACT}"]) == [None, RULES[1]]


def test_a_short_phrase_inside_a_long_text_is_not_held_against_it():
    assert rules([f"{FILL} red kettle", "lamp"], ["red kettle"]) == [None, None]


def test_the_value_is_the_similarity_and_equals_go_together():
    table = pl.DataFrame({"t": [FACT, FACT, FACT + " again", "lamp", "chair", "table", "bed"]})
    source = pl.DataFrame({"t": [FACT] * 3 + ["sofa"]})

    result = dedup.against(table, source=source, columns=["t"])

    assert result["rule"].to_list() == [RULES[0]] * 3 + [None] * 4
    assert result["value"].to_list()[:2] == [1.0, 1.0]
    assert 0.7 <= result["value"][2] < 1
    assert result["value"].to_list()[3:] == [None] * 4


def test_a_text_held_by_a_sample_is_found_inside_by_estimate():
    book = " ".join(f"page{n}" for n in range(40_000))
    passage = " ".join(f"page{n}" for n in range(20_000, 21_000))

    assert rules([book, "lamp"], [passage]) == [RULES[1], None]
    assert rules([book, "lamp"], [passage.replace("page", "leaf")]) == [None, None]


def test_what_all_texts_of_the_other_source_share_says_nothing():
    common = " ".join(f"notice{n}" for n in range(30))
    other = [f"{common} {' '.join(f'own{n}x{m}' for m in range(30))}" for n in range(300)]
    texts = [
        common,
        "lamp",
        f"{common} and more of our own words here, which nobody else has at all",
    ]

    assert rules(texts, other) == [None, None, None]


def test_most_of_the_rows_are_not_taken_out_unasked():
    with pytest.raises(RecipeError, match="3 of 4 rows"):
        rules([FACT] * 3 + ["lamp"], [FACT])
    assert rules([FACT] * 3 + ["lamp"], [FACT], most=1.0)[3] is None


@pytest.mark.parametrize("other", [[], [None], [""]])
def test_an_empty_source_takes_nothing(other):
    assert rules(["a", None, "b"], other) == [None, None, None]
    assert rules([], ["a"]) == []


def test_other_frames_are_taken_and_other_things_refused():
    table = pl.DataFrame({"t": ["a red kettle", "lamp"]})
    first = pl.DataFrame({"t": ["A red kettle"]})

    for source in (first, first.lazy(), {"t": ["A red kettle"]}, first.to_arrow()):
        told = dedup.against(table, source=source, columns=["t"])["rule"].to_list()
        assert told == [RULES[0], None]
    for source in (3, pl.DataFrame({"u": ["a"]})):
        with pytest.raises(RecipeError):
            dedup.against(table, source=source, columns=["t"])


def test_few_rows_against_many_find_what_many_rows_find():
    many = pl.DataFrame({"t": [" ".join(f"w{n}x{k}" for k in range(30)) for n in range(40)]})
    inside = [text.partition(" w5x25")[0] for text in many["t"].head(6)]
    few = pl.DataFrame({"t": [*inside, "nothing of the kind"]})
    padded = pl.concat([few, pl.DataFrame({"t": [f"lone row {n}" for n in range(60)]})])

    found = dedup.against(few, source=many, columns=["t"], most=1.0)

    assert found.equals(dedup.against(padded, source=many, columns=["t"]).head(7))
    assert found["rule"].count() == 6
