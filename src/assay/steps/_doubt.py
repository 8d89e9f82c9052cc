"""How far the written target of each row is from what models say that never saw the row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import ModelError
from assay.recipe import FieldType
from assay.rows import row_ids, text_hash
from assay.steps._out_of_fold import MANY_CLASSES, Lessons, deal

Floats = npt.NDArray[np.float64]
RATIO = 2.0
DISTANCE = 3.5
"""As Iglewicz & Hoaglin (1993) recommend for modified z-scores."""
LEAST = 10
"""Rows of a class below which nothing can be said about its labels."""
BIN = 100
"""Rows over which the spread of residuals is measured."""


@dataclass(frozen=True)
class Doubts:
    """What models that never saw a row say about its target.

    Attributes:
        frame: as many lines as rows, in order: `doubted`, `suggested`, and `value` against
            `limit`. For classes `value` is the probability of the written class, in doubt below
            `limit`; for numbers it is the distance from the prediction in robust standard
            deviations, in doubt above `limit`. Null where a row could not be judged.
        model: what judged.
        judged: how many rows were.
        quality: accuracy of the models for classes, share of the variance explained for numbers.
    """

    frame: pl.DataFrame
    model: str
    judged: int
    quality: float


def kinds_of(frame: pl.DataFrame) -> dict[str, FieldType]:
    """What each column is taken for, where no contract tells.

    >>> kinds_of(pl.DataFrame({"a": [1], "b": ["x"]}))
    {'a': 'integer', 'b': 'string'}
    """
    return {name: _kind(dtype) for name, dtype in frame.schema.items()}


def task_of(target: pl.Series) -> Literal["number", "class"]:
    """What a target is, where no contract tells: integers of few values are classes.

    >>> task_of(pl.Series([0, 1, 1])), task_of(pl.Series([0.5, 1.5]))
    ('class', 'number')
    """
    few = target.dtype.is_integer() and target.n_unique() <= MANY_CLASSES
    return "number" if target.dtype.is_numeric() and not few else "class"


def _kind(dtype: pl.DataType) -> FieldType:
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_temporal():
        return "datetime"
    if dtype.is_nested():
        return "object"
    return "string" if dtype in (pl.String, pl.Null) else "category"


def doubts(
    rows: pl.DataFrame,
    target: pl.Series,
    kinds: Mapping[str, FieldType],
    *,
    task: Literal["number", "class"],
    seed: int,
    ratio: float = RATIO,
    distance: float = DISTANCE,
) -> Doubts:
    """Judge every row's target by models of the other folds.

    Rows with equal inputs, or of one `_cluster`, are in one fold, or a model would have seen
    the answer. It does not depend on the order of the rows.

    Args:
        rows: the inputs, and `_row` and `_cluster` where there are.
        target: one for each row; rows without one are not judged.
        kinds: the inputs and what each is.
        task: what the target is.
        seed: another seed deals other folds.
        ratio: how many times as probable as the written class another one must be.
        distance: how many robust standard deviations a number may be from its prediction.

    Raises:
        ModelError: too few rows or classes, or no input that anything can be learned from.
    """
    aim = _aim(target, task)
    # Without `_row`, rows of equal inputs have one id; then their targets order them.
    order = np.lexsort((text_hash(aim).fill_null(0).to_numpy(), row_ids(rows).to_numpy()))
    rows, aim = rows[order], aim[order]
    judged = aim.is_not_null()
    if task == "class":
        counts = aim.drop_nulls().value_counts(name="count")
        rare = counts.filter(pl.col("count") < LEAST)[target.name]
        judged &= ~aim.is_in(rare.implode()).fill_null(False)
    places = np.flatnonzero(judged.to_numpy())
    if len(places) < 2 * LEAST or aim.gather(places).n_unique() < 2:
        values = (
            f"two classes of {LEAST} rows" if task == "class" else f"{2 * LEAST} different rows"
        )
        raise ModelError(
            f"The target's labels cannot be judged: there are no {values} to learn from.",
            received=f"{len(places):,} rows with {aim.gather(places).n_unique():,} values",
            hint="leave out the step, or name another `target`",
        )
    aims = aim.gather(places)
    lessons = deal(rows[places], aims, kinds, task=task, seed=seed)
    judge = _of_classes if task == "class" else _of_numbers
    said, model, found = judge(lessons, aims, ratio if task == "class" else distance)
    back = pl.DataFrame({"place": order[places].astype(np.uint32)}).hstack(found)
    every = pl.DataFrame({"place": pl.arange(rows.height, dtype=pl.UInt32, eager=True)})
    frame = every.join(back, on="place", how="left", maintain_order="left").drop("place")
    return Doubts(frame, model, len(places), _quality(said, aims, task))


def _aim(target: pl.Series, task: str) -> pl.Series:
    if task == "class":
        return target.cast(pl.String)
    values = target.cast(pl.Float64, strict=False)
    return pl.select(pl.when(values.is_finite()).then(values)).to_series().alias(target.name)


def _of_classes(
    lessons: Lessons, aim: pl.Series, ratio: float
) -> tuple[pl.DataFrame, str, pl.DataFrame]:
    """What is said, by which model, and what follows from it."""
    said, model = max(
        ((lessons.answers(name, aim), name) for name in lessons.models()),
        key=lambda one: _quality(one[0], aim, "class"),
    )
    return said, model, _odds(said, aim, ratio)


def _odds(said: pl.DataFrame, aim: pl.Series, ratio: float) -> pl.DataFrame:
    columns = [name for name in said.columns if name.startswith("proba_")]
    names = [name.removeprefix("proba_") for name in columns]
    proba = said.select(columns).to_numpy()
    codes = aim.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    rest = proba.copy()
    rest[np.arange(len(codes)), codes] = -1.0
    other, given = rest.argmax(axis=1), proba[np.arange(len(codes)), codes]
    limit = rest.max(axis=1) / ratio
    # Confident learning says how many labels are wrong, the odds say which; three standard
    # deviations of a count are added, since the estimate leans to the low side.
    wrong = errors(proba, codes)
    most = int(wrong + 3.0 * np.sqrt(wrong))
    first = np.argsort(given / np.maximum(limit, 1e-12), kind="stable")[:most]
    among = np.zeros(len(codes), dtype=bool)
    among[first] = True
    return pl.DataFrame(
        {
            "doubted": among & (given < limit),
            "suggested": pl.Series(names, dtype=pl.String).gather(other),
            "value": given,
            "limit": limit,
        }
    )


def errors(proba: Floats, labels: npt.NDArray[np.int64]) -> float:
    """How many labels are wrong, by the calibrated confident joint.

    A row belongs with confidence to a class whose probability is at least the mean probability
    that rows of that label are given; of several such classes to the most probable one.
    Reference: Northcutt, Jiang & Chuang 2021, JAIR 70, equations 1 to 3.

    Args:
        proba: rows by classes, by models that never saw the row.
        labels: the written class of each row.

    >>> proba = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9], [0.9, 0.1]])
    >>> errors(proba, np.array([0, 0, 1, 1, 1]))
    1.0
    """
    count = proba.shape[1]
    given = proba[np.arange(len(labels)), labels]
    sizes = np.bincount(labels, minlength=count)
    means = np.bincount(labels, weights=given, minlength=count) / np.maximum(sizes, 1)
    sure = np.where((proba >= means - 1e-6) & (sizes > 0), proba, -1.0)
    counted = np.flatnonzero(sure.max(axis=1) >= 0)
    joint = np.zeros((count, count))
    np.add.at(joint, (labels[counted], sure.argmax(axis=1)[counted]), 1.0)
    # A label of which no row is sure counts as right, so that its row can be scaled.
    joint[np.diag_indices(count)] += joint.sum(axis=1) == 0
    scaled = joint / joint.sum(axis=1, keepdims=True) * sizes[:, None]
    return float(scaled.sum() - np.trace(scaled))


def _of_numbers(
    lessons: Lessons, aim: pl.Series, distance: float
) -> tuple[pl.DataFrame, str, pl.DataFrame]:
    """What is said, by which model, and what follows from it.

    One price of ten times its worth spoils what is said of its neighbours, and the scale; what is
    in doubt at first sight is therefore not learned from at the second.
    """
    first = _distances(lessons, aim, aim, distance)[2]["doubted"]
    believed = pl.select(pl.when(~first).then(aim)).to_series()
    return _distances(lessons, aim, believed, distance)


def _distances(
    lessons: Lessons, aim: pl.Series, believed: pl.Series, distance: float
) -> tuple[pl.DataFrame, str, pl.DataFrame]:
    from assay.models._prepare import skewed

    log = skewed(believed.drop_nulls().to_numpy()) and (aim >= 0).all()
    truth = _scaled(aim, log)
    residuals, said, model = min(
        (
            (truth - _scaled(said["prediction"], log), said, name)
            for name in lessons.models()
            for said in [lessons.answers(name, believed)]
        ),
        key=lambda one: float(np.median(np.abs(one[0]))),
    )
    far = np.abs(standardised(residuals, truth - residuals))
    frame = pl.DataFrame(
        {
            "doubted": far > distance,
            "suggested": said["prediction"],
            "value": far,
            "limit": np.full(len(far), distance),
        }
    )
    return said, model, frame


def _scaled(values: pl.Series, log: bool) -> Floats:
    plain: Floats = values.to_numpy()
    return np.log1p(np.maximum(plain, 0.0)) if log else plain


def standardised(residuals: Floats, level: Floats) -> Floats:
    """Residuals in robust standard deviations of those at a like level of prediction.

    Median and 1.4826 times the median absolute deviation are measured in bins of equally many
    rows and drawn straight from bin to bin.
    """
    count = max(1, len(level) // BIN)
    order = np.argsort(level, kind="stable")
    bins = np.array_split(order, min(count, 50))
    # A loop over at most 50 bins.
    middle = np.array([np.median(residuals[part]) for part in bins])
    spread = np.array(
        [np.median(np.abs(residuals[part] - here)) for part, here in zip(bins, middle, strict=True)]
    )
    rank = np.empty(len(level))
    rank[order] = np.arange(len(level))
    centres = np.array([rank[part].mean() for part in bins])
    whole = float(np.median(np.abs(residuals - np.median(residuals)))) or float(residuals.std())
    # Where one level is predicted almost without error, rounding is no error either.
    scale = 1.4826 * np.maximum(np.interp(rank, centres, spread), 0.1 * whole)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.nan_to_num((residuals - np.interp(rank, centres, middle)) / scale)
    # Errors of models have heavier tails than their middle tells. One in twenty lies beyond 1.96 in
    # a normal law; more may not be corrupt, or the corrupt would widen the scale.
    wide: Floats = z / max(1.0, float(np.quantile(np.abs(z), 0.95)) / 1.96)
    return wide


def _quality(said: pl.DataFrame, aim: pl.Series, task: str) -> float:
    if task == "class":
        return float((said["prediction"] == aim).sum()) / len(aim)
    guess, truth = said["prediction"].to_numpy(), aim.to_numpy()
    total = float(((truth - truth.mean()) ** 2).sum())
    return 1.0 - float(((truth - guess) ** 2).sum()) / total if total else 0.0
