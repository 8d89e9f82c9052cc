"""The way of the rows: a recipe and its source become a version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from assay import version as versions
from assay.building import card
from assay.building.decide import Table, decide, require_rows
from assay.building.manifest import describe, in_order
from assay.building.plan import Plan, make_plan
from assay.building.prepare import Preparing
from assay.building.write import Export, Task, Writing, merge_exports
from assay.cache import BUILDING, Cache, code_version
from assay.component import bind, find, in_use, using
from assay.engine import Engine, run
from assay.errors import ContractError, RecipeError, SourceError, nearest
from assay.own import own
from assay.recipe import Recipe, digest, load
from assay.rows import ROW, ROW_ID
from assay.sources.shards import Shard, fingerprint, locate, survey
from assay.storage import storage_errors
from assay.version import Version

Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")


def build(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    out: str | Path = "versions",
    workers: int | None = None,
    seed: int | None = None,
    engine: Engine = "processes",
    progress: Progress | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
) -> Version:
    """Make a dataset version from a recipe.

    Args:
        recipe: a recipe file, or the recipe itself.
        out: the folder that holds all versions; the cache of finished work lies in it too.
        workers: how many shards to work on at once; the number of cores when not given.
        seed: replaces the recipe's seed.
        engine: `processes` or `ray`.
        progress: called with a stage's name, the shards done and their number.
        functions: your own functions, or files of them, that the recipe may name.

    Returns:
        The version; `reused` says that it was there already and no work was done twice.

    Raises:
        AssayError: the recipe, the source or the place to write to is not fit for it. Nothing is
            left behind, and former versions stay as they were.

    >>> import tempfile, polars as pl
    >>> frame = pl.DataFrame({"text": ["a", "b", "a"], "n": [1, 2, 1]})
    >>> steps = [{"dedup.exact": {"columns": ["text"]}}]
    >>> recipe = {"name": "tiny", "source": frame, "steps": steps}
    >>> build(recipe, out=tempfile.mkdtemp()).rows["kept"]
    2
    """
    out = Path(out)
    report = progress or (lambda stage, done, total: None)
    with using(own(functions)), storage_errors(out):
        recipe = load(recipe)
        if seed is not None:
            recipe = recipe.model_copy(update={"seed": seed})
        cache = Cache(out / ".cache")
        with cache.in_use() as lock:
            builder = _Builder(recipe, cache, workers, engine, report)
            version = builder.version(out)
            cache.keep_only(lock, recipe.name, builder.used)
    return version


class _Builder:
    """One build: its recipe, where it works, and what it has used of the cache."""

    def __init__(
        self,
        recipe: Recipe,
        cache: Cache,
        workers: int | None,
        engine: Engine,
        progress: Progress,
    ) -> None:
        self.recipe, self.cache = recipe, cache
        self.workers, self.engine, self.progress = workers, engine, progress
        self.used: set[str] = set()

    def version(self, out: Path) -> Version:
        exports = _exports(self.recipe)
        shards = locate(self.recipe.source, self.recipe.read, self.cache.folder / "spool")
        if not shards:
            raise SourceError("The source is empty.", where=_shown(self.recipe.source))
        self.used |= {Path(shard.path).name for shard in shards}
        surveyed = self._surveyed(shards)
        plan = make_plan(self.recipe, surveyed)
        absent = _absent(self.recipe, surveyed)
        prepared = _in_content_order(list(self._over("read", Preparing(plan, self.cache), shards)))
        self.used |= {shard["key"] for shard in prepared}
        _stop_if_asked(prepared)
        made_of = self._made_of(plan, prepared)
        self.used.add(made_of)
        known = self.cache.recall(made_of) or {}
        for version in versions.whole(out, self.recipe.name):
            if version.id == known.get("version"):
                return Version(version.path, reused=True)
        self.progress("decide", 0, 1)
        table, gone = decide(prepared, plan, self.cache)
        require_rows(table, prepared, plan, self.cache)
        self.progress("decide", 1, 1)
        with versions.building(out, self.recipe.name) as folder:
            for part in ("data", "quarantine", "ledger", *(f"exports/{e.label}" for e in exports)):
                (folder / part).mkdir(parents=True)
            writing = Writing(
                plan, self.cache, folder, exports, _twins(table, plan, prepared, self.cache)
            )
            tasks = _tasks(prepared, table, gone)
            written = list(self._over("write", writing, tasks))
            for export in exports:
                merge_exports(folder / "exports" / export.label)
            manifest = describe(self.recipe, plan, prepared, written, folder)
            manifest["notes"] = [*absent, *manifest["notes"]]
            (folder / "README.md").write_text(card.render(manifest), encoding="utf-8")
            version = versions.commit(folder, out, manifest)
        self.cache.note(made_of, {"version": version.id})
        return version

    def _over(
        self, stage: str, function: Callable[[Item], Any], tasks: Sequence[Item]
    ) -> Iterator[Any]:
        self.progress(stage, 0, len(tasks))
        # A worker reads a user's file again: it could not import it by its name.
        mine = tuple(dict.fromkeys(component.file or component.function for component in in_use()))
        stage_here = _Using(function, mine)
        results = run(stage_here, tasks, workers=self.workers, engine=self.engine)
        # Whatever stops the build stops the workers first: one that still writes would put back
        # what is then cleared away.
        with closing(results):
            for done, result in enumerate(results, start=1):
                self.progress(stage, done, len(tasks))
                yield result

    def _surveyed(self, shards: Sequence[Shard]) -> dict[str, frozenset[str]]:
        """The kinds of value in every column of the source.

        With `other_fields: drop` only the recipe's own fields are ever read, and the look at the
        whole source that finds the others is not taken.
        """
        if self.recipe.other_fields == "drop" and self.recipe.fields:
            return dict.fromkeys(self.recipe.fields, frozenset())
        surveys = _in_content_order(list(self._over("survey", _Surveying(self.cache), shards)))
        found: dict[str, frozenset[str]] = {}
        for one in surveys:
            self.used.add(one["key"])
            for name, kinds in one["columns"].items():
                found[name] = found.get(name, frozenset()) | frozenset(kinds)
        if not found:
            raise SourceError("The source has no columns.", where=_shown(self.recipe.source))
        return found

    def _made_of(self, plan: Plan, prepared: Sequence[Mapping[str, Any]]) -> str:
        """What decides a version, known before it is made."""
        return digest(
            [
                "version",
                code_version(*BUILDING),
                [shard["key"] for shard in prepared],
                [
                    [step.name, dict(step.parameters), step.component.version()]
                    for step in plan.steps
                ],
                [use.plain() for use in self.recipe.exports],
                self.recipe.seed,
                self.recipe.target,
            ]
        )


@dataclass(frozen=True)
class _Using:
    """A stage, with the user's functions switched on in whatever process it runs."""

    function: Callable[[Any], Any]
    functions: tuple[Callable[..., Any] | str, ...]

    def __call__(self, task: Any) -> Any:
        with using(own(self.functions)):
            return self.function(task)


class _Surveying:
    """The look at one shard's columns, found in the cache where it was taken before."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache

    def __call__(self, shard: Shard) -> dict[str, Any]:
        content = fingerprint(shard)
        key = digest(["survey", code_version(*BUILDING), content])
        known = self.cache.recall(key)
        if known is None:
            columns = [[name, sorted(kinds)] for name, kinds in survey(shard).items()]
            known = {"columns": columns}
            self.cache.note(key, known)
        place = {"path": shard.path, "start": shard.start, "lines": 0}
        return {"columns": dict(known["columns"]), "key": key, "fingerprint": content, **place}


def _shown(source: Any) -> str:
    if isinstance(source, str | Path):
        return str(source)
    return f"<{type(source).__name__}>"


def _absent(recipe: Recipe, surveyed: Mapping[str, Any]) -> list[str]:
    """Say which of the recipe's fields no row has; refuse it where rows must have them.

    Raises:
        RecipeError: such a field is required, so that every row would be set aside.
    """
    notes = []
    for name, spec in recipe.fields.items():
        if name in surveyed:
            continue
        others = [other for other in surveyed if other not in recipe.fields]
        meant = nearest(name, others)
        if spec.required and spec.on_violation != "null":
            raise RecipeError(
                f"The source has no column {name!r}, which is required.",
                where=f"fields.{name}",
                allowed=surveyed,
                hint=meant,
            )
        said = f"the source has no column {name!r}, so it is empty in every row"
        notes.append(f"{said}; {meant}" if meant else said)
    return notes


def _in_content_order(prepared: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Order files by what they contain, and each file's shards as they stand in it.

    A version is thereby the same for any order and any names of the files.
    """
    files: dict[str, list[dict[str, Any]]] = {}
    for shard in prepared:
        files.setdefault(shard["path"], []).append(shard)
    ordered = []
    for shards in files.values():
        shards.sort(key=lambda shard: shard["start"])
        offset = 0
        for shard in shards:
            shard["offset"] = offset
            offset += shard["lines"]
        ordered.append(shards)
    ordered.sort(key=lambda shards: digest([shard["fingerprint"] for shard in shards]))
    return [shard for shards in ordered for shard in shards]


def _stop_if_asked(prepared: Sequence[Mapping[str, Any]]) -> None:
    for shard in prepared:
        stop = shard["stop"]
        if stop:
            raise ContractError(
                f"The field {stop['field']!r} breaks its contract ({stop['rule']}), and it says "
                "`on_violation: stop`.",
                where=f"{shard['name']}:{shard['offset'] + stop['line']}",
                received=stop["received"],
                allowed=stop["allowed"],
                hint="mend the source, or set `on_violation: set_aside`",
            )


def _exports(recipe: Recipe) -> list[Export]:
    exports = [
        Export(use.name, use.title, bind(find("exports", use.name), use.given))
        for use in recipe.exports
    ]
    labels = [export.label for export in exports]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice:
        raise RecipeError(
            f"The export {twice!r} stands twice.",
            hint=f"tell them apart: `{twice}: {{…}}, as: other`",
        )
    return exports


def _tasks(prepared: Sequence[Mapping[str, Any]], table: Table, gone: Sequence[Any]) -> list[Task]:
    tasks, numbers = [], Counter[str]()
    for number, (shard, (outcome, decisions), left) in enumerate(
        zip(prepared, table.slices(), gone, strict=True)
    ):
        kept = outcome.filter(outcome["_decided"].is_null())["_split"].unique().to_list()
        files = {split: numbers[split] for split in in_order(kept)}
        numbers.update(kept)
        tasks.append(
            Task(
                key=shard["key"],
                source=shard["name"],
                offset=shard["offset"],
                number=number,
                files=files,
                outcome=outcome,
                decisions=decisions,
                gone=left,
            )
        )
    return tasks


def _twins(
    table: Table, plan: Plan, prepared: Sequence[Mapping[str, Any]], cache: Cache
) -> dict[int, str]:
    """The ids of the rows that others were set aside for, where ids are keys and not hashes."""
    if not plan.id or not table.found:
        return {}
    import polars as pl

    wanted = pl.concat([found["twin"] for found in table.found]).drop_nulls().unique()
    twins: dict[int, str] = {}
    for shard, (outcome, _) in zip(prepared, table.slices(), strict=True):
        ids = pl.read_ipc(cache.path(shard["key"], "rows.arrow"), columns=[ROW_ID])
        pairs = ids.with_columns(outcome[ROW]).filter(pl.col(ROW).is_in(wanted.implode()))
        twins.update(zip(pairs[ROW].to_list(), pairs[ROW_ID].to_list(), strict=True))
    return twins
