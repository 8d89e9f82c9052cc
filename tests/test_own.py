"""A user's own functions: switched on by the caller, never by a recipe."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import assay
from assay.component import Column, Decisions, Rows
from assay.errors import RecipeError

FILE = '''
import numpy as np
import polars as pl
from assay.component import Column, Rows
from assay.evaluation.scored import LowerIsBetter, Scored, mean


def shout(rows: Rows, *, column: Column) -> Rows:
    """Write a column in capitals."""
    return rows.with_columns(pl.col(column).str.to_uppercase())


def worst(scored: Scored, weights: np.ndarray) -> LowerIsBetter:
    """The mean of the cubed errors."""
    return mean(np.abs(scored.prediction - scored.truth) ** 3, weights)
'''
FRAME = pl.DataFrame({"word": ["a", "b", "cc"] * 20, "n": [float(n) for n in range(60)]})


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def drop_long(rows: Rows, *, column: Column, most: int = 1) -> Decisions:
    """Set long words aside."""
    length = pl.col(column).str.len_chars()
    return rows.select(
        pl.when(length > most).then(pl.lit("long")).alias("rule"),
        length.cast(pl.Float64).alias("value"),
        pl.lit(most, dtype=pl.Float64).alias("threshold"),
    )


def test_a_file_s_functions_can_be_named_when_the_caller_says_so(
    mine: Path, tmp_path: Path
) -> None:
    paths = [tmp_path / f"{n}.csv" for n in range(2)]
    for path in paths:
        FRAME.write_csv(path)
    recipe = {
        "name": "t",
        "source": [str(path) for path in paths],
        "steps": [{"mine.shout": {"column": "word"}}],
    }

    version = assay.build(recipe, out=tmp_path / "v", functions=[mine], workers=2)

    assert set(version.to_polars()["word"]) == {"A", "B", "CC"}


def test_a_recipe_alone_switches_nothing_on(mine: Path, tmp_path: Path) -> None:
    recipe = {"name": "t", "source": FRAME, "steps": [{"mine.shout": {"column": "word"}}]}

    with pytest.raises(RecipeError, match=r"there is no 'mine\.shout'"):
        assay.build(recipe, out=tmp_path)


def test_a_function_is_a_step_and_its_decisions_are_in_the_ledger(tmp_path: Path) -> None:
    recipe = {"name": "t", "source": FRAME, "steps": [{"test_own.drop_long": {"column": "word"}}]}

    version = assay.build(recipe, out=tmp_path, functions=[drop_long])

    assert version.rows["reasons"] == {"test_own.drop_long: long": 20}


def test_a_changed_function_does_its_work_again(mine: Path, tmp_path: Path) -> None:
    recipe = {"name": "t", "source": FRAME, "steps": [{"mine.shout": {"column": "word"}}]}
    assay.build(recipe, out=tmp_path / "v", functions=[mine])
    mine.write_text(FILE.replace("to_uppercase", "to_titlecase"))

    version = assay.build(recipe, out=tmp_path / "v", functions=[mine])

    assert set(version.to_polars()["word"]) == {"A", "B", "Cc"}


def test_a_metric_of_one_s_own_gets_its_interval(mine: Path, tmp_path: Path) -> None:
    recipe = {
        "name": "t",
        "source": FRAME,
        "target": "n",
        "steps": ["split.random"],
        "models": ["constant"],
        "metrics": ["worst"],
    }

    outcome = assay.run(recipe, out=tmp_path / "v", functions=[mine])

    assert outcome.evaluation is not None
    assert outcome.evaluation.scores[0].metric == "worst"


def test_a_function_that_does_not_say_what_it_is_for_is_refused(tmp_path: Path) -> None:
    def mystery(frame: pl.DataFrame) -> pl.DataFrame:
        return frame

    with pytest.raises(RecipeError, match="does not say what the function is for"):
        assay.build({"name": "t", "source": FRAME}, out=tmp_path, functions=[mystery])
