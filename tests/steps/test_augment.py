"""Augmentation: synthetic rows that say what their parents say, and tables that look alike."""

from __future__ import annotations

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.errors import RecipeError
from assay.steps import augment

WAYS = ["typos", "drop", "swap", "case", "units"]


def numbered(splits=("train",), **columns):
    table = pl.DataFrame(columns)
    return table.with_columns(
        _row=pl.int_range(pl.len(), dtype=pl.UInt64) * 0x9E3779B97F4A7C15 + 1,
        _split=pl.Series([splits[n % len(splits)] for n in range(table.height)], dtype=pl.String),
    )


def copies_of(*texts, **settings):
    table = numbered(t=pl.Series(texts, dtype=pl.String))
    added = augment.text(table, columns=["t"], **settings).added
    parents = added.select(pl.col("_parent").alias("_row")).join(
        table, on="_row", maintain_order="left"
    )
    return list(zip(parents["t"], added["t"], strict=True))


# text --------------------------------------------------------------------------------------------


def test_a_typo_is_one_slip_that_spares_the_first_letter():
    from rapidfuzz.distance import OSA

    words = ["kettle", "Shelf", "HAMMER", "garden,", "(lamp)", "Größe", "чайник"]

    for before, after in copies_of(*words, ways=["typos"], copies=30):
        assert OSA.distance(before, after) == 1
        letters = [re.sub(r"\W", "", text) for text in (before, after)]
        assert letters[0][0] == letters[1][0]
        assert re.sub(r"\w", "", before) == re.sub(r"\w", "", after)


def test_drop_and_swap_use_the_words_there_are():
    text = "one quick brown fox jumps over many lazy dogs"

    for _, after in copies_of(text, ways=["swap"], strength=0.5, copies=20):
        assert sorted(after.split()) == sorted(text.split())
        assert after != text
    for _, after in copies_of(text, ways=["drop"], strength=1.0, copies=20):
        assert after.split() and set(after.split()) < set(text.split())


def test_case_changes_nothing_but_case():
    for before, after in copies_of("iPhone cable for THE car", ways=["case"], copies=20):
        assert before.lower() == after.lower() and before != after


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12 in wide", {"12 in wide", "30.48 cm wide", "12 inches wide", "30.48 centimeters wide"}),
        ("1 kg", {"1 kilogram", "1000 g", "1000 grams"}),
        ("(1.5kg).", {"(1.5 kilograms).", "(1500 g).", "(1500 grams)."}),
        ("2 pounds", {"2 lb", "32 oz", "32 ounces"}),
        ("0.5 litres", {"0.5 l", "500 ml", "500 milliliters", "0.5 liters"}),
        ("60W bulb", {"60 watts bulb"}),
        ("8 x 4 x 3 cm", {"8 x 4 x 3 centimeters"}),
        ("6 ft 2 in", {"6 feet 2 in", "6 ft 2 inches", "6 feet 2 inches"}),
        ("5 to 10 kg", {"5 to 10 kilograms"}),
    ],
)
def test_units_say_the_same_in_another_way(text, expected):
    made = {after for _, after in copies_of(text, ways=["units"], copies=40)}

    assert made and made <= expected


@pytest.mark.parametrize(
    "text",
    ["2 in 1 charger", "12 in stock", "4 G network", "1,5 kg", "B12V 7", "2024 model", "5 apples"],
)
def test_what_is_no_measurement_is_left_alone(text):
    assert copies_of(text, ways=["units"], copies=10) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["12", "3.5", "A4", "in", "not", "don't", "x", "kettle", "shelf", "very"])
        | st.text(max_size=6),
        max_size=14,
    ),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_numbers_and_negations_survive_every_way_but_units(words, strength):
    def numbers(text):
        # In a script without spaces a character beside a number is a word of its own.
        return re.findall(r"[0-9A-Za-z.]*\d[0-9A-Za-z.]*", text)

    def negations(text):
        return re.findall(r"(?i)\bnot\b|\bdon't", text)

    text = " ".join(words)
    for before, after in copies_of(
        text, ways=["typos", "drop", "swap"], strength=strength, copies=3
    ):
        assert numbers(after) == numbers(before)
        assert negations(after) == negations(before)
        assert after.strip()


def test_scripts_without_spaces_change_by_the_character():
    text = "这是一个普通的句子，没有问题"
    made = copies_of(text, "日本語のテキストです", ways=["swap", "drop"], copies=10)

    assert len(made) > 10
    for before, after in made:
        assert set(after) <= set(before)


def test_empty_texts_nulls_and_numbers_have_no_copies():
    assert copies_of("", None, "   ", "12 345", "🙂", "-", copies=3) == []


def test_synonyms_keep_capitals_and_come_from_a_mapping_or_a_file(tmp_path):
    text = "Big box, BIG lid, big."
    mapping = {"big": ["large", "huge"]}
    lines, yaml = tmp_path / "s.txt", tmp_path / "s.yaml"
    lines.write_text("big, large, huge  # sizes\n", encoding="utf-8")
    yaml.write_text("big: [large, huge]\n", encoding="utf-8")

    made = copies_of(text, ways=["synonyms"], synonyms=mapping, strength=1.0, copies=20)

    assert len(made) > 3
    for _, after in made:
        assert re.fullmatch(r"(Large|Huge) box, (LARGE|HUGE) lid, (large|huge)\.", after)
    for path in (lines, yaml):
        again = copies_of(text, ways=["synonyms"], synonyms=str(path), strength=1.0, copies=20)
        assert again == made


def test_strength_is_the_share_of_words_that_change():
    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(400)]
    text = " ".join(words)

    (pair,) = copies_of(text, ways=["typos"], strength=0.2)

    changed = np.mean([a != b for a, b in zip(*map(str.split, pair), strict=True)])
    assert abs(changed - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 400)


def test_only_train_is_copied_and_only_the_rows_and_share_asked_for():
    table = numbered(
        ("train", "test"),
        t=[f"some words about kettle {chr(97 + n % 26)}" for n in range(400)],
        x=[float(n % 7) for n in range(400)],
    )

    learned = augment.text(table, columns=["t"], only="x > 3", share=0.5, copies=2)

    parents = table.filter(pl.col("_row").is_in(learned.added["_parent"].implode()))
    eligible = table.filter((pl.col("x") > 3) & (pl.col("_split") == "train")).height
    assert set(parents["_split"]) == {"train"} and parents["x"].min() > 3
    assert learned.findings["copied"] == parents.height == round(eligible / 2)
    assert learned.findings["rows"] == learned.added.height <= 2 * parents.height
    assert learned.added.unique().height == learned.added.height


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30) | st.none(), max_size=12), st.randoms(use_true_random=False))
def test_copies_do_not_depend_on_the_order_of_rows(texts, shuffle):
    table = numbered(("train", "train", "test"), t=pl.Series(texts, dtype=pl.String))
    order = list(range(len(texts)))
    shuffle.shuffle(order)
    made = [
        augment.text(one, columns=["t"], ways=WAYS, copies=2, strength=0.5)
        for one in (table, table[order])
    ]

    assert made[0].added.equals(made[1].added)
    assert made[0].findings == made[1].findings


def test_other_rows_and_smaller_parts_change_no_copy(monkeypatch):
    texts = [f"a text with several words, number {n}, about kettles" for n in range(50)]
    table = numbered(t=texts)
    whole = augment.text(table, columns=["t"], ways=WAYS).added
    monkeypatch.setattr(augment, "_CHARACTERS", 100)

    assert augment.text(table, columns=["t"], ways=WAYS).added.equals(whole)
    some = augment.text(table[:10], columns=["t"], ways=WAYS).added
    assert some.equals(whole.filter(pl.col("_parent").is_in(table["_row"][:10].implode())))


def test_a_text_of_five_megabytes_is_copied():
    text = "several plain words about kettles, 12 in. " * 120_000

    ((before, after),) = copies_of(text, ways=WAYS)

    assert before != after and len(after) > 4_000_000


# table -------------------------------------------------------------------------------------------


def correlated(count=4000, seed=0):
    draw = np.random.default_rng(seed)
    normal = draw.multivariate_normal(
        [0, 0, 0], [[1, 0.8, -0.5], [0.8, 1, -0.3], [-0.5, -0.3, 1]], count
    )
    return numbered(
        ("train", "train", "train", "test"),
        price=np.round(np.exp(normal[:, 0] + 3), 2),
        weight=stats.gamma(2).ppf(stats.norm.cdf(normal[:, 1])),
        stars=np.clip(np.round(normal[:, 2] + 3), 1, 5).astype(np.int64),
        kind=np.where(normal[:, 0] > 0.5, "dear", "cheap"),
    )


def test_a_copula_keeps_each_distribution_and_how_columns_hang_together():
    table = correlated()
    train = table.filter(pl.col("_split") == "train")

    added = augment.table(table, method="copula", n=4000).added

    for name in ("price", "weight", "stars"):
        # The 0.1 % quantile of the two-sample statistic (Smirnov 1948) at these sizes.
        limit = 1.95 * np.sqrt(1 / train.height + 1 / added.height)
        assert stats.ks_2samp(train[name], added[name], method="asymp").statistic < limit
    shares = [frame["kind"].eq("dear").mean() for frame in (train, added)]
    assert abs(shares[0] - shares[1]) < 4 * np.sqrt(0.25 * (1 / 3000 + 1 / 4000))
    for left, right in (("price", "weight"), ("price", "stars"), ("weight", "stars")):
        real = stats.spearmanr(train[left], train[right]).statistic
        made = stats.spearmanr(added[left], added[right]).statistic
        # Two standard errors of each, and what ordering ties by chance takes off the stars.
        assert abs(real - made) < 0.06 + (0.05 if "stars" in (left, right) else 0.0)


def test_a_copula_of_normal_columns_has_their_correlation():
    draw = np.random.default_rng(4)
    both = draw.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 3000)
    table = numbered(a=both[:, 0], b=both[:, 1])

    made = [augment.table(table, method="copula", n=3000, seed=seed).added for seed in range(10)]

    found = [np.corrcoef(one["a"], one["b"])[0, 1] for one in made]
    # Fisher's z has the standard error 1/sqrt(n - 3).
    error = 1 / np.sqrt(2997)
    expected = np.arctanh(np.corrcoef(both.T)[0, 1])
    assert abs(np.mean(np.arctanh(found)) - expected) < 4 * error / np.sqrt(10) + 0.01


@pytest.mark.parametrize("method", ["noise", "copula"])
def test_new_rows_keep_types_bounds_decimals_and_the_shares_of_classes(method):
    table = correlated().with_columns(yes=pl.col("stars") > 3, text=pl.lit("as the parent's"))
    train = table.filter(pl.col("_split") == "train")

    learned = augment.table(
        table, columns=["price", "stars", "yes"], target="kind", method=method, share=0.5
    )

    added = learned.added
    assert added.height == round(train.height / 2)
    assert set(added.columns) == {"_parent", "price", "stars", "yes"}
    kinds = added.select(pl.col("_parent").alias("_row"), "price", "stars").join(
        train.select("_row", "kind"), on="_row"
    )
    assert kinds.height == added.height
    for name in ("price", "stars", "yes"):
        assert added.schema[name] == table.schema[name]
    assert added["price"].equals(added["price"].round(2))
    for kind in ("dear", "cheap"):
        real, made = (frame.filter(pl.col("kind") == kind) for frame in (train, kinds))
        assert abs(made.height - real.height / 2) <= 1
        for name in ("price", "stars"):
            assert made[name].min() >= real[name].min() and made[name].max() <= real[name].max()


def test_noise_moves_numbers_by_its_strength_and_copies_rows_evenly():
    table = numbered(x=np.random.default_rng(6).normal(100, 10, 2000))

    added = augment.table(table, columns=["x"], strength=0.2, n=5000).added

    moved = added.select(pl.col("_parent").alias("_row"), "x").join(table, on="_row")
    apart = (moved["x"] - moved["x_right"]).std()
    assert apart == pytest.approx(0.2 * table["x"].std(), rel=0.1)
    copies = added["_parent"].value_counts()["count"]
    assert (copies.min(), copies.max()) == (2, 3)


def test_noise_replaces_so_many_categories_within_the_class():
    draw = np.random.default_rng(7)
    y = draw.choice(["p", "q"], 3000)
    table = numbered(y=y, kind=np.char.add(y, draw.choice(["1", "2"], 3000)))

    added = augment.table(table, target="y", strength=0.4).added

    moved = added.select(pl.col("_parent").alias("_row"), "kind").join(table, on="_row")
    assert (moved["kind"].str.head(1) == moved["y"]).all()
    # Half of those replaced get the category that they had.
    assert (moved["kind"] != moved["kind_right"]).mean() == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize("method", ["noise", "copula"])
def test_missing_cells_stay_as_frequent(method):
    draw = np.random.default_rng(8)
    x = draw.normal(size=3000)
    table = numbered(x=x, z=draw.normal(size=3000)).with_columns(
        pl.when(pl.col("z") > 0.5).then(None).otherwise("x").alias("x"),
        pl.when(pl.col("z") < -1).then(None).otherwise(pl.lit("k")).alias("kind"),
    )

    added = augment.table(table, method=method).added

    for name in ("x", "kind"):
        assert added[name].is_null().mean() == pytest.approx(table[name].is_null().mean(), abs=0.04)


def test_a_parent_of_the_copula_is_near():
    table = correlated(1200)

    added = augment.table(table, columns=["price", "weight"], method="copula").added

    parents = added.select(pl.col("_parent").alias("_row")).join(
        table, on="_row", maintain_order="left"
    )
    assert stats.spearmanr(added["price"], parents["price"]).statistic > 0.95
    assert set(parents["_split"]) == {"train"}


@pytest.mark.parametrize("method", ["noise", "copula"])
def test_a_number_as_target_is_one_class_and_moves_with_the_copula_only(method):
    table = correlated(800)

    added = augment.table(table, target="price", method=method).added

    assert ("price" in added.columns) == (method == "copula")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats() | st.none(),
            st.integers(-5, 5) | st.none(),
            st.sampled_from(["a", "b", "", None]),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from(["noise", "copula"]),
)
def test_any_table_in_any_order_makes_the_same_rows(values, shuffle, method):
    columns = {"x": pl.Float64, "n": pl.Int64, "y": pl.String}
    table = numbered(
        ("train", "test", "train"),
        **{
            name: pl.Series([row[at] for row in values], dtype=dtype)
            for at, (name, dtype) in enumerate(columns.items())
        },
    )
    order = list(range(len(values)))
    shuffle.shuffle(order)

    made = [
        augment.table(one, target="y", method=method, n=7).added for one in (table, table[order])
    ]

    if not (table["_split"] == "train").any():
        assert made == [None, None]
        return
    assert made[0].equals(made[1]) and made[0].height == 7
    assert {name: made[0].schema[name] for name in "xn"} == {"x": pl.Float64, "n": pl.Int64}


@pytest.mark.parametrize(
    "call",
    [
        lambda t: augment.text(t, columns=["x"]),
        lambda t: augment.text(t, columns=["z"]),
        lambda t: augment.text(t, columns=[]),
        lambda t: augment.text(t, columns=["s"], copies=0),
        lambda t: augment.text(t, columns=["s"], share=1.5),
        lambda t: augment.text(t, columns=["s"], strength=0.0),
        lambda t: augment.text(t, columns=["s"], ways=[]),
        lambda t: augment.text(t, columns=["s"], ways=["synonyms"]),
        lambda t: augment.text(t, columns=["s"], synonyms={"a": ["b"]}),
        lambda t: augment.text(t, columns=["s"], ways=["synonyms"], synonyms="no/such/file"),
        lambda t: augment.text(t, columns=["s"], ways=["synonyms"], synonyms={"a": [1]}),
        lambda t: augment.text(t, columns=["s"], only="z > 1"),
        lambda t: augment.table(t, n=1, share=1.0),
        lambda t: augment.table(t, n=-1),
        lambda t: augment.table(t, share=-0.5),
        lambda t: augment.table(t, strength=0.0),
        lambda t: augment.table(t, target="z"),
        lambda t: augment.table(t, columns=["z"]),
        lambda t: augment.table(t, columns=["long"]),
        lambda t: augment.table(t, target="list"),
    ],
)
def test_what_cannot_be_made_is_refused(call):
    table = numbered(x=[1.0], s=["a"], long=["word " * 40], list=[[1]])

    with pytest.raises(RecipeError):
        call(table)
