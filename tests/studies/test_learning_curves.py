"""Power laws through points, and learning curves of models."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from assay.building.build import build
from assay.cache import Cache
from assay.errors import RecipeError
from assay.studies.learning import Fraction, learning_curve
from assay.studies.powerlaw import ahead, fit, gain

ROWS = np.array([125.0, 250, 500, 1000, 2000, 4000])


@pytest.mark.parametrize(
    # Hestness et al. (2017, arXiv:1712.00409), table 1, find exponents of 0.066 (language) to
    # 0.36 (translation); 1/2 and 1 are those of theory.
    ("a", "b", "c"),
    [
        (0.1, 2.0, 0.128),
        (0.0, 13.0, 0.066),
        (40.0, 900.0, 0.5),
        (0.9, -3.0, 0.36),
        (1.0, 50.0, 1.0),
    ],
)
def test_a_planted_power_law_is_recovered(a, b, c):
    law = fit(ROWS, a + b * ROWS**-c)

    assert (law.a, law.b, law.c) == pytest.approx((a, b, c), rel=1e-3, abs=1e-3)
    assert law.residual < 1e-6
    assert law.at(8000) == pytest.approx(a + b * 8000**-c, rel=1e-6)


def test_the_law_is_the_one_that_scipys_least_squares_ends_in():
    from scipy.optimize import curve_fit

    y = 10 + 300 * ROWS**-0.6 + np.random.default_rng(1).normal(0, 0.1, len(ROWS))
    best, _ = curve_fit(lambda n, a, b, c: a + b * n**-c, ROWS, y, p0=(10, 300, 0.6))

    law = fit(ROWS, y)

    assert (law.a, law.b, law.c) == pytest.approx(tuple(best), rel=1e-3)
    assert ahead(ROWS, y[None, :], [8000])[0, 0] == pytest.approx(law.at(8000), rel=1e-4)


def test_the_interval_of_the_gain_covers_the_planted_one():
    draw = np.random.default_rng(5)
    curve, sd = 20 + 200 * ROWS**-0.5, 0.15
    true = 200 * (4000**-0.5 - 8000**-0.5)
    covered = 0
    for _ in range(200):
        seen = curve + draw.normal(0, sd, len(ROWS))
        found = gain(ROWS, seen, seen + draw.normal(0, sd, (300, len(ROWS))),
                     better="lower", margin=0.01)  # fmt: skip
        covered += found.low <= true <= found.high
    assert 0.9 <= covered / 200 <= 1.0


def test_noise_without_a_trend_is_no_gain_and_not_told():
    draw = np.random.default_rng(2)
    seen = 5 + draw.normal(0, 0.3, len(ROWS))

    wide = gain(ROWS, seen, seen + draw.normal(0, 0.3, (400, 6)), better="lower", margin=0.01)
    narrow = gain(ROWS, np.full(6, 5.0), 5 + draw.normal(0, 1e-4, (400, 6)), better="lower",
                  margin=0.05)  # fmt: skip
    few = gain(ROWS[:3], seen[:3], seen[None, :3], better="lower", margin=0.01)

    assert wide.verdict == "cannot tell"
    assert narrow.verdict == "no gain that matters"
    assert few.verdict == "cannot tell"
    assert few.value is None


def recipe(rows=600, **more):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(rows, 12))
    frame = pl.DataFrame({f"x{i}": x[:, i] for i in range(12)}).with_columns(
        pl.Series("y", x @ np.arange(12.0) + draw.normal(0, 4, rows)),
        pl.Series("key", [f"r{i}" for i in range(rows)]),
    )
    steps = [{"split.random": {"train": 0.7, "validation": 0.0, "test": 0.3}}]
    return {
        "name": "grow", "source": frame, "id": "key", "target": "y", "metrics": ["mae"],
        "models": ["constant", {"tabular_linear": {"log": False}}], "steps": steps, **more,
    }  # fmt: skip


def test_parts_are_nested_and_halves_stay_halves(tmp_path):
    version = build(recipe(), out=tmp_path, workers=1)
    cache = Cache(tmp_path / ".cache")

    def learned(share, draw=0):
        sides = Fraction(share, draw, 0, "test").of(version, cache)
        return set(sides.filter(pl.col("split") == "train")["row_id"])

    small, half, whole = learned(0.25), learned(0.5), learned(1.0)
    assert small < half < whole
    assert len(half) / len(whole) == pytest.approx(0.5, abs=0.06)
    assert half != learned(0.5, draw=1)


def test_a_model_that_learns_gets_better_and_one_that_does_not_stays(tmp_path):
    found = learning_curve(recipe(), out=tmp_path, draws=2, workers=1)

    by_model = {name: [p for p in found.points if p.model == name]
                for name in ("constant", "tabular_linear")}  # fmt: skip
    linear = by_model["tabular_linear"]
    assert [point.fraction for point in linear] == [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0]
    assert linear[-1].value < linear[0].value
    assert all(point.low < point.value < point.high for point in linear)
    assert [point.draws for point in linear] == [2, 2, 2, 2, 1]
    constant = next(curve for curve in found.curves if curve.model == "constant")
    assert constant.verdict != "more data helps"
    assert all(curve.model in curve.sentence for curve in found.curves)
    assert found.to_json()
    assert "fraction" in repr(found)
    assert "<table>" in found._repr_html_()


@pytest.mark.parametrize("fractions", [(), (0.0, 0.5), (0.5, 1.5)])
def test_fractions_out_of_range_are_refused(tmp_path, fractions):
    with pytest.raises(RecipeError, match="fractions above 0"):
        learning_curve(recipe(), out=tmp_path, fractions=fractions)
