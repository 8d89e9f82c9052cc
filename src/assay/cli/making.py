"""Commands that make something: a recipe, a version, a verdict, an export, a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.shared import (
    DEFAULT_OUT,
    DEFAULT_RECIPE,
    EXIT_CODES,
    EngineName,
    Functions,
    Json,
    Out,
    Quiet,
    RecipeFile,
    Seed,
    VersionName,
    Workers,
    app,
    engine_named,
    parameters,
    place,
    say,
    show,
    shown_progress,
)


@app.command()
def init(
    source: Annotated[str, typer.Argument(help="A file, glob, folder or URL.")],
    target: Annotated[str | None, typer.Option(help="The column that models learn.")] = None,
    out: Annotated[Path, typer.Option(help="The recipe to write.")] = DEFAULT_RECIPE,
    json: Json = False,
) -> None:
    """Look at data and write a commented recipe that runs as it is."""
    text = assay.init(source, target=target, out=out)
    show({"recipe": str(out), "text": text}, f"{out}", json)
    name = "" if out == DEFAULT_RECIPE else f" {out}"
    say(f"This recipe runs as it is. Read it, then: assay {'run' if target else 'build'}{name}")
    if target is None:
        say("Name a column with --target for models and their scores as well.")


@app.command()
def run(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.run`
    recipe: RecipeFile = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    workers: Workers = None,
    seed: Seed = None,
    engine: EngineName = "processes",
    functions: Functions = None,
    commands: Annotated[
        bool, typer.Option("--allow-commands", help="Let the recipe's models run programs.")
    ] = False,
    gates_to: Annotated[
        list[Path] | None,
        typer.Option("--gates-to", help="Write verdicts: .xml (JUnit), .sarif, .md, .json, .txt."),
    ] = None,
    mlflow: Annotated[
        str | None, typer.Option(help="An MLflow server's address, or env (extra assay[mlflow]).")
    ] = None,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Tell GitHub of gates that did not pass.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The main job: build, evaluate, hold against gates, report."""
    with shown_progress(quiet) as progress:
        outcome = assay.run(
            recipe,
            out=out,
            workers=workers,
            seed=seed,
            engine=engine_named(engine),
            progress=progress,
            functions=functions or (),
            commands=commands,
            gates_to=gates_to or (),
            mlflow=mlflow,
            tell=None if quiet else say,
        )
    show(outcome.to_dict(), repr(outcome), json)
    if annotate and (lines := outcome.annotations(recipe)):
        say(lines)
    raise typer.Exit(EXIT_CODES[outcome.verdict])


@app.command()
def build(
    recipe: RecipeFile = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    workers: Workers = None,
    seed: Seed = None,
    engine: EngineName = "processes",
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make the dataset version, and nothing else."""
    with shown_progress(quiet) as progress:
        version = assay.build(
            recipe,
            out=out,
            workers=workers,
            seed=seed,
            engine=engine_named(engine),
            progress=progress,
            functions=functions or (),
        )
    show(version.to_dict(), version.summary(), json)


@app.command()
def export(
    version: VersionName,
    to: Annotated[Path, typer.Option("--out", help="A new or empty folder.")],
    kind: Annotated[
        str, typer.Option("--as", help="jsonl, csv, parquet, chat, … (`assay explain`).")
    ],
    given: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter, as name=value; repeatable.")
    ] = None,
    home: Annotated[
        Path, typer.Option("--versions", callback=place, help="Where versions are.")
    ] = DEFAULT_OUT,
    json: Json = False,
) -> None:
    """Write a version out in another form."""
    from assay.jobs.exporting import summary

    files = assay.export(version, kind, to, parameters=parameters(given or []), out=home)
    show({"files": [str(file) for file in files]}, "\n".join(map(str, files)), json)
    for line in summary(to):
        say(line)


@app.command()
def report(
    what: Annotated[str, typer.Argument(metavar="VERSION_OR_FILE", help="What to report on.")],
    out: Out = DEFAULT_OUT,
    to: Annotated[Path | None, typer.Option(help="The folder to write report.html to.")] = None,
    charts: Annotated[
        Path | None, typer.Option(help="A folder to write every chart to, as SVG and PNG.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="An earlier version or evaluation.json, set side by side.")
    ] = None,
    json: Json = False,
) -> None:
    """Render the report of a version or an evaluation.json again."""
    path = assay.report(what, out=out, to=to, charts=charts, against=against)
    show({"report": str(path)}, str(path), json)
