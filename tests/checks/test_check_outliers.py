"""Outliers among numbers, rows and texts: found with their places, and no cry of wolf."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.checks import outliers
from assay.checks.finding import Inspected, NotApplicable
from assay.recipe import FieldSpec

CHECKS = [outliers.far_numbers, outliers.far_rows, outliers.far_texts]


def inspected(rows: pl.DataFrame, **kinds: str) -> Inspected:
    fields = {
        name: FieldSpec(type=kinds.get(name, "string" if dtype == pl.String else "number"))
        for name, dtype in rows.schema.items()
    }
    return Inspected(rows, rows, fields)


def test_a_slipped_decimal_point_is_reported_with_its_step():
    prices = np.append(np.random.default_rng(0).lognormal(3, 0.7, 3000), [2e6, 1e-5])

    (found,) = outliers.far_numbers(inspected(pl.DataFrame({"price": prices})))

    assert sorted(found.rows.to_list()) == [3000, 3001]
    assert found.says.startswith("2 values are far") and found.field == "price"
    assert found.step["outliers.drop"]["columns"] == ["price"]


def test_numbers_that_name_things_are_never_far():
    numbers = np.append(np.arange(900, 1000), 2)
    rows = pl.DataFrame({"Clothing ID": numbers, "zip": numbers})

    with pytest.raises(NotApplicable):
        outliers.far_numbers(inspected(rows))
    assert outliers.far_numbers(inspected(rows.with_columns(size=pl.Series(numbers))))


def test_ordinary_numbers_pass():
    rng = np.random.default_rng(1)
    rows = pl.DataFrame({"a": rng.normal(size=4000), "b": rng.lognormal(size=4000)})

    assert outliers.far_numbers(inspected(rows)) == []
    assert outliers.far_rows(inspected(rows)) == []


def test_a_row_odd_in_combination_is_reported():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(2000, 1)) @ np.ones((1, 4)) + rng.normal(0, 0.1, (2000, 4))
    rows = pl.DataFrame(np.vstack([x, [[4, -4, 4, -4]]]), list("abcd"), orient="row")

    (found,) = outliers.far_rows(inspected(rows))

    assert 2000 in found.rows.to_list()[:20]


def test_a_misplaced_text_is_reported():
    words = [
        "soft",
        "warm",
        "dress",
        "size",
        "fits",
        "colour",
        "sleeve",
        "fabric",
        "waist",
        "lovely",
    ]
    texts = [" ".join(np.random.default_rng(n).choice(words, 15)) for n in range(400)]
    rows = pl.DataFrame({"t": [*texts, "ERROR 500 at /var/www/index.php line 17"]})

    (found,) = outliers.far_texts(inspected(rows))

    assert found.rows.to_list() == [400]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("rows", [0, 1])
def test_no_rows_or_one(check, rows):
    frame = pl.DataFrame({"t": ["a b c d"], "x": [1.0], "y": [2.0]})[:rows]

    try:
        assert check(inspected(frame)) == []
    except NotApplicable as reason:
        assert str(reason)


@pytest.mark.parametrize("check", CHECKS)
def test_nulls_alone_are_no_outliers(check):
    rows = pl.DataFrame(
        {"t": [None] * 50, "x": [None] * 50, "y": [None] * 50},
        {"t": pl.String, "x": pl.Float64, "y": pl.Int64},
    )

    try:
        assert check(inspected(rows)) == []
    except NotApplicable as reason:
        assert str(reason)


def test_without_numbers_the_checks_of_numbers_do_not_apply():
    for check in (outliers.far_numbers, outliers.far_rows):
        with pytest.raises(NotApplicable):
            check(inspected(pl.DataFrame({"t": ["a"] * 30})))


def test_chinese_and_hebrew_texts_are_free_text():
    texts = [f"这是一个很好的水壶{n % 7}号" for n in range(60)]
    rows = pl.DataFrame({"t": [*texts, "completely different english words here"]})

    (found,) = outliers.far_texts(inspected(rows))

    assert found.rows.to_list() == [60]
