"""Data that grows, and a kill or a full disk while its new rows are added to the old ones."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assay
from conftest import rubbish

HELD = Path(__file__).with_name("held.py")
OLD, NEW, ROWS = 6, 3, 60
RECIPE = """name: t
source: data
fields: {key: {type: string}, text: {type: string}}
steps:
  - dedup.near: {columns: [text]}
  - split.random: {train: 0.8, validation: 0, test: 0.2}
exports: [jsonl, csv]
"""


def write(project: Path, number: int) -> None:
    draw = random.Random(number)
    rows = [f"{number}-{row},{draw.randbytes(60).hex(' ')}" for row in range(ROWS)]
    (project / "data" / f"{number:02d}.csv").write_text("key,text\n" + "\n".join(rows) + "\n")


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """A project with a version of six files, to which three have come."""
    (tmp_path / "data").mkdir()
    (tmp_path / "assay.yaml").write_text(RECIPE)
    for number in range(OLD):
        write(tmp_path, number)
    assay.build(tmp_path / "assay.yaml", out=tmp_path / "versions", workers=1)
    # What a full build beside the same former version makes; it has no finished work to find.
    full = tmp_path / "full"
    shutil.copytree(tmp_path / "versions", full, ignore=shutil.ignore_patterns(".cache"))
    for number in range(OLD, OLD + NEW):
        write(tmp_path, number)
    assay.build(tmp_path / "assay.yaml", out=full, workers=1)
    return tmp_path


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def goes_on(project: Path, former: dict[str, bytes], *, read: int) -> None:
    """The former version is as it was, and the next build is a full one's like, byte by byte.

    Args:
        project: where a build broke off.
        former: the files of the version before.
        read: how many shards at most are read anew.
    """
    out = project / "versions"
    (before,) = assay.versions("t", out=out)
    assert content(before.path) == former
    stamps = {path: path.stat().st_mtime_ns for path in entries(out)}
    version = assay.build(project / "assay.yaml", out=out, workers=1)
    full = assay.versions("t", out=project / "full")[-1]
    assert version.id == full.id
    assert content(version.path) == content(full.path)
    assert sum(stamps.get(path) != path.stat().st_mtime_ns for path in entries(out)) <= read
    assert rubbish(project) == []
    # Old rows' files are still the former version's own.
    old = {path.stat().st_ino for path in (before.path / "data").iterdir()}
    assert old & {path.stat().st_ino for path in (version.path / "data").iterdir()}


def entries(out: Path) -> list[Path]:
    return sorted((out / ".cache").glob("??/*.rows.arrow"))


@pytest.mark.parametrize(
    ("stage", "done"), [("read", OLD + 1), ("decide", 0), ("write", 1), ("write", OLD + NEW)]
)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_kill_while_rows_are_added(grown: Path, stage: str, done: int, how: int) -> None:
    former = content(assay.versions("t", out=grown / "versions")[0].path)
    process = subprocess.Popen(
        [sys.executable, str(HELD), stage, str(done), "wait", "build", "--workers", "1"],
        cwd=grown, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (grown / "held").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(how)
    process.communicate(timeout=60)

    goes_on(grown, former, read=OLD + NEW - done if stage == "read" else 0)


def limit(size: int) -> Callable[[], None]:
    """Let the program write no file larger than this; the system then says what it says."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [4_000, 9_000, 20_000, 60_000])
def test_a_full_disk_while_rows_are_added(grown: Path, cli: Any, size: int) -> None:
    former = content(assay.versions("t", out=grown / "versions")[0].path)

    said = cli("build", "--workers", "1", preexec_fn=limit(size))

    assert said.returncode == 2, said.stderr
    assert "Traceback" not in said.stderr
    assert "full" in said.stderr or "File too large" in said.stderr, said.stderr
    assert "  try: " in said.stderr
    assert rubbish(grown) == []
    goes_on(grown, former, read=NEW)
