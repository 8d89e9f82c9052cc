"""Calibration, conformal intervals and thresholds, by planted truths and by simulation."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.building.build import build
from assay.errors import PredictionsError, RecipeError
from assay.evaluation.evaluate import evaluate
from assay.evaluation.intervals import wilson
from assay.studies.bounds import quantile
from assay.studies.conformity import conformal
from assay.studies.cutoffs import costs_of, threshold
from assay.studies.reliability import calibration


def coins(n=2000, seed=0, bend=1.0):
    draw = np.random.default_rng(seed)
    p = draw.random(n)
    ids = [f"r{i}" for i in range(n)]
    truth = pl.DataFrame({"id": ids, "y": np.where(draw.random(n) < p, "yes", "no")})
    said = p**bend
    return truth, pl.DataFrame({"id": ids, "proba_no": 1 - said, "proba_yes": said})


def test_a_calibrated_model_is_not_blamed_and_a_bent_one_is():
    truth, right = coins()
    _, bent = coins(bend=1.6)

    found = calibration(truth, {"right": right, "bent": bent})

    straight, crooked = found.models
    assert straight.of == "yes"
    assert straight.p > 0.05
    assert straight.error < straight.usual_error
    assert crooked.p < 0.01
    assert sum(line.n for line in straight.bins) == 2000
    first = straight.bins[0]
    band = wilson(round(first.observed * first.n), first.n)
    assert (first.low, first.high) == pytest.approx((band.low, band.high))
    assert "bent is not calibrated" in repr(found)
    assert found.to_json()


def test_calibrated_models_are_blamed_once_in_twenty_times():
    blamed = sum(calibration(*coins(200, seed)).models[0].p < 0.05 for seed in range(60))

    # More than 8 of 60 at 5 % would happen less than once in 100 times.
    assert blamed <= 8


def test_the_consistency_bands_hold_the_observed_shares():
    found = calibration(*coins(5000, 3), bins=10).models[0]

    inside = [line.expected_low <= line.observed <= line.expected_high for line in found.bins]
    assert sum(inside) >= 9


def test_numbers_have_a_slope_and_quantiles():
    draw = np.random.default_rng(0)
    x = draw.normal(size=500)
    truth = pl.DataFrame({"id": range(500), "y": 2 * x + draw.normal(size=500)})
    narrow = pl.DataFrame({"id": range(500), "prediction": x})

    found = calibration(truth, {"narrow": narrow}, target="y").models[0]

    assert found.slope == pytest.approx(2, abs=0.15)
    assert len(found.quantiles) == 99
    share, predicted, observed = found.quantiles[89]
    assert share == pytest.approx(0.9)
    assert predicted == pytest.approx(np.quantile(x, 0.9))
    assert observed > predicted


def test_more_classes_are_judged_by_confidence_and_texts_are_refused():
    proba = {"proba_a": [0.6, 0.2], "proba_b": [0.3, 0.2], "proba_c": [0.1, 0.6]}
    truth = pl.DataFrame({"id": [1, 2], "y": ["a", "b"]})

    found = calibration(truth, {"m": pl.DataFrame({"id": [1, 2], **proba})}, bins=2)

    assert found.models[0].of is None
    assert found.models[0].bins[0].observed == 0.5
    with pytest.raises(RecipeError, match="no class"):
        calibration(truth, {"m": pl.DataFrame({"id": [1, 2], **proba})}, of="d")


@pytest.mark.parametrize(("n", "level"), [(9, 0.9), (50, 0.9), (99, 0.95), (30, 0.6)])
def test_split_conformal_covers_as_often_as_vovk_proves(n, level):
    # Vovk et al. (2005): with scores without ties, exactly ceil((n + 1) level) / (n + 1).
    draw = np.random.default_rng(n)
    scores = np.sort(draw.exponential(size=(20_000, n)), axis=1)
    reach = np.array([quantile(line, level) for line in scores[:2000]])
    covered = -np.expm1(-reach)  # the chance of an exponential to stay under it

    exact = np.ceil(round((n + 1) * level, 9)) / (n + 1)

    assert covered.mean() == pytest.approx(exact, abs=4 * covered.std() / np.sqrt(2000))
    assert exact >= level


def test_too_few_rows_have_no_interval_but_a_reason():
    with pytest.raises(PredictionsError, match="8 rows to calibrate on are too few for 90%"):
        quantile(np.arange(8.0), 0.9)


def numbers(rows=600, **more):
    draw = np.random.default_rng(0)
    x = draw.random(rows) * 10 + 1
    frame = pl.DataFrame({"key": [f"r{i}" for i in range(rows)], "x": x,
                          "y": 5 * x * np.exp(draw.normal(0, 0.3, rows))})  # fmt: skip
    steps = [{"split.random": {"train": 0.4, "validation": 0.3, "test": 0.3}}]
    return {
        "name": "bands", "source": frame, "id": "key", "target": "y", "steps": steps,
        "models": [{"tabular_linear": {"log": False}}], "certificate": "off", **more,
    }  # fmt: skip


@pytest.mark.parametrize("method", ["split", "cv+"])
@pytest.mark.parametrize("scale", ["constant", "prediction"])
def test_intervals_of_numbers_cover_what_they_say_and_are_predictions(tmp_path, method, scale):
    version = build(numbers(), out=tmp_path, workers=1)

    found = conformal(version, method=method, scale=scale, level=0.8, workers=1)

    assert found.method == method
    assert found.low < 0.8 < found.high
    assert found.n == version.splits["test"]
    truth = version.to_polars("test").select("row_id", "y")
    again = evaluate(truth, found.table, target="y",
                     metrics=[("interval_coverage", {"level": 0.8}), "interval_width"])  # fmt: skip
    assert again.scores[0].value == pytest.approx(found.coverage)
    assert again.scores[1].value == pytest.approx(found.size)
    width = found.table["high"] - found.table["low"]
    spread = width.std() / width.mean()
    assert spread > 0.2 if scale == "prediction" else spread < 0.1


@pytest.mark.parametrize("method", ["split", "cv+"])
def test_sets_of_classes_cover_what_they_say(tmp_path, method):
    draw = np.random.default_rng(1)
    kind = draw.integers(0, 3, 600)
    frame = pl.DataFrame(
        {
            "key": [f"r{i}" for i in range(600)],
            "x": kind + draw.normal(0, 0.8, 600),
            "y": np.array(["a", "b", "c"])[kind],
        }
    )
    found = conformal(numbers(source=frame), out=tmp_path, method=method, level=0.9, workers=1)

    assert found.low < 0.9 < found.high
    assert 1 < found.size < 3
    assert set(found.table["set"].explode().drop_nulls()) == {"a", "b", "c"}
    assert found.to_json()


def test_conformal_intervals_need_rows_to_calibrate_and_to_try_on(tmp_path):
    steps = [{"split.random": {"train": 0.8, "validation": 0.0, "test": 0.2}}]
    with pytest.raises(RecipeError, match="no validation rows"):
        conformal(numbers(200, steps=steps), out=tmp_path, method="split", workers=1)
    assert conformal(numbers(200, steps=steps), out=tmp_path, workers=1).method == "cv+"
    with pytest.raises(RecipeError, match="between 0 and 1"):
        conformal(numbers(200), level=90, out=tmp_path)


def test_every_threshold_costs_what_counting_gives():
    draw = np.random.default_rng(2)
    chance, hit = draw.random(40).round(1), draw.random(40) < 0.4
    prices = np.array([[0.0, 2.0], [7.0, -1.0]])

    cuts, means = costs_of(chance, hit, prices)

    for cut, mean in zip(cuts, means, strict=True):
        said = (chance >= cut).astype(int)
        assert mean == pytest.approx(prices[hit.astype(int), said].mean())


def test_a_threshold_follows_the_costs(tmp_path):
    draw = np.random.default_rng(3)
    x = draw.normal(size=900)
    y = np.where(draw.random(900) < 1 / (1 + np.exp(-2 * x)), "sick", "well")
    frame = pl.DataFrame({"key": [f"r{i}" for i in range(900)], "x": x, "y": y})
    asked = numbers(source=frame, positive="sick", models=["tabular_linear"])

    careful = threshold(asked, costs={"sick": {"well": 9}}, out=tmp_path, workers=1)
    bold = threshold(asked, costs={"well": {"sick": 9}}, out=tmp_path, workers=1)

    assert careful.by_theory == pytest.approx(0.1)
    assert careful.threshold < 0.3
    assert bold.threshold > 0.7
    assert careful.comparison.verdict == "worse"
    assert careful.scores[0].value < careful.scores[1].value
    assert "Say sick from a probability of" in repr(careful)
    assert careful.to_json()
    with pytest.raises(RecipeError, match="costs more than a right one"):
        threshold(asked, costs={"sick": {"well": 0}}, out=tmp_path, workers=1)
    with pytest.raises(RecipeError, match="a class that there is not"):
        threshold(asked, costs={"ill": {"well": 2}}, out=tmp_path, workers=1)
