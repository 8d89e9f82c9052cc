"""Gates that look at what a model takes: time, money and memory."""

from __future__ import annotations

import numpy as np
import polars as pl

from assay.errors import RecipeError
from assay.evaluation.evaluation import ModelInfo
from assay.evaluation.intervals import FEWEST_ROWS, quantile
from assay.evaluation.scored import Floats
from assay.gates._rows import PREDICTIONS
from assay.gates._state import (
    Outcome,
    State,
    Verdict,
    evaluation_of,
    model_of,
    number,
    told_needed,
    within,
)

__all__ = ["cost", "latency", "memory"]


def latency(
    state: State, *, max: float, model: str = "best", quantile: float | None = None
) -> Verdict:
    """Hold the seconds that a model takes to predict one row against an upper bound.

    Where every row's `seconds` are known, as predictions from outside can tell them, the whole
    95 % interval of their mean, or of a quantile, has to lie below it. Else the time that all
    held-out rows took together is divided by their number: one measurement, without an interval.

    Args:
        state: what to look at.
        max: the most seconds a row that pass.
        model: `best` is the best on the first metric.
        quantile: hold this quantile of the rows' seconds, such as 0.95, instead of their mean.

    Raises:
        RecipeError: there is no such model, or the quantile does not lie between 0 and 1.

    Reference: for quantiles the binomial interval between order statistics, Conover (1999),
    Practical Nonparametric Statistics, 3.2.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> asked = truth.select("id", prediction=pl.lit(3.0), seconds=pl.lit(0.02))
    >>> state = State(None, evaluate(truth, {"m": asked}, metrics="mae"))
    >>> latency(state, max=0.05).detail
    'm: 0.02 seconds a row, measured once over 90 rows, where at most 0.05 is wanted.'
    """
    if quantile is not None and not 0 < quantile < 1:
        raise RecipeError(
            "latency: a quantile lies between 0 and 1.", received=quantile, hint="0.95"
        )
    what = "seconds a row" if quantile is None else f"{quantile:.4g} quantile of seconds a row"
    return _spent(state, "latency", "seconds", model, max, what, quantile)


def cost(state: State, *, max: float, model: str = "best") -> Verdict:
    """Hold what a model costs for one row against an upper bound.

    The cost is what the predictions say in their column `cost`, in whatever currency; the whole
    95 % interval of its mean has to lie below the bound.

    Args:
        state: what to look at.
        max: the highest cost a row that passes.
        model: `best` is the best on the first metric.

    Raises:
        RecipeError: there is no such model.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> asked = truth.select("id", prediction=pl.lit(3.0), cost=pl.lit(0.002))
    >>> state = State(None, evaluate(truth, {"m": asked}, metrics="mae"))
    >>> cost(state, max=0.001).verdict
    'fail'
    """
    return _spent(state, "cost", "cost", model, max, "cost a row", None)


def memory(state: State, *, max: float, model: str = "best") -> Verdict:
    """Hold the most memory that fitting and asking a model took against an upper bound.

    Args:
        state: what to look at.
        max: in MB, millions of bytes.
        model: `best` is the best on the first metric.

    Raises:
        RecipeError: there is no such model.

    >>> import polars as pl
    >>> from assay.evaluation.evaluate import evaluate
    >>> truth = pl.DataFrame({"id": range(90), "y": [n % 7 * 1.0 for n in range(90)]})
    >>> guesses = truth.select("id", prediction=pl.lit(3.0))
    >>> memory(State(None, evaluate(truth, {"m": guesses}, metrics="mae")), max=500).verdict
    'inconclusive'
    """
    info = _info(state, model)
    gate = f"memory: {model} at most {number(max)} MB"
    if info.memory_mb is None:
        return Verdict(gate, "inconclusive", f"Nobody measured the memory of {info.model}.")
    held = info.memory_mb <= max
    detail = f"{info.model} held {number(info.memory_mb)} MB where at most {number(max)} is wanted."
    figures = {"value": info.memory_mb, "max": max}
    return Verdict(gate, "pass" if held else "fail", detail, figures=figures)


def _spent(
    state: State, name: str, column: str, model: str, most: float, what: str, share: float | None
) -> Verdict:
    evaluation = evaluation_of(state)
    info = _info(state, model)
    gate = f"{name}: {model} at most {number(most)} {what}"
    values = _by_row(state, info.model, column)
    wanted = f"where at most {number(most)} is wanted."
    if values is not None and len(values) >= FEWEST_ROWS:
        middle, low, high = _mean(values) if share is None else _quantile(values, share)
        figures = {"value": middle, "low": low, "high": high, "n": len(values), "max": most}
        top = "unknown" if high is None else number(high)
        said = f"{info.model}: {number(middle)} {what} (95 % {number(low)} to {top}) {wanted}"
        span = (low, np.inf if high is None else high)
        verdict: Outcome
        verdict, needed = within(span, None, most, at=middle, n=len(values))
        if high is None and share is not None:
            needed = _rows_for(share) if verdict == "inconclusive" else None
        more = told_needed(needed, len(values)) if verdict == "inconclusive" else ""
        return Verdict(gate, verdict, said + more, needed, figures=figures)
    whole = info.predict_seconds if column == "seconds" else info.cost
    n = evaluation.n - info.missing
    if whole is None or not n:
        why = f"Nobody measured the {column} of {info.model}: its predictions may have a column"
        return Verdict(gate, "inconclusive", f"{why} `{column}`.")
    if share is not None:
        why = f"Only the {column} of all {n:,} rows together are known, and a quantile needs each."
        return Verdict(gate, "inconclusive", why)
    each = whole / n
    return Verdict(
        gate,
        "pass" if each <= most else "fail",
        f"{info.model}: {number(each)} {what}, measured once over {n:,} rows, {wanted}",
        figures={"value": each, "n": n, "max": most},
    )


def _info(state: State, model: str) -> ModelInfo:
    evaluation = evaluation_of(state)
    name = model_of(evaluation, model)
    return next(info for info in evaluation.models if info.model == name)


def _by_row(state: State, model: str, column: str) -> Floats | None:
    """What each row took, where the run's predictions say so."""
    path = state.run.folder / PREDICTIONS if state.run and state.run.folder else None
    if path is None or not path.exists():
        return None
    table = pl.scan_parquet(path)
    if column not in table.collect_schema().names():
        return None
    mine = table.filter(pl.col("model") == model).select(pl.col(column).cast(pl.Float64))
    values = mine.collect().to_series().drop_nulls().to_numpy()
    return values if len(values) else None


def _mean(values: Floats) -> tuple[float, float, float]:
    middle = float(values.mean())
    half = quantile(len(values) - 1) * float(values.std(ddof=1)) / len(values) ** 0.5
    return middle, middle - half, middle + half


def _quantile(values: Floats, share: float) -> tuple[float, float, float | None]:
    """A quantile between order statistics; without an upper bound where the rows are too few.

    >>> _quantile(np.arange(1.0, 101.0), 0.5)  # Conover: the 40th and the 61st
    (50.5, 40.0, 61.0)
    """
    from scipy.stats import binom

    ordered, n = np.sort(values), len(values)
    below = int(binom.ppf(0.025, n, share))
    above = int(binom.ppf(0.975, n, share)) + 1
    low = float(ordered[max(below - 1, 0)])
    return (
        float(np.quantile(ordered, share)),
        low,
        float(ordered[above - 1]) if above <= n else None,
    )


def _rows_for(share: float) -> int:
    """The fewest rows of which the largest bounds a quantile from above: share^n under 2.5 %."""
    return int(np.ceil(np.log(0.025) / np.log(share)))
