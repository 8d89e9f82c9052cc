"""From which probability on to say yes, where one error costs more than the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.errors import PredictionsError, RecipeError
from assay.evaluation.evaluate import score
from assay.evaluation.evaluation import Comparison, Score
from assay.evaluation.scored import Floats
from assay.evaluation.truth import positive_of, proba_columns
from assay.evaluation.values import labels
from assay.remote import placed
from assay.rows import ROW_ID
from assay.studies.conformity import ALL
from assay.studies.crossvalidation import truth_of
from assay.studies.fits import TRUTH, Asked, Functions, Progress, bench, failed, one_model
from assay.studies.results import Result, bounds, short

POINTS = 200
Costs = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Cost:
    """The mean cost of a row on the validation rows, from one probability on."""

    threshold: float
    cost: float


@dataclass(frozen=True, repr=False, eq=False)
class Threshold(Result):
    """What was found of a threshold.

    Attributes:
        name: of the recipe.
        version: whose rows these are.
        model: whose probabilities are looked at.
        positive: the class that is said from the threshold on.
        negative: the other one.
        costs: for a true class what each predicted class costs.
        threshold: chosen on the validation rows.
        by_theory: what would be best if the probabilities were exactly right.
        curve: up to 200 thresholds and their costs on the validation rows.
        scores: the mean cost on the test rows at the threshold and at 0.5, with intervals.
        comparison: of the two.
        n: test rows.
        notes: what to be careful about.
    """

    name: str
    version: str
    model: str
    positive: str
    negative: str
    costs: dict[str, dict[str, float]]
    threshold: float
    by_theory: float
    curve: tuple[Cost, ...]
    scores: tuple[Score, ...]
    comparison: Comparison | None
    n: int
    notes: tuple[str, ...] = ()

    def to_polars(self) -> pl.DataFrame:
        """The cost on the test rows at the threshold and at 0.5, as a Polars frame."""
        return pl.DataFrame([
            {"rule": one.model, "cost": one.value, "low": one.low, "high": one.high, "n": one.n,
             "method": one.method} for one in self.scores
        ], infer_schema_length=None)  # fmt: skip

    def sentences(self) -> list[str]:
        """The threshold, its cost, and how it does beside 0.5."""
        chosen = self.scores[0]
        told = (
            f"Say {self.positive} from a probability of {short(self.threshold)} on: on "
            f"{self.n:,} test rows {self.model} then costs {short(chosen.value)} a row "
            f"({bounds(chosen.low, chosen.high)})."
        )
        return [told, *([self.comparison.sentence] if self.comparison else []), *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "study": "threshold",
            **{name: getattr(self, name) for name in (
                "name", "version", "model", "positive", "negative", "costs", "threshold",
                "by_theory", "n")},
            "curve": [asdict(point) for point in self.curve],
            "scores": [one.model_dump(mode="json") for one in self.scores],
            "comparison": self.comparison.model_dump(mode="json") if self.comparison else None,
            "notes": list(self.notes),
        }  # fmt: skip


@placed
def threshold(
    recipe: Asked,
    model: Any = None,
    *,
    costs: Costs,
    out: str | Path = "versions",
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    functions: Functions = (),
) -> Threshold:
    """Choose from which probability on to predict a class, by what errors cost.

    The threshold is chosen on the validation rows, which the model does not see, and its cost is
    told by the test rows, which had no part in the choice.

    Args:
        recipe: a recipe, or a version, whose own recipe is then taken.
        model: one of the recipe's, by its title, or one written as in a recipe.
        costs: for a true class what each predicted class costs: `{ham: {spam: 10}}`. What is not
            named costs 1, and nothing where it is right; a gain is a cost below 0.
        out: the folder that holds all versions.
        seed: of the model, if not the recipe's.
        workers: how many fits at once.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them.

    Raises:
        RecipeError: there are not two classes, validation and test rows, or a right answer costs
            as much as a wrong one.
        PredictionsError: the model gives no probabilities.
        ModelError: the model could not be fitted.

    Reference: Elkan (2001), The foundations of cost-sensitive learning, IJCAI 17:973-978.
    """
    with bench(
        recipe, kind="threshold", out=out, seed=seed, workers=workers, progress=progress,
        functions=functions,
    ) as work:  # fmt: skip
        use = one_model(work.recipe, model)
        splits = work.version.splits
        if not splits.get("validation") or not splits.get("test"):
            raise RecipeError(
                "A threshold is chosen on validation rows and reported on test rows.",
                received=splits,
                hint="add a step such as `split.random: {train: 0.8, validation: 0.1, test: 0.1}`",
            )
        done = work.over("threshold", "fit", [work.fit(use, ALL)])
        notes = failed(done)
        table = done[0].predictions
        assert table is not None
        negative, positive = _classes(table, work.recipe.positive)
        prices = _prices(costs, negative, positive)
        tests = work.version.scan("test").select(ROW_ID).collect()[ROW_ID]
        held = pl.col(ROW_ID).is_in(tests.implode())
        choice = table.filter(~held).with_columns(_chance(table.filter(~held), positive))
        cuts, means = costs_of(
            choice["_chance"].to_numpy(), (labels(choice[TRUTH]) == positive).to_numpy(), prices
        )
        theory = _by_theory(prices)
        cheapest = np.flatnonzero(means <= means.min() + 1e-12)
        # Of equally cheap ones the one nearest to what exact probabilities would ask for.
        best = float(cuts[cheapest[np.argmin(np.abs(cuts[cheapest] - theory))]])
        test = table.filter(held)
        chance = test.with_columns(_chance(test, positive))["_chance"]
        named = {f"from {short(best)}": best, "from 0.5": 0.5}
        rules = {
            name: pl.DataFrame(
                {"prediction": pl.Series(np.where(chance >= cut, positive, negative))}
            )
            for name, cut in named.items()
        }
        full = {negative: {positive: prices[0, 1], negative: prices[0, 0]},
                positive: {negative: prices[1, 0], positive: prices[1, 1]}}  # fmt: skip
        found = score(
            truth_of(work.recipe, test, (negative, positive)),
            rules,
            [("mean_cost", {"costs": full})],
            seed=work.recipe.seed,
            pairs=[tuple(rules)] if len(rules) == 2 else [],  # type: ignore[list-item]
        )
        shown = np.unique(np.linspace(0, len(cuts) - 1, min(POINTS, len(cuts))).astype(int))
        return Threshold(
            name=work.recipe.name,
            version=work.version.id,
            model=use.title,
            positive=positive,
            negative=negative,
            costs=full,
            threshold=best,
            by_theory=theory,
            curve=tuple(Cost(float(cuts[place]), float(means[place])) for place in shown),
            scores=tuple(found.scores),
            comparison=next(iter(found.comparisons), None),
            n=found.n,
            notes=tuple(notes),
        )


def costs_of(chance: Floats, positive: Any, prices: Floats) -> tuple[Floats, Floats]:
    """Every threshold that makes a difference, and the mean cost from it on.

    Args:
        chance: (n,) probability of the positive class.
        positive: (n,) whether the row is of it.
        prices: (2, 2) cost by true (negative, positive) and predicted (negative, positive) class.

    >>> prices = np.array([[0.0, 1.0], [5.0, 0.0]])
    >>> cuts, means = costs_of(np.array([0.25, 0.5, 0.75]), np.array([False, True, True]), prices)
    >>> cuts.tolist(), means.round(2).tolist()
    ([0.0, 0.375, 0.625, 1.0], [0.33, 0.0, 1.67, 3.33])
    """
    hit = np.asarray(positive, dtype=bool)
    values, place = np.unique(chance, return_inverse=True)
    # With every threshold one more value is said to be negative.
    change = np.where(hit, prices[1, 0] - prices[1, 1], prices[0, 0] - prices[0, 1])
    steps = np.bincount(place, weights=change, minlength=len(values))
    first = float(np.where(hit, prices[1, 1], prices[0, 1]).sum())
    middles = (values[1:] + values[:-1]) / 2
    # A hair above 1, nothing is positive any more, not even what is certain.
    last = 1.0 if not len(values) or values[-1] < 1 else float(np.nextafter(1.0, 2.0))
    return np.r_[0.0, middles, last], (first + np.r_[0.0, np.cumsum(steps)]) / len(hit)


def _prices(costs: Costs, negative: str, positive: str) -> Floats:
    """(2, 2) costs by true and predicted class."""
    names = [negative, positive]
    table = np.array([[0.0, 1.0], [1.0, 0.0]])
    for true, row in costs.items():
        for predicted, price in row.items():
            if true not in names or predicted not in names:
                raise RecipeError(
                    "The costs name a class that there is not.",
                    received=true if true not in names else predicted,
                    allowed=names,
                )
            table[names.index(true), names.index(predicted)] = price
    if table[0, 1] <= table[0, 0] or table[1, 0] <= table[1, 1]:
        raise RecipeError(
            "A wrong answer costs more than a right one, for both classes.",
            received={true: dict(row) for true, row in costs.items()},
        )
    return table


def _by_theory(prices: Floats) -> float:
    """The threshold for exact probabilities: where both answers cost the same (Elkan 2001)."""
    false, missed = prices[0, 1] - prices[0, 0], prices[1, 0] - prices[1, 1]
    return float(false / (false + missed))


def _classes(table: pl.DataFrame, asked: str | None) -> tuple[str, str]:
    known = proba_columns(table)
    if not known:
        raise PredictionsError("A threshold needs the probability of each class.")
    classes = tuple(sorted(known))
    if len(classes) != 2:
        raise RecipeError(
            "A threshold is for two classes.",
            received=classes,
            hint="with more classes, `mean_cost` among the metrics judges what each error costs",
        )
    positive = positive_of(classes, asked) or classes[1]
    return next(name for name in classes if name != positive), positive


def _chance(table: pl.DataFrame, positive: str) -> pl.Expr:
    return pl.col(proba_columns(table)[positive]).alias("_chance")
