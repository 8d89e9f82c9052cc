"""Serve a saved model: new records, made ready exactly as the build did, and predicted."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from assay.building.again import again, settled
from assay.building.plan import Plan, make_plan
from assay.building.prepare import DECIDED, INDEX, LINE, prepare
from assay.cache import Cache
from assay.component import using
from assay.errors import ModelError, RecipeError, SourceError, VersionError, nearest
from assay.evaluation.evaluation import Evaluation
from assay.models import _saving
from assay.own import own
from assay.recipe import Read, Recipe, load
from assay.remote import placed
from assay.rows import ROW, ROW_ID, as_pandas, hex_ids
from assay.sources.shards import load as load_shard
from assay.sources.shards import locate, survey
from assay.storage import storage_errors
from assay.version import Version, open_version

if TYPE_CHECKING:
    import pandas as pd

LINE_OUT, PREDICTION, PROBLEM = "line", "prediction", "problem"
_WRITERS: Mapping[str, Callable[[pl.DataFrame, Path], Any]] = {
    ".parquet": pl.DataFrame.write_parquet,
    ".csv": pl.DataFrame.write_csv,
    ".jsonl": pl.DataFrame.write_ndjson,
}


@dataclass(frozen=True)
class Predictions:
    """What a saved model says of new rows.

    Attributes:
        table: a row each, as the source has them: `row_id`, `line` of its file, `prediction`,
            `proba_<class>` for classes, and `problem`, why there is no prediction.
        model: the model's title.
        version: the version it was fitted on.
        problems: why rows have no prediction, and how many.
        notes: what else is to be known.
        path: the file that was written.
    """

    table: pl.DataFrame
    model: str
    version: str
    problems: Mapping[str, int]
    notes: tuple[str, ...] = ()
    path: Path | None = None

    def to_polars(self) -> pl.DataFrame:
        """The table as a Polars frame."""
        return self.table

    def to_pandas(self) -> pd.DataFrame:
        """The table as a pandas frame."""
        return as_pandas(self.table)

    def to_dict(self) -> dict[str, Any]:
        """As the command line's JSON gives it: the counts, and where the table lies."""
        return {
            "model": self.model,
            "version": self.version,
            "rows": self.table.height,
            "predicted": self.table.height - sum(self.problems.values()),
            "problems": dict(self.problems),
            "notes": list(self.notes),
            "path": str(self.path) if self.path else None,
        }

    def __repr__(self) -> str:
        done = self.table.height - sum(self.problems.values())
        lines = [f"{done:,} of {self.table.height:,} rows predicted by {self.model} "
                 f"({self.version})"]  # fmt: skip
        lines += [f"{count:>12,} without a prediction: {why}"
                  for why, count in self.problems.items()]  # fmt: skip
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, f"predictions  {self.path}"] if self.path else lines)

    def _repr_html_(self) -> str:
        from html import escape

        shown = self.table.head(10)._repr_html_()
        return f"<pre>{escape(repr(self))}</pre>{shown}"


@placed
def predict(
    run: Any,
    source: Any,
    *,
    model: str = "best",
    to: str | Path | None = None,
    out: str | Path = "versions",
    id: str | Sequence[str] | None = None,
    read: Mapping[str, Any] | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
) -> Predictions:
    """Predict new records with a model that a run has saved.

    The records go through the recipe's contract and its row-wise steps, as the build's did. Steps
    that look at the whole table, such as those that find duplicates or draw samples, are left
    out. A row that breaks the contract, or that a step would have set aside, gets no prediction
    but the reason. The target need not be there.

    Args:
        run: a run's folder, the folder of one of its saved models, or a version, of which the
            newest run is taken: its name, its folder, or what `run` or `build` returned.
        source: a file, glob, folder or list of them, or a frame.
        model: the title of a model in the recipe, or `best`.
        to: the file to write: `.parquet`, `.csv` or `.jsonl`.
        out: the folder that holds all versions.
        id: the columns that make the rows' ids; the recipe's by default, where they are there.
            Without any a row's id is its content's hash.
        read: how to read the source, as under `read` in a recipe.
        functions: your own functions, or files of them, that the recipe names.

    Raises:
        ModelError: there is no such model, it was not saved, it was fitted on another version, or
            it learned from a field that a step made of all rows.
        RecipeError: a column of `id` is not there, or the file to write has another ending.
        SourceError: the source cannot be read, or lacks a column that the model needs.
        VersionError: there is no such run or version.
    """
    target = Path(to) if to is not None else None
    if target is not None and target.suffix not in _WRITERS:
        raise RecipeError(
            "The predictions' file says by its ending how it is written.",
            received=target.name,
            allowed=sorted(_WRITERS),
        )
    saved = _saved(run, model, Path(out))
    with using(own(functions)), tempfile.TemporaryDirectory(prefix="assay-predict-") as spool:
        made = _predicted(saved, source, id, Read(**(read or {})), Path(spool))
    if target is None:
        return made
    with storage_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.part")
        try:
            _WRITERS[target.suffix](made.table, unfinished)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    return Predictions(made.table, made.model, made.version, made.problems, made.notes, target)


@dataclass(frozen=True)
class _Saved:
    """A saved model, read; what it says of itself; the version that it was fitted on."""

    fitted: Any
    about: Mapping[str, Any]
    version: Version


def _saved(run: Any, model: str, out: Path) -> _Saved:
    if not isinstance(run, str | Path):
        run = getattr(run, "version", run)
        run = run.path if isinstance(run, Version) else run
    path = Path(run)
    if (path / _saving.MODEL).is_file():
        return _read(path, path.parent.parent)
    folder = path if (path / "evaluation.json").is_file() else _newest(path, out)
    evaluation = Evaluation.from_file(folder / "evaluation.json")
    title = evaluation.best if model == "best" else model
    infos = {info.model: info for info in evaluation.models}
    if title not in infos:
        raise ModelError(
            f"The run has no model {title!r}.",
            where=str(folder),
            allowed=["best", *infos],
            hint=nearest(str(title), infos),
        )
    where = infos[title].saved
    if where is None or not (folder / where / _saving.MODEL).is_file():
        kept = [name for name, info in infos.items() if (info.saved or "").startswith("models/")]
        raise ModelError(
            f"The model {title!r} was not saved.",
            where=str(folder),
            received=where or infos[title].error,
            allowed=kept or "a run that saved its models",
            hint="install `assay[models]` and run again, or choose another with `model`",
        )
    return _read(folder / where, folder)


def _newest(path: Path, out: Path) -> Path:
    version = open_version(path, out)
    if not version.runs:
        raise VersionError(
            "No models have been fitted on this version.",
            where=str(version.path),
            hint="`assay run` fits the models of a recipe",
        )
    return version.runs[-1]


def _read(folder: Path, run: Path) -> _Saved:
    about = _saving.about(folder)
    path = run.parent.parent / str(about["version"])
    if not path.is_dir():
        raise VersionError(
            "The version that this model was fitted on is not there.",
            where=str(path),
            hint="a saved model stays beside its version; copy both",
        )
    version = Version(path)
    return _Saved(_saving.load(folder, hash=version.manifest["hash"]), about, version)


def _predicted(
    saved: _Saved, source: Any, id: str | Sequence[str] | None, read: Read, spool: Path
) -> Predictions:
    shards = locate(source, read, spool / "spool")
    kinds: dict[str, frozenset[str]] = {}
    for shard in shards:
        for name, seen in survey(shard).items():
            kinds[name] = kinds.get(name, frozenset()) | seen
    recipe, notes = _narrowed(saved, list(kinds), [id] if isinstance(id, str) else id)
    plan = make_plan(recipe, dict.fromkeys(recipe.fields, frozenset()))
    missing = [name for name in saved.about["inputs"] if name not in plan.prepared]
    if missing:
        raise ModelError(
            f"The model learned from {missing[0]!r}, which a step made of all rows.",
            hint="only steps that look at one row at a time can be done again for new rows",
        )
    cache = Cache(spool / "prepared")
    tables: list[pl.DataFrame] = []
    nulled: Counter[str] = Counter()
    # A shard is some 30 MB of text, so there are few.
    for number, shard in enumerate(shards):
        loaded = load_shard(shard, list(plan.fields))
        prepare(loaded, plan, cache, key := f"{number:08d}")
        tables.append(_table(saved, plan, cache, key, nulled))
        notes.extend(loaded.notes)
    table = pl.concat(tables, how="diagonal_relaxed")
    first = [name for name in (ROW_ID, LINE_OUT, PREDICTION) if name in table.columns]
    table = table.select(*first, pl.exclude(*first, PROBLEM), PROBLEM)
    counted = table[PROBLEM].drop_nulls().value_counts(sort=True, name="rows")
    notes += [f"{count:,} values became null, {why}" for why, count in nulled.most_common()]
    problems = dict(counted.select(PROBLEM, "rows").iter_rows())
    return Predictions(
        table, saved.about["model"], saved.version.title, problems, tuple(dict.fromkeys(notes))
    )


def _table(saved: _Saved, plan: Plan, cache: Cache, key: str, nulled: Counter[str]) -> pl.DataFrame:
    """One shard's rows in their order, predicted or with the reason why not."""
    parts = {name: pl.read_ipc(cache.path(key, f"{name}.arrow"))
             for name in ("rows", "gone", "ledger")}  # fmt: skip
    rows = pl.concat([parts["rows"], parts["gone"]], how="diagonal_relaxed").sort(INDEX)
    if ROW_ID not in rows.columns:
        rows = rows.with_columns(hex_ids(rows[ROW]))
    ledger = parts["ledger"]
    steps = {position: plan.step_name(position) for position in ledger["position"].unique()}
    why = pl.concat_str(
        pl.col("position").replace_strict(steps, return_dtype=pl.String), "rule", separator=": "
    )
    for reason in ledger.filter(pl.col("action") == "nulled").select(why).to_series():
        nulled[reason] += 1
    out = (
        ledger.filter(pl.col("action") == "set aside")
        .sort("position", maintain_order=True)
        .unique(INDEX, keep="first", maintain_order=True)
        .select(INDEX, why.alias(PROBLEM))
    )
    usable = rows.filter(pl.col(DECIDED).is_null())
    found: pl.DataFrame = saved.fitted.predict(usable.select(ROW_ID, *saved.about["inputs"]))
    predicted = usable.select(INDEX).hstack(found)
    return (
        rows.select(INDEX, ROW_ID, pl.col(LINE).alias(LINE_OUT))
        .join(predicted, on=INDEX, how="left", maintain_order="left")
        .join(out, on=INDEX, how="left", maintain_order="left")
        .drop(INDEX)
    )


def _narrowed(
    saved: _Saved, columns: Sequence[str], id: Sequence[str] | None
) -> tuple[Recipe, list[str]]:
    """The part of the version's recipe that can be done to one row at a time.

    Raises:
        ModelError: a step that learned from all rows has changed what the model sees.
        RecipeError: a column of `id` is not there.
        SourceError: a column that the model needs is not there.
    """
    manifest, inputs = saved.version.manifest, saved.about["inputs"]
    found = again(manifest, columns, id=id, without=manifest["recipe"].get("target"))
    touched = next((name for name in inputs if name in found.learned), None)
    if touched is not None:
        raise ModelError(
            f"The step {found.learned[touched]} learned from the training rows and changed "
            f"{touched!r}.",
            hint="only steps that look at one row at a time can be done again for new rows",
        )
    fields = settled(load({**manifest["recipe"], "source": "-"}), manifest)
    absent = [name for name in inputs if name in fields and name not in columns]
    if absent:
        raise SourceError(
            f"The source has no column {absent[0]!r}, which the model needs.",
            allowed=columns,
            hint=nearest(absent[0], columns),
        )
    return found.recipe, list(found.notes)
