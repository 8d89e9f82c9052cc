"""Exports as tables: JSON lines, CSV, Parquet and pickle."""

from __future__ import annotations

import itertools
import json
import pickle as pickling
from pathlib import Path
from typing import Literal

import orjson
import polars as pl

from assay.errors import RecipeError
from assay.exports.part import (
    Part,
    appending,
    is_json,
    json_members,
    json_text,
    next_file,
    plain,
    write_lines,
)

__all__ = ["csv", "jsonl", "parquet", "pickle"]

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV Injection). Apostrophes in
# front are part of it so that undoing is exact: `'=1` becomes `''=1`, and that `'=1` again.
_FORMULA = r"^'*[=+\-@\t\r\n＝＋－＠]"
_DEFUSED = r"^'('*[=+\-@\t\r\n＝＋－＠])"


def jsonl(part: Part, folder: Path) -> int:
    """Write rows as JSON lines, `<split>.jsonl`.

    Lists and objects are real JSON, times are ISO 8601, and null fields are written as null. JSON
    has no NaN and no infinity: they are written as null.

    Returns: how many rows were written.

    Raises:
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> rows = pl.DataFrame({"price": [1.5], "tags": ['["a"]']})
    >>> jsonl(Part(rows, {"price": "number", "tags": "list"}), folder)
    1
    >>> (folder / "train.jsonl").read_text()
    '{"price":1.5,"tags":["a"]}\\n'
    """
    rows = plain(part.rows)
    real = [is_json(part, name) for name in rows.columns]
    pieces: list[pl.Expr] = []
    # Columns next to one another are written as one; JSON texts stand between them as they are.
    for is_real, run in itertools.groupby(
        zip(real, rows.columns, strict=True), lambda pair: pair[0]
    ):
        names = [name for _, name in run]
        if is_real:
            pieces += [_real_member(name, rows[name]) for name in names]
        else:
            pieces.append(json_members([pl.col(name) for name in names]))
    line = pl.concat_str(
        pl.lit("{"), pl.concat_str(pieces or [pl.lit("")], separator=","), pl.lit("}")
    )
    with appending(folder / f"{part.split}.jsonl") as file:
        if pieces:
            write_lines(rows.select(line.alias("line"))["line"], file)
    return rows.height


def csv(part: Part, folder: Path, *, defuse: bool = True, delimiter: str = ",") -> int:
    """Write rows as CSV with a header, `<split>.csv`.

    UTF-8, quoted where needed; null is an empty cell and an empty text is `""` (of a table with
    a single column, a null is an empty line, which most readers skip). Times are ISO 8601, lists
    and objects JSON text.

    Args:
        part: the rows.
        folder: the folder to write to.
        defuse: put an apostrophe before every text (not number) that a spreadsheet would take
            for a formula: one that begins with = + - @ (also full-width), a tab or a line break.
            `undefuse` takes it off again, exactly.
        delimiter: one character between cells.

    Returns: how many rows were written.

    Raises:
        RecipeError: the delimiter is not one ASCII character.
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> csv(Part(pl.DataFrame({"t": ["=1+1", None, ""], "n": [-1, 2, 3]})), folder)
    3
    >>> (folder / "train.csv").read_text().splitlines()
    ['t,n', "'=1+1,-1", ',2', '"",3']
    """
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n':
        raise RecipeError("csv: a delimiter is one ASCII character.", received=delimiter)
    rows = plain(part.rows)
    rows = rows.with_columns(
        pl.when(pl.col(name).is_not_null()).then(json_text(pl.col(name))).alias(name)
        for name, dtype in rows.schema.items()
        if dtype.is_nested()
    )
    if defuse:
        rows = rows.with_columns(pl.col(pl.String).str.replace(f"({_FORMULA})", "'${1}"))
        names = pl.Series(rows.columns, dtype=pl.String).str.replace(f"({_FORMULA})", "'${1}")
        rows.columns = names.to_list()
    with appending(folder / f"{part.split}.csv") as file:
        header = file.tell() == 0
        if rows.width and (header or rows.height):
            rows.write_csv(
                file, include_header=header, separator=delimiter, quote_style="necessary"
            )
    return rows.height


def undefuse(texts: pl.Series) -> pl.Series:
    """Take off the apostrophes that the CSV export put before texts.

    >>> undefuse(pl.Series(["'=1+1", "'tis", "''-x", None])).to_list()
    ['=1+1', "'tis", "'-x", None]
    """
    return texts.str.replace(_DEFUSED, "${1}")


def parquet(
    part: Part, folder: Path, *, compression: Literal["zstd", "snappy", "none"] = "zstd"
) -> int:
    """Write rows as Parquet, a file for every part: `<split>-00000.parquet` and so on.

    Types are kept as they are.

    Returns: how many rows were written.

    Raises:
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> parquet(Part(pl.DataFrame({"x": [1, 2]})), folder)
    2
    >>> pl.read_parquet(folder / "train-00000.parquet")["x"].to_list()
    [1, 2]
    """
    with next_file(folder, part.split, ".parquet") as file:
        part.rows.write_parquet(
            file, compression="uncompressed" if compression == "none" else compression
        )
    return part.rows.height


def pickle(part: Part, folder: Path) -> int:
    """Write rows as pickled lists of dicts, a file for every part: `<split>-00000.pkl` and so on.

    Lists and objects are Python's own, times are `datetime`. Nothing but plain values is in
    there, so that any restricted unpickler reads it.

    Returns: how many rows were written.

    Raises:
        StorageError: the file cannot be written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> pickle(Part(pl.DataFrame({"x": [1, None]})), folder)
    2
    >>> pickling.loads((folder / "train-00000.pkl").read_bytes())
    [{'x': 1}, {'x': None}]
    """
    # Python objects are what this format is: no faster way than one dict a row.
    records = part.rows.to_dicts()
    for name in part.rows.columns:
        if is_json(part, name):
            for record in records:
                record[name] = _decoded(record[name])
    with next_file(folder, part.split, ".pkl") as file:
        pickling.dump(records, file, protocol=5)
    return len(records)


def _real_member(name: str, texts: pl.Series) -> pl.Expr:
    """JSON texts as they stand within a line; what is not JSON becomes a JSON text."""
    valid = pl.lit(pl.Series([_parses(text) for text in texts.to_list()], dtype=pl.Boolean))
    value = pl.col(name)
    # Outside of its texts, where they are escaped, JSON may hold line breaks as white space only.
    inside = value.str.replace_all(r"[\r\n]", " ")
    member = (
        pl.when(value.is_null())
        .then(pl.lit("null"))
        .when(valid)
        .then(inside)
        .otherwise(json_text(value))
    )
    return pl.concat_str(pl.lit(f"{orjson.dumps(name).decode()}:"), member)


def _parses(text: str | None) -> bool:
    try:
        orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return False
    return True


def _decoded(text: str | None) -> object:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return text
