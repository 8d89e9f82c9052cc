"""Data that grows: what is built beside former work is what is built from nothing."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import assay
from assay.errors import RecipeError
from assay.sources import shards

Build = Callable[..., assay.Version]
WORDS = ["red", "steel", "kettle", "lamp", "of", "oak", "chair", "small", "new", "cup"]
ROW = st.fixed_dictionaries(
    {
        "k": st.integers(0, 12).map(str),
        "t": st.lists(st.sampled_from(WORDS), min_size=3, max_size=12).map(" ".join),
        "y": st.sampled_from([0, 1, None, 5]),
        "at": st.integers(0, 3),
    }
)
RECIPES: dict[str, dict[str, Any]] = {
    "near": {"steps": [{"dedup.near": {"columns": ["t"], "most": 1}}]},
    "exact and strata": {
        "steps": [{"dedup.exact": {"columns": ["t"]}}],
        "split": {"split.stratified": {"by": ["y"], "train": 0.6, "validation": 0, "test": 0.4}},
    },
    "keys and near": {
        "id": "k",
        "steps": [
            {"dedup.exact": {"columns": ["t"]}},
            {"dedup.near": {"columns": ["t"], "threshold": 0.4, "most": 1}},
        ],
    },
    "longest": {"steps": [{"dedup.near": {"columns": ["t"], "keep": "longest", "most": 1}}]},
    "keys": {"id": "k", "exports": ["jsonl", "csv", "parquet"]},
    "keys with a time": {"id": "k", "newest": "at", "certificate": "full"},
    "late": {"steps": [{"keep.where": {"where": "y IS NOT NULL"}}], "target": "y"},
}
FIELDS = {"k": {"type": "string"}, "t": {"type": "string", "required": True}, "at": {}, "y": {}}
TYPES = {"at": {"type": "integer"}, "y": {"type": "integer", "max": 4}}


def recipe_of(name: str, source: Path) -> dict[str, Any]:
    made = dict(RECIPES[name])
    split = made.pop("split", {"split.random": {"train": 0.7, "validation": 0, "test": 0.3}})
    steps = [*made.pop("steps", []), split]
    return {"name": "g", "source": str(source), "fields": {**FIELDS, **TYPES}, **made} | {
        "steps": steps
    }


def content(version: assay.Version) -> dict[str, bytes]:
    """Every file of a version by its place in it."""
    files = (path for path in version.path.rglob("*") if path.is_file())
    return {str(path.relative_to(version.path)): path.read_bytes() for path in files}


def built(recipe: dict[str, Any], out: Path) -> assay.Version | str:
    try:
        return assay.build(recipe, out=out, workers=1)
    except RecipeError as error:
        return str(error)  # for instance that no row is left


@pytest.mark.parametrize("name", RECIPES)
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    batches=st.lists(st.lists(ROW, min_size=1, max_size=8), min_size=2, max_size=4),
    appended=st.booleans(),
)
def test_any_sequence_of_appends_gives_the_version_of_a_full_build(
    name: str, batches: list[list[dict[str, Any]]], appended: bool
) -> None:
    with tempfile.TemporaryDirectory() as work, pytest.MonkeyPatch.context() as patch:
        # Small shards, so that a file that grows has some that do not.
        patch.setattr(shards.locate, "__kwdefaults__", {"shard_bytes": 200})
        source, out, cold = (Path(work) / part for part in ("source", "out", "cold"))
        source.mkdir()
        for number, batch in enumerate(batches):
            with (source / f"{0 if appended else number}.jsonl").open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in batch)
            shutil.rmtree(cold, ignore_errors=True)
            shutil.copytree(
                out, cold, ignore=shutil.ignore_patterns(".cache"), dirs_exist_ok=True
            ) if (out.exists()) else None
            grown = built(recipe_of(name, source), out)
            full = built(recipe_of(name, source), cold)
            if isinstance(grown, str) or isinstance(full, str):
                assert grown == full
                continue
            assert grown.id == full.id
            assert content(grown) == content(full)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(4):
        rows = [
            {"k": f"{number}-{n}", "t": f"text number {number} {n} of many", "n": n}
            for n in range(30)
        ]
        add(folder / f"{number}.jsonl", rows)
    return folder


def add(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def grown_recipe(files: Path, **more: Any) -> dict[str, Any]:
    halves = {"split.random": {"train": 0.6, "validation": 0, "test": 0.4}}
    return {"name": "g", "source": str(files), "steps": [halves], **more}


def counted(build: Build, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any]) -> list[str]:
    """The parts of shards that a build writes anew."""
    from assay.building.write import Writing

    written: list[str] = []
    for part in ("_kept", "_early", "_late"):
        original = getattr(Writing, part)

        def noted(self: Any, task: Any, part: str = part, original: Any = original) -> Any:
            written.append(part)
            return original(self, task)

        monkeypatch.setattr(Writing, part, noted)
    build(recipe)
    monkeypatch.undo()
    return written


@pytest.mark.parametrize(
    "damaged",
    [
        ["g/v1-*/ledger/*"],
        [".cache/??/*.ledger"],
        [".cache/??/*.exports.*"],
        # The ledger is then shared already when the rest turns out to be lost.
        ["g/v1-*/quarantine/late-*", ".cache/??/*.quarantine.late"],
    ],
)
def test_damage_is_found_and_handed_on_to_no_other_version(
    files: Path, tmp_path: Path, damaged: list[str]
) -> None:
    out, cold = tmp_path / "out", tmp_path / "cold"
    add(files / "0.jsonl", [{"k": "0-0", "t": "text number 1 1 of many", "n": 30}])
    recipe = grown_recipe(files, exports=["jsonl", "csv", "parquet"])
    recipe["steps"] = [{"dedup.exact": {"columns": ["t"]}}, *recipe["steps"]]
    first = assay.build(recipe, out=out, workers=1)
    shutil.copytree(out, cold, ignore=shutil.ignore_patterns(".cache"))
    harmed = [path for pattern in damaged for path in out.glob(pattern)]
    for path in harmed:
        flip(path)
    before = content(first)

    add(files / "4.jsonl", [{"k": "4-0", "t": "text number 4 of many", "n": 4}])
    grown = assay.build(recipe, out=out, workers=1)
    full = assay.build(recipe, out=cold, workers=1)

    assert harmed
    assert content(grown) == content(full)
    assert content(first) == before


def flip(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 2] ^= 0xFF
    path.write_bytes(held)


def test_what_did_not_change_is_not_written_again(
    files: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = grown_recipe(
        files, steps=[{"dedup.exact": {"columns": ["t"]}}, *grown_recipe(files)["steps"]]
    )
    build(recipe)
    add(files / "4.jsonl", [{"k": "new", "t": "something new", "n": 1}])
    assert counted(build, monkeypatch, recipe) == ["_kept", "_early", "_late"]

    build(recipe)  # finds the version, and must not forget the parts
    add(files / "5.jsonl", [{"k": "copy", "t": "text number 0 3 of many", "n": 77}])
    assert counted(build, monkeypatch, recipe) == ["_kept", "_early", "_late"]


def test_a_copy_that_comes_later_takes_no_old_rows_place(files: Path, build: Build) -> None:
    steps = [
        {"dedup.near": {"columns": ["t"], "threshold": 0.9, "most": 1}},
        {"dedup.exact": {"columns": ["n"]}},
        *grown_recipe(files)["steps"],
    ]
    recipe = grown_recipe(files, steps=steps)
    before = build(recipe).to_polars()
    for number in range(5):
        copies = [
            {"k": f"c{number}", "t": row["t"] + ".", "n": row["n"]} for row in before.to_dicts()
        ]
        add(files / f"{number}.jsonl", copies)

    after = build(recipe).to_polars()

    assert set(before["row_id"]) <= set(after["row_id"])


def deduplicated(files: Path, **near: Any) -> dict[str, Any]:
    steps = [
        {"dedup.exact": {"columns": ["n"]}},
        {"dedup.near": {"columns": ["t"], "threshold": 0.5, "most": 1, **near}},
        *grown_recipe(files)["steps"],
    ]
    return grown_recipe(files, id="k", steps=steps)


def aside(version: assay.Version) -> dict[str, tuple[Any, ...]]:
    """What was told of each row that duplicates set aside."""
    lines = version.ledger().filter(pl.col("step").str.starts_with("dedup."))
    told = lines.select("row_id", "step", "rule", "value", "twin").collect()
    return {row[0]: row[1:] for row in told.iter_rows()}


WORDING = "a red kettle of brushed steel that boils two litres and switches itself off {}"


def chain(number: int, start: int) -> str:
    """One of the texts that are alike if they start at most 5 words apart."""
    words = [f"{number}{a}{b}" for a in "abcdefghijkl" for b in ("one", "two", "six")]
    return " ".join(words[start : start + 16])


def written(folder: Path, name: str, rows: list[tuple[str, str, int]]) -> None:
    add(folder / name, [{"k": k, "t": t, "n": n} for k, t, n in rows])


def test_what_was_decided_of_old_rows_stands_when_others_come(tmp_path: Path, build: Build) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    other = "an oak chair for small rooms number {} with a leather seat and four legs"
    written(folder, "0.jsonl", [(f"k{n}", WORDING.format(f"after {n}"), n) for n in range(3)])
    written(folder, "0.jsonl", [("same", "something else altogether and unlike all others", 0)])
    written(folder, "0.jsonl", [(f"o{n}", other.format(n), 10 + n) for n in range(9)])
    for start in (0, 4):
        rows = [(f"{n}-{start}", chain(n, start), 100 * (start + 1) + n) for n in range(9)]
        written(folder, "0.jsonl", rows)
    first = build(deduplicated(folder))
    before = aside(first)

    # Copies, and rows that stay and are nearer to one that went than the one that it went for.
    written(folder, "1.jsonl", [(f"new{n}", f"copy {n}", n) for n in range(3)])
    written(folder, "1.jsonl", [(f"{n}-c", chain(n, 6), 300 + n) for n in range(9)])
    second = build(deduplicated(folder))
    after = aside(second)

    assert len(before) > 8
    assert any(row.endswith("-c") for row in second.to_polars()["row_id"])
    assert {row: after[row] for row in before} == before
    old = [file for file in (second.path / "ledger").iterdir() if file.stat().st_nlink > 1]
    assert len(old) == len(list((first.path / "ledger").iterdir()))


def test_a_row_that_went_comes_back_when_what_it_went_for_is_gone(
    tmp_path: Path, build: Build
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = [(f"k{n}", WORDING.format(f"after {n}"), n) for n in range(3)]
    for number, row in enumerate(rows):
        written(folder, f"{number}.jsonl", [row])
    written(folder, "z.jsonl", [("unlike", "nothing in common with the rest of them", 99)])
    first = build(deduplicated(folder))
    (stayed,) = set(first.to_polars()["row_id"]) - {"unlike"}
    (folder / f"{stayed[1:]}.jsonl").unlink()

    second = build(deduplicated(folder))

    (heir,) = set(second.to_polars()["row_id"]) - {"unlike"}
    assert {twin for *_, twin in aside(second).values()} == {heir}


def test_another_threshold_decides_anew(tmp_path: Path, build: Build) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    written(folder, "0.jsonl", [(f"k{n}", WORDING.format(f"after {n}"), n) for n in range(3)])
    assert len(aside(build(deduplicated(folder)))) == 2

    assert not aside(build(deduplicated(folder, threshold=1.0)))


def test_a_newcomer_like_a_row_that_went_lands_on_the_side_of_its_cluster(
    tmp_path: Path, build: Build
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    chains = [[chain(n, start) for start in (0, 4, 8)] for n in range(12)]
    written(folder, "0.jsonl", [(f"{n}-0", c[0], 2 * n) for n, c in enumerate(chains)])
    written(folder, "0.jsonl", [(f"{n}-1", c[1], 2 * n + 1) for n, c in enumerate(chains)])
    first = build(deduplicated(folder))
    side = {row: s for s in first.splits for row in first.to_polars(s)["row_id"]}
    went = aside(first)
    assert len(went) == len(side) == 12

    tails = [(f"{n}-2", c[2], 100 + n) for n, c in enumerate(chains)]
    heads = [(f"{n}-h", c[0] + " tail", 200 + n) for n, c in enumerate(chains)]
    written(folder, "1.jsonl", [*tails, *heads])
    second = build(deduplicated(folder))

    now = {row: s for s in second.splits for row in second.to_polars(s)["row_id"]}
    assert {row: now[row] for row in side} == side
    for number in range(12):
        (old,) = (row for row in side if row.startswith(f"{number}-"))
        for new in (row for row in now if row.startswith(f"{number}-")):
            assert now[new] == side[old]
    assert any(row.endswith("-2") for row in now)


def test_a_row_corrected_at_the_source_keeps_id_and_side_and_is_told_of(
    files: Path, build: Build
) -> None:
    recipe = grown_recipe(files, id="k")
    first = build(recipe)
    text = (files / "1.jsonl").read_text()
    (files / "1.jsonl").write_text(text.replace("text number 1 7 of", "TEXT number 1 7 of"))

    second = build(recipe)

    row = pl.col("row_id") == "1-7"
    assert second.to_polars().filter(row)["t"].item() == "TEXT number 1 7 of many"
    assert first.to_polars().filter(row)["t"].item() == "text number 1 7 of many"
    sides = [
        next(s for s in v.splits if v.to_polars(s).filter(row).height) for v in (first, second)
    ]
    assert sides[0] == sides[1]
    lines = second.ledger().filter(pl.col("action") == "corrected").collect()
    assert lines["row_id"].to_list() == ["1-7"]
    assert f"corrected at the source: other content than in {first.id}" in repr(
        assay.why(second, "1-7")
    )
    assert any("1 rows were corrected" in note for note in second.manifest["notes"])


def test_a_correction_in_a_newer_file_supersedes_what_an_older_one_says(
    files: Path, build: Build
) -> None:
    recipe = grown_recipe(files, id="k")
    build(recipe)
    for round_ in range(4):  # whichever hash is lower
        add(files / f"fix{round_}.jsonl", [{"k": "1-7", "t": f"correction {round_}", "n": 1}])
        version = build(recipe)
        kept = version.to_polars().filter(pl.col("row_id") == "1-7")
        assert kept["t"].to_list() == [f"correction {round_}"]
        aside = version.quarantine()
        assert aside["_twin"].to_list() == ["1-7"] * (round_ + 1)
    assert "contract: superseded" in version.rows["reasons"]


def test_the_newest_by_a_column_counts_wherever_it_stands(files: Path, build: Build) -> None:
    add(files / "0.jsonl", [{"k": "x", "t": "second", "n": 9}])
    add(files / "1.jsonl", [{"k": "x", "t": "first", "n": 8}, {"k": "x", "t": "none"}])
    recipe = grown_recipe(files, id="k", newest="n")

    version = build(recipe)

    assert version.to_polars().filter(pl.col("row_id") == "x")["t"].to_list() == ["second"]
    assert version.rows["reasons"] == {"contract: superseded": 2}
    add(files / "9.jsonl", [{"k": "x", "t": "late but older", "n": 3}])
    assert build(recipe).to_polars().filter(pl.col("row_id") == "x")["t"].to_list() == ["second"]


def test_keys_that_stand_twice_are_told_of(files: Path, build: Build) -> None:
    add(files / "0.jsonl", [{"k": "1-7", "t": "another", "n": 9}])

    notes = build(grown_recipe(files, id="k")).manifest["notes"]

    assert any("name a column with `newest`" in note for note in notes)


@pytest.mark.parametrize(
    ("more", "message"),
    [({"newest": "n"}, "names no key"), ({"newest": "m", "id": "k"}, "no column 'm'")],
)
def test_newest_is_checked(files: Path, build: Build, more: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        build(grown_recipe(files, **more))
