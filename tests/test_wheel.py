"""The built wheel works by itself, and importing it does no work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("polars", "pyarrow", "pandas", "sklearn", "scipy", "xgboost", "altair", "ray")


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_importing_assay_imports_nothing_heavy(tmp_path):
    source = "import sys, assay; print(*sorted({name.partition('.')[0] for name in sys.modules}))"

    loaded = run(sys.executable, "-c", source, cwd=tmp_path).split()

    assert not set(HEAVY) & set(loaded)


@pytest.mark.slow
def test_the_wheel_alone_imports_and_shows_its_help(tmp_path):
    if not (ROOT / "pyproject.toml").exists():
        pytest.skip("not in a checkout: there is nothing to build a wheel from")
    # Built from a copy, so that nothing of the build stays behind in the checkout.
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", cwd=source)
    (wheel,) = (source / "dist").glob("*.whl")
    wheel = Path(shutil.copy(wheel, tmp_path))
    shutil.rmtree(source)
    run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = (scripts / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")

    run(*pip, "--require-hashes", "-r", ROOT / "requirements.txt", cwd=tmp_path)
    run(*pip, "--no-deps", wheel, cwd=tmp_path)

    where = run(scripts / "python", "-c", "import assay; print(assay.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path / "venv")
    assert "run" in run(scripts / "assay", "--help", cwd=tmp_path)
    licence = "import importlib.metadata as m; print(m.metadata('assay')['License-Expression'])"
    assert run(scripts / "python", "-c", licence, cwd=tmp_path).strip() == "Apache-2.0"
