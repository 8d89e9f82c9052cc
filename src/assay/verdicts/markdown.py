"""Verdicts as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

import html
import re

from assay.gates import Verdict
from assay.verdicts.judged import Judged, word_of

_SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "❔"}
_SPECIAL = re.compile(r"([\\`*_\[\]#|~])")
_LINKS = re.compile(r"(?i)(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)")


def markdown(judged: Judged) -> str:
    r"""A heading with the verdict, what it is about, and a table of the gates, the worst first.

    >>> from assay.gates import Verdict
    >>> gates = [Verdict("rows", "fail", "3 | 4 <b>", severity="warn")]
    >>> print(markdown(Judged("shop/v1-00000000", "pass", gates)).splitlines()[-1])
    | ⚠️ fail (warning) | rows | 3 \| 4 &lt;b&gt; | |
    """
    lines = [f"### {_SIGNS.get(judged.verdict, '')} assay: {judged.verdict}, {_safe(judged.title)}"]
    if judged.about:
        lines += ["", *(f"- {_safe(fact)}" for fact in judged.about)]
    if not judged.gates:
        return "\n".join([*lines, "", "No gates were asked for.", ""])
    lines += ["", "| verdict | gate | why | rows needed |", "|---|---|---|---:|"]
    for gate in sorted(judged.gates, key=_rank):
        needed = "" if gate.needed is None else f"{gate.needed:,} "
        lines.append(
            f"| {_sign(gate)} {word_of(gate)} | {_safe(gate.gate)} | {_safe(gate.detail)} "
            f"| {needed}|"
        )
    return "\n".join(lines) + "\n"


def _rank(gate: Verdict) -> int:
    worst = ("fail", "inconclusive", "pass").index(gate.verdict)
    return 2 * worst + (gate.severity == "warn") if gate.verdict != "pass" else 9


def _sign(gate: Verdict) -> str:
    warned = gate.severity == "warn" and gate.verdict != "pass"
    return "⚠️" if warned else _SIGNS[gate.verdict]


def _safe(text: str) -> str:
    """A text that Markdown shows as it is: no mark-up, no link, nobody is called by name."""
    plain = _SPECIAL.sub(r"\\\1", html.escape(text, quote=False))
    return _LINKS.sub("\u200b", plain)
