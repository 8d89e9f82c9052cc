"""The leak certificate: planted leaks are found, and clean splits are called clean."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from assay.building import _measured_checks
from assay.building._measured_scores import auc
from assay.building.certificate import certify
from assay.recipe import FieldSpec
from assay.rows import content_hash, hex_ids
from assay.steps import split

WORDS = [f"{a}{b}" for a in ("ka", "lo", "mi", "ta", "ru", "se") for b in ("ben", "dor", "fin")]
CODES = ("exact_pairs", "near_pairs", "groups", "time", "target_field", "adversarial", "moved")


def specs(rows):
    kinds = {pl.String: "string", pl.Boolean: "boolean"}
    found = {}
    for name, dtype in rows.drop("row_id", "parent_id", strict=False).schema.items():
        plain = "integer" if dtype.is_integer() else "datetime" if dtype.is_temporal() else "number"
        found[name] = FieldSpec(type=kinds.get(dtype, plain))
    return found


@pytest.fixture
def measure(tmp_path):
    """Write rows by their sides, in several files, and certify them."""
    made = iter(range(1000))

    def certified(rows, sides, *, target=None, inputs=None, parts=2, **given):
        if "row_id" not in rows.columns:
            rows = rows.with_columns(row_id=hex_ids(content_hash(rows.with_row_index())))
        folder = tmp_path / str(next(made))
        folder.mkdir()
        files = {}
        for side in sides.drop_nulls().unique():
            here = rows.filter(sides == side)
            size = len(here) // parts + 1
            for part in range(parts):
                path = folder / f"{side}-{part:05d}.parquet"
                here.slice(part * size, size).write_parquet(path)
                files.setdefault(side, []).append(path)
        other = {"row_id", "parent_id", target, *given.get("groups", ())}
        inputs = inputs or [name for name in rows.columns if name not in other]
        return certify(files, fields=specs(rows), inputs=inputs, target=target, **given)

    return certified


def check(found, code):
    return next(one for one in found["checks"] if one["code"] == code)


def texts(rng, size, words=12):
    chosen = rng.integers(0, 400, (size, words))
    return [" ".join(f"{WORDS[n % 18]}{n // 18}" for n in row) for row in chosen]


def table(seed, size=900, text=True):
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            **({"text": texts(rng, size)} if text else {}),
            "kind": pl.Series(["a", "b", "c"]).gather(rng.integers(0, 3, size)),
            "weight": rng.normal(size=size),
            "price": rng.lognormal(3, 1, size),
        }
    )


def random_sides(rows, seed=0):
    return split.random(rows, seed=seed)["split"]


def test_a_clean_split_is_clean_in_every_check(measure):
    rows = table(1)

    found = measure(rows, random_sides(rows), target="price", was=(500, 0))

    assert found["verdict"] == "clean"
    assert tuple(one["code"] for one in found["checks"]) == CODES
    status = {one["code"]: one["status"] for one in found["checks"]}
    assert status == {
        "exact_pairs": "pass",
        "near_pairs": "pass",
        "groups": "not applicable",
        "time": "not applicable",
        "target_field": "pass",
        "adversarial": "pass",
        "moved": "pass",
    }
    assert all(one["detail"].endswith(".") and not one["examples"] for one in found["checks"])


def test_equal_rows_across_splits_are_counted_and_shown(measure):
    rows = table(2, text=False)
    sides = pl.Series(["train"] * 600 + ["validation"] * 100 + ["test"] * 200)
    # Another target does not make another row; two equal rows of one split are no leak.
    rows = pl.concat([rows[:890], rows[[5, 6, 650, 895, 895]].with_columns(price=pl.lit(1.0)),
                      rows[890:895]])  # fmt: skip

    found = check(measure(rows, sides, target="price"), "exact_pairs")

    assert (found["status"], found["value"], found["limit"]) == ("fail", 3.0, 0.0)
    assert "3 of 300 rows outside train" in found["detail"]
    assert len(found["examples"]) == 3
    ids = hex_ids(content_hash(rows.with_row_index()))
    shown = {(one["row_a"], one["row_b"]) for one in found["examples"]}
    assert shown == {(ids[5], ids[890]), (ids[6], ids[891]), (ids[650], ids[892])}
    assert {one["split_a"] for one in found["examples"]} == {"train", "validation"}


def test_equal_rows_of_frequent_values_are_to_be_expected_and_copies_are_not(measure):
    rng = np.random.default_rng(6)
    size, kind = 2000, rng.integers(0, 4, 2000)
    rows = pl.DataFrame(
        {
            "age": rng.integers(18, 60, size),
            "kind": kind,
            # What goes together makes equal rows likelier, and not rarer.
            "code": [f"k{n}" for n in kind],
            "text": pl.Series([None] * 1000 + texts(rng, 1000)),
            "price": rng.lognormal(3, 1, size),
        }
    )
    rows = pl.concat([rows, rows[[1500, 1600]]])
    sides = pl.concat([random_sides(rows[:-2]), pl.Series(["test"] * 2)])
    sides = pl.select(
        pl.when(pl.int_range(len(sides)).is_in([1500, 1600])).then(pl.lit("train"))
        .otherwise(sides).alias("split")
    ).to_series()  # fmt: skip

    found = check(measure(rows, sides, target="price"), "exact_pairs")

    assert (found["status"], found["value"]) == ("fail", 2.0)
    assert "more have values so frequent that equal rows are to be expected" in found["detail"]
    assert len(found["examples"]) == 2


def test_an_input_that_is_empty_at_first_does_not_name_the_rows(measure):
    rows = table(7, size=2400).with_columns(
        pl.when(pl.int_range(pl.len()) >= 1200).then(pl.col("text"))
    )
    sides = pl.Series(["train"] * 1200 + ["test"] * 1200)

    found = measure(rows, sides, target="price", inputs=["text"], parts=1)

    assert "No input" not in check(found, "exact_pairs")["detail"]


def test_rows_of_nulls_only_are_nobodys_equals(measure):
    rows = table(3).with_columns(
        pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.col("text", "kind", "weight"))
    )

    found = measure(rows, random_sides(rows), target="price")

    assert check(found, "exact_pairs")["status"] == "pass"


def test_columns_that_name_the_row_do_not_hide_equal_rows(measure):
    rows = pl.concat([table(4, text=False), table(4, text=False)[:50]]).with_row_index("number")
    rows = rows.with_columns(row_id=pl.col("number").cast(pl.String))
    sides = pl.Series(["train"] * 900 + ["test"] * 50)

    assert check(measure(rows, sides, target="price"), "exact_pairs")["value"] == 50


def test_near_duplicates_across_splits_are_found(measure):
    rows = table(5)
    edited = (
        rows["text"]
        .str.split(" ")
        .list.eval(
            pl.when(pl.int_range(pl.len()) == 4).then(pl.lit("changed")).otherwise(pl.element())
        )
    )
    near = rows.with_columns(text=edited.list.join(" "))[:20].with_columns(weight=pl.lit(9.0))
    sides = pl.Series(["train"] * 880 + ["test"] * 20)

    found = measure(pl.concat([rows[:880], near]), sides, target="price")

    assert found["verdict"] == "leaks"
    one = check(found, "near_pairs")
    assert one["value"] >= 18
    assert {"row_a", "row_b", "text_a", "text_b", "similarity"} <= set(one["examples"][0])
    assert one["examples"][0]["split_a"] == "train"
    assert check(found, "exact_pairs")["status"] == "pass"


def test_near_duplicates_are_not_looked_for_where_there_is_too_much(measure, monkeypatch):
    rows = table(6)
    monkeypatch.setattr(_measured_checks, "MOST_ROWS", 100)

    found = measure(rows, random_sides(rows), target="price")

    assert found["verdict"] == "partly measured"
    assert check(found, "near_pairs")["status"] == "not measured"
    assert "`certificate: full`" in check(found, "near_pairs")["detail"]
    full = measure(rows, random_sides(rows), target="price", near="full")
    assert check(full, "near_pairs")["status"] == "pass"
    off = measure(rows, random_sides(rows), target="price", near="off")
    assert check(off, "near_pairs")["status"] == "not measured"


def test_groups_across_splits_are_counted(measure):
    rng = np.random.default_rng(7)
    rows = table(7, text=False).with_columns(
        shop=pl.Series(rng.integers(0, 200, 900)), day=pl.Series([None] * 900, dtype=pl.Int64)
    )
    together = split.random(rows, groups=["shop"])["split"]

    clean = check(measure(rows, together, target="price", groups=["shop", "day"]), "groups")
    leaky = check(measure(rows, random_sides(rows), target="price", groups=["shop"]), "groups")

    assert (clean["status"], clean["value"]) == ("pass", 0.0)
    counts = rows.with_columns(random_sides(rows)).group_by("shop").agg(pl.col("split").n_unique())
    assert leaky["value"] == (counts["split"] > 1).sum() > 50
    assert leaky["examples"][0]["shop"] is not None


def test_a_groups_column_that_is_gone_is_not_measured(measure):
    rows = table(7, text=False)

    found = check(measure(rows, random_sides(rows), target="price", groups=["shop"]), "groups")

    assert found["status"] == "not measured"
    assert "`shop`" in found["detail"]


def test_rows_that_synthetic_ones_were_made_of_belong_to_their_split(measure):
    rows = table(8).with_columns(row_id=pl.int_range(pl.len()).cast(pl.String))
    made = rows[:40].with_columns(
        parent_id=pl.col("row_id"),
        row_id=pl.col("row_id") + "+",
        weight=pl.lit(50.0),
        text=pl.Series(texts(np.random.default_rng(80), 40)),
    )
    whole = pl.concat([rows.with_columns(parent_id=pl.lit(None, pl.String)), made.select(
        *rows.columns, "parent_id")])  # fmt: skip
    parents = pl.Series(["train"] * 700 + ["test"] * 200 + ["train"] * 40)
    clean = measure(whole, parents, target="price")
    assert check(clean, "groups")["status"] == "pass"
    assert check(clean, "adversarial")["status"] == "pass", "synthetic rows are not compared"

    apart = pl.Series(["test"] * 3 + ["train"] * 697 + ["test"] * 200 + ["train"] * 40)
    leaky = check(measure(whole, apart, target="price"), "groups")

    assert (leaky["status"], leaky["value"]) == ("fail", 3.0)
    assert {one["row"] for one in leaky["examples"]} == {"0", "1", "2"}


@pytest.mark.parametrize("kind", ["number", "date"])
def test_time_overlap_is_counted_by_row(measure, kind):
    rows = table(9, text=False).with_columns(day=pl.int_range(pl.len()))
    if kind == "date":
        rows = rows.with_columns(day=pl.lit(dt.datetime(2024, 1, 1)) + pl.duration(days="day"))
    sides = split.temporal(rows, by="day")["split"]
    late = sides.clone()
    late[895] = "train"

    clean = measure(rows, sides, target="price", time="day")
    leaky = check(measure(rows, late, target="price", time="day"), "time")

    assert check(clean, "time")["status"] == "pass"
    assert check(clean, "adversarial")["status"] == "pass", "reported only"
    assert (leaky["status"], leaky["value"]) == ("fail", 1.0)
    assert leaky["examples"][0]["row"] == hex_ids(content_hash(rows.with_row_index()))[895]


def test_early_rows_of_late_groups_are_no_time_leak(measure):
    rng = np.random.default_rng(10)
    rows = table(10, text=False).with_columns(
        day=pl.Series(rng.permutation(900)), shop=pl.Series(rng.integers(0, 400, 900))
    )
    sides = split.temporal(rows, by="day", groups=["shop"])["split"]

    found = measure(rows, sides, target="price", time="day", groups=["shop"])

    assert check(found, "time")["status"] == "pass"


PLANTED = {
    "copied": pl.col("price"),
    "other currency": pl.col("price") * 0.92 + 1,
    "falling": -pl.col("price").log(),
    "text of it": pl.col("price").round(0).cast(pl.String),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_field_that_alone_tells_the_number_is_found(measure, name):
    rows = table(11, 3000, text=False).with_columns(PLANTED[name].alias("leak"))
    if name == "text of it":
        rows = rows.with_columns(price=pl.col("price").round(0))

    found = check(measure(rows, random_sides(rows), target="price"), "target_field")

    assert found["status"] == "fail"
    assert found["value"] >= 0.99
    assert found["examples"][0]["field"] == "leak"


CLASS_LEAKS = {
    "code": pl.col("label").rank("dense") * 7,
    "name": pl.col("label").str.to_uppercase(),
    "threshold": pl.when(pl.col("label") == "a").then(pl.col("weight").abs()).otherwise(
        -pl.col("weight").abs()),
    "word": pl.format("{} tag{} {}", pl.col("text"), pl.col("label").rank("dense"), pl.col("text")),
}  # fmt: skip


@pytest.mark.parametrize("name", CLASS_LEAKS)
def test_a_field_that_alone_tells_the_class_is_found(measure, name):
    label = pl.when(pl.int_range(pl.len()) % 10 == 0).then(pl.lit("a")).otherwise(pl.lit("b"))
    rows = (
        table(12, 1500, text=name == "word")
        .with_columns(label=label)
        .with_columns(leak=CLASS_LEAKS[name])
    )

    found = check(measure(rows, random_sides(rows), target="label"), "target_field")

    assert found["status"] == "fail"
    assert found["examples"][0]["field"] == "leak"


@pytest.mark.parametrize("form", ["{:.2f}", "${:,.2f}", "{:.2f} EUR"])
def test_a_price_that_is_printed_in_the_text_is_found(measure, form):
    rows = table(13).with_columns(price=(pl.col("price") * 100).round(2))
    printed = [form.format(price) for price in rows["price"]]
    rows = rows.with_columns(text=rows["text"] + " now " + pl.Series(printed) + " only")

    found = check(measure(rows, random_sides(rows), target="price"), "target_field")

    assert found["status"] == "fail"
    assert "hold `price`" in found["detail"]


def test_a_class_whose_name_is_in_the_text_is_found(measure):
    rng = np.random.default_rng(14)
    names = ["kettles", "lamps", "chairs", "tables"]
    rows = table(14).with_columns(label=pl.Series(names).gather(rng.integers(0, 4, 900)))
    rows = rows.with_columns(text=pl.format("{} in Category {}", "text", "label"))

    found = measure(rows, random_sides(rows), target="label", inputs=["text"])

    assert check(found, "target_field")["status"] == "fail"


def test_ids_and_good_inputs_do_not_count_as_the_target(measure):
    rng = np.random.default_rng(15)
    rows = table(15, 3000, text=False).with_columns(
        sku=pl.Series([f"sku-{n:06d}" for n in rng.permutation(3000)]),
        good=pl.col("price") * pl.Series(rng.lognormal(0, 0.15, 3000)),
    )

    found = check(measure(rows, random_sides(rows), target="price"), "target_field")

    assert found["status"] == "pass"
    assert 0.9 < found["value"] < 0.99
    assert "`good`" in found["detail"]


def test_too_little_to_tell_is_not_measured(measure):
    rows = table(16, 60, text=False).with_columns(leak=pl.col("price"))

    found = measure(rows, random_sides(rows), target="price")

    assert check(found, "target_field")["status"] == "not measured"
    assert check(found, "adversarial")["status"] == "not measured"


def test_classes_too_rare_are_not_measured(measure):
    rows = table(17, text=False).with_columns(label=pl.format("c{}", pl.int_range(pl.len()) // 3))

    found = measure(rows, random_sides(rows), target="label")

    assert check(found, "target_field")["status"] == "not measured"


def test_sides_of_different_rows_are_told_apart(measure):
    rows = table(18, 1000)
    shifted = (rows["weight"] > 0.5).replace_strict({True: "test", False: "train"})
    words = rows["text"].str.contains("kaben").replace_strict({True: "test", False: "train"})

    for sides in (shifted, words):
        found = check(measure(rows, sides, target="price"), "adversarial")
        assert found["status"] == "fail"
        assert found["value"] > 0.75
        assert found["examples"]


def test_reported_checks_do_not_fail(measure):
    rows = table(18, 2000, text=False)
    sides = (rows["weight"] > 0.5).replace_strict({True: "test", False: "train"})

    found = measure(rows, sides, target="price", reported=["adversarial"])

    assert found["verdict"] == "clean"
    assert check(found, "adversarial")["detail"].endswith("It is reported only.")


def test_groups_that_are_whole_are_not_told_apart_by_what_they_share(measure):
    rng = np.random.default_rng(19)
    shop = rng.integers(0, 300, 3000)
    place = rng.normal(size=300)[shop]
    rows = table(19, 3000, text=False).with_columns(shop=pl.Series(shop), place=pl.Series(place))
    sides = split.random(rows, groups=["shop"])["split"]

    found = measure(rows, sides, target="price", groups=["shop"])

    assert check(found, "adversarial")["status"] in ("pass", "not measured")
    assert found["verdict"] != "leaks"


def test_moved_rows_fail(measure):
    rows = table(20, text=False)

    found = check(measure(rows, random_sides(rows), was=(700, 3)), "moved")

    assert (found["status"], found["value"]) == ("fail", 3.0)
    assert "3 of 700 rows" in found["detail"]


def test_one_split_only_is_not_measured(measure):
    rows = table(21, text=False)

    found = measure(rows, pl.Series(["train"] * 900))

    assert found["verdict"] == "not measured"
    assert {one["status"] for one in found["checks"]} == {"not applicable"}


def test_odd_tables_give_a_result(measure):
    size = 300
    rows = pl.DataFrame(
        {
            "null": pl.Series([None] * size, dtype=pl.String),
            "nan": pl.Series([float("nan"), float("inf"), -float("inf")] * (size // 3)),
            "one": ["x"] * size,
            "cjk": ["漢字かな交じり文の例です😀"] * size,
            "flag": [True, None, False] * (size // 3),
            "list": [[1, 2]] * size,
            "when": [dt.date(2024, 1, 1)] * size,
            "y": [1.0] * size,
        }
    )

    found = measure(rows, random_sides(rows.with_row_index()), target="y")

    assert found["verdict"] == "leaks"  # all rows are three
    assert check(found, "target_field")["status"] == "not measured"


def test_results_do_not_depend_on_the_order_of_rows_or_files(measure):
    rows = table(22).with_columns(row_id=pl.int_range(pl.len()).cast(pl.String))
    sides = random_sides(rows)
    order = pl.Series(np.random.default_rng(0).permutation(900))

    one = measure(rows, sides, target="price")
    two = measure(rows[order], sides[order], target="price", parts=3)

    for first, second in zip(one["checks"], two["checks"], strict=True):
        assert first["status"] == second["status"]
        assert first["value"] == pytest.approx(second["value"], abs=1e-9)


def test_the_area_under_the_curve_and_its_variance_are_those_of_scikit_learn_and_delong():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(23)
    positive = rng.random(400) < 0.4
    scores = np.round(rng.normal(size=400) + positive, 1)
    value, variance = auc(scores, positive)

    hits, misses = scores[positive], scores[~positive]
    above = (hits[:, None] > misses) + 0.5 * (hits[:, None] == misses)
    structural = above.mean(1).var(ddof=1) / len(hits) + above.mean(0).var(ddof=1) / len(misses)
    assert value == pytest.approx(roc_auc_score(positive, scores))
    assert variance == pytest.approx(structural)


@pytest.mark.slow
def test_clean_random_splits_raise_no_false_alarm(measure):
    """Of 100 random splits of rows made by chance, none is called a leak."""
    alarms = []
    for seed in range(100):
        rows = table(1000 + seed, 400)
        found = measure(rows, random_sides(rows, seed), target="price", seed=seed)
        alarms += [one["detail"] for one in found["checks"] if one["status"] == "fail"]
    assert alarms == []


@pytest.mark.slow
def test_random_splits_of_real_tables_raise_no_false_alarm(measure, shared_data):
    credit = shared_data("tabular/german.csv")
    separator = "," if "," in credit.read_text()[:200] else " "
    rows = pl.read_csv(credit, has_header=False, separator=separator)
    target = rows.columns[-1]
    alarms = []
    for seed in range(100):
        sides = random_sides(rows.with_row_index(), seed)
        found = measure(rows, sides, target=target, task="class", seed=seed, parts=1)
        alarms += [one["detail"] for one in found["checks"] if one["status"] == "fail"]
    assert alarms == []


@pytest.mark.slow
def test_random_splits_of_real_texts_raise_no_false_alarm_beside_their_duplicates(
    measure, shared_data
):
    rows = pl.read_csv(
        shared_data("text/sms_spam.tsv"),
        separator="\t",
        has_header=False,
        quote_char=None,
        new_columns=["label", "text"],
    ).unique("text", maintain_order=True)
    for seed in range(10):
        found = measure(rows, random_sides(rows, seed), target="label", seed=seed)
        for code in ("exact_pairs", "target_field", "adversarial"):
            assert check(found, code)["status"] == "pass"
        assert check(found, "near_pairs")["status"] == "fail"  # there are real ones


def test_products_that_were_split_at_random_leak(measure, shared_data):
    rows = pl.read_ndjson(shared_data("prices/products.jsonl"), infer_schema_length=None)
    rows = rows.select("title", "text", "price")

    found = measure(rows, random_sides(rows), target="price")

    assert found["verdict"] == "leaks"
    assert check(found, "near_pairs")["value"] >= 10
    assert check(found, "target_field")["status"] == "pass"
    assert check(found, "adversarial")["status"] == "pass"
