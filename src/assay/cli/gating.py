"""Commands that guard: gates held again, and the version that later ones are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.shared import (
    DEFAULT_OUT,
    DEFAULT_RECIPE,
    EXIT_CODES,
    Functions,
    Json,
    Out,
    RecipeFile,
    VersionName,
    app,
    one_of,
    say,
    show,
)

FORMS = ("text", "junit", "sarif", "github", "gitlab", "markdown")


@app.command()
def gate(
    version: Annotated[str, typer.Argument(help="A version's name or folder; an evaluation.json.")],
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe with the gates; the version's own by default.")
    ] = None,
    monitor: Annotated[
        Path | None, typer.Option(help="monitor.json of new data held against the version.")
    ] = None,
    form: Annotated[str, typer.Option("--as", help=", ".join(FORMS) + ".")] = "text",
    to: Annotated[
        list[Path] | None,
        typer.Option("--to", help="Also write .xml (JUnit), .sarif, .md, .json (GitLab)."),
    ] = None,
    out: Out = DEFAULT_OUT,
    functions: Functions = None,
    json: Json = False,
) -> None:
    """Hold a version against its gates again."""
    one_of("form of the gates' verdicts", form, FORMS)
    gated = assay.gate(
        version, recipe, monitor=monitor, to=to or (), out=out, functions=functions or ()
    )
    show(gated.to_dict(), gated.render(form).rstrip("\n"), json)
    raise typer.Exit(EXIT_CODES[gated.verdict])


@app.command()
def accept(
    version: VersionName,
    force: Annotated[
        bool, typer.Option("--force", help="Although gates failed, or were never held.")
    ] = False,
    note: Annotated[str, typer.Option(help="Why, in your words.")] = "",
    out: Out = DEFAULT_OUT,
    json: Json = False,
) -> None:
    """Mark the version that later ones are held against."""
    accepted = assay.accept(version, force=force, note=note, out=out)
    show(accepted.to_dict(), repr(accepted), json)
    if not json:
        say(
            "Gates such as `not_worse: {than: accepted}` compare with it from now on; "
            "`assay ci` writes a pipeline that does so on every change."
        )


@app.command()
def ci(
    recipe: RecipeFile = DEFAULT_RECIPE,
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="github, gitlab, pre-commit; repeatable.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="The repository's root.")] = Path(),
    install: Annotated[str | None, typer.Option(help="The command that installs assay.")] = None,
    functions: Functions = None,
    commands: Annotated[
        bool, typer.Option("--allow-commands", help="Let the recipe's models run programs.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    json: Json = False,
) -> None:
    """Write a GitHub or GitLab pipeline and a pre-commit hook."""
    made = assay.ci(
        recipe,
        kinds=kinds,
        to=to,
        install=install,
        functions=functions or (),
        commands=commands,
        force=force,
    )
    show(made.to_dict(), "\n".join(map(str, made.files)), json)
    if not json:
        for one in made.next:
            say(f"next: {one}")
