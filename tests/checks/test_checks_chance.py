"""What chance alone shows, the checks do not."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from clean_table import clean, look
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.checks._dependencies import _mu, grouped, strength
from assay.jobs.inspecting import inspect


@pytest.mark.parametrize("seed", range(6))
def test_independent_fields_depend_on_nothing(seed):
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            f"c{k}": rng.zipf(1.5, 400).clip(1, size).astype(str)
            for k, size in enumerate((4, 9, 40, 40, 130, 200))
        }
    )

    (result,) = look(frame, "dependencies").results

    assert result.status == "passed"


@pytest.mark.parametrize("seed", range(4))
def test_a_rare_answer_of_a_person_is_no_slip(seed):
    """Two in a hundred answers are "positive", whoever gives them; names depend on persons."""
    rng = np.random.default_rng(seed)
    person = rng.integers(0, 60, 900)
    frame = pl.DataFrame(
        {
            "person": [f"p{n}" for n in person],
            "name": [f"name {n % 50}" for n in person],
            "town": [f"town {n % 7}" for n in person],
            "answer": np.where(rng.random(900) < 0.02, "positive", "negative"),
        }
    )

    cells = inspect(frame, checks=["dependencies"]).cells()

    assert "answer" not in cells["field"].to_list()


def test_exceptions_that_go_with_another_field_are_a_rule_of_their_own():
    rng = np.random.default_rng(3)
    product = rng.integers(0, 12, 1200)
    country = np.where(rng.random(1200) < 0.01, "CH", "DE")
    tax = np.where(country == "CH", "8", np.where(product % 2 == 0, "19", "7"))
    frame = pl.DataFrame(
        {"product": [f"p{n}" for n in product], "country": country, "tax": [f"t{t}" for t in tax]}
    )

    assert look(frame, "dependencies").cells().is_empty()


def test_mu_is_nothing_under_independence_and_one_where_it_holds():
    """Piatetsky-Shapiro and Matheus 1993: the expected value under random assignment is 0."""
    rng = np.random.default_rng(0)
    left = rng.integers(0, 40, 600).astype(np.int32)
    drawn = [_mu(left, rng.integers(0, 5, 600).astype(np.int32)) for _ in range(300)]

    assert abs(np.mean(drawn)) < 0.01
    assert _mu(left, left % 7) == 1.0


CODES = st.lists(st.tuples(st.integers(-1, 5), st.integers(-1, 4)), min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(CODES)
def test_a_group_says_what_counting_by_hand_says(pairs):
    left, right = (np.array(side, dtype=np.int32) for side in zip(*pairs, strict=True))

    seen = grouped(left, right)

    for row, (group, _) in enumerate(pairs):
        others = [b for a, b in pairs if a == group >= 0 and b >= 0]
        assert seen.size[row] == len(others)
        assert seen.votes[row] == max((others.count(b) for b in others), default=0)
        if others:
            assert others.count(seen.ruling[row]) == seen.votes[row]


def test_a_dependency_with_slips_is_as_strong_as_one_without():
    left = np.arange(600, dtype=np.int32) % 30
    right = (left % 11).astype(np.int32)
    slips = right.copy()
    slips[:20] = np.arange(100, 120)
    every = np.ones(600, np.bool_)

    assert strength(left, slips, every) == strength(left, right, every) == 1.0
    assert strength(left, slips, ~every) < 1.0


def test_files_of_one_kind_do_not_drift_and_a_shifted_one_does(tmp_path):
    """Of 40 draws at a level of 1 % few may show a difference, and the shifted field always."""
    false = 0
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        whole = clean(600, seed=seed)
        for n in range(3):
            part = whole[200 * n : 200 * (n + 1)]
            if n == 2:
                part = part.with_columns((pl.col("price").cast(pl.Float64) + 6).cast(pl.String))
            part.write_csv(folder / f"{n}.csv")
        shifted = {one.field for one in inspect(folder, checks=["files"]).results[0].findings}
        assert "price" in shifted
        false += len(shifted - {"price"})

    assert false <= 2


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("tabular/german.csv", 0),
        ("tabular/ai4i2020.csv", 0),
        ("tabular/loans.csv", 4),
        ("tabular/adult-train.csv", 5),
    ],
)
def test_real_tables_raise_few_alarms(shared_data, name, most):
    """Warnings and errors about fields and relations, but for plainly missing values."""
    from assay.checks._running import code_of
    from assay.component import catalogue

    codes = {check: code_of(one).code for check, one in catalogue("checks").items()}
    wanted = [check for check, code in codes.items() if code[:2] in ("F1", "F2") and code != "F101"]

    seen = inspect(shared_data(name), checks=wanted)

    alarms = [
        (result.check, one.field)
        for result in seen.results
        for one in result.findings
        if result.severity(one) != "note"
    ]
    assert len(alarms) <= most, alarms


@pytest.mark.parametrize(("name", "least"), [("hospital", 0.98), ("beers", 0.99)])
def test_wrong_cells_of_real_tables_are_found(shared_data, name, least):
    dirty = shared_data(f"errors/{name}_dirty.csv")
    rows, right = (
        pl.read_csv(path, infer_schema_length=0)
        for path in (dirty, shared_data(f"errors/{name}_clean.csv"))
    )
    truth = {
        (row, here)
        for here, there in zip(rows.columns, right.columns, strict=True)
        for row in (rows[here].fill_null("") != right[there].fill_null("")).arg_true()
    }
    wanted = [
        "disguised",
        "wrong_type",
        "mixed_units",
        "patterns",
        "spellings",
        "typos",
        "dependencies",
        "swallowed",
    ]

    cells = inspect(dirty, checks=wanted).cells().filter(pl.col("severity") != "note")

    found = set(cells.select("row", "field").iter_rows())
    f1 = 2 * len(found & truth) / (len(found) + len(truth))
    assert f1 >= least


@pytest.mark.parametrize("many", list(itertools.product([40, 300], [False, True])))
def test_hostile_frames_give_a_result(many):
    rows, nulls = many
    odd = [
        "\u4e2d\u6587",
        "\u0627\u0644\u0639",
        "\U0001f600",
        "",
        " ",
        "NaN",
        "inf",
        "1e400",
        "\x00",
        None,
    ]
    frame = pl.DataFrame(
        {
            "odd": [odd[n % len(odd)] for n in range(rows)],
            "floats": [(float("nan"), float("inf"), 1.0, None)[n % 4] for n in range(rows)],
            "nothing": [None] * rows if nulls else ["x"] * rows,
            "lists": [[1, 2]] * rows,
            "flags": [n % 2 == 0 for n in range(rows)],
        }
    )
    mine = [name for name in MINE if name != "near_duplicates"]

    seen = inspect(frame, target="flags", checks=mine)

    assert all(result.status != "skipped" for result in seen.results)


MINE = (
    "missing",
    "disguised",
    "constant",
    "near_unique",
    "copied",
    "wrong_type",
    "mixed_units",
    "mixed_scales",
    "mixed_formats",
    "patterns",
    "impossible",
    "rare",
    "spellings",
    "typos",
    "encoding",
    "invisible",
    "dependencies",
    "swallowed",
    "classes",
    "groups",
    "files",
    "duplicates",
    "near_duplicates",
)
