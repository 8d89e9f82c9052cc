"""One shard of delimited text to rows of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import csv as arrow_csv

from assay.errors import SourceError
from assay.sources.grammar import (
    Dialect,
    Positions,
    patterns,
    pieces,
    quotes,
    record_starts,
    suspicious,
)
from assay.sources.loaded import Loaded, Reject, count_lines, loaded, with_columns
from assay.sources.text import to_utf8

_NO_MARKS = np.empty(0, dtype=np.int64)

_INTEGER = r"^\s*[+-]?(?:0|[1-9]\d{0,17})\s*$"
_NUMBER = r"^\s*[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[nN]a[nN]|[iI]nf(?:inity)?)\s*$"
_LEADING_ZERO = r"^\s*[+-]?0\d"
_BOOLEAN = r"^(?i:true|false|yes|no)$"
_DATETIME = (
    r"^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?$"
)


def load(
    raw: bytes, dialect: Dialect, columns: Sequence[str] | None = None, *, first: bool = True
) -> Loaded:
    """Read a shard of delimited text; every column is text, an empty unquoted field is null.

    `first` says that the shard is the file's first one, which carries the header. Lines that
    are no records of the right width are set aside one by one.

    >>> found = load(b'id,name\\n1,"a, b"\\n2\\n', Dialect(columns=("id", "name"), head=8))
    >>> found.rows.rows(), found.lines.to_list(), found.rejects.rows()
    ([('1', 'a, b')], [2], [(3, '2', 'expected 2 fields, found 1')])
    """
    head = dialect.head if first else 0
    data, note = to_utf8(raw[head:], dialect.encoding)
    offset = raw.count(b"\n", 0, head)
    wanted = None if columns is None else [name for name in columns if name in dialect.columns]
    rows, starts, rejects = _fast(data, dialect, wanted) or _careful(data, dialect, wanted)
    return loaded(
        with_columns(rows, columns, pl.String()),
        starts + offset,
        count_lines(data) + offset,
        rejects=[(line + offset, text, problem) for line, text, problem in rejects],
        notes=[note],
    )


Parsed = tuple[pl.DataFrame, Positions, list[Reject]]


def _fast(data: bytes, dialect: Dialect, wanted: list[str] | None) -> Parsed | None:
    """Read with Arrow, if it is certain that no quote can swallow lines; None otherwise."""
    marks: Positions | None = _NO_MARKS
    if dialect.quote is not None and dialect.quote.encode() in data:
        marks = None if dialect.skip_space else quotes(data, dialect)
    if marks is None or _lone_returns(data, marks):
        return None
    rows, bad = _arrow(data, dialect, wanted)
    lines = count_lines(data)
    if dialect.skip_space:
        rows = rows.with_columns(pl.all().str.strip_chars_start(" ").replace({"": None}))
    if rows.height + len(bad) == lines:
        starts = np.arange(1, lines + 1)
    else:
        begins = record_starts(data, marks)
        several = len(marks) > 0 and (bad or suspicious(data, begins, marks, dialect))
        if several or rows.height + len(bad) != len(begins):
            return None
        starts = _line_numbers(data, begins)
    numbers = [number - 1 for number, *_ in bad]
    rejects = [
        (int(starts[at]), text, f"expected {len(dialect.columns)} fields, found {found}")
        for at, (_, found, text) in zip(numbers, bad, strict=True)
    ]
    return rows, np.delete(starts, numbers), rejects


def _careful(data: bytes, dialect: Dialect, wanted: list[str] | None) -> Parsed:
    """Read record by record what Arrow might misread, then parse the good ones with Arrow."""
    good: list[tuple[int, int]] = []
    bad: list[tuple[int, int, str]] = []
    for piece in pieces(data, dialect):
        if piece.problem is None:
            good.append((piece.start, piece.stop))
        else:
            bad.append((piece.start, piece.stop, piece.problem))
    text = _plain(b"".join(data[start:stop] for start, stop in good), dialect)
    rows, refused = _arrow(text, dialect, wanted)
    if rows.height != len(good) or refused:
        raise SourceError(
            "Two readings of this delimited text disagree.",
            received=f"{rows.height} and {len(good)} records",
            hint="give `delimiter` and `quote` under `read`, or convert the file to JSONL",
        )
    starts = np.array([start for start, _ in good] + [start for start, *_ in bad], dtype=np.int64)
    lines = _line_numbers(data, starts)
    rejects = [
        (int(line), data[start:stop].decode().rstrip("\r\n"), problem)
        for line, (start, stop, problem) in zip(lines[len(good) :], bad, strict=True)
    ]
    return rows, lines[: len(good)], rejects


def _plain(text: bytes, dialect: Dialect) -> bytes:
    """Write records without escapes and padding, which Arrow does not know or reads otherwise."""
    grammar = patterns(dialect)
    if dialect.escape and dialect.quote:
        mark = dialect.quote.encode()
        escaped = re.compile(re.escape(dialect.escape.encode()) + rb"([\s\S])")

        def doubled(field: re.Match[bytes]) -> bytes:
            body = escaped.sub(
                lambda found: mark * 2 if found[1] == mark else _unescaped(found), field[0][1:-1]
            )
            return mark + body + mark

        text = grammar.quoted.sub(doubled, text)
    if dialect.skip_space:
        text = grammar.padding.sub(lambda found: found[1] or found[2], text)
    return text


def _unescaped(found: re.Match[bytes]) -> bytes:
    """A backslash escapes quotes and itself; before anything else it is a letter."""
    return found[1] if found[1] == found[0][:1] else found[0]


def _arrow(
    data: bytes, dialect: Dialect, wanted: list[str] | None
) -> tuple[pl.DataFrame, list[tuple[int, int, str]]]:
    """Parse with Arrow; also (record number, fields found, text) of records of another width."""
    bad: list[tuple[int, int, str]] = []

    def refuse(row: Any) -> str:
        bad.append((row.number, row.actual_columns, row.text))
        return "skip"

    names = list(dialect.columns)
    keep = names if wanted is None else wanted
    if not data.strip(b"\r\n") or not names:
        return pl.DataFrame(schema=dict.fromkeys(keep, pl.String)), []
    # At least one column is read, since a frame without columns has no height.
    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(
            use_threads=False, block_size=min(len(data) + 1, 2**31 - 1), column_names=names
        ),
        parse_options=arrow_csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            double_quote=dialect.quote is not None,
            newlines_in_values=True,
            invalid_row_handler=refuse,
        ),
        convert_options=arrow_csv.ConvertOptions(
            check_utf8=False,
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            include_columns=keep or names[:1],
        ),
    )
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return frame, bad


def _lone_returns(data: bytes, marks: Positions) -> bool:
    """Say whether a carriage return stands alone outside of quotes, where Arrow ends a record."""
    if b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"):
        return False
    letters = np.frombuffer(data, dtype=np.uint8)
    returns = np.flatnonzero(letters == 13)
    lone = returns[letters[np.minimum(returns + 1, len(data) - 1)] != 10]
    return bool((np.searchsorted(marks, lone) % 2 == 0).any())


def _line_numbers(data: bytes, starts: Positions) -> Positions:
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    return np.searchsorted(ends, starts) + 1


def kinds(rows: pl.DataFrame) -> dict[str, frozenset[str]]:
    """Say what the texts of each column look like.

    >>> sorted(kinds(pl.DataFrame({"zip": ["01234", None]}))["zip"])
    ['null', 'string']
    """
    return {name: _kinds(rows[name]) for name in rows.columns}


def _kinds(values: pl.Series) -> frozenset[str]:
    rest = values.drop_nulls()
    found = {"null"} if len(rest) < len(values) else set()
    integers = rest.str.contains(_INTEGER)
    if integers.any():
        found.add("integer")
        rest = rest.filter(~integers)
    numbers = rest.str.contains(_NUMBER) & ~rest.str.contains(_LEADING_ZERO)
    if numbers.any():
        found.add("number")
        rest = rest.filter(~numbers)
    for kind, pattern in (("boolean", _BOOLEAN), ("datetime", _DATETIME)):
        alike = rest.str.contains(pattern)
        if alike.any():
            found.add(kind)
            rest = rest.filter(~alike)
    if len(rest):
        found.add("string")
    return frozenset(found)
