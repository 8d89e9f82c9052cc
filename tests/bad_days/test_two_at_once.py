"""Builds that run at the same time: each gets what it asked for, and none harms another."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import assay

RECIPE = "name: {name}\nsource: data.csv\nseed: {seed}\ntarget: n\nsteps:\n  - split.random: {{}}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rows = "".join(f"some text {row},{row}\n" for row in range(3000))
    (tmp_path / "data.csv").write_text("text,n\n" + rows)
    return tmp_path


def at_once(project: Path, command: str, *recipes: str) -> list[dict[str, object]]:
    """Start a command for each recipe at the same time; give what each printed."""
    processes = []
    for number, recipe in enumerate(recipes):
        path = project / f"{number}.yaml"
        path.write_text(recipe)
        arguments = [command, path.name, "--json", "--quiet", "--workers", "1"]
        program = str(Path(sys.executable).with_name("assay"))
        processes.append(
            subprocess.Popen(
                [program, *arguments],
                cwd=project,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    said = [process.communicate(timeout=90) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(recipes), said
    return [json.loads(out) for out, _ in said]


def test_the_same_recipe_twice_gives_one_version(project: Path) -> None:
    recipe = RECIPE.format(name="t", seed=1)

    one, two = at_once(project, "build", recipe, recipe)

    assert one["version"] == two["version"]
    assert len(assay.versions(out=project / "versions")) == 1
    assert assay.build(project / "0.yaml", out=project / "versions", workers=1).reused


def test_two_recipes_of_one_name_give_two_numbers(project: Path) -> None:
    one, two = at_once(
        project, "build", RECIPE.format(name="t", seed=1), RECIPE.format(name="t", seed=2)
    )

    assert {str(one["version"])[:3], str(two["version"])[:3]} == {"v1-", "v2-"}
    for version in assay.versions(out=project / "versions"):
        assert version.to_polars().height == 3000


def test_one_build_clears_the_cache_and_leaves_what_another_reads(project: Path) -> None:
    recipes = [RECIPE.format(name=f"t{number}", seed=number) for number in range(3)]

    at_once(project, "build", *recipes)

    for number in range(3):
        again = assay.build(project / f"{number}.yaml", out=project / "versions", workers=1)
        assert again.reused
        assert again.rows["kept"] == 3000


def test_the_main_job_twice_at_once_gives_one_verdict(project: Path) -> None:
    recipe = RECIPE.format(name="t", seed=1) + "models: [constant]\n"

    one, two = at_once(project, "run", recipe, recipe)

    assert one["scores"] == two["scores"]
    assert one["version"] == two["version"]
    assert one["report"] == two["report"]
