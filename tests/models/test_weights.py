"""Weights of rows reach every model that learns."""

from __future__ import annotations

from functools import partial

import numpy as np
import polars as pl
import pytest

from assay.component import find
from assay.errors import MissingExtra
from assay.models.training import Training


def training(weight: float | None) -> Training:
    """Rows whose inputs say nothing of the class, of which one in five is the rare one."""
    rng = np.random.default_rng(0)
    words = np.array(["red", "blue", "green", "round"])
    rows = pl.DataFrame(
        {"x": rng.normal(size=600), "text": [" ".join(rng.choice(words, 4)) for _ in range(600)]}
    )
    target = pl.Series(np.where(np.arange(600) % 5 == 0, "rare", "usual"))
    weights = None if weight is None else (target == "rare").cast(pl.Float64) * (weight - 1) + 1
    return Training(
        rows=rows,
        target=target,
        validation_rows=rows.clear(),
        validation_target=target.clear(),
        row=pl.Series(range(600), dtype=pl.UInt64),
        task="class",
        classes=("rare", "usual"),
        kinds={"x": "number", "text": "string"},
        weights=weights,
    )


SETTINGS = {
    "bag_of_words": {},
    "boosted_trees": {},
    "embedding_linear": {"dimensions": 32},
    "linear_svm": {},
    "mlp": {"hidden": [8], "epochs": 40, "batch": 32, "buckets": 64, "dropout": 0.0},
    "random_forest": {"trees": 60, "leaf": 50},
    "residual_net": {"width": 8, "blocks": 1, "epochs": 40, "batch": 32, "buckets": 64},
    "tabular_linear": {},
    "tfidf_linear": {},
    "word2vec_linear": {"dimensions": 8, "epochs": 3},
}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_class_that_weighs_more_is_held_for_more_likely(name):
    model = partial(find("models", name).function, **SETTINGS[name])

    try:
        shares = [
            model(given).predict(given.rows)["proba_rare"].mean()
            for given in (training(None), training(4.0))
        ]
    except MissingExtra as missing:
        pytest.skip(str(missing))

    assert shares[0] == pytest.approx(0.2, abs=0.06)
    assert shares[1] == pytest.approx(0.5, abs=0.1)
