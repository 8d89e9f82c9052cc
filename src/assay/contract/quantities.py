"""Numbers, amounts of money and measurements, as people write them.

How a text is read, in this order:

* One number and at most one sign, currency or unit beside it; lengths, weights and times may
  have several parts ("3 ft 2 in"). Anything else around it ("about 5", "1-2 kg", "7 x 4 cm")
  is not a number. Parentheses mean a negative amount.
* Of a dot and a comma in one number, the last is the decimal mark. One that stands several times
  groups thousands. A lone comma before exactly three digits groups thousands ("1,299"); a lone
  dot is a decimal mark ("1.299"), except in an amount of a currency whose countries write
  thousands so ("1.299 €").
* A number without a unit is in the field's unit. One in another unit of the same kind is
  converted; one in another currency, or in a unit of another kind, is refused.
* Where the field has no unit, an amount of money keeps its number, whatever the currency; a
  percentage or a measurement is refused, since 12 oz and 2 lb are not numbers of one column.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

DOLLARS = frozenset({
    "USD", "AUD", "BBD", "BMD", "BND", "BSD", "BZD", "CAD", "FJD", "GYD", "HKD", "JMD", "KYD",
    "LRD", "MXN", "NAD", "NZD", "SBD", "SGD", "SRD", "TTD", "TWD", "XCD", "ARS", "CLP", "COP",
    "UYU",
})  # fmt: skip
SIGNS = {
    "$": DOLLARS, "US$": {"USD"}, "CA$": {"CAD"}, "C$": {"CAD"}, "AU$": {"AUD"}, "A$": {"AUD"},
    "NZ$": {"NZD"}, "HK$": {"HKD"}, "S$": {"SGD"}, "NT$": {"TWD"}, "MX$": {"MXN"}, "R$": {"BRL"},
    "€": {"EUR"}, "£": {"GBP", "EGP", "LBP", "SYP", "FKP", "GIP", "SHP"}, "₹": {"INR"},
    "¥": {"JPY", "CNY"}, "円": {"JPY"}, "元": {"CNY"}, "₩": {"KRW"}, "₽": {"RUB"}, "₺": {"TRY"},
    "₴": {"UAH"}, "₪": {"ILS"}, "₫": {"VND"}, "₱": {"PHP"}, "฿": {"THB"}, "₦": {"NGN"},
    "zł": {"PLN"}, "kč": {"CZK"}, "ft": {"HUF"}, "lei": {"RON"}, "rp": {"IDR"},
    "rs": {"INR", "PKR", "LKR", "NPR", "MUR"}, "kr": {"SEK", "NOK", "DKK", "ISK"}, "fr": {"CHF"},
    "dollar": DOLLARS, "dollars": DOLLARS, "euro": {"EUR"}, "euros": {"EUR"},
    "pound": {"GBP"}, "pounds": {"GBP"}, "yen": {"JPY"}, "rupee": {"INR"}, "rupees": {"INR"},
}  # fmt: skip
# Signs that are also units or words; without a field unit they are not taken for money.
AMBIGUOUS = frozenset({"ft", "pound", "pounds", "lei", "fr"})
# Where thousands are written with a dot, so that "1.299 €" is not one euro and thirty cents.
DOT_GROUPS = frozenset({
    "EUR", "DKK", "NOK", "ISK", "PLN", "CZK", "HUF", "RON", "TRY", "BRL", "ARS", "CLP", "COP",
    "UYU", "IDR", "VND", "RUB", "UAH", "BGN", "RSD",
})  # fmt: skip
WRITTEN_UNITS = {
    '"': "inch", "″": "inch", "''": "inch", "'": "foot", "′": "foot", "cms": "cm", "mms": "mm",
    "kgs": "kg", "gms": "g", "gm": "g", "mins": "minute", "secs": "second", "hrs": "hour",
    "yrs": "year", "yr": "year", "mos": "month", "fl oz": "fluid_ounce", "sq ft": "foot**2",
    "%": "percent", "pct": "percent", "per cent": "percent", "mph": "mile/hour",
    "1": "dimensionless", "ratio": "dimensionless", "fraction": "dimensionless",
}  # fmt: skip

# A space or an apostrophe belongs to a number only before exactly three digits: 3'2" has two.
_NUMBER = r"\d(?:[\d.,]|[ '](?=\d{3}(?!\d)))*(?:(?<=\d)[eE][+-]?\d+)?|\.\d+"
_PART = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<label>[^\d\s.,()+-](?:[^\d()+]*[^\d\s()+])?)?\s*")
_WHOLE = re.compile(
    rf"(?P<sign>[+-]?)\s*(?P<before>[^\d\s.,()+-][^\d()+-]*?)??\s*(?P<inner>[+-]?)\s*(?P<body>(?:{_NUMBER}).*)",
    re.DOTALL,
)
# Spaces of other widths, apostrophes and signs that stand for the plain ones.
_PLAIN = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "’": "'"})
# Words joined by signs of multiplication, division and powers; anything else pint need not see.
_WORD = r"[A-Za-zµμ°%_]+[²³]?"
_UNIT_NAME = re.compile(
    rf"{_WORD}(?: ?(?:\*\*|\^) ?-?\d)?(?: ?[*/ ] ?{_WORD}(?:(?:\*\*|\^)-?\d)?)*"
)
_GROUPED = re.compile(r"\d{1,3}([., '])\d{3}(?:\1\d{3})*|\d{1,2}(?:,\d{2})+,\d{3}")


def read_quantities(texts: Sequence[str], unit: str | None = None) -> list[float | None]:
    """Read each text as a number in the given unit; None where it is not one.

    Args:
        texts: distinct texts; the work is done once for each.
        unit: a currency code (ISO 4217), a unit of measure that pint knows, "percent", any other
            word (which must then be the word that the texts use), or None.

    >>> read_quantities(["$1,299.00", "1 299,5", "(12.50)", "€ 5"], "USD")
    [1299.0, 1299.5, -12.5, None]
    >>> [round(found, 3) for found in read_quantities(["2.3 pounds", "3 lb 8 oz"], "kg")]
    [1.043, 1.588]
    >>> read_quantities(["1.299,00 €", "1.299 €", "1.299"], "EUR")
    [1299.0, 1299.0, 1.299]
    """
    scale = _scale_to(unit)
    # One pass over distinct texts that a plain cast could not read, not over rows.
    return [_quantity(text, scale) for text in texts]


def written_unit(text: str) -> str | None:
    """Name the currency or unit that a text is written in, as a field's `unit` would; else None.

    >>> [written_unit(text) for text in ("$5", "12.0 oz.", "45%", "5", "5 apples")]
    ['USD', 'oz', 'percent', None, None]
    """
    parts = _parts(text)
    if parts is None:
        return None
    label = parts[0][1]
    codes = _currencies(label)
    if codes and label.casefold() not in AMBIGUOUS:
        return next((code for code in ("USD", "INR", "SEK") if code in codes), min(codes))
    name = _plain_label(label)
    if name in ("%", "pct", "percent"):
        return "percent"
    if not name or _known_unit(name) is None:
        return None
    return name if name.isascii() and name[0].isalpha() else WRITTEN_UNITS.get(name, name)


def is_currency(unit: str | None) -> bool:
    """Say whether a field's unit is a currency code such as USD."""
    if unit is None or not (len(unit) == 3 and unit.isupper()):
        return False
    return unit in _currency_codes()


# What a number with this label is in the field's unit; None: the label does not fit the unit.
_Scale = Callable[[str], "Callable[[float], float] | None"]


def _quantity(text: str, scale: _Scale) -> float | None:
    parts = _parts(text)
    if parts is None:
        return None
    total, last = 0.0, float("inf")
    for number, label in parts:
        value, convert = _number(number, label), scale(label)
        if value is None or convert is None:
            return None
        one = convert(1.0)
        # "3 ft 2 in" goes from large to small; temperatures, whose zeros differ, do not add up.
        if len(parts) > 1 and (not label or convert(0.0) != 0 or one >= last):
            return None
        total, last = total + convert(value), one
    return total if math.isfinite(total) else None


def _parts(text: str) -> list[tuple[str, str]] | None:
    """Cut a text into numbers, each with the label it carries; the sign goes to the first."""
    plain = text.translate(_PLAIN).strip()
    negative = plain.startswith("(") and plain.endswith(")")
    match = _WHOLE.fullmatch(plain[1:-1].strip() if negative else plain)
    if match is None or (match["sign"] and match["inner"]):
        return None
    parts, position = [], 0
    while position < len(match["body"]):
        part = _PART.match(match["body"], position)
        if part is None:
            return None
        parts.append((part["number"].rstrip(), part["label"] or ""))
        position = part.end()
    if match["before"]:
        before = match["before"].strip()
        if len(parts) > 1 or parts[0][1]:
            return _both_sides(before, parts)
        # Only money is named before its number: "A11" is a code, not eleven ampere.
        if not _currencies(before):
            return None
        parts = [(parts[0][0], before)]
    minus = negative != ("-" in (match["sign"], match["inner"]))
    if minus and len(parts) > 1:
        return None
    return [("-" + parts[0][0], parts[0][1])] if minus else parts


def _both_sides(before: str, parts: list[tuple[str, str]]) -> list[tuple[str, str]] | None:
    """Accept "$5 USD", where the sign before and the code behind agree; nothing else."""
    if len(parts) > 1:
        return None
    codes = _currencies(before) & _currencies(parts[0][1])
    return [(parts[0][0], min(codes))] if codes else None


def _number(text: str, label: str) -> float | None:
    """Read digits with their decimal and grouping marks; the marks of a number must fit."""
    digits = text.lstrip("-")
    mantissa, mark, exponent = digits.lower().partition("e")
    decimal = _decimal_mark(mantissa, label)
    whole, point, fraction = mantissa.partition(decimal) if decimal else (mantissa, "", "")
    grouped = not whole.isdigit() and bool(whole)
    if (grouped and not _GROUPED.fullmatch(whole)) or (
        point and fraction and not fraction.isdigit()
    ):
        return None
    if mark:
        value = float(f"{re.sub('[^0-9]', '', whole) or 0}.{fraction or 0}e{exponent}")
    else:
        value = _amount(mantissa, decimal)
    return -value if text.startswith("-") else value


def _amount(text: str, decimal: str | None) -> float:
    """Let price-parser put the marks together, now that it is known which is which."""
    from price_parser import Price

    bare = text.replace(" ", "").replace("'", "")
    # With no decimal mark in it, either sign may be named: the groups are then only removed.
    mark = decimal or ("," if "." in bare else ".")
    found = Price.fromstring(
        "0" + bare if bare.startswith((".", ",")) else bare, decimal_separator=mark
    )
    amount = found.amount
    return float(amount) if amount is not None else float("nan")


def _decimal_mark(text: str, label: str) -> str | None:
    dots, commas = text.count("."), text.count(",")
    if dots and commas:
        return "." if text.rfind(".") > text.rfind(",") else ","
    mark = "." if dots else ","
    if dots + commas != 1:
        return None
    whole, _, fraction = text.partition(mark)
    could_group = len(fraction) == 3 and 1 <= len(whole) <= 3 and whole.lstrip("0") == whole
    codes = _currencies(label)
    # Every currency that the label may mean: "$" is not only Argentina's.
    groups = mark == "," or (bool(codes) and codes <= DOT_GROUPS)
    return None if could_group and groups else mark


@functools.cache
def _currency_codes() -> frozenset[str]:
    from price_parser._currencies import CURRENCY_CODES

    return frozenset(CURRENCY_CODES)


def _currencies(label: str) -> frozenset[str]:
    """The currency codes that a label may stand for."""
    name = label.strip()
    if name.upper() in _currency_codes() and (name.isupper() or name.islower()):
        return frozenset({name.upper()})
    key = name.rstrip(".")
    found = SIGNS.get(key) or SIGNS.get(key.upper()) or SIGNS.get(key.casefold())
    return frozenset(found or ())


def _scale_to(unit: str | None) -> _Scale:
    """How a number with a label becomes one of `unit`; each label is looked up once."""
    if unit is None:
        return functools.cache(lambda label: _as_it_is if _is_plain_money(label) else None)
    if is_currency(unit):
        return functools.cache(lambda label: _as_it_is if _is_money(label, unit) else None)
    target = _known_unit(unit)
    if target is None:
        return functools.cache(lambda label: _as_it_is if _same_word(label, unit) else None)
    return functools.cache(lambda label: _conversion(label, target))


def _as_it_is(value: float) -> float:
    return value


def _is_plain_money(label: str) -> bool:
    return not label or (bool(_currencies(label)) and label.casefold() not in AMBIGUOUS)


def _is_money(label: str, unit: str) -> bool:
    return not label or unit in _currencies(label)


def _same_word(label: str, unit: str) -> bool:
    words = [text.casefold().strip(" .").removesuffix("s") for text in (label, unit)]
    return not label or words[0] == words[1]


def _plain_label(label: str) -> str:
    return " ".join(label.replace(".", " ").split())


@functools.cache
def _units() -> Any:
    """The registry of units: a third of a second to build, so only when a unit is written."""
    import pint

    return pint.UnitRegistry(cache_folder=None)


def _candidates(label: str) -> list[str]:
    """Spellings under which a registry of units may know a label."""
    name = _plain_label(label)
    spellings = [name, name.lower()]
    known = [WRITTEN_UNITS[key] for key in (name, name.lower()) if key in WRITTEN_UNITS]
    degrees = [f"deg{name.lstrip('°').strip().upper()}"] if name.lstrip("°").strip() else []
    # Volumes are also written in ounces.
    ounces = ["fluid_ounce"] if name.lower() in ("oz", "ounce", "ounces") else []
    return [*known, *spellings, *degrees, *ounces]


def _known_unit(label: str) -> Any:
    return next((unit for name in _candidates(label) if (unit := _parsed(name)) is not None), None)


def _parsed(name: str) -> Any:
    import pint

    if len(name) > 40 or not _UNIT_NAME.fullmatch(name):
        return None
    try:
        return _units().parse_units(name)
    except (pint.PintError, ValueError, TypeError, AttributeError, KeyError, SyntaxError):
        # Whatever the registry does not understand is not a unit.
        return None


def _conversion(label: str, target: Any) -> Callable[[float], float] | None:
    if not label:
        return _as_it_is
    quantity = _units().Quantity
    base = quantity(1.0, target).to_base_units().units
    for name in _candidates(label):
        unit = _parsed(name)
        # Base units, not dimensions: bytes, angles and percentages all have no dimension.
        if unit is None or quantity(1.0, unit).to_base_units().units != base:
            continue
        if float(quantity(0.0, unit).to(target).magnitude) != 0:
            return lambda value: float(quantity(value, unit).to(target).magnitude)
        factor = 1.0 if unit == target else float(quantity(1.0, unit).to(target).magnitude)
        return lambda value: value * factor
    return None
