"""The measured job: records that stay the same, and the same rows from both sides."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve thousand generated records, which is more than one block of them."""
    path = tmp_path_factory.mktemp("benchmark") / "records.jsonl"
    command = [sys.executable, "-m", "benchmarks.records", "--rows", "12000", "--out", str(path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return path


@pytest.fixture(autouse=True)
def _benchmarks_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def test_records_are_of_the_size_and_kind_that_was_measured(records):
    with records.open(encoding="utf-8") as file:
        first = json.loads(next(file))
    rows = pl.read_ndjson(records, infer_schema_length=None)

    assert rows.height == 12_000
    assert 1_700 < records.stat().st_size / rows.height < 2_300
    assert {"main_category", "title", "features", "details", "parent_asin"} <= set(first)
    assert rows["parent_asin"].n_unique() == rows.height
    assert 0.2 < rows["price"].is_in(["None", ""]).fill_null(True).mean() < 0.35


def test_fewer_records_are_the_first_of_more(records, tmp_path):
    from benchmarks.records import write

    write(tmp_path / "few.jsonl", 500, workers=1)

    with records.open("rb") as file:
        expected = b"".join(itertools.islice(file, 500))
    assert (tmp_path / "few.jsonl").read_bytes() == expected


def test_planted_copies_are_what_the_side_file_says(records):
    rows = pl.read_ndjson(records, infer_schema_length=None)
    said = {
        asin: (title, text) for asin, title, text in
        rows.select("parent_asin", "title", "description").iter_rows()
    }  # fmt: skip

    with records.with_suffix(".copies.csv").open(encoding="utf-8") as file:
        copies = list(csv.DictReader(file))

    assert 0.06 < len(copies) / rows.height < 0.1
    for copy in copies:
        (title, text), (title_before, text_before) = said[copy["copy"]], said[copy["original"]]
        same = (title == title_before, text == text_before)
        if copy["kind"] == "near":
            assert title != title_before
            before, after = text_before.split(), text.split()
            assert len(set(before) - set(after)) <= 0.05 * len(before) * 2 + 2
        else:
            allowed = {"exact": (True, True), "title": (True, False), "text": (False, True)}
            # Short texts may be equal by chance; what was promised to be equal is.
            promised = allowed[copy["kind"]]
            assert all(found or not wanted for found, wanted in zip(same, promised, strict=True))


def test_both_sides_clean_alike(records):
    from benchmarks.job import recipe
    from benchmarks.rival import scrub, scrub_description

    from assay.steps.clean import remove, text

    rows = pl.read_ndjson(records, infer_schema_length=None).select("title", "description")
    steps = [step for step in recipe("x")["steps"] if next(iter(step)).startswith("clean.")]

    cleaned = text(rows, **steps[0]["clean.text"])
    cleaned = remove(cleaned, **steps[1]["clean.remove"])

    assert cleaned["title"].to_list() == [scrub(title) for title in rows["title"]]
    described = [scrub_description(description) for description in rows["description"]]
    assert cleaned["description"].to_list() == described


@pytest.mark.slow
def test_both_sides_keep_equally_many_rows_at_every_stage(records, tmp_path):
    from benchmarks.measure import STAGES, run_assay, run_rival

    rival = run_rival(records, tmp_path, count=12_000, workers=2)
    assay = run_assay("assay", records, tmp_path / "assay", count=12_000, workers=2)

    assert [assay.rows[stage] for stage in STAGES] == [rival.rows[stage] for stage in STAGES]
