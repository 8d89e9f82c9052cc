"""What the tests of models have in common: a training with everything filled in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from assay.models.training import Training
from assay.recipe import FieldType


def training(
    rows: pl.DataFrame,
    target: list[object] | np.ndarray,
    kinds: Mapping[str, FieldType],
    *,
    validation: float = 0.0,
    seed: int = 7,
) -> Training:
    """Train rows in the order given; the last share of them is for validation."""
    numbers = not any(isinstance(value, str) for value in target)
    y = pl.Series(target, dtype=pl.Float64 if numbers else pl.String)
    cut = rows.height - int(rows.height * validation)
    # Ids in no particular order, as hashes are.
    ids = np.random.default_rng(0).permutation(cut).astype(np.uint64)
    return Training(
        rows=rows[:cut],
        target=y[:cut],
        validation_rows=rows[cut:],
        validation_target=y[cut:],
        row=pl.Series(ids),
        task="number" if numbers else "class",
        classes=() if numbers else tuple(sorted(set(y.drop_nulls()))),
        kinds=kinds,
        seed=seed,
    )
