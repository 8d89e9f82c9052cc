"""What a check is given, and what it says."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.contract.reading import NULL_WORDS
from assay.recipe import FieldSpec

Severity = Literal["error", "warning", "note"]
Status = Literal["found", "passed", "skipped", "not applicable"]


@dataclass(frozen=True)
class Code:
    """Stands in a check's return annotation: `Annotated[list[Finding], Code("F101", "warning")]`.

    Attributes:
        code: stable; it never names another check.
        severity: how bad it is when the check does not say otherwise.
    """

    code: str
    severity: Severity


@dataclass(frozen=True)
class Finding:
    """One thing that a check saw.

    Attributes:
        says: one sentence with its numbers.
        action: what to do about it, in one sentence.
        field: the field it is about, if it is about one.
        rows: places (UInt32) in `Inspected.rows` of the rows it is about.
        values: for each of `rows`, what should stand there instead, where the check can tell.
        measured: the numbers behind it, as plain values.
        step: a step for the recipe that sets it right, as plain values.
        severity: where it differs from the check's own.
        hidden: no report may show the values, only what should stand there instead.
    """

    says: str
    action: str
    field: str | None = None
    rows: pl.Series | None = None
    values: pl.Series | None = None
    measured: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    step: Mapping[str, Any] | None = None
    severity: Severity | None = None
    hidden: bool = False


class NotApplicable(Exception):  # noqa: N818 - no error: an answer
    """The data has nothing that this check could look at; the text says what."""


class Skipped(Exception):  # noqa: N818 - no error: an answer
    """The check was not run; the text says why and what would let it run."""


@dataclass(frozen=True)
class Inspected:
    """The rows that checks look at.

    Attributes:
        rows: typed by the contract; `_row` is their identity.
        written: the same rows as they were written, all text, nulls as they were.
        fields: the contract of each field, given or inferred.
        target: what models would learn, if anything.
        task: what the target is.
        sources: for each row the name of the file it came from.
        total: how many rows there are, of which these may be a sample.
        seed: for whatever is random.
    """

    rows: pl.DataFrame
    written: pl.DataFrame
    fields: Mapping[str, FieldSpec]
    target: str | None = None
    task: Literal["number", "class"] | None = None
    sources: pl.Series | None = None
    total: int = 0
    seed: int = 0

    @functools.cached_property
    def numbers(self) -> Sequence[str]:
        """The fields of numbers."""
        return [name for name, spec in self.fields.items() if spec.type in ("integer", "number")]

    @functools.cached_property
    def texts(self) -> Sequence[str]:
        """The fields of free text."""
        return [name for name, spec in self.fields.items() if spec.type == "string"]

    @functools.cached_property
    def categories(self) -> Sequence[str]:
        """The fields whose values recur."""
        kinds = ("category", "boolean")
        return [name for name, spec in self.fields.items() if spec.type in kinds]

    @functools.cached_property
    def _seen(self) -> dict[tuple[str, str], Any]:
        """What several checks need of a column, found once."""
        return {}

    def filled(self, field: str) -> pl.Series:
        """Boolean; there is something in the field that is no word for nothing."""
        key = ("filled", field)
        if key not in self._seen:
            words = self.written[field].str.strip_chars().str.to_lowercase()
            blank = words.is_in(sorted(NULL_WORDS)).fill_null(True)
            self._seen[key] = (~blank).alias(field)
        filled: pl.Series = self._seen[key]
        return filled

    def counts(self, field: str) -> pl.DataFrame:
        """The distinct texts of a field, `text` and `count`, the most frequent first."""
        key = ("counts", field)
        if key not in self._seen:
            texts = self.written[field].filter(self.filled(field)).alias("text")
            self._seen[key] = texts.value_counts(name="count").sort(
                "count", "text", descending=[True, False]
            )
        counts: pl.DataFrame = self._seen[key]
        return counts

    def codes(self, field: str) -> npt.NDArray[np.int32]:
        """For each row the place of its text in `counts`; -1 where there is none."""
        key = ("codes", field)
        if key not in self._seen:
            known = self.counts(field).with_row_index("code")
            texts = self.written.select(text=pl.col(field))
            found = texts.join(known, on="text", how="left", maintain_order="left")["code"]
            self._seen[key] = found.cast(pl.Int32).fill_null(-1).to_numpy()
        codes: npt.NDArray[np.int32] = self._seen[key]
        return codes

    def rows_of(self, field: str) -> int:
        """How many rows have a value in the field."""
        return int(self.filled(field).sum())


def places(mask: pl.Series | npt.NDArray[np.bool_]) -> pl.Series:
    """The places of the rows for which a mask is true, as `Finding.rows` holds them.

    >>> places(pl.Series([False, True])).to_list()
    [1]
    """
    if isinstance(mask, pl.Series):
        mask = mask.fill_null(False).to_numpy()
    return pl.Series("row", np.flatnonzero(mask), dtype=pl.UInt32)


def commonest(values: pl.Series) -> list[str]:
    """The distinct values, the most frequent first, whatever the order of rows.

    >>> commonest(pl.Series(["b", "a", "b"]))
    ['b', 'a']
    """
    counts = values.alias("value").value_counts(name="rows")
    return counts.sort("rows", "value", descending=[True, False])["value"].to_list()


def counted(count: int, one: str, many: str) -> str:
    """How many, and the words for one or for several.

    >>> counted(1, "value is", "values are"), counted(1200, "value is", "values are")
    ('1 value is', '1,200 values are')
    """
    return f"{count:,} {one if count == 1 else many}"


def quoted(values: Iterable[Any], *, most: int = 3) -> str:
    """A few values as a sentence shows them.

    >>> quoted(["a", "b"])
    "'a', 'b'"
    """
    shown = [str(value) for value in itertools.islice(values, most + 1)]
    cut = [repr(text if len(text) <= 60 else text[:59] + "…") for text in shown[:most]]
    return ", ".join(cut) + (", …" if len(shown) > most else "")
