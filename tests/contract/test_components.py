"""What every component of every catalogue keeps to; new ones are covered without a word here.

A step's example parameters are made from its signature: a parameter that names a column is given
one of the frame below. What the signature does not tell stands in `GIVEN`.
"""

from __future__ import annotations

import ast
import datetime
import inspect
import json
import re
from typing import Any

import numpy as np
import polars as pl
import pytest

from assay.component import PACKAGES, Component, Learned, Sketches, bind, catalogue, mark_of
from assay.errors import AssayError, RecipeError
from assay.rows import content_hash, evaluate_expression, key_hash

COMPONENTS = [
    pytest.param(component, id=f"{kind}: {component.name}")
    for kind in PACKAGES
    for component in catalogue(kind).values()
]
EVERY_STEP = [pytest.param(step, id=step.name) for step in catalogue("steps").values()]
STEPS = [param for param in EVERY_STEP if param.values[0].data != "kept"]
LEARNING_STEPS = [param for param in EVERY_STEP if param.values[0].data == "kept"]
ROW_STEPS = [param for param in STEPS if param.values[0].data == "rows"]
TABLE_STEPS = [param for param in STEPS if param.values[0].data == "table"]

GIVEN: dict[str, dict[str, Any]] = {
    "clean.remove": {"pattern": "part_numbers"},
    "dedup.against": {"source": pl.DataFrame({"text": ["about a kettle"]}), "most": 1.0},
    "dedup.near": {"most": 1.0},
    "dedup.semantic": {"most": 1.0},
    "features.numbers": {"find": {"inches": r"(\d+\.\d+) in", "weight": "weight_kg"}},
    "features.text": {"measure": {"words": "words", "loud": "capitals"}},
    "keep.length": {"min": 12},
    "keep.tokens": {"max": 6},
    "sample.cap": {"by": ["category"], "at_most": 3},
    "sample.weighted": {"share": 0.5, "weight": "price"},
    "split.temporal": {"by": "day"},
    "text.truncate": {"at_most": 12},
    "tokens.truncate": {"at_most": 4},
}
"""Parameters, and choices of column, that a signature does not tell."""

BY_NAME = {"by": "price", "groups": "group", "group": "group", "time": "day", "target": "price"}
SPLITS = {"train", "validation", "test", None}


def frame(count: int = 60) -> pl.DataFrame:
    """Rows with repeats, nulls, mark-up and odd texts, each with its own hash."""
    texts = [
        "a plain text about a kettle", "Valve WD12X10327 &amp; <b>seal</b>", "", None, "short",
        "caf\u00e9  with \u00a0 odd \t space\n\n", "a plain text about a kettle", "x" * 300,
        "\u4e2d\u6587 text 12.5 in", "NaN",
    ]  # fmt: skip
    body = pl.DataFrame(
        {
            "title": [texts[n * 7 % len(texts)] for n in range(count)],
            "text": [texts[n % len(texts)] for n in range(count)],
            "price": [None if n % 11 == 5 else 0.5 + (n * 37 % 23) for n in range(count)],
            "category": [None if n % 13 == 4 else f"kind {n % 3}" for n in range(count)],
            "group": [f"g{n % 17}" for n in range(count)],
            "day": [
                datetime.datetime(2024, 1, 1) + datetime.timedelta(hours=n * 31 % 97)
                for n in range(count)
            ],
            "number": [str(n) for n in range(count)],
        },
        schema_overrides={"price": pl.Float64, "day": pl.Datetime("us")},
    )
    return body.with_columns(content_hash(body).alias("_row"))


def example(step: Component) -> dict[str, Any]:
    """Parameters for a step: those of `GIVEN`, and for the required rest what the marks tell."""
    given = dict(GIVEN.get(step.name, {}))
    for name, parameter in inspect.signature(step.function).parameters.items():
        required = parameter.default is parameter.empty
        if parameter.kind is not parameter.KEYWORD_ONLY or name in given or not required:
            continue
        mark, annotation = mark_of(step.hints[name]), str(step.hints[name])
        column = BY_NAME.get(name, "text")
        if mark == "expression":
            given[name] = "price" if "weight" in name else "price > 1"
        elif mark is not None:
            given[name] = [column] if "list" in annotation else column
        else:
            pytest.fail(f"give {step.name}'s parameter {name!r} an example in GIVEN")
    return bind(step, given)


def run(step: Component, rows: pl.DataFrame) -> pl.DataFrame:
    """The step with its example parameters."""
    return step.function(rows, **example(step))


# every component ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PACKAGES)
def test_every_kind_has_components(kind):
    assert catalogue(kind)


@pytest.mark.parametrize("component", COMPONENTS)
def test_docstring_opens_with_one_sentence_and_shows_an_example(component):
    text = inspect.getdoc(component.function) or ""
    first, _, rest = text.partition("\n")

    assert first.endswith("."), "the first line is one whole sentence"
    assert 10 <= len(first) <= 100
    assert rest.startswith("\n") or not rest, "a blank line follows the first sentence"
    assert ">>> " in text


@pytest.mark.parametrize("component", COMPONENTS)
def test_signature_is_annotated_and_configuration_is_keyword_only(component):
    signature = inspect.signature(component.function)

    for name, parameter in signature.parameters.items():
        assert parameter.annotation is not parameter.empty, f"{name} is not annotated"
        assert parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is not parameter.empty:
            assert parameter.kind is parameter.KEYWORD_ONLY, f"{name} is configuration"
        else:
            assert parameter.kind is not parameter.POSITIONAL_ONLY
    assert signature.return_annotation is not signature.empty
    assert len(component.hints) == len(signature.parameters) + 1


@pytest.mark.parametrize("component", COMPONENTS)
def test_parameters_have_a_json_schema(component):
    schema = component.parameters.model_json_schema()

    assert json.loads(json.dumps(schema)) == schema
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("component", COMPONENTS)
def test_an_unknown_parameter_is_refused_with_the_nearest(component):
    known = list(component.parameters.model_fields)
    given = f"{known[0]}x" if known else "nonsense"

    with pytest.raises(RecipeError) as caught:
        bind(component, {given: 1}, where="assay.yaml:3")

    assert str(caught.value).startswith("assay.yaml:3: ")
    assert set(caught.value.allowed or ()) == set(known)
    if known:
        assert caught.value.hint and caught.value.hint.startswith("did you mean")


@pytest.mark.parametrize("component", COMPONENTS)
def test_defaults_fit_their_own_annotations(component):
    fields = component.parameters.model_fields
    defaults = {name: field.default for name, field in fields.items() if not field.is_required()}
    required = {name for name, field in fields.items() if field.is_required()}

    problems = []
    try:
        component.parameters.model_validate(defaults)
    except ValueError as error:
        problems = [issue for issue in error.errors() if issue["loc"][0] not in required]

    assert problems == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_version_is_a_short_hash(component):
    assert re.fullmatch("[0-9a-f]{12}", component.version())


MODULES = {
    module.__name__: module
    for kind in PACKAGES
    for component in catalogue(kind).values()
    if (module := inspect.getmodule(component.function)) is not None
}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_s_public_list_is_sorted_whole_and_without_repeats(name):
    listed = MODULES[name].__all__

    assert len(set(listed)) == len(listed)
    assert all(hasattr(MODULES[name], each) for each in listed)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_prints_nothing_and_swallows_no_errors(name):
    tree = ast.parse(inspect.getsource(MODULES[name]))

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "print", f"line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            caught = getattr(node.type, "id", None)
            assert node.type is not None, f"line {node.lineno}: bare except"
            assert caught not in ("Exception", "BaseException"), f"line {node.lineno}"


# every step --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", EVERY_STEP)
def test_a_step_says_what_it_takes_and_gives(step):
    assert (step.data, step.gives) in {
        ("rows", "rows"), ("rows", "decisions"), ("table", "decisions"), ("kept", "learned"),
    }  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_a_step_gives_one_row_for_each_row(step):
    rows = frame()

    result = run(step, rows)

    assert result.height == rows.height
    if step.gives == "rows":
        assert result.columns[: rows.width] == rows.columns
        assert result["_row"].equals(rows["_row"])
        return
    assert result.schema["rule"] == pl.String
    assert result.schema["value"] == pl.Float64
    assert result.schema["threshold"] == pl.Float64
    allowed = {"rule", "value", "threshold"} | (
        {"twin", "cluster", "split", "fold"} if step.data == "table" else set()
    )
    assert set(result.columns) <= allowed
    for name in {"twin", "cluster"} & set(result.columns):
        assert result.schema[name] == pl.UInt64
    if "split" in result.columns:
        assert result.schema["split"] == pl.String
        assert set(result["split"]) <= SPLITS
    if "twin" in result.columns:
        twins = result["twin"].drop_nulls()
        stays = rows["_row"].filter(result["rule"].is_null())
        assert set(twins) <= set(stays), "a twin is a row that stays"


@pytest.mark.parametrize("step", STEPS)
def test_a_step_leaves_its_input_as_it_was(step):
    rows = frame()
    before = rows.clone()

    run(step, rows)

    assert rows.equals(before)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_gives_the_same_twice(step):
    assert run(step, frame()).equals(run(step, frame()))


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("identity", ["_row", "row_id", "content"])
def test_a_step_does_not_depend_on_the_order_of_rows(step, identity):
    rows = frame()
    if identity == "row_id":
        rows = rows.drop("_row").with_columns(row_id=pl.col("number"))
    if identity == "content":
        rows = rows.drop("_row")
    order = np.random.default_rng(3).permutation(rows.height)

    result = run(step, rows)

    assert run(step, rows[order]).equals(result[order])


@pytest.mark.parametrize("step", ROW_STEPS)
def test_a_row_step_says_of_a_row_the_same_in_any_company(step):
    rows = frame()

    whole = run(step, rows)
    alone = pl.concat([run(step, rows[n : n + 7]) for n in range(0, rows.height, 7)])

    assert alone.equals(whole)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_takes_an_empty_table(step):
    assert run(step, frame().clear()).height == 0


@pytest.mark.parametrize("step", STEPS)
def test_a_step_takes_one_row(step):
    assert run(step, frame()[:1]).height == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_step_takes_nulls_alone_or_says_why_not(step):
    rows = frame(12)
    nulls = rows.with_columns(
        pl.lit(None, dtype).alias(name) for name, dtype in rows.schema.items() if name != "_row"
    )

    try:
        result = run(step, nulls)
    except AssayError:
        return

    assert result.height == rows.height


@pytest.mark.parametrize("step", STEPS)
def test_a_missing_column_is_refused_by_name(step):
    parameters = example(step)
    named = [*step.marked(parameters, "value"), *step.marked(parameters, "key")]
    if not named:
        pytest.skip("the step names no column")

    with pytest.raises(AssayError, match=re.escape(named[0])) as caught:
        step.function(frame().drop(named[0]), **parameters)

    assert caught.value.allowed, "the message lists the columns there are"


@pytest.mark.parametrize("step", TABLE_STEPS)
def test_a_table_step_needs_only_what_its_parameters_name(step):
    """The build hands over hashes of keys and the values of expressions, never the text."""
    rows, parameters = frame(), example(step)
    values = step.marked(parameters, "value")
    keys = [name for name in step.marked(parameters, "key") if name not in values]
    narrow = rows.select(
        "_row",
        *values,
        *(key_hash(rows, [name]).alias(name) for name in keys),
        *(
            evaluate_expression(rows, expression).alias(expression)
            for expression in step.marked(parameters, "expression")
            if expression not in values
        ),
    )

    if step.sketch is not None:
        noted = {
            name: parameters[name]
            for name in inspect.signature(step.sketch).parameters
            if name in parameters
        }
        made = Sketches.of(rows, step.sketch, noted)
        flat = [name for name in made.rows.columns if name not in rows.columns]
        narrow = Sketches(narrow.hstack(made.rows.select(flat)), made.wide)

    assert step.function(narrow, **parameters).equals(run(step, rows))


@pytest.mark.parametrize("step", [param for param in STEPS if "seed" in param.values[0].hints])
def test_a_step_with_a_seed_draws_by_it(step):
    rows = frame(600)
    parameters = example(step)

    drawn = [step.function(rows, **(parameters | {"seed": seed})) for seed in (1, 1, 2)]

    assert drawn[0].equals(drawn[1])
    assert not drawn[0].equals(drawn[2])


# every step that learns --------------------------------------------------------------------------


def kept(count: int = 240) -> pl.DataFrame:
    """Rows of which the last fifth is held out, with a class that the price goes along with."""
    body = (
        frame(count)
        .drop("_row")
        .with_columns(
            pl.when(pl.col("price") > 12)
            .then(pl.lit("dear"))
            .otherwise(pl.lit("cheap"))
            .alias("label"),
            weight_g=pl.int_range(pl.len()) * 13 % 101 * 1.0,
        )
    )
    body = body.with_columns(label=pl.when(pl.int_range(pl.len()) % 9 == 0).then(pl.lit("cheap"))
                             .otherwise("label"))  # fmt: skip
    sides = pl.when(pl.int_range(pl.len()) < count * 0.8).then(pl.lit("train"))
    return body.with_columns(
        content_hash(body).alias("_row"), sides.otherwise(pl.lit("test")).alias("_split")
    )


LEARNS: dict[str, dict[str, Any]] = {
    "augment.table": {"target": "label", "columns": ["price", "weight_g", "category"]},
    "balance.smote": {"target": "label", "inputs": ["weight_g", "category"]},
    "balance.target": {"target": "weight_g"},
    "clean.categories": {"columns": ["category"]},
    "clean.impute": {"columns": ["price"]},
    "features.select": {"target": "label", "inputs": ["price", "weight_g", "category"], "keep": 2},
    "labels.drop": {"target": "label", "inputs": ["price", "weight_g", "category"]},
    "outliers.drop": {"columns": ["weight_g", "price"]},
}
"""Parameters of learning steps that a signature does not tell."""


def learn(step: Component, rows: pl.DataFrame) -> Learned:
    given: dict[str, Any] = dict(LEARNS.get(step.name, {}))
    for name, parameter in inspect.signature(step.function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and name not in given:
            if name == "target":
                given[name] = "label"
            elif parameter.default is parameter.empty and mark_of(step.hints[name]) == "value":
                given[name] = ["text"] if "list" in str(step.hints[name]) else "text"
    return step.function(rows, **bind(step, given))


def said(learned: Learned, rows: pl.DataFrame) -> list[Any]:
    """What a step learned, in an order of its own."""
    found: list[Any] = []
    for part in (learned.decisions, learned.changed):
        whole = None if part is None else part.with_columns(rows["_row"]).sort("_row")
        found.append(None if whole is None else whole.to_dicts())
    added = learned.added
    found.append(None if added is None else sorted(map(str, added.to_dicts())))
    return [*found, sorted(learned.dropped), learned.weight]


@pytest.mark.parametrize("step", LEARNING_STEPS)
def test_what_is_learned_does_not_depend_on_the_order_of_rows(step):
    rows = kept()
    order = np.random.default_rng(5).permutation(rows.height)

    assert said(learn(step, rows[order]), rows[order]) == said(learn(step, rows), rows)


@pytest.mark.parametrize("step", LEARNING_STEPS)
def test_a_learning_step_never_looks_at_what_is_held_out(step):
    rows = kept()
    train = rows["_split"] == "train"
    other = rows.with_columns(
        pl.when(train).then("price").otherwise(pl.lit(-4000.0)).alias("price"),
        pl.when(train).then("label").otherwise(pl.lit("cheap")).alias("label"),
        pl.when(train).then("category").otherwise(pl.lit("kind 2")).alias("category"),
        pl.when(train).then("text").otherwise(pl.lit("entirely other words")).alias("text"),
        pl.when(train).then("weight_g").otherwise(pl.lit(9e9)).alias("weight_g"),
    )

    one, two = learn(step, rows), learn(step, other)

    for part in ("decisions", "changed"):
        first, second = getattr(one, part), getattr(two, part)
        assert (first is None) == (second is None)
        if first is not None:
            assert first.filter(train).equals(second.filter(train))
    assert sorted(one.dropped) == sorted(two.dropped)
    if one.added is not None:
        assert one.added.sort(pl.all()).equals(two.added.sort(pl.all()))


@pytest.mark.parametrize("step", LEARNING_STEPS)
def test_what_a_learning_step_says_fits_the_rows(step):
    rows = kept()

    learned = learn(step, rows)

    for part in (learned.decisions, learned.changed):
        assert part is None or part.height == rows.height
    if learned.decisions is not None:
        assert learned.decisions.schema["rule"] == pl.String
        out = learned.decisions["rule"].is_not_null()
        assert set(rows["_split"].filter(out)) <= {"train"}
    if learned.added is not None:
        parents = set(rows["_row"].filter(rows["_split"] == "train"))
        assert set(learned.added["_parent"]) <= parents
        assert set(learned.added.columns) - {"_parent"} <= set(rows.columns)
        for name in set(learned.added.columns) - {"_parent"}:
            assert learned.added.schema[name] == rows.schema[name]
    assert set(learned.dropped) <= set(rows.columns)
    assert json.loads(json.dumps(dict(learned.findings))) == dict(learned.findings)


@pytest.mark.parametrize("step", LEARNING_STEPS)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_learning_step_takes_hardly_any_rows_or_says_why_not(step, count):
    rows = kept()[:count]

    try:
        learned = learn(step, rows)
    except AssayError as error:
        assert error.hint or error.allowed or error.received is not None
        return

    for part in (learned.decisions, learned.changed):
        assert part is None or part.height == count
