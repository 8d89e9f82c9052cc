"""The charts of an evaluation or a study, and the page that shows a study."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from assay.errors import PredictionsError
from assay.evaluation.evaluation import Evaluation
from assay.reporting.pictures import Theme, pictures, to_png
from assay.reporting.studying import render_study, studied, study_pictures
from assay.storage import storage_errors, write_atomically
from assay.studies.results import Result
from assay.version import Version

RUNS, STUDY, REPORT = "runs", "study.json", "report.html"


class Charts(dict[str, str]):
    """SVG pictures by name; a notebook shows them."""

    def _repr_html_(self) -> str:
        return "".join(f'<div style="max-width:640px">{svg}</div>' for svg in self.values())


def charts(
    what: Evaluation | Result, *, theme: Theme = "light", models: int | None = None
) -> Charts:
    """Every chart of an evaluation or a study as an SVG picture that stands alone.

    Args:
        what: an evaluation, or what a study gives.
        theme: `light` or `dark`.
        models: of how many models, the best first; all by default.

    >>> from assay.evaluation.evaluate import evaluate
    >>> rows = {"row_id": [str(n) for n in range(40)], "y": [n % 7 for n in range(40)]}
    >>> import polars as pl
    >>> truth = pl.DataFrame(rows)
    >>> found = evaluate(truth, truth.rename({"y": "prediction"}), target="y", metrics=["mae"])
    >>> list(charts(found))[0]
    'leaderboard-mae'
    """
    if isinstance(what, Result):
        return Charts(study_pictures(what.to_document(), theme=theme))
    return Charts(pictures(what.model_dump(mode="json"), theme=theme, most=models))


def write_charts(folder: Path, drawn: Mapping[str, str]) -> None:
    """Write pictures as SVG and, with the extra `charts`, as PNG.

    Raises:
        PredictionsError: there are none.
    """
    if not drawn:
        raise PredictionsError(
            "There are no charts, since nothing was evaluated.", hint="`assay run` evaluates models"
        )
    with_png = importlib.util.find_spec("vl_convert") is not None
    with storage_errors(folder):
        for name, svg in drawn.items():
            write_atomically(folder / f"{name}.svg", svg.encode())
            if with_png:
                write_atomically(folder / f"{name}.png", to_png(svg))


def write_study(found: Result, out: Path, to: Path | None) -> Path:
    """Write a study's page, beside the runs of its version where no other folder is named.

    Raises:
        PredictionsError: it is of no version, and no folder is named.
    """
    document = found.to_document()
    if to is None and not document.get("version"):
        raise PredictionsError(
            "This study is of no version, so its page needs a folder.",
            hint="`to=` names one",
        )
    home = out / str(document["name"]) / RUNS
    folder = to or home / f"{document['version']}-{document['study']}"
    with storage_errors(folder):
        options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY
        write_atomically(folder / STUDY, orjson.dumps(document, default=str, option=options))
        write_atomically(folder / REPORT, render_study(document).encode())
    return folder / REPORT


def studies_of(version: Version | None) -> list[dict[str, Any]]:
    """The studies of a version whose pages were written, as its report shows them."""
    if version is None:
        return []
    files = (version.path.parent / RUNS).glob(f"{version.id}-*/{STUDY}")
    return [studied(_read(path)) for path in sorted(files)]


def _read(path: Path) -> dict[str, Any]:
    """A study that was written; where the file is damaged the page says so in its place."""
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict):
        return found
    kind = path.parent.name.rpartition("-")[2]
    return {"study": kind, "sentences": [f"{path} cannot be read; make the study again."]}
