"""Scores and comparisons of models that share one set of resamples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from assay.errors import PredictionsError
from assay.evaluation.compare import Contrast, Margin, conclude
from assay.evaluation.contrasts import Side, contrast_of
from assay.evaluation.evaluation import Comparison, Score
from assay.evaluation.intervals import Interval, deciding_rows, number
from assay.evaluation.linear import Entry, Linear, linear, value_of
from assay.evaluation.measures import Measure
from assay.evaluation.methods import FEW_ROWS, IntervalKind, interval_of, needs_draws
from assay.evaluation.power import detectable
from assay.evaluation.resampling import (
    RESAMPLES,
    Pool,
    Rows,
    Units,
    expanded,
    resample_count,
    resamples,
    swaps,
    units_of,
)
from assay.evaluation.scored import Floats, Scored

Key = tuple[str, bytes, str]


class Entrant:
    """One model's rows and its value on every metric that it can be scored on."""

    def __init__(
        self,
        name: str,
        full: Scored,
        usable: Rows,
        asked: Sequence[Measure],
        carried: Floats | None = None,
    ) -> None:
        self.name, self.full, self.usable = name, full, usable
        self.scored = full.take(usable)
        self.values: dict[str, float | None] = {}
        self.reasons: dict[str, str] = {}
        of_rows = None if carried is None else carried[usable]
        for measure in asked:
            if not len(self.scored):
                self.values[measure.title], self.reasons[measure.title] = None, "no usable rows"
                continue
            try:
                value = number(value_of(measure, self.scored, of_rows))
                self.values[measure.title] = value
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


@dataclass(frozen=True, eq=False)
class Setting:
    """How rows hang together and what is asked of the figures.

    Attributes:
        seed: of all draws.
        groups: (n,) what keeps rows together.
        carried: (n,) the weight that each row carries.
        interval: the kind of interval, where it is not the metric's own.
        margin: the difference that does not matter, for each metric or for all.
    """

    seed: int = 0
    groups: pl.Series | None = None
    carried: Floats | None = None
    interval: IntervalKind | None = None
    margin: Margin = None


class Contest:
    """The resamples of one evaluation, shared by all its intervals and comparisons."""

    def __init__(
        self,
        n: int,
        setting: Setting,
        models: Mapping[str, Entrant],
        pairs: Sequence[tuple[str, str]],
        asked: Sequence[Measure],
    ) -> None:
        self.models, self.asked, self.setting = models, asked, setting
        self.plans = [Plan(a, b, models[a].usable & models[b].usable) for a, b in pairs]
        classes = max((len(model.full.classes) for model in models.values()), default=0)
        width = classes * (2 * len(models) + 1)
        self.units: Units = units_of(n, setting.groups, width=width)
        self.pool = Pool(self.units)
        self.entries: dict[tuple[str, bytes], Entry] = {}
        self.found: dict[Key, Linear] = {}
        for model in models.values():
            self._add(model, model.usable)
        for plan in self.plans:
            self._add(models[plan.a], plan.rows)
            self._add(models[plan.b], plan.rows)
        self._errors: dict[str, list[float]] = {}
        self._draw()

    @property
    def plain(self) -> bool:
        """Whether rows stand alone and all count the same."""
        return self.setting.groups is None and self.setting.carried is None

    def _add(self, model: Entrant, rows: Rows) -> None:
        key = (model.name, _name(rows))
        if key in self.entries or not rows.any():
            return
        own = bool((rows == model.usable).all())
        scored = model.scored if own else model.full.take(rows)
        carried = None if self.setting.carried is None else self.setting.carried[rows]
        entry = Entry(scored, rows, key[1], carried)
        self.entries[key] = entry
        for measure in self.asked:
            if model.values[measure.title] is not None:
                self.found[*key, measure.title] = linear(measure, entry, self.units, self.pool)

    def _draw(self) -> None:
        """Draw once what all metrics and models need."""
        seed, count = self.setting.seed, self.units.count
        kind = self.setting.interval
        paired = {(name, _name(plan.rows)) for plan in self.plans for name in (plan.a, plan.b)}
        smallest = min((one.scored for one in self.entries.values()), key=len, default=None)
        needed = {
            measure.title: smallest is not None
            and (
                needs_draws(measure, self.plain, kind, smallest)
                or (bool(self.plans) and not self._closed(measure))
            )
            for measure in self.asked
        }
        self.draws: dict[Key, Floats] = {}
        wanted = {k: one for k, one in self.found.items() if needed[k[2]] and one.value is not None}
        sums: Floats = np.empty((0, 0))
        if any(not one.whole for one in wanted.values()):
            sums = self.pool.times(resamples(count, seed, RESAMPLES))
        self.draws = {key: one.draws(sums) for key, one in wanted.items() if not one.whole}
        self._draw_whole({key: one for key, one in wanted.items() if one.whole})
        self.all: Floats = np.empty((0, 0))
        self.swapped: Floats = np.empty((0, 0))
        traced = [one for key, one in wanted.items() if one.trace is not None and key[:2] in paired]
        if self.plans and traced:
            self.all = self.pool.times(iter([np.ones((1, count), dtype=np.float32)]))
            self.swapped = self.pool.times(swaps(count, seed))

    def _draw_whole(self, wanted: Mapping[Key, Linear]) -> None:
        """Metrics that need the weight of every row, in as many resamples as time allows."""
        if not wanted:
            return
        n = self.units.n
        found: dict[Key, list[Floats]] = {key: [] for key in wanted}
        by_title = {measure.title: measure for measure in self.asked}
        count = resample_count(n)
        for block in resamples(self.units.count, self.setting.seed, count):
            # Units are fewer than rows, so a block of them is cut once more.
            lines = max(1, 4_000_000 // n)
            for first in range(0, len(block), lines):
                picked: dict[bytes, Floats] = {}
                part = block[first : first + lines]
                for key in wanted:
                    entry = self.entries[key[:2]]
                    if entry.name not in picked:
                        picked[entry.name] = expanded(part, self.units, entry.rows, entry.carried)
                    values = by_title[key[2]].values(entry.scored, picked[entry.name])
                    found[key].append(values)
        self.draws |= {key: np.concatenate(parts) for key, parts in found.items()}

    def _closed(self, measure: Measure) -> bool:
        """Whether two models are compared on this metric without resamples."""
        if measure.name in ("roc_auc", "average_precision", "max_error"):
            return True
        return measure.is_share and self.plain and measure.aim is None

    def score(self, model: Entrant, measure: Measure, split: str) -> Score:
        """One metric of one model, with its interval."""
        value, n = model.values[measure.title], len(model.scored)
        key = (model.name, _name(model.usable), measure.title)
        found = self.found.get(key)
        if value is None or found is None or found.value is None:
            interval, n = Interval(None, None, f"none: {model.reasons[measure.title]}"), 0
        else:
            interval = interval_of(
                measure,
                self.entries[key[:2]],
                found,
                self.draws.get(key),
                self.units,
                self.setting.interval,
            )
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
        contrasts = [contrast for contrast in found if contrast is not None]
        for one in contrasts:
            self._errors.setdefault(one.metric, []).append(one.error)
        return conclude(contrasts)

    def _contrast(self, plan: Plan, measure: Measure) -> Contrast | None:
        rows = _name(plan.rows)
        keys = [(name, rows, measure.title) for name in (plan.a, plan.b)]
        a, b = (self.found.get(key) for key in keys)
        if a is None or b is None or a.value is None or b.value is None:
            return None
        first, second = (
            Side(name, self.entries[key[:2]], one, self.draws.get(key))
            for name, key, one in ((plan.a, keys[0], a), (plan.b, keys[1], b))
        )
        return contrast_of(
            measure,
            first,
            second,
            swapped=(self.all, self.swapped),
            units=self.units,
            margin=self.setting.margin,
        )

    def heavy(self) -> list[str]:
        """Notes on intervals that a few rows decide, which then cover less than they say."""
        drawn = {(name, title) for name, _, title in self.draws}
        notes = []
        for measure in self.asked:
            title = measure.title
            names = {
                name: None
                for (name, _, of), one in self.found.items()
                if of == title
                and (name, title) in drawn
                and deciding_rows(one.influence) < FEW_ROWS <= len(one.influence)
            }
            if names:
                what = "groups" if self.units.grouped else "rows"
                steadier = "More groups" if self.units.grouped else measure.steadier
                notes.append(
                    f"{title}: a few {what} decide the interval of {', '.join(names)}; it covers "
                    f"less than 95 %. {steadier} would help."
                )
        return notes

    def detectable(self) -> dict[str, float]:
        """For each metric the difference that these rows show with a chance of 80 %.

        The middle one of the pairs' standard errors counts; with one model alone, that of its
        score, as if another's errors went half along with it.
        """
        found = {}
        for measure in self.asked:
            errors = self._errors.get(measure.title) or [
                one.error
                for (_, _, title), one in self.found.items()
                if title == measure.title and one.value is not None and np.isfinite(one.error)
            ]
            middle = float(np.median(errors)) if errors else 0.0
            if middle > 0:
                found[measure.title] = detectable(middle)
        return found

    def influences(self, names: Iterable[str], title: str, rows: Rows) -> list[Floats]:
        """The influences by unit of some models on one metric and the same rows."""
        return [self.found[name, _name(rows), title].influence for name in names]


def _name(rows: Rows) -> bytes:
    return b"" if rows.all() else np.packbits(rows).tobytes()
