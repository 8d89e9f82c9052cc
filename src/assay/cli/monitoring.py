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
    parameters,
    show,
    shown_progress,
)


@app.command()
def monitor(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.monitor`
    data: Annotated[str, typer.Argument(help="New data: a file, glob or folder.")],
    against: Annotated[str, typer.Option(help="A version; of a name alone the accepted one.")],
    level: Annotated[float, typer.Option(help="Share of unchanged batches that may alarm.")] = 0.05,
    floor: Annotated[
        list[str] | None,
        typer.Option(help="An effect from which on a change matters, as auc=0.65; repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call the batch.")] = None,
    at: Annotated[datetime | None, typer.Option(help="When its rows are from; now.")] = None,
    to: Annotated[Path | None, typer.Option(help="A folder for monitor.json.")] = None,
    out: Out = DEFAULT_OUT,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Hold new data against a version: schema, contract, drift."""
    with shown_progress(quiet) as progress:
        found = assay.monitor(
            data,
            against=against,
            out=out,
            level=level,
            floors={name: float(value) for name, value in parameters(floor or []).items()},
            name=name,
            at=at,
            to=to,
            workers=workers,
            functions=functions or (),
            progress=progress,
        )
    show(found.to_dict(), repr(found), json)
    raise typer.Exit(EXIT_CODES[found.verdict])
