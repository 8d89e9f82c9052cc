"""Steps that compare texts, learn from train and remember sides, as parts of whole builds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import assay
from assay.component import Column, Columns, Kept, Learned
from assay.errors import RecipeError, VersionError

WORDS = np.array(
    [f"{first}{second}" for first in ("ka", "lo", "mi", "su") for second in "bdfgklmnp"]
)
SPLIT = {"split.stratified": {"by": ["kind"], "train": 0.6, "validation": 0.2, "test": 0.2}}


def products(count: int, seed: int = 0) -> pl.DataFrame:
    """Rows of unlike texts, two kinds and a price."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "text": [" ".join(rng.choice(WORDS, 24)) + f" {seed}-{n}" for n in range(count)],
            "kind": rng.choice(["a", "b"], count, p=[0.8, 0.2]),
            "price": rng.lognormal(3, 1, count).round(2),
        }
    )


def edited(rows: pl.DataFrame) -> pl.DataFrame:
    """The same texts with one word changed."""
    return rows.with_columns(pl.col("text").str.replace(r"\w+ ", "another "))


def recipe(rows: object, steps: list[object], **more: object) -> dict[str, object]:
    return {"name": "goods", "source": rows, "seed": 3, "target": "kind", "steps": steps, **more}


def test_near_duplicates_go_and_another_threshold_reads_no_text_again(tmp_path):
    rows = products(300)
    both = pl.concat([rows, edited(rows.head(40))])

    version = assay.build(recipe(both, [{"dedup.near": {"columns": "text"}}, SPLIT]), out=tmp_path)
    first = {path.name for path in tmp_path.glob(".cache/??/*.rows.arrow")}
    steps = [{"dedup.near": {"columns": "text", "threshold": 0.99}}, SPLIT]
    loose = assay.build(recipe(both, steps), out=tmp_path)

    assert version.rows["reasons"] == {"dedup.near: near duplicate": 40}
    assert loose.rows["set_aside"] == 0
    assert {path.name for path in tmp_path.glob(".cache/??/*.rows.arrow")} == first


def test_rows_of_another_source_are_taken_out_even_when_cleaning_changes_them(tmp_path):
    rows = products(200)
    held = edited(rows.head(30)).with_columns("  <b>" + pl.col("text") + "</b>")
    held.write_ndjson(tmp_path / "held.jsonl")
    steps = [
        {"clean.text": {"columns": "text"}},
        {"dedup.against": {"source": str(tmp_path / "held.jsonl"), "columns": "text"}},
        SPLIT,
    ]

    version = assay.build(recipe(rows, steps), out=tmp_path)

    assert version.rows["set_aside"] == 30
    assert not set(version.to_polars()["text"]) & set(rows["text"].head(30))
    (tmp_path / "held.jsonl").unlink()
    edited(rows.tail(10)).write_ndjson(tmp_path / "held.jsonl")
    assert assay.build(recipe(rows, steps), out=tmp_path).rows["set_aside"] == 10


def test_a_version_can_be_what_rows_are_held_against(tmp_path):
    rows = products(100)
    former = assay.build(recipe(rows, [SPLIT]), out=tmp_path / "former")
    against = {"source": str(former.path), "columns": "text", "most": 0.9}
    steps = [{"dedup.against": against}, SPLIT]

    version = assay.build(recipe(pl.concat([rows, products(50, seed=9)]), steps), out=tmp_path)

    assert version.rows["kept"] == 50
    against["source"] = str(former.path.parent)
    again = assay.build(recipe(pl.concat([rows, products(50, seed=9)]), steps), out=tmp_path / "2")
    assert again.rows["kept"] == 50
    former.file(former.manifest["files"][0]).unlink()
    with pytest.raises(VersionError, match="missing"):
        assay.build(recipe(rows, steps), out=tmp_path / "3")


@pytest.mark.parametrize(
    "split",
    [
        SPLIT,
        {"split.random": {}},
        {"split.grouped": {"groups": ["kind"], "train": 0.5, "validation": 0.0, "test": 0.5}},
        {"split.stratified": {"by": ["kind", "price"], "folds": 3}},
    ],
)
def test_no_row_changes_sides_when_data_grows(tmp_path, split):
    dedup = {"dedup.near": {"columns": "text"}}
    rows, more = products(240), products(150, seed=1)
    first = assay.build(recipe(rows, [dedup, split]), out=tmp_path)
    # Rows that are like old ones, and rows that are not, before and behind them.
    grown = pl.concat([more.head(70), edited(rows.head(30)), rows, more.tail(80)])

    second = assay.build(recipe(grown, [dedup, split]), out=tmp_path)

    assert second.manifest["parent"] == first.id
    both = _sides(first).join(_sides(second), on="text", suffix="_later")
    assert both.height > 200
    assert both.filter(pl.col("side") != pl.col("side_later")).height == 0
    if "fold" in both.columns:
        same = pl.col("fold").eq_missing(pl.col("fold_later"))
        assert both.filter(~same).height == 0


def _sides(version: assay.Version) -> pl.DataFrame:
    return pl.concat(
        version.to_polars(split).with_columns(side=pl.lit(split)) for split in version.splits
    ).sort("text")


def dearer(table: Kept, *, target: Column | None = None, columns: Columns | None = None) -> Learned:
    """Change a column, add one and a weight, set rows aside, and add rows."""
    train = table.filter(pl.col("_split") == "train").sort("_row")
    kind = pl.col(str(target))
    return Learned(
        decisions=table.select(
            rule=pl.when(pl.col("price") > 100).then(pl.lit("too dear")),
            value="price",
            threshold=pl.lit(100.0),
        ),
        changed=table.select(
            price=pl.col("price") + 1000,
            dear=pl.col("price") > train["price"].median(),
            weight=pl.when(kind == "b").then(50.0).otherwise(1.0),
        ),
        added=train.select(pl.col("_row").alias("_parent"), text=pl.lit("synthetic")).head(7),
        weight="weight",
        findings={"columns": len(table.columns)},
    )


def test_what_steps_learned_is_written_counted_and_told(tmp_path):
    rows = products(200)
    asked = recipe(rows, [SPLIT, "test_curation.dearer"])

    version = assay.build(asked, out=tmp_path, functions=[dearer], workers=2)

    data, manifest = version.to_polars(), version.manifest
    made = data.filter(pl.col("parent_id").is_not_null())
    out = int((rows["price"] > 100).sum())
    assert manifest["rows"] == {
        "read": 200, "kept": 200 - out, "set_aside": out, "synthetic": made.height,
    }  # fmt: skip
    assert 0 < made.height <= 7
    assert sum(version.splits.values()) == data.height == 200 - out + made.height
    assert version.to_polars("train").filter(pl.col("parent_id").is_not_null()).equals(made)
    assert set(made["text"]) == {"synthetic"}
    assert data["price"].min() > 1000
    assert set(version.quarantine()["price"]) == set(rows["price"].filter(rows["price"] > 100))
    assert "dear" in manifest["fields"] and "weight" not in manifest["fields"]
    assert manifest["extras"] == {"parent_id": "parent", "weight": "weight"}
    story = assay.why(version, made["row_id"][0])
    assert made["parent_id"][0] in repr(story) and story.split == "train"
    assert "changed price" in repr(assay.why(version, made["parent_id"][0]))


def test_what_is_learned_is_the_same_for_any_order_and_number_of_workers(tmp_path):
    rows = products(200)
    ways = [(rows, 1), (rows.reverse(), 1), (rows.sample(fraction=1.0, shuffle=True, seed=1), 2)]
    hashes = set()
    for number, (source, workers) in enumerate(ways):
        asked = recipe(source, [SPLIT, "test_curation.dearer"])
        out = tmp_path / str(number)
        version = assay.build(asked, out=out, functions=[dearer], workers=workers)
        hashes.add(version.manifest["hash"])

    assert len(hashes) == 1


def test_what_steps_make_can_be_an_input_and_be_selected(tmp_path):
    measured = {"features.text": {"column": "text", "measure": {"words": "words"}}}
    steps = [measured, SPLIT, {"features.select": {"keep": 2}}]
    asked = recipe(products(200), steps) | {"target": "price"}

    version = assay.build(asked | {"inputs": ["text", "kind", "words"]}, out=tmp_path)
    every = assay.build(asked, out=tmp_path)

    for one in (version, every):
        learned = one.manifest["steps"][-1]["learned"]
        assert "words" in {ranked["input"] for ranked in learned["ranking"]}
    with pytest.raises(RecipeError, match="'wrds'") as caught:
        assay.build(asked | {"inputs": ["text", "wrds"]}, out=tmp_path)
    assert "words" in str(caught.value)


def test_a_step_that_learns_comes_last(tmp_path):
    with pytest.raises(RecipeError, match="stands behind"):
        assay.build(
            recipe(products(20), ["test_curation.dearer", SPLIT]), out=tmp_path, functions=[dearer]
        )


def test_near_duplicates_that_all_stay_are_never_on_two_sides(tmp_path):
    rows = products(200)
    both = pl.concat([rows, edited(rows)])
    steps = [{"dedup.near": {"columns": "text", "keep": "all"}}, SPLIT]

    version = assay.build(recipe(both, steps), out=tmp_path)

    assert version.rows["kept"] == 400
    sides = _sides(version).with_columns(number=pl.col("text").str.extract(r"(\d+-\d+)$"))
    assert sides.group_by("number").agg(pl.col("side").n_unique())["side"].max() == 1
    near = {one["code"]: one for one in version.manifest["certificate"]["checks"]}["near_pairs"]
    assert near["status"] == "pass"
