"""What every metric keeps to, whatever it measures."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from assay.component import Component, catalogue
from assay.errors import PredictionsError, RecipeError
from assay.evaluation.measures import measures
from assay.evaluation.scored import Scored

ROWS = 40
METRICS = [pytest.param(metric, id=metric.name) for metric in catalogue("metrics").values()]


def numbers() -> Scored:
    rng = np.random.default_rng(1)
    truth = rng.lognormal(4.5, 1, ROWS)
    return Scored(truth, truth * rng.lognormal(0, 0.6, ROWS))


def classes(count: int) -> Scored:
    rng = np.random.default_rng(count)
    truth = rng.permutation(np.arange(ROWS) % count)
    proba = (
        rng.dirichlet(np.ones(count), ROWS) + (0.7 if count < 5 else 0.05) * np.eye(count)[truth]
    )
    proba /= proba.sum(axis=1, keepdims=True)
    return Scored(
        truth,
        proba.argmax(axis=1),
        proba=proba,
        score=proba[:, 1] if count == 2 else None,
        classes=tuple("abcdefg"[:count]),
        positive=1 if count == 2 else None,
    )


def with_intervals() -> Scored:
    scored = numbers()
    width = np.random.default_rng(6).uniform(0, 60, ROWS)
    return replace(scored, low=scored.prediction - width, high=scored.prediction + width)


def lists() -> Scored:
    rng = np.random.default_rng(7)
    items = list("abcdef")
    drawn = [
        [json.dumps(rng.permutation(items)[: 2 + row % 3].tolist()) for row in range(ROWS)]
        for _ in "ab"
    ]
    return Scored(*(np.array(side, dtype=object) for side in drawn))


def texts() -> Scored:
    rng = np.random.default_rng(8)
    words = np.array(["the", "red", "fox", "ran", "over", "one", "lazy", "dog", "again"])
    truth = [" ".join(rng.permutation(words)[:6]) for _ in range(ROWS)]
    said = [text if row % 3 else text[4:] + " red" for row, text in enumerate(truth)]
    return Scored(np.array(truth, dtype=object), np.array(said, dtype=object))


def taken(scored: Scored, rows: np.ndarray) -> Scored:
    """Some of the rows, in some order, some of them repeatedly."""
    parts = ("truth", "prediction", "proba", "score", "low", "high")
    values = {name: getattr(scored, name) for name in parts}
    return replace(scored, **{k: v if v is None else v[rows] for k, v in values.items()})


def perfect(scored: Scored) -> Scored:
    """The same rows with nothing wrong."""
    if not scored.classes:
        bounds = {} if scored.low is None else {"low": scored.truth, "high": scored.truth}
        return replace(scored, prediction=scored.truth, **bounds)
    sure = np.eye(len(scored.classes))[scored.truth]
    score = None if scored.score is None else sure[:, 1]
    return replace(scored, prediction=scored.truth, proba=sure, score=score)


KINDS = {
    "numbers": numbers(),
    "intervals": with_intervals(),
    "two classes": classes(2),
    "seven classes": classes(7),
    "ranking": lists(),
    "labels": lists(),
    "text": texts(),
}


def accepted(metric: Component) -> list[Scored]:
    """The kinds of target this metric is made for."""
    found = []
    for kind, scored in KINDS.items():
        task = kind if kind in ("ranking", "labels", "text") else "number"
        try:
            (measure,) = measures(metric.name, "class" if scored.classes else task)
            measure.value(scored)
        except (RecipeError, PredictionsError):
            continue
        found.append(scored)
    return found


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_says_which_way_is_better_and_takes_some_target(metric):
    assert metric.gives in {"lower", "higher", "proportion", "aim"}
    assert accepted(metric)


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_gives_one_number_for_each_line_of_weights(metric):
    weights = np.random.default_rng(2).multinomial(ROWS, np.full(ROWS, 1 / ROWS), 5).astype(float)
    for scored in accepted(metric):
        together = np.asarray(metric.function(scored, weights))
        alone = [float(metric.function(scored, line[None, :])[0]) for line in weights]

        assert together.shape == (5,)
        np.testing.assert_allclose(together, alone, rtol=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_of_weight_k_counts_as_k_copies(metric):
    counts = np.random.default_rng(4).integers(0, 4, ROWS)
    for scored in accepted(metric):
        weighted = metric.function(scored, counts[None, :].astype(float))[0]
        copies = taken(scored, np.repeat(np.arange(ROWS), counts))

        repeated = metric.function(copies, np.ones((1, counts.sum())))[0]

        assert weighted == pytest.approx(repeated, rel=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_the_order_of_rows_does_not_matter(metric):
    order = np.random.default_rng(5).permutation(ROWS)
    for scored in accepted(metric):
        straight = metric.function(scored, np.ones((1, ROWS)))[0]

        shuffled = metric.function(taken(scored, order), np.ones((1, ROWS)))[0]

        assert shuffled == pytest.approx(straight, rel=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_beats_perfect_predictions(metric):
    ones = np.ones((1, ROWS))
    for scored in accepted(metric):
        value, best = metric.function(scored, ones)[0], metric.function(perfect(scored), ones)[0]

        if metric.gives == "aim":
            continue  # nothing says that the nearest to the aim is the truth itself
        if metric.gives == "lower":
            assert best == pytest.approx(0, abs=1e-9)
            assert value > best
        else:
            assert best == pytest.approx(1)
            assert value < best


@pytest.mark.parametrize("metric", METRICS)
def test_a_metric_leaves_the_scored_rows_as_they_were(metric):
    for scored in accepted(metric):
        before = [np.copy(value) for value in (scored.truth, scored.predicted)]
        weights = np.ones((2, ROWS))

        metric.function(scored, weights)

        np.testing.assert_array_equal(before[0], scored.truth)
        np.testing.assert_array_equal(before[1], scored.predicted)
        assert (weights == 1).all()
