"""Restoring, naming, thinning out and tracing versions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest
from offers import recipe

import assay
from assay.cache import Cache
from assay.errors import AssayError, StorageError, VersionError
from assay.recipe import load


@pytest.fixture
def own(folder, tmp_path):
    """The three versions, in a place of the test's own."""
    subprocess.run(["cp", "-a", str(folder / "versions"), str(tmp_path / "versions")], check=True)
    return tmp_path / "versions"


def numbered(out, count=4, name="t"):
    return [
        assay.build({"name": name, "source": pl.DataFrame({"n": [n]})}, out=out)
        for n in range(count)
    ]


def ids(out, name="offers"):
    return [version.id.partition("-")[0] for version in assay.versions(name, out=out)]


def test_a_restored_version_is_the_newest_with_the_same_rows_and_files(own):
    old, newest = (assay.versions("offers", out=own)[n] for n in (0, 2))
    restored = assay.restore("offers/v1", out=own)
    assert ids(own) == ["v1", "v2", "v3", "v4"]
    assert restored.manifest["hash"] == old.manifest["hash"]
    assert restored.manifest["parent"] == newest.id
    assert restored.manifest["restored_from"] == old.id
    assert restored.to_polars().equals(old.to_polars())
    data = [path.relative_to(old.path) for path in old.path.rglob("*.parquet")]
    assert data and all((old.path / one).samefile(restored.path / one) for one in data)
    assert [run.name for run in restored.runs] == [run.name for run in old.runs]
    assert (
        assay.open_version("offers", own).id == restored.id if hasattr(assay, "open_version") else 1
    )
    assert assay.restore("offers", out=own).reused


def test_a_version_is_copied_out_with_its_recipe(own, tmp_path):
    copy = assay.restore("offers/v1", out=own, to=tmp_path / "copy", recipe=tmp_path / "r.yaml")
    assert copy.to_polars().equals(assay.versions("offers", out=own)[0].to_polars())
    assert ids(own) == ["v1", "v2", "v3"]
    again = load(tmp_path / "r.yaml")
    assert again.plain() == copy.manifest["recipe"]
    inodes = {path.stat().st_ino for path in own.rglob("*") if path.is_file()}
    assert not inodes & {path.stat().st_ino for path in copy.path.rglob("*") if path.is_file()}
    with pytest.raises(StorageError, match="not empty"):
        assay.restore("offers/v1", out=own, to=tmp_path / "copy")
    (tmp_path / "r.yaml").write_text("mine")
    with pytest.raises(StorageError, match="another file"):
        assay.restore("offers/v1", out=own, recipe=tmp_path / "r.yaml")
    assert (tmp_path / "r.yaml").read_text() == "mine"


def test_a_damaged_version_is_not_restored(own):
    old = assay.versions("offers", out=own)[0]
    file = next((old.path / "data").glob("train-*"))
    body = bytearray(file.read_bytes())
    body[len(body) // 2] ^= 1
    file.write_bytes(bytes(body))
    with pytest.raises(VersionError, match="not what was written"):
        assay.restore(old, out=own)
    assert ids(own) == ["v1", "v2", "v3"]


def test_without_links_a_restored_version_has_copies(own, monkeypatch):
    def refuse(source, target, **more):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    restored = assay.restore("offers/v1", out=own)
    assert restored.to_polars().equals(assay.versions("offers", out=own)[0].to_polars())


def test_tags_are_given_listed_and_taken_away(own):
    given = assay.tag("offers/v1", "shipped", out=own, note="to the customer")
    assert list(given.tags) == ["offers/shipped"]
    assay.tag("offers/v2", "accepted", out=own)
    assert {name: tag.version[:2] for name, tag in assay.tag(out=own).tags.items()} == {
        "offers/accepted": "v2", "offers/shipped": "v1",
    }  # fmt: skip
    assert assay.versions("offers", out=own)[0].line().endswith("[shipped]")
    assert "to the customer" in repr(assay.tag("offers/shipped", out=own))
    moved = assay.tag("offers/v2", "shipped", out=own)
    assert moved.said.endswith(f"which was {given.tags['offers/shipped'].version}")
    assay.tag("offers", "shipped", out=own, remove=True)
    assert list(assay.tag(out=own).tags) == ["offers/accepted"]
    with pytest.raises(VersionError, match="Which tag"):
        assay.tag("offers", out=own, remove=True)


def test_nothing_goes_unless_it_is_asked_for_and_then_what_was_told(tmp_path):
    numbered(tmp_path)
    told = assay.prune("t", keep=2, out=tmp_path)
    assert not told.done and len(assay.versions(out=tmp_path)) == 4
    before = sum(f.stat().st_size for f in (tmp_path / "t").rglob("*") if f.is_file())
    done = assay.prune("t", keep=2, out=tmp_path, yes=True)
    after = sum(f.stat().st_size for f in (tmp_path / "t").rglob("*") if f.is_file())
    kept = sum(f.stat().st_size for f in (tmp_path / "t" / "pruned").glob("*"))
    assert (done.gone, done.bytes) == (told.gone, told.bytes)
    assert before - after == done.bytes - kept
    assert ids(tmp_path, "t") == ["v3", "v4"]
    # A number is not given twice, and what was pruned is built anew.
    assert numbered(tmp_path, 1)[0].id.startswith("v5-")


def test_what_a_tag_an_evaluation_or_a_build_to_come_needs_stays(own):
    told = assay.prune(keep=1, out=own, yes=True)
    assert not told.gone
    assert {title.partition("-")[0]: why for title, why in told.kept.items()} == {
        "offers/v1": ("evaluated",),
        "offers/v2": ("evaluated", "the newest with its split"),
        "offers/v3": ("newest", "the newest with its split"),
    }
    assay.tag("offers/v1", "shipped", out=own)
    assert not assay.prune(keep=1, out=own, runs=True, yes=True).gone
    assay.tag("offers", "shipped", out=own, remove=True)
    gone = assay.prune(keep=1, out=own, runs=True, yes=True).gone
    assert [title[:9] for title in gone] == ["offers/v1"]
    assert not list((own / "offers" / "runs").glob("v1-*"))
    assert assay.versions("offers", out=own)[0].to_polars().height  # its child has all its files


def test_shared_files_are_not_counted_as_free(own):
    for number in range(2):
        (tag := assay.restore("offers/v1" if number else "offers/v2", out=own)).damage()
        assert tag
    told = assay.prune(keep=1, out=own, runs=True)
    assert told.gone and told.bytes < sum(told.gone.values())


def test_nothing_is_pruned_while_a_build_is_at_work(tmp_path):
    numbered(tmp_path)
    with Cache(tmp_path / ".cache").in_use(), pytest.raises(StorageError, match="build is at work"):
        assay.prune(keep=1, out=tmp_path, yes=True)
    assert len(assay.versions(out=tmp_path)) == 4
    assert assay.prune(keep=1, out=tmp_path).gone  # telling needs no lock


def test_builds_and_pruning_at_once_lose_nothing(tmp_path):
    made = {version.manifest["hash"] for version in numbered(tmp_path, 2)}
    problems = []

    def pruning():
        for _ in range(40):
            try:
                assay.prune(keep=1, out=tmp_path, yes=True)
            except StorageError as error:
                problems.extend([] if "build is at work" in str(error) else [error])
            time.sleep(0.005)

    thread = threading.Thread(target=pruning)
    thread.start()
    newest = numbered(tmp_path, 6)[-1]
    thread.join()
    assert not problems and made
    assert assay.versions(out=tmp_path)[-1].id == newest.id
    assert all(version.damage() is None for version in assay.versions(out=tmp_path))


def test_a_kill_in_the_middle_of_pruning_is_cleared_away(tmp_path, monkeypatch):
    numbered(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *given, **more: sys.exit("killed"))
        with pytest.raises(SystemExit):
            assay.prune(keep=1, out=tmp_path, yes=True)
    assert ids(tmp_path, "t") == ["v2", "v3", "v4"]
    numbered(tmp_path, 6)
    assert not list((tmp_path / "t").glob(".building-*"))


@pytest.mark.parametrize("keep", [0, -1])
def test_the_newest_version_always_stays(tmp_path, keep):
    with pytest.raises(AssayError, match="newest version stays"):
        assay.prune(keep=keep, out=tmp_path)


def test_damaged_versions_are_left_to_look_at(tmp_path):
    first = numbered(tmp_path)[0]
    (first.path / "manifest.json").write_text("{")
    assert "damaged" in repr(assay.prune(keep=1, out=tmp_path, yes=True))
    assert first.path.exists()
    with pytest.raises(VersionError, match="no versions of 'absent'"):
        assay.prune("absent", keep=1, out=tmp_path)


def test_nothing_goes_where_the_tags_cannot_be_read(tmp_path):
    numbered(tmp_path)
    (tmp_path / "t" / "tags.json").write_text("{")
    with pytest.raises(VersionError, match="tags cannot be read"):
        assay.prune(keep=1, out=tmp_path, yes=True)
    assert len(assay.versions(out=tmp_path)) == 4


def test_a_full_disk_restores_nothing_and_leaves_nothing(own, monkeypatch):
    def full(*given, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(StorageError, match="disk is full"):
        assay.restore("offers/v1", out=own)
    with pytest.raises(StorageError, match="disk is full"):
        assay.restore("offers/v1", out=own, to=own / "copy")
    assert ids(own) == ["v1", "v2", "v3"]
    assert not [*own.glob("offers/.building-*"), *own.glob(".copy*")]


def test_lineage_is_walked_both_ways_from_every_end(folder, tmp_path):
    out = folder / "versions"
    version = assay.versions("offers", out=out)[1]
    score = assay.lineage(version.runs[-1] / "evaluation.json", out=out)
    up = [(node.kind, node.title) for node in score.made_of]
    assert ("version", version.title) in up
    assert {title for kind, title in up if kind == "source"} == {"0.csv", "1.csv", "2.csv"}
    assert {kind for kind, _ in up} == {"version", "recipe", "code", "source"}
    # From the corrected file back to every score that was made of it, and not of its former self.
    file = assay.lineage(folder / "data" / "0.csv", out=out)
    assert {node.kind for node in file.used_by} >= {"version", "evaluation", "run"}
    assert f"version offers/{assay.versions('offers', out=out)[0].id}" not in repr(file)
    source = file.found[0].facts["hash"]
    assert source in {one["hash"] for one in version.manifest["sources"]}
    run = next(node for node in score.used_by if node.kind == "run")
    (tmp_path / "recipe.yaml").write_text(load(version.manifest["recipe"]).to_yaml())
    for what in (source[:10], run.title, run.title[:6], tmp_path / "recipe.yaml", "offers/v2"):
        found = assay.lineage(what, out=out)
        both = {node.title for node in (*found.found, *found.made_of, *found.used_by)}
        assert version.title in both, what
    document = json.loads(json.dumps(score.to_dict()))
    known = {one["id"] for part in ("what", "made_of", "used_by") for one in document[part]}
    assert all(end in known for edge in document["edges"] for end in edge)


def test_lineage_says_of_a_file_that_has_changed_since(folder, tmp_path):
    (tmp_path / "0.csv").write_text("sku\n1\n")
    found = assay.lineage(tmp_path / "0.csv", out=folder / "versions")
    assert found.found and "another content now" in found.notes[0]
    with pytest.raises(AssayError, match="Nothing is known of 'nonsense'"):
        assay.lineage("nonsense", out=folder / "versions")


def test_lineage_goes_through_versions_that_were_pruned(tmp_path):
    numbered(tmp_path, 3)
    first = assay.versions(out=tmp_path)[0].title
    assay.prune(keep=1, out=tmp_path, yes=True)
    newest = assay.lineage("t", out=tmp_path)
    parents = [node for node in newest.made_of if node.kind == "version"]
    assert [node.facts["pruned"] for node in parents] == [True, True]
    assert parents[-1].title == first
    next((tmp_path / "t" / "pruned").glob("v1-*")).write_text("{")
    assert len(assay.lineage("t", out=tmp_path).made_of) < len(newest.made_of)


def test_a_missing_folder_has_no_versions_and_says_so(tmp_path):
    assert not assay.prune(keep=1, out=tmp_path / "absent").gone
    assert not assay.tag(out=tmp_path / "absent").tags
    with pytest.raises(AssayError, match="versions here: none"):
        assay.lineage("offers", out=tmp_path / "absent")
    assert not Path(tmp_path / "absent").exists()
    assert recipe(tmp_path)["name"] == "offers"
