"""Values of many metrics and models on the same resamples of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.evaluation.intervals import resamples
from assay.evaluation.measures import Measure
from assay.evaluation.scored import Floats, Scored

Rows = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Job:
    """One model on some of the rows, and the metrics whose values are wanted.

    Attributes:
        scored: the model's rows, those for which `rows` is true.
        rows: (n,) which of all rows they are.
        measures: the metrics.
    """

    scored: Scored
    rows: Rows
    measures: Sequence[Measure]


def resampled(
    jobs: Mapping[tuple[str, bytes], Job], n: int, seed: int
) -> dict[tuple[str, bytes, str], Floats]:
    """Every job's metrics on the same bootstrap resamples of the n rows.

    The keys are those of `jobs` with the metric's title added; the values are as many as there
    are resamples, NaN where a metric is undefined on one.
    """
    wanted = {key: job for key, job in jobs.items() if job.measures}
    found: dict[tuple[str, bytes, str], list[Floats]] = {}
    if not wanted or not n:
        return {}
    for block in resamples(n, seed):
        picked: dict[bytes, Floats] = {}
        for (model, rows), job in wanted.items():
            if rows not in picked:
                picked[rows] = block if job.rows.all() else block[:, job.rows]
            for measure in job.measures:
                values = measure.values(job.scored, picked[rows])
                found.setdefault((model, rows, measure.title), []).append(values)
    return {key: np.concatenate(parts) for key, parts in found.items()}
