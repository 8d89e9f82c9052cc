"""The Python API: the command line's twin, cheap to import, at home in every frame library."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import assay
from assay import cli

SCRIPT = "<script>alert(1)</script>"
# Where an option cannot have the name of the parameter it stands for.
RENAMED = {
    "export": {"kind": "kind", "to": "to", "given": "parameters", "home": "out"},
    "compare": {"more": "predictions"},
    "gate": {"form": None},
    "run": {"annotate": None},
    "evaluate": {"more": "predictions", "out": None},
    "calibration": {"more": "predictions", "out": None},
    "monitor": {
        "floor": "floors",
        "replay": None,
        "by": None,
        "rows": None,
        "labels": None,
        "status": None,
        "keep": None,
    },
}
ONLY_COMMANDS = {"json", "quiet"}  # how to print, not what to do
ONLY_PYTHON = {"progress", "tell"}


def test_public_names_are_pinned():
    assert assay.__all__ == [
        "AssayError", "Evaluation", "Recipe", "Version", "accept", "build", "calibration", "charts",
        "check", "ci", "compare", "conformal", "crossval", "diff", "duplicates", "evaluate",
        "explain", "export", "gate",
        "importance", "improve", "init", "inspect", "learning_curve", "lineage", "monitor",
        "monitor_labels", "monitored", "predict", "prune", "replay", "report", "restore", "run",
        "runs", "schema", "tag", "threshold", "validation_curve", "versions", "watch", "why",
    ]  # fmt: skip
    assert all(getattr(assay, name) is not None for name in assay.__all__)
    assert set(assay.__all__) <= set(dir(assay))


def test_functions_stay_functions_whatever_is_imported():
    code = (
        "import assay, pkgutil, importlib\n"
        "for module in pkgutil.walk_packages(assay.__path__, 'assay.'):\n"
        "    importlib.import_module(module.name)\n"
        "print([n for n in assay.__all__ if not callable(getattr(assay, n))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command", sorted(c.callback.__name__ for c in cli.app.registered_commands)
)
def test_every_command_has_a_function_of_the_same_name_and_parameters(command):
    callback = getattr(cli, command)
    assert command in assay.__all__
    options = set(inspect.signature(callback).parameters) - ONLY_COMMANDS
    renamed = RENAMED.get(command, {})
    wanted = {renamed.get(option, option) for option in options} - {None}
    given = set(inspect.signature(getattr(assay, command)).parameters) - ONLY_PYTHON
    given -= {"inspect": {"read", "fields"}, "predict": {"read"}, "monitor": {"read"}}.get(
        command, set()
    )
    assert wanted == given


def test_importing_assay_loads_no_library():
    code = "import sys, assay; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = ("polars", "pyarrow", "pandas", "numpy", "sklearn", "pydantic", "yaml", "scipy", "rich")
    assert not [name for name in heavy if f"'{name}'" in done.stdout]


def test_help_loads_no_library_either():
    code = (
        "import sys; sys.argv = ['assay', '--help']\n"
        "from assay.cli import main\n"
        "try: main()\n"
        "except SystemExit: print('LOADED', *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.partition("LOADED")[2].split()
    assert not {"polars", "pyarrow", "numpy", "sklearn", "pydantic"} & set(loaded)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nosuch"):
        _ = assay.nosuch


@pytest.fixture
def frame():
    return pl.DataFrame(
        {
            "sku": [f"p{n}" for n in range(60)],
            "title": [f"Lamp {SCRIPT} {n % 50}" for n in range(60)],
            "price": [n * 1.25 for n in range(60)],
        }
    )


@pytest.fixture
def recipe(frame):
    return {
        "name": "lamps",
        "source": frame,
        "target": "price",
        "inputs": ["title"],
        "steps": [
            {"dedup.exact": {"columns": ["title"]}},
            {"split.random": {"train": 0.6, "validation": 0.1, "test": 0.3}},
        ],
        "models": ["constant", {"constant": {"strategy": "median"}, "as": SCRIPT}],
        "metrics": ["mae"],
    }


def forms(frame, tmp_path):
    """One table as each library's frame, and as a file."""
    path = tmp_path / "table.parquet"
    frame.write_parquet(path)
    return {
        "polars": frame,
        "lazy": frame.lazy(),
        "pandas": pd.DataFrame(frame.to_dict(as_series=False)),
        "arrow": pa.table(frame.to_dict(as_series=False)),
        "file": path,
    }


def test_a_source_gives_the_same_version_in_every_form(frame, recipe, tmp_path):
    hashes = {
        name: assay.build(
            recipe | {"source": str(source) if name == "file" else source},
            out=tmp_path / name, workers=1,
        ).manifest["hash"]
        for name, source in forms(frame, tmp_path).items()
    }  # fmt: skip
    assert len(set(hashes.values())) == 1, hashes


def test_truth_and_predictions_score_the_same_in_every_form(frame, tmp_path):
    truth = frame.select("sku", "price")
    predictions = frame.select("sku", prediction=pl.col("price") + 2)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    truths, guesses = forms(truth, tmp_path / "a"), forms(predictions, tmp_path / "b")
    scores = {
        name: assay.evaluate(
            truths[name], {"plus two": guesses[name]}, id="sku", target="price", metrics="mae"
        ).scores
        for name in truths
    }
    assert scores["polars"][0].value == pytest.approx(2)
    assert all(score == scores["polars"] for score in scores.values())


def test_results_are_plain_objects_that_show_themselves(recipe, tmp_path):
    outcome = assay.run(recipe, out=tmp_path, workers=1)
    version = outcome.version
    aside = version.quarantine()["row_id"][0]
    results = [
        outcome, version, outcome.evaluation, assay.why(version, aside),
        assay.check(recipe["source"], recipe | {"fields": {"title": {"max_length": 3}}}, workers=1),
    ]  # fmt: skip
    for result in results:
        assert "object at 0x" not in repr(result) and len(repr(result)) < 5_000
        html = result._repr_html_()
        assert html.startswith("<") and "<script" not in html
        assert isinstance(result.to_pandas(), pd.DataFrame)
    assert "lamps/v1-" in repr(version)
    assert SCRIPT in repr(outcome.evaluation)


def test_a_version_comes_back_as_any_frame(frame, recipe, tmp_path):
    version = assay.build(recipe, out=tmp_path, workers=1)
    assert version.to_pandas("train").shape == version.to_polars("train").shape
    assert pa.table(version.to_polars()).num_rows == version.rows["kept"] == 50
    assert version.scan("test").collect().height == version.splits["test"]


def test_evaluations_and_their_scores_go_out_as_frames(frame):
    truth = frame.select("sku", "price")
    found = assay.evaluate(truth, truth.rename({"price": "prediction"}), id="sku", metrics=["mae"])
    assert found.to_pandas()["value"].tolist() == found.to_polars()["value"].to_list() == [0.0]


def test_schema_and_explain_speak_of_the_same_components():
    known = assay.explain()
    schema = assay.schema()
    # Checks are asked for by `inspect`, and have no section of a recipe.
    for kind in known.keys() - {"checks"}:
        names = known[kind]
        listed = {c["const"] for c in schema["properties"][kind]["items"]["anyOf"] if "const" in c}
        assert listed == set(names)


def test_a_check_is_explained_by_its_code_as_well():
    assert assay.explain("f103") == assay.explain("constant", kind="checks")


def test_components_of_one_name_are_all_explained():
    both = assay.explain("constant")["help"]

    assert all(assay.explain("constant", kind=one)["help"] in both for one in ("models", "checks"))


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, names in assay.explain().items() for name in names]
)
def test_explain_speaks_plainly_of_every_component(kind, name):
    found = assay.explain(name, kind=kind)
    assert "Annotated" not in found["help"] and "typing." not in found["help"]
    assert found["summary"].endswith(".")
    assert "In a recipe" in found["help"] or "assay inspect SOURCE" in found["help"]
    for title, parameter in found["parameters"].items():
        assert title in found["help"] and parameter["type"]
