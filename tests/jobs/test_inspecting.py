"""`assay.inspect`: any source in, findings with their cells out."""

from __future__ import annotations

import json
from typing import Annotated

import polars as pl
import pytest

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, Skipped, places
from assay.errors import MissingExtra, RecipeError, SourceError
from assay.jobs.inspecting import inspect


def rows(count: int = 60) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"k{n}" for n in range(count)],
            "price": [f"{10 + n % 7}" for n in range(count - 1)] + ["-12"],
            "city": ["Paris", "Lyon", "Nice"] * (count // 3 - 1) + ["Paris", "Lyon", "lyon"],
        }
    )


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "frame", "pandas", "list"])
def test_every_kind_of_source_says_the_same(tmp_path, kind):
    frame = rows()
    path = tmp_path / f"rows.{kind}"
    source = {"frame": frame, "pandas": None, "list": frame.to_dicts()}.get(kind, path)
    if kind == "csv":
        frame.write_csv(path)
    elif kind == "jsonl":
        frame.write_ndjson(path)
    elif kind == "parquet":
        frame.write_parquet(path)
    elif kind == "pandas":
        source = frame.to_pandas()

    cells = inspect(source, checks=["impossible", "spellings"]).cells()

    assert set(cells.select("row", "field", "suggested").iter_rows()) == {
        (59, "price", None),
        (59, "city", "Lyon"),
    }


def test_lines_are_those_of_the_file(tmp_path):
    (tmp_path / "a.csv").write_text(
        'price,note\n1,"two\nlines"\n-2,x\n' + "3,y\n" * 30, encoding="utf-8"
    )

    cells = inspect(tmp_path / "a.csv", checks=["F109"]).cells()

    assert cells.select("file", "line", "value").rows() == [("a.csv", 4, "-2")]


def test_the_document_is_plain_and_whole():
    seen = inspect(rows(), checks=["impossible", "missing", "files", "spellings"])

    document = json.loads(json.dumps(seen.to_dict(), allow_nan=False))

    assert set(document) >= {"source", "rows", "fields", "checks", "counts"}
    by = {check["check"]: check for check in document["checks"]}
    assert by["missing"]["status"] == "passed"
    assert by["files"]["status"] == "not applicable" and by["files"]["reason"]
    (finding,) = by["impossible"]["findings"]
    assert finding["count"] == 1 and finding["share"] == pytest.approx(1 / 60)
    assert finding["examples"][0] | {"row": ""} == {
        "row": "", "file": "DataFrame", "line": 60, "value": "-12", "suggested": None
    }  # fmt: skip
    (step,) = [one["step"] for one in by["spellings"]["findings"]]
    assert step.startswith("- clean.categories:")
    assert document["counts"]["error"] == 1 and document["counts"]["warning"] == 1


def test_what_is_printed_starts_with_the_worst():
    lines = repr(inspect(rows(), checks=["impossible", "near_unique", "spellings"])).splitlines()

    assert [line.split()[0] for line in lines[1:-1]] == ["error", "warning", "note"]
    assert "F109" in lines[1] and "price" in lines[1]
    assert inspect(rows(), checks=["F109"])._repr_html_().startswith("<pre>")


def test_a_sample_is_the_same_for_any_order_of_rows():
    frame = rows(600)
    order = frame.sample(fraction=1.0, shuffle=True, seed=2)

    one, other = (
        inspect(each, rows=200, seed=4, checks=["near_unique"]) for each in (frame, order)
    )

    assert one.total == 600 and one.looked_at == 200
    assert "of which 200 looked at" in repr(one)
    ids = [set(seen._where["row"]) for seen in (one, other)]
    assert ids[0] == ids[1]


def test_a_recipe_lends_its_contract_target_and_source(tmp_path):
    rows().write_csv(tmp_path / "rows.csv")
    (tmp_path / "assay.yaml").write_text(
        "name: x\nsource: rows.csv\ntarget: city\nfields:\n  price: {type: number, max: 12}\n",
        encoding="utf-8",
    )

    seen = inspect(recipe=tmp_path / "assay.yaml", checks=["impossible", "classes"])

    assert len(seen.cells().filter(code="F109", field="price")) > 10
    assert {result.check: result.status for result in seen.results}["classes"] != "not applicable"


def test_given_fields_and_reading_are_held(tmp_path):
    (tmp_path / "a.txt").write_text("1;x\n2;y\n" * 20, encoding="utf-8")

    seen = inspect(
        tmp_path / "a.txt",
        read={"format": "csv", "delimiter": ";", "header": False, "columns": ["n", "w"]},
        fields={"n": {"type": "category"}},
        checks=["missing"],
    )

    assert {name: spec.type for name, spec in seen.fields.items()} == {
        "n": "category",
        "w": "category",
    }


def answers(
    data: Inspected, *, way: str = "found"
) -> Annotated[list[Finding], Code("X100", "error")]:
    """Answers in the way that it is told to."""
    if WAY == "skipped":
        raise Skipped("too slow today")
    if WAY == "not applicable":
        raise NotApplicable("nothing here")
    if WAY == "extra":
        raise MissingExtra("curate", "This check")
    if WAY == "defect":
        raise ZeroDivisionError
    if WAY == "passed":
        return []
    return [Finding("Found.", "Do.", "price", places(pl.Series([True] + [False] * 59)))]


WAY = "found"


@pytest.mark.parametrize("way", ["found", "passed", "skipped", "not applicable", "extra"])
def test_a_check_of_ones_own_is_run_and_its_answer_shown(monkeypatch, way):
    monkeypatch.setitem(globals(), "WAY", way)

    (result,) = inspect(rows(), checks=["answers"], functions=[answers]).results

    assert result.status == ("skipped" if way == "extra" else way)
    assert result.code == Code("X100", "error")
    if way == "extra":
        assert "pip install 'assay[curate]'" in result.reason


def test_a_defect_of_a_check_is_not_hidden(monkeypatch):
    monkeypatch.setitem(globals(), "WAY", "defect")

    with pytest.raises(ZeroDivisionError):
        inspect(rows(), checks=["answers"], functions=[answers])


def test_progress_is_told():
    told: list[str] = []

    inspect(rows(), checks=["missing"], progress=lambda stage, done, total: told.append(stage))

    assert set(told) == {"read", "check"}


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"source": None}, SourceError, "nothing to look at"),
        ({"checks": ["mising"]}, RecipeError, "did you mean 'missing'"),
        ({"target": "cty"}, RecipeError, "did you mean 'city'"),
        ({"rows": 0}, RecipeError, "rows"),
        ({"fields": {"price": {"type": "nmber"}}}, RecipeError, "number"),
        ({"source": "no/such/file.csv"}, SourceError, "no/such/file.csv"),
        ({"source": pl.DataFrame({"a": []})}, SourceError, "no rows"),
    ],
)
def test_a_wrong_request_is_one_clear_error(options, error, words):
    with pytest.raises(error, match=words):
        inspect(**{"source": rows(), **options})


def test_the_report_is_written_where_it_is_asked_for(tmp_path):
    pytest.importorskip("assay.reporting.inspection")

    inspect(rows(), checks=["impossible"], out=tmp_path / "seen")

    document = json.loads((tmp_path / "seen" / "inspection.json").read_text(encoding="utf-8"))
    assert document["counts"]["error"] == 1
    assert "F109" in (tmp_path / "seen" / "inspection.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_two_thousand_fields_are_looked_at():
    frame = pl.DataFrame({f"c{k}": [str((n * k) % 7) for n in range(40)] for k in range(2000)})
    cheap = [
        "missing",
        "constant",
        "spellings",
        "typos",
        "mixed_units",
        "dependencies",
        "swallowed",
    ]

    assert len(inspect(frame, checks=cheap).fields) == 2000
