"""How much worse a model predicts when one field's values are dealt out among the rows anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.component import bind, find
from assay.errors import AssayError, ModelError, RecipeError, nearest
from assay.evaluation.evaluate import Stage, stage
from assay.evaluation.fits import Held
from assay.evaluation.fitting import hold_out
from assay.evaluation.measures import Asked as AskedMetric
from assay.evaluation.measures import Measure
from assay.evaluation.resampling import resamples
from assay.evaluation.scored import Floats
from assay.recipe import Recipe, Use
from assay.remote import placed
from assay.rows import ROW_ID, text_hash, uniform
from assay.studies.fits import (
    Asked,
    Bench,
    Functions,
    Models,
    Progress,
    bench,
    fitted,
    models_of,
)
from assay.studies.results import Result, bounds, finite, short
from assay.version import Version

MOST_ROWS = 10_000
DRAWS = 400
_CELLS = 4_000_000


@dataclass(frozen=True)
class Importance:
    """One field of one model: how much worse the metric gets without what the field tells."""

    model: str
    field: str
    value: float | None
    low: float | None
    high: float | None
    repeats: int
    method: str


@dataclass(frozen=True, repr=False, eq=False)
class Importances(Result):
    """What shuffling the fields found.

    Attributes:
        name: of the recipe.
        version: whose rows these are.
        metric: what is measured.
        better: `lower` or `higher` values are.
        split: the rows whose fields are shuffled.
        n: how many these are.
        base: for each model the metric on the rows as they are.
        fields: for each model and field, the most important ones first.
        notes: what was left out.
    """

    name: str
    version: str
    metric: str
    better: str
    split: str
    n: int
    base: dict[str, float | None]
    fields: tuple[Importance, ...]
    notes: tuple[str, ...] = ()

    def to_polars(self) -> pl.DataFrame:
        """The fields as a Polars frame."""
        return pl.DataFrame([asdict(one) for one in self.fields], infer_schema_length=None)

    def sentences(self) -> list[str]:
        """For each model the most important field, and those that may not matter."""
        told = []
        for model in self.base:
            mine = [one for one in self.fields if one.model == model and one.value is not None]
            sure = [one for one in mine if one.low is not None and one.low > 0]
            if sure:
                top = sure[0]
                told.append(
                    f"{model}: {top.field} matters most: without it, {self.metric} is worse by "
                    f"{short(top.value)} ({bounds(top.low, top.high)})."
                )
            rest = [one.field for one in mine if one not in sure]
            if rest:
                told.append(f"{model}: no use shown of {', '.join(rest)}.")
        return [*told, *self.notes]

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {"study": "importance", **asdict(self)}


@placed
def importance(  # noqa: PLR0913 - one option each
    recipe: Asked,
    *,
    out: str | Path = "versions",
    fields: Sequence[str] | None = None,
    repeats: int = 5,
    models: Models = None,
    metric: AskedMetric | None = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    functions: Functions = (),
) -> Importances:
    """Shuffle one field after the other in the held-out rows and see how much worse models get.

    The interval holds two kinds of chance: which rows were held out (all values of a field are
    resampled on the same rows as the score they are held against), and how they were shuffled.
    Two fields that tell the same share their importance, and each alone may seem of no use.

    Args:
        recipe: a recipe, or a version, whose own recipe is then taken.
        out: the folder that holds all versions.
        fields: which inputs; all of them when not given.
        repeats: how often each is shuffled.
        models: replace the recipe's.
        metric: what is measured; the recipe's first one, or what suits the task.
        seed: of the shuffles and the models, if not the recipe's.
        workers: how many models at once; the number of cores when not given.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them.

    Raises:
        RecipeError: a field is no input, or there are no models.
        ModelError: no model could be fitted.

    References: Breiman (2001), Machine Learning 45:5-32; Fisher, Rudin and Dominici (2019),
    Journal of Machine Learning Research 20(177):1-81.
    """
    if repeats < 1:
        raise RecipeError("A field is shuffled once or more.", received={"repeats": repeats})
    with bench(
        recipe, kind="importance", out=out, models=models, seed=seed, workers=workers,
        progress=progress, functions=functions,
    ) as work:  # fmt: skip
        held = hold_out(work.recipe, work.version)
        known = held.training.rows.columns
        for name in fields or ():
            if name not in known:
                raise RecipeError(
                    f"{name!r} is no input of the models.",
                    allowed=known,
                    hint=nearest(name, known),
                )
        chosen = metric or next(iter(work.recipe.metrics), None)
        plain = work.recipe.model_copy(update={"source": "", "steps": [], "exports": []})
        asked = tuple(fields or known)
        task = _Shuffling(plain, work.version.path, asked, repeats, chosen)
        uses = models_of(work.recipe)
        keys = [_key(work, use, task) for use in uses]
        found = [work.cache.recall(key) for key in keys]
        todo = [place for place, one in enumerate(found) if one is None]
        made = work.over_tasks("shuffle fields", task, [uses[place] for place in todo])
        for place, one in zip(todo, made, strict=True):
            work.cache.note(keys[place], one)
            found[place] = one
        work.cache.keep_only(work.lock, f"{work.recipe.name}.importance", keys)
        results = [one for one in found if one is not None]
        good = [one for one in results if not one["error"]]
        if not good:
            raise ModelError(
                "No model could be fitted.", received="; ".join(one["error"] for one in results)
            )
        notes = [f"{one['model']}: {one['error']}" for one in results if one["error"]]
        if len(held.truth.ids) > MOST_ROWS:
            notes.append(f"Shown by {good[0]['n']:,} of {len(held.truth.ids):,} rows.")
        return Importances(
            name=work.recipe.name,
            version=work.version.id,
            metric=good[0]["metric"],
            better=good[0]["better"],
            split=held.truth.split,
            n=good[0]["n"],
            base={one["model"]: one["base"] for one in good},
            fields=tuple(Importance(**line) for one in good for line in one["fields"]),
            notes=tuple(notes),
        )


def _key(work: Bench, use: Use, task: _Shuffling) -> str:
    component = find("models", use.name)
    asked = task.metric.plain() if isinstance(task.metric, Use) else task.metric
    given = bind(component, use.given)
    beside = work.beside(component, given)
    rest = [use.title, given, task.fields, task.repeats, asked, beside]
    return work.key("importance", component, *rest)


@dataclass(frozen=True)
class _Shuffling:
    """Fit one model and shuffle all fields, in whatever process."""

    recipe: Recipe
    path: Path
    fields: tuple[str, ...]
    repeats: int
    metric: AskedMetric | None

    def __call__(self, use: Use) -> dict[str, Any]:
        held = hold_out(self.recipe, Version(self.path))
        order = np.argsort(text_hash(held.truth.ids).to_numpy(), kind="stable")
        draw = uniform(text_hash(held.truth.ids), self.recipe.seed, "studies.importance.rows")
        chosen = order[draw[order] <= np.sort(draw)[min(len(draw), MOST_ROWS) - 1]]
        rows = held.rows[chosen]
        try:
            model = fitted(use, held, self.recipe)
            base = model.predict(rows)
        except (AssayError, ValueError, ArithmeticError) as error:
            return {"model": use.title, "error": str(error)}
        lines, shown, first = [], 0.0, None
        for name in self.fields:
            tables = {str(i): model.predict(self._shuffled(rows, name, i))
                      for i in range(self.repeats)}  # fmt: skip
            staged = self._staged(held, chosen, {"base": base, **tables})
            first = staged.asked[0]
            shown = staged.models["base"].values[first.title] or 0.0
            lines.append(self._line(use.title, name, staged, first))
        assert first is not None
        lines.sort(key=lambda line: -(line["value"] or 0.0))
        return {
            "model": use.title,
            "error": None,
            "n": len(chosen),
            "metric": first.title,
            "better": first.better,
            "base": finite(shown),
            "fields": lines,
        }

    def _shuffled(self, rows: pl.DataFrame, name: str, repeat: int) -> pl.DataFrame:
        """The rows, in which one field's values are dealt out by their rows' ids."""
        ids = text_hash(rows[ROW_ID])
        order = np.argsort(uniform(ids, self.recipe.seed, f"studies.importance/{name}/{repeat}"))
        return rows.with_columns(rows[name].gather(order))

    def _staged(self, held: Held, chosen: Any, tables: dict[str, pl.DataFrame]) -> Stage:
        from dataclasses import replace

        truth = replace(
            held.truth, ids=held.truth.ids[chosen], values=held.truth.values[chosen], inputs=None
        )
        return stage(truth, tables, [self.metric] if self.metric else [])

    def _line(self, model: str, name: str, staged: Stage, measure: Measure) -> dict[str, Any]:
        sign = -1.0 if measure.better == "higher" else 1.0
        values = {key: one.values[measure.title] for key, one in staged.models.items()}
        known = [key for key in values if key != "base" and values[key] is not None]
        line = {"model": model, "field": name, "repeats": len(known), "low": None, "high": None}
        if values["base"] is None or not known:
            return {**line, "value": None, "method": "none: undefined on these rows"}
        base = measure.distance(values["base"])
        others = [measure.distance(values[key]) for key in known]
        differences = self._differences(staged, measure, known)
        low, high = np.quantile(sign * differences, [0.025, 0.975])
        return {
            **line,
            "value": finite(sign * (np.mean(others) - base)),
            "low": finite(low),
            "high": finite(high),
            "method": f"bootstrap of rows and shuffles, {len(differences)} resamples",
        }

    def _differences(self, staged: Stage, measure: Measure, known: Sequence[str]) -> Floats:
        """The metric of shuffled rows less that of the rows as they are, on the same resamples."""
        n = len(staged.truth.ids)
        found: list[Floats] = []
        generator = np.random.default_rng(self.recipe.seed & (2**63 - 1))
        for block in resamples(n, self.recipe.seed, DRAWS):
            step = max(1, _CELLS // n)
            for first in range(0, len(block), step):
                part = block[first : first + step]
                lines = [
                    measure.distance(measure.values(one.scored, part[:, one.usable]))
                    for one in (staged.models[key] for key in ("base", *known))
                ]
                picked = generator.integers(1, len(lines), (len(known), len(part)))
                shuffled = np.stack(lines)[picked, np.arange(len(part))].mean(axis=0)
                found.append(shuffled - lines[0])
        return np.concatenate(found)
