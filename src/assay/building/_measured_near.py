"""Near-duplicate pairs across the splits of a version, measured on its files."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.building._measured_rows import Measured, batches
from assay.cache import Cache, code_version
from assay.marks import Sketches
from assay.recipe import digest
from assay.sharing import hash_file

THRESHOLD = 0.7
"""Jaccard similarity from which on two texts are near duplicates, as in `dedup.near`."""


def near(measured: Measured, texts: Sequence[str]) -> pl.DataFrame:
    """The pairs of rows of different splits whose texts are nearly the same.

    What was noted of the texts lies on disk, so memory grows by some 150 bytes a row.

    Returns:
        `a`, `b` (places in `measured.rows`, `a` in the earlier split) and `jaccard`.
    """
    from assay.similar.pairs import near_pairs

    with tempfile.TemporaryDirectory() as folder:
        cache = measured.cache or Cache(Path(folder))
        parts = [_noted(file, list(texts), cache) for file in measured.files]
        rows = pl.concat(flat for flat, _ in parts).with_columns(_row=measured.rows["id"])
        sketches = Sketches(rows, _reader([lists for _, lists in parts]))
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


def _noted(file: Path, texts: list[str], cache: Cache) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What is noted of each row of a file, its shingles last, as in a former build if it can be."""
    from assay.similar.shingles import shingled

    key = digest(["noted", code_version("building", "similar"), hash_file(file), texts])
    if cache.recall(key) is None:
        noted = pl.concat(shingled(part, columns=texts) for _, part in batches(file, texts))
        for name, part in (("flat", noted.drop("shingles")), ("lists", noted.select("shingles"))):
            with cache.writing(key, f"{name}.arrow") as path:
                part.write_ipc(path, compression="uncompressed")
        cache.note(key, {}, ["flat.arrow", "lists.arrow"])
    flat = pl.read_ipc(cache.path(key, "flat.arrow"))
    return flat, _mapped(cache.path(key, "lists.arrow"))


def _mapped(path: Path) -> pl.DataFrame:
    """A frame on disk, mapped into memory: only rows that are looked at are ever read."""
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return pl.DataFrame(pl.from_arrow(pa.ipc.open_file(file).read_all()))


def _reader(parts: list[pl.DataFrame]) -> Callable[[npt.NDArray[np.int64]], pl.DataFrame]:
    whole = pl.concat(parts, rechunk=False)
    return lambda places: whole[pl.Series(places, dtype=pl.UInt32)]
