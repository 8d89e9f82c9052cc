"""Row identity and keyed randomness."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from assay.errors import RecipeError
from assay.rows import (
    content_hash,
    evaluate_expression,
    hex_ids,
    key_hash,
    row_ids,
    text_hash,
    uniform,
)

quick = settings(max_examples=50, deadline=None)
CELL = st.none() | st.text(max_size=8)
UINT64 = st.integers(0, 2**64 - 1)


def ids(count: int, start: int = 0) -> np.ndarray:
    """Hashes as the build makes them."""
    return text_hash(pl.Series([str(n) for n in range(start, start + count)])).to_numpy()


# uniform ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "purpose"), [(0, "split"), (7, "sample"), (2**63, "")])
def test_uniform_is_uniform_for_hashed_rows(seed, purpose):
    drawn = uniform(ids(20_000), seed, purpose)

    assert stats.kstest(drawn, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("step", [1, 2**20, 2**44], ids=["counter", "middle bits", "high bits"])
def test_uniform_is_uniform_even_for_rows_that_are_no_hashes(step):
    rows = np.arange(20_000, dtype=np.uint64) * np.uint64(step)

    assert stats.kstest(uniform(rows, 7, "split"), "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("first", "second"),
    [((0, "split"), (0, "sample")), ((0, "split"), (1, "split")), ((1, "1"), (11, ""))],
    ids=["purposes", "seeds", "no run-together of seed and purpose"],
)
def test_draws_for_other_purposes_and_seeds_are_independent(first, second):
    rows = ids(20_000)
    a, b = uniform(rows, *first), uniform(rows, *second)

    counts, _, _ = np.histogram2d(a, b, bins=10, range=[[0, 1], [0, 1]])

    assert abs(stats.spearmanr(a, b).statistic) < 4 / np.sqrt(len(rows))
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


def test_neighbouring_rows_are_independent():
    drawn = uniform(np.arange(20_000, dtype=np.uint64), 0, "split")

    assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / np.sqrt(len(drawn))


@quick
@given(st.lists(UINT64, min_size=1, max_size=30), st.integers(), st.text(max_size=10), st.randoms())
def test_uniform_depends_on_the_row_and_not_on_its_place(values, seed, purpose, random):
    order = list(range(len(values)))
    random.shuffle(order)
    rows = np.array(values, dtype=np.uint64)

    drawn = uniform(rows, seed, purpose)

    assert (uniform(rows[order], seed, purpose) == drawn[order]).all()
    assert (uniform(pl.Series(values, dtype=pl.UInt64), seed, purpose) == drawn).all()
    assert ((drawn > 0) & (drawn < 1)).all()


def test_uniform_stays_as_it_is_for_ever():
    drawn = uniform(np.array([0, 1, 2**64 - 1], dtype=np.uint64), 7, "split")

    assert drawn.tolist() == [0.786482093357173, 0.47549026185963644, 0.5097087546131729]


def test_uniform_of_no_rows_is_empty():
    assert uniform(np.array([], dtype=np.uint64), 0, "x").shape == (0,)


# hashes -----------------------------------------------------------------------------------------


@quick
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=10))
def test_content_hash_ignores_the_order_of_columns_and_columns_that_are_null(rows):
    frame = pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row")

    plain = content_hash(frame)

    assert content_hash(frame.select("b", "a")).equals(plain)
    assert content_hash(frame.with_columns(late=pl.lit(None, pl.String))).equals(plain)
    assert plain.dtype == pl.UInt64 and plain.null_count() == 0


@quick
@given(st.tuples(CELL, CELL, CELL), st.tuples(CELL, CELL, CELL))
def test_content_hash_differs_whenever_the_content_does(one, other):
    columns = {"a": pl.String, "b": pl.String, "c": pl.String}
    frame = pl.DataFrame([one, other], schema=columns, orient="row")

    hashes = content_hash(frame)

    assert (hashes[0] == hashes[1]) == (one == other)


def test_content_hash_tells_null_from_empty_and_column_from_column():
    frame = pl.DataFrame({"a": ["x", None, "", None], "b": [None, "x", None, None]})

    assert content_hash(frame).n_unique() == 4


def test_content_hash_cannot_be_forged_with_separators():
    frame = pl.DataFrame({"a": ["x\x1fb\x1ey", "x"], "b": [None, "y"]})

    assert content_hash(frame).n_unique() == 2


@quick
@given(st.lists(st.integers(-(2**31), 2**31), min_size=1, max_size=10))
def test_content_hash_is_the_same_for_integers_whole_floats_and_their_text(values):
    as_integers = pl.DataFrame({"n": values})

    hashes = content_hash(as_integers)

    assert content_hash(pl.DataFrame({"n": [str(value) for value in values]})).equals(hashes)
    assert content_hash(as_integers.cast(pl.Float64)).equals(hashes)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([[1, 2], [1], [], None], dtype=pl.List(pl.Int64)),
        pl.Series([{"a": 1}, {"a": 2}, {"a": None}, None]),
        pl.Series([[{"a": "x"}], [{"a": "y"}], [], None]),
        pl.Series([b"a", b"b", b"", None], dtype=pl.Binary),
        pl.Series([True, False, None, None]),
        pl.Series([1.5, float("nan"), float("inf"), None]),
    ],
    ids=["lists", "objects", "lists of objects", "bytes", "booleans", "floats"],
)
def test_content_hash_takes_every_type(column):
    frame = column.alias("x").to_frame()

    assert content_hash(frame).n_unique() == column.n_unique()


def test_content_hash_without_columns_or_rows():
    assert content_hash(pl.DataFrame({"a": []}, schema={"a": pl.String})).len() == 0
    assert content_hash(pl.DataFrame({"a": ["x"]}), []).len() == 1


def test_key_hash_is_wide_and_null_only_where_every_key_is():
    frame = pl.DataFrame({"a": ["x", "x", None, None], "b": ["y", None, "y", None]})

    hashes = key_hash(frame, ["a", "b"])

    assert hashes.dtype == pl.UInt128
    assert hashes.is_null().to_list() == [False, False, False, True]
    assert hashes.n_unique() == 4


def test_row_ids_prefer_the_build_s_then_the_user_s_then_the_content():
    frame = pl.DataFrame({"x": ["a", "b"]})
    named = frame.with_columns(row_id=pl.Series(["k1", "k2"]))
    built = named.with_columns(_row=pl.Series([1, 2], dtype=pl.UInt64))

    assert row_ids(built).to_list() == [1, 2]
    assert row_ids(named).equals(text_hash(named["row_id"]))
    assert row_ids(frame).equals(content_hash(frame))


@quick
@given(st.lists(UINT64, max_size=20))
def test_hex_ids_are_sixteen_digits_and_read_back_as_the_number(values):
    texts = hex_ids(pl.Series(values, dtype=pl.UInt64)).to_list()

    assert all(len(text) == 16 for text in texts)
    assert [int(text, 16) for text in texts] == values


def test_hex_ids_of_a_slice():
    rows = pl.Series([1, 255, 4096], dtype=pl.UInt64)

    assert hex_ids(rows[1:]).to_list() == ["00000000000000ff", "0000000000001000"]


# expressions ------------------------------------------------------------------------------------


def test_an_expression_is_evaluated_for_each_row():
    frame = pl.DataFrame({"price": [1.0, 9.0, None], "title": ["a", None, "c"]})

    assert evaluate_expression(frame, "price > 5 OR title IS NULL").to_list() == [False, True, None]


def test_a_column_of_the_expression_s_own_name_is_its_value():
    frame = pl.DataFrame({"price * 2": [4.0]})

    value = evaluate_expression(frame, "price * 2", name="weight")

    assert value.to_list() == [4.0]
    assert value.name == "weight"


def test_cases_of_text_are_expressions_too():
    frame = pl.DataFrame({"price": [2.0, 2.0], "kind": ["a", None]})

    weight = "price * CASE kind WHEN 'a' THEN 0.5 ELSE 1 END"

    assert evaluate_expression(frame, weight).to_list() == [1.0, 2.0]


def test_an_unknown_column_is_refused_with_the_nearest():
    with pytest.raises(RecipeError, match="did you mean 'price'") as caught:
        evaluate_expression(pl.DataFrame({"price": [1.0]}), "pric > 5")

    assert caught.value.received == "pric > 5"


@pytest.mark.parametrize("expression", ["price >", "price ==== 2", "SELECT 1 FROM x", ")", ""])
def test_what_is_not_an_expression_is_refused(expression):
    with pytest.raises(RecipeError, match="SQL expression"):
        evaluate_expression(pl.DataFrame({"price": [1.0]}), expression)


@pytest.mark.parametrize("expression", ["title > 5", "price + title"])
def test_an_expression_of_the_wrong_types_is_refused(expression):
    frame = pl.DataFrame({"price": [1.0], "title": ["a"]})

    with pytest.raises(RecipeError, match="cannot be evaluated"):
        evaluate_expression(frame, expression)


@pytest.mark.parametrize("expression", ["5 > 3", "TRUE", "1"])
def test_an_expression_without_columns_has_one_value_a_row(expression):
    frame = pl.DataFrame({"price": [1.0, 2.0, 3.0]})

    assert evaluate_expression(frame, expression).len() == 3


@pytest.mark.parametrize("expression", ["SUM(price) > 3", "price > AVG(price)", "COUNT(*) > 2"])
def test_an_expression_over_many_rows_is_refused(expression):
    frame = pl.DataFrame({"price": [1.0, 2.0, 3.0]})

    with pytest.raises(RecipeError):
        evaluate_expression(frame, expression)
