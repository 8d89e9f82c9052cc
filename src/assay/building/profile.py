"""Small summaries of fields that can be added up over shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from assay.recipe import FieldSpec
from assay.rows import text_hash

SKETCH = 1024
TOP = 200
SHOWN = 20
BINS = 30
AT_ONCE = 4_000_000  # numbers, which is 32 MB
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def summarise(frame: pl.DataFrame, fields: Mapping[str, FieldSpec]) -> dict[str, Any]:
    """Sum up one shard's rows of one split, field by field.

    Returns:
        For each field `null`, `hashes` (the smallest `SKETCH` hashes of its values: a sketch of
        how many are distinct), and for texts `lengths` (length: rows) and `top` (value: rows).
    """
    return {name: _field(frame[name], spec) for name, spec in fields.items()}


def _field(values: pl.Series, spec: FieldSpec) -> dict[str, Any]:
    if values.dtype.is_nested():
        boxed = pl.col("values") if values.dtype == pl.Struct else pl.struct("values")
        whole = pl.when(pl.col("values").is_not_null()).then(boxed.struct.json_encode())
        values = values.alias("values").to_frame().select(whole.alias("values"))["values"]
    hashes = (
        text_hash(values).unique().bottom_k(SKETCH)
        if values.len()
        else pl.Series([], dtype=pl.UInt64)
    )
    found: dict[str, Any] = {"rows": values.len(), "null": values.null_count()}
    found["hashes"] = hashes.drop_nulls().to_numpy()
    if spec.type in ("string", "category", "boolean") and not values.dtype.is_nested():
        texts = values.drop_nulls().cast(pl.String).alias("value")
        counts = texts.value_counts(sort=True, name="n").head(TOP)
        # A field of ever new texts has no common values worth carrying along.
        if counts.height and counts["n"][0] > 1:
            found["top"] = {value: n for value, n in counts.iter_rows() if len(value) <= 200}
        if spec.type == "string":
            sizes = texts.str.len_chars().value_counts(name="n")
            # Arrays: as dicts, the lengths of many shards would fill the main process.
            found["lengths"] = (sizes["value"].to_numpy(), sizes["n"].to_numpy())
    return found


def restored(said: Mapping[str, Any]) -> dict[str, Any]:
    """One field's summary from plain values."""
    found = {**said, "hashes": np.array(said["hashes"], dtype=np.uint64)}
    if "lengths" in said:
        found["lengths"] = tuple(np.array(part, dtype=np.int64) for part in said["lengths"])
    return found


def merge(
    parts: Mapping[str, Sequence[dict[str, Any]]],
    fields: Mapping[str, FieldSpec],
    folder: Path,
) -> dict[str, Any]:
    """Add up the shards' summaries to one profile a field, with its splits side by side.

    Args:
        parts: for each split, the summaries of its shards.
        fields: the fields in order.
        folder: the version's folder; numbers are read again from there, a few columns at a time.
    """
    profile: dict[str, Any] = {}
    measured = [name for name, spec in fields.items() if spec.type in ("integer", "number")]
    numbers = dict(_measured(measured, list(parts), folder))
    for name, spec in fields.items():
        of_splits = {split: [part[name] for part in shards] for split, shards in parts.items()}
        everything = [part for shards in of_splits.values() for part in shards]
        entry: dict[str, Any] = {
            "type": spec.type,
            "unit": spec.unit,
            "null": sum(part["null"] for part in everything),
        }
        # An estimate may come out above the number of values, which cannot be.
        values = sum(part["rows"] for part in everything) - entry["null"]
        entry["distinct"] = min(values, _distinct([part["hashes"] for part in everything]))
        entry |= numbers.get(name, {})
        if any("lengths" in part for part in everything):
            entry["length"] = _lengths(of_splits)
        if any("top" in part for part in everything):
            entry["top"] = _top(of_splits)
        profile[name] = entry
    return profile


def _distinct(sketches: Sequence[npt.NDArray[np.uint64]]) -> int:
    """Estimate the number of distinct values from the k smallest hashes (Bar-Yossef et al. 2002).

    Exact below `SKETCH` values; beyond, the standard error is about 3 %.
    """
    smallest = np.unique(np.concatenate(sketches)) if sketches else np.zeros(0, np.uint64)
    if len(smallest) < SKETCH:
        return len(smallest)
    return round((SKETCH - 1) / (float(smallest[SKETCH - 1]) / 2.0**64))


def _measured(
    names: Sequence[str], splits: Sequence[str], folder: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the columns of numbers, as many at a time as memory bears easily, and sum them up."""
    files = {split: sorted((folder / "data").glob(f"{split}-*.parquet")) for split in splits}
    scans = {split: pl.scan_parquet(found) for split, found in files.items() if found}
    rows = sum(scan.select(pl.len()).collect().item() for scan in scans.values())
    step = max(1, AT_ONCE // max(1, rows))
    for start in range(0, len(names), step):
        some = list(names[start : start + step])
        frames = {split: scan.select(some).collect() for split, scan in scans.items()}
        for name in some:
            columns = {split: frame[name].cast(pl.Float64) for split, frame in frames.items()}
            yield name, _numbers({split: c.drop_nulls().to_numpy() for split, c in columns.items()})


def _numbers(splits: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, Any]:
    values = np.concatenate(list(splits.values())) if splits else np.zeros(0)
    if not len(values):
        return {}
    # Numbers whose distance from one another is no number any more are counted in smaller units.
    largest = float(np.abs(values).max())
    unit = largest if largest > np.finfo(float).max / 4 else 1.0
    values = values / unit
    low, high = np.quantile(values, [0.005, 0.995])
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    if not (np.diff(edges) > 0).all():
        # One large number over and over: adding one to it is lost in rounding.
        edges = np.array([low, np.nextafter(low, np.inf)])
    # What lies beyond the outer edges is counted in the outer bins.
    counts = {
        split: np.histogram(np.clip(part / unit, edges[0], edges[-1]), edges)[0].tolist()
        for split, part in splits.items()
    }
    return {
        "min": float(values.min() * unit),
        "max": float(values.max() * unit),
        "mean": float(values.mean() * unit),
        "quantiles": (np.quantile(values, QUANTILES) * unit).tolist(),
        "histogram": {"edges": (edges * unit).tolist(), "counts": counts},
    }


def _lengths(splits: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    found: dict[str, npt.NDArray[np.float64]] = {}
    for split, parts in splits.items():
        pairs = [part["lengths"] for part in parts if "lengths" in part]
        if pairs:
            sizes, counts = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
            found[split] = np.repeat(sizes.astype(float), counts)
    return _numbers(found)


def _top(splits: Mapping[str, Sequence[dict[str, Any]]]) -> list[list[Any]]:
    totals: Counter[str] = Counter()
    each: dict[str, Counter[str]] = {split: Counter() for split in splits}
    for split, parts in splits.items():
        for part in parts:
            each[split].update(part.get("top", {}))
        totals.update(each[split])
    ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
    return [[value, {split: each[split][value] for split in splits}] for value, _ in ranked]
