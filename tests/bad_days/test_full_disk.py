"""A full disk, at every stage: one message, former versions as they were, and then it goes on."""

from __future__ import annotations

import gzip
import random
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assay
from conftest import rubbish

KB = 1024


def limit(size: int) -> Callable[[], None]:
    """Let the program write no file larger than this; the system then says what it says."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two files, one large and one small, of words that cannot be pressed together."""
    draw = random.Random(0)
    (tmp_path / "data").mkdir()
    for name, height in (("large", 1500), ("small", 3)):
        rows = [f"{draw.random()},{draw.randbytes(150).hex()}" for _ in range(height)]
        (tmp_path / "data" / f"{name}.csv").write_text("y,text\n" + "\n".join(rows))
    with gzip.open(tmp_path / "packed.csv.gz", "wt") as packed:
        packed.write((tmp_path / "data" / "large.csv").read_text())
    return tmp_path


def recipe(project: Path, source: str, seed: int, more: str = "") -> None:
    split = "steps: [{split.random: {train: 0.8, validation: 0, test: 0.2}}]\n"
    head = f"name: t\nsource: {source}\nseed: {seed}\ntarget: y\n"
    (project / "assay.yaml").write_text(head + split + more)


def full(said: Any) -> bool:
    """Whether a command ended with the one message there is."""
    assert said.returncode == 2, said.stderr
    assert "Traceback" not in said.stderr
    assert "full" in said.stderr or "File too large" in said.stderr, said.stderr
    assert "  try: " in said.stderr
    return True


@pytest.mark.parametrize(
    ("source", "size", "warm"),
    [
        ("packed.csv.gz", 200 * KB, False),  # the plain copy
        ("data", 200 * KB, False),  # the prepared rows
        ("data", 130 * KB, True),  # the version's files: rows were prepared before
    ],
    ids=["spool", "prepare", "write"],
)
def test_a_full_disk_in_a_build(
    project: Path, cli: Any, source: str, size: int, warm: bool
) -> None:
    out = project / "versions"
    recipe(project, "data/small.csv", 1)
    former = assay.build(project / "assay.yaml", out=out, workers=1)
    if warm:
        recipe(project, source, 1)
        former = assay.build(project / "assay.yaml", out=out, workers=1)
    rows = former.to_polars()
    recipe(project, source, 2)

    said = cli("build", "--workers", "1", preexec_fn=limit(size))

    assert full(said)
    assert rubbish(project) == []
    assert assay.Version(former.path).to_polars().equals(rows)
    assert [one.id for one in assay.versions("t", out=out)][-1] == former.id
    before = {path: path.stat().st_mtime_ns for path in (out / ".cache").glob("??/*.rows.arrow")}
    later = assay.build(project / "assay.yaml", out=out, workers=1)
    assert later.rows["set_aside"] == 0
    assert later.manifest["parent"] == former.id
    after = {path: path.stat().st_mtime_ns for path in (out / ".cache").glob("??/*.rows.arrow")}
    if source == "data":  # the small file's shard at least was finished, and is not done again
        assert any(before.get(path) == stamp for path, stamp in after.items())


def test_a_full_disk_in_exports_and_reports(project: Path, cli: Any) -> None:
    recipe(project, "data", 1, "models: [constant]\n")
    outcome = assay.run(project / "assay.yaml", out=project / "versions", workers=1)
    page = outcome.report.read_bytes()

    assert full(cli("export", "t", "--as", "csv", "--out", "e", preexec_fn=limit(64 * KB)))
    assert not (project / "e").exists()
    assert full(cli("report", "t", preexec_fn=limit(16 * KB)))
    assert outcome.report.read_bytes() == page
    assert rubbish(project) == []
    assert cli("export", "t", "--as", "csv", "--out", "e").returncode == 0


def test_a_place_that_cannot_be_written_to_is_named(project: Path, cli: Any) -> None:
    recipe(project, "data", 1)
    (project / "taken").write_text("a file, not a folder")

    said = cli("build", "--out", "taken")

    assert said.returncode == 2
    assert "Nothing can be written here" in said.stderr
    assert "try: choose another folder" in said.stderr
