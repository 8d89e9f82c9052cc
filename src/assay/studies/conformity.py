"""Intervals and sets that hold the truth as often as they say, for any model.

Nothing is assumed of the model; the rows judged must be like the rows calibrated on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from assay.cache import Cache
from assay.errors import RecipeError
from assay.evaluation.evaluate import score
from assay.evaluation.intervals import wilson
from assay.evaluation.measures import Asked as AskedMetric
from assay.evaluation.values import labels
from assay.remote import placed
from assay.rows import ROW_ID
from assay.studies.bounds import Parted, Scale, fewest, intervals, quantile, sets
from assay.studies.crossvalidation import truth_of
from assay.studies.dealing import Dealt, FoldSides, deal, sides_of
from assay.studies.fits import (
    TRUTH,
    Asked,
    Bench,
    Done,
    Functions,
    Progress,
    bench,
    failed,
    one_model,
)
from assay.studies.results import Result, bounds, finite, plain, short
from assay.studies.sides import SIDE, relabelled
from assay.version import Version

Method = Literal["auto", "split", "cv+"]
ALL = relabelled({"train": "train", "validation": "test", "test": "test"})
"""One fit that predicts validation and test rows alike, and has seen neither."""


@dataclass(frozen=True, repr=False, eq=False)
class Conformal(Result):
    """What conformal prediction gave.

    Attributes:
        name: of the recipe.
        version: whose rows these are.
        model: whose predictions these are.
        method: `split` or `cv+`.
        level: the share of rows that intervals or sets are to cover.
        guaranteed: the share that they cover at least, on average.
        calibrated_on: rows.
        split: the rows they were tried on.
        n: how many these are.
        coverage, low, high: the share covered there, with its 95 % interval.
        size: the mean width of intervals, the mean number of classes in sets.
        table: `row_id`, `model`, `prediction`, and `low`, `high` for numbers, `set` for classes.
        notes: what to be careful about.
    """

    name: str
    version: str
    model: str
    method: str
    level: float
    guaranteed: float
    calibrated_on: int
    split: str
    n: int
    coverage: float | None
    low: float | None
    high: float | None
    size: float | None
    table: pl.DataFrame
    notes: tuple[str, ...] = ()

    def to_polars(self) -> pl.DataFrame:
        """The intervals or sets as a Polars frame, the first rows of which are shown."""
        return self.table

    def sentences(self) -> list[str]:
        """How often the truth is covered, and by how much."""
        what = "intervals" if "low" in self.table.columns else "sets"
        unit = "wide" if what == "intervals" else "classes large"
        told = (
            f"{self.method} conformal {what} of {self.model} for {self.level:.0%}: they cover "
            f"{short(100 * self.coverage) if self.coverage is not None else '–'} % of "
            f"{self.n:,} {self.split} rows ({self._band()}) and are {short(self.size)} {unit} "
            "on average."
        )
        return [told, *self.notes]

    def _band(self) -> str:
        ends = (None if end is None else 100 * end for end in (self.low, self.high))
        return bounds(*ends)

    def to_dict(self) -> dict[str, Any]:
        """All but the table, of which the first 20 lines are shown, as plain values."""
        names = (
            "name", "version", "model", "method", "level", "guaranteed", "calibrated_on", "split",
            "n", "coverage", "low", "high", "size",
        )  # fmt: skip
        shown = {name: getattr(self, name) for name in names}
        return {"study": "conformal", **shown, "rows": plain(self.table.head(20)),
                "notes": list(self.notes)}  # fmt: skip

    def __repr__(self) -> str:
        return "\n".join(self.sentences())

    def _table(self) -> list[list[str]]:
        from dataclasses import replace

        return Result._table(replace(self, table=self.table.head(20)))


@placed
def conformal(  # noqa: PLR0913 - one option each
    recipe: Asked,
    model: Any = None,
    *,
    out: str | Path = "versions",
    level: float = 0.9,
    method: Method = "auto",
    scale: Scale = "constant",
    folds: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    functions: Functions = (),
) -> Conformal:
    """Put an interval around every predicted number, or make a set of every predicted class.

    `split` fits on train, takes the errors of the validation rows, which the model never sees, and
    needs no more than one fit. `cv+` fits on folds and so uses all rows for both; its guarantee is
    weaker on paper (`1 - 2 (1 - level)`) and much the same in practice. Where a version has enough
    validation rows, `auto` takes `split`.

    Args:
        recipe: a recipe, or a version, whose own recipe is then taken.
        model: one of the recipe's, by its title, or one written as in a recipe.
        out: the folder that holds all versions.
        level: the share of rows to cover.
        method: `split`, `cv+` or `auto`.
        scale: `prediction` makes intervals of numbers wider in proportion to the prediction, as
            prices want them; `constant` makes all equally wide.
        folds: of `cv+`; the version's own, or 5.
        seed: of folds and model, if not the recipe's.
        workers: how many fits at once; the number of cores when not given.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them.

    Returns:
        `low` and `high`, or `set`, for each held-out row, and how often they hold its truth. The
        table is one of predictions: `evaluate(…, metrics="interval_coverage, interval_width")`.

    Raises:
        RecipeError: the level is not between 0 and 1, or there are no rows to try it on.
        PredictionsError: too few rows to calibrate on for this level, or no probabilities.
        ModelError: the model could not be fitted.

    References: Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World; Barber,
    Candès, Ramdas and Tibshirani (2021), Annals of Statistics 49:486-507, for CV+; Sadinle, Lei
    and Wasserman (2019), Journal of the American Statistical Association 114:223-234, for sets;
    Angelopoulos and Bates (2023), Foundations and Trends in Machine Learning 16:494-591.
    """
    if not 0 < level < 1:
        raise RecipeError("A `level` lies between 0 and 1.", received=level)
    with bench(
        recipe, kind="conformal", out=out, seed=seed, workers=workers, progress=progress,
        functions=functions,
    ) as work:  # fmt: skip
        use = one_model(work.recipe, model)
        splits = work.version.splits
        if not splits.get("test"):
            raise RecipeError(
                "There are no test rows to give intervals to.",
                received=splits,
                hint="add a step such as `split.random: {train: 0.8, validation: 0.1, test: 0.1}`",
            )
        enough = splits.get("validation", 0) >= fewest(level)
        if method == "split" and not splits.get("validation"):
            raise RecipeError(
                "There are no validation rows to calibrate on.",
                received=splits,
                hint="`method='cv+'` calibrates on the train rows, by folds",
            )
        if method == "split" or (method == "auto" and enough):
            method, notes = "split", list[str]()
            done = work.over("conformal", "fit", [work.fit(use, ALL)])
        else:
            method = "cv+"
            dealt = deal(work.recipe, work.version, work.cache, folds=folds)
            notes = list(dealt.notes)
            done = work.over("conformal", "fit folds", _fits(work, use, dealt), keep=dealt.keys)
        notes += failed(done)
        tests = work.version.scan("test").select(ROW_ID).collect()[ROW_ID]
        parts = [_parted(one, tests) for one in done if one.predictions is not None]
        return _judged(work, use.title, (method, level, scale), parts, notes)


@dataclass(frozen=True)
class WithTest:
    """A fold and the test rows, predicted by what is learned from the other folds."""

    fold: FoldSides

    def plain(self) -> list[Any]:
        """What decides the sides."""
        return ["with test", *self.fold.plain()]

    def of(self, version: Version, cache: Cache) -> pl.DataFrame:
        """The fold's sides, and every test row on the side that is predicted."""
        rows = version.scan("test").select(ROW_ID).collect()
        tests = rows.with_columns(pl.lit("test").alias(SIDE))
        return pl.concat([self.fold.of(version, cache), tests])


def _fits(work: Bench, use: Any, dealt: Dealt) -> list[Any]:
    sides = sides_of(dealt, work.recipe, work.version)
    return [work.fit(use, WithTest(fold)) for _, _, fold in sides]


def _parted(done: Done, tests: pl.Series) -> Parted:
    assert done.predictions is not None
    held = pl.col(ROW_ID).is_in(tests.implode())
    table = done.predictions
    return Parted(table.filter(~held), table.filter(held).sort(ROW_ID))


def _judged(
    work: Bench,
    model: str,
    setting: tuple[str, float, Scale],
    parts: Sequence[Parted],
    notes: Sequence[str],
) -> Conformal:
    method, level, scale = setting
    test = parts[0].test
    calibrated = sum(part.calibration.height for part in parts)
    if calibrated < fewest(level):
        quantile(np.zeros(calibrated), level)
    number = test.schema[TRUTH].is_numeric()
    named = test.select(ROW_ID, pl.lit(model).alias("model"))
    if number:
        low, high = intervals(parts, level, scale, method)
        middle = np.mean([part.test["prediction"].to_numpy() for part in parts], axis=0)
        table = named.with_columns(
            prediction=pl.Series(middle), low=pl.Series(low), high=pl.Series(high)
        )
        truth = truth_of(work.recipe, test)
        asked: list[AskedMetric] = [("interval_coverage", {"level": level}), "interval_width"]
        found = score(truth, {model: table}, asked, seed=work.recipe.seed).scores
        covered, ends, size = found[0].value, (found[0].low, found[0].high), found[1].value
    else:
        classes, member = sets(parts, level)
        chosen = [[name for name, there in zip(classes, line, strict=True) if there]
                  for line in np.unique(member, axis=0)]  # fmt: skip
        # There are few different sets beside the rows, so each is written once.
        place = np.unique(member, axis=0, return_inverse=True)[1].reshape(-1)
        found_sets = pl.Series("set", chosen, dtype=pl.List(pl.String)).gather(place)
        table = named.with_columns(test["prediction"], found_sets)
        hit = table.select(labels(test[TRUTH]).alias(TRUTH), "set").select(
            pl.col(TRUTH).is_in(pl.col("set"))
        )
        inside = int(hit.to_series().sum())
        band = wilson(inside, test.height)
        covered, ends, size = inside / test.height, (band.low, band.high), member.sum() / len(test)
    return Conformal(
        name=work.recipe.name,
        version=work.version.id,
        model=model,
        method=method,
        level=level,
        guaranteed=round(level if method == "split" else max(0.0, 2 * level - 1), 10),
        calibrated_on=calibrated,
        split="test",
        n=test.height,
        coverage=finite(covered),
        low=finite(ends[0]),
        high=finite(ends[1]),
        size=finite(size),
        table=table,
        notes=tuple(notes),
    )
