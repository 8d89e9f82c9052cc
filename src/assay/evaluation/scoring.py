"""Scores and comparisons of models that share one set of resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.errors import PredictionsError
from assay.evaluation.compare import Contrast, compare_outcomes, compare_resamples, conclude
from assay.evaluation.evaluation import Comparison, Score
from assay.evaluation.intervals import Interval, number, percentile, wilson
from assay.evaluation.measures import Measure
from assay.evaluation.resampling import Job, Rows, resampled
from assay.evaluation.scored import Scored


class Entrant:
    """One model's rows and its value on every metric that it can be scored on."""

    def __init__(self, name: str, full: Scored, usable: Rows, asked: Sequence[Measure]) -> None:
        self.name, self.full, self.usable = name, full, usable
        self.scored = full.take(usable)
        self.values: dict[str, float | None] = {}
        self.reasons: dict[str, str] = {}
        for measure in asked:
            if not len(self.scored):
                self.values[measure.title], self.reasons[measure.title] = None, "no usable rows"
                continue
            try:
                self.values[measure.title] = number(measure.value(self.scored))
                self.reasons[measure.title] = "undefined on these rows"
            except PredictionsError as error:
                # Cannot judge is not zero: the score stays empty and says why.
                self.values[measure.title], self.reasons[measure.title] = None, error.what


@dataclass(frozen=True, eq=False)
class Plan:
    """Two models and the rows that both predicted."""

    a: str
    b: str
    rows: Rows


class Contest:
    """The resamples of one evaluation, shared by all its intervals and comparisons."""

    def __init__(
        self,
        n: int,
        seed: int,
        models: Mapping[str, Entrant],
        pairs: Sequence[tuple[str, str]],
        asked: Sequence[Measure],
    ) -> None:
        self.models, self.asked = models, asked
        self.plans = [Plan(a, b, models[a].usable & models[b].usable) for a, b in pairs]
        self.jobs: dict[tuple[str, bytes], Job] = {}
        for model in models.values():
            self._add(model, model.usable)
        for plan in self.plans:
            self._add(models[plan.a], plan.rows)
            self._add(models[plan.b], plan.rows)
        self.values = resampled(self.jobs, n, seed)

    def _add(self, model: Entrant, rows: Rows) -> None:
        key = (model.name, np.packbits(rows).tobytes())
        if key not in self.jobs and rows.any():
            own = bool((rows == model.usable).all())
            scored = model.scored if own else model.full.take(rows)
            drawn = [m for m in self.asked if not m.is_share and model.values[m.title] is not None]
            self.jobs[key] = Job(scored, rows, drawn)

    def score(self, model: Entrant, measure: Measure, split: str) -> Score:
        """One metric of one model, with its interval."""
        value, n = model.values[measure.title], len(model.scored)
        if value is None:
            interval, n = Interval(None, None, f"none: {model.reasons[measure.title]}"), 0
        elif measure.is_share:
            interval = wilson(value * n, n)
        else:
            rows = np.packbits(model.usable).tobytes()
            interval = percentile(self.values[model.name, rows, measure.title], n)
        return Score(
            model=model.name,
            split=split,
            metric=measure.title,
            value=value,
            low=interval.low,
            high=interval.high,
            n=n,
            method=interval.method,
            better=measure.better,
        )

    def comparisons(self) -> list[Comparison]:
        """Every pair on every metric that both have."""
        found = [self._contrast(plan, m) for m in self.asked for plan in self.plans]
        return conclude([contrast for contrast in found if contrast is not None])

    def _contrast(self, plan: Plan, measure: Measure) -> Contrast | None:
        title, rows = measure.title, np.packbits(plan.rows).tobytes()
        a, b = (self.jobs.get((name, rows)) for name in (plan.a, plan.b))
        known = all(self.models[name].values[title] is not None for name in (plan.a, plan.b))
        if a is None or b is None or not known:
            return None
        difference = number(measure.value(a.scored) - measure.value(b.scored))
        if difference is None:
            return None
        n = len(a.scored)
        if measure.is_share:
            interval, p, test = compare_outcomes(
                measure.outcomes(a.scored), measure.outcomes(b.scored)
            )
        else:
            of_a, of_b = (self.values[name, rows, title] for name in (plan.a, plan.b))
            interval, p, test = compare_resamples(of_a, of_b, n)
        return Contrast(
            a=plan.a,
            b=plan.b,
            metric=title,
            better=measure.better,
            difference=difference,
            interval=interval,
            p=p,
            test=test,
            n=n,
            share=measure.is_share,
        )
