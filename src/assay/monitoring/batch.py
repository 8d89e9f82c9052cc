"""New rows, made ready as the build did, counted in a profile's cells and held to the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from assay.building.again import again, settled
from assay.building.plan import CONTRACT, READ, Plan, make_plan
from assay.building.prepare import DECIDED, parts, prepare
from assay.cache import Cache
from assay.component import using
from assay.engine import ahead, default_workers, run
from assay.monitoring.profile import (
    SAMPLE,
    Field,
    Kind,
    Profile,
    Summary,
    chosen,
    merged,
    summarise,
)
from assay.own import own
from assay.recipe import Read, digest, load
from assay.rows import ROW, ROW_ID, content_hash, hex_ids
from assay.sources.shards import Shard, fingerprint, give_back, locate, survey
from assay.sources.shards import load as load_shard

Progress = Callable[[str, int, int], None]
FEW_SHARDS = 4
"""Shards that are counted sooner, by all threads of this process, than workers have started."""
_KEPT = ".kept.arrow"


@dataclass(frozen=True)
class Batch:
    """New rows, counted.

    Attributes:
        hash: of their content, whatever the order of the files.
        rows: how many there are, those that cannot be read included.
        usable: how many hold the contract and pass the row-wise steps.
        columns: what the source has, and the kinds of value in each column.
        broken: rows set aside or values made null, by step, rule and action.
        summary: the usable rows in the profile's cells; None without any.
        left_out: fields that cannot be compared, and why.
        notes: what reading found out.
        kept: files of the usable rows with the columns that were to be kept, in their order.
    """

    hash: str
    rows: int
    usable: int
    columns: Mapping[str, frozenset[str]]
    broken: Mapping[tuple[str, str, str], int]
    summary: Summary | None
    left_out: Mapping[str, str]
    notes: tuple[str, ...]
    kept: tuple[Path, ...] = ()


def count_batch(  # noqa: PLR0913 - what `assay.monitor` says of reading, and where to work
    source: Any,
    manifest: Mapping[str, Any],
    profile: Profile,
    spool: Path,
    *,
    read: Read | None = None,
    workers: int | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
    progress: Progress | None = None,
    keep: Sequence[str] = (),
) -> Batch:
    """Read new rows shard by shard, and count them.

    Args:
        source: a file, glob, folder or list of them, or a frame.
        manifest: of the version; its contract and row-wise steps are applied.
        profile: of the version.
        spool: an empty folder to work in.
        read: how to read the source; as the recipe says by default.
        workers: how many shards to work on at once.
        functions: the user's own functions that the recipe names.
        progress: called with a stage's name, the shards done and their number.
        keep: columns of the usable rows to write down below `spool`, as far as they are there.

    Raises:
        SourceError: the source cannot be read.
    """
    mine = tuple(functions)
    with using(own(mine)):
        recipe = load({**manifest["recipe"], "source": "-"})
        how = read or _same_format(recipe.read)
        shards = locate(source, how, spool / "spool")
        columns: dict[str, frozenset[str]] = {}
        few = len(shards) <= FEW_SHARDS
        for seen in run(survey, shards, workers=1 if few else workers):
            for name, kinds in seen.items():
                columns[name] = columns.get(name, frozenset()) | frozenset(kinds)
        narrowed = again(manifest, list(columns))
        left_out = {
            name: f"{step} changed it by what it had learned from train"
            for name, step in narrowed.learned.items()
        }
        known = settled(recipe, manifest)
        absent = {name for name in known if name not in columns}
        fields = {
            name: field
            for name, field in profile.fields.items()
            if field.column not in left_out and field.column not in absent
        }
        kinds_ = {
            name: kind
            for name, kind in profile.kinds.items()
            if name not in left_out and name not in absent
        }
        plan = make_plan(narrowed.recipe, dict.fromkeys(narrowed.recipe.fields, frozenset()))
    place = spool / "prepared"
    stage = _Counting(plan, fields, kinds_, int(manifest["seed"]), place, mine, tuple(keep))
    found: list[_Counted] = []
    todo = list(enumerate(shards))
    # Few shards are counted by this process's threads, one being read while another is counted.
    threads = workers or default_workers()
    counted = ahead(stage, todo, threads=threads) if few else run(stage, todo, workers=workers)
    for one in counted:
        found.append(one)
        if progress:
            progress("count", len(found), len(shards))
    broken: Counter[tuple[str, str, str]] = Counter()
    for one in found:
        broken.update(one.broken)
    summaries = [one.summary for one in found if one.summary is not None]
    return Batch(
        digest(sorted(one.fingerprint for one in found))[:16],
        sum(one.rows for one in found),
        sum(one.summary.rows for one in found if one.summary),
        columns,
        broken,
        merged(summaries) if summaries else None,
        left_out,
        (*dict.fromkeys([note for one in found for note in one.notes]), *narrowed.notes),
        tuple(sorted(place.glob(f"*{_KEPT}"))) if keep else (),
    )


def _same_format(read: Read) -> Read:
    """What the recipe says of its source, but for the format and encoding, which files show."""
    return read.model_copy(update={"format": None, "encoding": None})


@dataclass(frozen=True)
class _Counted:
    rows: int
    summary: Summary | None
    broken: Mapping[tuple[str, str, str], int]
    fingerprint: str
    notes: Sequence[str]


@dataclass(frozen=True)
class _Counting:
    """One shard, as a task that can be sent to any worker."""

    plan: Plan
    fields: Mapping[str, Field]
    kinds: Mapping[str, Kind]
    seed: int
    place: Path
    functions: tuple[Callable[..., Any] | str | Path, ...]
    keep: tuple[str, ...] = ()

    def __call__(self, task: tuple[int, Shard]) -> _Counted:
        number, shard = task
        with using(own(self.functions)):
            return self._counted(number, shard)

    def _counted(self, number: int, shard: Shard, *, quickly: bool = True) -> _Counted:
        loaded = load_shard(shard, list(self.plan.fields))
        cache, key = Cache(self.place), f"{number:08d}"
        # To hash the content of all rows takes as long as all else, and ids are only shown of the
        # rows in the sample, where no step draws by them and no key or label is matched.
        quickly = quickly and not (self.plan.id or self.plan.steps or self.keep)
        ids, named = _sampled(loaded.rows, self.seed) if quickly else (None, None)
        prepare(loaded, self.plan, cache, key, ids=ids)
        count, notes = loaded.rows.height + loaded.rejects.height, loaded.notes
        # Millions of cells that were read are not needed beside what was made of them.
        del loaded
        give_back()
        files = {name: cache.path(key, f"{name}.arrow") for name in parts(self.plan)}
        rows = pl.read_ipc(files["rows"])
        ledger = pl.read_ipc(files["ledger"])
        for file in files.values():
            file.unlink(missing_ok=True)
        all_in = rows[DECIDED].null_count() == rows.height
        usable = rows if all_in else rows.filter(pl.col(DECIDED).is_null())
        if ROW_ID not in usable.columns:
            own = hex_ids(usable[ROW]) if named is None else usable[ROW].alias(ROW_ID)
            usable = usable.with_columns(own)
        if self.keep and usable.height:
            columns = [name for name in self.keep if name in usable.columns and name != ROW_ID]
            usable.select(ROW_ID, *columns).write_ipc(self.place / f"{key}{_KEPT}")
        summary = summarise(usable, self.fields, self.kinds, self.seed) if usable.height else None
        if summary is not None and named is not None:
            sample = summary.sample.join(named, on=ROW_ID, how="left", maintain_order="left")
            if sample["_id"].null_count():  # so many rows broke the contract
                return self._counted(number, shard, quickly=False)
            sample = sample.with_columns(pl.col("_id").alias(ROW_ID)).drop("_id")
            summary = replace(summary, sample=sample)
        return _Counted(
            count,
            summary,
            _broken(ledger, self.plan),
            fingerprint(shard),
            notes,
        )


def _sampled(rows: pl.DataFrame, seed: int) -> tuple[pl.Series, pl.DataFrame] | tuple[None, None]:
    """Hashes that tell rows apart, and the ids of twice as many as the sample will hold.

    None for rows of lists, which cannot be hashed so.
    """
    if any(dtype.is_nested() or dtype == pl.Object for dtype in rows.dtypes):
        return None, None
    ids = rows.hash_rows(0).alias(ROW)
    places = pl.DataFrame({ROW_ID: ids, ROW: ids}).with_row_index("_place")
    some = chosen(places, ["_place"], seed, 2 * SAMPLE)
    named = hex_ids(content_hash(rows[some["_place"]])).alias("_id")
    return ids, some.select(ROW_ID, named).unique(ROW_ID)


def _broken(ledger: pl.DataFrame, plan: Plan) -> dict[tuple[str, str, str], int]:
    """How many rows each rule set aside, and how many values it made null."""
    judged = ledger.filter(pl.col("action").is_in(["set aside", "nulled"]))
    counted = judged.group_by("position", "rule", "action").len("n").sort("position", "rule")
    names = {READ: "read", CONTRACT: "contract"}
    return {
        (names.get(position) or plan.step_name(position), rule, action): n
        for position, rule, action, n in counted.iter_rows()
    }
