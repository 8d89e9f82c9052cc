"""Models made of models: what is averaged, what is searched, and how a search goes on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from classroom import training

from assay.errors import ModelError, RecipeError
from assay.models.baselines import constant
from assay.models.ensembles import average, tuned
from assay.models.linear import tabular_linear
from assay.models.trees import boosted_trees


def given(count: int = 300, validation: float = 0.2, seed: int = 0):
    """A straight line and a step, each of which one model cannot see."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 2))
    y = 3 * x[:, 0] + 1.5 * (np.abs(x[:, 1]) > 0.7) + rng.normal(0, 0.3, count) + 20
    rows = pl.DataFrame(x, schema=["a", "b"])
    return training(rows, y, {"a": "number", "b": "number"}, validation=validation)


def error(fitted, lesson) -> float:
    said = fitted.predict(lesson.validation_rows)["prediction"].to_numpy()
    return float(((said - lesson.validation_target.to_numpy()) ** 2).mean())


def test_the_average_is_at_least_as_good_on_validation_as_the_best():
    lesson = given()
    peers = {
        "line": tabular_linear(lesson),
        "trees": boosted_trees(lesson, rounds=40),
        "dull": constant(lesson),
    }

    fitted = average(replace(lesson, peers=peers))

    assert error(fitted, lesson) <= min(error(peers[name], lesson) for name in ("line", "trees"))
    assert set(fitted.chosen["shares"]) <= {"line", "trees"}, "the dull one is not wanted"
    assert sum(fitted.chosen["shares"].values()) == pytest.approx(1)


def test_models_can_be_named_and_a_misspelt_one_is_refused():
    lesson = given()
    peers = {"line": tabular_linear(lesson), "dull": constant(lesson)}

    fitted = average(replace(lesson, peers=peers), of=["dull"])

    assert fitted.chosen["shares"] == {"dull": 1.0}
    with pytest.raises(ModelError, match="did you mean 'line'"):
        average(replace(lesson, peers=peers), of=["lines"])


def test_without_validation_rows_all_count_alike():
    lesson = given(validation=0.0)
    peers = {"line": tabular_linear(lesson), "trees": boosted_trees(lesson, rounds=5)}

    assert average(replace(lesson, peers=peers)).chosen["shares"] == {"line": 0.5, "trees": 0.5}


def test_a_model_that_gives_no_probabilities_is_left_out():
    rows = pl.DataFrame({"x": np.arange(80.0)})
    lesson = training(rows, ["a", "b"] * 40, {"x": "number"}, validation=0.25)

    class Labels:
        def predict(self, rows):
            return pl.DataFrame({"prediction": ["a"] * rows.height})

    peers = {"line": tabular_linear(lesson), "labels": Labels()}

    assert set(average(replace(lesson, peers=peers)).chosen["shares"]) == {"line"}
    with pytest.raises(ModelError, match="can be averaged"):
        average(replace(lesson, peers={"labels": Labels()}))


optuna = pytest.importorskip("optuna")


def test_a_search_is_never_worse_on_validation_than_the_defaults():
    lesson = given()

    fitted = tuned(lesson, model="boosted_trees", given={"rounds": 20}, trials=8, seconds=600)

    losses = [trial["loss"] for trial in fitted.history]
    assert len(losses) == 8
    assert fitted.history[0]["parameters"] == {}
    assert error(fitted, lesson) == pytest.approx(min(losses))
    assert min(losses) < losses[0]


def test_a_search_that_was_interrupted_goes_on_to_the_same_end(tmp_path):
    lesson = given()
    settings = {"model": "boosted_trees", "given": {"rounds": 5}, "seconds": 600.0}
    whole = tuned(lesson, trials=6, **settings)
    notes = tmp_path / "trials.jsonl"
    noted = replace(lesson, notes=notes)

    tuned(noted, trials=3, **settings)
    kept = notes.read_text()
    notes.write_text(kept + '{"trial": 3, "para')
    resumed = tuned(noted, trials=6, **settings)

    def plain(fitted):
        return [(trial["parameters"], trial["loss"]) for trial in fitted.history]

    assert plain(resumed) == plain(whole)
    assert notes.read_text().startswith(kept)
    assert resumed.predict(lesson.rows).equals(whole.predict(lesson.rows))


def test_no_trial_begins_after_the_time_is_up():
    fitted = tuned(given(), model="boosted_trees", given={"rounds": 5}, trials=50, seconds=0.0)

    assert len(fitted.history) == 1


def test_without_validation_rows_the_best_settings_learn_from_all():
    lesson = given(validation=0.0)

    fitted = tuned(lesson, model="boosted_trees", given={"rounds": 20}, trials=3)
    alone = boosted_trees(lesson, rounds=20, **fitted.parameters)

    assert fitted.predict(lesson.rows).equals(alone.predict(lesson.rows))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"model": "constant"}, "no space of its own"),
        ({"model": "boosted_tree"}, "did you mean"),
        ({"model": "boosted_trees", "space": {"depth": [1, 3]}}, "no parameter of boosted_trees"),
        ({"model": "boosted_trees", "space": {"max_depth": [5, 2]}}, "range of 'max_depth'"),
        ({"model": "boosted_trees", "space": {"max_depth": 3}}, "cannot be searched"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused(settings, says):
    with pytest.raises((ModelError, RecipeError), match=says):
        tuned(given(40), trials=2, **settings)
