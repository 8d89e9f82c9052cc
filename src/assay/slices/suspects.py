"""Held-out rows whose target may be wrong, and how much that would matter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.evaluation.measures import Measure
from assay.evaluation.resampling import resamples
from assay.evaluation.scored import Floats, Scored
from assay.rows import text_hash, uniform
from assay.slices.losses import Losses
from assay.slices.predicates import Members

FAR = 3.0
"""Robust standard deviations from which a number counts as missed."""
SURE = 0.9
"""How improbable every model must find a written class: 1 minus its probability."""
SHOWN = 50
DRAWS = 1000
CELLS = 20_000_000


@dataclass(frozen=True)
class Moved:
    """How a score moves when rows are left out.

    Attributes:
        metric: what is measured.
        value: on all rows.
        without: without those rows.
        difference: `without` minus `value`, with `low` and `high` of its 95 % interval.
        rows: how many rows were left out.
    """

    metric: str
    value: float
    without: float
    difference: float
    low: float
    high: float
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return dict(vars(self))


def all_fail(by_model: Mapping[str, Losses]) -> tuple[Members, Floats]:
    """The rows on which every model fails, and by how much the best of them does.

    A class is missed when it is not the one predicted; the degree is 1 minus the largest
    probability that a model gives the written class, and 1 where there are no probabilities. A
    number is missed when its residual, on the scale that suits the target, is 3 robust standard
    deviations of residuals at a like prediction or more away, for all models to the same side; the
    degree is the smallest of these distances.

    Args:
        by_model: at least one model; baselines do not belong here, since they fail everywhere.

    Returns:
        (n,) which rows, and (n,) how far, 0 where a model does not fail.

    >>> scored = Scored(np.array([0, 1]), np.array([1, 1]), classes=("a", "b"))
    >>> told = Losses(np.array([1.0, 0.0]), "wrong", scored, np.ones(2, bool))
    >>> all_fail({"m": told})[0].tolist()
    [True, False]
    """
    every = list(by_model.values())
    usable = np.logical_and.reduce([one.usable for one in every])
    judge = _far if not every[0].scored.classes else _missed
    degrees = np.array([judge(one) for one in every])
    # Numbers keep the side: above 0 too high, below 0 too low.
    sides = np.sign(degrees)
    same = (sides == sides[0]).all(axis=0) & (sides[0] != 0)
    smallest = np.abs(degrees).min(axis=0)
    limit = FAR if not every[0].scored.classes else 0.0
    failed = usable & same & (smallest > limit)
    return failed, np.where(failed, smallest, 0.0)


def _missed(one: Losses) -> Floats:
    scored = one.scored
    degree = np.ones(len(scored))
    if scored.proba is not None:
        degree = 1 - scored.proba[np.arange(len(scored)), scored.truth]
    found = np.zeros(len(one.usable))
    found[one.usable] = np.where(scored.predicted != scored.truth, np.maximum(degree, 1e-9), 0.0)
    return found


def _far(one: Losses) -> Floats:
    from assay.models._prepare import skewed
    from assay.steps._doubt import standardised

    truth, guess = one.scored.truth, one.scored.predicted
    found = np.zeros(len(one.usable))
    if len(truth) < 2:
        return found
    if skewed(truth) and (truth >= 0).all():
        truth, guess = np.log1p(truth), np.log1p(np.maximum(guess, 0.0))
    found[one.usable] = standardised(guess - truth, guess)
    return found


def far_off(
    by_model: Mapping[str, Losses], failed: Members, degree: Floats
) -> tuple[Members, float | None]:
    """Of the rows on which every model fails, those on which the models are sure.

    Most rows that all models miss are only hard. A class is in doubt where every model gives the
    written one less than a tenth. How many rows would be by chance, if all targets were right, is
    said by the models themselves: the sum of all probabilities below a tenth, for the model
    that expects the fewest.

    Args:
        by_model: the same models.
        failed: as `all_fail` gives it.
        degree: as well.

    Returns:
        (n,) which rows, and how many are expected where no target is wrong; None where that
        cannot be said.
    """
    every = list(by_model.values())
    if not every[0].scored.classes or any(one.scored.proba is None for one in every):
        return failed, None
    small = []
    for one in every:  # as many as there are models
        proba = one.scored.probabilities
        small.append(float(np.where(proba < 1 - SURE, proba, 0.0).sum()))
    return failed & (degree > SURE), min(small)


def score_without(
    measure: Measure, scored: Scored, out: Members, ids: pl.Series, *, seed: int = 0
) -> Moved | None:
    """How a metric would move if some rows were not there, by a paired bootstrap.

    Rows are drawn with and without them at the same time, so what both have in common cancels.
    None where no row is left out, or the metric is not defined without them.

    Args:
        measure: the metric.
        scored: all rows.
        out: which of them to leave out.
        ids: of the rows.
        seed: of the bootstrap.

    >>> from assay.evaluation.measures import measures
    >>> scored = Scored(np.array([1.0, 2.0, 9.0]), np.array([1.0, 1.0, 1.0]))
    >>> moved = score_without(measures("mae", "number")[0], scored, np.array([0, 0, 1], bool),
    ...                       pl.Series(["a", "b", "c"]))
    >>> moved.value, moved.without
    (3.0, 0.5)
    """
    if not out.any() or out.all():
        return None
    left = ~out
    without = float(measure.values(scored, left[None, :].astype(np.float64))[0])

    def apart(weights: Floats) -> Floats:
        return measure.values(scored, weights * left) - measure.values(scored, weights)

    return _moved(measure, (measure.value(scored), without), apart, ids, int(out.sum()), seed)


def score_with(
    measure: Measure, scored: Scored, other: Scored, ids: pl.Series, *, seed: int = 0
) -> Moved | None:
    """How a metric would move if a model said something else, by a paired bootstrap.

    Args:
        measure: the metric.
        scored: what it says.
        other: what it would say of the same rows.
        ids: of the rows.
        seed: of the bootstrap.
    """

    def apart(weights: Floats) -> Floats:
        return measure.values(other, weights) - measure.values(scored, weights)

    values = (measure.value(scored), measure.value(other))
    return _moved(measure, values, apart, ids, len(scored), seed)


def easier(scored: Scored, inside: Members, ids: pl.Series, judged: Members) -> Scored:
    """What a model would say if a slice were as easy as the other rows.

    Residuals of numbers shrink by the ratio of mean absolute errors outside and inside; of wrong
    classes as many are put right, drawn by their ids, as bring the share of wrong rows down to
    that of the others, and their two probabilities change places.

    Args:
        scored: what it says.
        inside: which rows the slice holds.
        ids: of the rows.
        judged: the rows that tell how much easier the others are.
    """
    if not scored.classes:
        lost = scored.absolute_error
    else:
        lost = (scored.predicted != scored.truth).astype(np.float64)
    mean = float(lost[inside & judged].mean()) if (inside & judged).any() else 0.0
    rest = float(lost[~inside & judged].mean()) if (~inside & judged).any() else 0.0
    ratio = min(1.0, rest / mean) if mean > 0 else 1.0
    said = scored.predicted.copy()
    if not scored.classes:
        said = np.where(inside, scored.truth + (said - scored.truth) * ratio, said)
        return Scored(scored.truth, said)
    drawn = uniform(text_hash(ids), 0, "slices.easier") < 1 - ratio
    right = np.flatnonzero(inside & (lost > 0) & (said >= 0) & drawn)
    proba = None if scored.proba is None else scored.proba.copy()
    if proba is not None:
        a, b = scored.truth[right], said[right]
        proba[right, a], proba[right, b] = proba[right, b].copy(), proba[right, a].copy()
    said[right] = scored.truth[right]
    return Scored(scored.truth, said, proba, classes=scored.classes, positive=scored.positive)


def _moved(
    measure: Measure,
    values: tuple[float, float],
    apart: Callable[[Floats], Floats],
    ids: pl.Series,
    rows: int,
    seed: int,
) -> Moved | None:
    """The difference of two values with the interval of its paired resamples."""
    # Resamples are drawn for rows in the order of their ids' hashes.
    rank = np.argsort(np.argsort(text_hash(ids).to_numpy(), kind="stable"), kind="stable")
    count = int(min(DRAWS, max(200, CELLS // len(ids))))
    drawn = [apart(block[:, rank]) for block in resamples(len(ids), seed, count)]
    draws = np.concatenate(drawn)
    known = draws[np.isfinite(draws)]
    value, other = values
    if not len(known) or not np.isfinite(value + other):
        return None
    low, high = np.quantile(known, [0.025, 0.975])
    return Moved(measure.title, value, other, other - value, float(low), float(high), rows)


def suspected(
    failed: Members,
    degree: Floats,
    ids: pl.Series,
    truth: pl.Series,
    guesses: Mapping[str, pl.Series],
    doubted: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The rows on which all models fail, those that are in doubt otherwise as well first.

    Args:
        failed: which rows.
        degree: how far.
        ids: of all rows.
        truth: of all rows.
        guesses: what each model says of all rows.
        doubted: ids of rows that models which never saw them doubt.

    Returns:
        At most 50: `row_id`, `truth`, `predictions` by model, `degree`, `doubted`.
    """
    known = set(doubted)
    places = np.flatnonzero(failed)
    beside = np.array([ids[int(place)] in known for place in places], dtype=bool)
    order = np.lexsort((-degree[places], ~beside))[:SHOWN]
    return [
        {
            "row_id": str(ids[int(place)]),
            "truth": truth[int(place)],
            "predictions": {name: said[int(place)] for name, said in guesses.items()},
            "degree": float(degree[place]),
            "doubted": str(ids[int(place)]) in known,
        }
        for place in places[order]
    ]
