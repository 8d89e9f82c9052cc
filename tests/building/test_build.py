"""What a build promises: rows add up, every decision is told, the same rows give the same hash."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import assay
from assay.errors import ContractError, RecipeError, SourceError

Build = Callable[..., assay.Version]


def test_rows_read_are_rows_kept_plus_rows_set_aside(recipe: dict[str, Any], build: Build) -> None:
    version = build(recipe)

    rows = version.rows
    assert rows["read"] == 41
    assert rows["reasons"] == {
        "read: cannot be read": 1,
        "contract: price: max": 1,
        "keep.length: too short": 1,
        "dedup.exact: duplicate": 2,
    }
    assert rows["kept"] == 36 == version.to_polars().height
    assert version.quarantine().height == 5
    assert sum(version.splits.values()) == 36


def test_ids_are_unique_over_data_and_quarantine(recipe: dict[str, Any], build: Build) -> None:
    version = build(recipe)

    ids = pl.concat([version.to_polars()["row_id"], version.quarantine()["row_id"]])
    assert ids.is_unique().all()
    assert set(ids) == set(version.ledger().collect()["row_id"])


def test_identical_rows_each_keep_a_place(tmp_path: Path, build: Build) -> None:
    frame = pl.DataFrame({"text": ["same"] * 5 + ["other"], "n": [1] * 5 + [2]})

    version = build({"name": "t", "source": frame})

    assert version.rows["kept"] == 6
    assert version.to_polars()["row_id"].is_unique().all()


def test_order_names_and_workers_do_not_change_the_version(
    recipe: dict[str, Any], products: Path, tmp_path: Path
) -> None:
    lines = products.read_text().splitlines(keepends=True)
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, names in ((first, ("1", "2")), (second, ("9", "0"))):
        folder.mkdir()
        (folder / f"{names[0]}.jsonl").write_text("".join(lines[:20]))
        (folder / f"{names[1]}.jsonl").write_text("".join(lines[20:]))

    one = assay.build({**recipe, "source": str(first)}, out=tmp_path / "o1", workers=1)
    two = assay.build({**recipe, "source": str(second)}, out=tmp_path / "o2", workers=2)
    whole = assay.build(recipe, out=tmp_path / "o3", workers=1)

    assert one.manifest["hash"] == two.manifest["hash"] == whole.manifest["hash"]
    assert one.to_polars().equals(two.to_polars())


def test_yaml_and_python_give_the_same_version(
    recipe: dict[str, Any], tmp_path: Path, build: Build
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(assay.Recipe(**recipe).to_yaml())

    assert build(path).manifest["hash"] == build(recipe, out=tmp_path / "x").manifest["hash"]


def test_a_second_build_does_no_work_twice(recipe: dict[str, Any], build: Build) -> None:
    first, second = build(recipe), build(recipe)

    assert not first.reused
    assert second.reused
    assert second.path == first.path
    assert "no work was done twice" in second.summary()


def test_a_late_change_reads_no_text_again(recipe: dict[str, Any], build: Build) -> None:
    build(recipe)
    stages: list[tuple[str, int, int]] = []
    changed = {
        **recipe,
        "steps": [
            *recipe["steps"][:3],
            {"split.random": {"train": 1.0, "validation": 0, "test": 0}},
        ],
    }

    version = build(changed, progress=lambda *at: stages.append(at))

    assert version.splits == {"train": 36}
    assert version.id.startswith("v2-")
    assert version.manifest["parent"].startswith("v1-")


def test_the_seed_changes_the_split_and_nothing_else(recipe: dict[str, Any], build: Build) -> None:
    one, two = build(recipe), build(recipe, seed=8)

    assert one.manifest["hash"] != two.manifest["hash"]
    assert set(one.to_polars()["row_id"]) == set(two.to_polars()["row_id"])


def test_a_row_keeps_its_split_when_the_data_grows(
    recipe: dict[str, Any], products: Path, build: Build
) -> None:
    before = {
        row: split
        for split in build(recipe).splits
        for row in build(recipe).to_polars(split)["row_id"]
    }
    with products.open("a") as file:
        for n in range(100, 130):
            row = {"sku": f"p{n}", "title": f"New thing {n}", "text": "word " * n, "price": n}
            file.write(json.dumps(row) + "\n")

    grown = build(recipe)

    after = {row: split for split in grown.splits for row in grown.to_polars(split)["row_id"]}
    assert grown.rows["kept"] == 66
    assert {row: after[row] for row in before} == before


def test_key_columns_name_rows_and_a_repeated_key_is_set_aside(
    recipe: dict[str, Any], products: Path, build: Build
) -> None:
    with products.open("a") as file:
        file.write(json.dumps({"sku": "p5", "title": "Twin", "text": "x " * 30, "price": 9}) + "\n")

    version = build({**recipe, "id": "sku"})

    assert version.rows["reasons"]["contract: duplicate id"] == 1
    assert "p5" in set(version.to_polars()["row_id"])
    history = assay.why(version, "p5#2")
    assert not history.kept
    assert history.decisions.filter(action="set aside")["twin"].to_list() == ["p5"]


def test_unique_fields_keep_one_row_a_value(build: Build) -> None:
    frame = pl.DataFrame({"code": ["a", "a", "b", None, None], "n": [1, 2, 3, 4, 5]})
    fields = {"code": {"type": "string", "unique": True}, "n": {"type": "integer"}}

    version = build({"name": "t", "source": frame, "fields": fields})

    assert version.rows["reasons"] == {"contract: code: unique": 1}


def test_why_tells_what_happened_to_a_row(recipe: dict[str, Any], build: Build) -> None:
    version = build({**recipe, "id": "sku"})

    aside = version.quarantine().filter(pl.col("_step") == "dedup.exact")["row_id"][0]
    told = repr(assay.why(version, aside))

    assert f"row {aside}: set aside" in told
    assert "read from products.jsonl, line" in told
    assert "dedup.exact: set aside, duplicate (2); the row kept instead is" in told
    assert assay.why(version, "p7").kept


def test_an_earlier_whole_table_step_sees_rows_that_a_later_step_sets_aside(build: Build) -> None:
    frame = pl.DataFrame({"title": ["a", "a", "b"], "n": [1, 2, 3]})
    steps = [
        {"dedup.exact": {"columns": ["title"], "prefer": "n"}},
        {"keep.where": {"where": "n <> 2"}},
    ]

    version = build({"name": "t", "source": frame, "steps": steps})

    # The row with n = 2 was preferred, and fell afterwards: the order of the recipe is kept.
    assert version.to_polars()["n"].to_list() == [3]
    assert version.rows["kept"] == 1


def test_stop_stops_and_leaves_nothing_behind(
    recipe: dict[str, Any], products: Path, tmp_path: Path, build: Build
) -> None:
    recipe["fields"]["price"]["on_violation"] = "stop"

    with pytest.raises(ContractError, match=r"products.jsonl:41: The field 'price'") as caught:
        build(recipe)

    assert "max" in str(caught.value)
    assert assay.versions(out=tmp_path / "versions") == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": "prize"}, "did you mean 'price'"),
        ({"inputs": ["tite"]}, "did you mean 'title'"),
        ({"steps": [{"keep.length": {"column": "texts", "min": 3}}]}, "did you mean 'text'"),
        ({"steps": [{"keep.where": {"where": "prise > 3"}}]}, "did you mean 'price'"),
        ({"rules": {"cheap": "cost < 3"}}, "no column 'cost'"),
        ({"other_fields": "stop", "fields": {"sku": {"type": "string"}}}, "does not name: 'title'"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_the_nearest(
    recipe: dict[str, Any], build: Build, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        build({**recipe, "fields": {}, **change})


def test_a_build_that_keeps_no_row_says_what_took_them(
    recipe: dict[str, Any], build: Build
) -> None:
    recipe["steps"] = [{"keep.length": {"column": "text", "min": 10_000_000}}]

    with pytest.raises(RecipeError, match="No row is left"):
        build(recipe)


def test_the_folder_opens_as_a_hub_dataset(
    recipe: dict[str, Any], build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    version = build({**recipe, "exports": ["jsonl", "csv", "parquet"]})

    opened = datasets.load_dataset(str(version.path), cache_dir=str(tmp_path / "hub"))

    assert {split: len(rows) for split, rows in opened.items()} == version.splits


def test_exports_hold_the_rows_of_each_split(recipe: dict[str, Any], build: Build) -> None:
    chat = {"chat": {"prompt": "How much?\n\n{text}", "completion": "${price:.2f}"}}

    version = build({**recipe, "exports": ["jsonl", "csv", chat]})

    for split, rows in version.splits.items():
        lines = (version.path / "exports" / "jsonl" / f"{split}.jsonl").read_text().splitlines()
        assert len(lines) == rows
        talk = json.loads(
            (version.path / "exports" / "chat" / f"{split}.jsonl").read_text().splitlines()[0]
        )
        assert talk["messages"][-1]["content"].startswith("$")


def test_former_versions_still_open(recipe: dict[str, Any], build: Build, products: Path) -> None:
    first = build(recipe)
    before = first.to_polars()
    shutil.copy(products, products.with_name("more.jsonl"))
    products.write_text(products.read_text().replace("Widget", "Gadget"))

    second = build(recipe)

    assert second.path != first.path
    assert assay.Version(first.path).to_polars().equals(before)


def test_an_empty_source_is_one_clear_error(tmp_path: Path, build: Build) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("")

    with pytest.raises(SourceError, match="empty"):
        build({"name": "t", "source": str(path)})


def test_a_field_has_no_more_distinct_values_than_rows(build: Build) -> None:
    frame = pl.DataFrame({"key": [f"value {n}" for n in range(5_000)]})

    field = build({"name": "t", "source": frame}).manifest["fields"]["key"]

    assert 4_500 <= field["distinct"] <= 5_000
