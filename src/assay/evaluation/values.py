"""Numbers, labels and ids as other programs write them, read into one form."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

_CURRENCY = r"[$€£¥₹]"
# A signed number stands at the start or behind a space, so that the dash of "A-5" is no sign.
_TOKEN = r"(?:^|[\s(:=~])([-+]\d[\d.,]*(?:[eE][-+]?\d+)?)|(\d[\d.,]*(?:[eE][-+]?\d+)?|\.\d+)"
_EUROPEAN = r"^[-+]?(?:\d{1,3}(?:\.\d{3})+,\d+|0,\d+|\d+,\d{1,2})$"
_THOUSANDS = r"^[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$"
_PLAIN = r"^([-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)"


def numbers(values: pl.Series) -> pl.Series:
    """Read numbers, out of text if need be; what holds none, NaN and infinity become null.

    Text that is a number counts as it is. Else the first number in it counts: currency signs and
    thousands commas are passed over, and a comma is a decimal one where it cannot be another
    ("1.299,00", "12,50").

    >>> numbers(pl.Series(["$1,299.50", "about 12 USD", "12,50 €", "none", "nan"])).to_list()
    [1299.5, 12.0, 12.5, None, None]
    """
    if values.dtype == pl.Null:
        return values.cast(pl.Float64)
    if isinstance(values.dtype, pl.String | pl.Categorical | pl.Enum):
        values = _from_text(values.cast(pl.String).alias("value"))
    found = values.cast(pl.Float64, strict=False)
    return found.to_frame("value").select(pl.when(pl.col("value").is_finite()).then("value"))[
        "value"
    ]


def labels(values: pl.Series) -> pl.Series:
    """Write labels or ids as text, the same for 1, 1.0, "1" and " 1.0", and for true and "True".

    Empty text becomes null.

    >>> labels(pl.Series([1.0, 2.5])).to_list(), labels(pl.Series([" 1.0", "b", ""])).to_list()
    (['1', '2.5'], ['1', 'b', None])
    """
    text = values.cast(pl.String).alias("value").to_frame()
    plain = (
        pl.col("value")
        .str.strip_chars()
        .str.replace(r"^([-+]?\d+)\.0+$", "$1")
        .str.replace("^(?:True|TRUE)$", "true")
        .str.replace("^(?:False|FALSE)$", "false")
    )
    return text.select(pl.when(plain != "").then(plain).alias("value"))["value"]


def texts(values: pl.Series) -> pl.Series:
    """Read texts as they stand.

    >>> texts(pl.Series([1, None])).to_list()
    ['1', None]
    """
    return values.cast(pl.String)


def all_numbers(values: pl.Series) -> bool:
    """Whether there are values and all are numbers, or texts that are nothing but a number.

    >>> all_numbers(pl.Series(["1", "2.5", None])), all_numbers(pl.Series(["1", "two"]))
    (True, False)
    """
    known = values.drop_nulls()
    if known.dtype.is_numeric():
        return True
    if known.dtype != pl.String or not len(known):
        return False
    return known.str.strip_chars().cast(pl.Float64, strict=False).null_count() == 0


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort labels as numbers if all are numbers, else as text.

    >>> in_order(["10", "9", "9"]), in_order(["b", "a"])
    (('9', '10'), ('a', 'b'))
    """
    series = pl.Series("name", sorted(set(names)), dtype=pl.String)
    if all_numbers(series):
        series = series.gather(series.cast(pl.Float64).arg_sort())
    return tuple(series)


def _from_text(texts: pl.Series) -> pl.Series:
    direct = texts.str.strip_chars().cast(pl.Float64, strict=False)
    unread = texts.filter(direct.is_null() & texts.is_not_null())
    if not len(unread):
        return direct
    # Only what is not a number already is searched for one.
    parsed = (
        unread.unique()
        .to_frame("text")
        .with_columns(bare=pl.col("text").str.replace_all(_CURRENCY, ""))
        .with_columns(
            token=pl.coalesce(
                pl.col("bare").str.extract(_TOKEN, 1), pl.col("bare").str.extract(_TOKEN, 2)
            ).str.strip_chars_end(".,")
        )
        .with_columns(
            plain=pl.when(pl.col("token").str.contains(_EUROPEAN))
            .then(pl.col("token").str.replace_all(".", "", literal=True).str.replace(",", "."))
            .when(pl.col("token").str.contains(_THOUSANDS))
            .then(pl.col("token").str.replace_all(",", "", literal=True))
            .otherwise(pl.col("token"))
            .str.extract(_PLAIN, 1)
        )
        .select("text", number=pl.col("plain").cast(pl.Float64, strict=False))
    )
    searched = texts.to_frame("text").join(parsed, on="text", how="left", maintain_order="left")
    return pl.select(value=pl.coalesce(direct, searched["number"]))["value"]
