"""From predictions to an evaluation: published totals, missing rows, determinism, the file."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from assay.errors import PredictionsError, RecipeError
from assay.evaluation.evaluate import evaluate, score
from assay.evaluation.evaluation import Evaluation, ModelInfo
from assay.evaluation.truth import Truth
from assay.recipe import Use

PUBLISHED = {
    "gpt-4o-mini": ("79.58", "0.59", "52.0"),
    "gpt-4o": ("75.92", "0.75", "58.0"),
    "claude-3.5-sonnet": ("100.83", "0.60", "50.8"),
    "gpt-4o-mini-finetuned": ("91.45", "0.68", "44.0"),
}


def number_truth(n: int = 80, seed: int = 0) -> Truth:
    draw = np.random.default_rng(seed)
    inputs = pl.DataFrame({"title": [f"<b>{place}</b>" * 200 for place in range(n)]})
    return Truth(
        pl.Series([f"r{place}" for place in range(n)]),
        pl.Series(draw.gamma(2, 50, n)),
        "number",
        target="price",
        inputs=inputs,
    )


def guesses(truth: Truth, spread: float, seed: int = 1) -> pl.DataFrame:
    noise = np.random.default_rng(seed).normal(0, spread, len(truth.ids))
    return pl.DataFrame({"prediction": truth.values.to_numpy() + noise})


def test_the_published_totals_of_four_models(shared_data):
    found = evaluate(
        shared_data("prices/test_250.jsonl"),
        shared_data("prices/predictions.csv"),
        id="id",
        target="price",
        metrics="mae,rmsle,hits",
    )

    totals = {
        info.model: (
            f"{found.score_of(info.model, 'mae').value:.2f}",
            f"{found.score_of(info.model, 'rmsle').value:.2f}",
            f"{100 * found.score_of(info.model, 'hits').value:.1f}",
        )
        for info in found.models
    }
    assert totals == PUBLISHED
    assert found.best == "gpt-4o"
    assert found.n == 250
    assert len(found.comparisons) == 9
    assert found.details["gpt-4o"]["bands"]["green"] == 145


def test_missing_predictions_are_counted_and_never_scored_as_zero():
    truth = number_truth()
    whole, holes = guesses(truth, 10), guesses(truth, 10)
    holes = holes.with_columns(
        pl.when(pl.int_range(pl.len()) < 5)
        .then(float("nan"))
        .otherwise("prediction")
        .alias("prediction")
    )

    found = score(truth, {"whole": whole, "holes": holes}, ["mae"])

    assert [info.missing for info in found.models] == [0, 5]
    assert found.score_of("holes", "mae").n == 75
    assert found.comparisons[0].n == 75
    assert found.comparisons[0].difference == pytest.approx(0.0)
    assert "5 of 80 rows" in found.notes[0]


def test_a_model_without_any_usable_prediction_has_empty_scores():
    truth = number_truth(20)
    nothing = pl.DataFrame({"prediction": ["sorry"] * 20})

    found = score(truth, {"mute": nothing, "other": guesses(truth, 5)}, ["mae", "hits"])

    assert found.best == "other"
    assert found.score_of("mute", "mae").value is None
    assert found.score_of("mute", "hits").method == "none: no usable rows"
    assert found.comparisons == []
    assert found.models[0].missing == 20


def test_a_failed_model_is_listed_with_its_error():
    truth = number_truth(20)
    failed = ModelInfo(model="trees", error="needs more rows")

    found = score(truth, {"mean": guesses(truth, 5)}, ["mae"], about=[failed])

    assert [(info.model, info.missing) for info in found.models] == [("trees", 20), ("mean", 0)]
    assert "needs more rows" in found.notes[0]


def test_a_metric_that_cannot_be_computed_says_why():
    truth = Truth(pl.Series(["a", "b", "c"]), pl.Series(["x", "y", "x"]), "class")
    labels_only = pl.DataFrame({"prediction": ["x", "y", "y"]})

    found = score(truth, {"m": labels_only}, ["accuracy", "roc_auc"])

    assert found.score_of("m", "roc_auc").value is None
    assert "probabilities or a score" in found.score_of("m", "roc_auc").method
    assert found.score_of("m", "accuracy").value == pytest.approx(2 / 3)


def test_results_do_not_depend_on_the_order_of_rows():
    truth = number_truth()
    frame = guesses(truth, 20)
    turned = Truth(truth.ids.reverse(), truth.values.reverse(), "number", target="price",
                   inputs=truth.inputs.reverse())  # fmt: skip

    one = score(truth, {"m": frame, "n": frame + 1}, ["mae", "median_ae", "r2"], seed=3)
    other = score(turned, {"m": frame.reverse(), "n": (frame + 1).reverse()},
                  ["mae", "median_ae", "r2"], seed=3)  # fmt: skip

    assert one == other
    assert one != score(truth, {"m": frame, "n": frame + 1}, ["mae", "median_ae", "r2"], seed=4)


def test_extra_pairs_are_compared_and_unknown_ones_refused():
    truth = number_truth()
    models = {"a": guesses(truth, 5), "b": guesses(truth, 20), "c": guesses(truth, 40)}

    found = score(truth, models, ["mae"], pairs=[("b", "c"), ("c", "a")])

    assert [(c.a, c.b) for c in found.comparisons] == [("a", "b"), ("a", "c"), ("b", "c")]
    with pytest.raises(PredictionsError, match="did you mean"):
        score(truth, models | {"trees": models["a"]}, ["mae"], pairs=[("tree", "a")])


def test_the_first_metric_decides_which_is_best():
    truth = number_truth()
    models = {"a": guesses(truth, 30), "b": guesses(truth, 10)}

    assert score(truth, models, ["mae"]).best == "b"
    assert score(truth, models, ["r2"]).best == "b"


def test_the_same_metric_twice_under_two_titles():
    truth = number_truth(30)
    uses = [Use(name="hits", given={"amount": 1.0}, label="near"), Use(name="hits")]

    found = score(truth, {"m": guesses(truth, 20)}, uses)

    assert found.metrics == ["near", "hits"]
    assert found.score_of("m", "near").value < found.score_of("m", "hits").value


def test_details_of_numbers_are_small_and_complete():
    truth = number_truth(3000)

    drawn = score(truth, {"m": guesses(truth, 60)}, ["mae"]).details["m"]

    assert len(drawn["points"]) == 2000
    assert len(drawn["running"]) == 400
    assert drawn["running"][-1][0] == 3000
    assert sum(drawn["bands"].values()) == 3000
    errors = [row["error"] for row in drawn["worst"]]
    assert len(errors) == 60
    assert errors == sorted(errors, reverse=True)
    assert len(drawn["worst"][0]["inputs"]["title"]) == 600


def test_running_error_ends_at_the_error_with_its_normal_band():
    truth = number_truth(500)
    frame = guesses(truth, 60)
    errors = (frame["prediction"] - truth.values).abs().to_numpy()
    half = 1.959964 * errors.std(ddof=1) / np.sqrt(500)

    n, mean, low, high = score(truth, {"m": frame}, ["mae"]).details["m"]["running"][-1]

    assert (n, mean) == (500, pytest.approx(errors.mean()))
    assert (low, high) == pytest.approx((errors.mean() - half, errors.mean() + half), rel=1e-6)


def test_confusion_keeps_the_frequent_labels_and_pools_the_rest():
    codes = [str(place % 40) for place in range(400)] + ["0"] * 10
    truth = Truth(pl.Series([f"r{place}" for place in range(410)]), pl.Series(codes), "class")

    table = score(truth, {"m": pl.DataFrame({"prediction": codes})}, ["accuracy"]).details["m"]

    assert len(table["confusion"]["labels"]) == 31
    assert table["confusion"]["labels"][0] == "0"
    assert table["confusion"]["labels"][-1] == "other"
    assert sum(map(sum, table["confusion"]["counts"])) == 410
    assert table["worst"] == []


def test_the_worst_rows_of_classes_are_the_surest_errors():
    truth = Truth(pl.Series(["a", "b", "c"]), pl.Series(["x", "y", "x"]), "class")
    frame = pl.DataFrame({"proba_x": [0.4, 0.9, 0.8], "proba_y": [0.6, 0.1, 0.2]})

    worst = score(truth, {"m": frame}, ["accuracy"]).details["m"]["worst"]

    assert [(row["row_id"], row["truth"], row["prediction"]) for row in worst] == [
        ("b", "y", "x"),
        ("a", "x", "y"),
    ]


def test_defaults_suit_the_task():
    truth = Truth(pl.Series(["a", "b"]), pl.Series(["0", "1"]), "class")

    found = score(truth, {"m": pl.DataFrame({"proba_1": [0.2, 0.9]})})

    assert found.positive == "1"
    assert found.metrics[:4] == ["accuracy", "balanced_accuracy", "f1", "roc_auc"]
    assert score(number_truth(20), {"m": guesses(number_truth(20), 3)}).metrics[0] == "mae"


@pytest.mark.parametrize(
    ("values", "task"),
    [([5.0], "number"), (["a"], "class"), (["a"] * 12, "class"), ([5.0] * 12, "number")],
)
def test_one_row_one_class_and_constant_targets_are_scored_without_a_crash(values, task):
    ids = pl.Series([str(place) for place in range(len(values))])
    truth = Truth(ids, pl.Series(values), task)
    frame = pl.DataFrame({"prediction": values})
    if task == "class":
        frame = frame.with_columns(proba_a=pl.lit(1.0))
        names = "accuracy,balanced_accuracy,f1,precision,recall,roc_auc,average_precision,log_loss"
    else:
        names = "mae,rmse,rmsle,r2,median_ae,hits"

    found = score(truth, {"m": frame, "n": frame}, names)

    json.loads(found.to_json())
    assert found.scores[0].value in (0.0, 1.0)


def test_rows_without_a_true_value_are_left_out():
    truth = Truth(pl.Series(["a", "b"]), pl.Series([1.0, None]), "number")

    found = score(truth, {"m": pl.DataFrame({"prediction": [2.0, 5.0]})}, ["mae"])

    assert found.n == 1
    assert found.scores[0].value == 1.0
    assert "1 rows without a true value" in found.notes[0]
    empty = Truth(pl.Series(["a"]), pl.Series([None], dtype=pl.Float64), "number")
    with pytest.raises(PredictionsError, match="has a true value"):
        score(empty, {"m": pl.DataFrame({"prediction": [2.0]})}, ["mae"])


def test_wrong_heights_and_metrics_are_refused():
    truth = number_truth(20)
    with pytest.raises(PredictionsError, match="1 predictions for 20 rows"):
        score(truth, {"m": pl.DataFrame({"prediction": [2.0]})})
    with pytest.raises(RecipeError, match="does not suit"):
        score(truth, {"m": guesses(truth, 1)}, ["accuracy"])


def test_negative_truths_leave_rmsle_empty_and_the_rest_scored():
    truth = Truth(pl.Series(["a", "b"]), pl.Series([-1.0, 1.0]), "number")

    found = score(truth, {"m": pl.DataFrame({"prediction": [0.0, 1.0]})}, "mae,rmsle")

    assert found.score_of("m", "rmsle").value is None
    assert found.score_of("m", "mae").value == 0.5


def test_an_evaluation_is_a_file_and_a_table(tmp_path):
    truth = number_truth(40)
    found = score(truth, {"<m>": guesses(truth, 9)}, ["mae", "hits"])
    path = tmp_path / "evaluation.json"
    path.write_text(found.to_json())

    assert Evaluation.from_file(path) == found
    assert found.to_polars().shape == (2, 9)
    assert found.to_pandas()["metric"].tolist() == ["mae", "hits"]
    assert "mae" in repr(found)
    assert "&lt;m&gt;" in found._repr_html_()
    assert "<m>" not in found._repr_html_()


def test_a_file_that_is_no_evaluation_is_refused(tmp_path):
    path = tmp_path / "evaluation.json"
    with pytest.raises(PredictionsError, match="No such file"):
        Evaluation.from_file(path)
    path.write_text('{"name": "x"}')
    with pytest.raises(PredictionsError, match="not an evaluation"):
        Evaluation.from_file(path)


@pytest.mark.parametrize("written", [["True", "False"], ["1.0", "2.0"], [" a", "b "]])
def test_odd_spellings_of_labels_are_one_label(written):
    truth = Truth(pl.Series(["a", "b"]), pl.Series(written), "class", classes=tuple(written))
    proba = {f"proba_{label}": [1.0 - place, place] for place, label in enumerate(written)}

    found = score(truth, {"m": pl.DataFrame({"prediction": written} | proba)}, "accuracy,log_loss")

    assert [one.value for one in found.scores] == pytest.approx([1.0, 0.0], abs=1e-9)
    assert len(found.classes) == 2
