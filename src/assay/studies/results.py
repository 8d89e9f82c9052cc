"""What the results of all studies have in common: a table, sentences, plain values."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

import assay
from assay.rows import as_pandas

if TYPE_CHECKING:
    import pandas as pd


class Result:
    """A study's result: subclasses say their table, their sentences and their plain values."""

    def to_polars(self) -> pl.DataFrame:
        """The main table as a Polars frame."""
        raise NotImplementedError

    def sentences(self) -> Sequence[str]:
        """What the study found, in plain words."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        raise NotImplementedError

    def to_document(self) -> dict[str, Any]:
        """All of it as plain values, with the sentences and the table that a page shows."""
        return {
            **self.to_dict(), "sentences": list(self.sentences()), "table": self._table(),
        }  # fmt: skip

    def _table(self) -> list[list[str]]:
        return _cells(self.to_polars())

    def to_json(self) -> str:
        """All of it as an indented JSON document."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False)

    def to_pandas(self) -> pd.DataFrame:
        """The main table as a pandas frame."""
        return as_pandas(self.to_polars())

    def __repr__(self) -> str:
        return "\n".join([_aligned(self._table()), "", *self.sentences()]).strip()

    def _repr_html_(self) -> str:
        head, *body = [[html.escape(cell) for cell in line] for line in self._table()]
        top = "".join(f"<th>{cell}</th>" for cell in head)
        rows = "".join("<tr>" + "".join(f"<td>{c}</td>" for c in line) + "</tr>" for line in body)
        told = "".join(f"<p>{html.escape(line)}</p>" for line in self.sentences())
        drawn = assay.charts(self)._repr_html_()
        return f"{drawn}<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>{told}"


def short(value: float | None) -> str:
    """Three digits, and a dash for what is not known.

    >>> short(0.12345), short(12345.6), short(None)
    ('0.123', '12,346', '–')
    """
    if value is None:
        return "–"
    rounded = float(f"{value:.3g}") + 0
    return f"{value:,.0f}" if abs(rounded) >= 1000 else f"{rounded:g}"


def bounds(low: float | None, high: float | None) -> str:
    """An interval in words.

    >>> bounds(0.25, 0.5), bounds(None, 1.0)
    ('95 % 0.25 to 0.5', 'no interval')
    """
    if low is None or high is None:
        return "no interval"
    return f"95 % {short(low)} to {short(high)}"


def finite(value: Any) -> float | None:
    """A plain float, or None for what is missing or not finite.

    >>> finite(float("nan")), finite(2)
    (None, 2.0)
    """
    return float(value) if value is not None and math.isfinite(value) else None


def plain(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The lines of a small frame as mappings that JSON can hold."""
    lines: list[dict[str, Any]] = [
        {name: _plain(value) for name, value in row.items()} for row in frame.iter_rows(named=True)
    ]
    return lines


def _plain(value: Any) -> Any:
    return finite(value) if isinstance(value, float) else value


def _cells(frame: pl.DataFrame) -> list[list[str]]:
    body = [[_cell(value) for value in row] for row in frame.iter_rows()]
    return [list(frame.columns), *body]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{value:,}" if isinstance(value, int) else short(value)


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def named(values: Mapping[str, Any]) -> str:
    """Parameters in words.

    >>> named({"ngrams": 2})
    'ngrams = 2'
    """
    return ", ".join(f"{name} = {value}" for name, value in values.items())
