"""The ledger: every decision about every row, and the proof that the counts add up.

One line is one decision: `row_id`, `position` (0 reading, 1 the contract, then the recipe's steps),
`step`, `action`, `rule`, `value`, `threshold`, `twin` (the row kept in its stead) and `note`.
Actions are `read`, `corrected` (the source says something else than in the version before),
`changed`, `nulled`, `set aside`, `split`, and for a synthetic row `added`: its
`twin` is the row that it was made from. Where ids are keys, the line `read` has the hash of the
row's `content` as it came, so that a row corrected at the source is told from a step that changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from assay.errors import VersionError

SCHEMA: dict[str, pl.DataType] = {
    "position": pl.Int16(),
    "action": pl.String(),
    "rule": pl.String(),
    "value": pl.Float64(),
    "threshold": pl.Float64(),
    "twin": pl.UInt64(),
    "note": pl.String(),
}


def entries(
    index: pl.Series, position: int, action: str, columns: Mapping[str, pl.Series | pl.Expr]
) -> pl.DataFrame:
    """Make ledger lines for the rows at `index` (UInt32, the row's place in its shard)."""
    given = {"position": pl.lit(position), "action": pl.lit(action), **columns}
    return pl.DataFrame({"_index": index.cast(pl.UInt32)}).with_columns(
        given.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in SCHEMA.items()
    )


def empty() -> pl.DataFrame:
    """A ledger without lines."""
    return pl.DataFrame(schema={"_index": pl.UInt32(), **SCHEMA})


def check_counts(read: int, kept: int, set_aside: Mapping[str, int]) -> None:
    """Prove that every row read was either kept or set aside for a reason.

    Raises:
        VersionError: the counts do not add up, which is a defect of assay and never of the data.

    >>> check_counts(10, 7, {"dedup.exact: duplicate": 3})
    """
    gone = sum(set_aside.values())
    if read != kept + gone:
        raise VersionError(
            f"The rows do not add up: {read:,} read, {kept:,} kept, {gone:,} set aside.",
            received=dict(set_aside),
            hint="nothing was committed; please report this with the recipe",
        )
