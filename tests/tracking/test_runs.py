"""The record of runs: every run is in it, whichever way it ended, and no run depends on it."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

import assay
from assay.errors import AssayError, NotRecorded, SourceError, StorageError
from assay.records import alive, store
from assay.records.masking import masked
from assay.records.store import RunRecord


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


def test_every_kind_of_job_is_recorded_with_its_kind(tmp_path):
    out = tmp_path / "versions"
    version = assay.build(recipe(models=[]), out=out)
    assay.run(recipe(), out=out)
    assay.crossval(recipe(), out=out, folds=3, workers=1)
    assay.learning_curve(recipe(), out=out, fractions=[0.5, 1], draws=1, workers=1)
    assay.improve(recipe(), out=out, try_out=False)
    assay.gate(version, {**recipe(), "source": "-"})
    assay.monitor(rows(), against=version)
    guesses = rows().select(id="x", prediction="y").unique()
    assay.evaluate(guesses.rename({"prediction": "y"}), guesses, record=out)
    assay.evaluate(guesses.rename({"prediction": "y"}), guesses)  # nobody said where
    assay.calibration(guesses.rename({"prediction": "y"}), guesses, record=out)

    kinds = [run.kind for run in assay.runs(out=out)][::-1]
    # The run that an improvement begins with is a run; what others do on their way is theirs.
    assert kinds == ["build", "run", "crossval", "curve", "improve", "run", "gate", "monitor",
                     "evaluate", "calibration"]  # fmt: skip
    assert {run.status for run in assay.runs(out=out)} == {"finished"}
    (folds,) = assay.runs(out=out, kind="crossval", where=["mae>0"])
    assert (folds.best, folds.scores[0]["split"], folds.version) == (
        "constant", "folds", version.id,
    )  # fmt: skip
    (judged,) = assay.runs(out=out, kind="evaluate")
    assert judged.scores[0]["value"] == 0
    assert [run.verdict for run in assay.runs(out=out, kind="gate")] == ["pass"]
    assert assay.runs(out=out, compare=[version.id]).runs[0].kind == "run"


def test_what_is_done_with_a_version_apart_from_others_leaves_nothing_beside_it(tmp_path):
    version = assay.build(recipe(), out=tmp_path / "versions")
    apart = assay.restore(version, to=tmp_path / "elsewhere" / "copy")
    assay.gate(apart)
    assert not (tmp_path / "runs.sqlite").exists()
    assert len(assay.runs(out=tmp_path / "versions")) == 1


def held(out):
    """A process whose run is under way, until it is ended."""
    program = (
        "import sys, time, assay\n"
        "def wait(stage, done, total):\n"
        "    if stage == 'write': print('held', flush=True); time.sleep(60)\n"
        "assay.run({'name': 't', 'source': [{'x': n, 'y': n} for n in range(20)]}, "
        "out=sys.argv[1], workers=1, progress=wait)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(out)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


@pytest.mark.parametrize("later", ["looked at", "settled by the next run"])
def test_a_run_is_recorded_when_it_begins_and_as_killed_when_it_is_found_dead(tmp_path, later):
    process = held(tmp_path)
    try:
        (run,) = assay.runs(out=tmp_path, status="running")
        assert (run.pid, run.host, run.version) == (process.pid, socket.gethostname(), None)
        assert run.seconds > 0 and f"process {process.pid}" in repr(assay.runs(out=tmp_path))
        # Another run beside it takes it for alive.
        assay.build(recipe(), out=tmp_path)
        assert len(assay.runs(out=tmp_path, status="running")) == 1
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    if later != "looked at":
        assay.build(recipe(), out=tmp_path)
        assert list((tmp_path / alive.FOLDER).iterdir()) == []
    (killed,) = assay.runs(out=tmp_path, status="killed")
    assert (killed.id, killed.error) == (run.id, None)
    assert "killed" in repr(assay.runs(out=tmp_path))


def test_a_copy_of_a_record_says_of_other_machines_runs_what_it_knows(tmp_path):
    store.write(tmp_path, record("aaaa1", status="running", host="elsewhere", pid=7))
    store.write(tmp_path, record("bbbb2", status="running", host=socket.gethostname(), pid=7))
    assert {run.id: run.status for run in assay.runs(out=tmp_path)} == {
        "aaaa1": "running", "bbbb2": "killed",
    }  # fmt: skip


def test_a_record_of_the_format_before_is_read_and_written_on(tmp_path):
    store.write(tmp_path, record("aaaa1"))
    with closing(sqlite3.connect(tmp_path / store.RUNS)) as database:
        for column in ("kind", "pid", "host"):
            database.execute(f"alter table runs drop column {column}")
        database.execute("pragma user_version = 1")
    before = (tmp_path / store.RUNS).read_bytes()
    assert assay.runs(out=tmp_path).runs == (record("aaaa1"),)
    assert (tmp_path / store.RUNS).read_bytes() == before
    assay.build(recipe(), out=tmp_path)
    assert [run.kind for run in assay.runs(out=tmp_path)] == ["build", "run"]


def test_the_end_of_a_run_is_known_though_it_could_not_be_recorded(tmp_path, monkeypatch):
    write = store.write

    def full(out, run):
        if run.status != "running":
            raise StorageError("The disk is full.")
        write(out, run)

    monkeypatch.setattr(store, "write", full)
    with pytest.warns(NotRecorded, match="this build is not recorded: The disk is full"):
        assay.build(recipe(), out=tmp_path)
    with pytest.raises(SourceError) as caught:
        assay.run(recipe(source=str(tmp_path / "absent.csv")), out=tmp_path)
    assert "this run is not recorded" in caught.value.__notes__[0]
    monkeypatch.undo()
    assert [run.status for run in assay.runs(out=tmp_path)] == ["failed", "finished"]


def test_a_job_whose_record_is_damaged_says_so_on_the_command_line(tmp_path):
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / store.RUNS).write_bytes(b"not a database, by far" * 100)
    (tmp_path / "data.csv").write_text("x\n1\n2\n")
    (tmp_path / "assay.yaml").write_text("name: t\nsource: data.csv\n")
    command = [str(Path(sys.executable).with_name("assay")), "build", "-q"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stderr.startswith("note: this build is not recorded: versions/runs.sqlite")
    assert "2 kept" in said.stdout


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
