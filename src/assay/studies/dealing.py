"""Rows dealt to folds: what belongs together stays together, and nothing but ids decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from assay.cache import Cache, code_version
from assay.errors import RecipeError
from assay.marks import Sketches
from assay.recipe import Recipe, digest
from assay.rows import ROW, ROW_ID, text_hash, uniform
from assay.similar.clusters import clusters
from assay.similar.pairs import near_pairs
from assay.similar.shingles import shingled
from assay.steps import _split_times as times
from assay.steps import split as splits
from assay.steps._split_units import units
from assay.studies.sides import SIDE
from assay.version import Version

Kind = Literal["auto", "stratified", "grouped", "temporal", "random"]
FOLDS = "folds.parquet"
PARENT = "parent_id"
POOL = ("train", "validation")
THRESHOLD = 0.7
"""Jaccard similarity from which on two texts are near duplicates, as in `dedup.near`."""
MOST_TEXTS = 200_000
"""Rows up to which near duplicates are looked for here; equal texts are found among any number."""
_HEAD = 1000
_TEXT = 20  # characters on average; shorter ones are codes and names, which rows may share
_MOST = 0.2  # of the rows in one cluster; a larger one would be a fold of its own
_CLUSTER = "_cluster"


@dataclass(frozen=True)
class Dealt:
    """Folds of a version's train and validation rows.

    Attributes:
        kind: how they were dealt.
        keys: of the cache's entry of each repeat: `row_id`, `fold`, `unit`, `parent`, `time`.
        folds: the folds that are judged.
        validation: the share of the rows learned from on which models tune or stop early.
        notes: what the reader of the scores should know.
    """

    kind: str
    keys: tuple[str, ...]
    folds: tuple[int, ...]
    validation: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FoldSides:
    """One fold judged by what is learned from the others, or for times from the earlier ones.

    Attributes:
        key: of the dealt rows.
        fold: the fold that is judged.
        validation: the share of the other rows on which models tune or stop early.
        temporal: whether only earlier folds are learned from.
        gap: how long before the judged fold nothing is learned from.
        seed: draws the validation rows.
    """

    key: str
    fold: int
    validation: float
    temporal: bool
    gap: float
    seed: int

    def plain(self) -> list[Any]:
        """What decides the sides."""
        return ["fold", self.key, self.fold, self.validation, self.gap, self.seed]

    def of(self, version: Version, cache: Cache) -> pl.DataFrame:
        """Judged are the fold's rows that are not synthetic; the rest is learned from."""
        rows = pl.read_parquet(cache.path(self.key, FOLDS)).filter(pl.col("fold").is_not_null())
        judged = pl.col("fold") == self.fold
        learned = pl.col("fold") < self.fold if self.temporal else ~judged
        if self.temporal and self.gap > 0:
            start = pl.col("time").filter(judged).min()
            learned &= pl.col("time") <= start - self.gap
        made = pl.col("parent").is_not_null()
        rows = rows.filter((judged & ~made) | learned)
        stops = self._validation(rows, learned) & ~made
        side = pl.when(judged).then(pl.lit("test")).when(stops).then(pl.lit("validation"))
        return rows.select(ROW_ID, side.otherwise(pl.lit("train")).alias(SIDE))

    def _validation(self, rows: pl.DataFrame, learned: pl.Expr) -> pl.Expr:
        if not self.validation:
            return pl.lit(False)
        if self.temporal:
            cut = rows.filter(learned)["time"].quantile(1 - self.validation)
            return learned & (pl.col("time") > cut)
        draws = uniform(rows["unit"], self.seed, f"studies.inner/{self.fold}")
        return learned & pl.lit(pl.Series(draws < self.validation))


def deal(
    recipe: Recipe,
    version: Version,
    cache: Cache,
    *,
    kind: Kind = "auto",
    folds: int | None = None,
    repeats: int = 1,
) -> Dealt:
    """Deal the train and validation rows of a version to folds; test rows take no part.

    The version's own column `fold` is taken where it has one, unless another number or kind of
    folds, or repeats, are asked for. Otherwise rows of one group of the recipe's split step, and
    rows whose texts are nearly the same, go to one fold together; a synthetic row goes where its
    parent is, and is learned from only.

    Args:
        recipe: names target, inputs and seed.
        version: the rows.
        cache: keeps the dealt rows.
        kind: `stratified` by class or by the number's quantiles, `grouped` the same with whole
            groups, `temporal` in the order of time, `random`; `auto` follows the split step.
        folds: how many; the version's own number, or 5, if not given.
        repeats: how often rows are dealt anew.

    Raises:
        RecipeError: too few folds, rows or repeats, or a kind that the recipe has no column for.
    """
    wanted = _Wanted.of(recipe, version, kind)
    own = _own_folds(version)
    taken = own is not None and repeats == 1 and folds in (None, own) and kind == "auto"
    count = own if taken and own is not None else folds or own or 5
    _check(count, repeats, wanted)
    keys = [
        digest(["study folds", version.manifest["hash"], wanted.plain(), taken, count, recipe.seed,
                repeat, code_version("studies", "steps", "similar")])
        for repeat in range(repeats)
    ]  # fmt: skip
    recalled = [cache.recall(key) for key in keys]
    known = [one for one in recalled if one is not None]
    if len(known) < len(keys):
        known = _dealt(wanted, version, cache, keys, count if not taken else None)
    notes = [note for one in known for note in one["notes"]]
    judged = sorted({fold for one in known for fold in one["folds"]})
    return Dealt(
        "the version's own folds" if taken else wanted.kind,
        tuple(keys),
        tuple(judged[1:] if wanted.kind == "temporal" else judged),
        _share(version),
        tuple(dict.fromkeys([*_learned(version), *notes])),
    )


def sides_of(dealt: Dealt, recipe: Recipe, version: Version) -> list[tuple[int, int, FoldSides]]:
    """Repeat, fold and sides of everything that is to be fitted."""
    temporal = _step_of(version, "split.temporal")
    by_time = dealt.kind == "temporal" or (dealt.kind.startswith("the") and temporal is not None)
    gap = _gap(temporal, version) if by_time else 0.0
    return [
        (repeat, fold, FoldSides(key, fold, dealt.validation, by_time, gap, recipe.seed + repeat))
        for repeat, key in enumerate(dealt.keys)
        for fold in dealt.folds
    ]


@dataclass(frozen=True)
class _Wanted:
    """What is read of each row, and how rows are dealt."""

    kind: str
    target: str
    number: bool
    texts: tuple[str, ...]
    groups: tuple[str, ...]
    time: str | None
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, version: Version, kind: Kind) -> _Wanted:
        fields = version.manifest["fields"]
        target = str(recipe.target)
        inputs = [n for n in recipe.inputs or fields if n in fields and n not in recipe.id]
        texts = [n for n in inputs if fields[n]["type"] == "string" and n != target]
        split: dict[str, Any] = next(
            (s for s in version.manifest["steps"] if s["step"].startswith("split.")), {}
        )
        parameters = split.get("parameters", {})
        groups = [name for name in parameters.get("groups") or () if name in fields]
        when = _time(version, fields)
        if kind == "auto":
            temporal = split.get("step") == "split.temporal"
            kind = "temporal" if temporal else "grouped" if groups else "stratified"
        if kind == "grouped" and not groups:
            raise RecipeError(
                "These folds have no groups to keep whole.",
                hint="name them in the recipe's split step: `split.grouped: {groups: [buyer]}`",
            )
        if kind == "temporal" and when is None:
            raise RecipeError(
                "These folds have no time to follow.",
                allowed=[name for name, one in fields.items() if one["type"] == "datetime"],
                hint="name it in the recipe's split step: `split.temporal: {by: day}`",
            )
        number = recipe.task != "class" and fields[target]["type"] in ("integer", "number")
        return cls(kind, target, number, tuple(texts), tuple(groups), when, recipe.seed)

    def plain(self) -> list[Any]:
        return [self.kind, self.target, self.number, self.texts, self.groups, self.time]


def _dealt(
    wanted: _Wanted, version: Version, cache: Cache, keys: Sequence[str], folds: int | None
) -> list[dict[str, Any]]:
    """Deal all repeats, and keep them."""
    rows = _pool(wanted, version)
    notes: list[str] = []
    made = rows[PARENT].is_not_null()
    real = rows.filter(~made)
    if real.height < (folds or 2):
        raise RecipeError(
            f"There are {real.height:,} rows for {folds or 2} folds.", received=version.splits
        )
    cluster, told = _clusters(wanted, real)
    notes += told
    real = real.with_columns(cluster.alias(_CLUSTER))
    unit = units(real, list(wanted.groups))
    real = real.with_columns(pl.Series("unit", unit, dtype=pl.UInt64))
    found = []
    for repeat, key in enumerate(keys):
        fold = real["fold"] if folds is None else _folds(wanted, real, folds, repeat)
        dealt = real.with_columns(fold.cast(pl.Int32).alias("fold"))
        notes += _told(dealt, rows.height - real.height)
        synthetic = rows.filter(made).drop("fold").join(
            dealt.select(pl.col(ROW_ID).alias(PARENT), "fold", "unit"), on=PARENT, how="left"
        )  # fmt: skip
        columns = [ROW_ID, "fold", "unit", pl.col(PARENT).alias("parent"), "time"]
        both = pl.concat([dealt.select(columns), synthetic.select(columns)])
        with cache.writing(key, FOLDS) as path:
            both.write_parquet(path)
        judged = sorted(dealt["fold"].drop_nulls().unique().to_list())
        if len(judged) < 2:
            raise RecipeError(
                "The rows belong together so that they are all in one fold.",
                received=f"groups {list(wanted.groups)}, {real['unit'].n_unique():,} of them",
                hint="group by a column of more values",
            )
        summary = {"folds": judged, "notes": list(dict.fromkeys(notes))}
        cache.note(key, summary, [FOLDS])
        found.append(summary)
    return found


def _pool(wanted: _Wanted, version: Version) -> pl.DataFrame:
    """The train and validation rows that have a target, with what decides their folds."""
    lazy = pl.concat([version.scan(side) for side in POOL if version.splits.get(side)])
    known = lazy.collect_schema()
    names = dict.fromkeys([wanted.target, *wanted.texts, *wanted.groups])
    rows = lazy.select(
        ROW_ID,
        *names,
        pl.col("fold") if "fold" in known else pl.lit(None, dtype=pl.Int32).alias("fold"),
        pl.col(PARENT) if PARENT in known else pl.lit(None, dtype=pl.String).alias(PARENT),
    ).filter(pl.col(wanted.target).is_not_null())
    frame = rows.collect()
    when = pl.lit(None, dtype=pl.Float64).alias("time")
    if wanted.time is not None:
        column = lazy.select(ROW_ID, wanted.time).collect()
        moments = pl.Series("time", times.times(column, wanted.time)).cast(pl.Float64)
        frame = frame.join(column.select(ROW_ID, moments), on=ROW_ID, how="left")
    else:
        frame = frame.with_columns(when)
    return frame.with_columns(text_hash(frame[ROW_ID]).alias(ROW))


def _clusters(wanted: _Wanted, rows: pl.DataFrame) -> tuple[pl.Series, list[str]]:
    """The lowest row of each cluster of near-duplicate texts; else of equal texts; else the row."""
    ids = rows[ROW]
    means = rows.select(ROW, pl.col(list(wanted.texts)).str.len_chars()).mean().row(0, named=True)
    texts = [name for name in wanted.texts if (means[name] or 0) >= _TEXT]
    if not texts:
        return ids, []
    heads = rows.select(ROW, *(pl.col(name).str.head(_HEAD) for name in texts))
    if rows.height <= MOST_TEXTS:
        noted = Sketches.of(heads, shingled, {"columns": texts})
        pairs = near_pairs(noted, threshold=THRESHOLD)
        found = _lowest(ids, pairs)
        if _largest(found) <= _MOST:
            return found, []
        why = "nearly all texts are alike"
    else:
        why = f"there are more than {MOST_TEXTS:,} rows"
    equal = rows.select(pl.struct(texts).rank("dense")).to_series()
    named = pl.DataFrame({"id": ids, "text": equal})
    alone = named.select(pl.col("id").min().over("text")).to_series()
    if _largest(alone) <= _MOST:
        note = f"Only equal texts, not near duplicates, are kept in one fold: {why}."
        return alone, [note]
    return ids, ["Rows with equal texts may be in different folds: very many are equal."]


def _lowest(ids: pl.Series, pairs: pl.DataFrame) -> pl.Series:
    number = pl.Series("number", clusters(pairs, len(ids)))
    return pl.DataFrame({"id": ids, "n": number}).select(pl.col("id").min().over("n")).to_series()


def _largest(cluster: pl.Series) -> float:
    """The share of rows in the largest cluster, of those that have more than a few."""
    most = int(cluster.value_counts()["count"].max() or 0)  # type: ignore[arg-type]
    return most / len(cluster) if most > 5 else 0.0


def _folds(wanted: _Wanted, rows: pl.DataFrame, folds: int, repeat: int) -> pl.Series:
    """Deal by the split steps themselves, so that folds mean the same in both places."""
    sides: dict[str, Any] = {"train": 1.0, "validation": 0.0, "test": 0.0}
    sides |= {"groups": list(wanted.groups), "folds": folds}
    if wanted.kind == "temporal":
        return splits.temporal(rows, by="time", **sides)["fold"]
    seed = wanted.seed + repeat
    if wanted.kind == "random":
        even = rows.with_columns(pl.lit(0).alias("_even"))
        return splits.stratified(even, by=["_even"], **sides, seed=seed)["fold"]
    by = rows[wanted.target]
    if wanted.number:
        by = by.cast(pl.Float64)
    named = rows.with_columns(by.alias("_by"))
    return splits.stratified(named, by=["_by"], **sides, seed=seed)["fold"]


def _told(dealt: pl.DataFrame, synthetic: int) -> list[str]:
    notes = []
    nowhere = dealt["fold"].null_count()
    if nowhere:
        notes.append(f"{nowhere:,} rows belong to rows of two folds, or have no time: left out.")
    if synthetic:
        notes.append(f"{synthetic:,} synthetic rows are learned from and never judged.")
    return notes


def _learned(version: Version) -> list[str]:
    steps = [one["step"] for one in version.manifest["steps"] if one.get("learned")]
    if not steps:
        return []
    return [
        f"{', '.join(dict.fromkeys(steps))} learned from all train rows before there were folds, "
        "so that scores may come out a little too good."
    ]


def _share(version: Version) -> float:
    """How many of the rows learned from a version sets aside to tune and stop on."""
    train, validation = (version.splits.get(side, 0) for side in POOL)
    return round(validation / (train + validation), 4) if train + validation else 0.0


def _own_folds(version: Version) -> int | None:
    found = "fold" in version.manifest.get("extras", {}) and version.manifest.get("folds")
    return int(found) if found else None


def _step_of(version: Version, name: str) -> Mapping[str, Any] | None:
    return next((one for one in version.manifest["steps"] if one["step"] == name), None)


def _time(version: Version, fields: Mapping[str, Any]) -> str | None:
    step = _step_of(version, "split.temporal")
    if step is not None and step["parameters"].get("by") in fields:
        return str(step["parameters"]["by"])
    dates = [name for name, one in fields.items() if one["type"] == "datetime"]
    return dates[0] if len(dates) == 1 else None


def _gap(step: Mapping[str, Any] | None, version: Version) -> float:
    if step is None or not step["parameters"].get("gap"):
        return 0.0
    by = step["parameters"]["by"]
    return float(times.width(step["parameters"]["gap"], version.scan().collect_schema()[by]))


def _check(folds: int, repeats: int, wanted: _Wanted) -> None:
    if folds < 2 or repeats < 1:
        raise RecipeError(
            "There are two folds or more, and one repeat or more.",
            received={"folds": folds, "repeats": repeats},
        )
    if wanted.kind == "temporal" and repeats > 1:
        raise RecipeError(
            "Folds in the order of time are always the same.",
            received={"repeats": repeats},
            hint="leave `repeats` out, or ask for another kind of folds",
        )
