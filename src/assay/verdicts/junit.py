"""Verdicts as JUnit XML, which test dashboards of every code host read."""

from __future__ import annotations

from xml.etree import ElementTree

from assay.gates import Verdict
from assay.verdicts.judged import Judged


def junit(judged: Judged) -> str:
    """One test case a gate: a failed one has a failure, an inconclusive one an error.

    A gate that only warns is skipped with its reason, so that it is seen and fails nothing.

    >>> from assay.gates import Verdict
    >>> gates = [Verdict("rows: all rows at least 9", "fail", "3 rows.", code="rows")]
    >>> junit(Judged("shop/v1-00000000", "fail", gates)).count("<failure ")
    1
    """
    counts = dict.fromkeys(("failures", "errors", "skipped"), 0)
    suite = ElementTree.Element("testsuite", {"name": judged.title})
    for place, gate in enumerate(judged.gates):
        case = ElementTree.SubElement(
            suite, "testcase", {"classname": f"assay.gates.{gate.code}", "name": gate.gate}
        )
        if judged.file is not None:
            case.set("file", judged.file)
        if (line := judged.line(place)) is not None:
            case.set("line", str(line))
        if gate.verdict != "pass":
            tag, count = _kind(gate)
            counts[count] += 1
            found = ElementTree.SubElement(case, tag, {"message": gate.detail})
            if tag != "skipped":
                found.set("type", gate.verdict)
                found.text = gate.detail
        ElementTree.SubElement(case, "system-out").text = gate.detail
    totals = {"tests": str(len(judged.gates)), **{k: str(v) for k, v in counts.items()}}
    for name, total in totals.items():
        suite.set(name, total)
    suites = ElementTree.Element("testsuites", {"name": "assay", **totals})
    suites.append(suite)
    ElementTree.indent(suites)
    body = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _kind(gate: Verdict) -> tuple[str, str]:
    if gate.severity == "warn":
        return "skipped", "skipped"
    return ("failure", "failures") if gate.verdict == "fail" else ("error", "errors")
