"""A run on a real tracking server: MLflow, and only where somebody asked for it.

Nothing else in assay opens a connection for it; MLflow's own telemetry stays off.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from assay.errors import AssayError, MissingExtra
from assay.evaluation.evaluation import Evaluation
from assay.records.masking import masked
from assay.records.recording import Recording
from assay.records.store import RunRecord
from assay.reporting.pictures import pictures, to_png
from assay.tracking.recipes import flat
from assay.urls import hidden
from assay.version import MANIFEST, Version

ADDRESS = "MLFLOW_TRACKING_URI"
FROM_ENVIRONMENT = "env"
# MLflow keeps 36 characters of a dataset's digest; a tag has the whole hash.
DIGEST = 36
AT_ONCE = 100  # parameters, metrics or tags in one request
LONGEST = 500  # characters of a parameter
LONGEST_TAG = 5000
# Without these an unreachable server holds a run up for many minutes.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
_SILENCE = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true"}
_ARTIFACTS = ("report.html", "evaluation.json", "gates.json")


def address(asked: str) -> str:
    """The server's address, and whether all is there that is needed; before a run begins.

    Args:
        asked: the address, or `env`: then it is what MLFLOW_TRACKING_URI says.

    Raises:
        AssayError: the environment says nothing.
        MissingExtra: MLflow's client is not installed.
    """
    found = os.environ.get(ADDRESS, "") if asked == FROM_ENVIRONMENT else asked
    if not found:
        raise AssayError(
            "No MLflow server is named.",
            where=f"the environment variable {ADDRESS}" if asked == FROM_ENVIRONMENT else None,
            hint="`--mlflow http://localhost:5000`, or set the variable and say `--mlflow env`",
        )
    _mlflow()
    return found


def told(uri: str | None) -> Callable[..., list[str]]:
    """What tells a server of a run that has ended, whichever way; nothing without a server."""

    def tell(run: Recording, evaluation: Evaluation | None = None) -> list[str]:
        if uri is None or run.ended is None:
            return []
        return publish(uri, run.ended, run.version, evaluation)

    return tell


def publish(
    uri: str, run: RunRecord, version: Version | None, evaluation: Evaluation | None
) -> list[str]:
    """Put a run on an MLflow server: parameters, metrics with their intervals, charts, dataset.

    The run has the best model's metrics; each model is a run of its own under it, so that the
    server's tables and charts compare them. The dataset is an input with the version's hash. A run
    that failed is there as failed, with its error.

    Args:
        uri: the server's address.
        run: as it was recorded.
        version: what the models learned from; None where it was not made.
        evaluation: their scores.

    Returns:
        A note: where the run is, or why it is not there; no run is lost by that.
    """
    mlflow = _mlflow()
    shown = hidden(uri)
    try:
        # MLflow prints to standard output, which is for results.
        with _patient(), contextlib.redirect_stdout(sys.stderr):
            client = mlflow.MlflowClient(tracking_uri=uri)
            id = _published(client, run, version, evaluation)
    except (mlflow.exceptions.MlflowException, OSError) as error:
        said = hidden(str(error)).replace(uri, shown).partition("\n")[0]
        said = said.partition(" with exception")[0][:200]
        return [
            f"this run is not on the MLflow server {shown}: {said}; run again when it can be "
            "reached: no model is fitted twice"
        ]
    return [f"on the MLflow server {shown} this is run {id}"]


def _published(
    client: Any, run: RunRecord, version: Version | None, evaluation: Evaluation | None
) -> str:
    start = int(datetime.fromisoformat(run.started).timestamp() * 1000)
    experiment = client.get_experiment_by_name(run.name)
    where = experiment.experiment_id if experiment else client.create_experiment(run.name)
    tags = {
        "assay.run": run.id, "assay.version": str(run.version), "assay.hash": str(run.hash),
        "assay.verdict": str(run.verdict), "assay.release": str(run.assay),
        "assay.code": str(run.code),
    }  # fmt: skip
    tags |= {f"assay.gate.{place}": f"{gate['verdict']}: {gate['gate']}"[:LONGEST]
             for place, gate in enumerate(run.gates, 1)}  # fmt: skip
    if run.error:
        tags["assay.error"] = run.error[:LONGEST_TAG]
    title = run.version or f"{run.status} {run.id}"
    made = client.create_run(where, start_time=start, run_name=title, tags=tags)
    id: str = made.info.run_id
    status = "FAILED"
    try:
        parameters = [(path, _text(value)) for path, value in flat(masked(run.recipe))]
        _log(client, id, start, parameters, _metrics(run.scores, run.best))
        if version is not None:
            inputs = [_dataset(version, split) for split in version.splits]
            client.log_inputs(run_id=id, datasets=inputs)
            client.log_artifact(id, str(version.path / MANIFEST))
        folder = Path(run.folder or "")
        for file in (folder / name for name in _ARTIFACTS if run.status == "finished"):
            if file.exists():
                client.log_artifact(id, str(file))
        if evaluation is not None:
            _charts(client, id, evaluation)
            for info in evaluation.models:
                child = client.create_run(
                    where,
                    start_time=start,
                    run_name=info.model,
                    tags={"mlflow.parentRunId": id, "assay.run": run.id},
                )
                given = [(f"parameters.{name}", _text(v)) for name, v in info.parameters.items()]
                given += [(f"chosen.{name}", _text(v)) for name, v in info.chosen.items()]
                cost = {"seconds": info.seconds, "memory_mb": info.memory_mb, "cost": info.cost}
                measured = [*_metrics(run.scores, info.model), *_known(cost)]
                _log(client, child.info.run_id, start, [("model", info.model), *given], measured)
                card = folder / (info.saved or "") / "README.md"
                if info.saved and card.is_file():
                    client.log_artifact(child.info.run_id, str(card))
                ended = "FAILED" if info.error else "FINISHED"
                client.set_terminated(child.info.run_id, status=ended)
        status = "FINISHED" if run.status == "finished" else "FAILED"
    finally:
        end = start + int(run.seconds * 1000)
        client.set_terminated(id, status=status, end_time=end)
    return id


def _log(
    client: Any,
    id: str,
    at: int,
    parameters: Iterable[tuple[str, str]],
    metrics: Iterable[tuple[str, float]],
) -> None:
    entities = _mlflow().entities
    given = [entities.Param(_name(key), value) for key, value in dict(parameters).items()]
    measured = [entities.Metric(_name(key), value, at, 0) for key, value in metrics]
    for start in range(0, max(len(given), len(measured)), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        client.log_batch(id, metrics=measured[part], params=given[part])


def _metrics(scores: Iterable[Mapping[str, Any]], model: str | None) -> list[tuple[str, float]]:
    """A model's scores, each with the bounds of its interval."""
    found: list[tuple[str, float]] = []
    for one in scores:
        if one["model"] == model:
            name = one["metric"]
            found += _known({name: one["value"], f"{name}_low": one["low"],
                             f"{name}_high": one["high"], f"{name}_rows": one["n"]})  # fmt: skip
    return found


def _known(values: Mapping[str, Any]) -> list[tuple[str, float]]:
    return [(k, float(v)) for k, v in values.items() if v is not None and math.isfinite(v)]


def _dataset(version: Version, split: str) -> Any:
    """One split of the version as the input of a run."""
    entities, manifest = _mlflow().entities, version.manifest
    columns = [{"name": name, "type": field["type"], "required": False}
               for name, field in manifest["fields"].items()]  # fmt: skip
    rows = {"num_rows": version.splits[split], "num_elements": None}
    dataset = entities.Dataset(
        name=f"{manifest['name']}-{split}",
        digest=manifest["hash"][:DIGEST],
        source_type="local",
        source=orjson.dumps({"uri": f"{version.title}/data/{split}-*.parquet"}).decode(),
        schema=orjson.dumps({"assay_fields": columns}).decode()[:1_000_000],
        profile=orjson.dumps(rows).decode(),
    )
    context = {"train": "training", "test": "testing"}.get(split, split)
    tag = entities.InputTag(key="mlflow.data.context", value=context)
    return entities.DatasetInput(dataset=dataset, tags=[tag])


def _charts(client: Any, id: str, evaluation: Evaluation) -> None:
    """The leaderboards and the best model's charts, as pictures that the server shows."""
    plain = evaluation.model_dump(mode="json")
    best = {name: one for name, one in plain["details"].items() if name == evaluation.best}
    drawn = pictures({**plain, "details": best})
    with tempfile.TemporaryDirectory(prefix="assay-charts-") as place:
        for name, svg in drawn.items():
            (Path(place) / f"{name}.svg").write_text(svg, encoding="utf-8")
            with contextlib.suppress(MissingExtra):  # the picture as SVG is there
                (Path(place) / f"{name}.png").write_bytes(to_png(svg))
        if drawn:
            client.log_artifacts(id, place, "charts")


def _name(text: str) -> str:
    """A name as MLflow takes it: letters, digits, `_`, `-`, `.`, `/`, `:` and spaces."""
    return re.sub(r"[^\w.\-/: ]", "_", text)[:250]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


@contextlib.contextmanager
def _patient() -> Iterator[None]:
    """Say how long to wait for the server, where nobody has said it otherwise."""
    added = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _mlflow() -> Any:
    for name, value in _SILENCE.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
        import mlflow.entities
        import mlflow.exceptions
    except ImportError:
        raise MissingExtra("mlflow", "An MLflow server") from None
    return mlflow
