"""Values of another kind than the rest of their field, and numbers in several units."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import polars as pl

from assay.checks.finding import Code, Finding, Inspected, commonest, counted, places, quoted
from assay.checks.missing import NOTHING, WORDS
from assay.contract.reading import expected

__all__ = ["mixed_scales", "mixed_units", "wrong_type"]

ENOUGH = 20
# A number with what stands before and behind it: currency, unit, or nothing.
NUMBER = r"^(?P<before>[^\d\s+\-.,()<>=~≤≥_/#]{0,4})\s?(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[+-]?\.\d+)\s?(?P<after>[^\d\s.,()+\-](?:[^\d()+]{0,15})?)?$"  # noqa: E501
# Factors between units that people mix up: thousands, hundreds, inches, feet, pounds, ounces.
FACTORS = (1000.0, 1e6, 100.0, 2.54, 25.4, 30.48, 0.45359237, 28.349523125, 1.609344, 60.0, 3600.0)


def wrong_type(data: Inspected) -> Annotated[list[Finding], Code("F105", "error")]:
    """Values that are not of their field's type, such as a few words in a column of numbers.

    A build sets such rows aside, or makes the value null where the field says
    `on_violation: 'null'`. Where there are many, the field's type is another one.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"n": [*map(str, range(30)), "twelve"]})
    >>> inspect(rows, checks=["wrong_type"]).cells()["value"].to_list()
    ['twelve']
    """
    found: list[Finding] = []
    for name, spec in data.fields.items():
        if spec.type in ("string", "category"):
            continue
        texts, values = data.written[name], data.rows[name]
        bad = data.filled(name) & values.is_null()
        nothing = texts.str.strip_chars().str.to_lowercase().is_in(sorted(WORDS | NOTHING))
        bad = bad & ~nothing.fill_null(False)
        count = int(bad.sum())
        if not count:
            continue
        shown = commonest(texts.filter(bad))
        found.append(
            Finding(
                says=f"{counted(count, 'value is', 'values are')} no {expected(spec)}: "
                f"{quoted(shown)}.",
                action="Correct them, or lose them with `on_violation: 'null'` in the contract.",
                field=name,
                rows=places(bad),
                measured={"expected": expected(spec), "count": count},
            )
        )
    return found


def mixed_units(
    data: Inspected, *, share: float = 0.8
) -> Annotated[list[Finding], Code("F107", "warning")]:
    """Numbers of one field that are written with different units or signs, or some without.

    "12 oz", "12.0 oz." and "12" beside each other. Where one way of writing prevails, the others
    are meant; where none does, every number that is not bare. Say the unit once, in the contract
    (`unit: oz`), and write numbers alone.

    Args:
        share: how many of a field's values must be numbers, with or without a unit.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"size": ["12 oz", "12.0 oz.", "16 ounce", "8 OZ", "12"] * 9})
    >>> inspect(rows, checks=["mixed_units"]).cells()["suggested"].unique().sort().to_list()
    ['12', '16', '8']
    """
    found: list[Finding] = []
    for name, spec in data.fields.items():
        if spec.type in ("datetime", "boolean", "list", "object"):
            continue
        counts = data.counts(name)
        if counts["count"].sum() >= ENOUGH:
            found += _units(data, name, counts, share)
    return found


def _units(data: Inspected, name: str, counts: pl.DataFrame, share: float) -> list[Finding]:
    text = pl.col("text").str.strip_chars()
    parts = counts.with_row_index("code").with_columns(text.str.extract_groups(NUMBER).alias("p"))
    known = parts.filter(~text.str.to_lowercase().is_in(sorted(WORDS | NOTHING))).unnest("p")
    total = int(known["count"].sum())
    known = known.filter(pl.col("number").is_not_null()).with_columns(
        pl.concat_str(pl.col("before").fill_null(""), pl.lit("\t"), pl.col("after").fill_null(""))
        .str.strip_chars_end(" ")
        .alias("form")
    )
    if known.is_empty() or int(known["count"].sum()) < share * total:
        return []
    forms = known.group_by("form").agg(pl.col("count").sum(), distinct=pl.len())
    forms = forms.sort("count", "form", descending=[True, False])
    # Codes such as "A11" or "ami-4" are letters and a number, and are no numbers with a unit.
    if forms.height < 2 or forms.height > max(12, 0.2 * known.height):
        return []
    ruling = forms["count"][0] >= 0.9 * int(known["count"].sum())
    usual = forms["form"][0] if ruling else "\t"
    odd = known.filter(pl.col("form") != usual)
    typed = data.fields[name].type in ("integer", "number")
    if _are_codes(known) or (ruling and usual == "\t" and not typed):
        return []
    if ruling and usual == "\t":
        # What cannot be read as a number is said to be none by another check.
        codes = pl.Series(data.codes(name)).filter(data.rows[name].is_not_null())
        odd = odd.filter(pl.col("code").is_in(codes.unique().to_list()))
    if odd.is_empty():
        return []
    number = odd["number"].str.replace_all(",", "", literal=True).cast(pl.Float64)
    factor = _factor(known, odd) if usual == "\t" else np.ones(len(odd))
    before, _, after = usual.partition("\t")
    gap = " " if ruling and f" {after}" in str(counts["text"][0]) else ""
    # Where a sign more stands before the unit, it may have been a digit.
    sure = (odd["form"].str.len_chars() == len(usual)) | (odd["form"] == "\t") | (usual == "\t")
    mended = {
        code: before + _bare(n * f) + gap + after if certain else None
        for code, n, f, certain in zip(odd["code"], number, factor, sure, strict=True)
    }
    codes = pl.Series(data.codes(name))
    hit = codes.is_in(list(mended))
    forms = known.filter((pl.col("form") == usual) | pl.col("code").is_in(list(mended)))
    forms = forms.group_by("form").agg(pl.col("count").sum())
    forms = forms.sort("count", "form", descending=[True, False])
    written = [f"{b}…{a}".strip() for b, a in (form.split("\t") for form in forms["form"].head(6))]
    count = int(hit.sum())
    return [
        Finding(
            says=f"{counted(count, 'number is', 'numbers are')} written with a unit or sign that "
            f"others lack: the field has {forms.height} ways of writing, "
            f"{quoted(written, most=6)}.",
            action="Name the unit once, as the field's `unit` in the contract, and write numbers "
            "alone.",
            field=name,
            rows=places(hit),
            values=codes.filter(hit).replace_strict(mended, return_dtype=pl.String),
            measured={"ways": dict(forms.head(10).select("form", "count").iter_rows())},
        )
    ]


def _are_codes(known: pl.DataFrame) -> bool:
    """Whether letters and numbers make names together, such as A11 and B7."""
    tight = known["text"].str.contains(r"^[A-Za-z]+[-_]?\d+[A-Za-z]?$")
    return float((tight.cast(pl.Float64) * known["count"]).sum()) > 0.3 * float(
        known["count"].sum()
    )


def _factor(known: pl.DataFrame, odd: pl.DataFrame) -> np.ndarray:
    """By what a percentage is multiplied: where its numbers are as large as bare ones, by one."""
    number = pl.col("number").str.replace_all(",", "", literal=True).cast(pl.Float64)
    bare = known.filter(pl.col("form") == "\t").select(number).to_series().abs()
    percent = odd["after"].fill_null("").str.strip_chars() == "%"
    marked = odd.filter(percent).select(number).to_series().abs()
    factor = np.ones(len(odd))
    if len(bare) and len(marked):
        middle, other = float(bare.median() or 0), float(marked.median() or 0)  # type: ignore[arg-type]
        if (
            other > 0
            and middle > 0
            and abs(math.log(other / middle)) > abs(math.log(other / middle / 100))
        ):
            factor[percent.to_numpy()] = 0.01
    return factor


def _bare(value: float) -> str:
    return f"{value:.12g}"


def mixed_scales(data: Inspected) -> Annotated[list[Finding], Code("F116", "warning")]:
    """Few numbers that are off by the factor between two units, such as grams among kilograms.

    They lie far from all others, and multiplied or divided by 1000, 100, 2.54 and the like they
    lie where the others do. Convert them; state the unit in the contract.

    >>> from assay import inspect
    >>> rows = pl.DataFrame({"kg": [60.0 + n % 23 for n in range(60)] + [71500.0, 66200.0]})
    >>> inspect(rows, checks=["mixed_scales"]).cells()["suggested"].to_list()
    ['71.5', '66.2']
    """
    found: list[Finding] = []
    for name in data.numbers:
        values = data.rows[name].cast(pl.Float64).fill_nan(None)
        positive = values > 0
        count = int(positive.sum())
        distinct = data.counts(name).height
        if count < ENOUGH or distinct < 10 or count < 0.9 * values.count():
            continue
        if data.fields[name].type == "integer" and distinct > 0.99 * count:
            continue  # numbers that count the rows
        logs = values.filter(positive).log()
        low, middle, high = (float(logs.quantile(q) or 0.0) for q in (0.25, 0.5, 0.75))
        # Half a quarter's distance covers 0.67 standard deviations of a normal distribution.
        spread = max((high - low) / 1.349, 0.02)
        z = ((values.log() - middle) / spread).zip_with(
            positive, pl.Series([None], dtype=pl.Float64)
        )
        away = (z.abs() > 5.0).fill_null(False)
        if not 0 < away.sum() <= 0.05 * count:
            continue
        best: tuple[int, float] | None = None
        for factor in (*FACTORS, *(1 / factor for factor in FACTORS)):
            fits = away & ((z + math.log(factor) / spread).abs() < 1.5)
            hits = int(fits.sum())
            # So wide a window would let any number in.
            if abs(math.log(factor)) > 6.5 * spread and hits and (best is None or hits > best[0]):
                best = (hits, factor)
        # One factor explains what is far away, or it is no matter of units; by chance a number
        # fits one of them in the logarithm's range of about 14 as often as they cover it.
        chance = 2 * len(FACTORS) * (3 * spread / 14) ** (best[0] if best else 0)
        if best is None or chance > 0.05:
            continue
        hits, factor = best
        # On the side of those that are far away, the others end before.
        side = z < 0 if factor > 1 else z > 0
        tail = int(((z.abs() > 3.0) & ~away & side).sum())
        if hits < max(0.6 * int(away.sum()), 2 * tail):
            continue
        fits = (away & ((z + math.log(factor) / spread).abs() < 3.0)).fill_null(False)
        hits = int(fits.sum())
        by = f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}"
        found.append(
            Finding(
                says=f"{counted(hits, 'number is', 'numbers are')} as large as the others only "
                f"when multiplied by {by}.",
                action="Convert them to the unit of the others, and name it as the field's `unit`.",
                field=name,
                rows=places(fits),
                values=pl.Series([_bare(v * factor) for v in values.filter(fits)], dtype=pl.String),
                measured={"factor": factor, "count": hits, "typical": math.exp(middle)},
            )
        )
    return found
