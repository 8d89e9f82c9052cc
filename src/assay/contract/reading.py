"""One column as its field's type: a plain cast, and readers of human writing for the rest.

The slow readers see each distinct text once, and only texts that the plain cast could not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
import polars as pl

from assay.contract.quantities import read_quantities
from assay.errors import RecipeError
from assay.recipe import FieldSpec

# What a missing value is written as; in strings and categories these are ordinary words.
NULL_WORDS = frozenset(
    ["", "na", "n/a", "#n/a", "<na>", "null", "none", "nil", "nan", "-nan", "nat", "-", "--", "?"]
)
TRUE_WORDS = frozenset(["true", "t", "yes", "y", "1", "1.0"])
FALSE_WORDS = frozenset(["false", "f", "no", "n", "0", "0.0"])
# Above this a float no longer holds every whole number.
EXACT = 2.0**53
UNMISTAKABLE = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M%#z",
    "%Y/%m/%d",
    "%B %d, %Y",
    "%B %d %Y",
    "%d %B %Y",
    "%d-%B-%Y",
    "%a, %d %B %Y %H:%M:%S %z",
)
LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")
# How the months begin in these languages.
_MONTHS = (
    "jan|ene|gen|f[eé][bv]|mar|mär|maa|mrt|apr|avr|abr|ma[yigj]|mei|jun|jui|giu|jul|lug|aug|ago|"
    "aoû|sep|set|oct|okt|ott|out|nov|de[czs]|déc|dic"
)
# A date holds three numbers, or the name of a month and two: looking for that first spares the
# reader of dates, at half a millisecond each, most texts that are none.
_DATED = re.compile(rf"(?i)\d[./ -]+\d+[./ -]+\d|\b(?:{_MONTHS}).*\d\D+\d|\d.*\b(?:{_MONTHS})\D*\d")
Text = pl.String()
Moment = pl.Datetime("us")


@dataclass(frozen=True)
class Reading:
    """A column as its field's type.

    Attributes:
        values: the typed values; null where there is none or none could be read.
        bad: Boolean; there was something, and it is not of the type.
        expected: the type in words.
    """

    values: pl.Series
    bad: pl.Series
    expected: str


def read(column: pl.Series, spec: FieldSpec) -> Reading:
    """Read a column as the type that its field states.

    Raises:
        RecipeError: the field's `format` is not one of dates.

    >>> reading = read(pl.Series(["5", "1,234", "n/a", "5.5"]), FieldSpec(type="integer"))
    >>> reading.values.to_list(), reading.bad.to_list()
    ([5, 1234, None, None], [False, False, False, True])
    """
    if column.dtype == pl.Null:
        column = column.cast(pl.String)
    textual = column.dtype in (pl.String, pl.Categorical, pl.Enum)
    if textual:
        column = column.cast(pl.String)
    readers = _FROM_TEXT if textual else _FROM_NATIVE
    values, bad = readers[spec.type](column, spec)
    return Reading(values.alias(column.name), bad.alias(column.name), expected(spec))


def expected(spec: FieldSpec) -> str:
    """Name a field's type in words, for messages.

    >>> expected(FieldSpec(type="number", unit="USD"))
    'number in USD'
    """
    if spec.type == "datetime" and spec.format:
        return f"datetime written as {spec.format}"
    return f"{spec.type} in {spec.unit}" if spec.unit else spec.type


def as_text(column: pl.Series) -> pl.Series:
    """Write any column as text: nested values as JSON, moments as ISO 8601.

    >>> as_text(pl.Series("x", [[1, 2], None])).to_list()
    ['[1,2]', None]
    """
    if column.dtype.is_nested():
        wrapped = column.to_frame("v").to_struct("w").struct.json_encode()
        bare = wrapped.str.strip_prefix('{"v":').str.strip_suffix("}")
        return bare.zip_with(column.is_not_null(), pl.Series([None], dtype=pl.String))
    if column.dtype == pl.Object:
        # Python objects have no other text than their own.
        return pl.Series(column.name, [None if v is None else str(v) for v in column], pl.String)
    if column.dtype == pl.Binary:
        return column.cast(pl.String, strict=False)
    return column.cast(pl.String)


_Pair = tuple[pl.Series, pl.Series]


def _distinct(
    column: pl.Series,
    fast: pl.Series,
    slow: Callable[[Sequence[str]], Sequence[Any]],
) -> _Pair:
    """Fill what the fast cast left null from the slow reader, once for each distinct text."""
    left = column.is_not_null() & fast.is_null()
    if not left.any():
        return fast, left
    texts = column.filter(left).unique().sort()
    asked = [text for text in texts.to_list() if text.strip().casefold() not in NULL_WORDS]
    found = pl.DataFrame(
        {"text": asked, "value": pl.Series(slow(asked), dtype=fast.dtype, strict=False)},
        schema={"text": pl.String, "value": fast.dtype},
    )
    lookup = pl.DataFrame({"text": column, "fast": fast, "left": left}).join(
        found.with_columns(asked=True), on="text", how="left", maintain_order="left"
    )
    answer = lookup.select(
        value=pl.coalesce("fast", "value"),
        bad=pl.col("left") & pl.col("asked").fill_null(False) & pl.col("value").is_null(),
    )
    return answer["value"], answer["bad"]


# What every reading of a dollar amount agrees on, as a regular expression for Rust.
_DOLLARS = r"^\$(\d{1,3}(,\d{3})+|\d+)(\.\d+)?$"


def _dollars(column: pl.Series) -> pl.Series:
    """Read `$12.99` and `$1,299` without a Python call for each price of a shop."""
    digits = pl.col(column.name).str.slice(1).str.replace_all(",", "", literal=True)
    plain = pl.when(pl.col(column.name).str.contains(_DOLLARS)).then(digits)
    return column.to_frame().select(plain.cast(pl.Float64, strict=False).alias("v"))["v"]


def _number(column: pl.Series, spec: FieldSpec) -> _Pair:
    fast = column.cast(pl.Float64, strict=False)
    if column.dtype == pl.String and spec.unit in (None, "USD") and fast.has_nulls():
        fast = fast.zip_with(fast.is_not_null(), _dollars(column))
    # Infinity and NaN are left for the slow path, which knows the one as bad, the other as null.
    fast = fast.zip_with(fast.is_finite(), _nulls(1, pl.Float64()))
    return _distinct(column, fast, lambda texts: read_quantities(texts, spec.unit))


def _integer(column: pl.Series, spec: FieldSpec) -> _Pair:
    fast = column.cast(pl.Int64, strict=False)

    def slow(texts: Sequence[str]) -> list[int | None]:
        plain = pl.Series(texts, dtype=pl.String).cast(pl.Float64, strict=False).to_list()
        rest = [text for text, value in zip(texts, plain, strict=True) if value is None]
        written = dict(zip(rest, read_quantities(rest, spec.unit), strict=True))
        values = [
            written[text] if value is None else value
            for text, value in zip(texts, plain, strict=True)
        ]
        return [
            int(value)
            if value is not None and abs(value) <= EXACT and value == int(value)
            else None
            for value in values
        ]

    return _distinct(column, fast, slow)


def _boolean(column: pl.Series, spec: FieldSpec) -> _Pair:
    def slow(texts: Sequence[str]) -> list[bool | None]:
        words = [text.strip().casefold() for text in texts]
        return [True if w in TRUE_WORDS else False if w in FALSE_WORDS else None for w in words]

    return _distinct(column, _nulls(len(column), pl.Boolean()), slow)


def _string(column: pl.Series, spec: FieldSpec) -> _Pair:
    return column, _none_bad(column)


def _category(column: pl.Series, spec: FieldSpec) -> _Pair:
    trimmed = column.str.strip_chars()
    return trimmed.zip_with(trimmed != "", _nulls(1, Text)), _none_bad(column)


def _datetime(column: pl.Series, spec: FieldSpec) -> _Pair:
    if spec.format:
        _refuse_format(spec.format)
        return _distinct(column, _moments(column, spec.format), lambda texts: [None] * len(texts))
    fast = _nulls(len(column), Moment)
    for format in UNMISTAKABLE:
        left = column.is_not_null() & fast.is_null()
        if not left.any():
            break
        fast = fast.zip_with(~left, _moments(column.zip_with(left, _nulls(1, Text)), format))
        # "5-Jan-99" is not of the first century.
        fast = fast.zip_with(fast.dt.year() >= 1000, _nulls(1, Moment))
    return _distinct(column, fast, read_dates)


def _moments(column: pl.Series, format: str) -> pl.Series:
    found = column.str.to_datetime(format, time_unit="us", strict=False)
    return found.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if _zoned(found) else found


def _refuse_format(format: str) -> None:
    """A directive that does not exist would make every value unreadable, without a word."""
    sample = pl.Series([datetime(2000, 1, 2)], dtype=pl.Datetime("us", "UTC"))
    try:
        written = sample.dt.to_string(format)[0]
    except pl.exceptions.PolarsError:
        written = format
    if written == format:
        raise RecipeError(
            "This is not a format of dates.", received=format, hint="for instance %d/%m/%Y %H:%M"
        )


def _zoned(column: pl.Series) -> bool:
    return isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None


def read_dates(texts: Sequence[str]) -> list[datetime | None]:
    """Read dates written for people; None for what is no full date.

    What depends on today ("yesterday", "3 May") is no full date; neither is what can be read day
    first or month first ("03/04/2021"): the field's `format` tells them.

    >>> read_dates(["March 3, 2018 5pm", "25/12/2021", "03/04/2021", "yesterday"])
    [datetime.datetime(2018, 3, 3, 17, 0), datetime.datetime(2021, 12, 25, 0, 0), None, None]
    """
    from dateparser.date import DateDataParser

    reader = DateDataParser(
        languages=list(LANGUAGES),
        settings={
            "RELATIVE_BASE": datetime(2000, 1, 1),
            "REQUIRE_PARTS": ["day", "month", "year"],
            "PARSERS": ["absolute-time"],
            "TIMEZONE": "UTC",
            "TO_TIMEZONE": "UTC",
            "RETURN_AS_TIMEZONE_AWARE": False,
        },
    )
    numeric = re.compile(r"\s*(\d{1,2})[./ -](\d{1,2})[./ -]\d{2,4}\b.*", re.DOTALL)
    found: list[datetime | None] = []
    for text in texts:
        clash = numeric.fullmatch(text)
        first, second = (int(clash[1]), int(clash[2])) if clash else (0, 0)
        if (
            len(text) > 60
            or not _DATED.search(text)
            or (first <= 12 and second <= 12 and first != second)
        ):
            found.append(None)
        else:
            found.append(reader.get_date_data(text).date_obj)
    return found


def _json(kind: type) -> Callable[[pl.Series, FieldSpec], _Pair]:
    def reader(column: pl.Series, spec: FieldSpec) -> _Pair:
        def slow(texts: Sequence[str]) -> list[str | None]:
            return [text if isinstance(parsed(text), kind) else None for text in texts]

        return _distinct(column, _nulls(len(column), Text), slow)

    return reader


def parsed(text: str) -> Any:
    """Parse JSON; what is not JSON is None."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _nulls(count: int, dtype: pl.DataType) -> pl.Series:
    return pl.Series([None], dtype=dtype).new_from_index(0, count)


def _none_bad(column: pl.Series) -> pl.Series:
    return pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(column))


# Columns that arrive typed, from Parquet, Arrow or a frame.


def _cast(column: pl.Series, dtype: pl.DataType, fits: bool) -> _Pair:
    if not fits:
        return _nulls(len(column), dtype), column.is_not_null()
    values = column.cast(dtype, strict=False)
    return values, column.is_not_null() & values.is_null()


def _native_number(column: pl.Series, spec: FieldSpec) -> _Pair:
    values, bad = _cast(column, pl.Float64(), column.dtype.is_numeric())
    infinite = values.is_infinite().fill_null(False)
    return values.zip_with(values.is_finite(), _nulls(1, pl.Float64())), bad | infinite


def _native_integer(column: pl.Series, spec: FieldSpec) -> _Pair:
    if not (column.dtype.is_float() or column.dtype.is_decimal()):
        return _cast(column, pl.Int64(), column.dtype.is_integer())
    floats = column.cast(pl.Float64)
    whole = (floats == floats.round()) & (floats.abs() <= EXACT)
    values = floats.zip_with(whole, _nulls(1, pl.Float64())).cast(pl.Int64, strict=False)
    return values, floats.is_not_null() & floats.is_not_nan() & values.is_null()


def _native_boolean(column: pl.Series, spec: FieldSpec) -> _Pair:
    if column.dtype == pl.Boolean or not column.dtype.is_numeric():
        return _cast(column, pl.Boolean(), column.dtype == pl.Boolean)
    floats = column.cast(pl.Float64).fill_nan(None)
    fits = floats.is_in([0.0, 1.0])
    values = (floats == 1.0).zip_with(fits, _nulls(1, pl.Boolean()))
    return values, floats.is_not_null() & values.is_null()


def _native_datetime(column: pl.Series, spec: FieldSpec) -> _Pair:
    if _zoned(column):
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return _cast(column, Moment, column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime))


def _native_string(column: pl.Series, spec: FieldSpec) -> _Pair:
    values = as_text(column)
    return values, column.is_not_null() & values.is_null()


def _native_nested(*kinds: type[pl.DataType]) -> Callable[[pl.Series, FieldSpec], _Pair]:
    def reader(column: pl.Series, spec: FieldSpec) -> _Pair:
        if isinstance(column.dtype, kinds):
            return column, _none_bad(column)
        return _cast(column, Text, fits=False)

    return reader


_Reader = Callable[[pl.Series, FieldSpec], _Pair]
_FROM_TEXT: dict[str, _Reader] = {
    "string": _string, "category": _category, "integer": _integer, "number": _number,
    "boolean": _boolean, "datetime": _datetime, "list": _json(list), "object": _json(dict),
}  # fmt: skip
_FROM_NATIVE: dict[str, _Reader] = {
    "string": _native_string, "category": _native_string, "integer": _native_integer,
    "number": _native_number, "boolean": _native_boolean, "datetime": _native_datetime,
    "list": _native_nested(pl.List, pl.Array), "object": _native_nested(pl.Struct),
}  # fmt: skip
