"""Saved models: read again as they were, refused where they do not belong, and served."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from assay.building.build import build
from assay.cache import Cache
from assay.errors import ModelError, RecipeError, SourceError
from assay.evaluation.fitting import evaluate_version
from assay.jobs.predicting import predict
from assay.recipe import load

MODELS = ["constant", "tabular_linear", "tfidf_linear", {"boosted_trees": {"rounds": 10}}]


def offers() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    which, size = rng.integers(0, 4, 300), rng.gamma(2, 3, 300)
    words = np.array(["kettle", "drill", "lamp", "rope"])
    return pl.DataFrame(
        {
            "sku": [f"s{n}" for n in range(300)],
            "text": [f" one {words[w]} <b>no {n % 9}</b>" for n, w in enumerate(which)],
            "size": size,
            "price": 10 * (which + 1) + size,
        }
    )


def recipe(frame: pl.DataFrame, **changes: object) -> dict[str, object]:
    return {
        "name": "offers",
        "source": frame,
        "id": ["sku"],
        "target": "price",
        "inputs": ["text", "size"],
        "fields": {
            "sku": {"type": "string"},
            "text": {"type": "string", "required": True},
            "size": {"type": "number", "max": 100},
            "price": {"type": "number", "required": True, "max": 90},
        },
        "rules": {"worth it": "price > 0", "not tiny": "size > 0"},
        "steps": [
            {"clean.text": {"columns": ["text"]}},
            {"keep.where": {"where": "price < 80"}},
            {"keep.length": {"column": "text", "min": 5}},
            {"dedup.exact": {"columns": ["sku"]}},
            {"split.random": {"train": 0.7, "validation": 0.15, "test": 0.15}},
        ],
        "models": MODELS,
        "metrics": ["mae"],
    } | changes


def fitted(out, frame, **changes):
    """A version, and the folder of a run on it with its models saved."""
    asked = load(recipe(frame, **changes))
    version = build(asked, out=out, workers=1)
    folder = version.path.parent / "runs" / f"{version.id}-00000000"
    evaluation, predictions, _ = evaluate_version(
        asked, version, Cache(out / ".cache"), models=folder / "models"
    )
    (folder / "evaluation.json").write_text(evaluation.to_json())
    return version, folder, evaluation, predictions


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("predicting")
    return (out, *fitted(out, offers()))


@pytest.mark.parametrize("model", ["constant", "tabular_linear", "tfidf_linear", "boosted_trees"])
def test_served_rows_get_what_the_run_predicted(made, model):
    out, version, folder, _, predictions = made
    test = version.to_polars("test")["row_id"]
    raw = offers().drop("price").filter(pl.col("sku").is_in(test.implode()))

    served = predict(folder, raw, model=model, out=out)

    both = served.table.join(predictions.filter(pl.col("model") == model), on="row_id")
    assert both.height == len(test)
    assert both["prediction"].to_list() == both["prediction_right"].to_list()
    assert served.problems == {}


def test_rows_that_break_the_contract_get_a_reason_and_no_prediction(made, tmp_path):
    out, version, *_ = made
    rows = pl.DataFrame(
        {
            "sku": ["a", "b", "c", "d", None],
            "text": ["a fine lamp", None, "a fine lamp", "&lt;", "a fine lamp"],
            "size": [1.0, 1.0, 500.0, 1.0, 1.0],
        }
    )

    found = predict(version, rows, to=tmp_path / "p.csv", out=out)

    assert found.table["row_id"].to_list()[:4] == ["a", "b", "c", "d"]
    assert found.table["prediction"].is_not_null().to_list() == [True, False, False, False, False]
    assert found.problems == {
        "contract: text: required": 1,
        "contract: size: max": 1,
        "keep.length: too short": 1,
        "contract: sku: required": 1,
    }
    assert pl.read_csv(tmp_path / "p.csv").height == 5
    assert repr(found).startswith("1 of 5 rows predicted")


def test_best_is_the_run_s_best_model_and_ids_may_be_left_out(made):
    out, version, _, evaluation, _ = made

    found = predict(f"offers/{version.id}", offers().head(3), id=[], out=out)

    assert found.model == evaluation.best
    assert found.table["row_id"].str.len_chars().to_list() == [16] * 3
    assert found.to_dict()["predicted"] == 3


def test_a_folder_of_files_is_served_too(made, tmp_path):
    out, _, folder, *_ = made
    source = tmp_path / "new.jsonl"
    offers().head(5).write_ndjson(source)

    found = predict(folder / "models" / "constant", source, out=out)

    assert found.table["line"].to_list() == [1, 2, 3, 4, 5]
    assert found.table["prediction"].n_unique() == 1


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"model": "boosted"}, ModelError, "boosted_trees"),
        ({"to": "p.xlsx"}, RecipeError, ".parquet"),
        ({"id": "code"}, RecipeError, "no column 'code'"),
    ],
)
def test_what_cannot_be_served_is_refused(made, change, error, says):
    out, _, folder, *_ = made

    with pytest.raises(error, match=says):
        predict(folder, offers(), out=out, **change)


def test_a_column_that_the_model_needs_is_named(made):
    out, _, folder, *_ = made

    with pytest.raises(SourceError, match="'size', which the model needs"):
        predict(folder, offers().drop("size"), out=out)


def test_a_model_of_another_version_or_with_a_changed_byte_is_refused(tmp_path):
    version, folder, *_ = fitted(tmp_path, offers().head(60), models=["tabular_linear"])
    saved = folder / "models" / "tabular_linear"
    body = json.loads((saved / "model.json").read_text())

    body["about"]["hash"] = "0" * 64
    (saved / "model.json").write_text(json.dumps(body))
    with pytest.raises(ModelError, match="fitted on another version"):
        predict(saved, offers(), out=tmp_path)

    body["about"]["hash"] = version.manifest["hash"]
    (saved / "model.json").write_text(json.dumps(body))
    part = next(saved.glob("*.skops"))
    part.write_bytes(part.read_bytes() + b"x")
    with pytest.raises(ModelError, match="not what was written"):
        predict(saved, offers(), out=tmp_path)


def test_a_saved_model_can_become_nothing_but_a_model(tmp_path):
    _, folder, *_ = fitted(tmp_path, offers().head(60), models=["constant"])
    saved = folder / "models" / "constant"
    body = json.loads((saved / "model.json").read_text())

    for name in ("_saving._Writing", "os.system", "training.Training.rows", "nowhere._Constant"):
        body["model"]["is"] = name
        (saved / "model.json").write_text(json.dumps(body))
        with pytest.raises(ModelError, match="cannot be read"):
            predict(saved, offers(), out=tmp_path)


def test_a_learned_change_of_an_input_is_refused(tmp_path):
    frame = offers().with_columns(
        size=pl.when(pl.int_range(pl.len()) % 5 == 0).then(None).otherwise("size")
    )
    steps = [*recipe(frame)["steps"], {"clean.impute": {"columns": ["size"]}}]
    rules = {"worth it": "price > 0"}
    _, folder, *_ = fitted(tmp_path, frame, steps=steps, rules=rules, models=["constant"])

    with pytest.raises(ModelError, match="learned from the training rows and changed 'size'"):
        predict(folder, frame, out=tmp_path)
