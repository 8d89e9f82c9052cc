"""Fitted models as folders that hold no code: plain values, arrays, skops and native formats.

A folder holds `model.json` (what the model is, and what it belongs to), `arrays.npz`, and one file
for each part that another library writes. Nothing is pickled, and what is read can only become
one of assay's own dataclasses or a type that is listed here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import MissingExtra, ModelError

MODEL, ARRAYS = "model.json", "arrays.npz"
FORMAT = 1
TRUSTED = (
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.ensemble._forest.RandomForestRegressor",
    "sklearn.impute._base.MissingIndicator",
    "sklearn.impute._base.SimpleImputer",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.linear_model._ridge.Ridge",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.preprocessing._encoders.OneHotEncoder",
    "sklearn.svm._classes.LinearSVC",
    "sklearn.svm._classes.LinearSVR",
    "sklearn.tree._classes.DecisionTreeClassifier",
    "sklearn.tree._classes.DecisionTreeRegressor",
    "sklearn.tree._tree.Tree",
    "numpy.dtype",
)
"""All that the parts of a model that scikit-learn fits can be."""
_PACKAGE = "assay.models."


def save(fitted: Any, about: Mapping[str, Any], folder: Path) -> None:
    """Write a fitted model into a folder that is not there yet.

    Args:
        fitted: what a model component of assay returned.
        about: plain values that say what it belongs to; `load` gives them back.
        folder: where to.

    Raises:
        MissingExtra: skops is not installed.
        ModelError: the model is made of something that cannot be written without running code.
    """
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        writing = _Writing(unfinished)
        root = writing.node(fitted)
        np.savez(unfinished / ARRAYS, **{str(i): a for i, a in enumerate(writing.arrays)})
        files = {file.name: _sha(file) for file in sorted(unfinished.iterdir())}
        body = {"format": FORMAT, "about": about, "files": files, "model": root}
        (unfinished / MODEL).write_text(json.dumps(body), encoding="utf-8")
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def about(folder: Path) -> dict[str, Any]:
    """What a saved model belongs to.

    Raises:
        ModelError: there is none, or it cannot be read.
    """
    found: dict[str, Any] = _body(folder)["about"]
    return found


def load(folder: Path, *, hash: str | None = None) -> Any:
    """Read a fitted model that `save` wrote.

    Args:
        folder: where it lies.
        hash: of the version that it must have been fitted on.

    Raises:
        MissingExtra: skops is not installed.
        ModelError: there is none, a byte of it has changed, it was fitted on another version, or
            it holds what a model of assay's does not.
    """
    body = _body(folder)
    if hash is not None and body["about"].get("hash") != hash:
        raise ModelError(
            "This model was fitted on another version.",
            where=str(folder),
            received=body["about"].get("hash"),
            allowed=hash,
            hint="`assay run` fits the models of this version",
        )
    for name, sha in body["files"].items():
        if Path(name).name != name or _sha(folder / name) != sha:
            raise _damaged(folder, f"{name} is not what was written")
    try:
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            return _Reading(folder, dict(arrays)).value(body["model"])
    except (KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise _damaged(folder, f"{type(error).__name__}: {error}") from None


class _Writing:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays: list[Any] = []
        self.parts = 0

    def node(self, value: Any) -> Any:
        """The JSON of a value, its arrays and foreign parts written beside."""
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list | tuple):
            return {type(value).__name__: [self.node(item) for item in value]}
        if isinstance(value, Mapping):
            return {"mapping": [[self.node(k), self.node(v)] for k, v in value.items()]}
        return self._array(value) if isinstance(value, np.ndarray) else self._object(value)

    def _object(self, value: Any) -> Any:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        if dataclasses.is_dataclass(value) and name.startswith(_PACKAGE):
            fields = dataclasses.fields(value)
            has = {one.name: self.node(getattr(value, one.name)) for one in fields}
            return {"is": name.removeprefix(_PACKAGE), "has": has}
        if name.startswith("sklearn.feature_extraction.text."):
            return self._vectorizer(value)
        self.parts += 1
        if name == "xgboost.core.Booster":
            value.save_model(self.folder / f"{self.parts}.ubj")
            return {"xgboost": f"{self.parts}.ubj"}
        if name not in TRUSTED:
            raise _unsaved(name)
        _skops().dump(value, self.folder / f"{self.parts}.skops")
        return {"skops": f"{self.parts}.skops"}

    def _array(self, value: Any) -> Any:
        if value.dtype == object:
            if value.ndim != 1 or not all(isinstance(item, str) for item in value):
                raise _unsaved("an array of objects")
            return {"texts": value.tolist()}
        self.arrays.append(value)
        return {"array": str(len(self.arrays) - 1)}

    def _vectorizer(self, value: Any) -> Any:
        # A vocabulary is one long list; skops would write an object for each of its words.
        terms = sorted(value.vocabulary_, key=value.vocabulary_.__getitem__)
        weights = value.idf_ if hasattr(value, "idf_") else None
        first, last = value.ngram_range
        return {"words": terms, "ngrams": [first, last], "weights": self.node(weights)}


class _Reading:
    def __init__(self, folder: Path, arrays: dict[str, Any]) -> None:
        self.folder, self.arrays = folder, arrays

    def value(self, node: Any) -> Any:
        if not isinstance(node, dict):
            return node
        if "is" in node:
            kind = _class(node["is"])
            return kind(**{name: self.value(item) for name, item in node["has"].items()})
        if "words" in node:
            return self._vectorizer(node)
        ((kind, held),) = node.items()
        return self._plain(kind, held)

    def _plain(self, kind: str, held: Any) -> Any:
        readers: dict[str, Callable[[], Any]] = {
            "list": lambda: [self.value(item) for item in held],
            "tuple": lambda: tuple(self.value(item) for item in held),
            "mapping": lambda: {self.value(key): self.value(item) for key, item in held},
            "array": lambda: self.arrays[held],
            "texts": lambda: np.array(held, dtype=object),
            "xgboost": lambda: _booster(self._part(held)),
            "skops": lambda: _sklearn(self._part(held)),
        }
        return readers[kind]()

    def _part(self, name: str) -> Path:
        if not re.fullmatch(r"\d+\.(ubj|skops)", name):
            raise ValueError(f"{name!r} is no part of a model")
        return self.folder / name

    def _vectorizer(self, node: Any) -> Any:
        from assay.models._words import vectorizer

        terms, weights = node["words"], self.value(node["weights"])
        tool = vectorizer(tuple(node["ngrams"]), vocabulary=terms, counts=weights is None)
        if weights is not None:
            tool.idf_ = weights
        else:
            tool._validate_vocabulary()
        return tool


def _class(name: str) -> Any:
    if not re.fullmatch(r"\w+\.\w+", name):
        raise ValueError(f"{name!r} is no part of a model")
    module, _, plain = name.partition(".")
    found = getattr(importlib.import_module(f"{_PACKAGE}{module}"), plain)
    if not dataclasses.is_dataclass(found) or found.__module__ != f"{_PACKAGE}{module}":
        raise ValueError(f"{name!r} is no part of a model")
    return found


def _booster(path: Path) -> Any:
    import xgboost

    return xgboost.Booster(model_file=path)


def _sklearn(path: Path) -> Any:
    tool = _skops()
    strange = set(tool.get_untrusted_types(file=path)) - set(TRUSTED)
    if strange:
        raise ValueError(f"it holds {sorted(strange)[0]}, which is not trusted")
    found = tool.load(path, trusted=list(TRUSTED))
    name = f"{type(found).__module__}.{type(found).__qualname__}"
    if name not in TRUSTED:
        raise ValueError(f"it is a {name}, which is not trusted")
    return found


def _skops() -> Any:
    try:
        import skops.io
    except ImportError:
        raise MissingExtra("models", "Saving a fitted model") from None
    return skops.io


def _body(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / MODEL).read_text(encoding="utf-8"))
        if found["format"] != FORMAT or not {"about", "files", "model"} <= set(found):
            raise ValueError(f"its format is {found['format']}, not {FORMAT}")
    except OSError as error:
        raise ModelError(f"There is no saved model: {error.strerror}.", where=str(folder)) from None
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, str(error)) from None
    return found


def _sha(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""


def _damaged(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"The saved model cannot be read: {why}.",
        where=str(folder),
        hint="run again: the models are fitted anew",
    )


def _unsaved(what: str) -> ModelError:
    return ModelError(
        "This model cannot be saved without running code when it is read.",
        received=what,
        hint="assay's own models can be saved; a function of yours is fitted again",
    )
