"""What an improvement would bring, tried out on rows that neither train nor test knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from assay.component import bind, find
from assay.errors import AssayError
from assay.evaluation.evaluate import score
from assay.evaluation.fits import Held
from assay.evaluation.measures import Measure
from assay.evaluation.truth import Truth
from assay.models.training import Training
from assay.recipe import Use
from assay.rows import content_hash, uniform

Kind = Literal["tried out", "upper bound", "forecast", "not estimated"]
_OTHERS = ("assay.models.outside", "assay.models.ensembles")
ENOUGH = 50
"""Validation rows from which they alone judge what is tried out."""
LEARN_FROM = 20_000
"""Training rows that are learned from at most when something is tried out."""


@dataclass(frozen=True)
class Gain:
    """By how much the first metric would get better; below 0 it would get worse.

    Attributes:
        value: of the gain, in the metric's own unit, None where it cannot be said.
        low: end of its 95 % interval.
        high: the other end.
        kind: `tried out`, `upper bound`, `forecast` or `not estimated`.
        how: how it was estimated, or why it was not.
    """

    value: float | None
    low: float | None
    high: float | None
    kind: Kind
    how: str

    @property
    def worse(self) -> bool:
        """Whether it is sure that the metric would get worse."""
        return self.high is not None and self.high < 0

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return dict(vars(self))

    def __str__(self) -> str:
        if self.value is None:
            return f"not estimated: {self.how}"
        known = self.low is not None and self.high is not None
        ends = f" ({self.low:.3g} to {self.high:.3g})" if known else ""
        return f"{self.value:+.3g}{ends}, {self.kind}: {self.how}"


def unknown(why: str) -> Gain:
    """No estimate, and the reason.

    >>> str(unknown("no rows"))
    'not estimated: no rows'
    """
    return Gain(None, None, None, "not estimated", why)


def of_difference(
    measure: Measure, moved: tuple[float, float, float], kind: Kind, how: str
) -> Gain:
    """A change of the metric, as a gain.

    Args:
        measure: the metric.
        moved: the value afterwards minus the value before, and the ends of its interval.
        kind: how sure that is.
        how: how it was estimated.
    """
    if measure.better == "nearest":
        return unknown(f"{measure.title} is best neither high nor low")
    value, low, high = moved
    if measure.better == "higher":
        return Gain(value, low, high, kind, how)
    # Without the sum a gain of nothing would be one of -0.
    return Gain(0.0 - value, 0.0 - high, 0.0 - low, kind, how)


@dataclass(frozen=True, eq=False)
class Trial:
    """One model, fitted on training rows and held against rows kept apart for this.

    Attributes:
        training: what it learns from; without validation rows, which judge here.
        rows: the inputs of the rows that judge.
        truth: their targets.
        use: the model.
        measure: the metric that counts.
        asked: the same as a recipe writes it.
        said: what the model predicts as things are.
        where: which rows judge, in words.
    """

    training: Training
    rows: pl.DataFrame
    truth: Truth
    use: Use
    measure: Measure
    asked: Use | str
    said: pl.DataFrame
    where: str

    def gain(
        self,
        change: Callable[[Training], Training] | None = None,
        *,
        use: Use | None = None,
        rows: pl.DataFrame | None = None,
        seen: Callable[[str], None] | None = None,
    ) -> Gain:
        """Fit once more with something changed, and compare on the same rows.

        Args:
            change: of what is learned from.
            use: another model.
            rows: the rows that judge, where they change as well.
            seen: called with the sentence of the comparison.
        """
        used = use or self.use
        try:
            training = change(self.training) if change else self.training
            after = _fit(used, training).predict(self.rows if rows is None else rows)
        except AssayError as refused:
            return unknown(refused.what)
        except (ValueError, ArithmeticError, MemoryError) as failed:
            # A model that fails here must not take the other actions with it.
            return unknown(f"{used.title} failed: {type(failed).__name__}: {failed}")
        found = score(
            self.truth, {"before": self.said, "after": after}, [self.asked],
            seed=training.seed, pairs=[("after", "before")],
        ).comparisons  # fmt: skip
        one = next((line for line in found if {line.a, line.b} == {"before", "after"}), None)
        if one is None or one.low is None or one.high is None:
            return unknown("the metric cannot be compared on the rows that judge")
        sign = 1.0 if one.a == "after" else -1.0
        ends = sorted((sign * one.low, sign * one.high))
        how = f"{used.title} fitted again, on {self.where}"
        return of_difference(
            self.measure,
            (sign * one.difference + 0.0, ends[0] + 0.0, ends[1] + 0.0),
            "tried out",
            how,
        )


def trial(held: Held, use: Use, measure: Measure, asked: Use | str) -> Trial:
    """Keep rows apart that judge, and fit the model on the others as things are.

    The validation rows judge where there are 50 or more, else a fifth of the training rows, drawn
    by their content; test rows are not touched, since choosing by them would spoil the score.

    Raises:
        ModelError: the model cannot be fitted.
    """
    training = held.training
    if training.validation_rows.height >= ENOUGH:
        rows, target = training.validation_rows, training.validation_target
        where, learn = "the validation rows", training
    else:
        chance = uniform(content_hash(training.rows), training.seed, "improve.judge")
        apart = pl.Series(chance < 0.2)
        rows, target = training.rows.filter(apart), training.target.filter(apart)
        learn = of_training(training, (~apart).to_numpy())
        where = "a fifth of the training rows"
    learn = replace(
        learn,
        validation_rows=training.validation_rows.clear(),
        validation_target=training.validation_target.clear(),
        validation_weights=None,
    )
    if learn.rows.height > LEARN_FROM:
        drawn = uniform(learn.row, learn.seed, "improve.learn")
        kept = np.zeros(learn.rows.height, dtype=bool)
        kept[np.argpartition(drawn, LEARN_FROM)[:LEARN_FROM]] = True
        where += f", learning from {LEARN_FROM:,} of {learn.rows.height:,} rows"
        learn = of_training(learn, kept)
    ids = pl.Series("row_id", np.arange(rows.height)).cast(pl.String)
    truth = replace(
        held.truth, ids=ids, values=target, inputs=None, groups=None, weights=None,
        classes=training.classes, split="validation",
    )  # fmt: skip
    said = _fit(use, learn).predict(rows)
    return Trial(learn, rows, truth, use, measure, asked, said, where)


def alone(use: Use) -> bool:
    """Whether a model is fitted here, by itself and once.

    Not those that are made of others, tuned for as long as they may, or made elsewhere.

    >>> alone(Use(name="boosted_trees")), alone(Use(name="people"))
    (True, False)
    """
    return find("models", use.name).function.__module__ not in _OTHERS


def of_training(training: Training, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> Training:
    """The same lesson with some of its training rows only."""
    mask = pl.Series(kept)
    weights = training.weights.filter(mask) if training.weights is not None else None
    return replace(
        training,
        rows=training.rows.filter(mask),
        target=training.target.filter(mask),
        row=training.row.filter(mask),
        weights=weights,
    )


def without_fields(training: Training, fields: list[str]) -> Training:
    """The same lesson without some of the inputs."""
    return replace(
        training,
        rows=training.rows.drop(fields),
        validation_rows=training.validation_rows.drop(fields),
        kinds={name: kind for name, kind in training.kinds.items() if name not in fields},
    )


def _fit(use: Use, training: Training) -> Any:
    component = find("models", use.name)
    return component.function(training, **bind(component, use.given))
