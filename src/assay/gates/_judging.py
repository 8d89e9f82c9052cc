"""Gates held against a state, one after another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from assay.component import bind, find
from assay.errors import RecipeError
from assay.gates._state import ACCEPTED, Outcome, State, Verdict
from assay.recipe import Use


def judge(gates: Sequence[Use], state: State) -> tuple[Verdict, ...]:
    """Hold the state against every gate of a recipe, in order.

    Raises:
        RecipeError: a gate or what it names does not exist.

    >>> uses = [Use(name="rows", given={"min": 99}, severity="warn")]
    >>> found = judge(uses, State({"rows": {"kept": 90}}))[0]
    >>> found.verdict, found.severity
    ('fail', 'warn')
    """
    found = []
    for use in gates:
        component = find("gates", use.name)
        verdict = component.function(state, **bind(component, use.given))
        if not isinstance(verdict, Verdict):
            raise RecipeError(
                f"The gate {use.name!r} gave no verdict.",
                received=type(verdict).__name__,
                hint="return a `Verdict(gate, verdict, detail)` from `assay.gates`",
            )
        title = f"{use.label}: {verdict.gate}" if use.label else verdict.gate
        severity = use.severity or "stop"
        found.append(replace(verdict, gate=title, severity=severity, code=use.name))
    return tuple(found)


def pairs(gates: Sequence[Use]) -> tuple[tuple[str, str], ...]:
    """The models that gates want compared beside the best one with each other one.

    >>> pairs([Use(name="better", given={"model": "trees", "than": "linear"})])
    (('trees', 'linear'),)
    """
    wanted = [
        (str(use.given.get("model", "best")), str(use.given.get("than", ACCEPTED)))
        for use in gates
        if use.name in ("better", "not_worse")
    ]
    return tuple(
        (model, than)
        for model, than in wanted
        if "best" not in (model, than) and than.partition("/")[0] != ACCEPTED
    )


def overall(verdicts: Sequence[Verdict]) -> Outcome:
    """Fail if one fails, else inconclusive if one is, else pass; warnings count for nothing.

    >>> overall([]), overall([Verdict("a", "pass", ""), Verdict("b", "inconclusive", "")])
    ('pass', 'inconclusive')
    >>> overall([Verdict("a", "fail", "", severity="warn")])
    'pass'
    """
    given = {verdict.verdict for verdict in verdicts if verdict.severity == "stop"}
    return "fail" if "fail" in given else "inconclusive" if "inconclusive" in given else "pass"
