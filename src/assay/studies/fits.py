"""Models fitted on sides of a version: cached, in parallel, resumable."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from assay.building.build import build
from assay.cache import Cache, code_version
from assay.component import Component, bind, catalogue, find, in_use, using
from assay.engine import run
from assay.errors import AssayError, ModelError, RecipeError
from assay.evaluation.fits import Held
from assay.evaluation.fitting import hold_out
from assay.models._commands import allowing_commands, commands_allowed
from assay.models.training import Fitted
from assay.own import own
from assay.recipe import Recipe, Use, digest, load
from assay.records.recording import Recording, recorded
from assay.rows import ROW_ID
from assay.sharing import hash_file
from assay.storage import storage_errors
from assay.studies.sides import Redealt, Sides
from assay.version import Version

Progress = Callable[[str, int, int], None]
Functions = Iterable[Callable[..., Any] | str | Path]
Asked = Recipe | Mapping[str, Any] | Version | str | Path
Models = Sequence[Any] | str | None
TRUTH = "truth"
PREDICTIONS = "predictions.parquet"
LEARNED = "learned.parquet"
OUTSIDE = ("command", "file", "people")
"""Models that learn nothing here."""


@dataclass(frozen=True)
class Fit:
    """One model to be fitted on some sides.

    Attributes:
        key: of its entry in the cache.
        use: the model.
        sides: which rows it learns from and is judged on.
        learned: whether it predicts the rows it learned from, too.
    """

    key: str
    use: Use
    sides: Sides
    learned: bool = False


@dataclass(frozen=True)
class Done:
    """What came of a fit.

    Attributes:
        fit: what was asked.
        seconds: it took.
        error: why there are no predictions; None where there are.
        train: rows learned from.
        test: rows predicted.
        predictions: `row_id`, `truth`, `prediction`, `proba_<class>`; None where there are none.
        learned: the same of the rows learned from, where they were asked for.
    """

    fit: Fit
    seconds: float
    error: str | None
    train: int
    test: int
    predictions: pl.DataFrame | None
    learned: pl.DataFrame | None = None


@dataclass(frozen=True)
class Bench:
    """Where a study works: a recipe, its version, the cache.

    Attributes:
        recipe: with the models and the seed of the study.
        version: the rows.
        cache: keeps what fitted models predicted.
        lock: of the cache.
        report: progress.
        record: of the study, under way.
        workers: how many fits at once.
    """

    recipe: Recipe
    version: Version
    cache: Cache
    lock: int
    report: Progress
    record: Recording
    workers: int | None = None

    def fit(self, use: Use, sides: Sides, *, learned: bool = False) -> Fit:
        """The fit of a model on some sides, with its key."""
        component = find("models", use.name)
        given = bind(component, use.given)
        key = self.key(
            "fit", component, given, sides.plain(), learned, *self.beside(component, given)
        )
        return Fit(key, use, sides, learned)

    def key(self, what: str, component: Component, *rest: Any) -> str:
        """The key of something that a model decides, with all that it depends on."""
        recipe = self.recipe
        code = [component.version(), code_version("models", "studies")]
        asked = [recipe.target, recipe.task, recipe.inputs, list(recipe.id), recipe.seed]
        made_of = [self.version.manifest["hash"], component.name, code]
        return digest([f"study {what}", made_of, asked, *rest])

    def beside(self, component: Component, given: Mapping[str, Any]) -> list[Any]:
        """What else decides a model: the others that it is made of, the files that it reads."""
        found: list[Any] = []
        if _made_of_others(component):
            found += [
                [use.plain(), find("models", use.name).version()] for use in self.recipe.models
            ]
        named = component.marked(given, "source")
        if component.name == "command":
            found.append(commands_allowed())
            named = shlex.split(str(given["run"]))
        files = [Path(name) for name in named]
        return [*found, *(hash_file(path) if path.is_file() else None for path in files)]

    def over(
        self, owner: str, stage: str, fits: Sequence[Fit], keep: Sequence[str] = ()
    ) -> list[Done]:
        """Fit all of them, or find what they predicted before.

        Args:
            owner: the study, whose entries of the cache are kept.
            stage: what progress is called.
            fits: what to fit.
            keep: the keys of other entries that the study uses.
        """
        keys = list(dict.fromkeys(fit.key for fit in fits))
        # Said before any work is done, so that a run that is killed finds it again.
        self.cache.keep_only(self.lock, f"{self.recipe.name}.{owner}", [*keys, *keep])
        unique = list({fit.key: fit for fit in fits}.values())
        plain = self.recipe.model_copy(update={"source": "", "steps": [], "exports": []})
        made = self.over_tasks(stage, _Fitting(plain, self.version.path, self.cache), unique)
        by_key = dict(zip(keys, made, strict=True))
        return [_done(fit, by_key[fit.key], self.cache) for fit in fits]

    def over_tasks(
        self, stage: str, function: Callable[[Any], Any], tasks: Sequence[Any]
    ) -> list[Any]:
        """Run one function over tasks in processes, with the user's functions switched on."""
        mine = tuple(dict.fromkeys(one.file or one.function for one in in_use()))
        self.report(stage, 0, len(tasks))
        found = []
        here = _Using(function, mine, commands_allowed())
        with closing(run(here, tasks, workers=self.workers)) as results:
            for done, result in enumerate(results, start=1):
                found.append(result)
                self.report(stage, done, len(tasks))
        return found


@contextmanager
def bench(
    what: Asked,
    *,
    kind: str,
    out: str | Path = "versions",
    models: Models = None,
    seed: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
    functions: Functions = (),
) -> Iterator[Bench]:
    """Build or open a version and make ready to fit models on it.

    Args:
        what: a recipe, or a version, whose own recipe is then taken.
        kind: what the study is recorded as.
        out: the folder that holds all versions.
        models: replace the recipe's models, written as in a recipe.
        seed: of the study and its models; the rows of the version stay as they are.
        workers: how many fits at once.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them.

    Raises:
        RecipeError: there is no target, or there are no models.
    """
    with using(own(functions)), ExitStack() as ends:
        if isinstance(what, Version):
            out, recipe = what.path.parent.parent, recipe_of(what)
            record = ends.enter_context(recorded(kind, what, recipe))
            version = what
        else:
            recipe = load(what)
            record = ends.enter_context(recorded(kind, out, recipe))
            version = build(recipe, out=out, workers=workers, progress=progress)
            record.version = version
        changed: dict[str, Any] = {} if seed is None else {"seed": seed}
        if models is not None:
            changed["models"] = [models] if isinstance(models, str) else list(models)
        if changed:
            recipe = load(Recipe.model_validate(dict(recipe) | changed))
        if recipe.target is None:
            raise RecipeError("Models need a `target` to learn.")
        cache = Cache(Path(out) / ".cache")
        with storage_errors(Path(out)), cache.in_use() as lock:
            report = progress or (lambda stage, done, total: None)
            yield Bench(recipe, version, cache, lock, report, record, workers)


def recipe_of(version: Version) -> Recipe:
    """The recipe that a version was built with."""
    return load(Recipe.model_validate(version.manifest["recipe"]))


def models_of(recipe: Recipe) -> list[Use]:
    """The models of a study: all but people, who are asked about one set of rows only.

    Raises:
        RecipeError: there are none.
    """
    found = [use for use in recipe.models if use.name != "people"]
    if not found:
        raise RecipeError("There are no models to study.", allowed=sorted(catalogue("models")))
    return found


def one_model(recipe: Recipe, model: Any) -> Use:
    """The one model that a study is about: a title of the recipe's, or one written as there.

    Raises:
        RecipeError: it does not exist, or none is named and the recipe has not exactly one.
    """
    if model is None:
        if len(recipe.models) != 1:
            raise RecipeError(
                "Which model is this study of?",
                received=model,
                allowed=[use.title for use in recipe.models] or sorted(catalogue("models")),
                hint="name it: `--model`, in Python `model=`",
            )
        return recipe.models[0]
    known = next((use for use in recipe.models if use.title == model), None)
    if known is not None:
        return known
    changed = Recipe.model_validate(dict(recipe) | {"models": [model]})
    return load(changed).models[0]


def failed(done: Sequence[Done]) -> list[str]:
    """Notes on fits that gave nothing.

    Raises:
        ModelError: none gave anything.
    """
    errors = [(one.fit.use.title, one.error) for one in done if one.error]
    if len(errors) == len(done):
        raise ModelError(
            "No model could be fitted.",
            received="; ".join(dict.fromkeys(f"{title}: {why}" for title, why in errors)),
        )
    counted = {pair: errors.count(pair) for pair in errors}
    return [f"{title}: {count} fits failed: {why}" for (title, why), count in counted.items()]


def fitted(use: Use, held: Held, recipe: Recipe) -> Any:
    """Fit one model here and now, and first the others of the recipe where it is made of them.

    Raises:
        AssayError: it cannot be fitted.
    """
    component = find("models", use.name)
    training = held.training
    if _made_of_others(component):
        peers: dict[str, Fitted] = {}
        for other in recipe.models:
            if not _made_of_others(find("models", other.name)) and other.name not in OUTSIDE:
                # A model that fails alone is told of where it is judged alone.
                with suppress(ModelError, ValueError, ArithmeticError):
                    peers[other.title] = fitted(other, held, recipe)
        training = replace(training, peers=peers)
    return component.function(training, **bind(component, use.given))


def _made_of_others(component: Component) -> bool:
    names = dict.fromkeys(component.parameters.model_fields, "x")
    return bool(component.marked(names, "models"))


@dataclass(frozen=True)
class _Fitting:
    """Fit one model and let it predict, in whatever process."""

    recipe: Recipe
    path: Path
    cache: Cache

    def __call__(self, fit: Fit) -> dict[str, Any]:
        known = self.cache.recall(fit.key)
        if known is not None:
            return known
        started = time.perf_counter()
        final = True
        error, parts, counts = None, [PREDICTIONS], {"train": 0, "test": 0}
        try:
            held = _held(self.recipe, self.path, fit.sides, self.cache)
            # A search that was stopped goes on where it was.
            noted = replace(held.training, notes=self.cache.path(fit.key, "trials.jsonl"))
            held = replace(held, training=noted)
            counts = {"train": held.training.rows.height, "test": held.rows.height}
            model = fitted(fit.use, held, self.recipe)
            self._write(
                fit, PREDICTIONS, model.predict(held.rows), held.truth.ids, held.truth.values
            )
            if fit.learned:
                given = held.training
                made = model.predict(given.rows)
                self._write(fit, LEARNED, made, given.row.cast(pl.String), given.target)
                parts.append(LEARNED)
        except AssayError as refused:
            error, parts = str(refused), []
            # What is to be installed, allowed or written may be there the next time.
            final = isinstance(refused, ModelError) and fit.use.name not in OUTSIDE
        except (ValueError, ArithmeticError) as broken:
            # One fold that fails must not take the others' results with it; its error is shown.
            error, parts = f"{type(broken).__name__}: {broken}", []
        except MemoryError as broken:
            # Memory that was short once need not be short again.
            error, parts, final = f"MemoryError: {broken}", [], False
        known = {"seconds": time.perf_counter() - started, "error": error, **counts}
        if final:
            self.cache.note(fit.key, known, parts)
        return known

    def _write(
        self, fit: Fit, suffix: str, predicted: pl.DataFrame, ids: pl.Series, truth: pl.Series
    ) -> None:
        with self.cache.writing(fit.key, suffix) as path:
            beside = [ids.alias(ROW_ID), truth.alias(TRUTH)]
            predicted.select(*beside, pl.all()).write_parquet(path)


@dataclass(frozen=True)
class _Using:
    """A function, with the user's functions switched on in whatever process it runs."""

    function: Callable[[Any], Any]
    functions: tuple[Callable[..., Any] | str, ...]
    commands: bool

    def __call__(self, task: Any) -> Any:
        with using(own(self.functions)), allowing_commands(self.commands):
            return self.function(task)


def _held(recipe: Recipe, path: Path, sides: Sides, cache: Cache) -> Held:
    version = Version(path)
    return hold_out(recipe, Redealt(path, sides=sides.of(version, cache)))


def _done(fit: Fit, known: Mapping[str, Any], cache: Cache) -> Done:
    error = known["error"]
    predictions = None if error else pl.read_parquet(cache.path(fit.key, PREDICTIONS))
    learned = None
    if fit.learned and not error:
        learned = pl.read_parquet(cache.path(fit.key, LEARNED))
    return Done(fit, known["seconds"], error, known["train"], known["test"], predictions, learned)
