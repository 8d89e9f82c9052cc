"""Recipes written from a look at the data."""

from __future__ import annotations

import random
from pathlib import Path

import polars as pl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import AssayError, RecipeError, SourceError, StorageError
from assay.jobs.starting import init
from assay.recipe import load

WORDS = ("silk", "wool", "soft", "warm", "light", "fits", "large", "lovely", "poor", "torn", "blue")


def write_csv(path: Path, rows: int = 200) -> Path:
    """Made-up reviews: an id, an entity, a text, a number, a class and a constant."""
    draw = random.Random(7)
    frame = pl.DataFrame(
        {
            "id": [f"r{n}" for n in range(rows)],
            "product_id": [str(n % 17) for n in range(rows)],
            "review": [" ".join(draw.choices(WORDS, k=12)) for _ in range(rows)],
            "age": [str(draw.randint(18, 80)) for _ in range(rows)],
            "shop": ["one"] * rows,
            "price": [f"${draw.randint(1, 2000):,}.99" for _ in range(rows)],
            "liked": [draw.choice(["yes", "no"]) for _ in range(rows)],
        }
    )
    frame.write_csv(path)
    return path


def names(uses):
    return [use.name for use in uses]


def test_a_recipe_for_a_price_loads_as_it_is(tmp_path):
    source, out = write_csv(tmp_path / "shop reviews.csv"), tmp_path / "assay.yaml"

    text = init(source, target="price", out=out)
    recipe = load(out)

    assert out.read_text(encoding="utf-8") == text
    assert recipe.name == "shop-reviews"
    assert Path(recipe.source) == source
    assert recipe.id == ["id"]
    assert (recipe.target, recipe.task) == ("price", "number")
    assert recipe.inputs == ["review", "age", "liked"]
    assert recipe.fields["price"].unit == "USD"
    assert recipe.fields["price"].required
    assert names(recipe.steps) == ["clean.text", "dedup.exact", "dedup.near", "split.stratified"]
    assert recipe.steps[1].given == {"columns": ["review"]}
    assert recipe.steps[2].given == {"columns": ["review"], "keep": "all"}
    assert recipe.steps[3].given["groups"] == ["product_id"]
    assert "tfidf_linear" in names(recipe.models)
    assert names(recipe.metrics)[:2] == ["mae", "rmse"]
    assert {"rmsle", "hits"} <= set(names(recipe.metrics))


def test_a_recipe_for_a_class_measures_classes(tmp_path):
    source, out = write_csv(tmp_path / "r.csv"), tmp_path / "assay.yaml"

    init(source, target="liked", out=out)
    recipe = load(out)

    assert (recipe.task, recipe.positive) == ("class", "true")
    assert {"accuracy", "roc_auc"} <= set(names(recipe.metrics))
    assert names(recipe.gates) == ["rows", "better", "leak"]
    assert recipe.gates[-1].severity == "warn"


def test_without_a_target_there_are_no_models(tmp_path):
    source, out = write_csv(tmp_path / "r.csv"), tmp_path / "assay.yaml"

    init(source, out=out)
    recipe = load(out)

    assert (recipe.target, recipe.models, recipe.metrics, recipe.gates) == (None, [], [], [])
    assert names(recipe.steps)[-1] == "split.grouped"


def test_a_row_is_not_lost_for_a_few_unreadable_inputs(tmp_path):
    source, out = tmp_path / "r.csv", tmp_path / "assay.yaml"
    ages = [str(n % 60) for n in range(198)] + ["young", "old"]
    classes = ["ab"[n * n % 7 % 2] for n in range(200)]
    pl.DataFrame({"age": ages, "y": classes}).write_csv(source)

    text = init(source, target="y", out=out)

    assert load(out).fields["age"].on_violation == "null"
    assert "2 values in the sample are no integer" in text


def test_the_source_is_relative_to_the_recipe(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "recipes").mkdir()
    source = write_csv(tmp_path / "data" / "r.csv")
    monkeypatch.chdir(tmp_path)

    below = yaml.safe_load(init(source, out=tmp_path / "assay.yaml"))
    beside = yaml.safe_load(init("data/r.csv", out="recipes/assay.yaml"))
    unwritten = yaml.safe_load(init("data/r.csv"))

    assert below["source"] == "data/r.csv"
    assert beside["source"] == "../data/r.csv"
    assert unwritten["source"] == "data/r.csv"


def test_a_file_without_a_header_gets_a_hint(tmp_path):
    source = tmp_path / "r.csv"
    draw = random.Random(1)
    lines = [f"{draw.random():.3f},A{draw.randint(1, 4)},{draw.randint(1, 2)}" for _ in range(100)]
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")

    text = init(source, target="column_3")

    assert "# read: {header: false" in text
    assert yaml.safe_load(text)["task"] == "class"


def test_an_existing_file_is_left_alone(tmp_path):
    source, out = write_csv(tmp_path / "r.csv"), tmp_path / "assay.yaml"
    init(source, out=out)
    init(source, out=out)  # the same text again is no conflict
    out.write_text("mine", encoding="utf-8")

    with pytest.raises(StorageError, match="already a file"):
        init(source, out=out)

    assert out.read_text(encoding="utf-8") == "mine"


def test_a_misspelt_target_is_refused_with_the_nearest_name(tmp_path):
    source = write_csv(tmp_path / "r.csv")

    with pytest.raises(RecipeError, match="did you mean 'price'"):
        init(source, target="prise")


def test_a_frame_is_no_source_of_a_recipe_file():
    with pytest.raises(SourceError, match="needs a path"):
        init(pl.DataFrame({"x": [1]}))  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["", "a,b\n"])
def test_a_source_without_rows_is_refused(tmp_path, content):
    source = tmp_path / "r.csv"
    source.write_text(content, encoding="utf-8")

    with pytest.raises(SourceError):
        init(source)


odd = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12
).filter(lambda name: name.strip() == name)


@settings(max_examples=25, deadline=None)
@given(st.lists(odd | st.sampled_from(["yes", "5", "1e5", "a: b", "#x", "[k]", "null", "'"]),
                min_size=3, max_size=5, unique=True))  # fmt: skip
def test_any_column_names_make_a_recipe_that_loads(tmp_path_factory, columns):
    folder = tmp_path_factory.mktemp("names")
    values = {name: [str((n * 7 + i) % 11) for n in range(30)] for i, name in enumerate(columns)}
    pl.DataFrame(values).write_parquet(folder / "r.parquet")

    init(folder / "r.parquet", target=columns[0], out=folder / "assay.yaml")
    recipe = load(folder / "assay.yaml")

    assert recipe.target == columns[0]
    assert list(recipe.fields) == columns


@pytest.mark.parametrize(
    ("name", "target", "task"),
    [
        ("prices/products.jsonl", "price", "number"),
        ("text/clothing_reviews.csv", "Rating", "number"),
        ("text/sms_spam.tsv", "column_1", "class"),
        ("text/medical_abstracts.csv", "condition_label", "class"),
        ("tabular/german.csv", "column_21", "class"),
        ("errors/beers_dirty.csv", "ounces", "number"),
        ("drift/elec.csv", "class", "class"),
    ],
)
def test_real_tables_get_recipes_that_load(shared_data, tmp_path, name, target, task):
    out = tmp_path / "assay.yaml"

    init(shared_data(name), target=target, out=out)

    assert load(out).task == task


def test_a_real_table_that_cannot_be_learned_is_refused(shared_data):
    with pytest.raises(AssayError, match="neither a number nor a class"):
        init(shared_data("text/clothing_reviews.csv"), target="Title")
