"""A sample of delimited text to its dialect: delimiter, quotes, header, names of the columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath

from assay.errors import SourceError
from assay.recipe import Read
from assay.sources.grammar import Dialect, patterns, pieces

_USUAL = (",", "\t", ";", "|")
_WORDS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "vertical bar", " ": "space"}
_NUMBER = re.compile(r"\s*[-+]?[$€£]?\s?\d[\d.,]*(?:[eE][-+]?\d+)?\s?%?\s*")
SEVERAL = re.compile(r"\*|\^.*\$", re.DOTALL)
"""Names that Polars takes for several columns."""
_ROWS_FOR_A_TYPE = 8

Table = list[list[str]]


def sniff(sample: bytes, read: Read, name: str) -> tuple[Dialect, tuple[str, ...]]:
    """Find the dialect of a sample and say in notes what is not the ordinary.

    The sample is UTF-8, starts at the file's first byte after a byte-order mark and ends with a
    whole line; 64 KB are plenty.

    Raises:
        SourceError: `read` gives fewer or more column names than there are columns.

    >>> dialect, notes = sniff(b"id;price\\n1;2,50\\n2;3,10\\n", Read(), "prices.csv")
    >>> dialect.delimiter, dialect.columns, notes
    (';', ('id', 'price'), ('delimiter semicolon',))
    """
    delimiter = read.delimiter or _delimiter(sample, read.quote or '"', name)
    dialect = Dialect(delimiter=delimiter, quote=read.quote or '"')
    notes = [] if delimiter == "," else [f"delimiter {_WORDS.get(delimiter, repr(delimiter))}"]
    dialect, spoken = _quoting(sample, dialect, read)
    notes += spoken
    if _padded(_records(sample, dialect)):
        dialect = replace(dialect, skip_space=True)
        notes.append("the space after each delimiter is not part of the values")
    dialect, said = _named(sample, dialect, read, name)
    return dialect, (*notes, *said)


def _records(sample: bytes, dialect: Dialect) -> Table:
    """The records of a sample, split; a stray quote costs its own line only."""
    grammar = patterns(replace(dialect, columns=()))
    found = (match[0] for match in grammar.record.finditer(sample))
    return [split(record, dialect) for record in found if record.strip(b"\r\n")]


def split(record: bytes, dialect: Dialect) -> list[str]:
    """Split one record into its fields, quotes taken off.

    >>> split(b'1,"a ""b"", c",\\n', Dialect())
    ['1', 'a "b", c', '']
    """
    text = record.rstrip(b"\r\n").decode("utf-8", "replace")
    if dialect.quote is None or dialect.quote not in text:
        fields = text.split(dialect.delimiter)
    else:
        space = " *" if dialect.skip_space else ""
        mark, delimiter = re.escape(dialect.quote), re.escape(dialect.delimiter)
        quoted = patterns(dialect).quoted.pattern.decode()
        field = rf"(?:^|{delimiter}){space}({quoted}(?=\s*(?:{delimiter}|\Z))|[^{delimiter}]*+)"
        fields = re.findall(field, text)
        fields = [_bare(value, mark, dialect) for value in fields]
    return [value.lstrip(" ") for value in fields] if dialect.skip_space else fields


def _bare(value: str, mark: str, dialect: Dialect) -> str:
    quote = dialect.quote or ""
    if len(value) < 2 or not (value.startswith(quote) and value.endswith(quote)):
        return value
    return re.sub(f"{mark}{mark}", quote, value[1:-1])


def _delimiter(sample: bytes, quote: str, name: str) -> str:
    """The delimiter with which the rows agree best on a number of fields."""
    scores = {
        candidate: _agreement(_records(sample, Dialect(delimiter=candidate, quote=quote)))
        for candidate in _USUAL
    }
    if scores["\t"][0] >= 0.8 and PurePath(name).suffix.lower() in (".tsv", ".tab"):
        return "\t"
    best = max(_USUAL, key=scores.__getitem__)
    if scores[best][0] >= 0.7:
        return best
    rare = _clever(sample)
    if rare and _agreement(_records(sample, Dialect(delimiter=rare, quote=quote)))[0] >= 0.9:
        return rare
    return best if scores[best][0] >= 0.4 else ","


def _agreement(rows: Table) -> tuple[float, int]:
    widths = Counter(len(row) for row in rows)
    if not widths:
        return 0.0, 0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
    return (round(count / len(rows), 2), width) if width > 1 else (0.0, 0)


def _clever(sample: bytes) -> str | None:
    """A delimiter beyond the usual ones, by clevercsv's measure of consistency."""
    import clevercsv

    text = sample[:16_384].decode("utf-8", "replace")
    try:
        found = clevercsv.Sniffer().sniff(text)
    except clevercsv.Error:
        return None
    delimiter = str(found.delimiter) if found is not None else ""
    return delimiter if len(delimiter) == 1 and delimiter.isascii() else None


def _quoting(sample: bytes, dialect: Dialect, read: Read) -> tuple[Dialect, list[str]]:
    """Whether quotes quote at all here, and whether a backslash escapes them."""
    mark = (dialect.quote or "").encode()
    if mark not in sample:
        return dialect, []
    widths = Counter(len(row) for row in _records(sample, dialect))
    width = widths.most_common(1)[0][0]
    sized = replace(dialect, columns=("",) * width)
    broken = _broken(sample, sized)
    if broken and b"\\" + mark in sample:
        escaped = replace(dialect, escape="\\")
        if _broken(sample, replace(escaped, columns=sized.columns)) < broken:
            return escaped, ["a backslash escapes quotes"]
    if read.quote or not broken:
        return dialect, []
    literal = replace(sized, quote=None)
    needed = rb"%s[^%s\n]*(?:%s%s|%s)" % (mark, mark, mark, mark, re.escape(_byte(dialect)))
    opened = re.findall(rb"(?:^|%s)" % re.escape(_byte(dialect)) + needed, sample, re.MULTILINE)
    # By its standard, tab-separated text has no quotes at all; elsewhere it takes more to say so.
    enough = 1 if dialect.delimiter == "\t" else 3
    if not opened and broken >= enough and _broken(sample, literal) == 0:
        return replace(dialect, quote=None), ["quotes are ordinary letters here"]
    return dialect, []


def _byte(dialect: Dialect) -> bytes:
    return dialect.delimiter.encode()


def _broken(sample: bytes, dialect: Dialect) -> int:
    return sum(piece.problem is not None for piece in pieces(sample, dialect))


def _padded(rows: Table) -> bool:
    later = [value for row in rows for value in row[1:]]
    return len(later) > 1 and all(value.startswith(" ") for value in later)


def _named(
    sample: bytes, dialect: Dialect, read: Read, name: str
) -> tuple[Dialect, tuple[str, ...]]:
    rows = _records(sample, dialect)
    if not rows:
        return replace(dialect, columns=tuple(read.columns or ())), ()
    header = _has_header(rows, read)
    body = rows[1:] if header else rows
    widths = Counter(len(row) for row in body) or Counter([len(rows[0])])
    width = max(widths.items(), key=lambda item: (item[1], item[0]))[0]
    notes = [] if header else ["no header, so columns are named by position"]
    names = list(rows[0]) if header else [""] * width
    if header and width > len(names) and widths[width] == len(body):
        notes.append("the header lacks names for the first columns")
        names = [""] * (width - len(names)) + names
    if read.columns:
        if len(read.columns) != len(names):
            raise SourceError(
                f"`read.columns` names {len(read.columns)} columns, the data has {len(names)}.",
                where=name,
                received=read.columns,
            )
        names, notes = list(read.columns), []
    columns, said = distinct(names)
    head = _header_end(sample, dialect) if header else 0
    complete = replace(dialect, columns=columns, head=head, numeric=_numeric(body, len(columns)))
    return complete, (*notes, *said)


def _header_end(sample: bytes, dialect: Dialect) -> int:
    start = len(sample) - len(sample.lstrip(b"\r\n"))
    found = patterns(dialect).any_record.match(sample, start)
    return found.end() if found else sample.find(b"\n", start) + 1 or len(sample)


def _has_header(rows: Table, read: Read) -> bool:
    """A first row of names has no numbers, no long texts and no values of its own columns."""
    if read.header is not None:
        return read.header
    first, body = rows[0], rows[1:]
    if read.columns is not None:
        return first == list(read.columns)
    numbers = sum(_NUMBER.fullmatch(value) is not None for value in first)
    if numbers and not _years(first):
        return False
    if any(len(value) > 200 or "\n" in value for value in first) or not any(first):
        return False
    others = [row for row in body if row != first and len(row) == len(first)]
    seen = [{row[at] for row in others} for at in range(len(first))]
    return not any(value and value in values for value, values in zip(first, seen, strict=True))


def _years(first: Sequence[str]) -> bool:
    """Years as the names of columns, after at least one name that is none."""
    years = [value for value in first if re.fullmatch(r"(19|20)\d\d", value)]
    others = [value for value in first if value not in years]
    named = bool(others) and not any(_NUMBER.fullmatch(value) for value in others)
    return named and len(years) > 1 and len(set(years)) == len(years) and years == sorted(years)


def _numeric(body: Table, width: int) -> tuple[int, ...]:
    rows = [row for row in body if len(row) == width]
    if len(rows) < _ROWS_FOR_A_TYPE:
        return ()
    return tuple(
        at
        for at in range(width)
        if (values := [row[at] for row in rows if row[at]])
        and all(_NUMBER.fullmatch(value) for value in values)
    )


def distinct(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give every column a name of its own, and say which names were changed.

    >>> distinct(["a", "", "a"])
    (('a', 'column_2', 'a_2'), ("a second column 'a' is now 'a_2'",))
    """
    given = list(names)
    taken = set(given)
    used: set[str] = set()
    found: list[str] = []
    notes: list[str] = []
    for position, name in enumerate(given, start=1):
        several = SEVERAL.fullmatch(name) is not None
        wanted = f"column_{position}" if several or not name else name
        chosen, number = wanted, 2
        while chosen in used or (chosen != name and chosen in taken):
            chosen = f"{wanted}_{number}"
            number += 1
        if several:
            notes.append(f"the column {name!r} is now {chosen!r}: its name would mean several")
        elif name and chosen != name:
            notes.append(f"a second column {name!r} is now {chosen!r}")
        used.add(chosen)
        found.append(chosen)
    return tuple(found), tuple(notes)
