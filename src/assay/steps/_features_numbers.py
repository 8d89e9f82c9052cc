"""How each kind of number is found in a text; all of it regular expressions over whole columns."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from assay.errors import RecipeError, nearest

Reader = Callable[[pl.DataFrame], pl.Series]

# 1,299.5 or 1 299,5 or 1299.5 or .5; what the marks mean is decided in `_plain`.
_N = r"(\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:[, \x{a0}]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d+)?|\.\d+)"
# Between a label and its number: quotes of JSON, a colon, "is", "approx.", in any order.
_GAP = r"""(?:[\s"'\\:=：|(*\[-]|is\b|of\b|about\b|approx(?:imately)?\b\.?|ca\b\.?|~){1,14}"""
# International definitions; the gallon, quart and fluid ounce are those of the United States.
# "4G" is a network and "5M" five million, so these two are units in small letters only.
_WEIGHT = {
    r"kg|kgs|kilos?|kilograms?|kilogrammes?": 1.0,
    r"(?-i:g)|gm|gms|gr|grams?|grammes?": 0.001,
    r"mg|milligrams?": 1e-6,
    r"lbs?|pounds?": 0.45359237,
    r"oz|ounces?": 0.028349523125,
}
_LENGTH = {
    r"mm|millimet(?:er|re)s?": 0.1,
    r"cm|cms|centimet(?:er|re)s?": 1.0,
    r"(?-i:m)|met(?:er|re)s?": 100.0,
    r"in|inch|inches|inchs|″": 2.54,
    r"ft|feet|foot": 30.48,
    r"yd|yards?": 91.44,
}
# Between two sides a quote is an inch; elsewhere it may close the text that the number ends.
_QUOTED = _LENGTH | {r"""["”]|''""": 2.54}
_VOLUME = {
    r"ml|mls|millilit(?:er|re)s?": 0.001,
    r"cl|centilit(?:er|re)s?": 0.01,
    r"l|lit(?:er|re)s?": 1.0,
    r"fl\.? ?oz\.?|fluid ounces?|fl\.? ounces?": 0.0295735295625,
    r"gal|gallons?": 3.785411784,
    r"qt|quarts?": 0.946352946,
    r"pints?": 0.473176473,
}
# "2019 HP" is a computer, so the sign counts in small letters only.
_POWER = {r"w|watts?": 1.0, r"kw|kilowatts?": 1000.0, r"(?-i:hp)|horsepower": 745.6998715822702}
_VOLTAGE = {r"v|volts?|vac|vdc": 1.0, r"kv|kilovolts?": 1000.0, r"mv|millivolts?": 0.001}
# What something carries or is made for is not what it weighs.
_CARRIED = (
    r"(?i)(?:\b(?:up to|holds?|holding|supports?|supporting|carry|carries|capacity|limit|maximum|"
    r"max|load|lifts?|rated for|over)\b[^.;\n]{0,20}?)"
)


def reader_of(what: str) -> Reader:
    """The function that reads a kind, or a user's regular expression.

    Raises:
        RecipeError: it is neither.
    """
    if what in _READERS:
        return _READERS[what]
    try:
        groups = pl.Series([""]).str.extract_groups(what).struct.fields
    except pl.exceptions.PolarsError as error:
        raise _neither(what, str(error).strip().splitlines()[-1]) from None
    if what.isidentifier() and not groups:
        # A word without any sign of a pattern is a kind misspelt.
        raise _neither(what, "it is not a kind")
    at = 1 if groups else 0
    return lambda frame: _plain(frame["text"].str.extract(what, at))


def _neither(what: str, reason: str) -> RecipeError:
    return RecipeError(
        f"features.numbers cannot look for this: {reason}.",
        received=what,
        allowed=[*_READERS, "a regular expression"],
        hint=nearest(what, _READERS),
    )


def _plain(numbers: pl.Series) -> pl.Series:
    """Numbers as people write them, as floats.

    Of a dot and a comma the last is the decimal mark; a comma before exactly three digits groups
    thousands.
    """
    bare = numbers.str.replace_all(r"[ \x{a0}_']", "")
    frame = pl.DataFrame({"n": bare})
    number = pl.col("n")
    grouped = number.str.contains(r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$")
    dotted = number.str.contains(r"^[+-]?\d{1,3}(?:\.\d{3})+,\d+$")
    text = (
        pl.when(grouped)
        .then(number.str.replace_all(",", "", literal=True))
        .when(dotted)
        .then(number.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True))
        .otherwise(number.str.replace(",", ".", literal=True))
    )
    # A number beyond a float's range is none.
    value = text.cast(pl.Float64, strict=False)
    return frame.select(pl.when(value.is_finite()).then(value)).to_series()


def _any_of(units: dict[str, float]) -> str:
    # "inches" before "in": the longest that fits, up to the end of the word.
    return "|".join(units)


def _ends(units: dict[str, float]) -> str:
    """A number and its unit, which ends where a word does."""
    return rf"{_N}\s*-?\s*\\?({_any_of(units)})(?:[^\p{{L}}\p{{N}}]|$)"


def _scaled(numbers: pl.Series, units: pl.Series, table: dict[str, float]) -> pl.Series:
    """Numbers in the units of the table: one factor for each of few spellings."""
    small = units.str.to_lowercase()
    factor = pl.lit(None, pl.Float64)
    for spelling, value in table.items():
        factor = (
            pl.when(pl.col("u").str.contains(rf"^(?:{spelling})$")).then(value).otherwise(factor)
        )
    frame = pl.DataFrame({"n": _plain(numbers), "u": small})
    return frame.select(pl.col("n") * factor).to_series()


def _amount(
    label: str,
    units: dict[str, float],
    *,
    without: str | None = None,
    bare: dict[str, float] | None = None,
) -> Reader:
    """Read an amount: behind its label, else the first in one of the units.

    Args:
        label: what may stand before the amount.
        units: the units that it may be in.
        without: what an amount without a label must not stand behind.
        bare: the units that count without a label; all of them when not given.
    """
    labelled = rf"(?i)\b(?:{label}){_GAP}{_ends(units)}"
    first = rf"(?i)(?:^|[^\p{{L}}\p{{N}}.,]){_ends(bare or units)}"

    def read(frame: pl.DataFrame) -> pl.Series:
        texts = frame["text"]
        groups = texts.str.extract_groups(labelled).struct
        found = _scaled(groups.field("1"), groups.field("2"), units)
        # Only what has no label is looked at again.
        rest = texts.set(found.is_not_null(), None)
        if without is not None:
            rest = rest.str.replace_all(without + _ends(units), " ")
        groups = rest.str.extract_groups(first).struct
        other = _scaled(groups.field("1"), groups.field("2"), units)
        return found.zip_with(found.is_not_null(), other)

    return read


_SIDE = rf"""{_N}\s*\\?(?:{_any_of(_QUOTED)})?\s*\\?["”″]?\s*(?:\(?[LWHDlwhd]\)?)?"""
_TIMES = r"\s*[xX×*]\s*"
_LAST = rf"""{_N}\s*-?\s*\\?({_any_of(_QUOTED)})\s*(?:\(?[LWHDlwhd]\)?)?(?:[^\p{{L}}\p{{N}}]|$)"""
_THREE = rf"(?i){_SIDE}{_TIMES}{_SIDE}{_TIMES}{_LAST}"
_TWO = rf"(?i){_SIDE}{_TIMES}{_LAST}"


def _sides(frame: pl.DataFrame) -> list[pl.Series]:
    """The three sides of `8 x 4 x 3 inches` in centimetres, or the two of `8 x 4 in`."""
    texts = frame["text"]
    three = texts.str.extract_groups(_THREE).struct
    whole = three.field("1").is_not_null()
    two = texts.set(whole, None).str.extract_groups(_TWO).struct
    unit = three.field("4").zip_with(whole, two.field("3"))
    texts_of = [
        three.field("1").zip_with(whole, two.field("1")),
        three.field("2").zip_with(whole, two.field("2")),
        three.field("3"),
    ]
    return [_scaled(side, unit, _QUOTED) for side in texts_of]


def _length(frame: pl.DataFrame) -> pl.Series:
    side = _sides(frame)[0]
    rest = frame.select(text=frame["text"].set(side.is_not_null(), None))
    return side.zip_with(side.is_not_null(), _one_length(rest))


def _box(frame: pl.DataFrame) -> pl.Series:
    first, second, third = _sides(frame)
    return first * second * third / 1000


def _first_of(*patterns: str, low: float = 0.0, high: float = float("inf")) -> Reader:
    """Read the number in the first pattern that matches, if it lies in the range."""

    def read(frame: pl.DataFrame) -> pl.Series:
        found = pl.repeat(None, frame.height, dtype=pl.Float64, eager=True)
        for pattern in patterns:
            groups = frame["text"].set(found.is_not_null(), None).str.extract(pattern, 1)
            number = _plain(groups)
            number = number.set(~number.is_between(low, high), None)
            found = found.zip_with(found.is_not_null(), number)
        return found

    return read


# Without a label "5 m" may be a minute or a model, and "12 in" the beginning of "12 in stock".
_NAMED_LENGTH = r"(?:item |product )?(?:length|long|height|size|width|diameter|depth)"
_SURE = {
    r"mm|millimet(?:er|re)s?": 0.1,
    r"cm|cms|centimet(?:er|re)s?": 1.0,
    r"met(?:er|re)s?": 100.0,
    r"inch|inches|inchs|″": 2.54,
    r"ft|feet|foot": 30.48,
    r"yards?": 91.44,
}
_one_length = _amount(_NAMED_LENGTH, _LENGTH, bare=_SURE)
_WHOLE = r"(\d{1,3}(?:,\d{3})+|\d+)"
_DATED = "year|released?|first available|date|copyright|since"
_YEAR = r"((?:19|20)\d\d)"
_READERS: dict[str, Reader] = {
    "weight_kg": _amount(
        r"(?:item |net |gross |product |package |shipping |unit |total )?weight|weighs|weighing",
        _WEIGHT,
        without=_CARRIED,
    ),
    "length_cm": _length,
    "width_cm": lambda frame: _sides(frame)[1],
    "height_cm": lambda frame: _sides(frame)[2],
    "box_l": _box,
    "volume_l": _amount(r"(?:item |liquid |net )?(?:volume|capacity|contents?)", _VOLUME),
    "power_w": _amount(r"wattage|power(?: consumption| output| rating)?|watts", _POWER),
    "voltage_v": _amount(r"voltage|operating voltage|input voltage", _VOLTAGE),
    "percent": _first_of(rf"{_N}\s*(?:%|percent\b|per cent\b|pct\b)"),
    "rank": _first_of(
        rf"(?i)\brank(?:ed|ing)?\b[^\d\n]{{0,30}}?#?\s*{_WHOLE}", rf"#\s?{_WHOLE}\s+in\b", low=1
    ),
    "rating": _first_of(
        r"(?i)(\d(?:[.,]\d+)?)\s*(?:out of|/)\s*5\b",
        r"(?i)(\d(?:[.,]\d+)?)[ -]?stars?\b",
        r"(?i)\b(?:rating|rated|stars)\b[^\d\n]{0,12}(\d(?:[.,]\d+)?)\b",
        high=5,
    ),
    "year": _first_of(
        rf"(?i)(?:\b(?:{_DATED})\b|©)[^\n]{{0,40}}?\b{_YEAR}\b",
        rf"(?:^|[^\d.,$€£#-]){_YEAR}(?:[^\d.,-]|[.,](?:\D|$)|$)",
    ),
    "count": _first_of(
        rf"(?i)\b(?:pack|set|box|case|bag|lot|bundle|count)\s+of\s+{_WHOLE}\b",
        rf"(?i)\b{_WHOLE}(?:\.0)?[ -]*(?:packs?|counts?|ct|pcs?|pieces?|pk|units)\b",
        rf"(?i)\b(?:unit count|number of (?:items|pieces)|quantity|count|qty){_GAP}{_WHOLE}",
    ),
}
