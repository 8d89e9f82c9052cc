"""Statistics against the values that their authors, or the programs they are known from, print."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.evaluation.compare import compare_areas, holm
from assay.evaluation.folds import corrected_t, correlated_chances
from assay.evaluation.influence import of_area
from assay.evaluation.intervals import (
    bca,
    clopper_pearson,
    logit,
    mann_whitney,
    median_ranks,
    normal,
)
from assay.evaluation.linear import Entry, linear, standard_error
from assay.evaluation.many import benjamini_hochberg, friedman, nemenyi
from assay.evaluation.measures import measures
from assay.evaluation.power import detectable, needed_rows, paired_rows, t_power
from assay.evaluation.resampling import Pool, units_of
from assay.evaluation.scored import Scored

# 113 patients with a subarachnoid haemorrhage (Turck et al. 2010, Intensive Care Medicine
# 36:107-115): poor outcome, grade of the World Federation of Neurological Surgeons, protein S100b
# in hundredths of µg/l. R's package pROC prints the values below for them.
POOR = np.array(list(
    "00001101001011001011101000000000100110110000000001100010001010011101101111000110100000010000000"
    "000001111110001000")).astype(int)  # fmt: skip
WFNS = np.array(list(
    "11113254125255125225211112121134214541425511241125521251222151125214524414121421232421451154221"
    "113125225552445111")).astype(float)  # fmt: skip
S100B = np.array([
    13, 14, 10, 4, 13, 10, 47, 16, 18, 10, 12, 10, 44, 71, 4, 8, 49, 4, 7, 33, 9, 9, 7, 11, 7, 17,
    7, 11, 13, 19, 5, 16, 41, 14, 34, 35, 48, 9, 96, 25, 50, 46, 16, 7, 43, 45, 11, 8, 9, 86, 52, 8,
    6, 13, 207, 10, 14, 15, 7, 6, 77, 5, 9, 30, 3, 9, 4, 23, 70, 9, 27, 71, 8, 26, 8, 16, 9, 13, 10,
    8, 11, 33, 11, 28, 7, 10, 32, 22, 7, 5, 24, 38, 10, 15, 8, 14, 10, 7, 4, 19, 56, 14, 58, 32, 82,
    74, 15, 47, 17, 44, 15, 50, 48]) / 100.0  # fmt: skip


def area(score: np.ndarray) -> tuple[float, np.ndarray]:
    scored = Scored(POOR, None, score=score, classes=("good", "poor"), positive=1)
    return of_area(scored.ranking(1), np.ones(len(POOR)))


def test_delong_gives_what_proc_prints():
    value, influence = area(S100B)
    interval = normal(value, standard_error(influence, 113, exact=True), "DeLong")

    assert value == pytest.approx(0.7313686, abs=5e-8)
    assert (interval.low, interval.high) == pytest.approx((0.6301, 0.8326), abs=5e-5)


def test_delongs_paired_test_gives_what_proc_prints():
    (first, of_first), (second, of_second) = area(WFNS), area(S100B)
    difference, error = first - second, standard_error(of_first - of_second, 113, exact=True)

    interval, p, _ = compare_areas(difference, error)

    assert first == pytest.approx(0.8236789, abs=5e-8)
    assert difference / error == pytest.approx(2.20898359144091)
    assert p == pytest.approx(0.0271757822291882)
    assert (interval.low, interval.high) == pytest.approx((0.0104061769564846, 0.174214419249478))


def test_the_area_and_its_variance_are_those_of_all_pairs():
    draw = np.random.default_rng(2)
    hits, misses = draw.integers(0, 9, 23).astype(float), draw.integers(0, 7, 31).astype(float)
    won = (hits[:, None] > misses) + 0.5 * (hits[:, None] == misses)
    scored = Scored(np.r_[np.ones(23, int), np.zeros(31, int)], None, score=np.r_[hits, misses],
                    classes=("a", "b"), positive=1)  # fmt: skip

    value, influence = of_area(scored.ranking(1), np.ones(54))

    assert value == pytest.approx(won.mean())
    by_definition = won.mean(axis=1).var(ddof=1) / 23 + won.mean(axis=0).var(ddof=1) / 31
    assert standard_error(influence, 54, exact=True) ** 2 == pytest.approx(by_definition)


@pytest.mark.parametrize(
    # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 5.
    ("successes", "n", "low", "high"),
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0.0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_clopper_pearson_gives_newcombes_published_bounds(successes, n, low, high):
    interval = clopper_pearson(successes, n)

    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("statistic", [np.mean, np.std])
def test_bca_is_scipys_on_the_same_resamples(statistic):
    from scipy.stats import bootstrap

    data = np.random.default_rng(1).gamma(2, 3, 80)
    scipys = bootstrap((data,), statistic, n_resamples=999, rng=np.random.default_rng(2))
    left_out = np.array([statistic(np.delete(data, row)) for row in range(80)])

    own = bca(
        scipys.bootstrap_distribution,
        float(statistic(data)),
        left_out.mean() - left_out,
        expanded=False,
    )

    expected = scipys.confidence_interval
    assert (own.low, own.high) == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_nadeau_and_bengio_give_what_scikit_learns_example_prints():
    # "Statistical comparison of models using grid search": the kernels rbf and linear.
    from sklearn.datasets import make_moons
    from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
    from sklearn.svm import SVC

    rows, labels = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    rbf, straight = (
        cross_val_score(
            SVC(kernel=kernel, random_state=0), rows, labels, scoring="roc_auc", cv=folds
        )
        for kernel in ("rbf", "linear")
    )

    found = corrected_t(rbf, straight, test_share=10 / 90)
    higher, equal, lower = correlated_chances(rbf, straight, test_share=10 / 90, margin=0.01)

    assert found.t == pytest.approx(0.750, abs=5e-4)
    assert found.p / 2 == pytest.approx(0.227, abs=5e-4)  # the example looks at one side
    assert (higher, equal, lower) == pytest.approx((0.500, 0.432, 0.068), abs=5e-4)


# Demšar (2006), Journal of Machine Learning Research 7:1-30, table 6: areas of C4.5 with its four
# settings of -m and -cf on 14 data sets. The two equal ones of the last but one are told apart as
# his ranks tell them, which come from more digits than he prints.
DEMSAR = [
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
]  # fmt: skip


def test_friedman_and_nemenyi_give_demsars_figures():
    from scipy.stats import friedmanchisquare

    found = friedman(DEMSAR, better="higher")

    assert found.means == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    plain = 12 * 14 / (4 * 5) * (sum(mean**2 for mean in found.means) - 4 * 25 / 4)
    assert plain == pytest.approx(9.28, abs=5e-3)  # Demšar does not correct for ties
    assert found.chi_square == pytest.approx(friedmanchisquare(*np.transpose(DEMSAR)).statistic)
    assert found.critical_difference == pytest.approx(1.25, abs=5e-3)
    assert nemenyi(4, 14, level=0.10) == pytest.approx(1.12, abs=5e-3)
    # His table 5 at 5 %: the quantiles for 2, 5 and 10 models.
    for models, q in ((2, 1.960), (5, 2.728), (10, 3.164)):
        error = math.sqrt(models * (models + 1) / (6 * 30))
        assert nemenyi(models, 30) / error == pytest.approx(q, abs=6e-4)


def test_holm_decides_as_demsars_example():
    # C4.5 against its three variants: 0.016 and 0.019 are found, 0.607 is not.
    assert holm([0.016, 0.607, 0.019]) == pytest.approx([0.048, 0.607, 0.048])


def test_benjamini_and_hochbergs_own_example_finds_four():
    # Benjamini and Hochberg (1995), section 3.2.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0000]  # fmt: skip

    assert sum(value <= 0.05 for value in benjamini_hochberg(p)) == 4
    assert sum(value is not None and value <= 0.05 for value in holm(p)) == 3


def test_clustered_errors_are_millers_formula():
    # Miller (2024), arXiv:2411.00640, section 2.2, with the sums written out.
    draw = np.random.default_rng(4)
    groups = draw.integers(0, 12, 90)
    values = draw.normal(0, 1, 90) + groups
    centred = values - values.mean()
    cross = sum(
        centred[i] * centred[j]
        for i in range(90) for j in range(90) if i != j and groups[i] == groups[j]
    )  # fmt: skip
    expected = math.sqrt((centred @ centred + cross) / 90**2)

    by_group = np.bincount(groups, weights=centred, minlength=12)

    assert standard_error(by_group, 90, exact=True) == pytest.approx(expected)


def test_power_is_that_of_rs_pwr():
    # pwr.t.test(d=0.2, n=60, sig.level=0.10, type="one.sample"): power = 0.4555818
    assert t_power(60, 0.2, level=0.10) == pytest.approx(0.4555818, abs=5e-8)
    # pwr.t.test(d=0.5, power=0.8, type="paired"): n = 33.36713
    assert paired_rows(0.5) == 34
    # The normal form, with which rows are forecast, is at most two rows away.
    assert needed_rows(1000, 0.5, 1 / math.sqrt(1000)) == 32
    assert detectable(0.5 / 2.801585) == pytest.approx(0.5, abs=1e-6)


def test_takahashis_variances():
    # Takahashi et al. (2022), Applied Intelligence 52:4961-4972: micro F1 is a proportion; the
    # variance of macro F1 is the delta method's over the cells of the confusion matrix, written out
    # here by differences of the cells.
    draw = np.random.default_rng(3)
    truth = draw.integers(0, 3, 200)
    scored = Scored(truth, np.where(draw.random(200) < 0.7, truth, draw.integers(0, 3, 200)),
                    classes=("a", "b", "c"))  # fmt: skip
    everywhere = np.ones(200, dtype=bool)
    units = units_of(200)
    entry = Entry(scored, everywhere, b"", None)
    cells = np.histogram2d(scored.truth, scored.prediction, bins=3)[0] / 200

    def macro(table: np.ndarray) -> float:
        return float(np.mean(2 * np.diag(table) / (table.sum(axis=0) + table.sum(axis=1))))

    slope = np.zeros((3, 3))
    for place in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[place] = 1e-6
        slope[place] = (macro(cells + step) - macro(cells - step)) / 2e-6
    variance = ((cells * slope**2).sum() - (cells * slope).sum() ** 2) / 200

    right = float((scored.truth == scored.prediction).mean())
    for average, expected in (("macro", variance), ("micro", right * (1 - right) / 200)):
        (measure,) = measures([("f1", {"average": average})], "class")
        found = linear(measure, entry, units, Pool(units))
        assert found.error**2 == pytest.approx(expected * 200 / 199, rel=1e-6)


def test_the_median_of_ranks_covers_95_times_in_100():
    draw = np.random.default_rng(8)
    held = sum(
        interval.low <= 1.0 <= interval.high
        for interval in (median_ranks(draw.exponential(1 / math.log(2), 60)) for _ in range(2000))
    )

    assert 0.935 <= held / 2000 <= 0.965


def test_intervals_at_the_ends_stay_inside():
    for interval in (mann_whitney(1.0, 12, 30), mann_whitney(0.0, 12, 30), logit(0.99, 0.02, "x")):
        assert 0 <= interval.low < interval.high <= 1
    assert mann_whitney(0.8, 40, 60).low == pytest.approx(1 - mann_whitney(0.2, 40, 60).high)
