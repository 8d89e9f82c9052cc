"""Three versions of one name, two of them evaluated."""

from __future__ import annotations

import polars as pl
import pytest
from offers import offers, recipe

import assay


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Three runs: the second reads corrected and further data, the third cleans otherwise."""
    folder = tmp_path_factory.mktemp("versions")
    (folder / "data").mkdir()
    for number in range(2):
        offers(300 * number, 300 * number + 300).write_csv(folder / "data" / f"{number}.csv")
    out = folder / "versions"
    assay.run(recipe(folder), out=out, workers=1)
    sku = pl.col("sku")
    corrected = (
        offers(0, 300)
        .filter(sku != "s9")
        .with_columns(
            price=pl.when(sku == "s7").then(33.33).otherwise("price"),
            text=pl.when(sku == "s8").then(pl.lit("four")).otherwise("text"),
        )
    )
    corrected.write_csv(folder / "data" / "0.csv")
    copy = offers(300, 301).with_columns(sku=pl.lit("s0a"))  # the twin of s300 in another file
    pl.concat([offers(600, 700), copy]).write_csv(folder / "data" / "2.csv")
    assay.run(recipe(folder), out=out, workers=1)
    steps = [{"clean.text": {"columns": ["text"], "markup": False}}, *recipe(folder)["steps"][1:]]
    steps[-1] = {"split.random": {"train": 0.6, "validation": 0.1, "test": 0.3}}
    assay.build(recipe(folder, steps=steps), out=out, workers=1)
    return folder
