"""Wrong labels: found where models that never saw them disagree, and nowhere else."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.errors import ModelError, RecipeError
from assay.steps import labels
from assay.steps._doubt import doubts, errors, kinds_of, standardised

WORDS = {"tea": "kettle cup leaf brew pot", "car": "wheel brake engine road tyre"}


def texts(count: int = 600, *, wrong: float = 0.05, seed: int = 0) -> pl.DataFrame:
    """Texts of two subjects, of which some bear the other's name."""
    rng = np.random.default_rng(seed)
    true = rng.choice(list(WORDS), count)
    words = [" ".join(rng.choice(WORDS[each].split(), 6)) + f" n{n}" for n, each in enumerate(true)]
    flipped = rng.random(count) < wrong
    written = np.where(flipped, np.where(true == "tea", "car", "tea"), true)
    return pl.DataFrame({"text": words, "y": written, "flipped": flipped}).with_columns(
        _row=pl.Series(rng.permutation(count), dtype=pl.UInt64) * 7919
    )


def table(count: int = 800, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    y = np.exp(3 + x + rng.normal(0, 0.2, count))
    bad = rng.random(count) < 0.03
    return pl.DataFrame({"x": x, "y": np.where(bad, y * 20, y), "bad": bad}).with_columns(
        _row=pl.Series(rng.permutation(count), dtype=pl.UInt64) * 7919
    )


def test_flipped_classes_go_and_others_stay():
    rows = texts()

    found = labels.drop(rows, target="y", inputs=["text"], most=0.2)

    out = found.decisions["rule"].is_not_null()
    assert (out & rows["flipped"]).sum() >= 0.9 * rows["flipped"].sum()
    assert (out & rows["flipped"]).sum() >= 0.9 * out.sum()
    gone = found.decisions.filter(out)
    assert (gone["value"] < gone["threshold"]).all()
    assert sum(pair["rows"] for pair in found.findings["suggested"]) == found.findings["in_doubt"]


def test_numbers_far_from_what_the_inputs_say_go():
    rows = table()

    found = labels.drop(rows, target="y", inputs=["x"])

    out = found.decisions["rule"].is_not_null()
    assert (out & rows["bad"]).sum() >= 0.95 * rows["bad"].sum()
    assert (out & ~rows["bad"]).sum() <= 2
    assert (found.decisions.filter(out)["value"] > 3.5).all()


def test_clean_labels_are_left_alone():
    assert labels.drop(texts(wrong=0.0), target="y", inputs=["text"]).findings["in_doubt"] == 0


def test_order_changes_nothing():
    rows = texts()
    order = np.random.default_rng(3).permutation(rows.height)

    one = labels.drop(rows, target="y", inputs=["text"])
    other = labels.drop(rows[order], target="y", inputs=["text"])

    assert one.decisions[order].equals(other.decisions)
    assert one.findings == other.findings


def test_only_train_is_learned_from_and_judged():
    rows = texts().with_columns(_split=pl.Series(["train", "test", None] * 200))

    found = labels.drop(rows, target="y", inputs=["text"])
    alone = labels.drop(rows.filter(pl.col("_split") == "train"), target="y", inputs=["text"])

    train = rows["_split"].eq_missing("train")
    assert found.decisions.filter(~train)["value"].null_count() == 400
    assert found.decisions.filter(train).equals(alone.decisions)


def test_equal_inputs_share_a_fold_so_no_model_has_seen_the_answer():
    """Each text stands twice with one wrong label: seen once, it would be believed."""
    rows = texts(300, wrong=0.1)
    doubled = pl.concat([rows, rows.with_columns(pl.col("_row") + 1)])

    found = labels.drop(doubled, target="y", inputs=["text"], most=0.3)

    out = found.decisions["rule"].is_not_null()
    assert (out & doubled["flipped"]).sum() >= 0.85 * doubled["flipped"].sum()


def test_more_than_allowed_is_refused_with_the_share():
    with pytest.raises(RecipeError, match="more than `most` allows") as caught:
        labels.drop(texts(wrong=0.2), target="y", inputs=["text"], most=0.05)

    assert caught.value.received["share"] > 0.1


@pytest.mark.parametrize("target", [["a"] * 60, [1.5] * 60, [f"c{n}" for n in range(60)]])
def test_a_target_without_two_frequent_values_is_one_clear_error(target):
    with pytest.raises(ModelError):
        labels.drop(pl.DataFrame({"x": range(60), "y": target}), target="y")


@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_or_one(rows):
    frame = pl.DataFrame({"x": [1.0], "y": ["a"]})[:rows]

    if rows:
        with pytest.raises(ModelError):
            labels.drop(frame, target="y")
    else:
        assert labels.drop(frame, target="y").decisions.height == 0


def test_a_target_of_nulls_is_not_judged():
    frame = pl.DataFrame({"x": range(30), "y": pl.Series([None] * 30, dtype=pl.String)})

    assert labels.drop(frame, target="y").decisions["rule"].null_count() == 30


@pytest.mark.parametrize(
    "parameters",
    [{"target": "z"}, {}, {"target": "y", "inputs": ["q"]}, {"target": "y", "ratio": 0.5},
     {"target": "y", "most": 0.0}],
)  # fmt: skip
def test_what_cannot_be_judged_is_refused(parameters):
    with pytest.raises(RecipeError):
        labels.drop(texts(30), **parameters)


def test_many_classes_and_wide_tables_are_judged():
    rng = np.random.default_rng(0)
    wide = pl.DataFrame({f"c{n}": rng.normal(size=60) for n in range(2000)})
    wide = wide.with_columns(y=pl.Series(["a", "b"] * 30))

    assert doubts(wide.drop("y"), wide["y"], kinds_of(wide.drop("y")), task="class", seed=0).judged


@pytest.mark.parametrize("classes", [2, 5, 30])
def test_the_number_of_errors_is_the_one_of_cleanlab(classes):
    count = pytest.importorskip("cleanlab.count")
    rng = np.random.default_rng(classes)
    truth = rng.integers(0, classes, 2000)
    proba = rng.dirichlet(np.full(classes, 0.3), 2000)
    proba[np.arange(2000), truth] += 1.0
    proba /= proba.sum(axis=1, keepdims=True)
    written = np.where(rng.random(2000) < 0.1, rng.integers(0, classes, 2000), truth)

    theirs = count.num_label_issues(written, proba, estimation_method="off_diagonal_calibrated")

    assert errors(proba, written) == pytest.approx(theirs, abs=classes)


def test_residuals_of_a_normal_law_are_standard_normal_at_every_level():
    rng = np.random.default_rng(1)
    level = rng.uniform(0, 10, 20_000)

    z = standardised(rng.normal(0, 1 + level), level)

    low, high = z[level < 2], z[level > 8]
    assert np.std(low) == pytest.approx(1, abs=0.06)
    assert np.std(high) == pytest.approx(1, abs=0.06)
