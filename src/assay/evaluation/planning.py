"""What a set of rows can show before any model has seen them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl

from assay.evaluation.evaluate import stage
from assay.evaluation.linear import Entry, linear
from assay.evaluation.measures import Asked
from assay.evaluation.power import detectable
from assay.evaluation.resampling import Pool, units_of
from assay.evaluation.truth import Truth
from assay.rows import text_hash, uniform


def detectable_before(
    truth: Truth, metrics: Sequence[Asked] | str = (), *, correlation: float = 0.5
) -> dict[str, float]:
    """The smallest difference of two models that these rows show with a chance of 80 %.

    Nothing is fitted: two models are taken to err as much as one that always says the median, or
    the most frequent class (where that tells nothing, classes by lot), and to err together to some
    degree. Models that err less, or more
    alike, are told apart sooner.

    Args:
        truth: the rows that models will be scored on.
        metrics: what will be measured; those that need probabilities are left out.
        correlation: of the two models' errors.

    Returns:
        For each metric the difference, in its own unit.

    Raises:
        PredictionsError: no row has a true value.
        RecipeError: a metric is unknown or does not suit the task.

    Reference: Miller (2024), Adding Error Bars to Evals, arXiv:2411.00640, section 5.

    >>> values = pl.Series([float(value % 10) for value in range(400)])
    >>> ids = pl.Series([str(place) for place in range(400)])
    >>> round(detectable_before(Truth(ids, values, "number"), "mae")["mae"], 2)
    0.2
    """
    found: dict[str, float] = {}
    for guess in _guesses(truth):
        staged = stage(truth, {"guess": guess}, metrics)
        model = staged.models["guess"]
        units = units_of(len(staged.truth.ids), staged.truth.groups)
        carried = None if staged.carried is None else staged.carried[model.usable]
        entry = Entry(model.scored, model.usable, b"", carried)
        for measure in staged.asked:
            if model.values[measure.title] is None or measure.title in found:
                continue
            error = linear(measure, entry, units, Pool(units)).error
            if np.isfinite(error) and error > 1e-9:  # else it is rounding
                found[measure.title] = detectable(error * math.sqrt(2 * (1 - correlation)))
    return found


def _guesses(truth: Truth) -> list[pl.DataFrame]:
    """What says always the same; and classes by lot, for metrics that one class tells nothing."""
    known = truth.values.drop_nulls()
    usual = known.median() if truth.task == "number" else known.mode().sort()[0]
    same = pl.DataFrame({"prediction": pl.repeat(usual, len(truth.ids), eager=True)})
    if truth.task != "class":
        return [same]
    # A drawn row's class: every class about as often as it is true.
    drawn = uniform(text_hash(truth.ids), 0, "planning")
    return [same, pl.DataFrame({"prediction": known.sort()[(drawn * len(known)).astype(np.int64)]})]


def planned(truth: Truth, metrics: Sequence[Asked] | str = ()) -> str:
    """One sentence of what these rows can show, to be read before models are fitted.

    Raises:
        PredictionsError: no row has a true value.

    >>> values = pl.Series([float(value % 10) for value in range(400)])
    >>> planned(Truth(pl.Series([str(place) for place in range(400)]), values, "number"), ["mae"])
    'These 400 test rows would show a difference of about 0.2 mae with a chance of 80 %.'
    """
    found = detectable_before(truth, metrics)
    told = [f"{value:.2g} {name}" for name, value in found.items()][:3]
    if not told:
        return ""
    listed = " or ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)
    rows = f"These {len(truth.ids):,} {truth.split} rows"
    return f"{rows} would show a difference of about {listed} with a chance of 80 %."
