"""Look at a sample of rows and propose the contract that they keep.

The proposal is meant to be read and corrected: it states what nearly every sampled value shows and
leaves out what a sample cannot know, such as upper bounds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from assay.contract.check import check
from assay.contract.quantities import is_currency, read_quantities, written_unit
from assay.contract.reading import NULL_WORDS, parsed, read
from assay.recipe import FieldSpec, FieldType

# So many of the values must be of a type for the column to be of it; the others are mistakes.
NEARLY_ALL = 0.9
# Human readers look at so many distinct values of a column, evenly spread over its sorted values.
LOOKED_AT = 400

_CODE_NAME = re.compile(r"(zip|postal|postcode|phone|fax|isbn|ean|upc|sku|ssn|iban|barcode)", re.I)
_KEY_NAME = re.compile(
    r"(?i:(?:^|[ _.-])(?:id|uuid|guid|uid|key|index|idx|rownames?|udi|asin|sku)$|^unnamed: 0$)"
    r"|[a-z]I[dD]$"
)
_ENTITY = (
    "user|customer|client|patient|subject|person|member|student|employee|author|player|driver|"
    "session|device|machine|household|account|store|shop|seller|provider|hospital|product|item|"
    "clothing|article|listing|property|vehicle|company|brewery|speaker|case|order"
)
_GROUP_NAME = re.compile(
    rf"^id$|(?:^|[ _.-])(?:{_ENTITY})[ _.-]?(?:id|uid|key|no|nr|number|code)$|^(?:{_ENTITY})$", re.I
)
_NEVER_NEGATIVE = re.compile(
    r"(?:^|[ _.-])(?:prices?|cost|fees?|salary|income|count|quantity|qty|num|age|weight|height|"
    r"width|length|duration|distance|population|votes|reviews|ratings?|stars|ounces)(?:$|[ _.-])",
    re.I,
)
_DAYS = {
    "/": ("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y"),
    ".": ("%d.%m.%Y", "%m.%d.%Y", "%d.%m.%y"),
    "-": ("%d-%m-%Y", "%m-%d-%Y"),
}
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_MONTHS = ("%b-%Y", "%B %Y", "%Y-%m", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")


def names_things(field: str) -> bool:
    """Whether a field is called like one that names things, so that its numbers measure nothing.

    >>> names_things("Clothing ID"), names_things("zip"), names_things("price")
    (True, True, False)
    """
    return any(name.search(field) for name in (_CODE_NAME, _KEY_NAME, _GROUP_NAME))


@dataclass(frozen=True)
class Inferred:
    """What a sample of rows shows.

    Attributes:
        fields: a contract for every column.
        rows: the sample, typed by that contract.
        ids: columns that could name a row, the likeliest first.
        groups: columns that name something several rows belong to, the finest first.
        texts: columns of free text, the longest first.
        codes: columns of nearly unique words (model numbers, addresses, URLs).
        constants: columns that hold one value or none.
        unread: how many values of a field are not of its type; they become null.
        notes: what a reader should know about a field.
    """

    fields: dict[str, FieldSpec]
    rows: pl.DataFrame
    ids: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    unread: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def infer(sample: pl.DataFrame, kinds: Mapping[str, frozenset[str]] | None = None) -> Inferred:
    """Propose a contract for the columns of a sample.

    Args:
        sample: rows as they were read, columns of text or typed.
        kinds: what kinds of values a survey of the whole source saw in each column.

    >>> found = infer(pl.DataFrame({"id": ["1", "2"], "price": ["$5.00", "$1,299.00"]}))
    >>> found.fields["price"].type, found.fields["price"].unit, found.ids
    ('number', 'USD', ['id'])
    """
    notes: dict[str, str] = {}
    fields = {
        name: _field(sample[name], (kinds or {}).get(name, frozenset()), notes)
        for name in sample.columns
    }
    checked = check(sample, fields)
    counted = checked.violations.group_by("field").len()
    unread = {name: int(count) for name, count in counted.iter_rows()}
    rows = checked.rows
    for name, spec in fields.items():
        seen_null = "null" in (kinds or {}).get(name, ())
        fields[name] = spec.model_copy(update=_conditions(rows[name], spec, name, seen_null))
    return _roles(Inferred(fields, rows, unread=unread, notes=notes))


def _field(column: pl.Series, kinds: frozenset[str], notes: dict[str, str]) -> FieldSpec:
    native = _native_type(column.dtype)
    if native is not None:
        return FieldSpec(type=native)
    texts = column.cast(pl.String).drop_nulls()
    texts = texts.filter(~texts.str.strip_chars().str.to_lowercase().is_in(list(NULL_WORDS)))
    if texts.is_empty():
        return FieldSpec()
    counts = texts.alias("text").value_counts(name="count").sort("text")
    looked_at = counts.gather_every(max(1, counts.height // LOOKED_AT))
    told = kinds - {"null"}
    for kind, shape in (("list", list), ("object", dict)):
        if told == {kind} or (not told and _all_json(looked_at["text"], shape)):
            return FieldSpec.model_validate({"type": kind})
    if _is_boolean(counts["text"]) or told == {"boolean"}:
        return FieldSpec(type="boolean")
    return (
        _number_field(texts, looked_at)
        or _datetime_field(texts, looked_at, notes)
        or _text_field(texts, counts.height)
    )


def _native_type(dtype: pl.DataType) -> FieldType | None:
    known: list[tuple[bool, FieldType]] = [
        (dtype.is_integer(), "integer"),
        (dtype.is_numeric(), "number"),
        (dtype == pl.Boolean, "boolean"),
        (dtype == pl.Date or isinstance(dtype, pl.Datetime), "datetime"),
        (isinstance(dtype, pl.List | pl.Array), "list"),
        (isinstance(dtype, pl.Struct), "object"),
        (isinstance(dtype, pl.Categorical | pl.Enum), "category"),
        (dtype not in (pl.String, pl.Null), "string"),
    ]
    return next((name for fits, name in known if fits), None)


def _all_json(texts: pl.Series, shape: type) -> bool:
    opening = "[" if shape is list else "{"
    return bool(texts.str.starts_with(opening).all()) and all(
        isinstance(parsed(text), shape) for text in texts
    )


def _is_boolean(texts: pl.Series) -> bool:
    """Words of truth, both of them; 0 and 1 may as well be counts, and stay integers."""
    if len(texts) > 12:
        return False
    words = {text.strip().casefold() for text in texts} - set(NULL_WORDS)
    pairs = ({"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"})
    return any(words == pair or (words < pair and max(map(len, words)) > 1) for pair in pairs)


def _number_field(texts: pl.Series, looked_at: pl.DataFrame) -> FieldSpec | None:
    trimmed = texts.str.strip_chars()
    plain = trimmed.cast(pl.Float64, strict=False).is_finite().fill_null(False)
    if _mean(plain) >= NEARLY_ALL:
        if _is_code(trimmed):
            return _text_field(texts, texts.n_unique())
        whole = trimmed.filter(plain).cast(pl.Int64, strict=False).is_not_null().all()
        return FieldSpec(type="integer" if whole else "number")
    short = looked_at["text"].str.contains(r"\d") & (looked_at["text"].str.len_chars() <= 40)
    if _mean(short) < NEARLY_ALL:
        return None
    units = looked_at.with_columns(
        unit=pl.Series([written_unit(text) for text in looked_at["text"]], dtype=pl.String)
    )
    common = units.drop_nulls().group_by("unit").agg(pl.col("count").sum())
    candidates = common.sort("count", "unit", descending=[True, False])["unit"].to_list()[:3]
    for unit in (*candidates, None):
        values = pl.Series(read_quantities(looked_at["text"].to_list(), unit), dtype=pl.Float64)
        share = _mean(values.is_not_null().repeat_by(looked_at["count"]).explode())
        if share >= NEARLY_ALL:
            whole = unit is None and bool(values.drop_nulls().round().eq(values.drop_nulls()).all())
            return FieldSpec(type="integer" if whole else "number", unit=unit)
    return None


def _is_code(texts: pl.Series) -> bool:
    """Digits that do not count anything: leading zeros, or names such as zip and phone."""
    leading = _mean(texts.str.contains(r"^0\d+$"))
    named = bool(_CODE_NAME.search(texts.name)) and not texts.str.contains(r"\.\d").any()
    return leading >= 0.01 or named


def _datetime_field(
    texts: pl.Series, looked_at: pl.DataFrame, notes: dict[str, str]
) -> FieldSpec | None:
    shape = looked_at["text"].str.contains(r"\d") & (looked_at["text"].str.len_chars() <= 40)
    if _mean(shape) < NEARLY_ALL:
        return None
    few = looked_at["text"]
    mark = next((mark for mark in _DAYS if few.str.contains(rf"^\d+\{mark}\d+\{mark}").all()), "")
    formats = [day + time for time in _TIMES for day in _DAYS.get(mark, ())] or list(_MONTHS)
    best = [spec for spec in map(_of_format, formats) if _share(few, spec) == 1.0]
    if best:
        if len(best) > 1:
            notes[texts.name] = (
                f"reads as {best[0].format} and as {best[1].format}; say which it is"
            )
        return best[0]
    for spec in (FieldSpec(type="datetime"), *map(_of_format, formats)):
        # A slow reader of dates gets a taste first: most columns of text are none.
        if _share(few.gather_every(max(1, len(few) // 20)), spec) >= NEARLY_ALL:
            return spec if _share(few, spec) >= NEARLY_ALL else None
    return None


def _of_format(format: str) -> FieldSpec:
    return FieldSpec(type="datetime", format=format)


def _share(texts: pl.Series, spec: FieldSpec) -> float:
    values = read(texts, spec).values
    sound = (values.dt.year() >= 1000).fill_null(False)
    return _mean(sound)


def _text_field(texts: pl.Series, distinct: int) -> FieldSpec:
    words = _mean_words(texts)
    few = distinct <= max(10, len(texts) // 5) and distinct <= len(texts) / 2
    # Long texts that repeat are still texts, unless there are only a handful of them.
    category = few and (words <= 3 or distinct <= min(200, max(10, len(texts) // 20)))
    return FieldSpec(type="category" if category else "string")


def _mean_words(texts: pl.Series) -> float:
    return _mean(texts.str.count_matches(r"\S+"))


def _mean(values: pl.Series) -> float:
    mean = values.mean()
    return float(mean) if isinstance(mean, int | float) else 0.0


def _conditions(
    values: pl.Series, spec: FieldSpec, name: str, seen_null: bool
) -> dict[str, object]:
    found: dict[str, object] = {}
    missing = values.is_null()
    if spec.type in ("string", "category") and values.dtype == pl.String:
        missing = missing | (values.str.strip_chars() == "").fill_null(False)
    if len(values) and not seen_null and not missing.any():
        found["required"] = True
    if spec.type in ("number", "integer"):
        least = values.min()
        counted = bool(_NEVER_NEGATIVE.search(name)) or is_currency(spec.unit)
        if counted and isinstance(least, int | float) and least >= 0:
            found["min"] = 0.0
    return found


def _roles(found: Inferred) -> Inferred:
    """Say what part each column could play, now that its values are typed."""
    for name, spec in found.fields.items():
        values = found.rows[name]
        if spec.type in ("list", "object"):
            continue
        filled = values.drop_nulls()
        distinct = filled.n_unique()
        if distinct <= 1:
            if len(values) > 1:
                found.constants.append(name)
            continue
        unique = distinct == len(values)
        words = _mean_words(filled) if spec.type == "string" else 0.0
        if unique and (_KEY_NAME.search(name) or _counts_up(name, values, found)):
            found.ids.append(name)
        elif _is_group(name, spec, distinct, len(filled)):
            found.groups.append(name)
        elif _is_code_like(name, spec, words) and distinct > 0.5 * len(filled):
            found.codes.append(name)
        elif spec.type == "string":
            found.texts.append(name)
    found.ids.sort(key=lambda name: (name.casefold() != "id", found.fields[name].type != "string"))
    found.groups.sort(key=lambda name: -found.rows[name].n_unique())
    found.texts.sort(key=lambda name: -_mean(found.rows[name].str.len_chars()))
    return found


def _counts_up(name: str, values: pl.Series, found: Inferred) -> bool:
    """A first column that only counts the rows is their number."""
    return (
        name == found.rows.columns[0]
        and found.fields[name].type == "integer"
        and len(values) >= 20
        and bool((values.diff().drop_nulls() == 1).all())
    )


def _is_code_like(name: str, spec: FieldSpec, words: float) -> bool:
    return bool(_KEY_NAME.search(name)) or (spec.type == "string" and words < 1.5)


def _is_group(name: str, spec: FieldSpec, distinct: int, count: int) -> bool:
    named = bool(_GROUP_NAME.search(name)) and spec.type in ("integer", "category", "string")
    return named and distinct >= 5 and distinct * 1.2 <= count
