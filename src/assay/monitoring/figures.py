"""A batch's rows predicted, scored where labels are known, and estimated, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from assay.errors import MissingExtra, ModelError, PredictionsError, SourceError, nearest
from assay.evaluation.tables import read_table
from assay.evaluation.values import labels
from assay.monitoring.estimation import MOST_ROWS
from assay.monitoring.labels import ids_of
from assay.monitoring.performance import Figure, estimated, predictions_of, realised
from assay.monitoring.reference import Reference
from assay.rows import ROW_ID, text_hash, uniform

VALUE = "value"


@dataclass(frozen=True)
class Performance:
    """How the model does on a batch.

    Attributes:
        figures: as `monitor.json` holds them.
        notes: why there are none, or not all.
        predictions: `row_id`, `prediction`, …, for labels that come later; None without any.
        labels: `row_id` and `value` of the rows whose label the batch brought.
        labelled: rows that were scored.
    """

    figures: Sequence[Figure] = ()
    notes: Sequence[str] = ()
    predictions: pl.DataFrame | None = None
    labels: pl.DataFrame | None = None
    labelled: int = 0


def columns_of(reference: Reference | None, time: str | None) -> list[str]:
    """What is to be kept of a batch's rows beside their ids."""
    found = [*reference.kinds, reference.evaluation.target] if reference else []
    return list(dict.fromkeys([*found, *([time] if time else [])]))


def performance_of(
    reference: Reference, files: Sequence[Path], given: Any, known: pl.DataFrame | None
) -> Performance:
    """Predict a batch and say how well.

    Args:
        reference: the evaluation.
        files: the batch's usable rows: `row_id`, inputs and, where it is there, the target.
        given: a table of predictions made elsewhere; None: the saved model predicts.
        known: `row_id` and `value` of labels that came earlier.

    Raises:
        PredictionsError: the given predictions are not of these rows.
    """
    if reference.evaluation.task not in ("number", "class"):
        return Performance(notes=[f"Performance is not followed for a target of "
                                  f"{reference.evaluation.task}."])  # fmt: skip
    table = None if given is None else _given(given, reference)
    parts: list[pl.DataFrame] = []
    inputs: list[pl.DataFrame] = []
    guessed: list[pl.DataFrame] = []
    rows_all = sum(pl.scan_ipc(file).select(pl.len()).collect().item() for file in files)
    for rows in _read(files):
        try:
            said = predictions_of(reference, rows) if table is None else _matched(rows, table)
        except (ModelError, MissingExtra) as error:
            return Performance(notes=[f"{reference.model} cannot predict: {error.what} "
                                      f"{error.hint or ''}".rstrip()])  # fmt: skip
        if said is None:
            return Performance(notes=[_why_not(reference, rows)])
        few = _some(rows[ROW_ID], rows_all)
        target = reference.evaluation.target
        own = labels(rows[target]) if target in rows.columns else pl.Series([None] * rows.height)
        parts.append(said.with_columns(own.cast(pl.String).alias(VALUE)))
        seen = [name for name in reference.kinds if name in rows.columns]
        inputs.append(rows.filter(few).select(ROW_ID, *seen))
        guessed.append(said.filter(few))
    if not parts:
        return Performance(notes=["No row can be predicted."])
    whole = pl.concat(parts, how="diagonal_relaxed")
    if table is not None and not whole.filter(pl.col("_known")).height:
        raise PredictionsError(
            "None of the predictions is of a row in the batch.",
            received=", ".join(table[ROW_ID].head(3)),
            allowed=f"ids such as {', '.join(whole[ROW_ID].head(3))}",
        )
    whole = whole.drop("_known", strict=False)
    brought = whole.select(ROW_ID, VALUE).drop_nulls()
    if known is not None and brought.height < whole.height:
        late = known.rename({VALUE: "_late"})
        whole = whole.join(late, on=ROW_ID, how="left", maintain_order="left")
        whole = whole.with_columns(pl.coalesce(VALUE, "_late").alias(VALUE)).drop("_late")
    predictions = whole.drop(VALUE)
    figures = realised(reference, predictions, whole[VALUE])
    guesses, notes = estimated(
        reference,
        pl.concat(guessed, how="diagonal_relaxed").drop("_known", strict=False),
        pl.concat(inputs, how="diagonal_relaxed"),
    )
    scored = int(whole[VALUE].is_not_null().sum()) if figures else 0
    return Performance([*figures, *guesses], notes, predictions, brought, scored)


def latest(files: Sequence[Path], field: str) -> datetime:
    """The latest time in a field of a batch.

    Raises:
        SourceError: there is no such field, or no time in it.
    """
    found: list[datetime] = []
    columns: list[str] = []
    for rows in _read(files):
        columns = rows.columns
        if field not in columns:
            continue
        values = rows[field]
        if not values.dtype.is_temporal():
            try:
                values = values.cast(pl.String).str.to_datetime(strict=False)
            except pl.exceptions.ComputeError:
                continue  # there is no form of time in it
        last = values.cast(pl.Datetime("us")).max()
        if isinstance(last, datetime):
            found.append(last)
    if not found:
        raise SourceError(
            f"No row of the batch has a time in {field!r}.",
            allowed=[name for name in columns if name != ROW_ID],
            hint=nearest(field, columns) or "give the time with `at`",
        )
    moment = max(found)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _read(files: Sequence[Path]) -> Iterator[pl.DataFrame]:
    for file in files:
        yield pl.read_ipc(file)


def _given(given: Any, reference: Reference) -> pl.DataFrame:
    table = read_table(given)
    if "model" in table.columns:
        table = table.filter(pl.col("model") == reference.model).drop("model")
    keys = list(reference.version.manifest["recipe"].get("id") or [])
    where = str(given) if isinstance(given, str | Path) else "the predictions"
    ids = ids_of(table, keys, where=where)
    kept = [name for name in table.columns
            if name in ("prediction", "score") or name.startswith("proba_")]  # fmt: skip
    if not kept:
        raise PredictionsError(
            "There are no predictions in the table.",
            where=where,
            received=table.columns,
            allowed="`prediction`, or `proba_<class>` for every class",
        )
    found = table.select(kept).with_columns(ids, pl.lit(True).alias("_known"))
    return found.filter(pl.col(ROW_ID).is_not_null()).unique(ROW_ID, keep="first")


def _matched(rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    return rows.select(ROW_ID).join(table, on=ROW_ID, how="left", maintain_order="left")


def _why_not(reference: Reference, rows: pl.DataFrame) -> str:
    gone = [name for name in reference.kinds if name not in rows.columns]
    if gone and reference.saved is not None:
        return f"{reference.model} cannot predict this batch: it needs the field {gone[0]!r}."
    return (
        f"{reference.model} was not saved with its run, so performance is not followed; "
        "`assay run` with `assay[models]` installed saves it, or give predictions."
    )


def _some(ids: pl.Series, rows: int) -> pl.Series:
    """Rows that estimates are made of: all, or of very many some, chosen by their ids."""
    share = min(1.0, MOST_ROWS / max(1, rows))
    return pl.Series(uniform(text_hash(ids), 0, "estimates") < share)
