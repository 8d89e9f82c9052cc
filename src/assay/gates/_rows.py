"""The held-out rows that two models predicted, be they of one run or of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from assay.errors import AssayError, RecipeError, VersionError
from assay.evaluation.evaluate import Stage, stage
from assay.evaluation.evaluation import Comparison
from assay.evaluation.grouping import group_columns, groups_of
from assay.evaluation.intervals import FEWEST_ROWS, normal
from assay.evaluation.linear import Entry, linear, standard_error
from assay.evaluation.methods import MANY_ROWS
from assay.evaluation.resampling import Pool, units_of
from assay.evaluation.scoring import Contest, Setting
from assay.evaluation.truth import Truth
from assay.gates._state import ACCEPTED, Run, State, evaluation_of, known, model_of
from assay.recipe import Use
from assay.rows import ROW_ID

PREDICTIONS = "predictions.parquet"
_NO_KEY = (
    " Rows have no key here, so one that differs in any field is another row: name a key column "
    "under `id` in the recipe."
)
_TRUE, _GROUP, _MODEL = "\x1ftrue", "\x1fgroup", "model"  # no column is called like the first two


class CannotCompare(Exception):  # noqa: N818 - no error: an answer
    """Why two models cannot be compared, and how many rows it would take, if that is it."""

    def __init__(self, why: str, needed: int | None = None) -> None:
        self.needed = needed
        super().__init__(why)


class Itself(CannotCompare):
    """A model was to be held against itself."""


def is_accepted(state: State, than: str) -> bool:
    """Whether a gate's `than` means the accepted version: `accepted`, or `accepted/MODEL`."""
    named = {info.model for info in evaluation_of(state).models}
    return than not in named and than.partition("/")[0] == ACCEPTED


@dataclass(frozen=True, eq=False)
class Rows:
    """The held-out rows that two models predicted, with their true values.

    Attributes:
        name: the model.
        other: what it is held against.
        told: which rows these are, in words.
        truth: the rows.
        tables: the two models' predictions, in the order of the truth.
        beside: other columns of these rows.
    """

    name: str
    other: str
    told: str
    truth: Truth
    tables: Mapping[str, pl.DataFrame]
    beside: pl.DataFrame

    @classmethod
    def of(
        cls, state: State, name: str, than: str, metric: str, columns: Sequence[str] = ()
    ) -> Rows:
        """Lay a model of this run beside another, or one of the accepted run.

        Args:
            state: what gates look at.
            name: the model.
            than: the other one, `accepted` or `accepted/MODEL`.
            metric: what the accepted run's best model is best in.
            columns: other columns of the rows.

        Raises:
            RecipeError: there is no such model.
            CannotCompare: something is missing that they would be compared by.
        """
        ours = state.run
        if ours is None or ours.evaluation is None:
            raise CannotCompare("Only the scores are at hand, and not the rows' predictions.")
        truth = _truth(ours, columns)
        mine = _predictions(ours, name)
        if not is_accepted(state, than):
            other = model_of(ours.evaluation, than)
            if other == name:
                raise Itself(f"{name} is itself the model to beat.")
            return cls._joined((name, other), truth, (mine, _predictions(ours, other)), ours)
        theirs = state.accepted
        if theirs is None:
            raise CannotCompare(
                "No version is accepted yet to hold this one against: `assay accept VERSION` "
                "marks one."
            )
        chosen = _chosen(theirs, than.partition("/")[2], metric)
        if theirs.folder == ours.folder and chosen == name:
            raise Itself(f"This is the accepted run itself, and {name} is the model it is held by.")
        was, now = (
            f"{one.evaluation.target!r} as a {one.evaluation.task}"
            for one in (theirs, ours)
            if one.evaluation is not None
        )
        if was != now:
            raise CannotCompare(f"The accepted version's models predict {was}, and these {now}.")
        title = f"{chosen} of {theirs.version.title}"
        return cls._joined((name, title), truth, (mine, _predictions(theirs, chosen)), ours)

    @classmethod
    def _joined(
        cls,
        names: tuple[str, str],
        truth: pl.DataFrame,
        tables: tuple[pl.DataFrame, pl.DataFrame],
        run: Run,
    ) -> Rows:
        evaluation = run.evaluation
        assert evaluation is not None
        both = truth.join(tables[0].select(ROW_ID), on=ROW_ID, how="semi", maintain_order="left")
        both = both.join(tables[1].select(ROW_ID), on=ROW_ID, how="semi", maintain_order="left")
        every = truth.height
        told = f"{both.height:,} rows"
        if both.height < every:
            told = f"the {both.height:,} of {every:,} held-out rows that both predicted"
        if both.height < FEWEST_ROWS:
            raise CannotCompare(
                f"{names[0]} and {names[1]} have predicted {both.height:,} common held-out rows, "
                f"of {every:,} and {tables[1].height:,}; {FEWEST_ROWS} at least are needed."
                + ("" if run.version.manifest["recipe"].get("id") else _NO_KEY),
                FEWEST_ROWS,
            )
        ids = both.select(ROW_ID)
        held = Truth(
            both[ROW_ID],
            both[_TRUE].alias(evaluation.target),
            evaluation.task,
            target=evaluation.target,
            classes=tuple(evaluation.classes),
            positive=evaluation.positive,
            name=evaluation.name,
            split=evaluation.split,
            groups=both[_GROUP] if _GROUP in both.columns else None,
        )
        laid = {
            name: ids.join(table, on=ROW_ID, how="left", maintain_order="left").drop(ROW_ID)
            for name, table in zip(names, tables, strict=True)
        }
        return cls(names[0], names[1], told, held, laid, both.drop(_TRUE, _GROUP, strict=False))

    def take(self, members: pl.Series) -> Rows:
        """Only the rows for which `members` is true."""
        place = members.arg_true()
        truth = self.truth
        picked = replace(
            truth, ids=truth.ids[place], values=truth.values[place],
            groups=truth.groups[place] if truth.groups is not None else None,
        )  # fmt: skip
        tables = {name: table[place] for name, table in self.tables.items()}
        return Rows(self.name, self.other, self.told, picked, tables, self.beside[place])

    def staged(self, state: State, metric: str) -> Stage:
        """Both models measured on one metric."""
        asked = next((use for use in state.metrics if use.title == metric), Use(name=metric))
        return stage(self.truth, self.tables, [asked])

    def contest(self, state: State, metric: str, *, quick: bool = False) -> Contest:
        """Both models scored and compared on one metric.

        Args:
            state: with the metric's parameters and the seed.
            metric: its title.
            quick: for many slices: t intervals instead of resamples, where there are rows enough.
        """
        staged = self.staged(state, metric)
        pair = [(self.name, self.other)] if len(self.tables) > 1 else []
        by_t = quick and _resampled(staged) and len(staged.truth.ids) >= MANY_ROWS
        groups = staged.truth.groups
        setting = Setting(state.seed, groups, interval="normal" if by_t else None)
        return Contest(len(staged.truth.ids), setting, staged.models, pair, staged.asked)

    def compare(self, state: State, metric: str, *, quick: bool = False) -> Comparison:
        """The difference of the two on one metric.

        Raises:
            CannotCompare: one of them has no such score.
        """
        try:
            staged = self.staged(state, metric)
            many = len(staged.truth.ids) >= MANY_ROWS
            if quick and many and self.truth.groups is None and _resampled(staged):
                return self._by_influence(staged)
            found = self.contest(state, metric, quick=quick).comparisons()
        except RecipeError:
            raise
        except AssayError as refused:
            raise CannotCompare(f"They cannot be compared: {refused.what}") from None
        if not found:
            raise CannotCompare(f"{self.name} or {self.other} has no {metric} to compare.")
        return found[0]

    def _by_influence(self, staged: Stage) -> Comparison:
        """The difference with its t interval, from how much each row moves either value.

        Raises:
            CannotCompare: one of them has no such score.
        """
        measure = staged.asked[0]
        a, b = (staged.models[name] for name in (self.name, self.other))
        rows = a.usable & b.usable
        n = int(rows.sum())
        if n < FEWEST_ROWS:
            raise CannotCompare(f"Both have an answer for {n:,} rows only.", FEWEST_ROWS)
        units = units_of(len(rows))
        pool = Pool(units)
        first, second = (
            linear(measure, Entry(model.full.take(rows), rows, b"", None), units, pool)
            for model in (a, b)
        )
        if first.value is None or second.value is None:
            raise CannotCompare(f"{self.name} or {self.other} has no {measure.title} to compare.")
        difference = float(measure.distance(first.value) - measure.distance(second.value))
        moved = measure.sign(first.value) * first.influence
        moved = moved - measure.sign(second.value) * second.influence
        interval = normal(difference, standard_error(moved, n), "t", n - 1)
        return Comparison(
            a=self.name, b=self.other, metric=measure.title, difference=difference,
            low=interval.low, high=interval.high, p=None, test="paired t of influences", n=n,
            sentence="", method=interval.method,
        )  # fmt: skip


def _resampled(staged: Stage) -> bool:
    """Whether a metric's difference has no interval in closed form."""
    measure = staged.asked[0]
    closed = ("roc_auc", "average_precision", "max_error", "ece")
    return not measure.is_share and measure.name not in closed and not measure.is_own


def alone(state: State, name: str, columns: Sequence[str]) -> Rows:
    """The held-out rows that one model predicted.

    Raises:
        CannotCompare: the run's predictions are not at hand.
    """
    run = state.run
    if run is None or run.evaluation is None:
        raise CannotCompare("Only the scores are at hand, and not the rows' predictions.")
    table = _predictions(run, name)
    return Rows._joined((name, name), _truth(run, columns), (table, table), run)


def _chosen(theirs: Run, named: str, metric: str) -> str:
    """The model of the accepted run that is meant: the one named, or its best on the metric."""
    evaluation = theirs.evaluation
    if evaluation is None:
        raise CannotCompare(
            f"The accepted version {theirs.version.title} has no evaluation to be held against.",
        )
    if named:
        return str(known("model", named, {info.model: info.model for info in evaluation.models}))
    scores = [s for s in evaluation.scores if s.metric == metric and s.value is not None]
    if not scores:
        if evaluation.best is not None:
            return evaluation.best
        raise CannotCompare(f"The accepted version {theirs.version.title} has no scores.")
    sign = -1 if scores[0].better == "higher" else 1
    if scores[0].better == "nearest":
        return evaluation.best or scores[0].model
    return min(scores, key=lambda score: sign * (score.value or 0.0)).model


def _truth(run: Run, columns: Sequence[str]) -> pl.DataFrame:
    """The held-out rows' ids and true values, with other columns."""
    evaluation = run.evaluation
    assert evaluation is not None
    dtype = pl.Float64 if evaluation.task == "number" else pl.String
    lazy = run.version.scan(evaluation.split)
    there = lazy.collect_schema().names()
    # Where one is not there, whoever looks for it says what is.
    names = [ROW_ID, *(columns if set(columns) <= set(there) else there)]
    by = group_columns(run.version)
    true = pl.col(evaluation.target).cast(dtype).alias(_TRUE)
    rows = lazy.select(*dict.fromkeys([*names, *by]), true).filter(pl.col(_TRUE).is_not_null())
    read = rows.collect()
    groups = groups_of(read, by)
    read = read.select(*dict.fromkeys(names), _TRUE)
    return read if groups is None else read.with_columns(groups.alias(_GROUP))


def _predictions(run: Run, model: str) -> pl.DataFrame:
    """What one model of a run predicted: `row_id`, `prediction`, ….

    Raises:
        CannotCompare: the file or the model's rows are not there any more.
    """
    path = run.folder / PREDICTIONS if run.folder else None
    try:
        if path is None or not path.exists():
            raise CannotCompare(
                f"The predictions of {run.version.title} are not there any more"
                f"{f' ({path})' if path else ''}: run it again and accept it again."
            )
        found = pl.scan_parquet(path).filter(pl.col(_MODEL) == model).drop(_MODEL).collect()
    except (OSError, pl.exceptions.PolarsError, VersionError) as error:
        why = f"The predictions of {run.version.title} cannot be read: {error}"
        raise CannotCompare(why) from None
    if not found.height:
        raise CannotCompare(f"{model} of {run.version.title} gave no predictions.")
    # Without the columns that only other models of the run have.
    empty = [name for name in found.columns if found[name].null_count() == found.height]
    return found.drop([name for name in empty if name != "prediction"])
