"""Models over folds: who is judged where, what is found again, what the means say."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from assay.building.build import build
from assay.errors import RecipeError
from assay.evaluation.folds import corrected_t
from assay.studies.crossvalidation import crossval

LINE = [{"tabular_linear": {"log": False}}, "constant"]


def table(rows=120, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.normal(size=rows)
    return pl.DataFrame(
        {"key": [f"r{i}" for i in range(rows)], "x": x, "y": 3 * x + draw.normal(size=rows)}
    )


def recipe(frame, **more):
    steps = [{"split.random": {"train": 0.7, "validation": 0.1, "test": 0.2}}]
    return {
        "name": "study", "source": frame, "id": "key", "target": "y", "models": LINE,
        "steps": steps, "metrics": ["mae"], **more,
    }  # fmt: skip


def test_every_row_but_tests_is_predicted_once_by_each_model(tmp_path):
    asked = recipe(table())
    version = build(asked, out=tmp_path, workers=1)
    stages = []

    found = crossval(
        asked, out=tmp_path, folds=4, workers=1, progress=lambda *one: stages.append(one)
    )

    held = set(version.to_polars("test")["row_id"])
    each = found.predictions.group_by("model").agg(pl.col("row_id"), pl.col("fold").n_unique())
    for ids, folds in each.select("row_id", "fold").iter_rows():
        assert len(ids) == len(set(ids)) == 120 - len(held)
        assert held.isdisjoint(ids)
        assert folds == 4
    assert stages[-1] == ("fit folds", 8, 8)
    assert found.means[0].model == "tabular_linear"
    assert found.mean_of("tabular_linear", "mae").high < found.mean_of("constant", "mae").low
    assert found.comparisons[0].verdict == "worse"


def test_means_and_pairs_are_nadeau_and_bengios_of_the_fold_scores(tmp_path):
    found = crossval(recipe(table()), out=tmp_path, folds=3, repeats=2, workers=1)

    by_model = {
        name: [score.value for score in found.scores if score.model == name]
        for name in ("tabular_linear", "constant")
    }
    share = sum(one.n for one in found.scores) / sum(one.trained_on for one in found.scores)
    alone = corrected_t(by_model["constant"], np.zeros(6), test_share=share)
    pair = corrected_t(by_model["tabular_linear"], by_model["constant"], test_share=share)
    mean = found.mean_of("constant", "mae")
    assert len(by_model["constant"]) == 6
    assert (mean.value, mean.low, mean.high) == pytest.approx(
        (alone.difference, alone.interval.low, alone.interval.high)
    )
    assert found.comparisons[0].unadjusted_p == pytest.approx(pair.p)


def test_what_is_fitted_is_found_again_and_changes_nothing(tmp_path, monkeypatch):
    first = crossval(recipe(table()), out=tmp_path, workers=1)
    monkeypatch.setattr("assay.studies.fits.fitted", lambda *_: pytest.fail("fitted again"))

    again = crossval(recipe(table()), out=tmp_path, workers=1)

    assert again.to_dict() == first.to_dict()
    assert again.predictions.equals(first.predictions)


def test_the_order_of_rows_does_not_change_the_folds(tmp_path):
    one = crossval(recipe(table()), out=tmp_path / "a", workers=1)
    other = crossval(recipe(table().reverse()), out=tmp_path / "b", workers=1)

    columns = ["row_id", "model", "fold", "prediction"]
    left, right = (found.predictions.select(columns) for found in (one, other))
    assert left.drop("prediction").equals(right.drop("prediction"))
    assert np.allclose(left["prediction"], right["prediction"])


def test_near_duplicates_groups_and_the_versions_own_folds_are_respected(tmp_path):
    letters = np.random.default_rng(3).choice(list("abcdefghijklmnop"), (60, 12, 5))
    words = [" ".join("".join(word) for word in text) for text in letters]
    frame = pl.DataFrame(
        {
            "key": [f"r{i}" for i in range(120)],
            "text": [*words, *(f"{text}!" for text in words)],
            "buyer": [f"b{i % 60 // 4}" for i in range(120)],
            "y": [float(i % 60) for i in range(120)],
        }
    )
    plain = recipe(frame, models=["constant"], inputs=["text"])
    twins = crossval(plain, out=tmp_path, workers=1, models=["constant"]).predictions
    fold_of = dict(twins.select("row_id", "fold").iter_rows())
    pairs = [(f"r{i}", f"r{i + 60}") for i in range(60)]
    both = [(fold_of[a], fold_of[b]) for a, b in pairs if a in fold_of and b in fold_of]
    assert len(both) > 20
    assert all(a == b for a, b in both)

    grouped = [{"split.grouped": {"groups": ["buyer"]}}]
    found = crossval({**plain, "name": "g", "steps": grouped}, out=tmp_path, workers=1)
    buyers = found.predictions.join(frame, left_on="row_id", right_on="key")
    assert found.kind == "grouped"
    assert buyers.group_by("buyer").agg(pl.col("fold").n_unique())["fold"].max() == 1

    own = [{"split.random": {"folds": 3}}]
    asked = {**plain, "name": "o", "steps": own}
    version = build(asked, out=tmp_path, workers=1)
    found = crossval(version, workers=1)
    given = dict(version.to_polars().select("row_id", "fold").drop_nulls().iter_rows())
    assert found.kind == "the version's own folds"
    assert dict(found.predictions.select("row_id", "fold").iter_rows()) == given
    assert crossval(version, workers=1, folds=4).folds == 4


def test_time_runs_one_way(tmp_path):
    frame = table().with_columns(day=pl.int_range(pl.len()))
    steps = [{"split.temporal": {"by": "day", "gap": 2}}]

    found = crossval(recipe(frame, steps=steps), out=tmp_path, folds=5, workers=1)

    assert found.kind == "temporal"
    assert found.folds == 4
    trained = [one.trained_on for one in found.scores if one.model == "constant"]
    assert trained == sorted(trained)
    days = found.predictions.join(frame, left_on="row_id", right_on="key")
    spans = days.group_by("fold").agg(
        pl.col("day").min().alias("a"), pl.col("day").max().alias("b")
    )
    ordered = spans.sort("fold")
    assert (ordered["a"][1:] > ordered["b"][:-1]).all()


def test_synthetic_rows_are_learned_from_beside_their_parent_and_never_judged(tmp_path):
    frame = table().with_columns(
        pl.when(pl.col("x") > 1).then(pl.lit("rare")).otherwise(pl.lit("usual")).alias("y")
    )
    steps = [{"split.random": {}}, {"balance.smote": {}}]

    found = crossval(
        recipe(frame, steps=steps, metrics=["accuracy"], models=["constant"]),
        out=tmp_path, workers=1,
    )  # fmt: skip

    assert set(found.predictions["row_id"]) <= set(frame["key"])
    assert any("synthetic" in note for note in found.notes)
    assert max(one.trained_on for one in found.scores) > 120


def test_a_model_that_fails_leaves_the_others(tmp_path):
    asked = recipe(table(), models=["constant", "tfidf_linear"])

    found = crossval(asked, out=tmp_path, workers=1)

    assert found.mean_of("tfidf_linear", "mae").value is None
    assert found.mean_of("constant", "mae").value is not None
    assert any(note.startswith("tfidf_linear: 5 fits failed") for note in found.notes)
    assert math.isfinite(found.means[0].value)


def test_groups_of_which_everything_is_one_are_refused(tmp_path):
    frame = table(40).with_columns(pl.lit("one").alias("buyer"))
    asked = recipe(frame, steps=[{"split.grouped": {"groups": ["buyer"], "train": 1.0,
                                                    "validation": 0.0, "test": 0.0}}])  # fmt: skip

    with pytest.raises(RecipeError, match="all in one fold"):
        crossval(asked, out=tmp_path, workers=1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"folds": 1}, "two folds or more"),
        ({"kind": "grouped"}, "no groups"),
        ({"kind": "temporal"}, "no time"),
        ({"folds": 400}, "rows for 400 folds"),
    ],
)
def test_folds_that_cannot_be_dealt_are_refused_in_words(tmp_path, asked, says):
    with pytest.raises(RecipeError, match=says):
        crossval(recipe(table(40)), out=tmp_path, workers=1, **asked)


MINE = '''
import polars as pl
from dataclasses import dataclass
from assay.models.training import Fitted, Training

__all__ = ["middle"]

@dataclass(frozen=True)
class Middle:
    value: float

    def predict(self, rows):
        return pl.DataFrame({"prediction": [self.value] * rows.height})

def middle(training: Training, *, shift: float = 0.0) -> Fitted:
    """Predict the median of the target for every row."""
    return Middle(training.target.median() + shift)
'''


def test_workers_fit_a_users_own_model_alike_and_rows_need_no_split(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    asked = recipe(table(60), steps=[], models=["constant"])
    with_own = {"models": ["middle", {"middle": {"shift": 1}, "as": "moved"}], "functions": [file]}

    one = crossval(asked, out=tmp_path / "a", folds=3, workers=1, **with_own)
    two = crossval(asked, out=tmp_path / "b", folds=3, workers=2, **with_own)

    assert one.predictions.equals(two.predictions)
    assert one.predictions.height == 120
    assert one.kind == "stratified"
    assert {mean.model for mean in one.means} == {"middle", "moved"}


def test_a_gap_in_days_is_kept_free_before_the_judged_fold(tmp_path):
    start = pl.date(2024, 1, 1)
    frame = table(80).with_columns(day=start + pl.duration(days=pl.int_range(pl.len())))
    steps = [{"split.temporal": {"by": "day"}}]
    fields = {"day": {"type": "datetime"}}
    plain = recipe(frame.with_columns(pl.col("day").cast(pl.String)), steps=steps, fields=fields)
    gap = {**plain, "name": "gap", "steps": [{"split.temporal": {"by": "day", "gap": "5d"}}]}

    free, kept = (
        {one.fold: one.trained_on for one in crossval(asked, out=tmp_path, workers=1).scores}
        for asked in (plain, gap)
    )

    assert all(kept[fold] < free[fold] for fold in kept)


def test_a_run_that_is_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    import assay.studies.fits as fits

    made = []
    real = fits.fitted
    monkeypatch.setattr(
        fits, "fitted", lambda use, *more: made.append(use.title) or real(use, *more)
    )

    def stop(stage, done, total):
        if stage == "fit folds" and done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crossval(recipe(table()), out=tmp_path, workers=1, progress=stop)
    before = len(made)
    found = crossval(recipe(table()), out=tmp_path, workers=1)

    assert before == 4
    assert len(made) == 10
    assert len(found.scores) == 10


def test_an_average_learns_anew_in_each_fold_and_people_are_not_asked(tmp_path):
    models = ["constant", {"tabular_linear": {"log": False}}, "average",
              {"people": {"guesses": str(tmp_path / "sheet.csv")}}]  # fmt: skip

    found = crossval(recipe(table(), models=models), out=tmp_path / "v", folds=3, workers=1)

    assert {mean.model for mean in found.means} == {"constant", "tabular_linear", "average"}
    assert found.mean_of("average", "mae").value < found.mean_of("constant", "mae").value
    assert not (tmp_path / "sheet.csv").exists()
