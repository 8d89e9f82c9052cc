"""The pages of an inspection and of duplicates."""

from __future__ import annotations

import copy
from typing import Any

import curation_examples as curated
import polars as pl
import pytest
import report_examples as examples
from selectolax.lexbor import LexborHTMLParser

from assay.reporting.duplication import curve, render_duplicates
from assay.reporting.inspection import render_inspection

PAGES = [render_inspection(curated.inspection()), render_duplicates(curated.duplicates())]


def test_findings_stand_worst_first_with_what_to_do():
    page = LexborHTMLParser(PAGES[0])

    found = page.css(".finding")

    assert [one.attributes["data-severity"] for one in found] == [
        "error", "warning", "warning", "note",
    ]  # fmt: skip
    first, units = found[0].text(), found[1]
    assert "ibu holds 14 values" in first and "Set them aside" in first and "0.6\u202f%" in first
    assert "- parse.numbers:\n    columns: [ounces]" in units.css_first("pre").text()
    cells = [[td.text() for td in row.css("td")] for row in units.css(".cells tbody tr")]
    assert cells[0] == ["7", "12.0 oz.", "12.0"]
    assert [row[1] for row in cells[2:4]] == ["empty", "missing"]
    assert cells[4][1].endswith("400 characters") and len(cells[4][1]) < 200


def test_what_passed_or_was_not_run_is_shown_as_well():
    page = LexborHTMLParser(PAGES[0])

    titles = [one.text() for one in page.css("#checks h3")]

    assert titles == ["Skipped", "Passed", "Not applicable"]
    assert "It needs presidio" in page.css_first("#checks table").text()
    assert "a sample of 100,000" in page.css_first(".about").text()
    assert "1 error, 2 warnings, 1 note" in page.css_first(".verdict").text()


def test_fields_lead_to_their_worst_finding():
    page = LexborHTMLParser(PAGES[0])

    rows = page.css("#fields tbody tr")

    assert [row.css_first("th").text() for row in rows][:2] == ["ibu", "ounces"]
    link = rows[1].css_first("a").attributes["href"]
    assert page.css_first(link).attributes["data-field"] == "ounces"
    assert "1,005" in rows[0].text()


def test_files_are_named_where_there_is_more_than_one():
    document = curated.inspection()
    document["checks"][0]["findings"][0]["examples"][0]["file"] = "more.csv"

    page = LexborHTMLParser(render_inspection(document))

    assert page.css_first(".cells tbody td").text() == "more.csv:7"


def test_thirty_findings_stay_small():
    assert len(render_inspection(curated.inspection(30)).encode()) < 200_000


@pytest.mark.parametrize("document", [{}, {"checks": [{}]}, {"checks": [{"findings": [{}]}]},
                                      {"fields": {"a": {}}}, {"fields": {"a": None}}])  # fmt: skip
def test_every_part_of_an_inspection_may_be_absent(document):
    assert "</html>" in render_inspection(document)


@pytest.mark.parametrize("document", [{}, {"curve": [{"threshold": 0.5, "removed": 1}]},
                                      {"pairs": [{}]}, {"sizes": [{"size": 2}]},
                                      {"pairs": [{"columns": {"t": {"a": "x"}}}]}])  # fmt: skip
def test_every_part_of_duplicates_may_be_absent(document):
    assert "</html>" in render_duplicates(document)


def test_nothing_found_is_a_pass():
    page = LexborHTMLParser(
        render_inspection({"source": "x", "checks": [curated.checked("a", "F1")]})
    )

    assert "pass" in page.css_first(".verdict").attributes["class"]
    assert "Nothing found" in page.css_first(".verdict").text()
    assert not page.css("#findings")


def test_duplicates_show_the_curve_the_sizes_and_the_pairs():
    page = LexborHTMLParser(PAGES[1])

    assert len(page.css("#threshold tbody tr")) == 11
    assert page.css_first("#threshold .chip").parent.text().startswith("0.8")
    assert [row.text() for row in page.css("#sizes th[scope=row]")] == ["2", "3", "4", "17"]
    pair = page.css("#pairs .pairing")[0]
    assert "stays" in pair.text() and "is removed" in pair.text()
    assert "first only" in pair.css_first("del").text() and "out" in pair.css_first("ins").text()


@pytest.mark.slow
def test_what_duplicates_gives_is_what_the_page_takes(tmp_path):
    from assay.jobs.duplication import duplicates

    rows = [{"text": f"number {i} of many cups, in red with a lid and a long handle {i % 40}"}
            for i in range(60)]  # fmt: skip
    rows += [{"text": row["text"].replace("red", "blue")} for row in rows[:20]]
    recipe = {"name": "cups", "source": pl.DataFrame(rows),
              "steps": [{"dedup.near": {"columns": ["text"], "threshold": 0.7}}]}  # fmt: skip

    page = LexborHTMLParser(
        render_duplicates(duplicates(recipe, out=tmp_path, workers=1).to_dict())
    )

    assert page.css_first("#threshold .chip").parent.text().startswith("0.7")
    assert page.css("#pairs ins") and page.css("#pairs del")
    assert "one of them goes" in page.css_first("#pairs").text()
    assert "80" in page.css_first(".figures").text()


def test_the_curve_falls_from_left_to_right():
    drawn = curve(curated.duplicates()["curve"], 0.8, 12_345)

    across, down = zip(*([float(v) for v in point.split(",")] for point in drawn["line"].split()),
                       strict=True)  # fmt: skip
    assert list(across) == sorted(across)
    assert list(down) == sorted(down)
    assert drawn["at"] == 60


def _bad(document: Any, text: str) -> Any:
    """The same document with every text in it replaced."""
    if isinstance(document, dict):
        return {key: item if key in ("severity", "status") else _bad(item, text)
                for key, item in document.items()}  # fmt: skip
    if isinstance(document, list):
        return [_bad(one, text) for one in document]
    return text if isinstance(document, str) else document


@pytest.mark.parametrize("text", examples.HOSTILE)
@pytest.mark.parametrize("kind", ["inspection", "duplicates"])
def test_text_from_data_stays_text(kind, text):
    document = _bad(getattr(curated, kind)(), text)
    document["fields" if kind == "inspection" else "name"] = (
        {text: {"type": text}} if kind == "inspection" else text
    )
    before = copy.deepcopy(document)

    html = (render_inspection if kind == "inspection" else render_duplicates)(document)
    page = LexborHTMLParser(html)

    assert document == before
    assert len(page.css("script")) == 1
    assert not page.css("img, iframe, form, link[rel=stylesheet], base")
    assert not [name for one in page.css("*") for name in one.attributes if name.startswith("on")]
    assert all(
        not str(one.attributes.get("href")).startswith("javascript") for one in page.css("a")
    )
    assert "\x00" not in html


@pytest.mark.parametrize("html", PAGES, ids=["inspection", "duplicates"])
def test_every_table_chart_and_control_has_a_name(html):
    page = LexborHTMLParser(html)

    assert all(table.css_first("caption") for table in page.css("table"))
    assert all(head.attributes.get("scope") for head in page.css("th"))
    assert all(svg.attributes.get("aria-label") for svg in page.css("svg[role=img]"))
    assert all(part.attributes.get("aria-label") for part in page.css("[role=region],[role=group]"))
    assert all(field.parent.tag == "label" for field in page.css("input, select"))
    assert len({one.attributes["id"] for one in page.css("[id]")}) == len(page.css("[id]"))
    targets = [one.attributes["href"] for one in page.css(".rail a")]
    assert all(page.css_first(target) for target in targets)
    assert "http://" not in html and "url(" not in html
