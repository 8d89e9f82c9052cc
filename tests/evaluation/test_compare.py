"""Paired comparisons: published p-values, false alarms by simulation, plain sentences."""

from __future__ import annotations

import numpy as np
import pytest

from assay.evaluation.compare import (
    Contrast,
    bootstrap_p,
    compare_outcomes,
    compare_resamples,
    conclude,
    holm,
    mcnemar_midp,
)
from assay.evaluation.intervals import Interval
from assay.evaluation.metrics.regression import mae
from assay.evaluation.resampling import resamples
from assay.evaluation.scored import Scored


@pytest.mark.parametrize(
    # Fagerland, Lydersen and Laake (2013), BMC Medical Research Methodology 13:91: the airways
    # of 21 children (Bentur et al. 2009); and by their formula, complete response of 161 patients
    # (Cavo et al. 2012).
    ("first", "second", "p"),
    [(1, 7, 0.039), (6, 16, 0.035)],
)
def test_mcnemar_gives_the_published_midp(first, second, p):
    assert mcnemar_midp(first, second) == pytest.approx(p, abs=5e-4)
    assert mcnemar_midp(second, first) == mcnemar_midp(first, second)


def test_mcnemar_of_no_difference():
    assert mcnemar_midp(0, 0) == 1.0
    assert mcnemar_midp(1, 1) == pytest.approx(0.75)  # 1 - half the chance of just this


def test_holm_multiplies_by_how_many_are_left_and_never_falls():
    # By hand: 4 * 0.01, 3 * 0.02, 2 * 0.03, and the last no less than the one before.
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([]) == []


def test_bootstrap_p_is_never_zero_and_at_most_one():
    assert bootstrap_p(np.full(99, -1.0)) == 0.02
    assert bootstrap_p(np.r_[np.ones(50), -np.ones(50)]) == 1.0


def test_outcomes_are_compared_cell_by_cell():
    first = np.r_[np.ones(1), np.ones(1), np.zeros(7), np.zeros(12)]
    second = np.r_[np.ones(1), np.zeros(1), np.ones(7), np.zeros(12)]

    interval, p, test = compare_outcomes(first, second)

    assert (interval.low, interval.high) == pytest.approx((-0.507, -0.026), abs=5e-4)
    assert p == pytest.approx(0.039, abs=5e-4)
    assert test == "McNemar mid-p"


def test_equal_models_are_said_to_be_equal():
    interval, p, test = compare_resamples(np.arange(99.0), np.arange(99.0), n=50)
    contrast = Contrast("a", "b", "mae", "lower", 0.0, interval, p, test, 50)

    assert p == 1.0
    assert conclude([contrast])[0].sentence == "b and a are equal in mae."


def test_the_paired_bootstrap_raises_few_false_alarms():
    # 300 pairs of equally good models: a rate of 5 % has a standard error of 1.3 points.
    draw = np.random.default_rng(5)
    weights = np.concatenate(list(resamples(120, seed=0)))
    alarms = 0
    for _ in range(300):
        common = draw.normal(0, 5, 120)
        first, second = (Scored(np.zeros(120), common + draw.normal(0, 2, 120)) for _ in "ab")
        _, p, _ = compare_resamples(mae(first, weights), mae(second, weights), 120)
        alarms += p < 0.05

    assert alarms / 300 <= 0.09


@pytest.mark.parametrize(
    ("difference", "low", "high", "better", "share", "sentence"),
    [
        (-0.31, -0.35, -0.27, "lower", False,
         "b is worse than a by 0.31 m (95 % 0.27 to 0.35)."),
        (0.31, 0.27, 0.35, "lower", False,
         "b is better than a by 0.31 m (95 % 0.27 to 0.35)."),
        (0.06, 0.01, 0.11, "higher", True,
         "b is worse than a by 6 points of m (95 % 1 to 11)."),
        (-2500.0, -3000.0, -2000.0, "lower", False,
         "b is worse than a by 2,500 m (95 % 2,000 to 3,000)."),
        (-0.1, -0.3, 0.1, "lower", False,
         "Cannot tell b from a by m: the difference is 0.1 m "
         "(95 % -0.1 to 0.3, adjusted p = 0.001)."),
    ],
)  # fmt: skip
def test_sentences_say_who_is_worse_by_how_much(difference, low, high, better, share, sentence):
    interval = Interval(low, high, "")
    contrast = Contrast("a", "b", "m", better, difference, interval, 0.001, "t", 9, share)

    assert conclude([contrast])[0].sentence == sentence


def test_a_difference_that_many_comparisons_explain_is_not_claimed():
    contrasts = [
        Contrast("a", f"b{place}", "m", "lower", -1.0, Interval(-2.0, -0.1, ""), 0.03, "t", 99)
        for place in range(3)
    ]

    found = conclude(contrasts)

    assert [one.p for one in found] == pytest.approx([0.09, 0.09, 0.09])
    assert all(one.sentence.startswith("Cannot tell") for one in found)


def test_without_an_interval_the_sentence_says_why():
    nothing = Interval(None, None, "none: too few rows (3; 10 are needed)")
    contrast = Contrast("a", "b", "m", "lower", 1.0, nothing, None, nothing.method, 3)

    sentence = conclude([contrast])[0].sentence

    assert sentence == "Cannot tell b from a by m: too few rows (3; 10 are needed)."
