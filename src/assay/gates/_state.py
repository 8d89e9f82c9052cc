"""What gates look at and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from assay.errors import RecipeError, nearest
from assay.evaluation.evaluation import Evaluation, Score
from assay.evaluation.intervals import FEWEST_ROWS, quantile
from assay.evaluation.power import needed_rows
from assay.recipe import Severity, Use
from assay.version import Version

Outcome = Literal["pass", "fail", "inconclusive"]
ACCEPTED = "accepted"


@dataclass(frozen=True)
class Run:
    """A version and what was measured on it.

    Attributes:
        version: the rows.
        evaluation: the scores, where models were run.
        folder: where the run's predictions lie.
    """

    version: Version
    evaluation: Evaluation | None = None
    folder: Path | None = None


@dataclass(frozen=True)
class State:
    """What gates look at.

    Attributes:
        manifest: of a version.
        evaluation: the scores on it, with their comparisons.
        monitor: new data held against a version, the content of a `monitor.json`.
        run: the version itself and its predictions, for gates that look at single rows.
        accepted: the version that was accepted last, with its run.
        metrics: as the recipe asks for them, with their parameters.
        seed: of resamples.
    """

    manifest: Mapping[str, Any] | None = None
    evaluation: Evaluation | None = None
    monitor: Mapping[str, Any] | None = None
    run: Run | None = None
    accepted: Run | None = None
    metrics: Sequence[Use] = ()
    seed: int = 0


@dataclass(frozen=True)
class Verdict:
    """What a gate decided, and the figures it decided on.

    Attributes:
        gate: the gate with what it asks, in one line.
        verdict: `pass`, `fail` or `inconclusive`.
        detail: why, in one sentence or a few.
        needed: about how many rows would decide, where these cannot.
        severity: `stop`, or `warn` for a gate that is shown and fails nothing.
        code: the gate's name.
        figures: the numbers behind it, as plain values.
    """

    gate: str
    verdict: Outcome
    detail: str
    needed: int | None = None
    severity: Severity = "stop"
    code: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


def nothing_accepted(gate: str) -> Verdict:
    """The answer of a gate that needs a baseline where there is none."""
    return Verdict(
        gate,
        "inconclusive",
        "No version is accepted yet to hold this one against: `assay accept VERSION` marks one.",
    )


def manifest_of(state: State) -> Mapping[str, Any]:
    if state.manifest is None:
        raise RecipeError("This gate looks at a version, and there is none.")
    return state.manifest


def evaluation_of(state: State) -> Evaluation:
    if state.evaluation is None:
        raise RecipeError(
            "This gate looks at an evaluation, and there is none.",
            hint="`assay run` evaluates the models of a recipe that has a `target` and `models`",
        )
    return state.evaluation


def known(kind: str, name: str, among: Mapping[str, Any]) -> Any:
    if name not in among:
        raise RecipeError(
            f"A gate names a {kind} that is not there: {name!r}.",
            allowed=among,
            hint=nearest(name, among),
        )
    return among[name]


def model_of(evaluation: Evaluation, name: str) -> str:
    models = {info.model: info.model for info in evaluation.models}
    if name == "best" and name not in models:
        return evaluation.best or name
    return str(known("model", name, models))


def metric_of(evaluation: Evaluation, name: str | None) -> str:
    """The metric of this name, or the first one."""
    name = name or (evaluation.metrics[0] if evaluation.metrics else "")
    known("metric", name, dict.fromkeys(evaluation.metrics))
    return name


def some(gate: str, low: float | None, high: float | None) -> None:
    if low is None and high is None:
        raise RecipeError(
            f"The gate {gate!r} has no bound, so it would always pass.", hint="give `min` or `max`"
        )


def bounds(low: float | None, high: float | None) -> str:
    parts = [
        f"{word} {number(value)}"
        for word, value in (("at least", low), ("at most", high))
        if value is not None
    ]
    return " and ".join(parts)


def number(value: float) -> str:
    """A number as a gate shows it.

    >>> number(1234), number(0.123456), number(1234567.0)
    ('1,234', '0.1235', '1,234,567')
    """
    whole = isinstance(value, int) or (abs(value) >= 1000 and abs(value) < 1e15)
    return f"{value:,.0f}" if whole else f"{value:.4g}"


def within(
    span: tuple[float, float], low: float | None, high: float | None, *, at: float, n: int
) -> tuple[Outcome, int | None]:
    """Hold an interval against bounds: wholly within, wholly outside, or cut by one.

    Args:
        span: the 95 % interval.
        low: the least that passes.
        high: the most that passes.
        at: the value itself.
        n: the rows it rests on.

    Returns:
        The outcome, and about how many rows would decide where these cannot, if the value stays
        what it is.

    >>> within((0.7, 0.9), 0.6, None, at=0.8, n=50), within((0.7, 0.9), 0.75, None, at=0.8, n=50)
    (('pass', None), ('inconclusive', 389))
    """
    bottom, top = span
    if (low is None or bottom >= low) and (high is None or top <= high):
        return "pass", None
    if (low is not None and top < low) or (high is not None and bottom > high):
        return "fail", None
    cut = [bound for bound in (low, high) if bound is not None and bottom <= bound <= top]
    asked = [rows_to_tell(n, at - bound, span) for bound in cut]
    told = [rows for rows in asked if rows is not None]
    return "inconclusive", max(told) if len(told) == len(asked) and told else None


def rows_to_tell(n: int, distance: float, span: tuple[float, float]) -> int | None:
    """About how many rows would tell a value from a bound, with a chance of 80 %.

    Args:
        n: rows now.
        distance: of the value from the bound.
        span: its 95 % interval on these rows.
    """
    if n < FEWEST_ROWS:
        return FEWEST_ROWS
    rows = needed_rows(n, distance, (span[1] - span[0]) / (2 * quantile(max(n - 1, 1))))
    return None if rows is None else max(rows, n + 1)


def told_needed(needed: int | None, n: int) -> str:
    """The sentence on rows that an inconclusive gate ends with."""
    if needed is None:
        return f" It lies so near the bound that no number of rows can be named ({n:,} are there)."
    digits = max(len(str(needed)) - 2, 0)
    return f" About {round(needed, -digits):,} rows would decide; there are {n:,}."


def unscored(score: Score | None, model: str, metric: str) -> str | None:
    """Why a score cannot be held against anything; None if it can."""
    if score is None or score.value is None:
        why = score.method.removeprefix("none: ") if score else "it gave no predictions"
        return f"{model} has no {metric}: {why}."
    if score.low is None or score.high is None:
        why = score.method.removeprefix("none: ")
        return f"{metric} of {model} is {score.value:.4g}, without an interval: {why}."
    return None
