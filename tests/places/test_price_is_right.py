"""The ready recipes for the course's data, on generated records of the same shape."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

import assay
from assay.recipe import load
from assay.steps import text

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


def record(n, **changed):
    """One item as the hub's files of item metadata have it."""
    made = {
        "main_category": ["Automotive", "Tools & Home Improvement", "All Electronics"][n % 3],
        "title": f"Valve set {n}",
        "average_rating": 4.5,
        "features": [f"Fits pump {n}", "Easy to mount. " * 12],
        "description": ["A valve of brass for pumps of any make. " * 12, f"Set {n}."],
        "price": round(1 + (n * 7.3) % 990, 2),
        "store": "Brass & Co",
        "details": {
            "Part Number": f"WD{n:08d}",
            "Item Weight": "2 pounds",
            "Best Sellers Rank": {"Pumps": n, "Valves": 3},
            "Item model number": f"BX{n:08d}",
        },
        "parent_asin": f"B{n:09d}",
    }
    return made | changed


@pytest.fixture
def items(tmp_path):
    rows = [record(n) for n in range(400)]
    rows += [
        record(1000, price=None),
        record(1001, price="None"),
        record(1002, price=0.25),
        record(1003, price=1500),
        record(1004, description=[], features=["short"]),
        record(1005, title="Valve set 3"),
        # As the course's loader had them: a text for a list, an object as a text in a text.
        record(1006, description="A long text about it. " * 40, details=json.dumps({"W": 1})),
    ]
    for part, start in enumerate((0, 200)):
        some = rows[start : start + 200 if part == 0 else None]
        path = tmp_path / f"meta_Part_{part}.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in some))
    return str(tmp_path / "meta_*.jsonl")


def small(name, items, n):
    """The recipe with another source and a smaller sample."""
    recipe = load(RECIPES / name)
    steps = [
        use.model_copy(update={"given": {**use.given, "n": n}})
        if use.name == "sample.weighted"
        else use
        for use in recipe.steps
        # The generated texts are all nearly the same, and would all go to one side.
        if use.name != "dedup.near"
    ]
    return recipe.model_copy(
        update={"source": items, "steps": steps, "models": [], "gates": [], "certificate": "off"}
    )


def test_the_curation_of_the_course_on_files_of_its_shape(items, tmp_path):
    version = assay.build(small("price_is_right.yaml", items, 205), out=tmp_path / "v", workers=1)
    reasons = version.rows["reasons"]
    assert sum(count for reason, count in reasons.items() if "price" in reason) == 4
    assert reasons["keep.length: too short"] == 1
    assert sum(count for reason, count in reasons.items() if reason.startswith("dedup")) == 1
    assert version.splits["train"] == 200
    assert sum(version.splits.values()) == 205
    rows = version.to_polars()
    assert rows["full"].str.len_chars().is_between(600, 4000).all()
    assert not rows["full"].str.contains("Best Sellers|Part Number|WD0|BX0").any()
    # Dear ones are likelier, car parts are twenty times less likely.
    assert rows["price"].mean() > 550
    assert (rows["main_category"] == "Automotive").mean() < 0.3
    chat = next((version.path / "exports" / "chat").glob("*.jsonl")).read_text().splitlines()
    assert re.search(r"Price is \$\d+\.00", json.loads(chat[0])["messages"][-1]["content"])


def test_the_shares_are_the_course_s_counts():
    for name, counts in {
        "price_is_right.yaml": (800_000, 10_000, 10_000),
        "price_is_right_lite.yaml": (20_000, 1_000, 1_000),
    }.items():
        recipe = load(RECIPES / name)
        given = {use.name: use.given for use in recipe.steps}
        sample, split = given["sample.weighted"]["n"], given["split.stratified"]
        shares = [split["train"], split["validation"], split["test"]]
        assert sum(shares) == pytest.approx(1, abs=1e-12)
        assert tuple(round(sample * share) for share in shares) == counts
        assert sample == sum(counts)


def test_keys_leave_objects_wherever_they_stand():
    about = [
        '{"Part Number": "a, \\"b\\"", "W": 1}',
        '{"W": 1, "Part Number": 7}',
        '{"Part Number": {"x": 1}}',
        '{"W": {"Part": 2}, "Part Number": [1, 2], "Z": null}',
        None,
        "no object, but Part Number: 7",
    ]
    joined = text.join(
        pl.DataFrame({"a": about}), columns=["a"], into="t", without=["Part Number"]
    )["t"]
    assert joined.to_list() == [
        '{"W": 1}',
        '{"W": 1}',
        None,
        '{"W": {"Part": 2}, "Z": null}',
        None,
        "no object, but Part Number: 7",
    ]
