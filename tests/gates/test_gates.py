"""Gates pass, fail, or say that there is too little data."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.component import catalogue
from assay.errors import RecipeError
from assay.evaluation.evaluate import score as evaluate_score
from assay.evaluation.truth import Truth
from assay.gates import State, Verdict, better, judge, leak, overall, pairs, rows, score, set_aside
from assay.recipe import Use

MANIFEST = {
    "rows": {"read": 1000, "kept": 950, "set_aside": 50},
    "splits": {"train": 800, "test": 150},
}


@pytest.fixture(scope="module")
def state() -> State:
    draw = np.random.default_rng(3)
    truth = draw.gamma(2, 50, 200)
    predictions = {
        "good": truth + draw.normal(0, 10, 200),
        "alike": truth + draw.normal(0, 10.5, 200),
        "poor": truth + draw.normal(0, 40, 200),
    }
    ids = pl.Series([str(place) for place in range(200)])
    evaluation = evaluate_score(
        Truth(ids, pl.Series(truth), "number"),
        {name: pl.DataFrame({"prediction": values}) for name, values in predictions.items()},
        ["mae", "r2", "hits"],
        pairs=[("alike", "poor")],
    )
    return State(MANIFEST, evaluation)


def test_every_gate_is_in_the_catalogue():
    assert set(catalogue("gates")) == {
        *("rows", "growth", "schema", "set_aside", "violations", "leak"),
        *("findings", "drift", "performance"),
        *("score", "better", "not_worse", "missing", "slices", "slice_scores"),
        *("latency", "cost", "memory"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"min": 950}, "pass"),
        ({"min": 951}, "fail"),
        ({"max": 949}, "fail"),
        ({"split": "train", "min": 800, "max": 800}, "pass"),
        ({"split": "test", "min": 1000}, "fail"),
    ],
)
def test_rows_are_held_against_bounds(bounds, verdict):
    assert rows(State(MANIFEST), **bounds).verdict == verdict


def test_set_aside_is_held_against_a_share():
    assert set_aside(State(MANIFEST), max=0.05).verdict == "pass"
    assert set_aside(State(MANIFEST), max=0.049).verdict == "fail"
    assert set_aside(State({"rows": {"read": 0, "set_aside": 0}}), max=0).verdict == "pass"


def test_a_score_passes_only_with_its_whole_interval(state):
    found = state.evaluation.score_of("good", "mae")

    assert score(state, metric="mae", max=found.high).verdict == "pass"
    assert score(state, metric="mae", max=found.value).verdict == "inconclusive"
    assert score(state, metric="mae", max=found.low - 0.01).verdict == "fail"
    assert score(state, metric="r2", model="good", min=0.0, max=1.0).verdict == "pass"
    assert score(state, metric="mae", model="poor", min=100).verdict == "fail"


def test_better_is_decided_by_the_interval_of_the_difference(state):
    assert better(state, than="poor").verdict == "pass"
    assert better(state, than="alike").verdict == "inconclusive"
    assert better(state, model="poor", than="best").verdict == "fail"
    assert better(state, model="alike", than="poor", metric="r2").verdict == "pass"
    assert better(state, model="poor", than="alike", metric="hits").verdict == "fail"
    assert better(state, than=state.evaluation.best).verdict == "fail"


@pytest.mark.parametrize(
    ("gate", "given", "message"),
    [
        ("rows", {"split": "trian", "min": 1}, "did you mean 'train'"),
        ("rows", {}, "no bound"),
        ("score", {"metric": "mea", "max": 1.0}, "did you mean 'mae'"),
        ("score", {"metric": "mae", "model": "god", "max": 1.0}, "did you mean 'good'"),
        ("better", {"than": "por"}, "did you mean 'poor'"),
        ("better", {"than": "poor", "metric": "hit"}, "did you mean 'hits'"),
        ("bettter", {"than": "poor"}, "did you mean 'better'"),
        ("leak", {"allow": ["grups"]}, "did you mean 'groups'"),
    ],
)
def test_what_does_not_exist_is_refused(state, gate, given, message):
    with pytest.raises(RecipeError, match=message):
        judge([Use(name=gate, given=given)], state)


def test_a_gate_without_its_material_is_refused():
    with pytest.raises(RecipeError, match="there is none"):
        rows(State(), min=1)
    with pytest.raises(RecipeError, match="there is none"):
        score(State(MANIFEST), metric="mae", max=1)


def test_too_few_rows_are_inconclusive():
    truth = Truth(pl.Series(["a", "b", "c"]), pl.Series([1.0, 2.0, 3.0]), "number")
    frames = {
        name: pl.DataFrame({"prediction": [1.0, 2.0, 2.0 + x]}) for x, name in enumerate("mn")
    }
    state = State(None, evaluate_score(truth, frames, ["mae"]))

    assert score(state, metric="mae", max=100).verdict == "inconclusive"
    assert better(state, than="m").verdict == "inconclusive"


def certificate(**checks):
    """A manifest with a certificate: `code=(status, value)`."""
    return State(
        {
            "certificate": {
                "checks": [
                    {
                        "code": code,
                        "title": code.capitalize(),
                        "status": status,
                        "value": value,
                        "limit": 0,
                        "detail": f"{value} found.",
                        "examples": [{"row_a": "01", "row_b": "02"}],
                    }
                    for code, (status, value) in checks.items()
                ]
            }
        }
    )


LEAKY = {"exact_pairs": ("pass", 0), "near_pairs": ("fail", 5), "adversarial": ("fail", 0.7)}


@pytest.mark.parametrize(
    ("checks", "given", "verdict"),
    [
        ({"exact_pairs": ("pass", 0), "time": ("not applicable", None)}, {}, "pass"),
        (LEAKY, {}, "fail"),
        (LEAKY, {"allow": ["near_pairs"]}, "fail"),
        (LEAKY, {"allow": ["near_pairs", "adversarial"]}, "pass"),
        (LEAKY, {"near_pairs": 5, "auc": 0.71}, "pass"),
        (LEAKY, {"near_pairs": 4, "auc": 0.71}, "fail"),
        ({"adversarial": ("pass", 0.58)}, {"auc": 0.55}, "fail"),
        ({"near_pairs": ("not measured", None)}, {}, "inconclusive"),
        ({"near_pairs": ("not measured", None)}, {"near_pairs": 9}, "inconclusive"),
        ({"near_pairs": ("not measured", None)}, {"allow": ["near_pairs"]}, "pass"),
        ({"near_pairs": ("not measured", None), "moved": ("fail", 2)}, {}, "fail"),
        ({}, {}, "inconclusive"),
    ],
)
def test_leaks_are_held_against_what_is_allowed(checks, given, verdict):
    assert leak(certificate(**checks), **given).verdict == verdict


def test_a_leak_names_the_pairs():
    detail = leak(certificate(**LEAKY)).detail

    assert "Near_pairs: 5 found. For instance 01 and 02." in detail
    assert "Exact_pairs" not in detail


def test_a_version_without_a_certificate_is_inconclusive():
    assert leak(State(MANIFEST)).verdict == "inconclusive"
    with pytest.raises(RecipeError, match="there is none"):
        leak(State())


def test_pairs_are_those_that_the_best_model_does_not_cover():
    uses = [
        Use(name="better", given={"than": "poor"}),
        Use(name="better", given={"model": "alike", "than": "poor"}),
        Use(name="rows", given={"min": 1}),
    ]

    assert pairs(uses) == (("alike", "poor"),)


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([], "pass"),
        (["pass", "pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail", "pass"], "fail"),
    ],
)
def test_the_worst_verdict_decides(verdicts, whole):
    assert overall([Verdict("gate", verdict, "") for verdict in verdicts]) == whole
