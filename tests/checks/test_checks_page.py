"""The page of all checks, made from their signatures and docstrings.

python tests/checks/test_checks_page.py  # writes it anew
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from assay.checks._running import Result, code_of
from assay.checks.finding import Finding
from assay.component import catalogue
from assay.jobs.explaining import explain

PAGE = Path(__file__).resolve().parents[2] / "docs" / "checks.md"
FAMILIES = {
    "1": "Fields",
    "2": "Relations between fields",
    "3": "Outliers",
    "4": "Labels and targets",
    "5": "Texts",
    "6": "Personal data",
    "7": "Balance",
    "8": "Files of one source",
    "9": "Copies",
}
CHECKS = sorted(catalogue("checks").values(), key=lambda one: (code_of(one).code, one.name))
BEGIN = """# Checks

`assay inspect SOURCE` runs every check below on any source, without a recipe. What a check says of
data has its code, which never changes. *error*: surely wrong; *warning*: probably wrong; *note*:
worth knowing. A check that finds nothing is shown as passed, one that cannot be run as skipped with
the reason, and one that has nothing to look at as not applicable.

A check of your own is a function of `Inspected`, switched on with `--functions FILE`:

```python
from typing import Annotated

from assay.checks.finding import Code, Finding, Inspected, places


def shouting(
    data: Inspected, *, share: float = 0.5
) -> Annotated[list[Finding], Code("X001", "note")]:
    \"\"\"Texts that are written in capital letters.\"\"\"
    found = []
    for name in data.texts:
        loud = data.written[name].str.contains(r"^[^a-z]*[A-Z]{4}[^a-z]*$").fill_null(False)
        if loud.mean() > share:
            found.append(Finding("Most texts shout.", "Write them small.", name, places(loud)))
    return found
```
"""


def page() -> str:
    """The page as it should be."""
    lines = [BEGIN.rstrip()]
    family = ""
    for check in CHECKS:
        code = code_of(check)
        if code.code[1] != family:
            family = code.code[1]
            lines += ["", f"## {FAMILIES[family]}"]
        text = explain(check.name, kind="checks")["help"].partition("\n\n")[2]
        opening = re.split(r"\n\n(?:In a recipe|On the command line|Parameters)\n", text)[0]
        lines += ["", f"### {code.code} {check.name}", "", f"*{code.severity}* · {opening.strip()}"]
        for title, one in explain(check.name, kind="checks")["parameters"].items():
            lines += [
                *([""] if lines[-1] and not lines[-1].startswith("- ") else []),
                f"- `{title}` ({one['type']}, default {one['default']}): {one['about']}",
            ]
    return "\n".join(lines) + "\n"


def test_the_page_of_checks_is_fresh():
    assert PAGE.read_text(encoding="utf-8") == page(), f"run: python {Path(__file__).name}"


def test_the_check_of_the_page_can_be_used(tmp_path):
    import polars as pl

    from assay.jobs.inspecting import inspect

    (block,) = re.findall(r"```python\n(.*?)```", BEGIN, flags=re.DOTALL)
    (tmp_path / "mine.py").write_text(block, encoding="utf-8")
    rows = pl.DataFrame({"text": [f"LOOK AT THIS THING NUMBER {n} NOW" for n in range(30)]})

    seen = inspect(rows, functions=[tmp_path / "mine.py"], checks=["X001"])

    assert [one.field for one in seen.results[0].findings] == ["text"]


@pytest.mark.parametrize("check", CHECKS, ids=lambda one: one.name)
def test_a_check_has_a_stable_code_and_says_what_to_do(check):
    code = code_of(check)

    assert re.fullmatch(r"F[1-9]\d\d", code.code)
    assert code.severity in ("error", "warning", "note")
    assert [code_of(one).code for one in CHECKS].count(code.code) == 1
    assert explain(check.name, kind="checks")["help"].partition("\n\n")[2]


@pytest.mark.parametrize("check", CHECKS, ids=lambda one: one.name)
def test_the_link_to_a_check_leads_to_its_heading(check):
    link = Result(check.name, code_of(check), "passed", "", findings=[Finding("", "")]).docs
    heads = re.findall(r"^### (.+)$", page(), flags=re.MULTILINE)

    anchors = {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
    assert link.partition("#")[2] in anchors


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}", file=sys.stderr)
