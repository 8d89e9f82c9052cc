"""Verdicts as SARIF 2.1.0, which code scanning reads."""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import assay
from assay.component import catalogue
from assay.gates import Verdict
from assay.verdicts.judged import Judged

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


def sarif(judged: Judged) -> str:
    """One result a gate, at its line of the recipe; gates that passed are there as passed.

    >>> from assay.gates import Verdict
    >>> found = sarif(Judged("shop/v1-00000000", "fail", [Verdict("rows", "fail", "3 rows.")]))
    >>> json.loads(found)["runs"][0]["results"][0]["level"]
    'error'
    """
    known = catalogue("gates")
    codes = list(dict.fromkeys(gate.code or "gate" for gate in judged.gates))
    rules = [
        {"id": code, "shortDescription": {"text": known[code].summary if code in known else code}}
        for code in codes
    ]
    results = [
        _result(judged, place, gate, codes.index(gate.code or "gate"))
        for place, gate in enumerate(judged.gates)
    ]
    driver = {"name": "assay", "semanticVersion": assay.__version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": {"version": judged.title, "verdict": judged.verdict},
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _result(judged: Judged, place: int, gate: Verdict, rule: int) -> dict[str, Any]:
    passed = gate.verdict == "pass"
    prefix = "" if gate.verdict == "fail" else f"{gate.verdict.capitalize()}: "
    found: dict[str, Any] = {
        "ruleId": gate.code or "gate",
        "ruleIndex": rule,
        "kind": "pass" if passed else "fail",
        "level": "none" if passed else _level(gate),
        "message": {"text": f"{prefix}{gate.gate}. {gate.detail}"},
        "partialFingerprints": {"assayGate/v1": fingerprint(gate)},
        "properties": {"verdict": gate.verdict, "severity": gate.severity, "needed": gate.needed},
    }
    if judged.file is not None:
        where: dict[str, Any] = {"artifactLocation": {"uri": _uri(judged.file)}}
        if (line := judged.line(place)) is not None:
            where["region"] = {"startLine": line}
        found["locations"] = [{"physicalLocation": where}]
    return found


def _level(gate: Verdict) -> str:
    """An inconclusive gate stops a pipeline too, but accuses nobody."""
    if gate.verdict == "fail":
        return "error" if gate.severity == "stop" else "warning"
    return "warning" if gate.severity == "stop" else "note"


def _uri(path: str) -> str:
    """A path as a URI: relative where it is, `file:` where it is absolute."""
    pure = PurePath(path)
    return pure.as_uri() if pure.is_absolute() else quote(pure.as_posix(), errors="replace")


def fingerprint(gate: Verdict) -> str:
    """What tells a gate from others over many runs.

    >>> fingerprint(Verdict("rows", "fail", "3 rows.")) == fingerprint(Verdict("rows", "pass", ""))
    True
    """
    text = f"{gate.code}\n{gate.gate}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:32]
