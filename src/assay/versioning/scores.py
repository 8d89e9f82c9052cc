"""What models scored on two versions, and who is better on the rows that both were held against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from assay.component import catalogue
from assay.errors import AssayError, PredictionsError
from assay.evaluation.comparison import compare
from assay.evaluation.evaluation import Evaluation, Score
from assay.evaluation.grouping import group_columns, groups_of
from assay.evaluation.measures import Asked
from assay.recipe import Recipe
from assay.rows import ROW_ID
from assay.version import Version

PREDICTIONS = "predictions.parquet"
_GROUPS = "\x1fgroups"  # no column of a version is called like this


def newest(version: Version) -> tuple[Path, Evaluation] | None:
    """The newest evaluation of a version that can be read, and its folder."""
    for folder in reversed(version.runs):
        try:
            return folder, Evaluation.from_file(folder / "evaluation.json")
        except PredictionsError:
            continue
    return None


def side_by_side(a: Version, b: Version) -> tuple[list[dict[str, Any]], list[str]]:
    """Every model's scores on two versions by their newest evaluations, and what is to be noted.

    Returns:
        For each model and metric `a` and `b` (`value`, `low`, `high` and `n`, or None) and
        `common`: the paired test on the rows that both were held against, where both keep their
        predictions.
    """
    found = [newest(version) for version in (a, b)]
    if found[0] is None or found[1] is None:
        return _lines([one[1] if one else None for one in found], {}), []
    evaluations = [one[1] for one in found if one]
    tested, notes = _tested(a, b, found[0], found[1])
    return _lines(evaluations, tested), notes


def _lines(
    evaluations: Sequence[Evaluation | None], tested: dict[tuple[str, str], dict[str, Any]]
) -> list[dict[str, Any]]:
    scores = [
        {
            (s.model, s.metric): s
            for s in (one.scores if one else ())
            if one and s.split == one.split
        }
        for one in evaluations
    ]
    return [
        {
            "model": model,
            "metric": metric,
            "a": _plain(scores[0].get((model, metric))),
            "b": _plain(scores[1].get((model, metric))),
            "common": tested.get((model, metric)),
        }
        for model, metric in dict.fromkeys([*scores[0], *scores[1]])
    ]


def _plain(score: Score | None) -> dict[str, Any] | None:
    return score.model_dump(include={"value", "low", "high", "n", "better"}) if score else None


def beside(
    one: tuple[Path, Evaluation], other: tuple[Path, Evaluation], versions: Sequence[Version | None]
) -> tuple[list[dict[str, Any]], list[str]]:
    """As `side_by_side`, for two evaluations and the folders that they lie in.

    Args:
        one: the earlier evaluation, and its folder.
        other: the later one.
        versions: the versions that they are of, where these are known: only then rows can be
            compared.
    """
    tested: dict[tuple[str, str], dict[str, Any]] = {}
    notes = ["no test compares the scores: there are no rows to hold the predictions against"]
    if versions[0] is not None and versions[1] is not None:
        tested, notes = _tested(versions[0], versions[1], one, other)
    return _lines([one[1], other[1]], tested), notes


def _tested(
    a: Version, b: Version, one: tuple[Path, Evaluation], other: tuple[Path, Evaluation]
) -> tuple[dict[tuple[str, str], dict[str, Any]], list[str]]:
    """The paired test of each model that both have, on the rows that both were held against."""
    first, second = one[1], other[1]
    if (first.task, first.target) != (second.task, second.target):
        return {}, [f"the evaluations are of {first.target!r} and of {second.target!r}"]
    both = [info.model for info in first.models if info.model in {m.model for m in second.models}]
    files = [folder / PREDICTIONS for folder, _ in (one, other)]
    if one[0].resolve() == other[0].resolve() or not both or not all(map(Path.is_file, files)):
        return {}, []
    truth = _common_truth(a, b, first, second)
    if not truth.height:
        return {}, ["no row was held out in both versions, so that no test compares the scores"]
    predicted = [pl.read_parquet(file).filter(pl.col(ROW_ID).is_in(truth[ROW_ID].implode()))
                 for file in files]  # fmt: skip
    tested: dict[tuple[str, str], dict[str, Any]] = {}
    notes: list[str] = []
    for model in both:
        tables = [table.filter(pl.col("model") == model).drop("model") for table in predicted]
        if not all(table.height for table in tables):
            continue
        try:
            found = compare(
                dict(zip(_names(a, b), tables, strict=True)),
                truth,
                id=ROW_ID,
                target=first.target,
                metrics=_metrics(b, first, second),
                task=first.task,
                positive=second.positive,
                rows="common",
                groups=_GROUPS if _GROUPS in truth.columns else None,
            )
        except AssayError as refused:
            notes.append(f"{model} cannot be compared: {refused.what}")
            continue
        keep = {"difference", "low", "high", "p", "test", "n", "verdict", "sentence"}
        tested |= {
            (model, line.metric): line.model_dump(include=keep) for line in found.comparisons
        }
    return tested, notes


def _names(a: Version, b: Version) -> tuple[str, str]:
    if a.path.resolve() == b.path.resolve():
        return ("before", "after")
    return (a.title, b.title) if a.id == b.id else (a.id, b.id)


def _common_truth(a: Version, b: Version, first: Evaluation, second: Evaluation) -> pl.DataFrame:
    """The rows that both evaluations held out, where both say the same of the target.

    Rows that the later version's split kept together are compared together.
    """
    by = group_columns(b)
    one, other = (
        version.scan(evaluation.split).select(*dict.fromkeys([ROW_ID, evaluation.target, *more]))
        for version, evaluation, more in ((a, first, []), (b, second, by))
    )
    both = one.join(other, on=ROW_ID, suffix="\x1fb", maintain_order="right").collect()
    target = first.target
    same = both[target].cast(pl.String) == both[f"{target}\x1fb"].cast(pl.String)
    rows = both.filter(same)
    groups = groups_of(rows, by)
    held = rows.select(ROW_ID, target)
    return held if groups is None else held.with_columns(groups.alias(_GROUPS))


def _metrics(version: Version, first: Evaluation, second: Evaluation) -> list[Asked]:
    """The metrics of both evaluations, with the parameters that the recipe gives them."""
    known = {use.title: use for use in Recipe.model_validate(version.manifest["recipe"]).metrics}
    both = [title for title in second.metrics if title in first.metrics]
    return [known.get(title, title) for title in both
            if title in known or title in catalogue("metrics")]  # fmt: skip
