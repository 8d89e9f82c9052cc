"""Targets and splits from which nothing can be learned, or not everything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import assay
from assay.errors import RecipeError

MODELS = ["constant", "random", "tabular_linear", "tfidf_linear", {"boosted_trees": {"rounds": 3}}]
Run = Callable[..., Any]


def errors(outcome: Any) -> dict[str, str | None]:
    return {model.model: model.error for model in outcome.evaluation.models}


def test_a_target_of_one_class_can_only_be_held_constant(run: Run, good: pl.DataFrame) -> None:
    outcome = run(
        good.with_columns(y=pl.lit("same")),
        models=MODELS,
        metrics=["accuracy", "roc_auc", "f1", "log_loss"],
    )

    found = errors(outcome)
    assert found["constant"] is None
    assert "every train row has the same class" in str(found["tabular_linear"])
    scores = {s.metric: s.value for s in outcome.evaluation.scores if s.model == "constant"}
    assert scores["accuracy"] == 1
    assert scores["roc_auc"] is None  # undefined, and not 0 or 0.5


def test_a_constant_number_is_predicted_as_it_is(run: Run, good: pl.DataFrame) -> None:
    outcome = run(good.with_columns(y=pl.lit(3.0)), models=MODELS)

    assert set(errors(outcome).values()) == {None}
    assert outcome.evaluation.score_of("constant", "mae").value == 0


@pytest.mark.parametrize(
    "steps", [[], [{"split.random": {"train": 1, "validation": 0, "test": 0}}]]
)
def test_models_without_held_out_rows_are_refused(run: Run, good: pl.DataFrame, steps: Any) -> None:
    with pytest.raises(RecipeError, match="no held-out rows") as caught:
        run(good, steps=steps)

    assert caught.value.received == {"train": 40}
    assert "split.random" in str(caught.value.hint)


def test_models_without_training_rows_are_refused(run: Run, good: pl.DataFrame) -> None:
    with pytest.raises(RecipeError, match="no training rows"):
        run(good, steps=[{"split.random": {"train": 0, "validation": 0, "test": 1}}])


def test_one_training_row_is_enough_not_to_break(run: Run, good: pl.DataFrame) -> None:
    split = {"split.temporal": {"by": "y", "train": 0.025, "validation": 0, "test": 0.975}}

    outcome = run(good, steps=[split], models=MODELS)

    assert outcome.version.splits == {"train": 1, "test": 39}
    assert errors(outcome)["constant"] is None


def test_a_target_that_is_missing_in_all_test_rows_is_refused(run: Run) -> None:
    days = [dt.datetime(2020, 1, 1) + dt.timedelta(days=n) for n in range(40)]
    frame = pl.DataFrame(
        {"day": days, "a": range(40), "y": [float(n) if n < 28 else None for n in range(40)]}
    )
    split = {"split.temporal": {"by": "day", "train": 0.7, "validation": 0, "test": 0.3}}

    with pytest.raises(RecipeError, match="No row of the split 'test' has a 'y'"):
        run(frame, steps=[split])


def test_a_target_that_is_missing_everywhere_is_refused(run: Run, good: pl.DataFrame) -> None:
    with pytest.raises(RecipeError, match="No training row has a 'y'"):
        run(good.with_columns(y=pl.lit(None, dtype=pl.Float64)))


def test_a_class_that_no_training_row_has_is_a_miss(run: Run, good: pl.DataFrame) -> None:
    outcome = run(good.with_columns(y=pl.format("class {}", pl.col("y"))), models=["constant"])

    assert outcome.evaluation.score_of("constant", "accuracy").value == 0


def test_models_without_inputs_are_refused(run: Run, good: pl.DataFrame) -> None:
    with pytest.raises(RecipeError, match="there are no inputs"):
        run(good, inputs=[])
    with pytest.raises(RecipeError, match="there are no inputs"):
        run(good.select("y"))


def test_numbers_near_the_largest_there_is_are_survived(run: Run, good: pl.DataFrame) -> None:
    sign = pl.when(pl.col("y") % 2 == 0).then(1.0).otherwise(-1.0)

    version = run(good.with_columns(size=sign * 1.7e308), models=["constant"]).version

    size = version.manifest["fields"]["size"]
    assert size["min"] == -1.7e308
    assert sum(map(sum, size["histogram"]["counts"].values())) == 40


def test_missing_inputs_do_not_stop_models(run: Run, good: pl.DataFrame) -> None:
    outcome = run(good.with_columns(size=pl.lit(None, dtype=pl.Float64)), models=MODELS)

    assert errors(outcome)["tfidf_linear"] is None
    assert errors(outcome)["tabular_linear"] is None


def test_a_group_larger_than_the_share_stays_whole(
    build: Callable[..., assay.Version], good: pl.DataFrame
) -> None:
    shop = pl.when(pl.col("y") < 30).then(pl.lit("big")).otherwise(pl.format("s{}", "y"))
    shares = {"groups": "shop", "train": 0.4, "validation": 0.3, "test": 0.3}

    version = build(good.with_columns(shop=shop.alias("shop")), steps=[{"split.grouped": shares}])

    homes = {split: set(version.to_polars(split)["shop"]) for split in version.splits}
    assert sum("big" in shops for shops in homes.values()) == 1
    assert sum(version.splits.values()) == 40
