"""Commands that look and change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.shared import (
    DEFAULT_OUT,
    DEFAULT_RECIPE,
    FAILED,
    PASSED,
    Functions,
    Json,
    Out,
    Quiet,
    RecipeFile,
    VersionName,
    Workers,
    app,
    names,
    numbers,
    say,
    show,
    shown_progress,
)


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="A file, glob, folder or URL.")],
    recipe: Annotated[Path, typer.Option(help="The recipe with the contract.")] = DEFAULT_RECIPE,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Hold a source against a recipe's contract; change nothing."""
    checked = assay.check(source, recipe, workers=workers)
    show(checked.to_dict(), repr(checked), json)
    raise typer.Exit(PASSED if checked.passed else FAILED)


@app.command()
def why(
    version: VersionName,
    row_id: Annotated[str, typer.Argument(help="The row's id.")],
    out: Out = DEFAULT_OUT,
    json: Json = False,
) -> None:
    """Tell everything that happened to a row, kept or not."""
    history = assay.why(version, row_id, out=out)
    show(history.to_dict(), repr(history), json)


@app.command()
def versions(
    name: Annotated[str | None, typer.Argument(help="Of this name only.")] = None,
    out: Out = DEFAULT_OUT,
    json: Json = False,
) -> None:
    """List versions, oldest first."""
    found = assay.versions(name, out=out)
    width = max((len(version.title) for version in found), default=0)
    text = "\n".join(version.line(width) for version in found)
    show([version.to_dict() for version in found], text, json)
    if not found:
        say(f"There are no versions{f' of {name!r}' if name else ''} under {out}.")


@app.command()
def schema(
    json: Annotated[bool, typer.Option("--json", help="As always here.", hidden=True)] = False,
) -> None:
    """Print the JSON Schema of a recipe, for editors."""
    show(assay.schema(), "", True)


@app.command()
def explain(
    name: Annotated[str | None, typer.Argument(help="A component, such as dedup.exact.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Of several with the name: steps, models, checks, …")
    ] = None,
    json: Json = False,
) -> None:
    """List what recipes can name, or show one with its parameters."""
    document = assay.explain(name, kind=kind)
    if name:
        text = document["help"]
    else:
        width = max(len(title) for names in document.values() for title in names)
        text = "\n\n".join(
            "\n".join([kind, *(f"  {title:<{width}}  {about}" for title, about in names.items())])
            for kind, names in document.items()
        )
    show(document, text, json)
    if not name:
        say("\n`assay explain NAME` shows one with its parameters.")


@app.command()
def inspect(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.inspect`
    source: Annotated[str | None, typer.Argument(help="A file, glob, folder or URL.")] = None,
    target: Annotated[str | None, typer.Option(help="The column that models learn.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Fields, target and source are taken from it.")
    ] = None,
    checks: Annotated[
        str | None, typer.Option(help="Names or codes, with commas between; all by default.")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Of more rows a sample is looked at.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of the sample, and of checks.")] = 0,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for inspection.json and inspection.html.")
    ] = Path("inspection"),
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at data without a recipe and say what is wrong with it."""
    with shown_progress(quiet) as progress:
        seen = assay.inspect(
            source,
            target=target,
            recipe=recipe,
            checks=names(checks),
            rows=rows,
            seed=seed,
            out=out,
            functions=functions or (),
            progress=progress,
        )
    page = out / "inspection.html"
    show({**seen.to_dict(), "report": str(page)}, f"{seen!r}\n\nreport   {page}", json)


@app.command()
def duplicates(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.duplicates`
    recipe: RecipeFile = DEFAULT_RECIPE,
    step: Annotated[str | None, typer.Option(help="Of several, the one to look at.")] = None,
    thresholds: Annotated[
        str | None, typer.Option(help="Thresholds to count at, with commas between.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=0, help="How many pairs to show.")] = 20,
    out: Out = DEFAULT_OUT,
    report: Annotated[Path | None, typer.Option(help="An HTML file to write as well.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed shows other pairs.")] = 0,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show near duplicates before any row goes."""
    with shown_progress(quiet) as progress:
        found = assay.duplicates(
            recipe,
            out=out,
            step=step,
            thresholds=numbers("thresholds", thresholds),
            pairs=pairs,
            seed=seed,
            workers=workers,
            functions=functions or (),
            progress=progress,
            report=report,
        )
    show(found.to_dict(), repr(found), json)
