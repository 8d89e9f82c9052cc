"""Recipes that ask for what there is not, or for what comes to nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import assay
from assay.errors import AssayError, RecipeError

Build = Callable[..., assay.Version]


@pytest.mark.parametrize(
    ("text", "where", "message"),
    [
        ("name: t\nsource: a.csv\nsede: 3\n", "assay.yaml:3", "did you mean 'seed'"),
        ("name: t\nsource: a.csv\nfields:\n  y: {typ: number}\n", "assay.yaml:4", "'type'"),
        ("name: t\nsource: a.csv\nseed: soon\n", "assay.yaml:3", "soon"),
        ("name: t\nsource: a.csv\nseed: 1.5\n", "assay.yaml:3", "1.5"),
        ("name: t\nsource: a.csv\nsteps: 3\n", "assay.yaml:3", "list"),
        ("name: t\nsource: a.csv\nsteps:\n  - dedup.exct\n", "assay.yaml:4", "'dedup.exact'"),
        (
            "name: t\nsource: a.csv\nsteps:\n  - keep.length: {colum: text}\n",
            "assay.yaml:4",
            "did you mean 'column'",
        ),
        ("name: &a [*a]\nsource: a.csv\n", "assay.yaml:1", "alias"),
        ("name: t\nsource: a.csv\nfields: &f\n  y: *f\n", "assay.yaml", "refers to itself"),
        ("name: t\nname: u\nsource: a.csv\n", "assay.yaml:2", "stands twice"),
        ("name: t\nsource: !!python/object:os.system x\n", "assay.yaml:2", "tag"),
        ("name: t\nsource: [\n", "assay.yaml", "not YAML"),
        ("- just\n- a list\n", "assay.yaml", "mapping"),
        (
            "name: t\nsource: a.csv\ntarget: y\nmodels: [constant, constant]\n",
            "assay.yaml",
            "model 'constant' stands twice",
        ),
        ("name: t\nsource: a.csv\nmodels: [constant]\n", "assay.yaml", "need a `target`"),
        ("name: t\nsource: a.csv\ntarget: y\ninputs: [y]\n", "assay.yaml", "leak"),
        ("name: t\nsource: a.csv\nexports: [csv, csv]\n", "", "export 'csv' stands twice"),
    ],
)
def test_a_recipe_that_is_wrong_is_refused_before_any_data_is_read(
    tmp_path: Any, text: str, where: str, message: str
) -> None:
    path = tmp_path / "assay.yaml"
    path.write_text(text)
    (tmp_path / "a.csv").write_text("text,y\na,1\n")

    with pytest.raises(RecipeError) as caught:
        assay.build(path, out=tmp_path / "versions", workers=1)

    assert message in str(caught.value)
    assert where in str(caught.value.where or "")
    assert not list((tmp_path / "versions").glob("t/*"))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"keep.where": {"where": "text > 5"}}, "cannot compare string with numeric"),
        ({"keep.where": {"where": "text + 5 > 1"}}, "arithmetic on dtypes str"),
        ({"keep.where": {"where": "size + 1"}}, "true or false for every row"),
        ({"keep.where": {"where": "size >"}}, "not a SQL expression"),
        ({"keep.where": {"where": "size > AVG(size)"}}, "more than one row"),
        ({"keep.where": {"where": "frob(size) > 1"}}, "unsupported function"),
        ({"keep.where": {"where": "1 = 1; DROP TABLE x"}}, "not a SQL expression"),
        ({"keep.where": {"where": "sise > 1"}}, "did you mean 'size'"),
        ({"keep.length": {"column": "size", "min": 1}}, "has no length"),
        ({"clean.text": {"columns": ["size"]}}, "is not text"),
        ({"clean.remove": {"columns": ["text"], "pattern": "(("}}, "not a regular expression"),
        ({"sample.weighted": {"n": 5, "weight": "text"}}, "weight is not a number"),
        ({"sample.weighted": {"n": 5, "weight": "size * 0"}}, "weight not positive (40)"),
        ({"split.random": {"train": 0.9, "validation": 0.5, "test": 0.3}}, "add up to 1"),
        ({"split.temporal": {"by": "text"}}, "no time and no number"),
    ],
)
def test_a_step_that_cannot_be_done_says_why(
    build: Build, good: pl.DataFrame, step: Any, message: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        build(good, steps=[step])

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": {"type": "string", "pattern": "(("}}, "not a regular expression"),
        ({"size": {"type": "number", "min": "cheap"}}, "is no number"),
        ({"text": {"type": "datetime", "max": "later"}}, "is no datetime"),
    ],
)
def test_a_contract_that_makes_no_sense_says_why(
    build: Build, good: pl.DataFrame, fields: Any, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        build(good, fields=fields)


def test_rules_are_conditions(build: Build, good: pl.DataFrame) -> None:
    with pytest.raises(RecipeError, match=r"rules\.r: A rule is a condition"):
        build(good, rules={"r": "size + 1"})
    with pytest.raises(RecipeError, match=r"rules\.r: .*cannot compare string"):
        build(good, rules={"r": "text > 5"})


def test_a_division_by_zero_breaks_no_build(build: Build) -> None:
    frame = pl.DataFrame({"a": [1.0, 2.0], "b": [0.0, 1.0]})

    version = build(frame, rules={"ratio": "a / b < 10"})

    assert version.to_polars()["a"].to_list() == [2.0]
    assert version.rows["reasons"] == {"contract: rule:ratio": 1}


def test_when_every_row_is_set_aside_the_message_says_by_what(
    build: Build, good: pl.DataFrame
) -> None:
    fields = {"size": {"type": "integer", "min": 3}}
    steps = [{"keep.length": {"column": "text", "max": 3}}]

    with pytest.raises(RecipeError, match="No row is left") as caught:
        build(good, fields=fields, steps=steps)

    assert caught.value.received == "keep.length: too long (22), contract: size: min (18)"


def test_a_table_of_one_row_over_and_over_keeps_one(build: Build) -> None:
    frame = pl.DataFrame({"a": ["x"] * 20})

    by_content = build(frame, steps=[{"dedup.exact": {"columns": ["a"]}}])
    by_key = build(frame, id="a")

    assert by_content.rows["reasons"] == {"dedup.exact: duplicate": 19}
    assert by_key.rows["reasons"] == {"contract: duplicate id": 19}


def test_a_refused_recipe_leaves_former_versions_alone(build: Build, good: pl.DataFrame) -> None:
    before = build(good)

    with pytest.raises(AssayError):
        build(good, steps=[{"keep.where": {"where": "size > 99"}}])

    assert assay.Version(before.path).to_polars().height == 40
    assert [path.name for path in before.path.parent.glob("v*")] == [before.id]
