"""Commands that look closer at models: their parameters, fields, probabilities and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import assay
from assay.cli.judging import (
    Id,
    More,
    Positive,
    Predictions,
    Record,
    Target,
    Truth,
    recorded_in,
)
from assay.cli.shared import (
    DEFAULT_OUT,
    DEFAULT_RECIPE,
    Functions,
    Json,
    Out,
    Quiet,
    RecipeFile,
    Seed,
    Workers,
    app,
    names,
    one_of,
    show,
    shown_progress,
)
from assay.errors import AssayError

METHODS = ("auto", "split", "cv+")
SCALES = ("constant", "prediction")
TASKS = ("number", "class")
Metric = Annotated[str | None, typer.Option(help="Instead of the recipe's first.")]
Model = Annotated[str | None, typer.Option(help="One of the recipe's, by its title.")]


@app.command("sweep")
def validation_curve(  # noqa: PLR0913, PLR0917 - one option for each parameter
    model: Annotated[str, typer.Option(help="One of the recipe's, by its title.")],
    parameter: Annotated[str, typer.Option(help="The name of one of its parameters.")],
    values: Annotated[str, typer.Option(help="What it is set to, with commas between.")],
    recipe: RecipeFile = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    metric: Metric = None,
    seed: Seed = None,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Set a parameter to several values: a validation curve."""
    from assay.yamltext import plain_scalar

    with shown_progress(quiet) as progress:
        found = assay.validation_curve(
            recipe,
            model,
            parameter,
            [plain_scalar(one) for one in names(values) or ()],
            out=out,
            metric=metric,
            seed=seed,
            workers=workers,
            functions=functions or (),
            progress=progress,
        )
    tell(found, out, json)


@app.command()
def importance(  # noqa: PLR0913, PLR0917 - one option for each parameter
    recipe: RecipeFile = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    fields: Annotated[str | None, typer.Option(help="Inputs, with commas between.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each is shuffled.")] = 5,
    models: Annotated[
        str | None, typer.Option(help="Instead of the recipe's, with commas between.")
    ] = None,
    metric: Metric = None,
    seed: Seed = None,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Say which fields each model lives on, by permutation."""
    with shown_progress(quiet) as progress:
        found = assay.importance(
            recipe,
            out=out,
            fields=names(fields),
            repeats=repeats,
            models=names(models),
            metric=metric,
            seed=seed,
            workers=workers,
            functions=functions or (),
            progress=progress,
        )
    tell(found, out, json)


@app.command()
def conformal(  # noqa: PLR0913, PLR0917 - one option for each parameter
    recipe: RecipeFile = DEFAULT_RECIPE,
    model: Model = None,
    out: Out = DEFAULT_OUT,
    level: Annotated[float, typer.Option(help="The share of rows to cover.")] = 0.9,
    method: Annotated[str, typer.Option(help=f"{', '.join(METHODS)}.")] = "auto",
    scale: Annotated[
        str, typer.Option(help="constant, or prediction: as wide as the prediction is large.")
    ] = "constant",
    folds: Annotated[int | None, typer.Option(min=2, help="Of cv+.")] = None,
    seed: Seed = None,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Give intervals, or sets of classes, that hold the truth."""
    with shown_progress(quiet) as progress:
        found = assay.conformal(
            recipe,
            model,
            out=out,
            level=level,
            method=one_of("method", method, METHODS),
            scale=one_of("scale", scale, SCALES),
            folds=folds,
            seed=seed,
            workers=workers,
            functions=functions or (),
            progress=progress,
        )
    tell(found, out, json)


@app.command()
def threshold(  # noqa: PLR0913, PLR0917 - one option for each parameter
    costs: Annotated[
        list[str],
        typer.Option("--cost", help="TRUE:PREDICTED=COST, such as ham:spam=10; repeatable."),
    ],
    recipe: RecipeFile = DEFAULT_RECIPE,
    model: Model = None,
    out: Out = DEFAULT_OUT,
    seed: Seed = None,
    workers: Workers = None,
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Choose from which probability on to say yes, by cost."""
    asked = _costs(costs)
    with shown_progress(quiet) as progress:
        found = assay.threshold(
            recipe,
            model,
            costs=asked,
            out=out,
            seed=seed,
            workers=workers,
            functions=functions or (),
            progress=progress,
        )
    tell(found, out, json)


@app.command()
def calibration(  # noqa: PLR0913, PLR0917 - one option for each parameter
    truth: Truth,
    predictions: Predictions,
    more: More = None,
    id: Id = None,
    target: Target = None,
    of: Annotated[str | None, typer.Option(help="The class whose probability is meant.")] = None,
    bins: Annotated[int, typer.Option(min=2, help="How many.")] = 10,
    positive: Positive = None,
    task: Annotated[str | None, typer.Option(help="number or class.")] = None,
    seed: Seed = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for report.html.")] = None,
    record: Record = None,
    json: Json = False,
) -> None:
    """Say whether probabilities, or numbers, mean what they say."""
    found = assay.calibration(
        truth,
        [*predictions, *(more or [])],
        id=id,
        target=target,
        of=of,
        bins=bins,
        positive=positive,
        task=one_of("task", task, TASKS) if task else None,
        seed=seed or 0,
        record=recorded_in(record),
    )
    tell(found, None, json, to=out)


def tell(found: Any, out: Path | None, json: bool, *, to: Path | None = None) -> None:
    """Print what a study found and write its page."""
    document, text = found.to_dict(), repr(found)
    if out or to:
        document["report"] = str(assay.report(found, out=out or DEFAULT_OUT, to=to))
        text += f"\n\nreport   {document['report']}"
    show(document, text, json)


def _costs(given: list[str]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for one in given:
        classes, equals, cost = one.rpartition("=")
        true, colon, predicted = classes.partition(":")
        try:
            if not equals or not colon:
                raise ValueError
            found.setdefault(true, {})[predicted] = float(cost)
        except ValueError:
            raise AssayError(
                "--cost takes TRUE:PREDICTED=COST.", received=one, hint="--cost ham:spam=10"
            ) from None
    return found
