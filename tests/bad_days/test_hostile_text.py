"""Text that is an attack elsewhere is only text here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

import assay

HOSTILE = [
    "<script>alert('x')</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "=HYPERLINK('http://example.org')",
    "+1+1",
    "-2+3",
    "@SUM(A1)",
    "\tlead",
    "\u202eright to left",
]


def test_mark_up_in_rows_and_names_does_not_reach_the_report(run: Callable[..., Any]) -> None:
    frame = pl.DataFrame(
        {
            "<b>name</b>": HOSTILE * 4,
            "y": [HOSTILE[n % 2] for n in range(40)],
        }
    )

    outcome = run(frame, name="hostile")

    page = outcome.report.read_text()
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "<b>name</b>" not in page
    card = (outcome.version.path / "README.md").read_text()
    assert "<script>" not in card.partition("## How it was made")[0]


def test_formulas_are_defused_in_csv_and_kept_elsewhere(
    build: Callable[..., assay.Version], tmp_path: Path
) -> None:
    version = build(pl.DataFrame({"t": HOSTILE}))

    (csv,) = assay.export(version, "csv", tmp_path / "csv")
    (jsonl,) = assay.export(version, "jsonl", tmp_path / "jsonl")

    cells = pl.read_csv(csv)["t"].to_list()
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in cells)
    assert set(pl.read_ndjson(jsonl)["t"]) == set(HOSTILE)
