"""What all forms of output are made from, and the texts in them made harmless."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from assay.errors import RecipeError
from assay.gates import Verdict
from assay.yamltext import parse

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]+")


@dataclass(frozen=True)
class Judged:
    """The verdicts of one version's gates; every text in it is made harmless by `one_line`.

    Attributes:
        title: of the version, such as `prices/v3-9f2c41ab`.
        verdict: over all gates.
        gates: each gate's own.
        file: the recipe that asks for them, if it is a file.
        lines: the recipe's line of each gate, where it is known.
        about: facts about the version and its scores, one sentence each.
    """

    title: str
    verdict: str
    gates: Sequence[Verdict]
    file: str | None = None
    lines: Sequence[int | None] = ()
    about: Sequence[str] = ()

    def __post_init__(self) -> None:
        clean = [
            replace(
                gate,
                gate=one_line(gate.gate),
                detail=one_line(gate.detail),
                code=one_line(gate.code),
            )
            for gate in self.gates
        ]
        file = None if self.file is None else one_line(self.file)
        made = {"title": one_line(self.title), "gates": clean, "file": file,
                "about": [one_line(fact) for fact in self.about]}  # fmt: skip
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def line(self, place: int) -> int | None:
        """The recipe's line of a gate."""
        return self.lines[place] if place < len(self.lines) else None


def gate_lines(recipe: object) -> list[int | None]:
    """The line of each gate in a recipe file; nothing for a recipe that is no file.

    >>> gate_lines({"gates": ["leak"]})
    []
    """
    if not isinstance(recipe, str | Path):
        return []
    try:
        data, places = parse(Path(recipe).read_text(encoding="utf-8-sig"), str(recipe))
    except (OSError, UnicodeDecodeError, RecipeError):
        # It was read before; where it has changed since, its lines mean nothing.
        return []
    gates = data.get("gates")
    count = len(gates) if isinstance(gates, list) else 0
    return [places.lines.get(("gates", place)) for place in range(count)]


def one_line(text: str) -> str:
    r"""A text on one line, without anything that a terminal or a log would obey.

    >>> one_line("a\n::error::b\x1b[31m"), one_line("##[add-mask]x")
    ('a ⏎ ::error::b�[31m', '## [add-mask]x')
    """
    text = re.sub(r"[\r\n\u2028\u2029]+", " ⏎ ", text)
    return _CONTROL.sub("\ufffd", text).replace("##[", "## [").strip()


def word_of(gate: Verdict) -> str:
    """A verdict with its severity, as people read it.

    >>> word_of(Verdict("rows", "fail", "", severity="warn"))
    'fail (warning)'
    """
    warned = gate.severity == "warn" and gate.verdict != "pass"
    return f"{gate.verdict} (warning)" if warned else gate.verdict
