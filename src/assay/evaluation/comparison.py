"""Any number of models on the same rows: who is better than whom, and who cannot be told apart."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from assay import __version__
from assay.errors import PredictionsError
from assay.evaluation.compare import Margin
from assay.evaluation.evaluate import Figures, Stage, judged, stage
from assay.evaluation.evaluation import Comparison, Evaluation, Ranking
from assay.evaluation.holding import Held, hold
from assay.evaluation.measures import Asked
from assay.evaluation.methods import IntervalKind
from assay.evaluation.rankings import rankings_of
from assay.evaluation.scoring import Entrant
from assay.evaluation.truth import Task


class Compared(BaseModel):
    """What a comparison of models found.

    Attributes:
        evaluation: scores, intervals and all pairs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    assay: str = __version__
    evaluation: Evaluation

    @property
    def comparisons(self) -> list[Comparison]:
        """Every pair on every metric."""
        return self.evaluation.comparisons

    @property
    def rankings(self) -> list[Ranking]:
        """For each metric that every row has a value of, with three models or more."""
        return self.evaluation.rankings

    def to_json(self) -> str:
        """All of it as an indented JSON document."""
        return self.model_dump_json(indent=1)

    def to_polars(self) -> pl.DataFrame:
        """The pairs as a Polars frame."""
        rows = [one.model_dump(exclude={"chances"}) for one in self.comparisons]
        return pl.DataFrame(rows, infer_schema_length=None)

    def to_dict(self) -> dict[str, Any]:
        """The scores, pairs and rankings as plain values."""
        return {
            **self.evaluation.to_dict(),
            "comparisons": [one.model_dump() for one in self.comparisons],
            "rankings": [one.model_dump() for one in self.rankings],
            "detectable": self.evaluation.detectable,
        }

    def __repr__(self) -> str:
        lines = [repr(self.evaluation.model_copy(update={"comparisons": [], "notes": []}))]
        for metric in self.evaluation.metrics:
            told = [one.sentence for one in self.comparisons if one.metric == metric]
            smallest = self.evaluation.detectable.get(metric)
            if smallest is not None:
                told.append(
                    f"These rows show a difference of {smallest:.3g} {metric} "
                    "with a chance of 80 %."
                )
            told += [one.sentence for one in self.rankings if one.metric == metric]
            lines += ["", *told] if told else []
        return "\n".join([*lines, *self.evaluation.notes])

    __str__ = __repr__


def compare(  # noqa: PLR0913 - the options of `assay compare`, one to one
    predictions: Any,
    truth: Any = None,
    *,
    id: str | None = None,
    target: str | None = None,
    metrics: Sequence[Asked] | str | None = None,
    margin: Margin = None,
    rows: Literal["same", "common"] = "same",
    positive: str | None = None,
    task: Task | None = None,
    groups: str | None = None,
    weights: str | None = None,
    interval: IntervalKind | None = None,
    seed: int = 0,
) -> Compared:
    """Compare any number of models on the same rows, every one with every other.

    Args:
        predictions: tables of predictions as `evaluate` takes them.
        truth: the true values, as `evaluate` takes them.
        id: the column that says which prediction belongs to which row.
        target: the column of the truth that holds the true value.
        metrics: names, or (name, parameters); by default what suits the task.
        margin: the largest difference that does not matter, for all metrics or by metric.
        rows: `same` refuses models that do not cover the same rows, `common` takes the rows that
            all of them cover.
        positive: of two classes, the one that metrics are about.
        task: what is predicted; told from the values if not given.
        groups: the column of the truth that says which rows belong together.
        weights: the column of the truth that says how much each row counts.
        interval: the kind of interval, if not each metric's own.
        seed: of the bootstrap and the permutations.

    Returns:
        For each pair and metric the difference, its interval, the adjusted p, the method, what it
        means and one sentence.

    Raises:
        PredictionsError: there are fewer than two models, they do not cover the same rows, or they
            do not fit the truth.
        RecipeError: a metric is unknown or does not suit the task.

    >>> truth = pl.DataFrame({"id": range(40), "price": [float(v) for v in range(40)]})
    >>> near = truth.select("id", prediction=pl.col("price") + 1)
    >>> far = truth.select("id", prediction=pl.col("price") + 9 + pl.col("id") % 3)
    >>> found = compare({"near": near, "far": far}, truth, target="price", metrics="mae")
    >>> found.comparisons[0].verdict
    'worse'
    """
    if truth is None:
        raise PredictionsError(
            "There is nothing to hold the predictions against.",
            hint="name the table of true values: `--truth FILE`",
        )
    held = hold(
        truth, predictions, id=id, target=target, positive=positive, task=task,
        groups=groups, weights=weights,
    )  # fmt: skip
    return compare_held(held, metrics or [], margin=margin, rows=rows, interval=interval, seed=seed)


def compare_held(
    held: Held,
    metrics: Sequence[Asked] | str = (),
    *,
    margin: Margin = None,
    rows: Literal["same", "common"] = "same",
    interval: IntervalKind | None = None,
    seed: int = 0,
) -> Compared:
    """Compare models whose predictions stand in the truth's order, as a run has them.

    Raises:
        PredictionsError: there are fewer than two models, or they do not cover the same rows.
    """
    names = list(held.tables)
    if len(names) < 2:
        raise PredictionsError(
            f"A comparison needs two models or more, and there is {len(names)}.",
            received=", ".join(names),
        )
    staged = _on_the_same_rows(stage(held.truth, held.tables, metrics), rows)
    evaluation = judged(
        staged,
        seed=seed,
        about=held.infos,
        pairs=list(itertools.combinations(names, 2)),
        figures=Figures(interval, margin),
    )
    update = {
        "notes": [*held.notes, *evaluation.notes],
        "rankings": rankings_of(staged.models, staged.truth.groups, staged.asked),
    }
    return Compared(evaluation=evaluation.model_copy(update=update))


def _on_the_same_rows(staged: Stage, rows: Literal["same", "common"]) -> Stage:
    models = staged.models
    everywhere = np.logical_and.reduce([model.usable for model in models.values()])
    covered = {name: int(model.usable.sum()) for name, model in models.items()}
    common = int(everywhere.sum())
    if all(count == common for count in covered.values()):
        return staged
    counts = ", ".join(f"{name} {count:,}" for name, count in covered.items())
    if rows == "same" or not common:
        raise PredictionsError(
            f"The models do not cover the same rows: of {len(everywhere):,} rows "
            f"{common:,} have a usable prediction of all of them.",
            received=counts,
            allowed="models with a usable prediction for the same rows",
            hint="compare on the rows that all cover: `--rows common`" if common else None,
        )
    held = {
        name: Entrant(name, model.full, everywhere, staged.asked, staged.carried)
        for name, model in models.items()
    }
    note = f"Compared on the {common:,} rows that all models cover ({counts})."
    return replace(staged, models=held, notes=[*staged.notes, note])
