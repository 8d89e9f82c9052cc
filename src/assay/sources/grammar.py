"""The grammar of delimited text as regular expressions over bytes, all of them linear.

A record is read as RFC 4180 writes it: fields between delimiters, a field that holds a delimiter,
a line end or a quote stands in quotes, and a quote inside it is doubled. A quote in the middle of
an unquoted field is an ordinary letter (5" pipe).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Dialect:
    """How a file of delimited text is written; of other files only the encoding is known.

    `head` is the number of bytes before the first data row (byte-order mark and header).
    `numeric` are the positions of columns that held nothing but numbers in the sample.

    >>> Dialect(columns=("a", "b")).delimiter
    ','
    """

    delimiter: str = ","
    quote: str | None = '"'
    escape: str | None = None
    skip_space: bool = False
    columns: tuple[str, ...] = ()
    head: int = 0
    encoding: str = "utf-8"
    numeric: tuple[int, ...] = ()


@dataclass(frozen=True)
class Patterns:
    """The compiled expressions of one dialect.

    `record` matches one thing at any line start: a record of the right width, else (group 1) a
    well-quoted record of another width, else (group 2) the rest of the line.
    `lines` matches three or more lines that each would be a record if quotes were letters.
    `numbers` matches one line whose numeric columns hold numbers.
    """

    record: re.Pattern[bytes]
    any_record: re.Pattern[bytes]
    lines: re.Pattern[bytes]
    numbers: re.Pattern[bytes]
    quoted: re.Pattern[bytes]
    padding: re.Pattern[bytes]


@functools.lru_cache(maxsize=64)
def patterns(dialect: Dialect) -> Patterns:
    """Compile the grammar of a dialect.

    >>> found = patterns(Dialect(columns=("a", "b")))
    >>> found.record.match(b'1,"x, y"\\n2,z\\n').group()
    b'1,"x, y"\\n'
    """
    delimiter = re.escape(dialect.delimiter.encode())
    width = max(len(dialect.columns), 1)
    space = rb"\x20*+" if dialect.skip_space else b""
    quoted, one_line = _quoted(dialect)
    mark = re.escape(dialect.quote.encode()) if dialect.quote else b""
    bare = rb"[^%s%s\r\n][^%s\r\n]*+" % (delimiter, mark, delimiter)
    field = space + (rb"(?>%s|%s|)" % (quoted, bare) if quoted else rb"(?>%s|)" % bare)
    loose = rb"(?>%s(?=[%s\r\n])|[^%s\r\n]*+)" % (one_line or rb"(?!)", delimiter, delimiter)
    end = rb"(?:\r?\n|\Z)"

    def record(one: bytes, count: int) -> bytes:
        return one + rb"(?:%s%s){%d}" % (delimiter, one, count - 1)

    other = rb"(%s(?:%s%s)*+%s)" % (field, delimiter, field, end)
    rest = rb"([^\n]*+(?:\n|\Z))"
    digits = b".," if dialect.delimiter != "," else b"."
    number = rb'(?>\x20*+"?[-+]?[$]?\d[\d%s]*+(?:[eE][-+]?\d++)?%%?"?|)' % digits
    typed = [number if at in dialect.numeric else loose for at in range(width)]
    whole = rb"(?>%s%s)" % (record(field, width), end)
    return Patterns(
        record=re.compile(rb"(?=[\s\S])(?:%s|%s|%s)" % (whole, other, rest)),
        any_record=re.compile(other),
        lines=re.compile(rb"(?:%s%s){3,}+" % (record(loose, width), end)),
        numbers=re.compile(delimiter.join(typed) + end),
        quoted=re.compile(quoted or rb"(?!)"),
        padding=re.compile(rb"(%s)|(%s)\x20++" % (quoted or rb"(?!)", delimiter)),
    )


def _quoted(dialect: Dialect) -> tuple[bytes, bytes]:
    """A quoted field, and one that ends on its own line."""
    if dialect.quote is None:
        return b"", b""
    mark = re.escape(dialect.quote.encode())
    if dialect.escape and dialect.escape != dialect.quote:
        slash = re.escape(dialect.escape.encode())
        body = rb"%s[^%s%s]*+(?:(?:%s[\s\S]|%s%s)[^%s%s]*+)*+%s"
        marks = (mark, mark, slash, slash, mark, mark, mark, slash, mark)
        return body % marks, rb"%s[^%s\n]*+%s" % (mark, mark, mark)
    body = rb"%s[^%s]*+(?:%s%s[^%s]*+)*+%s" % ((mark,) * 6)
    line = rb"%s[^%s\n]*+(?:%s%s[^%s\n]*+)*+%s" % ((mark,) * 6)
    return body, line


def quotes(data: bytes, dialect: Dialect) -> Positions | None:
    """Positions of all quotes, where every one of them opens, closes or doubles; None otherwise.

    With such quotes a line end is inside a field exactly if an odd number of quotes precedes it,
    so the structure of the text is known without a parser. The data starts with a new record.

    >>> quotes(b'1,"a b"\\n', Dialect()).tolist()
    [2, 6]
    >>> quotes(b'1,5" pipe\\n', Dialect()) is None
    True
    """
    if dialect.quote is None:
        return np.empty(0, dtype=np.int64)
    letters = np.frombuffer(data, dtype=np.uint8)
    mark, delimiter = ord(dialect.quote), ord(dialect.delimiter)
    found = np.flatnonzero(letters == mark)
    if dialect.escape or len(found) % 2:
        return None
    opening, closing = found[0::2], found[1::2]
    before = letters[np.maximum(opening - 1, 0)]
    after = letters[np.minimum(closing + 1, len(data) - 1)]
    opens = (opening == 0) | np.isin(before, (mark, delimiter, 10))
    closes = (closing == len(data) - 1) | np.isin(after, (mark, delimiter, 10, 13))
    return found if opens.all() and closes.all() else None


def record_starts(data: bytes, marks: Positions) -> Positions:
    """Where the records of well-quoted text start, blank lines left out.

    >>> text = b'1,"a\\nb"\\n\\n2,c\\n'
    >>> record_starts(text, quotes(text, Dialect())).tolist()
    [0, 9]
    """
    letters = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero(letters == 10)
    ends = ends[np.searchsorted(marks, ends) % 2 == 0]
    starts = np.concatenate(([0], ends + 1))
    starts = starts[starts < len(data)]
    first = letters[starts]
    second = letters[np.minimum(starts + 1, len(data) - 1)]
    blank = (first == 10) | ((first == 13) & (second == 10))
    kept: Positions = starts[~blank]
    return kept


@dataclass(frozen=True)
class Piece:
    """One record or one rejected stretch: its bytes, and the problem (None: a record)."""

    start: int
    stop: int
    problem: str | None


def pieces(data: bytes, dialect: Dialect) -> Iterator[Piece]:
    """Read any text record by record; what is none is set aside line by line, never more.

    Together the pieces and the blank lines between them are the whole of the data.

    >>> found = pieces(b'1,"a\\n2,b\\n', Dialect(columns=("x", "y")))
    >>> [(piece.start, piece.stop, piece.problem) for piece in found]
    [(0, 5, 'a quote is opened and never properly closed'), (5, 9, None)]
    """
    grammar = patterns(dialect)
    regular = functools.cache(lambda: _quotes_regularly(data, dialect))
    position, again = 0, True
    while again:
        again = False
        for found in grammar.record.finditer(data, position):
            start, stop = found.span()
            if stop - start <= 2 and not data[start:stop].strip(b"\r\n"):
                continue
            newline = data.find(b"\n", start, stop)
            spans = 0 <= newline < stop - 1
            if spans and _stray(data[start:stop], dialect, found.lastindex, regular):
                problem = "a stray quote would swallow the lines that follow"
                yield Piece(start, newline + 1, problem)
                position, again = newline + 1, True
                break
            yield Piece(start, stop, _problem(data[start:stop], found.lastindex, dialect))


def _stray(text: bytes, dialect: Dialect, kind: int | None, regular: Callable[[], bool]) -> bool:
    """Say whether a record over several lines is really one stray quote and the next one.

    Nothing but likelihood can tell. A pair of stray quotes leaves every one of its lines with
    the right number of delimiters; in text of several lines that is rare, and the rarer the more
    lines and columns there are and the more of those columns hold numbers elsewhere.
    """
    width, grammar = len(dialect.columns), patterns(dialect)
    if width < 2:
        return False
    lines = text.splitlines(keepends=True)
    if kind == 1:  # well-quoted, but of another width: it is no record in any case
        inner = [grammar.lines.fullmatch((line.rstrip(b"\r\n") + b"\n") * 3) for line in lines[1:]]
        return sum(match is not None for match in inner) * 2 >= len(inner)
    if len(lines) < 3 or not grammar.lines.fullmatch(text):
        return False
    if dialect.numeric:
        return all(grammar.numbers.fullmatch(line) for line in lines[1:-1])
    return len(lines) >= 12 or (len(lines) * (width - 1) >= 8 and not regular())


def suspicious(data: bytes, starts: Positions, marks: Positions, dialect: Dialect) -> bool:
    """Say whether well-quoted text may hide a pair of stray quotes, so that it needs care."""
    if len(dialect.columns) < 2 or not len(marks):
        return False
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    inside = ends[np.searchsorted(marks, ends) % 2 == 1]
    owners = np.searchsorted(starts, inside, side="right") - 1
    many = np.flatnonzero(np.bincount(owners, minlength=len(starts)) >= 2)
    stops = np.append(starts[1:], len(data))
    match = patterns(dialect).lines.match
    # Only over records of three lines and more; nearly all fail on their first line.
    for start, stop in zip(starts[many].tolist(), stops[many].tolist(), strict=True):
        found = match(data, start, stop)
        if found and found.end() >= stop - 2:
            return True
    return False


def _quotes_regularly(data: bytes, dialect: Dialect) -> bool:
    """Some field on one line is in quotes because it has to be: the writer knows the rules."""
    if dialect.quote is None:
        return False
    mark = re.escape(dialect.quote.encode())
    delimiter = re.escape(dialect.delimiter.encode())
    needed = rb"(?:^|%s)%s[^%s\n]*+(?:%s%s[^%s\n]*+)*+%s(?=[%s\r\n])"
    marks = (delimiter, mark, mark, mark, mark, mark, mark, delimiter)
    for found in re.finditer(needed % marks, data, re.MULTILINE):
        body = found[0].lstrip(dialect.delimiter.encode())
        if dialect.delimiter.encode() in body:
            return True
    return False


def _problem(text: bytes, kind: int | None, dialect: Dialect) -> str | None:
    if kind is None:
        return None
    mark = (dialect.quote or "").encode()
    delimiter = dialect.delimiter.encode()
    fields = re.split(re.escape(delimiter), text.rstrip(b"\r\n"))
    width = len(dialect.columns)
    if kind == 1:
        counted = patterns(dialect).quoted.sub(b"", text).count(delimiter) + 1
        return f"expected {width} fields, found {counted}"
    opened = [field.lstrip(b" ") for field in fields]
    if mark and any(field.startswith(mark) for field in opened):
        return "a quote is opened and never properly closed"
    if b"\r" in text.rstrip(b"\r\n"):
        return "a carriage return stands inside an unquoted field"
    return f"expected {width} fields, found {len(fields)}"
