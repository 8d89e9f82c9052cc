"""What curation must withstand: each case gives a version whose rows add up, or one clear error."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import assay
from assay.errors import AssayError

ODD = [
    "", "x", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd", "\u4ef7\u683c\u5f88\u4fbf\u5b9c",
    "\U0001f600" * 40, "e\u0301" * 30, "=1+1", "<script>alert(1)</script>", "\u202eabc", "NaN",
    "call +1 212 555 0123 or mail a.b@example.com", " ", None,
]  # fmt: skip
SPLIT = {"split.stratified": {"by": ["kind"], "folds": 2}}
ROW_STEPS = [
    {"clean.text": {"columns": "text"}},
    {"tokens.count": {"columns": "text"}},
    {"tokens.truncate": {"column": "text", "at_most": 200}},
    {"privacy.mask": {"columns": "text"}},
    {"features.numbers": {"column": "text", "find": {"kg": "weight_kg"}}},
]
TABLE_STEPS = [
    {"dedup.near": {"columns": "text", "most": 1.0}},
    {"dedup.semantic": {"columns": "text", "most": 1.0}},
]
LEARNING_STEPS = [
    {"clean.categories": {"columns": "kind"}},
    {"clean.impute": {"columns": "n"}},
    {"outliers.drop": {"columns": "n"}},
    # These labels say nothing of the inputs: how many are doubted is up to rounding.
    {"labels.drop": {"inputs": ["text", "n"], "most": 1.0}},
    {"balance.classes": {}},
    {"balance.classes": {"method": "weights"}},
    {"balance.smote": {"inputs": ["n"]}},
    {"augment.text": {"columns": "text"}},
    {"augment.table": {"columns": ["n"]}},
    {"features.select": {"inputs": ["text", "n"], "keep": 1}},
]


def odd_rows(count: int = 130) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "text": [
                ODD[n % len(ODD)] if n % 3 else f"plain words number {n} here" for n in range(count)
            ],
            "kind": [("a", "b", "c")[n % 3] for n in range(count)],
            "n": [None if n % 7 == 0 else float(v) for n, v in enumerate(rng.normal(size=count))],
        }
    )


def held(
    rows: pl.DataFrame, steps: list[object], out: object, **more: object
) -> assay.Version | None:
    """A version whose rows add up; None after one clear error."""
    recipe = {"name": "odd", "source": rows, "target": "kind", "steps": steps, **more}
    try:
        version = assay.build(recipe, out=out, workers=1)
    except AssayError as error:
        assert error.hint or error.allowed or error.received is not None or error.where
        return None
    counted = version.manifest["rows"]
    assert counted["read"] == rows.height == counted["kept"] + counted["set_aside"]
    assert version.to_polars().height == counted["kept"] + counted["synthetic"]
    assert version.to_polars()["row_id"].is_unique().all()
    return version


@pytest.mark.parametrize("step", [*ROW_STEPS, *TABLE_STEPS], ids=lambda step: next(iter(step)))
def test_odd_texts_go_through_every_step(tmp_path, step):
    assert held(odd_rows(), [step, SPLIT], tmp_path) is not None


@pytest.mark.parametrize("step", LEARNING_STEPS, ids=str)
def test_odd_texts_are_learned_from(tmp_path, step):
    assert held(odd_rows(), [SPLIT, step], tmp_path) is not None


@pytest.mark.parametrize("step", [*ROW_STEPS, *TABLE_STEPS], ids=lambda step: next(iter(step)))
def test_a_field_of_five_megabytes(tmp_path, step):
    rows = odd_rows(30).with_columns(
        text=pl.when(pl.int_range(pl.len()) == 3)
        .then(pl.lit("many words and 5 kg of <b>text</b> " * 150_000))
        .otherwise("text")
    )

    assert held(rows, [step, SPLIT], tmp_path) is not None


@pytest.mark.parametrize("step", LEARNING_STEPS, ids=str)
@pytest.mark.parametrize("case", ["one class", "one row", "two rows", "nulls"])
def test_hardly_anything_to_learn_from(tmp_path, step, case):
    rows = odd_rows()
    if case == "one class":
        rows = rows.with_columns(kind=pl.lit("a"))
    elif case == "nulls":
        rows = rows.with_columns(n=pl.lit(None, pl.Float64), text=pl.lit(None, pl.String))
    else:
        rows = rows.head(1 if case == "one row" else 2)

    held(rows, [SPLIT, step], tmp_path, fields={"n": {"type": "number"}})


def test_a_constant_number_as_target(tmp_path):
    rows = odd_rows().with_columns(price=pl.lit(9.5))

    for step in ({"balance.target": {"target": "price"}}, {"labels.drop": {"target": "price"}}):
        held(rows, [SPLIT, step], tmp_path / next(iter(step)), **{"inputs": ["text", "n"]})


def test_two_thousand_columns(tmp_path):
    rng = np.random.default_rng(1)
    rows = pl.DataFrame({f"c{n}": rng.normal(size=60).round(3) for n in range(2000)})
    rows = rows.with_columns(kind=pl.Series(["a", "b"] * 30), text=pl.lit("words"))

    version = held(rows, [SPLIT, {"balance.classes": {"method": "up"}}], tmp_path)

    assert version is not None and len(version.manifest["fields"]) == 2002


def test_all_rows_are_duplicates_of_one(tmp_path):
    rows = pl.DataFrame(
        {"text": ["the very same words in every row"] * 500, "n": range(500), "kind": "a"}
    )

    with pytest.raises(AssayError, match="more than"):
        assay.build({"name": "d", "source": rows, "steps": [{"dedup.near": {"columns": "text"}}]},
                    out=tmp_path)  # fmt: skip
    version = held(rows, [{"dedup.near": {"columns": "text", "most": 1.0}}, SPLIT], tmp_path)

    assert version is not None and version.rows["kept"] == 1


def test_a_group_larger_than_the_share_of_train(tmp_path):
    rows = odd_rows().with_columns(shop=pl.when(pl.int_range(pl.len()) < 120).then(1).otherwise(2))
    split = {"split.grouped": {"groups": ["shop"], "train": 0.5, "validation": 0.25, "test": 0.25}}

    version = held(rows, [split], tmp_path)

    assert version is not None
    assert "are asked for; groups and near duplicates stay whole" in version.manifest["notes"][-1]
    sides = pl.concat(
        version.to_polars(split).select("shop").with_columns(side=pl.lit(split))
        for split in version.splits
    )
    assert sides.group_by("shop").agg(pl.col("side").n_unique())["side"].to_list() == [1, 1]
