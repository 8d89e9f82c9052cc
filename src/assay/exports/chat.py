"""Export as conversations, the form in which chat models are fine-tuned."""

from __future__ import annotations

import re
import string
from pathlib import Path

import polars as pl

from assay.errors import RecipeError, nearest
from assay.exports.part import Part, appending, json_text, write_lines

__all__ = ["chat"]

_SAMPLES: dict[str, object] = {"text": "x", "number": 1.5, "whole": 1, "truth": True}


def chat(
    part: Part,
    target: Path,
    *,
    prompt: str,
    completion: str,
    system: str | None = None,
) -> int:
    r"""Write rows as messages of a conversation, JSON lines in `<split>.jsonl`.

    Templates name fields in braces with Python's format specifications, `{price:.2f}`; a brace
    itself is written twice, `{{`. A row that lacks one of the named fields (null or NaN) is left
    out.

    Args:
        part: the rows.
        target: the folder.
        prompt: template of the user's message.
        completion: template of the assistant's message.
        system: template of a system message before them.

    Returns: how many rows were written.

    Raises:
        RecipeError: a template that cannot be read, an unknown field, or a format that does not
            fit the field's type.
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> part = Part(pl.DataFrame({"title": ["Fan", None], "price": [9.5, 1.0]}))
    >>> chat(part, folder, prompt="What does {title} cost?", completion="${price:.2f}")
    1
    >>> print((folder / "train.jsonl").read_text().replace("},{", "},\n {"), end="")
    {"messages":[{"role":"user","content":"What does Fan cost?"},
     {"role":"assistant","content":"$9.50"}]}
    """
    templates = [] if system is None else [("system", system)]
    templates += [("user", prompt), ("assistant", completion)]
    texts = {role: _rendered(part.rows, template, role) for role, template in templates}
    whole = pl.DataFrame(texts).drop_nulls()
    messages = [
        pl.struct(role=pl.lit(role), content=pl.col(role)).struct.json_encode() for role in texts
    ]
    body = pl.concat_str(messages, separator=",")
    lines = whole.select(pl.concat_str(pl.lit('{"messages":['), body, pl.lit("]}")).alias("line"))[
        "line"
    ]
    with appending(target / f"{part.split}.jsonl") as file:
        write_lines(lines, file)
    return len(lines)


def _rendered(rows: pl.DataFrame, template: str, role: str) -> pl.Series:
    """The template filled in for every row; null where a field is null."""
    parts: list[pl.Series | pl.Expr] = [pl.Series([""]).new_from_index(0, rows.height)]
    for literal, field, spec in _parsed(template, role):
        parts.append(pl.lit(literal))
        if field is not None:
            parts.append(_formatted(rows, field, spec, role))
    return pl.select(pl.concat_str(parts).alias(role)).to_series()


def _parsed(template: str, role: str) -> list[tuple[str, str | None, str]]:
    try:
        found = list(string.Formatter().parse(template))
    except ValueError as error:
        raise RecipeError(
            f"chat: the template of the {role} cannot be read: {error}.",
            received=template,
            hint="write a brace that is meant as a brace twice: {{ or }}",
        ) from None
    for _, field, spec, conversion in found:
        # Only whole fields: `{a.b}` and `{a[0]}` would reach into Python objects.
        if field is not None and (not field or conversion or re.search(r"[.\[\]]", field)):
            raise RecipeError(
                f"chat: the template of the {role} names something else than a field.",
                received=f"{{{field}{'!' + conversion if conversion else ''}}}",
                allowed="{field} or {field:format}",
            )
        if spec and ("{" in spec or re.search(r"\d{5}", spec)):
            raise RecipeError(
                f"chat: a format in the template of the {role} is not plain.",
                received=spec,
                allowed="Python's format specifications without braces and below 10000 wide",
            )
    return [(literal, field, spec or "") for literal, field, spec, _ in found]


def _formatted(rows: pl.DataFrame, field: str, spec: str, role: str) -> pl.Series:
    if field not in rows.columns:
        raise RecipeError(
            f"chat: the template of the {role} names a field that is not there: {field!r}.",
            allowed=rows.columns,
            hint=nearest(field, rows.columns),
        )
    column = rows[field]
    if column.dtype.is_nested():
        texts = rows.select(json_text(pl.col(field))).to_series()
        column = pl.select(pl.when(column.is_not_null()).then(texts)).to_series()
    elif column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    elif column.dtype.is_float():
        # 0.0 and -0.0 are one value below; written as 0 whichever of them comes first.
        column = column.fill_nan(None).set((column == 0).fill_null(False), 0.0)
    _check_format(column, field, spec)
    if column.dtype == pl.String and not spec:
        return column
    # Python's own format, so that rounding is exactly its; only over the distinct values.
    values = column.drop_nulls().unique()
    texts = pl.Series("text", [format(value, spec) for value in values.to_list()], dtype=pl.String)
    known = pl.DataFrame({"value": values, "text": texts})
    return column.to_frame("value").join(known, on="value", how="left", maintain_order="left")[
        "text"
    ]


def _check_format(column: pl.Series, field: str, spec: str) -> None:
    """Try the format on a value of the column's type, so that no data hides a wrong one."""
    dtype = column.dtype
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
            f"chat: the format of {field!r} does not fit its type: {error}.",
            received=f"{{{field}:{spec}}}",
            hint="a number needs `type: number` under `fields`" if dtype == pl.String else None,
        ) from None
