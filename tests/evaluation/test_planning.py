"""What rows can show is said before anything is fitted."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import assay
from assay.evaluation.planning import detectable_before, planned
from assay.evaluation.truth import Truth


def test_one_class_metrics_are_planned_by_classes_drawn_by_lot():
    values = pl.Series(["no"] * 300 + ["yes"] * 100)
    truth = Truth(pl.Series([str(place) for place in range(400)]), values, "class")

    found = detectable_before(truth, ["accuracy", "balanced_accuracy"])

    # 2.8 standard errors of a difference of two accuracies of 0.75 that are half alike.
    assert found["accuracy"] == pytest.approx(2.8 * (0.75 * 0.25 / 400) ** 0.5, rel=0.02)
    assert 0.04 < found["balanced_accuracy"] < 0.12


def test_four_times_the_rows_show_half_the_difference():
    draw = np.random.default_rng(0)
    told = []
    for n in (500, 2000):
        ids = pl.Series([str(place) for place in range(n)])
        truth = Truth(ids, pl.Series(draw.gamma(4, 25, n)), "number")
        told.append(detectable_before(truth, ["mae"])["mae"])

    assert told[0] / told[1] == pytest.approx(2, rel=0.15)
    assert planned(Truth(ids, pl.Series(["x"] * 2000), "text"), ["exact_match"]) == ""


def test_a_run_says_it_before_the_first_model(tmp_path):
    said: list[str] = []
    rows = pl.DataFrame({"x": range(120), "y": [float(v % 9) for v in range(120)]})
    recipe = {"name": "plan", "source": rows, "target": "y", "models": ["constant"],
              "steps": [{"split.random": {"train": 0.5, "validation": 0, "test": 0.5}}],
              "metrics": ["mae"], "certificate": "off"}  # fmt: skip

    outcome = assay.run(
        recipe, out=tmp_path, workers=1, tell=said.append,
        progress=lambda stage, done, total: said.append(stage),
    )  # fmt: skip

    told = next(line for line in said if "with a chance of 80 %" in line)
    assert said.index(told) < said.index("fit constant")
    assert outcome.evaluation.slices["model"] == "constant"
    assert assay.report(outcome.version, out=tmp_path).read_text().count('id="slices"') == 1
