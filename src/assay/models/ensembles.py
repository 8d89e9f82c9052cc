"""Models made of other models: the average of the best, and one whose settings are searched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.component import bind, find
from assay.errors import ModelError, nearest
from assay.models._prepare import Answer, Floats, Lesson, prepare
from assay.models._search import search
from assay.models._spaces import space_of
from assay.models.baselines import is_baseline
from assay.models.outside import is_outside
from assay.models.training import Fitted, Models, Training

__all__ = ["average", "tuned"]

ALONE = ("tabular_linear", "tfidf_linear", "boosted_trees")
"""What is averaged where there are no other models."""


@dataclass(frozen=True)
class _Average:
    answer: Answer
    members: Mapping[str, Any]
    shares: Mapping[str, float]

    @property
    def chosen(self) -> Mapping[str, Any]:
        return {"shares": dict(self.shares)}

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        if not rows.height:
            return self.answer.nothing()
        parts = [
            share * _outputs(self.members[title].predict(rows), self.answer)
            for title, share in self.shares.items()
        ]
        return self.answer.frame(np.sum(parts, axis=0))


@dataclass(frozen=True)
class _Tuned:
    model: Any
    parameters: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...]

    @property
    def chosen(self) -> Mapping[str, Any]:
        return {**self.parameters, **getattr(self.model, "chosen", {})}

    @property
    def history(self) -> Sequence[Mapping[str, Any]]:
        return self.trials

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        found: pl.DataFrame = self.model.predict(rows)
        return found


def average(training: Training, *, of: Models = None, picks: int = 10) -> Fitted:
    """Average the models of the recipe that predict the validation rows best together.

    From the best one on, the model is added that lowers the loss of the mean most, the same one
    again if need be, until none does (Caruana et al. 2004, Ensemble Selection from Libraries of
    Models). Probabilities are averaged, and numbers on the scale on which they are learned.
    Without validation rows all models count alike.

    Args:
        training: what to learn from.
        of: titles of the models to choose from; all but the baselines and what comes from
            outside where it is left out.
        picks: most models that are added up; few picks cannot follow the noise.

    Raises:
        ModelError: there is no such model, or none that can be averaged.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(40)]})
    >>> training = Training(
    ...     rows=rows, target=rows["size"] * 2, validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="number", classes=(),
    ...     kinds={"size": "number"},
    ... )
    >>> sorted(average(training).chosen["shares"])
    ['boosted_trees', 'tabular_linear']
    """
    lesson = prepare(training, "average", log=None)
    peers = _peers(training, of)
    names = list(peers)
    if not names:
        raise ModelError(
            "average finds no other model to average.",
            allowed="models in the recipe that learn, beside the baselines",
        )
    if not len(lesson.other_y):
        shares = dict.fromkeys(names, 1 / len(names))
        return _Average(lesson.answer, peers, shares)
    said = {title: _outputs(peers[title].predict(lesson.other), lesson.answer) for title in names}
    picked = Counter(_picked(lesson, said, picks))
    total = picked.total()
    shares = {title: picked[title] / total for title in names if picked[title]}
    return _Average(lesson.answer, {title: peers[title] for title in shares}, shares)


def tuned(
    training: Training,
    *,
    model: str,
    space: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    trials: int = 20,
    seconds: float = 60.0,
) -> Fitted:
    """Search the settings under which a model predicts the validation rows best.

    The first trial takes the model's own defaults, the others are drawn by the tree-structured
    Parzen estimator (Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization) in Optuna.
    The loss is the log loss of classes, the squared error of numbers on the scale on which they
    are learned. Without validation rows 15 % of the train rows judge, and the best settings learn
    from all. The test rows are never looked at. Trials are noted as they end, so that a search
    that was interrupted goes on where it was.

    Args:
        training: what to learn from.
        model: the model to tune.
        space: for each parameter `[low, high]`, or `{choices: […]}`; the model's own by default.
        given: parameters that are not searched.
        trials: most trials.
        seconds: no trial begins later than this; with a search that ends by time, the result
            depends on the machine.

    Raises:
        MissingExtra: Optuna is not installed.
        ModelError: the model cannot be fitted with any settings.
        RecipeError: there is no such model, or the space cannot be searched.

    >>> import polars as pl
    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(40)]})
    >>> training = Training(
    ...     rows=rows, target=rows["size"] * 2, validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="number", classes=(),
    ...     kinds={"size": "number"},
    ... )
    >>> space = {"strategy": {"choices": ["mean"]}}
    >>> found = tuned(training, model="constant", space=space, trials=1)
    >>> found.predict(rows)["prediction"][0]
    39.0
    """
    component = find("models", model)
    fixed = dict(given or {})
    wanted = space_of(model, space)
    bind(component, fixed)
    for name in wanted:
        if name not in component.parameters.model_fields or name in fixed:
            raise ModelError(
                f"tuned: {name!r} is no parameter of {model} to search.",
                allowed=[one for one in component.parameters.model_fields if one not in fixed],
                hint=nearest(name, component.parameters.model_fields),
            )
    lesson = prepare(training, "tuned", log=None)
    lessons = _parted(training, lesson)
    judges = prepare(lessons, "tuned", log=None)
    if not len(judges.other_y):
        # So few rows can choose nothing.
        return _Tuned(component.function(training, **bind(component, fixed)), {}, ())

    def tried(parameters: Mapping[str, Any]) -> tuple[float, Fitted]:
        settings = bind(component, {**fixed, **parameters})
        fitted: Fitted = component.function(lessons, **settings)
        said = _outputs(fitted.predict(judges.other), lesson.answer)
        return lesson.loss(said, judges.other_y, judges.other_weights), fitted

    found = search(
        tried, wanted, trials=trials, seconds=seconds, seed=training.seed, notes=training.notes
    )
    fitted = found.fitted
    if fitted is None or lessons is not training:
        fitted = component.function(training, **bind(component, {**fixed, **found.parameters}))
    return _Tuned(fitted, found.parameters, found.trials)


def _peers(training: Training, of: list[str] | None) -> Mapping[str, Fitted]:
    if training.peers or of is not None:
        unknown = [title for title in of or () if title not in training.peers]
        if unknown:
            raise ModelError(
                f"average: there is no fitted model {unknown[0]!r}.",
                allowed=list(training.peers),
                hint=nearest(unknown[0], training.peers),
            )
        return {
            title: fitted
            for title, fitted in training.peers.items()
            if (title in of if of is not None else not is_baseline(fitted))
            and not is_outside(fitted)
        }
    found: dict[str, Fitted] = {}
    for name in ALONE:
        try:
            found[name] = find("models", name).function(training)
        except ModelError:
            # It has nothing it could learn from, such as words where there is no text.
            continue
    return found


def _picked(lesson: Lesson, said: Mapping[str, Floats], picks: int) -> list[str]:
    total: Any = 0.0
    picked: list[str] = []
    best = np.inf
    while len(picked) < picks:
        losses = {
            title: lesson.loss(
                (total + one) / (len(picked) + 1), lesson.other_y, lesson.other_weights
            )
            for title, one in said.items()
        }
        title = min(losses, key=losses.__getitem__)
        if not losses[title] < best:
            break
        best, total = losses[title], total + said[title]
        picked.append(title)
    if not picked:
        raise ModelError("average finds no other model whose predictions can be averaged.")
    return picked


def _outputs(found: pl.DataFrame, answer: Answer) -> Floats:
    """Predictions on the scale that is learned: values, or a column for each class present."""
    if not answer.classes:
        values = found["prediction"].cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
        return np.log1p(np.maximum(values, 0.0)) if answer.log else values
    names = [f"proba_{answer.classes[place]}" for place in answer.present]
    if not set(names) <= set(found.columns):
        return np.full((found.height, len(names)), np.nan)
    return found.select(pl.col(names).cast(pl.Float64).fill_null(np.nan)).to_numpy()


def _parted(training: Training, lesson: Lesson) -> Training:
    """The training with validation rows: its own, or else some of the train rows."""
    if len(lesson.other_y):
        return training
    learns, judges = lesson.trial()
    if not len(judges):
        return training
    weights = lesson.weights
    return Training(
        rows=lesson.rows[learns],
        target=_target(training, lesson, learns),
        validation_rows=lesson.rows[judges],
        validation_target=_target(training, lesson, judges),
        row=lesson.row[learns],
        task=training.task,
        classes=training.classes,
        kinds=training.kinds,
        seed=training.seed,
        weights=None if weights is None else pl.Series(weights[learns]),
        validation_weights=None if weights is None else pl.Series(weights[judges]),
    )


def _target(training: Training, lesson: Lesson, places: Any) -> pl.Series:
    values = lesson.answer.learned(training.target)
    order = np.argsort(training.row.to_numpy(), kind="stable")
    order = order[~np.isnan(values[order])]
    some: pl.Series = training.target[order[places]]
    return some
