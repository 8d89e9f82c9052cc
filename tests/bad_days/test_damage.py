"""Damaged caches and versions cost time, or are named; they never give a wrong result."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import assay
from assay.errors import VersionError
from conftest import HALVES

Build = Callable[..., assay.Version]


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def garble(path: Path) -> None:
    path.write_bytes(b"\x00{]nonsense")


@pytest.mark.parametrize("harm", [halve, flip, garble, Path.unlink])
@pytest.mark.parametrize("pattern", ["??/*", "used/*"])
def test_a_damaged_cache_is_made_again(
    build: Build, good: pl.DataFrame, out: Path, harm: Callable[[Path], None], pattern: str
) -> None:
    first = build(good, steps=[HALVES])
    for path in (out / ".cache").glob(pattern):
        harm(path)

    again = build(good, steps=[HALVES])
    other = build(good, steps=[{"keep.where": {"where": "size > 0"}}])

    assert again.path == first.path
    assert again.reused
    assert other.rows["kept"] == 34


@pytest.mark.parametrize("harm", [halve, Path.unlink])
@pytest.mark.parametrize("part", ["data/*", "ledger/*", "manifest.json"])
def test_a_damaged_version_is_named_and_never_reused(
    build: Build, good: pl.DataFrame, out: Path, harm: Callable[[Path], None], part: str
) -> None:
    first = build(good, steps=[HALVES])
    row = first.to_polars()["row_id"][0]
    for path in first.path.glob(part):
        harm(path)

    with pytest.raises(VersionError, match=r"missing|damaged|cannot be read"):
        opened = assay.Version(first.path)
        opened.to_polars()
        assay.why(opened, row)
    with pytest.raises(VersionError):
        assay.why(f"bad/{first.id}", row, out=out)
    again = build(good, steps=[HALVES])

    assert not again.reused
    assert again.id.startswith("v2-")
    assert again.to_polars().height == 40
    assert [one.damage() is None for one in assay.versions(out=out)] == [False, True]


def test_a_list_of_versions_shows_the_damaged_one(
    build: Build, good: pl.DataFrame, cli: Any, out: Path
) -> None:
    version = build(good)
    (version.path / "manifest.json").write_text("{")

    listed = cli("versions", "--out", str(out))
    as_json = cli("versions", "--json", "--out", str(out))

    assert listed.returncode == 0
    assert f"bad/{version.id}  damaged: " in listed.stdout
    assert "damage" in json.loads(as_json.stdout)[0]


def test_a_damaged_evaluation_is_made_again(run: Callable[..., Any], good: pl.DataFrame) -> None:
    first = run(good)
    halve(first.report.parent / "evaluation.json")

    again = run(good)

    assert again.evaluation.scores == first.evaluation.scores
