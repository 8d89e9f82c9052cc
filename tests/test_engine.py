"""Engines change how long a build takes, and nothing else."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

import assay
from assay import engine
from assay.errors import AssayError, ContractError, EngineError, MissingExtra, SourceError


def slowly_doubled(number):
    time.sleep(0.02 * (3 - number % 4))
    return number * 2


def refused(number):
    if number == 2:
        raise ContractError(
            "Too large.", where="s.csv:3", received=number, allowed=[0, 1], hint="mend it"
        )
    return number


def killed(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def told_of_threads(_):
    return os.environ.get("POLARS_MAX_THREADS")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers):
    found = list(engine.run(slowly_doubled, range(8), workers=workers))
    assert found == [number * 2 for number in range(8)]


def test_no_tasks_are_no_results():
    assert list(engine.run(slowly_doubled, [], workers=2)) == []


def test_what_is_done_aside_is_done_in_a_process_of_its_own():
    with engine.aside(dict, workers=2) as other:
        assert other.submit(os.getpid).result() not in (os.getpid(), None)
        assert other.submit(told_of_threads, 0).result() == "1"
    with engine.aside(dict, workers=1) as none:
        assert none is None


def test_the_death_of_the_process_aside_is_named():
    with (
        pytest.raises(EngineError, match="A worker process died"),
        engine.aside(dict, workers=2) as other,
    ):
        other.submit(killed, 1).result()


def test_an_error_aside_is_the_callers():
    with pytest.raises(ContractError), engine.aside(dict, workers=2) as other:
        other.submit(refused, 2).result()


def test_results_are_yielded_as_they_come_and_not_at_the_end():
    results = engine.run(refused, [0, 1, 2], workers=1)
    assert [next(results), next(results)] == [0, 1]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_worker_keeps_its_type_and_its_parts(workers):
    with pytest.raises(ContractError) as caught:
        list(engine.run(refused, range(4), workers=workers))
    error = caught.value
    assert (error.what, error.where, error.received) == ("Too large.", "s.csv:3", 2)
    assert (error.allowed, error.hint) == ((0, 1), "mend it")


def test_a_killed_worker_is_an_engine_error_and_the_next_run_works():
    with pytest.raises(EngineError, match="worker process died") as caught:
        list(engine.run(killed, range(4), workers=2))
    assert "--workers" in caught.value.hint
    assert list(engine.run(slowly_doubled, range(2), workers=2)) == [0, 2]


def test_a_worker_is_one_thread():
    assert set(engine.run(told_of_threads, range(4), workers=2)) == {"1"}


def test_partials_reach_workers():
    assert list(engine.run(functools.partial(pow, 2), [1, 2, 3], workers=2)) == [2, 4, 8]


def test_ray_is_an_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"pip install 'assay\[ray\]'"):
        list(engine.run(slowly_doubled, [1], engine="ray"))


def recipe(folder):
    folder.mkdir(exist_ok=True)
    for part in range(3):
        numbers = range(part * 100, part * 100 + 120)
        pl.DataFrame(
            {"text": [f"<b>word</b> {n}  " * 3 for n in numbers], "price": [n / 7 for n in numbers]}
        ).write_csv(folder / f"{part}.csv")
    return {
        "name": "engines",
        "source": str(folder),
        "fields": {"text": {"type": "string"}, "price": {"type": "number", "max": 40}},
        "steps": [
            {"clean.text": {"columns": ["text"]}},
            {"dedup.exact": {"columns": ["text"]}},
            {"split.random": {"train": 0.8, "validation": 0.1, "test": 0.1}},
        ],
    }


def made(version):
    """The version's hash, and a hash of the bytes of every file but the manifest's."""
    files = {
        str(path.relative_to(version.path)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(version.path.rglob("*.parquet"))
    }
    return version.manifest["hash"], files


def test_processes_and_one_process_make_the_same_bytes(tmp_path):
    told = recipe(tmp_path / "source")
    one, two = (made(assay.build(told, out=tmp_path / str(n), workers=n)) for n in (1, 2))
    assert one == two
    assert len(one[1]) >= 5


@pytest.fixture(scope="module")
def cluster():
    """A Ray of two processes on this machine."""
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
        runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
    )  # fmt: skip
    yield ray
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_makes_the_same_bytes(tmp_path, cluster):
    told = recipe(tmp_path / "source")
    local = made(assay.build(told, out=tmp_path / "local", workers=1))
    version = assay.build(told, out=tmp_path / "ray", workers=2, engine="ray")
    assert made(version) == local
    assert not version.reused
    assert cluster.is_initialized(), "a cluster that was there before stays"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray_keeps_errors_and_order(cluster, tmp_path):
    assert list(engine.run(slowly_doubled, range(4), engine="ray")) == [0, 2, 4, 6]
    with pytest.raises(ContractError) as caught:
        list(engine.run(refused, range(4), engine="ray"))
    assert caught.value.where == "s.csv:3" and caught.value.hint == "mend it"
    with pytest.raises(EngineError, match="Ray lost a task"):
        list(engine.run(killed, range(2), engine="ray"))
    with pytest.raises(SourceError) as missing:
        assay.build({"name": "x", "source": "nosuch.csv"}, out=tmp_path, engine="ray")
    assert isinstance(missing.value, AssayError)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_beside_ends_with_one_that_is_killed(sent):
    script = (
        "import os, time\n"
        "from assay.engine import aside\n"
        "with aside(dict, workers=2) as other:\n"
        "    print(other.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        beside = int(process.stdout.readline())
        process.send_signal(sent)
    for _ in range(200):
        if not Path(f"/proc/{beside}").exists() or b"Z" in _state(beside):
            return
        time.sleep(0.1)
    os.kill(beside, signal.SIGKILL)
    raise AssertionError("it is still there")


def _state(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except FileNotFoundError:
        return b"Z"
