"""Metrics taken apart into sums give what they give on rows: resampled, swapped, derived."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from assay.component import catalogue
from assay.evaluation.influence import by_leaving_out, closed_form
from assay.evaluation.measures import measures
from assay.evaluation.resampling import Pool, resamples, swaps, units_of
from assay.evaluation.scored import Scored
from assay.evaluation.sums import NotSums, trace

N = 90
BY_ROW = {"median_ae", "max_error", "roc_auc", "average_precision"}
SUMS = sorted(
    name
    for name, metric in catalogue("metrics").items()
    if metric.function.__module__.rpartition(".")[2]
    in ("regression", "classification", "probability")
    and name not in BY_ROW
)


def pair(name: str) -> tuple[Scored, Scored]:
    """Two models on the same rows."""
    draw = np.random.default_rng(3)
    module = catalogue("metrics")[name].function.__module__.rpartition(".")[2]
    if module == "regression":
        truth = draw.gamma(2, 50, N)
        guesses = [truth + draw.normal(5, 30, N) for _ in "ab"]
        return tuple(Scored(truth, g, low=g - 20, high=g + draw.uniform(0, 40, N)) for g in guesses)  # type: ignore[return-value]
    truth = draw.integers(0, 4, N)
    found = []
    for _ in "ab":
        proba = draw.dirichlet(np.ones(4), N) + 0.2 * np.eye(4)[truth]
        proba /= proba.sum(axis=1, keepdims=True)
        found.append(Scored(truth, proba.argmax(axis=1), proba, None, tuple("abcd")))
    return found[0], found[1]


@pytest.mark.parametrize("name", SUMS)
def test_a_metric_of_sums_is_the_same_on_rows(name):
    scored, _ = pair(name)
    (measure,) = measures(name, "class" if scored.classes else "number")
    units = units_of(N)
    pool = Pool(units)
    before = [np.copy(part) for part in (scored.truth, scored.predicted, scored.absolute_error)]

    found = trace(lambda weights: measure.values(scored, weights), N)
    places = pool.add(found.columns, None, b"", None)
    drawn = found.replay(pool.times(resamples(N, 1, 50))[:, places])

    weights = next(resamples(N, 1, 50)).astype(np.float64)
    np.testing.assert_allclose(drawn, measure.values(scored, weights), rtol=1e-8, atol=1e-10)
    assert found.value == pytest.approx(measure.value(scored))
    for part, kept in zip((scored.truth, scored.predicted, scored.absolute_error), before,
                          strict=True):  # fmt: skip
        np.testing.assert_array_equal(part, kept)


@pytest.mark.parametrize("name", SUMS)
def test_swapped_sums_are_swapped_predictions(name):
    first, second = pair(name)
    (measure,) = measures(name, "class" if first.classes else "number")
    pool = Pool(units_of(N))
    traces = [trace(lambda w, s=s: measure.values(s, w), N) for s in (first, second)]
    a, b = (pool.add(found.columns, None, b"", None) for found in traces)
    coins = next(swaps(N, 5, 3)).astype(np.float64)
    everything, chosen = pool.times(iter([np.ones((1, N))])), pool.times(iter([coins]))

    moved = traces[0].replay(everything[:, a] + chosen[:, b] - chosen[:, a])

    def swapped(row: int) -> float:
        take = coins[row] == 1
        parts = {}
        for part in ("prediction", "proba", "low", "high"):
            one, other = getattr(first, part), getattr(second, part)
            if one is not None:
                parts[part] = np.where(take if one.ndim == 1 else take[:, None], other, one)
        return measure.value(replace(first, **parts))

    assert moved == pytest.approx([swapped(row) for row in range(3)], rel=1e-8)


@pytest.mark.parametrize("name", [*sorted({*SUMS} - {"ece"}), "average_precision", "roc_auc"])
def test_influences_are_the_jackknifes_in_the_small(name):
    scored, _ = pair(name if name not in BY_ROW else "log_loss")
    (measure,) = measures(name, "class" if scored.classes else "number")

    def values(weights: np.ndarray) -> np.ndarray:
        return measure.values(scored, weights)

    try:
        influence = trace(values, N).influence()
    except NotSums:
        known = closed_form(measure, scored, None)
        assert known is not None
        influence = known[1]

    jackknife = by_leaving_out(values, N, None)
    assert np.corrcoef(influence, jackknife)[0, 1] > 0.98
    assert influence.std() == pytest.approx(jackknife.std(), rel=0.08)


def test_metrics_that_look_at_single_weights_say_so():
    scored, _ = pair("mae")
    for look in (
        lambda weights: np.take(weights, [0], axis=1)[:, 0],
        lambda weights: weights[:, 0],
        lambda weights: np.cumsum(weights, axis=1)[:, -1],
        lambda weights: weights.max(axis=1),
    ):
        with pytest.raises((NotSums, TypeError)):
            trace(look, len(scored))


def test_many_rows_are_drawn_in_units_that_say_the_same():
    draw = np.random.default_rng(0)
    errors = draw.exponential(1.0, 60_000)
    units = units_of(60_000)
    scored = Scored(np.zeros(60_000), errors)
    (measure,) = measures("mae", "number")
    pool = Pool(units)
    found = trace(lambda weights: measure.values(scored, weights), 60_000)
    places = pool.add(found.columns, None, b"", None)

    drawn = found.replay(pool.times(resamples(units.count, 1, 2000))[:, places])

    assert units.count == 20_000
    # The spread of 2,000 draws is known to 1.6 %.
    assert drawn.std() == pytest.approx(errors.std() / np.sqrt(60_000), rel=0.06)


def test_drawn_counts_have_a_poisson_counts_moments():
    block = next(resamples(20_000, 3, 50)).astype(np.float64)

    assert block.mean() == pytest.approx(1.0, abs=0.004)
    assert block.var() == pytest.approx(1.0, abs=0.01)
    assert ((block - 1) ** 3).mean() == pytest.approx(1.0, abs=0.04)
