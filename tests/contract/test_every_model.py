"""What every model keeps to, whatever it learns."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from assay.component import Component, bind, catalogue
from assay.errors import MissingExtra, ModelError
from assay.models import _saving
from assay.models.training import Fitted, Training
from assay.rows import content_hash

# What comes from outside learns nothing: tests/models/test_outside.py.
OUTSIDE = {"command", "file", "people"}
MODELS = [
    pytest.param(model, id=model.name)
    for model in catalogue("models").values()
    if model.name not in OUTSIDE
]
KINDS = {"text": "string", "kind": "category", "size": "number", "day": "datetime"}
TASKS = ["number", "class"]


def inputs(count: int, seed: int) -> tuple[pl.DataFrame, np.ndarray]:
    """Rows of text, category, number and date, some of them null, and what they are worth."""
    rng = np.random.default_rng(seed)
    words = np.array(["kettle", "drill", "lamp", "rope", "valve"])
    which = rng.integers(0, 5, count)
    size = rng.gamma(2, 3, count)
    missing = rng.random((count, 3)) < 0.1
    rows = pl.DataFrame(
        {
            "text": [None if m else f"a good {words[w]} no {n}" for n, (w, m) in
                     enumerate(zip(which, missing[:, 0], strict=True))],
            "kind": [None if m else f"k{w % 3}" for w, m in zip(which, missing[:, 1], strict=True)],
            "size": [None if m else float(s) for s, m in zip(size, missing[:, 2], strict=True)],
            "day": pl.Series(which * 86_400_000_000 * 30).cast(pl.Datetime("us")),
        }
    )  # fmt: skip
    return rows, 10 * (which + 1) + size


def training(task: str, count: int = 120, **changes: object) -> Training:
    rows, worth = inputs(count, 1)
    later, later_worth = inputs(30, 2)
    if task == "class":
        labels = [["low", "mid", "high"][int(v // 20)] for v in np.minimum(worth, 59)]
        later_labels = [["low", "mid", "high"][int(v // 20)] for v in np.minimum(later_worth, 59)]
        target, later_target = pl.Series(labels), pl.Series(later_labels)
    else:
        target, later_target = pl.Series(worth), pl.Series(later_worth)
    given = {
        "rows": rows,
        "target": target,
        "validation_rows": later,
        "validation_target": later_target,
        "row": content_hash(rows),
        "task": task,
        "classes": ("high", "low", "mid") if task == "class" else (),
        "kinds": KINDS,
        "seed": 3,
    }
    return Training(**(given | changes))


def parameters(model: Component) -> dict[str, object]:
    """The defaults, but few rounds of what goes in rounds, for speed."""
    few = {"rounds": 8, "trees": 10, "epochs": 2, "trials": 2, "model": "boosted_trees"}
    few |= {"given": {"rounds": 8}}
    known = model.parameters.model_fields
    return bind(model, {name: value for name, value in few.items() if name in known})


def fit(model: Component, given: Training) -> Fitted:
    """The fitted model; the test is skipped where an extra of assay's is not installed."""
    try:
        return model.function(given, **parameters(model))
    except MissingExtra as missing:
        pytest.skip(str(missing))


def predictions(model: Component, given: Training, rows: pl.DataFrame) -> pl.DataFrame:
    return fit(model, given).predict(rows)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_predictions_are_aligned_and_whole(model, task):
    given = training(task)
    rows, _ = inputs(25, 9)

    predicted = predictions(model, given, rows)

    assert predicted.height == rows.height
    if task == "number":
        assert predicted.schema["prediction"] == pl.Float64
        assert predicted["prediction"].is_finite().all()
        return
    assert set(predicted["prediction"]) <= set(given.classes)
    names = [f"proba_{label}" for label in given.classes]
    assert set(names) <= set(predicted.columns)
    proba = predicted.select(names).to_numpy()
    assert (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_learns_the_same_from_rows_in_any_order(model, task):
    given = training(task)
    order = np.random.default_rng(5).permutation(given.rows.height)
    shuffled = training(
        task, rows=given.rows[order], target=given.target[order], row=given.row[order]
    )
    rows, _ = inputs(25, 9)

    straight, other = predictions(model, given, rows), predictions(model, shuffled, rows)

    assert other.equals(straight)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_leaves_what_it_learns_from_as_it_was(model):
    given = training("number")
    before = (given.rows.clone(), given.target.clone())

    predictions(model, given, given.rows)

    assert given.rows.equals(before[0])
    assert given.target.equals(before[1])


@pytest.mark.parametrize("model", MODELS)
def test_a_model_predicts_a_row_the_same_in_any_company(model):
    if model.name == "random":
        pytest.skip("draws by the row's id, which is tested with the model")
    rows, _ = inputs(25, 9)
    fitted = fit(model, training("number"))

    together = fitted.predict(rows)["prediction"].to_numpy()
    alone = np.concatenate([fitted.predict(rows[n : n + 1])["prediction"] for n in range(25)])

    np.testing.assert_allclose(alone, together, rtol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_model_predicts_no_rows_and_rows_of_nulls(model):
    rows, _ = inputs(3, 9)
    nulls = rows.select(pl.lit(None, dtype).alias(name) for name, dtype in rows.schema.items())
    fitted = fit(model, training("number"))

    assert fitted.predict(rows.clear()).height == 0
    assert fitted.predict(pl.concat([nulls, rows]))["prediction"].is_finite().all()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_does_without_validation_rows(model, task):
    full = training(task)
    given = training(
        task,
        validation_rows=full.validation_rows.clear(),
        validation_target=full.validation_target.clear(),
    )

    assert predictions(model, given, full.rows).height == full.rows.height


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_nothing_to_learn_from_is_refused(model, task):
    full = training(task)
    empty = training(task, rows=full.rows.clear(), target=full.target.clear(), row=full.row.clear())

    with pytest.raises(ModelError):
        predictions(model, empty, full.rows)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", MODELS)
def test_a_saved_model_predicts_the_same(model, task, tmp_path):
    pytest.importorskip("skops")
    fitted = fit(model, training(task))
    rows, _ = inputs(25, 9)

    _saving.save(fitted, {"hash": "a"}, tmp_path / "model")
    read = _saving.load(tmp_path / "model", hash="a")

    assert read.predict(rows).equals(fitted.predict(rows))
    assert not list(tmp_path.rglob("*.pkl"))


@pytest.mark.parametrize("model", MODELS)
def test_what_a_model_tells_of_itself_is_plain(model):
    fitted = fit(model, training("class"))

    told = {"chosen": getattr(fitted, "chosen", {}), "history": getattr(fitted, "history", [])}

    assert json.loads(json.dumps(told, default=list))["chosen"] == dict(told["chosen"])
