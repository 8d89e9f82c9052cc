"""Numbers and data as the words a reader sees."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

NARROW = "\u202f"  # a narrow space that does not break: it stands between a number and its unit
MISSING = "–"
_BEFORE = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


def finite(value: Any) -> float | None:
    """The value as a float, or None where it is no finite number.

    >>> finite("x"), finite(float("nan")), finite(True), finite(2)
    (None, None, None, 2.0)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def integer(value: Any) -> str:
    """A count with its thousands set apart.

    >>> integer(23486), integer(None)
    ('23,486', '–')
    """
    known = finite(value)
    return MISSING if known is None else f"{round(known):,}".replace("-", "−")


def number(value: Any, decimals: int | None = None, unit: str | None = None) -> str:
    """A measured number with its unit; without `decimals` it keeps four significant digits.

    >>> number(1234.5678), number(-0.00123), number(79.583, 2, "USD"), number(3, 1, "kg")
    ('1,235', '−0.00123', '$79.58', '3.0\\u202fkg')
    """
    known = finite(value)
    if known is None:
        return MISSING
    if decimals is None and known and not 1e-4 <= abs(known) < 1e12:
        body = f"{abs(known):.3g}"
    elif decimals is None and affixes(unit)["before"] and abs(known) < 1e5:
        body = f"{abs(known):,.2f}"  # money is written in cents
    elif decimals is None:
        places = 0 if known == 0 else max(0, 3 - math.floor(math.log10(abs(known))))
        body = f"{abs(known):,.{places}f}"
        body = body.rstrip("0").rstrip(".") if "." in body else body
    else:
        body = f"{abs(known):,.{decimals}f}" if abs(known) < 1e15 else f"{abs(known):.3g}"
    sign = "−" if known < 0 and any(digit in body for digit in "123456789") else ""
    sides = affixes(unit)
    after = f"{NARROW}{sides['after']}" if sides["after"] else ""
    return f"{sign}{sides['before']}{body}{after}"


def affixes(unit: Any) -> dict[str, str]:
    """What stands before and after a number of this unit.

    >>> affixes("EUR"), affixes("kg")
    ({'before': '€', 'after': ''}, {'before': '', 'after': 'kg'})
    """
    before = _BEFORE.get(unit, "") if isinstance(unit, str) else ""
    return {"before": before, "after": "" if before or not unit else short(unit, 20)}


def share(part: Any, whole: Any) -> str:
    """A part of a whole in percent, never rounded to all or nothing.

    >>> share(1, 3), share(1, 10_000), share(9_999, 10_000), share(0, 5), share(1, 0)
    ('33.3\\u202f%', '<\\u202f0.1\\u202f%', '>\\u202f99.9\\u202f%', '0\\u202f%', '–')
    """
    top, bottom = finite(part), finite(whole)
    if top is None or not bottom:
        return MISSING
    percent = 100 * top / bottom
    if 0 < percent < 0.1:
        body = f"<{NARROW}0.1"
    elif 99.9 < percent < 100:
        body = f">{NARROW}99.9"
    elif percent in (0, 100):
        body = f"{percent:.0f}"
    else:
        body = f"{percent:.1f}"
    return f"{body}{NARROW}%"


def p_value(value: Any) -> str:
    """The probability of a test, as it is printed.

    >>> p_value(0.00002), p_value(0.0321), p_value(0.4)
    ('<\\u202f0.001', '0.032', '0.40')
    """
    known = finite(value)
    if known is None:
        return MISSING
    if known < 0.001:
        return f"<{NARROW}0.001"
    return f"{known:.3f}" if known < 0.1 else f"{known:.2f}"


def seconds(value: Any) -> str:
    """How long something took.

    >>> seconds(0.0123), seconds(4.2), seconds(300)
    ('0.01\\u202fs', '4.2\\u202fs', '5.0\\u202fmin')
    """
    known = finite(value)
    if known is None:
        return MISSING
    if known >= 120:
        return f"{known / 60:,.1f}{NARROW}min"
    if 0 <= known < 0.01:
        return f"<{NARROW}0.01{NARROW}s"
    return f"{known:.{1 if known >= 1 else 2}f}{NARROW}s"


def size(value: Any) -> str:
    """A number of bytes.

    >>> size(812), size(2_500_000)
    ('812\\u202fB', '2.5\\u202fMB')
    """
    known = finite(value)
    if known is None:
        return MISSING
    for unit in ("B", "kB", "MB", "GB"):
        if known < 1000:
            return f"{known:,.0f}{NARROW}{unit}" if unit == "B" else f"{known:.1f}{NARROW}{unit}"
        known /= 1000
    return f"{known:,.1f}{NARROW}TB"


def short(value: Any, length: int = 80) -> str:
    """Text of a limited length; what is missing becomes an ellipsis.

    >>> short("abcdef", 4), short(None)
    ('abc…', '')
    """
    text = "" if value is None else str(value)
    return text if len(text) <= length else text[: length - 1] + "…"


def value(item: Any, unit: str | None = None, length: int = 80) -> str:
    """Any value from data: numbers as numbers, everything else as text.

    >>> value(3.14159), value("2024-01-01"), value(None)
    ('3.142', '2024-01-01', '–')
    """
    if item is None:
        return MISSING
    if finite(item) is not None:
        whole = float(item).is_integer() and abs(item) < 1e12 and not affixes(unit)["before"]
        return number(item, 0 if whole else None, unit)
    return short(item, length)


def decimals(widths: Iterable[Any], fallback: Iterable[Any] = ()) -> int:
    """How many decimals a column needs so that its intervals keep two or three digits.

    >>> decimals([19.2, 21.0]), decimals([0.14]), decimals([], [0.05]), decimals([4000])
    (1, 3, 3, 0)
    """
    known = sorted(abs(w) for w in map(finite, widths) if w)
    if not known:
        known = sorted(abs(w) for w in map(finite, fallback) if w)
    if not known:
        return 2
    middle = known[len(known) // 2]
    return min(6, max(0, 2 - math.floor(math.log10(middle) + 0.5)))


def many(count: int, one: str, more: str | None = None) -> str:
    """A count with its noun.

    >>> many(1, "gate"), many(2, "gate"), many(0, "row")
    ('1 gate', '2 gates', '0 rows')
    """
    return f"{integer(count)} {one if count == 1 else more or one + 's'}"
