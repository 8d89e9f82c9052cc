"""Templates over fields, filled in for many rows at once."""

from __future__ import annotations

import functools
import re
import string
from collections.abc import Mapping

import polars as pl

from assay.errors import RecipeError, nearest
from assay.exports.part import json_text

_SAMPLES: dict[str, object] = {"text": "x", "number": 1.5, "whole": 1, "truth": True}


def filled(
    rows: pl.DataFrame, templates: Mapping[str, str], export: str
) -> tuple[pl.DataFrame, pl.Series]:
    """Fill in templates for every row.

    Args:
        rows: any frame.
        templates: for each name, a template with fields in braces.
        export: for messages.

    Returns:
        A column of texts for each name, null where a field is; and for each row why it cannot be
        filled in, or null.

    Raises:
        RecipeError: a template that cannot be read, an unknown field, or a format that does not
            fit the field's type.
    """
    texts, fields = {}, {}
    for name, template in templates.items():
        parts: list[pl.Series | pl.Expr] = [pl.Series([""]).new_from_index(0, rows.height)]
        for literal, field, spec in parsed(template, name, export):
            parts.append(pl.lit(literal))
            if field is not None:
                text = _formatted(rows, field, spec, name, export)
                parts.append(text)
                fields[field] = text
        texts[name] = pl.select(pl.concat_str(parts).alias(name)).to_series()
    missing = [
        pl.when(text.is_null()).then(pl.lit(f"no value for {field}"))
        for field, text in fields.items()
    ]
    none = pl.Series([None], dtype=pl.String).new_from_index(0, rows.height)
    return pl.DataFrame(texts), pl.select(pl.coalesce(*missing, none).alias("reason")).to_series()


@functools.lru_cache(maxsize=256)
def parsed(template: str, name: str, export: str) -> list[tuple[str, str | None, str]]:
    """The literals, fields and formats of a template."""
    try:
        found = list(string.Formatter().parse(template))
    except ValueError as error:
        raise RecipeError(
            f"{export}: the template of the {name} cannot be read: {error}.",
            received=template,
            hint="write a brace that is meant as a brace twice: {{ or }}",
        ) from None
    for _, field, spec, conversion in found:
        # Only whole fields: `{a.b}` and `{a[0]}` would reach into Python objects.
        if field is not None and (not field or conversion or re.search(r"[.\[\]]", field)):
            raise RecipeError(
                f"{export}: the template of the {name} names something else than a field.",
                received=f"{{{field}{'!' + conversion if conversion else ''}}}",
                allowed="{field} or {field:format}",
            )
        if spec and ("{" in spec or re.search(r"\d{5}", spec)):
            raise RecipeError(
                f"{export}: a format in the template of the {name} is not plain.",
                received=spec,
                allowed="Python's format specifications without braces and below 10000 wide",
            )
    return [(literal, field, spec or "") for literal, field, spec, _ in found]


def column(rows: pl.DataFrame, name: str, parameter: str, export: str) -> pl.Series:
    """A column that a parameter names.

    Raises:
        RecipeError: it is not there.
    """
    if name not in rows.columns:
        raise RecipeError(
            f"{export}: `{parameter}` names a field that is not there: {name!r}.",
            allowed=rows.columns,
            hint=nearest(name, rows.columns),
        )
    return rows[name]


def _formatted(rows: pl.DataFrame, field: str, spec: str, name: str, export: str) -> pl.Series:
    if field not in rows.columns:
        raise RecipeError(
            f"{export}: the template of the {name} names a field that is not there: {field!r}.",
            allowed=rows.columns,
            hint=nearest(field, rows.columns),
        )
    values = rows[field]
    if values.dtype.is_nested():
        texts = rows.select(json_text(pl.col(field))).to_series()
        values = pl.select(pl.when(values.is_not_null()).then(texts)).to_series()
    elif values.dtype in (pl.Categorical, pl.Enum, pl.Null):
        values = values.cast(pl.String)
    elif values.dtype.is_float():
        # 0.0 and -0.0 are one value below; written as 0 whichever of them comes first.
        values = values.fill_nan(None).set((values == 0).fill_null(False), 0.0)
    _check_format(values, field, spec, export)
    if values.dtype == pl.String and not spec:
        return values
    # Python's own format, so that rounding is exactly its; only over the distinct values.
    distinct = values.drop_nulls().unique()
    texts = pl.Series("text", [format(one, spec) for one in distinct.to_list()], dtype=pl.String)
    known = pl.DataFrame({"value": distinct, "text": texts})
    return values.to_frame("value").join(known, on="value", how="left", maintain_order="left")[
        "text"
    ]


def _check_format(values: pl.Series, field: str, spec: str, export: str) -> None:
    """Try the format on a value of the column's type, so that no data hides a wrong one."""
    dtype = values.dtype
    if dtype.is_temporal():
        sample = pl.Series([0]).cast(dtype).item()
    elif dtype == pl.Boolean:
        sample = _SAMPLES["truth"]
    elif dtype.is_integer():
        sample = _SAMPLES["whole"]
    else:
        sample = _SAMPLES["number" if dtype.is_numeric() else "text"]
    try:
        format(sample, spec)
    except (ValueError, TypeError) as error:
        raise RecipeError(
            f"{export}: the format of {field!r} does not fit its type: {error}.",
            received=f"{{{field}:{spec}}}",
            hint="a number needs `type: number` under `fields`" if dtype == pl.String else None,
        ) from None
