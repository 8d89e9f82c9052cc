"""Versions, runs and finished work in an object store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from servers import SECRET

import assay
from assay import remote
from assay.errors import AssayError, StorageError
from assay.objects import Store
from assay.remote import work
from assay.tags import read_tags, set_tag
from assay.version import open_version

pytestmark = pytest.mark.usefixtures("planted")

ROWS = pl.DataFrame({"n": range(60), "text": [f"text number {n}" for n in range(60)]})
HALVES = {"split.random": {"train": 0.7, "validation": 0, "test": 0.3}}


@pytest.fixture
def out(bucket):
    return f"{bucket}/versions"


def build(out, rows=ROWS, **recipe):
    return assay.build({"name": "shop", "source": rows, **recipe}, out=out, workers=1)


def keys(out, prefix=""):
    return [one.key for one in Store(out).list(prefix) if not one.key.startswith(".cache")]


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """From now on, be another machine with nothing on it."""

    def moved(name="another-machine"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))

    return moved


def test_a_version_is_built_into_a_store_and_opened_from_another_machine(out, elsewhere):
    version = build(out, steps=[HALVES])
    assert {f"shop/{version.id}/manifest.json", "shop/.claims/1"} <= set(keys(out))
    assert version.summary().splitlines()[0].endswith(f"{out}/shop/{version.id}")
    elsewhere()
    (listed,) = assay.versions(out=out)
    assert listed.damage() is None
    assert not list(listed.path.glob("data/*"))
    opened = open_version("shop", out=out)
    assert opened.to_polars("test").sort("n").equals(version.to_polars("test").sort("n"))
    assert opened.ledger().collect().height == version.ledger().collect().height
    row = opened.to_polars()["row_id"][0]
    assert assay.why("shop", row, out=out).kept


def test_the_same_build_elsewhere_makes_nothing_new_and_reads_finished_work(
    out, elsewhere, monkeypatch
):
    first = build(out)
    elsewhere()
    monkeypatch.setattr("assay.building.prepare.prepare", None)
    again = build(out)
    assert again.reused
    assert again.id == first.id
    assert len(keys(out, "shop/.claims")) == 1


def test_versions_are_numbered_over_machines(out, elsewhere):
    assert build(out).id.startswith("v1-")
    elsewhere()
    second = build(out, ROWS.head(50))
    assert second.id.startswith("v2-")
    assert second.manifest["parent"].startswith("v1-")
    elsewhere("a-third")
    assert [version.id[:3] for version in assay.versions("shop", out=out)] == ["v1-", "v2-"]


ONE_OF_TWO = """
import pathlib, sys, time
import assay
from assay.remote.mirror import Mirror
out, rows, here, other = sys.argv[1:]
plain = Mirror.claim
def claim(self, name, number, hash):
    # Both claim only when both are about to.
    pathlib.Path(here).touch()
    while not pathlib.Path(other).exists():
        time.sleep(0.01)
    return plain(self, name, number, hash)
Mirror.claim = claim
rows = [{"n": n} for n in range(int(rows))]
assay.build({"name": "shop", "source": rows}, out=out, workers=1)
"""


def test_two_builds_at_once_get_two_versions(out, tmp_path):
    both = []
    for rows, other in ((40, 41), (41, 40)):
        places = [str(tmp_path / f"ready-{n}") for n in (rows, other)]
        command = [sys.executable, "-c", ONE_OF_TWO, out, str(rows), *places]
        cache = {"XDG_CACHE_HOME": str(tmp_path / f"machine-{rows}")}
        both.append(subprocess.Popen(command, env=os.environ | cache))
    assert [one.wait(60) for one in both] == [0, 0]
    found = assay.versions("shop", out=out)
    assert sorted(version.id[:3] for version in found) == ["v1-", "v2-"]
    assert sorted(version.rows["kept"] for version in found) == [40, 41]
    # Both have written into the one record of runs.
    assert sorted(run.version for run in assay.runs(out=out)) == sorted(one.id for one in found)


def test_a_build_that_failed_is_on_record_everywhere(out, elsewhere):
    with pytest.raises(AssayError):
        build(out, source="absent.csv")
    elsewhere()
    build(out)
    elsewhere("cache-of-this-machine")
    with pytest.raises(AssayError):
        build(out, source="absent too.csv")
    elsewhere("a-third")
    assert [run.status for run in assay.runs(out=out)] == ["failed", "finished", "failed"]


def test_a_kill_while_sending_leaves_no_version_and_is_cleared_away(out, monkeypatch, tmp_path):
    script = (
        "import os, assay, polars as pl\n"
        "from assay.objects import Store\n"
        "plain = Store.create\n"
        "def create(self, key, content):\n"
        "    if key.endswith('manifest.json'): os.kill(os.getpid(), 9)\n"
        "    return plain(self, key, content)\n"
        "Store.create = create\n"
        "rows = [{'n': 1}, {'n': 2}]\n"
        f"assay.build({{'name': 'shop', 'source': rows}}, out={out!r}, workers=1)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False, cwd=tmp_path)
    assert killed.returncode == -9
    left = keys(out, "shop")
    assert any("/data/" in key for key in left)
    assert not any(key.endswith("manifest.json") for key in left)
    assert assay.versions(out=out) == []
    # Somebody may still be at it, so it stays a day; then the next build clears it away.
    assert build(out).id.startswith("v2-")
    assert any(key.startswith("shop/v1-") for key in keys(out))
    monkeypatch.setattr(work, "ABANDONED", timedelta(0))
    time.sleep(1.1)
    build(out, ROWS.head(7))
    assert not any(key.startswith("shop/v1-") for key in keys(out))
    assert [version.rows["kept"] for version in assay.versions(out=out)] == [60, 7]


def test_a_store_that_refuses_in_the_middle_leaves_nothing(out, monkeypatch):
    plain = Store.write

    def write(self, key, content):
        if "/ledger/" in key:
            raise StorageError("The store cannot serve this: 500.", where=self.name)
        return plain(self, key, content)

    monkeypatch.setattr(Store, "write", write)
    with pytest.raises(StorageError, match="500"):
        build(out)
    assert not [key for key in keys(out, "shop") if "/v1-" in key]


def test_a_run_and_its_report_are_sent(out, elsewhere):
    recipe = {
        "name": "shop",
        "source": ROWS.with_columns(y=pl.col("n") * 2.0),
        "target": "y",
        "inputs": ["n"],
        "steps": [HALVES],
        "models": ["constant"],
        "certificate": "off",
    }
    outcome = assay.run(recipe, out=out, workers=1)
    sent = keys(out, "shop/runs")
    assert any(key.endswith("evaluation.json") for key in sent)
    assert any(key.endswith("report.html") for key in sent)
    elsewhere()
    again = assay.run(recipe, out=out, workers=1)
    assert again.reused
    assert again.evaluation.to_dict() == outcome.evaluation.to_dict()


def test_tags_that_two_set_at_once_are_not_lost(out, elsewhere):
    version = build(out)
    with remote.working(out) as mine:
        set_tag(mine / "shop", "mine", version.id)
        elsewhere()
        with remote.working(out) as theirs:
            set_tag(theirs / "shop", "theirs", version.id)
        elsewhere("cache-of-this-machine")
        with pytest.raises(StorageError, match="Somebody else has changed this file"):
            remote.mirror_of(mine).push()
        remote.mirror_of(mine).pull()
        assert set(read_tags(mine / "shop")) == {"theirs"}
        set_tag(mine / "shop", "mine", version.id)
    elsewhere("a-third")
    assert open_version("shop/mine", out=out).id == version.id
    assert open_version("theirs", out=out).id == version.id


def test_what_is_removed_here_is_removed_there(out, elsewhere):
    first, second = build(out), build(out, ROWS.head(10))
    with remote.working(out) as folder:
        shutil.rmtree(folder / "shop" / first.id)
    assert not keys(out, f"shop/{first.id}")
    elsewhere()
    assert [version.id for version in assay.versions(out=out)] == [second.id]
    assert build(out, ROWS.head(20)).id.startswith("v3-")


def test_tags_restored_and_pruned_versions_are_the_same_everywhere(out, elsewhere):
    first, second = build(out), build(out, ROWS.head(10))
    assay.tag(first.title, "good", out=out)
    elsewhere()
    assert assay.diff("shop/v1", "shop/v2", out=out).to_dict()["rows"]
    restored = assay.restore("shop/good", out=out)
    assert restored.manifest["hash"] == first.manifest["hash"]
    elsewhere("a-third")
    assert len(assay.versions("shop", out=out)) == 3
    newest = build(out, ROWS.head(20))
    assay.prune("shop", keep=1, out=out, yes=True)
    elsewhere("a-fourth")
    left = {version.id for version in assay.versions("shop", out=out)}
    assert second.id not in left
    assert {first.id, newest.id} <= left
    assert open_version("shop/good", out=out).to_polars().height == 60


def test_finished_work_that_nobody_uses_is_forgotten(out, monkeypatch):
    build(out)
    store = Store(out)
    before = {one.key for one in store.list(".cache")}
    monkeypatch.setattr(work, "ABANDONED", timedelta(0))
    build(out, ROWS.head(10))
    after = {one.key for one in store.list(".cache")}
    assert before - after
    assert after - before


def test_the_command_line_takes_places(out, tmp_path):
    ROWS.write_parquet(tmp_path / "rows.parquet")
    (tmp_path / "assay.yaml").write_text(
        "name: shop\nsource: rows.parquet\n"
        "steps:\n  - split.random: {train: 0.5, validation: 0, test: 0.5}\n"
        "gates:\n  - rows: {split: train, min: 1000}\n"
    )

    def cli(*arguments):
        command = Path(sys.executable).with_name("assay")
        return subprocess.run(
            [command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    ran = cli("run", "--out", out, "--quiet", "--workers", "1")
    assert ran.returncode == 1, ran.stderr
    assert any(key.endswith("report.html") for key in keys(out))
    assert not (tmp_path / "s3:").exists()
    listed = cli("versions", "--out", out, "--json")
    assert len(json.loads(listed.stdout)) == 1
    made = cli("export", "shop", "--as", "csv", "--out", "table", "--versions", out)
    assert made.returncode == 0, made.stderr
    assert len(pl.read_csv(tmp_path / "table" / "train.csv")) > 0
    nowhere = cli("versions", "--out", "s3://no-such-bucket-here/x")
    assert nowhere.returncode == 2
    assert "no such bucket" in nowhere.stderr
    assert SECRET not in ran.stderr + ran.stdout + nowhere.stderr
