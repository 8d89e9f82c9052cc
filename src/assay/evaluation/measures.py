"""Metrics as they are asked for: by name, with parameters, under a title."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.component import Component, bind, catalogue, find
from assay.errors import RecipeError, nearest
from assay.evaluation.scored import Floats, Scored
from assay.recipe import Use

UNBOUNDED = ("r2", "explained_variance")
_TASKS = {
    "regression": "number",
    "classification": "class",
    "probability": "class",
    "ranking": "ranking",
    "multilabel": "labels",
    "text": "text",
}
_USUAL = {
    "number": ("mae", "rmse", "median_ae", "r2"),
    "ranking": ("ndcg", "map", "mrr"),
    "labels": ("labels_f1", "jaccard", "labels_exact"),
    "text": ("exact_match", "token_f1", "rouge_l", "chrf"),
}
Asked = str | tuple[str, Mapping[str, Any]] | Use


@dataclass(frozen=True)
class Measure:
    """One metric with its parameters.

    Attributes:
        title: the name under which its values appear.
        component: the metric.
        parameters: all of them, defaults filled in.
    """

    title: str
    component: Component
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the metric itself."""
        return self.component.name

    @property
    def is_own(self) -> bool:
        """Whether it is a user's function."""
        return not self.component.function.__module__.startswith("assay.")

    @property
    def better(self) -> Literal["lower", "higher", "nearest"]:
        """Which way is better; `nearest` to `aim`."""
        if self.aim is not None:
            return "nearest"
        return "lower" if self.component.gives == "lower" else "higher"

    @property
    def aim(self) -> float | None:
        """The value that is best, where neither low nor high is: 1, or what `level` says."""
        if self.component.gives != "aim":
            return None
        return float(self.parameters.get("level", 1.0))

    @property
    def is_bounded(self) -> bool:
        """Whether it lies in 0 to 1, so that a difference is one of points."""
        return self.is_share or (self.better == "higher" and self.name not in UNBOUNDED)

    @property
    def steadier(self) -> str:
        """What would help where a few rows decide its interval."""
        if not self.is_bounded:
            task = _task_of(self.component)
            named = " (median_ae, rmsle)" if task == "number" else ""
            return f"More rows, or a metric that large errors do not rule{named},"
        if _task_of(self.component) == "class":
            return "More rows of the rarest class"
        return "More rows"

    def distance(self, values: Any) -> Any:
        """What two models are compared by: the value, or how far it is from the aim."""
        return values if self.aim is None else np.abs(values - self.aim)

    def sign(self, value: float | None) -> float:
        """How the distance moves as the value rises."""
        return 1.0 if self.aim is None or (value or 0.0) >= self.aim else -1.0

    @property
    def is_share(self) -> bool:
        """Whether it is the share of rows for which something holds."""
        return self.component.gives == "proportion" or self.name == "interval_coverage"

    def values(self, scored: Scored, weights: Floats) -> Floats:
        """(b,) its value for each line of (b, n) weights."""
        return np.asarray(self.component.function(scored, weights, **self.parameters))

    def value(self, scored: Scored) -> float:
        """Its value on the rows as they are."""
        return float(self.values(scored, np.ones((1, len(scored))))[0])

    def outcomes(self, scored: Scored) -> Floats:
        """(n,) its value on each row alone; for shares only."""
        from scipy.sparse import eye_array

        return self.values(scored, eye_array(len(scored), format="csr"))


def measures(asked: Sequence[Asked] | str, task: str) -> list[Measure]:
    """Find and check the metrics that are asked for.

    Args:
        asked: names with commas between, or a list of names, of (name, parameters) or of a
            recipe's uses.
        task: `number`, `class`, `ranking`, `labels` or `text`.

    Raises:
        RecipeError: a metric does not exist, does not suit the task, stands twice under one
            title, or is given a wrong parameter.

    >>> [measure.title for measure in measures("mae, rmse", "number")]
    ['mae', 'rmse']
    """
    listed = asked.split(",") if isinstance(asked, str) else asked
    found = [_measure(one, task) for one in listed]
    titles = [measure.title for measure in found]
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if twice:
        raise RecipeError(
            f"The metric {twice[0]!r} stands twice.",
            hint=f"tell them apart in the recipe: `{twice[0]}: {{…}}, as: other`",
        )
    return found


def default_metrics(task: str, *, binary: bool, graded: bool) -> list[str]:
    """The metrics that are used where none are named.

    >>> default_metrics("class", binary=False, graded=False)
    ['accuracy', 'balanced_accuracy', 'f1']
    """
    if task in _USUAL:
        return list(_USUAL[task])
    ranked = ["roc_auc", "average_precision"] if binary else ["roc_auc"]
    return ["accuracy", "balanced_accuracy", "f1", *(ranked if graded else [])]


def suits(task: str) -> tuple[str, ...]:
    """The names of the metrics for a task.

    >>> "mae" in suits("number"), "mae" in suits("class")
    (True, False)
    """
    known = catalogue("metrics").items()
    return tuple(name for name, metric in known if _task_of(metric) in (task, None))


def _measure(asked: Asked, task: str) -> Measure:
    if isinstance(asked, Use):
        name, given, title = asked.name, asked.given, asked.title
    elif isinstance(asked, str):
        name, given, title = asked.strip(), {}, asked.strip()
    else:
        name, given, title = asked[0], dict(asked[1]), asked[0]
    if name not in catalogue("metrics"):
        raise RecipeError(
            f"metrics: there is no {name!r}.",
            allowed=suits(task),
            hint=nearest(name, suits(task)),
        )
    component = find("metrics", name)
    if _task_of(component) not in (task, None):
        what = {"number": "numbers", "class": "classes", "text": "texts"}.get(task, task)
        raise RecipeError(
            f"The metric {name!r} does not suit a target of {what}.", allowed=suits(task)
        )
    return Measure(title, component, bind(component, given))


def _task_of(component: Component) -> str | None:
    """The module of a metric says what it is for; a user's own may be for anything."""
    package, _, module = component.function.__module__.rpartition(".")
    if not package.startswith("assay."):
        return None
    return _TASKS[module]
