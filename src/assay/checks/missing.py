"""Values that are not there, and values that only look as if they were."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import polars as pl

from assay.checks.finding import (
    Code,
    Finding,
    Inspected,
    Severity,
    commonest,
    counted,
    places,
    quoted,
)
from assay.contract.reading import NULL_WORDS

__all__ = ["disguised", "missing"]

WORDS = frozenset([
    "unknown", "unk", "missing", "not available", "not applicable", "notavailable", "no data",
    "nodata", "no value", "not known", "not given", "not specified", "unspecified", "undefined",
    "undisclosed", "tbd", "tba", "tbc", "to be determined", "to be confirmed", "n.a.", "n.a", "n/k",
    "not provided", "not recorded", "not stated", "no answer", "no response", "???", "??", ".",
    "..", "...", "*", "**", "#n/a", "#null!", "#ref!", "#value!", "#div/0!", "#name?", "#num!",
    "(blank)", "<blank>", "blank", "(null)", "<null>", "\\n", "---", "_", "__", "inf", "-inf",
    "keine angabe", "k.a.", "k. a.", "unbekannt", "inconnu", "desconocido", "sconosciuto", "xx",
    "xxx", "xxxx", "placeholder", "lorem ipsum", "asdf", "test test", "empty", "(empty)", "(none)",
    "<none>", "[null]", "[none]", "[]", "{}",
]) | NULL_WORDS - {"", "none"}  # fmt: skip
# In a field of words these may well be words; in one of numbers they can only mean nothing.
NOTHING = frozenset(["none", "nothing", "no", "nil", "zero"])
NUMBERS = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, -88.0, -888.0, -77.0, -777.0,
           99.0, 999.0, 9999.0, 99999.0, 999999.0, 9999999.0, 99999999.0, 888.0, 8888.0, 0.0,
           -2147483648.0, 2147483647.0, 1e20, 1e30)  # fmt: skip
DAYS = ("1900-01-01", "1899-12-30", "1899-12-31", "1970-01-01", "1904-01-01", "1601-01-01",
        "1753-01-01", "1111-11-11", "1000-01-01", "2999-12-31", "9999-12-31", "9999-01-01",
        "2099-12-31", "2100-01-01")  # fmt: skip
ENOUGH = 20
# A number that stands for nothing recurs.
RECURS = 3
SHOWN = 5


def missing(
    data: Inspected, *, share: float = 0.3
) -> Annotated[list[Finding], Code("F101", "note")]:
    """Fields in which values are missing.

    Decide for each whether a row without it is of use (`required: true` in the contract sets it
    aside), whether it can be filled in (`clean.impute`, fitted on train; no free text can), or
    whether that it is missing tells something by itself.

    Args:
        share: from this share of missing values on the finding is a warning.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"a": ["x", None, "", "y"], "b": [1, 2, 3, 4]})
    >>> print(inspect(rows, checks=["missing"]).results[0].findings[0].says)
    2 of 4 values are missing (50.0 %).
    """
    found: list[Finding] = []
    for name, spec in data.fields.items():
        texts = data.written[name]
        gone = texts.is_null() | (texts.str.strip_chars() == "").fill_null(False)
        count = int(gone.sum())
        if not count:
            continue
        part = count / len(gone)
        every = count == len(gone)
        word: Severity | None = "error" if spec.required else "warning" if part >= share else None
        free = spec.type == "string"
        action = "Keep the gaps" if free else "Fill them in after the split with `clean.impute`"
        found.append(
            Finding(
                says=f"All {count:,} values are missing." if every
                else f"{count:,} of {len(gone):,} values are missing ({100 * part:.1f} %).",
                action="Drop the field, or find out why it is empty." if every
                else f"{action}, or set the rows aside with `required: true`.",
                field=name,
                rows=places(gone),
                measured={"missing": count, "share": part},
                severity=word,
                step=None if every or free else {"clean.impute": {"columns": [name]}},
            )
        )  # fmt: skip
    return found


def disguised(data: Inspected) -> Annotated[list[Finding], Code("F102", "warning")]:
    """Missing values that are written as a word, a number or a date.

    "N/A", "-", "unknown" and "?" among other values; 9999 and -1 far from all other numbers;
    1900-01-01 far from all other days. Models take them for values. Make them null. A word that
    the whole table uses for it, and that stands beside no real gap, is a habit and only a note.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"a": ["x", "N/A", "y", "-", "z"] * 9, "n": [5, 6, 7, 8, 9999] * 9})
    >>> [one.field for one in inspect(rows, checks=["disguised"]).results[0].findings]
    ['a', 'n']
    """
    found: list[Finding] = []
    for name, spec in data.fields.items():
        if spec.type in ("integer", "number"):
            found += _words(data, name, WORDS | NOTHING) + _numbers(data, name)
        elif spec.type == "datetime":
            found += _words(data, name, WORDS | NOTHING) + _days(data, name)
        elif spec.type in ("string", "category", "boolean"):
            found += _words(data, name, WORDS) + _day_words(data, name)
    return found


def _words(data: Inspected, name: str, words: frozenset[str]) -> list[Finding]:
    texts = data.written[name]
    folded = texts.str.strip_chars().str.to_lowercase()
    hit = folded.is_in(sorted(words - {""})).fill_null(False)
    count = int(hit.sum())
    # One value among few distinct ones may be a class of its own; the only one is a constant.
    if not count or count == int(texts.is_not_null().sum()):
        return []
    shown = commonest(texts.filter(hit))
    gaps = any(
        data.written[other].is_null().any() or (data.written[other] == "").any()
        for other in data.fields
    )
    alone = len({text.strip().lower() for text in shown}) == 1 and not gaps
    return [
        Finding(
            says=f"{counted(count, 'value says', 'values say')} {quoted(shown)}, which means "
            "that there is none.",
            action="Make them null, for instance with `on_violation: 'null'` in the contract.",
            field=name,
            rows=places(hit),
            values=pl.Series([None], dtype=pl.String).new_from_index(0, count),
            measured={"words": [text[:60] for text in shown[:SHOWN]], "count": count},
            severity="note" if alone and shown[0].strip().lower() not in NULL_WORDS else None,
        )
    ]


def _numbers(data: Inspected, name: str) -> list[Finding]:
    values = data.rows[name].cast(pl.Float64)
    counts = values.drop_nulls().alias("value").value_counts(name="count").sort("value")
    filled = len(values) - values.null_count()
    if filled < ENOUGH or counts.height < 4:
        return []
    found: list[Finding] = []
    # The list of such numbers is short and fixed.
    for value in NUMBERS:
        here = counts.filter(pl.col("value") == value)
        if here.is_empty() or not RECURS <= here["count"][0] <= 0.5 * filled:
            continue
        rest = counts.filter(pl.col("value") != value)
        if _apart(rest, value, here["count"][0]):
            found.append(_sentinel(name, f"{value:g}", places(values == value), data))
    return found


def _apart(rest: pl.DataFrame, value: float, count: int) -> bool:
    """Whether a number lies beyond all others, further than they spread, and recurs oddly often."""
    values = rest["value"].to_numpy()
    times = rest["count"].to_numpy()
    least, most = float(values[0]), float(values[-1])
    if least <= value <= most:
        return False
    low, middle, high = np.quantile(np.repeat(values, times), (0.05, 0.5, 0.95)).tolist()
    gap = least - value if value < least else value - most
    near = middle - low if value < least else high - middle
    # Below zero nothing else may be; a gap of one is none between counts.
    signed = value < 0 <= least
    wide = gap > max(high - low, 1.0) * (0.5 if value == 0 else 1.0)
    often = count >= RECURS * np.median(times) or count >= 0.01 * times.sum()
    return bool(often and (wide or signed) and (value != 0 or gap > 2 * max(near, 1e-12)))


def _days(data: Inspected, name: str) -> list[Finding]:
    values = data.rows[name].cast(pl.Datetime("us"))
    filled = values.drop_nulls()
    if len(filled) < ENOUGH:
        return []
    days = values.dt.date().cast(pl.String)
    found: list[Finding] = []
    # The list of such days is short and fixed.
    for day in DAYS:
        # Written in another way than the field's dates, it is no date of the field's.
        other = data.written[name].str.starts_with(day) & values.is_null()
        if other.any():
            found.append(_sentinel(name, day, places(other), data))
        hit = (days == day).fill_null(False)
        others = values.filter(~hit).drop_nulls()
        if not hit.any() or len(others) < ENOUGH:
            continue
        # In days since 1970.
        low, high = np.quantile(others.to_physical().to_numpy() / 86_400e6, (0.01, 0.99))
        at = values.filter(hit).to_physical()[0] / 86_400e6
        if max(low - at, at - high) > max(365.0, (high - low) / 2):
            found.append(_sentinel(name, day, places(hit), data))
    return found


def _day_words(data: Inspected, name: str) -> list[Finding]:
    """Such days in a field whose other values name years too, and that nothing reads as dates."""
    counts = data.counts(name)
    day = pl.col("text").str.head(10).is_in(list(DAYS))
    hits, others = counts.filter(day), counts.filter(~day)
    if hits.is_empty() or others.is_empty():
        return []
    dated = others.filter(pl.col("text").str.contains(r"\b(19|20)\d\d\b"))
    if int(dated["count"].sum()) < 0.9 * int(others["count"].sum()):
        return []
    rows = places(data.written[name].is_in(hits["text"].to_list()))
    return [_sentinel(name, hits["text"][0], rows, data)]


def _sentinel(name: str, shown: str, rows: pl.Series, data: Inspected) -> Finding:
    return Finding(
        says=f"{counted(len(rows), 'value is', 'values are')} {shown}, far from all others: it "
        "stands for none.",
        action="Make them null before anything is computed from the field.",
        field=name,
        rows=rows,
        values=pl.Series([None], dtype=pl.String).new_from_index(0, len(rows)),
        measured={"value": shown, "count": len(rows)},
    )
