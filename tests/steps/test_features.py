"""Features: numbers as people write them, and inputs ranked by what they were planted to tell."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import features


def read(text, kind):
    return features.numbers(pl.DataFrame({"t": [text]}), column="t", find={"x": kind})["x"][0]


# numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ('"Item Weight": "1.5 pounds"', "weight_kg", 1.5 * 0.45359237),
        ('{\\"Item Weight\\": \\"220 Grams\\"}', "weight_kg", 0.22),
        ("holds up to 300 lbs. Net weight: 2,500 g", "weight_kg", 2.5),
        ("holds up to 300 lbs", "weight_kg", None),
        ("Weight：0.6 Lb Charging", "weight_kg", 0.6 * 0.45359237),
        ("a 16oz hammer", "weight_kg", 16 * 0.028349523125),
        ("4G network, 5G", "weight_kg", None),
        ("1,5 kg", "weight_kg", 1.5),
        ("1.299,5 kg", "weight_kg", 1299.5),
        ("Product Dimensions: 8.1 x 4.4 x 3.7 inches", "length_cm", 8.1 * 2.54),
        ("8.1 x 4.4 x 3.7 inches", "width_cm", 4.4 * 2.54),
        ("8.1 x 4.4 x 3.7 inches; 3.2 ounces", "height_cm", 3.7 * 2.54),
        ('8"L x 4"W x 2"H', "length_cm", 8 * 2.54),
        ("10 x 5 cm", "width_cm", 5.0),
        ("10 x 5 cm", "height_cm", None),
        ("50 x 20 x 10 cm", "box_l", 10.0),
        ("Length: 2 m", "length_cm", 200.0),
        ("12 in stock", "length_cm", None),
        ('"Date": "May 2015"}', "length_cm", None),
        ("2019 HP laptop", "power_w", None),
        ("5M pixels", "length_cm", None),
        ("a 500 ml bottle", "volume_l", 0.5),
        ("16 fl oz", "volume_l", 16 * 0.0295735295625),
        ("Capacity: 2 Gallons", "volume_l", 2 * 3.785411784),
        ("Wattage: 1.2 kW", "power_w", 1200.0),
        ("60W bulb", "power_w", 60.0),
        ("120V, 60 Hz", "voltage_v", 120.0),
        ("save 12.5 %", "percent", 12.5),
        ('"Best Sellers Rank": {"Kitchen": 12,345}', "rank", 12345.0),
        ("#1,234 in Home", "rank", 1234.0),
        ("4.6 out of 5 stars", "rating", 4.6),
        ("rated 3.5", "rating", 3.5),
        ("9.9 stars", "rating", None),
        ('"Date First Available": "August 6, 2010"', "year", 2010.0),
        ("$1999 and model-2001", "year", None),
        ("a classic from 1987.", "year", 1987.0),
        ("Pack of 12", "count", 12.0),
        ("24-count", "count", 24.0),
        ('"Unit Count": "3.0 Count"', "count", 3.0),
        ("Ships in 3 days", r"in (\d+) days", 3.0),
        ("Ships in 3 days", r"\d+", 3.0),
        ("Ships in three days", r"in (\w+) days", None),
    ],
)
def test_numbers_are_read_as_people_write_them(text, kind, expected):
    found = read(text, kind)

    assert found is None if expected is None else found == pytest.approx(expected)


def test_factors_are_those_of_pint():
    import pint

    units = pint.UnitRegistry(cache_folder=None)
    for text, kind, unit in [
        ("7 oz", "weight_kg", "kg"), ("7 lb", "weight_kg", "kg"), ("7 mg", "weight_kg", "kg"),
        ("7 ft", "length_cm", "cm"), ("7 yards", "length_cm", "cm"), ("7 mm", "length_cm", "cm"),
        ("7 gallon", "volume_l", "l"), ("7 quart", "volume_l", "l"), ("7 pint", "volume_l", "l"),
        ("7 hp", "power_w", "W"), ("7 kV", "voltage_v", "V"),
    ]:  # fmt: skip
        assert read(text, kind) == pytest.approx(units(text).to(unit).magnitude, rel=1e-6), text


@settings(max_examples=12, deadline=None)
@given(st.lists(st.text() | st.none(), max_size=8))
def test_any_text_is_read_or_not_and_rows_do_not_touch_each_other(texts):
    rows = pl.DataFrame({"t": pl.Series(texts, dtype=pl.String)})
    kinds = ["weight_kg", "length_cm", "box_l", "rank", "rating", "year", "count", "percent"]
    find = {kind: kind for kind in kinds}

    found = features.numbers(rows, column="t", find=find)

    assert found.columns == ["t", *kinds]
    assert all(found.schema[kind] == pl.Float64 for kind in kinds)
    alone = [features.numbers(rows[n : n + 1], column="t", find=find) for n in range(len(texts))]
    assert not alone or pl.concat(alone).equals(found)


def test_a_text_of_five_megabytes_is_read():
    assert read("plain words 12 x " * 300_000 + "Item Weight: 3 kg", "weight_kg") == 3.0


def test_most_real_product_texts_tell_their_weight_size_and_year(shared_data):
    rows = pl.read_ndjson(shared_data("raw/product_texts_22k.jsonl.gz"), n_rows=3000)
    find = {"w": "weight_kg", "l": "length_cm", "y": "year"}

    found = features.numbers(rows, column="text", find=find)

    details = found.select(
        "w",
        told=pl.col("text").str.extract(r'"Item Weight": "([\d.]+) [Pp]ounds"').cast(pl.Float64),
    ).drop_nulls("told")
    assert [found[name].is_not_null().mean() > share for name, share in
            (("w", 0.85), ("l", 0.9), ("y", 0.8))] == [True] * 3  # fmt: skip
    right = (details["w"] - details["told"] * 0.45359237).abs() < 1e-6
    assert right.fill_null(False).mean() > 0.9


# text --------------------------------------------------------------------------------------------


def test_texts_are_measured():
    rows = pl.DataFrame({"t": ["Two Words", "12 12", "", None, "中文 🙂"]})
    measure = {name: name for name in ("characters", "words", "digits", "capitals")}

    found = features.text(rows, column="t", measure=measure | {"d": "distinct_words"})

    assert found.drop("t").rows() == [
        (9.0, 2.0, 0.0, 2 / 8, 1.0),
        (5.0, 2.0, 0.8, 0.0, 0.5),
        (0.0, 0.0, 0.0, 0.0, 0.0),
        (None,) * 5,
        (4.0, 2.0, 0.0, 0.0, 1.0),
    ]


# select ------------------------------------------------------------------------------------------

METHODS = ["mutual_information", "permutation", "l1"]


def planted(count=1500, seed=0, classes=True):
    draw = np.random.default_rng(seed)
    strong, weak = draw.normal(size=count), draw.normal(size=count)
    kind = draw.choice(["a", "b", "c"], count)
    answer = 2 * strong + 0.7 * weak + 1.5 * (kind == "a") + draw.normal(size=count) * 0.5
    table = pl.DataFrame(
        {
            **{f"noise {n}": draw.normal(size=count) for n in range(5)},
            "noise kind": draw.choice(["x", "y"], count),
            "strong": strong,
            "weak": weak,
            "kind": kind,
            "y": np.where(answer > 0.5, "yes", "no") if classes else answer,
            "text": [f"a text of its own, number {n}" for n in range(count)],
        }
    )
    return table.with_columns(
        _row=pl.int_range(pl.len(), dtype=pl.UInt64) * 0x9E3779B97F4A7C15,
        _split=pl.when(pl.int_range(pl.len()) % 4 == 0)
        .then(pl.lit("test"))
        .otherwise(pl.lit("train")),
    )


@pytest.mark.parametrize("classes", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_planted_inputs_are_ranked_first(method, classes):
    table = planted(classes=classes)

    learned = features.select(table, target="y", method=method, keep=3)

    best = [one["input"] for one in learned.findings["ranking"][:3]]
    assert set(best) == {"strong", "weak", "kind"} and best[0] == "strong"
    assert set(learned.dropped) == {*(f"noise {n}" for n in range(5)), "noise kind"}
    assert learned.findings["not_ranked"] == ["text"]


def test_mutual_information_is_that_of_a_normal_pair():
    # For two normal numbers it is -log(1 - r**2)/2 (Cover & Thomas, Elements of Information
    # Theory, 2nd edition, example 8.5.1).
    both = np.random.default_rng(1).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 6000)
    table = pl.DataFrame({"x": np.exp(both[:, 0]), "y": both[:, 1]})

    found = features.select(table, target="y").findings["ranking"][0]["score"]

    assert found == pytest.approx(-np.log(1 - 0.8**2) / 2, abs=0.04)


def test_intervals_of_shuffling_hold_what_more_rows_would_show():
    table = planted(900)

    ranking = features.select(table, target="y", method="permutation").findings["ranking"]

    for one in ranking:
        assert one["low"] <= one["score"] <= one["high"]
        if one["input"] == "strong":
            assert one["low"] > 0
    noise = [one for one in ranking if one["input"].startswith("noise")]
    assert np.median([one["score"] for one in noise]) < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_selection_learns_from_train_alone_and_from_no_order(method):
    table = planted(400)
    order = np.random.default_rng(2).permutation(table.height)
    other = table.with_columns(
        pl.when(pl.col("_split") == "test").then(9e9).otherwise("strong").alias("strong"),
        pl.when(pl.col("_split") == "test").then(pl.lit("no")).otherwise("y").alias("y"),
    )

    first, *rest = [
        features.select(one, target="y", method=method, keep=3)
        for one in (table, table[order], other)
    ]

    for one in rest:
        assert (one.dropped, one.findings) == (first.dropped, first.findings)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("missing", [None, float("nan"), float("inf"), 1e308])
def test_missing_and_wild_values_are_ranked_all_the_same(method, missing):
    table = planted(400).with_columns(
        pl.when(pl.int_range(pl.len()) % 7 == 1).then(missing).otherwise("weak").alias("weak"),
        pl.lit(None, pl.Float64).alias("nothing"),
        pl.lit(3).alias("constant"),
        pl.lit(None).alias("untyped"),
    )

    learned = features.select(table, target="y", method=method, keep=0.2)

    assert learned.findings["ranking"][0]["input"] == "strong"
    assert {"nothing", "constant", "untyped"} <= set(learned.dropped)


@pytest.mark.parametrize("method", METHODS)
def test_where_nothing_can_be_learned_nothing_is_dropped(method):
    table = planted(40)
    for odd in (
        table.clear(),
        table[:1],
        table.with_columns(y=pl.lit("one")),
        table.with_columns(y=pl.lit(None, pl.Float64)),
        table.with_columns(y=pl.lit(float("nan"))),
        table.with_columns(_split=pl.lit("test")),
        table.select("_row", "_split", "text", "y"),
    ):
        learned = features.select(odd, target="y", method=method, keep=1)
        assert learned.dropped == []
        assert learned.findings["note"].startswith("nothing is dropped")


@pytest.mark.parametrize("method", METHODS)
def test_a_class_of_one_row_stops_nobody(method):
    table = planted(60).with_columns(
        y=pl.when(pl.int_range(pl.len()) == 5).then(pl.lit("alone")).otherwise("y")
    )

    assert len(features.select(table, target="y", method=method, keep=2).dropped) == 7


@pytest.mark.parametrize(
    "call",
    [
        lambda t: features.numbers(t, column="z", find={"a": "year"}),
        lambda t: features.numbers(t, column="x", find={"a": "year"}),
        lambda t: features.numbers(t, column="s", find={"x": "year"}),
        lambda t: features.numbers(t, column="s", find={}),
        lambda t: features.numbers(t, column="s", find={"a": "weight_lb"}),
        lambda t: features.numbers(t, column="s", find={"a": "(unclosed"}),
        lambda t: features.text(t, column="s", measure={"a": "beauty"}),
        lambda t: features.text(t, column="x", measure={"a": "words"}),
        features.select,
        lambda t: features.select(t, target="z"),
        lambda t: features.select(t, target="x", inputs=["z"]),
        lambda t: features.select(t, target="x", keep=0),
        lambda t: features.select(t, target="x", keep=float("nan")),
        lambda t: features.select(t, target="list"),
    ],
)
def test_what_cannot_be_made_is_refused(call):
    with pytest.raises(RecipeError):
        call(pl.DataFrame({"x": [1.0], "s": ["a"], "list": [[1]]}))
