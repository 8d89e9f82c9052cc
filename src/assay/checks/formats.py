"""Dates and codes that are written in another way than the rest of their field."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated

import polars as pl

from assay.checks.finding import Code, Finding, Inspected, counted, places, quoted
from assay.checks.missing import NOTHING, WORDS

__all__ = ["mixed_formats", "patterns"]

ENOUGH = 30
# How dates may be meant to be written, each with the shape that its texts have.
DATES = (
    "%Y-%m-%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y", "%Y%m%d",
    "%m/%d/%y", "%d/%m/%y", "%d %b %Y", "%b %d, %Y", "%d-%b-%Y", "%B %d, %Y", "%d %B %Y",
    "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M",
)  # fmt: skip


def mixed_formats(data: Inspected) -> Annotated[list[Finding], Code("F108", "warning")]:
    """Dates, telephone numbers and other codes of one field in more than one way of writing.

    Days and months change places without a word where two formats meet. Write them in one; the
    field's `format` in the contract refuses the others.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"day": [f"2024-01-{n:02}" for n in range(1, 29)] * 2 + ["01/17/2024"]})
    >>> inspect(rows, checks=["mixed_formats"]).cells()["suggested"].to_list()
    ['2024-01-17']
    """
    found: list[Finding] = []
    for name, spec in data.fields.items():
        counts = data.counts(name)
        if spec.type == "datetime" and spec.format is None:
            found += _dates(data, name, counts)
        elif spec.type in ("string", "category", "integer"):
            found += _same_digits(data, name, counts)
    return found


def _shape(text: pl.Expr) -> pl.Expr:
    """Runs of digits as one 9, of letters as one a; all else as it is."""
    return text.str.replace_all(r"\d+", "9").str.replace_all(r"\p{L}+", "a")


def _dates(data: Inspected, name: str, counts: pl.DataFrame) -> list[Finding]:
    shaped = counts.with_row_index("code").with_columns(
        shape=_shape(pl.col("text").str.strip_chars())
        .str.replace(r"[ T]9:9(:9(\.9)?)?.*$", " time")
        .str.replace(r"^9$", "digits")
    )
    shapes = shaped.group_by("shape").agg(pl.col("count").sum(), pl.col("text").sort().first())
    shapes = shapes.sort("count", "shape", descending=[True, False])
    if shapes.height < 2 or counts["count"].sum() < ENOUGH:
        return []
    odd = shaped.filter(pl.col("shape") != shapes["shape"][0])
    few = shaped.filter(pl.col("shape") == shapes["shape"][0])["text"].head(50).to_list()
    format = next((one for one in DATES if all(_reads(text, one) for text in few)), None)
    codes = pl.Series(data.codes(name))
    hit = codes.is_in(odd["code"].to_list())
    values = data.rows[name].filter(hit).cast(pl.Datetime("us"))
    count = int(hit.sum())
    return [
        Finding(
            says=f"{counted(count, 'date is', 'dates are')} written in another way than the most: "
            f"{quoted(shapes['text'], most=4)}.",
            action="Write them in one way, and name it as the field's `format` in the contract.",
            field=name,
            rows=places(hit),
            values=values.dt.to_string(format or "%Y-%m-%d"),
            measured={"ways": dict(shapes.head(10).select("shape", "count").iter_rows())},
        )
    ]


def _reads(text: str, format: str) -> bool:
    try:
        datetime.strptime(text.strip(), format)
    except ValueError:
        return False
    return True


def _same_digits(data: Inspected, name: str, counts: pl.DataFrame) -> list[Finding]:
    """Codes of so many digits, here and there with other marks between them."""
    digits = pl.col("text").str.replace_all(r"[^\d]", "")
    shaped = counts.with_row_index("code").with_columns(
        length=digits.str.len_chars(),
        shape=pl.col("text").str.replace_all(r"\d", "9"),
        only=pl.col("text").str.contains(r"^[\d\s()+./-]+$"),
    )
    total = int(counts["count"].sum())
    shapes = shaped.filter("only").group_by("shape", "length").agg(pl.col("count").sum())
    shapes = shapes.sort("count", "shape", descending=[True, False])
    if total < ENOUGH or shapes.is_empty() or shapes["count"].sum() < 0.9 * total:
        return []
    usual, length, most = shapes.row(0)
    same = shapes.filter(pl.col("length") == length)
    # Numbers have many lengths and no marks; codes have one length and few ways of writing.
    if length < 6 or same.height < 2 or same.height > 8 or same["count"].sum() < 0.9 * total:
        return []
    if most < 0.5 * total:
        return []
    odd = shaped.filter(
        pl.col("only") & (pl.col("length") == length) & (pl.col("shape") != usual)
    ).with_columns(plain=digits)
    mended = {
        code: _in_shape(usual, plain) for code, plain in odd.select("code", "plain").iter_rows()
    }
    codes = pl.Series(data.codes(name))
    hit = codes.is_in(list(mended))
    return [
        Finding(
            says=f"{counted(int(hit.sum()), 'code', 'codes')} of {length} digits written in "
            f"another way than the most: {quoted(odd['text'], most=4)}.",
            action="Write them in one way; the field's `pattern` in the contract refuses others.",
            field=name,
            rows=places(hit),
            values=codes.filter(hit).replace_strict(mended, return_dtype=pl.String),
            measured={"ways": dict(same.select("shape", "count").iter_rows())},
        )
    ]


def _in_shape(shape: str, digits: str) -> str:
    rest = iter(digits)
    return re.sub("9", lambda _: next(rest, ""), shape)


def patterns(
    data: Inspected, *, share: float = 0.05
) -> Annotated[list[Finding], Code("F112", "warning")]:
    """Codes, numbers with a word and other short values that break their field's own pattern.

    Zip codes of four digits among those of five, a letter among the digits of a telephone number,
    a digit in a name. Correct them; the field's `pattern` in the contract refuses them.

    Args:
        share: of the values, how many may break a pattern for it to be one.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"zip": [f"{10001 + 7 * n}" for n in range(60)] + ["100x1"]})
    >>> inspect(rows, checks=["patterns"]).cells()["value"].to_list()
    ['100x1']
    """
    found: list[Finding] = []
    for name, spec in data.fields.items():
        if spec.type not in ("string", "category"):
            continue
        counts = data.counts(name)
        words = pl.col("text").str.strip_chars().str.to_lowercase()
        counts = counts.with_row_index("code").filter(
            ~words.is_in(sorted(WORDS | NOTHING)) & (pl.col("text").str.len_chars() <= 60)
        )
        if counts["count"].sum() >= ENOUGH:
            found += _breaking(data, name, counts, share)
    return found


# From the finest to the coarsest: digits one by one, runs, words as one.
def _levels(text: pl.Expr) -> list[pl.Expr]:
    letters = text.str.replace_all(r"\p{Lu}", "A").str.replace_all(r"\p{Ll}|\p{Lo}|\p{Lm}", "a")
    each = letters.str.replace_all(r"\d", "9")
    runs = text.str.replace_all(r"\d+", "9").str.replace_all(r"\p{L}+", "a")
    words = runs.str.replace_all(r"a([ &.,'/()-]+a)+\.?", "a")
    return [each, runs, words]


def _breaking(data: Inspected, name: str, counts: pl.DataFrame, share: float) -> list[Finding]:
    total = int(counts["count"].sum())
    for level in _levels(pl.col("text").str.strip_chars()):
        shaped = counts.with_columns(shape=level)
        shapes = shaped.group_by("shape").agg(pl.col("count").sum(), distinct=pl.len())
        shapes = shapes.sort("count", "shape", descending=[True, False])
        # A pattern stands for many values, none of which it may owe its standing to.
        ruling = shapes.filter((pl.col("count") >= 0.02 * total) & (pl.col("distinct") >= 3))
        rare = shapes.filter(pl.col("count") < 0.01 * total + 1)
        # Codes have one length; where several rule that differ in nothing else, they are numbers.
        runs = ruling["shape"].str.replace_all("9+", "9")
        left = total - int(ruling["count"].sum())
        if (
            runs.n_unique() < ruling.height
            or ruling.is_empty()
            or left > share * total
            or ruling.height > 8
        ):
            continue
        known = ruling["shape"].to_list()
        odd = shaped.filter(pl.col("shape").is_in(rare["shape"].to_list()))
        odd = odd.filter(~pl.col("shape").is_in(known) & _matters(known))
        if odd.is_empty():
            return []
        hit = pl.Series(data.codes(name)).is_in(odd["code"].to_list())
        return [
            Finding(
                says=f"{counted(int(hit.sum()), 'value breaks', 'values break')} the pattern that "
                f"the others keep: {quoted(odd['text'])} beside {quoted(_typical(shaped, known))}.",
                action="Correct them; the field's `pattern` in the contract refuses them.",
                field=name,
                rows=places(hit),
                measured={"patterns": known, "count": int(hit.sum())},
            )
        ]
    return []


def _typical(shaped: pl.DataFrame, known: list[str]) -> list[str]:
    return [shaped.filter(pl.col("shape") == shape)["text"][0] for shape in known[:3]]


def _matters(known: list[str]) -> pl.Expr:
    """Among words only a digit inside one is odd; marks between words are nobody's mistake."""
    if any("9" in shape for shape in known):
        return pl.lit(value=True)
    return pl.col("shape").str.contains("(?i)a9+a")
