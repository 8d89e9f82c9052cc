"""What is learned of a model from its evaluation, once, and kept beside the run."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
import polars as pl

from assay.cache import code_version
from assay.errors import MissingExtra, ModelError, PredictionsError
from assay.evaluation.predictions import outputs
from assay.evaluation.scored import Scored
from assay.models import _saving
from assay.monitoring.estimation import (
    Calibration,
    Losses,
    calibrate,
    can_estimate,
    learn_losses,
)
from assay.monitoring.reference import PREDICTIONS, Reference, truth_of
from assay.rows import ROW_ID, content_hash
from assay.storage import write_atomically

ESTIMATORS = "estimators"


def _evaluated(reference: Reference) -> tuple[pl.DataFrame, Scored]:
    """The rows that the model was evaluated on: their inputs, and truth and prediction.

    Raises:
        PredictionsError: the run's predictions cannot be read, or are not of these rows.
    """
    about, target = reference.evaluation, reference.evaluation.target
    path = reference.run / PREDICTIONS
    try:
        table = pl.read_parquet(path).filter(pl.col("model") == reference.model)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PredictionsError(
            "the predictions of the evaluation cannot be read", where=str(path),
            received=str(error), hint="`assay run` makes them again",
        ) from None  # fmt: skip
    held = reference.version.scan(about.split).select(
        *dict.fromkeys([ROW_ID, *reference.kinds, target])
    )
    both = held.collect().join(table, on=ROW_ID, how="inner", suffix="\x1f", maintain_order="left")
    if not both.height:
        raise PredictionsError("the predictions of the evaluation are of other rows")
    truth = truth_of(reference, both[ROW_ID], both[target])
    said = [name for name in table.columns if name not in (ROW_ID, "model")]
    # A field of the version may be called `prediction` as well.
    frame = both.select(
        pl.col(f"{name}\x1f" if f"{name}\x1f" in both.columns else name).alias(name)
        for name in said
    )
    scored, usable = outputs(frame, truth, tuple(about.classes))
    rows = both.filter(pl.Series(usable)).select(*dict.fromkeys([ROW_ID, *reference.kinds]))
    return rows, scored.take(usable)


def calibration_of(reference: Reference) -> Calibration:
    """What the model's probabilities were worth, learned once and kept beside the run.

    Raises:
        PredictionsError: it gave none, or the run's predictions cannot be read.
    """
    path = _folder(reference) / "calibration.json"
    try:
        found = orjson.loads(path.read_bytes())
        given, held = (tuple(tuple(line) for line in found[part]) for part in ("given", "held"))
        return Calibration(given, held)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it is not there yet, or not whole: it is made again
    made = calibrate(_evaluated(reference)[1])
    write_atomically(path, orjson.dumps({"given": made.given, "held": made.held}))
    return made


def losses_of(reference: Reference) -> Losses:
    """What the model's errors depend on, learned once and kept beside the run.

    Raises:
        ModelError: nothing can be learned of these rows.
        PredictionsError: no metric is a mean over rows, or the run's predictions cannot be read.
    """
    folder = _folder(reference)
    asked = [one for one in reference.asked if can_estimate(one)]
    if not asked:
        raise PredictionsError("none of its metrics is a mean over rows")
    try:
        parts = {one.title: folder / f"{number}" for number, one in enumerate(asked)}
        about = {title: _saving.about(path) for title, path in parts.items()}
        return Losses(
            {title: _saving.load(path) for title, path in parts.items()},
            {title: one["spread"] for title, one in about.items()},
            {title: one["bias"] for title, one in about.items()},
            next(iter(about.values()))["n"],
        )
    except (ModelError, MissingExtra, OSError, KeyError):
        pass  # it is not there yet, or not whole: it is made again
    rows, scored = _evaluated(reference)
    made = learn_losses(rows, scored, reference.kinds, asked)
    for title, path in parts.items():
        said = {"spread": made.spread[title], "bias": made.bias[title], "n": made.n}
        try:
            _saving.save(made.fitted[title], said, path)
        except (MissingExtra, ModelError, OSError):
            break  # it can be made again, and only costs time: the next batch learns it anew
    return made


def _folder(reference: Reference) -> Path:
    """Where what was learned of an evaluation's rows is kept; other code learns anew."""
    name = re.sub(r"[^\w.-]+", "-", reference.model).strip("-.") or "model"
    said = [reference.version.manifest["hash"], code_version("monitoring", "models", "evaluation")]
    said += [f"{one.title} {one.parameters}" for one in reference.asked]
    key = content_hash(pl.DataFrame({"key": ["\n".join(said)]}))[0]
    return reference.run / ESTIMATORS / f"{name}-{key:016x}"
