"""Positions of marks: within the plot, in order, and true to the numbers."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.reporting import charts, summarize
from assay.reporting.words import decimals, number, share

MODEST = st.floats(-1e9, 1e9, allow_nan=False)
LIMITS = {"absolute": 40.0, "relative": 0.2}


@settings(max_examples=50, deadline=None)
@given(MODEST, MODEST, MODEST)
def test_every_value_has_a_place_within_the_axis(low, high, value):
    axis = charts.axis(min(low, high), max(low, high))

    assert 0 <= charts.at(value, axis) <= 100
    assert axis["high"] > axis["low"]
    assert len(axis["ticks"]) <= 14
    assert all(0 <= tick["at"] <= 100 for tick in axis["ticks"])


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        (100, 139.99, "green"), (100, 140, "orange"), (100, 180, "red"),
        (1000, 1199, "green"), (1000, 1200, "orange"), (1000, 600, "red"), (0, 39, "green"),
    ],
)  # fmt: skip
def test_bands_are_those_of_the_course(truth, prediction, expected):
    """The course *The Price Is Right*: green under $40 or 20 %, orange under $80 or 40 %."""
    assert charts.band(truth, prediction, LIMITS) == expected


def test_a_whisker_without_interval_is_a_dot():
    axis = charts.axis(0, 10)

    mark = charts.whisker({"value": 5, "low": None, "high": None}, axis)

    assert mark == {"dot": 50.0, "left": 50.0, "width": 0.0, "beyond": ""}
    assert charts.whisker({"value": math.nan}, axis) is None
    assert charts.whisker(None, axis) is None


def test_one_absurd_model_does_not_squeeze_the_others():
    scores = [{"value": v, "low": v - 1, "high": v + 1} for v in (10, 12, 14, 1e6)]

    axis = charts.whiskers(scores)

    assert axis["high"] < 20
    assert charts.whisker(scores[-1], axis)["beyond"] == "right"


def test_one_absurd_prediction_does_not_squeeze_the_others():
    points = [[str(i), float(i), float(i)] for i in range(500)] + [["x", 3.0, 1e12]]

    import numpy as np

    axis = charts.square(np.array([point[1:] for point in points]))
    drawn = charts.scatter(points, axis, LIMITS)

    assert axis["high"] < 1100
    assert drawn["outside"] == 1


def test_marks_at_few_true_values_are_spread_but_stay_apart():
    points = [[str(i), float(i % 5 + 1), 3.0] for i in range(200)]
    axis = charts.axis(0, 6)

    across = [mark[0] for mark in charts.scatter(points, axis, None)["marks"]]

    for value in range(1, 6):
        places = across[value - 1 :: 5]
        assert max(places) < charts.at(value + 0.5, axis)
        assert min(places) > charts.at(value - 0.5, axis)


def test_running_error_tolerates_a_missing_band():
    drawn = charts.running([[1, 5.0, None, None], [2, 6.0, 1.0, 11.0], [3, 6.5, 2.0, 11.0]])

    assert len(drawn["line"].split()) == 3
    assert len(drawn["area"].split()) == 4
    assert charts.running([[1, 5.0, None, None]]) is None


def test_histogram_shows_each_split_as_its_own_share():
    drawn = charts.histogram([0, 1, 2], {"train": [90, 10], "test": [9, 1], "empty": [0, 0]})

    lines = {one["split"]: one["line"] for one in drawn["series"]}

    assert lines["train"] == lines["test"]
    assert "empty" not in lines
    assert drawn["tips"][0] == "0 to 1\ntrain: 90 (90.0\u202f%)\ntest: 9 (90.0\u202f%)"


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.floats(), st.integers(), st.none(), st.text()), st.sampled_from([None, "USD"]))
def test_any_number_has_words(value, unit):
    assert number(value, None, unit)
    assert share(value, 7)
    assert 0 <= decimals([value]) <= 6


@pytest.mark.parametrize(
    ("verdicts", "kind"),
    [
        (["pass", "pass"], "pass"), (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail"], "fail"), ([], "none"), (["pass", "maybe"], "inconclusive"),
    ],
)  # fmt: skip
def test_the_worst_gate_decides(verdicts, kind):
    gates = [{"gate": "g", "verdict": verdict, "detail": ""} for verdict in verdicts]

    assert summarize(None, None, gates)["verdict"]["kind"] == kind


def test_the_difference_is_that_of_the_other_model_to_the_best():
    score = {"split": "test", "metric": "mae", "low": None, "high": None, "better": "lower"}
    evaluation = {
        "metrics": ["mae"],
        "best": "a",
        "scores": [{**score, "model": "a", "value": 10.0}, {**score, "model": "b", "value": 14.0}],
        "comparisons": [{"a": "a", "b": "b", "metric": "mae", "difference": -4.0, "low": -6.0,
                         "high": -2.0, "p": 0.01, "sentence": "b is worse."}],
    }  # fmt: skip

    best, other = summarize(None, evaluation)["board"]["rows"]

    assert best["difference"] == ""
    assert other["difference"].startswith("+4")
    assert other["difference_interval"].startswith("+2")
    assert other["apart"]


def test_a_text_shows_its_lengths_unless_its_values_recur():
    shape = {"min": 1, "max": 9, "histogram": {"edges": [1, 5, 9], "counts": {"train": [60, 40]}}}
    text = {"type": "string", "null": 0, "distinct": 90, "length": shape}
    manifest = {
        "rows": {"read": 100, "kept": 100},
        "splits": {"train": 100},
        "fields": {
            "free": {**text, "top": [["hello", {"train": 3}]]},
            "style": {**text, "top": [["raw", {"train": 70}], ["rewritten", {"train": 30}]]},
        },
    }

    free, style = summarize(manifest, None)["fields"]

    assert free["of_length"] and free["histogram"]
    assert not style["of_length"] and not style["histogram"]
    assert [row["value"] for row in style["top"]] == ["raw", "rewritten"]
