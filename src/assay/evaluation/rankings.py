"""Three models or more ranked row by row: Friedman's test and the critical difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from assay.evaluation.evaluation import Ranking, RankPair
from assay.evaluation.many import friedman
from assay.evaluation.measures import Measure
from assay.evaluation.resampling import Rows, units_of
from assay.evaluation.scored import Floats
from assay.evaluation.scoring import Entrant

BY_ROW = (
    "accuracy", "brier", "chrf", "exact_match", "hamming_loss", "hits", "jaccard", "labels_exact",
    "log_loss", "mae", "map", "mape", "mean_cost", "mrr", "ndcg", "quantile_loss", "rmse", "rmsle",
    "rouge_l", "smape", "token_f1", "top_k",
)  # fmt: skip
"""Metrics that one row alone has a value of."""


def rankings_of(
    models: Mapping[str, Entrant], groups: pl.Series | None, asked: Sequence[Measure]
) -> list[Ranking]:
    """Rank the models by each metric that one row has a value of, on the rows that all cover."""
    found = (_ranking(models, groups, measure) for measure in asked if measure.name in BY_ROW)
    return [one for one in found if one is not None]


def _ranking(
    models: Mapping[str, Entrant], groups: pl.Series | None, measure: Measure
) -> Ranking | None:
    names = [name for name, model in models.items() if model.values[measure.title] is not None]
    if len(names) < 3:
        return None
    usable = np.logical_and.reduce([models[name].usable for name in names])
    table = np.column_stack([_outcomes(models[name], measure, usable) for name in names])
    if groups is not None:
        units = units_of(len(usable), groups)
        size = units.sums(np.ones(len(table)), usable)
        columns = [units.sums(table[:, place], usable) for place in range(len(names))]
        table = np.column_stack(columns)[size > 0] / size[size > 0, None]
    if len(table) < 2:
        return None
    found = friedman(table, better=measure.better)
    order = np.argsort(found.means, kind="stable").tolist()
    alike = [[names[place] for place in group] for group in found.groups]
    what = "groups" if groups is not None else "rows"
    told = f"Ranked over {found.blocks:,} {what} by {measure.title}, the models "
    told += "differ" if found.f_p < 0.05 else "cannot be told apart"
    told += f" (Friedman, p = {found.f_p:.2g})."
    if found.f_p < 0.05 and alike:
        told += " Not told apart: " + "; ".join(", ".join(group) for group in alike) + "."
    return Ranking(
        metric=measure.title,
        models=[names[place] for place in order],
        mean_ranks=[found.means[place] for place in order],
        blocks=found.blocks,
        friedman_p=found.f_p,
        critical_difference=found.critical_difference,
        alike=alike,
        pairs=[
            RankPair(a=names[a], b=names[b], difference=found.means[a] - found.means[b], p=p)
            for a, b, p in found.pairs
        ],
        sentence=told,
    )


def _outcomes(model: Entrant, measure: Measure, rows: Rows) -> Floats:
    """(r,) the metric of each of the rows, which the model covers."""
    return np.asarray(measure.outcomes(model.full.take(rows)))
