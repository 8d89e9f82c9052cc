"""A model that tunes itself, over folds: it never sees the rows that judge it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.studies.crossvalidation import crossval


def test_a_model_that_tunes_does_so_inside_each_fold(tmp_path):
    pytest.importorskip("optuna")
    draw = np.random.default_rng(0)
    x = draw.normal(size=(90, 2))
    frame = pl.DataFrame({"key": [f"r{i}" for i in range(90)], "a": x[:, 0], "b": x[:, 1],
                          "y": x[:, 0] * 3 + draw.normal(size=90)})  # fmt: skip
    tuned = {"tuned": {"model": "random_forest", "trials": 2, "space": {"leaf": [1, 10]}}}
    asked = {"name": "tune", "source": frame, "id": "key", "target": "y", "metrics": ["mae"],
             "models": [tuned, "constant"], "certificate": "off",
             "steps": [{"split.random": {"train": 0.6, "validation": 0.2, "test": 0.2}}],
             }  # fmt: skip

    found = crossval(asked, out=tmp_path, folds=2, workers=1)

    best = found.mean_of("tuned", "mae")
    assert best.folds == 2
    assert best.value < found.mean_of("constant", "mae").value
    pool = found.predictions.filter(pl.col("model") == "tuned").height
    learned = [one.trained_on for one in found.scores if one.model == "tuned"]
    # A part of the other fold's rows was set aside to tune on.
    assert all(count < pool / 2 for count in learned)
