"""Validation curves and the importance of fields, by planted truths."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.building.build import build
from assay.errors import RecipeError
from assay.studies.importances import importance
from assay.studies.parameters import validation_curve


def recipe(rows=400, seed=0, **more):
    draw = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "key": [f"r{i}" for i in range(rows)],
            "strong": draw.normal(size=rows),
            "weak": draw.normal(size=rows),
            "idle": draw.normal(size=rows),
        }
    ).with_columns(y=3 * pl.col("strong") + pl.col("weak") + pl.Series(draw.normal(size=rows)))
    steps = [{"split.random": {"train": 0.5, "validation": 0.2, "test": 0.3}}]
    return {
        "name": "fields", "source": frame, "id": "key", "target": "y", "metrics": ["mae"],
        "models": [{"tabular_linear": {"log": False}}], "steps": steps, **more,
    }  # fmt: skip


def test_fields_come_in_the_order_of_what_they_tell(tmp_path):
    found = importance(recipe(), out=tmp_path, workers=1)

    names = [one.field for one in found.fields]
    by_name = {one.field: one for one in found.fields}
    assert names[:2] == ["strong", "weak"]
    assert by_name["weak"].low > 0
    assert by_name["idle"].low <= 0 <= by_name["idle"].high
    assert by_name["strong"].low < by_name["strong"].value < by_name["strong"].high
    assert "strong matters most" in repr(found)
    assert found.base["tabular_linear"] == pytest.approx(0.8, abs=0.2)
    assert importance(recipe(), out=tmp_path, workers=1).to_dict() == found.to_dict()


def test_a_planted_irrelevant_field_covers_zero_about_as_often_as_it_says(tmp_path):
    covered = 0
    for seed in range(12):
        asked = recipe(150, seed, name=f"f{seed}", certificate="off")
        found = importance(asked, out=tmp_path, fields=["idle"], repeats=3, workers=1)
        covered += found.fields[0].low <= 0 <= found.fields[0].high
    # Of 12 at 95 %, 9 or fewer would happen once in 50 times.
    assert covered >= 10


def test_a_field_that_is_no_input_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="no input"):
        importance(recipe(), out=tmp_path, fields=["strongg"], workers=1)


def test_a_validation_curve_tells_the_best_value_and_those_like_it(tmp_path):
    words = ["good", "bad", "fine", "poor", "fair", "grim"]
    draw = np.random.default_rng(1)
    picked = draw.integers(0, 6, 300)
    texts = [f"{words[i]} and {words[j]}" for i, j in zip(picked, picked[::-1], strict=True)]
    frame = pl.DataFrame({"key": [f"r{i}" for i in range(300)], "text": texts,
                          "y": (10.0 * picked).tolist()})  # fmt: skip
    asked = recipe(source=frame, models=["tfidf_linear", "constant"], certificate="off")
    version = build(asked, out=tmp_path, workers=1)

    found = validation_curve(version, "tfidf_linear", "max_terms", [1, 40, 41], workers=1)

    by_value = {one.value: one for one in found.settings}
    assert found.split == "validation"
    assert found.n == version.splits["validation"]
    assert found.best in (40, 41)
    assert not by_value[1].alike
    assert by_value[40].alike
    assert by_value[41].alike
    assert by_value[40].train is not None
    assert "max_terms" in repr(found)
    assert found.to_json()


def test_without_validation_rows_a_fold_takes_their_place(tmp_path):
    steps = [{"split.random": {"train": 0.7, "validation": 0.0, "test": 0.3}}]

    found = validation_curve(
        recipe(120, steps=steps), "tabular_linear", "log", [False, None], out=tmp_path, workers=1
    )

    assert found.split == "one fold of the train"
    assert 0 < found.n < 40


def test_a_parameter_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RecipeError, match="no parameter"):
        validation_curve(recipe(), "tabular_linear", "alpha", [1], out=tmp_path, workers=1)
    with pytest.raises(RecipeError, match="no values"):
        validation_curve(recipe(), "tabular_linear", "log", [], out=tmp_path, workers=1)
