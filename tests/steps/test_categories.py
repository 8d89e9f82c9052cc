"""One spelling for each category: slips are found, and different things stay different."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import clean


def spelled(values, **parameters):
    table = pl.DataFrame({"c": pl.Series(values, dtype=pl.String)})
    return clean.categories(table, columns=["c"], **parameters).changed["c"].to_list()


@pytest.mark.parametrize(
    "other",
    [
        "new york", "NEW YORK", " New  York ", "New-York", "New\u00a0York", "new_york", "New York.",
        "Ｎew York", "Néw York", "new\u200b york", "New Yorkk", "NewYork",
    ],
)  # fmt: skip
def test_other_spellings_become_the_frequent_one(other):
    assert spelled([*["New York"] * 30, other])[-1] == "New York"


@pytest.mark.parametrize(
    ("frequent", "rare"),
    [
        ("North Carolina", "South Carolina"),
        ("typical", "atypical"),
        ("hypertension", "hypotension"),
        ("Male", "Mule"),
        ("<=50K", ">50K"),
        ("A", "A-"),
        ("C", "C++"),
        ("C", "C#"),
        ("1.5", "15"),
        ("size 10", "size 11"),
        ("2019", "2018"),
        ("-1", "1"),
        ("married", "unmarried"),
        ("ハ", "バ"),
        ("कि", "की"),
        ("New York", "Nwe York"),
        ("+", "-"),
        ("", " "),
    ],
)
def test_different_things_stay_different(frequent, rare):
    assert spelled([*[frequent] * 500, rare])[-1] == rare


def test_a_slip_must_be_rare_enough_and_lead_to_one_category_only():
    assert spelled([*["Berlin"] * 40, *["Berlim"] * 5])[-1] == "Berlim"
    assert spelled([*["Berlin"] * 40, *["Berlim"] * 5], ratio=8)[-1] == "Berlin"
    assert spelled([*["Berlin"] * 40, *["Bermin"] * 40, "Bervin"])[-1] == "Bervin"
    assert spelled([*["Berlin"] * 40, "Berlim"], typos=False)[-1] == "Berlim"


def test_a_slip_of_a_slip_leads_to_the_category():
    values = [*["Philadelphia"] * 400, *["Philadelfhia"] * 20, "Philadelfia"]

    assert set(spelled(values)) == {"Philadelphia"}


def test_the_map_overrules_and_its_targets_stay():
    values = [*["Berlin"] * 40, "berlin", "Berlim", "NYC", "nyc", "New York", "Sankt Pölten"]
    given_map = {"c": {"Berlim": "Berlim", "NYC": "New York City", "Sankt Pölten": "St. Pölten"}}

    found = spelled(values, map=given_map)[40:]

    assert found == ["Berlin", "Berlim", *["New York City"] * 2, "New York", "St. Pölten"]


def test_other_splits_follow_train_and_teach_nothing():
    table = pl.DataFrame(
        {
            "c": [*["Berlin"] * 20, "berlin", *["BERLIN"] * 100, "Berlim", "Oslo", *["oslo"] * 9],
            "_split": ["train"] * 21 + ["test"] * 101 + ["train", *["test"] * 9],
        }
    )

    learned = clean.categories(table, columns=["c"])

    assert learned.changed["c"].to_list() == ["Berlin"] * 122 + ["Oslo"] * 10
    assert learned.findings["c"]["rows"] == {"BERLIN": 100, "Berlim": 1, "berlin": 1, "oslo": 9}
    assert learned.findings["c"]["why"]["Berlim"] == "typo"


def test_the_known_wrong_cells_of_hospital_are_repaired_without_a_wrong_change(shared_data):
    dirty, right = (
        pl.read_csv(shared_data(f"errors/hospital_{name}.csv"), infer_schema=False)
        for name in ("dirty", "clean")
    )
    columns = ["city", "condition", "type", "name", "owner"]

    changed = clean.categories(dirty, columns=columns).changed

    for name, original in zip(dirty.columns, right.columns, strict=True):
        if name in columns:
            touched = changed[name] != dirty[name]
            assert (changed[name] == right[original]).filter(touched).all()
            assert touched.sum() > (dirty[name] != right[original]).sum() / 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["Berlin", "berlin", "Berlim", "BERLIN ", "Bern", "", "Ümlaut", "Umlaut"])
        | st.text(max_size=8)
        | st.none(),
        max_size=30,
    ),
    st.randoms(use_true_random=False),
)
def test_it_settles_and_does_not_depend_on_order(values, shuffle):
    order = list(range(len(values)))
    shuffle.shuffle(order)

    once = spelled(values, ratio=2)

    assert spelled([values[n] for n in order], ratio=2) == [once[n] for n in order]
    assert [value is None for value in once] == [value is None for value in values]
    assert set(filter(None, once)) <= set(filter(None, values))
    assert spelled(once, typos=False) == once


@pytest.mark.parametrize("values", [[], [None, None], [""], ["one"]])
def test_tables_without_anything_to_learn_stay(values):
    assert spelled(values) == values


@pytest.mark.parametrize(
    "call",
    [
        lambda t: clean.categories(t, columns=["z"]),
        lambda t: clean.categories(t, columns=["x"]),
        lambda t: clean.categories(t, columns=["s"], ratio=0.5),
        lambda t: clean.categories(t, columns=["s"], map={"x": {"a": "b"}}),
    ],
)
def test_what_cannot_be_done_is_refused(call):
    with pytest.raises(RecipeError):
        call(pl.DataFrame({"x": [1.0], "s": ["a"]}))
