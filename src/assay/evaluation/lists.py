"""Lists of items as other programs write them: JSON, lists of a frame, `a|b|c`."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import orjson
import polars as pl

_LIST = pl.List(pl.String)


def lists(values: pl.Series) -> pl.Series:
    """Write lists as JSON text: `["a", "b"]`, or `{"a": 2}` where items have grades.

    A text that is no JSON is taken apart at `|`. What is empty, or is JSON of another kind, becomes
    null.

    >>> lists(pl.Series([["b", "a"], []])).to_list()
    ['["b","a"]', '[]']
    >>> lists(pl.Series(["a|b", '{"a": 2}', "", "[1"])).to_list()
    ['["a","b"]', '{"a": 2}', None, None]
    """
    if isinstance(values.dtype, pl.List | pl.Array):
        as_list = values.cast(_LIST).to_frame("items")
        boxed = pl.struct("items").struct.json_encode()
        cut = boxed.str.strip_prefix('{"items":').str.strip_suffix("}")
        return as_list.select(pl.when(pl.col("items").is_not_null()).then(cut).alias("value"))[
            "value"
        ]
    if isinstance(values.dtype, pl.Struct):
        return values.struct.json_encode()
    text = values.cast(pl.String).str.strip_chars()
    # JSON of any shape is read text by text, equal ones once.
    known = {one: _written(one) for one in text.unique().drop_nulls().to_list()}
    return text.replace_strict(known, default=None, return_dtype=pl.String)


def listed(values: npt.NDArray[Any]) -> pl.DataFrame:
    """Row, item and place (from 1) of every item; repeats of an item in a row are left out.

    >>> import numpy as np
    >>> listed(np.array(['["b","a","b"]', "[]"])).rows()
    [(0, 'b', 1), (0, 'a', 2)]
    """
    texts = pl.Series("text", values.tolist(), dtype=pl.String)
    graded_rows = texts.str.starts_with("{").fill_null(False)
    plain = texts.to_frame().with_row_index("row").filter(~graded_rows)
    items = plain.select("row", item=pl.col("text").str.json_decode(_LIST)).explode("item")
    if graded_rows.any():
        kept = graded(values).filter(pl.col("grade") > 0)
        items = pl.concat([items, kept.select("row", "item")], how="vertical_relaxed")
    items = items.drop_nulls("item").unique(["row", "item"], keep="first", maintain_order=True)
    return items.with_columns(place=pl.int_range(1, pl.len() + 1).over("row"))


def graded(values: npt.NDArray[Any]) -> pl.DataFrame:
    """Row, item and grade of every item; items of a plain list have grade 1.

    >>> import numpy as np
    >>> graded(np.array(['{"a": 2}', '["b"]'])).rows()
    [(0, 'a', 2.0), (1, 'b', 1.0)]
    """
    schema: dict[str, Any] = {"row": pl.UInt32, "item": pl.String, "grade": pl.Float64}
    texts = pl.Series("text", values.tolist(), dtype=pl.String).to_frame().with_row_index("row")
    is_object = pl.col("text").str.starts_with("{")
    plain = texts.filter(~is_object).select(
        "row", item=pl.col("text").str.json_decode(_LIST), grade=pl.lit(1.0)
    )
    # Objects have no schema that Polars could read: each is taken apart by itself.
    pairs = [
        (row, str(item), float(grade or 0))
        for row, text in texts.filter(is_object).iter_rows()
        for item, grade in orjson.loads(text).items()
    ]
    parts = [
        plain.explode("item").cast(pl.Schema(schema)),
        pl.DataFrame(pairs, schema=schema, orient="row"),
    ]
    made = pl.concat(parts).drop_nulls("item").sort("row", maintain_order=True)
    return made.unique(["row", "item"], keep="first", maintain_order=True)


def _written(text: str) -> str | None:
    if not text:
        return None
    if text[0] not in "[{":
        return orjson.dumps([part.strip() for part in text.split("|") if part.strip()]).decode()
    try:
        read = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if isinstance(read, list):
        return orjson.dumps([str(item) for item in read if item is not None]).decode()
    return text if all(isinstance(v, int | float) for v in read.values()) else None
