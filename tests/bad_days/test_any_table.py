"""What holds for any table and any recipe over it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import assay
from assay.errors import RecipeError

WORDS = st.one_of(
    st.none(), st.sampled_from(["", "a", "b ", "<i>é</i>", "=1", "x" * 40]), st.text()
)
TABLES = st.lists(
    st.fixed_dictionaries(
        {
            "t": WORDS,
            "g": st.sampled_from(["p", "q", "r", None]),
            "n": st.one_of(st.none(), st.integers(-5, 5)),
            "y": st.one_of(st.none(), st.floats()),
        }
    ),
    min_size=1,
    max_size=25,
)
STEPS = st.lists(
    st.sampled_from(
        [
            {"clean.text": {"columns": ["t"]}},
            {"keep.length": {"column": "t", "min": 1}},
            {"keep.where": {"where": "n > -3"}},
            {"dedup.exact": {"columns": ["t"]}},
            {"dedup.exact": {"columns": ["g", "n"]}},
            {"sample.cap": {"by": "g", "at_most": 4}},
        ]
    ),
    max_size=4,
)
SPLITS = st.sampled_from(
    [
        {"split.random": {"train": 0.6, "validation": 0.2, "test": 0.2}},
        {"split.grouped": {"groups": "g", "train": 0.5, "validation": 0, "test": 0.5}},
        {"split.stratified": {"by": "n", "train": 0.5, "validation": 0.2, "test": 0.3}},
    ]
)
FIELDS = {
    "t": {"type": "string"},
    "g": {"type": "string"},
    "n": {"type": "integer", "min": -4},
    "y": {"type": "number"},
}


def made(source: Any, steps: list[Any], folder: str) -> assay.Version | None:
    recipe = {"name": "any", "source": source, "fields": FIELDS, "steps": steps, "seed": 3}
    try:
        return assay.build(recipe, out=Path(folder) / "versions", workers=1)
    except RecipeError as refused:
        assert "No row is left" in str(refused)
        return None


QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(rows=TABLES, steps=STEPS, split=SPLITS)
def test_rows_add_up_and_groups_stay_whole(rows: list[Any], steps: list[Any], split: Any) -> None:
    frame = pl.DataFrame(
        rows, schema={"t": pl.String, "g": pl.String, "n": pl.Int64, "y": pl.Float64}
    )
    with tempfile.TemporaryDirectory() as folder:
        version = made(frame, [*steps, split], folder)
        if version is None:
            return
        kept, aside = version.to_polars(), version.quarantine()
        told = set(version.ledger().collect()["row_id"])
        homes = pl.concat(
            [version.to_polars(name).with_columns(home=pl.lit(name)) for name in version.splits]
        )

    counts = version.rows
    assert counts["read"] == len(rows) == counts["kept"] + counts["set_aside"]
    assert sum(counts["reasons"].values()) == counts["set_aside"] == aside.height
    ids = [*kept["row_id"], *(aside["row_id"] if aside.height else [])]
    assert len(ids) == len(set(ids)) == len(rows)
    assert set(ids) == told
    assert homes["row_id"].is_unique().all()
    if "split.grouped" in split:
        spread = homes.drop_nulls("g").group_by("g").agg(pl.col("home").n_unique())
        assert spread["home"].max() in (None, 1)


@QUICK
@given(rows=TABLES, steps=STEPS, split=SPLITS, seed=st.randoms(use_true_random=False))
def test_the_order_of_rows_and_files_is_nothing(
    rows: list[Any], steps: list[Any], split: Any, seed: Any
) -> None:
    shuffled = seed.sample(rows, len(rows))
    half = len(rows) // 2
    schema = {"t": pl.String, "g": pl.String, "n": pl.Int64, "y": pl.Float64}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        pl.DataFrame(rows, schema=schema).write_parquet(Path(one) / "all.parquet")
        pl.DataFrame(shuffled[:half], schema=schema).write_parquet(Path(two) / "z.parquet")
        pl.DataFrame(shuffled[half:], schema=schema).write_parquet(Path(two) / "a.parquet")

        first = made(str(Path(one) / "*.parquet"), [*steps, split], one)
        second = made(str(Path(two) / "*.parquet"), [*steps, split], two)

        assert (first is None) == (second is None)
        if first is not None and second is not None:
            assert first.manifest["hash"] == second.manifest["hash"]
            assert first.rows == second.rows


def test_two_workers_make_what_one_makes(good: pl.DataFrame, tmp_path: Path) -> None:
    for number in range(3):
        good.slice(number * 13, 13).write_parquet(tmp_path / f"{number}.parquet")
    recipe = {"name": "t", "source": str(tmp_path / "*.parquet"), "steps": ["split.random"]}

    one, two = (assay.build(recipe, out=tmp_path / str(n), workers=n) for n in (1, 2))

    assert one.manifest["hash"] == two.manifest["hash"]
    assert one.to_polars().equals(two.to_polars())
