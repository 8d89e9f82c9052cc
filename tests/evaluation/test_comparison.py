"""Any number of models on the same rows: refusals, verdicts, groups, weights, margins, ranks."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from assay.errors import PredictionsError
from assay.evaluation.comparison import compare
from assay.evaluation.evaluate import evaluate
from assay.evaluation.power import needed_rows
from assay.evaluation.scored import Floats, LowerIsBetter, Scored

N = 400


def table(seed: int = 0, n: int = N) -> pl.DataFrame:
    draw = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "id": range(n),
            "price": draw.gamma(4, 25, n),
            "shop": [f"s{place % 40}" for place in range(n)],
            "times": draw.integers(1, 4, n),
        }
    )


def guesses(truth: pl.DataFrame, spread: float, seed: int, shared: float = 10.0) -> pl.DataFrame:
    common = np.random.default_rng(99).normal(0, shared, truth.height)
    own = np.random.default_rng(seed).normal(0, spread, truth.height)
    return truth.select("id", prediction=pl.col("price") + common + own)


def test_each_pair_is_judged_and_the_better_one_found():
    truth = table()
    models = {"good": guesses(truth, 5, 1), "alike": guesses(truth, 5, 2),
              "bad": guesses(truth, 30, 3)}  # fmt: skip

    found = compare(models, truth, target="price", metrics="mae,rmse,r2,median_ae,hits")

    verdicts = {(*sorted((c.a, c.b)), c.metric): c.verdict for c in found.comparisons}
    assert len(verdicts) == 15
    told_apart = [verdicts["bad", "good", metric] for metric in ("mae", "rmse", "r2", "median_ae")]
    assert told_apart == ["worse"] * 4
    assert verdicts["alike", "good", "mae"] == "cannot tell"
    pair = next(
        c for c in found.comparisons if {c.a, c.b} == {"alike", "good"} and c.metric == "mae"
    )
    assert pair.p is not None and pair.p > 0.05
    assert found.evaluation.detectable["mae"] > 0
    assert "with a chance of 80 %" in repr(found)
    json.loads(found.to_json())
    assert found.to_polars().height == 15


def test_too_few_rows_are_said_and_how_many_would_do():
    truth = table(n=60)
    models = {"a": guesses(truth, 10, 1), "b": guesses(truth, 12, 2)}

    found = compare(models, truth, target="price", metrics="rmse").comparisons[0]

    assert found.verdict == "cannot tell"
    assert found.needed is not None and found.needed > 60
    assert found.sentence.endswith("rows would.")


def test_a_shift_that_both_share_does_not_hide_a_difference():
    # Both are wrong by the same large amounts; one is a little more so on every row.
    truth = table()
    a = guesses(truth, 0.5, 1, shared=60)
    b = a.with_columns(pl.col("prediction") * 1.01)

    found = compare({"a": a, "b": b}, truth, target="price", metrics="mae").comparisons[0]

    errors = [(frame["prediction"] - truth["price"]).abs().to_numpy() for frame in (a, b)]
    unpaired = np.hypot(*(error.std() / np.sqrt(N) for error in errors))
    assert abs(found.difference) < unpaired
    assert found.difference == pytest.approx(errors[0].mean() - errors[1].mean())
    assert found.high - found.low < unpaired


def test_a_margin_makes_small_differences_not_matter():
    truth = table()
    models = {"a": guesses(truth, 5, 1), "b": guesses(truth, 6, 2)}

    wide = compare(models, truth, target="price", metrics="mae", margin=5.0).comparisons[0]
    narrow = compare(models, truth, target="price", metrics="mae", margin={"mae": 0.0}).comparisons

    assert wide.verdict == "no difference that matters"
    assert wide.chances is not None and wide.chances["equal"] > 0.99
    assert narrow[0].verdict != "no difference that matters"
    assert sum(wide.chances.values()) == pytest.approx(1.0)


def test_models_that_cover_different_rows_are_refused_with_numbers():
    truth = table()
    models = {"a": guesses(truth, 5, 1), "b": guesses(truth, 6, 2).head(300)}

    with pytest.raises(PredictionsError, match="of 400 rows 300 have") as caught:
        compare(models, truth, target="price")
    common = compare(models, truth, target="price", metrics="mae", rows="common")

    assert "a 400, b 300" in str(caught.value)
    assert {score.n for score in common.evaluation.scores} == {300}
    assert "300 rows that all models cover" in common.evaluation.notes[0]
    with pytest.raises(PredictionsError, match="two models or more"):
        compare({"a": models["a"]}, truth, target="price")
    with pytest.raises(PredictionsError, match="nothing to hold"):
        compare(models)


def test_groups_widen_intervals_and_are_drawn_together():
    # Forty shops, and all rows of a shop are wrong by the same amount.
    truth = table()
    draw = np.random.default_rng(5)
    of_shop = {f"s{place}": value for place, value in enumerate(draw.normal(0, 60, 40))}
    wrong = truth["shop"].replace_strict(of_shop, return_dtype=pl.Float64)
    model = truth.select("id", prediction=pl.col("price") + wrong)

    alone = evaluate(truth, {"m": model}, target="price", metrics="mae,hits")
    grouped = evaluate(truth, {"m": model}, target="price", metrics="mae,hits", groups="shop")

    for metric in ("mae", "hits"):
        one, other = alone.score_of("m", metric), grouped.score_of("m", metric)
        assert other.value == pytest.approx(one.value)
        # Ten rows a shop, all alike: the interval is about sqrt(10) times as wide.
        assert 2.2 < (other.high - other.low) / (one.high - one.low) < 4.5
    assert grouped.groups == "shop"
    assert "40 groups" in grouped.score_of("m", "mae").method
    assert grouped.score_of("m", "hits").method == "Wilson, clustered"


def test_groups_are_swapped_whole_in_comparisons():
    truth = table()
    models = {"a": guesses(truth, 5, 1), "b": guesses(truth, 30, 2)}

    found = compare(models, truth, target="price", metrics="mae,hits", groups="shop")

    assert {c.test for c in found.comparisons} == {"paired permutation of groups"}
    assert found.comparisons[0].verdict == "worse"


def test_whole_weights_are_repeated_rows_in_value():
    truth = table()
    model = guesses(truth, 20, 1)
    places = np.repeat(np.arange(N), truth["times"].to_numpy())
    repeated = truth[places].with_columns(id=pl.int_range(len(places)))
    copies = model[places].with_columns(id=pl.int_range(len(places)))

    weighted = evaluate(truth, {"m": model}, target="price", metrics="mae,rmse,r2,median_ae,hits",
                        weights="times")  # fmt: skip
    plain = evaluate(repeated, {"m": copies}, target="price", metrics="mae,rmse,r2,median_ae,hits")

    # The median lies between two rows here, and which ones is a matter of rounding.
    for one, other in zip(weighted.scores, plain.scores, strict=True):
        near = 0.01 if one.metric == "median_ae" else 1e-9
        assert one.value == pytest.approx(other.value, rel=near)
        # Copies are no new rows: the repeated table believes itself too sure.
        assert one.high - one.low > other.high - other.low
    assert weighted.weights == "times"


def test_weights_that_are_none_are_refused():
    truth = table().with_columns(times=pl.when(pl.col("id") > 1).then("times"))

    with pytest.raises(PredictionsError, match="2 of 400 rows have no weight"):
        evaluate(truth, {"m": guesses(truth, 1, 1)}, target="price", weights="times")


def test_the_kind_of_interval_can_be_chosen():
    truth = table()
    model = {"m": guesses(truth, 20, 1)}

    def methods(**given: str) -> list[str]:
        found = evaluate(truth, model, target="price", metrics="mae,hits", **given)
        return [score.method for score in found.scores]

    assert methods() == ["BCa bootstrap, 2,000 resamples", "Wilson"]
    assert methods(interval="exact")[1] == "Clopper-Pearson"
    assert methods(interval="normal") == ["t", "t"]
    assert methods(interval="bootstrap")[1].startswith("BCa")


def test_an_interval_that_a_few_rows_decide_says_so_and_what_would_help():
    truth = table()
    wild = guesses(truth, 5, 1).with_columns(
        prediction=pl.when(pl.col("id") == 7).then(9e4).otherwise("prediction")
    )
    found = evaluate(truth, {"m": wild}, target="price", metrics="rmse,median_ae")

    assert found.scores[0].method.endswith("; too narrow: few rows decide")
    assert [note for note in found.notes if "decide" in note] == [
        "rmse: a few rows decide the interval of m; it covers less than 95 %. More rows, or a "
        "metric that large errors do not rule (median_ae, rmsle), would help."
    ]

    rare = pl.DataFrame({"id": range(N), "label": ["x"] * (N - 2) + ["y"] * 2})
    said = rare.select("id", prediction=pl.Series(["x"] * (N - 1) + ["y"]))
    found = evaluate(rare, {"m": said}, target="label", metrics="balanced_accuracy")

    assert found.notes[-1].endswith("More rows of the rarest class would help.")


def test_a_users_metric_of_any_kind_is_drawn_and_compared():
    from assay.component import using
    from assay.own import own

    def ninth(scored: Scored, weights: Floats) -> LowerIsBetter:
        """Error that nine in ten rows stay under."""
        order = scored.error_order
        reached = np.cumsum(np.take(weights, order, axis=1), axis=1)
        place = (reached >= 0.9 * reached[:, -1:]).argmax(axis=1)
        return scored.absolute_error[order][place]

    truth = table()
    with using(own([ninth])):
        found = compare({"a": guesses(truth, 5, 1), "b": guesses(truth, 30, 2)}, truth,
                        target="price", metrics="ninth")  # fmt: skip

    assert found.comparisons[0].test == "paired bootstrap"
    assert found.comparisons[0].verdict == "worse"
    assert found.evaluation.scores[0].low < found.evaluation.scores[0].value


def test_three_models_are_ranked_row_by_row():
    truth = table()
    models = {"a": guesses(truth, 5, 1), "b": guesses(truth, 40, 2), "c": guesses(truth, 40, 3)}

    found = compare(models, truth, target="price", metrics="mae,r2")
    by_shop = compare(models, truth, target="price", metrics="mae", groups="shop")

    (ranking,) = found.rankings
    assert (ranking.models[0], ranking.blocks) == ("a", 400)
    assert ranking.friedman_p < 0.001
    assert set(map(frozenset, ranking.alike)) == {frozenset("bc")}
    assert by_shop.rankings[0].blocks == 40


def test_a_forecast_of_rows_comes_true():
    # At the forecast number of rows, the pair is told apart in about 80 of 100 samples.
    draw = np.random.default_rng(1)
    rows = needed_rows(100, 0.2, 1 / 10)
    drawn = draw.normal(0.2, 1, (400, rows))
    found = np.abs(drawn.mean(axis=1)) > 1.96 * drawn.std(axis=1) / np.sqrt(rows)

    assert 0.73 <= found.mean() <= 0.87


@pytest.mark.parametrize(
    ("task", "truth", "said", "values"),
    [
        ("text", ["a cat", "The dog!", "x", "y"], ["cat", "dog", None, ""],
         {"exact_match": 1.0, "token_f1": 1.0}),
        ("ranking", ["a|b", '{"c": 2}', "x", "y"], ['["a", "b"]', "d|c", None, "["],
         {"mrr": 0.75, "map": 0.75}),
        ("labels", [["a"], ["a", "b"], ["a"], ["b"]], [["a"], ["a"], ["b"], None],
         {"labels_exact": 1 / 3, "labels_f1": 4 / 7}),
    ],
)  # fmt: skip
def test_texts_rankings_and_sets_are_scored_and_what_is_no_answer_is_counted(
    task, truth, said, values
):
    rows = pl.DataFrame({"id": range(4), "y": truth}, strict=False)
    model = pl.DataFrame({"id": range(4), "prediction": said}, strict=False)

    found = evaluate(rows, {"m": model}, target="y", task=task, metrics=list(values))

    for metric, value in values.items():
        assert found.score_of("m", metric).value == pytest.approx(value)
    assert found.models[0].missing == (1 if task == "labels" else 2)


def test_answers_that_cannot_be_read_are_their_own_number():
    truth = pl.DataFrame({"id": range(4), "price": [1.0, 2.0, 3.0, 4.0]})
    model = pl.DataFrame({"id": range(4), "prediction": ["$1", "sorry", None, "I'd say 4"]})

    found = evaluate(truth, {"m": model}, target="price", metrics="mae")

    assert (found.models[0].missing, found.models[0].unparsable) == (2, 1)
    assert found.scores[0].value == 0.0
    assert "1 of them hold an answer that cannot be read" in found.notes[0]


def test_predicted_intervals_are_held_against_their_level():
    truth = table()
    near = guesses(truth, 10, 1, shared=0)
    models = {
        "right": near.with_columns(
            low=pl.col("prediction") - 16.4, high=pl.col("prediction") + 16.4
        ),
        "narrow": near.with_columns(low=pl.col("prediction") - 5, high=pl.col("prediction") + 5),
    }

    found = compare(models, truth, target="price",
                    metrics="interval_coverage,interval_width,calibration_slope")  # fmt: skip

    assert found.evaluation.score_of("right", "interval_coverage").value == pytest.approx(
        0.9, abs=0.04
    )
    coverage = next(c for c in found.comparisons if c.metric == "interval_coverage")
    assert (coverage.a, coverage.verdict) == ("right", "worse")
    assert found.evaluation.scores[0].better == "nearest"
    crossed = near.with_columns(low=pl.col("prediction") + 1, high=pl.col("prediction") - 1)
    with pytest.raises(PredictionsError, match="end below where they begin"):
        evaluate(truth, {"m": crossed}, target="price")
