"""Evidence over time: held against published values, and against 1,000 looks at nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, multinomial

from assay.monitoring.changes import change_of, run_since
from assay.monitoring.history import Batch
from assay.monitoring.sequential import (
    calibrated,
    e_bh,
    e_process,
    mean_sequence,
    of_counts,
    of_p_values,
    of_values,
    share_sequence,
)
from assay.monitoring.trends import trends

LIMIT = math.log(20)
CELLS = np.full(10, 0.1)


def first_alarm(reference, batches):
    """The first look, from 1, at which the evidence is worth an alarm."""
    looks = range(1, len(batches) + 1)
    return next((t for t in looks if e_process(of_counts(reference, batches[:t])) >= LIMIT), None)


def test_a_thousand_looks_at_nothing_raise_hardly_an_alarm():
    """Ville: at most 5 % of histories may ever alarm, however large the reference is."""
    draw = np.random.default_rng(5)
    ever = 0
    # Looks are spread out here, since evidence moves little in one; all 1,000 are in benchmarks.
    looks = np.unique(np.geomspace(1, 1000, 60).astype(int))
    for history in range(60):
        reference = draw.multinomial((500, 5_000, 500_000)[history % 3], CELLS)
        batches = draw.multinomial(200, CELLS, size=1000)
        ever += any(e_process(of_counts(reference, batches[:t])) >= LIMIT for t in looks)

    assert ever <= 60 * 0.05


def test_a_fixed_test_at_every_look_would_alarm_nearly_always():
    from scipy.stats import chisquare

    draw = np.random.default_rng(5)
    batches = draw.multinomial(200, CELLS, size=(20, 1000))

    assert (chisquare(batches, np.full(10, 20.0), axis=2).pvalue < 0.05).any(axis=1).mean() > 0.95


@pytest.mark.parametrize(("shift", "most"), [(0.3, 2), (0.1, 9)])
def test_a_change_is_found_soon_and_placed_where_it_began(shift, most):
    moved = CELLS * np.where(np.arange(10) < 5, 1 - shift, 1 + shift)
    draw = np.random.default_rng(1)
    delays, places = [], []
    for _ in range(10):
        reference = draw.multinomial(20_000, CELLS)
        batches = np.vstack([draw.multinomial(1000, CELLS, 50), draw.multinomial(1000, moved, 50)])
        alarm = first_alarm(reference, batches)
        change = change_of(of_counts(reference, batches[:alarm]))
        delays.append(alarm - 50)
        places.append(change.since)
        assert change.earliest <= change.since <= change.latest

    assert 1 <= np.median(delays) <= most
    assert np.abs(np.median(places) - 50) <= 1


def test_the_evidence_of_two_cells_is_the_ratio_of_two_integrals():
    """Against the definition, integrated numerically: a Beta mixture over a Beta posterior."""
    reference, rows, hits = np.array([30.0, 10.0]), 20, 12

    def chance(a, b):
        return quad(
            lambda x: x**hits * (1 - x) ** (rows - hits) * beta.pdf(x, a, b), 0, 1, epsabs=0
        )[0]

    share = (reference + 0.5) / 41
    far = np.mean([chance(*(share / reach)[::-1]) for reach in (1.0, 0.1, 0.01, 0.001)])
    near = chance(10.5, 30.5)

    assert math.exp(of_counts(reference, [[rows - hits, hits]])[0]) == pytest.approx(
        far / near, rel=1e-6
    )


def test_the_mean_of_an_e_value_is_one_while_nothing_changes():
    """Over every outcome there is, where the reference is so large that shares are known."""
    reference = np.array([2e7, 3e7, 5e7])
    outcomes = [(a, b, 6 - a - b) for a in range(7) for b in range(7 - a)]

    mean = sum(
        multinomial.pmf(one, 6, reference / reference.sum())
        * math.exp(of_counts(reference, [one])[0])
        for one in outcomes
    )

    assert mean == pytest.approx(1, abs=1e-4)


def test_calibrated_p_values_agree_with_the_printed_integral():
    """Vovk and Wang (2021): the mean over the powers is (1 - p + p log p) / (p (log p)²)."""
    for p in (0.5, 0.05, 1e-4):
        integral = quad(lambda k, p=p: k * p ** (k - 1), 0, 1)[0]
        assert math.exp(calibrated(p)) == pytest.approx(integral, rel=1e-8)
    mean = quad(lambda log: math.exp(calibrated(math.exp(log)) + log), -600, 0, limit=200)[0]
    assert mean == pytest.approx(1 - 1 / 600, abs=1e-3)  # the rest lies below exp(-600)


def test_p_values_that_hang_together_wholly_do_not_alarm_too_often():
    draw = np.random.default_rng(2)
    alarms = [of_p_values([p] * 200) >= LIMIT for p in draw.random(2000)]

    assert np.mean(alarms) <= 0.05


def test_a_figure_that_gets_worse_is_told_and_one_that_gets_better_is_not():
    draw = np.random.default_rng(3)
    steady, errors = draw.normal(10, 0.5, 200), np.full(200, 0.5)
    worse = np.concatenate([steady[:100], steady[100:] + 0.5])

    assert e_process(of_values(10, 0.1, steady, errors, worse="higher")) < LIMIT
    assert e_process(of_values(10, 0.1, 20 - worse, errors, worse="higher")) < LIMIT
    change = change_of(of_values(10, 0.1, worse, errors, worse="higher"))
    assert change.log_e > LIMIT and abs(change.since - 100) <= 6 and change.p < 0.05


def test_batches_that_say_nothing_change_nothing():
    known = of_values(1.0, 0.1, [1.0, 2.0], [0.1, 0.1])
    beside = of_values(1.0, 0.1, [1.0, math.nan, 2.0, 3.0], [0.1, 0.2, 0.1, 0.0])

    assert beside[[0, 2]] == pytest.approx(known)
    assert of_counts([5, 5], [[0, 0]])[0] == pytest.approx(0)
    assert np.isfinite(of_counts([5, 0], [[1, 10**9]])).all()


def test_e_bh_takes_what_is_worth_it():
    assert e_bh([]) == []
    assert e_bh([math.log(19.9)]) == [False]
    assert e_bh([math.log(20)]) == [True]
    # Of four, the second largest has to reach 4 / (0.05 · 2) = 40.
    assert e_bh([math.log(one) for one in (500, 41, 20, 1)]) == [True, True, False, False]


def test_intervals_hold_at_all_looks_together():
    draw = np.random.default_rng(4)
    missed = {"share": 0, "mean": 0}
    looks = np.unique(np.geomspace(20, 5000, 25).astype(int))
    for _ in range(150):
        rows = draw.random(5000) < 0.3
        values = draw.exponential(size=5000)
        shares = [share_sequence(rows[:n].sum(), n) for n in looks]
        means = [
            mean_sequence(values[:n].mean(), values[:n].std(ddof=1), n, tuned=500) for n in looks
        ]
        missed["share"] += any(not one.low <= 0.3 <= one.high for one in shares)
        missed["mean"] += any(not one.low <= 1.0 <= one.high for one in means)

    assert missed["share"] <= 150 * 0.05
    assert missed["mean"] <= 150 * 0.08  # holds for many rows, and these begin at 20


def test_intervals_at_the_ends():
    assert share_sequence(0, 50).low == 0 and share_sequence(50, 50).high == 1
    assert 0 < share_sequence(0, 50).high < 0.2
    assert (share_sequence(0, 0).low, share_sequence(0, 0).high) == (0, 1)
    assert not mean_sequence(0.0, math.nan, 10, tuned=10).known


def test_a_run_lasts_until_now():
    assert run_since([False, True, True]) == 1
    assert run_since([]) is None


def test_skewed_losses_of_small_batches_raise_no_false_alarms():
    """Fourth powers of normal numbers, 50 a batch: their own errors go down with their means."""
    draw = np.random.default_rng(6)
    at = datetime(2026, 11, 1, tzinfo=UTC)
    ever = 0
    for _ in range(40):
        known = draw.standard_normal(2000) ** 4
        losses = draw.standard_normal((60, 50)) ** 4
        about = {
            "metric": "gain", "model": "m", "estimated": False, "better": "higher",
            "reference": known.mean(), "reference_n": 2000, "share": False, "bounded": False,
            "reference_error": known.std(ddof=1) / math.sqrt(2000), "n": 50,
        }  # fmt: skip
        past = [
            Batch(str(day), "", "", at + timedelta(days=day), 50, document={"performance": [
                {**about, "value": one.mean(), "error": one.std(ddof=1) / math.sqrt(50)}
            ]})
            for day, one in enumerate(losses)
        ]  # fmt: skip
        ever += any(trends(past[:look], {})[0].log_e >= LIMIT for look in (5, 15, 30, 60))

    assert ever <= 40 * 0.05
