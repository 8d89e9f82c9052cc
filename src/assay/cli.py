"""The command line: parse, call one public function, print.

Messages go to standard error and results to standard output; with `--json` the result is one JSON
document and nothing else. Exit codes: 0 passed, 1 a gate failed, 2 the request was wrong,
3 inconclusive, 70 a defect of assay, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

import assay
from assay.errors import AssayError

PASSED, FAILED, WRONG, INCONCLUSIVE, DEFECT, INTERRUPTED = 0, 1, 2, 3, 70, 130
EXIT_CODES = {"pass": PASSED, "fail": FAILED, "inconclusive": INCONCLUSIVE}

app = typer.Typer(
    name="assay",
    help="Raw records to a dataset you can trust, and a verdict on models you can defend.",
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    epilog="Start with `assay init SOURCE --target COLUMN`, then `assay run`.",
    pretty_exceptions_enable=False,
)

RecipeFile = Annotated[Path, typer.Argument(help="The recipe.")]
VersionName = Annotated[str, typer.Argument(help="A folder, or name, name/v3, v3-9f2c41ab.")]
Out = Annotated[Path, typer.Option("--out", help="The folder that holds all versions.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Shards at once; default: all cores.")]
Seed = Annotated[int | None, typer.Option(help="Replaces the recipe's seed.")]
EngineName = Annotated[str, typer.Option("--engine", help="processes, or ray (extra assay[ray]).")]
Functions = Annotated[
    list[Path] | None,
    typer.Option("--functions", help="A Python file of your own functions; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]

DEFAULT_RECIPE = Path("assay.yaml")
DEFAULT_OUT = Path("versions")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version of assay.")] = False,
) -> None:
    if version:
        print(assay.__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def init(
    source: Annotated[str, typer.Argument(help="A file, glob or folder.")],
    target: Annotated[str | None, typer.Option(help="The column that models learn.")] = None,
    out: Annotated[Path, typer.Option(help="The recipe to write.")] = DEFAULT_RECIPE,
    json: Json = False,
) -> None:
    """Look at data and write a commented recipe that runs as it is."""
    text = assay.init(source, target=target, out=out)
    _result({"recipe": str(out), "text": text}, f"{out}", json)
    name = "" if out == DEFAULT_RECIPE else f" {out}"
    _say(f"This recipe runs as it is. Read it, then: assay {'run' if target else 'build'}{name}")
    if target is None:
        _say("Name a column with --target for models and their scores as well.")


@app.command()
def run(
    recipe: RecipeFile = DEFAULT_RECIPE,
    out: Out = DEFAULT_OUT,
    workers: Workers = None,
    seed: Seed = None,
    engine: EngineName = "processes",
    functions: Functions = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """The main job: build, evaluate, hold against gates, report."""
    with _progress(quiet) as progress:
        outcome = assay.run(
            recipe,
            out=out,
            workers=workers,
            seed=seed,
            engine=_engine(engine),
            progress=progress,
            functions=functions or (),
        )
    _result(outcome.to_dict(), repr(outcome), json)
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
    with _progress(quiet) as progress:
        version = assay.build(
            recipe,
            out=out,
            workers=workers,
            seed=seed,
            engine=_engine(engine),
            progress=progress,
            functions=functions or (),
        )
    _result(version.to_dict(), version.summary(), json)


@app.command()
def evaluate(  # noqa: PLR0913, PLR0917 - one option for each parameter of `assay.evaluate`
    truth: Annotated[Path, typer.Option(help="The table with the true values.")],
    predictions: Annotated[list[Path], typer.Option(help="A table of predictions; repeatable.")],
    more: Annotated[list[Path] | None, typer.Argument(help="More tables of predictions.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="The column that names rows.")] = None,
    target: Annotated[str | None, typer.Option(help="The column with the true value.")] = None,
    metrics: Annotated[str | None, typer.Option(help="Names, with commas between.")] = None,
    positive: Annotated[str | None, typer.Option(help="Of two classes, the one meant.")] = None,
    task: Annotated[str | None, typer.Option(help="number or class; told from the values.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the evaluation.")] = None,
    seed: Seed = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for evaluation.json and report.html.")
    ] = None,
    json: Json = False,
) -> None:
    """Score anybody's predictions, with intervals and comparisons."""
    evaluation = assay.evaluate(
        truth,
        [*predictions, *(more or [])],
        id=id,
        target=target,
        metrics=[name.strip() for name in metrics.split(",")] if metrics else None,
        positive=positive,
        task=_one_of("task", task, ("number", "class")) if task else None,
        seed=seed or 0,
        name=name,
    )
    document, text = evaluation.to_dict(), repr(evaluation)
    if out is not None:
        document["report"] = str(assay.report(evaluation, to=out))
        text += f"\n\nreport   {document['report']}"
    _result(document, text, json)


@app.command()
def check(
    source: Annotated[str, typer.Argument(help="A file, glob or folder.")],
    recipe: Annotated[Path, typer.Option(help="The recipe with the contract.")] = DEFAULT_RECIPE,
    workers: Workers = None,
    json: Json = False,
) -> None:
    """Hold a source against a recipe's contract, and change nothing."""
    checked = assay.check(source, recipe, workers=workers)
    _result(checked.to_dict(), repr(checked), json)
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
    _result(history.to_dict(), repr(history), json)


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
    _result([version.to_dict() for version in found], text, json)
    if not found:
        _say(f"There are no versions{f' of {name!r}' if name else ''} under {out}.")


@app.command()
def export(
    version: VersionName,
    to: Annotated[Path, typer.Option("--out", help="A new or empty folder.")],
    kind: Annotated[str, typer.Option("--as", help="jsonl, csv, parquet, pickle or chat.")],
    given: Annotated[
        list[str] | None, typer.Option("--set", help="A parameter, as name=value; repeatable.")
    ] = None,
    home: Annotated[Path, typer.Option("--versions", help="Where versions are.")] = DEFAULT_OUT,
    json: Json = False,
) -> None:
    """Write a version out in another form."""
    files = assay.export(version, kind, to, parameters=_parameters(given or []), out=home)
    _result({"files": [str(file) for file in files]}, "\n".join(map(str, files)), json)


@app.command()
def report(
    what: Annotated[str, typer.Argument(metavar="VERSION_OR_FILE", help="What to report on.")],
    out: Out = DEFAULT_OUT,
    to: Annotated[Path | None, typer.Option(help="The folder to write report.html to.")] = None,
    json: Json = False,
) -> None:
    """Render the report of a version or an evaluation.json again."""
    path = assay.report(what, out=out, to=to)
    _result({"report": str(path)}, str(path), json)


@app.command()
def schema(
    json: Annotated[bool, typer.Option("--json", help="As always here.", hidden=True)] = False,
) -> None:
    """Print the JSON Schema of a recipe, for editors."""
    _result(assay.schema(), "", True)


@app.command()
def explain(
    name: Annotated[str | None, typer.Argument(help="A component, such as dedup.exact.")] = None,
    json: Json = False,
) -> None:
    """List what recipes can name, or show one with its parameters."""
    document = assay.explain(name)
    if name:
        text = document["help"]
    else:
        width = max(len(title) for names in document.values() for title in names)
        text = "\n\n".join(
            "\n".join([kind, *(f"  {title:<{width}}  {about}" for title, about in names.items())])
            for kind, names in document.items()
        )
    _result(document, text, json)
    if not name:
        _say("\n`assay explain NAME` shows one with its parameters.")


def main() -> None:
    """Run the command line, and turn errors into one message and an exit code."""
    # Before Polars is loaded, whose allocator reads it then: memory that is done with goes back.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:300,muzzy_decay_ms:300")
    if not sys.warnoptions:
        # What libraries warn of is for who calls them; findings about the data are results.
        warnings.simplefilter("ignore")
    try:
        code = app(prog_name="assay", standalone_mode=False)
        if code == INTERRUPTED:
            # Typer caught the interrupt and said nothing.
            raise KeyboardInterrupt
        sys.stdout.flush()
    except AssayError as error:
        code = _failed(error)
    except (KeyboardInterrupt, typer.Abort):
        code = _failed(
            AssayError(
                "Interrupted.",
                hint="run it again: finished shards are not done twice; former versions are as "
                "they were",
            ),
            INTERRUPTED,
        )
    except BrokenPipeError:
        _reader_left()
        code = PASSED
    except typer.TyperException as error:
        code = _failed(_misused(error))
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the last net, under panics of Rust as well
        # Python's own exit code would be 1, which says that a gate failed.
        traceback.print_exc()
        defect = AssayError(
            f"A defect of assay: {type(error).__name__}: {error}",
            hint="please report it with the lines above; former versions are as they were",
        )
        code = _failed(defect, DEFECT)
    sys.exit(code if isinstance(code, int) else PASSED)


def _failed(error: AssayError, code: int = WRONG) -> int:
    if "--json" in sys.argv:
        parts = {name: getattr(error, name) for name in ("what", "where", "received", "hint")}
        allowed = error.allowed if isinstance(error.allowed, str) else list(error.allowed or ())
        kind = type(error).__name__
        _result({"error": {"kind": kind, **parts, "allowed": allowed, "exit": code}}, "", True)
    _say(f"error: {error}")
    return code


def _misused(error: typer.TyperException) -> AssayError:
    """What the parser refused, in the words and the form of every other error."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "assay"
    close = getattr(error, "possibilities", None) or ()
    given = getattr(error, "message", "") if close else error.format_message()
    guess = f"did you mean {' or '.join(sorted(close))}? " if close else ""
    return AssayError(
        f"{given.rstrip('.')}.", hint=f"{guess}`{command} --help` shows what there is"
    )


def _result(document: Any, text: str, json: bool) -> None:
    if json:
        import orjson

        options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
        text = orjson.dumps(document, default=str, option=options).decode()
    if not text:
        return
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Here and not in `main`, since Typer would make a failure of it.
        _reader_left()


def _reader_left() -> None:
    # Who reads our output may stop, as `head` does; what is still buffered must not fail at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _parameters(given: list[str]) -> Mapping[str, Any]:
    from assay.yamltext import plain_scalar

    found: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise AssayError(f"--set takes name=value, not {item!r}.")
        # A scalar and never a mapping: a template such as {title} is a text.
        found[name] = plain_scalar(value)
    return found


def _engine(name: str) -> Any:
    return _one_of("engine", name, ("processes", "ray"))


def _one_of(what: str, given: str, allowed: tuple[str, ...]) -> Any:
    if given not in allowed:
        raise AssayError(f"There is no {what} {given!r}.", allowed=allowed)
    return given


def _progress(quiet: bool) -> Any:
    from assay.progress import no_progress, shown

    return no_progress() if quiet else shown()
