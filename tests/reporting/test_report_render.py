"""The report: what is in it, that data cannot break out of it, and that it needs nothing else."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import re
from itertools import pairwise
from xml.etree import ElementTree

import polars as pl
import pytest
import report_examples as examples
from selectolax.lexbor import LexborHTMLParser

import assay
from assay.errors import VersionError
from assay.reporting import pictures, render, render_chart, to_png
from assay.reporting.palette import COLOURS, DEEPEST

MANIFEST, NUMBERS, CLASSES = examples.manifest(), examples.numbers(), examples.classes()


def test_all_parts_of_a_run_are_shown_in_order():
    page = LexborHTMLParser(render(MANIFEST, NUMBERS, examples.GATES))

    sections = [one.attributes["id"] for one in page.css("main > section[id]")]

    assert sections == [
        "rows",
        "fields",
        "splits",
        "models",
        "slices",
        "predictions",
        "gates",
        "made",
    ]
    assert page.css_first("h1").text() == "prices"
    assert "Inconclusive" in page.css_first(".verdict").text()
    assert [bar.text() for bar in page.css(".waterfall .num:not(.soft)")] == [
        "4,138", "−6", "−40", "−21", "−203", "−11", "−377", "3,480",
    ]  # fmt: skip
    assert [row.text() for row in page.css(".board tbody th bdi")][:2] == [
        "boosted_trees", "tfidf_linear",
    ]  # fmt: skip
    assert len(page.css("#m0 [data-points] .marks > *")) == 250
    assert len(page.css("#m0 .worst details")) == 20


@pytest.mark.parametrize(
    ("manifest", "evaluation", "sections"),
    [
        (MANIFEST, None, ["rows", "fields", "splits", "made"]),
        (None, NUMBERS, ["models", "slices", "predictions", "made"]),
        (None, CLASSES, ["models", "predictions", "made"]),
        ({"name": "x"}, {"name": "y"}, []),
        (None, None, []),
    ],
)
def test_a_part_that_is_not_given_is_not_there(manifest, evaluation, sections):
    page = LexborHTMLParser(render(manifest, evaluation))

    assert [one.attributes["id"] for one in page.css("main > section[id]")] == sections
    targets = [link.attributes["href"] for link in page.css(".rail a")]
    assert targets == ["#main", *(f"#{name}" for name in sections)]


def test_classes_have_a_confusion_matrix():
    page = LexborHTMLParser(render(None, CLASSES))

    cells = page.css("#m0 .confusion tbody tr:first-child td")

    assert len(cells) == 5 + 2
    assert cells[0].attributes["class"].startswith("r")
    assert not page.css("#m0 [data-points]")


def test_classes_have_curves_with_bands_and_a_calibration():
    page = LexborHTMLParser(render(None, CLASSES))

    titles = [one.text() for one in page.css("#m0 figure h4")]

    assert titles[:2] == ["ROC curve, 1", "Precision and recall, 1"]
    assert titles[-2:] == ["Calibration, the predicted class", "Confusion matrix"]
    assert len(page.css("#m0 figure .a-band")) == 9
    assert "The area under the curve is 0.800." in page.css_first("#m0").text()
    assert "Curves of 2 more classes" in page.css_first("#m0").text()


def test_numbers_have_residuals_a_calibration_and_nets_their_learning_curve():
    page = LexborHTMLParser(render(None, NUMBERS))

    titles = [one.text() for one in page.css("#m0 figure h4")]

    assert titles == ["Truth and prediction", "Residuals", "Calibration", "Running mean error",
                      "Learning curve"]  # fmt: skip
    assert "The loss is least after epoch 10 of 15." in page.css_first("#m0").text()
    assert "Learning curve" not in page.css_first("#m1").text()


def test_slices_stand_with_their_effect_or_are_said_to_be_none():
    page = LexborHTMLParser(render(None, NUMBERS))
    none = {**NUMBERS, "slices": {**NUMBERS["slices"], "slices": []}}

    cells = [cell.text(separator=" ") for cell in page.css(".slices tbody tr > *")]

    assert cells[0] == "brand is none given"
    assert cells[2] == "$39.00 $20.00 to $58.00"
    text = LexborHTMLParser(render(None, none)).css_first("#slices").text()
    assert "140 slices of at least 30 rows were looked at" in text
    assert "none is confirmed" in text


def test_models_that_cannot_be_told_apart_share_a_letter():
    page = LexborHTMLParser(render(None, NUMBERS))

    groups = [row.css("td")[-1].text() for row in page.css(".ranks tbody tr")]
    rows = page.css(".board:not(.ranks):not(.slices) tbody tr")
    level = [row.css_first("bdi").text() for row in rows
             if row.css_first(".chip") and row.css_first(".chip").text() == "level"]  # fmt: skip

    assert groups == ["a", "a", "b", "c", "d"]
    assert level == ["tfidf_linear"]


def test_text_from_data_stays_text():
    html = render(*examples.hostile())
    page = LexborHTMLParser(html)

    scripts = page.css("script")
    running = [one for one in scripts if one.attributes.get("type") != "application/json"]
    handlers = [name for one in page.css("*") for name in one.attributes if name.startswith("on")]

    assert len(running) == 1
    assert not page.css("img, iframe, object, embed, form, link[rel=stylesheet], base")
    assert not handlers
    assert "49" not in page.css_first("h1").text()
    assert "\x00" not in html and "\u2028" not in "".join(one.text() for one in scripts)
    for block in scripts:
        if block.attributes.get("type") == "application/json":
            assert json.loads(block.text())["rows"]
    assert len(html.encode("utf-8")) < 3_000_000


def test_attributes_that_hold_json_stay_json():
    page = LexborHTMLParser(render(*examples.hostile()))

    for one in page.css("[data-tips]"):
        assert all(isinstance(tip, str) for tip in json.loads(one.attributes["data-tips"]))


def test_the_page_loads_nothing_and_runs_its_own_script_only():
    html = render(MANIFEST, NUMBERS, examples.GATES)
    page = LexborHTMLParser(html)

    policy = page.css_first("meta[http-equiv]").attributes["content"]
    script = html[html.rindex("<script>") + len("<script>") : html.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    targets = [v for one in page.css("*") for k, v in one.attributes.items()
               if k in ("src", "href", "xlink:href", "action", "srcset")]  # fmt: skip

    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy
    assert all(target.startswith(("#", "data:")) for target in targets)
    assert "http://" not in html and "https://" not in html and "url(" not in html


def test_a_vast_evaluation_stays_small_and_says_what_is_left_out():
    html = render(*examples.vast())
    page = LexborHTMLParser(html)

    assert len(html.encode()) < 3_000_000
    assert len(page.css(".board:not(.ranks):not(.slices) tbody tr")) == 300
    shown = len(page.css(".panel"))
    assert 1 <= shown <= 12
    assert f"{45 - shown} more are in evaluation.json" in page.css_first("#predictions").text()
    assert len(page.css("#field-rows tr")) == 200


def test_rendering_is_pure():
    before = copy.deepcopy((MANIFEST, NUMBERS))

    first, second = render(MANIFEST, NUMBERS), render(MANIFEST, NUMBERS)

    assert first == second
    assert before == (MANIFEST, NUMBERS)


def test_scores_without_interval_or_value_are_shown_as_such():
    evaluation = examples.numbers()
    for score in evaluation["scores"]:
        score["low"] = score["high"] = None
    evaluation["scores"][4]["value"] = float("nan")
    evaluation["details"] = {}

    page = LexborHTMLParser(render(None, evaluation))

    assert len(page.css(".board:not(.ranks):not(.slices) .whisker")) == 4
    assert "no score" in page.css_first(".board tbody tr:last-child").text()


def test_counts_that_do_not_add_up_are_said():
    manifest = {**MANIFEST, "rows": {"read": 5000, "kept": 3480, "set_aside": 1520}}

    text = LexborHTMLParser(render(manifest, None)).css_first("#rows").text()

    assert "The counts do not add up." in text
    assert "862" in text


def test_every_table_chart_and_control_has_a_name():
    page = LexborHTMLParser(render(MANIFEST, {**NUMBERS}, examples.GATES))

    assert page.css_first("html").attributes["lang"] == "en"
    assert all(table.css_first("caption") for table in page.css("table"))
    assert all(head.attributes.get("scope") for head in page.css("th"))
    assert all(svg.attributes.get("aria-label") for svg in page.css("svg[role=img]"))
    assert all(part.attributes.get("aria-label") for part in page.css("[role=region],[role=group]"))
    assert all(field.parent.tag == "label" for field in page.css("input, select"))
    levels = [int(one.tag[1]) for one in page.css("h1, h2, h3, h4")]
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert len({one.attributes["id"] for one in page.css("[id]")}) == len(page.css("[id]"))


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast_is_enough_to_read(theme):
    """WCAG 2.2: 4.5 for text (1.4.3), 3 for marks (1.4.11)."""
    colour = {name: pair[theme] for name, pair in COLOURS.items()}

    text = [("ink", ground) for ground in ("paper", "card", "sunken", "fair-area")]
    text += [("soft", ground) for ground in ("paper", "card", "sunken")]
    text += [(kind, ground) for kind in ("good", "fair", "bad") for ground in ("paper", "card")]
    text += [("good", "good-area"), ("fair", "fair-area"), ("bad", "bad-area")]
    text += [("ink", "good-area"), ("ink", "bad-area"), ("accent", "paper")]
    marks = [(name, "paper") for name in ("mark", "validation", "test", "train")]

    assert {pair: _contrast(colour[pair[0]], colour[pair[1]]) for pair in text
            if _contrast(colour[pair[0]], colour[pair[1]]) < 4.5} == {}  # fmt: skip
    assert {pair: _contrast(colour[pair[0]], colour[pair[1]]) for pair in marks
            if _contrast(colour[pair[0]], colour[pair[1]]) < 3} == {}  # fmt: skip


@pytest.mark.parametrize("theme", [0, 1])
@pytest.mark.parametrize("kind", ["good", "bad"])
def test_the_number_in_the_darkest_cell_can_be_read(theme, kind):
    part = (5 + DEEPEST[theme]) / 100
    ground, colour = COLOURS["sunken"][theme], COLOURS[kind][theme]

    mixed = "#" + "".join(
        f"{round(part * int(colour[i : i + 2], 16) + (1 - part) * int(ground[i : i + 2], 16)):02x}"
        for i in (1, 3, 5)
    )

    assert _contrast(mixed, COLOURS["ink"][theme]) >= 4.5


def test_what_evaluate_gives_is_what_the_report_takes():
    from assay.evaluation.evaluate import evaluate

    truth = pl.DataFrame({"id": range(30), "y": [float(i % 7) * 100 for i in range(30)]})
    guesses = pl.DataFrame(
        {"id": range(30), "model": ["a"] * 30, "prediction": [float(i % 5) * 90 for i in range(30)]}
    )

    scored = evaluate(truth, guesses, id="id", target="y", metrics=["mae", "hits"])
    page = LexborHTMLParser(render(None, json.loads(scored.to_json())))

    assert len(page.css(".board tbody tr")) == 1
    assert len(page.css("#m0 [data-points] .marks > *")) == 30


def test_every_chart_is_a_picture_of_its_own():
    hostile = pictures(examples.hostile()[1])
    numbers, classes = pictures(NUMBERS, theme="dark"), pictures(CLASSES)

    assert {"leaderboard-mae", "ranks", "boosted_trees-scatter", "boosted_trees-residuals",
            "boosted_trees-running", "boosted_trees-calibration", "boosted_trees-learning",
            "random-scatter"} <= {*numbers}  # fmt: skip
    assert {"model_0-roc-1", "model_2-precision_recall-4", "model_1-confusion"} <= {*classes}
    assert len(hostile) == len(numbers)
    for svg in (*hostile.values(), *numbers.values(), *classes.values()):
        ElementTree.fromstring(svg)
        assert not re.search(r"var\(|href=|<script|<img", svg)
    assert to_png(numbers["ranks"], scale=0.5).startswith(b"\x89PNG")
    assert render_chart("roc-1", CLASSES, "model_0") == classes["model_0-roc-1"]


def test_reports_write_their_charts_where_asked(tmp_path):
    (tmp_path / "evaluation.json").write_text(json.dumps({**CLASSES, "version": None}))

    assay.report(tmp_path / "evaluation.json", charts=tmp_path / "charts")

    assert (tmp_path / "charts" / "model_0-roc-1.svg").read_text().startswith("<svg")
    assert (tmp_path / "charts" / "leaderboard-accuracy.png").exists()


def test_a_chart_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(VersionError, match="boosted_trees"):
        render_chart("scatter", NUMBERS, "boosted_tree")
