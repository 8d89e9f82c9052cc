"""JSON documents and Python objects to records, each one line of JSON."""

from __future__ import annotations

import collections
import datetime
import decimal
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from assay.errors import SourceError
from assay.sources.text import detect

_CHUNK = 1 << 20
_NEXT = re.compile(r"\}\s*,?\s*(?=\{)")
_SKIP = re.compile(r"[\s,]*")


def from_json(path: Path, encoding: str | None) -> Iterator[bytes]:
    """The records of a JSON document: of an array, of an object that holds one, or one object.

    What is broken comes as it stands, for the reader of lines to set aside.

    Raises:
        SourceError: the document is neither an array nor an object.
    """
    with path.open("rb") as raw:
        head = raw.read(1 << 16)
    named = encoding or detect(head)
    named = "utf-8-sig" if named == "utf-8" else named
    with path.open("r", encoding=named, errors="replace", newline="") as file:
        first = file.read(_CHUNK)
        begin = len(first) - len(first.lstrip())
        opening = first[begin : begin + 1]
        if opening == "[":
            yield from _elements(first[begin + 1 :], file)
        elif opening == "{":
            yield from _objects(first[begin:] + file.read(), path)
        else:
            raise SourceError(
                "This is no JSON document.", where=str(path), received=first[:60],
                allowed="an array of objects, or an object",
            )  # fmt: skip


def _objects(text: str, path: Path) -> Iterator[bytes]:
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"This JSON document cannot be read: {error}.", where=str(path)) from None
    if text[end:].strip():  # objects one after the other, each over several lines
        yield from _elements(text, None)
        return
    lists = [item for item in value.values() if isinstance(item, list)]
    if len(lists) == 1 and lists[0] and all(isinstance(item, dict) for item in lists[0]):
        yield from map(line, lists[0])
    elif len(lists) == len(value) > 0 and len({len(item) for item in lists}) == 1:
        yield from (line(dict(zip(value, row, strict=True))) for row in zip(*lists, strict=True))
    else:
        yield line(value)


def _elements(text: str, file: Any) -> Iterator[bytes]:
    """The texts of an array's elements, decoded in pieces so that memory stays small."""
    decode = json.JSONDecoder(strict=False).raw_decode
    at, chunk = 0, _CHUNK
    more = file is not None
    while True:
        found = _SKIP.match(text, at)
        at = found.end() if found else at
        if at < len(text) and text[at] == "]":
            return
        try:
            if at >= len(text):
                raise json.JSONDecodeError("nothing left", text, at)
            _, end = decode(text, at)
            if end == len(text) and more:  # a number may go on behind the piece
                raise json.JSONDecodeError("perhaps more", text, end)
        except (json.JSONDecodeError, RecursionError) as error:
            place = getattr(error, "pos", at)
            cut_off = place >= len(text) - 16 or "Unterminated" in str(error)
            if more and cut_off:
                piece = file.read(chunk)
                more, chunk = bool(piece), chunk * 2
                text, at = text[at:] + piece, 0
                continue
            if at >= len(text):
                return
            following = _NEXT.search(text, place)
            end = following.start() + 1 if following else len(text)
        else:
            chunk = _CHUNK
        yield _one_line(text[at:end])
        at = end
        if at > _CHUNK:
            text, at = text[at:], 0


def _one_line(text: str) -> bytes:
    return text.replace("\n", " ").replace("\r", " ").encode("utf-8", "replace")


def from_objects(values: Any) -> Iterator[bytes]:
    """The records of Python objects: a list of mappings or plain objects, columns, or one record.

    >>> list(from_objects([{"a": 1}, {"a": None}]))
    [b'{"a":1}', b'{"a":null}']
    >>> list(from_objects({"a": [1, 2], "b": ["x", "y"]}))
    [b'{"a":1,"b":"x"}', b'{"a":2,"b":"y"}']
    """
    if isinstance(values, Mapping):
        columns = list(values.values())
        together = columns and all(
            isinstance(column, Sequence) and not isinstance(column, str | bytes)
            for column in columns
        )
        if together and len({len(column) for column in columns}) == 1:
            rows = zip(*columns, strict=True)
            yield from (line(dict(zip(values, row, strict=True))) for row in rows)
            return
        values = [values]
    elif not isinstance(values, Iterable) or isinstance(values, str | bytes):
        values = [values]
    for value in values:
        yield line(_fields(value))


def _fields(value: Any) -> Any:
    fields = getattr(value, "fields", None) if hasattr(value, "__setstate__") else None
    if isinstance(fields, dict):
        return fields
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "_asdict"):
        return value._asdict()
    if hasattr(value, "__dict__"):
        return vars(value)
    if isinstance(value, list | tuple):
        return {f"column_{at}": item for at, item in enumerate(value, start=1)}
    return {"value": value}


def line(value: Any) -> bytes:
    """One record as one line of JSON; dates in ISO form, decimals with all their digits.

    >>> line({"price": decimal.Decimal("1.10"), "day": datetime.date(2024, 2, 29)})
    b'{"price":1.10,"day":"2024-02-29"}'
    """
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(value, default=_plain, option=options)
    except TypeError:
        # Whole numbers beyond 64 bits and half surrogate pairs.
        return json.dumps(value, default=_slow, skipkeys=True).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, decimal.Decimal):
        return orjson.Fragment(str(value).encode()) if value.is_finite() else None
    return _slow(value)


def _slow(value: Any) -> Any:
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        return value.tolist()
    missing = type(value).__name__ in ("NAType", "NaTType")
    return None if missing else _fields(value) if hasattr(value, "__dict__") else str(value)


_CONVERSIONS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (decimal.Decimal, str),
    (bytes | bytearray, lambda value: value.decode("utf-8", "replace")),
    (set | frozenset, lambda value: sorted(value, key=repr)),
    (collections.deque, list),
    (datetime.timedelta, datetime.timedelta.total_seconds),
    (datetime.date | datetime.time, lambda value: value.isoformat()),
    (complex | slice | range, str),
)
