"""What every command shares: its options, how it prints, what its exit codes are."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

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


def place(context: typer.Context, given: Path) -> Path:
    """For an address in an object store the folder that stands for it, sent back at the end."""
    address = re.sub(r"^(\w+):/+", r"\1://", str(given))
    if "://" not in address:
        return given
    from assay.objects import is_store

    return context.with_resource(_sent(address)) if is_store(address) else given


@contextmanager
def _sent(address: str) -> Iterator[Path]:
    left: typer.Exit | None = None
    from assay import remote

    with remote.working(address) as folder:
        try:
            yield folder
        except typer.Exit as code:
            # A verdict and no error: what was found is sent.
            left = code
    if left is not None:
        raise left


Out = Annotated[
    Path,
    typer.Option(
        "--out", callback=place, help="The folder that holds all versions, or s3://bucket/folder."
    ),
]
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


def show(document: Any, text: str, json: bool) -> None:
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
        reader_left()


def reader_left() -> None:
    # Who reads our output may stop, as `head` does; what is still buffered must not fail at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    print(text, file=sys.stderr)


def names(given: str | None) -> list[str] | None:
    """Names with commas between."""
    return [name.strip() for name in given.split(",")] if given else None


def numbers(option: str, given: str | None) -> list[float] | None:
    """Numbers with commas between."""
    try:
        return [float(one) for one in given.split(",")] if given else None
    except ValueError:
        raise AssayError(
            f"--{option} takes numbers with commas between.", received=given, hint="0.6,0.7,0.8"
        ) from None


def parameters(given: list[str]) -> Mapping[str, Any]:
    from assay.yamltext import plain_scalar

    found: dict[str, Any] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals:
            raise AssayError(f"--set takes name=value, not {item!r}.")
        # A scalar and never a mapping: a template such as {title} is a text.
        found[name] = plain_scalar(value)
    return found


def engine_named(name: str) -> Any:
    return one_of("engine", name, ("processes", "ray"))


def one_of(what: str, given: str, allowed: tuple[str, ...]) -> Any:
    if given not in allowed:
        raise AssayError(f"There is no {what} {given!r}.", allowed=allowed)
    return given


def shown_progress(quiet: bool) -> Any:
    from assay.progress import no_progress, shown

    return no_progress() if quiet else shown()
