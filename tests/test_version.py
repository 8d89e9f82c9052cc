"""Versions: numbered, named, opened by any form of their name, and never half written."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from assay import version as versions
from assay.errors import StorageError, VersionError
from assay.storage import write_atomically


def manifest(name, hash_):
    return {
        "name": name, "hash": hash_ * 64, "files": [], "splits": {"train": 2}, "notes": [],
        "rows": {"read": 3, "kept": 2, "set_aside": 1}, "reasons": {"contract: n: max": 1},
    }  # fmt: skip


def commit(out, name="prices", hash_="a"):
    with versions.building(out, name) as folder:
        return versions.commit(folder, out, manifest(name, hash_))


def test_versions_are_numbered_and_know_their_parent(tmp_path):
    first, second = commit(tmp_path, hash_="a"), commit(tmp_path, hash_="b")
    assert [first.id, second.id] == ["v1-aaaaaaaa", "v2-bbbbbbbb"]
    assert first.manifest["parent"] is None
    assert second.manifest["parent"] == first.id
    assert second.manifest["version"] == second.id
    assert commit(tmp_path, "other").id == "v1-aaaaaaaa"


def test_the_same_content_is_the_same_version(tmp_path):
    first = commit(tmp_path)
    commit(tmp_path, hash_="b")
    again = commit(tmp_path)
    assert (again.path, again.reused, first.reused) == (first.path, True, False)
    assert len(versions.versions(out=tmp_path)) == 2


def test_versions_are_listed_by_number_and_not_by_letters(tmp_path):
    for hash_ in "0123456789ab":
        commit(tmp_path, hash_=hash_)
    listed = [version.id.partition("-")[0] for version in versions.versions("prices", out=tmp_path)]
    assert listed == [f"v{number}" for number in range(1, 13)]
    assert versions.open_version("prices", tmp_path).id == "v12-bbbbbbbb"


@pytest.mark.parametrize(
    "name",
    ["prices", "prices/v2", "prices/v2-bbbbbbbb", "v2-bbbbbbbb", "{out}/prices/v2-bbbbbbbb"],
)
def test_a_version_is_opened_by_every_form_of_its_name(tmp_path, name):
    commit(tmp_path)
    wanted = commit(tmp_path, hash_="b")
    found = versions.open_version(name.format(out=tmp_path), tmp_path)
    assert found.path.resolve() == wanted.path.resolve()
    assert found.title == "prices/v2-bbbbbbbb"


def test_v1_is_not_taken_for_v10(tmp_path):
    for hash_ in "0123456789ab":
        commit(tmp_path, hash_=hash_)
    assert versions.open_version("prices/v1", tmp_path).id == "v1-00000000"


def test_a_name_of_several_versions_is_refused(tmp_path):
    commit(tmp_path, "prices")
    commit(tmp_path, "copies")
    with pytest.raises(VersionError, match="several versions 'v1-aaaaaaaa'") as caught:
        versions.open_version("v1-aaaaaaaa", tmp_path)
    assert set(caught.value.allowed) == {"prices/v1-aaaaaaaa", "copies/v1-aaaaaaaa"}


def test_a_name_of_none_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(VersionError, match="none are there yet"):
        versions.open_version("prices", tmp_path)
    commit(tmp_path)
    with pytest.raises(VersionError, match="did you mean 'prices/v1-aaaaaaaa'"):
        versions.open_version("prices/v1-aaaaaaab", tmp_path)


def test_whatever_is_interrupted_leaves_the_former_versions_alone(tmp_path):
    former = commit(tmp_path)
    with pytest.raises(KeyboardInterrupt), versions.building(tmp_path, "prices") as folder:
        (folder / "half").write_text("…")
        raise KeyboardInterrupt
    assert not folder.exists()
    assert [version.path for version in versions.versions(out=tmp_path)] == [former.path]


def test_folders_of_killed_builds_are_removed_and_those_at_work_are_not(tmp_path):
    dead = tmp_path / "prices" / ".building-1-dead"
    dead.mkdir(parents=True)
    (dead / ".lock").touch()
    with versions.building(tmp_path, "prices") as at_work:
        assert not dead.exists()
        with versions.building(tmp_path, "prices"):
            assert at_work.exists()


def test_a_place_that_cannot_be_written_to_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), versions.building(tmp_path / "file", "prices"):
        pass


def test_a_damaged_version_is_listed_as_such_and_never_reused(tmp_path):
    first = commit(tmp_path)
    (first.path / versions.MANIFEST).write_text("{")
    assert "damaged" in first.line()
    with pytest.raises(VersionError, match="manifest cannot be read"):
        versions.open_version("prices", tmp_path)
    assert commit(tmp_path).id == "v2-aaaaaaaa"


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    write_atomically(path, b"first")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError):
        write_atomically(path, b"second")
    assert path.read_bytes() == b"first"
    assert list(path.parent.iterdir()) == [path]


def test_a_version_says_what_it_holds(tmp_path):
    version = commit(tmp_path)
    assert "2 of 3 rows kept" in repr(version)
    assert version.summary().splitlines()[-1].split() == ["2", "kept:", "train", "2"]
    assert version.line(30).startswith("prices/v1-aaaaaaaa" + " " * 14)
    assert orjson.loads(orjson.dumps(version.to_dict()))["rows"]["reasons"] == {
        "contract: n: max": 1
    }
    with pytest.raises(VersionError, match="no split 'dev'"):
        version.scan("dev")
