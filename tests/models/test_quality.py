"""How good the models are on real data, held against what an obvious pipeline reaches."""

from __future__ import annotations

import numpy as np
import polars as pl
from classroom import training

from assay.models.baselines import constant
from assay.models.linear import tabular_linear, tfidf_linear
from assay.models.trees import boosted_trees
from assay.rows import content_hash, uniform


def halves(rows: pl.DataFrame, share: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    drawn = pl.Series(uniform(content_hash(rows), 0, "tests")) < share
    return rows.filter(drawn), rows.filter(~drawn)


def test_intents_are_told_apart_by_their_words(shared_data):
    learned = pl.read_csv(shared_data("text/banking77_train.csv"))
    some = learned["category"].unique().sort()[:12].to_list()
    train, test = (
        frame.filter(pl.col("category").is_in(some))
        for frame in (learned, pl.read_csv(shared_data("text/banking77_test.csv")))
    )

    fitted = tfidf_linear(training(train, train["category"].to_list(), {"text": "string"}))

    # scikit-learn's TfidfVectorizer and LogisticRegression(C=10) reach 0.95 on these 12 intents.
    assert (fitted.predict(test)["prediction"] == test["category"]).mean() > 0.94


def test_machine_failures_need_trees(shared_data):
    rows = pl.read_csv(shared_data("tabular/ai4i2020.csv"))
    kinds = dict.fromkeys(rows.columns[3:8], "number") | {"Type": "category"}
    rows = rows.with_columns(pl.col("Machine failure").cast(pl.String).alias("y"))
    train, test = halves(rows, 0.7)
    given = training(train, train["y"].to_list(), kinds, validation=0.15)

    loss = {}
    for learn in (constant, tabular_linear, boosted_trees):
        proba = learn(given).predict(test)["proba_1"].to_numpy()
        truth = test["y"].to_numpy() == "1"
        loss[learn.__name__] = -np.log(np.clip(np.where(truth, proba, 1 - proba), 1e-9, 1)).mean()

    assert loss["boosted_trees"] < 0.6 * loss["tabular_linear"]
    assert loss["tabular_linear"] < 0.9 * loss["constant"]


def test_prices_are_learned_from_words(shared_data):
    rows = pl.read_ndjson(shared_data("prices/products.jsonl"), infer_schema_length=None)
    train, test = halves(rows.head(2000), 0.8)
    kinds = {"title": "string", "text": "string"}
    given = training(train, train["price"].to_list(), kinds, validation=0.1)
    truth = np.log1p(test["price"].to_numpy())

    error = {}
    for learn in (constant, tfidf_linear, boosted_trees):
        predicted = np.log1p(learn(given).predict(test)["prediction"].to_numpy())
        error[learn.__name__] = np.sqrt(((predicted - truth) ** 2).mean())

    assert error["tfidf_linear"] < 0.75 * error["constant"]
    assert error["boosted_trees"] < 0.75 * error["constant"]
