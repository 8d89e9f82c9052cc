"""The record of runs: every run is in it, whichever way it ended, and no run depends on it."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest

import assay
from assay.errors import AssayError, SourceError, StorageError
from assay.tracking import store
from assay.tracking.masking import masked
from assay.tracking.store import RunRecord


def score(model, metric, value, low=None, high=None):
    return {"model": model, "split": "test", "metric": metric, "value": value, "low": low,
            "high": high, "n": 50, "better": "lower"}  # fmt: skip


def record(id, **changes):
    plain = {
        "id": id, "name": "prices", "started": "2026-11-27T14:00:00.000Z", "seconds": 1.5,
        "status": "finished", "verdict": "pass", "version": "v1-aaaaaaaa", "best": "tree",
        "recipe": {"name": "prices", "models": ["constant", "tree"], "seed": 7},
        "scores": (score("tree", "mae", 80.0, 75.0, 85.0), score("constant", "mae", 120.0)),
    }  # fmt: skip
    return RunRecord(**{**plain, **changes})


@pytest.fixture
def out(tmp_path):
    """Three runs of two recipes, one of which failed."""
    store.write(tmp_path, record("aaaa1"))
    store.write(tmp_path, record(
        "bbbb2", started="2026-11-28T10:00:00.000Z", verdict="fail", version="v2-bbbbbbbb",
        recipe={"name": "prices", "models": ["constant", {"tree": {"depth": 3}}], "seed": 7},
        scores=(score("tree", "mae", 70.0, 68.0, 72.0),),
    ))  # fmt: skip
    store.write(tmp_path, record(
        "cccc3", name="reviews", started="2026-11-29T10:00:00.000Z", status="failed",
        verdict=None, version=None, best=None, scores=(), error="The source is empty.",
    ))  # fmt: skip
    return tmp_path


def listed(out, **filters):
    return [run.id for run in assay.runs(out=out, **filters)]


def test_runs_are_listed_newest_first_as_they_were(out):
    found = assay.runs(out=out)
    assert [run.id for run in found] == ["cccc3", "bbbb2", "aaaa1"]
    assert found.runs[2] == record("aaaa1")
    assert "The source is empty." in repr(found) and "tree" in repr(found)
    assert found.to_polars().filter(run="aaaa1", model="constant")["value"].to_list() == [120.0]
    assert found.to_pandas().shape[0] == 4
    assert json.loads(json.dumps(found.to_dict()))[2]["scores"][0]["low"] == 75.0


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"name": "prices"}, ["bbbb2", "aaaa1"]),
        ({"verdict": "fail"}, ["bbbb2"]),
        ({"status": "failed"}, ["cccc3"]),
        ({"where": ["mae<80"]}, ["bbbb2"]),
        ({"where": ["mae <= 80"]}, ["bbbb2", "aaaa1"]),
        ({"where": ["mae.high<85"]}, ["bbbb2"]),
        ({"where": ["mae.low>7e1"]}, ["aaaa1"]),
        ({"where": ["constant:mae>100"]}, ["aaaa1"]),
        ({"where": ["mae>60", "mae<75"]}, ["bbbb2"]),
        ({"where": ["rmse<80"]}, []),
        ({"since": "2026-11-28"}, ["cccc3", "bbbb2"]),
        ({"since": "2026-11-28T10:00:00Z", "until": "2026-11-29"}, ["bbbb2"]),
        ({"since": "2026-11-28T12:30:00+02:30"}, ["cccc3", "bbbb2"]),
        ({"limit": 1}, ["cccc3"]),
    ],
)
def test_runs_are_filtered(out, filters, wanted):
    assert listed(out, **filters) == wanted


@pytest.mark.parametrize(
    "filters",
    [{"where": ["mae"]}, {"where": ["mae<high"]}, {"verdict": "good"}, {"status": "x"},
     {"since": "yesterday"}, {"compare": ["nope"]}, {"compare": [""]}],
)  # fmt: skip
def test_a_filter_that_cannot_be_read_is_refused(out, filters):
    with pytest.raises(AssayError) as caught:
        assay.runs(out=out, **filters)
    assert caught.value.allowed


def test_runs_are_laid_side_by_side(out):
    found = assay.runs(out=out, compare=["aaaa1", "v2-bbbbbbbb"])
    (changes,) = found.differences.values()
    assert [(one.path, one.before, one.after) for one in changes] == [
        ("models.tree.depth", None, 3),
    ]
    text = repr(found)
    assert "80 (75 to 85)" in text and "70 (68 to 72)" in text
    assert found.to_dict()["differences"]["bbbb2"][0]["after"] == 3


def rows(count=120):
    return pl.DataFrame(
        {"x": [n % 9 for n in range(count)], "y": [n % 9 * 2.0 for n in range(count)]}
    )


def recipe(**changes):
    return {
        "name": "t", "source": rows(), "target": "y", "certificate": "off", "seed": 5,
        "steps": [{"split.random": {"train": 0.7, "validation": 0.0, "test": 0.3}}],
        "models": ["constant"], "metrics": ["mae"],
        "gates": [{"rows": {"split": "train", "min": 10}}],
    } | changes  # fmt: skip


def test_a_run_is_recorded_with_all_that_it_was_and_came_to(tmp_path):
    outcome = assay.run(recipe(), out=tmp_path)
    (run,) = assay.runs(out=tmp_path)
    assert (run.id, run.version, run.verdict, run.best) == (
        outcome.run, outcome.version.id, "pass", "constant",
    )  # fmt: skip
    assert run.hash == outcome.version.manifest["hash"]
    assert run.seed == run.recipe["seed"] == 5
    assert run.gates[0]["verdict"] == "pass"
    mine, other = run.scores[0], outcome.evaluation.scores[0]
    assert (mine["value"], mine["low"], mine["high"]) == (other.value, other.low, other.high)
    assert outcome.to_dict()["run"] == run.id
    # Asked again nothing is fitted again, and it is a run all the same.
    assert assay.run(recipe(), out=tmp_path).reused
    assert len(assay.runs(out=tmp_path)) == 2


def test_failed_and_interrupted_runs_are_recorded_and_fail_as_they_would(tmp_path):
    with pytest.raises(SourceError):
        assay.run(recipe(source=str(tmp_path / "absent.csv")), out=tmp_path)

    def interrupt(stage, done, total):
        if stage == "decide":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assay.run(recipe(), out=tmp_path, progress=interrupt)
    stopped, failed = assay.runs(out=tmp_path)
    assert (failed.status, stopped.status) == ("failed", "interrupted")
    assert "absent.csv" in failed.error and stopped.error is None


@pytest.mark.parametrize(
    "content", [b"not a database, by far" * 100, b"SQLite format 3\0" + b"x" * 4080]
)
def test_a_damaged_record_is_one_clear_error_and_loses_no_run(tmp_path, content):
    (tmp_path / store.RUNS).write_bytes(content)
    outcome = assay.run(recipe(), out=tmp_path)
    assert outcome.verdict == "pass" and outcome.report.exists()
    assert "this run is not recorded" in outcome.notes[0] and "runs.sqlite" in repr(outcome)
    with pytest.raises(StorageError, match=r"runs\.sqlite: The record of runs cannot be"):
        assay.runs(out=tmp_path)
    assert (tmp_path / store.RUNS).read_bytes() == content


def test_a_newer_record_is_refused_and_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / store.RUNS) as database:
        database.execute("pragma user_version = 99")
    database.close()
    assert "newer assay" in assay.run(recipe(models=[]), out=tmp_path).notes[0]


def test_many_runs_that_end_at_once_are_all_recorded(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: store.write(tmp_path, record(f"run{n}")), range(40)))
    assert len(assay.runs(out=tmp_path)) == 40


def test_credentials_are_not_recorded(tmp_path):
    secret = "hush-hush"
    source = f"postgresql://me:{secret}@localhost/shop"
    with pytest.raises(AssayError):
        assay.run(recipe(source=source), out=tmp_path)
    assert secret.encode() not in (tmp_path / store.RUNS).read_bytes()
    assert masked({"a": [f"https://h/x?token={secret}&b=1"], "api_key": secret, "tokens": "t"}) == {
        "a": ["https://h/x?b=1"], "api_key": "***", "tokens": "t",
    }  # fmt: skip
