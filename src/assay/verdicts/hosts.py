"""Verdicts as code hosts show them beside the code: GitHub's annotations, GitLab's code quality."""

from __future__ import annotations

import json

from assay.gates import Verdict
from assay.verdicts.judged import Judged
from assay.verdicts.sarif import fingerprint


def github(judged: Judged) -> str:
    r"""Workflow commands, one a gate that did not pass, at its line of the recipe.

    >>> from assay.gates import Verdict
    >>> gates = [Verdict("rows: 9", "fail", "3 rows,\n::error::none", code="rows")]
    >>> print(github(Judged("shop/v1-00000000", "fail", gates, "assay.yaml", [4])))
    ::error title=rows%3A 9,file=assay.yaml,line=4::3 rows, ⏎ ::error::none
    """
    said = []
    for place, gate in enumerate(judged.gates):
        if gate.verdict == "pass":
            continue
        parts = {"title": gate.gate, "file": judged.file, "line": judged.line(place)}
        named = ",".join(
            f"{key}={_property(str(value))}" for key, value in parts.items() if value is not None
        )
        prefix = "Inconclusive: " if gate.verdict == "inconclusive" else ""
        said.append(f"::{_command(gate)} {named}::{_data(prefix + gate.detail)}")
    return "\n".join(said)


def gitlab(judged: Judged) -> str:
    """A code quality report: the gates that did not pass.

    >>> from assay.gates import Verdict
    >>> found = gitlab(Judged("shop/v1-00000000", "fail", [Verdict("rows", "fail", "3 rows.")]))
    >>> json.loads(found)[0]["severity"]
    'critical'
    """
    return json.dumps(
        [
            {
                "description": f"{gate.gate}. {gate.detail}",
                "check_name": gate.code or "gate",
                "fingerprint": fingerprint(gate),
                "severity": _severity(gate),
                "location": {
                    "path": judged.file or judged.title,
                    "lines": {"begin": judged.line(place) or 1},
                },
            }
            for place, gate in enumerate(judged.gates)
            if gate.verdict != "pass"
        ],
        indent=1,
        ensure_ascii=False,
    ) + "\n"  # fmt: skip


def _command(gate: Verdict) -> str:
    return "error" if gate.severity == "stop" else "warning"


def _severity(gate: Verdict) -> str:
    if gate.severity == "warn":
        return "minor" if gate.verdict == "fail" else "info"
    return "critical" if gate.verdict == "fail" else "major"


def _data(text: str) -> str:
    return text.replace("%", "%25")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
