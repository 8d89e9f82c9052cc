"""Runs on a real MLflow server, which is started here; and what happens where there is none."""

from __future__ import annotations

import builtins
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import numpy as np
import polars as pl
import pytest

import assay
from assay.errors import AssayError, MissingExtra
from assay.tracking import server as tracking


def recipe(**changes):
    rng = np.random.default_rng(0)
    size = rng.gamma(2, 3, 240)
    rows = pl.DataFrame({"size": size, "price": 10 + size + rng.normal(size=240)})
    return {
        "name": "offers", "source": rows, "target": "price", "certificate": "off", "seed": 5,
        "steps": [{"split.random": {"train": 0.7, "validation": 0.1, "test": 0.2}}],
        "models": ["constant", {"tabular_linear": {"log": False}}], "metrics": ["mae", "rmse"],
        "gates": [{"rows": {"split": "train", "min": 10}}],
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    pytest.importorskip("flask")
    pytest.importorskip("alembic")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder}/store.db", "--workers", "1",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, (folder / "log").read_text()
            try:
                urllib.request.urlopen(f"{url}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail((folder / "log").read_text()[-2000:])
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow  # an MLflow server needs half a minute to start
@pytest.mark.filterwarnings("default")
def test_a_run_is_on_the_server_with_all_that_was_measured(address, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    outcome = assay.run(recipe(), out=tmp_path, mlflow="env")
    assert f"on the MLflow server {address} this is run" in outcome.notes[0]
    import mlflow

    client = mlflow.MlflowClient(address)
    experiment = client.get_experiment_by_name("offers")
    found = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(found) == {outcome.version.id, "constant", "tabular_linear"}
    parent, child = found[outcome.version.id], found["tabular_linear"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.data.tags["assay.run"] == outcome.run
    assert parent.data.tags["assay.gate.1"].startswith("pass")
    for score in outcome.evaluation.scores:
        logged = found[score.model].data.metrics
        for name, value in (("", score.value), ("_low", score.low), ("_high", score.high)):
            assert logged[f"{score.metric}{name}"] == pytest.approx(value)
    assert parent.data.metrics["mae"] == pytest.approx(child.data.metrics["mae"])
    assert parent.data.params["seed"] == "5"
    assert parent.data.params["steps.split.random.train"] == "0.7"
    assert parent.data.params["models.tabular_linear.log"] == "false"
    inputs = {one.dataset.name: one for one in parent.inputs.dataset_inputs}
    assert set(inputs) == {"offers-train", "offers-validation", "offers-test"}
    hash_ = outcome.version.manifest["hash"]
    assert {one.dataset.digest for one in inputs.values()} == {hash_[:36]}
    assert parent.data.tags["assay.hash"] == hash_
    assert (
        json.loads(inputs["offers-train"].dataset.profile)["num_rows"]
        == (outcome.version.splits["train"])
    )
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert files >= {"report.html", "evaluation.json", "gates.json", "manifest.json", "charts"}
    charts = {file.path for file in client.list_artifacts(parent.info.run_id, "charts")}
    assert {name.rpartition("-")[2] for name in charts} >= {"scatter.svg", "running.svg"}
    assert parent.info.status == child.info.status == "FINISHED"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_that_failed_is_on_the_server_as_failed(address, tmp_path):
    with pytest.raises(AssayError) as caught:
        assay.run(recipe(name="bad", source=str(tmp_path / "absent.csv")), out=tmp_path,
                  mlflow=address)  # fmt: skip
    assert f"on the MLflow server {address} this is run" in caught.value.__notes__[0]
    import mlflow

    client = mlflow.MlflowClient(address)
    (found,) = client.search_runs([client.get_experiment_by_name("bad").experiment_id])
    (kept,) = assay.runs(out=tmp_path)
    assert (found.info.status, found.data.tags["assay.run"]) == ("FAILED", kept.id)
    assert "absent.csv" in found.data.tags["assay.error"]
    assert found.data.params["seed"] == "5"


@pytest.mark.slow  # MLflow's client alone takes seconds to load
@pytest.mark.filterwarnings("default")
def test_a_server_that_does_not_answer_costs_a_note_and_not_the_run(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    outcome = assay.run(recipe(), out=tmp_path, mlflow="http://me:hush@127.0.0.1:9")
    assert outcome.verdict == "pass" and outcome.report.exists()
    assert "is not on the MLflow server http://127.0.0.1:9" in outcome.notes[0]
    assert "hush" not in "".join([*outcome.notes, *capsys.readouterr()])
    assert [run.status for run in assay.runs(out=tmp_path)] == ["finished"]
    assert b"hush" not in (tmp_path / "runs.sqlite").read_bytes()


def test_no_server_is_asked_for_unless_somebody_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(tracking, "publish", lambda *given: pytest.fail("a server was asked"))
    monkeypatch.setattr(tracking, "_mlflow", lambda: pytest.fail("MLflow was loaded"))
    assert assay.run(recipe(models=["constant"]), out=tmp_path).notes == ()


def test_what_is_missing_is_said_before_the_run_begins(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(AssayError, match="No MLflow server is named"):
        assay.run(recipe(), out=tmp_path / "a", mlflow="env")
    original = builtins.__import__

    def without(name, *given, **more):
        if name.partition(".")[0] == "mlflow":
            raise ImportError(name)
        return original(name, *given, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra, match=r"assay\[mlflow\]"):
        assay.run(recipe(), out=tmp_path / "b", mlflow="http://127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []
