"""The difference of two models on the same rows, of this run or of this one and the accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from assay.errors import RecipeError
from assay.evaluation.evaluation import Comparison, Evaluation
from assay.evaluation.intervals import FEWEST_ROWS
from assay.gates._rows import CannotCompare, Itself, Rows, is_accepted
from assay.gates._state import State, evaluation_of, metric_of, model_of


@dataclass(frozen=True)
class Paired:
    """The difference of a model and the one it is held against.

    Attributes:
        name: the model.
        other: what it is held against, with the version where that is another one.
        metric: what they differ in.
        gain: how much better the model is, in units of the metric; below 0 it is worse.
        low: lower bound of its 95 % interval.
        high: upper bound.
        n: the rows that both predicted.
        margin: the usual margin.
        rows: which rows these are, in words.
    """

    name: str
    other: str
    metric: str
    gain: float
    low: float
    high: float
    n: int
    margin: float
    rows: str


def paired(state: State, model: str, than: str, metric: str | None) -> Paired:
    """Compare a model with another of its run, or with one of the accepted version's run.

    Raises:
        RecipeError: there is no such model or metric.
        CannotCompare: there is too little to compare; the text says what.
    """
    evaluation = evaluation_of(state)
    name, metric = model_of(evaluation, model), metric_of(evaluation, metric)
    if is_accepted(state, than):
        table = Rows.of(state, name, than, metric)
        return turned(table.compare(state, metric), table, metric, evaluation)
    other = model_of(evaluation, than)
    if name == other:
        raise Itself(f"{name} is itself the model to beat.")
    found = next(
        (c for c in evaluation.comparisons if {c.a, c.b} == {name, other} and c.metric == metric),
        None,
    )
    if found is None:
        for one in (name, other):
            own = evaluation.score_of(one, metric)
            if own is None or own.value is None:
                raise CannotCompare(f"{one} has no {metric} to compare.")
        raise RecipeError(
            f"{name!r} and {other!r} were not compared.",
            allowed=sorted({f"{c.a} with {c.b}" for c in evaluation.comparisons}),
            hint="evaluate again with this gate in the recipe",
        )
    return turned(found, Names(name, other, f"{found.n:,} rows"), metric, evaluation)


@dataclass(frozen=True)
class Names:
    """What two models are called, and the rows that both predicted, in words."""

    name: str
    other: str
    told: str


def turned(found: Comparison, names: Any, metric: str, evaluation: Evaluation) -> Paired:
    """A comparison so turned that above 0 means that the model is better.

    Raises:
        CannotCompare: the difference has no interval.
    """
    if found.low is None or found.high is None:
        raise CannotCompare(found.sentence, FEWEST_ROWS if found.n < FEWEST_ROWS else None)
    better = next((s.better for s in evaluation.scores if s.metric == metric), "lower")
    sign = (1 if found.a == names.name else -1) * (1 if better == "higher" else -1)
    low, high = sorted((sign * found.low, sign * found.high))
    return Paired(
        names.name, names.other, metric, sign * found.difference, low, high, found.n,
        found.margin or 0.0, names.told,
    )  # fmt: skip
