"""One metric of one model: its value, how much each row moves it, and its values on resamples."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.evaluation.influence import by_leaving_out, closed_form
from assay.evaluation.intervals import number
from assay.evaluation.measures import Measure
from assay.evaluation.resampling import Pool, Rows, Units
from assay.evaluation.scored import Floats, Scored
from assay.evaluation.sums import Column, NotSums, Trace, trace


@dataclass(frozen=True, eq=False)
class Entry:
    """One model on some of the rows.

    Attributes:
        scored: these rows.
        rows: (n,) which of all rows they are.
        name: of this choice of rows, the same for every model.
        carried: the weight that each of these rows carries; None where all count the same.
    """

    scored: Scored
    rows: Rows
    name: bytes
    carried: Floats | None


@dataclass(frozen=True, eq=False)
class Linear:
    """One metric of one model, taken apart.

    Attributes:
        value: the metric; None where it is undefined.
        influence: (g,) the influence of each unit: the sum of that of its rows. Empty where the
            metric is undefined.
        error: the standard error, by group where rows come in groups.
        df: its degrees of freedom.
        trace: the metric as a function of sums, if it is one.
        places: where its sums stand in the pool.
        whole: whether it must be computed anew from the weights of all rows for each resample.
    """

    value: float | None
    influence: Floats
    error: float
    df: float
    trace: Trace | None
    places: npt.NDArray[np.int64]
    whole: bool = False

    def draws(self, sums: Floats) -> Floats:
        """(b,) values on resamples, for the (b, width) sums of the pool."""
        if self.trace is not None:
            return self.trace.replay(sums[:, self.places])
        # A metric that is no function of sums moves as the influences of the drawn rows say.
        return np.asarray((self.value or 0.0) + sums[:, self.places[0]])


def value_of(measure: Measure, scored: Scored, carried: Floats | None) -> float:
    """A metric on the rows as they are."""
    if not measure.is_own:
        try:
            return trace(
                lambda weights: measure.values(scored, weights), len(scored), carried
            ).value
        except NotSums:
            pass
    weights = np.ones((1, len(scored))) if carried is None else carried[None, :]
    return float(measure.values(scored, weights)[0])


def linear(measure: Measure, entry: Entry, units: Units, pool: Pool) -> Linear:
    """Take one metric of one model apart and put what it adds up into the pool."""
    scored, carried = entry.scored, entry.carried
    rows = None if entry.rows.all() else entry.rows

    def function(weights: Floats) -> Floats:
        return measure.values(scored, weights)

    traced = _traced(function, len(scored), carried, own=measure.is_own)
    if traced is not None:
        value = number(traced.value)
        if value is None:
            return _undefined()
        places = pool.add(traced.columns, rows, entry.name, carried)
        influence = traced.influence()
        error, df = _error(influence, entry, units)
        by_unit = units.sums(influence, entry.rows)
        return Linear(value, by_unit, error, df, traced.light(), places)
    known = closed_form(measure, scored, carried)
    if known is not None:
        value = number(known[0])
        if value is None:
            return _undefined()
        influence = known[1]
        error, df = _error(influence, entry, units, exact=measure.name == "roc_auc")
        # Few rows can be counted anew for every resample; the influences of many say the same.
        whole = units.of is None or len(scored) <= units.count
        moved = Column(influence / len(scored), 1, False, hash((measure.title, id(entry))))
        places = pool.add([moved], rows, entry.name, None) if not whole else np.empty(0, np.int64)
        return Linear(
            value, units.sums(influence, entry.rows), error, df, None, places, whole=whole
        )
    value = number(value_of(measure, scored, carried))
    if value is None:
        return _undefined()
    by_part = by_leaving_out(function, len(scored), carried)
    error = math.sqrt(float((by_part**2).sum()) / max(len(by_part) - 1, 1) / len(by_part))
    return Linear(value, by_part, error, len(by_part) - 1, None, np.empty(0, np.int64), whole=True)


def standard_error(influence: Floats, n: int, *, exact: bool = False) -> float:
    """The standard error of a metric from the influences of its units.

    Where units are groups this is the clustered standard error.

    Args:
        influence: (g,) summed over each unit.
        n: rows.
        exact: the influences hold the correction for small numbers already.

    Reference: Miller (2024), Adding Error Bars to Evals, arXiv:2411.00640, section 2.2.

    >>> round(standard_error(np.array([-1.0, 0.0, 1.0]), 3), 4)  # sd 1 / sqrt(3)
    0.5774
    """
    g = len(influence)
    factor = 1.0 if exact or g < 2 else g / (g - 1)
    return math.sqrt(factor * float((influence**2).sum())) / n


def _error(
    influence: Floats, entry: Entry, units: Units, *, exact: bool = False
) -> tuple[float, float]:
    n = len(entry.scored)
    if not units.grouped:
        return standard_error(influence, n, exact=exact), n - 1
    by_unit = units.sums(influence, entry.rows)
    present = int((units.sums(np.ones(n), entry.rows) > 0).sum())
    factor = math.sqrt(present / (present - 1)) if present > 1 else float("inf")
    return standard_error(by_unit, n, exact=True) * factor, present - 1


def _traced(
    function: Callable[[Floats], Floats], n: int, carried: Floats | None, *, own: bool
) -> Trace | None:
    if not own:
        try:
            return trace(function, n, carried)
        except NotSums:
            return None
    # A user's metric may do anything with weights; where it is no plain function of sums it is
    # computed in full, and a mistake in it shows there.
    try:
        found = trace(function, n, carried)
        line = np.random.default_rng(n).integers(0, 3, n).astype(np.float64)[None, :]
        if carried is not None:
            line *= carried
        sums = [
            np.bincount(one.values + 1, weights=line[0], minlength=one.width + 1)[1:]
            if one.coded
            else np.array([line[0] @ one.values])
            for one in found.columns
        ]
        replayed, full = found.replay(np.concatenate(sums)[None, :]), function(line)
    except (NotSums, TypeError, ValueError, AttributeError, IndexError):
        return None
    return found if np.allclose(replayed, full, rtol=1e-6, equal_nan=True) else None


def _undefined() -> Linear:
    return Linear(None, np.empty(0), float("nan"), 0, None, np.empty(0, np.int64))
