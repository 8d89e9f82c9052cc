"""Predictions that come from elsewhere: people, a file, a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import polars as pl

from assay.errors import ModelError, nearest
from assay.marks import Mark
from assay.models._commands import answers, words_of
from assay.models.training import Fitted, Training
from assay.rows import ROW_ID

__all__ = ["command", "file", "people"]

File = Annotated[str, Mark("source")]
GUESS, PREDICTION, SPLIT = "guess", "prediction", "split"
SPENT = ("seconds", "cost")
"""Columns that say what one row's prediction took."""


@dataclass(frozen=True)
class _FromFile:
    """Predictions looked up by the row's id; nothing is learned, so nothing can be tuned."""

    path: str
    key: str
    column: str
    classes: tuple[str, ...]
    only: str | None = None
    model: str = "file"

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        table = _read(Path(self.path))
        for name in (self.key, self.column):
            if name not in table.columns and not (name == self.column and _proba(table)):
                raise ModelError(
                    f"{self.model}: the file has no column {name!r}.",
                    where=self.path,
                    allowed=table.columns,
                    hint=nearest(name, table.columns),
                )
        if self.only is not None and "model" in table.columns:
            table = table.filter(pl.col("model").cast(pl.String) == self.only)
        return _matched(rows, table, self)


@dataclass(frozen=True)
class _People:
    path: str
    classes: tuple[str, ...]

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        path = Path(self.path)
        if not path.exists():
            _send(rows, path)
            raise ModelError(
                f"A sheet of {rows.height:,} rows was written for people to guess.",
                where=self.path,
                hint=f"fill in its column {GUESS!r} (an empty cell is no guess), then run again",
            )
        found = _FromFile(self.path, ROW_ID, GUESS, self.classes, model="people").predict(rows)
        if rows.height and found[PREDICTION].null_count() == rows.height:
            raise ModelError(
                "Nobody has made a guess yet.",
                where=self.path,
                hint=f"fill in the column {GUESS!r}, then run again",
            )
        return found


@dataclass(frozen=True)
class _Command:
    run: str
    seconds: float
    taught: pl.DataFrame | None
    classes: tuple[str, ...]

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        lines = rows if ROW_ID in rows.columns else rows.with_row_index(ROW_ID)
        lines = lines.with_columns(pl.col(ROW_ID).cast(pl.String))
        asked = lines
        if self.taught is not None:
            asked = lines.with_columns(pl.lit("test").alias(SPLIT))
            asked = pl.concat([self.taught, asked], how="diagonal_relaxed")
        said = answers(self.run, asked, seconds=self.seconds)
        table = _tabled(said, lines[ROW_ID], self.run)
        return _matched(lines, table, _FromFile(self.run, ROW_ID, PREDICTION, self.classes))


def people(training: Training, *, guesses: File) -> Fitted:
    """Let people guess: a sheet of the held-out rows goes out, their guesses come back in it.

    Where the file is missing the run writes it, as CSV: `row_id`, the inputs, and an empty column
    `guess`, but not the target. The next run reads the guesses; an empty cell is no guess and
    counts as missing.

    Args:
        training: what others learn from.
        guesses: the sheet, from the recipe's folder on.

    Raises:
        ModelError: the sheet has just been written, holds no guess yet, or cannot be read.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(40)]})
    >>> training = Training(
    ...     rows=rows, target=rows["size"] * 2, validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="number", classes=(),
    ...     kinds={"size": "number"},
    ... )
    >>> is_outside(people(training, guesses="guesses.csv"))
    True
    """
    return _People(guesses, training.classes)


def file(
    training: Training,
    *,
    path: File,
    key: str = ROW_ID,
    column: str = PREDICTION,
    only: str | None = None,
) -> Fitted:
    """Take predictions that were made elsewhere, matched by the rows' ids.

    A row that the file does not hold has no prediction and counts as missing. Columns
    `proba_<class>`, `seconds` and `cost` are taken as well where they are there.

    Args:
        training: what others learn from.
        path: CSV, JSON lines or Parquet, from the recipe's folder on.
        key: the column with the rows' ids: with `id` in the recipe its keys (several joined by
            `/`), else the version's `row_id`.
        column: the column with the predictions; text is read as `assay evaluate` reads it.
        only: where a column `model` names several models, the one to take.

    Raises:
        ModelError: the file is missing, cannot be read, lacks a column, names a row twice, or
            knows none of the rows.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(40)]})
    >>> training = Training(
    ...     rows=rows, target=rows["size"] * 2, validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="number", classes=(),
    ...     kinds={"size": "number"},
    ... )
    >>> is_outside(file(training, path="predictions.csv"))
    True
    """
    return _FromFile(path, key, column, training.classes, only)


def command(training: Training, *, run: str, learn: bool = False, seconds: float = 600.0) -> Fitted:
    """Ask a program: each row goes to it as a line of JSON, its predictions come back as lines.

    A line holds `row_id` and the inputs. The program answers with lines of `row_id` and
    `prediction`, optionally `seconds`, `cost` and for classes `proba_<class>`; without `row_id`
    its lines answer the rows in order. It is started without a shell, in the folder where assay
    runs, and only where the caller allows it: `assay run --allow-commands`.

    Args:
        training: what it may learn from.
        run: the program and its arguments, such as `python model.py`.
        learn: send the train rows first, with `split: train` and the target, and then the rows to
            answer, with `split: test`; only these are answered.
        seconds: how long it may take.

    Raises:
        ModelError: nobody has allowed it, it fails, takes too long, or writes what is no answer.
        RecipeError: the command cannot be read.

    >>> from assay.models.training import Training
    >>> rows = pl.DataFrame({"size": [float(i) for i in range(40)]})
    >>> training = Training(
    ...     rows=rows, target=rows["size"] * 2, validation_rows=rows.clear(),
    ...     validation_target=pl.Series([], dtype=pl.Float64),
    ...     row=pl.Series(range(40), dtype=pl.UInt64), task="number", classes=(),
    ...     kinds={"size": "number"},
    ... )
    >>> is_outside(command(training, run="python model.py"))
    True
    """
    words_of(run)
    taught = None
    if learn:
        taught = training.rows.with_columns(
            training.row.cast(pl.String).alias(ROW_ID),
            training.target,
            pl.lit("train").alias(SPLIT),
        )
        taught = taught[training.row.arg_sort()]
    return _Command(run, seconds, taught, training.classes)


def is_outside(fitted: Any) -> bool:
    """Whether a model only looks up or asks for predictions, and can say nothing of other rows."""
    return isinstance(fitted, _FromFile | _People | _Command)


def _matched(rows: pl.DataFrame, table: pl.DataFrame, how: _FromFile) -> pl.DataFrame:
    """The predictions of the rows, null where there is none."""
    if not rows.height:
        return _shaped(table.clear(), how)
    if ROW_ID not in rows.columns:
        raise ModelError(
            f"{how.model}: these rows have no ids to look predictions up by.", where=how.path
        )
    keyed = _shaped(table, how).with_columns(table[how.key].cast(pl.String).alias(ROW_ID))
    keyed = keyed.filter(pl.col(ROW_ID).is_not_null())
    if keyed[ROW_ID].n_unique() < keyed.height:
        twice = keyed.filter(pl.col(ROW_ID).is_duplicated())[ROW_ID][0]
        raise ModelError(
            f"{how.model}: a row stands twice.",
            where=how.path,
            received=twice,
            hint="one line a row; `only` picks one of several models",
        )
    ids = rows.select(pl.col(ROW_ID).cast(pl.String))
    if not ids[ROW_ID].is_in(keyed[ROW_ID].implode()).any():
        raise ModelError(
            f"{how.model}: none of the rows to predict is there.",
            where=how.path,
            received=", ".join(keyed[ROW_ID].head(3)) or "no rows",
            allowed=f"ids such as {', '.join(ids[ROW_ID].head(3))}",
        )
    return ids.join(keyed, on=ROW_ID, how="left", maintain_order="left").drop(ROW_ID)


def _shaped(table: pl.DataFrame, how: _FromFile) -> pl.DataFrame:
    columns = {f"proba_{label}" for label in how.classes} & set(table.columns)
    proba = [pl.col(name).cast(pl.Float64, strict=False) for name in sorted(columns)]
    spent = [pl.col(n).cast(pl.Float64, strict=False) for n in SPENT if n in table.columns]
    if how.column in table.columns:
        plain = pl.col(how.column)
        said = plain.cast(pl.String) if how.classes else plain
        return table.select(said.alias(PREDICTION), *proba, *spent)
    best = pl.concat_list(proba).list.arg_max()
    names = [name.removeprefix("proba_") for name in sorted(columns)]
    label = best.replace_strict(range(len(names)), names, default=None, return_dtype=pl.String)
    return table.select(label.alias(PREDICTION), *proba, *spent)


def _proba(table: pl.DataFrame) -> bool:
    return any(name.startswith("proba_") for name in table.columns)


def _read(path: Path) -> pl.DataFrame:
    kind = path.suffix.lower()
    try:
        if kind == ".parquet":
            return pl.read_parquet(path)
        if kind in (".jsonl", ".ndjson"):
            return pl.read_ndjson(path, infer_schema_length=None)
        # Ids such as 007 stay as they are written; numbers are read by whoever scores them.
        table = pl.read_csv(path, infer_schema=False, encoding="utf8-lossy")
        return table.rename({table.columns[0]: table.columns[0].removeprefix("\ufeff")})
    except FileNotFoundError:
        raise ModelError("There is no such file of predictions.", where=str(path)) from None
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ModelError(
            f"The predictions cannot be read: {str(error).splitlines()[0]}.",
            where=str(path),
            allowed="CSV, JSON lines (.jsonl) or Parquet",
        ) from None


def _send(rows: pl.DataFrame, path: Path) -> None:
    nested = [name for name, dtype in rows.schema.items() if dtype.is_nested()]
    flat = rows.with_columns(
        pl.struct(pl.col(name)).struct.json_encode().alias(name) for name in nested
    )
    first = [ROW_ID] if ROW_ID in rows.columns else []
    sheet = flat.select(*first, pl.exclude(ROW_ID), pl.lit(None, pl.String).alias(GUESS))
    unfinished = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        sheet.write_csv(unfinished)
        unfinished.replace(path)
    except OSError as error:
        raise ModelError(
            f"The sheet for people cannot be written: {error.strerror}.", where=str(path)
        ) from None


def _tabled(said: Sequence[dict[str, Any]], ids: pl.Series, run: str) -> pl.DataFrame:
    """A program's lines as a table."""
    names = dict.fromkeys(name for line in said for name in line)
    columns = {
        name: pl.Series([_plain(line.get(name)) for line in said], strict=False)
        for name in names
        if name in (ROW_ID, PREDICTION, *SPENT) or name.startswith("proba_")
    }
    table = pl.DataFrame(columns)
    if PREDICTION not in names and not _proba(table):
        raise ModelError(
            "The command answered without predictions.",
            received=", ".join(names) or "no lines",
            allowed="lines with `row_id` and `prediction`",
            where=run,
        )
    if ROW_ID in names:
        return table
    if table.height != len(ids):
        raise ModelError(
            "The command answered another number of rows than it was asked, without `row_id`.",
            where=run,
            received=f"{table.height:,} lines",
            allowed=f"{len(ids):,} lines, or lines with `row_id`",
        )
    return table.with_columns(ids.alias(ROW_ID))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)
