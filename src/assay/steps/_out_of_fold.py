"""Models that never saw the rows they speak about (stacking; Wolpert 1992)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.recipe import FieldType
from assay.rows import content_hash, row_ids, uniform

if TYPE_CHECKING:
    from assay.models.training import Fitted, Training

FOLDS = 5
LEARN_FROM = 20_000
"""Most rows that a fold's model learns from; all rows are judged."""
MANY_CLASSES = 20
"""From here on trees, of which each round needs one a class, take too long."""
FEW_ROWS = 3_000
"""Below this a linear model is tried beside the trees, which are rough where rows are few."""
TERMS = 30_000
"""Words of a field, and no pairs of them: a quarter of the time for about the same finds."""
ROUNDS = 150


@dataclass(frozen=True)
class Lessons:
    """Rows dealt into folds.

    Attributes:
        inputs: what may be seen, in the order of the ids.
        ids: UInt64.
        kinds: the inputs and what each is.
        classes: of the target; empty for numbers.
        fold: of each row.
        task: what the target is.
        seed: of the models.
    """

    inputs: pl.DataFrame
    ids: pl.Series
    kinds: Mapping[str, FieldType]
    classes: tuple[str, ...]
    fold: npt.NDArray[np.int64]
    task: Literal["number", "class"]
    seed: int

    def models(self) -> Sequence[str]:
        """The models that suit the inputs."""
        from assay.models._columns import roles

        known = roles(self.inputs, self.kinds)
        many = len(self.classes) > MANY_CLASSES
        alone = not (known.numbers or known.dates or known.categories)
        if known.texts and (alone or many):
            return ["tfidf_linear"]
        if many:
            return ["tabular_linear"]
        small = self.inputs.height <= FEW_ROWS and not known.texts
        return ["boosted_trees", "tabular_linear"] if small else ["boosted_trees"]

    def answers(self, model: str, aim: pl.Series) -> pl.DataFrame:
        """What the models of the other folds say of each row; those without an aim teach nothing.

        Raises:
            ModelError: there is nothing to learn from.
        """
        from assay.models.training import Training

        fit = _fitter(model)
        chance = uniform(self.ids, self.seed, "labels.learn")
        parts, places = [], []
        for number in range(FOLDS):
            apart = np.flatnonzero(self.fold == number)
            learn = np.flatnonzero(self.fold != number)
            if not len(apart):
                continue
            learn = np.sort(learn[np.argsort(chance[learn], kind="stable")[:LEARN_FROM]])
            training = Training(
                rows=self.inputs[learn],
                target=aim.gather(learn),
                validation_rows=self.inputs.clear(),
                validation_target=aim.clear(),
                row=self.ids.gather(learn),
                task=self.task,
                classes=self.classes,
                kinds=self.kinds,
                seed=self.seed,
            )
            parts.append(fit(training).predict(self.inputs[apart]))
            places.append(apart)
        return pl.concat(parts)[np.argsort(np.concatenate(places))]


def deal(
    rows: pl.DataFrame,
    aim: pl.Series,
    kinds: Mapping[str, FieldType],
    *,
    task: Literal["number", "class"],
    seed: int,
) -> Lessons:
    """Deal rows into folds: equal inputs and clusters together, each class spread evenly."""
    inputs = rows.select([*kinds])
    group = content_hash(inputs, sorted(kinds))
    if "_cluster" in rows.columns:
        group = rows.select(pl.col("_cluster").cast(pl.UInt64).fill_null(group))["_cluster"]
    one = pl.Series("class", [""]).new_from_index(0, len(group))
    frame = pl.DataFrame({"group": group, "class": aim if task == "class" else one})
    groups = frame.group_by("group").agg(pl.col("class").min())
    groups = groups.with_columns(number=pl.Series(uniform(groups["group"], seed, "labels.folds")))
    groups = groups.sort("class", "number", "group").select(
        "group", fold=pl.int_range(pl.len()).over("class") % FOLDS
    )
    found = frame.join(groups, on="group", how="left", maintain_order="left")["fold"]
    classes = tuple(aim.unique().sort().to_list()) if task == "class" else ()
    fold = found.to_numpy().astype(np.int64)
    return Lessons(inputs, row_ids(rows), kinds, classes, fold, task, seed)


def _fitter(model: str) -> Callable[[Training], Fitted]:
    from assay.models.linear import tabular_linear, tfidf_linear
    from assay.models.trees import boosted_trees

    known: dict[str, Callable[[Training], Fitted]] = {
        "tfidf_linear": partial(tfidf_linear, ngrams=1, max_terms=TERMS),
        "tabular_linear": tabular_linear,
        "boosted_trees": partial(boosted_trees, rounds=ROUNDS),
    }
    return known[model]
