"""Since when something has changed: the change point, and the batches it may have been."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.monitoring.sequential import LEVEL, e_process


@dataclass(frozen=True)
class Change:
    """The evidence for a change and where it most likely began.

    Attributes:
        log_e: the log of the evidence at this look; see `sequential.e_process`.
        since: the place of the batch with which the change most likely began, from 0.
        earliest: the first batch of those that hold 95 % of the evidence.
        latest: the last one.
    """

    log_e: float
    since: int
    earliest: int
    latest: int

    @property
    def p(self) -> float:
        """A p-value that holds at every look: the chance of ever seeing such evidence."""
        return min(1.0, math.exp(-self.log_e))


def change_of(logs: Any) -> Change:
    """Where a change most likely began, from the log e-value of a change at each batch.

    Args:
        logs: (t,) as `sequential.of_counts` or `of_values` gives them.

    >>> from assay.monitoring.sequential import of_counts
    >>> change = change_of(of_counts([500, 500], [[50, 50], [52, 48], [80, 20], [85, 15]]))
    >>> change.since, change.earliest, change.latest
    (2, 2, 2)
    """
    logs = np.asarray(logs, float)
    looks = np.arange(1, len(logs) + 1)
    weighed = logs - np.log(looks * (looks + 1))
    shares = np.exp(weighed - np.logaddexp.reduce(weighed))
    order = np.argsort(-shares, kind="stable")
    enough = int(np.searchsorted(shares[order].cumsum(), 1 - LEVEL - 1e-12)) + 1
    held = order[:enough]
    return Change(e_process(logs), int(order[0]), int(held.min()), int(held.max()))


def run_since(bad: Sequence[bool]) -> int | None:
    """The place of the first batch of the unbroken run of bad ones that lasts until now.

    >>> run_since([True, False, True, True]), run_since([True, False])
    (2, None)
    """
    good = [place for place, one in enumerate(bad) if not one]
    first = good[-1] + 1 if good else 0
    return first if first < len(bad) else None
