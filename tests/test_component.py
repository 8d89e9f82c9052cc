"""Components: from a public function to a name, a schema and checked parameters."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest
from pydantic import ValidationError

from assay import component
from assay.component import (
    Column,
    Columns,
    Decisions,
    Expression,
    Keys,
    Rows,
    Table,
    bind,
    catalogue,
    find,
    mark_of,
)
from assay.errors import RecipeError

MODULES = {
    "__init__": '"""Steps of a test."""\n',
    "keep": '''
        """Keep or set aside."""
        import os.path
        from os.path import join

        import polars as pl
        from assay.component import Column, Columns, Decisions, Expression, Keys, Rows, Table

        __all__ = ["Helper", "join", "length", "same"]


        class Helper:
            """Public, but no function."""


        def length(rows: Rows, *, column: Column, min: int | None = None, cut: float = 0.5) -> Rows:
            """Keep texts of a length.

            More words.
            """
            return rows


        def same(
            table: Table, *, keys: Keys, by: Column | None = None, shown: Columns = [],
            weight: Expression | None = None, seed: int = 0,
        ) -> Decisions:
            """Decide about the table."""
            return table


        def _private(rows: Rows) -> Rows:
            return rows


        def unlisted(rows: Rows) -> Rows:
            return rows
    ''',
    "_hidden": '__all__ = ["secret"]\ndef secret(rows): return rows\n',
}


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A package of components that stands in for assay's own."""
    package = tmp_path / "fake_steps"
    package.mkdir()
    for name, source in MODULES.items():
        (package / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(component.PACKAGES, "steps", "fake_steps")
    component._catalogue.cache_clear()
    yield package
    component._catalogue.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "fake_steps"]:
        del sys.modules[name]


def test_only_public_functions_of_public_modules_are_components(steps):
    assert set(catalogue("steps")) == {"keep.length", "keep.same"}


@pytest.mark.usefixtures("steps")
def test_outside_of_steps_the_name_is_the_function_s(monkeypatch):
    monkeypatch.setitem(component.PACKAGES, "models", "fake_steps.keep")

    assert set(catalogue("models")) == {"length", "same"}


@pytest.mark.usefixtures("steps")
def test_a_component_says_what_it_takes_and_gives():
    length, same = find("steps", "keep.length"), find("steps", "keep.same")

    assert (length.data, length.gives) == ("rows", "rows")
    assert (same.data, same.gives) == ("table", "decisions")
    assert length.summary == "Keep texts of a length."


@pytest.mark.usefixtures("steps")
def test_marked_parameters_are_flattened_and_null_ones_left_out():
    same = find("steps", "keep.same")
    given = {"keys": ["a", "b"], "by": None, "shown": ["c"], "weight": "price > 1", "seed": 3}

    assert same.marked(given, "key") == ["a", "b"]
    assert same.marked(given, "value") == ["c"]
    assert same.marked(given | {"by": "d"}, "value") == ["d", "c"]
    assert same.marked(given, "expression") == ["price > 1"]


@pytest.mark.usefixtures("steps")
def test_an_unknown_name_is_refused_with_all_names_and_the_nearest():
    with pytest.raises(RecipeError) as caught:
        find("steps", "keep.lenght", where="assay.yaml:7")

    assert str(caught.value).startswith("assay.yaml:7: ")
    assert caught.value.allowed == ("keep.length", "keep.same")
    assert caught.value.hint == "did you mean 'keep.length'?"


@pytest.mark.usefixtures("steps")
def test_bind_fills_in_defaults_and_leaves_what_was_given_as_it_was():
    given = {"column": "text", "min": 3}

    bound = bind(find("steps", "keep.length"), given)

    assert bound == {"column": "text", "min": 3, "cut": 0.5}
    assert given == {"column": "text", "min": 3}


@pytest.mark.usefixtures("steps")
def test_bind_does_not_share_mutable_defaults():
    same = find("steps", "keep.same")

    bind(same, {"keys": ["a"]})["shown"].append("x")

    assert bind(same, {"keys": ["a"]})["shown"] == []


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"column": "t", "mim": 3}, "did you mean 'min'"),
        ({"min": 3}, "keep.length: column: Field required"),
        ({"column": ["t"]}, "valid string"),
        ({"column": "t", "min": "three"}, "received: 'three'"),
        ({"column": "t", "min": 2.5}, "received: 2.5"),
        ({"column": None}, "valid string"),
    ],
    ids=["unknown", "missing", "a list", "a word", "a fraction", "null"],
)
def test_bind_refuses_what_the_signature_does_not_allow(given, message):
    with pytest.raises(RecipeError, match=message) as caught:
        bind(find("steps", "keep.length"), given, where="assay.yaml:9")

    assert str(caught.value).startswith("assay.yaml:9: ")


@pytest.mark.usefixtures("steps")
def test_parameters_are_a_json_schema_and_refuse_the_data_argument():
    parameters = find("steps", "keep.length").parameters

    assert set(parameters.model_json_schema()["properties"]) == {"column", "min", "cut"}
    with pytest.raises(ValidationError):
        parameters.model_validate({"column": "t", "rows": []})


def test_the_version_changes_with_the_source_and_only_with_it(steps):
    length = find("steps", "keep.length")
    before = length.version()

    assert length.version() == before
    with (steps / "keep.py").open("a", encoding="utf-8") as file:
        file.write("# another line\n")

    assert length.version() != before


@pytest.mark.parametrize(
    ("hint", "mark"),
    [
        (Rows, "rows"),
        (Table, "table"),
        (Decisions, "decisions"),
        (Column, "value"),
        (Columns, "value"),
        (Keys, "key"),
        (Expression, "expression"),
        (Column | None, "value"),
        (Columns | str | None, "value"),
        (dict[str, Expression], "expression"),
        (str, None),
        (None, None),
        (list[int], None),
    ],
)
def test_mark_of_looks_through_unions_and_containers(hint, mark):
    assert mark_of(hint) == mark


@pytest.mark.usefixtures("steps")
def test_one_column_may_be_written_without_a_list():
    assert bind(find("steps", "keep.same"), {"keys": "title"})["keys"] == ["title"]
