"""What curation measured, as the report shows it."""

from __future__ import annotations

import copy

import curation_examples as curated
import pytest
import report_examples as examples
from hypothesis import given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from assay.reporting import render, summarize
from assay.reporting.certificate import certificate
from assay.reporting.differences import ONLY_A, ONLY_B, SAME, differences


def test_leaks_stand_before_everything_else_and_beside_the_scores():
    page = LexborHTMLParser(render(curated.manifest(), examples.numbers(), examples.GATES))

    sections = [one.attributes["id"] for one in page.css("main > section[id]")]
    rows = page.css("#leaks tbody tr")

    assert sections[0] == "leaks"
    assert "Splits leak" in page.css_first("#leaks .heading").text()
    assert [row.css_first(".pill").text() for row in rows] == [
        "Leak", "Leak", "Not measured", "Pass", "Pass", "Pass", "Not applicable",
    ]  # fmt: skip
    assert "12" in rows[0].css_first("[data-label=measured]").text()
    near = (
        "near-duplicates across splits 12 (limit 0); target in an input field 0.9987 (limit 0.99)"
    )
    assert near in page.css_first("#models .leak").text()


def test_a_pair_shows_what_differs():
    page = LexborHTMLParser(render(curated.manifest(), None))

    pair = page.css_first("#leaks .pairing")

    assert [one.text() for one in pair.css("dt")] == ["title", "text"]
    assert "down" in pair.css_first("del").text() and "out" in pair.css_first("ins").text()
    assert "9f3c2a11d0e45b78" in pair.text() and "0.91" in pair.text()


def test_a_clean_certificate_gives_no_warning():
    page = LexborHTMLParser(render(curated.manifest(curated.CLEAN), examples.numbers()))

    assert "No leak found" in page.css_first("#leaks .heading").text()
    assert page.css_first("#leaks p").text() == "3 of 4 checks passed; the other does not apply."
    assert not page.css("#models .leak")


@pytest.mark.parametrize(
    ("verdict", "statuses", "kind"),
    [
        ("clean", ["pass", "pass"], "pass"), ("clean", ["pass", "fail"], "fail"),
        ("leaks", ["pass"], "fail"), ("partly measured", ["pass", "not measured"], "inconclusive"),
        ("clean", ["pass", "who knows"], "inconclusive"), ("clean", [], "inconclusive"),
        ("not measured", ["not measured"], "inconclusive"), ("what", ["pass"], "pass"),
        ("not measured", ["pass"], "inconclusive"),
    ],
)  # fmt: skip
def test_a_verdict_is_never_better_than_its_checks(verdict, statuses, kind):
    checks = [curated.check(f"c{i}", f"Check {i}", status) for i, status in enumerate(statuses)]

    assert certificate({"certificate": {"verdict": verdict, "checks": checks}})["kind"] == kind


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_the_parts_of_short_texts_make_them_up_again(a, b):
    parts = differences(a, b)

    assert "".join(text for kind, text in parts if kind in (SAME, ONLY_A)) == a
    assert "".join(text for kind, text in parts if kind in (SAME, ONLY_B)) == b


def test_the_difference_of_long_texts_stays_short_and_in_sight():
    parts = differences("x " * 300 + "old" + " y" * 200, "x " * 300 + "new" + " y" * 200)

    assert (ONLY_A, "old") in parts and (ONLY_B, "new") in parts
    assert sum(len(text) for _, text in parts) < 300
    assert sum(len(text) for _, text in differences("a" * 5_000_000, "b" * 5_000_000)) < 2000


def test_rows_and_splits_count_synthetic_rows_apart():
    page = LexborHTMLParser(render(curated.manifest(), None))

    made = page.css_first(".waterfall .made")

    assert made.css_first(".num").text() == "+400"
    assert "do not add up" not in page.css_first("#rows").text()
    assert "3,305 rows and 400 synthetic" in page.css_first("#splits").text()
    assert "400 synthetic" in page.css_first(".figures").text()


def test_missing_cells_are_a_share_of_kept_and_synthetic_rows():
    built = curated.manifest()
    built["fields"] = {"n": {"type": "number", "null": 4053, "distinct": 0}}

    assert "100\u202f%" in LexborHTMLParser(render(built, None)).css_first("#fields").text()


def test_a_step_shows_the_target_before_and_after():
    page = LexborHTMLParser(render(curated.manifest(), None))

    number, classes = page.css("#steps .step")[:2]

    assert len(number.css(".shape polygon")) == 2
    assert len(number.css("tbody tr")) == 25
    assert "5,963 rows before, 3,000 after." in number.text()
    assert "65.8\u202f%" in classes.css_first("tbody tr").text()
    assert [row.css_first("th").text() for row in classes.css("tbody tr")][-1] == "other"


def test_classes_that_are_folded_are_never_the_largest():
    before = {**{f"class {i}": 20 - i for i in range(20)}, "other": 500}
    after = dict.fromkeys(before, 1)
    given = {"field": "y", "kind": "class", "before": before, "after": after}
    manifest = {"steps": [{"step": "balance.classes", "distribution": given}]}

    drawn = summarize(manifest, None)["curation"][0]["distribution"]

    assert "The largest class holds 2.8\u202f% of the rows before" in drawn["about"]
    assert drawn["rows"][0]["after"]["width"] == 100
    assert drawn["rows"][-1]["value"] == "other" and drawn["rows"][-1]["before"]["width"] == 0


def test_what_a_step_learned_is_shown_by_its_shape():
    steps = {one["step"]: one["learned"] for one in summarize(curated.manifest(), None)["curation"]}

    (impute,) = steps["clean.impute"]
    assert impute["columns"][-1] == ("filled", True)
    assert impute["rows"][0] == ["weight", "median", "2.4", "1,203"]
    assert [block["label"] for block in steps["clean.categories"]] == [
        "mapping: brand", "mapping: colour",
    ]  # fmt: skip
    bars = next(block for block in steps["features.select"] if block["kind"] == "bars")
    assert bars["rows"][0]["name"] == "weight"
    assert bars["rows"][0]["width"] == 100
    assert steps["labels.drop"][-1]["kind"] == "table"


def test_mappings_that_share_their_names_are_one_table():
    learned = {"city": {"map": {"bostn": "Boston", "NYC": "New York"},
                        "rows": {"bostn": 50, "NYC": 3}, "why": {"bostn": "typo", "NYC": "map"},
                        "typos": "looked for"}}  # fmt: skip
    manifest = {"steps": [{"step": "clean.categories", "learned": learned}]}

    table, facts = summarize(manifest, None)["curation"][0]["learned"]

    assert facts["facts"] == [("typos", "looked for")]
    assert [name for name, _ in table["columns"]] == ["name", "map", "rows", "why"]
    assert table["rows"][1] == ["NYC", "New York", "3", "map"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_whatever_a_step_learned_can_be_shown(learned):
    manifest = {"steps": [{"position": 1, "step": "own.step", "learned": learned}]}

    page = summarize(manifest, None)

    assert render(manifest, None)
    assert all(block["kind"] for step in page["curation"] for block in step["learned"])


def test_training_files_show_rows_reasons_tokens_and_cost():
    page = LexborHTMLParser(render(curated.manifest(), None))

    jsonl, chat = page.css("#training .exports tbody tr")

    assert "none" in jsonl.text()
    text = chat.text()
    for expected in ("3,601", "48 longer than 4,096 tokens", "1,753,211", "61,233", "$43.83",
                     "2025-06-01"):  # fmt: skip
        assert expected in text
    assert len(page.css("#training .shape polygon")) == 2


def test_without_these_measurements_the_report_is_as_it_was():
    page = LexborHTMLParser(render(examples.manifest(), examples.numbers()))

    assert not page.css("#leaks, #steps, #training, .made, .leak")


def test_text_in_measurements_stays_text():
    built = copy.deepcopy(curated.manifest())
    bad = list(examples.HOSTILE)
    built["certificate"] = {
        "verdict": bad[0],
        "checks": [
            {
                "code": t,
                "title": t,
                "status": t,
                "value": t,
                "limit": t,
                "detail": t,
                "examples": [{t: t, "a": {"row": t, t: t}, "b": {"row": t, t: bad[0]}}, t],
            }
            for t in bad
        ],
    }
    built["exports"] = {
        t: {
            "rows": t,
            "left_out": {t: 3},
            "tokens": {"total": t, "vocabulary": t},
            "cost": {t: t, "date": t},
        }
        for t in bad
    }
    built["steps"] = [{"step": t, "position": t, "learned": {t: t, "m": {t: t}, "b": {t: 1},
                       "r": [{t: t}]}, "distribution": {"field": t, "kind": "class",
                       "before": {t: 1}, "after": {t: 2}}} for t in bad]  # fmt: skip

    page = LexborHTMLParser(render(built, examples.numbers()))

    assert not page.css("img, iframe, link[rel=stylesheet]")
    assert not [name for one in page.css("*") for name in one.attributes if name.startswith("on")]
    running = [one for one in page.css("script") if not one.attributes.get("type")]
    assert len(running) == 1
    assert len(page.css("#leaks tbody tr")) == len(bad)


def test_every_new_table_and_control_has_a_name():
    page = LexborHTMLParser(render(curated.manifest(), examples.numbers(), examples.GATES))

    assert all(table.css_first("caption") for table in page.css("table"))
    assert all(head.attributes.get("scope") for head in page.css("th"))
    assert all(part.attributes.get("aria-label") for part in page.css("[role=region],[role=group]"))
    assert len({one.attributes["id"] for one in page.css("[id]")}) == len(page.css("[id]"))
