"""Intervals against published values and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from assay.evaluation.intervals import (
    bca,
    effective_df,
    newcombe_paired,
    percentile,
    wilson,
)
from assay.evaluation.metrics.regression import mae
from assay.evaluation.resampling import resample_count, resamples
from assay.evaluation.scored import Scored


@pytest.mark.parametrize(
    # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3.
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_newcombes_published_bounds(successes, n, low, high):
    interval = wilson(successes, n)

    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_reaches_one_exactly_and_needs_rows():
    assert wilson(7, 7).high == 1.0
    assert wilson(0, 0).low is None


def test_newcombe_paired_gives_the_published_bounds():
    # Bentur et al. (2009), in Fagerland, Lydersen and Laake (2014), Statistics in Medicine 33.
    interval = newcombe_paired(1, 1, 7, 12)

    assert (interval.low, interval.high) == pytest.approx((-0.507, -0.026), abs=5e-4)


def test_newcombe_paired_turns_with_its_arguments():
    one, other = newcombe_paired(20, 9, 4, 11), newcombe_paired(20, 4, 9, 11)

    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_resamples_draw_n_rows_each_and_depend_on_the_seed_alone():
    first = np.concatenate(list(resamples(30, seed=4)))
    again = np.concatenate(list(resamples(30, seed=4)))

    assert first.shape == (2000, 30)
    assert (first.sum(axis=1) == 30).all()
    assert (first == again).all()
    assert (first != np.concatenate(list(resamples(30, seed=5)))).any()
    assert next(resamples(30, seed=-1)).any()


def test_blocks_of_resamples_are_small_whatever_the_height():
    assert next(resamples(3_000_000, seed=0)).nbytes <= 16_000_000
    assert resample_count(3_000_000) == 400


@pytest.mark.parametrize(
    ("values", "n", "why"),
    [
        (np.arange(2000.0), 9, "too few rows"),
        (np.full(2000, 0.3), 50, "same value"),
        (np.r_[np.full(200, np.nan), np.arange(1800.0)], 50, "undefined"),
        (np.full(2000, np.nan), 50, "undefined"),
    ],
)
def test_without_enough_data_there_is_no_interval_but_a_reason(values, n, why):
    interval = percentile(values, n)

    assert (interval.low, interval.high) == (None, None)
    assert interval.method.startswith("none: ")
    assert why in interval.method


def test_intervals_cover_the_truth_about_95_times_in_100():
    # 300 samples of 150 rows: two standard errors of the coverage are 2.5 points.
    draw = np.random.default_rng(11)
    weights = np.concatenate(list(resamples(150, seed=0)))
    covered = {"mae": 0, "accuracy": 0}
    for _ in range(300):
        errors = draw.exponential(5.0, 150)
        interval = percentile(mae(Scored(np.zeros(150), errors), weights), 150)
        covered["mae"] += interval.low <= 5.0 <= interval.high
        share = wilson(draw.binomial(150, 0.8), 150)
        covered["accuracy"] += share.low <= 0.8 <= share.high

    assert 0.91 <= covered["mae"] / 300 <= 0.98
    assert 0.92 <= covered["accuracy"] / 300 <= 0.98


def test_means_of_skewed_losses_are_covered_where_plain_bca_covers_too_little():
    # 4,000 samples of 100 log-normal losses: two standard errors of the coverage are 0.7 points.
    draw = np.random.default_rng(5)
    held = {True: 0, False: 0}
    for seed in range(100):
        samples = draw.lognormal(0, 1, (40, 100))
        drawn = np.concatenate(list(resamples(100, seed))) @ samples.T / 100
        for losses, values in zip(samples, drawn.T, strict=True):
            for expanded in held:
                found = bca(values, losses.mean(), losses - losses.mean(), expanded=expanded)
                held[expanded] += found.low <= np.exp(0.5) <= found.high

    assert 0.935 <= held[True] / 4000 <= 0.965
    assert held[False] / 4000 < 0.935


@pytest.mark.parametrize(
    # Normal influences have a kurtosis of 3, exponential ones of 9: n / 2 and n / 8.
    ("draw", "df"),
    [(np.random.Generator.normal, 50_000), (np.random.Generator.exponential, 12_500)],
)
def test_degrees_of_freedom_follow_the_kurtosis(draw, df):
    values = draw(np.random.default_rng(3), size=100_000)

    assert effective_df(values - values.mean()) == pytest.approx(df, rel=0.1)
