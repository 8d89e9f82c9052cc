"""Commands that fit models again to learn more about them, and those that use them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.probing import tell
from assay.cli.shared import (
    DEFAULT_OUT,
    DEFAULT_RECIPE,
    EngineName,
    Functions,
    Json,
    Out,
    Quiet,
    RecipeFile,
    Seed,
    Workers,
    app,
    engine_named,
    names,
    numbers,
    one_of,
    say,
    show,
    shown_progress,
)

KINDS = ("auto", "stratified", "grouped", "temporal", "random")
Models = Annotated[str | None, typer.Option(help="Instead of the recipe's, with commas between.")]
Metrics = Annotated[str | None, typer.Option(help="Instead of the recipe's, with commas between.")]


@app.command()
def crossval(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.crossval`
    recipe: RecipeFile = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    folds: Annotated[int | None, typer.Option(min=2, help="The version's own, or 5.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often rows are dealt anew.")] = 1,
    kind: Annotated[str, typer.Option(help=f"{', '.join(KINDS)}.")] = "auto",
    models: Models = None,
    metrics: Metrics = None,
    seed: Seed = None,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Judge every model over folds of train and validation rows."""
    with shown_progress(quiet) as progress:
        found = assay.crossval(
            recipe,
            out=out,
            folds=folds,
            repeats=repeats,
            kind=one_of("kind of folds", kind, KINDS),
            models=names(models),
            metrics=names(metrics),
            seed=seed,
            workers=workers,
            functions=functions or (),
            progress=progress,
        )
    tell(found, out, json)


@app.command("curve")
def learning_curve(  # noqa: PLR0913, PLR0917 - one option for each parameter
    recipe: RecipeFile = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    fractions: Annotated[
        str, typer.Option(help="Of the train rows, with commas between.")
    ] = "0.0625,0.125,0.25,0.5,1",
    draws: Annotated[int, typer.Option(min=1, help="Of each size below the whole.")] = 3,
    times: Annotated[float, typer.Option(help="How many times the data to forecast for.")] = 2.0,
    models: Models = None,
    metric: Annotated[str | None, typer.Option(help="Instead of the recipe's first.")] = None,
    margin: Annotated[float | None, typer.Option(help="The smallest gain that matters.")] = None,
    seed: Seed = None,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit models on growing data and say what more would bring."""
    with shown_progress(quiet) as progress:
        found = assay.learning_curve(
            recipe,
            out=out,
            fractions=numbers("fractions", fractions) or (),
            draws=draws,
            times=times,
            models=names(models),
            metric=metric,
            margin=margin,
            seed=seed,
            workers=workers,
            functions=functions or (),
            progress=progress,
        )
    tell(found, out, json)


@app.command()
def improve(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.improve`
    recipe: RecipeFile = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    model: Annotated[str, typer.Option(help="Whose errors are looked at.")] = "best",
    apply: Annotated[
        str | None, typer.Option(help="An action: add it to a copy of the recipe and measure it.")
    ] = None,
    try_out: Annotated[bool, typer.Option(help="Fit models to weigh actions.")] = True,
    workers: Workers = None,
    seed: Seed = None,
    engine: EngineName = "processes",
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say what would make a model better, do it, and measure it."""
    with shown_progress(quiet) as progress:
        found = assay.improve(
            recipe,
            out=out,
            model=model,
            apply=apply,
            try_out=try_out,
            workers=workers,
            seed=seed,
            engine=engine_named(engine),
            functions=functions or (),
            progress=progress,
        )
    show(found.to_dict(), repr(found), json)


@app.command()
def predict(
    run: Annotated[str, typer.Argument(help="A version, or the folder of a run.")],
    source: Annotated[str, typer.Argument(help="New records: a file, glob or folder.")],
    to: Annotated[Path, typer.Option("--to", help="The file to write: .parquet, .csv, .jsonl.")],
    model: Annotated[str, typer.Option(help="A model's title in the recipe.")] = "best",
    out: Out = DEFAULT_OUT,
    id: Annotated[list[str] | None, typer.Option("--id", help="Key column; repeatable.")] = None,
    functions: Functions = None,
    json: Json = False,
) -> None:
    """Predict new records with a model that a run has saved."""
    found = assay.predict(
        run, source, model=model, to=to, out=out, id=id or None, functions=functions or ()
    )
    show(found.to_dict(), str(to), json)
    say(repr(found))
