"""Hold rows against a contract: typed columns, and every violation with what was received.

A row's verdict depends on that row alone, so shards can be checked in any order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from assay.contract.reading import Reading, as_text, expected, parsed, read
from assay.errors import RecipeError
from assay.recipe import FieldSpec
from assay.rows import evaluate_expression, parse_expression

VIOLATIONS = {
    "row": pl.UInt32,
    "field": pl.String,
    "rule": pl.String,
    "received": pl.String,
    "allowed": pl.String,
    "action": pl.String,
}
SHOWN = 300
TEXTS = ("string", "category")
ORDERED = ("integer", "number", "datetime")


@dataclass(frozen=True)
class Checked:
    """Rows as their contract types them, and what broke it.

    Attributes:
        rows: same height and order; the fields typed, columns without a field as they came.
            A value that could not be read, or whose field says `on_violation: null`, is null.
        violations: `row` (position, UInt32), `field` (empty for a rule across fields), `rule`
            (type, required, min, max, min_length, max_length, pattern, allowed, rule:NAME),
            `received`, `allowed`, `action` (set_aside, null, stop); at most one for a row and
            field, in order of rows.
    """

    rows: pl.DataFrame
    violations: pl.DataFrame


def check(
    rows: pl.DataFrame, fields: Mapping[str, FieldSpec], rules: Mapping[str, str] | None = None
) -> Checked:
    """Type every field of the rows and say which rows break the contract, and how.

    A field that the rows lack is null in all of them. A required value cannot be nulled: where
    `on_violation` is null and the field is required, the row is set aside. A rule is broken by a
    row for which its expression is false; as in SQL, unknown (null) breaks nothing.

    Raises:
        RecipeError: a condition that does not fit its field's type, or a rule that is not a
            condition over the columns.

    >>> checked = check(
    ...     pl.DataFrame({"price": ["$1,299.00", "free", None]}),
    ...     {"price": FieldSpec(type="number", unit="USD", required=True)},
    ... )
    >>> checked.rows["price"].to_list()
    [1299.0, None, None]
    >>> checked.violations.select("row", "rule", "received").rows()
    [(1, 'type', 'free'), (2, 'required', None)]
    """
    typed: list[pl.Series] = []
    found: list[pl.DataFrame] = []
    for name, spec in fields.items():
        _refuse_misfit(name, spec)
        known = name in rows.columns
        column = rows[name] if known else _absent(name, rows.height)
        values, violations = _check_field(name, column, spec)
        typed.append(values)
        found.append(violations)
    result = rows.with_columns(typed)
    found += [_check_rule(result, name, text) for name, text in (rules or {}).items()]
    violations = pl.concat([pl.DataFrame(schema=VIOLATIONS), *found])
    return Checked(result, violations.sort("row", maintain_order=True))


def _absent(name: str, height: int) -> pl.Series:
    return pl.Series(name, [None], dtype=pl.String).new_from_index(0, height)


def _check_field(name: str, column: pl.Series, spec: FieldSpec) -> tuple[pl.Series, pl.DataFrame]:
    try:
        reading = read(column, spec)
        broken = _broken(reading, spec)
    except RecipeError as error:
        raise RecipeError(
            error.what, where=f"fields.{name}", received=error.received,
            allowed=error.allowed, hint=error.hint,
        ) from None  # fmt: skip
    values = reading.values.alias(name)
    # Only rows that broke something are written out: most columns have none.
    rule = pl.select(
        pl.coalesce([pl.when(mask).then(pl.lit(word)) for word, mask, _ in broken])
    ).to_series()
    at = rule.is_not_null().arg_true()
    if at.is_empty():
        return values, pl.DataFrame(schema=VIOLATIONS)
    allowed = {word: text for word, _, text in broken}
    action = "set_aside" if spec.required and spec.on_violation == "null" else spec.on_violation
    violations = pl.DataFrame({"row": at, "rule": rule.gather(at)}).select(
        pl.col("row").cast(pl.UInt32),
        pl.lit(name).alias("field"),
        "rule",
        as_text(column.gather(at)).str.head(SHOWN).alias("received"),
        pl.col("rule").replace_strict(allowed, return_dtype=pl.String).alias("allowed"),
        pl.lit(action).alias("action"),
    )
    if action == "null":
        values = pl.select(pl.when(rule.is_null()).then(values)).to_series().alias(name)
    return values, violations


_Broken = list[tuple[str, pl.Series, str]]


def _broken(reading: Reading, spec: FieldSpec) -> _Broken:
    """Rule, rows that break it, and what is allowed; the first that fits a row is reported."""
    values = reading.values
    broken: _Broken = [("type", reading.bad, reading.expected)]
    if spec.required:
        missing = values.is_null()
        if spec.type in TEXTS:
            missing = missing | (values.str.strip_chars() == "").fill_null(True)
        broken.append(("required", missing, "a value"))
    if spec.min is not None:
        bound = _bound(spec, spec.min)
        broken.append(("min", values < bound, f"at least {spec.min}"))
    if spec.max is not None:
        bound = _bound(spec, spec.max)
        broken.append(("max", values > bound, f"at most {spec.max}"))
    if spec.min_length is not None or spec.max_length is not None:
        lengths = _lengths(values, spec)
        unit = "items" if spec.type == "list" else "characters"
        if spec.min_length is not None:
            text = f"at least {spec.min_length} {unit}"
            broken.append(("min_length", lengths < spec.min_length, text))
        if spec.max_length is not None:
            text = f"at most {spec.max_length} {unit}"
            broken.append(("max_length", lengths > spec.max_length, text))
    if spec.pattern is not None:
        broken.append(("pattern", ~_matches(values, spec.pattern), spec.pattern))
    if spec.allowed is not None:
        text = ", ".join(str(value) for value in spec.allowed)
        broken.append(
            ("allowed", ~values.is_in(_typed(spec, spec.allowed).implode()), text[:SHOWN])
        )
    return [(word, mask.fill_null(False), text) for word, mask, text in broken]


def _check_rule(rows: pl.DataFrame, name: str, expression: str) -> pl.DataFrame:
    where = f"rules.{name}"
    try:
        columns = parse_expression(expression).meta.root_names()
        satisfied = evaluate_expression(rows, expression)
    except RecipeError as error:
        raise RecipeError(
            error.what, where=where, received=expression, allowed=error.allowed, hint=error.hint
        ) from None
    if satisfied.dtype not in (pl.Boolean, pl.Null):
        raise RecipeError(
            "A rule is a condition, true or false for each row.",
            where=where,
            received=f"{expression} gives {satisfied.dtype}",
            hint="for instance `price > 5 AND title IS NOT NULL`",
        )
    at = (~satisfied.cast(pl.Boolean)).fill_null(False).arg_true()
    if len(satisfied) != rows.height:  # a condition without columns is one value for all rows
        at = pl.arange(0, rows.height if len(at) else 0, eager=True)
    shown = [
        pl.lit(f"{column}=") + as_text(rows[column].gather(at)).fill_null("null").str.head(SHOWN)
        for column in dict.fromkeys(columns)
    ]
    return pl.DataFrame({"row": at}).select(
        pl.col("row").cast(pl.UInt32),
        pl.lit("").alias("field"),
        pl.lit(f"rule:{name}").alias("rule"),
        (pl.concat_str(shown, separator=", ") if shown else pl.lit("")).alias("received"),
        pl.lit(expression).alias("allowed"),
        pl.lit("set_aside").alias("action"),
    )


def _refuse_misfit(name: str, spec: FieldSpec) -> None:
    """Conditions that say nothing about values of the field's type are a mistake in the recipe."""
    fits = {
        "min": ORDERED, "max": ORDERED, "pattern": TEXTS, "format": ("datetime",),
        "unit": ("integer", "number"), "min_length": (*TEXTS, "list"),
        "max_length": (*TEXTS, "list"), "allowed": (*TEXTS, *ORDERED, "boolean"),
    }  # fmt: skip
    for key, types in fits.items():
        if getattr(spec, key) is not None and spec.type not in types:
            raise RecipeError(
                f"`{key}` does not apply to a field of type {spec.type}.",
                where=f"fields.{name}",
                received=getattr(spec, key),
                allowed=f"`{key}` with the types {', '.join(types)}",
            )


def _bound(spec: FieldSpec, bound: float | str) -> Any:
    # A bound between two whole numbers is a bound all the same.
    kind = "number" if spec.type == "integer" else spec.type
    return _typed(spec.model_copy(update={"type": kind}), [bound])[0]


def _typed(spec: FieldSpec, values: Sequence[Any]) -> pl.Series:
    """Values of the recipe, read as the field's own values are."""
    if spec.type in TEXTS and any(isinstance(value, bool) for value in values):
        raise RecipeError(
            "A bare true or false is a truth value, not a text.",
            received=values,
            hint="put it in quotes: 'true'",
        )
    texts = pl.Series([None if value is None else str(value) for value in values], dtype=pl.String)
    plain = spec.model_copy(update={"format": None})
    reading = read(texts, plain)
    unread = reading.bad | (reading.values.is_null() & texts.is_not_null())
    if unread.any():
        raise RecipeError(
            f"A bound or allowed value is no {expected(plain)}.",
            received=texts.filter(unread)[0],
        )
    return reading.values


def _lengths(values: pl.Series, spec: FieldSpec) -> pl.Series:
    if isinstance(values.dtype, pl.Array):
        values = values.arr.to_list()
    if isinstance(values.dtype, pl.List):
        return values.list.len()
    if spec.type == "list":
        texts = values.drop_nulls().unique()
        counts = pl.Series([len(parsed(text)) for text in texts], dtype=pl.UInt32)
        return values.replace_strict(texts, counts, default=None, return_dtype=pl.UInt32)
    return values.str.len_chars()


def _matches(values: pl.Series, pattern: str) -> pl.Series:
    try:
        return values.str.contains(rf"\A(?:{pattern})\z")
    except pl.exceptions.ComputeError:
        pass  # Rust's expressions know no look-around; Python's are asked about distinct texts.
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise RecipeError(f"This is not a regular expression: {error}.", received=pattern) from None
    texts = values.drop_nulls().unique()
    fits = pl.Series([compiled.fullmatch(text) is not None for text in texts], dtype=pl.Boolean)
    return values.replace_strict(texts, fits, default=None, return_dtype=pl.Boolean)
