"""Sides of a fold: nothing judged is learned from or tuned on, and units stay whole."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.building.build import build
from assay.cache import Cache
from assay.recipe import load
from assay.studies.dealing import FOLDS, deal, sides_of


def dealt(tmp_path, kind="auto", step="split.grouped", **more):
    draw = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "key": [f"r{i}" for i in range(200)],
            "buyer": [f"b{i}" for i in draw.integers(0, 60, 200)],
            "day": range(200),
            "x": draw.normal(size=200),
            "y": np.where(draw.random(200) < 0.2, "rare", "usual"),
        }
    )
    recipe = load({"name": "sides", "source": frame, "id": "key", "target": "y",
                   "steps": [{step: more}], "certificate": "off"})  # fmt: skip
    version = build(recipe, out=tmp_path, workers=1)
    cache = Cache(tmp_path / ".cache")
    found = deal(recipe, version, cache, kind=kind, folds=4)
    sides = [side.of(version, cache) for *_, side in sides_of(found, recipe, version)]
    return frame, version, cache, found, sides


def test_tuning_rows_are_cut_from_the_rows_learned_from_in_whole_groups(tmp_path):
    frame, version, _, found, sides = dealt(tmp_path, groups=["buyer"])

    tests = set(version.to_polars("test")["row_id"])
    pool = set(version.to_polars("train")["row_id"]) | set(
        version.to_polars("validation")["row_id"]
    )
    assert found.kind == "grouped"
    assert len(sides) == 4
    judged = []
    for side in sides:
        named = side.join(frame, left_on="row_id", right_on="key")
        assert set(side["row_id"]) == pool
        assert side["row_id"].n_unique() == side.height
        assert named.group_by("buyer").agg(pl.col("split").n_unique())["split"].max() == 1
        counts = dict(side["split"].value_counts().iter_rows())
        assert counts["validation"] > 0
        judged += side.filter(pl.col("split") == "test")["row_id"].to_list()
    assert sorted(judged) == sorted(pool)
    assert tests.isdisjoint(judged)


@pytest.mark.parametrize("kind", ["stratified", "random"])
def test_folds_are_of_one_size_and_strata_alike(tmp_path, kind):
    frame, _, cache, found, _ = dealt(tmp_path, kind, "split.random")

    rows = pl.read_parquet(cache.path(found.keys[0], FOLDS))
    named = rows.join(frame, left_on="row_id", right_on="key")
    sizes = named["fold"].value_counts()["count"]
    assert sizes.max() - sizes.min() <= 2
    rare = named.filter(pl.col("y") == "rare")["fold"].value_counts()["count"]
    if kind == "stratified":
        assert rare.max() - rare.min() <= 2


def test_tuning_rows_are_the_latest_of_those_before_the_judged_fold(tmp_path):
    frame, _, _, _, sides = dealt(tmp_path, "auto", "split.temporal", by="day")

    for side in sides:
        days = side.join(frame, left_on="row_id", right_on="key").group_by("split").agg(
            pl.col("day").min().alias("first"), pl.col("day").max().alias("last")
        )  # fmt: skip
        of = {line["split"]: line for line in days.iter_rows(named=True)}
        assert of["train"]["last"] < of["validation"]["first"]
        assert of["validation"]["last"] < of["test"]["first"]
