"""Gates over what models take, over new data, and over what changed since the accepted version."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import assay
from assay.errors import RecipeError, VersionError
from assay.evaluation.evaluate import evaluate
from assay.gates import (
    State,
    cost,
    drift,
    findings,
    latency,
    missing,
    newest_run,
    performance,
    violations,
)
from assay.gates.serving import _quantile


def table(rows=800, seed=1, shift=0.0):
    draw = np.random.default_rng(seed)
    x = draw.normal(shift, 1, rows).round(3)
    return pl.DataFrame(
        {
            "sku": [f"{seed}-{n}" for n in range(rows)],
            "x": x,
            "colour": draw.choice(["red", "blue"], rows),
            "price": (50 + 10 * x).round(2),
        }
    )


def recipe(frame, *gates, **more):
    return {
        "name": "shop",
        "source": frame,
        "id": "sku",
        "certificate": "off",
        "gates": list(gates),
        **more,
    }


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A run of predictions from elsewhere, with the seconds and the cost of every row."""
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(2)
    frame = table()
    rows = frame.select(
        row_id="sku",
        prediction="price",
        seconds=pl.Series(draw.gamma(4, 0.05, frame.height)),
        cost=pl.Series(draw.gamma(9, 0.0001, frame.height)),
    )
    rows.write_csv("answers.csv")
    asked = recipe(
        frame,
        target="price",
        inputs=["x"],
        steps=[{"split.random": {"train": 0.5, "validation": 0.0, "test": 0.5}}],
        models=["constant", {"file": {"path": "answers.csv"}, "as": "llm"}],
        metrics=["mae"],
    )
    assay.run(asked, out="versions", workers=1)
    run = newest_run(assay.versions("shop")[0])
    return State(run.version.manifest, run.evaluation, None, run)


def test_seconds_and_cost_of_every_row_have_intervals(asked):
    found = latency(asked, max=0.3, model="llm")
    assert found.verdict == "pass" and found.figures["n"] == asked.evaluation.n
    assert found.figures["low"] < 0.2 < found.figures["high"]
    assert latency(asked, max=0.2, model="llm").verdict == "inconclusive"
    assert latency(asked, max=0.1, model="llm").verdict == "fail"
    assert latency(asked, max=0.2, model="llm", quantile=0.95).verdict == "fail"
    assert latency(asked, max=0.6, model="llm", quantile=0.95).verdict == "pass"
    assert cost(asked, max=0.001, model="llm").verdict == "pass"
    assert cost(asked, max=0.0005, model="llm").verdict == "fail"


def test_a_model_of_assay_has_one_measurement_of_time_and_no_cost(asked):
    found = latency(asked, max=10, model="constant")
    assert found.verdict == "pass" and "measured once" in found.detail
    assert latency(asked, max=10, model="constant", quantile=0.9).verdict == "inconclusive"
    assert cost(asked, max=10, model="constant").verdict == "inconclusive"
    with pytest.raises(RecipeError, match="between 0 and 1"):
        latency(asked, max=1, quantile=95)


def test_too_few_rows_cannot_bound_a_quantile_from_above(tmp_path):
    values = np.linspace(0.1, 0.2, 20)
    assert _quantile(values, 0.99)[2] is None
    # Conover (1999), binomial tables: the 6th and the 15th of 20 hold the median.
    assert _quantile(np.arange(1.0, 21.0), 0.5)[1:] == (6.0, 15.0)


def test_answers_that_are_missing_are_held_with_their_interval():
    truth = pl.DataFrame({"id": range(200), "y": [float(n % 5) for n in range(200)]})
    gone = truth.select("id", prediction=pl.when(pl.col("id") >= 4).then("y"))
    state = State(None, evaluate(truth, {"m": gone}, metrics="mae"))
    assert missing(state).verdict == "fail"
    assert missing(state, max=0.1).verdict == "pass"
    open_one = missing(state, max=0.03)
    assert open_one.verdict == "inconclusive" and open_one.needed > 200
    assert missing(state, max=0.001).verdict == "fail"


def line(field, value=0.4, low=0.3, high=0.5, alarm=True, name="wasserstein"):
    effect = {"name": name, "value": value, "low": low, "high": high, "floor": 0.1}
    return {"field": field, "kind": "number", "effect": effect, "alarm": alarm}


DRIFTED = {
    "drift": [line("price"), line("price (missing)", 0.01, 0.0, 0.02, False, "missing"),
              line("title", 0.05, 0.01, 0.2, False)],
    "findings": [
        {"code": "schema.gone", "severity": "stop", "title": "Field gone", "detail": "No x."},
        {"code": "rows.late", "severity": "note", "title": "Late rows", "detail": "9 rows."},
    ],
    "performance": [
        {"metric": "mae", "model": "m", "value": 9.0, "low": 8.0, "high": 10.0,
         "estimated": True, "reference": 7.0, "alarm": False},
        {"metric": "r2", "model": "m", "value": None, "low": None, "high": None, "alarm": False},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ({}, "fail"),
        ({"allow": ["price"]}, "pass"),
        ({"fields": ["title"]}, "pass"),
        ({"fields": ["price (missing)"]}, "pass"),
        ({"max_share": 0.34}, "pass"),
        ({"max_share": 0.33}, "fail"),
        ({"max": 0.6}, "pass"),
        ({"max": 0.25}, "fail"),
        ({"max": 0.4}, "inconclusive"),
        ({"max": {"wasserstein": 0.6}}, "pass"),
        ({"max": {"missing": 0.015}, "allow": ["title"]}, "fail"),
        ({"max": {"missing": 0.015}, "fields": ["price (missing)"]}, "inconclusive"),
    ],
)
def test_drift_is_held_by_alarm_or_by_the_interval_of_the_effect(given, verdict):
    assert drift(State(monitor=DRIFTED), **given).verdict == verdict


def test_no_alarm_among_few_rows_is_no_pass():
    few = {"code": "batch.small", "severity": "note", "title": "Few", "detail": "9 of 90 rows."}
    state = State(monitor=DRIFTED | {"findings": [few]})
    assert drift(state, allow=["price"]).verdict == "inconclusive"
    assert "9 of 90 rows." in drift(state, allow=["price"]).detail
    assert drift(state).verdict == "fail"
    assert drift(state, max=0.6).verdict == "pass"  # by its interval


def test_findings_and_performance_of_new_data():
    state = State(monitor=DRIFTED)
    assert findings(state).detail == "Field gone: No x."
    assert findings(state, allow=["schema.gone"]).verdict == "pass"
    assert findings(state, allow=["schema.gone"], severity=["note"]).verdict == "fail"
    assert performance(state, metric="mae").verdict == "pass"
    found = performance(state, metric="mae", max=9)
    assert found.verdict == "inconclusive"
    assert "mae of m is estimated at 9 (95 % 8 to 10), 7 before" in found.detail
    assert performance(state, metric="mae", max=7).verdict == "fail"
    assert performance(state, metric="r2", min=0.5).verdict == "inconclusive"
    assert performance(State(monitor={"drift": []})).verdict == "inconclusive"
    for wrong in ({"metric": "mea"}, {"model": "n"}, {"max": 3}):
        with pytest.raises(RecipeError):
            performance(state, **wrong)
    with pytest.raises(RecipeError, match="did you mean 'price'"):
        drift(state, fields=["prize"])
    with pytest.raises(RecipeError, match="severity"):
        findings(state, severity=["bad"])


@pytest.fixture
def accepted(tmp_path):
    assay.run(recipe(table()), out=tmp_path, workers=1)
    assay.accept("shop", out=tmp_path)
    return tmp_path


def test_without_a_monitor_the_rows_are_held_against_the_accepted_version(accepted):
    gate = {"drift": {"allow": ["sku"]}}
    same = assay.run(recipe(table(seed=2), gate), out=accepted, workers=1).gates[0]
    assert same.verdict == "pass" and same.detail.startswith("Since shop/v1-")
    moved = assay.run(recipe(table(seed=3, shift=1.0), gate), out=accepted, workers=1).gates[0]
    assert moved.verdict == "fail" and "x (wasserstein" in moved.detail
    itself = assay.run(recipe(table(), gate), out=accepted, workers=1).gates[0]
    assert itself.verdict == "pass"


def test_a_schema_that_changed_overnight_is_named(accepted):
    gone = table(seed=2).drop("colour").with_columns(x=pl.lit("many"), size=pl.lit(3))
    found = assay.run(
        recipe(gone, "schema", {"schema": {"allow": ["x", "colour"]}}, {"schema": {"new": False}},
               {"drift": {}}),
        out=accepted, workers=1,
    )  # fmt: skip
    assert [gate.verdict for gate in found.gates[:3]] == ["fail", "pass", "fail"]
    assert "colour has gone" in found.gates[0].detail and "x was " in found.gates[0].detail
    assert "size is new" in found.gates[2].detail
    assert found.gates[3].verdict in ("fail", "pass", "inconclusive")


def test_a_field_that_has_no_value_any_more_fails_the_schema(accepted):
    """The recipe names it, so the version has it, and not one row has a value."""
    kept = {"fields": {"colour": {"type": "category"}}}
    gone = assay.run(recipe(table(seed=2).drop("colour"), "schema") | kept, out=accepted, workers=1)
    assert gone.gates[0].verdict == "fail"
    assert "colour has no value any more" in gone.gates[0].detail


def test_a_batch_of_one_row_is_decided_or_left_open(accepted):
    one = recipe(
        table(1, seed=5), "schema", "drift", {"growth": {}}, "leak", {"violations": {}},
        {"set_aside": {"max": 0}},
    )  # fmt: skip
    found = assay.run(one, out=accepted, workers=1)
    verdicts = {gate.code: gate.verdict for gate in found.gates}
    assert verdicts["growth"] == "fail" and verdicts["violations"] == "pass"
    assert verdicts["drift"] == verdicts["leak"] == "inconclusive"
    assert next(gate.needed for gate in found.gates if gate.code == "drift") > 10


def test_damaged_tags_stop_only_gates_that_need_them(accepted):
    Path(accepted / "shop" / "tags.json").write_text("{half")
    assert assay.run(recipe(table(), {"rows": {"min": 1}}), out=accepted, workers=1).verdict
    with pytest.raises(VersionError, match="tags cannot be read"):
        assay.run(recipe(table(), "growth"), out=accepted, workers=1)


def test_a_ledger_that_is_gone_is_one_clear_error(accepted):
    version = assay.versions("shop", out=accepted)[0]
    for file in (version.path / "ledger").glob("*.parquet"):
        file.unlink()
    with pytest.raises(VersionError, match="missing"):
        violations(State(version.manifest, run=newest_run(version)))


def test_two_who_accept_at_once_leave_one_whole_tag(accepted):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: assay.accept("shop", out=accepted, note=str(n)), range(12)))
    tags = json.loads((accepted / "shop" / "tags.json").read_text())
    assert tags["accepted"]["note"] in {str(n) for n in range(12)}
