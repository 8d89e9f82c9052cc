"""Commands that keep versions: compare, restore, name, thin out and trace them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.shared import DEFAULT_OUT, EXIT_CODES, Json, Out, app, show

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
