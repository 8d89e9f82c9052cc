"""The target's checks: what they report, what they leave alone, when they do not apply."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.checks import labels
from assay.checks.finding import Inspected, NotApplicable, Skipped
from assay.recipe import FieldSpec


def inspected(rows: pl.DataFrame, kinds: dict[str, str], task: str | None) -> Inspected:
    fields = {name: FieldSpec(type=kind) for name, kind in kinds.items()}
    target = list(kinds)[-1] if task else None
    return Inspected(rows, rows, fields, target=target, task=task)


def subjects(count: int, wrong: float = 0.0) -> tuple[pl.DataFrame, np.ndarray]:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, count)
    vocabulary = np.array([["tea", "cup", "pot"], ["car", "tyre", "road"], ["cat", "paw", "fur"]])
    words = [" ".join(rng.choice(vocabulary[each], 5)) + f" n{n}" for n, each in enumerate(true)]
    flipped = rng.random(count) < wrong
    names = np.array(["drink", "drive", "pet"])
    return pl.DataFrame({"t": words, "y": names[np.where(flipped, (true + 1) % 3, true)]}), flipped


def test_flipped_classes_are_found_with_the_right_one():
    rows, flipped = subjects(600, 0.06)

    (found,) = labels.doubtful_classes(inspected(rows, {"t": "string", "y": "category"}, "class"))

    places = found.rows.to_numpy()
    assert flipped[places].mean() > 0.9 and len(places) > 0.85 * flipped.sum()
    right = rows[places].with_columns(s=found.values)
    expected = right["y"].replace({"drive": "drink", "pet": "drive", "drink": "pet"})
    assert (right["s"] == expected).mean() > 0.9
    assert found.step["labels.drop"]["target"] == "y"


def test_clean_classes_pass():
    rows, _ = subjects(400)

    assert labels.doubtful_classes(inspected(rows, {"t": "string", "y": "category"}, "class")) == []


def test_a_target_that_cannot_be_predicted_is_skipped():
    rng = np.random.default_rng(0)
    rows = pl.DataFrame({"x": rng.normal(size=300), "y": rng.choice(["a", "b"], 300, p=[0.8, 0.2])})

    with pytest.raises(Skipped):
        labels.doubtful_classes(inspected(rows, {"x": "number", "y": "category"}, "class"))


@pytest.mark.parametrize("seed", range(6))
def test_classes_without_a_reason_are_not_doubted(seed):
    rng = np.random.default_rng(seed)
    rows = pl.DataFrame({"x": rng.normal(size=200), "y": rng.choice(["a", "b"], 200)})

    with pytest.raises(Skipped):
        labels.doubtful_classes(inspected(rows, {"x": "number", "y": "category"}, "class"))


def test_a_slipped_decimal_point_is_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    y = 50 + 10 * x + rng.normal(size=500)
    y[[7, 99]] *= 10
    rows = pl.DataFrame({"x": x, "y": y})

    (found,) = labels.doubtful_numbers(inspected(rows, {"x": "number", "y": "number"}, "number"))

    assert sorted(found.rows.to_list()) == [7, 99]


def test_what_is_suggested_has_the_decimals_of_the_field():
    x = np.arange(500) % 25
    rows = pl.DataFrame({"x": x, "y": np.where(np.arange(500) == 40, 900, 50 + 10 * x)})

    (found,) = labels.doubtful_numbers(inspected(rows, {"x": "integer", "y": "integer"}, "number"))

    assert found.rows.to_list() == [40]
    assert 190 <= int(found.values[0]) <= 210


def test_equal_rows_of_different_classes_contradict_each_other():
    rows = pl.DataFrame({"t": ["a", "a", "b", "b", None], "y": ["1", "2", "1", "1", "1"]})

    (found,) = labels.contradicting_labels(
        inspected(rows, {"t": "string", "y": "category"}, "class")
    )

    assert found.rows.to_list() == [0, 1]


CHECKS = [labels.contradicting_labels, labels.doubtful_classes, labels.doubtful_numbers]


@pytest.mark.parametrize("check", CHECKS)
def test_without_a_target_no_check_applies(check):
    with pytest.raises(NotApplicable):
        check(inspected(pl.DataFrame({"x": [1.0]}), {"x": "number"}, None))


@pytest.mark.parametrize("values", [[], [1.0], [None] * 40, [3.0] * 40])
def test_a_target_without_variety_is_not_applicable(values):
    rows = pl.DataFrame({"x": range(len(values)), "y": pl.Series(values, dtype=pl.Float64)})

    with pytest.raises(NotApplicable):
        labels.doubtful_numbers(inspected(rows, {"x": "integer", "y": "number"}, "number"))
    with pytest.raises(NotApplicable):
        labels.doubtful_classes(
            inspected(rows.cast({"y": pl.String}), {"x": "integer", "y": "category"}, "class")
        )
