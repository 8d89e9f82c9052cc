"""Tags: names that people give to versions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import orjson
import pytest

from assay.errors import StorageError, VersionError
from assay.tags import TAGS, read_tags, remove_tag, set_tag
from assay.version import open_version

AT = datetime(2026, 11, 27, 14, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    for name in ("prices", "copies"):
        for version in ("v1-aaaaaaaa", "v2-bbbbbbbb"):
            folder = tmp_path / name / version
            folder.mkdir(parents=True)
            plain = {"hash": "a", "files": [], "splits": {}, "rows": {}}
            (folder / "manifest.json").write_bytes(orjson.dumps(plain))
    return tmp_path / "prices"


def test_a_tag_is_set_moved_and_removed(home):
    details = {"run": "v1-aaaaaaaa-12345678"}
    set_tag(home, "accepted", "v1-aaaaaaaa", at=AT, note="the first", details=details)
    set_tag(home, "shipped", "v1-aaaaaaaa", at=AT)
    assert read_tags(home)["accepted"].to_dict() == {
        "version": "v1-aaaaaaaa", "at": "2026-11-27T14:00:00Z", "note": "the first",
        "details": details,
    }  # fmt: skip
    set_tag(home, "accepted", "v2-bbbbbbbb", at=AT)
    assert read_tags(home)["accepted"].version == "v2-bbbbbbbb"
    assert remove_tag(home, "accepted").version == "v2-bbbbbbbb"
    assert list(read_tags(home)) == ["shipped"]
    with pytest.raises(VersionError, match="no tag 'shiped'") as caught:
        remove_tag(home, "shiped")
    assert caught.value.hint == "did you mean 'shipped'?"


@pytest.mark.parametrize(
    "name", ["", "v3", "v3-9f2c41ab", "3x", "a/b", "../x", "a b", "<b>", "x" * 65, "ä"]
)
def test_a_name_that_is_no_name_is_refused(home, name):
    with pytest.raises(VersionError, match="cannot be called"):
        set_tag(home, name, "v1-aaaaaaaa")
    assert not (home / TAGS).exists()


@pytest.mark.parametrize("version", ["v9-aaaaaaaa", "v1", "../copies", ""])
def test_only_a_version_that_is_there_is_tagged(home, version):
    with pytest.raises(VersionError, match="no version"):
        set_tag(home, "accepted", version)
    with pytest.raises(VersionError, match="no versions here"):
        set_tag(home.parent / "absent", "accepted", version)


def test_a_version_is_opened_by_its_tag(home):
    set_tag(home, "accepted", "v1-aaaaaaaa")
    for name in ("prices/accepted", "accepted"):
        assert open_version(name, home.parent).title == "prices/v1-aaaaaaaa"
    set_tag(home.parent / "copies", "accepted", "v2-bbbbbbbb")
    assert open_version("copies/accepted", home.parent).id == "v2-bbbbbbbb"
    with pytest.raises(VersionError, match="several versions 'accepted'"):
        open_version("accepted", home.parent)
    with pytest.raises(VersionError, match="no version 'prices/refused'"):
        open_version("prices/refused", home.parent)


def test_a_tag_of_a_version_that_is_gone_says_so(home):
    set_tag(home, "accepted", "v1-aaaaaaaa")
    (home / "v1-aaaaaaaa" / "manifest.json").unlink()
    (home / "v1-aaaaaaaa").rmdir()
    with pytest.raises(VersionError, match="points to v1-aaaaaaaa, which is not there"):
        open_version("prices/accepted", home.parent)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"accepted": 1}', b'{"a": {"at": "x"}}'])
def test_a_damaged_file_of_tags_is_one_clear_error_and_is_not_overwritten(home, content):
    (home / TAGS).write_bytes(content)
    for act in (lambda: read_tags(home), lambda: set_tag(home, "accepted", "v1-aaaaaaaa")):
        with pytest.raises(VersionError, match=r"tags\.json: The tags cannot be read"):
            act()
    assert (home / TAGS).read_bytes() == content
    assert open_version("prices", home.parent).id == "v2-bbbbbbbb"


def test_many_at_once_lose_no_tag(home):
    names = [f"tag{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: set_tag(home, name, "v1-aaaaaaaa"), names))
    assert set(read_tags(home)) == set(names)
    assert not list(home.glob("*.part"))


def test_a_full_disk_keeps_the_tags_that_were_there(home, monkeypatch):
    set_tag(home, "accepted", "v1-aaaaaaaa")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        set_tag(home, "accepted", "v2-bbbbbbbb")
    assert read_tags(home)["accepted"].version == "v1-aaaaaaaa"
