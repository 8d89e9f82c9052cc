"""Whether a classifier tells new rows from old ones, and which new rows it is surest of."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from assay.building._measured_scores import FOLDS, Floats, hashed
from assay.building._measured_sides import by_trees, by_words, mean_auc, numbered
from assay.building.certificate import import_learners
from assay.engine import aside
from assay.monitoring.effects import Effect
from assay.monitoring.profile import Kind
from assay.rows import row_ids, uniform

ALL = "all fields"
WORDS = " (words)"
FEWEST = 10
"""Rows of either side that each fold has to have."""


@dataclass(frozen=True)
class Told:
    """What classifiers say of a batch.

    Attributes:
        effects: the area under the ROC curve by the numbers and categories of all fields
            together, and by the words of each text.
        moved: `row_id` and `score`, how sure they are that a row is new, from 0 to 1; the surest
            first.
    """

    effects: Mapping[str, Effect]
    moved: pl.DataFrame


def beside(
    kinds: Mapping[str, Kind], *, workers: int | None = None
) -> AbstractContextManager[Executor | None]:
    """A process that loads what `tell` learns with while the batch is read, and can then run it.

    None where one worker is asked for, or where this process has loaded it already.
    """
    texts = "text" in kinds.values()
    return aside(
        partial(import_learners, texts), workers=1 if "xgboost" in sys.modules else workers
    )


def tell(old: pl.DataFrame, new: pl.DataFrame, kinds: Mapping[str, Kind], seed: int) -> Told:
    """Let classifiers tell the rows of a batch from those of the reference, out of fold.

    The area under the curve is 0.5 where nothing has changed. It is tested by the variance of
    Mann and Whitney, its interval is DeLong's.

    Args:
        old: `row_id` and fields of the reference's sample.
        new: those of the batch's.
        kinds: what each field is.
        seed: another seed deals other folds.

    References: Lopez-Paz and Oquab (2017), Revisiting Classifier Two-Sample Tests, ICLR; DeLong,
    DeLong and Clarke-Pearson (1988), Biometrics 44:837-845.
    """
    names = [name for name in kinds if name in old.columns and name in new.columns]
    both = pl.concat(
        [old.select("row_id", *names), new.select("row_id", *names)], how="vertical_relaxed"
    )
    is_new = np.arange(both.height) >= old.height
    fold = (uniform(row_ids(both), seed, "monitor.folds") * FOLDS).astype(np.int64)
    counts = [np.bincount(fold[side], minlength=FOLDS).min() for side in (is_new, ~is_new)]
    nothing = pl.DataFrame(schema={"row_id": pl.String, "score": pl.Float64})
    if min(counts) < FEWEST:
        return Told({}, nothing)
    scores: dict[str, Floats] = {}
    plain = [name for name in names if kinds[name] != "text"]
    if len(plain) > 1:
        x = np.stack([numbered(both[name], _as_read(kinds[name])) for name in plain], axis=1)
        scores[ALL] = by_trees(x, is_new, fold)
    for name in names:
        if kinds[name] == "text" and both[name].null_count() < both.height:
            scores[name + WORDS] = by_words(hashed([both[name]]), is_new, fold)
    if not scores:
        return Told({}, nothing)
    effects = {name: _effect(score, is_new, fold) for name, score in scores.items()}
    # Each way by its ranks, and as much as it tells.
    ranks = [pl.Series(score).rank("average").to_numpy() / both.height for score in scores.values()]
    weights = [max(effect.value - 0.5, 1e-3) ** 2 for effect in effects.values()]
    surest = new.select("row_id", score=pl.Series(np.average(ranks, 0, weights)[is_new]))
    return Told(effects, surest.sort("score", "row_id", descending=[True, False]))


def _as_read(kind: Kind) -> str:
    return "number" if kind == "number" else "category"


def _effect(score: Floats, is_new: np.ndarray, fold: np.ndarray) -> Effect:
    from scipy.special import ndtr

    value, variance = mean_auc(score, is_new, fold)
    chance = 0.0
    for number in range(FOLDS):
        new, old = (int((side & (fold == number)).sum()) for side in (is_new, ~is_new))
        chance += (new + old + 1) / (12 * new * old) / FOLDS
    # Models that share two thirds of what they learned from err in the same direction where rows
    # are alike, as short texts are: at worst the mean of the folds varies as much as one of them.
    reach = 1.96 * math.sqrt(variance * FOLDS)
    return Effect(
        "auc", value, max(0.0, value - reach), min(1.0, value + reach),
        "Mann-Whitney test of a classifier's out-of-fold scores; DeLong's interval",
        float(ndtr((0.5 - value) / math.sqrt(chance))),
    )  # fmt: skip
