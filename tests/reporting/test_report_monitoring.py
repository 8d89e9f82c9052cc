"""The page of monitoring."""

from __future__ import annotations

import copy
import math
import re

import pytest
from monitoring_examples import history
from selectolax.lexbor import LexborHTMLParser

from assay.reporting.monitoring import render_monitoring
from assay.reporting.timelines import timeline

PAGE = LexborHTMLParser(render_monitoring(history()))


def test_the_verdict_names_what_changed_and_since_when():
    said = PAGE.css_first(".verdict").text()

    assert "Changed" in said
    assert "price has changed, most likely since offers-29.csv (2026-10-29)" in said
    assert "1 more alarm" in said


def test_alarms_stand_surest_first_with_their_timeline():
    alarms = PAGE.css(".alarm")

    assert [one.css_first("h3").text() for one in alarms] == ["price", "mae of boosted_trees"]
    assert "between offers-29.csv (2026-10-29) and offers-31.csv" in alarms[1].text()
    chart = alarms[0].css_first("svg[role=img]")
    assert chart.attributes["aria-label"] == "price over 40 batches, 12 of them with an alarm"
    assert len(chart.css(".limit")) == 1 and len(chart.css(".began")) == 1
    assert len(chart.css(".spots circle")) == 28 and len(chart.css(".spots rect")) == 12


def test_performance_shows_labels_and_estimates_and_what_they_assume():
    section = PAGE.css_first("#performance")

    assert "Newest with labels" in section.text() and "Newest estimate" in section.text()
    assert "Direct loss estimation: holds as long as" in section.text()
    chart = section.css_first("svg[role=img]")
    assert len(chart.css("polygon")) == 1  # one band, unbroken
    assert len(chart.css(".spots > *")) == 35  # labels lag five batches behind


def test_every_field_and_batch_is_listed():
    rows = PAGE.css("#fields tbody tr")

    assert len(rows) == 11
    assert "alarm" in rows[0].text() and "as before" in rows[1].text()
    batches = PAGE.css("#batches tbody tr")
    assert len(batches) == 40 and "offers-40.csv" in batches[0].text()
    assert len(PAGE.css("#moved li.pairing")) == 6
    assert "<email>" in PAGE.css_first("#moved").text()


def test_text_from_data_stays_text():
    document = copy.deepcopy(history())
    document["version"] = document["batches"][-1]["name"] = "<script>alert(1)</script>"
    document["trends"][0]["name"] = document["batches"][-1]["drift"][0]["field"] = "<img src=x>"
    document["moved"][0]["fields"] = {"<b>": "</td><script>x</script>'\"&"}
    html = render_monitoring(document)

    assert html.count("<script>") == 1 and "<img" not in html
    assert "undefined" not in re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"batches": []},
        {"version": "a/v1-00000000", "batches": [{"name": "one"}]},
        {"batches": [{"drift": [{"field": "x"}], "performance": [{"metric": "mae"}]}],
         "trends": [{"about": "field", "name": "x", "alarm": True, "log_e": math.inf}]},
        {"batches": [{"name": "a", "at": "2026-01-01", "rows": None, "verdict": "?",
                      "findings": [{"severity": "odd"}]}], "moved": [{}], "notes": ["b"]},
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_shown(document):
    html = render_monitoring(document)

    assert html.startswith("<!doctype html>") and "None" not in LexborHTMLParser(html).text()


def test_a_long_history_stays_a_small_page():
    document = history(batches=1500, changed=1400)
    html = render_monitoring(document)

    assert len(html) < 2_800_000
    assert "1100 older ones are in the table only" in LexborHTMLParser(html).text()


def test_an_interval_without_end_does_not_squeeze_the_rest():
    points = [{"value": 1.0, "low": 0.9, "high": 1.1}, {"value": 1.2, "low": -1e9, "high": 1e9}]

    drawn = timeline(["a", "b"], [{"name": "x", "form": "dots", "points": points}], limit=1.0)

    heights = [mark["y"] for mark in drawn["series"][0]["marks"]]
    assert abs(heights[0] - heights[1]) > 15
    assert timeline(["a"], [{"name": "x", "form": "dots", "points": [None]}]) is None


def test_an_estimate_of_one_batch_is_a_band_and_not_a_mark():
    point = {"value": 2.0, "low": 1.0, "high": 3.0, "alarm": False}
    series = [{"name": "estimated", "form": "band", "points": [None, point]},
              {"name": "realised", "form": "dots", "points": [None, point]}]  # fmt: skip
    band, dots = timeline(["a", "b"], series)["series"]
    assert len(band["areas"]) == len(band["lines"]) == 1 and not dots["areas"]
    corners = [[float(end) for end in corner.split(",")] for corner in band["areas"][0].split()]
    assert {x for x, _ in corners} == {62.5, 87.5} and len({y for _, y in corners}) == 2
