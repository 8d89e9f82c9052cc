"""What the models that learn have in common: odd targets, odd inputs, and the same answer twice."""

from __future__ import annotations

import pickle

import numpy as np
import polars as pl
import pytest
from classroom import training
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from assay.errors import ModelError
from assay.models.linear import tabular_linear, tfidf_linear
from assay.models.trees import boosted_trees

LEARNERS = [tabular_linear, tfidf_linear, boosted_trees]
TABLES = [tabular_linear, boosted_trees]
WORDS = ["kettle", "drill", "lamp", "rope", "valve", "hinge"]


def goods(count: int, seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(seed)
    which, size = rng.integers(0, len(WORDS), count), rng.gamma(2, 3, count)
    rows = pl.DataFrame(
        {"text": [f"one {WORDS[w]} of {n % 7}" for n, w in enumerate(which)], "size": size}
    )
    return rows, which * 10.0 + size


KINDS = {"text": "string", "size": "number"}


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_single_class_is_refused_with_a_way_out(learn):
    rows, _ = goods(30)

    with pytest.raises(ModelError, match=r"same class[\s\S]*constant"):
        learn(training(rows, ["same"] * 30, KINDS))


@pytest.mark.parametrize("learn", LEARNERS)
@pytest.mark.parametrize("target", [[5.0], [5.0, 7.0]])
def test_one_or_two_rows_are_enough_for_some_number(learn, target):
    rows = pl.DataFrame({"text": ["a drill a drill", "a drill"], "size": [1.0, 2.0]})
    small = training(rows[: len(target)], target, KINDS)
    if learn is tfidf_linear and len(target) == 1:
        with pytest.raises(ModelError, match="in which a word stands twice"):
            learn(small)
        return

    predicted = learn(small).predict(rows)["prediction"]

    assert predicted.is_between(0, 20).all()


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_class_with_one_row_is_learned_and_one_that_is_only_validated_is_not(learn):
    rows, worth = goods(60)
    target = ["low" if value < 30 else "high" for value in worth]
    target[3], target[-1] = "rare", "unseen"

    predicted = learn(training(rows, target, KINDS, validation=0.2)).predict(rows)

    proba = predicted.select("proba_high", "proba_low", "proba_rare", "proba_unseen").to_numpy()
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert (proba[:, 3] == 0).all()


@pytest.mark.parametrize("learn", TABLES)
def test_columns_without_information_do_no_harm(learn):
    rows, worth = goods(80)
    rows = rows.with_columns(
        empty=pl.lit(None, pl.Float64),
        same=pl.lit(1.0),
        unsaid=pl.lit(None, pl.String),
        alone=pl.lit("x"),
        list=pl.lit("[1, 2]"),
        odd=pl.Series([np.inf, -np.inf, np.nan, None] * 20),
        flag=pl.Series([True, None] * 40),
    )
    kinds = KINDS | {
        "empty": "number", "same": "number", "unsaid": "string", "alone": "category",
        "list": "list", "odd": "number", "flag": "boolean",
    }  # fmt: skip

    fitted = learn(training(rows, worth, kinds))

    assert fitted.predict(rows)["prediction"].is_finite().all()


@pytest.mark.parametrize("learn", TABLES)
def test_categories_never_seen_and_rows_of_nulls_get_an_answer(learn):
    rows, worth = goods(200)
    rows = rows.with_columns(
        few=pl.Series([f"f{n % 4}" for n in range(200)]),
        many=pl.Series([f"m{n % 90}" for n in range(200)]),
    )
    kinds = KINDS | {"few": "category", "many": "category"}
    strange = pl.DataFrame(
        {"text": [None, ""], "size": [None, 1e300], "few": [None, "new"], "many": ["new", None]},
        schema=rows.schema,
    )

    fitted = learn(training(rows, worth, kinds))

    assert fitted.predict(strange)["prediction"].is_finite().all()


def test_many_levels_are_learned_without_trusting_a_row_s_own_target():
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"id": [f"i{n}" for n in range(400)], "x": rng.normal(size=400)})
    target = rows["x"].to_numpy() + rng.normal(size=400)
    kinds = {"id": "category", "x": "number"}

    for learn in TABLES:
        fitted = learn(training(rows[:300], target[:300], kinds, validation=0.2))
        error = fitted.predict(rows[300:])["prediction"].to_numpy() - target[300:]
        # A model that believed the level's mean would know nothing here: error near 2.
        assert (error**2).mean() < 1.5


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_missing_kind_of_input_is_named(learn):
    rows = pl.DataFrame({"tags": ["[1]", "[2]"] * 5})

    with pytest.raises(ModelError, match=r"tags \(list\)"):
        learn(training(rows, np.arange(10.0), {"tags": "list"}))


@pytest.mark.parametrize("learn", LEARNERS)
@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_the_order_of_rows_does_not_matter(learn, validation):
    rows, worth = goods(150)
    target = ["low" if value < 20 else "mid" if value < 40 else "high" for value in worth]
    straight = training(rows, target, KINDS, validation=validation)
    order = np.random.default_rng(1).permutation(straight.rows.height)
    shuffled = type(straight)(
        **(
            straight.__dict__
            | {
                "rows": straight.rows[order],
                "target": straight.target[order],
                "row": straight.row[order],
            }
        )
    )

    assert learn(straight).predict(rows).equals(learn(shuffled).predict(rows))


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_fitted_model_survives_pickling(learn):
    rows, worth = goods(60)
    fitted = learn(training(rows, worth, KINDS))

    assert pickle.loads(pickle.dumps(fitted)).predict(rows).equals(fitted.predict(rows))


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_skewed_number_is_learned_on_a_logarithmic_scale_and_stays_in_range(learn):
    rows, worth = goods(300)
    prices = np.exp(worth / 10)

    fitted = learn(training(rows, prices, KINDS))
    plain = learn(training(rows, prices, KINDS), log=False)

    assert fitted.answer.log
    assert not plain.answer.log
    predicted = fitted.predict(rows)["prediction"].to_numpy()
    assert predicted.min() >= prices.min()
    assert predicted.max() <= prices.max()
    assert plain.predict(rows)["prediction"].min() >= 0
    assert np.abs(np.log(predicted / prices)).mean() < np.abs(np.log(prices / prices.mean())).mean()


def test_the_logarithm_of_a_negative_target_is_refused():
    rows, worth = goods(30)

    with pytest.raises(ModelError, match="negative"):
        tabular_linear(training(rows, worth - 50, KINDS), log=True)


@settings(max_examples=15, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.text(max_size=12)),
            st.one_of(st.none(), st.floats()),
            st.sampled_from(["a", "b", "c", None]),
            st.sampled_from(["yes", "no"]),
        ),
        min_size=2,
        max_size=40,
    )
)
def test_any_table_gives_probabilities_or_says_why_not(cells):
    rows = pl.DataFrame(
        {
            "text": pl.Series([cell[0] for cell in cells], dtype=pl.String),
            "number": pl.Series([cell[1] for cell in cells], dtype=pl.Float64),
            "kind": pl.Series([cell[2] for cell in cells], dtype=pl.String),
        }
    )
    kinds = {"text": "string", "number": "number", "kind": "category"}
    lesson = training(rows, [cell[3] for cell in cells], kinds)

    for learn in LEARNERS:
        try:
            fitted = learn(lesson)
        except ModelError:
            continue
        proba = fitted.predict(rows).select(pl.exclude("prediction")).to_numpy()
        np.testing.assert_allclose(proba.sum(axis=1), 1)
