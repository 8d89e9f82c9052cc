"""Categories of many levels as the mean target of each level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.models._prepare import Floats, Lesson

PRIOR_ROWS = 10.0
"""A level counts as if it had been seen this many more times with the mean of all rows."""


@dataclass(frozen=True)
class Means:
    """For each column the sorted levels and their mean targets, and the mean of all rows.

    The mean target has one column for a number or two classes, else one for each class.
    """

    levels: tuple[npt.NDArray[np.object_], ...]
    means: tuple[Floats, ...]
    prior: Floats

    def columns(self, coded: npt.NDArray[np.object_]) -> Floats:
        """The mean targets of the rows' levels, column after column."""
        parts = [self._of(position, coded[:, position]) for position in range(len(self.levels))]
        return np.hstack(parts)

    def _of(self, position: int, column: npt.NDArray[np.object_]) -> Floats:
        levels, means = self.levels[position], self.means[position]
        found = np.minimum(np.searchsorted(levels, column), len(levels) - 1)
        return np.where((levels[found] == column)[:, None], means[found], self.prior)


def fit_means(
    lesson: Lesson, coded: npt.NDArray[np.object_], *, folds: int = 5
) -> tuple[Means, Floats]:
    """Learn the means, and give the train rows theirs from the rows of other folds only.

    A row whose own target were part of its mean would teach the model to trust that mean more
    than it may (Micci-Barreca 2001 for the smoothing; scikit-learn's TargetEncoder does the same).
    """
    aims = _aims(lesson)
    fold = lesson.folds(folds)
    apart = np.empty((len(coded), aims.shape[1] * coded.shape[1]))
    for number in range(folds):
        here = fold == number
        there = ~here if not here.all() else here
        apart[here] = _learn(coded[there], aims[there]).columns(coded[here])
    return _learn(coded, aims), apart


def _aims(lesson: Lesson) -> Floats:
    count = len(lesson.answer.present)
    if count > 2:
        return np.eye(count)[lesson.y.astype(np.int64)]
    return lesson.y[:, None]


def _learn(coded: npt.NDArray[np.object_], aims: Floats) -> Means:
    prior: Floats = aims.mean(axis=0)
    levels, means = [], []
    for column in coded.T:
        names, positions = np.unique(column, return_inverse=True)
        counts = np.bincount(positions, minlength=len(names))
        sums = np.column_stack([np.bincount(positions, weights=aim) for aim in aims.T])
        levels.append(names)
        means.append((sums + PRIOR_ROWS * prior) / (counts + PRIOR_ROWS)[:, None])
    return Means(tuple(levels), tuple(means), prior)
