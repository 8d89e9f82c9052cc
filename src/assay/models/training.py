"""What a model is given to learn from, and what it must be able to do afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol

import polars as pl

from assay.marks import Mark
from assay.recipe import FieldType

__all__ = ["Fitted", "Models", "Training"]

Models = Annotated[list[str] | None, Mark("models")]
"""Titles of other models of the recipe, None for all of them. A model with such a parameter is
fitted after them and finds them in `Training.peers`."""


@dataclass(frozen=True)
class Training:
    """The rows a model may learn from.

    Attributes:
        rows: the inputs of the train split, one typed column for each field.
        target: what to learn, aligned with `rows`: Float64 for numbers, String for classes.
        validation_rows: inputs of the validation split, in the same layout; may hold no rows.
            They decide when to stop and how strongly to regularise, nothing else.
        validation_target: the target of the validation rows.
        row: the UInt64 id of each train row; models learn in the order of these ids, so the
            order of `rows` does not matter.
        task: what the target is.
        classes: every class there is, in the order of the probability columns; empty for numbers.
        kinds: the type of every input field. `string` is free text, `category` and `boolean` are
            categories, `integer` and `number` are numbers; `list` and `object` are not looked at.
        seed: the recipe's seed.
        weights: how much each train row counts, above 0, where a step of the recipe weighs rows;
            None: all count alike. The baselines `constant` and `random` do not look at them.
        validation_weights: the same of the validation rows, null counting as 1.
        peers: the recipe's other models by title, already fitted, for a model that is made of
            them.
        notes: a file in which a long search may note what it has done, to go on where it was.
    """

    rows: pl.DataFrame
    target: pl.Series
    validation_rows: pl.DataFrame
    validation_target: pl.Series
    row: pl.Series
    task: Literal["number", "class"]
    classes: tuple[str, ...]
    kinds: Mapping[str, FieldType]
    seed: int = 0
    weights: pl.Series | None = None
    validation_weights: pl.Series | None = None
    peers: Mapping[str, Fitted] = field(default_factory=dict)
    notes: Path | None = None


class Fitted(Protocol):
    """A model that has learned.

    It may also have `chosen`, a mapping of what was chosen on rows that were not learned from,
    and `history`, a sequence of mappings: the learning curve, or the trials of a search.
    """

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Predict each row of a frame laid out like `Training.rows`.

        Returns:
            As many rows, in order: `prediction` (Float64 or String) and, for classes, one
            Float64 column `proba_<class>` for each class, which sum to 1 in every row.
        """
        ...
