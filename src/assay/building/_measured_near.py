"""Near-duplicate pairs across the splits of a version, measured on its files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.building._measured_rows import Measured, batches
from assay.marks import Sketches

THRESHOLD = 0.7
"""Jaccard similarity from which on two texts are near duplicates, as in `dedup.near`."""


def near(measured: Measured, texts: Sequence[str]) -> pl.DataFrame:
    """The pairs of rows of different splits whose texts are nearly the same.

    What was noted of the texts lies on disk meanwhile, so memory grows by some 150 bytes a row.

    Returns:
        `a`, `b` (places in `measured.rows`, `a` in the earlier split) and `jaccard`.
    """
    from assay.similar.pairs import near_pairs
    from assay.similar.shingles import shingled

    with tempfile.TemporaryDirectory() as folder:
        flat: list[pl.DataFrame] = []
        lists: list[pl.DataFrame] = []
        for file in measured.files:
            for _, part in batches(file, texts):
                noted = shingled(part, columns=list(texts))
                flat.append(noted.drop("shingles"))
                lists.append(_on_disk(noted.select("shingles"), Path(folder) / f"{len(lists)}"))
        rows = pl.concat(flat).with_columns(_row=measured.rows["id"])
        sketches = Sketches(rows, _reader(lists))
        pairs = near_pairs(sketches, threshold=THRESHOLD, across=measured.rows["split"])
    split = measured.rows["split"]
    earlier = split.gather(pairs["a"]) < split.gather(pairs["b"])
    return pairs.select(
        a=pl.when(earlier).then("a").otherwise("b"),
        b=pl.when(earlier).then("b").otherwise("a"),
        jaccard="jaccard",
    )


def clustered(sample: pl.DataFrame, texts: Sequence[str]) -> pl.DataFrame:
    """One row of each cluster of near duplicates among some rows."""
    from assay.similar.clusters import clusters
    from assay.similar.pairs import near_pairs
    from assay.similar.shingles import shingled

    if not texts or not sample.height:
        return sample
    # The beginning of a text tells as much here, in a fraction of the time.
    heads = sample.select(pl.col(name).str.head(1000) for name in texts)
    pairs = near_pairs(Sketches.of(heads, shingled, {"columns": list(texts)}), threshold=THRESHOLD)
    unit = pl.Series(clusters(pairs, sample.height))
    return sample.filter(unit.is_first_distinct())


def _on_disk(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """The same frame, mapped into memory: only rows that are looked at are ever read."""
    import pyarrow as pa

    frame.write_ipc(path, compression="uncompressed")
    with pa.memory_map(str(path)) as file:
        return pl.DataFrame(pl.from_arrow(pa.ipc.open_file(file).read_all()))


def _reader(parts: list[pl.DataFrame]) -> Callable[[npt.NDArray[np.int64]], pl.DataFrame]:
    whole = pl.concat(parts, rechunk=False)
    return lambda places: whole[pl.Series(places, dtype=pl.UInt32)]
