"""Predictions of people, of files and of programs."""

from __future__ import annotations

import sys

import numpy as np
import polars as pl
import pytest
from classroom import training

import assay
from assay.building.build import build
from assay.cache import Cache
from assay.errors import ModelError, RecipeError
from assay.evaluation.fitting import evaluate_version
from assay.models._commands import allowing_commands
from assay.models.outside import command, file, people
from assay.recipe import load

ROWS = pl.DataFrame({"row_id": ["a", "b", "c"], "text": ["one", "two", 'three, "3"']})
NUMBERS = training(pl.DataFrame({"text": ["x"] * 4}), [1.0, 2.0, 3.0, 4.0], {"text": "string"})
CLASSES = training(pl.DataFrame({"text": ["x"] * 4}), ["no", "yes"] * 2, {"text": "string"})
ECHO = """
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps({"row_id": row["row_id"], "prediction": len(row["text"])}))
"""
MEAN = """
import json, sys
rows = [json.loads(line) for line in sys.stdin]
seen = [row["target"] for row in rows if row["split"] == "train"]
for row in rows:
    if row["split"] == "test":
        print(json.dumps({"row_id": row["row_id"], "prediction": sum(seen) / len(seen)}))
"""


def program(folder, text: str) -> str:
    path = folder / "model.py"
    path.write_text(text)
    return f"{sys.executable} {path}"


def test_a_sheet_goes_out_and_guesses_come_back(tmp_path):
    sheet = tmp_path / "sheet.csv"
    model = people(NUMBERS, guesses=str(sheet))

    with pytest.raises(ModelError, match=r"sheet of 3 rows was written[\s\S]*guess"):
        model.predict(ROWS)
    written = pl.read_csv(sheet)
    assert written.columns == ["row_id", "text", "guess"]
    assert written["text"].to_list() == ROWS["text"].to_list()
    with pytest.raises(ModelError, match="Nobody has made a guess"):
        model.predict(ROWS)

    written.with_columns(guess=pl.Series(["$12.50", None, "3"])).write_csv(sheet)

    assert model.predict(ROWS)["prediction"].to_list() == ["$12.50", None, "3"]


def test_a_sheet_that_is_there_is_never_written_over(tmp_path):
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("row_id,guess\na,5\n")

    people(NUMBERS, guesses=str(sheet)).predict(ROWS)

    assert sheet.read_text() == "row_id,guess\na,5\n"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_file_is_matched_by_ids_and_what_it_lacks_is_missing(tmp_path, kind):
    path = tmp_path / f"p.{kind}"
    table = pl.DataFrame({"sku": ["c", "a", "z"], "price": [3.0, 1.0, 9.0]})
    {"csv": table.write_csv, "jsonl": table.write_ndjson, "parquet": table.write_parquet}[kind](
        path
    )

    found = file(NUMBERS, path=str(path), key="sku", column="price").predict(ROWS)

    assert found["prediction"].cast(pl.Float64).to_list() == [1.0, None, 3.0]


def test_one_of_several_models_and_probabilities_are_taken(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("row_id,model,proba_no,proba_yes\na,m,0.2,0.8\nb,m,0.9,0.1\na,other,1,0\n")

    found = file(CLASSES, path=str(path), only="m").predict(ROWS)

    assert found["prediction"].to_list() == ["yes", "no", None]
    assert found["proba_yes"].to_list() == [0.8, 0.1, None]
    with pytest.raises(ModelError, match="a row stands twice"):
        file(CLASSES, path=str(path)).predict(ROWS)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("row_id,guess\na,1\n", "no column 'prediction'"),
        ("row_id,prediction\nx,1\n", "none of the rows"),
        ("", "cannot be read"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, text, says):
    path = tmp_path / "p.csv"
    path.write_text(text)

    with pytest.raises(ModelError, match=says):
        file(NUMBERS, path=str(path)).predict(ROWS)
    with pytest.raises(ModelError, match="no such file"):
        file(NUMBERS, path=str(tmp_path / "none.csv")).predict(ROWS)


def test_a_command_runs_only_where_it_is_allowed(tmp_path):
    marker = tmp_path / "ran"
    run = program(tmp_path, f"open({str(marker)!r}, 'w')\n{ECHO}")
    model = command(NUMBERS, run=run)

    with pytest.raises(ModelError, match=r"nobody has allowed[\s\S]*--allow-commands"):
        model.predict(ROWS)
    assert not marker.exists()

    with allowing_commands():
        assert model.predict(ROWS)["prediction"].to_list() == [3, 3, 10]
    assert marker.exists()
    with pytest.raises(ModelError, match="nobody has allowed"):
        model.predict(ROWS)


def test_a_command_may_learn_from_the_train_rows(tmp_path):
    given = training(pl.DataFrame({"text": ["x"] * 4}), [1.0, 2.0, 3.0, 4.0], {"text": "string"})
    object.__setattr__(given, "target", given.target.alias("target"))

    with allowing_commands():
        found = command(given, run=program(tmp_path, MEAN), learn=True).predict(ROWS)

    assert found["prediction"].to_list() == [2.5] * 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import sys; sys.exit('out of luck')", "exit code 1: out of luck"),
        ("print('no')", "no JSON"),
        ("print('[1]')", "no JSON object"),
        ('print(\'{"row_id": "a"}\')', "without predictions"),
        ("print('{\"prediction\": 1}')", "another number of rows"),
        ("import time; time.sleep(9)", "longer than 1 s"),
    ],
)
def test_a_command_that_fails_says_how(tmp_path, text, says):
    model = command(NUMBERS, run=program(tmp_path, text), seconds=1)

    with allowing_commands(), pytest.raises(ModelError, match=says):
        model.predict(ROWS)


def test_a_command_that_is_none_is_refused():
    with pytest.raises(RecipeError, match="cannot be read"):
        command(NUMBERS, run="echo 'open")
    with allowing_commands(), pytest.raises(ModelError, match="cannot be started"):
        command(NUMBERS, run="there-is-no-such-program").predict(ROWS)


def test_a_run_asks_people_and_scores_their_guesses_the_next_time(tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"sku": [f"s{n}" for n in range(60)], "x": rng.normal(size=60), "y": rng.normal(size=60)}
    )
    sheet = tmp_path / "people.csv"
    recipe = load(
        {
            "name": "t", "source": frame, "id": "sku", "target": "y",
            "steps": [{"split.random": {"train": 0.7, "validation": 0, "test": 0.3}}],
            "models": ["constant", {"people": {"guesses": str(sheet)}}], "metrics": ["mae"],
        }
    )  # fmt: skip
    version = build(recipe, out=tmp_path, workers=1)
    cache = Cache(tmp_path / ".cache")

    first, _, _ = evaluate_version(recipe, version, cache)
    guesses = pl.read_csv(sheet).with_columns(guess=pl.lit("about 0"))
    guesses.with_columns(guess=pl.lit("0.5 or so")).write_csv(sheet)
    second, table, _ = evaluate_version(recipe, version, cache)

    assert "sheet" in next(info.error for info in first.models if info.model == "people")
    assert second.score_of("people", "mae").n == guesses.height
    assert (
        table.filter(pl.col("model") == "people")["prediction"].to_list() == [0.5] * guesses.height
    )


def test_a_run_takes_what_came_back_since_the_last_one(tmp_path):
    keys = [f"k{v}" for v in range(60)]
    rows = pl.DataFrame({"key": keys, "y": [float(v % 7) for v in range(60)]})
    theirs = tmp_path / "theirs.csv"
    recipe = {"name": "since", "source": rows, "id": "key", "target": "y", "certificate": "off",
              "inputs": ["key"], "metrics": ["mae"],
              "steps": [{"split.random": {"train": 0.5, "validation": 0, "test": 0.5}}],
              "models": ["constant", {"file": {"path": str(theirs), "key": "key"}}]}  # fmt: skip

    absent = assay.run(recipe, out=tmp_path / "v", workers=1)
    told = []
    for shift in (1.0, 2.0):
        rows.select("key", prediction=pl.col("y") + shift).write_csv(theirs)
        outcome = assay.run(recipe, out=tmp_path / "v", workers=1)
        told.append(outcome.evaluation.score_of("file", "mae").value)
    again = assay.run(recipe, out=tmp_path / "v", workers=1)

    assert absent.evaluation.models[1].error
    assert told == [pytest.approx(1.0), pytest.approx(2.0)]
    assert again.reused and not outcome.reused
