"""Personal data: masked in place, the same value by the same pseudonym, or its rows set aside."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from typing import Literal

import polars as pl

from assay.component import Columns, Decisions, Rows
from assay.errors import RecipeError, nearest
from assay.steps._personal import kinds_of, masked, spans

__all__ = ["drop", "mask"]

SHORTEST_KEY = 16
"""Characters; a pseudonym under a key that can be guessed is no pseudonym."""


def mask(
    rows: Rows,
    *,
    columns: Columns,
    kinds: list[str] | None = None,
    how: Literal["pseudonym", "tag", "hash"] = "pseudonym",
    key: str | None = None,
) -> Rows:
    """Replace personal data in texts by pseudonyms that are the same for the same value.

    Found are e-mail addresses, phone numbers, payment cards, IBANs, national ids, IP addresses and
    secrets, each by its form and proven by its checksum, its number plan or a word nearby. Nothing
    else is touched, masking twice gives what masking once gives, and null stays null. Without the
    key nobody can tell whose pseudonym it is; with it, one value has one pseudonym in every column,
    file and version, so that joins and group splits still work.
    Reference for the keyed hash: Aumasson et al. 2013, BLAKE2.

    Args:
        rows: any frame.
        columns: the columns to mask, of type String.
        kinds: of `email`, `phone`, `card`, `iban`, `national_id`, `ip`, `secret`; all by default.
        how: `pseudonym` gives `<email:KJ4T6Q2ZB7XA>`, 60 bits of the keyed hash, `hash` all 256 of
            them in hexadecimal digits, `tag` gives `<email>` whatever the value. Without a `key`
            a pseudonym is a tag.
        key: `env:NAME`, the environment variable that holds the key. The key itself stands in no
            recipe, manifest or ledger.

    Returns:
        The rows; the ledger notes that a text was changed, never what stood there.

    Raises:
        RecipeError: a column that is missing or not text, an unknown kind, a key that is no
            `env:NAME`, is not set, or is shorter than 16 characters, or `hash` without a key.
        MissingExtra: the libraries that prove personal data are not installed.

    >>> rows = pl.DataFrame({"t": ["write to Ann.Lee@mail.example.com, order 4711-22"]})
    >>> mask(rows, columns=["t"])["t"][0]
    'write to <email>, order 4711-22'
    """
    wanted = kinds_of(kinds, "privacy.mask")
    if how == "hash" and key is None:
        raise RecipeError(
            "privacy.mask: a hash without a key can be undone by trying all phone numbers.",
            hint="add `key: env:ASSAY_PRIVACY_KEY`, or use `how: tag`",
        )
    secret = _secret(key) if key is not None and how != "tag" else None
    name = functools.lru_cache(maxsize=65536)(functools.partial(_name, secret=secret, how=how))
    return rows.with_columns(
        masked(_texts(rows, column, "privacy.mask"), wanted, name)[0] for column in columns
    )


def drop(
    rows: Rows, *, columns: Columns, kinds: list[str] | None = None, at_most: int = 0
) -> Decisions:
    """Set aside rows whose texts hold personal data.

    Args:
        rows: any frame.
        columns: the columns to look at, of type String.
        kinds: as in `privacy.mask`.
        at_most: how many finds a row may hold and stay.

    Returns:
        One decision a row: `rule` is `personal data` or null, `value` the number of finds,
        `threshold` is `at_most`.

    Raises:
        RecipeError: a column that is missing or not text, an unknown kind, a negative `at_most`.
        MissingExtra: the libraries that prove personal data are not installed.

    >>> rows = pl.DataFrame({"t": ["ping 192.168.0.7", "a kettle, 1.5 l", None]})
    >>> drop(rows, columns=["t"])["rule"].to_list()
    ['personal data', None, None]
    """
    wanted = kinds_of(kinds, "privacy.drop")
    if at_most < 0:
        raise RecipeError("privacy.drop: `at_most` is 0 or more.", received=at_most)
    finds = [
        spans(_texts(rows, column, "privacy.drop"), wanted, name=column).select("place")
        for column in columns
    ]
    counts = pl.concat(finds).group_by("place").agg(value=pl.len().cast(pl.Float64))
    places = pl.DataFrame({"place": pl.arange(rows.height, dtype=pl.UInt32, eager=True)})
    found = places.join(counts, on="place", how="left", maintain_order="left")
    value = pl.col("value").fill_null(0.0)
    return found.select(
        rule=pl.when(value > at_most).then(pl.lit("personal data")),
        value=value,
        threshold=pl.lit(float(at_most)),
    )


def _name(kind: str, value: str, *, secret: bytes | None, how: str) -> str:
    if secret is None:
        return f"<{kind}>"
    size = 32 if how == "hash" else 8
    digest = hashlib.blake2b(f"{kind}\x1f{value}".encode(), key=secret, digest_size=size)
    if how == "hash":
        return f"<{kind}:{digest.hexdigest()}>"
    return f"<{kind}:{base64.b32encode(digest.digest()).decode()[:12]}>"


def _secret(key: str) -> bytes:
    """The key from the environment; no message ever repeats what was given."""
    prefix, _, variable = key.partition(":")
    if prefix != "env" or not variable:
        raise RecipeError(
            "privacy.mask: `key` names an environment variable, it is not the key.",
            allowed="env:NAME",
            hint="set ASSAY_PRIVACY_KEY and write `key: env:ASSAY_PRIVACY_KEY`",
        )
    value = os.environ.get(variable, "")
    if len(value) < SHORTEST_KEY:
        raise RecipeError(
            f"privacy.mask: the environment variable {variable} holds no key of "
            f"{SHORTEST_KEY} characters or more.",
            hint=f"export {variable}=$(openssl rand -hex 32)",
        )
    # A key of BLAKE2 has at most 64 bytes.
    return hashlib.blake2b(value.encode()).digest()


def _texts(rows: pl.DataFrame, name: str, step: str) -> pl.Series:
    if name not in rows.columns:
        raise RecipeError(
            f"{step}: there is no column {name!r}.",
            allowed=rows.columns,
            hint=nearest(name, rows.columns),
        )
    column = rows[name]
    if column.dtype not in (pl.String, pl.Null):
        raise RecipeError(
            f"{step}: the column {name!r} holds no text.",
            received=str(column.dtype),
            allowed="columns of type string",
        )
    return column.cast(pl.String)
