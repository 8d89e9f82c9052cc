"""Row identity, and randomness that depends on a row's identity and nothing else.

A row's identity is a 64-bit hash (xxh3) of its key text or of its content, so it is the same for
any order of files, any number of workers and any engine. At 100 million rows the chance that any
two of them share a hash is about 1 in 3,700.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import polars as pl
import polars_hash as plh
import xxhash

from assay.errors import MissingExtra, RecipeError, nearest

if TYPE_CHECKING:
    import pandas as pd
    from polars.datatypes import DataType, DataTypeClass

# How Polars writes an expression that looks at other rows: aggregates, windows, lengths.
_MANY_ROWS = re.compile(r'"(Agg|Over|Window)":|(?<!"String"):"Len"')
# Columns hashed side by side: more would hold more of their texts at a time.
_AT_ONCE = 16
ROW = "_row"
ROW_ID = "row_id"


def content_hash(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.Series:
    """Hash the named columns of each row to a UInt64.

    Nulls add nothing, so a column that appears later leaves earlier rows' hashes as they are, and
    the order of columns does not matter.

    >>> a = pl.DataFrame({"x": ["1"], "y": ["b"]})
    >>> b = pl.DataFrame({"y": ["b"], "late": [None], "x": [1]})
    >>> content_hash(a)[0] == content_hash(b)[0]
    True
    """
    total = np.zeros(frame.height, dtype=np.uint64)
    schema = frame.schema  # made anew at every look, which a frame of many columns feels
    names = list(columns if columns is not None else frame.columns)
    for first in range(0, len(names), _AT_ONCE):
        some = names[first : first + _AT_ONCE]
        texts = frame.select(_canonical(name, schema[name]).alias(name) for name in some)
        hashed = texts.select(plh.col(name).nchash.xxh3_64() for name in some)
        for name, hashes in hashed.to_dict().items():
            key = np.uint64(xxhash.xxh3_64_intdigest(name.encode()))
            with np.errstate(over="ignore"):
                cell = _mix(hashes.fill_null(0).to_numpy() ^ key)
                total += np.where(hashes.is_null().to_numpy(), np.uint64(0), cell)
    return pl.Series(ROW, _mix(total))


def key_hash(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """Hash several columns to one UInt128 each row, for equality only; null where all are null."""
    text = frame.select(_joined(frame, columns))
    return text.select(plh.col(ROW).nchash.xxh3_128())[ROW]


def text_hash(texts: pl.Series) -> pl.Series:
    """Hash texts to UInt64; null stays null."""
    frame = texts.to_frame(ROW).with_columns(pl.col(ROW).cast(pl.String))
    return frame.select(plh.col(ROW).nchash.xxh3_64())[ROW]


def hex_ids(rows: pl.Series) -> pl.Series:
    """Write UInt64 hashes as 16 hex digits.

    >>> hex_ids(pl.Series([255], dtype=pl.UInt64)).to_list()
    ['00000000000000ff']
    """
    import pyarrow as pa

    digits = rows.to_numpy().astype(">u8").tobytes().hex().encode()
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(rows), [None, pa.py_buffer(digits)]
    )
    return pl.Series(ROW_ID, fixed.cast(pa.binary()).cast(pa.string()), dtype=pl.String)


def row_ids(frame: pl.DataFrame) -> pl.Series:
    """The UInt64 identity of every row of a frame.

    It is `_row` where the build has set it, else the hash of `row_id`, else of the row's content.
    """
    if ROW in frame.columns:
        return frame[ROW]
    if ROW_ID in frame.columns:
        return text_hash(frame[ROW_ID]).alias(ROW)
    return content_hash(frame)


def uniform(
    rows: pl.Series | npt.NDArray[np.uint64], seed: int, purpose: str
) -> npt.NDArray[np.float64]:
    """Draw one number in (0, 1) for every row, fixed by (seed, purpose, row) alone.

    The row's hash is combined with a hash of seed and purpose and mixed by the finaliser of
    MurmurHash3 (Appleby 2011), twice.

    >>> rows = pl.Series([1, 2], dtype=pl.UInt64)
    >>> bool((uniform(rows, 7, "split") == uniform(rows.reverse(), 7, "split")[::-1]).all())
    True
    """
    values = rows.to_numpy() if isinstance(rows, pl.Series) else rows
    key = np.uint64(xxhash.xxh3_64_intdigest(f"{seed}/{purpose}".encode()))
    mixed = _mix(_mix(values.astype(np.uint64) ^ key) + key)
    # 53 bits fill a float64's mantissa; the half step keeps 0 and 1 out.
    return ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def evaluate_expression(frame: pl.DataFrame, expression: str, *, name: str = "value") -> pl.Series:
    """Evaluate a SQL expression over each row.

    A column that carries the expression's own text is taken as its value, so that the build can
    compute it where the row's columns are and pass on the result alone.

    Raises:
        RecipeError: it is not a SQL expression, or names a column that is not there.

    >>> evaluate_expression(pl.DataFrame({"price": [1, 9]}), "price > 5").to_list()
    [False, True]
    """
    if expression in frame.columns:
        return frame[expression].alias(name)
    parsed = parse_expression(expression)
    unknown = [column for column in parsed.meta.root_names() if column not in frame.columns]
    if unknown:
        raise RecipeError(
            f"The expression names a column that is not there: {unknown[0]!r}.",
            received=expression,
            allowed=frame.columns,
            hint=nearest(unknown[0], frame.columns),
        )
    try:
        # A literal has one value; beside a column it has one for every row.
        length = pl.int_range(pl.len()).alias("_index")
        return frame.select(length, parsed.alias(name))[name]
    except pl.exceptions.PolarsError as error:
        raise RecipeError(
            f"The expression cannot be evaluated: {error}.", received=expression
        ) from None


def as_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """The frame for pandas.

    Raises:
        MissingExtra: pandas is not installed.
    """
    try:
        return frame.to_pandas()
    except ImportError:
        raise MissingExtra("pandas", "A pandas frame") from None


def parse_expression(expression: str) -> pl.Expr:
    """Read a SQL expression over the columns of one row.

    Raises:
        RecipeError: it is not one, or it looks at other rows: what it said of a row would then
            depend on the shard that the row is in.

    >>> parse_expression("price > AVG(price)")
    Traceback (most recent call last):
    assay.errors.RecipeError: The expression looks at more than one row.
      received: 'price > AVG(price)'
      try: functions of one row, for instance `price > 5 AND title IS NOT NULL`
    """
    try:
        parsed = pl.sql_expr(expression)
        if _MANY_ROWS.search(parsed.meta.serialize(format="json")):
            raise RecipeError(
                "The expression looks at more than one row.",
                received=expression,
                hint="functions of one row, for instance `price > 5 AND title IS NOT NULL`",
            )
        return parsed
    except pl.exceptions.PolarsError as error:
        raise RecipeError(
            f"This is not a SQL expression: {error}.",
            received=expression,
            hint="for instance `price > 5 AND title IS NOT NULL`",
        ) from None


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
        values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
        return values ^ (values >> np.uint64(33))


def _joined(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Expr:
    """One text a row that differs whenever the columns' values do; null where all are null."""
    # The unit and record separators of ASCII do not stand in ordinary text.
    schema = frame.schema
    parts = [
        pl.lit(f"{position}\x1e") + _canonical(column, schema[column])
        for position, column in enumerate(columns)
    ]
    whole = pl.concat_str(parts, separator="\x1f", ignore_nulls=True)
    return pl.when(pl.any_horizontal(pl.col(list(columns)).is_not_null())).then(whole).alias(ROW)


def _canonical(column: str, dtype: DataType | DataTypeClass) -> pl.Expr:
    value = pl.col(column)
    if dtype.is_float():
        # 5 and 5.0 are one number, whichever type a reader chose.
        return value.cast(pl.String).str.strip_suffix(".0")
    if dtype.is_nested():
        boxed = value if isinstance(dtype, pl.Struct) else pl.struct(value)
        return pl.when(value.is_not_null()).then(boxed.struct.json_encode())
    return value.cast(pl.String)
