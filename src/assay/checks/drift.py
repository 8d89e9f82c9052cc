"""Files of one source that do not look alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import polars as pl

from assay.checks.finding import Code, Finding, Inspected, NotApplicable, places

__all__ = ["files"]

ENOUGH = 30
FILES = 50
# Categories beyond these are one: none of them has rows enough to differ for sure.
VALUES = 50


@dataclass(frozen=True)
class _Shift:
    field: str
    file: str
    distance: float
    p: float
    what: str


def files(
    data: Inspected, *, effect: float = 0.1, level: float = 0.01
) -> Annotated[list[Finding], Code("F801", "warning")]:
    """Fields whose values in one file of the source are unlike those in the others.

    Numbers are compared by the Kolmogorov-Smirnov distance, categories by the total variation
    distance, missing values by the difference of their shares. What is reported is both large
    (`effect`) and no chance (Benjamini and Hochberg's procedure over all comparisons, 1995).
    Find out what the files are: a random split over them hides the difference, and a model meets
    it later. Name the file as a group in `split.grouped`, or leave it out.

    Args:
        effect: the least distance that matters, of at most 1.
        level: the share of false findings that is accepted.

    >>> import tempfile, pathlib
    >>> from assay import inspect
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for k in (0, 1, 2):
    ...     rows = pl.DataFrame({"x": [n % 9 + 7 * (k == 2) for n in range(90)]})
    ...     rows.write_csv(folder / f"{k}.csv")
    >>> [one.field for one in inspect(str(folder), checks=["files"]).results[0].findings]
    ['x']
    """
    if data.sources is None:
        raise NotApplicable("the source is one file")
    counts = data.sources.alias("file").value_counts(name="rows")
    counts = counts.sort("rows", "file", descending=[True, False])
    large = counts.filter(pl.col("rows") >= ENOUGH).head(FILES)["file"].to_list()
    if len(large) < 2:
        raise NotApplicable(f"there are no two files with {ENOUGH} rows or more")
    shifts: list[_Shift] = []
    for name in data.fields:
        # Of two files one comparison says all.
        for file in large[: 1 if len(large) == 2 else None]:
            here = (data.sources == file).to_numpy()
            there = data.sources.is_in(large).to_numpy() & ~here
            shifts += _compared(data, name, file, here, there)
    kept = _significant(shifts, level)
    found: list[Finding] = []
    for name in dict.fromkeys(one.field for one in kept):
        mine = sorted(
            (s for s in kept if s.field == name and s.distance >= effect), key=lambda s: -s.distance
        )
        if mine:
            found.append(_finding(data, mine, len(large)))
    return found


def _finding(data: Inspected, shifts: list[_Shift], many: int) -> Finding:
    worst = shifts[0]
    others = "other file" if many == 2 else f"other {many - 1} files"
    more = f", and {len(shifts) - 1} more files differ" if len(shifts) > 1 else ""
    names = [one.file for one in shifts]
    return Finding(
        says=f"{worst.what} in {worst.file!r} is unlike that in the {others} "
        f"(distance {worst.distance:.2f}){more}.",
        action="Find out what the file is; keep files together with `split.grouped`, or leave it "
        "out.",
        field=worst.field,
        rows=None if data.sources is None else places(data.sources.is_in(names)),
        measured={
            "files": {one.file: {"distance": one.distance, "p": one.p} for one in shifts[:20]}
        },
    )


def _compared(
    data: Inspected, name: str, file: str, here: np.ndarray, there: np.ndarray
) -> list[_Shift]:
    from scipy import stats

    shifts: list[_Shift] = []
    gone = ~data.filled(name).to_numpy()
    a, b = int(gone[here].sum()), int(gone[there].sum())
    if a or b:
        table = [[a, int(here.sum()) - a], [b, int(there.sum()) - b]]
        apart = abs(a / here.sum() - b / there.sum())
        shifts.append(
            _Shift(
                name,
                file,
                float(apart),
                float(stats.fisher_exact(table)[1]),
                "The share of missing values",
            )
        )
    kind = data.fields[name].type
    if kind in ("integer", "number", "datetime"):
        values = data.rows[name].to_physical().cast(pl.Float64).to_numpy()
        one, other = (values[mask & np.isfinite(values)] for mask in (here, there))
        if len(one) >= ENOUGH and len(other) >= ENOUGH:
            test = stats.ks_2samp(one, other, method="asymp")
            shifts.append(
                _Shift(name, file, float(test.statistic), float(test.pvalue), "The distribution")
            )
    elif kind in ("category", "boolean"):
        codes = np.minimum(data.codes(name), VALUES)
        one, other = (
            np.bincount(codes[mask & (codes >= 0)], minlength=VALUES + 1) for mask in (here, there)
        )
        known = (one + other) > 0
        if one.sum() >= ENOUGH and other.sum() >= ENOUGH and known.sum() > 1:
            p = stats.chi2_contingency(np.stack([one[known], other[known]])).pvalue
            apart = 0.5 * np.abs(one / one.sum() - other / other.sum()).sum()
            # Small samples of many values are apart by chance; what chance gives is taken off.
            by_chance = (
                0.5
                * np.sqrt(2 / np.pi)
                * np.sqrt(
                    (one + other)[known] / (one + other).sum() * (1 / one.sum() + 1 / other.sum())
                ).sum()
            )
            shifts.append(
                _Shift(
                    name, file, float(max(0.0, apart - by_chance)), float(p), "The mix of values"
                )
            )
    elif kind == "string":
        lengths = data.written[name].str.len_chars().cast(pl.Float64).to_numpy()
        one, other = (lengths[mask & np.isfinite(lengths)] for mask in (here, there))
        if len(one) >= ENOUGH and len(other) >= ENOUGH:
            test = stats.ks_2samp(one, other, method="asymp")
            shifts.append(
                _Shift(name, file, float(test.statistic), float(test.pvalue), "The length of texts")
            )
    return shifts  # fmt: skip


def _significant(shifts: list[_Shift], level: float) -> list[_Shift]:
    from scipy.stats import false_discovery_control

    if not shifts:
        return []
    adjusted = false_discovery_control([min(1.0, max(0.0, one.p)) for one in shifts])
    return [one for one, p in zip(shifts, adjusted, strict=True) if p <= level]
