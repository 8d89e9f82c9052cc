"""Files that versions share: stored once, and no version is the worse for it."""

from __future__ import annotations

import errno
import os

import polars as pl
import pytest

import assay
from assay import version as versions
from assay.errors import VersionError


def rows(start, count=400):
    return pl.DataFrame(
        {"key": [f"k{n}" for n in range(start, start + count)], "n": range(start, start + count)}
    )


def recipe(folder):
    return {
        "name": "grown", "source": str(folder), "id": "key", "certificate": "off",
        "fields": {"key": {"type": "string"}, "n": {"type": "integer", "max": 1500}},
        "steps": [{"split.random": {"train": 0.8, "validation": 0.0, "test": 0.2}}],
    }  # fmt: skip


@pytest.fixture
def grown(tmp_path):
    """A version of four files, and one of these four and a fifth."""
    data = tmp_path / "data"
    data.mkdir()
    for number in range(4):
        rows(number * 400).write_csv(data / f"{number}.csv")
    first = assay.build(recipe(data), out=tmp_path / "versions", workers=1)
    rows(1600).write_csv(data / "new.csv")
    return first, assay.build(recipe(data), out=tmp_path / "versions", workers=1)


def files(version):
    found = [path for part in ("data", "ledger", "quarantine")
             for path in (version.path / part).glob("*")]  # fmt: skip
    return {path: path.stat() for path in found}


def test_what_is_not_new_is_stored_once(grown):
    first, second = grown
    old, new = files(first), files(second)
    inodes = {stat.st_ino for stat in old.values()}
    own = [path for path, stat in new.items() if stat.st_ino not in inodes]
    assert len(old) - sum(stat.st_nlink > 1 for stat in old.values()) == 0
    # The fifth file's rows are all above the maximum: a part of the ledger and of the quarantine.
    assert sorted(path.parent.name for path in own) == ["ledger", "quarantine"]
    assert second.damage() is None
    assert second.to_polars().sort("n").equals(first.to_polars().sort("n"))


def test_a_version_without_the_others_is_whole(grown):
    first, second = grown
    before = second.to_polars()
    for path in files(first):
        path.unlink()
    assert second.damage() is None
    assert second.to_polars().equals(before)


def test_a_file_that_was_damaged_is_not_taken(tmp_path):
    def commit(hash_, content):
        plain = {"name": "t", "hash": hash_ * 64, "splits": {}, "rows": {}, "files": []}
        with versions.building(tmp_path, "t") as folder:
            (folder / "rows").write_bytes(content)
            return versions.commit(folder, tmp_path, plain)

    first = commit("a", b"good")
    (first.path / "rows").write_bytes(b"evil")  # as long as it was, so nobody has noticed
    second, third = commit("b", b"good"), commit("c", b"good")
    assert (second.path / "rows").read_bytes() == b"good"
    assert (second.path / "rows").samefile(third.path / "rows")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOENT])
def test_where_nothing_can_be_linked_every_version_has_its_copy(tmp_path, monkeypatch, number):
    def refuse(source, target, **more):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    data = tmp_path / "data"
    data.mkdir()
    rows(0).write_csv(data / "0.csv")
    first = assay.build(recipe(data), out=tmp_path / "versions", workers=1)
    rows(400).write_csv(data / "1.csv")
    second = assay.build(recipe(data), out=tmp_path / "versions", workers=1)
    assert {stat.st_nlink for stat in files(second).values()} == {1}
    assert second.rows["kept"] == 2 * first.rows["kept"]
    assert not list(second.path.rglob("*.part"))


def test_a_file_that_git_lfs_has_not_fetched_is_told_as_such(grown):
    first, _ = grown
    file = next((first.path / "data").glob("*.parquet"))
    file.unlink()
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(VersionError, match="git lfs pull"):
        first.to_polars()
