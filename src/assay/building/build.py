"""The way of the rows: a recipe and its source become a version."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from assay import version as versions
from assay.building import card
from assay.building.before import former, former_files, standing, told, way
from assay.building.certificate import import_learners
from assay.building.decide import decide, require_rows
from assay.building.joining import finished, join
from assay.building.learn import learn
from assay.building.manifest import certificate, describe
from assay.building.others import other_plan, other_shards, sketches_of
from assay.building.plan import Plan, contents, make_plan
from assay.building.prepare import Preparing, nothing
from assay.building.surveying import Surveying, absent_fields, in_content_order
from assay.building.tasks import extras, tasks
from assay.building.write import Export, Writing
from assay.cache import BUILDING, Cache, Listing, code_version
from assay.component import Sketches, bind, find, in_use, using
from assay.engine import Engine, ahead, aside, default_workers, ready, run
from assay.errors import ContractError, RecipeError, SourceError
from assay.own import own
from assay.places import called
from assay.recipe import Recipe, digest, load
from assay.records.recording import recorded
from assay.remote import placed
from assay.sources.shards import Shard, fingerprint, locate
from assay.storage import storage_errors
from assay.version import Version

Progress = Callable[[str, int, int], None]
Item = TypeVar("Item")


@placed
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
    with using(own(functions)):
        recipe = load(recipe)
        if seed is not None:
            recipe = recipe.model_copy(update={"seed": seed})
        cache = Cache(out / ".cache")
        with (
            recorded("build", out, recipe) as record,
            storage_errors(out),
            cache.in_use() as lock,
        ):
            builder = _Builder(recipe, cache, workers, engine, report)
            record.version = version = builder.version(out)
            cache.keep_only(lock, recipe.name, builder.used)
    return version


@contextmanager
def preparing(
    recipe: Recipe | Mapping[str, Any] | str | Path,
    out: Path,
    workers: int | None,
    progress: Progress | None,
    functions: Iterable[Callable[..., Any] | str | Path],
) -> Iterator[tuple[Plan, list[dict[str, Any]], Cache]]:
    """The first pass alone: the plan, the shards' summaries, and the cache that holds them."""
    with using(own(functions)), storage_errors(out):
        cache = Cache(out / ".cache")
        with cache.in_use():
            report = progress or (lambda stage, done, total: None)
            builder = _Builder(load(recipe), cache, workers, "processes", report)
            plan, prepared, _ = builder.prepare()
            yield plan, prepared, cache


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
        self.known = cache.used_by(recipe.name)
        self.contents: dict[Shard, str] = {}

    def prepare(self) -> tuple[Plan, list[dict[str, Any]], list[str]]:
        """The first pass: the plan, the shards' summaries in order, and what is to be noted."""
        shards = locate(self.recipe.source, self.recipe.read, self.cache.folder / "spool")
        if not shards:
            raise SourceError("The source is empty.", where=called(self.recipe.source))
        self.used |= _copies(shards)
        surveyed = self._surveyed(shards)
        plan = make_plan(self.recipe, surveyed)
        absent = absent_fields(self.recipe, surveyed)
        preparing = Preparing(plan, self.cache)
        prepared = in_content_order(self._of_shards("read", preparing, shards))
        self.used |= {shard["key"] for shard in prepared}
        _stop_if_asked(prepared)
        return plan, prepared, absent

    def version(self, out: Path) -> Version:
        _exports(self.recipe)  # a mistake in them is told before anything is read
        plan, prepared, absent = self.prepare()
        others, other_keys = self._others(plan)
        made_of = self._made_of(plan, prepared, other_keys)
        self.used.add(made_of)
        known = self.cache.recall(made_of) or {}
        for version in versions.whole(out, self.recipe.name):
            if version.id == known.get("version"):
                # What the next build may find again, when there is more to read.
                self.used |= set(known.get("used", ()))
                return Version(version.path, reused=True)
        self.progress("decide", 0, 1)
        certified = self.recipe.certificate != "off" and any(step.splits for step in plan.steps)
        # A build of one shard runs in this process, and so does its certificate.
        workers = min(self.workers or default_workers(), len(prepared)) if certified else 1
        texts = any(spec.type == "string" for spec in plan.fields.values())
        with aside(partial(import_learners, texts), workers=workers) as other:
            version, made = self._made(out, (plan, prepared, absent), others, certified, other)
        self.used |= made
        self.cache.note(made_of, {"version": version.id, "used": sorted(made)})
        return version

    def _made(
        self,
        out: Path,
        read: tuple[Plan, list[dict[str, Any]], list[str]],
        others: dict[int, dict[str, Sketches]],
        certified: bool,
        other: Executor | None,
    ) -> tuple[Version, set[str]]:
        """Decide and write: the version, and the entries of the cache that it was made from."""
        plan, prepared, absent = read
        exports = _exports(self.recipe)
        before = former(out, self.recipe.name, plan)
        last = told(out, self.recipe.name, plan)
        table, gone = decide(
            prepared,
            plan,
            self.cache,
            others=others,
            before=before,
            told=last,
            standing=standing(out, self.recipe.name, plan, last),
        )
        late = learn(table, prepared, plan, self.cache)
        require_rows(table, prepared, plan, self.cache)
        self.progress("decide", 1, 1)
        more = extras(table, late)
        with versions.building(out, self.recipe.name) as folder, ThreadPoolExecutor(1) as beside:
            for part in ("data", "quarantine", "ledger", *(f"exports/{e.label}" for e in exports)):
                (folder / part).mkdir(parents=True)
            writing = Writing(
                plan,
                self.cache,
                folder,
                exports,
                late.fields,
                list(more),
                former_files(out, self.recipe.name),
            )
            todo = tasks(prepared, (table, gone, late), plan, self.cache)
            written = list(self._over("write", writing, todo))
            made = {key for shard in written for key in shard["keys"]}
            # What follows reads the files again, and has no need of what they were made from.
            del todo, gone, writing
            joining = beside.submit(join, exports, written, folder / "exports")
            manifest = describe(self.recipe, plan, prepared, written, folder, (table, late))
            manifest |= {"parent": before.version if before else None, "extras": more}
            manifest |= {"code": code_version(*BUILDING), "way": way(plan)}
            if certified and len(manifest["splits"]) > 1:
                self.progress("certify", 0, 1)
                cache = Listing(self.cache.folder)
                manifest["certificate"] = certificate(
                    self.recipe,
                    plan,
                    (table, late),
                    manifest,
                    folder,
                    cache=cache,
                    aside=other,
                )
                made |= cache.used
                self.progress("certify", 1, 1)
            manifest["notes"] = [*absent, *manifest["notes"]]
            text = card.render(manifest)
            (folder / "README.md").write_text(text, encoding="utf-8")
            joining.result()
            manifest["exports"] = finished(exports, written, folder / "exports", text)
            return versions.commit(folder, out, manifest), made

    def _of_shards(
        self, stage: str, function: Preparing | Surveying, shards: Sequence[Shard]
    ) -> list[dict[str, Any]]:
        """What a stage says of each shard; only those that the last build had not go to workers."""
        found: dict[int, dict[str, Any]] = {}
        rest: list[int] = []
        # What is new comes last more often than not, and then the workers start meanwhile. On Ray
        # the machines that hold the data look for themselves.
        looked = self.known and self.engine != "ray"
        places = list(reversed(range(len(shards))))
        known = ahead(lambda at: self._recalled(function, shards[at]) if looked else None, places)
        for at, said in zip(places, known, strict=True):
            if said is not None:
                found[at] = said
                continue
            if looked and not rest and len(shards) > 1:
                ready(nothing, workers=self.workers, engine=self.engine)
            rest.insert(0, at)
        made = self._over(stage, function, [shards[at] for at in rest], len(found))
        found |= dict(zip(rest, made, strict=True))
        return [found[at] for at in range(len(shards))]

    def _recalled(self, function: Preparing | Surveying, shard: Shard) -> dict[str, Any] | None:
        """What a stage said of a shard in the last build."""
        content = self.contents.get(shard) or fingerprint(shard)
        self.contents[shard] = content
        key = function.key(content)
        said = self.cache.recall(key) if key in self.known else None
        return None if said is None else function.told(shard, content, said)

    def _over(
        self, stage: str, function: Callable[[Item], Any], tasks: Sequence[Item], known: int = 0
    ) -> Iterator[Any]:
        """A function's results for some tasks, beside those that are known already."""
        self.progress(stage, known, known + len(tasks))
        # A worker reads a user's file again: it could not import it by its name.
        mine = tuple(dict.fromkeys(component.file or component.function for component in in_use()))
        stage_here = _Using(function, mine)
        results = run(stage_here, tasks, workers=self.workers, engine=self.engine)
        # Whatever stops the build stops the workers first: one that still writes would put back
        # what is then cleared away.
        with closing(results):
            for done, result in enumerate(results, start=known + 1):
                self.progress(stage, done, known + len(tasks))
                yield result

    def _surveyed(self, shards: Sequence[Shard]) -> dict[str, frozenset[str]]:
        """The kinds of value in every column of the source.

        With `other_fields: drop` only the recipe's own fields are ever read, and the look at the
        whole source that finds the others is not taken.
        """
        if self.recipe.other_fields == "drop" and self.recipe.fields:
            return dict.fromkeys(self.recipe.fields, frozenset())
        found = self._columns(shards)
        if not found:
            raise SourceError("The source has no columns.", where=called(self.recipe.source))
        return found

    def _columns(self, shards: Sequence[Shard]) -> dict[str, frozenset[str]]:
        surveys = in_content_order(self._of_shards("survey", Surveying(self.cache), shards))
        found: dict[str, frozenset[str]] = {}
        for one in surveys:
            self.used.add(one["key"])
            for name, kinds in one["columns"].items():
                found[name] = found.get(name, frozenset()) | frozenset(kinds)
        return found

    def _others(self, plan: Plan) -> tuple[dict[int, dict[str, Sketches]], list[str]]:
        """The rows of other sources that steps hold ours against, and what they were made of."""
        found: dict[int, dict[str, Sketches]] = {}
        keys: list[str] = []
        for step in plan.table_steps:
            for name in step.sources:
                source = step.parameters[name]
                shards = other_shards(source, self.cache.folder / "spool")
                self.used |= _copies(shards)
                alone = other_plan(plan, step, self._columns(shards), called(source))
                read = self._of_shards("read", Preparing(alone, self.cache), shards)
                read = in_content_order(read)
                keys += [shard["key"] for shard in read]
                found.setdefault(step.position, {})[name] = sketches_of(read, step, self.cache)
        self.used |= set(keys)
        return found, keys

    def _made_of(
        self, plan: Plan, prepared: Sequence[Mapping[str, Any]], others: Sequence[str]
    ) -> str:
        """What decides a version, known before it is made."""
        return digest(
            [
                "version",
                code_version(*BUILDING),
                [shard["key"] for shard in prepared],
                others,
                [
                    [step.name, step.decisive, step.component.version(), contents(step.parameters)]
                    for step in plan.steps
                ],
                [[use.plain(), contents(use.given)] for use in self.recipe.exports],
                self.recipe.seed,
                self.recipe.target,
                self.recipe.inputs,
                self.recipe.certificate,
                self.recipe.newest,
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


def _copies(shards: Iterable[Shard]) -> set[str]:
    """The files that stand in the cache for a source: what is read, and what that was made from."""
    return {name for shard in shards for name in (Path(shard.path).name, *shard.kept)}


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
