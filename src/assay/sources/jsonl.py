"""One shard of JSON lines to rows of text."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import polars as pl

from assay.sources.dialect import SEVERAL
from assay.sources.escapes import half_pairs, unfaithful
from assay.sources.grammar import Positions, record_starts
from assay.sources.loaded import Loaded, Reject, count_lines, loaded, with_columns
from assay.sources.text import to_utf8

_NO_MARKS = np.empty(0, dtype=np.int64)
_FEW = 200
_SEVERAL = re.compile(f"'*(?:{SEVERAL.pattern})'*", re.DOTALL)
_KINDS = {
    type(None): "null", bool: "boolean", int: "integer", float: "number",
    str: "string", list: "list", dict: "object",
}  # fmt: skip


def load(raw: bytes, encoding: str = "utf-8", columns: Sequence[str] | None = None) -> Loaded:
    """Read a shard of JSON lines; every column is text, a missing key and `null` are null.

    Numbers and booleans come as their JSON text, lists and objects too. Blank lines are skipped;
    a line that is no JSON object is set aside. NaN and Infinity, which JSON has not but Python
    writes, come as the texts "NaN" and "Infinity". Where a key stands twice, the first counts.
    A key that Polars would take for several columns, such as `*`, comes in quotes.

    >>> found = load(b'{"a": 1.50, "b": "1.50"}\\n{"a": {"x": [true]}}\\noops\\n')
    >>> found.rows.rows(), found.rejects.rows()[0][:2]
    ([('1.5', '1.50'), ('{"x": [true]}', None)], (3, 'oops'))
    """
    data, note = to_utf8(raw, encoding)
    asked = list(survey(data)) if columns is None else list(columns)
    keys = {_key(name): name for name in asked}
    quoted = {key: name for key, name in keys.items() if key != name}
    found = _loaded(data, list(keys), note)
    if not quoted:
        return found
    said = (f"the key {key!r} is now {name!r}: its name would mean several columns"
            for key, name in quoted.items())  # fmt: skip
    rows = found.rows.rename(quoted)
    return replace(found, rows=rows, notes=(*found.notes, *said))


def _name(key: str) -> str:
    """The column of a key; every key has another one, in every shard the same."""
    return f"'{key}'" if _SEVERAL.fullmatch(key) else key


def _key(name: str) -> str:
    quoted = len(name) > 2 and name[0] == name[-1] == "'"
    return name[1:-1] if quoted and _SEVERAL.fullmatch(name[1:-1]) else name


def _loaded(data: bytes, names: list[str], note: str | None) -> Loaded:
    lines = count_lines(data)
    try:
        rows = _read(data, names)
    except pl.exceptions.ComputeError:
        rows = None  # some line is not plain JSON; it is found and set aside below
    # Half a surrogate pair comes as a NUL, so most shards need not be searched for one.
    mended = data if rows is not None and not _has_nul(rows) else _mended(data)
    if rows is not None and mended is not data:
        rows = _read(mended, names)
    if rows is not None:
        starts = None if rows.height == lines else record_starts(data, _NO_MARKS)
        if starts is None or rows.height == len(starts):
            numbers = np.arange(1, lines + 1) if starts is None else _numbers(data, starts)
            rows = _faithful(rows, mended)
            return loaded(with_columns(rows, names, pl.String()), numbers, lines, notes=[note])
    good, kept, rejects, said = _sorted(mended.split(b"\n"), names)
    joined = b"\n".join(good)
    rows = _faithful(_read(joined, names), joined)
    return loaded(
        with_columns(rows, names, pl.String()), kept, lines, rejects=rejects, notes=[note, said]
    )


def survey(data: bytes) -> dict[str, frozenset[str]]:
    """Every key and the kinds of its values, in order of first sight; no object is kept.

    >>> found = survey(b'{"b": 1}\\n{"b": null, "a": []}\\n')
    >>> list(found), sorted(found["b"])
    (['b', 'a'], ['integer', 'null'])
    """
    lines = data.split(b"\n")
    try:
        seen = _seen(lines)
    except (orjson.JSONDecodeError, AttributeError):
        objects = (value for line in lines if (value := _object(line)) is not None)
        seen = {(key, item.__class__): None for value in objects for key, item in value.items()}
    found: dict[str, set[str]] = {}
    for name, kind in seen:
        found.setdefault(_name(name), set()).add(_KINDS[kind])
    return {name: frozenset(kinds) for name, kinds in found.items()}


def _object(line: bytes) -> dict[str, Any] | None:
    """The object on a line, by whichever reader accepts it."""
    if not line or line.isspace():
        return None
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            value = _lenient(line)
        except (ValueError, RecursionError):
            return None  # `load` sets this line aside and says why
    return value if isinstance(value, dict) else None


def _seen(lines: list[bytes]) -> dict[tuple[str, type], None]:
    loads = orjson.loads
    return {
        (key, value.__class__): None
        for line in lines
        if line and not line.isspace()
        for key, value in loads(line).items()
    }


def _read(data: bytes, names: list[str]) -> pl.DataFrame:
    if not data or data.isspace():
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    # A frame without columns has no height, so one column is read in any case.
    schema = dict.fromkeys(names or ["_"], pl.String)
    return pl.read_ndjson(io.BytesIO(data), schema=schema)


def _has_nul(rows: pl.DataFrame) -> bool:
    found = rows.select(pl.any_horizontal(pl.all().str.contains("\0", literal=True).any()))
    return bool(found.item()) if rows.width and rows.height else False


def _faithful(rows: pl.DataFrame, data: bytes) -> pl.DataFrame:
    """Render nested values again where the fast reader may have rendered them wrongly."""
    if b"\\" not in data:
        return rows
    text = pl.col(pl.String)
    boxed = (text.str.starts_with(first) & text.str.ends_with(last) for first, last in ("[]", "{}"))
    nested = rows.select(pl.any_horizontal(*boxed).fill_null(False).arg_true()).to_series()
    if not len(nested):
        return rows
    starts = record_starts(data, _NO_MARKS)
    suspects = nested.to_numpy()
    if len(suspects) > _FEW:
        owners = np.unique(np.searchsorted(starts, unfaithful(data), side="right") - 1)
        suspects = np.intersect1d(owners, suspects)
    found: dict[str, dict[int, str]] = {}
    # Only over rows that have both a nested value and one of the rare escapes.
    for at in suspects.tolist():
        end = data.find(b"\n", starts[at])
        for name, value in _lenient(data[starts[at] : end if end >= 0 else None]).items():
            if isinstance(value, list | dict):
                found.setdefault(name, {})[at] = json.dumps(_clean(value), ensure_ascii=False)
    better = [
        rows[name].scatter(list(texts), list(texts.values()))
        for name, texts in found.items()
        if name in rows.columns
    ]
    return rows.with_columns(better) if better else rows


def _mended(data: bytes) -> bytes:
    """The same lines, those with half a surrogate pair written again; mostly there are none."""
    spans = {
        (data.rfind(b"\n", 0, at) + 1, end if (end := data.find(b"\n", at)) >= 0 else len(data))
        for at in half_pairs(data)
    }
    pieces: list[bytes] = []
    done = 0
    for start, stop in sorted(spans):
        try:
            line = _rewritten(_lenient(data[start:stop]))
        except (ValueError, RecursionError):
            line = data[start:stop]  # the fast reader refuses it as well
        pieces += (data[done:start], line)
        done = stop
    return b"".join((*pieces, data[done:])) if spans else data


def _numbers(data: bytes, starts: Positions) -> Positions:
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == 10)
    return np.searchsorted(ends, starts) + 1


def _sorted(
    lines: list[bytes], names: list[str]
) -> tuple[list[bytes], list[int], list[Reject], str | None]:
    """Good lines, their numbers, and the others; only a shard that is not plain JSON comes here.

    A line that strict JSON refuses and Python's reader accepts is written again in strict JSON.
    """
    good: list[bytes] = []
    kept: list[int] = []
    rejects: list[Reject] = []
    loose = 0
    for number, line in enumerate(lines, start=1):
        if not line or line.isspace():
            continue
        plain = _plain(line)
        if plain is None:
            try:
                plain = _rewritten(_lenient(line))
                _read(plain, names)
            except (ValueError, RecursionError, pl.exceptions.ComputeError) as error:
                rejects.append((number, line.decode().rstrip("\r"), _said(error)))
                continue
            loose += 1
        good.append(plain)
        kept.append(number)
    which = "1 line needed" if loose == 1 else f"{loose} lines needed"
    note = f"{which} a lenient JSON reader (NaN, control characters, half surrogate pairs, …)"
    return good, kept, rejects, note if loose else None


def _plain(line: bytes) -> bytes | None:
    """The line itself, if it is an object in strict JSON."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return line if isinstance(value, dict) else None


def _lenient(line: bytes) -> dict[str, Any]:
    value = json.loads(
        line.decode(),
        strict=False,
        object_pairs_hook=_first_wins,
        parse_float=_float,
        parse_int=lambda digits: int(digits) if len(digits) < 4000 else digits,
    )
    if not isinstance(value, dict):
        raise ValueError(f"this is a JSON {_KINDS[type(value)]}, not an object")
    return value


def _rewritten(value: dict[str, Any]) -> bytes:
    rows = {_whole(key): _safe(item) for key, item in value.items()}
    return json.dumps(rows, ensure_ascii=False).encode()


def _safe(value: Any) -> Any:
    """A value that strict JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("-" if value < 0 else "") + "Infinity"
    return _clean(value)


def _first_wins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        found.setdefault(_whole(key), value)
    return found


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits


def _clean(value: Any) -> Any:
    """Nested values without what JSON cannot hold: no NaN, no half surrogate pairs."""
    if isinstance(value, dict):
        return {_whole(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return _whole(value) if isinstance(value, str) else value


def _whole(text: str) -> str:
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _said(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, pl.exceptions.ComputeError):
        return f"not JSON: {error}"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at character {error.pos + 1}"
    return str(error)
