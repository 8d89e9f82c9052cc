"""ROC and precision-recall curves, their bands, and calibration as the report draws them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from assay.evaluation.curves import curves_of
from assay.evaluation.evaluate import evaluate
from assay.evaluation.resampling import units_of
from assay.evaluation.scored import Scored


def scored(n: int, seed: int, classes: int = 2) -> Scored:
    draw = np.random.default_rng(seed)
    truth = (draw.random(n) < 0.4).astype(int)
    score = draw.normal(0, 1, n) + 1.5 * truth
    return Scored(truth, None, score=score.round(1), classes=("no", "yes"), positive=1)


def test_both_curves_pass_through_scikit_learns_points():
    from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

    rows = scored(400, 3)
    (found,) = curves_of(rows, units_of(400), 1)
    fallout, recall, _ = roc_curve(rows.truth, rows.score)
    precision, reached, _ = precision_recall_curve(rows.truth, rows.score)

    for at, value, low, high, _cut in found["roc"]:
        assert value == pytest.approx(np.interp(at, fallout, recall), abs=0.011) or at == 0
        assert low <= value <= high
    for at, value, *_rest in found["precision_recall"]:
        first = np.flatnonzero(reached >= at - 1e-12)[-1]
        assert value == pytest.approx(precision[first], abs=1e-5)
    assert found["area"] == pytest.approx(roc_auc_score(rows.truth, rows.score), abs=1e-6)
    assert (found["of"], found["share"]) == ("yes", pytest.approx(rows.truth.mean()))


def test_a_band_holds_its_point_about_95_times_in_100():
    """The recall at a false positive rate of 0.2, of two normal populations."""
    true = float(norm.sf(norm.isf(0.2) - 1.5))
    held = 0
    for seed in range(120):
        (found,) = curves_of(scored(150, seed), units_of(150), seed)
        _, _, low, high, _ = found["roc"][20]
        held += low <= true <= high

    assert 0.90 <= held / 120 <= 0.995


def test_many_rows_one_group_and_weights_tell_the_truth_about_the_spread():
    rows = scored(300, 5)
    plain, copied = (
        curves_of(rows, units_of(300, groups), 1)[0]["roc"][20]
        for groups in (None, pl.Series(np.arange(300) // 30).cast(pl.String))
    )
    weighted = curves_of(rows, units_of(300), 1, np.ones(300))[0]["roc"][20]
    many = curves_of(scored(60_000, 1), units_of(60_000), 1)[0]["roc"][20]

    assert copied[:2] == plain[:2] == weighted[:2]
    assert weighted[3] - weighted[2] == pytest.approx(plain[3] - plain[2], rel=0.25)
    assert many[1] == pytest.approx(float(norm.sf(norm.isf(0.2) - 1.5)), abs=0.02)
    assert many[3] - many[2] < 0.25 * (plain[3] - plain[2])


@pytest.mark.parametrize("truth", [[0, 0, 0], [1, 1, 1]])
def test_one_class_alone_has_no_curve(truth):
    rows = Scored(
        np.array(truth), None, score=np.array([1.0, 2, 3]), classes=("a", "b"), positive=1
    )

    assert curves_of(rows, units_of(3), 0) == []


def test_each_of_a_few_classes_has_curves_and_of_many_none_has():
    draw = np.random.default_rng(0)
    for k, expected in ((4, 4), (9, 0)):
        proba = draw.dirichlet(np.ones(k), 90)
        truth = np.arange(90) % k
        names = tuple(f"c{place}" for place in range(k))
        rows = Scored(truth, proba.argmax(axis=1), proba, None, names)
        assert len(curves_of(rows, units_of(90), 0)) == expected


def test_an_evaluation_holds_what_the_report_draws():
    draw = np.random.default_rng(1)
    n = 120
    sure = draw.random(n)
    truth = pl.DataFrame({"id": range(n), "y": np.where(draw.random(n) < sure, "yes", "no")})
    given = {
        name: pl.DataFrame({"id": range(n), "proba_yes": part, "proba_no": 1 - part})
        for name, part in (("right", sure), ("bold", sure**3), ("odd", draw.random(n)))
    }

    found = evaluate(truth, given, target="y", positive="yes", metrics=["accuracy", "brier"])

    details = found.details["right"]
    assert [one["of"] for one in details["curves"]] == ["yes"]
    assert sum(one["n"] for one in details["calibration"]["bins"]) == n
    assert details["calibration"]["error"] < found.details["bold"]["calibration"]["error"]
    (ranking,) = found.rankings
    assert (ranking.metric, ranking.blocks, len(ranking.pairs)) == ("accuracy", n, 3)
    assert set(ranking.models) == {"right", "bold", "odd"}
