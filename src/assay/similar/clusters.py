"""Rows that hang together through pairs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl


def clusters(pairs: pl.DataFrame, rows: int) -> npt.NDArray[np.int64]:
    """Number the connected components of the pairs `a`, `b`; a row in no pair is one of its own.

    Args:
        pairs: columns `a` and `b`, places of rows.
        rows: how many rows there are.

    Returns:
        A number for each row, equal for rows that hang together.

    >>> clusters(pl.DataFrame({"a": [0, 1], "b": [1, 3]}), 4).tolist()
    [0, 0, 1, 0]
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    a, b = (pairs[name].cast(pl.Int64).to_numpy() for name in ("a", "b"))
    links = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(rows, rows))
    numbers: npt.NDArray[np.int64] = connected_components(links, directed=False)[1].astype(np.int64)
    return numbers
