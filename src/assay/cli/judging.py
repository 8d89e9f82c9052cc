"""Commands that score predictions and compare models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import assay
from assay.cli.shared import DEFAULT_OUT, Json, Seed, app, names, one_of, show

Truth = Annotated[Path, typer.Option(help="The table with the true values.")]
Predictions = Annotated[list[Path], typer.Option(help="A table of predictions; repeatable.")]
More = Annotated[list[Path] | None, typer.Argument(help="More tables of predictions.")]
Id = Annotated[str | None, typer.Option("--id", help="The column that names rows.")]
Target = Annotated[str | None, typer.Option(help="The column with the true value.")]
Metrics = Annotated[str | None, typer.Option(help="Names, with commas between.")]
Positive = Annotated[str | None, typer.Option(help="Of two classes, the one meant.")]
Task = Annotated[
    str | None,
    typer.Option(help="number, class, text, ranking or labels; told from the values."),
]
Groups = Annotated[str | None, typer.Option(help="The column of rows that belong together.")]
Weights = Annotated[str | None, typer.Option(help="The column that says how much a row counts.")]
Interval = Annotated[
    str | None, typer.Option(help="exact, normal or bootstrap; each metric's own by default.")
]
Margin = Annotated[float | None, typer.Option(help="The largest difference that is none.")]
TASKS = ("number", "class", "text", "ranking", "labels")
INTERVALS = ("exact", "normal", "bootstrap")
ROWS = ("same", "common")

Record = Annotated[
    Path | None, typer.Option(help="A folder of versions, for `assay runs`; ./versions if any.")
]


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.evaluate`
    truth: Truth,
    predictions: Predictions,
    more: More = None,
    id: Id = None,
    target: Target = None,
    metrics: Metrics = None,
    positive: Positive = None,
    task: Task = None,
    name: Annotated[str | None, typer.Option(help="Of the evaluation.")] = None,
    groups: Groups = None,
    weights: Weights = None,
    interval: Interval = None,
    margin: Margin = None,
    seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for evaluation.json and report.html.")
    ] = None,
    record: Record = None,
    json: Json = False,
) -> None:
    """Score anybody's predictions, with intervals and comparisons."""
    evaluation = assay.evaluate(
        truth,
        [*predictions, *(more or [])],
        id=id,
        target=target,
        metrics=names(metrics),
        positive=positive,
        task=_or_none("task", task, TASKS),
        seed=seed or 0,
        name=name,
        groups=groups,
        weights=weights,
        interval=_or_none("interval", interval, INTERVALS),
        margin=margin,
        record=recorded_in(record),
    )
    document, text = evaluation.to_dict(), repr(evaluation)
    if out is not None:
        document["report"] = str(assay.report(evaluation, to=out))
        text += f"\n\nreport   {document['report']}"
    show(document, text, json)


@app.command()
def compare(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.compare`
    truth: Truth,
    predictions: Predictions,
    more: More = None,
    id: Id = None,
    target: Target = None,
    metrics: Metrics = None,
    margin: Margin = None,
    rows: Annotated[
        str, typer.Option(help="same: refuse other rows; common: take those all models cover.")
    ] = "same",
    positive: Positive = None,
    task: Task = None,
    groups: Groups = None,
    weights: Weights = None,
    interval: Interval = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Compare models pair by pair on the same rows."""
    compared = assay.compare(
        [*predictions, *(more or [])],
        truth,
        id=id,
        target=target,
        metrics=names(metrics),
        margin=margin,
        rows=one_of("choice of rows", rows, ROWS),
        positive=positive,
        task=_or_none("task", task, TASKS),
        groups=groups,
        weights=weights,
        interval=_or_none("interval", interval, INTERVALS),
        seed=seed or 0,
    )
    show(compared.to_dict(), repr(compared), json)


def recorded_in(asked: Path | None) -> Path | None:
    """The folder whose record a command's run goes to."""
    return asked or (DEFAULT_OUT if DEFAULT_OUT.is_dir() else None)


def _or_none(what: str, given: str | None, allowed: tuple[str, ...]) -> Any:
    return one_of(what, given, allowed) if given else None
