"""Cards: filled from what was measured, and honest about what nobody measured."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import yaml

import assay
from assay.tracking.modelcard import OPEN, render_card

EVIL = "<img src=x onerror=alert(1)>|x"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    """A run whose best model loses most on one kind of row."""
    rng = np.random.default_rng(0)
    kind = rng.choice(["lamp", "rope", EVIL], 900)
    size = rng.gamma(2, 3, 900)
    noise = rng.normal(size=900) * np.where(kind == "rope", 9, 0.3)
    rows = pl.DataFrame({"kind": kind, "size": size, "price": 30 + size + noise})
    recipe = {
        "name": "offers", "source": rows, "target": "price", "certificate": "off",
        "fields": {"kind": {"type": "category"}, "size": {"type": "number"},
                   "price": {"type": "number", "unit": "USD", "min": 20}},
        "steps": [{"split.random": {"train": 0.5, "validation": 0.0, "test": 0.5}}],
        "models": ["constant", "tabular_linear"], "metrics": ["mae"],
    }  # fmt: skip
    return assay.run(recipe, out=tmp_path_factory.mktemp("cards"))


def test_every_saved_model_has_a_card_with_its_scores_and_its_data(outcome):
    pytest.importorskip("skops")
    folder = outcome.report.parent
    for info in outcome.evaluation.models:
        card = (folder / info.saved / "README.md").read_text(encoding="utf-8")
        header = yaml.safe_load(card.split("---\n")[1])
        score = outcome.evaluation.score_of(info.model, "mae")
        (result,) = header["model-index"][0]["results"]
        assert result["metrics"] == [{"type": "mae", "value": score.value}]
        assert f"{score.low:.4g} to {score.high:.4g}" in card
        assert outcome.version.manifest["hash"] in card
        assert card.count(OPEN) == 2
        assert "was not measured" in card  # whether anything leaks: the recipe says not to
        assert "<img" not in card
        assert yaml.safe_load(card.split("```yaml\n")[1].split("```")[0])["seed"] == 0


def test_the_best_model_says_where_it_is_weak(outcome):
    pytest.importorskip("skops")
    assert outcome.evaluation.best == "tabular_linear"
    card = (outcome.report.parent / "models" / "tabular_linear" / "README.md").read_text()
    weak = card.split("## Where it is weak")[1].split("##")[0]
    assert "rope" in weak
    other = (outcome.report.parent / "models" / "constant" / "README.md").read_text()
    assert "Nobody has looked" in other


def test_a_model_without_answers_says_so(outcome):
    evaluation = outcome.evaluation.model_copy(
        update={
            "models": [
                info.model_copy(update={"missing": 7, "seconds": None})
                for info in outcome.evaluation.models
            ],
            "comparisons": [],
        }
    )
    card = render_card(outcome.version.manifest, evaluation, "constant")
    assert "no usable answer for 7 of" in card
    assert "compared with no other model" in card


def test_the_dataset_card_says_what_was_read_and_measured(outcome):
    card = (outcome.version.path / "README.md").read_text(encoding="utf-8")
    assert OPEN in card
    assert outcome.version.manifest["sources"][0]["hash"][:16] in card
    assert "<img" not in card
    price = outcome.version.manifest["fields"]["price"]
    assert f"{price['min']:.6g} to {price['max']:.6g}" in card
