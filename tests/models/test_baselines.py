"""One answer for all rows, and chance."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from classroom import training

from assay.errors import ModelError
from assay.models.baselines import constant, random

ROWS = pl.DataFrame({"x": range(1000)})


def test_a_number_is_its_mean_unless_the_median_is_asked_for():
    given = training(ROWS[:4], [1.0, 2.0, 3.0, 10.0], {"x": "integer"})

    assert constant(given).predict(ROWS[:2])["prediction"].to_list() == [4.0, 4.0]
    assert constant(given, strategy="median").predict(ROWS[:1])["prediction"][0] == 2.5


def test_classes_are_the_most_frequent_with_their_shares():
    given = training(ROWS[:4], ["b", "a", "b", "c"], {"x": "integer"})

    predicted = constant(given).predict(ROWS[:1])

    assert predicted.rows(named=True) == [
        {"prediction": "b", "proba_a": 0.25, "proba_b": 0.5, "proba_c": 0.25}
    ]


@pytest.mark.parametrize(("target", "strategy"), [([1.0, 2.0], "majority"), (["a", "b"], "mean")])
def test_a_strategy_of_the_other_task_is_refused(target, strategy):
    given = training(ROWS[:2], target, {"x": "integer"})

    with pytest.raises(ModelError, match="this strategy is not one for"):
        constant(given, strategy=strategy)


def test_a_single_class_is_predicted_with_certainty():
    given = training(ROWS[:3], ["only"] * 3, {"x": "integer"})

    for model in (constant, random):
        assert model(given).predict(ROWS[:1]).row(0) == ("only", 1.0)


def test_what_has_no_target_is_not_counted():
    given = training(ROWS[:4], [1.0, None, float("nan"), 3.0], {"x": "integer"})

    assert constant(given).predict(ROWS[:1])["prediction"][0] == 2.0


def test_guesses_follow_the_train_rows_and_belong_to_the_row():
    given = training(ROWS, ["a"] * 800 + ["b"] * 200, {"x": "integer"})

    guessed = random(given).predict(ROWS)

    # Five standard deviations of a binomial share of 0.8 over 1,000 rows.
    assert abs((guessed["prediction"] == "a").mean() - 0.8) < 5 * np.sqrt(0.16 / 1000)
    assert random(given).predict(ROWS.reverse()).reverse().equals(guessed)
    assert not random(training(ROWS, ["a", "b"] * 500, {}, seed=8)).predict(ROWS).equals(guessed)


def test_guessed_numbers_are_numbers_that_were_seen():
    given = training(ROWS, np.arange(1000.0), {"x": "integer"})

    guessed = random(given).predict(ROWS)["prediction"]

    assert guessed.is_in(list(np.arange(1000.0))).all()
    assert abs(guessed.mean() - 499.5) < 5 * 1000 / np.sqrt(12 * 1000)
