"""Performance on new batches: realised with labels, estimated without, and how true that is."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import assay
from assay.errors import ModelError, PredictionsError
from assay.monitoring.labels import labels_from
from assay.monitoring.performance import estimated, predictions_of, realised
from assay.monitoring.reference import reference_of


def records(n, seed, *, low=0.0, high=10.0, task="class"):
    """Rows whose class, or whose number's noise, depends on `x` alone; hard above 5."""
    draw = np.random.default_rng(seed)
    x, group = draw.uniform(low, high, n), draw.choice(["a", "b"], n)
    noise = draw.random(n) < np.where(x > 5, 0.4, 0.05)
    y = np.where((group == "a") ^ noise, "yes", "no")
    if task == "number":
        y = 3 * (group == "a") + draw.normal(0, np.where(x > 5, 4.0, 0.5))
    return pl.DataFrame({"key": [f"{seed}-{i}" for i in range(n)], "x": x, "group": group, "y": y})


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """A version with its run, for a target of classes and for one of numbers."""
    out, found = tmp_path_factory.mktemp("versions"), {}
    metrics = {"class": ["accuracy", "roc_auc", "log_loss"], "number": ["mae", "rmse", "r2"]}
    for task in ("class", "number"):
        recipe = {
            "name": task, "source": records(6000, 1, task=task), "id": "key", "target": "y",
            "fields": {"group": {"type": "category"}}, "inputs": ["x", "group"],
            "steps": [{"split.random": {"train": 0.5, "validation": 0, "test": 0.5}}],
            "models": [{"boosted_trees": {"rounds": 60}}], "metrics": metrics[task],
        }  # fmt: skip
        outcome = assay.run(recipe, out=out, workers=1)
        found[task] = reference_of(outcome.version)
    return found


def batch(task, seed, n=1500, **where):
    return records(n, seed, task=task, **where).rename({"key": "row_id"})


@pytest.mark.parametrize("task", ["class", "number"])
def test_estimates_foresee_what_labels_say(references, task):
    """On rows of the same kind, and on rows that are nearly all of the hard kind."""
    reference = references[task]
    for seed, where in ((2, {}), (3, {"low": 4.0}), (4, {"high": 6.0})):
        rows = batch(task, seed, **where)
        predictions = predictions_of(reference, rows)
        truth = {one["metric"]: one for one in realised(reference, predictions, rows["y"])}
        guesses, _ = estimated(reference, predictions, rows)

        for one in guesses:
            said = truth[one["metric"]]
            assert one["estimated"] and not said["estimated"]
            assert one["low"] <= one["value"] <= one["high"]
            width = one["high"] - one["low"]
            assert abs(one["value"] - said["value"]) < 0.75 * width
            if where:  # far from the evaluation's value, near to the batch's own
                moved = abs(said["value"] - said["reference"])
                assert abs(one["value"] - said["value"]) < 0.5 * moved


def test_a_metric_that_is_no_mean_over_rows_is_not_estimated(references):
    rows = batch("number", 5)
    figures, notes = estimated(
        references["number"], predictions_of(references["number"], rows), rows
    )

    assert [one["metric"] for one in figures] == ["mae", "rmse"]
    assert notes == ["r2 without labels: it is no mean over rows, so rows alone do not tell it."]


def test_only_rows_with_a_label_are_scored(references):
    reference, rows = references["class"], batch("class", 6)
    predictions = predictions_of(reference, rows)
    half = pl.Series([value if i % 2 else None for i, value in enumerate(rows["y"])])

    figures = realised(reference, predictions, half)

    assert [one["metric"] for one in figures] == ["accuracy", "roc_auc", "log_loss"]
    assert {one["n"] for one in figures} == {750}
    assert figures[0]["low"] < figures[0]["value"] < figures[0]["high"]
    assert figures[0]["reference"] == reference.score_of("accuracy").value
    assert realised(reference, predictions, None) == []
    assert realised(reference, predictions, pl.Series([None] * rows.height)) == []


def test_what_was_learned_is_kept_and_read_again(references, monkeypatch):
    reference, rows = references["number"], batch("number", 7)
    predictions = predictions_of(reference, rows)
    first, _ = estimated(reference, predictions, rows)

    # The reference's rows are not read again for a second batch.
    monkeypatch.setattr(assay.Version, "scan", None)
    again, _ = estimated(reference, predictions, rows)

    assert again == first


def test_one_row_and_no_rows(references):
    for task in ("class", "number"):
        rows = batch(task, 8, n=1)
        predictions = predictions_of(references[task], rows)
        figures, _ = estimated(references[task], predictions, rows)
        assert all(one["n"] == 1 and np.isfinite(one["value"]) for one in figures)
        assert all(one["n"] <= 1 for one in realised(references[task], predictions, rows["y"]))
        empty, notes = estimated(references[task], predictions.clear(), rows.clear())
        assert empty == [] and notes


def test_predictions_without_probabilities_say_why_nothing_is_estimated(references):
    rows = batch("class", 9)
    labels_only = rows.select("row_id", prediction=pl.lit("yes"))

    figures, notes = estimated(references["class"], labels_only, rows)

    assert figures == []
    assert "probability of every class" in notes[0]


def test_an_unknown_model_is_named(references):
    with pytest.raises(ModelError, match="no model 'boosted_tree'") as told:
        reference_of(references["class"].version, "boosted_tree")
    assert "did you mean 'boosted_trees'?" in str(told.value)


def test_labels_are_matched_by_row_id_or_by_the_recipes_id():
    given = pl.DataFrame({"shop": ["x", "y", None], "sku": [1.0, 2.0, 3.0], "y": [5, None, 7]})

    assert labels_from(given, "y", ["shop", "sku"], where="a.csv").rows() == [("x/1", "5")]
    by_row = given.rename({"shop": "row_id"})
    assert labels_from(by_row, "y", ["key"], where="a.csv").rows() == [("x", "5")]
    with pytest.raises(PredictionsError, match="no column 'key'"):
        labels_from(given, "y", ["key"], where="a.csv")
    with pytest.raises(PredictionsError, match="no column 'price'"):
        labels_from(by_row, "price", [], where="a.csv")
    with pytest.raises(PredictionsError, match="cannot be told apart"):
        labels_from(given, "y", [], where="a.csv")
    with pytest.raises(PredictionsError, match="No row has"):
        labels_from(by_row.head(0), "y", [], where="a.csv")
