"""Two evaluations side by side: the same models before and after, with a paired test."""

from __future__ import annotations

import copy
import json

import polars as pl
import pytest
import report_examples as examples
from selectolax.lexbor import LexborHTMLParser

import assay
from assay.errors import VersionError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    rows = pl.DataFrame({"x": range(300), "y": [float(v % 50) + v / 9 for v in range(300)]})
    recipe = {"name": "two", "source": rows, "target": "y", "certificate": "off",
              "steps": [{"split.random": {"train": 0.6, "validation": 0, "test": 0.4}}],
              "metrics": ["mae", "r2"]}  # fmt: skip
    tree = {"random_forest": {"trees": 5}}
    first = assay.run({**recipe, "models": ["constant", {**tree, "as": "model"}]}, out=out)
    second = assay.run({**recipe, "models": ["constant", {"tabular_linear": {}, "as": "model"}]},
                       out=out)  # fmt: skip
    return [one.report.parent / "evaluation.json" for one in (first, second)]


def test_two_runs_of_one_version_are_tested_on_the_same_rows(runs, tmp_path):
    path = assay.report(runs[1], against=runs[0], to=tmp_path)
    section = LexborHTMLParser(path.read_text()).css_first("#beside")

    heads = [one.text() for one in section.css("h3")]
    rows = [[cell.text(separator=" ") for cell in row.css("th, td")]
            for row in section.css("tbody tr")]  # fmt: skip

    assert heads == ["Mean absolute error", "R\u00b2"]
    assert [row[0] for row in rows] == ["constant", "model"] * 2
    assert rows[0][2] == rows[0][3]
    assert rows[1][2] != rows[1][3]
    assert "Tested by paired permutation on" in section.text()
    # The change is after less before: a smaller error is better.
    change = rows[1][4]
    verdict = rows[1][5]
    assert change.startswith("\u2212") == ("better" in verdict) or "cannot tell" in verdict


def test_evaluations_without_predictions_stand_side_by_side_untested(tmp_path):
    before, after = examples.numbers(seed=1), examples.numbers(seed=2)
    for name, one in (("before", before), ("after", after)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "evaluation.json").write_text(json.dumps({**one, "version": None}))

    path = assay.report(tmp_path / "after" / "evaluation.json",
                        against=tmp_path / "before" / "evaluation.json", to=tmp_path)  # fmt: skip

    section = LexborHTMLParser(path.read_text()).css_first("#beside")
    assert len(section.css(".whisker")) == 2 * 5 * 4
    assert "no test compares the scores" in section.text()
    assert "not tested" in section.text()


def test_what_is_missing_on_one_side_is_a_dash(tmp_path):
    before = copy.deepcopy(examples.numbers())
    before["version"] = None
    before["scores"] = [s for s in before["scores"] if s["model"] != "random"]
    (tmp_path / "a.json").write_text(json.dumps(before))
    (tmp_path / "b.json").write_text(json.dumps({**examples.numbers(), "version": None}))

    page = LexborHTMLParser(
        assay.report(tmp_path / "b.json", against=tmp_path / "a.json", to=tmp_path).read_text()
    )

    last = page.css("#beside tbody tr")[4]
    assert last.css_first("bdi").text() == "random"
    assert last.css("td")[1].text() == "\u2013"


def test_what_is_not_there_is_refused(runs, tmp_path):
    with pytest.raises(VersionError):
        assay.report(runs[0], against="nothing", out=tmp_path, to=tmp_path)
