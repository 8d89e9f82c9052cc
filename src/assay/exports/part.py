"""What an export is given, and what its writers share.

A version is exported part by part and in order, so that memory stays flat: an export writes the
rows of one part behind those of the parts before it, and returns how many rows it wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import polars as pl

from assay.errors import RecipeError, StorageError


@dataclass(frozen=True)
class Part:
    """Some rows of one split of a version.

    Attributes:
        rows: the rows, in order.
        fields: the type that the recipe gives to each field.
        split: train, validation or test.

    >>> Part(pl.DataFrame({"x": [1]}), split="train").rows.height
    1
    """

    rows: pl.DataFrame
    fields: Mapping[str, str] = field(default_factory=dict)
    split: str = "train"


def is_json(part: Part, name: str) -> bool:
    """Whether a column holds JSON texts of lists or objects."""
    written = part.fields.get(name) in ("list", "object")
    return written and part.rows.schema[name] == pl.String


def plain(rows: pl.DataFrame) -> pl.DataFrame:
    """Times as ISO 8601, categories and decimals as text, bytes as Base64; the rest as it is.

    Raises:
        RecipeError: a column holds Python objects, or bytes inside of lists.
    """
    return rows.with_columns(
        expression
        for name, dtype in rows.schema.items()
        if (expression := _plain(name, dtype)) is not None
    )


def json_text(column: pl.Expr) -> pl.Expr:
    """The JSON of each value, `null` included."""
    return json_members([column.alias("v")]).str.slice(4)


def json_members(columns: Sequence[pl.Expr]) -> pl.Expr:
    """The members of a JSON object, without its braces."""
    # Slices are views; stripping by pattern copies every text.
    return pl.struct(columns).struct.json_encode().str.slice(1).str.head(-1)


@contextmanager
def appending(path: Path) -> Iterator[IO[bytes]]:
    """Open a file to write behind its end; the folder is made if it is not there.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            yield file
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def next_file(folder: Path, split: str, suffix: str) -> Iterator[IO[bytes]]:
    """Open the next free one of `train-00000.suffix`, `train-00001.suffix`, …

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob(f"{split}-*{suffix}")))
        with (folder / f"{split}-{number:05d}{suffix}").open("xb") as file:
            yield file
    except OSError as error:
        raise _unwritable(folder, error) from error


def write_lines(lines: pl.Series, file: IO[bytes]) -> None:
    """Write each text as one line."""
    if len(lines):
        # The CSV writer without quotes writes texts as they are, without a Python object each.
        lines.to_frame().write_csv(file, include_header=False, quote_style="never")


def _plain(name: str, dtype: pl.DataType) -> pl.Expr | None:
    column = pl.col(name)
    if dtype == pl.Object or (dtype.is_nested() and "Binary" in str(dtype)):
        raise RecipeError(
            f"The column {name!r} cannot be exported as text.",
            received=str(dtype),
            hint="leave it out, or export as parquet",
        )
    if dtype in (pl.Datetime, pl.Date, pl.Time):
        return column.dt.to_string("iso:strict" if dtype == pl.Datetime else "iso")
    if dtype == pl.Duration:
        return column.dt.to_string("iso")
    if dtype in (pl.Categorical, pl.Enum, pl.Decimal):
        return column.cast(pl.String)
    return column.bin.encode("base64") if dtype == pl.Binary else None


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The export cannot be written: {error.strerror or error}.",
        where=str(path),
        hint="is there space, and may this folder be written to?",
    )
