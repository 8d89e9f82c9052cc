"""The main job: raw records to a version, a verdict and a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from assay.building.build import build
from assay.cache import Cache, code_version
from assay.component import in_use, using
from assay.engine import Engine
from assay.errors import PredictionsError
from assay.evaluation.evaluation import Evaluation
from assay.evaluation.fits import outside
from assay.evaluation.fitting import evaluate_version
from assay.gates import Run, Verdict, judge, newest_run, overall, pairs, state_of
from assay.jobs.drawing import charts as charts_of
from assay.jobs.drawing import studies_of, write_charts, write_study
from assay.jobs.gating import judged_of, read_gates, run_folder, shown_gates
from assay.models._commands import allowing_commands
from assay.own import own
from assay.recipe import Recipe, digest, load
from assay.records.recording import recorded
from assay.remote import placed
from assay.reporting.render import render
from assay.rows import as_pandas
from assay.slices.diagnosing import sliced
from assay.storage import storage_errors, write_atomically
from assay.studies.results import Result
from assay.tracking.modelcard import write_cards
from assay.tracking.server import address, told
from assay.verdicts.hosts import github
from assay.verdicts.writing import checked_paths, write
from assay.version import Version, open_version
from assay.versioning.scores import beside

Progress = Callable[[str, int, int], None]
RUNS, EVALUATION, PREDICTIONS, MODELS, GATES, REPORT = (
    "runs",
    "evaluation.json",
    "predictions.parquet",
    "models",
    "gates.json",
    "report.html",
)


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Attributes:
        version: the dataset version.
        evaluation: the scores; None for a recipe without models.
        gates: the verdict of every gate.
        verdict: `pass`, `fail` or `inconclusive`, over all gates.
        report: the path of the report.
        reused: whether the evaluation was there already and no model was fitted again.
        run: its id in the record of runs, which `runs` lists.
        notes: what could not be done beside, such as recording the run.
    """

    version: Version
    evaluation: Evaluation | None
    gates: tuple[Verdict, ...]
    verdict: str
    report: Path
    reused: bool = False
    run: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The one JSON document of `assay run --json`."""
        return {
            **self.version.to_dict(),
            **(self.evaluation.to_dict() if self.evaluation else {}),
            "gates": [asdict(verdict) for verdict in self.gates],
            "verdict": self.verdict,
            "report": str(self.report),
            "run": self.run,
            "notes": list(self.notes),
        }

    def annotations(self, recipe: str | Path) -> str:
        """The gates that did not pass as GitHub's workflow commands, at their lines of a recipe."""
        return github(judged_of(Run(self.version, self.evaluation), self.gates, recipe))

    def to_pandas(self) -> Any:
        """The scores as a pandas frame."""
        return as_pandas(self.evaluation.to_polars() if self.evaluation else pl.DataFrame())

    def __repr__(self) -> str:
        lines = [self.version.summary()]
        if self.evaluation is not None:
            lines += ["", repr(self.evaluation)]
            if self.reused:
                lines.append("These scores were there already; no model was fitted again.")
        if self.gates:
            lines += ["", "gates"]
            lines += shown_gates(Run(self.version, self.evaluation), self.gates)
        lines += ["", f"verdict  {self.verdict}", f"report   {self.report}"]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        parts = [self.version._repr_html_()]
        if self.evaluation is not None:
            parts.append(self.evaluation._repr_html_())
        return "".join([*parts, f"<p>verdict: {self.verdict}</p>"])


@placed
def run(  # noqa: PLR0913 - the options of `assay run`, one to one
    recipe: Recipe | Mapping[str, Any] | str | Path,
    *,
    out: str | Path = "versions",
    workers: int | None = None,
    seed: int | None = None,
    engine: Engine = "processes",
    progress: Progress | None = None,
    functions: Iterable[Callable[..., Any] | str | Path] = (),
    commands: bool = False,
    gates_to: Iterable[str | Path] = (),
    mlflow: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Build a version, score the models on it, hold both against the gates, write the report.

    Args:
        recipe: a recipe file, or the recipe itself.
        out: the folder that holds all versions.
        workers: how many shards to work on at once; the number of cores when not given.
        seed: replaces the recipe's seed.
        engine: `processes` or `ray`, for the build.
        progress: called with a stage's name, what is done and how much there is.
        functions: your own functions, or files of them, that the recipe may name.
        commands: let the recipe's models run programs, as `command` does.
        gates_to: files to write the gates' verdicts to as well; the ending says how: `.xml`
            JUnit, `.sarif`, `.md` Markdown, `.json` GitLab's code quality, `.txt` text.
        mlflow: the address of an MLflow server that the run is put on as well, or `env`: then it
            is what MLFLOW_TRACKING_URI says. Without it no server is asked.
        tell: called, before models are fitted, with the difference that the held-out rows can show.

    Returns:
        The version, the evaluation, the gates' verdicts and the report's path.

    Raises:
        AssayError: the recipe, the source or the place to write to is not fit for it.
    """
    paths = checked_paths(gates_to)
    server = address(mlflow) if mlflow is not None else None
    with using(own(functions)), allowing_commands(commands):
        loaded = load(recipe)
        if seed is not None:
            loaded = loaded.model_copy(update={"seed": seed})
        notes: list[str] = []
        with recorded("run", out, loaded, tell=notes.append, failed=told(server)) as record:
            version = build(loaded, out=out, workers=workers, engine=engine, progress=progress)
            folder = _run_folder(loaded, version)
            record.version, record.folder = version, folder
            with storage_errors(folder):
                evaluation, reused = _finished(folder), False
                if evaluation is not None:
                    reused = True
                elif loaded.models:
                    say = {"progress": progress, "tell": tell}
                    evaluation = _evaluated(loaded, version, Path(out), folder, say)
                made = Run(version, evaluation, folder)
                verdicts = judge(loaded.gates, state_of(made, loaded))
                verdict, plain = overall(verdicts), [asdict(gate) for gate in verdicts]
                write_atomically(folder / GATES, orjson.dumps(plain))
                path = _write_report(folder, version, evaluation, verdicts)
                write(judged_of(made, verdicts, recipe), paths)
            record.verdict, record.gates = verdict, plain
            if evaluation is not None:
                record.best, record.scores = evaluation.best, evaluation.plain_scores()
        notes += told(server)(record, evaluation)
        return Outcome(
            version, evaluation, verdicts, verdict, path, reused, record.id, tuple(notes)
        )


@placed
def report(
    what: Version | Evaluation | Result | str | Path,
    *,
    out: str | Path = "versions",
    to: str | Path | None = None,
    charts: str | Path | None = None,
    against: Version | Evaluation | str | Path | None = None,
) -> Path:
    """Render the report of a version, with its newest run, of an evaluation, or of a study.

    A study's page is written beside the runs of its version, whose own report then shows it too.

    Args:
        what: a version, its folder or name; an evaluation, or the path of an `evaluation.json`;
            what a study gave.
        out: the folder that holds all versions.
        to: the folder to write `report.html` to; for an evaluation `evaluation.json` as well.
        charts: a folder to write every chart to as well, as SVG and, with the extra `charts`, PNG.
        against: what `what` may be as well: an earlier evaluation, shown side by side, with a
            paired test of the rows that both were held against where runs keep their predictions.

    Returns:
        The report's path.

    Raises:
        VersionError: there is no such version.
        PredictionsError: the file is not an evaluation.
    """
    if isinstance(what, Result):
        if charts is not None:
            write_charts(Path(charts), charts_of(what))
        return write_study(what, Path(out), Path(to) if to else None)
    found = _found(what, out)
    folder = Path(to or found.folder)
    if isinstance(what, Evaluation):
        with storage_errors(folder):
            write_atomically(folder / EVALUATION, what.to_json().encode())
    if charts is not None:
        write_charts(Path(charts), charts_of(found.evaluation) if found.evaluation else {})
    other = _beside(_found(against, out), found) if against is not None else None
    return _write_report(folder, found.version, found.evaluation, found.gates, other)


@dataclass(frozen=True)
class _Found:
    evaluation: Evaluation | None
    version: Version | None
    folder: Path
    title: str
    gates: Sequence[Verdict | Mapping[str, Any]] = ()


def _found(what: Version | Evaluation | str | Path, out: str | Path) -> _Found:
    """An evaluation, the version that it is of, and the folder that it lies in."""
    if isinstance(what, Evaluation):
        return _Found(what, None, Path(), what.version or what.name)
    if not isinstance(what, Version) and Path(what).suffix == ".json":
        evaluation, folder = Evaluation.from_file(what), Path(what).parent
        beside = _version_of(evaluation, folder)
        return _Found(evaluation, beside, folder, folder.name or str(what),
                      read_gates(folder) or ())  # fmt: skip
    version = what if isinstance(what, Version) else open_version(what, out)
    made = newest_run(version)
    folder = run_folder(made)
    return _Found(made.evaluation, version, folder, version.title, read_gates(folder) or ())


def _beside(before: _Found, after: _Found) -> dict[str, Any]:
    """Both evaluations' scores, with a paired test where both keep their predictions."""
    for one in (before, after):
        if one.evaluation is None:
            raise PredictionsError(
                "There is nothing to set beside it: no model was evaluated.", where=one.title
            )
    assert before.evaluation is not None and after.evaluation is not None
    lines, notes = beside(
        (before.folder, before.evaluation), (after.folder, after.evaluation),
        (before.version, after.version),
    )  # fmt: skip
    return {"before": before.title, "after": after.title, "lines": lines, "notes": notes}


def _run_folder(recipe: Recipe, version: Version) -> Path:
    asked = [
        [use.plain() for use in getattr(recipe, section)]
        for section in ("models", "metrics", "gates")
    ]
    rest = [recipe.seed, recipe.target, recipe.task, recipe.inputs, recipe.positive]
    rest.append(code_version("models", "evaluation"))
    rest += [component.version() for component in in_use()]
    rest += outside(recipe)
    return version.path.parent / RUNS / f"{version.id}-{digest([asked, rest])[:8]}"


def _finished(folder: Path) -> Evaluation | None:
    """The evaluation of an earlier run that was asked the same, if it can still be read."""
    # The folder's name holds all that decides an evaluation; the file is written last. Without
    # its predictions nothing can be compared with it row by row.
    if not (folder / PREDICTIONS).exists():
        return None
    try:
        found = Evaluation.from_file(folder / EVALUATION)
    except PredictionsError:
        return None
    # A model that failed may have what it lacked by now; the others' fits are in the cache.
    return None if any(info.error for info in found.models) else found


def _evaluated(
    recipe: Recipe, version: Version, out: Path, folder: Path, say: Mapping[str, Any]
) -> Evaluation:
    cache = Cache(out / ".cache")
    with cache.in_use() as lock:
        evaluation, predictions, used = evaluate_version(
            recipe,
            version,
            cache,
            pairs=pairs(recipe.gates),
            models=folder / MODELS,
            # What is fitted outlives an interruption: whoever builds meanwhile leaves it alone.
            keep=lambda keys: cache.keep_only(lock, f"{recipe.name}.models", keys),
            **say,
        )
        cache.keep_only(lock, f"{recipe.name}.models", used)
    evaluation = evaluation.model_copy(
        update={"slices": sliced(recipe, version, evaluation, predictions)}
    )
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{PREDICTIONS}.{os.getpid()}.part"
    try:
        predictions.write_parquet(unfinished)
        unfinished.replace(folder / PREDICTIONS)
    finally:
        unfinished.unlink(missing_ok=True)
    write_cards(folder, version, evaluation, predictions)
    write_atomically(folder / EVALUATION, evaluation.to_json().encode())
    return evaluation


def _write_report(
    folder: Path,
    version: Version | None,
    evaluation: Evaluation | None,
    gates: Sequence[Verdict | Mapping[str, Any]],
    other: Mapping[str, Any] | None = None,
) -> Path:
    shown = evaluation.model_dump(mode="json") if evaluation else None
    plain = [gate if isinstance(gate, Mapping) else asdict(gate) for gate in gates]
    path = folder / REPORT
    with storage_errors(folder):
        page = render(version.manifest if version else None, shown, plain, other,
                      studies_of(version))  # fmt: skip
        write_atomically(path, page.encode())
    return path


def _version_of(evaluation: Evaluation, folder: Path) -> Version | None:
    """The version an evaluation belongs to, where the evaluation lies in its run's folder."""
    path = folder.parent.parent / str(evaluation.version)
    return Version(path) if evaluation.version and path.exists() else None
