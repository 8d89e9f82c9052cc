"""The target: labels and numbers that models which never saw them find hard to believe."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, Skipped
from assay.errors import ModelError
from assay.rows import key_hash, row_ids, uniform
from assay.steps._doubt import DISTANCE, RATIO, Doubts, doubts
from assay.steps._out_of_fold import FOLDS

__all__ = ["contradicting_labels", "doubtful_classes", "doubtful_numbers"]

MOST = 20_000
"""Rows that are judged; of more rows a keyed sample is."""


def contradicting_labels(data: Inspected) -> Annotated[list[Finding], Code("F401", "warning")]:
    """Rows that are equal in all inputs and differ in the class.

    Raises:
        NotApplicable: there is no target of classes, or no other field.

    >>> from assay.recipe import FieldSpec
    >>> rows = pl.DataFrame({"text": ["good", "good", "bad"], "y": ["yes", "no", "no"]})
    >>> fields = {"text": FieldSpec(), "y": FieldSpec(type="category")}
    >>> data = Inspected(rows, rows, fields, target="y", task="class")
    >>> contradicting_labels(data)[0].rows.to_list()
    [0, 1]
    """
    target, inputs = _target(data, "class")
    frame = pl.DataFrame({"key": key_hash(data.rows, inputs), "class": data.rows[target]})
    frame = frame.with_row_index("place").drop_nulls()
    both = frame.filter(pl.col("class").n_unique().over("key") > 1)
    if not both.height:
        return []
    groups = both["key"].n_unique()
    return [
        Finding(
            says=f"{both.height:,} rows are equal in every other field and differ in `{target}`, "
            f"in {groups:,} groups.",
            action="Decide which class each group has; until then no model can learn them.",
            field=target,
            rows=both["place"].sort(),
            measured={"rows": both.height, "groups": groups},
        )
    ]


def doubtful_classes(
    data: Inspected, *, ratio: float = RATIO
) -> Annotated[list[Finding], Code("F402", "warning")]:
    """Classes that confident learning takes for wrong.

    Models of five folds, with equal rows in one fold, each judge the fold that they have not seen.
    How many labels are wrong is estimated by the confident joint (Northcutt, Jiang & Chuang 2021,
    JAIR 70); the rows whose written class is least probable beside another one are reported.

    Args:
        data: what is inspected.
        ratio: how many times as probable as the written class another one must be.

    Raises:
        NotApplicable: there is no target of classes, or nothing to learn it from.
        Skipped: the models predict hardly better than the most frequent class would.

    >>> from assay.recipe import FieldSpec
    >>> texts = [f"good and fine {n}" if n % 2 else f"bad and poor {n}" for n in range(100)]
    >>> labels = ["yes" if n % 2 and n != 7 else "no" for n in range(100)]
    >>> rows = pl.DataFrame({"text": texts, "y": labels})
    >>> fields = {"text": FieldSpec(), "y": FieldSpec(type="category")}
    >>> found = doubtful_classes(Inspected(rows, rows, fields, target="y", task="class"))
    >>> found[0].rows.to_list(), found[0].values.to_list()
    ([7], ['yes'])
    """
    target, _ = _target(data, "class")
    found, places = _doubts(data, "class", ratio=ratio)
    labels = data.rows[target].cast(pl.String).gather(places).drop_nulls()
    usual = labels.value_counts(name="rows")["rows"].max()
    # Two standard errors of a share: models of noise beat the most frequent class half of the time.
    chance = usual + 2 * np.sqrt(usual * (1 - usual / len(labels))) if isinstance(usual, int) else 0
    if found.quality * len(labels) <= chance:
        raise Skipped(
            f"the other fields predict `{target}` hardly better than its most frequent class"
        )
    return _findings(data, found, places, f"{found.quality:.1%} of the classes")


def doubtful_numbers(
    data: Inspected, *, distance: float = DISTANCE
) -> Annotated[list[Finding], Code("F403", "warning")]:
    """Numbers of the target that are far from what the other fields say.

    The distance is between the number and the prediction of a model that has not seen the row, in
    robust standard deviations of rows with a like prediction, on a logarithmic scale where the
    target is skewed.

    Args:
        data: what is inspected.
        distance: how far is too far.

    Raises:
        NotApplicable: there is no target of numbers, or nothing to learn it from.

    >>> from assay.recipe import FieldSpec
    >>> rows = pl.DataFrame({"n": [n * 7919 % 1009 for n in range(400)]}).with_row_index("id")
    >>> rows = rows.with_columns(y=30.0 + pl.col("n") / 9 + pl.col("id") % 7)
    >>> rows = rows.with_columns(y=pl.when(pl.col("id") == 90).then(1560.0).otherwise("y"))
    >>> fields = {"n": FieldSpec(type="integer"), "y": FieldSpec(type="number")}
    >>> found = doubtful_numbers(Inspected(rows, rows, fields, target="y", task="number"))
    >>> found[0].rows.to_list()
    [90]
    """
    found, places = _doubts(data, "number", distance=distance)
    return _findings(data, found, places, f"{max(0.0, found.quality):.0%} of the variance")


def _target(data: Inspected, task: str) -> tuple[str, list[str]]:
    if data.target is None:
        raise NotApplicable("no target is named")
    if data.task != task:
        raise NotApplicable(f"the target {data.target!r} is no {task}")
    inputs = [name for name in data.fields if name != data.target]
    if not inputs:
        raise NotApplicable("there is no field beside the target")
    return data.target, inputs


def _doubts(data: Inspected, task: str, **settings: float) -> tuple[Doubts, pl.Series]:
    target, inputs = _target(data, task)
    places = np.arange(data.rows.height, dtype=np.uint32)
    if len(places) > MOST:
        chance = uniform(row_ids(data.rows), data.seed, "checks.labels")
        places = np.sort(np.argsort(chance, kind="stable")[:MOST]).astype(np.uint32)
    part = data.rows[places]
    kinds = {name: data.fields[name].type for name in inputs}
    kept = part.select(*(name for name in ("_row", "_cluster") if name in part.columns), *inputs)
    try:
        found = doubts(
            kept,
            part[target],
            kinds,
            task="class" if task == "class" else "number",
            seed=data.seed,
            **settings,
        )
    except ModelError as error:
        raise NotApplicable(error.what.rstrip(".")) from None
    return found, pl.Series(places)


def _findings(data: Inspected, found: Doubts, places: pl.Series, quality: str) -> list[Finding]:
    doubted = found.frame.with_columns(place=places).filter("doubted")
    if not doubted.height:
        return []
    doubted = doubted.sort(
        (pl.col("value") - pl.col("limit")).abs() / pl.col("limit"),
        "place",
        descending=[True, False],
    )
    share = doubted.height / max(1, found.judged)
    return [
        Finding(
            says=f"{doubted.height:,} of {found.judged:,} values of `{data.target}` ({share:.1%}) "
            f"are not what models that never saw the row expect; these predict {quality}.",
            action="Look at them, the most doubtful come first, and correct what is wrong; "
            "what is right teaches which rows are hard.",
            field=data.target,
            rows=doubted["place"].cast(pl.UInt32),
            values=_written_alike(doubted["suggested"], data.written[str(data.target)]),
            measured={
                "judged": found.judged,
                "in_doubt": doubted.height,
                "model": found.model,
                "folds": FOLDS,
                "quality": round(found.quality, 4),
            },
            step={"labels.drop": {"target": data.target, "most": _most(share)}},
        )
    ]


def _written_alike(values: pl.Series, written: pl.Series) -> pl.Series:
    """Predictions with as many decimals as the numbers of the field have."""
    if not values.dtype.is_float():
        return values.cast(pl.String)
    decimals = written.cast(pl.String).str.extract(r"\.(\d{1,6})\s*$").str.len_chars().max()
    digits = decimals if isinstance(decimals, int) else 0
    return values.map_elements(lambda one: f"{one:.{digits}f}", return_dtype=pl.String)


def _most(share: float) -> float:
    """A bound that lets the step run, with room for the rows that were not looked at."""
    return max(0.1, round(share * 1.5 + 0.005, 2))
