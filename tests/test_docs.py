"""What the documentation says is there, and what is there is in the documentation."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from assay import cli
from assay.cli import shared
from assay.jobs.explaining import explain
from assay.recipe import FieldSpec, Recipe, load

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
COMPONENTS = ROOT / "docs" / "components.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
REFRESH = "python tests/test_docs.py"
COMMANDS = get_command(cli.app).commands


def blocks(language):
    """Every fenced block of a language, named by its page and line."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, found.start()) + 1
            yield pytest.param(found[1], id=f"{page.name}:{line}")


def components():
    """The page of all components, from their signatures and docstrings."""
    lines = [
        "# Components",
        "",
        "Everything that a recipe can name. `assay explain NAME` shows one.",
    ]
    for kind, names in explain().items():
        lines += ["", f"## {kind}"]
        for name in names:
            one = explain(name, kind=kind)
            text = one["help"].partition("\n\n")[2].partition("\n\nIn Python\n")[0]
            opening, _, rest = text.partition("\n\nIn a recipe\n")
            lines += ["", f"### {name}", "", *[line.rstrip() for line in opening.splitlines()]]
            written = rest.partition("\n\nParameters\n")[0].strip()
            lines += ["", "```yaml", written, "```"]
            if one["parameters"]:
                lines += ["", "| parameter | type | default | |", "|---|---|---|---|"]
            for title, parameter in one["parameters"].items():
                default = "required" if parameter["required"] else parameter["default"]
                # By its text: 1 equals True.
                shown = {"None": "", "True": "true", "False": "false"}.get(str(default), default)
                cells = [f"`{title}`", parameter["type"], str(shown), parameter["about"]]
                lines.append(
                    f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
                )
    return "\n".join(lines) + "\n"


def test_the_page_of_components_is_fresh():
    assert COMPONENTS.read_text(encoding="utf-8") == components(), f"run: {REFRESH}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_table_of_the_readme(command):
    assert re.search(rf"^\| `assay {command}\b", README.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_is_named_exists(page):
    text = re.sub(r"`python -m benchmarks[^`]*`", "", page.read_text(encoding="utf-8"))
    known = {option for command in COMMANDS.values() for p in command.params for option in p.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*", text)) - {"--help", "--version"}
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page):
    named = set(
        re.findall(r"(?:`|\$ )assay ([a-z]+(?:-[a-z]+)*)\b", page.read_text(encoding="utf-8"))
    )
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("block", [b for b in blocks("yaml") if "…" not in b.values[0]])
def test_every_recipe_and_part_of_one_can_be_loaded(block, tmp_path):
    if re.match(r"- ", block):  # one component of the page of components
        return
    if not re.search(r"^name:", block, re.MULTILINE):
        block = f"name: part\nsource: part.csv\n{block}"
    path = tmp_path / "recipe.yaml"
    path.write_text(block, encoding="utf-8")
    assert load(path).name


@pytest.mark.parametrize("block", [b for b in blocks("python") if "..." not in b.values[0]])
def test_every_whole_python_example_runs(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "example", "exec"), {})


def test_every_key_of_a_recipe_is_explained():
    text = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
    for model in (Recipe, FieldSpec):
        missing = [key for key in model.model_fields if f"`{key}`" not in text]
        assert not missing


def test_every_exit_code_is_explained():
    text = (ROOT / "docs" / "messages.md").read_text(encoding="utf-8")
    codes = [
        *(shared.PASSED, shared.FAILED, shared.WRONG),
        *(shared.INCONCLUSIVE, shared.DEFECT, shared.INTERRUPTED),
    ]
    assert all(f"| {code} | " in text for code in codes)


if __name__ == "__main__":
    COMPONENTS.write_text(components(), encoding="utf-8")
    print(f"wrote {COMPONENTS}", file=sys.stderr)
