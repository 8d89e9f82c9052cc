"""Equal rows that are to be expected, where the inputs are few and their values frequent."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.building._measured_rows import CUT, Measured, Wanted, batches
from assay.rows import content_hash

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


def expected(measured: Measured, wanted: Wanted, late: pl.DataFrame) -> Floats:
    """How many rows of earlier splits would equal each of these rows by chance.

    Rows that agree with it in all inputs but one would agree in that one as well with the share
    of the other rows that hold its value. Of all inputs the one that makes an equal likeliest
    counts. Equal rows themselves are left out, so that copies do not make themselves likely: where
    a text or a measured number is in no other row, nothing is to be expected.

    Args:
        measured: the rows of the version; their sample is what is counted in.
        wanted: which columns mean what.
        late: `file` and `at` of some rows, and `before`, how many rows the earlier splits have.
    """
    names = list(wanted.inputs)
    sample = _cells(measured.sample, names)
    found = np.zeros(late.height)
    for (number,), rows in late.with_row_index("line").group_by("file"):
        at, line = rows["at"].to_numpy(), rows["line"].to_numpy()
        for start, part in batches(measured.files[int(str(number))], names):
            here = (at >= start) & (at < start + part.height)
            if here.any():
                chance = _chance(_cells(part[at[here] - start], names), sample)
                found[line[here]] = chance * rows["before"].to_numpy()[here]
    return found


def _cells(rows: pl.DataFrame, names: list[str]) -> Hashes:
    """A hash of each cell, one column an input."""
    # The sample's texts are cut, so those that are looked up in it are as well.
    cut = rows.select(names).with_columns(pl.col(pl.String).str.head(CUT))
    return np.stack([content_hash(cut, [name]).to_numpy() for name in names], axis=1)


def _chance(some: Hashes, sample: Hashes) -> Floats:
    """The expected share of rows that equal each of some rows."""
    with np.errstate(over="ignore"):
        whole, whole_sample = (cells.sum(axis=1, dtype=np.uint64) for cells in (some, sample))
        equal = _times(whole, whole_sample)
        others = np.maximum(1, len(sample) - equal)
        best = np.zeros(len(some))
        for place in range(some.shape[1]):  # a loop over inputs
            own, theirs = some[:, place], sample[:, place]
            rest = _times(whole - own, whole_sample - theirs) - equal
            value = _times(own, theirs) - equal
            best = np.maximum(best, rest * value / others)
    return best / max(1, len(sample))


def _times(wanted: Hashes, among: Hashes) -> Floats:
    """How often each of some hashes stands among others."""
    line = np.sort(among)
    found = np.searchsorted(line, wanted, "right") - np.searchsorted(line, wanted, "left")
    return found.astype(np.float64)
