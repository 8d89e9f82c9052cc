"""Predictions: tables of (row id, prediction or probabilities), whoever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import PredictionsError
from assay.evaluation.evaluation import ModelInfo
from assay.evaluation.lists import lists
from assay.evaluation.scored import Floats, Scored
from assay.evaluation.tables import name_of, read_table
from assay.evaluation.truth import Truth, needed, proba_columns, unique_ids
from assay.evaluation.values import labels, numbers

Usable = npt.NDArray[np.bool_]
_SUM_TOLERANCE = 0.02
"""So that 0.33, 0.33, 0.33 passes; sums are made 1."""


def read_predictions(sources: Any) -> list[tuple[str, pl.DataFrame]]:
    """Read one or several tables of predictions, each with what to call its model.

    `sources` is a path, a frame, a list of them, or a mapping of model name to them.

    >>> [name for name, _ in read_predictions({"mine": pl.DataFrame({"prediction": [1]})})]
    ['mine']
    """
    if isinstance(sources, Mapping) and not all(
        isinstance(value, list | tuple) for value in sources.values()
    ):
        return [(str(name), read_table(source)) for name, source in sources.items()]
    many = isinstance(sources, list | tuple) and not all(isinstance(s, Mapping) for s in sources)
    listed = list(sources) if many else [sources]
    names = [name_of(source, f"model {place}") for place, source in enumerate(listed, 1)]
    if len(listed) == 1 and not isinstance(listed[0], str | Path):
        names = ["model"]
    return [(name, read_table(source)) for name, source in zip(names, listed, strict=True)]


def align(
    tables: Sequence[tuple[str, pl.DataFrame]], ids: pl.Series, id: str
) -> tuple[dict[str, pl.DataFrame], list[str]]:
    """One table for each model, in the order of the truth's ids; rows without one are null.

    Gives the tables and notes about ids that the truth does not know.

    Raises:
        PredictionsError: an id is missing or stands twice for a model, two files hold the same
            model, or no id is known.

    >>> tables, _ = align([("m", pl.DataFrame({"id": [2, 1], "prediction": [0.2, 0.1]}))],
    ...                   pl.Series(["1", "2", "3"]), "id")
    >>> tables["m"]["prediction"].to_list()
    [0.1, 0.2, None]
    """
    wanted = ids.alias("_id").to_frame()
    found: dict[str, pl.DataFrame] = {}
    notes: list[str] = []
    for name, part in _by_model(tables):
        if name in found:
            raise PredictionsError(
                f"The model {name!r} stands in more than one table.",
                hint="give files different names, or models different names in column `model`",
            )
        if not part.height:
            raise PredictionsError("There are no predictions.", where=f"model {name!r}")
        keys = labels(part[id])
        unique_ids(keys, f"the predictions of {name!r}")
        unknown = len(keys) - int(keys.is_in(ids.implode()).sum())
        if unknown == len(keys):
            raise PredictionsError(
                f"None of the {len(keys):,} ids is known to the truth.",
                where=f"the predictions of {name!r}",
                received=", ".join(keys.head(3)),
                allowed=f"ids such as {', '.join(ids.head(3))}",
            )
        if unknown:
            notes.append(
                f"{name}: {unknown:,} of {len(keys):,} predictions have an id that the truth "
                "does not hold; they are left out."
            )
        keyed = part.drop(id).with_columns(keys.alias("_id"))
        found[name] = wanted.join(keyed, on="_id", how="left", maintain_order="left").drop("_id")
    return found, notes


def outputs(frame: pl.DataFrame, truth: Truth, classes: tuple[str, ...]) -> tuple[Scored, Usable]:
    """What a model gave, as numbers or codes, and for which rows it is usable.

    A row is usable if everything that the model gives elsewhere is there: the prediction, all
    probabilities, the score. Without a prediction, the most probable class is the prediction.

    Args:
        frame: as many rows as the truth, in its order.
        truth: the true values.
        classes: every label, in order.

    Raises:
        PredictionsError: there is nothing to score, or probabilities are none.
    """
    truth_values, known = _true_values(truth, classes)
    proba, usable = _probabilities(frame, truth, classes)
    score = _score(frame, truth, classes)
    low, high, within = _bounds(frame, truth)
    usable &= within
    prediction: npt.NDArray[Any] | None = None
    if "prediction" in frame.columns and frame["prediction"].null_count() < frame.height:
        prediction, given = _predicted(frame["prediction"], truth, classes)
        usable &= given
    elif proba is not None:
        prediction = proba.argmax(axis=1)
    elif score is None and low is None:
        if "prediction" not in frame.columns:
            hint = "or `proba_<class>` columns, or `score`" if truth.task == "class" else None
            needed(frame, ["prediction"], f"the predictions ({hint})" if hint else "predictions")
        prediction, given = _predicted(frame["prediction"], truth, classes)
        usable &= given
    if score is not None:
        usable &= np.isfinite(score)
    positive = classes.index(truth.positive) if truth.positive in classes else None
    scored = Scored(truth_values, prediction, proba, score, classes, positive, low, high)
    return scored, usable & known


def about(name: str, frame: pl.DataFrame) -> ModelInfo:
    """What a table of predictions tells of its model beside them: errors, seconds, cost.

    >>> about("m", pl.DataFrame({"cost": [0.5, 0.25], "error": [None, "refused"]})).error
    'refused'
    """
    return ModelInfo(
        model=name,
        error=_common_error(frame),
        seconds=(took := _summed(frame, "seconds")),
        predict_seconds=took,
        cost=_summed(frame, "cost"),
    )


def _by_model(tables: Sequence[tuple[str, pl.DataFrame]]) -> list[tuple[str, pl.DataFrame]]:
    found: list[tuple[str, pl.DataFrame]] = []
    for name, table in tables:
        if "model" not in table.columns:
            found.append((name, table))
            continue
        if table["model"].null_count():
            raise PredictionsError(
                f"{table['model'].null_count():,} of {table.height:,} rows name no model.",
                where=f"the predictions {name!r}, column `model`",
            )
        parts = table.partition_by("model", maintain_order=True)
        found.extend((str(part["model"][0]), part.drop("model")) for part in parts)
    return found


def _true_values(truth: Truth, classes: tuple[str, ...]) -> tuple[npt.NDArray[Any], Usable]:
    if truth.task == "number":
        values = truth.values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return values, np.isfinite(values)
    if truth.task != "class":
        return truth.values.fill_null("").to_numpy(), truth.values.is_not_null().to_numpy()
    codes = _codes(truth.values, classes)
    return codes, codes >= 0


def _predicted(
    values: pl.Series, truth: Truth, classes: tuple[str, ...]
) -> tuple[npt.NDArray[Any], Usable]:
    if truth.task == "number":
        read = numbers(values)
        return read.fill_null(np.nan).to_numpy(), read.is_not_null().to_numpy()
    if truth.task != "class":
        text = values.cast(pl.String) if truth.task == "text" else lists(values)
        # An empty list of items is an answer; an empty text is none.
        given = text.is_not_null() & (text != "").fill_null(False)
        return text.fill_null("").to_numpy(), given.to_numpy()
    plain = labels(values)
    if values.dtype.is_float():
        plain = plain.set(values.is_nan(), None)
    return _codes(plain, classes), plain.is_not_null().to_numpy()


def _codes(values: pl.Series, classes: tuple[str, ...]) -> npt.NDArray[np.int64]:
    if not classes:
        return np.full(len(values), -1)
    coded = values.cast(pl.String).replace_strict(
        list(classes), list(range(len(classes))), default=-1, return_dtype=pl.Int64
    )
    return coded.to_numpy()


def _probabilities(
    frame: pl.DataFrame, truth: Truth, classes: tuple[str, ...]
) -> tuple[Floats | None, Usable]:
    everywhere = np.ones(frame.height, dtype=bool)
    named = proba_columns(frame) if truth.task == "class" else {}
    read = {label: numbers(frame[column]) for label, column in named.items()}
    read = {label: column for label, column in read.items() if column.count()}
    if not read:
        return None, everywhere
    proba = np.zeros((frame.height, len(classes)))
    for label, column in read.items():
        proba[:, classes.index(label)] = column.fill_null(np.nan).to_numpy()
    if len(classes) == 2 and len(read) == 1:
        one = classes.index(next(iter(read)))
        proba[:, 1 - one] = 1 - proba[:, one]
    usable: Usable = np.asarray(np.isfinite(proba).all(axis=1))
    sums = proba.sum(axis=1)
    outside = np.asarray(usable & ((proba < -1e-9) | (proba > 1 + 1e-9)).any(axis=1))
    _refuse(outside, truth, proba, "Probabilities lie outside 0 to 1")
    _refuse(
        usable & (np.abs(sums - 1) > _SUM_TOLERANCE), truth, proba, "Probabilities do not sum to 1"
    )
    proba[usable] = np.clip(proba[usable], 0, 1) / sums[usable, None]
    proba[~usable] = 0
    return proba, usable


def _refuse(bad: Usable, truth: Truth, proba: Floats, what: str) -> None:
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise PredictionsError(
            f"{what} in {int(bad.sum()):,} rows.",
            where=f"row {truth.ids[first]}",
            received=[round(float(value), 6) for value in proba[first]],
            allowed=f"0 to 1, and a sum of 1 within {_SUM_TOLERANCE}",
            hint="a number that is no probability belongs into the column `score`",
        )


def _score(frame: pl.DataFrame, truth: Truth, classes: tuple[str, ...]) -> Floats | None:
    if "score" not in frame.columns or truth.task != "class":
        return None
    values = numbers(frame["score"])
    if not values.count():
        return None
    if len(classes) != 2 or truth.positive is None:
        raise PredictionsError(
            "The column `score` needs two classes of which one is named as positive.",
            received=", ".join(classes),
            hint=f"`--positive {classes[-1]}`" if len(classes) == 2 else "use `proba_` columns",
        )
    return values.fill_null(np.nan).to_numpy()


def _bounds(frame: pl.DataFrame, truth: Truth) -> tuple[Floats | None, Floats | None, Usable]:
    everywhere = np.ones(frame.height, dtype=bool)
    if truth.task != "number" or not {"low", "high"} <= set(frame.columns):
        return None, None, everywhere
    low, high = (numbers(frame[name]).fill_null(np.nan).to_numpy() for name in ("low", "high"))
    usable = np.isfinite(low) & np.isfinite(high)
    if not usable.any():
        return None, None, everywhere
    turned = usable & (low > high)
    if turned.any():
        first = int(np.flatnonzero(turned)[0])
        raise PredictionsError(
            f"Predicted intervals end below where they begin in {int(turned.sum()):,} rows.",
            where=f"row {truth.ids[first]}",
            received=[float(low[first]), float(high[first])],
            allowed="`low` of at most `high`",
        )
    return low, high, usable


def _summed(frame: pl.DataFrame, column: str) -> float | None:
    values = numbers(frame[column]) if column in frame.columns else pl.Series(dtype=pl.Float64)
    return float(values.sum()) if values.count() else None


def _common_error(frame: pl.DataFrame) -> str | None:
    if "error" not in frame.columns:
        return None
    texts = frame["error"].cast(pl.String).drop_nulls()
    texts = texts.filter(texts.str.strip_chars() != "")
    if not len(texts):
        return None
    counts = texts.value_counts(name="rows").sort("rows", "error", descending=[True, False])
    others = f" (and {counts.height - 1} other messages)" if counts.height > 1 else ""
    return f"{counts['error'][0]}{others}"
