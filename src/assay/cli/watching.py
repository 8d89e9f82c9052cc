"""The command that waits for new data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.shared import (
    DEFAULT_OUT,
    DEFAULT_RECIPE,
    EXIT_CODES,
    PASSED,
    Functions,
    Json,
    Out,
    Workers,
    app,
    show,
)
from assay.errors import Terminated


@app.command()
def watch(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.watch`
    source: Annotated[
        str | None,
        typer.Argument(help="A file, glob or folder; the recipe's source.", show_default=False),
    ] = None,
    recipe: Annotated[Path, typer.Option(help="The recipe.")] = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    every: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds between two looks: 2 for files, 60 for places."),
    ] = None,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds without a change before files are read.")
    ] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="Do what there is to do and end; for cron.")
    ] = False,
    workers: Workers = None,
    functions: Functions = None,
    commands: Annotated[
        bool, typer.Option("--allow-commands", help="Let the recipe's models run programs.")
    ] = False,
    json: Json = False,
) -> None:
    """Build, gate and monitor whenever something new arrives."""
    from assay.jobs.watching import Event, stoppable

    def tell(event: Event) -> None:
        import orjson

        show(
            None,
            orjson.dumps(event.to_dict(), default=str).decode() if json else repr(event),
            False,
        )

    verdict = None
    try:
        with stoppable():
            for event in assay.watch(
                source,
                recipe=recipe,
                out=out,
                every=every,
                settle=settle,
                once=once,
                workers=workers,
                functions=functions or (),
                commands=commands,
            ):
                tell(event)
                verdict = event.verdict or verdict
    except Terminated:
        tell(Event("stopped", "asked to end; what was under way was given up, nothing is lost"))
        raise typer.Exit(PASSED) from None
    except KeyboardInterrupt:
        tell(Event("stopped", "interrupted; what was under way was given up, nothing is lost"))
        raise
    raise typer.Exit(EXIT_CODES.get(verdict or "pass", PASSED))
