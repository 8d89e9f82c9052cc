"""What a leak certificate needs of the rows of a version, read file by file and a part at a time.

Of every row a few numbers are kept: hashes of its id, its inputs and its group, its time. Whole
rows are kept of a sample only, with long texts cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.cache import Cache, code_version
from assay.engine import ahead
from assay.recipe import FieldSpec, digest
from assay.rows import ROW_ID, content_hash, text_hash, uniform
from assay.sharing import hash_file

PARENT = "parent_id"
ORDER = ("train", "validation", "test")
BATCH = 50_000
"""Rows read at a time."""
SAMPLE = {True: 15_000, False: 5_000}
"""Rows looked at in full: of train, and of all other splits together."""
CUT = 4_000
"""Characters of a text that are looked at in a sample."""


@dataclass(frozen=True)
class Wanted:
    """Which columns of the files mean what.

    Attributes:
        fields: what each field is.
        inputs: what models see, without columns that only name the row.
        target, groups, time: as in a recipe and its split.
        seed: of the sample.
    """

    fields: Mapping[str, FieldSpec]
    inputs: Sequence[str]
    target: str | None
    groups: Sequence[str]
    time: str | None
    seed: int


@dataclass(frozen=True)
class Measured:
    """The rows of a version as numbers.

    Attributes:
        splits: the names of the splits, those that are learned from first.
        files: the files, in the order that `file` counts.
        rows: a line a row: `split` (its place in `splits`), `file`, `at` (its place there), `id`,
            `content` (null where all inputs are), `group`, `time`, `parent`, each null where
            there is none.
        sample: some rows in full, without synthetic ones: `_train`, `_content`, `_group`,
            `_draw`, and the columns of inputs and target.
        bytes: of text in each field of the type `string`.
        cache: where what is noted of a file is kept, if anywhere.
    """

    splits: tuple[str, ...]
    files: tuple[Path, ...]
    rows: pl.DataFrame
    sample: pl.DataFrame
    bytes: Mapping[str, int]
    cache: Cache | None = None

    def shown(self, places: Sequence[int], names: Sequence[str]) -> list[dict[str, Any]]:
        """The id and split of some rows, and the beginning of their texts in some columns."""
        found = []
        for place in places:  # a few examples
            split, file, at = self.rows.row(place)[:3]
            columns = list(dict.fromkeys([ROW_ID, *names]))
            row = pl.scan_parquet(self.files[file]).select(columns).slice(at, 1).collect()
            plain = [name for name in names if not row.schema[name].is_nested()]
            texts = row.select(pl.col(plain).cast(pl.String).str.head(200))
            known = texts.row(0, named=True) if plain else {}
            found.append({"row": row[ROW_ID][0], "split": self.splits[split], **known})
        return found


def read(
    files: Mapping[str, Sequence[Path]], wanted: Wanted, cache: Cache | None = None
) -> Measured:
    """Read all files once; with a cache, those only that were not read in a former build."""
    splits = tuple(sorted(files, key=_rank))
    heights = {
        split: sum(pl.scan_parquet(path).select(pl.len()).collect().item() for path in files[split])
        for split in splits
    }
    sizes = {True: heights.get("train", 0)}
    sizes[False] = sum(heights.values()) - sizes[True]
    lines: list[pl.DataFrame] = []
    samples: list[pl.DataFrame] = []
    lengths = dict.fromkeys(_texts(wanted), 0)
    paths = [(split, path) for split in splits for path in files[split]]
    # A little more than is wanted, since draws are uneven; it is cut to size below.
    shares = {train: 1.2 * SAMPLE[train] / max(sizes[train], 1) + 0.02 for train in sizes}

    def known(file: tuple[str, Path]) -> File:
        train = file[0] == "train"
        return _known(file[1], shares[train], train, wanted, cache)

    taken = zip(paths, ahead(known, paths), strict=True)
    for number, ((split, _), (line, sample, found)) in enumerate(taken):
        lines.append(
            line.with_columns(
                split=pl.lit(splits.index(split), pl.Int8), file=pl.lit(number, pl.Int32)
            )
        )
        samples.append(sample.filter(pl.col("_draw") < shares[split == "train"]))
        lengths = {name: length + found[name] for name, length in lengths.items()}
    order = ["split", "file", "at", "id", "content", "group", "time", "parent"]
    return Measured(
        splits,
        tuple(path for _, path in paths),
        pl.concat(lines).select(order) if lines else pl.DataFrame(schema=order),
        _to_size(pl.concat(samples)) if samples else pl.DataFrame(),
        lengths,
        cache,
    )


File = tuple[pl.DataFrame, pl.DataFrame, dict[str, int]]


def _known(path: Path, share: float, train: bool, wanted: Wanted, cache: Cache | None) -> File:
    """What is taken of a file, from a former build where it read the same file."""
    if cache is None:
        return _taken(path, share, train, wanted)
    asked = [wanted.inputs, wanted.target, wanted.groups, wanted.time, wanted.seed]
    key = digest(
        ["measured", code_version("building"), hash_file(path), *asked, _texts(wanted), train]
    )
    known = cache.recall(key)
    # Of a version that has grown since, a smaller share of each file is looked at.
    if known is not None and known["share"] >= share:
        numbers, sample = (pl.read_ipc(cache.path(key, f"{part}.arrow")) for part in _PARTS)
        return numbers, sample, known["lengths"]
    numbers, sample, lengths = _taken(path, share, train, wanted)
    for part, frame in zip(_PARTS, (numbers, sample), strict=True):
        with cache.writing(key, f"{part}.arrow") as file:
            frame.write_ipc(file, compression="uncompressed")
    cache.note(key, {"share": share, "lengths": lengths}, [f"{part}.arrow" for part in _PARTS])
    return numbers, sample, lengths


def _taken(path: Path, share: float, train: bool, wanted: Wanted) -> File:
    lines: list[pl.DataFrame] = []
    samples: list[pl.DataFrame] = []
    lengths = dict.fromkeys(_texts(wanted), 0)
    for start, part in batches(path, _columns(wanted)):
        line = _numbers(part, wanted).with_columns(
            at=pl.int_range(start, start + part.height, dtype=pl.Int64)
        )
        lines.append(line)
        for name in lengths:
            lengths[name] += int(part[name].cast(pl.String).str.len_bytes().sum() or 0)
        draw = pl.Series(uniform(line["id"], wanted.seed, "certificate"))
        chosen = (draw < share) & line["parent"].is_null()
        samples.append(_sampled(part, line, draw, chosen, train, wanted))
    return pl.concat(lines), pl.concat(samples), lengths


_PARTS = ("numbers", "sample")


def _texts(wanted: Wanted) -> list[str]:
    return [name for name in wanted.inputs if wanted.fields[name].type == "string"]


def batches(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, pl.DataFrame]]:
    """Some columns of a file, a part at a time, each with the place of its first row."""
    lazy = pl.scan_parquet(path)
    known = lazy.collect_schema().names()
    columns = [name for name in columns if name in known]
    height = lazy.select(pl.len()).collect().item()
    for start in range(0, max(height, 1), BATCH):
        yield start, lazy.select(columns).slice(start, BATCH).collect()


def is_name(files: Mapping[str, Sequence[Path]], name: str) -> bool:
    """Whether a column is the row's id once more, judged by the first rows."""
    path = next((path for paths in files.values() for path in paths), None)
    if path is None or name == ROW_ID:
        return name == ROW_ID
    head = pl.scan_parquet(path).select(ROW_ID, pl.col(name).alias("_name")).head(1000).collect()
    if head["_name"].dtype.is_nested() or not head.height:
        return False
    return bool(head[ROW_ID].eq_missing(head["_name"].cast(pl.String)).all())


def _rank(split: str) -> tuple[int, str]:
    return (ORDER.index(split) if split in ORDER else len(ORDER), split)


def _columns(wanted: Wanted) -> list[str]:
    target = [wanted.target] if wanted.target else []
    time = [wanted.time] if wanted.time else []
    return list(dict.fromkeys([ROW_ID, PARENT, *wanted.inputs, *target, *wanted.groups, *time]))


def _numbers(part: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    inputs, groups = list(wanted.inputs), list(wanted.groups)
    nothing = pl.repeat(None, part.height, dtype=pl.UInt64, eager=True)
    return pl.DataFrame({"id": text_hash(part[ROW_ID])}).with_columns(
        content=_hash(part, inputs),
        group=_hash(part, groups),
        time=pl.Series(finite(part[wanted.time])).fill_nan(None)
        if wanted.time
        else nothing.cast(pl.Float64),
        parent=text_hash(part[PARENT]) if PARENT in part.columns else nothing,
    )


def _hash(part: pl.DataFrame, columns: list[str]) -> pl.Series:
    """One hash a row of some columns; null where all are null or empty."""
    if not columns:
        return pl.repeat(None, part.height, dtype=pl.UInt64, eager=True)
    empty = [
        pl.col(name).is_null() | ((pl.col(name) == "") if dtype == pl.String else pl.lit(False))
        for name, dtype in part.select(columns).schema.items()
    ]
    return content_hash(part, columns).set(part.select(pl.all_horizontal(empty)).to_series(), None)


def _sampled(
    part: pl.DataFrame,
    line: pl.DataFrame,
    draw: pl.Series,
    chosen: pl.Series,
    train: bool,
    wanted: Wanted,
) -> pl.DataFrame:
    names = [name for name in dict.fromkeys([*wanted.inputs, wanted.target]) if name]
    rows = part.filter(chosen).select(names)
    rows = rows.with_columns(pl.col(pl.String).str.head(CUT))
    return rows.with_columns(
        pl.lit(train).alias("_train"),
        line["content"].filter(chosen).alias("_content"),
        line["group"].filter(chosen).alias("_group"),
        draw.filter(chosen).alias("_draw"),
    )


def _to_size(sample: pl.DataFrame) -> pl.DataFrame:
    parts = [
        sample.filter(pl.col("_train") == train).sort("_draw").head(size)
        for train, size in SAMPLE.items()
    ]
    return pl.concat(parts)


def one_a_unit(sample: pl.DataFrame) -> pl.DataFrame:
    """One row of each group and of equal ones, so that what is left is independent."""
    place = pl.int_range(pl.len()).cast(pl.UInt64)
    for name in ("_group", "_content"):
        sample = sample.with_columns(_unit=pl.coalesce(name, place))
        own = pl.col(name).is_null() | pl.col("_unit").is_first_distinct()
        sample = sample.filter(own).drop("_unit")
    return sample


def texts_of(sample: pl.DataFrame, wanted: Wanted) -> list[str]:
    """The inputs that are free text: long, and mostly different from row to row."""
    found = []
    for name in wanted.inputs:
        if wanted.fields[name].type != "string" or not sample.height:
            continue
        filled = sample[name].cast(pl.String).drop_nulls().head(2000)
        long = mean_length(filled) >= 20
        if len(filled) and long and filled.n_unique() > max(1, len(filled) // 10):
            found.append(name)
    return found


def finite(values: pl.Series) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A column of numbers, times or truths as float64, NaN where it is missing or infinite."""
    plain = values.to_physical() if values.dtype.is_temporal() else values
    numbers = plain.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy().copy()
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


def mean_length(texts: pl.Series) -> float:
    """In characters; 0 where there is no text."""
    lengths = texts.str.len_chars().drop_nulls().to_numpy()
    return float(lengths.mean()) if len(lengths) else 0.0
