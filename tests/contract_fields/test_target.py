"""What is learned, and from what."""

from __future__ import annotations

import polars as pl
import pytest

from assay.contract.infer import infer
from assay.contract.target import study
from assay.errors import RecipeError

COUNT = 100


def task(target="y", **columns):
    columns = {"x": [str(n * 37 % 91) for n in range(COUNT)], **columns}
    return study(infer(pl.DataFrame(columns)), target)


def cycle(*values):
    return [values[n * n % 97 % len(values)] for n in range(COUNT)]


@pytest.mark.parametrize(
    ("name", "values", "kind", "sure"),
    [
        ("y", cycle("ham", "spam"), "class", True),
        ("y", cycle("1", "0"), "class", True),
        ("y", [f"{n}.5" for n in range(COUNT)], "number", True),
        ("y", [str(n) for n in range(COUNT)], "number", True),
        ("rating", cycle("1", "2", "3", "4", "5"), "number", False),
        ("condition_label", cycle("1", "2", "3", "4", "5"), "class", False),
    ],
)
def test_the_kind_of_a_target(name, values, kind, sure):
    found = task(name, **{name: values})

    assert (found.kind, found.sure) == (kind, sure)


@pytest.mark.parametrize(
    ("classes", "positive"),
    [(("0", "1"), "1"), (("yes", "no"), "true"), (("1", "1", "2"), "2"), (("a", "b", "b"), "a")],
)
def test_of_two_classes_one_is_positive(classes, positive):
    assert task(y=cycle(*classes)).positive == positive


def test_columns_that_give_the_target_away_are_left_out():
    number = [str(n * 7919 % 1000) for n in range(COUNT)]
    found = task(
        y=number,
        same=number,
        cents=[str(int(n) * 100) for n in number],
        minus=[str(-int(n)) for n in number],
        near=[str(int(n) // 7) for n in number],
    )

    assert found.inputs == ["x", "near"]
    assert set(found.left_out) == {"same", "cents", "minus"}


def test_a_code_of_the_class_is_left_out():
    found = task(y=cycle("red", "blue", "red"), code=cycle("r", "b", "s"))

    assert found.inputs == ["x"]


def test_a_value_that_only_the_rare_class_has_is_suspect():
    failed = ["1" if n % 5 == 0 else "0" for n in range(200)]
    rows = pl.DataFrame(
        {
            "x": [str(n % 3) for n in range(200)],
            "cause": ["heat" if n % 10 == 0 else "none" for n in range(200)],
            "y": failed,
        }
    )

    found = study(infer(rows), "y")

    assert list(found.suspects) == ["cause"]
    assert "cause" in found.inputs


def test_prices_are_told_by_name_or_unit():
    amounts = [f"{n}.99" for n in range(COUNT)]

    assert task("price", price=amounts).price
    assert task(y=[f"${amount}" for amount in amounts]).price
    assert not task(y=amounts).price
    assert not task("price", price=[f"{n - 5}.5" for n in range(COUNT)]).price


def test_ids_groups_and_constants_are_no_inputs():
    found = task(
        y=cycle("a", "b"),
        user_id=[str(n % 9) for n in range(COUNT)],
        id=[f"r{n}" for n in range(COUNT)],
        shop=["one"] * COUNT,
    )

    assert found.inputs == ["x"]
    assert set(found.left_out) == {"user_id", "id", "shop"}


def test_without_a_target_nothing_is_learned():
    assert task(None).target is None


@pytest.mark.parametrize(
    ("target", "values", "message"),
    [
        ("yy", cycle("a", "b"), "no column 'yy'"),
        ("y", ["a"] * COUNT, "one value"),
        ("y", [None] * COUNT, "no value"),
        ("y", [f"text number {n}" for n in range(COUNT)], "neither a number nor a class"),
        ("y", [f"2020-01-01T00:00:{n % 60:02d}" for n in range(COUNT)], "neither"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(target, values, message):
    with pytest.raises(RecipeError, match=message):
        task(target, y=values)


def test_a_target_with_nothing_to_learn_from_is_refused():
    rows = pl.DataFrame({"id": [str(n) for n in range(COUNT)], "y": cycle("a", "b")})

    with pytest.raises(RecipeError, match="No column is left"):
        study(infer(rows), "y")
