"""Recipes: what they say, in YAML and in Python, and what is refused with which words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.recipe import FieldSpec, Recipe, Use, digest, load, schema

ROOT = Path(__file__).resolve().parents[1]
YAML = """\
name: prices
source: /data/products.jsonl
seed: 7
target: price
inputs: [title, text]
fields:
  title: {type: string, required: true}
  text: {type: string}
  price: {type: number, min: 0.5, max: 999.49, unit: USD}
steps:
  - clean.text: {columns: [title, text]}
  - keep.length: {column: text, min: 200}
  - dedup.exact: {columns: [title]}
exports:
  - jsonl
models:
  - constant
  - tfidf_linear
metrics: [mae, rmsle]
"""
PLAIN = yaml.safe_load(YAML)


@pytest.fixture
def written(tmp_path: Path):
    """Write a text as the file `assay.yaml` and return its path."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "assay.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def refused(path: Path) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        load(path)
    return caught.value


# one recipe, several ways of saying it -----------------------------------------------------------


def test_yaml_mapping_and_python_are_one_recipe(written):
    from_yaml = load(written(YAML))
    from_python = Recipe(
        name="prices",
        source="/data/products.jsonl",
        seed=7,
        target="price",
        inputs=["title", "text"],
        fields={
            "title": FieldSpec(required=True),
            "text": FieldSpec(),
            "price": FieldSpec(type="number", min=0.5, max=999.49, unit="USD"),
        },
        steps=[
            Use(name="clean.text", given={"columns": ["title", "text"]}),
            Use(name="keep.length", given={"column": "text", "min": 200}),
            Use(name="dedup.exact", given={"columns": ["title"]}),
        ],
        exports=["jsonl"],
        models=["constant", "tfidf_linear"],
        metrics=["mae", "rmsle"],
    )

    assert load(PLAIN) == from_yaml
    assert load(from_python) == from_yaml
    assert digest(load(PLAIN).plain()) == digest(from_yaml.plain()) == digest(from_python.plain())


def test_three_spellings_of_a_component_are_one():
    spelt = [["constant"], [{"constant": None}], [{"constant": {}}]]

    recipes = [load(PLAIN | {"models": models}) for models in spelt]

    assert recipes[0] == recipes[1] == recipes[2]


def test_digest_ignores_the_order_of_keys_and_nothing_else():
    assert digest({"a": [1, 2], "b": None}) == digest({"b": None, "a": [1, 2]})
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
    assert digest({"a": 1}) != digest({"a": "1"})


def test_a_model_may_stand_twice_under_two_labels(written):
    models = "models:\n  - constant\n  - constant: {}\n    as: again\n"
    recipe = load(written(YAML.replace("models:\n  - constant\n", models)))

    assert [use.title for use in recipe.models] == ["constant", "again", "tfidf_linear"]


def test_a_data_frame_is_a_source_in_python_and_named_by_its_type_when_written():
    recipe = load({"name": "frame", "source": pl.DataFrame({"a": [1]})})

    assert recipe.plain()["source"] == "<DataFrame>"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("data/p.jsonl", "{folder}/data/p.jsonl"),
        ("/data/p.jsonl", "/data/p.jsonl"),
        ("s3://bucket/p.jsonl", "s3://bucket/p.jsonl"),
        ("['a.csv', '/b.csv']", ["{folder}/a.csv", "/b.csv"]),
    ],
)
def test_paths_are_relative_to_the_recipe(written, source, expected):
    path = written(f"name: x\nsource: {source}\n")

    def place(value: str) -> str:
        return value.format(folder=path.parent)

    wanted = place(expected) if isinstance(expected, str) else [place(item) for item in expected]
    assert load(path).source == wanted


@pytest.mark.parametrize(
    "encoded",
    [
        b"\xef\xbb\xbf" + YAML.encode(),
        YAML.replace("\n", "\r\n").encode(),
        (YAML + "# caf\u00e9 \u4e2d\n").encode(),
        ("---\n" + YAML + "...\n").encode(),
    ],
    ids=["byte-order mark", "CRLF", "beyond ASCII", "document marks"],
)
def test_the_file_s_dressing_does_not_matter(written, encoded):
    assert load(written(encoded)) == load(PLAIN)


KEYS = ["on", "yes", "no", "Off", "1", "null", "~", "2.5"]


def test_keys_are_words_even_where_yaml_sees_booleans_and_numbers(written):
    text = "name: x\nsource: /x.csv\nfields:\n" + "".join(
        f"  {key}: {{type: string}}\n" for key in KEYS
    )

    assert list(load(written(text)).fields) == KEYS


def test_aliases_and_anchors_are_followed(written):
    text = "name: x\nsource: /x.csv\nfields:\n  a: &number {type: number, min: 0}\n  b: *number\n"

    fields = load(written(text)).fields

    assert fields["a"] == fields["b"] == FieldSpec(type="number", min=0)


def test_a_date_limit_may_be_written_bare(written):
    text = "name: x\nsource: /x.csv\nfields:\n  day: {type: datetime, min: 2020-01-31}\n"

    assert load(written(text)).fields["day"].min == "2020-01-31"


def test_allowed_words_stay_words(written):
    text = "name: x\nsource: /x.csv\nfields:\n  country: {allowed: [NO, SE, on, yes]}\n"

    assert load(written(text)).fields["country"].allowed == ["NO", "SE", "on", "yes"]


# what is refused ---------------------------------------------------------------------------------

REFUSED = {
    "unknown key": (YAML + "stepz: []\n", 20, "stepz", "'steps'"),
    "unknown key of a field": (
        YAML.replace("text: {type: string}", "text: {typ: string}"), 8, "typ", "'type'",
    ),
    "unknown key of read": (YAML + "read:\n  encodng: utf-8\n", 21, "encodng", "'encoding'"),
    "unknown step": (YAML.replace("dedup.exact", "dedup.exct"), 13, "dedup.exct", "'dedup.exact'"),
    "unknown parameter": (YAML.replace("min: 200", "mim: 200"), 12, "mim", "'min'"),
    "unknown model": (YAML.replace("tfidf_linear", "tfidf_liner"), 18, "liner", "'tfidf_linear'"),
    "unknown metric": (YAML.replace("rmsle", "rmslee"), 19, "rmslee", "'rmsle'"),
    "unknown field type": (YAML.replace("type: number", "type: numbr"), 9, "numbr", "number"),
    "wrong type": (YAML.replace("seed: 7", "seed: seven"), 3, "seven", "integer"),
    "wrong type of a parameter": (YAML.replace("min: 200", "min: many"), 12, "many", "integer"),
    "missing parameter": (YAML.replace("column: text, ", ""), 12, "column", "required"),
    "name that is no file name": (YAML.replace("name: prices", "name: ../up"), 1, "../up", "name"),
    "list where a mapping belongs": (YAML + "read: [csv]\n", 20, "read", "csv"),
    "key twice": (YAML + "seed: 8\n", 20, "'seed'", "twice"),
    "key of a field twice": (
        YAML.replace("{type: string}", "{type: string, type: number}"), 8, "'type'", "twice",
    ),
    "alias cycle": (YAML + "exports: &x [*x]\n".replace("exports", "gates"), 20, "alias", "itself"),
    "alias that is not there": (YAML + "gates: *nowhere\n", 20, "YAML", "nowhere"),
    "unclosed bracket": (YAML + "gates: [\n", 21, "YAML", ""),
    "tab as indent": (YAML + "read:\n\tformat: csv\n", 21, "YAML", ""),
    "tag of a Python object": (YAML + "gates: !!python/object:os.system {}\n", 20, "", ""),
    "key that is a list": (YAML + "[a, b]: c\n", 20, "key", ""),
    "two components in one": (
        YAML.replace("  - jsonl", "  - {jsonl: {}, csv: {}}"), 15, "one component", "",
    ),
    "parameters that are no mapping": (
        YAML.replace("  - jsonl", "  - jsonl: 5"), 15, "jsonl", "mapping",
    ),
    "date that does not exist": (YAML.replace("seed: 7", "seed: 2020-02-31"), 3, "", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_its_line(written, case):
    text, line, received, wanted = REFUSED[case]
    path = written(text)

    message = str(refused(path))

    assert message.startswith(f"{path}:{line}: "), message
    assert received in message
    assert wanted in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"models": ["constant", "constant"]}, "model 'constant' stands twice"),
        ({"models": [{"constant": {}, "as": "x"}, {"tfidf_linear": {}, "as": "x"}]}, "'x' stands"),
        ({"inputs": ["title", "price"]}, "target 'price' is also an input"),
        ({"target": None, "inputs": None}, "models need a `target`"),
    ],
    ids=["model twice", "label twice", "target among the inputs", "models without a target"],
)
def test_what_contradicts_itself_is_refused(written, change, words):
    body = PLAIN | change

    with pytest.raises(RecipeError, match=words):
        load(body)
    assert words in str(refused(written(yaml.safe_dump(body))))


@pytest.mark.parametrize(
    "text",
    ["", "# nothing\n", "- a\n- b\n", "words\n", "5\n", "--- a\n--- b\n", "name: \x00\n", "\x07"],
    ids=["empty", "comment", "list", "words", "number", "two documents", "NUL", "bell"],
)
def test_what_is_no_mapping_is_refused(written, text):
    error = refused(written(text))

    assert error.where is not None and error.where.startswith(str(written(text)))


def test_a_missing_key_is_named(written):
    assert "'source' is missing" in str(refused(written("name: x\n")))


def test_a_missing_file_is_named(tmp_path):
    error = refused(tmp_path / "nowhere.yaml")

    assert "nowhere.yaml" in str(error)
    assert "assay init" in (error.hint or "")


def test_a_folder_and_a_file_in_another_encoding_are_refused(tmp_path, written):
    assert "cannot be read" in str(refused(tmp_path))
    assert "cannot be read" in str(refused(written(b"name: caf\xe9\n")))


def test_deep_nesting_is_refused(written):
    assert refused(written("gates: " + "[" * 5_000 + "\n"))


def test_a_misspelt_value_comes_with_the_nearest(written):
    error = refused(written(YAML.replace("type: number", "type: numbr")))

    assert error.hint == "did you mean 'number'?"


# written out and read back -----------------------------------------------------------------------

WORD = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x85"), min_size=1, max_size=8
)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,9}", fullmatch=True)
NUMBER = st.none() | st.floats(-1e9, 1e9) | st.integers(-(10**6), 10**6)
FIELD = st.builds(
    FieldSpec,
    type=st.sampled_from(["string", "number", "category"]),
    required=st.booleans(),
    min=NUMBER,
    max=NUMBER,
    min_length=st.none() | st.integers(0, 99),
    pattern=st.none() | WORD,
    allowed=st.none() | st.lists(WORD | st.integers(-(2**63), 2**63), max_size=3),
    unit=st.none() | st.sampled_from(["USD", "kg"]),
    on_violation=st.sampled_from(["set_aside", "null", "stop"]),
    description=st.none() | WORD,
)
STEP = st.one_of(
    st.builds(
        lambda columns: Use(name="clean.text", given={"columns": columns}),
        st.lists(WORD, min_size=1, max_size=3),
    ),
    st.builds(
        lambda column, least: Use(name="keep.length", given={"column": column, "min": least}),
        WORD,
        st.integers(0, 9),
    ),
    st.builds(
        lambda columns: Use(name="dedup.exact", given={"columns": columns}, label="once"),
        st.lists(WORD, min_size=1, max_size=3),
    ),
)
RECIPE = st.builds(
    Recipe,
    name=NAME,
    source=st.just("/data/x.csv") | st.just(["/a.csv", "/b.csv"]),
    seed=st.integers(-(2**40), 2**40),
    id=st.lists(WORD, max_size=2),
    target=st.none() | WORD,
    fields=st.dictionaries(WORD, FIELD, max_size=3),
    other_fields=st.sampled_from(["keep", "drop", "stop"]),
    rules=st.dictionaries(WORD, WORD, max_size=2),
    steps=st.lists(STEP, max_size=3),
)


@settings(max_examples=50, deadline=None)
@given(recipe=RECIPE)
def test_what_is_written_as_yaml_reads_back_as_the_same_recipe(recipe, tmp_path_factory):
    path = tmp_path_factory.mktemp("recipe") / "assay.yaml"
    path.write_text(recipe.to_yaml(), encoding="utf-8")

    read = load(path)

    assert read == recipe
    assert digest(read.plain()) == digest(recipe.plain())


def test_a_next_line_character_is_written_and_read(written):
    recipe = Recipe(name="x", source="/x.csv", rules={"a": "b\x85c"})

    assert load(written(recipe.to_yaml())) == recipe


def test_a_huge_seed_is_refused_or_has_a_digest():
    try:
        recipe = load({"name": "x", "source": "/x.csv", "seed": 2**70})
    except RecipeError:
        return
    assert digest(recipe.plain())


def test_digest_tells_infinity_from_null():
    assert digest({"max": math.inf}) != digest({"max": None})


def test_what_is_written_says_nothing_that_is_a_default():
    assert yaml.safe_load(load(PLAIN).to_yaml()) == yaml.safe_load(
        YAML.replace("{type: string}", "{}").replace("{type: string, ", "{")
    )


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinite_limits_are_written_and_read(written, value):
    recipe = Recipe(name="x", source="/x.csv", fields={"a": FieldSpec(type="number", max=value)})

    assert load(written(recipe.to_yaml())) == recipe


# the schema --------------------------------------------------------------------------------------


def errors(body: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema())
    return [error.message for error in validator.iter_errors(body)]


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_schema_accepts_a_recipe_and_refuses_misspellings():
    assert errors(PLAIN) == []
    assert errors(PLAIN | {"stepz": []})
    assert errors(PLAIN | {"steps": ["dedup.exct"]})
    assert errors(PLAIN | {"steps": [{"keep.length": {"column": "text", "mim": 1}}]})
    assert errors(PLAIN | {"fields": {"a": {"type": "numbr"}}})
    assert errors({"name": "x"})


RECIPES = sorted((ROOT / "recipes").glob("**/*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_the_recipes_that_come_with_assay_load_and_fit_the_schema(path):
    assert load(path).name
    assert errors(yaml.safe_load(path.read_text(encoding="utf-8"))) == []
