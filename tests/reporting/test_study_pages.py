"""Every study as a command, a page, pictures, in a notebook and in its version's own report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from typer.testing import CliRunner

import assay
from assay.cli import app
from assay.errors import PredictionsError

EVIL = "<script>alert(1)</script>"
COMMANDS = {
    "crossval": ["crossval", "--folds", "3"],
    "learning_curve": ["curve", "--fractions", "0.25,0.5,0.75,1", "--draws", "2"],
    "validation_curve": ["sweep", "--model", "boosted_trees", "--parameter", "rounds",
                         "--values", "2,5,10"],
    "importance": ["importance", "--models", "tabular_linear", "--repeats", "2"],
    "conformal": ["conformal", "--model", "linear"],
    "threshold": ["threshold", "--model", "linear", "--cost", "yes:no=5"],
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("studies")
    draw = np.random.default_rng(0)
    x = draw.normal(size=400)
    rows = {"x": x, EVIL: draw.normal(size=400),
            "y": np.where(x + draw.normal(size=400) > 0, "yes", "no")}  # fmt: skip
    pl.DataFrame(rows).write_csv(home / "rows.csv")
    recipe = {
        "name": "study", "source": str(home / "rows.csv"), "target": "y", "positive": "yes",
        "fields": {"x": {"type": "number"}, EVIL: {"type": "number"}, "y": {"type": "string"}},
        "steps": [{"split.random": {"train": 0.6, "validation": 0.2, "test": 0.2}}],
        "models": ["constant", {"tabular_linear": {}, "as": "linear"}, "boosted_trees"],
        "metrics": ["accuracy"],
    }  # fmt: skip
    (home / "assay.yaml").write_text(json.dumps(recipe), encoding="utf-8")
    return home


def told(home, study):
    arguments = [*COMMANDS[study], str(home / "assay.yaml"), "--out", str(home / "versions")]
    return CliRunner().invoke(app, [*arguments, "--json", "--quiet", "--workers", "1"])


@pytest.mark.parametrize("study", COMMANDS)
def test_a_command_writes_the_page_of_its_study(home, study):
    done = told(home, study)

    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["study"] == study
    page = HTMLParser(Path(document["report"]).read_text(encoding="utf-8"))
    assert page.css_first(f"#study-{study} .sentences li")
    assert page.css_first(f"#study-{study} figure svg, #study-{study} .whisker")
    assert not [s for s in page.css("script") if "alert" in s.text() and len(s.text()) < 100]


def test_the_report_of_a_version_shows_its_studies(home):
    told(home, "learning_curve")
    told(home, "importance")

    path = assay.run(home / "assay.yaml", out=home / "versions", workers=1).report

    page = HTMLParser(path.read_text(encoding="utf-8"))
    assert page.css_first("#study-learning_curve figure svg")
    assert page.css_first("nav a[href='#study-importance']").text() == "Importance of fields"


def test_a_damaged_study_is_named_in_the_report_of_its_version(home):
    path = Path(json.loads(told(home, "importance").stdout)["report"]).with_name("study.json")
    path.write_bytes(path.read_bytes()[:50])

    report = assay.run(home / "assay.yaml", out=home / "versions", workers=1).report

    page = HTMLParser(report.read_text(encoding="utf-8"))
    assert "cannot be read" in page.css_first("#study-importance").text()


def test_a_study_in_python_has_charts_a_page_and_a_notebooks_picture(home, tmp_path):
    found = assay.importance(home / "assay.yaml", out=home / "versions", repeats=2, workers=1)

    drawn = assay.charts(found, theme="dark")
    path = assay.report(found, to=tmp_path, charts=tmp_path / "charts")

    assert len(drawn) == 3 and all(svg.startswith("<svg") for svg in drawn.values())
    assert EVIL not in "".join(drawn.values())
    assert path == tmp_path / "report.html"
    assert {f.stem for f in (tmp_path / "charts").glob("*.svg")} == set(drawn)
    assert found._repr_html_().count("<svg") == 3
    assert EVIL not in found._repr_html_()


def test_calibration_is_of_any_predictions_and_its_page_needs_a_folder(tmp_path):
    draw = np.random.default_rng(1)
    chance = draw.random(300)
    y = np.where(draw.random(300) < chance, "yes", "no")
    truth = pl.DataFrame({"id": range(300), "y": y})
    given = truth.select("id", proba_no=1 - chance, proba_yes=pl.Series(chance))
    truth.write_csv(tmp_path / "truth.csv")
    given.write_csv(tmp_path / "model.csv")
    arguments = ["calibration", "--truth", str(tmp_path / "truth.csv"), "--predictions",
                 str(tmp_path / "model.csv"), "--id", "id", "--target", "y", "--json"]  # fmt: skip

    bare = CliRunner().invoke(app, arguments)
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "page")])

    assert (bare.exit_code, done.exit_code) == (0, 0)
    assert "report" not in json.loads(bare.stdout)
    assert "Calibration" in (tmp_path / "page/report.html").read_text(encoding="utf-8")
    with pytest.raises(PredictionsError, match="of no version"):
        assay.report(assay.calibration(truth, {"model": given}, id="id", target="y"))


@pytest.mark.parametrize("given", ["yes=5", "yes:no", "yes:no=dear"])
def test_a_cost_that_is_none_is_refused_with_the_form_that_is_meant(given):
    done = CliRunner().invoke(app, ["threshold", "--cost", given])

    assert done.exit_code == 1
    assert "TRUE:PREDICTED=COST" in str(done.exception)


def test_an_evaluation_in_a_notebook_shows_its_charts(home):
    found = assay.run(home / "assay.yaml", out=home / "versions", workers=1).evaluation

    shown = found._repr_html_()

    assert shown.count("<svg xmlns") == len(assay.charts(found, models=1)) > 1
    assert "<script" not in shown
