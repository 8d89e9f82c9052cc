"""Slices of the rows on which a model loses more than on the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.errors import RecipeError
from assay.evaluation.many import benjamini_hochberg
from assay.evaluation.scored import Floats
from assay.recipe import FieldType
from assay.rows import ROW_ID, as_pandas, row_ids, text_hash, uniform
from assay.slices._contrast import (
    difference_interval,
    holm,
    p_values,
    sums_of,
)
from assay.slices._search import Candidates, candidates, fold, pick
from assay.slices.predicates import Members, predicates

LEAST = 30
"""Rows below which the mean loss of a slice says little."""
EXAMPLES = 5
_ALL = "Benjamini-Hochberg on all rows"


@dataclass(frozen=True, eq=False)
class Slice:
    """Rows that have something in common and on which a model loses more than elsewhere.

    Attributes:
        name: what they have in common.
        predicates: the same for programs, one or two.
        rows: how many there are, and `share` of all scored rows.
        loss: their mean loss on the rows that confirmed it.
        rest: the mean loss of all other rows there.
        difference: of the two, with `low` and `high` of its interval.
        p: adjusted for all slices tested.
        tested: rows of the slice that confirmed it.
        examples: ids of its rows with the largest losses.
        folded: slices of about the same rows that this one stands for.
        members: (n,) the rows, in the order given.
    """

    name: str
    predicates: tuple[Mapping[str, Any], ...]
    rows: int
    share: float
    loss: float
    rest: float
    difference: float
    low: float
    high: float
    p: float
    tested: int
    examples: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    members: Members = field(default_factory=lambda: np.zeros(0, bool), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, without the members."""
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            **plain,
            "predicates": [dict(one) for one in self.predicates],
            "examples": list(self.examples),
            "folded": list(self.folded),
        }

    def sentence(self, unit: str = "") -> str:
        """What is said of it in a terminal."""
        times = f", {self.loss / self.rest:.2g} times" if self.rest > 0 else ""
        return (
            f"{self.name}: {self.rows:,} rows ({self.share:.1%}), mean {unit or 'loss'} "
            f"{self.loss:.4g} against {self.rest:.4g} elsewhere (+{self.difference:.3g}, "
            f"{self.low:.3g} to {self.high:.3g}{times})"
        )


_PLAIN = ("name", "rows", "share", "loss", "rest", "difference", "low", "high", "p", "tested")


@dataclass(frozen=True, eq=False)
class Slices:
    """What a search for slices came to.

    Attributes:
        found: the slices, the most certain first.
        loss: what is counted by row.
        method: how they were found and confirmed.
        rows: scored rows.
        searched: how many slices were looked at.
        floor: the fewest rows of a slice.
        level: the chance of a false alarm that was allowed.
        notes: what could not be done.
        judged: (n,) the rows that losses and intervals are those of.
    """

    found: tuple[Slice, ...]
    loss: str
    method: str
    rows: int
    searched: int
    floor: int
    level: float
    notes: tuple[str, ...] = ()
    judged: Members = field(default_factory=lambda: np.zeros(0, bool), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        told = ("loss", "method", "rows", "searched", "floor", "level")
        return {
            **{name: getattr(self, name) for name in told},
            "slices": [one.to_dict() for one in self.found],
            "notes": list(self.notes),
        }

    def to_polars(self) -> pl.DataFrame:
        """A line for each slice."""
        kinds = dict.fromkeys(_PLAIN, pl.Float64) | {
            "name": pl.String,
            "rows": pl.Int64,
            "tested": pl.Int64,
        }
        lines = [{name: getattr(one, name) for name in _PLAIN} for one in self.found]
        return pl.DataFrame(lines, schema={name: kinds[name] for name in _PLAIN})

    def to_pandas(self) -> Any:
        """A line for each slice, for pandas."""
        return as_pandas(self.to_polars())

    def __repr__(self) -> str:
        head = f"{len(self.found)} of {self.searched:,} slices lose more ({self.method})"
        lines = [f"  {one.sentence(self.loss.replace('_', ' '))}" for one in self.found]
        return "\n".join([head, *lines, *self.notes])

    def _repr_html_(self) -> str:
        from html import escape

        head, *rest = repr(self).splitlines()
        return f"<p>{escape(head)}</p><ul>{''.join(f'<li>{escape(x)}</li>' for x in rest)}</ul>"


def find_slices(  # noqa: PLR0913 - a search has this many settings, and each has a default
    rows: pl.DataFrame,
    loss: Floats | pl.Series,
    *,
    kinds: Mapping[str, FieldType] | None = None,
    name: str = "loss",
    method: Literal["halves", "all"] = "halves",
    floor: int | None = None,
    level: float = 0.05,
    most: int = 10,
    pairs: bool = True,
    clusters: bool = True,
    groups: pl.Series | None = None,
    seed: int = 0,
) -> Slices:
    """Find what rows with large losses have in common, without being fooled by many looks.

    All predicates of `predicates` and all pairs of them on two fields are looked at (Chung et al.
    2019, Slice Finder, ICDE; Sagadeeva & Boehm 2021, SliceLine, SIGMOD; clusters of embeddings as
    in Eyuboglu et al. 2022, Domino, ICLR), in sums over a matrix of rows and predicates.

    `halves`: one half of the rows, drawn by their ids, chooses up to `most` slices, one after the
    other and each on the rows that the ones before left over; the other half tests these alone,
    against all other rows and against those that no slice before holds (the larger p counts), by
    Welch's t or for right and wrong by Fisher's mid-p, adjusted by Holm. Losses and intervals are
    those of the second half, so that being chosen does not flatter them. `all`: every slice is
    tested on all rows, adjusted by Benjamini and Hochberg; the intervals of what is found are
    widened for the choice (Benjamini & Yekutieli 2005, JASA 100:71-81).

    A slice of two predicates stands only where it says more than either; of slices that hold about
    the same rows, the simplest.

    Args:
        rows: the fields, and `row_id` where there is one.
        loss: of each row; rows with NaN or null are left out.
        kinds: the fields to look at and what each is; all, by their types, when not given.
        name: what the loss is called.
        method: `halves` or `all`.
        floor: the fewest rows of a slice; by default 1 % of them, and 30 at least.
        level: the chance to find any slice where there is none.
        most: slices at most.
        pairs: whether two predicates are put together.
        clusters: whether texts are put into clusters.
        groups: what keeps rows together: they are put into one half together.
        seed: of the halves and of the clusters.

    Raises:
        RecipeError: losses do not fit the rows, or a setting is out of range.

    >>> n = np.arange(4000)
    >>> red = n % 10 < 1
    >>> rows = pl.DataFrame({"row_id": n.astype(str), "colour": np.where(red, "red", "blue")})
    >>> loss = np.where(red, 2.0, 1.0) + (n * 7 % 13) / 13
    >>> [one.name for one in find_slices(rows, loss).found]
    ['colour = red']
    """
    from assay.steps._doubt import kinds_of

    values = loss.cast(pl.Float64).fill_null(np.nan).to_numpy() if isinstance(
        loss, pl.Series) else np.asarray(loss, np.float64)  # fmt: skip
    if len(values) != rows.height:
        raise RecipeError(
            "There must be one loss for each row.", received=len(values), allowed=str(rows.height)
        )
    if not 0 < level < 1 or most < 1 or (floor is not None and floor < 2):
        raise RecipeError(
            "`level` lies between 0 and 1, `most` is 1 or more and `floor` 2 or more.",
            received={"level": level, "most": most, "floor": floor},
        )
    if kinds is None:
        kinds = kinds_of(rows.drop(ROW_ID, strict=False))
    known = np.flatnonzero(np.isfinite(values))
    ids = row_ids(rows).to_numpy()
    # What is found must not depend on the order of the rows.
    known = known[np.argsort(ids[known], kind="stable")]
    least = floor or max(LEAST, -(-len(known) // 100))
    told = "search and confirmation half, Holm" if method == "halves" else "Benjamini-Hochberg"
    made: dict[str, Any] = {
        "loss": name,
        "method": told,
        "rows": len(known),
        "floor": least,
        "level": level,
    }
    if len(known) < 2 * least:
        few = f"{len(known):,} rows are too few to look for slices of {least}."
        return Slices((), searched=0, notes=(few,), **made)
    part, lost = rows[known], values[known]
    said, table = predicates(part, kinds, floor=least, clusters=clusters, seed=seed)
    key = ids[known] if groups is None else text_hash(groups[known]).fill_null(0).to_numpy()
    half = uniform(key.astype(np.uint64), seed, "slices.half") < 0.5
    found = candidates(said, table, lost, half if method == "halves" else None, least, pairs=pairs)
    if method == "halves":
        chosen = pick(found, lost[half], most=most)
        confirmed = _confirmed(found, chosen, lost, ~half, level)
    else:
        confirmed = _adjusted(found, lost, level, most)
    slices = tuple(_slice(found, one, part, lost, known, rows.height) for one in confirmed)
    ordered = tuple(sorted(slices, key=lambda one: (one.p, -one.difference)))
    judged = np.zeros(rows.height, dtype=bool)
    judged[known[~half] if method == "halves" else known] = True
    return Slices(ordered, searched=found.count, judged=judged, **made)


@dataclass(frozen=True, eq=False)
class _Confirmed:
    place: int
    p: float
    level: float
    tested: Members
    folded: tuple[str, ...] = ()


def _binary(lost: Floats) -> bool:
    return bool(np.isin(lost, (0.0, 1.0)).all())


def _p(members: Members, lost: Floats) -> float:
    if not members.any() or members.all():
        return 1.0
    wrong = (np.array([lost[members].sum()]), float(lost.sum()))
    sums = sums_of(members[:, None], lost)
    return float(p_values(sums, binary=_binary(lost), wrong=wrong)[0])


def _confirmed(
    found: Candidates, chosen: list[int], lost: Floats, other: Members, level: float
) -> list[_Confirmed]:
    """Test what the search half chose on the other half, which had no say in it."""
    if not chosen:
        return []
    left = np.ones(int(other.sum()), dtype=bool)
    judged = lost[other]
    p = np.ones(len(chosen))
    for rank, place in enumerate(chosen):  # at most `most`
        members = found.members(place)[other]
        apart = members & left
        p[rank] = max(_p(members, judged), _p(apart[left], judged[left]))
        left &= ~members
    adjusted = holm(p)
    return [
        _Confirmed(place, float(value), 0.95, other, found.likes(place))
        for place, value in zip(chosen, adjusted, strict=True)
        if value < level
    ]


def _adjusted(found: Candidates, lost: Floats, level: float, most: int) -> list[_Confirmed]:
    """Test everything on all rows."""
    if not found.count:
        return []
    p = found.p(lost, binary=_binary(lost))
    adjusted = benjamini_hochberg(p)
    called = np.flatnonzero(adjusted < level)
    kept = fold(found, called[np.argsort(p[called], kind="stable")], lost, most=most)
    width = 1 - (1 - 0.95) * max(len(called), 1) / max(found.count, 1)
    every = np.ones(len(lost), dtype=bool)
    return [
        _Confirmed(place, float(adjusted[place]), width, every, found.likes(place))
        for place in kept
    ]


def _slice(
    found: Candidates,
    one: _Confirmed,
    part: pl.DataFrame,
    lost: Floats,
    known: npt.NDArray[np.int64],
    height: int,
) -> Slice:
    members = found.members(one.place)
    inside, outside = lost[members & one.tested], lost[~members & one.tested]
    difference, low, high = difference_interval(
        inside, outside, binary=_binary(lost), level=one.level
    )
    places = np.flatnonzero(members)
    worst = places[np.argsort(-lost[places], kind="stable")[:EXAMPLES]]
    every = np.zeros(height, dtype=bool)
    every[known[places]] = True
    ids = part[ROW_ID].cast(pl.String) if ROW_ID in part.columns else row_ids(part).cast(pl.String)
    said = found.predicates_of(one.place)
    return Slice(
        name=" and ".join(piece.says for piece in said),
        predicates=tuple(piece.to_dict() for piece in said),
        rows=len(places),
        share=len(places) / len(lost),
        loss=float(inside.mean()),
        rest=float(outside.mean()),
        difference=difference,
        low=low,
        high=high,
        p=one.p,
        tested=len(inside),
        examples=tuple(ids[int(place)] for place in worst),
        folded=one.folded,
        members=every,
    )
