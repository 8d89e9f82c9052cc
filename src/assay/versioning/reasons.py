"""Why rows are in one version and not in the other, or differ: what both ledgers say."""

from __future__ import annotations

import polars as pl

from assay.rows import ROW_ID
from assay.tracking.recipes import changes
from assay.version import Version
from assay.versioning.rows import MADE

NEW, GONE = "new in the source", "not in the source any more"
REASON, TWIN = "reason", "twin"
# Steps that only decide about rows change no value.
_DECIDING = tuple(f"steps.{kind}." for kind in ("dedup", "keep", "sample", "split"))
SOURCE, STEPS, BOTH, EITHER = "source", "steps", "source and steps", "source or steps"


def absences(version: Version, rows: pl.DataFrame, *, otherwise: str) -> pl.DataFrame:
    """Why a version has not these rows: the rule that set each aside, and its twin.

    Args:
        version: the one that has them not.
        rows: `row_id`, and `_made` for synthetic ones.
        otherwise: what is said of rows that this version never read.
    """
    lines = version.ledger().filter(pl.col("action") == "set aside")
    lines = lines.join(rows.lazy().select(ROW_ID), on=ROW_ID, how="semi")
    rule = pl.concat_str("step", pl.lit(": "), "rule").alias(REASON)
    # The first line is the one that set it aside.
    found = lines.select(ROW_ID, rule, TWIN).collect().unique(ROW_ID, keep="first")
    made = "made by a step" if otherwise == NEW else "not made any more"
    said = pl.when(MADE).then(pl.lit(made)).otherwise(pl.lit(otherwise))
    return rows.join(found, on=ROW_ID, how="left").with_columns(pl.col(REASON).fill_null(said))


def causes(a: Version, b: Version, cells: pl.DataFrame) -> pl.DataFrame:
    """Whether the source or a step changed each value.

    What the source says of a row is told by the hash of the row as it came, which the ledger
    keeps; without key columns it is the row's id, and the source has changed nothing. A version
    built before ledgers kept it cannot tell, unless its steps are the same.

    Args:
        a: the version before.
        b: the version after.
        cells: `row_id` and `field` of each changed value.

    Returns:
        `cells` with `cause` (`source`, `steps`, `source and steps`, or `source or steps` where
        nothing tells) and `step`, the steps that did other than before.
    """
    rows = cells.select(ROW_ID).unique()
    both = [_told(version, rows) for version in (a, b)]
    keyed = bool(a.manifest["recipe"].get("id") or b.manifest["recipe"].get("id"))
    asked = _asked_differently(a, b)
    touched = both[0][1].join(
        both[1][1], on=[ROW_ID, "field"], how="full", coalesce=True, suffix="_b"
    )
    found = (
        cells.join(both[0][0], on=ROW_ID, how="left")
        .join(both[1][0], on=ROW_ID, how="left", suffix="_b")
        .join(touched, on=[ROW_ID, "field"], how="left")
    )
    source = pl.col("content").ne(pl.col("content_b")) if keyed else pl.lit(False)
    steps = pl.col("steps").ne_missing(pl.col("steps_b")) | bool(asked)
    cause = (
        pl.when(source & steps)
        .then(pl.lit(BOTH))
        .when(source)
        .then(pl.lit(SOURCE))
        .when(~source)
        .then(pl.lit(STEPS))
        # The ledger of one of them does not say what the source said.
        .otherwise(pl.when(steps).then(pl.lit(EITHER)).otherwise(pl.lit(SOURCE)))
    )
    named = pl.when(pl.col("steps").ne_missing(pl.col("steps_b"))).then(
        pl.col("steps_b").fill_null(pl.col("steps"))
    )
    step = pl.when(cause != SOURCE).then(named.fill_null(pl.lit(", ".join(asked) or None)))
    return found.select(*cells.columns, cause.alias("cause"), step.alias("step"))


def _told(version: Version, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """For each row the hash of what the source said; for each changed value the steps."""
    ledger = version.ledger()
    has = "content" in ledger.collect_schema().names()
    content = pl.col("content") if has else pl.lit(None, dtype=pl.UInt64).alias("content")
    lines = (
        ledger.filter(pl.col("action").is_in(["read", "changed", "nulled"]))
        .join(rows.lazy(), on=ROW_ID, how="semi")
        .select(ROW_ID, "action", "step", "rule", "note", content)
        .collect()
    )
    read = lines.filter(pl.col("action") == "read").select(ROW_ID, "content").unique(ROW_ID)
    # `changed` names its fields in the note, `nulled` its one in the rule: `price: max`.
    field = (
        pl.when(pl.col("action") == "changed")
        .then(pl.col("note").str.split(", "))
        .otherwise(pl.concat_list(pl.col("rule").str.split(": ").list.first()))
    )
    touched = (
        lines.filter(pl.col("action") != "read")
        .select(ROW_ID, field.alias("field"), pl.col("step").alias("steps"))
        .explode("field")
        .unique(maintain_order=True)
    )
    touched = listed(touched, [ROW_ID, "field"], "steps")
    return read, touched


def listed(frame: pl.DataFrame, by: list[str], *names: str) -> pl.DataFrame:
    """One line for each of `by`, the different texts of each named column with commas between."""
    # Nearly all stand alone, and joining texts is what costs.
    several = frame.select(pl.struct(by).is_duplicated()).to_series()
    texts = [pl.col(name).unique(maintain_order=True).str.join(", ") for name in names]
    joined = frame.filter(several).group_by(by, maintain_order=True).agg(texts)
    return pl.concat([frame.filter(~several).select(*by, *names), joined])


def _asked_differently(a: Version, b: Version) -> list[str]:
    """The steps, fields and rules that the two recipes ask differently."""
    parts = ("steps", "fields", "rules", "read", "seed", "other_fields")
    asked = [
        {name: recipe[name] for name in parts if name in recipe}
        for recipe in (a.manifest["recipe"], b.manifest["recipe"])
    ]
    found = [change.path for change in changes(*asked) if not change.path.startswith(_DECIDING)]
    if a.manifest.get("code") != b.manifest.get("code"):
        found.append("another release of assay")
    return found
