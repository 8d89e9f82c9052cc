"""Every metric equals scikit-learn's, and integer weights equal repeated rows."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from assay.component import catalogue
from assay.errors import PredictionsError, RecipeError
from assay.evaluation.measures import measures
from assay.evaluation.metrics import classification, probability, regression
from assay.evaluation.scored import Scored

CALM = settings(max_examples=40, deadline=None)


def one(n: int) -> np.ndarray:
    return np.ones((1, n))


def numbers(seed: int, n: int = 60) -> Scored:
    draw = np.random.default_rng(seed)
    truth = draw.gamma(2, 50, n).round(1)
    return Scored(truth, (truth + draw.normal(0, 30, n)).round(0))


def labelled(seed: int, k: int, n: int = 60, *, positive: int | None = None) -> Scored:
    """Class k-1 never stands in the truth; scores are rounded, so there are ties."""
    draw = np.random.default_rng(seed)
    truth = draw.integers(0, max(k - 1, 2), n)
    proba = draw.dirichlet(np.ones(k), n).round(1) + 0.05
    proba /= proba.sum(axis=1, keepdims=True)
    names = tuple(f"c{code}" for code in range(k))
    return Scored(truth, draw.integers(0, k, n), proba, None, names, positive)


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        (regression.mae, sk.mean_absolute_error),
        (regression.rmse, sk.root_mean_squared_error),
        (regression.r2, sk.r2_score),
        (regression.median_ae, sk.median_absolute_error),
    ],
)
def test_number_metrics_equal_scikit_learn(metric, reference):
    for seed, n in ((1, 60), (2, 7), (3, 2)):
        scored = numbers(seed, n)

        value = metric(scored, one(n))[0]

        assert value == pytest.approx(reference(scored.truth, scored.prediction), rel=1e-9)


def test_rmsle_equals_scikit_learn_and_counts_negative_predictions_as_zero():
    scored = numbers(4)
    clipped = np.maximum(scored.prediction, 0)

    value = regression.rmsle(scored, one(60))[0]

    assert value == pytest.approx(sk.root_mean_squared_log_error(scored.truth, clipped))
    with pytest.raises(PredictionsError, match="at least 0"):
        regression.rmsle(Scored(np.array([-1.0]), np.array([1.0])), one(1))


def test_r2_of_a_constant_truth_is_scikit_learns():
    truth = np.full(4, 3.0)

    assert regression.r2(Scored(truth, truth), one(4))[0] == 1.0
    assert regression.r2(Scored(truth, truth + 1), one(4))[0] == 0.0
    assert np.isnan(regression.r2(Scored(truth[:1], truth[:1]), one(1))[0])


def test_hits_have_strict_bounds_and_survive_a_truth_of_zero():
    scored = Scored(np.array([0.0, 0.0, 500.0, 500.0]), np.array([39.9, 40.0, 600.0, 599.0]))

    assert regression.hits(scored, one(4))[0] == 0.5
    assert regression.hits(scored, one(4), amount=1000.0)[0] == 1.0


@pytest.mark.parametrize("k", [2, 3, 5])
@pytest.mark.parametrize("average", ["macro", "micro", "weighted"])
def test_class_metrics_equal_scikit_learn(k, average):
    scored = labelled(k, k)
    truth, predicted = scored.truth, scored.prediction
    known = {"average": average, "zero_division": 0}

    assert classification.accuracy(scored, one(60))[0] == sk.accuracy_score(truth, predicted)
    for name in ("precision", "recall", "f1"):
        value = getattr(classification, name)(scored, one(60), average=average)[0]
        assert value == pytest.approx(getattr(sk, f"{name}_score")(truth, predicted, **known))


def test_balanced_accuracy_equals_scikit_learn():
    scored = labelled(8, 4)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of predicted classes without truth
        reference = sk.balanced_accuracy_score(scored.truth, scored.prediction)

    assert classification.balanced_accuracy(scored, one(60))[0] == pytest.approx(reference)


def test_a_positive_class_makes_binary_the_default():
    scored = labelled(3, 2, positive=1)

    assert classification.f1(scored, one(60))[0] == pytest.approx(
        sk.f1_score(scored.truth, scored.prediction)
    )
    assert classification.f1(labelled(3, 2), one(60))[0] == pytest.approx(
        sk.f1_score(scored.truth, scored.prediction, average="macro")
    )
    with pytest.raises(RecipeError, match="binary"):
        classification.f1(labelled(3, 3), one(60), average="binary")


def test_an_unknown_label_is_wrong_but_is_no_class():
    scored = Scored(np.array([0, 1, 1]), np.array([0, 1, -1]), classes=("a", "b"))

    assert classification.accuracy(scored, one(3))[0] == pytest.approx(2 / 3)
    assert classification.recall(scored, one(3), average="macro")[0] == pytest.approx(
        sk.recall_score(["a", "b", "b"], ["a", "b", "?"], labels=["a", "b"], average="macro")
    )


def test_ranking_metrics_equal_scikit_learn_with_ties():
    for seed in range(5):
        binary = labelled(seed, 2, positive=1)
        score = binary.proba[:, 1]
        assert probability.roc_auc(binary, one(60))[0] == pytest.approx(
            sk.roc_auc_score(binary.truth, score)
        )
        assert probability.average_precision(binary, one(60))[0] == pytest.approx(
            sk.average_precision_score(binary.truth, score)
        )
        assert probability.log_loss(binary, one(60))[0] == pytest.approx(
            sk.log_loss(binary.truth, binary.proba)
        )


def test_ranking_metrics_of_many_classes_leave_out_classes_without_rows():
    scored = labelled(9, 4)  # class 3 is absent from the truth
    present = [0, 1, 2]
    areas = [sk.roc_auc_score(scored.truth == code, scored.proba[:, code]) for code in present]
    precisions = [
        sk.average_precision_score(scored.truth == code, scored.proba[:, code]) for code in present
    ]

    assert probability.roc_auc(scored, one(60))[0] == pytest.approx(np.mean(areas))
    assert probability.average_precision(scored, one(60))[0] == pytest.approx(np.mean(precisions))
    assert probability.log_loss(scored, one(60))[0] == pytest.approx(
        sk.log_loss(scored.truth, scored.proba, labels=[0, 1, 2, 3])
    )


def test_a_score_ranks_like_a_probability():
    scored = labelled(2, 2, positive=0)
    score = np.log(scored.proba[:, 0])
    by_score = Scored(scored.truth, None, None, score, scored.classes, 0)

    assert probability.roc_auc(by_score, one(60)) == probability.roc_auc(scored, one(60))
    with pytest.raises(PredictionsError, match="probability of every class"):
        probability.log_loss(by_score, one(60))


TASKS = {
    "regression": "number",
    "classification": "class",
    "probability": "class",
    "ranking": "ranking",
    "multilabel": "labels",
    "text": "text",
}
WORDS = np.array(["a", "big", "red", "fox", "ran", "over", "one", "lazy", "dog"])


def example(name: str, seed: int, n: int, k: int, positive: int | None = None) -> Scored | None:
    """Rows that a metric can be measured on; None where k classes are too few for it."""
    task = task_of(name)
    draw = np.random.default_rng(seed)
    if task == "number":
        scored = numbers(seed, n)
        width = draw.uniform(0, 60, n)
        return replace(scored, low=scored.prediction - width, high=scored.prediction + width)
    if task == "class":
        return None if name == "top_k" and k < 4 else labelled(seed, k, n, positive=positive)
    sides = [[draw.permutation(WORDS)[: 1 + row % 4].tolist() for row in range(n)] for _ in "ab"]
    write = " ".join if task == "text" else json.dumps
    return Scored(*(np.array([write(one) for one in side], dtype=object) for side in sides))


def task_of(name: str) -> str:
    return TASKS[catalogue("metrics")[name].function.__module__.rpartition(".")[2]]


@pytest.mark.parametrize("name", sorted(catalogue("metrics")))
@CALM
@given(data=st.data())
def test_integer_weights_equal_repeated_rows(name, data):
    # How many labels there are is no matter of the rows that are drawn.
    given = {"labels": 9} if name == "hamming_loss" else {}
    (measure,) = measures([(name, given)], task_of(name))
    n = data.draw(st.integers(2, 12))
    seed = data.draw(st.integers(0, 10**6))
    k = data.draw(st.integers(2, 4))
    positive = data.draw(st.sampled_from([None, 0, 1]))
    scored = example(name, seed, n, k, positive)
    times = np.array(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    if not times.sum() or scored is None:
        return
    rows = np.repeat(np.arange(n), times)
    repeated = Scored(
        scored.truth[rows],
        scored.prediction[rows],
        None if scored.proba is None else scored.proba[rows],
        None,
        scored.classes,
        scored.positive,
        None if scored.low is None else scored.low[rows],
        None if scored.high is None else scored.high[rows],
    )

    weighted = measure.values(scored, times[None, :].astype(np.float64))[0]
    plain = measure.value(repeated)

    assert weighted == pytest.approx(plain, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("name", sorted(catalogue("metrics")))
def test_single_precision_is_precise_enough_for_intervals(name):
    (measure,) = measures(name, task_of(name))
    scored = example(name, 1, 500, 4)
    assert scored is not None
    weights = np.random.default_rng(0).multinomial(500, np.full(500, 1 / 500), 20)

    single = measure.values(scored, weights.astype(np.float32))

    assert single == pytest.approx(measure.values(scored, weights.astype(float)), rel=1e-5)
    assert single.shape == (20,)


def test_outcomes_of_a_share_are_its_values_on_single_rows():
    (measure,) = measures("hits", "number")
    scored = numbers(6)

    outcomes = measure.outcomes(scored)

    assert set(outcomes) <= {0.0, 1.0}
    assert outcomes.mean() == pytest.approx(measure.value(scored))


@pytest.mark.parametrize(
    ("asked", "task", "message"),
    [
        ("mea", "number", "did you mean 'mae'"),
        ("accuracy", "number", "does not suit a target of numbers"),
        ("mae,mae", "number", "stands twice"),
        ([("hits", {"ammount": 3})], "number", "did you mean 'amount'"),
    ],
)
def test_unknown_and_unfit_metrics_are_refused(asked, task, message):
    with pytest.raises(RecipeError, match=message):
        measures(asked, task)
