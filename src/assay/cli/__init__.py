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
from pathlib import Path
from typing import Annotated

import typer

import assay
from assay.cli.gating import accept, ci, gate
from assay.cli.judging import compare, evaluate
from assay.cli.keeping import diff, lineage, prune, restore, runs, tag
from assay.cli.looking import check, duplicates, explain, inspect, schema, versions, why
from assay.cli.making import build, export, init, report, run
from assay.cli.monitoring import monitor
from assay.cli.probing import (
    calibration,
    conformal,
    importance,
    threshold,
    validation_curve,
)
from assay.cli.shared import (
    DEFECT,
    EXIT_CODES,
    INTERRUPTED,
    PASSED,
    WRONG,
    app,
    reader_left,
    say,
    show,
)
from assay.cli.studying import crossval, improve, learning_curve, predict
from assay.cli.watching import watch
from assay.errors import AssayError, NotRecorded

__all__ = [
    "EXIT_CODES",
    "accept",
    "app",
    "build",
    "calibration",
    "check",
    "ci",
    "compare",
    "conformal",
    "crossval",
    "diff",
    "duplicates",
    "evaluate",
    "explain",
    "export",
    "gate",
    "importance",
    "improve",
    "init",
    "inspect",
    "learning_curve",
    "lineage",
    "main",
    "monitor",
    "predict",
    "prune",
    "report",
    "restore",
    "run",
    "runs",
    "schema",
    "tag",
    "threshold",
    "validation_curve",
    "versions",
    "watch",
    "why",
]


# As help lists them: in the order in which they are met.
_ORDER = (
    *("init", "inspect", "duplicates", "run", "improve", "crossval", "learning_curve", "predict"),
    *("gate", "accept", "ci"),
    *("build", "evaluate", "compare", "check", "monitor", "watch", "why"),
    *("runs", "versions", "diff", "lineage", "tag", "restore", "prune"),
)
app.registered_commands.sort(
    key=lambda one: (
        _ORDER.index(one.callback.__name__)
        if one.callback and one.callback.__name__ in _ORDER
        else len(_ORDER)
    )
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version of assay.")] = False,
) -> None:
    if version:
        print(assay.__version__)
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the command line, and turn errors into one message and an exit code."""
    # Before Polars is loaded, whose allocator reads it then: memory that is done with goes back.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:300,muzzy_decay_ms:300")
    if not sys.warnoptions:
        # What libraries warn of is for who calls them; findings about the data are results.
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", NotRecorded)
        warnings.showwarning = lambda message, *_: say(f"note: {message}")
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
        reader_left()
        code = PASSED
    except typer.TyperException as error:
        code = _failed(_misused(error))
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - the last net, under panics of Rust as well
        # Python's own exit code would be 1, which says that a gate failed.
        traceback.print_exc()
        told = f"{type(error).__name__}: {error}"
        if place := _in_own_file(error):
            hint = "the function is your own, from --functions; the lines above lead to it"
            code = _failed(AssayError(f"Your function failed: {told}", where=place, hint=hint))
        else:
            hint = "please report it with the lines above; former versions are as they were"
            code = _failed(AssayError(f"A defect of assay: {told}", hint=hint), DEFECT)
    sys.exit(code if isinstance(code, int) else PASSED)


def _in_own_file(error: BaseException) -> str | None:
    """The line of a file named on the command line at which an error was raised."""
    files = {str(Path(one).resolve()) for one in sys.argv[1:] if one.endswith(".py")}
    frames = reversed(traceback.extract_tb(error.__traceback__))
    own = (one for one in frames if str(Path(one.filename).resolve()) in files)
    return next((f"{one.filename}:{one.lineno}" for one in own), None)


def _failed(error: AssayError, code: int = WRONG) -> int:
    notes = getattr(error, "__notes__", [])
    if "--json" in sys.argv:
        parts = {name: getattr(error, name) for name in ("what", "where", "received", "hint")}
        allowed = error.allowed if isinstance(error.allowed, str) else list(error.allowed or ())
        kind = type(error).__name__
        show(
            {"error": {"kind": kind, **parts, "allowed": allowed, "exit": code, "notes": notes}},
            "",
            True,
        )
    say("\n".join([f"error: {error}", *(f"note: {note}" for note in notes)]))
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
