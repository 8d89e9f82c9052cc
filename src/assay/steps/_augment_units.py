"""Measurements in texts, written in another way without changing what they say."""

from __future__ import annotations

import polars as pl

# Unit: its sign, one of it, several of it, and other ways in which it is written.
_UNITS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "in": ("in", "inch", "inches", ()),
    "ft": ("ft", "foot", "feet", ()),
    "mm": ("mm", "millimeter", "millimeters", ("millimetre", "millimetres")),
    "cm": ("cm", "centimeter", "centimeters", ("centimetre", "centimetres")),
    "m": ("m", "meter", "meters", ("metre", "metres")),
    "g": ("g", "gram", "grams", ("gm", "gms")),
    "kg": ("kg", "kilogram", "kilograms", ("kgs",)),
    "oz": ("oz", "ounce", "ounces", ()),
    "lb": ("lb", "pound", "pounds", ("lbs",)),
    "ml": ("ml", "milliliter", "milliliters", ("mL", "millilitre", "millilitres")),
    "l": ("l", "liter", "liters", ("L", "litre", "litres")),
    "W": ("W", "watt", "watts", ("Watt", "Watts")),
    "kW": ("kW", "kilowatt", "kilowatts", ()),
    "V": ("V", "volt", "volts", ("Volt", "Volts")),
}
# Exact by definition, so that nothing is rounded away.
_CONVERSIONS = {
    "kg": ("g", 1000.0), "g": ("kg", 0.001), "lb": ("oz", 16.0), "ft": ("in", 12.0),
    "in": ("cm", 2.54), "cm": ("mm", 10.0), "mm": ("cm", 0.1), "m": ("cm", 100.0),
    "l": ("ml", 1000.0), "ml": ("l", 0.001), "kW": ("W", 1000.0),
}  # fmt: skip
# A number and, if it is joined to it, its unit; marks may stand around both.
_NUMBER = r"""^([(\["']*)(\d{1,6}(?:\.\d{1,4})?)([A-Za-z]*)([.,;:)\]!?"']*)$"""
_UNIT = r"""^([A-Za-z]+)([.,;:)\]!?"']*)$"""
# Beside these a number is one of several, which one unit behind the last of them measures.
_JOINED = ["x", "X", "×", "*", "by", "to", "-", "–", "or", "and", "/"]
# Behind "in" these say that it is a length: "2 in 1" and "12 in stock" are none.
_LENGTHS = [
    "x", "X", "×", "by", "long", "wide", "high", "tall", "deep", "thick", "diameter", "dia",
    "length", "width", "height", "depth", "L", "W", "H", "D",
]  # fmt: skip


def measured(tokens: pl.DataFrame) -> pl.DataFrame:
    """Find the measurements among words.

    Args:
        tokens: `word`, and in the same text (null beyond its ends) the words two places before
            it (`past`), `before`, `after` and two places after it (`next`).

    Returns:
        One line a word: `unit` (null: there is no measurement), `apart` (its unit is the next
        word), `number`, `head`, `tail` and `alone` (no other number shares its unit).
    """
    number = pl.col("word").str.extract_groups(_NUMBER)
    unit = pl.col("after").str.extract_groups(_UNIT)
    read = tokens.select(
        pl.col("past", "before", "after", "next"),
        number.struct.field("1").alias("head"),
        number.struct.field("2").alias("number"),
        number.struct.field("3").alias("joined"),
        number.struct.field("4").alias("end"),
        unit.struct.field("1").alias("behind"),
        unit.struct.field("2").alias("end_behind"),
    )
    apart = (pl.col("joined") == "") & (pl.col("end") == "")
    name = pl.when(apart).then("behind").otherwise("joined")
    spellings = {
        spelling: key
        for key, (sign, one, several, rest) in _UNITS.items()
        for spelling in (sign, one, several, *rest)
    }
    follows = pl.when(apart).then("next").otherwise("after")
    tail = pl.when(apart).then("end_behind").otherwise("end")
    preposition = (
        (name == "in") & apart & (tail == "") & follows.is_not_null() & ~follows.is_in(_LENGTHS)
    )
    unit_of = name.replace_strict(
        list(spellings), list(spellings.values()), default=None, return_dtype=pl.String
    )
    shared = (
        pl.col("before").is_in(_JOINED).fill_null(False)
        | follows.is_in(_JOINED).fill_null(False)
        | pl.col("before").str.contains(r"\p{N}$").fill_null(False)
        # The inches of "6 ft 2 in" are added to the feet.
        | pl.col("past").str.contains(r"\p{N}$").fill_null(False)
        | follows.str.contains(r"^\p{N}").fill_null(False)
    )
    return read.select(
        pl.when(~preposition.fill_null(False)).then(unit_of).alias("unit"),
        apart.fill_null(False).alias("apart"),
        pl.col("number"),
        pl.col("head"),
        tail.alias("tail"),
        name.alias("written"),
        (~shared).alias("alone"),
    )


def rewritten(found: pl.DataFrame, choice: pl.Series) -> pl.DataFrame:
    """Write measurements in another way: the unit's other name, or another unit.

    Args:
        found: lines of `measured` with a unit.
        choice: a random number for each; below a half it is another unit, where there is one.

    Returns:
        `first`, and `second` for a unit that is a word of its own.
    """
    units = pl.DataFrame(
        {
            "unit": list(_UNITS),
            "sign": [names[0] for names in _UNITS.values()],
            "one": [names[1] for names in _UNITS.values()],
            "several": [names[2] for names in _UNITS.values()],
        }
    )
    targets = pl.DataFrame(
        {
            "unit": list(_CONVERSIONS),
            "to": [to for to, _ in _CONVERSIONS.values()],
            "factor": [factor for _, factor in _CONVERSIONS.values()],
        }
    )
    frame = found.with_columns(choice.alias("choice")).join(
        targets, on="unit", how="left", maintain_order="left"
    )
    value = (pl.col("number").cast(pl.Float64) * pl.col("factor")).round(6)
    # Beyond this a number would be written with an exponent.
    fits = value.is_between(1e-3, 1e7) & pl.col("alone") & (pl.col("choice") < 0.5)
    frame = frame.with_columns(
        pl.when(fits)
        .then(value.cast(pl.String).str.strip_suffix(".0"))
        .otherwise("number")
        .alias("shown"),
        pl.when(fits).then("to").otherwise("unit").alias("unit"),
        fits.alias("converted"),
    ).join(units, on="unit", how="left", maintain_order="left")
    word = pl.when(pl.col("shown") == "1").then("one").otherwise("several")
    # A unit that stays is written in the way in which it was not.
    sign = pl.col("written") == pl.col("sign")
    name = pl.when(pl.col("converted") == sign).then("sign").otherwise(word)
    apart = pl.col("apart")
    start = pl.col("head") + pl.col("shown")
    return frame.select(
        pl.when(apart).then(start).otherwise(start + " " + name + pl.col("tail")).alias("first"),
        pl.when(apart).then(name + pl.col("tail")).alias("second"),
    )
