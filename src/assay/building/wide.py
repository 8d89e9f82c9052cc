"""The list columns of sketches, which stay on disk until a step asks for some rows of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.building.prepare import wide_part
from assay.cache import Cache

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class WideParts:
    """Where the sketches of the shards lie.

    Attributes:
        cache: the folder of finished work.
        keys: the shards' entries, in the order of the table.
        bounds: where each shard starts in the table, and the end.
    """

    cache: Cache
    keys: Sequence[str]
    bounds: Places

    def reader(self, position: int, alive: pl.Series) -> Callable[[Places], pl.DataFrame]:
        """Read the sketches of one step for some of the rows that are alive, in any order."""
        at = alive.arg_true().to_numpy().astype(np.int64)

        def read(places: Places) -> pl.DataFrame:
            wanted = at[places]
            order = np.argsort(wanted, kind="stable")
            found = wanted[order]
            frames: list[pl.DataFrame] = []
            for key, start, stop in zip(self.keys, self.bounds[:-1], self.bounds[1:], strict=True):
                low, high = np.searchsorted(found, [start, stop])
                if low < high or not frames:
                    path = self.cache.path(key, f"{wide_part(position)}.arrow")
                    some = pl.Series(found[low:high] - start, dtype=pl.UInt32)
                    # Mapped into memory: only the rows that are wanted are ever read.
                    frames.append(_mapped(path)[some])
            back = np.empty(len(order), dtype=np.int64)
            back[order] = np.arange(len(order))
            return pl.concat(frames)[pl.Series(back, dtype=pl.UInt32)]

        return read


def _mapped(path: Path) -> pl.DataFrame:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return pl.DataFrame(pl.from_arrow(pa.ipc.open_file(file).read_all()))
