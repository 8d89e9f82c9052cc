"""A version's rows to its profile, made once and kept beside the version."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import polars as pl

from assay.building.plan import PARENT
from assay.engine import run
from assay.monitoring.profile import (
    LAID_BY,
    LENGTH,
    VALUES,
    Count,
    Field,
    Kind,
    Profile,
    Summary,
    category,
    chosen,
    merged,
    number,
    summarise,
)
from assay.rows import ROW_ID
from assay.sharing import hash_file
from assay.version import Version

SCHEMA = 1
PROFILE, SAMPLE_FILE = "profile.json", "sample.parquet"
_RESHAPES = ("sample.", "balance.", "augment.", "outliers.", "labels.")
_REPEATS = 5
"""Rows that a category has on average; a string of fewer is a text."""


def profile_of(version: Version, *, workers: int | None = None) -> Profile:
    """The profile of a version: read where it is kept, made from its rows where it is not.

    It lies in `runs/` beside the version, which is never written to after its build. Its rows are
    those of the version that no step made; where a step has sampled, balanced or thinned out
    train after the split, those of the other splits only, since they are what new rows should
    look like.

    Args:
        version: what new rows are held against.
        workers: how many files to count at once.
    """
    folder = version.path.parent / "runs" / version.id / "profile"
    known = _kept(folder, version.manifest["hash"])
    if known is None:
        known = _made(version, workers)
        _keep(known, folder)
    return known


def of_frame(
    rows: pl.DataFrame, types: Mapping[str, str], *, version: str = "", seed: int = 0
) -> Profile:
    """The profile of rows in memory, for batches of the same frame.

    >>> frame = pl.DataFrame({"row_id": ["a", "b"], "x": [1.0, 2.0]})
    >>> of_frame(frame, {"x": "number"}).fields["x"].count.cells.tolist()
    [1, 1, 0]
    """
    words = [name for name, type_ in types.items() if type_ in ("string", "category", "boolean")]
    counted = {name: _counted(rows[name]) for name in words}
    distinct = {name: frame.height for name, frame in counted.items()}
    whole = [name for name, type_ in types.items() if type_ == "integer"]
    distinct |= {name: rows[name].n_unique() for name in whole}
    kinds, left_out = kinds_of(types, distinct, rows.height)
    kept = chosen(rows, list(kinds), seed, LAID_BY)
    fields = _laid(kept, kinds, counted)
    left_out |= _counters(kept, types, distinct, rows.height)
    fields = {name: field for name, field in fields.items() if field.column not in left_out}
    kinds = {name: kind for name, kind in kinds.items() if name not in left_out}
    return _profile(version, [summarise(rows, fields, kinds, seed)], fields, kinds, left_out)


def kinds_of(
    types: Mapping[str, str], distinct: Mapping[str, int], rows: int
) -> tuple[dict[str, Kind], dict[str, str]]:
    """What each field is compared as, and those that are not compared.

    >>> kinds_of({"a": "string", "b": "string", "d": "datetime"}, {"a": 3, "b": 90}, 100)[0]
    {'a': 'category', 'b': 'text'}
    """
    kinds: dict[str, Kind] = {}
    left_out: dict[str, str] = {}
    for name, type_ in types.items():
        values = distinct.get(name, 0)
        if type_ == "datetime":
            left_out[name] = "time moves on by itself"
        elif type_ == "object":
            left_out[name] = "it holds objects"
        elif type_ in ("integer", "number", "list"):
            kinds[name] = "number"
        elif type_ == "boolean":
            kinds[name] = "boolean"
        elif values <= VALUES and (type_ == "category" or values * _REPEATS <= max(rows, 1)):
            kinds[name] = "category"
        else:
            kinds[name] = "text"
    return kinds, left_out


def _made(version: Version, workers: int | None) -> Profile:
    manifest = version.manifest
    types = {name: field["type"] for name, field in manifest["fields"].items()}
    for name in [*manifest["recipe"].get("id", []), PARENT]:
        types.pop(name, None)
    distinct = {name: int(field["distinct"]) for name, field in manifest["fields"].items()}
    files = [version.file(file) for file in manifest["files"] if counts(manifest, file["split"])]
    rows = sum(file["rows"] for file in manifest["files"] if counts(manifest, file["split"]))
    kinds, left_out = kinds_of(types, distinct, rows)
    seed = int(manifest["seed"])
    looks = list(run(partial(_look, kinds=kinds, seed=seed), files, workers=workers))
    kept = pl.concat([look.kept for look in looks]).sort("_chance", ROW_ID).head(LAID_BY)
    counted = {
        name: pl.concat([look.counted[name] for look in looks])
        .group_by("value")
        .agg(pl.col("n").sum())
        for name in looks[0].counted
    }
    fields = _laid(kept, kinds, counted)
    left_out |= _counters(kept, types, distinct, rows)
    fields = {name: field for name, field in fields.items() if field.column not in left_out}
    kinds = {name: kind for name, kind in kinds.items() if name not in left_out}
    count = partial(_count, fields=fields, kinds=kinds, seed=seed)
    parts = list(run(count, files, workers=workers))
    return _profile(manifest["hash"], parts, fields, kinds, left_out)


def counts(manifest: Mapping[str, Any], split: str) -> bool:
    """Whether the rows of a split are what new rows should look like."""
    if len(manifest["splits"]) < 2 or split != "train":
        return True
    steps = [step["step"] for step in manifest["steps"]]
    split_at = max((at for at, name in enumerate(steps) if name.startswith("split.")), default=0)
    return not any(name.startswith(_RESHAPES) for name in steps[split_at:])


@dataclass(frozen=True)
class _Look:
    kept: pl.DataFrame
    counted: dict[str, pl.DataFrame]


def _look(file: Path, kinds: Mapping[str, Kind], seed: int) -> _Look:
    """The rows of a file by which cells are laid, and its categories counted."""
    rows = _read(file, list(kinds))
    counted = {
        name: _counted(rows[name])
        for name, kind in kinds.items()
        if kind in ("category", "boolean")
    }
    return _Look(chosen(rows, list(kinds), seed, LAID_BY), counted)


def _count(
    file: Path, fields: Mapping[str, Field], kinds: Mapping[str, Kind], seed: int
) -> Summary:
    columns = list(dict.fromkeys(field.column for field in fields.values()))
    return summarise(_read(file, columns), fields, kinds, seed)


def _read(file: Path, columns: Sequence[str]) -> pl.DataFrame:
    scan = pl.scan_parquet(file)
    if PARENT in scan.collect_schema().names():
        scan = scan.filter(pl.col(PARENT).is_null())
    return scan.select(ROW_ID, *columns).collect()


def _counted(values: pl.Series) -> pl.DataFrame:
    if values.dtype.is_nested():
        return pl.DataFrame(schema={"value": pl.String, "n": pl.UInt32})
    texts = values.cast(pl.String).drop_nulls().alias("value")
    return texts.value_counts(name="n")


def _laid(
    kept: pl.DataFrame, kinds: Mapping[str, Kind], counted: Mapping[str, pl.DataFrame]
) -> dict[str, Field]:
    """The cells of every field; a field without any value has none."""
    found: list[Field | None] = []
    for name, kind in kinds.items():
        values = kept[name]
        if kind in ("category", "boolean"):
            if counted[name].height:
                found.append(category(name, name, counted[name], kind))
        elif kind == "text":
            lengths = values.cast(pl.String).str.len_chars()
            found.append(number(name + LENGTH, name, lengths))
        elif values.dtype == pl.List:
            found.append(number(name + LENGTH, name, values.list.len()))
        else:
            found.append(number(name, name, values))
    return {field.name: field for field in found if field is not None}


def _counters(
    kept: pl.DataFrame, types: Mapping[str, str], distinct: Mapping[str, int], rows: int
) -> dict[str, str]:
    """Integers that number the rows, which new rows only carry on."""
    found = {}
    for name, type_ in types.items():
        if type_ != "integer" or distinct.get(name, 0) < 0.9 * rows or kept.height < 2:
            continue
        values = kept[name].cast(pl.Float64).drop_nulls()
        width = float(values.max() or 0) - float(values.min() or 0)  # type: ignore[arg-type]
        if width <= 1.2 * rows:
            found[name] = "it numbers the rows"
    return found


def _profile(
    version: str,
    parts: Sequence[Summary],
    fields: Mapping[str, Field],
    kinds: Mapping[str, Kind],
    left_out: Mapping[str, str],
) -> Profile:
    whole = merged(parts)
    filled = {
        name: Field(**{**vars(field), "count": whole.counts[name]})
        for name, field in fields.items()
    }
    return Profile(version, whole.rows, filled, kinds, whole.sample, left_out)


def _keep(profile: Profile, folder: Path) -> None:
    """Write a profile so that it is there whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".profile-", dir=folder.parent) as place:
        made = Path(place) / "profile"
        made.mkdir()
        profile.sample.write_parquet(made / SAMPLE_FILE)
        body = {
            "schema": SCHEMA,
            "version": profile.version,
            "rows": profile.rows,
            "kinds": profile.kinds,
            "left_out": profile.left_out,
            "fields": [asdict(field) for field in profile.fields.values()],
            "sample": hash_file(made / SAMPLE_FILE),
        }
        packed = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        (made / PROFILE).write_bytes(packed)
        if folder.exists():
            shutil.rmtree(folder, ignore_errors=True)
        try:
            made.rename(folder)
        except OSError:
            # Another monitor has put the same profile there meanwhile.
            if not (folder / PROFILE).exists():
                raise


def _kept(folder: Path, version: str) -> Profile | None:
    """A profile that was kept; None where there is none, or it is damaged or of another form."""
    try:
        body = orjson.loads((folder / PROFILE).read_bytes())
        if body.get("schema") != SCHEMA or body.get("version") != version:
            return None
        if hash_file(folder / SAMPLE_FILE) != body["sample"]:
            return None
        fields = {one["name"]: _field(one) for one in body["fields"]}
        sample = pl.read_parquet(folder / SAMPLE_FILE)
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError):
        # Made again from the version: it costs time and gives the same.
        return None
    return Profile(version, body["rows"], fields, body["kinds"], sample, body["left_out"])


def _field(one: Mapping[str, Any]) -> Field:
    count = one["count"]
    cells = np.array(count["cells"], dtype=np.int64)
    return Field(
        **{
            **one,
            "grid": np.array(one["grid"], dtype=np.float64),
            "values": tuple(one["values"]),
            "count": Count(cells, count["missing"], tuple(count["beyond"])),
        }
    )
