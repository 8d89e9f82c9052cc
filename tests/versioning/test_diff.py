"""The difference of two versions: every row accounted for, with the reason from the ledgers."""

from __future__ import annotations

import json

import polars as pl
import pytest
from offers import offers, recipe

import assay
from assay.errors import VersionError


def test_every_row_is_accounted_for_with_its_reason(folder):
    found = assay.diff("offers/v1", "offers/v2", out=folder / "versions")
    assert found.counts == {"added": 100, "removed": 2, "changed": 1, "moved": 0}
    rows = {row["row_id"]: row for row in found.to_polars().to_dicts()}
    assert (rows["s8"]["change"], rows["s8"]["reason"]) == ("removed", "keep.length: too short")
    assert rows["s9"]["reason"] == "not in the source any more"
    assert rows["s650"]["reason"] == "new in the source"
    assert (rows["s7"]["change"], rows["s7"]["fields"], rows["s7"]["reason"]) == (
        "changed", "price", "source",
    )  # fmt: skip
    assert "s0a" not in rows  # the twin of an older row: set aside, and in neither version
    assert found.document["rows"]["unchanged"] == 597
    cell = found.document["rows"]["changed"]["examples"][0]
    assert (cell["row_id"], cell["after"], cell["cause"]) == ("s7", 33.33, "source")
    before, after = (assay.Version(folder / "versions" / "offers" / v["version"].split("/")[1])
                     for v in (found.document["a"], found.document["b"]))  # fmt: skip
    assert before.to_polars().height - 2 + 100 == after.to_polars().height
    assert found.verdict == "pass"


def test_a_duplicate_names_the_row_that_was_kept_instead(tmp_path):
    rows = pl.DataFrame({"k": ["a", "b", "c"], "text": ["one", "two", "one"]})
    plain = {"name": "t", "id": "k", "source": rows, "certificate": "off"}
    first = assay.build(plain, out=tmp_path)
    second = assay.build(plain | {"steps": [{"dedup.exact": {"columns": ["text"]}}]}, out=tmp_path)
    (row,) = assay.diff(first, second).rows.to_dicts()
    assert (row["change"], row["reason"]) == ("removed", "dedup.exact: duplicate")
    assert {row["row_id"], row["twin"]} == {"a", "c"}


def test_gates_that_only_warn_are_part_of_what_changed(tmp_path):
    rows = pl.DataFrame({"text": [f"text {n}" for n in range(9)]})
    plain = {"name": "t", "source": rows, "certificate": "off"}
    gates = {"gates": [{"rows": {"min": 5}, "severity": "warn"}]}
    first = assay.build(plain | gates, out=tmp_path)
    steps = {"steps": [{"keep.where": {"where": "text <> 'text 3'"}}]}
    second = assay.build(plain | steps | {"gates": [{"rows": {"min": 5}}]}, out=tmp_path)
    told = {one["path"]: one for one in assay.diff(first, second).document["recipe"]}
    assert told["gates.rows.severity"]["before"] == "warn"


def test_the_other_way_round_says_what_is_there_again(folder):
    found = assay.diff("offers/v2", "offers/v1", out=folder / "versions")
    rows = {row["row_id"]: row["reason"] for row in found.rows.to_dicts()}
    assert rows["s8"] == "keep.length: too short"  # which is why the one before had it not
    assert rows["s9"] == "new in the source"
    assert rows["s650"] == "not in the source any more"


def test_a_step_that_changed_is_told_from_a_source_that_did(folder):
    found = assay.diff("offers/v2", "offers/v3", out=folder / "versions")
    changed = found.document["rows"]["changed"]
    count = found.counts["changed"]
    assert count > 690
    assert changed["fields"] == {"text": {"steps": count}}
    assert changed["steps"] == {"steps.clean.text.markup": count}
    assert {one["path"] for one in found.document["recipe"]} >= {"steps.clean.text.markup"}


def test_rows_that_change_sides_fail_unless_another_split_is_asked_for(folder):
    forced = assay.diff("offers/v2", "offers/v3", out=folder / "versions")
    assert forced.counts["moved"] > 0
    assert (forced.document["splits"]["forced"], forced.verdict) == (True, "pass")
    moved = forced.rows.filter(change="moved")
    assert moved.filter(pl.col("before") == pl.col("after")).height == 0
    # As after a fault: the same split was asked for, and yet rows stand on other sides.
    old, new = (assay.versions("offers", out=folder / "versions")[n] for n in (1, 2))
    steps = [step for step in new.manifest["steps"] if not step["step"].startswith("split.")]
    split = [step for step in old.manifest["steps"] if step["step"].startswith("split.")]
    new.manifest["steps"] = [*steps, *split]
    failed = assay.diff(old, new)
    assert failed.verdict == "fail"
    assert f"FAIL: {failed.counts['moved']} old rows changed sides" in repr(failed)


def test_scores_stand_side_by_side_with_a_test_on_common_rows(folder):
    found = assay.diff("offers/v1", "offers/v2", out=folder / "versions")
    line = next(one for one in found.document["scores"] if one["model"] == "tabular_linear")
    held = [assay.versions("offers", out=folder / "versions")[n].to_polars("test") for n in (0, 1)]
    common = held[0].join(held[1], on=["row_id", "price"])
    assert line["common"]["n"] == common.height < held[1].height == line["b"]["n"]
    assert line["a"]["low"] <= line["a"]["value"] <= line["a"]["high"]
    assert line["common"]["low"] <= line["common"]["difference"] <= line["common"]["high"]


def test_fields_that_come_go_and_drift_are_told(folder, tmp_path):
    (tmp_path / "data").mkdir()
    offers(0, 400).write_csv(tmp_path / "data" / "0.csv")
    fields = recipe(tmp_path)["fields"]
    first = assay.build(recipe(tmp_path), out=tmp_path / "v", workers=1)
    changed = offers(0, 400).with_columns(pl.col("size") + 3, kind=pl.lit("rope")).drop("price")
    changed.with_columns(brand=pl.lit("x")).write_csv(tmp_path / "data" / "0.csv")
    fields = {name: spec for name, spec in fields.items() if name != "price"}
    fields |= {"brand": {"type": "string"}, "size": {"type": "number", "unit": "cm"}}
    second = assay.build(
        recipe(tmp_path, fields=fields, target=None, models=[], metrics=[]), out=tmp_path / "v",
        workers=1,
    )  # fmt: skip
    found = assay.diff(first, second).document
    assert {one["field"]: (one["before"], one["after"]) for one in found["fields"]} == {
        "price": ("number", None), "brand": (None, "string"), "size": ("number", "number cm"),
    }  # fmt: skip
    effects = {one["field"]: one for one in found["distributions"]}
    assert effects["kind"]["distance"]["value"] == pytest.approx(
        1 - (offers(0, 400)["kind"] == "rope").mean()
    )
    assert effects["size"]["mean"][1] - effects["size"]["mean"][0] == pytest.approx(3)
    assert effects["text"]["distance"]["value"] == 0
    assert found["distributions"][0]["field"] == "kind"


def test_a_version_is_like_itself(folder):
    found = assay.diff("offers/v1", "offers/v1", out=folder / "versions")
    assert set(found.counts.values()) == {0}
    assert "nothing has changed" in repr(found)


def test_without_a_key_a_corrected_row_is_a_new_one_and_that_is_said(tmp_path):
    recipe = {"name": "t", "certificate": "off"}
    first = assay.build(recipe | {"source": pl.DataFrame({"n": ["1", "2"]})}, out=tmp_path)
    second = assay.build(recipe | {"source": pl.DataFrame({"n": ["1", "3"]})}, out=tmp_path)
    found = assay.diff(first, second)
    assert found.counts == {"added": 1, "removed": 1, "changed": 0, "moved": 0}
    assert any("name a key column" in note for note in found.document["notes"])


def test_json_and_page_hold_hostile_text_as_text(tmp_path):
    evil = "<script>alert(1)</script>=HYPERLINK()"
    recipe = {"name": "t", "id": "k", "certificate": "off"}
    rows = pl.DataFrame({"k": ["a", evil], "text": [evil, "x" * 5_000_000]})
    first = assay.build(recipe | {"source": rows}, out=tmp_path)
    rows = rows.with_columns(text=pl.lit(evil + "2"))
    second = assay.build(recipe | {"source": rows}, out=tmp_path)
    found = assay.diff(first, second, to=tmp_path / "deep" / "diff.html")
    page = (tmp_path / "deep" / "diff.html").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page
    assert len(page) < 200_000
    assert json.loads(json.dumps(found.to_dict()))["rows"]["changed"]["count"] == 2


def test_a_missing_file_is_one_clear_error(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "versions" / "offers", tmp_path / "offers")
    version = assay.versions("offers", out=tmp_path)[0]
    next((version.path / "data").glob("train-*")).unlink()
    with pytest.raises(VersionError, match="A file of this version is missing"):
        assay.diff(version, "offers/v2", out=tmp_path)
