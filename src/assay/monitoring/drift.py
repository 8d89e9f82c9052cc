"""A batch's counts held against a profile: one line for every field and every way it can move."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from assay.errors import RecipeError, nearest
from assay.evaluation.many import benjamini_hochberg
from assay.monitoring import domain
from assay.monitoring.effects import Effect, coarse, of_field, of_missing, of_new, psi
from assay.monitoring.profile import Count, Field, Profile, Summary

LEVEL = 0.05
FLOORS = {"wasserstein": 0.1, "jensen_shannon": 0.1, "missing": 0.02, "new": 0.01, "auc": 0.6}
"""The effects from which on a change matters: a tenth of a spread, 0.1 of at most 1, two rows of a
hundred that are missing, one that is new, and a classifier that is right in 60 % of pairs."""
MISSING, NEW = " (missing)", " (new)"
CELLS = 20
"""Cells of a number in the history of batches."""


@dataclass(frozen=True)
class Line:
    """One way in which a field may have moved.

    Attributes:
        field: its name, with ` (missing)`, ` (new)`, ` (length)` or ` (words)` behind it, or
            `all fields`.
        kind: `number`, `category`, `boolean`, `text` or `all`.
        effect: how far it has moved.
        floor: the effect from which on that matters.
        p_adjusted: the p-value after Benjamini and Hochberg (1995) over all lines of the batch.
        alarm: whether it is both no chance and large enough.
        psi: the population stability index, where there is one.
    """

    field: str
    kind: str
    effect: Effect
    floor: float
    p_adjusted: float = 1.0
    alarm: bool = False
    psi: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As `monitor.json` holds it."""
        effect = self.effect
        return {
            "field": self.field,
            "kind": self.kind,
            "effect": {"name": effect.name, "value": effect.value, "low": effect.low,
                       "high": effect.high, "floor": self.floor},
            "psi": self.psi,
            "method": effect.method,
            "p": effect.p,
            "p_adjusted": self.p_adjusted,
            "alarm": self.alarm,
        }  # fmt: skip


@dataclass(frozen=True)
class Drift:
    """What has moved.

    Attributes:
        lines: every field, the alarms first, then by how far it moved in units of its floor.
        cells: for each field the batch's rows by cell, what is missing in the last one.
        reference: the reference's rows in the same cells.
        moved: `row_id` and `score` of the batch's rows that look least like the reference.
    """

    lines: tuple[Line, ...]
    cells: Mapping[str, list[int]]
    reference: Mapping[str, list[int]]
    moved: pl.DataFrame


def floors_of(given: Mapping[str, float] | None) -> dict[str, float]:
    """The floors of effects, those that were given in place of the usual ones.

    Raises:
        RecipeError: there is no such effect.
    """
    for name in given or {}:
        if name not in FLOORS:
            raise RecipeError(
                f"There is no effect {name!r}.", allowed=FLOORS, hint=nearest(name, FLOORS)
            )
    return {**FLOORS, **(given or {})}


def drift(
    profile: Profile,
    batch: Summary,
    *,
    level: float = LEVEL,
    floors: Mapping[str, float] | None = None,
    seed: int = 0,
    classifiers: bool = True,
    beside: Executor | None = None,
) -> Drift:
    """Hold a batch against a profile, field by field and all fields together.

    A line alarms if its p-value, corrected over all lines by Benjamini and Hochberg's procedure,
    is at most `level` and its effect is at least the floor. The chance that a batch in which
    nothing has changed raises any alarm is then at most `level`, and a million rows of the same
    world raise none for a difference that does not matter.

    Args:
        profile: of the version.
        batch: counted in the profile's cells.
        level: the share of false alarms, and of batches with one, that is accepted.
        floors: effects from which on a change matters, by the name of the effect.
        seed: another seed draws other rows for classifiers and intervals.
        classifiers: whether to have classifiers tell new rows from old ones.
        beside: where they learn, while fields are compared here.

    Reference: Benjamini and Hochberg (1995), Journal of the Royal Statistical Society B 57:289-300.
    """
    limits = floors_of(floors)
    apart = partial(domain.tell, profile.sample, batch.sample, profile.kinds, seed)
    waiting = beside.submit(apart) if beside and classifiers else None
    lines: list[Line] = []
    cells: dict[str, list[int]] = {}
    known: dict[str, list[int]] = {}
    for name, count in batch.counts.items():
        field = profile.fields[name]
        lines += [
            replace(line, floor=limits[line.effect.name]) for line in _lines(field, count, seed)
        ]
        cells[name], known[name] = _cells(field, count), _cells(field, field.count)
    moved = pl.DataFrame(schema={"row_id": pl.String, "score": pl.Float64})
    if classifiers:
        told = waiting.result() if waiting else apart()
        for name, effect in told.effects.items():
            kind = "all" if name == domain.ALL else "text"
            lines.append(Line(name, kind, effect, limits["auc"]))
        moved = told.moved
    judged = _judged(lines, level)
    judged.sort(key=lambda line: (not line.alarm, -_size(line), line.field))
    return Drift(tuple(judged), cells, known, moved)


def enough(lines: int, reference: int, spreads: float, level: float = LEVEL) -> int | None:
    """Rows of a batch that show, at 80 % power, that one of so many fields moved by so much.

    None where the reference is too small for it, however large the batch is. By the normal
    approximation for a difference of means, at the level that Bonferroni leaves to one line.

    >>> enough(1, 10_000, 1.0), enough(100, 10_000, 0.1)
    (8, 2298)
    """
    from scipy.special import ndtri

    reach = float(ndtri(0.8) - ndtri(level / max(1, lines) / 2))
    needed = (reach / spreads) ** 2
    if needed >= reference:
        return None
    return math.ceil(1 / (1 / needed - 1 / reference))


def _lines(field: Field, batch: Count, seed: int) -> list[Line]:
    found = []
    if batch.rows and field.count.rows:
        key = xxhash.xxh3_64_intdigest(f"{seed}/{field.name}".encode())
        effect = of_field(field, batch, np.random.default_rng(key))
        found.append(Line(field.name, field.kind, effect, 0.0, psi=psi(field.count, batch)))
    if field.kind == "category" and batch.cells[-1]:
        found.append(Line(field.column + NEW, field.kind, of_new(field, batch), 0.0))
    both = batch.rows + batch.missing
    if (field.count.missing or batch.missing) and both:
        found.append(Line(field.column + MISSING, field.kind, of_missing(field.count, batch), 0.0))
    return found


def _judged(lines: list[Line], level: float) -> list[Line]:
    adjusted = benjamini_hochberg([line.effect.p for line in lines])
    return [
        replace(
            line, p_adjusted=float(p), alarm=bool(p <= level and line.effect.value >= line.floor)
        )
        for line, p in zip(lines, adjusted, strict=True)
    ]


def _size(line: Line) -> float:
    """How far a line has moved, in units of its floor."""
    nothing = 0.5 if line.effect.name == "auc" else 0.0
    return (line.effect.value - nothing) / max(line.floor - nothing, 1e-9)


def _cells(field: Field, count: Count) -> list[int]:
    if len(count.cells) <= CELLS or field.kind != "number":
        kept: npt.NDArray[np.int64] = count.cells[: 3 * CELLS]
        rest = count.cells[3 * CELLS :].sum()
        found = [*kept.tolist(), *([int(rest)] if len(count.cells) > 3 * CELLS else [])]
    else:
        found = coarse(field.count, count, CELLS).tolist()
    return [*found, count.missing]
