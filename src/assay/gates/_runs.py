"""The runs of a version, and the run that was accepted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from assay.component import find
from assay.errors import PredictionsError, VersionError
from assay.evaluation.evaluation import Evaluation
from assay.gates._state import ACCEPTED, Run, State
from assay.recipe import Recipe, Use
from assay.tags import TAGS, read_tags
from assay.version import Version

LOOK_BACK = ("drift", "growth", "schema")
COMPARE = ("better", "not_worse", "slices")
RUNS, EVALUATION, GATES = "runs", "evaluation.json", "gates.json"


def newest_run(version: Version) -> Run:
    """A version with its newest run; alone where there is none.

    Raises:
        PredictionsError: the run's evaluation cannot be read.
    """
    home = version.path.parent / RUNS
    found = [path for part in (EVALUATION, GATES) for path in home.glob(f"{version.id}-*/{part}")]
    if not found:
        return Run(version)
    folder = max(found, key=lambda path: path.stat().st_mtime).parent
    whole = (folder / EVALUATION).exists()
    return Run(version, Evaluation.from_file(folder / EVALUATION) if whole else None, folder)


def accepted_run(home: Path) -> Run | None:
    """The accepted version of a name with the run that was accepted; None if none is.

    Args:
        home: the folder of the name's versions.

    Raises:
        VersionError: the tag points to a version that is not there, or that is damaged.
    """
    tag = read_tags(home).get(ACCEPTED)
    if tag is None:
        return None
    version = Version(home / tag.version)
    if not version.path.is_dir():
        raise VersionError(
            f"The accepted version {tag.version} is not there any more.",
            where=str(home / TAGS),
            hint="`assay accept VERSION` marks another",
        )
    _ = version.manifest
    named = tag.details.get("run")
    if named is None:
        return newest_run(version)
    folder = home / RUNS / Path(str(named)).name
    try:
        return Run(version, Evaluation.from_file(folder / EVALUATION), folder)
    except PredictionsError:
        # The run was taken away: gates that need it say so.
        return Run(version, None, folder)


def state_of(run: Run, recipe: Recipe, monitor: Mapping[str, Any] | None = None) -> State:
    """Everything that gates may look at, for a version and its run.

    Raises:
        VersionError: a gate needs the accepted version, and it cannot be read.
    """
    needed = any(looks_back(use) for use in recipe.gates)
    accepted = accepted_run(run.version.path.parent) if needed else None
    return State(
        run.version.manifest, run.evaluation, monitor, run, accepted, recipe.metrics, recipe.seed
    )


def looks_back(use: Use) -> bool:
    """Whether a gate may look at the accepted version; what others' gates do is not known."""
    ours = find("gates", use.name).function.__module__.startswith("assay.")
    than = str(use.given.get("than", ACCEPTED)).partition("/")[0]
    return not ours or use.name in LOOK_BACK or (use.name in COMPARE and than == ACCEPTED)
