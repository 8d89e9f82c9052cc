"""Duplicates by meaning: as near duplicates, but by vectors."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.errors import RecipeError
from assay.steps import dedup

TEXTS = st.lists(st.sampled_from(["red", "kettle", "steel", "lamp", "tax"]), max_size=5).map(
    " ".join
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(TEXTS | st.none(), max_size=12),
    st.sampled_from([0.6, 0.9]),
    st.randoms(use_true_random=False),
)
def test_invariants(texts, threshold, shuffle):
    table = pl.DataFrame({"t": texts}, {"t": pl.String}).with_columns(
        _row=pl.int_range(len(texts), dtype=pl.UInt64) * 7919 % 101
    )
    asked = {"columns": ["t"], "threshold": threshold, "most": 1.0}
    order = list(range(len(texts)))
    shuffle.shuffle(order)

    result = dedup.semantic(table, **asked)

    assert dedup.semantic(table[order], **asked).equals(result[order])
    goes = result["rule"].is_not_null()
    kept = table.filter(~goes)
    assert set(result["twin"].drop_nulls()) <= set(kept["_row"])
    assert (result["value"].drop_nulls() >= threshold).all()
    assert dedup.semantic(kept, **asked)["rule"].null_count() == len(kept)


def test_words_in_another_order_mean_the_same():
    texts = ["the red kettle made of steel", "made of steel, the red kettle", "income tax law"]

    result = dedup.semantic(pl.DataFrame({"t": texts}), columns=["t"], threshold=0.8)

    assert result["rule"].count() == 1
    assert result["rule"][2] is None
    assert 0.8 <= result["value"].drop_nulls()[0] < 1


def test_a_crowd_settles():
    rng = np.random.default_rng(0)
    template = " ".join(f"word{n}" for n in range(60))
    texts = [f"{template} {n}" for n in rng.permutation(1_000)]

    result = dedup.semantic(pl.DataFrame({"t": texts}), columns=["t"], most=1.0)

    assert result["rule"].null_count() == 1


@pytest.mark.parametrize(
    "asked",
    [{"model": "hashd"}, {"threshold": 2.0}, {"most": -1.0}, {"dimensions": 0}, {"columns": []}],
)
def test_what_cannot_be_is_refused(asked):
    with pytest.raises(RecipeError):
        dedup.semantic(pl.DataFrame({"t": ["a", "b"]}), **({"columns": ["t"]} | asked))
