"""All slices of one or two predicates in sums over a matrix, and the choice among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.evaluation.scored import Floats
from assay.slices._contrast import Sums, p_values, sums_of, welch
from assay.slices.predicates import Members, Predicate

Places = npt.NDArray[np.int64]
SHORT = 400
"""Slices that a search half looks at a second time."""
PROMISING = 2.0
"""The t below which a slice is not worth a test: each test makes the others harder to pass."""
ALIKE = 0.6
"""The share of common rows, of all that two slices hold, from which they are one."""
MORE = 3.0
"""The t by which a pair must lose more than what it leaves of one of its predicates."""
SAME = 0.9
"""A pair that holds more of one of its predicates' rows says the same as that one."""
FOLDED = 5


@dataclass(frozen=True, eq=False)
class Candidates:
    """Slices that hold enough rows.

    Attributes:
        said: the predicates.
        table: rows by predicates.
        first: the place of each slice's first predicate.
        second: of its second one, -1 where there is none.
        sums: rows, losses and squares of each slice, on the rows that search.
        wrong: the plain sums of losses on those rows, and their sum over all.
        half: the rows that search; None for all.
    """

    said: Sequence[Predicate]
    table: Members
    first: Places
    second: Places
    sums: Sums
    wrong: tuple[Floats, float]
    half: Members | None

    @property
    def count(self) -> int:
        return len(self.first)

    def members(self, place: int) -> Members:
        one = self.table[:, self.first[place]]
        other = int(self.second[place])
        return np.asarray(one if other < 0 else one & self.table[:, other])

    def predicates_of(self, place: int) -> tuple[Predicate, ...]:
        ends = (int(self.first[place]), int(self.second[place]))
        return tuple(self.said[end] for end in ends if end >= 0)

    def name(self, place: int) -> str:
        return " and ".join(one.says for one in self.predicates_of(place))

    def p(self, lost: Floats, *, binary: bool) -> Floats:
        return p_values(self.sums, binary=binary, wrong=self.wrong)

    def t(self) -> Floats:
        return welch(self.sums)[2]

    def short(self) -> Places:
        """The most promising ones, best first; of equal ones the simplest."""
        t = self.t()
        order = np.lexsort((self.second >= 0, -t))
        return order[t[order] >= PROMISING][:SHORT].astype(np.int64)

    def likes(self, place: int) -> tuple[str, ...]:
        """The names of promising slices that hold about the same rows."""
        members = self.members(place)
        near = []
        for other in self.short():  # at most 400
            if other == place:
                continue
            others = self.members(int(other))
            if (members & others).sum() >= ALIKE * (members | others).sum():
                near.append(self.name(int(other)))
                if len(near) == FOLDED:
                    break
        return tuple(near)

    def parents(self, place: int) -> list[int]:
        """The slices of one of its two predicates, where they hold enough rows themselves."""
        if self.second[place] < 0:
            return []
        ends = (self.first[place], self.second[place])
        alone = np.flatnonzero((self.second < 0) & np.isin(self.first, ends))
        return [int(one) for one in alone]


def candidates(
    said: Sequence[Predicate],
    table: Members,
    lost: Floats,
    half: Members | None,
    floor: int,
    *,
    pairs: bool,
) -> Candidates:
    """Sum the losses of all slices that hold `floor` rows, and a third of them in each half.

    Args:
        said: the predicates.
        table: rows by predicates.
        lost: the loss of each row.
        half: the rows that search; None for all.
        floor: the fewest rows of a slice.
        pairs: whether two predicates are put together.
    """
    from scipy import sparse

    every = sparse.csr_array(table, dtype=np.float64)
    inside = _pairs(every, np.ones(len(lost)))
    alone = np.arange(len(said), dtype=np.int64)
    first, second = alone, np.full(len(said), -1, dtype=np.int64)
    search = np.ones(len(lost), dtype=bool) if half is None else half
    part, loss = every[search], lost[search]
    ours = _pairs(part, np.ones(len(loss)))
    theirs = inside - ours if half is not None else ours
    fit = _fit(ours, theirs, floor, len(loss), len(lost) - len(loss) if half is not None else None)
    if pairs and len(said) > 1:
        fields = np.array([one.field for one in said])
        size = np.diag(inside)
        joined = np.triu(fields[:, None] != fields[None, :], 1)
        joined &= (inside >= floor) & (inside <= len(lost) - floor) & fit
        joined &= inside <= SAME * np.minimum(size[:, None], size[None, :])
        i, j = np.nonzero(joined)
        first, second = np.concatenate((first, i)), np.concatenate((second, j))
    kept = np.concatenate((np.diag(fit), np.ones(len(first) - len(said), dtype=bool)))
    first, second = first[kept].astype(np.int64), second[kept].astype(np.int64)
    end = np.where(second < 0, first, second)
    centred = loss - loss.mean() if len(loss) else loss
    linear, square = _pairs(part, centred), _pairs(part, centred**2)
    sums = Sums(
        ours[first, end],
        linear[first, end],
        square[first, end],
        (float(len(loss)), float(centred.sum()), float((centred**2).sum())),
    )
    mean = float(loss.mean()) if len(loss) else 0.0
    wrong = (sums.loss + mean * sums.count, float(loss.sum()))
    return Candidates(said, table, first, second, sums, wrong, half)


def _pairs(part: Any, weights: Floats) -> Floats:
    """For each two predicates the sum of the weights of the rows that satisfy both."""
    scaled = part.multiply(weights[:, None])
    return np.asarray((part.T @ scaled).toarray(), dtype=np.float64)


def _fit(ours: Floats, theirs: Floats, floor: int, here: int, there: int | None) -> Members:
    """Whether a slice and the rest have enough rows in each half."""
    few = max(5, floor // 3) if there is not None else floor
    fit = (ours >= few) & (here - ours >= few)
    if there is not None:
        fit &= (theirs >= few) & (there - theirs >= few)
    return np.asarray(fit)


def pick(found: Candidates, lost: Floats, *, most: int) -> list[int]:
    """Choose slices on the search half, each on the rows that those before left over.

    Args:
        found: the slices.
        lost: the loss of each row of the search half.
        most: slices at most.
    """
    short = found.short()
    if not len(short):
        return []
    search = found.half if found.half is not None else np.ones(len(found.table), dtype=bool)
    members = np.column_stack([found.members(int(place))[search] for place in short])
    left = np.ones(len(lost), dtype=bool)
    chosen: list[int] = []
    for _ in range(most):
        t = _t(members[left], lost[left])
        best = int(t.argmax())
        if not t[best] >= PROMISING:
            break
        place = _simplest(found, int(short[best]), lost, left, search)
        chosen.append(place)
        left &= ~found.members(place)[search]
    return list(dict.fromkeys(chosen))


def _t(members: Members, lost: Floats) -> Floats:
    t = welch(sums_of(members, lost))[2]
    return np.where(members.sum(axis=0) >= 5, t, -np.inf)


def _simplest(found: Candidates, place: int, lost: Floats, left: Members, search: Members) -> int:
    """One of the two predicates alone, unless both together lose clearly more."""
    inside = found.members(place)[search] & left
    best, strongest = place, -np.inf
    for parent in found.parents(place):  # at most two
        whole = found.members(parent)[search] & left
        t = float(_t(whole[left][:, None], lost[left])[0])
        apart = inside[whole]
        more = 0.0 if apart.all() else float(welch(sums_of(apart[:, None], lost[whole]))[2][0])
        if t >= PROMISING and more < MORE and t > strongest:
            best, strongest = parent, t
    return best


def fold(found: Candidates, called: Places, lost: Floats, *, most: int) -> list[int]:
    """Of the slices called, the best first, those that the ones before do not account for."""
    left = np.ones(len(lost), dtype=bool)
    search = left.copy()
    known = {int(place) for place in called}
    kept: list[int] = []
    for place in called[:SHORT]:
        if len(kept) == most:
            break
        inside = found.members(int(place)) & left
        if inside.sum() < 5 or float(_t(inside[left][:, None], lost[left])[0]) < MORE:
            continue
        simple = _simplest(found, int(place), lost, left, search)
        chosen = simple if simple in known else int(place)
        if chosen not in kept:
            kept.append(chosen)
        left &= ~found.members(chosen)
    return kept
