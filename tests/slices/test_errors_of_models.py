"""Residuals, confusions, worst rows, nearest training rows, suspected targets."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import f_oneway

from assay.errors import PredictionsError, RecipeError
from assay.evaluation.measures import measures
from assay.evaluation.scored import Scored
from assay.evaluation.truth import Truth
from assay.jobs.running import run
from assay.recipe import load
from assay.rows import row_ids
from assay.slices.diagnosing import diagnose
from assay.slices.losses import Losses, losses
from assay.slices.nearest import likeness
from assay.slices.residuals import confusions, residuals
from assay.slices.suspects import all_fail, easier, far_off, score_with, score_without


def test_losses_are_those_of_the_metric_and_missing_answers_have_none():
    truth = Truth(pl.Series(["a", "b", "c"]), pl.Series(["x", "y", "y"]), "class")
    frame = pl.DataFrame({"proba_x": [0.8, 0.5, None], "proba_y": [0.2, 0.5, None]})
    assert losses(truth, frame, metric="accuracy").kind == "wrong"
    found = losses(truth, frame, metric="log_loss")
    assert found.values[:2] == pytest.approx([-np.log(0.8), -np.log(0.5)])
    assert np.isnan(found.values[2])
    with pytest.raises(RecipeError, match="no such loss"):
        losses(truth, frame, kind="absolute_error")


def test_residuals_show_the_field_that_is_not_used():
    draw = np.random.default_rng(0)
    x, colour = draw.normal(size=1000), draw.choice(["red", "blue"], 1000)
    rows = pl.DataFrame({"x": x, "colour": colour, "noise": draw.normal(size=1000)})
    truth = np.where(colour == "red", 5.0, 0.0) + draw.normal(size=1000)
    found = residuals(
        np.full(1000, 2.5), truth, rows, {"x": "number", "colour": "category", "noise": "number"}
    )
    assert found["by_field"]["colour"]["trend"] < 1e-6
    assert found["by_field"]["noise"]["trend"] > 0.001
    bins = {one["label"]: one for one in found["by_field"]["colour"]["bins"]}
    assert bins["red"]["low"] < -2.5 < bins["red"]["high"]
    assert sum(one["rows"] for one in found["by_field"]["x"]["bins"]) == 1000


def test_the_trend_is_the_p_of_welchs_analysis_of_variance():
    draw = np.random.default_rng(2)
    group = np.repeat(["a", "b", "c"], 200)
    off = draw.normal(size=600) + np.where(group == "a", 0.25, 0.0)
    rows = pl.DataFrame({"group": group})
    trend = residuals(off, np.zeros(600), rows, {"group": "category"})["by_field"]["group"]["trend"]
    expected = f_oneway(*(off[group == name] for name in "abc"), equal_var=False).pvalue
    assert trend == pytest.approx(expected, rel=1e-9)


def test_missing_values_have_a_bin_of_their_own():
    rows = pl.DataFrame({"x": [1.0, None, 3.0, float("nan")] * 50})
    found = residuals(np.ones(200), np.zeros(200), rows, {"x": "number"})
    assert found["by_field"]["x"]["bins"][-1]["label"] is None
    assert found["by_field"]["x"]["bins"][-1]["rows"] == 100


def test_confusions_are_counted_both_ways_and_the_surest_come_first():
    truth, said = np.array([0, 0, 0, 1, 2]), np.array([1, 1, 0, 0, 2])
    sure = np.array([0.5, 0.9, 1.0, 0.7, 1.0])
    ids = pl.Series(list("abcde"))
    found = confusions(truth, said, ("x", "y", "z"), ids, sure)
    assert [(one["truth"], one["predicted"], one["rows"]) for one in found] == [
        ("x", "y", 2),
        ("y", "x", 1),
    ]
    assert found[0]["examples"] == ["b", "a"]
    assert found[0]["back"] == 1


def test_the_nearest_row_is_the_same_row_for_texts_and_for_numbers():
    draw = np.random.default_rng(1)
    words = [f"w{i}" for i in range(200)]
    rows = pl.DataFrame(
        {
            "text": [" ".join(draw.choice(words, 12)) for _ in range(300)],
            "size": draw.lognormal(size=300),
            "kind": draw.choice(["a", "b", None], 300),
        }
    )
    for kinds in (
        {"text": "string"},
        {"size": "number", "kind": "category"},
        {"text": "string", "size": "number", "kind": "category"},
    ):
        made = likeness(rows, row_ids(rows), kinds)
        places, alike = made.nearest(rows[:50], 3)
        assert (alike[:, 0] > 0.999).all()
        if "text" in kinds:
            assert places[:, 0].tolist() == list(range(50))
        assert (np.diff(alike, axis=1) <= 1e-6).all()


def test_rows_without_content_are_like_nothing():
    train = pl.DataFrame({"text": ["one two three", "four five six"]})
    made = likeness(train, row_ids(train), {"text": "string"})
    assert made.nearest(pl.DataFrame({"text": [None, ""]}), 1)[1].max() == 0
    assert made.nearest(train.clear(), 1)[0].shape == (0, 1)


def classes(truth: list[int], proba: list[float]) -> Losses:
    p = np.column_stack([1 - np.array(proba), proba])
    scored = Scored(np.array(truth), p.argmax(axis=1), p, classes=("no", "yes"))
    wrong = (scored.predicted != scored.truth).astype(float)
    return Losses(wrong, "wrong", scored, np.ones(len(truth), bool))


def test_a_row_is_suspected_only_where_every_model_is_sure_of_another_class():
    first = classes([0, 0, 0, 1], [0.99, 0.99, 0.6, 0.99])
    second = classes([0, 0, 0, 1], [0.95, 0.10, 0.7, 0.90])
    failed, degree = all_fail({"a": first, "b": second})
    assert failed.tolist() == [True, False, True, False]
    doubtful, expected = far_off({"a": first, "b": second}, failed, degree)
    assert doubtful.tolist() == [True, False, False, False]
    assert expected == pytest.approx(0.03)


def test_a_number_is_missed_by_all_only_on_the_same_side():
    draw = np.random.default_rng(0)
    truth = draw.normal(100, 5, 400)
    one, other = truth + draw.normal(size=400), truth + draw.normal(size=400)
    truth[:2] += 30  # both models say too little
    one[2], other[2] = truth[2] + 30, truth[2] - 30
    told = {
        name: Losses(abs(said - truth), "absolute_error", Scored(truth, said), truth > 0)
        for name, said in (("one", one), ("other", other))
    }
    assert np.flatnonzero(all_fail(told)[0]).tolist() == [0, 1]


def test_the_interval_of_a_moved_score_covers_the_truth():
    hits = 0
    for seed in range(40):
        draw = np.random.default_rng(seed)
        out = draw.random(400) < 0.05
        errors = np.where(out, 5.0, 1.0) * draw.exponential(size=400)
        scored = Scored(np.zeros(400), errors)
        ids = pl.Series([f"{seed}.{i}" for i in range(400)])
        moved = score_without(measures("mae", "number")[0], scored, out, ids)
        # mean with: 0.95 * 1 + 0.05 * 5 = 1.2; without: 1
        hits += moved.low <= -0.2 <= moved.high
    assert hits >= 34


def test_a_slice_that_becomes_as_easy_as_the_rest_brings_the_score_of_the_rest():
    draw = np.random.default_rng(0)
    ids = pl.Series([f"r{i}" for i in range(2000)])
    inside = draw.random(2000) < 0.3
    numbers = Scored(np.zeros(2000), draw.normal(size=2000) * np.where(inside, 3.0, 1.0))
    eased = easier(numbers, inside, ids, np.ones(2000, bool))
    assert eased.absolute_error[inside].mean() == pytest.approx(
        numbers.absolute_error[~inside].mean()
    )
    truth = draw.integers(0, 2, 2000)
    wrong = draw.random(2000) < np.where(inside, 0.4, 0.1)
    proba = np.column_stack([1 - truth, truth]) * 0.6 + 0.2
    proba[wrong] = proba[wrong][:, ::-1]
    scored = Scored(truth, proba.argmax(axis=1), proba, classes=("a", "b"))
    eased = easier(scored, inside, ids, np.ones(2000, bool))
    assert (eased.predicted != truth)[inside].mean() == pytest.approx(0.1, abs=0.04)
    assert (eased.predicted == eased.probabilities.argmax(axis=1)).all()
    moved = score_with(measures("balanced_accuracy", "class")[0], scored, eased, ids)
    assert moved.low < 0.09 < moved.high


def test_nothing_left_out_moves_nothing():
    scored = Scored(np.zeros(3), np.ones(3))
    ids, measure = pl.Series(list("abc")), measures("mae", "number")[0]
    assert score_without(measure, scored, np.zeros(3, bool), ids) is None
    assert score_without(measure, scored, np.ones(3, bool), ids) is None


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Kettles are cheap and lamps dear; of the kettles of one maker nothing tells the class."""
    draw = np.random.default_rng(4)
    n = 1500
    kind = draw.choice(["kettle", "lamp"], n)
    maker = draw.choice(["acme", "bolt", "crow"], n)
    hard = (maker == "crow") & (draw.random(n) < 0.5)
    label = np.where((kind == "lamp") ^ hard, "dear", "cheap")
    frame = pl.DataFrame(
        {"key": [f"k{i}" for i in range(n)], "kind": kind, "maker": maker,
         "size": draw.normal(size=n), "label": label}
    )  # fmt: skip
    recipe = {
        "name": "goods", "source": frame, "id": "key", "target": "label",
        "fields": {"kind": {"type": "category"}, "maker": {"type": "category"}},
        "inputs": ["kind", "size"],
        "steps": [{"split.random": {"train": 0.5, "validation": 0.0, "test": 0.5}}],
        "models": ["constant", "tabular_linear"], "metrics": ["accuracy"],
    }  # fmt: skip
    outcome = run(recipe, out=tmp_path_factory.mktemp("versions"), workers=1)
    predictions = pl.read_parquet(outcome.report.parent / "predictions.parquet")
    return load(recipe), outcome, predictions


def test_a_diagnosis_names_the_slice_even_by_a_field_that_no_model_sees(judged):
    recipe, outcome, predictions = judged
    found = diagnose(recipe, outcome.version, outcome.evaluation, predictions)
    assert [one.name for one in found.slices.found] == ["maker = crow"]
    assert found.model == "tabular_linear"
    assert found.residuals is None
    assert {one["truth"] for one in found.confusions} == {"cheap", "dear"}
    one = found.worst[0]
    assert one["truth"] != one["prediction"]
    assert one["nearest"][0]["row_id"].startswith("k")
    told = {reason["code"] for row in found.worst for reason in row["reasons"]}
    assert "label_in_doubt" in told
    right = outcome.evaluation.score_of("tabular_linear", "accuracy").value
    assert found.failed == round((1 - right) * found.rows)
    assert found.moved is None or found.moved.without >= found.moved.value
    assert "maker = crow" in repr(found)
    assert "maker = crow" in found._repr_html_()


def test_a_diagnosis_is_plain_values(judged):
    import orjson

    recipe, outcome, predictions = judged
    found = diagnose(recipe, outcome.version, outcome.evaluation, predictions, model="constant")
    assert orjson.loads(orjson.dumps(found.to_dict()))["model"] == "constant"
    with pytest.raises(PredictionsError, match="no predictions of a model"):
        diagnose(recipe, outcome.version, outcome.evaluation, predictions, model="nobody")


def test_three_held_out_rows_are_enough_for_a_result(tmp_path):
    frame = pl.DataFrame(
        {"key": [f"k{i}" for i in range(30)], "x": [None, *range(29)],
         "y": [i * 1.5 for i in range(30)]}
    )  # fmt: skip
    recipe = {
        "name": "few", "source": frame, "id": "key", "target": "y", "models": ["constant"],
        "steps": [{"split.random": {"train": 0.9, "validation": 0.0, "test": 0.1}}],
    }  # fmt: skip
    outcome = run(recipe, out=tmp_path, workers=1)
    predictions = pl.read_parquet(outcome.report.parent / "predictions.parquet")
    found = diagnose(load(recipe), outcome.version, outcome.evaluation, predictions)
    assert found.slices.found == ()
    assert "too few" in found.slices.notes[0]
    assert found.residuals["by_prediction"]["bins"][0]["rows"] == found.rows
