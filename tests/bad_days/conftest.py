"""What all tests of bad days share: a build of their own, the command, and an eye for rubbish."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import assay

HALVES = {"split.random": {"train": 0.7, "validation": 0, "test": 0.3}}


def rubbish(folder: Path) -> list[str]:
    """What an interrupted program would leave behind."""
    marks = (".building-*", "*.part", ".unfinished", ".*.jsonl", ".*.parquet", "draft-*")
    return sorted(str(path) for mark in marks for path in folder.rglob(mark))


@pytest.fixture(autouse=True)
def nothing_is_left_behind(tmp_path: Path) -> Iterator[None]:
    """After every test here, whatever it did, no unfinished file lies about."""
    yield
    assert rubbish(tmp_path) == []


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "versions"


@pytest.fixture
def build(out: Path) -> Callable[..., assay.Version]:
    """Build from a source, with whatever else the recipe says."""

    def built(source: Any, **recipe: Any) -> assay.Version:
        options = {name: recipe.pop(name) for name in ("workers", "progress") if name in recipe}
        whole = {"name": "bad", "source": str(source) if isinstance(source, Path) else source}
        return assay.build({**whole, **recipe}, out=out, **{"workers": 1, **options})

    return built


@pytest.fixture
def run(out: Path) -> Callable[..., Any]:
    """The main job over a source with the target `y`."""

    def ran(source: Any, **recipe: Any) -> Any:
        whole = {
            "name": "bad",
            "source": str(source) if isinstance(source, Path) else source,
            "target": "y",
            "steps": [HALVES],
            "models": ["constant", "tabular_linear"],
        }
        return assay.run({**whole, **recipe}, out=out, workers=1)

    return ran


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Write a file and give its path."""

    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@pytest.fixture
def cli(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command `assay` as a person would."""
    command = Path(sys.executable).with_name("assay")

    def ran(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(command), *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            **options,
        )

    return ran


@pytest.fixture
def good() -> pl.DataFrame:
    """Forty ordinary rows."""
    return pl.DataFrame(
        {
            "text": [f"this is text {n} of a few" for n in range(40)],
            "size": [n % 7 for n in range(40)],
            "y": [float(n) for n in range(40)],
        }
    )
