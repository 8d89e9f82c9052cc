"""What a component's signature is written in.

The types below say what the build needs to know and nothing else: which parameters name columns,
whether a function may see one shard of rows at a time or must see the whole table, and what it
gives back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BeforeValidator, WithJsonSchema


@dataclass(frozen=True)
class Mark:
    """What an annotation means to the build: `Rows`, `Column`, … carry one each."""

    means: str


# What a step is given as its first argument.
Rows = Annotated[pl.DataFrame, Mark("rows")]
"""Full rows of one shard; what is said of a row may depend on that row only."""
Table = Annotated[pl.DataFrame, Mark("table")]
"""All rows that are still in, but only the narrow columns that the parameters name, and `_row`
(UInt64, the row's hash; `_cluster` and `_split` once a step has set them, and for splits `_was`,
the row's side in the version before)."""
Kept = Annotated[pl.DataFrame, Mark("kept")]
"""All rows that are still in, with `_row`, `_split` (once a step has set it) and the columns that
the parameters name, all fields where a parameter of columns is None. A step that takes them learns
from them, so it stands behind the split and learns from the rows of `train` only."""

# What a step gives back: `Rows` (the same rows, changed), decisions about them, or `Learned`.
Decisions = Annotated[pl.DataFrame, Mark("decisions")]
"""As many rows as were given, in order: `rule` (null: the row stays), `value`, `threshold`, and
for table steps optionally `twin` (`_row` of the row that made this one superfluous), `cluster`
(UInt64), `split` (null: leave as it is) and `fold` (Int32)."""


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


# What a parameter names. One column may be written without a list.
_Names = Annotated[
    list[str],
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Columns = Annotated[_Names, Mark("value")]
Column = Annotated[str, Mark("value")]
Keys = Annotated[_Names, Mark("key")]
"""Columns of which a table step needs equality only; it may be handed their hashes."""
Texts = Annotated[_Names, Mark("sketched")]
"""Columns that a table step sees through its `Sketch` only."""
Expression = Annotated[str, Mark("expression")]
"""A SQL expression over the columns of one row, for instance `price > 5 AND title IS NOT NULL`."""
Source = Annotated[Any, Mark("source")]
"""Another source, as a recipe's `source`, or a version's folder. A table step with a sketch is
handed the `Sketches` of its rows instead."""
NewNumber = Annotated[str, Mark("new number")]
NewInteger = Annotated[str, Mark("new integer")]
NewText = Annotated[str, Mark("new string")]
"""The name of a field that the step makes."""


@dataclass(frozen=True)
class Sketch:
    """What a table step notes of each row in the first pass, where the row's text is at hand.

    It stands beside the mark of the first argument: `Annotated[Table, Sketch(shingled)]`. The
    function takes rows and gives one line a row; its keyword-only parameters bear names of the
    step's and are all that decides a sketch, so changing another parameter reads no text again.
    """

    function: Callable[..., pl.DataFrame]


@dataclass(frozen=True)
class Sketches:
    """What a step with a `Sketch` is handed in place of a frame.

    Attributes:
        rows: as `Table`, with the flat columns of the sketch.
        wide: the list columns of the sketch for some rows, by their places in `rows`. They stay
            on disk, since only few rows are ever looked at twice.
    """

    rows: pl.DataFrame
    wide: Callable[[npt.NDArray[np.int64]], pl.DataFrame]

    @classmethod
    def of(
        cls,
        frame: pl.DataFrame | Sketches,
        sketch: Callable[..., pl.DataFrame],
        parameters: Mapping[str, Any],
    ) -> Sketches:
        """Sketch a frame here and now, for a step that is called with one.

        >>> def length(rows, *, columns):
        ...     return rows.select(length=pl.col(columns[0]).str.len_chars())
        >>> made = Sketches.of(pl.DataFrame({"t": ["ab"]}), length, {"columns": ["t"]})
        >>> made.rows["length"].to_list()
        [2]
        """
        if isinstance(frame, Sketches):
            return frame
        noted = sketch(frame, **parameters)
        flat = [name for name, dtype in noted.schema.items() if not dtype.is_nested()]
        lists = noted.drop(flat)
        rows = frame.drop(flat, strict=False).hstack(noted.select(flat))
        return cls(rows, lambda places: lists[pl.Series(places, dtype=pl.UInt32)])


@dataclass(frozen=True)
class Learned:
    """What a step that learned from the rows gives back; every part may be left out.

    Attributes:
        decisions: one line for every row that was given, as `Decisions`.
        changed: one line for every row that was given, with the columns that it replaces or adds.
        dropped: fields that leave the version.
        added: synthetic rows of `train`: `_parent` (`_row` of a row that was given), and the
            columns in which they differ from it.
        weight: the column, among `changed`, that weighs rows when models are fitted.
        findings: what was learned, as plain values for the manifest and the report.
    """

    decisions: pl.DataFrame | None = None
    changed: pl.DataFrame | None = None
    dropped: Sequence[str] = ()
    added: pl.DataFrame | None = None
    weight: str | None = None
    findings: Mapping[str, Any] = field(default_factory=dict)
