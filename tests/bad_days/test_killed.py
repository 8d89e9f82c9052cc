"""Interrupts and kills at any moment: no half version, no rubbish, no work lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import assay
from conftest import rubbish

HELD = Path(__file__).with_name("held.py")
SHARDS = 12


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Twelve small files, which are twelve shards, and a recipe over them."""
    (tmp_path / "data").mkdir()
    for number in range(SHARDS):
        rows = "".join(f"{number}-{row},some text {row}\n" for row in range(200))
        (tmp_path / "data" / f"{number:02d}.csv").write_text("key,text\n" + rows)
    (tmp_path / "assay.yaml").write_text(
        "name: t\nsource: data\nsteps:\n  - split.random: {train: 0.8, validation: 0, test: 0.2}\n"
    )
    return tmp_path


def start(project: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(HELD), *arguments],
        cwd=project,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], path: Path) -> None:
    """Wait until the process has come to where it holds; fail at once if it has ended."""
    while not path.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def build_again(project: Path, workers: int = 1) -> tuple[assay.Version, dict[str, int]]:
    """Build undisturbed; also how many shards were read anew."""
    before = {path: path.stat().st_mtime_ns for path in entries(project)}
    version = assay.build(project / "assay.yaml", out=project / "versions", workers=workers)
    anew = sum(before.get(path) != path.stat().st_mtime_ns for path in entries(project))
    return version, {"anew": anew, "all": len(entries(project))}


def entries(project: Path) -> list[Path]:
    return sorted((project / "versions" / ".cache").glob("??/*.rows.arrow"))


@pytest.mark.parametrize(("stage", "workers"), [("read", "1"), ("write", "1"), ("write", "2")])
def test_an_interrupt_leaves_no_half_version(project: Path, stage: str, workers: str) -> None:
    process = start(project, stage, "5", "interrupt", "build", "--workers", workers)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "error: Interrupted." in said
    assert "finished shards are not done twice" in said
    assert "Traceback" not in said
    assert rubbish(project) == []
    assert assay.versions(out=project / "versions") == []
    version, shards = build_again(project)
    assert version.rows["kept"] == SHARDS * 200
    assert shards["anew"] <= SHARDS - 5


@pytest.mark.parametrize(("stage", "kept"), [("read", 5), ("write", SHARDS)])
def test_a_kill_costs_only_what_was_under_way(project: Path, stage: str, kept: int) -> None:
    process = start(project, stage, "5", "wait", "build", "--workers", "1")
    wait_for(process, project / "held")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    left = rubbish(project)
    version, shards = build_again(project)

    assert bool(left) == (stage == "write")  # a folder that nobody will finish
    assert rubbish(project) == []
    assert version.id.startswith("v1-")
    assert version.rows["kept"] == SHARDS * 200
    assert shards == {"anew": SHARDS - kept, "all": SHARDS}


def test_a_build_does_not_take_a_living_ones_folder_away(project: Path) -> None:
    process = start(project, "write", "5", "wait", "build", "--workers", "1")
    wait_for(process, project / "held")

    version, _ = build_again(project)

    assert rubbish(project) != []  # the other build's
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert [one.id for one in assay.versions(out=project / "versions")] == [version.id]


@pytest.mark.parametrize("stage", ["read", "write"])
def test_a_worker_that_is_killed_is_one_clear_error(project: Path, stage: str) -> None:
    process = start(project, stage, "1", "kill-worker", "build", "--workers", "2")
    _, said = process.communicate(timeout=60)

    assert process.returncode == 2
    assert "error: A worker process died, most likely because the machine ran out of memory" in said
    assert "fewer `--workers`" in said
    # A killed worker cannot take its half-written cache file with it; the next build does.
    assert list(project.rglob(".building-*")) == []
    version, _ = build_again(project)
    assert rubbish(project) == []
    assert version.rows["kept"] == SHARDS * 200


def test_a_former_version_survives_a_kill(project: Path) -> None:
    former, _ = build_again(project)
    rows = former.to_polars()
    with (project / "data" / "00.csv").open("a") as file:
        file.write("new,row\n")

    process = start(project, "write", "5", "wait", "build", "--workers", "1")
    wait_for(process, project / "held")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)

    assert assay.Version(former.path).to_polars().equals(rows)
    later, shards = build_again(project)
    assert shards["anew"] == 0
    assert later.manifest["parent"] == former.id
