"""Every check over the same rows, and what came of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, Skipped, Status
from assay.component import Component, bind, catalogue
from assay.errors import AssayError, RecipeError, nearest
from assay.progress import Progress

# A user's check that states no code.
OWN = Code("own", "warning")
WORST = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Result:
    """What came of one check.

    Attributes:
        check: its name.
        code: its code and the severity of its findings, where they do not say otherwise.
        status: found, passed, skipped or not applicable.
        summary: what it looks for.
        reason: why it was skipped or does not apply.
        findings: what it saw, the worst first.
    """

    check: str
    code: Code
    status: Status
    summary: str
    reason: str | None = None
    findings: Sequence[Finding] = ()

    @property
    def docs(self) -> str:
        """Where the documentation explains it."""
        return f"docs/checks.md#{self.code.code.lower()}-{self.check}"

    def severity(self, finding: Finding) -> str:
        """How bad a finding is."""
        return finding.severity or self.code.severity


def code_of(check: Component) -> Code:
    """The code that stands in a check's return annotation."""
    parts = getattr(check.hints.get("return"), "__metadata__", ())
    return next((part for part in parts if isinstance(part, Code)), OWN)


def chosen(names: Iterable[str] | None) -> list[Component]:
    """The checks of these names or codes, in order of their codes; all without names.

    Raises:
        RecipeError: there is no check of that name or code.
    """
    known = sorted(catalogue("checks").values(), key=lambda one: (code_of(one).code, one.name))
    if names is None:
        return known
    wanted: set[str] = set()
    for name in names:
        found = {one.name for one in known if name in (one.name, code_of(one).code)}
        if not found:
            allowed = [word for one in known for word in (code_of(one).code, one.name)]
            raise RecipeError(
                f"There is no check {name!r}.", allowed=allowed, hint=nearest(name, allowed)
            )
        wanted |= found
    return [one for one in known if one.name in wanted]


def run_checks(data: Inspected, checks: Sequence[Component], progress: Progress) -> list[Result]:
    """Run checks one after the other; one that cannot answer says why and stops no other."""
    results: list[Result] = []
    for done, check in enumerate(checks):
        progress("check", done, len(checks))
        results.append(_run(data, check))
    progress("check", len(checks), len(checks))
    return results


def _run(data: Inspected, check: Component) -> Result:
    code = code_of(check)
    result = Result(check.name, code, "passed", check.summary)
    try:
        found = list(check.function(data, **bind(check, {})))
    except NotApplicable as reason:
        return dataclasses.replace(result, status="not applicable", reason=str(reason))
    except Skipped as reason:
        return dataclasses.replace(result, status="skipped", reason=str(reason))
    except AssayError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return dataclasses.replace(result, status="skipped", reason=f"{error.what}{hint}")
    if not found:
        return result
    found.sort(key=lambda one: (WORST[result.severity(one)], -_count(one)))
    return dataclasses.replace(result, status="found", findings=found)


def _count(finding: Finding) -> int:
    return 0 if finding.rows is None else len(finding.rows)


def cells(results: Sequence[Result], written: pl.DataFrame, where: pl.DataFrame) -> pl.DataFrame:
    """One line for every cell that a finding is about; see `Inspection.cells`."""
    parts = [
        _cells(result, finding, written, where)
        for result in results
        for finding in result.findings
        if finding.rows is not None and len(finding.rows)
    ]
    return pl.concat([pl.DataFrame(schema=CELLS), *parts])


CELLS: Mapping[str, Any] = {
    "row": pl.UInt32, "file": pl.String, "line": pl.UInt64, "field": pl.String, "code": pl.String,
    "check": pl.String, "severity": pl.String, "value": pl.String, "suggested": pl.String,
}  # fmt: skip


def _cells(
    result: Result, finding: Finding, written: pl.DataFrame, where: pl.DataFrame
) -> pl.DataFrame:
    rows = finding.rows if finding.rows is not None else pl.Series(dtype=pl.UInt32)
    nothing = pl.lit(None, pl.String)
    known = finding.field in written.columns and not finding.hidden
    value = written[str(finding.field)].gather(rows) if known else nothing
    suggested = nothing if finding.values is None else finding.values.cast(pl.String)
    return where[rows].select(
        rows.cast(pl.UInt32).alias("row"),
        pl.col("file"),
        pl.col("line"),
        pl.lit(finding.field, pl.String).alias("field"),
        pl.lit(result.code.code).alias("code"),
        pl.lit(result.check).alias("check"),
        pl.lit(result.severity(finding)).alias("severity"),
        value.alias("value"),
        suggested.alias("suggested"),
    )
