"""What `assay ci` writes is run here: every shell step, and the hook by pre-commit itself."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import numpy as np
import pytest
import yaml

import assay
from assay.errors import AssayError, RecipeError, StorageError
from assay.tags import read_tags

RECIPE = """name: shop
source: data/shop.csv
id: sku
target: price
inputs: [x]
certificate: off
fields:
  price: {type: number, required: true}
steps:
  - split.random: {train: 0.5, validation: 0.0, test: 0.5}
models: [constant]
metrics: [mae]
gates:
  - rows: {min: 200}
  - violations: {max: 0.05}
  - not_worse: {than: accepted, margin: 0.5}
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a recipe and its data, and `assay` as a command."""
    root = tmp_path / "repository"
    (root / "data").mkdir(parents=True)
    tools = tmp_path / "bin"
    tools.mkdir()
    program = tools / "assay"
    python = shlex.quote(sys.executable)
    program.write_text(f"#!/bin/sh\nexec {python} -c 'from assay.cli import main; main()' \"$@\"\n")
    program.chmod(0o755)
    path = f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("PYTHONPATH", str(Path(assay.__file__).parents[1]))
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.org")
    monkeypatch.chdir(root)
    (root / "assay.yaml").write_text(RECIPE)
    write_data()
    git("init", "-q", "-b", "main")
    (root / ".gitignore").write_text("versions/\ngates/\n")
    return root


def write_data(rows=300, broken=0):
    draw = np.random.default_rng(1)
    x = draw.normal(size=rows)
    price = 50 + 10 * x + draw.normal(0, 3, rows)
    lines = [f"p{n},{x[n]:.3f},{'' if n < broken else f'{price[n]:.2f}'}" for n in range(rows)]
    Path("data/shop.csv").write_text("\n".join(["sku,x,price", *lines]) + "\n")


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)


def shell(command, **environment):
    """A step as both hosts run it: bash that stops at the first error."""
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
        capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip


def on_github(event="push", accept=False):
    """Run the workflow's shell steps as GitHub does; the outcome of each, and the summary."""
    workflow = yaml.safe_load(Path(".github/workflows/assay.yml").read_text())
    failed, outcomes = False, {}
    for step in workflow["jobs"]["gates"]["steps"]:
        condition = step.get("if", "success()").strip("${ }")
        wanted = {
            "success()": not failed,
            "!cancelled()": True,
            "inputs.accept || (success() && github.event_name == 'push')":
                accept or (not failed and event == "push"),
        }  # fmt: skip
        if "run" not in step or step["name"] == "Install assay":
            continue
        if not wanted[condition]:
            continue
        done = shell(step["run"], GITHUB_STEP_SUMMARY="summary.md", GITHUB_SHA="0123abc")
        outcomes[step["name"]] = done
        failed = failed or done.returncode != 0
    return outcomes, failed


def test_the_workflow_runs_and_accepts_what_passed(repository):
    assay.ci("assay.yaml", kinds=["github"])
    steps = (
        "Build, evaluate, hold against the gates",
        "Show the verdict",
        "Accept the version",
        "Take away old versions",
    )

    outcomes, failed = on_github(accept=True)  # nothing is accepted yet
    assert failed and list(outcomes) == list(steps[:3])
    assert [done.returncode for done in outcomes.values()] == [3, 0, 0]
    assert "::error title=not_worse" in outcomes[steps[0]].stderr
    assert "❔ assay: inconclusive" in Path("summary.md").read_text()
    assert read_tags(Path("versions/shop"))["accepted"].note == "0123abc"

    write_data(360)
    outcomes, failed = on_github()
    assert not failed and list(outcomes) == list(steps)
    newest = assay.versions("shop")[-1].id
    assert read_tags(Path("versions/shop"))["accepted"].version == newest
    assert ElementTree.parse("gates/junit.xml").getroot().get("failures") == "0"

    write_data()  # back again: the version of this run is accepted, and not the newest
    on_github()
    assert read_tags(Path("versions/shop"))["accepted"].version == assay.versions("shop")[0].id

    write_data(300, broken=80)
    outcomes, failed = on_github(event="pull_request")
    assert failed and outcomes[steps[0]].returncode == 1 and steps[2] not in outcomes
    assert "line=15::80 of 300 rows broke price: required" in outcomes[steps[0]].stderr
    assert json.loads(Path("gates/gates.sarif").read_text())["runs"][0]["results"][1]["level"] == (
        "error"
    )


def on_gitlab(branch="main", **variables):
    job = yaml.safe_load(Path(".gitlab/assay.yml").read_text())["assay shop"]
    return shell(
        "\n".join(job["script"]),
        CI_COMMIT_BRANCH=branch, CI_DEFAULT_BRANCH="main", CI_COMMIT_SHA="0123abc", **variables,
    )  # fmt: skip


def test_the_pipeline_runs_and_accepts_what_passed(repository):
    assay.ci("assay.yaml", kinds=["gitlab"])
    included = yaml.safe_load(Path(".gitlab-ci.yml").read_text())
    assert included == {"include": [{"local": ".gitlab/assay.yml"}]}

    assert on_gitlab(ASSAY_ACCEPT="yes").returncode == 3  # nothing is accepted yet
    first = read_tags(Path("versions/shop"))["accepted"]

    write_data(360)
    assert on_gitlab(branch="feature").returncode == 0
    assert read_tags(Path("versions/shop"))["accepted"].version == first.version
    assert on_gitlab().returncode == 0
    assert read_tags(Path("versions/shop"))["accepted"].version == assay.versions("shop")[-1].id

    write_data(300, broken=80)
    assert on_gitlab(ASSAY_ACCEPT="yes").returncode == 2
    assert read_tags(Path("versions/shop"))["accepted"].version == assay.versions("shop")[1].id
    (worst,) = (o for o in json.loads(Path("gates/code-quality.json").read_text())
                if o["check_name"] == "violations")  # fmt: skip
    assert worst["location"] == {"path": "assay.yaml", "lines": {"begin": 15}}


needs_pre_commit = pytest.mark.skipif(
    importlib.util.find_spec("pre_commit") is None, reason="needs pre-commit"
)


@needs_pre_commit
def test_the_hook_stops_a_commit_whose_data_fail(repository):
    data_only = RECIPE.replace("models: [constant]\n", "").replace(
        "  - not_worse: {than: accepted, margin: 0.5}\n", ""
    )
    Path("assay.yaml").write_text(data_only)
    assay.ci("assay.yaml", kinds=["pre-commit"])
    subprocess.run([sys.executable, "-m", "pre_commit", "install"], check=True, capture_output=True)

    git("add", "-A")
    git("commit", "-qm", "good data")
    write_data(300, broken=80)
    git("add", "-A")
    with pytest.raises(subprocess.CalledProcessError) as stopped:
        git("commit", "-qm", "bad data")
    assert "80 of 300 rows broke price: required" in stopped.value.stderr
    assert git("log", "--format=%s").stdout.split("\n")[0] == "good data"

    git("checkout", "-q", "HEAD", "--", "data")
    Path("notes.md").write_text("nothing to do with data")
    git("add", "-A")
    done = git("commit", "-qm", "notes")
    assert "no files to check" in (done.stdout + done.stderr)


@needs_pre_commit
def test_models_are_held_before_a_push(repository):
    assay.ci("assay.yaml", kinds=["pre-commit"])
    git("add", "-A")
    run = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--hook-stage", "pre-push"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "exit code: 3" in done.stdout
    assay.accept("shop")
    assert subprocess.run(run, capture_output=True, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("kind", "name", "schema"),
    [
        ("github", ".github/workflows/assay.yml", "github-workflows.json"),
        ("gitlab", ".gitlab/assay.yml", "gitlab-ci.json"),
    ],
)
def test_the_files_keep_to_their_hosts_schemas(repository, kind, name, schema):
    pytest.importorskip("check_jsonschema")
    vendor = files("check_jsonschema.builtin_schemas") / "vendor" / schema
    rules = json.loads(vendor.read_text(encoding="utf-8"))
    assay.ci("assay.yaml", kinds=[kind])
    # `on` is a word and not `true`, as in YAML 1.2.
    found = yaml.load(Path(name).read_text(), Loader=yaml.BaseLoader)
    plain = yaml.safe_load(Path(name).read_text())
    plain = {key if isinstance(key, str) else "on": value for key, value in plain.items()}
    assert list(found) == list(plain)
    validator = jsonschema.validators.validator_for(rules)(rules)
    assert not list(validator.iter_errors(plain))


def test_nothing_is_written_over_unless_forced(repository):
    Path(".pre-commit-config.yaml").write_text("mine")
    with pytest.raises(StorageError, match="there already"):
        assay.ci("assay.yaml", kinds=["github", "pre-commit"])
    assert not Path(".github").exists()
    assay.ci("assay.yaml", kinds=["github", "pre-commit"], force=True)
    assert Path(".pre-commit-config.yaml").read_text() != "mine"


def test_an_own_gitlab_pipeline_is_left_alone_and_told_what_to_include(repository):
    Path(".gitlab-ci.yml").write_text("mine: {script: [true]}")
    made = assay.ci("assay.yaml", kinds=["gitlab"])
    assert [str(file) for file in made.files] == [".gitlab/assay.yml"]
    assert "include: [{local: .gitlab/assay.yml}]" in repr(made)


@pytest.mark.parametrize(
    ("remote", "kinds"),
    [
        ("https://github.com/a/b.git", {".github", ".pre-commit-config.yaml"}),
        (
            "git@gitlab.example.org:a/b.git",
            {".gitlab", ".gitlab-ci.yml", ".pre-commit-config.yaml"},
        ),
        (None, {".github", ".gitlab", ".gitlab-ci.yml", ".pre-commit-config.yaml"}),
    ],
)
def test_the_kinds_follow_the_remote(repository, remote, kinds):
    if remote:
        git("remote", "add", "origin", remote)
    made = assay.ci("assay.yaml")
    assert {file.parts[0] for file in made.files} == kinds


def test_another_recipe_has_files_of_its_own_and_the_hook_sees_its_data(repository):
    Path("recipes").mkdir()
    Path("recipes/price list.yaml").write_text(
        RECIPE.replace("data/shop.csv", "['../data/*.csv', '../data']").replace(
            "name: shop", "name: p"
        )
    )
    Path("mine.py").write_text("")
    made = assay.ci("recipes/price list.yaml", functions=["mine.py"], commands=True,
                    install="pip install -r requirements.txt")  # fmt: skip
    workflow = Path(".github/workflows/assay-price-list.yml").read_text()
    assert "assay run 'recipes/price list.yaml' --functions mine.py --allow-commands" in workflow
    assert "run: pip install -r requirements.txt" in workflow
    assert Path(".gitlab/assay-price-list.yml") in made.files
    hook = yaml.safe_load(Path(".pre-commit-config.yaml").read_text())["repos"][0]["hooks"][0]
    assert hook["files"] == r"^(recipes/price list\.yaml$|mine\.py$|data/)"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"kinds": ["jenkins"]}, AssayError, "no kind of pipeline 'jenkins'"),
        ({"to": "data"}, RecipeError, "outside of the repository"),
        ({"recipe": "nosuch.yaml"}, RecipeError, "no such recipe file"),
        ({"recipe": "a;b.yaml"}, RecipeError, "cannot name a file"),
        ({"recipe": "${{ x }}.yaml"}, RecipeError, "cannot name a file"),
        ({"install": "pip install a\nrm -rf /"}, AssayError, "one line of shell"),
    ],
)
def test_what_cannot_be_written_is_refused(repository, given, error, message):
    for name in ("a;b.yaml", "${{ x }}.yaml"):
        Path(name).write_text(RECIPE)
    with pytest.raises(error, match=message):
        assay.ci(**{"recipe": "assay.yaml", **given})


def test_a_recipe_without_gates_is_told_so(repository):
    Path("assay.yaml").write_text("name: a\nsource: data/shop.csv\n")
    assert any("nothing can fail" in one for one in assay.ci("assay.yaml").next)
