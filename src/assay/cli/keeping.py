"""Commands that keep versions: compare, restore, name, thin out and trace them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.shared import (
    DEFAULT_OUT,
    EXIT_CODES,
    Json,
    Out,
    VersionName,
    app,
    names,
    say,
    show,
)

Examples = Annotated[int, typer.Option(min=0, help="Rows of each kind shown with their values.")]


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="The version before: name/v3, v3-9f2c41ab, name/TAG.")],
    b: Annotated[str, typer.Argument(help="The version after.")],
    out: Out = DEFAULT_OUT,
    examples: Examples = 5,
    to: Annotated[Path | None, typer.Option(help="The HTML report to write.")] = None,
    json: Json = False,
) -> None:
    """Tell what has changed from one version to another, and why."""
    found = assay.diff(a, b, out=out, examples=examples, to=to)
    show(found.to_dict(), repr(found), json)
    raise typer.Exit(EXIT_CODES[found.verdict])


@app.command()
def restore(
    version: VersionName,
    out: Out = DEFAULT_OUT,
    to: Annotated[Path | None, typer.Option(help="A new folder to copy it to instead.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A file to write its recipe to.")] = None,
    json: Json = False,
) -> None:
    """Make an old version the newest again; nothing is built."""
    restored = assay.restore(version, out=out, to=to, recipe=recipe)
    done = "was the newest already" if restored.reused else "restored"
    text = f"{version} copied to {to}" if to else f"{restored.title} {done}: {restored.path}"
    show(restored.to_dict(), text, json)


@app.command()
def tag(
    version: Annotated[
        str | None, typer.Argument(help="name/v3, v3-9f2c41ab, name/TAG; all tags without.")
    ] = None,
    name: Annotated[str | None, typer.Argument(help="The tag, such as shipped.")] = None,
    out: Out = DEFAULT_OUT,
    note: Annotated[str, typer.Option(help="Why, for whoever reads it later.")] = "",
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag away.")] = False,
    json: Json = False,
) -> None:
    """Give a version a name that opens it, or list the names."""
    tags = assay.tag(version, name, out=out, note=note, remove=remove)
    show(tags.to_dict(), repr(tags), json)


@app.command()
def prune(
    keep: Annotated[int, typer.Option(min=1, help="The newest of each name that stay.")],
    name: Annotated[str | None, typer.Argument(help="Of this recipe only.")] = None,
    out: Out = DEFAULT_OUT,
    runs: Annotated[
        bool, typer.Option("--runs", help="Evaluated ones too, with their evaluations.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only told.")] = False,
    json: Json = False,
) -> None:
    """Take away old versions that nothing needs."""
    pruned = assay.prune(name, keep=keep, out=out, runs=runs, yes=yes)
    show(pruned.to_dict(), repr(pruned), json)


@app.command()
def lineage(
    what: Annotated[
        str,
        typer.Argument(help="A version, evaluation.json, run, source file, recipe file or hash."),
    ],
    out: Out = DEFAULT_OUT,
    json: Json = False,
) -> None:
    """Tell what a score comes from, and what a file went into."""
    found = assay.lineage(what, out=out)
    show(found.to_dict(), repr(found), json)


@app.command()
def runs(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.runs`
    name: Annotated[str | None, typer.Argument(help="Of this recipe only.")] = None,
    out: Out = DEFAULT_OUT,
    kind: Annotated[
        str | None, typer.Option(help="run, build, improve, crossval, curve, evaluate, gate, …")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(help="A bound on a score: mae<80, mae.high<85, model:mae<80; repeatable."),
    ] = None,
    verdict: Annotated[str | None, typer.Option(help="pass, fail or inconclusive.")] = None,
    status: Annotated[
        str | None, typer.Option(help="running, finished, failed, interrupted or killed.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="A date, a time, or ago: 24h, 7d.")] = None,
    until: Annotated[str | None, typer.Option(help="The same; runs that began before.")] = None,
    compare: Annotated[
        str | None, typer.Option(help="Ids or versions with commas between, side by side.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    json: Json = False,
) -> None:
    """List, filter and compare the recorded runs."""
    found = assay.runs(
        name,
        out=out,
        kind=kind,
        where=where or (),
        verdict=verdict,
        status=status,
        since=since,
        until=until,
        compare=names(compare),
        limit=limit,
    )
    show(found.to_dict(), repr(found) if found else "", json)
    if not found:
        say(f"No run is recorded under {out} that fits.")
