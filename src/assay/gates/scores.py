"""Gates that look at what models scored, and at two models on the same rows."""

from __future__ import annotations

from assay.errors import RecipeError
from assay.evaluation.intervals import FEWEST_ROWS, wilson
from assay.gates._paired import Paired, paired
from assay.gates._rows import CannotCompare, Itself
from assay.gates._state import (
    Outcome,
    State,
    Verdict,
    bounds,
    evaluation_of,
    metric_of,
    model_of,
    number,
    some,
    told_needed,
    unscored,
    within,
)

__all__ = ["better", "missing", "not_worse", "score"]


def score(
    state: State,
    *,
    metric: str,
    model: str = "best",
    min: float | None = None,
    max: float | None = None,
) -> Verdict:
    """Hold a model's score against bounds: its whole 95 % interval has to lie within them.

    It fails if the whole interval lies outside, and is inconclusive if a bound cuts it or there
    is no interval.

    Args:
        state: what to look at.
        metric: one of those that were measured.
        model: `best` is the best on the first metric.
        min: the least that passes.
        max: the most that passes.

    Raises:
        RecipeError: there is no such model or metric, or neither bound is given.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> close = truth.select("id", prediction=pl.col("y") + pl.col("id") % 3 / 10)
    >>> far = truth.select("id", prediction=pl.lit(3.0))
    >>> state = State(None, evaluate(truth, {"close": close, "far": far}, metrics="mae"))
    >>> score(state, metric="mae", max=0.5).verdict, score(state, metric="mae", max=0.1).verdict
    ('pass', 'inconclusive')
    """
    evaluation = evaluation_of(state)
    some("score", min, max)
    name = model_of(evaluation, model)
    metric_of(evaluation, metric)
    gate = f"score: {metric} of {model} {bounds(min, max)}"
    found = evaluation.score_of(name, metric)
    if (why := unscored(found, name, metric)) is not None:
        few = FEWEST_ROWS if found and 0 < found.n < FEWEST_ROWS else None
        return Verdict(gate, "inconclusive", why, few)
    assert found is not None and found.value is not None
    assert found.low is not None and found.high is not None
    span = (found.low, found.high)
    verdict, needed = within(span, min, max, at=found.value, n=found.n)
    more = told_needed(needed, found.n) if verdict == "inconclusive" else ""
    figures = {"value": found.value, "low": span[0], "high": span[1], "n": found.n,
               "min": min, "max": max}  # fmt: skip
    return Verdict(
        gate,
        verdict,
        f"{metric} of {name} is {found.value:.4g} (95 % {found.low:.4g} to {found.high:.4g}) "
        f"where {bounds(min, max)} is wanted.{more}",
        needed,
        figures=figures,
    )


def better(
    state: State,
    *,
    than: str,
    model: str = "best",
    metric: str | None = None,
    margin: float = 0.0,
) -> Verdict:
    """Ask that a model is better than another on the same rows, beyond chance.

    It passes if the 95 % interval of their difference lies wholly on the better side of the
    margin, fails if it lies on the other side or the two are one model, and else is inconclusive.

    Args:
        state: what to look at.
        than: the model to beat: one of the recipe's, `accepted` for the best one of the accepted
            version, or `accepted/MODEL`. The accepted version's predictions are compared on the
            held-out rows that both runs have, found by their ids.
        model: the model that has to be better; `best` is the best on the first metric.
        metric: by default the first one.
        margin: by how much it has to be better, in units of the metric.

    Raises:
        RecipeError: there is no such model or metric, or the two were not compared.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> close = truth.select("id", prediction=pl.col("y") + pl.col("id") % 3 / 10)
    >>> far = truth.select("id", prediction=pl.lit(3.0))
    >>> state = State(None, evaluate(truth, {"close": close, "far": far}, metrics="mae"))
    >>> better(state, than="far").verdict, better(state, than="far", margin=9).verdict
    ('pass', 'fail')
    """
    _not_negative("better", margin)
    on = metric_of(evaluation_of(state), metric)
    gate = f"better: {model} than {than} on {on}"
    gate += f" by {number(margin)}" if margin else ""
    try:
        found = paired(state, model, than, metric)
    except CannotCompare as cannot:
        outcome: Outcome = "fail" if isinstance(cannot, Itself) else "inconclusive"
        return Verdict(gate, outcome, str(cannot), cannot.needed)
    if found.low == found.high == margin:
        return Verdict(gate, "fail", f"{found.name} and {found.other} are equal in {on}.")
    words = {"pass": "better than {}", "fail": "worse than {}",
             "inconclusive": "not surely better than {}"}  # fmt: skip
    if margin:
        by = f"better than {{}} by {number(margin)}"
        words = {"pass": by, "fail": f"not {by}", "inconclusive": f"not surely {by}"}
    return _held(gate, found, margin, words)


def not_worse(
    state: State,
    *,
    than: str = "accepted",
    model: str = "best",
    metric: str | None = None,
    margin: float | None = None,
) -> Verdict:
    """Ask that a model is not worse than another by more than a margin: a test of non-inferiority.

    It passes if the 95 % interval of their difference on the same rows leaves out every loss as
    large as the margin, fails if all of it lies beyond the margin, and else is inconclusive: that
    no loss was found is no proof that there is none. A model that is worse by the margin passes
    at most 2.5 times in a hundred.

    Args:
        state: what to look at.
        than: the model to hold it against: one of the recipe's, `accepted` for the best one of
            the accepted version, or `accepted/MODEL`. The accepted version's predictions are
            compared on the held-out rows that both runs have, found by their ids.
        model: the model that must not be worse; `best` is the best on the first metric.
        metric: by default the first one.
        margin: the loss that would matter, in units of the metric; by default one point of what
            lies in 0 to 1, else one hundredth of the value.

    Raises:
        RecipeError: there is no such model or metric, or the two were not compared.

    Reference: Piaggio et al. (2012), Reporting of noninferiority and equivalence randomized trials,
    JAMA 308:2594-2604.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> one = truth.select("id", prediction=pl.col("y") + pl.col("id") % 3 / 10)
    >>> two = truth.select("id", prediction=pl.col("y") + pl.col("id") % 5 / 10)
    >>> state = State(None, evaluate(truth, {"one": one, "two": two}, metrics="mae"))
    >>> [not_worse(state, model="two", than="one", margin=m).verdict for m in (0.2, 0.1, 0.01)]
    ['pass', 'inconclusive', 'fail']
    """
    _not_negative("not_worse", margin)
    on = metric_of(evaluation_of(state), metric)
    by = f" by {number(margin)}" if margin is not None else ""
    gate = f"not_worse: {model} than {than} on {on}{by}"
    try:
        found = paired(state, model, than, metric)
    except CannotCompare as cannot:
        # What is held against itself has lost nothing.
        outcome: Outcome = "pass" if isinstance(cannot, Itself) else "inconclusive"
        return Verdict(gate, outcome, str(cannot), cannot.needed)
    allowed = found.margin if margin is None else margin
    shown = f"{number(allowed)} {found.metric}"
    words = {
        "pass": f"not worse than {{}} by {shown}",
        "fail": f"worse than {{}} by more than {shown}",
        "inconclusive": f"perhaps worse than {{}} by {shown}",
    }
    return _held(gate, found, -allowed, words)


def missing(state: State, *, model: str = "best", max: float = 0.0) -> Verdict:
    """Hold the share of held-out rows without a usable prediction against an upper bound.

    With `max` above 0 the whole 95 % interval (Wilson's) has to lie below it; with 0 every row
    must be answered.

    Args:
        state: what to look at.
        model: `best` is the best on the first metric.
        max: the largest share that passes.

    Raises:
        RecipeError: there is no such model.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> guesses = truth.select("id", prediction=pl.when(pl.col("id") > 5).then(pl.lit(3.0)))
    >>> state = State(None, evaluate(truth, {"m": guesses}, metrics="mae"))
    >>> missing(state).verdict, missing(state, max=0.1).verdict
    ('fail', 'inconclusive')
    """
    evaluation = evaluation_of(state)
    name = model_of(evaluation, model)
    lost = next(info.missing for info in evaluation.models if info.model == name)
    n = evaluation.n
    gate = f"missing: at most {max:.4g} of the answers of {model}"
    share = lost / n if n else 0.0
    said = f"{name} gave no usable prediction for {lost:,} of {n:,} rows"
    if not max:
        return Verdict(gate, "fail" if lost else "pass", f"{said}.", figures={"value": share})
    interval = wilson(lost, n)
    low, high = interval.low or 0.0, 1.0 if interval.high is None else interval.high
    verdict, needed = within((low, high), None, max, at=share, n=n)
    more = told_needed(needed, n) if verdict == "inconclusive" else ""
    detail = f"{said}, a share of {share:.4g} (95 % {low:.4g} to {high:.4g}) where at most "
    figures = {"value": share, "low": low, "high": high, "n": n, "max": max}
    return Verdict(gate, verdict, f"{detail}{max:.4g} is wanted.{more}", needed, figures=figures)


def _held(gate: str, found: Paired, floor: float, words: dict[str, str]) -> Verdict:
    """Hold the gain's interval against the least gain that passes; to reach it is not enough."""
    span = (found.low, found.high)
    verdict: Outcome
    verdict, needed = within(span, floor, None, at=found.gain, n=found.n)
    if verdict == "pass" and found.low == floor:
        verdict, needed = "inconclusive", None
    more = told_needed(needed, found.n) if verdict == "inconclusive" else ""
    moves = "gains" if found.gain >= 0 else "loses"
    turn = 1 if found.gain >= 0 else -1
    low, high = sorted((turn * found.low, turn * found.high))
    figures = {"value": found.gain, "low": found.low, "high": found.high, "n": found.n,
               "floor": floor}  # fmt: skip
    return Verdict(
        gate,
        verdict,
        f"{found.name} is {words[verdict].format(found.other)}: by {found.metric} it {moves} "
        f"{abs(found.gain):.4g} (95 % {low:.4g} to {high:.4g}) on {found.rows}.{more}",
        needed,
        figures=figures,
    )


def _not_negative(gate: str, margin: float | None) -> None:
    if margin is not None and not margin >= 0:
        raise RecipeError(
            f"The margin of {gate!r} is a size, so it cannot be below 0.", received=margin
        )
