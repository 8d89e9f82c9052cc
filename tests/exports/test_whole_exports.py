"""A version written out by `assay.export`: the summary, file rules, and the Hub's layout."""

from __future__ import annotations

import json

import polars as pl
import pytest
import yaml

from assay.building.build import build
from assay.errors import RecipeError
from assay.jobs.exporting import export, summary


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    rows = pl.DataFrame({"q": [f"What is {n}?" for n in range(40)], "a": ["x"] * 38 + ["", None]})
    folder = tmp_path_factory.mktemp("w")
    rows.write_ndjson(folder / "rows.jsonl")
    recipe = {
        "name": "asked",
        "source": str(folder / "rows.jsonl"),
        "steps": [{"split.random": {"train": 0.8, "validation": 0, "test": 0.2}}],
    }
    return build(recipe, out=folder / "versions")


def test_the_summary_lies_beside_the_files(version, tmp_path):
    given = {"prompt": "{q}", "completion": "{a}", "target": "openai", "price_per_million": 3}

    files = export(version, "chat", tmp_path, parameters=given)

    assert "exports.json" in [file.name for file in files]
    said = json.loads((tmp_path / "exports.json").read_text())["chat"]
    written = sum(
        (tmp_path / f"{split}.jsonl").read_text().count("\n") for split in ("train", "test")
    )
    assert said["rows"] == written == 38
    assert sum(said["left_out"].values()) == 2
    assert summary(tmp_path)[0] == "chat: 38 examples"
    assert any("cost: about" in line for line in summary(tmp_path))


def test_a_file_that_breaks_a_rule_is_not_left_behind(version, tmp_path):
    folder = tmp_path / "new"
    given = {"prompt": "{q}", "completion": "{a}", "target": "openai", "max_tokens": 9}

    with pytest.raises(RecipeError, match="at least 10 examples"):
        export(version, "chat", folder, parameters=given)

    assert not folder.exists()


def test_tables_say_no_more_than_their_rows(version, tmp_path):
    export(version, "csv", tmp_path)

    assert summary(tmp_path) == []


def test_the_hub_s_layout_is_read_by_its_library(version, tmp_path, monkeypatch):
    import datasets

    given = {"license": "cc0-1.0", "language": ["en"], "tags": ["questions"]}

    export(version, "hub", tmp_path / "hub", parameters=given)

    card = (tmp_path / "hub" / "README.md").read_text()
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["license"] == "cc0-1.0"
    assert header["size_categories"] == ["n<1K"]
    assert "quarantine/" not in card
    assert str(version.path.parents[2]) not in card
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(str(tmp_path / "hub"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in loaded.items()} == version.manifest["splits"]
