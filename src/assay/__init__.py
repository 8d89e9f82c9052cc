"""Raw records to a dataset you can trust, a verdict on models you can defend, and a guard.

Every name below is loaded when it is first used, so that `import assay` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from assay.building.build import build
    from assay.errors import AssayError
    from assay.evaluation.comparison import compare
    from assay.evaluation.evaluate import evaluate
    from assay.evaluation.evaluation import Evaluation
    from assay.jobs.checking import check
    from assay.jobs.drawing import charts
    from assay.jobs.duplication import duplicates
    from assay.jobs.explaining import explain
    from assay.jobs.exporting import export
    from assay.jobs.following import monitor_labels, monitored
    from assay.jobs.gating import accept, gate
    from assay.jobs.guarding import monitor, replay
    from assay.jobs.history import why
    from assay.jobs.improving import improve
    from assay.jobs.inspecting import inspect
    from assay.jobs.predicting import predict
    from assay.jobs.running import report, run
    from assay.jobs.starting import init
    from assay.jobs.watching import watch
    from assay.pipelines.writing import ci
    from assay.recipe import Recipe, schema
    from assay.studies.conformity import conformal
    from assay.studies.crossvalidation import crossval
    from assay.studies.cutoffs import threshold
    from assay.studies.importances import importance
    from assay.studies.learning import learning_curve
    from assay.studies.parameters import validation_curve
    from assay.studies.reliability import calibration
    from assay.tracking.listing import runs
    from assay.version import Version, versions
    from assay.versioning.diffing import diff
    from assay.versioning.pruning import prune
    from assay.versioning.restoring import restore
    from assay.versioning.tagging import tag
    from assay.versioning.tracing import lineage

_HOMES = {
    "AssayError": "errors",
    "Evaluation": "evaluation.evaluation",
    "Recipe": "recipe",
    "Version": "version",
    "accept": "jobs.gating",
    "build": "building.build",
    "calibration": "studies.reliability",
    "charts": "jobs.drawing",
    "check": "jobs.checking",
    "ci": "pipelines.writing",
    "compare": "evaluation.comparison",
    "conformal": "studies.conformity",
    "crossval": "studies.crossvalidation",
    "diff": "versioning.diffing",
    "duplicates": "jobs.duplication",
    "evaluate": "evaluation.evaluate",
    "explain": "jobs.explaining",
    "export": "jobs.exporting",
    "gate": "jobs.gating",
    "importance": "studies.importances",
    "improve": "jobs.improving",
    "init": "jobs.starting",
    "inspect": "jobs.inspecting",
    "learning_curve": "studies.learning",
    "lineage": "versioning.tracing",
    "monitor": "jobs.guarding",
    "monitor_labels": "jobs.following",
    "monitored": "jobs.following",
    "predict": "jobs.predicting",
    "prune": "versioning.pruning",
    "replay": "jobs.guarding",
    "report": "jobs.running",
    "restore": "versioning.restoring",
    "run": "jobs.running",
    "runs": "tracking.listing",
    "schema": "recipe",
    "tag": "versioning.tagging",
    "threshold": "studies.cutoffs",
    "validation_curve": "studies.parameters",
    "versions": "version",
    "watch": "jobs.watching",
    "why": "jobs.history",
}

__all__ = [
    "AssayError",
    "Evaluation",
    "Recipe",
    "Version",
    "accept",
    "build",
    "calibration",
    "charts",
    "check",
    "ci",
    "compare",
    "conformal",
    "crossval",
    "diff",
    "duplicates",
    "evaluate",
    "explain",
    "export",
    "gate",
    "importance",
    "improve",
    "init",
    "inspect",
    "learning_curve",
    "lineage",
    "monitor",
    "monitor_labels",
    "monitored",
    "predict",
    "prune",
    "replay",
    "report",
    "restore",
    "run",
    "runs",
    "schema",
    "tag",
    "threshold",
    "validation_curve",
    "versions",
    "watch",
    "why",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'assay' has no attribute {name!r}")
    return getattr(importlib.import_module(f"assay.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
