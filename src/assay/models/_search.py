"""A search for settings: trials drawn by Optuna, noted as they end, under a budget of time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from assay.errors import MissingExtra, ModelError
from assay.models._spaces import distribution
from assay.models.training import Fitted

Tried = Callable[[Mapping[str, Any]], tuple[float, Fitted]]


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        parameters: the best ones; empty for the model's defaults.
        fitted: the model that was fitted with them; None where an earlier run did that.
        trials: every trial: `trial`, `parameters`, `loss` (None where it failed), `seconds`.
    """

    parameters: Mapping[str, Any]
    fitted: Fitted | None
    trials: tuple[Mapping[str, Any], ...]


def search(
    tried: Tried,
    space: Mapping[str, Any],
    *,
    trials: int,
    seconds: float,
    seed: int,
    notes: Path | None,
) -> Found:
    """Try settings until the trials or the seconds are used up; the first are the defaults.

    The sampler is seeded, so that a search that goes on draws again what it drew before, and takes
    those results from its notes.

    Raises:
        MissingExtra: Optuna is not installed.
        ModelError: no trial could be fitted.
        RecipeError: the space cannot be searched.
    """
    known = _noted(notes)
    done: list[dict[str, Any]] = []
    best: tuple[float, Mapping[str, Any], Fitted | None] | None = None
    refused: ModelError | None = None
    with _quiet() as optuna:
        distributions = {name: distribution(name, written) for name, written in space.items()}
        sampler = optuna.samplers.TPESampler(seed=seed % 2**32)
        study = optuna.create_study(sampler=sampler)
        spent = 0.0
        for number in range(max(1, trials)):
            asked = study.ask(distributions) if number else None
            parameters = dict(asked.params) if asked else {}
            line = next((one for one in known if one["trial"] == number), None)
            fitted = None
            if line is None or line["parameters"] != parameters:
                if number and spent > seconds:
                    break
                started = time.perf_counter()
                loss: float | None = None
                try:
                    loss, fitted = tried(parameters)
                except ModelError as error:
                    refused = error
                if loss is not None and not np.isfinite(loss):
                    loss = None
                took = round(time.perf_counter() - started, 3)
                line = {"trial": number, "parameters": parameters, "loss": loss, "seconds": took}
                _note(notes, line)
            done.append(line)
            spent += line["seconds"]
            if asked:
                failed = optuna.trial.TrialState.FAIL if line["loss"] is None else None
                study.tell(asked, line["loss"], state=failed)
            if line["loss"] is not None and (best is None or line["loss"] < best[0]):
                best = line["loss"], parameters, fitted
    if best is None:
        raise refused or ModelError("tuned: no trial came to a finite loss.")
    return Found(best[1], best[2], tuple(done))


@contextmanager
def _quiet() -> Iterator[Any]:
    """Optuna, without its word on every trial."""
    try:
        import optuna
    except ImportError:
        raise MissingExtra("models", "tuned") from None
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield optuna
    finally:
        optuna.logging.set_verbosity(before)


def _noted(notes: Path | None) -> list[dict[str, Any]]:
    if notes is None or not notes.exists():
        return []
    found: list[dict[str, Any]] = []
    lines = notes.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, text in enumerate(lines):
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            # Half a line, on which the search was interrupted.
            notes.write_text("".join(lines[:number]), encoding="utf-8")
            break
    return found


def _note(notes: Path | None, line: Mapping[str, Any]) -> None:
    if notes is None:
        return
    notes.parent.mkdir(parents=True, exist_ok=True)
    with notes.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
