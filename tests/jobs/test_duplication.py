"""The look at near duplicates: what a step would take, and what other thresholds would."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.building.build import build
from assay.errors import RecipeError
from assay.jobs.duplication import difference, duplicates, marked

BASE = [f"word{n}" for n in range(40)]


def frame() -> pl.DataFrame:
    texts = []
    for number in range(12):
        words = [f"{word}x{number}" for word in BASE]
        texts += [" ".join(words), " ".join([*words[: 38 - number], "new", *words[39 - number :]])]
    return pl.DataFrame({"text": [*texts, texts[0], "lone", None, "<b>&amp;</b>"]})


def recipe(**step: object) -> dict[str, object]:
    steps = [{"dedup.near": {"columns": "text", **step}}]
    return {"name": "near", "source": frame(), "steps": steps}


def test_it_tells_what_the_build_then_does(tmp_path):
    looked = duplicates(recipe(), out=tmp_path)
    version = build(recipe(), out=tmp_path)

    own = next(move for move in looked.moves if move["threshold"] == 0.7)
    assert own["removed"] == looked.rows - version.manifest["rows"]["kept"]
    assert looked.equal == 1
    removed = [move["removed"] for move in looked.moves]
    assert removed == sorted(removed, reverse=True)
    assert looked.moves[-1] == {
        "threshold": 1.0, "removed": 1, "share": 1 / looked.rows, "clusters": 1,
    }  # fmt: skip
    assert sum(one["size"] * one["clusters"] for one in looked.sizes) == 25


@pytest.mark.parametrize("step", ["dedup.near", "dedup.semantic"])
def test_each_threshold_of_a_crowd_is_counted_as_a_build_would(tmp_path, step):
    rng, texts = np.random.default_rng(0), []
    for number in range(200):
        words = list(BASE)
        for at in rng.choice(40, int(rng.integers(1, 9)), replace=False):
            words[at] = f"x{number}y{at}"
        texts.append(" ".join(words))
    asked = {"name": "crowd", "source": pl.DataFrame({"text": texts})}

    for move in duplicates(asked | {"steps": [{step: {"columns": "text"}}]}, out=tmp_path).moves:
        settings = {"columns": "text", "threshold": move["threshold"], "most": 1}
        built = build(asked | {"steps": [{step: settings}], "certificate": "off"}, out=tmp_path)
        assert move["removed"] == 200 - built.manifest["rows"]["kept"]


def test_other_steps_that_compare_texts_are_passed_over(tmp_path):
    against = {"dedup.against": {"source": pl.DataFrame({"text": ["lone"]}), "columns": "text"}}
    asked = recipe() | {"steps": [against, {"dedup.near": {"columns": "text"}}]}

    assert duplicates(asked, out=tmp_path).step == "dedup.near"
    with pytest.raises(RecipeError, match="against"):
        duplicates(asked, out=tmp_path, step="dedup.against")


def test_pairs_are_a_sample_with_their_differences(tmp_path):
    looked = duplicates(recipe(threshold=0.9), out=tmp_path, pairs=5)

    assert len(looked.pairs) == 5
    values = [pair["likeness"] for pair in looked.pairs]
    assert values == sorted(values, reverse=True)
    for pair in looked.pairs:
        assert pair["removed"] == (pair["likeness"] >= 0.9)
        parts = pair["texts"]["text"]
        assert {mark for mark, _ in parts} == {"=", "-", "+"}
        assert "new" in {text for mark, text in parts if mark != "="}
    again = duplicates(recipe(threshold=0.9), out=tmp_path, pairs=5)
    other = duplicates(recipe(threshold=0.9), out=tmp_path, pairs=5, seed=1)
    assert again.pairs == looked.pairs
    assert other.pairs != looked.pairs
    assert duplicates(recipe(), out=tmp_path, pairs=0).pairs == []


def test_it_is_plain_and_prints_and_is_escaped(tmp_path):
    rows = pl.DataFrame(
        {"text": ["<b>one</b> two three four five six", "one two three four five six"]}
    )
    asked = {"name": "x", "source": rows, "steps": [{"dedup.near": {"columns": "text"}}]}

    looked = duplicates(asked, out=tmp_path, thresholds=[0.5])

    assert json.loads(json.dumps(looked.to_dict()))["pairs"][0]["texts"]["text"][0]
    assert "[-" in repr(looked) or "{+" in repr(looked)
    assert "1 of 2 rows" in repr(looked) or "0 of 2 rows" in repr(looked)
    assert "<b>" not in looked._repr_html_()
    assert "<del>" in looked._repr_html_() or "<ins>" in looked._repr_html_()
    assert list(looked.to_pandas().columns) == ["threshold", "removed", "share", "clusters"]


def test_semantic_steps_are_looked_at_too(tmp_path):
    asked = recipe() | {"steps": [{"dedup.semantic": {"columns": "text", "threshold": 0.85}}]}

    looked = duplicates(asked, out=tmp_path)

    assert looked.step == "dedup.semantic"
    assert [move["threshold"] for move in looked.moves] == [0.8, 0.85, 0.9, 0.95, 0.98, 1.0]


def test_a_recipe_without_such_a_step_is_refused(tmp_path):
    with pytest.raises(RecipeError):
        duplicates({"name": "x", "source": frame(), "steps": []}, out=tmp_path)
    with pytest.raises(RecipeError, match="threshold"):
        duplicates(recipe(), out=tmp_path, thresholds=[0.0])


def test_a_table_without_rows_to_compare(tmp_path):
    rows = pl.DataFrame({"text": [None, "only one"]}, {"text": pl.String})
    asked = {"name": "x", "source": rows, "steps": [{"dedup.near": {"columns": "text"}}]}

    looked = duplicates(asked, out=tmp_path)

    assert looked.pairs == [] and looked.sizes == []
    assert "0 of 2 rows" in repr(looked)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_a_difference_holds_both_texts(first, second):
    parts = difference(first, second)

    assert "".join(text for mark, text in parts if mark in "=-") == first
    assert "".join(text for mark, text in parts if mark in "=+") == second


def test_a_long_text_is_compared_by_its_beginning_and_shown_around_changes():
    words = [f"w{n}" for n in range(100_000)]
    first, second = " ".join(words), " ".join(["new", *words])

    shown = marked(difference(first, second))

    assert len(shown) < 400
    assert "{+new +}" in shown
    assert "not compared" in shown
