"""Datasets of the hub, saved `datasets`, Delta Lake and Iceberg tables, as sources."""

from __future__ import annotations

import json
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
import pytest
from servers import SECRET

import assay
from assay.errors import RecipeError, SourceError

pytestmark = pytest.mark.usefixtures("planted")

CARD = """---
configs:
- config_name: items
  default: true
  data_files:
  - split: train
    path: items/train-*.parquet
  - split: test
    path: items/test-*.parquet
- config_name: notes
  data_files: notes/*.jsonl
---
# Items
"""
COMMIT = "1234567890abcdef1234567890abcdef12345678"


@pytest.fixture
def build(tmp_path):
    def built(source, **recipe):
        whole = {"name": "shop", "source": source, **recipe}
        return assay.build(whole, out=tmp_path / "versions", workers=1)

    return built


@pytest.fixture
def laid_out(tmp_path):
    """A folder like a dataset of the hub: two configurations, two splits."""
    folder = tmp_path / "dataset"
    for name in ("items", "notes"):
        (folder / name).mkdir(parents=True)
    (folder / "README.md").write_text(CARD)
    for number in range(2):
        rows = pl.DataFrame({"n": range(number * 50, number * 50 + 50)})
        rows.write_parquet(folder / "items" / f"train-{number}.parquet")
    pl.DataFrame({"n": range(100, 110)}).write_parquet(folder / "items" / "test-0.parquet")
    (folder / "notes" / "a.jsonl").write_text('{"note": "x"}\n' * 3)
    return folder


@pytest.fixture
def hub(site, laid_out, monkeypatch, tmp_path):
    """A small hub on this machine that serves the folder as `ann/items`."""
    pytest.importorskip("huggingface_hub", reason="the extra assay[hub] is not installed")
    files = [p for p in laid_out.rglob("*") if p.is_file()]
    names = {path.relative_to(laid_out).as_posix(): path.read_bytes() for path in files}
    names["raw/meta_Toys.jsonl"] = b'{"title": "a"}\n{"title": "b"}\n'

    def answer(handler):
        path = unquote(handler.path.partition("?")[0])
        headers = {"X-Repo-Commit": COMMIT}
        if path.startswith("/api/datasets/ann/items"):
            listed = [{"rfilename": name} for name in names]
            body = json.dumps({"id": "ann/items", "sha": COMMIT, "siblings": listed}).encode()
            headers["Content-Type"] = "application/json"
        elif path.startswith(f"/datasets/ann/items/resolve/{COMMIT}/"):
            body = names.get(path.split(COMMIT)[1][1:], b"")
            headers["ETag"] = f'"{hash(body) % 10**12:040x}"'
        else:
            handler.send_response(404)
            handler.send_header("X-Error-Code", "RepoNotFound")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return True
        handler.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(body)
        return True

    site.answer = answer
    monkeypatch.setenv("HF_ENDPOINT", site.address)
    monkeypatch.setenv("HF_TOKEN", f"hf_{SECRET}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return site


def test_a_dataset_of_the_hub_is_read_by_its_card(hub, build):
    version = build("hf://ann/items")
    assert version.rows["kept"] == 110
    assert version.manifest["sources"][0]["at"] == f"revision {COMMIT}"
    assert build({"hub": "ann/items", "split": "test"}).rows["kept"] == 10
    assert build({"hub": "ann/items", "config": "notes"}).rows["read"] == 3
    assert build("hf://datasets/ann/items@main/raw/meta_*.jsonl").rows["read"] == 2


def test_the_token_is_sent_and_written_nowhere(hub, build):
    version = build("hf://ann/items")
    assert any(
        headers.get("authorization", headers.get("Authorization")) == f"Bearer hf_{SECRET}"
        for _, _, headers in hub.asked
    )
    assert SECRET not in str(version.manifest)


def test_only_the_files_that_are_asked_for_are_fetched(hub, build):
    build({"hub": "ann/items", "split": "test"})
    fetched = {path for how, path, _ in hub.asked if how == "GET" and "/resolve/" in path}
    assert {path.rpartition("/")[2] for path in fetched} == {"README.md", "test-0.parquet"}


def test_what_the_hub_has_not_is_said(hub, build):
    def refused(source):
        with pytest.raises(SourceError) as caught:
            build(source)
        return str(caught.value)

    assert "no such dataset on the hub, or it is not open to you" in refused("hf://bob/items")
    assert "no configuration 'item'" in refused({"hub": "ann/items", "config": "item"})
    assert "did you mean 'items'?" in refused({"hub": "ann/items", "config": "item"})
    assert "no split 'tests'" in refused({"hub": "ann/items", "split": "tests"})
    assert "no file like this" in refused("hf://ann/items/raw/*.csv")
    assert "names no dataset" in refused("hf://items")


def test_a_folder_like_a_dataset_of_the_hub(laid_out, build, tmp_path):
    assert build({"hub": str(laid_out), "split": "train"}).rows["kept"] == 100
    recipe = tmp_path / "assay.yaml"
    recipe.write_text("name: t\nsource: {hub: ./dataset, split: test}\n")
    assert assay.build(recipe, out=tmp_path / "versions", workers=1).rows["kept"] == 10
    (laid_out / "README.md").unlink()
    assert build({"hub": str(laid_out), "split": "train"}).rows["kept"] == 100
    with pytest.raises(SourceError, match="names no configuration"):
        build({"hub": str(laid_out), "config": "x"})


def test_a_folder_that_datasets_saved(tmp_path, build):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict(
        {"n": list(range(30)), "text": [f"text {n}" for n in range(30)]}
    )
    rows.save_to_disk(tmp_path / "one")
    assert build(str(tmp_path / "one")).rows["kept"] == 30
    both = datasets.DatasetDict({"train": rows, "test": rows.select(range(7))})
    both.save_to_disk(tmp_path / "both")
    assert build(str(tmp_path / "both")).rows["read"] == 37
    assert build({"hub": str(tmp_path / "both"), "split": "test"}).rows["read"] == 7
    with pytest.raises(SourceError, match="no split 'dev'"):
        build({"hub": str(tmp_path / "both"), "split": "dev"})


def test_a_delta_table_is_read_at_its_version(tmp_path, build, monkeypatch):
    deltalake = pytest.importorskip("deltalake")
    place = str(tmp_path / "delta")
    deltalake.write_deltalake(place, pa.table({"n": [1, 2, 3]}))
    deltalake.write_deltalake(place, pa.table({"n": [4, 5]}), mode="append")
    newest, first = build({"delta": place}), build({"delta": place, "version": 0})
    assert (newest.rows["kept"], first.rows["kept"]) == (5, 3)
    assert newest.manifest["sources"][0]["at"] == "Delta version 1"
    assert first.manifest["sources"][0]["at"] == "Delta version 0"
    assert first.manifest["recipe"]["source"] == {"delta": place, "version": 0}
    deltalake.write_deltalake(
        place, pa.table({"n": ["six"], "m": [1]}), mode="overwrite", schema_mode="overwrite"
    )
    assert build({"delta": place}).to_polars()["n"].to_list() == ["six"]
    with pytest.raises(SourceError, match="cannot be read"):
        build({"delta": place, "version": 99})
    with pytest.raises(SourceError, match="no _delta_log"):
        build({"delta": str(tmp_path)})
    with pytest.raises(RecipeError, match="version"):
        build({"delta": place, "version": -1})


def test_an_iceberg_table_is_read_at_its_snapshot(tmp_path, build):
    catalogs = pytest.importorskip("pyiceberg.catalog.sql")
    catalog = catalogs.SqlCatalog(
        "shop", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/lake"
    )
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.items", schema=pa.schema([("n", pa.int64())]))
    folder = table.location().removeprefix("file://")
    with pytest.raises(SourceError, match="holds no rows yet"):
        build({"iceberg": folder})
    table.append(pa.table({"n": [1, 2, 3]}))
    old = table.current_snapshot().snapshot_id
    table.append(pa.table({"n": [4]}))
    newest, first = build({"iceberg": folder}), build({"iceberg": folder, "snapshot": old})
    assert (newest.rows["kept"], first.rows["kept"]) == (4, 3)
    assert first.manifest["sources"][0]["at"] == f"Iceberg snapshot {old}"
    with pytest.raises(SourceError, match="no such snapshot"):
        build({"iceberg": folder, "snapshot": 7})
    catalog.close()
