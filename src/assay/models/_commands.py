"""Programs of the user's that predict: JSON lines go in, JSON lines come out.

A recipe alone runs no code, so a command is started only where the caller has switched commands on
for this call, as with functions of their own.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import orjson
import polars as pl

from assay.errors import ModelError, RecipeError

_ALLOWED: ContextVar[bool] = ContextVar("_ALLOWED", default=False)
TOLD = 400
"""Characters of what a command said last that a message shows."""


@contextmanager
def allowing_commands(allow: bool = True) -> Iterator[None]:
    """Let recipes run commands, for the length of a `with` block."""
    token = _ALLOWED.set(allow)
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def commands_allowed() -> bool:
    """Whether recipes may run commands."""
    return _ALLOWED.get()


def words_of(command: str) -> list[str]:
    """A command's program and arguments; no shell ever sees it.

    Raises:
        RecipeError: it cannot be read.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise RecipeError(f"The command cannot be read: {error}.", received=command) from None
    if not words:
        raise RecipeError("The command is empty.", received=command)
    return words


def answers(command: str, lines: pl.DataFrame, *, seconds: float) -> list[dict[str, Any]]:
    """Run a command, give it each row as a line of JSON, and read the lines that it writes.

    Raises:
        ModelError: commands are not switched on; it cannot be started, takes too long, fails, or
            writes what is no JSON object.
    """
    words = words_of(command)
    if not _ALLOWED.get():
        raise ModelError(
            "The recipe asks to run a command, which nobody has allowed.",
            received=command,
            hint="read it; then `assay run --allow-commands`, or `run(…, commands=True)`",
        )
    given = lines.write_ndjson().encode()
    try:
        done = subprocess.run(words, input=given, capture_output=True, timeout=seconds, check=False)
    except OSError as error:
        raise _failed(command, f"cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise _failed(command, f"took longer than {seconds:g} s", hint="raise `seconds`") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-TOLD:]
        raise _failed(command, f"failed with exit code {done.returncode}", said=said)
    return [_line(command, line) for line in done.stdout.splitlines() if line.strip()]


def _line(command: str, line: bytes) -> dict[str, Any]:
    shown = line.decode("utf-8", "replace")[:TOLD]
    try:
        found = orjson.loads(line)
    except json.JSONDecodeError as error:
        raise _failed(command, f"wrote a line that is no JSON ({error})", said=shown) from None
    if not isinstance(found, dict):
        raise _failed(command, "wrote a line that is no JSON object", said=shown)
    return found


def _failed(command: str, why: str, *, said: str = "", hint: str | None = None) -> ModelError:
    end = f": {said}" if said else ""
    return ModelError(f"The command {why}{end}.", received=command, hint=hint)
