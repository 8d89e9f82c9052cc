"""Balance: train levelled as asked, other splits untouched, new rows between real ones."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.rows import content_hash
from assay.steps import balance


def numbered(splits=("train",), **columns):
    table = pl.DataFrame(columns)
    return table.with_columns(
        _row=pl.int_range(pl.len(), dtype=pl.UInt64) * 0x9E3779B97F4A7C15,
        _split=pl.Series([splits[n % len(splits)] for n in range(table.height)], dtype=pl.String),
    )


def two_kinds(count=300, seed=0, share=0.2):
    draw = np.random.default_rng(seed)
    rare = draw.random(count) < share
    return numbered(
        ("train", "train", "test"),
        y=np.where(rare, "rare", "common"),
        x=draw.normal(size=count) + rare * 3,
        n=draw.integers(0, 50, count),
        kind=draw.choice(["a", "b", "c"], count),
    )


def parts_of(learned):
    return {
        "decisions": learned.decisions,
        "changed": learned.changed,
        "added": learned.added,
        "findings": learned.findings,
    }


def same(left, right, order=None):
    for name, one in parts_of(left).items():
        other = parts_of(right)[name]
        if isinstance(one, pl.DataFrame):
            aligned = one[order] if order is not None and name != "added" else one
            assert aligned.equals(other, null_equal=True), name
        else:
            assert one == other, name
    return True


# classes -----------------------------------------------------------------------------------------


def test_down_makes_classes_of_train_equal_and_touches_no_other_split():
    table = two_kinds()

    learned = balance.classes(table, target="y")

    out = learned.decisions["rule"].is_not_null()
    kept = table.filter(~out & (table["_split"] == "train"))["y"].value_counts()
    assert kept["count"].n_unique() == 1
    assert set(table["_split"].filter(out)) == {"train"}
    assert learned.findings["before"]["common"] > learned.findings["after"]["common"]
    kept_numbers = learned.decisions.filter(pl.col("rule").is_null()).drop_nulls("value")
    assert (kept_numbers["value"] <= kept_numbers["threshold"]).all()


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.0])
def test_ratio_is_the_smallest_class_as_a_share_of_the_largest(ratio):
    table = numbered(y=["a"] * 90 + ["b"] * 10 + ["c"] * 40)

    down = balance.classes(table, target="y", ratio=ratio).findings["after"]
    up = balance.classes(table, target="y", method="up", ratio=ratio).findings["after"]

    assert min(down.values()) == 10 and max(down.values()) == min(90, round(10 / ratio))
    assert max(up.values()) == 90 and min(up.values()) == max(10, round(90 * ratio))


def test_up_copies_no_row_more_than_once_oftener_than_another():
    table = numbered(y=["a"] * 50 + ["b"] * 7)

    added = balance.classes(table, target="y", method="up").added

    copies = added["_parent"].value_counts()["count"]
    assert added.height == 43 and set(added.columns) == {"_parent"}
    assert set(added["_parent"]) <= set(table["_row"][50:])
    assert copies.max() - copies.min() <= 1 and copies.len() == 7


def test_weights_sum_to_the_same_for_every_class_and_to_the_rows():
    table = two_kinds()

    learned = balance.classes(table, target="y", method="weights", into="w")

    weighed = table.with_columns(learned.changed).filter(pl.col("_split") == "train")
    sums = weighed.group_by("y").agg(pl.col("w").sum())["w"]
    assert learned.weight == "w"
    assert sums[0] == pytest.approx(sums[1])
    assert weighed["w"].mean() == pytest.approx(1.0)
    assert (learned.changed["w"].filter(table["_split"] != "train") == 1.0).all()


def test_rows_without_a_class_stay_as_they_are():
    table = numbered(y=[1.0, 1.0, 1.0, 2.0, None, float("nan")])

    assert balance.classes(table, target="y").decisions["rule"].null_count() == 4
    weights = balance.classes(table, target="y", method="weights").changed["weight"]
    assert weights[4:].to_list() == [1.0, 1.0]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), max_size=40),
    st.randoms(use_true_random=False),
    st.sampled_from(["down", "up", "weights"]),
)
def test_order_of_rows_changes_nothing(values, shuffle, method):
    table = numbered(("train", "test", "train"), y=pl.Series(values, dtype=pl.String))
    order = list(range(len(values)))
    shuffle.shuffle(order)

    learned = balance.classes(table, target="y", method=method)

    assert same(learned, balance.classes(table[order], target="y", method=method), order)


# target ------------------------------------------------------------------------------------------


def test_a_skewed_number_is_flat_afterwards():
    prices = np.exp(np.random.default_rng(1).normal(3, 1, 4000)).clip(1, 200)
    table = numbered(price=prices)

    learned = balance.target(table, target="price", bins=[20.0, 40.0, 60.0, 80.0], at_most=100)

    kept = table.filter(learned.decisions["rule"].is_null())["price"]
    counts, _ = np.histogram(kept, [0, 20, 40, 60, 80, 1000])
    assert counts.tolist() == [100, 100, 100, 100, 100]


def test_weights_do_on_average_what_down_does():
    prices = np.exp(np.random.default_rng(2).normal(3, 1, 3000))
    table = numbered(price=prices)
    bins = {"target": "price", "width": 10.0, "at_most": 50}

    weights = balance.target(table, method="weights", **bins).changed["weight"]
    kept = [
        table["price"].filter(balance.target(table, seed=seed, **bins).decisions["rule"].is_null())
        for seed in range(40)
    ]

    weighed = np.average(prices, weights=weights)
    assert weights.mean() == pytest.approx(1.0)
    assert np.mean([part.mean() for part in kept]) == pytest.approx(weighed, rel=0.02)


def test_log_bins_are_as_wide_for_small_numbers_as_for_large_ones():
    table = numbered(price=[1.0, 1.1, 1.2, 9.0, 50.0, 1000.0])

    learned = balance.target(table, target="price", bins=3, scale="log", at_most=1)

    assert learned.findings["bins"] == 3
    assert learned.decisions["rule"].null_count() == 3


def test_what_is_not_finite_is_in_no_bin_and_other_splits_decide_nothing():
    table = numbered(price=[None, float("nan"), float("inf"), 1.0, 1.0, 1.0]).with_columns(
        _split=pl.Series(["train"] * 4 + ["test"] * 2)
    )

    learned = balance.target(table, target="price", width=1, at_most=1)

    assert learned.findings["rows"] == 1
    assert learned.decisions["rule"].null_count() == 6


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats() | st.none(), max_size=30),
    st.randoms(use_true_random=False),
    st.sampled_from(["down", "weights"]),
)
def test_any_numbers_in_any_order_are_levelled_alike(values, shuffle, method):
    table = numbered(("train", "train", "test"), y=pl.Series(values, dtype=pl.Float64))
    order = list(range(len(values)))
    shuffle.shuffle(order)

    learned = balance.target(table, target="y", method=method)

    assert same(learned, balance.target(table[order], target="y", method=method), order)


# smote -------------------------------------------------------------------------------------------


def test_new_rows_lie_on_lines_between_two_real_rows_of_their_class():
    draw = np.random.default_rng(3)
    rare = np.arange(200) < 30
    table = numbered(
        y=np.where(rare, "rare", "common"),
        a=draw.normal(size=200) + 4 * rare,
        b=draw.normal(size=200) * 100,
    )

    added = balance.smote(table, target="y").added

    assert added.height == 170 - 30
    real = table.filter(pl.col("y") == "rare").select("a", "b").to_numpy()
    spread = table.select("a", "b").to_numpy().std(axis=0)
    start, stop = real[:, None] / spread, real[None] / spread
    line = stop - start
    lengths = np.maximum((line**2).sum(-1), 1e-12)
    for point in added.select("a", "b").to_numpy() / spread:
        along = np.clip(((point - start) * line).sum(-1) / lengths, 0, 1)
        apart = np.linalg.norm(start + along[..., None] * line - point, axis=-1)
        np.fill_diagonal(apart, np.inf)
        assert apart.min() < 1e-9


def test_a_parent_is_the_nearest_real_row_of_the_class_in_train():
    table = two_kinds()

    added = balance.smote(table, target="y", inputs=["x", "n"]).added

    train = table.filter(pl.col("_split") == "train")
    rare = train.filter(pl.col("y") == "rare")
    assert set(added["_parent"]) <= set(rare["_row"])
    spread = train.select("x", "n").to_numpy().std(axis=0)
    parents = added.select(pl.col("_parent").alias("_row")).join(
        rare, on="_row", how="left", maintain_order="left"
    )
    apart = (
        added.select("x", "n").to_numpy()[:, None] / spread
        - rare.select("x", "n").to_numpy() / spread
    )
    nearest = np.linalg.norm(apart, axis=-1).min(axis=1)
    chosen = (
        added.select("x", "n").to_numpy() / spread - parents.select("x", "n").to_numpy() / spread
    )
    # Rounding whole numbers may move a point to where another row is a little nearer.
    assert (np.linalg.norm(chosen, axis=-1) <= nearest + 1 / spread[1]).all()


def test_categories_and_types_stay_what_they_were():
    table = two_kinds().with_columns(
        yes=pl.col("x") > 0, kind=pl.when(pl.col("n") > 5).then("kind").cast(pl.String)
    )

    added = balance.smote(table, target="y").added

    for name in ("x", "n", "kind", "yes"):
        assert added.schema[name] == table.schema[name]
    rare = table.filter((pl.col("y") == "rare") & (pl.col("_split") == "train"))
    assert set(added["kind"]) <= set(rare["kind"])
    assert added["n"].is_between(rare["n"].min(), rare["n"].max()).all()


def test_only_categories_will_do():
    table = numbered(y=["a"] * 20 + ["b"] * 5, kind=["p", "q"] * 12 + ["q"], yes=[True] * 25)

    added = balance.smote(table, target="y").added

    assert added.height == 15 and set(added["kind"]) <= {"p", "q"}


def test_adasyn_makes_more_rows_where_the_other_class_is_near():
    table = numbered(
        y=["a"] * 60 + ["b"] * 20,
        x=[*np.linspace(0, 1, 60), *np.linspace(0.9, 1.0, 10), *np.linspace(50, 51, 10)],
    )

    added = balance.smote(table, target="y", method="adasyn").added

    assert (added["x"] < 2).mean() > 0.9
    with pytest.raises(RecipeError, match="numbers only"):
        balance.smote(two_kinds(), target="y", method="adasyn")
    with pytest.raises(RecipeError, match="ADASYN makes no rows"):
        far = [*np.linspace(0, 1, 60), *np.linspace(90, 91, 20)]
        balance.smote(table.with_columns(x=pl.Series(far)), target="y", method="adasyn")


def test_missing_and_infinite_numbers_are_left_out_and_counted():
    table = numbered(
        y=["a"] * 12 + ["b"] * 6,
        x=[None, float("nan"), float("inf"), *np.arange(9.0), None, *np.arange(20.0, 25)],
    )

    learned = balance.smote(table, target="y")

    assert learned.findings["rows_left_out"] == 4
    assert learned.findings["after"] == {"a": 9, "b": 9}
    assert learned.added["x"].is_between(20, 24).all()


def test_numbers_near_the_largest_float_lie_in_one_space():
    table = numbered(y=["a"] * 9 + ["b"] * 3, x=[1e308, -1e308, 1.0] * 4, z=np.arange(12.0))

    added = balance.smote(table, target="y").added

    assert added.height == 6 and added["x"].is_finite().all()


def test_a_class_of_one_row_is_left_and_named():
    table = numbered(y=["a"] * 9 + ["b"], x=np.arange(10.0))

    learned = balance.smote(table, target="y")

    assert learned.added is None
    assert learned.findings["classes_of_one_row"] == ["b"]


@pytest.mark.parametrize(
    "columns",
    [
        {"x": ["a long text that says more than a category would, word by word by word"] * 20},
        {"x": [f"name {n}" for n in range(1000)]},
        {"x": [[1, 2]] * 20},
    ],
)
def test_texts_and_lists_are_refused_as_inputs(columns):
    table = numbered(**columns).with_columns(y=pl.lit("a"))

    with pytest.raises(RecipeError, match="'x'"):
        balance.smote(table, target="y")


def test_smote_does_not_depend_on_order_or_on_other_splits():
    table = two_kinds()
    order = np.random.default_rng(5).permutation(table.height)

    learned = balance.smote(table, target="y")
    other = table.with_columns(
        pl.when(pl.col("_split") == "test").then(999.0).otherwise("x").alias("x")
    )

    assert same(learned, balance.smote(table[order], target="y"))
    assert same(learned, balance.smote(other, target="y"))
    assert not learned.added.equals(balance.smote(table, target="y", seed=1).added)


# what they share ---------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [balance.classes, balance.target, balance.smote])
@pytest.mark.parametrize(
    "values",
    [[], [1.0], [None, None, None], [2.0] * 5, [float("nan"), float("inf"), 1.0]],
    ids=["empty", "one row", "nulls", "constant", "not finite"],
)
def test_odd_tables_give_a_result(step, values):
    table = pl.DataFrame({"y": pl.Series(values, dtype=pl.Float64), "x": [1.0] * len(values)})
    table = table.with_columns(content_hash(table).alias("_row"))

    for splits in (None, "train", "test"):
        given_splits = table if splits is None else table.with_columns(_split=pl.lit(splits))
        learned = step(given_splits, target="y")
        if learned.decisions is not None:
            assert learned.decisions.height == table.height
            assert learned.decisions["rule"].null_count() == table.height
        assert learned.added is None or learned.added.is_empty()


@pytest.mark.parametrize(
    "call",
    [
        balance.classes,
        lambda t: balance.classes(t, target="nope"),
        lambda t: balance.classes(t, target="y", ratio=0.0),
        lambda t: balance.classes(t, target="y", ratio=1.5),
        lambda t: balance.classes(t, target="many"),
        lambda t: balance.target(t, target="y"),
        lambda t: balance.target(t, target="x", bins=2, width=1.0),
        lambda t: balance.target(t, target="x", bins=0),
        lambda t: balance.target(t, target="x", bins=[2.0, 1.0]),
        lambda t: balance.target(t, target="x", width=0.0),
        lambda t: balance.target(t, target="x", at_most=0),
        lambda t: balance.target(t, target="x", scale="log"),
        lambda t: balance.target(t, target="x", scale="log", width=1.0),
        lambda t: balance.smote(t, target="y", inputs=["z"]),
        lambda t: balance.smote(t, target="y", inputs=[]),
        lambda t: balance.smote(t, target="y", neighbours=0),
        lambda t: balance.smote(t, target="y", ratio=2.0),
    ],
)
def test_what_cannot_be_levelled_is_refused(call):
    table = numbered(x=[-1.0, 2.0], y=["a", "b"], many=[[1], [2]])

    with pytest.raises(RecipeError):
        call(table)
