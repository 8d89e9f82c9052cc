"""The command that holds new data against a version."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.shared import (
    DEFAULT_OUT,
    EXIT_CODES,
    Functions,
    Json,
    Out,
    Quiet,
    Workers,
    app,
    one_of,
    parameters,
    show,
    shown_progress,
)
from assay.errors import AssayError


@app.command()
def monitor(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.monitor`
    against: Annotated[str, typer.Option(help="A version; of a name alone the accepted one.")],
    data: Annotated[
        str | None, typer.Argument(help="New data: a file, glob or folder.", show_default=False)
    ] = None,
    level: Annotated[float, typer.Option(help="Share of unchanged batches that may alarm.")] = 0.05,
    floor: Annotated[
        list[str] | None,
        typer.Option(help="An effect from which on a change matters, as auc=0.65; repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the batch.")] = None,
    at: Annotated[datetime | None, typer.Option(help="When its rows are from; now.")] = None,
    time: Annotated[
        str | None, typer.Option(help="A field whose latest time says when the rows are from.")
    ] = None,
    model: Annotated[str, typer.Option(help="The model whose performance is followed.")] = "best",
    predictions: Annotated[
        Path | None, typer.Option(help="What it predicts; the saved model does by default.")
    ] = None,
    history: Annotated[
        str, typer.Option(help="keep: add the batch to the name's history; none: leave it out.")
    ] = "keep",
    labels: Annotated[
        Path | None, typer.Option(help="Labels of earlier batches, by row_id; without DATA.")
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Say what the history says by now; without DATA.")
    ] = False,
    keep: Annotated[
        int | None,
        typer.Option(min=1, help="With --status: prune the history, but for so many new batches."),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="A folder for monitor.json.")] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Cut the version's own rows into batches instead.")
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="With --replay: the field that gives the order.")
    ] = None,
    rows: Annotated[int | None, typer.Option(help="With --replay: rows of a batch.")] = None,
    out: Out = DEFAULT_OUT,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Hold new data against a version, now and over time."""
    if keep is not None and (labels or replay or not status):
        raise AssayError(
            "--keep prunes the history, which goes with --status.",
            received=f"--keep {keep}",
            hint=f"assay monitor --status --keep {keep} --against {against}",
        )
    floors = _floors(floor or [])
    if replay:
        with shown_progress(quiet) as progress:
            past = assay.replay(against, out=out, by=by, rows=rows, level=level, floors=floors,
                                progress=progress)  # fmt: skip
        show(past.to_dict(), repr(past), json)
        return
    if (labels or status) and data is not None:
        raise AssayError(
            "--labels and --status look at the history, not at new data.",
            received=data,
            hint="run twice: once with the data, once with the option",
        )
    if labels or status:
        said = (
            assay.monitor_labels(labels, against=against, out=out, model=model)
            if labels
            else assay.monitored(against, out=out, keep=keep)
        )
        show(said.to_dict(), repr(said), json)
        raise typer.Exit(EXIT_CODES[said.verdict])
    if data is None:
        raise AssayError(
            "There is no data to hold against the version.",
            hint="name a file or folder, or give --replay to see what the version's own rows do, "
            "or --status to see what the history says",
        )
    with shown_progress(quiet) as progress:
        found = assay.monitor(
            data,
            against=against,
            out=out,
            level=level,
            floors=floors,
            name=name,
            at=at,
            time=time,
            model=model,
            predictions=predictions,
            history=one_of("history", history, ("keep", "none")) == "keep",
            to=to,
            workers=workers,
            functions=functions or (),
            progress=progress,
        )
    show(found.to_dict(), repr(found), json)
    raise typer.Exit(EXIT_CODES[found.verdict])


def _floors(given: list[str]) -> dict[str, float]:
    found = parameters(given)
    for effect, value in found.items():
        if not isinstance(value, int | float):
            raise AssayError(f"--floor takes a number for {effect!r}.", received=value)
    return {effect: float(value) for effect, value in found.items()}
