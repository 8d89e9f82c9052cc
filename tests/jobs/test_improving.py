"""What to do next is ranked, applied on request, and measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import orjson
import polars as pl
import pytest

from assay.errors import RecipeError
from assay.jobs.improving import improve
from assay.recipe import load
from assay.slices.actions import Action, ranked
from assay.slices.changing import changed_recipe, write_recipe
from assay.slices.gains import Gain, unknown

RECIPE = """\
# my own words about this recipe
name: toys
source: toys.csv
id: key
target: price
inputs: [size, weight]
steps:
  - split.random: {train: 0.6, validation: 0.2, test: 0.2}
models: [constant, tabular_linear]
metrics: [mae]
"""


@pytest.fixture
def toys(tmp_path):
    """Prices that bend with size, so that trees are better than a line; a twentieth is wrong."""
    draw = np.random.default_rng(0)
    size = draw.uniform(-3, 3, 900)
    price = 30 + 10 * np.sin(2 * size) + draw.normal(0, 0.5, 900)
    frame = pl.DataFrame(
        {"key": [f"t{i}" for i in range(900)], "size": size, "weight": draw.normal(size=900),
         "price": price}
    )  # fmt: skip
    frame.write_csv(tmp_path / "toys.csv")
    (tmp_path / "toys.yaml").write_text(RECIPE)
    return tmp_path


def test_another_model_is_proposed_applied_and_found_better(toys):
    before = (toys / "toys.yaml").read_text()
    found = improve(toys / "toys.yaml", out=toys / "v", apply="model_boosted_trees", workers=1)

    first = found.actions[0]
    assert first.name.startswith("model_")
    assert first.gain.kind == "tried out"
    assert first.gain.low > 0
    assert found.applied.verdict == "better"
    assert found.applied.models == ("tabular_linear", "boosted_trees")
    assert found.applied.rows == found.diagnosis.rows
    assert (toys / "toys.yaml").read_text() == before
    written = toys / "toys.improved.yaml"
    assert found.applied.recipe == written
    assert "boosted_trees" in written.read_text()
    assert "source: toys.csv" in written.read_text()
    # What was forecast on validation holds on test.
    gains = [one["difference"] for one in found.applied.comparisons]
    assert abs(gains[0]) == pytest.approx(first.gain.value, rel=0.5)
    plain = orjson.loads(orjson.dumps(found.to_dict()))
    assert plain["applied"]["verdict"] == "better"
    assert found.to_polars().height == len(found.actions)
    assert "better" in repr(found)
    assert "expected gain" in found._repr_html_()


def test_wrong_training_targets_are_found_dropped_and_it_helped(tmp_path):
    draw = np.random.default_rng(1)
    n = 1200
    x = draw.normal(size=(n, 3))
    price = 50 + 10 * x[:, 0] + 5 * x[:, 1] + draw.normal(0, 1, n)
    wrong = draw.random(n) < 0.03
    frame = pl.DataFrame(
        {"key": [f"t{i}" for i in range(n)], **{f"x{i}": x[:, i] for i in range(3)},
         "price": np.where(wrong, price + 400, price)}
    )  # fmt: skip
    recipe = {
        "name": "wrong", "source": frame, "id": "key", "target": "price",
        "steps": [{"split.random": {"train": 0.6, "validation": 0.2, "test": 0.2}}],
        "models": ["tabular_linear"], "metrics": ["median_ae"],
    }  # fmt: skip
    found = improve(recipe, out=tmp_path, apply="labels", workers=1)
    action = next(one for one in found.actions if one.name == "labels")
    assert 0.02 * 720 < action.rows < 0.05 * 720
    assert found.applied.verdict == "better"
    # A frame cannot be written into a recipe file.
    assert found.applied.recipe is None
    check = next(one for one in found.actions if one.name == "check")
    assert check.rows == pytest.approx(wrong.sum() / 5, abs=9)


def test_what_needs_people_or_is_not_there_is_refused(toys):
    with pytest.raises(RecipeError, match="no action 'labls'"):
        improve(toys / "toys.yaml", out=toys / "v", apply="labls", try_out=False, workers=1)
    (toys / "bare.yaml").write_text("name: bare\nsource: toys.csv\n")
    with pytest.raises(RecipeError, match="nothing to improve"):
        improve(toys / "bare.yaml", out=toys / "v", workers=1)


@pytest.mark.slow
def test_a_model_made_of_others_is_improved_by_those_that_can_be_fitted(toys):
    text = RECIPE.replace("[constant, tabular_linear]", "[constant, tabular_linear, average]")
    (toys / "toys.yaml").write_text(text)
    found = improve(toys / "toys.yaml", out=toys / "v", model="average", workers=1)
    assert any("tabular_linear tried out" in note for note in found.notes)
    assert any(one.gain.kind == "tried out" for one in found.actions)


def test_a_field_that_gives_the_target_away_comes_first(tmp_path):
    draw = np.random.default_rng(3)
    price = draw.lognormal(3, 1, 600)
    frame = pl.DataFrame(
        {"key": [f"t{i}" for i in range(600)], "tax": price * 0.19, "size": draw.normal(size=600),
         "price": price}
    )  # fmt: skip
    recipe = {
        "name": "leaky", "source": frame, "id": "key", "target": "price",
        "steps": [{"split.random": {"train": 0.6, "validation": 0.2, "test": 0.2}}],
        "models": ["tabular_linear"], "metrics": ["mae"],
    }  # fmt: skip
    found = improve(recipe, out=tmp_path, apply="leak", workers=1)
    assert found.actions[0].name == "leak"
    assert found.actions[0].change == {"inputs": ["size"]}
    assert found.actions[0].gain.high < 0
    assert found.applied.verdict == "worse"


def test_steps_are_put_where_a_recipe_allows_them():
    base = {
        "name": "n", "source": "a.csv", "target": "y",
        "steps": ["dedup.exact", {"split.random": {"train": 0.8, "test": 0.2}},
                  {"clean.impute": {"columns": ["x"]}}],
    }  # fmt: skip
    base["steps"][0] = {"dedup.exact": {"columns": ["x"]}}
    other = pl.DataFrame({"x": ["a"]})
    against = {"dedup.against": {"source": other, "columns": ["x"]}, "as": "theirs"}
    given = load({**base, "steps": [against, *base["steps"]]})
    near = Action("d", "", unknown(""), change={"steps": [{"dedup.near": {"columns": ["t"]}}]})
    labels = Action("l", "", unknown(""), change={"steps": ["labels.drop"]})
    first = changed_recipe(given, near).steps[0]
    assert first.given["source"] is other
    assert first.label == "theirs"
    names = [step.name for step in changed_recipe(load(base), near).steps]
    assert names == ["dedup.exact", "dedup.near", "split.random", "clean.impute"]
    names = [step.name for step in changed_recipe(load(base), labels).steps]
    assert names == ["dedup.exact", "split.random", "labels.drop", "clean.impute"]


def test_a_gain_that_is_sure_stands_before_a_larger_one_that_is_not():
    sure = Action("sure", "", Gain(1.0, 0.5, 1.5, "tried out", ""))
    large = Action("large", "", Gain(2.0, -1.0, 5.0, "tried out", ""))
    bound = Action("bound", "", Gain(3.0, 2.5, 3.5, "upper bound", ""))
    worse = Action("worse", "", Gain(-2.0, -3.0, -1.0, "tried out", ""))
    leak = Action("leak", "", unknown("it leaks"), urgent=True)
    some = [worse, large, unknown_action(), bound, leak, sure]
    assert [one.name for one in ranked(some)] == [
        "leak", "sure", "bound", "large", "unknown", "worse",
    ]  # fmt: skip


def unknown_action() -> Action:
    return Action("unknown", "", unknown("nobody knows"))


def test_what_makes_it_worse_is_no_advice(toys):
    found = improve(toys / "toys.yaml", out=toys / "v", try_out=False, workers=1)
    gains = (Gain(2.0, 0.5, 3.0, "tried out", "x"), Gain(-2.0, -3.0, -0.5, "tried out", "x"))
    both = [Action(name, "do it", gain) for name, gain in zip("ab", gains, strict=True)]

    lines = repr(replace(found, actions=tuple(both))).splitlines()

    warned = lines.index("tried out, and worse than leaving it as it is:")
    assert lines.index("  1. a: do it  (for people)") < warned
    assert warned + 1 == lines.index("  2. b: do it  (for people)")


def test_another_recipe_file_is_never_overwritten(toys):
    (toys / "toys.improved.yaml").write_text("mine\n")
    action = Action("m", "use trees", unknown(""), change={"models": ["boosted_trees"]})
    changed = changed_recipe(load(toys / "toys.yaml"), action)
    first = write_recipe(toys / "toys.yaml", changed, action, toys)
    second = write_recipe(toys / "toys.yaml", changed, action, toys)
    assert (toys / "toys.improved.yaml").read_text() == "mine\n"
    assert first == second == toys / "toys.improved-2.yaml"
    assert load(first) == changed
