"""Severity, `assay gate` and `assay accept`, as the command line meets them."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest

import assay
from assay import cli
from assay.errors import RecipeError, VersionError
from assay.gates import Verdict, overall
from assay.recipe import Recipe, load, schema
from assay.reporting.summarize import summarize
from assay.tags import read_tags

RECIPE = """name: shop
source: shop.csv
id: sku
certificate: off
fields:
  price: {type: number, max: 40}
gates:
  - rows: {min: 10}
  - set_aside: {max: 0.01}
    severity: warn
"""


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [f"p{n},{n * 1.5}" for n in range(1, 31)]
    Path("shop.csv").write_text("sku,price\n" + "\n".join(lines) + "\n")
    Path("assay.yaml").write_text(RECIPE)
    return tmp_path


@pytest.fixture
def assay_(capsys, monkeypatch):
    def called(*arguments):
        monkeypatch.setattr(sys, "argv", ["assay", *map(str, arguments)])
        with warnings.catch_warnings(), pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return called


def strict(min_rows):
    Path("assay.yaml").write_text(RECIPE.replace("min: 10", f"min: {min_rows}"))


def test_a_warning_is_shown_and_fails_nothing(shop, assay_):
    code, out, err = assay_("run", "-q", "--annotate", "--gates-to", "j.xml")
    assert code == 0
    assert "fail (warning)  set_aside: at most 0.01" in out and "verdict  pass" in out
    assert err == (
        "::warning title=set_aside%3A at most 0.01,file=assay.yaml,line=9::4 of 30 rows were set "
        "aside, a share of 0.1333 where at most 0.01 is wanted.\n"
    )
    assert ElementTree.parse("j.xml").getroot().get("skipped") == "1"


def test_a_severity_is_checked_where_it_stands(shop):
    written = Path("assay.yaml")
    written.write_text(RECIPE.replace("severity: warn", "severity: wran"))
    with pytest.raises(RecipeError, match=r"assay.yaml:10: .*'stop' or 'warn'"):
        load(written)
    written.write_text(RECIPE + "steps:\n  - sample.random: {rows: 3}\n    severity: warn\n")
    with pytest.raises(RecipeError, match="Only gates have a severity"):
        load(written)


def test_a_recipe_keeps_severities_and_the_schema_knows_them(shop):
    recipe = load("assay.yaml")
    assert [use.severity for use in recipe.gates] == [None, "warn"]
    again = Recipe.model_validate(recipe.plain())
    assert again == recipe
    validator = jsonschema.Draft202012Validator(schema())
    body = {"name": "a", "source": "b"}
    assert validator.is_valid(body | {"gates": [{"leak": None, "severity": "warn"}]})
    assert not validator.is_valid(body | {"gates": [{"leak": None, "severity": "wran"}]})
    assert not validator.is_valid(body | {"gates": [{"score": None}]})
    assert not validator.is_valid(body | {"steps": [{"dedup.exact": {}, "severity": "warn"}]})
    assert "severity" in assay.explain("leak")["help"]


def test_gates_are_held_again_without_building(shop, assay_):
    assay_("run", "-q")
    code, out, _ = assay_("gate", "shop")
    assert code == 0 and out.startswith("shop/v1-") and out.endswith("verdict  pass\n")
    strict(1000)
    assert assay_("gate", "shop")[0] == 0  # the version's own recipe
    code, out, _ = assay_("gate", "shop", "--recipe", "assay.yaml", "--as", "github")
    assert code == 1
    assert out.splitlines()[0].startswith("::error title=rows%3A all rows at least 1%2C000,file=")
    code, out, _ = assay_("gate", "shop", "--recipe", "assay.yaml", "--json", "--to", "s.sarif")
    assert code == 1 and json.loads(out)["verdict"] == "fail"
    assert json.loads(Path("s.sarif").read_text())["runs"][0]["results"][0]["level"] == "error"
    code, _, err = assay_("gate", "shop", "--as", "junti")
    assert code == 2 and "junit" in err


def test_a_monitor_is_read_from_its_file(shop, assay_):
    assay_("run", "-q")
    Path("assay.yaml").write_text(RECIPE + "  - drift\n  - findings\n  - performance\n")
    code, out, _ = assay_("gate", "shop", "--recipe", "assay.yaml")
    assert code == 3 and out.count("assay monitor") == 2 and "assay accept" in out
    drift = {"field": "price", "kind": "number", "alarm": True, "effect": {
        "name": "wasserstein", "value": 0.4, "low": 0.3, "high": 0.5, "floor": 0.1}}  # fmt: skip
    Path("monitor.json").write_text(json.dumps({"drift": [drift], "findings": []}))
    code, out, _ = assay_("gate", "shop", "--recipe", "assay.yaml", "--monitor", "monitor.json")
    assert code == 1 and "price (wasserstein 0.4, 95 % 0.3 to 0.5)" in out
    broken = {"drift": [drift | {"effect": 3}], "findings": []}
    for content in ("not json", "[]", "{}", json.dumps(broken)):
        Path("monitor.json").write_text(content)
        code, _, err = assay_("gate", "shop", "--monitor", "monitor.json")
        assert code == 2 and "monitor" in err
    assert assay_("gate", "shop", "--monitor", "nosuch.json")[0] == 2


def test_scores_of_anybody_are_held_against_gates(shop, assay_):
    Path("truth.csv").write_text("id,y\n" + "\n".join(f"{n},{n % 7}" for n in range(60)))
    Path("guess.csv").write_text("id,prediction\n" + "\n".join(f"{n},3" for n in range(60)))
    given = ["--truth", "truth.csv", "--predictions", "guess.csv", "--metrics", "mae"]
    assert assay_("evaluate", *given, "--out", "scored")[0] == 0
    Path("g.yaml").write_text(
        "name: g\nsource: '-'\ngates:\n  - score: {metric: mae, model: guess, max: 1}\n"
    )
    code, out, _ = assay_("gate", "scored/evaluation.json", "--recipe", "g.yaml", "--as", "github")
    assert code == 1 and "file=g.yaml,line=4::mae of guess is" in out
    code, _, err = assay_("gate", "scored/evaluation.json")
    assert code == 2 and "--recipe" in err
    Path("g.yaml").write_text("name: g\nsource: '-'\ngates: [leak]\n")
    code, _, err = assay_("gate", "scored/evaluation.json", "--recipe", "g.yaml")
    assert code == 2 and "looks at a version, and there is none" in err
    code, _, err = assay_("gate", "nosuch.json", "--recipe", "g.yaml")
    assert code == 2 and "cannot be read" in err


def test_accepting_marks_the_baseline_and_moves_it(shop, assay_):
    assay_("run", "-q")
    code, out, _ = assay_("accept", "shop", "--note", "the first")
    assert code == 0 and "is accepted" in out
    tag = read_tags(Path("versions/shop"))["accepted"]
    assert tag.note == "the first" and tag.details["verdict"] == "pass"
    first = assay.versions("shop")[0]
    assert assay.gate("shop/accepted").version.id == first.id == tag.version
    with Path("shop.csv").open("a") as file:
        file.write("p99,3.5\n")
    assay_("run", "-q")
    code, out, _ = assay_("accept", "shop", "--json")
    found = json.loads(out)
    assert code == 0 and found["previous"] == first.id != found["version"]


def test_a_version_with_failed_gates_is_accepted_by_force_only(shop, assay_):
    strict(1000)
    assert assay_("run", "-q")[0] == 1
    code, out, err = assay_("accept", "shop")
    assert code == 2 and out == ""
    assert "failed 1 of 2 gates" in err and "rows: all rows at least 1,000" in err
    assert "accepted" not in read_tags(Path("versions/shop"))
    code, out, _ = assay_("accept", "shop", "--force")
    assert code == 0 and "although this gate failed: rows: all rows at least 1,000" in out
    tag = read_tags(Path("versions/shop"))["accepted"]
    assert tag.details["forced"] and tag.details["verdict"] == "fail"


def test_a_version_that_was_never_held_against_its_gates_is_refused(shop, assay_):
    assay_("build", "-q")
    code, _, err = assay_("accept", "shop")
    assert code == 2 and "never held against the gates" in err and "assay gate shop/v1" in err
    assert assay_("gate", "shop")[0] == 0
    assert assay_("accept", "shop")[0] == 0


def test_damage_is_refused(shop, assay_):
    assay_("run", "-q")
    version = assay.versions("shop")[0]
    gates = next(Path("versions/shop/runs").glob("*/gates.json"))
    gates.write_text("{half")
    with pytest.raises(VersionError, match="gates' verdicts cannot be read"):
        assay.accept("shop")
    assert assay_("gate", "shop")[0] == 0  # written anew
    next((version.path / "data").glob("*.parquet")).write_bytes(b"")
    with pytest.raises(VersionError, match="damaged version cannot be accepted"):
        assay.accept("shop", force=True)


def test_an_accepted_version_that_is_gone_is_one_clear_error(shop, assay_):
    assay_("run", "-q")
    assay_("accept", "shop")
    path = Path("versions/shop/tags.json")
    path.write_text(path.read_text().replace(assay.versions("shop")[0].id, "v7-00000000"))
    Path("assay.yaml").write_text(RECIPE + "  - growth\n")
    code, _, err = assay_("gate", "shop", "--recipe", "assay.yaml")
    assert code == 2 and "v7-00000000 is not there any more" in err and "assay accept" in err


def test_a_gate_of_ones_own_may_warn_and_must_answer(shop):
    def mine(state, *, most: int = 3):
        """Ask for nothing."""
        return Verdict(f"mine: {most}", "fail", "Because.", needed=7)

    def mute(state):
        """Say nothing."""
        return None

    from assay.gates import State

    for function in (mine, mute):
        function.__annotations__["state"] = State
    recipe = load("assay.yaml").model_dump()
    recipe["gates"] = [{"mine": {"most": 4}, "severity": "warn", "as": "nightly"}]
    outcome = assay.run(recipe, functions=[mine], workers=1)
    assert outcome.verdict == "pass"
    assert (outcome.gates[0].gate, outcome.gates[0].code) == ("nightly: mine: 4", "mine")
    with pytest.raises(RecipeError, match="gave no verdict"):
        assay.run(recipe | {"gates": ["mute"]}, functions=[mute], workers=1)


def test_only_gates_that_stop_decide():
    failing = Verdict("a", "fail", "", severity="warn")
    open_one = Verdict("b", "inconclusive", "")
    assert overall([failing]) == "pass"
    assert overall([failing, open_one]) == "inconclusive"


def test_the_report_tells_warnings_from_failures():
    gates = [
        {"gate": "rows", "verdict": "pass", "detail": ""},
        {"gate": "score", "verdict": "fail", "detail": "", "severity": "warn", "needed": 4986},
    ]
    page = summarize(None, None, gates)
    assert page["verdict"]["kind"] == "pass"
    assert page["verdict"]["sentence"] == "The only gate passed. 1 warning: score."
    assert page["gates"][1] == {
        "gate": "score", "kind": "inconclusive", "word": "Fail", "severity": "warns only",
        "needed": "4,986", "detail": "",
    }  # fmt: skip
