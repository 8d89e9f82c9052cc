"""The fits of one run: each model fitted once, found again by all that decided it, and kept."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from assay.cache import Cache, code_version
from assay.component import Component, bind, find
from assay.errors import AssayError, MissingExtra, ModelError
from assay.evaluation.costs import libraries, peak_memory
from assay.evaluation.evaluation import ModelInfo
from assay.evaluation.predictions import about
from assay.evaluation.truth import Truth
from assay.models import _saving
from assay.models._commands import commands_allowed
from assay.models.training import Fitted, Training
from assay.recipe import Recipe, Use, digest
from assay.sharing import hash_file
from assay.storage import locked
from assay.version import Version

PREDICTIONS, MODEL, TRIALS = "predictions.parquet", "model.zip", "trials.jsonl"


@dataclass(frozen=True)
class Held:
    """What models learn from and what they are held against.

    Attributes:
        training: the training and validation rows.
        rows: the held-out rows: the inputs, and `row_id`.
        truth: the true values of the held-out rows.
    """

    training: Training
    rows: pl.DataFrame
    truth: Truth


@dataclass
class Fitting:
    """The models of a recipe on their way from a version's rows to predictions.

    Attributes:
        infos: what is known of each model that was fitted, by its title.
        predicted: what it predicted for the held-out rows, where it could.
        keys: the key of each model's entry in the cache.
    """

    recipe: Recipe
    version: Version
    held: Held
    cache: Cache
    infos: dict[str, ModelInfo] = field(default_factory=dict)
    predicted: dict[str, pl.DataFrame] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    _fitted: dict[str, Fitted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for use in self.order:
            self.keys[use.title] = self._key(use)

    @property
    def order(self) -> list[Use]:
        """The models, those that are made of others last."""
        return sorted(self.recipe.models, key=lambda use: _made_of_others(_component(use)))

    def fit(self, use: Use) -> None:
        """Fit one model and let it predict, or find what it predicted before."""
        key = self.keys[use.title]
        parameters = bind(_component(use), use.given)
        known = self.cache.recall(key)
        if known is None:
            known = self._fresh(use, parameters, key)
        info = ModelInfo(
            model=use.title,
            parameters=parameters,
            seconds=round(known["seconds"], 3),
            predict_seconds=known.get("predict_seconds"),
            cost=known.get("cost"),
            error=known["error"],
            memory_mb=known["memory_mb"],
            seed=self.recipe.seed,
            libraries=known["libraries"],
            chosen=known["chosen"],
            history=known["history"],
            saved=known["saved"],
        )
        if info.error:
            self.infos[use.title] = info.model_copy(update={"missing": len(self.held.truth.ids)})
            return
        self.infos[use.title] = info
        self.predicted[use.title] = pl.read_parquet(self.cache.path(key, PREDICTIONS))

    def place(self, info: ModelInfo, folder: Path) -> ModelInfo:
        """Put a fitted model beside its run, and say where it lies."""
        key = self.keys[info.model]
        archive = self.cache.path(key, MODEL)
        if info.saved is not None or info.error or not archive.exists():
            return info
        name = re.sub(r"[^\w.-]+", "-", info.model).strip("-.") or "model"
        target = folder / name
        unfinished = folder / f".{name}.part"
        # Two runs of one version at once put the same model in the same place.
        with locked(self.version.path.parent):
            for old in (unfinished, target):
                shutil.rmtree(old, ignore_errors=True)
            _unpack(archive, unfinished)
            unfinished.replace(target)
        return info.model_copy(update={"saved": f"{folder.name}/{name}"})

    def _key(self, use: Use) -> str:
        component = _component(use)
        parameters = bind(component, use.given)
        code = [component.version(), code_version("models")]
        made_of = [self.version.manifest["hash"], use.name, parameters, code]
        training = self.held.training
        asked = [self.recipe.target, training.task, list(training.kinds), self.recipe.seed]
        more: list[Any] = list(_files(component, parameters))
        if _made_of_others(component):
            learned = [one for one in self.order if not _from_outside(_component(one))]
            more.append([[one.title, self.keys.get(one.title)] for one in learned])
        # A model that could not be saved is fitted again once it can.
        more.append(importlib.util.find_spec("skops") is not None)
        return digest(["predictions", made_of, asked, self.held.truth.split, more])

    def _fresh(self, use: Use, parameters: Mapping[str, Any], key: str) -> dict[str, Any]:
        component = _component(use)
        training = replace(self.held.training, notes=self.cache.path(key, TRIALS))
        if _made_of_others(component):
            training = replace(training, peers=self._peers())
        known: dict[str, Any] = {"error": None, "chosen": {}, "history": [], "saved": None}
        parts: list[str] = []
        final = True
        started = time.perf_counter()
        with peak_memory() as memory:
            try:
                fitted: Fitted = component.function(training, **parameters)
                asked = time.perf_counter()
                predicted = fitted.predict(self.held.rows)
                told = about(use.title, predicted)
                took = time.perf_counter() - asked if not _looked_up(component) else None
                known["predict_seconds"] = took if told.seconds is None else told.seconds
                known["cost"] = told.cost
                known["chosen"] = _plain(getattr(fitted, "chosen", {}))
                known["history"] = _plain(getattr(fitted, "history", []))
            except AssayError as refused:
                known["error"] = str(refused)
                # What is to be installed, allowed or written may be there the next time.
                final = isinstance(refused, ModelError) and not _from_outside(component)
            except (ValueError, ArithmeticError) as failed:
                # One model that fails must not take the others' results with it; its error is
                # shown.
                known["error"] = f"{type(failed).__name__}: {failed}"
            except MemoryError as failed:
                # Memory that was short once need not be short again.
                known["error"], final = f"MemoryError: {failed}", False
        known |= {"seconds": time.perf_counter() - started, "memory_mb": memory.mb}
        known["libraries"] = libraries()
        if known["error"] is None:
            self._fitted[use.title] = fitted
            with self.cache.writing(key, PREDICTIONS) as path:
                predicted.write_parquet(path)
            known["saved"] = self._save(use, fitted, key, known)
            parts = [PREDICTIONS, *([MODEL] if known["saved"] is None else [])]
        if final:
            self.cache.note(key, known, parts)
        return known

    def _save(self, use: Use, fitted: Fitted, key: str, known: Mapping[str, Any]) -> str | None:
        """Keep a fitted model; why it cannot be kept, if so."""
        if _from_outside(_component(use)):
            return "not saved: its predictions come from outside"
        training = self.held.training
        about = {
            "model": use.title,
            "component": use.name,
            "parameters": _plain(bind(_component(use), use.given)),
            "recipe": self.recipe.name,
            "version": self.version.id,
            "hash": self.version.manifest["hash"],
            "target": self.recipe.target,
            "task": training.task,
            "classes": list(training.classes),
            "inputs": dict(training.kinds),
            "types": {name: str(dtype) for name, dtype in training.rows.schema.items()},
            "seed": self.recipe.seed,
            "libraries": known["libraries"],
        }
        with tempfile.TemporaryDirectory() as folder:
            try:
                _saving.save(fitted, about, Path(folder) / "model")
            except (ModelError, MissingExtra) as refused:
                return f"not saved: {refused.what}" + (f" {refused.hint}" if refused.hint else "")
            with self.cache.writing(key, MODEL) as path:
                _pack(Path(folder) / "model", path)
        return None

    def _peers(self) -> dict[str, Fitted]:
        """The other models, those of an earlier run read again or else fitted again."""
        found: dict[str, Fitted] = {}
        for use in self.recipe.models:
            component = _component(use)
            if use.title in self.predicted and not _made_of_others(component):
                found[use.title] = self._fitted.get(use.title) or self._again(use, component)
        return found

    def _again(self, use: Use, component: Component) -> Fitted:
        archive = self.cache.path(self.keys[use.title], MODEL)
        if archive.exists():
            with tempfile.TemporaryDirectory() as folder:
                _unpack(archive, Path(folder) / "model")
                read: Fitted = _saving.load(Path(folder) / "model")
                return read
        fitted: Fitted = component.function(self.held.training, **bind(component, use.given))
        return fitted


def outside(recipe: Recipe) -> list[Any]:
    """What decides the models' predictions beside the recipe and the version.

    The contents of the files that they name, whether commands may run, and whether fitted models
    can be saved: an evaluation that was made with another answer is not up to date.
    """
    found: list[Any] = [importlib.util.find_spec("skops") is not None]
    for use in recipe.models:
        found.extend(_files(_component(use), bind(_component(use), use.given)))
    return found


def _component(use: Use) -> Component:
    return find("models", use.name)


def _made_of_others(component: Component) -> bool:
    names = dict.fromkeys(component.parameters.model_fields, "x")
    return bool(component.marked(names, "models"))


def _from_outside(component: Component) -> bool:
    return component.function.__module__ == "assay.models.outside"


def made_elsewhere(uses: Iterable[Use]) -> list[Any]:
    """What predictions from outside hang on: the contents of their files, what may be run."""
    outside = [(use, one) for use in uses if _from_outside(one := _component(use))]
    return [list(_files(one, bind(one, use.given))) for use, one in outside]


def _looked_up(component: Component) -> bool:
    """Whether its predictions were made at another time, so that reading them is no latency."""
    return _from_outside(component) and "run" not in component.parameters.model_fields


def _files(component: Component, parameters: Mapping[str, Any]) -> Iterator[Any]:
    """The contents of the files that a model's predictions are made of."""
    named = component.marked(parameters, "source")
    if _from_outside(component) and "run" in parameters:
        yield commands_allowed()
        named = shlex.split(parameters["run"])
    for name in named:
        path = Path(name)
        yield hash_file(path) if path.is_file() else None


def _plain(value: Any) -> Any:
    """Plain values, as JSON holds them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, str):
        value = value.item()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _pack(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.iterdir()):
            # Without a time stamp, so that the same model is the same bytes.
            entry = zipfile.ZipInfo(file.name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes(), compresslevel=1)


def _unpack(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
