"""Names of columns and recipes that get in the way elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import assay
from assay.errors import AssayError, RecipeError
from conftest import HALVES

NAMES = [
    "a b",
    "a.b",
    'a"b',
    "a'b",
    "a/b",
    "../b",
    "a|b",
    "a\nb",
    " ",
    "{a}",
    "ünï 日本",
    "x" * 3000,
    *("n", "len", "value", "rule", "step", "split", "model", "prediction", "proba_x"),
    *("target", "_target", "values", "literal", "error", "seconds"),
]


def frame_with(*names: str) -> pl.DataFrame:
    return pl.DataFrame({name: [f"v{n % 3}" for n in range(30)] for name in names}).with_columns(
        pl.Series("y", [float(n) for n in range(30)])
    )


def test_a_column_may_have_any_name(
    run: Callable[..., Any], build: Callable[..., assay.Version]
) -> None:
    steps = [{"clean.text": {"columns": NAMES}}, {"dedup.exact": {"columns": [*NAMES, "y"]}}]

    outcome = run(frame_with(*NAMES), steps=[*steps, HALVES], exports=["jsonl", "csv"])

    frame = outcome.version.to_polars()
    assert frame.columns == ["row_id", *NAMES, "y"]
    assert frame.height == 30
    assert [model.error for model in outcome.evaluation.models] == [None, None]
    exported = str(outcome.version.path / "exports" / "jsonl")
    again = build(exported, id="row_id")
    assert set(again.to_polars().columns) == set(frame.columns)


@pytest.mark.parametrize("name", ["_row", "_split", "_text", "_index", "\x1f2\x1fy"])
def test_a_column_named_like_one_of_ours_is_refused(
    build: Callable[..., assay.Version], name: str
) -> None:
    with pytest.raises(RecipeError, match="is taken by assay") as caught:
        build(frame_with(name))

    assert caught.value.hint == "rename it in the source"


def test_row_id_is_a_key_or_is_refused(build: Callable[..., assay.Version]) -> None:
    frame = pl.DataFrame({"row_id": ["a", "b"], "n": [1, 2]})

    with pytest.raises(RecipeError, match="set `id: row_id` if it is the key"):
        build(frame)

    assert sorted(build(frame, id="row_id").to_polars()["row_id"]) == ["a", "b"]


@pytest.mark.parametrize("name", ["../up", "a/b", "..", "", ".hidden", "a\n", "x" * 101, "a b"])
def test_a_recipe_name_that_is_no_folder_name_is_refused(
    build: Callable[..., assay.Version], out: Path, name: str
) -> None:
    with pytest.raises(AssayError, match="name"):
        build(frame_with("a"), name=name)

    assert not out.parent.joinpath("up").exists()
    assert not out.exists()
